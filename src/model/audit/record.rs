//! An entry of the audit log as it leaves the house: to clients of the API, and in exports.

use serde::Serialize;
use serde_json::Value;

use super::ListedEntry;
use crate::model::clock::Timestamp;

/// A user, with the name of that moment.
#[derive(Debug, Serialize)]
struct Person<'a> {
    pk: i64,
    username: &'a str,
}

/// An entry. Its serialized form is the API's.
#[derive(Debug, Serialize)]
pub struct EntryRecord<'a> {
    id: i64,
    at: Timestamp,
    action: &'a str,
    actor: Option<Person<'a>>,
    target: Option<Person<'a>>,
    changes: Value,
    details: Value,
    door: &'a str,
    address: &'a str,
    request_id: &'a str,
    batch: Option<i64>,
    undoes: Option<i64>,
    undone_by: Option<i64>,
}

impl EntryRecord<'_> {
    /// The names of [`cells`](Self::cells).
    pub const NAMES: [&'static str; 15] = [
        "id",
        "at",
        "action",
        "actor_pk",
        "actor",
        "target_pk",
        "target",
        "changes",
        "details",
        "door",
        "address",
        "request_id",
        "batch",
        "undoes",
        "undone_by",
    ];

    /// The record as cells of a table; empty for what there is not.
    #[must_use]
    pub fn cells(&self) -> [String; 15] {
        let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        let pk = |person: &Option<Person<'_>>| number(person.as_ref().map(|person| person.pk));
        let name = |person: &Option<Person<'_>>| {
            person.as_ref().map(|person| person.username.to_owned()).unwrap_or_default()
        };
        [
            self.id.to_string(),
            self.at.to_string(),
            self.action.to_owned(),
            pk(&self.actor),
            name(&self.actor),
            pk(&self.target),
            name(&self.target),
            self.changes.to_string(),
            self.details.to_string(),
            self.door.to_owned(),
            self.address.to_owned(),
            self.request_id.to_owned(),
            number(self.batch),
            number(self.undoes),
            number(self.undone_by),
        ]
    }
}

impl<'a> From<&'a ListedEntry> for EntryRecord<'a> {
    fn from(told: &'a ListedEntry) -> Self {
        let entry = &told.entry;
        let person = |pk: Option<i64>, username: &'a str| pk.map(|pk| Person { pk, username });
        Self {
            id: entry.id,
            at: Timestamp::from_micros(entry.happened_at),
            action: &entry.action,
            actor: person(entry.actor_id, &entry.actor_name),
            target: person(entry.target_id, &entry.target_name),
            changes: told.changes().into(),
            details: told.details().into(),
            door: &entry.door,
            address: &entry.address,
            request_id: &entry.request_id,
            batch: entry.batch_id,
            undoes: entry.undoes,
            undone_by: told.undone_by,
        }
    }
}
