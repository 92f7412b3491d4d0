//! The pure half of undo: whether an audit entry can be undone, and what its user is given back.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::audit::{self, Action, StoredEntry};
use super::clock::Timestamp;
use super::text;
use super::user::{Limit, User, UserChanges, Username};

/// How long a change can be taken back.
pub const UNDO_FOR: Duration = Duration::from_hours(24);

/// Why something cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It is not the kind of thing that can: no change of a user, or one of a password.
    NotUndoable,
    /// It was done more than [`UNDO_FOR`] ago.
    TooLate,
    /// It is taken back already.
    AlreadyUndone,
    /// The values of before were erased.
    Erased,
    /// These fields have got other values since.
    ChangedSince(Vec<Since>),
    /// The old values are no longer valid, as when another user has the user name.
    DoesNotFit(String),
}

/// A field that was changed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The field's name, as entries have it.
    pub field: String,
    /// Who changed it last, and when, if the audit log has it.
    pub by: Option<(String, Timestamp)>,
}

impl Obstacle {
    /// Every code, with a sentence that does without the particulars.
    pub const CODES: [(&'static str, &'static str); 6] = [
        ("not_undoable", "This cannot be undone."),
        ("undo_expired", "This can no longer be undone: it was done more than 24 hours ago."),
        ("already_undone", "This is undone already."),
        ("changed_since", "This cannot be undone: it has changed again since."),
        ("does_not_fit", "This cannot be undone: what was before does not fit any more."),
        ("values_erased", "This cannot be undone: the values of before were erased."),
    ];

    const fn row(&self) -> (&'static str, &'static str) {
        Self::CODES[match self {
            Self::NotUndoable => 0,
            Self::TooLate => 1,
            Self::AlreadyUndone => 2,
            Self::ChangedSince(_) => 3,
            Self::DoesNotFit(_) => 4,
            Self::Erased => 5,
        }]
    }

    /// The machine-readable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.row().0
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChangedSince(fields) => {
                let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
                write!(f, "This cannot be undone: {}.", fields.join("; "))
            }
            Self::DoesNotFit(message) => write!(f, "This cannot be undone: {message}"),
            _ => f.write_str(self.row().1),
        }
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = label(&self.field);
        match &self.by {
            None => write!(f, "{label} has changed since"),
            Some((who, at)) => {
                let at = at.to_string();
                let (date, time) = (at.get(..10).unwrap_or_default(), at.get(11..16).unwrap_or_default());
                write!(f, "{label} was changed by {who} on {date} at {time} UTC")
            }
        }
    }
}

/// A field in words.
pub(crate) fn label(field: &str) -> &str {
    match field {
        "username" => "Username",
        "email" => "Email",
        "first_name" => "First name",
        "last_name" => "Last name",
        "is_active" => "Status",
        "is_staff" => "Staff",
        "is_superuser" => "Superuser",
        "valid_from" => "Valid from",
        "valid_until" => "Valid until",
        "must_change_password" => "Must change password",
        other => other,
    }
}

/// Whether an entry can be undone: what its user would be given back.
///
/// `user` is its target as stored now; `is_undone` says whether another entry takes it back already.
///
/// # Errors
/// What stands in the way; who has changed a field since is left to be found out.
pub fn check(
    entry: &StoredEntry,
    user: &User,
    is_undone: bool,
    now: Timestamp,
) -> std::result::Result<UserChanges, Obstacle> {
    let (told, before) = read(entry)?;
    if is_undone {
        return Err(Obstacle::AlreadyUndone);
    }
    if now.since(Timestamp::from_micros(entry.happened_at)) >= UNDO_FOR {
        return Err(Obstacle::TooLate);
    }
    let changed: Vec<Since> = told
        .iter()
        .filter(|(field, values)| audit::field(user, field) != values["new"])
        .map(|(field, _)| Since { field: field.clone(), by: None })
        .collect();
    if changed.is_empty() { Ok(before) } else { Err(Obstacle::ChangedSince(changed)) }
}

/// The fields that an entry records, and their old values as a change, if it is of a kind that can be undone. Passwords
/// are never recorded, so their changes cannot be undone.
fn read(entry: &StoredEntry) -> std::result::Result<(Map<String, Value>, UserChanges), Obstacle> {
    match Action::named(&entry.action) {
        Some(Action::UserChanged | Action::UserDeactivated | Action::UserReactivated) => {}
        _ => return Err(Obstacle::NotUndoable),
    }
    let told: Map<String, Value> = serde_json::from_str(&entry.changes).map_err(|_| Obstacle::NotUndoable)?;
    let mut before = UserChanges::default();
    for (field, values) in &told {
        if values.is_null() {
            return Err(Obstacle::Erased);
        }
        let old = values.get("old").and_then(|old| give_back(&mut before, field, old));
        old.ok_or(Obstacle::NotUndoable)?;
    }
    if told.is_empty() { Err(Obstacle::NotUndoable) } else { Ok((told, before)) }
}

