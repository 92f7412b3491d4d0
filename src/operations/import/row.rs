//! One user of a file: its members as they were written.

use std::sync::Arc;

use crate::model::raw::Raw;
use crate::model::record::NAMES;

/// What an export has of a user beyond the record.
const BEYOND: [&str; 10] = [
    "valid_from",
    "valid_until",
    "must_change_password",
    "password_changed_at",
    "preferences",
    "password",
    "is_deprovisioned",
    "modified_at",
    "external_ids",
    "second_factors",
];

/// How many of the members stand first in each file of ours, of whatever release.
pub(super) const FIRST_FIELDS: usize = NAMES.len() + 6;

/// Fields whose values are objects, which a table has as texts.
pub(super) const OBJECTS: [&str; 3] = ["preferences", "external_ids", "second_factors"];

/// The members of a user in a file of ours, in their order.
pub(crate) const FIELDS: [&str; NAMES.len() + BEYOND.len()] = {
    let mut fields = [""; NAMES.len() + BEYOND.len()];
    let (record, beyond) = fields.split_at_mut(NAMES.len());
    record.copy_from_slice(&NAMES);
    beyond.copy_from_slice(&BEYOND);
    fields
};

/// What other programs write instead: a whole name, a flag that is the opposite of `is_active`, when the account was closed
/// and until when it is, and a password itself that users are to sign in with first.
pub(super) const FOREIGN: [&str; 5] =
    ["full_name", "is_blocked", "blocked_at", "blocked_until", "initial_password"];

/// Fields that say whether an account may be used, each of which may be told by several columns.
pub(super) const STATES: [&str; 3] = ["is_active", "is_blocked", "blocked_at"];

/// Fields that hold times.
const TIMES: [&str; 8] = [
    "date_joined",
    "last_login",
    "valid_from",
    "valid_until",
    "password_changed_at",
    "modified_at",
    "blocked_at",
    "blocked_until",
];

/// What is the last name, or the whole one, beside a first name.
pub(super) const SURNAME: &str = "surname";

/// The fields that a column can be said to hold: those of a user, and what other programs write instead.
pub const MAPPED: &[&str] = &{
    let mut fields = [""; FIELDS.len() + FOREIGN.len()];
    let (own, foreign) = fields.split_at_mut(FIELDS.len());
    own.copy_from_slice(&FIELDS);
    foreign.copy_from_slice(&FOREIGN);
    fields
};

/// Fields whose values are never shown.
const SECRET: [&str; 2] = ["password", "initial_password"];

/// The longest part of a value that is shown, in characters.
const LONGEST_SHOWN: usize = 100;

/// The field of that name. The filter language, too, takes `id` for `pk`.
pub(super) fn field(name: &str) -> Option<&'static str> {
    let name = if name == "id" { "pk" } else { name };
    FIELDS.into_iter().find(|field| *field == name)
}

/// Kinds of rows that are no users, though they stand among them: the value of a column that says so.
pub(super) const NO_USER: [(&str, &str); 2] = [("no_user_1", "1"), ("no_user_2", "2")];

/// What a reader finds, one after the other.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    /// A user, good or bad.
    Row(Row),
    /// Something that is no user, by its kind.
    Skipped(String),
}

/// What a reader finds in a file.
pub(super) type Items = Box<dyn Iterator<Item = Item> + Send>;

/// Where something stands in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1: of all lines, whatever is on them.
    pub line: u64,
    /// The row, from 1: objects that are no users count, a header does not.
    pub row: u64,
}

/// One user as written.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Row {
    /// Where it stands.
    pub(super) place: Place,
    /// What is wrong with the row as a whole; then there are no members to judge.
    pub(super) broken: Option<String>,
    /// What is wrong with its members, other than their values.
    pub(super) problems: Vec<String>,
    /// Names of columns, or members, that are nothing of ours.
    pub(super) not_read: Arc<[String]>,
    members: Vec<(&'static str, Raw)>,
}

impl Row {
    /// A row without members yet.
    pub(super) fn new(place: Place) -> Self {
        Self { place, ..Self::default() }
    }

    /// A row that cannot be taken apart.
    pub(super) fn broken(place: Place, reason: impl Into<String>) -> Self {
        Self { place, broken: Some(reason.into()), ..Self::default() }
    }

    /// Adds a member. A second value for the same member is a problem: it is unknown which one was meant.
    pub(super) fn add(&mut self, field: &'static str, value: Raw) {
        if self.members.iter().any(|(present, _)| *present == field) {
            self.problems.push(format!("{field}: is there twice."));
        } else {
            self.members.push((field, value));
        }
    }

    /// Adds what a column holds. Several may tell the state of the account.
    pub(super) fn add_column(&mut self, field: &'static str, value: Raw) {
        if STATES.contains(&field) {
            self.members.push((field, value));
        } else {
            self.add(field, value);
        }
    }

    /// Adds a member unless the source says nothing of it.
    pub(super) fn add_known(&mut self, field: &'static str, value: Raw) {
        if !matches!(value, Raw::Missing | Raw::Null) {
            self.add(field, value);
        }
    }

    /// What it says, but for passwords and hashes, and what people cannot read.
    pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
        let text = |raw: &Raw| match raw {
            Raw::Text(text) => text.chars().take(LONGEST_SHOWN).collect(),
            Raw::Integer(number) => number.to_string(),
            Raw::Bool(yes) => yes.to_string(),
            Raw::Missing | Raw::Null | Raw::Other => String::new(),
        };
        let may_be_shown = |field: &str| !SECRET.contains(&field) && !OBJECTS.contains(&field);
        self.members
            .iter()
            .filter(|(field, _)| may_be_shown(field))
            .map(|(field, raw)| (*field, text(raw)))
            .collect()
    }

    /// Puts another value in the place of a member's.
    pub(super) fn replace(&mut self, field: &'static str, value: Raw) {
        self.members.retain(|(name, _)| *name != field);
        self.members.push((field, value));
    }

    /// Adds a member unless the row has it already.
    pub(super) fn add_if_missing(&mut self, field: &'static str, value: Raw) {
        if self.get(field) == Raw::Missing {
            self.add(field, value);
        }
    }

    /// The user name; where there is none, the address is one.
    pub(super) fn username(&self) -> Raw {
        match self.get("username") {
            Raw::Missing => match self.get("email") {
                Raw::Text(email) if !email.trim().is_empty() => Raw::Text(email),
                _ => Raw::Missing,
            },
            name => name,
        }
    }

    /// All values of a member.
    pub(super) fn all(&self, field: &str) -> impl Iterator<Item = &Raw> {
        self.members.iter().filter(move |(name, _)| *name == field).map(|(_, raw)| raw)
    }

    /// Its times that are texts.
    pub(super) fn times(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter_map(|(field, raw)| match raw {
            Raw::Text(text) if TIMES.contains(field) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether it is no user: a group or a program, or what a table keeps for guests, without a key and a name.
    pub(super) fn is_no_user(&self) -> bool {
        let is = |field: &str, value: &str| match self.all(field).next() {
            Some(Raw::Text(text)) => text.trim() == value,
            Some(Raw::Integer(number)) => number.to_string() == value,
            _ => false,
        };
        NO_USER.into_iter().any(|(field, value)| is(field, value))
            || is("pk", "0") && is("username", "") && self.get("email") == Raw::Text(String::new())
    }

    /// The value of a member.
    pub(super) fn get(&self, field: &str) -> Raw {
        self.members.iter().find(|(name, _)| *name == field).map_or(Raw::Missing, |(_, raw)| raw.clone())
    }
}
