//! A user as programs see it: the fields that can be filtered by, in their order, and nothing else.
//!
//! Answers, exports and imports take names and order from here, so that a field is added in one place:
//! [`Users`]' list of fields.

use std::borrow::Cow;
use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::model::clock::Timestamp;
use crate::model::filter::{Field, FieldValue, FlagField, Resource, Users};
use crate::model::user::User;

/// The members of a record, in their order: all fields of users but the other name of the primary key.
const MEMBERS: &[(&str, Field)] = Users::FIELDS.split_at(NAMES.len()).0;

/// Their names.
pub(crate) const NAMES: [&str; 10] = {
    let mut names = [""; 10];
    let mut n = 0;
    while n < names.len() {
        names[n] = Users::FIELDS[n].0;
        n += 1;
    }
    names
};

/// A user as clients see it, and never anything of the password.
pub(crate) struct Record<'a>(&'a User);

impl<'a> From<&'a User> for Record<'a> {
    fn from(user: &'a User) -> Self {
        Self(user)
    }
}

impl<'a> Record<'a> {
    /// The values of the members, in the order of [`NAMES`].
    pub(crate) fn values(&self) -> impl Iterator<Item = Value<'a>> {
        MEMBERS.iter().map(|(_, field)| Value::of(*field, self.0))
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(NAMES.len()))?;
        for (name, value) in NAMES.iter().zip(self.values()) {
            members.serialize_entry(name, &value)?;
        }
        members.end()
    }
}

/// The fields of a user by which lists of the API can be sorted, in the order in which [`ListedRecord`] has their values:
/// those of a record, and then the rest.
pub(crate) const LISTED: [Field; 11] = {
    let mut fields = [HAS_FACTOR; 11];
    let mut n = 0;
    while n < NAMES.len() {
        fields[n] = Users::FIELDS[n].1;
        n += 1;
    }
    fields
};
const HAS_FACTOR: Field = Field::Flag(FlagField::HasFactor);

/// A user as a list of the API reads it: the values of the [`LISTED`] fields, and nothing else.
#[derive(Debug, PartialEq)]
pub struct ListedRecord(pub(crate) [FieldValue; LISTED.len()]);

impl ListedRecord {
    /// The value of a field by which a list of the API can be sorted; no value of any other.
    #[must_use]
    pub fn value(&self, field: Field) -> FieldValue {
        let place = LISTED.iter().position(|listed| *listed == field);
        place.map_or(FieldValue::Null, |place| self.0[place].clone())
    }
}

impl Serialize for ListedRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(NAMES.len()))?;
        for ((name, field), value) in MEMBERS.iter().zip(&self.0) {
            members.serialize_entry(name, &Value::listed(*field, value))?;
        }
        members.end()
    }
}

/// The value of a member. As text, nothing is the empty one.
#[derive(serde::Serialize)]
#[serde(untagged)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    Instant(Timestamp),
    Flag(bool),
    Nothing,
}

impl<'a> Value<'a> {
    fn of(field: Field, user: &'a User) -> Self {
        match field {
            Field::Text(field) => Self::Text(Users::text(field, user)),
            Field::Flag(field) => Self::Flag(Users::flag(field, user)),
            Field::Integer(at) => {
                Users::integer(at, user).map_or(Self::Nothing, |it| Self::integer(field, it))
            }
        }
    }

    fn listed(field: Field, value: &'a FieldValue) -> Self {
        match value {
            FieldValue::Text(text) => Self::Text(text.into()),
            FieldValue::Flag(flag) => Self::Flag(*flag),
            FieldValue::Integer(number) => Self::integer(field, *number),
            FieldValue::Null => Self::Nothing,
        }
    }

    /// A number, or the microseconds of an instant.
    fn integer(field: Field, number: i64) -> Self {
        match field {
            Field::Integer(field) if Users::is_instant(field) => {
                Self::Instant(Timestamp::from_micros(number))
            }
            _ => Self::Integer(number),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Instant(at) => at.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Nothing => Ok(()),
        }
    }
}