fn give_back(changes: &mut UserChanges, field: &str, old: &Value) -> Option<()> {
    let text = || old.as_str().map(str::to_owned);
    let limit = || match old {
        Value::Null => Some(Limit(None)),
        old => Some(Limit(Some(Timestamp::parse(old.as_str()?)?))),
    };
    match field {
        "username" => {
            let name = text()?;
            changes.username = Some(Username::from_row(name.clone(), text::canonical(&name)));
        }
        "email" => changes.email = Some(text()?),
        "first_name" => changes.first_name = Some(text()?),
        "last_name" => changes.last_name = Some(text()?),
        "is_active" => changes.is_active = Some(old.as_bool()?),
        "is_staff" => changes.is_staff = Some(old.as_bool()?),
        "is_superuser" => changes.is_superuser = Some(old.as_bool()?),
        "valid_from" => changes.valid_from = Some(limit()?),
        "valid_until" => changes.valid_until = Some(limit()?),
        "must_change_password" => changes.must_change_password = Some(old.as_bool()?),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn now() -> Timestamp {
        Timestamp::from_micros(0).plus(50 * HOUR)
    }

    fn entry(action: &str, changes: &Value, age: Duration) -> StoredEntry {
        StoredEntry {
            id: 1,
            happened_at: now().minus(age).micros(),
            action: action.into(),
            actor_id: Some(1),
            actor_name: "staff".into(),
            target_id: Some(2),
            target_name: "ada".into(),
            changes: changes.to_string(),
            details: "{}".into(),
            door: "api".into(),
            address: String::new(),
            request_id: String::new(),
            batch_id: None,
            undoes: None,
        }
    }

    fn ada() -> User {
        User { email: "new@b.co".into(), is_staff: true, ..User::blank(Timestamp::from_micros(0)) }
    }

    fn edit() -> Value {
        json!({"email": {"old": "old@b.co", "new": "new@b.co"}, "is_staff": {"old": false, "new": true}})
    }

    #[test]
    fn a_change_is_taken_back_field_by_field() {
        let before = User {
            username: Username::parse("Ada").unwrap(),
            first_name: "A".into(),
            valid_until: Some(Timestamp::from_micros(5)),
            ..ada()
        };
        let after = User {
            username: Username::parse("lovelace").unwrap(),
            first_name: "B".into(),
            last_name: "C".into(),
            email: String::new(),
            is_active: false,
            is_staff: false,
            is_superuser: true,
            valid_from: Some(Timestamp::from_micros(1)),
            valid_until: None,
            must_change_password: true,
            ..before.clone()
        };
        let changes = Value::Object(audit::differences(&before, &after));
        assert_eq!(changes.as_object().unwrap().len(), 10, "every field");
        let undone = check(&entry("user_changed", &changes, HOUR), &after, false, now()).unwrap();
        assert_eq!(undone.apply(&after), before);
    }

    #[test]
    fn only_recent_changes_of_users_are_undone_and_each_once() {
        let verdict = |entry: StoredEntry, undone| check(&entry, &ada(), undone, now()).err();
        assert_eq!(verdict(entry("user_changed", &edit(), HOUR), false), None);
        assert_eq!(verdict(entry("user_changed", &edit(), 24 * HOUR), false), Some(Obstacle::TooLate));
        assert_eq!(verdict(entry("user_changed", &edit(), HOUR), true), Some(Obstacle::AlreadyUndone));
        for (action, changes) in [
            ("user_created", edit()),
            ("password_reset", json!({"password": "changed"})),
            ("user_deactivated", json!({"is_active": {"old": true, "new": false}, "password": "changed"})),
            ("sign_in", json!({})),
            ("user_changed", json!({})),
            ("unknown", edit()),
        ] {
            assert_eq!(
                verdict(entry(action, &changes, HOUR), false),
                Some(Obstacle::NotUndoable),
                "{action}"
            );
        }
        let erased = json!({"email": null, "is_staff": {"old": false, "new": true}});
        assert_eq!(verdict(entry("user_changed", &erased, HOUR), false), Some(Obstacle::Erased));
    }

    #[test]
    fn what_has_changed_since_is_named() {
        let user = User { email: "third@b.co".into(), ..ada() };
        let obstacle = check(&entry("user_changed", &edit(), HOUR), &user, false, now()).unwrap_err();
        assert_eq!(obstacle.to_string(), "This cannot be undone: Email has changed since.");
        let since = Since { field: "email".into(), by: Some(("root".into(), Timestamp::from_micros(0))) };
        assert_eq!(
            Obstacle::ChangedSince(vec![since]).to_string(),
            "This cannot be undone: Email was changed by root on 1970-01-01 at 00:00 UTC."
        );
    }

    #[test]
    fn every_obstacle_has_a_code_of_its_own() {
        for (index, (code, sentence)) in Obstacle::CODES.iter().enumerate() {
            assert!(sentence.ends_with('.'), "{code}");
            assert!(Obstacle::CODES[..index].iter().all(|(other, _)| other != code));
        }
        assert_eq!(Obstacle::TooLate.code(), "undo_expired");
        assert_eq!(Obstacle::DoesNotFit(String::new()).code(), "does_not_fit");
    }
}
