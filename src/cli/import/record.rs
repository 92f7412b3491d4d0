//! From a row to a user: every value is read by the functions that both channels use.

use super::row::Row;
use crate::model::clock::Timestamp;
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::password::PasswordHash;
use crate::model::raw::Raw;
use crate::model::user::{InputMode, User, UserChanges, UserId, UserInput, UserPatch, Username};
use crate::security::passwords::known_algorithm;

/// The longest hash that is kept, in bytes. What is usable is shorter; what follows the `!` of an
/// unusable one has no meaning.
const LONGEST_HASH: usize = 512;
/// The stored hash of a user without one: no password matches it.
const UNUSABLE: &str = "!";

/// A row that can be read. What it does not say has the value of a new user, or of the one here.
#[derive(Debug)]
pub(super) struct Record {
    /// Without one: the next.
    pub(super) id: Option<UserId>,
    /// Always there.
    pub(super) username: Username,
    /// Of the stored form; never printed.
    pub(super) password: PasswordHash,
    changes: UserChanges,
    is_superuser: Option<bool>,
    date_joined: Option<Timestamp>,
    last_login: Option<Timestamp>,
}

impl Record {
    /// The user here with what the row says, but for the last sign-in, which goes on without it.
    pub(super) fn applied_to(&self, here: &User) -> User {
        let mut user = self.changes.apply(here);
        user.is_superuser = self.is_superuser.unwrap_or(here.is_superuser);
        user.date_joined = self.date_joined.unwrap_or(here.date_joined);
        user
    }

    /// The user to store; without a primary key if it is to get the next.
    pub(super) fn new_user(&self, now: Timestamp) -> User {
        let blank =
            User { id: self.id.unwrap_or(UserId(0)), last_login: self.last_login, ..User::blank(now) };
        self.applied_to(&blank)
    }
}

/// Reads a row.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn read(row: &Row) -> Result<Record, Vec<String>> {
    if let Some(reason) = &row.broken {
        return Err(vec![reason.clone()]);
    }
    // Without the password: here it is a hash, not one that was typed.
    let patch = UserPatch {
        username: row.get("username"),
        first_name: row.get("first_name"),
        last_name: row.get("last_name"),
        email: row.get("email"),
        is_staff: row.get("is_staff"),
        is_active: row.get("is_active"),
        ..UserPatch::default()
    };
    let UserInput { mut changes, mut errors } = patch.into_input(InputMode::Part);
    let id = read_id(row.get("pk"), &mut errors);
    let is_superuser = row.get("is_superuser").flag("is_superuser", &mut errors);
    let date_joined = read_time("date_joined", row.get("date_joined"), &mut errors);
    let last_login = match row.get("last_login") {
        Raw::Null => None,
        given => read_time("last_login", given, &mut errors),
    };
    let password = read_hash(row.get("password"), &mut errors);
    if row.get("username") == Raw::Missing {
        errors.add("username", Message::Required);
    }
    let username = changes.username.take();
    let messages = errors.iter().map(|(field, message)| format!("{field}: {message}"));
    let problems: Vec<String> = row.problems.iter().cloned().chain(messages).collect();
    match (username, password) {
        (Some(username), Some(password)) if problems.is_empty() => {
            changes.username = Some(username.clone());
            Ok(Record { id, username, password, changes, is_superuser, date_joined, last_login })
        }
        _ => Err(problems),
    }
}

/// A primary key; the greatest number is left out, as one more has to follow it.
fn read_id(given: Raw, errors: &mut FieldErrors) -> Option<UserId> {
    let number = match given {
        Raw::Missing | Raw::Null => return None,
        Raw::Integer(number) => Some(number),
        // `parse` alone would take a sign.
        Raw::Text(text) => text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())),
        Raw::Bool(_) | Raw::Other => None,
    };
    let id = number.filter(|number| (1..i64::MAX).contains(number)).map(UserId);
    if id.is_none() {
        errors.add("pk", format!("Must be a whole number from 1 to {}.", i64::MAX - 1));
    }
    id
}

fn read_time(field: &'static str, given: Raw, errors: &mut FieldErrors) -> Option<Timestamp> {
    let result = match given {
        Raw::Missing => return None,
        Raw::Null => Err(Message::Null),
        Raw::Text(text) => Timestamp::parse(text.trim())
            .filter(|time| can_be_printed(*time))
            .ok_or_else(|| "Must be a date and time such as 2024-02-29T12:00:00.000000Z.".into()),
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => Err(Message::NotAString),
    };
    result.map_err(|message| errors.add(field, message)).ok()
}

/// With its offset from UTC a date can fall out of the years 0000 to 9999.
fn can_be_printed(time: Timestamp) -> bool {
    use std::fmt::Write;
    let mut text = String::new();
    write!(text, "{time}").is_ok() && Timestamp::parse(&text) == Some(time)
}

/// A hash. The messages do not repeat it.
fn read_hash(given: Raw, errors: &mut FieldErrors) -> Option<PasswordHash> {
    let result = match given {
        Raw::Missing | Raw::Null => Ok(UNUSABLE.to_owned()),
        Raw::Text(hash) if hash.is_empty() => Ok(UNUSABLE.to_owned()),
        Raw::Text(hash) if is_storable(&hash) && known_algorithm(&hash) => Ok(hash),
        Raw::Text(_) => Err("Must be a password hash that can be checked here, or begin with \"!\".".into()),
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => Err(Message::NotAString),
    };
    result.map(PasswordHash::from).map_err(|message| errors.add("password", message)).ok()
}

