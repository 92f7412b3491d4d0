//! One user of a file: its members as they were written.

use crate::model::raw::Raw;
use crate::model::record::NAMES;

/// The members of a user in a file, in the order of an export: those of the record, and the hash.
pub(in crate::cli) const FIELDS: [&str; NAMES.len() + 1] = {
    let mut fields = ["password"; NAMES.len() + 1];
    let (record, _) = fields.split_at_mut(NAMES.len());
    record.copy_from_slice(&NAMES);
    fields
};

/// The field of that name. The filter language, too, takes `id` for `pk`.
pub(super) fn field(name: &str) -> Option<&'static str> {
    let name = if name == "id" { "pk" } else { name };
    FIELDS.into_iter().find(|field| *field == name)
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The users, good and bad, in the file's order.
    pub(super) rows: Vec<Row>,
    /// Objects of a dump that are no users.
    pub(super) skipped: usize,
}

/// One user as written.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Row {
    /// Its place in the file, from 1. Objects that were skipped count, a header does not.
    pub(super) number: usize,
    /// What is wrong with the row as a whole; then there are no members to judge.
    pub(super) broken: Option<String>,
    /// What is wrong with its members, other than their values.
    pub(super) problems: Vec<String>,
    members: Vec<(&'static str, Raw)>,
}

impl Row {
    /// A row without members yet.
    pub(super) fn new(number: usize) -> Self {
        Self { number, ..Self::default() }
    }

    /// A row that cannot be taken apart.
    pub(super) fn broken(number: usize, reason: impl Into<String>) -> Self {
        Self { number, broken: Some(reason.into()), ..Self::default() }
    }

    /// Adds a member. A second value for the same member is a problem: it is unknown which one was meant.
    pub(super) fn add(&mut self, field: &'static str, value: Raw) {
        if self.members.iter().any(|(present, _)| *present == field) {
            self.problems.push(format!("{field}: is there twice."));
        } else {
            self.members.push((field, value));
        }
    }

    /// The value of a member.
    pub(super) fn get(&self, field: &str) -> Raw {
        self.members.iter().find(|(name, _)| *name == field).map_or(Raw::Missing, |(_, raw)| raw.clone())
    }
}
