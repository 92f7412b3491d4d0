//! The filter language of lists: a closed JSON object, parsed into typed tests on known fields.
//!
//! Parsing decides everything: which field, which operator, whether the value can be read for it.
//! What is left ([`Filter`]) cannot be wrong, so `db::select` only writes it down as SQL, and
//! [`Filter::matches`] says in plain Rust what that SQL must mean; a property test compares them.
//! To add a field: a variant of [`Field`], its names, and its column in `db::select`.

mod parse;

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::clock::Timestamp;
use crate::text;
use crate::user::User;

/// Most leaves and groups in one filter.
pub const MAX_EXPRESSIONS: usize = 500;
/// Most entries in `order_by`.
pub const MAX_ORDERS: usize = 50;
/// Most users on one page.
pub const MAX_LIMIT: i64 = 1000;

/// A text field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    /// `username`
    Username,
    /// `first_name`
    FirstName,
    /// `last_name`
    LastName,
    /// `email`
    Email,
    /// The name that the console shows, case folded. For the console's order only.
    Name,
    /// All that the console's search looks at. For the console only.
    Searchable,
}

/// A field that is stored as an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegerField {
    /// `pk`, also spelled `id`
    Id,
    /// `date_joined`, in microseconds
    DateJoined,
    /// `last_login`, in microseconds; the only field that can be null
    LastLogin,
}

/// A truth value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagField {
    /// `is_active`
    IsActive,
    /// `is_staff`
    IsStaff,
    /// `is_superuser`
    IsSuperuser,
}

/// A field that can be filtered and sorted by. The password's hash is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Compared by code point.
    Text(TextField),
    /// Compared as a number or instant.
    Integer(IntegerField),
    /// Compared as `false < true`.
    Flag(FlagField),
}

impl Field {
    /// Every name that a client may use.
    const NAMES: [(&'static str, Self); 11] = [
        ("pk", Self::Integer(IntegerField::Id)),
        ("id", Self::Integer(IntegerField::Id)),
        ("username", Self::Text(TextField::Username)),
        ("first_name", Self::Text(TextField::FirstName)),
        ("last_name", Self::Text(TextField::LastName)),
        ("email", Self::Text(TextField::Email)),
        ("is_active", Self::Flag(FlagField::IsActive)),
        ("is_staff", Self::Flag(FlagField::IsStaff)),
        ("is_superuser", Self::Flag(FlagField::IsSuperuser)),
        ("date_joined", Self::Integer(IntegerField::DateJoined)),
        ("last_login", Self::Integer(IntegerField::LastLogin)),
    ];

    /// The field of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    /// Whether a user may have no value in it.
    #[must_use]
    pub fn is_nullable(self) -> bool {
        self == Self::Integer(IntegerField::LastLogin)
    }

    /// Whether no two users have the same value in it.
    #[must_use]
    pub fn is_unique(self) -> bool {
        matches!(self, Self::Integer(IntegerField::Id) | Self::Text(TextField::Username))
    }

    /// The field's value in a user.
    #[must_use]
    pub fn of(self, user: &User) -> FieldValue {
        match self {
            Self::Text(field) => FieldValue::Text(field.of(user).into_owned()),
            Self::Integer(field) => field.of(user).map_or(FieldValue::Null, FieldValue::Integer),
            Self::Flag(field) => FieldValue::Flag(field.of(user)),
        }
    }
}

impl TextField {
    /// Whether what is stored is folded already.
    #[must_use]
    pub const fn is_folded(self) -> bool {
        matches!(self, Self::Name | Self::Searchable)
    }

    fn of(self, user: &User) -> Cow<'_, str> {
        match self {
            Self::Username => user.username.as_str().into(),
            Self::FirstName => user.first_name.as_str().into(),
            Self::LastName => user.last_name.as_str().into(),
            Self::Email => user.email.as_str().into(),
            Self::Name => text::fold(&user.display_name()).into(),
            Self::Searchable => user.searchable().into(),
        }
    }
}

impl IntegerField {
    fn of(self, user: &User) -> Option<i64> {
        match self {
            Self::Id => Some(user.id.0),
            Self::DateJoined => Some(user.date_joined.micros()),
            Self::LastLogin => user.last_login.map(Timestamp::micros),
        }
    }
}

impl FlagField {
    fn of(self, user: &User) -> bool {
        match self {
            Self::IsActive => user.is_active,
            Self::IsStaff => user.is_staff,
            Self::IsSuperuser => user.is_superuser,
        }
    }
}

/// One field's value: what a cursor remembers of the last row of a page.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// No value.
    Null,
    /// A truth value.
    Flag(bool),
    /// A number, or microseconds since the epoch.
    Integer(i64),
    /// A text.
    Text(String),
}

/// A comparison of a field's value with a given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Operator {
    /// Whether values in this order pass.
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A test of one field. Two-valued: on a null every test but [`Test::IsNull`] is false.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The same for every user: what a test comes to when its value lies outside the field's range.
    Constant(bool),
    /// The field has no value. Only asked of fields that are nullable.
    IsNull(IntegerField),
    /// Text against text, by code point; with `folded` both sides are case folded and the operator
    /// is [`Operator::Equal`].
    Text(TextField, Operator, String, Folding),
    /// The text is part of the field.
    Contains(TextField, String, Folding),
    /// Number against number.
    Integer(IntegerField, Operator, i64),
    /// Truth value against truth value.
    Flag(FlagField, Operator, bool),
}

