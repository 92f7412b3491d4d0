//! The filter language of lists: a closed JSON object, parsed into typed tests on known fields.
//!
//! Parsing decides everything: which field, which operator, whether the value can be read for it.
//! What is left ([`Filter`]) cannot be wrong, so `db::select` only writes it down as SQL, and
//! [`Filter::matches`] says in plain Rust what that SQL must mean; a property test compares them.
//! What can be listed is a [`Resource`]: users here, the audit log in `audit::fields`. To add one: its
//! fields, and its table in `db::select`.

mod parse;
mod users;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Debug;

use crate::model::text;

pub use self::users::{FlagField, IntegerField, TextField, Users};

/// Most leaves and groups in one filter.
pub const MAX_EXPRESSIONS: usize = 500;
/// Most entries in `order_by`.
pub const MAX_ORDERS: usize = 50;
/// Most records on one page.
pub const MAX_LIMIT: i64 = 1000;

/// What can be listed: which fields its records have, and how their values are had.
pub trait Resource: Debug + Clone + Copy + Default + PartialEq + Send + Sync + 'static {
    /// One of what is listed.
    type Record: Send + Sync;
    /// The fields that are texts, compared by code point.
    type Text: Debug + Copy + Eq + Send + Sync;
    /// The fields that are stored as integers: numbers, and instants in microseconds.
    type Integer: Debug + Copy + Eq + Send + Sync;
    /// The fields that are truth values.
    type Flag: Debug + Copy + Eq + Send + Sync;

    /// As it stands in paths.
    const NAME: &'static str;
    /// Every name of a field that a client may use.
    const FIELDS: &'static [(&'static str, Field<Self>)];
    /// The end of every order, which no two records share.
    const LAST_ORDER: Order<Self>;
    /// The flag without which a record is left out, unless inactive ones are asked for.
    const ACTIVE: Option<Self::Flag>;

    /// A text field's value.
    fn text(field: Self::Text, record: &Self::Record) -> Cow<'_, str>;
    /// A value that a client compares with a text field, in the form in which that is stored.
    fn sought(_field: Self::Text, value: String) -> String {
        value
    }
    /// An integer field's value.
    fn integer(field: Self::Integer, record: &Self::Record) -> Option<i64>;
    /// A flag's value.
    fn flag(field: Self::Flag, record: &Self::Record) -> bool;
    /// Whether what is stored is case folded already.
    fn is_folded(field: Self::Text) -> bool;
    /// Whether the field is an instant; else it is a number.
    fn is_instant(field: Self::Integer) -> bool;
    /// Whether a record may have no value in it.
    fn is_nullable(field: Self::Integer) -> bool;
    /// Whether no two records have the same value in it.
    fn is_unique(field: Field<Self>) -> bool;
}

/// A field that can be filtered and sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<R: Resource = Users> {
    /// Compared by code point.
    Text(R::Text),
    /// Compared as a number or instant.
    Integer(R::Integer),
    /// Compared as `false < true`.
    Flag(R::Flag),
}

impl<R: Resource> Field<R> {
    /// The field of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        R::FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    /// Whether a record may have no value in it.
    #[must_use]
    pub fn is_nullable(self) -> bool {
        matches!(self, Self::Integer(field) if R::is_nullable(field))
    }

    /// Whether no two records have the same value in it.
    #[must_use]
    pub fn is_unique(self) -> bool {
        R::is_unique(self)
    }

    /// The field's value in a record.
    #[must_use]
    pub fn of(self, record: &R::Record) -> FieldValue {
        match self {
            Self::Text(field) => FieldValue::Text(R::text(field, record).into_owned()),
            Self::Integer(field) => R::integer(field, record).map_or(FieldValue::Null, FieldValue::Integer),
            Self::Flag(field) => FieldValue::Flag(R::flag(field, record)),
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
pub enum Test<R: Resource = Users> {
    /// The same for every record: what a test comes to when its value lies outside the field's range.
    Constant(bool),
    /// The field has no value. Only asked of fields that are nullable.
    IsNull(R::Integer),
    /// Text against text, by code point; with `folded` both sides are case folded and the operator
    /// is [`Operator::Equal`].
    Text(R::Text, Operator, String, Folding),
    /// The text is part of the field.
    Contains(R::Text, String, Folding),
    /// The field ends with the text.
    EndsWith(R::Text, String, Folding),
    /// Number against number.
    Integer(R::Integer, Operator, i64),
    /// Truth value against truth value.
    Flag(R::Flag, Operator, bool),
}

/// Whether letter case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folding {
    /// Case counts.
    Exact,
    /// Both sides are case folded; the given side already is.
    Folded,
}

impl<R: Resource> Test<R> {
    fn matches(&self, record: &R::Record) -> bool {
        let side = |field: R::Text, folding: Folding| match folding {
            Folding::Folded if !R::is_folded(field) => Cow::Owned(text::fold(&R::text(field, record))),
            Folding::Folded | Folding::Exact => R::text(field, record),
        };
        match self {
            Self::Constant(verdict) => *verdict,
            Self::IsNull(field) => R::integer(*field, record).is_none(),
            Self::Text(field, operator, value, folding) => {
                operator.accepts(side(*field, *folding).as_ref().cmp(value.as_str()))
            }
            Self::Contains(field, part, folding) => side(*field, *folding).contains(part.as_str()),
            Self::EndsWith(field, end, folding) => side(*field, *folding).ends_with(end.as_str()),
            Self::Integer(field, operator, value) => {
                R::integer(*field, record).is_some_and(|own| operator.accepts(own.cmp(value)))
            }
            Self::Flag(field, operator, value) => operator.accepts(R::flag(*field, record).cmp(value)),
        }
    }
}

/// An expression: a test or a group, possibly inverted.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression<R: Resource = Users> {
    /// Whether the verdict is turned round.
    pub invert: bool,
    /// What is inside.
    pub body: Body<R>,
}

/// The inside of an [`Expression`].
#[derive(Debug, Clone, PartialEq)]
pub enum Body<R: Resource = Users> {
    /// A leaf.
    Test(Test<R>),
    /// All of them hold.
    All(Vec<Expression<R>>),
    /// At least one of them holds.
    Any(Vec<Expression<R>>),
}

impl<R: Resource> Expression<R> {
    /// A leaf, not inverted.
    #[must_use]
    pub const fn of(test: Test<R>) -> Self {
        Self { invert: false, body: Body::Test(test) }
    }

