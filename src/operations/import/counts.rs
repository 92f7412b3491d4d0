//! How many rows got which verdict.

use serde_json::{Map, Value};

use super::judged::Judged;
use super::verdict::Verdict;

/// How many rows got which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// New users.
    pub created: u64,
    /// Users that were here already.
    pub unchanged: u64,
    /// Nothing of them was written.
    pub refused: u64,
    /// Of the refused: those that are at odds with users here, or with earlier rows.
    pub conflicts: u64,
    /// Of the new users: those without a password that could be used.
    pub invited: u64,
    /// Of those: the users with a hash that cannot be checked here.
    pub unchecked: u64,
    /// Of the new users: those whose hash was too quick to be stored as it was.
    pub layered: u64,
    /// Of the new users: those whose password itself was in the file.
    pub initial: u64,
    /// Users who were here already, whom a client calls something new.
    pub external_ids: u64,
    /// What clients call users that could not be stored: the client is not here, or calls another user so.
    pub external_ids_left_out: u64,
}

impl Counts {
    /// Whether there is anything to write, of which a rehearsal tells.
    #[must_use]
    pub const fn has_work(&self) -> bool {
        self.created > 0 || self.external_ids > 0
    }

    /// All of them.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.created + self.unchanged + self.refused
    }

    /// Those of two files together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            created: self.created + other.created,
            unchanged: self.unchanged + other.unchanged,
            refused: self.refused + other.refused,
            conflicts: self.conflicts + other.conflicts,
            invited: self.invited + other.invited,
            unchecked: self.unchecked + other.unchecked,
            layered: self.layered + other.layered,
            initial: self.initial + other.initial,
            external_ids: self.external_ids + other.external_ids,
            external_ids_left_out: self.external_ids_left_out + other.external_ids_left_out,
        }
    }

    pub(super) fn add(&mut self, judged: &Judged) {
        match judged.verdict {
            Verdict::Created => {
                self.created += 1;
                self.invited += u64::from(!judged.has_password);
                self.unchecked += u64::from(judged.has_unchecked_hash);
                self.layered += u64::from(judged.has_weak_hash);
                self.initial += u64::from(judged.has_initial_password);
            }
            Verdict::Unchanged => self.unchanged += 1,
            Verdict::Refused(_) => {
                self.refused += 1;
                self.conflicts += u64::from(judged.is_conflict);
            }
        }
    }

    /// From an entry of the audit log.
    pub(in crate::operations) fn of_details(details: &Value) -> Self {
        let count = |name: &str| details.get(name).and_then(Value::as_u64).unwrap_or_default();
        Self {
            created: count("created"),
            unchanged: count("unchanged"),
            refused: count("refused"),
            conflicts: count("conflicts"),
            invited: count("invited"),
            unchecked: count("unchecked"),
            layered: count("layered"),
            initial: count("initial"),
            external_ids: count("external_ids"),
            external_ids_left_out: count("external_ids_left_out"),
        }
    }

    /// For the audit log.
    pub(super) fn to_details(self) -> Map<String, Value> {
        let counts = [
            ("created", self.created),
            ("unchanged", self.unchanged),
            ("refused", self.refused),
            ("conflicts", self.conflicts),
            ("invited", self.invited),
            ("unchecked", self.unchecked),
            ("layered", self.layered),
            ("initial", self.initial),
            ("external_ids", self.external_ids),
            ("external_ids_left_out", self.external_ids_left_out),
        ];
        let is_unusual = |name: &str| name.starts_with("external_ids") || name == "unchecked";
        let counts = counts.into_iter().filter(|(name, count)| *count > 0 || !is_unusual(name));
        counts.map(|(name, count)| (name.to_owned(), Value::from(count))).collect()
    }
}