/// Whether letter case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folding {
    /// Case counts.
    Exact,
    /// Both sides are case folded; the given side already is.
    Folded,
}

impl Test {
    fn matches(&self, user: &User) -> bool {
        let side = |field: &TextField, folding: &Folding| match folding {
            Folding::Folded if !field.is_folded() => Cow::Owned(text::fold(&field.of(user))),
            Folding::Folded | Folding::Exact => field.of(user),
        };
        match self {
            Self::Constant(verdict) => *verdict,
            Self::IsNull(field) => field.of(user).is_none(),
            Self::Text(field, operator, value, folding) => {
                operator.accepts(side(field, folding).as_ref().cmp(value.as_str()))
            }
            Self::Contains(field, part, folding) => side(field, folding).contains(part.as_str()),
            Self::Integer(field, operator, value) => {
                field.of(user).is_some_and(|own| operator.accepts(own.cmp(value)))
            }
            Self::Flag(field, operator, value) => operator.accepts(field.of(user).cmp(value)),
        }
    }
}

/// An expression: a test or a group, possibly inverted.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// Whether the verdict is turned round.
    pub invert: bool,
    /// What is inside.
    pub body: Body,
}

/// The inside of an [`Expression`].
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A leaf.
    Test(Test),
    /// All of them hold.
    All(Vec<Expression>),
    /// At least one of them holds.
    Any(Vec<Expression>),
}

impl Expression {
    fn matches(&self, user: &User) -> bool {
        let verdict = match &self.body {
            Body::Test(test) => test.matches(user),
            Body::All(parts) => parts.iter().all(|part| part.matches(user)),
            Body::Any(parts) => parts.iter().any(|part| part.matches(user)),
        };
        verdict != self.invert
    }
}

/// One order term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The field to sort by.
    pub field: Field,
    /// From small to great.
    pub ascending: bool,
    /// Whether users without a value come first. Left out by the client, a null counts as the
    /// greatest value.
    pub nulls_first: bool,
}

impl Order {
    /// Ascending primary key: the end of every order.
    pub const ID: Self =
        Self { field: Field::Integer(IntegerField::Id), ascending: true, nulls_first: false };

    fn compare(self, left: &User, right: &User) -> Ordering {
        let (left, right) = (self.field.of(left), self.field.of(right));
        let nulls = |side: &FieldValue| (*side == FieldValue::Null) != self.nulls_first;
        let values = match (&left, &right) {
            (FieldValue::Text(left), FieldValue::Text(right)) => left.cmp(right),
            (FieldValue::Integer(left), FieldValue::Integer(right)) => left.cmp(right),
            (FieldValue::Flag(left), FieldValue::Flag(right)) => left.cmp(right),
            _ => return nulls(&left).cmp(&nulls(&right)),
        };
        if self.ascending { values } else { values.reverse() }
    }
}

/// Which users, in which order: the body of a list request without its paging.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// All of them must hold.
    pub expressions: Vec<Expression>,
    /// Most important first, each field once. A unique field ends it; see [`Filter::full_order`].
    pub order_by: Vec<Order>,
    /// Whether deactivated users are listed too.
    pub include_inactive: bool,
}

impl Filter {
    /// Whether the user is in the list.
    #[must_use]
    pub fn matches(&self, user: &User) -> bool {
        (self.include_inactive || user.is_active)
            && self.expressions.iter().all(|expression| expression.matches(user))
    }

    /// All users with that e-mail address, in any letter case.
    #[must_use]
    pub fn of_email(email: &str) -> Self {
        let test = Test::Text(TextField::Email, Operator::Equal, text::fold(email), Folding::Folded);
        let expressions = vec![Expression { invert: false, body: Body::Test(test) }];
        Self { expressions, include_inactive: true, ..Self::default() }
    }

    /// Whether every user is in the list.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.include_inactive && self.expressions.is_empty()
    }

    /// The same users the other way round.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let reverse = |order: &Order| Order {
            field: order.field,
            ascending: !order.ascending,
            nulls_first: !order.nulls_first,
        };
        Self { order_by: self.full_order().iter().map(reverse).collect(), ..self.clone() }
    }

    /// The order terms, ending in one that no two users share.
    #[must_use]
    pub fn full_order(&self) -> Vec<Order> {
        let mut orders = Vec::with_capacity(self.order_by.len() + 1);
        for order in self.order_by.iter().copied().chain([Order::ID]) {
            orders.push(order);
            if order.field.is_unique() {
                break;
            }
        }
        orders
    }

    /// How two users stand in the list.
    #[must_use]
    pub fn compare(&self, left: &User, right: &User) -> Ordering {
        self.full_order()
            .iter()
            .fold(Ordering::Equal, |so_far, order| so_far.then_with(|| order.compare(left, right)))
    }
}

/// The body of a list request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListRequest {
    /// Which users, in which order.
    pub filter: Filter,
    /// At most so many users; all of them without it.
    pub limit: Option<i64>,
    /// Continue after the user that this cursor names.
    pub after: Option<String>,
    /// Whether the number of all users that match is wanted.
    pub count: bool,
}
