//! Judges rows one after the other: against the users here, and against the rows before.

use std::collections::HashMap;

use super::record::Record;
use crate::model::clock::Timestamp;
use crate::model::field_errors::Message;
use crate::model::user::{User, UserId};

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A new user.
    Created,
    /// The same user is here already.
    Unchanged,
    /// Nothing of it is written, for these reasons.
    Refused(Vec<String>),
}

impl Verdict {
    /// Refused for one reason.
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(vec![reason.into()])
    }
}

/// The users that a row may meet: those here, and those of the rows before.
#[derive(Debug, Default)]
pub(super) struct Known {
    users: Vec<User>,
    by_id: HashMap<UserId, usize>,
    by_key: HashMap<String, usize>,
}

impl Known {
    /// Adds a user. One that has no primary key yet is known by its name only.
    pub(super) fn add(&mut self, user: User) {
        if user.id.0 != 0 {
            self.by_id.insert(user.id, self.users.len());
        }
        self.by_key.insert(user.username.key().to_owned(), self.users.len());
        self.users.push(user);
    }

    /// Judges a record. If it is to be created then the users known contain it from now on.
    pub(super) fn judge(&mut self, record: &Record, now: Timestamp) -> Verdict {
        let find = |place: Option<&usize>| place.and_then(|place| self.users.get(*place));
        let by_id = find(record.id.and_then(|id| self.by_id.get(&id)));
        let by_key = find(self.by_key.get(record.username.key()));
        let same_name = |user: &&User| user.username.key() == record.username.key();
        match (record.id, by_id, by_key) {
            (_, Some(here), _) if same_name(&here) => compare(record, here),
            (Some(id), Some(_), other) => {
                Verdict::Refused([taken_id(id)].into_iter().chain(other.map(|_| taken_name())).collect())
            }
            (Some(_), None, Some(_)) => Verdict::refused(taken_name()),
            (None, _, Some(here)) => compare(record, here),
            // One that has a primary key can still be fetched by it; and it was given elsewhere.
            (None, _, None) if record.username.is_reserved() => {
                Verdict::refused(format!("username: {}", Message::UsernameReserved))
            }
            (_, None, None) | (None, Some(_), None) => {
                self.add(record.new_user(now));
                Verdict::Created
            }
        }
    }
}

fn taken_id(id: UserId) -> String {
    format!("pk {id} belongs to another user.")
}

fn taken_name() -> String {
    format!("username: {}", Message::UsernameTaken(String::new()))
}

fn compare(record: &Record, here: &User) -> Verdict {
    let given = record.applied_to(here);
    if given == *here {
        return Verdict::Unchanged;
    }
    let differing: Vec<&str> = [
        ("username", given.username != here.username),
        ("is_superuser", given.is_superuser != here.is_superuser),
        ("first_name", given.first_name != here.first_name),
        ("last_name", given.last_name != here.last_name),
        ("email", given.email != here.email),
        ("is_staff", given.is_staff != here.is_staff),
        ("is_active", given.is_active != here.is_active),
        ("date_joined", given.date_joined != here.date_joined),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect();
    Verdict::refused(format!("differs from the user already here: {}.", differing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::import::{formats, record};

    /// The verdicts on the lines of a CSV file, as text.
    fn verdicts(here: &[&str], lines: &[&str]) -> Vec<String> {
        let header = "pk,username,email,is_staff,last_login,password\n";
        let content = format!("{header}{}\n{}\n", here.join("\n"), lines.join("\n"));
        let rows = formats::parse(content.as_bytes(), None).unwrap().rows;
        let mut known = Known::default();
        let all: Vec<_> = rows
            .iter()
            .map(|row| known.judge(&record::read(row).unwrap(), Timestamp::from_micros(7)))
            .map(|verdict| match verdict {
                Verdict::Created => "created".to_owned(),
                Verdict::Unchanged => "unchanged".to_owned(),
                Verdict::Refused(reasons) => reasons.join(" "),
            })
            .collect();
        all[here.len()..].to_vec()
    }

    const HERE: [&str; 2] = ["7,ada,a@b.co,no,,!", "8,bob,b@b.co,no,,!"];
    const NAME_TAKEN: &str = "username: A user with that username already exists.";

    #[test]
    fn the_same_user_is_unchanged_whatever_the_password_and_last_sign_in() {
        assert_eq!(
            verdicts(&HERE, &["7,ada,a@b.co,no,2024-01-01,!other", ",ada,a@b.co,no,,"]),
            ["unchanged", "unchanged"]
        );
    }

    #[test]
    fn a_user_that_differs_is_refused_with_the_fields() {
        assert_eq!(
            verdicts(&HERE, &["7,ada,x@b.co,yes,,", ",ADA,a@b.co,no,,"]),
            [
                "differs from the user already here: email, is_staff.",
                "differs from the user already here: username."
            ]
        );
    }

    #[test]
    fn keys_and_names_of_others_are_refused() {
        assert_eq!(
            verdicts(&HERE, &["7,carl,,no,,", "7,bob,b@b.co,no,,", "9,BOB,b@b.co,no,,"]),
            [
                "pk 7 belongs to another user.".to_owned(),
                format!("pk 7 belongs to another user. {NAME_TAKEN}"),
                NAME_TAKEN.to_owned(),
            ]
        );
    }

    #[test]
    fn of_duplicates_in_a_file_the_first_wins() {
        assert_eq!(
            verdicts(
                &[],
                &[
                    "1,ada,,no,,",
                    "1,ada,,no,,",
                    "1,ada,,yes,,",
                    "2,Ada,,no,,",
                    "1,bob,,no,,",
                    ",carl,,no,,",
                    ",carl,,no,,",
                    "3,carl,,no,,"
                ]
            ),
            [
                "created",
                "unchanged",
                "differs from the user already here: is_staff.",
                NAME_TAKEN,
                "pk 1 belongs to another user.",
                "created",
                "unchanged",
                NAME_TAKEN,
            ]
        );
    }

    #[test]
    fn a_reserved_name_needs_a_primary_key() {
        let verdicts = verdicts(&[], &["5,007,,no,,", ",007,,no,,", ",42,,no,,", ",list,,no,,"]);
        assert_eq!(verdicts[..2], ["created", "unchanged"]);
        assert!(verdicts[2..].iter().all(|verdict| verdict.starts_with("username: This name is reserved.")));
    }
}