    fn tests(&self) -> usize {
        match &self.body {
            Body::Test(_) => 1,
            Body::All(parts) | Body::Any(parts) => parts.iter().map(Self::tests).sum(),
        }
    }

    fn matches(&self, record: &R::Record) -> bool {
        let verdict = match &self.body {
            Body::Test(test) => test.matches(record),
            Body::All(parts) => parts.iter().all(|part| part.matches(record)),
            Body::Any(parts) => parts.iter().any(|part| part.matches(record)),
        };
        verdict != self.invert
    }
}

/// One order term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<R: Resource = Users> {
    /// The field to sort by.
    pub field: Field<R>,
    /// From small to great.
    pub ascending: bool,
    /// Whether records without a value come first. Left out by the client, a null counts as the
    /// greatest value.
    pub nulls_first: bool,
}

impl<R: Resource> Order<R> {
    fn compare(self, left: &R::Record, right: &R::Record) -> Ordering {
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

/// Which records, in which order: the body of a list request without its paging.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter<R: Resource = Users> {
    /// All of them must hold.
    pub expressions: Vec<Expression<R>>,
    /// Most important first, each field once. A unique field ends it; see [`Filter::full_order`].
    pub order_by: Vec<Order<R>>,
    /// Whether deactivated users are listed too.
    pub include_inactive: bool,
}

impl<R: Resource> Filter<R> {
    /// Whether the record is in the list.
    #[must_use]
    pub fn matches(&self, record: &R::Record) -> bool {
        let hidden = R::ACTIVE.is_some_and(|active| !self.include_inactive && !R::flag(active, record));
        !hidden && self.expressions.iter().all(|expression| expression.matches(record))
    }

    /// How many tests a record may take.
    #[must_use]
    pub fn tests(&self) -> usize {
        self.expressions.iter().map(Expression::tests).sum()
    }

    /// Whether every record is in the list.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        (self.include_inactive || R::ACTIVE.is_none()) && self.expressions.is_empty()
    }

    /// All records in the same order: what a cursor of the console belongs to, whose filters move with the clock.
    #[must_use]
    pub fn order_only(&self) -> Self {
        Self { expressions: Vec::new(), order_by: self.order_by.clone(), include_inactive: true }
    }

    /// The same records the other way round.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let reverse = |order: &Order<R>| Order {
            field: order.field,
            ascending: !order.ascending,
            nulls_first: !order.nulls_first,
        };
        Self { order_by: self.full_order().iter().map(reverse).collect(), ..self.clone() }
    }

    /// The order terms, ending in one that no two records share.
    #[must_use]
    pub fn full_order(&self) -> Vec<Order<R>> {
        let mut orders = Vec::with_capacity(self.order_by.len() + 1);
        for order in self.order_by.iter().copied().chain([R::LAST_ORDER]) {
            orders.push(order);
            if order.field.is_unique() {
                break;
            }
        }
        orders
    }

    /// How two records stand in the list.
    #[must_use]
    pub fn compare(&self, left: &R::Record, right: &R::Record) -> Ordering {
        self.full_order()
            .iter()
            .fold(Ordering::Equal, |so_far, order| so_far.then_with(|| order.compare(left, right)))
    }
}

/// The body of a list request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListRequest<R: Resource = Users> {
    /// Which records, in which order.
    pub filter: Filter<R>,
    /// At most so many records; all of them without it.
    pub limit: Option<i64>,
    /// Continue after the record that this cursor names.
    pub after: Option<String>,
    /// Whether the number of all records that match is wanted.
    pub count: bool,
}