fn is_storable(hash: &str) -> bool {
    hash.len() <= LONGEST_HASH && !hash.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(members: &[(&'static str, Raw)]) -> Row {
        let mut row = Row::new(1);
        for (field, value) in members {
            row.add(field, value.clone());
        }
        row
    }

    fn text(text: &str) -> Raw {
        Raw::Text(text.into())
    }

    fn ada(field: &'static str, value: Raw) -> Result<Record, Vec<String>> {
        read(&row(&[("username", text("ada")), (field, value)]))
    }

    const NOW: Timestamp = Timestamp::from_micros(7);

    #[test]
    fn a_name_alone_makes_a_user_like_a_new_one_who_cannot_sign_in() {
        let record = read(&row(&[("username", text(" ada "))])).unwrap();
        let user = record.new_user(NOW);
        assert_eq!(user.username.as_str(), "ada");
        assert_eq!(user, User { username: user.username.clone(), ..User::blank(NOW) });
        assert_eq!(record.password.as_str(), "!");
    }

    #[test]
    fn everything_is_kept_to_the_microsecond() {
        let record = read(&row(&[
            ("username", text("Ada")),
            ("pk", Raw::Integer(7)),
            ("last_login", text("2026-11-01T00:00:00.000001Z")),
            ("is_superuser", Raw::Bool(true)),
            ("first_name", text("Ada")),
            ("last_name", text("Lovelace")),
            ("email", text("ada@example.org")),
            ("is_staff", text("yes")),
            ("is_active", Raw::Integer(0)),
            ("date_joined", text("2019-08-16 03:58:50.762+02:00")),
            ("password", text("!x")),
        ]));
        let record = record.unwrap();
        let user = record.new_user(NOW);
        assert_eq!(user.last_login.unwrap().to_string(), "2026-11-01T00:00:00.000001Z");
        assert_eq!(user.date_joined.to_string(), "2019-08-16T01:58:50.762000Z");
        assert_eq!(
            (user.id, user.is_superuser, user.is_staff, user.is_active),
            (UserId(7), true, true, false)
        );
        assert_eq!(
            (user.first_name.as_str(), user.last_name.as_str(), user.email.as_str(), user.version),
            ("Ada", "Lovelace", "ada@example.org", 1)
        );
        assert_eq!(record.password.as_str(), "!x");
    }

    #[test]
    fn all_reasons_of_a_row_are_given_at_once() {
        let mut row = row(&[
            ("pk", Raw::Integer(0)),
            ("email", text("x")),
            ("is_superuser", text("perhaps")),
            ("date_joined", Raw::Null),
            ("last_login", text("yesterday")),
            ("password", text("secret")),
        ]);
        row.problems.push("\"is_staf\" is not a field of a user.".into());
        let reasons = read(&row).unwrap_err();
        let fields: Vec<_> = reasons.iter().map(|reason| reason.split(':').next().unwrap()).collect();
        assert_eq!(
            fields,
            [
                "\"is_staf\" is not a field of a user.",
                "date_joined",
                "email",
                "is_superuser",
                "last_login",
                "password",
                "pk",
                "username"
            ]
        );
    }

    #[test]
    fn primary_keys_leave_room_for_a_next_one() {
        for (given, id) in [
            (Raw::Integer(1), 1),
            (text("7"), 7),
            (text("007"), 7),
            (Raw::Integer(i64::MAX - 1), i64::MAX - 1),
        ] {
            assert_eq!(ada("pk", given).unwrap().id, Some(UserId(id)));
        }
        assert_eq!(ada("pk", Raw::Null).unwrap().id, None);
        for given in [
            Raw::Integer(0),
            Raw::Integer(-1),
            Raw::Integer(i64::MAX),
            Raw::Other,
            Raw::Bool(true),
            text("+7"),
            text("7.0"),
            text(""),
            text("99999999999999999999"),
        ] {
            assert!(
                ada("pk", given.clone()).unwrap_err()[0].starts_with("pk: Must be a whole number"),
                "{given:?}"
            );
        }
    }

    #[test]
    fn dates_that_could_not_be_shown_are_refused() {
        for given in [
            text(""),
            text("9999-12-31T23:59:59-00:01"),
            text("0000-01-01T00:00:00+00:01"),
            text("2024-02-30"),
            Raw::Integer(7),
            Raw::Other,
        ] {
            assert!(ada("date_joined", given.clone()).is_err(), "{given:?}");
            assert!(ada("last_login", given.clone()).is_err(), "{given:?}");
        }
        assert!(ada("date_joined", text("9999-12-31T23:59:59.999999Z")).is_ok());
        assert!(ada("last_login", Raw::Null).is_ok());
    }

    #[test]
    fn a_hash_is_known_or_unusable_and_never_repeated() {
        for given in [Raw::Missing, Raw::Null, text("")] {
            assert_eq!(ada("password", given).unwrap().password.as_str(), "!");
        }
        for hash in ["md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", "hunter2", "!a\0", "! \n", &"!".repeat(600)]
        {
            let reasons = ada("password", text(hash)).unwrap_err();
            assert!(reasons[0].starts_with("password: Must be"), "{reasons:?}");
            assert!(!reasons.concat().contains("hunter2") && !reasons.concat().contains("5f4d"));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(given in "\\PC{0,30}|[0-9T:. +-]{0,30}", field in 0..11_usize) {
            drop(read(&row(&[(super::super::row::FIELDS[field], Raw::Text(given))])));
        }
    }
}
