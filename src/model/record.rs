//! A user as programs see it: the fields that can be filtered by, in their order, and nothing else.
//!
//! Answers, exports and imports take names and order from here, so that a field is added in one place:
//! [`Users`]' list of fields.

use std::borrow::Cow;
use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::model::clock::Timestamp;
use crate::model::filter::{Field, Resource, Users};
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
            Field::Integer(field) => match Users::integer(field, user) {
                None => Self::Nothing,
                Some(micros) if Users::is_instant(field) => Self::Instant(Timestamp::from_micros(micros)),
                Some(number) => Self::Integer(number),
            },
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
