//! The fields of users.

use std::borrow::Cow;

use super::{Field, Order, Resource};
use crate::model::address;
use crate::model::clock::Timestamp;
use crate::model::text;
use crate::model::user::User;

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
    /// The name that the console shows, by its collation key. For the console's order only.
    Name,
    /// All that the console's search looks at. For the console only.
    Searchable,
    /// The canonical user name. For SCIM only.
    UsernameKey,
}

/// A field that is stored as an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegerField {
    /// `pk`, also spelled `id`
    Id,
    /// `date_joined`, in microseconds
    DateJoined,
    /// `last_login`, in microseconds; can be null
    LastLogin,
    /// `valid_from`, in microseconds; can be null. For the console only.
    ValidFrom,
    /// `valid_until`, in microseconds; can be null. For the console only.
    ValidUntil,
    /// The last edit, in microseconds; can be null. For SCIM only.
    ModifiedAt,
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
    /// Whether a password is yet to be chosen. For the console only.
    IsInvited,
    /// `has_factor`: whether there is a second factor.
    HasFactor,
    /// Whether a provisioning client deleted the account. For SCIM only.
    IsDeprovisioned,
}

/// Users. The password's hash is not among their fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Users;

impl Order {
    /// Ascending primary key: the end of every order of users.
    pub const ID: Self =
        Self { field: Field::Integer(IntegerField::Id), ascending: true, nulls_first: false };
}

impl Resource for Users {
    type Record = User;
    type Text = TextField;
    type Integer = IntegerField;
    type Flag = FlagField;

    const NAME: &'static str = "users";
    const FIELDS: &'static [(&'static str, Field)] = &[
        ("username", Field::Text(TextField::Username)),
        ("pk", Field::Integer(IntegerField::Id)),
        ("last_login", Field::Integer(IntegerField::LastLogin)),
        ("is_superuser", Field::Flag(FlagField::IsSuperuser)),
        ("first_name", Field::Text(TextField::FirstName)),
        ("last_name", Field::Text(TextField::LastName)),
        ("email", Field::Text(TextField::Email)),
        ("is_staff", Field::Flag(FlagField::IsStaff)),
        ("is_active", Field::Flag(FlagField::IsActive)),
        ("date_joined", Field::Integer(IntegerField::DateJoined)),
        // What stands above is the record, in its order.
        ("id", Field::Integer(IntegerField::Id)),
        ("has_factor", Field::Flag(FlagField::HasFactor)),
    ];
    const LAST_ORDER: Order = Order::ID;
    const ACTIVE: Option<FlagField> = Some(FlagField::IsActive);

    fn text(field: TextField, user: &User) -> Cow<'_, str> {
        match field {
            TextField::Username => user.username.as_str().into(),
            TextField::FirstName => user.first_name.as_str().into(),
            TextField::LastName => user.last_name.as_str().into(),
            TextField::Email => user.email.as_str().into(),
            TextField::Name => text::collation_key(&user.display_name()).into(),
            TextField::Searchable => user.searchable().into(),
            TextField::UsernameKey => user.username.key().into(),
        }
    }

    fn sought(field: TextField, value: String) -> String {
        if field == TextField::Email { address::sought(&value).into_owned() } else { value }
    }

    fn integer(field: IntegerField, user: &User) -> Option<i64> {
        match field {
            IntegerField::Id => Some(user.id.0),
            IntegerField::DateJoined => Some(user.date_joined.micros()),
            IntegerField::LastLogin => user.last_login.map(Timestamp::micros),
            IntegerField::ValidFrom => user.valid_from.map(Timestamp::micros),
            IntegerField::ValidUntil => user.valid_until.map(Timestamp::micros),
            IntegerField::ModifiedAt => user.modified_at.map(Timestamp::micros),
        }
    }

    fn flag(field: FlagField, user: &User) -> bool {
        match field {
            FlagField::IsActive => user.is_active,
            FlagField::IsStaff => user.is_staff,
            FlagField::IsSuperuser => user.is_superuser,
            FlagField::IsInvited => user.is_invited,
            FlagField::HasFactor => user.has_factor,
            FlagField::IsDeprovisioned => user.is_deprovisioned,
        }
    }

    fn is_folded(field: TextField) -> bool {
        matches!(field, TextField::Name | TextField::Searchable | TextField::UsernameKey)
    }

    fn is_instant(field: IntegerField) -> bool {
        field != IntegerField::Id
    }

    fn is_nullable(field: IntegerField) -> bool {
        !matches!(field, IntegerField::Id | IntegerField::DateJoined)
    }

    fn is_unique(field: Field) -> bool {
        matches!(
            field,
            Field::Integer(IntegerField::Id) | Field::Text(TextField::Username | TextField::UsernameKey)
        )
    }
}
