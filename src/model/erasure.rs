//! The erasure of a person: what is known of it, and what is left of the user.

use serde::Serialize;

use super::audit::{EntryId, Group, StoredEntry};
use super::clock::Timestamp;
use super::text;
use super::user::{User, UserId, Username};

/// What becomes of the user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NameAfter {
    /// Another user may be given it.
    Free,
    /// No user is given it again.
    Block,
}

impl NameAfter {
    /// Of that name: `free` or `block`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "free" => Some(Self::Free),
            "block" => Some(Self::Block),
            _ => None,
        }
    }

    /// As clients send it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Block => "block",
        }
    }
}

/// The erasure of a user: waiting, or carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Whose.
    pub user: UserId,
    /// When a superuser asked for it.
    pub requested_at: Timestamp,
    /// Which superuser; `None` if it was carried out again after a backup was restored.
    pub requested_by: Option<UserId>,
    /// Until when it can be cancelled.
    pub due_at: Timestamp,
    /// What becomes of the user name.
    pub username_after: NameAfter,
    /// Whether the account was active before.
    pub was_active: bool,
    /// When the account was made.
    pub date_joined: Timestamp,
    /// The version of the record, as of a user.
    pub version: i64,
    /// When it was carried out.
    pub erased_at: Option<Timestamp>,
    /// The last entry of the audit log that was looked at.
    pub last_entry: EntryId,
    /// When no entry of the audit log was left to look at.
    pub finished_at: Option<Timestamp>,
}

impl Erasure {
    /// What is left of the user: a record that says nothing about the person.
    #[must_use]
    pub fn record(&self) -> User {
        let name = placeholder(self.user);
        let key = text::canonical(&name);
        User {
            id: self.user,
            username: Username::from_row(name, key),
            is_active: false,
            version: self.version,
            modified_at: self.erased_at,
            ..User::blank(self.date_joined)
        }
    }
}

/// What every [`placeholder`] begins with. No user can be given such a name.
pub(crate) const PLACEHOLDER: &str = "erased:";

/// What stands in place of the user name of an erased user, such as `erased:42`.
#[must_use]
pub fn placeholder(id: UserId) -> String {
    format!("{PLACEHOLDER}{id}")
}

/// Which values of an entry are about a person: their name as actor, where they acted from, and what was done to them.
/// What they did to another user stays that user's.
#[must_use]
pub fn groups_about(entry: &StoredEntry, person: UserId) -> Vec<Group> {
    let (acted, suffered) = (entry.actor_id == Some(person.0), entry.target_id == Some(person.0));
    let is_about = |group: &Group| match group {
        Group::Actor => acted,
        // Tries on the account by clients that are not signed in are taken to be the person's.
        Group::Origin => acted || suffered && entry.actor_id.is_none(),
        Group::Target => suffered || acted && entry.target_id.is_none(),
    };
    Group::ALL.into_iter().filter(is_about).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(actor: Option<i64>, target: Option<i64>) -> StoredEntry {
        StoredEntry {
            id: 1,
            happened_at: 0,
            action: "user_changed".into(),
            actor_id: actor,
            actor_name: String::new(),
            target_id: target,
            target_name: String::new(),
            changes: "{}".into(),
            details: "{}".into(),
            door: "api".into(),
            address: String::new(),
            request_id: String::new(),
            batch_id: None,
            undoes: None,
        }
    }

    #[test]
    fn lg_7_what_is_about_a_person_depends_on_their_part_in_an_entry() {
        use Group::{Actor, Origin, Target};
        for (actor, target, expected) in [
            (Some(5), Some(5), &[Actor, Origin, Target][..]),
            (Some(5), None, &[Actor, Origin, Target]),
            (Some(5), Some(6), &[Actor, Origin]),
            (Some(6), Some(5), &[Target]),
            (None, Some(5), &[Origin, Target]),
            (Some(6), Some(7), &[]),
            (None, None, &[]),
        ] {
            assert_eq!(groups_about(&entry(actor, target), UserId(5)), expected, "{actor:?} {target:?}");
        }
    }

    #[test]
    fn lg_7_no_person_can_have_the_name_of_an_erased_user() {
        let name = placeholder(UserId(42));
        assert_eq!(name, "erased:42");
        assert!(Username::parse(&name).is_err());
        for elsewhere in [name.as_str(), " ERASED:42 ", "erased:"] {
            assert!(Username::parse_existing(elsewhere).is_err(), "{elsewhere}");
        }
        assert!(Username::parse_existing("erased").is_ok());
    }
}
