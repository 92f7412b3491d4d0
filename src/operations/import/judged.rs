//! A row with its verdict, as a report names it.

use std::fmt;

use super::record::Record;
use super::row::{Place, Row};
use super::secret::Secret;
use super::verdict::Verdict;
use crate::model::raw::Raw;
use crate::model::user::UserId;

/// A row and what became of it.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that the page says of the row")]
pub struct Judged {
    /// What the row is called.
    pub label: Label,
    /// What became of it.
    pub verdict: Verdict,
    /// Whether it was refused because of other users, and not for what it says itself.
    pub is_conflict: bool,
    /// The primary key of the new user; unknown in a rehearsal.
    pub id: Option<UserId>,
    /// What the operator should know, though the row is good.
    pub notes: Vec<String>,
    /// Whether the user can sign in with a password of before.
    pub has_password: bool,
    /// Whether the hash of it was too quick to be stored as it was.
    pub has_weak_hash: bool,
    /// Whether the password itself is in the file.
    pub has_initial_password: bool,
    /// Whether there is a hash that cannot be checked here.
    pub has_unchecked_hash: bool,
}

impl Judged {
    pub(super) fn new(label: Label, verdict: Verdict) -> Self {
        Self {
            label,
            verdict,
            is_conflict: false,
            id: None,
            notes: Vec::new(),
            has_password: false,
            has_weak_hash: false,
            has_initial_password: false,
            has_unchecked_hash: false,
        }
    }

    /// With what the record says.
    pub(super) fn with(self, record: &Record) -> Self {
        let is_conflict = matches!(self.verdict, Verdict::Refused(_));
        let has_weak_hash = matches!(record.password, Secret::Weak(_));
        // A passkey that signs in alone stands for one: such a user needs no link.
        let has_password = record.password.is_usable() || record.factors.signs_in_alone();
        let has_initial_password = record.has_initial_password();
        let has_unchecked_hash =
            matches!(self.verdict, Verdict::Created) && record.password == Secret::Unchecked;
        let notes = record.notes.clone();
        Self {
            is_conflict,
            notes,
            has_password,
            has_weak_hash,
            has_initial_password,
            has_unchecked_hash,
            ..self
        }
    }

    /// With another verdict, as another process was faster.
    pub(super) fn overtaken(&mut self, verdict: Verdict) {
        self.is_conflict = matches!(verdict, Verdict::Refused(_));
        self.verdict = verdict;
    }

    /// The verdict, as a report has it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self.verdict {
            Verdict::Created => "created",
            Verdict::Unchanged => "unchanged",
            Verdict::Refused(_) if self.is_conflict => "conflict",
            Verdict::Refused(_) => "refused",
        }
    }

    /// Reasons and notes, a sentence each.
    #[must_use]
    pub fn remarks(&self) -> String {
        let reasons = match &self.verdict {
            Verdict::Refused(reasons) => reasons.as_slice(),
            Verdict::Created | Verdict::Unchanged => self.notes.as_slice(),
        };
        reasons.join(" ")
    }
}

/// How a row is called in a report: `line 18 (row 17, pk 17, "O'Sullivan")`.
#[derive(Debug, Clone)]
pub struct Label {
    /// Where it stands.
    pub place: Place,
    pk: Raw,
    username: Raw,
}

impl Label {
    /// Longest part of a value that is shown.
    const SHOWN: usize = 150;

    pub(super) fn of(row: &Row) -> Self {
        let shorten = |value| match value {
            Raw::Text(text) => Raw::Text(text.chars().take(Self::SHOWN).collect()),
            other => other,
        };
        Self { place: row.place, pk: shorten(row.get("pk")), username: shorten(row.username()) }
    }

    /// The primary key as the file has it; empty for none.
    #[must_use]
    pub fn pk(&self) -> String {
        match &self.pk {
            Raw::Integer(pk) => pk.to_string(),
            Raw::Text(pk) => pk.clone(),
            _ => String::new(),
        }
    }

    /// The user name as the file has it; empty for none.
    #[must_use]
    pub fn username(&self) -> &str {
        match &self.username {
            Raw::Text(username) => username,
            _ => "",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} (row {}, ", self.place.line, self.place.row)?;
        match &self.pk {
            Raw::Integer(pk) => write!(f, "pk {pk}, ")?,
            Raw::Text(pk) if is_number(pk) => write!(f, "pk {pk}, ")?,
            Raw::Text(pk) => write!(f, "pk {pk:?}, ")?,
            _ => {}
        }
        match &self.username {
            // Escaped: what a file holds must not steer the terminal.
            Raw::Text(username) => write!(f, "{username:?})"),
            _ => f.write_str("no username)"),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_escapes_and_shortens_what_comes_from_the_file() {
        let mut row = Row::new(Place { line: 4, row: 3 });
        row.add("pk", Raw::Text("7\u{202e}".into()));
        row.add("username", Raw::Text(format!("\r{}", "x".repeat(1000))));
        let label = Label::of(&row).to_string();
        assert!(label.starts_with("line 4 (row 3, pk \"7\\u{202e}\", \"\\rxxx"), "{label}");
        assert!(label.len() < 210);
    }
}
