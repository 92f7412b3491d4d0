//! From a row to a user: every value is read by the functions that both channels use, and in the spellings of
//! other programs.

use super::names::{in_one_line, names};
use super::row::{Row, is_uuid};
use super::secret::{Secret, read_hash, read_initial};
use super::states::{self, Until, flag};
use super::{Options, external_ids, times};
use crate::model::clock::Timestamp;
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::preferences::Preferences;
use crate::model::raw::Raw;
use crate::model::user::{InputMode, Limit, User, UserChanges, UserId, UserInput, UserPatch, Username};
use crate::operations::carried_factors::Factors;

/// The greatest primary key: numbers up to it are exact in every JSON reader, and the database has room for as
/// many users after it as an installation can ever have.
pub(super) const HIGHEST_ID: i64 = 1 << 53;

/// The most reasons that are given for a row, and the longest part of each, in characters.
const MOST_REASONS: usize = 20;
const LONGEST_REASON: usize = 500;

/// What is wrong with a date that could be two.
const SAY_ORDER: &str = "Say with --dates whether the day or the month comes first.";

/// A row that can be read. What it does not say has the value of a new user, or of the one here.
#[derive(Debug)]
pub(super) struct Record {
    /// Without one: the next.
    pub(super) id: Option<UserId>,
    /// Always there.
    pub(super) username: Username,
    /// Never printed.
    pub(super) password: Secret,
    /// How the user likes the console, as JSON; empty for the defaults.
    pub(super) preferences: String,
    /// Never printed.
    pub(super) factors: Factors,
    /// What provisioning clients call the user.
    pub(super) external_ids: external_ids::Named,
    /// What the operator should know, though the row is good.
    pub(super) notes: Vec<String>,
    changes: UserChanges,
    is_superuser: Option<bool>,
    date_joined: Option<Timestamp>,
    last_login: Option<Timestamp>,
    password_changed_at: Option<Timestamp>,
    is_deprovisioned: Option<bool>,
    modified_at: Option<Timestamp>,
}

impl Record {
    /// The user here with what the row says, but for what goes on without it: the last sign-in, the last edit, the
    /// password, and second factors that were added.
    pub(super) fn applied_to(&self, here: &User) -> User {
        let mut user = self.changes.apply(here);
        user.is_superuser = self.is_superuser.unwrap_or(here.is_superuser);
        user.date_joined = self.date_joined.unwrap_or(here.date_joined);
        user.must_change_password = here.must_change_password;
        user.is_deprovisioned = self.is_deprovisioned.unwrap_or(here.is_deprovisioned) && !user.is_active;
        user.has_factor = here.has_factor || self.factors.count() > 0;
        user
    }

    /// Whether the file has the password itself.
    pub(super) const fn has_initial_password(&self) -> bool {
        matches!(self.password, Secret::Initial(_))
    }

    /// The user to store; without a primary key if it is to get the next.
    pub(super) fn new_user(&self, now: Timestamp) -> User {
        let user = self.applied_to(&User::blank(now));
        User {
            id: self.id.unwrap_or(UserId(0)),
            last_login: self.last_login,
            must_change_password: self
                .changes
                .must_change_password
                .unwrap_or_else(|| self.has_initial_password()),
            password_changed_at: self.password_changed_at,
            modified_at: self.modified_at,
            ..user
        }
    }
}

/// Reads a row.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn read(row: &Row, options: &Options) -> Result<Record, Vec<String>> {
    if let Some(reason) = &row.broken {
        return Err(vec![reason.clone()]);
    }
    let mut notes = Vec::new();
    let (first_name, last_name) = names(row);
    let mut joined = |field: &str, name| {
        let (name, is_joined) = in_one_line(name);
        if is_joined {
            notes.push(format!("{field}: its lines are joined."));
        }
        name
    };
    let (first_name, last_name) = (joined("first_name", first_name), joined("last_name", last_name));
    // Without the password: here it is a hash, not one that was typed.
    let patch = UserPatch {
        username: row.username(),
        first_name,
        last_name,
        email: row.get("email"),
        is_staff: flag(row.get("is_staff")),
        is_active: states::is_active(row, options.dates),
        must_change_password: states::must_change_password(row),
        ..UserPatch::default()
    };
    let UserInput { mut changes, mut errors } = patch.into_input(InputMode::Part);
    let valid_from = read_limit("valid_from", row, options, &mut errors)
        .or_else(|| read_end_of_block(row, options, &mut errors));
    let valid_until = read_limit("valid_until", row, options, &mut errors);
    (changes.valid_from, changes.valid_until) = (valid_from, valid_until);
    let id = read_id(row.get("pk"), options.new_keys, &mut notes, &mut errors);
    let is_superuser = flag(row.get("is_superuser")).flag("is_superuser", &mut errors);
    let date_joined = read_time("date_joined", row.get("date_joined"), options.dates, &mut errors);
    let last_login = read_optional_time("last_login", row, options, &mut errors);
    let password_changed_at = read_optional_time("password_changed_at", row, options, &mut errors);
    let is_deprovisioned = flag(row.get("is_deprovisioned")).flag("is_deprovisioned", &mut errors);
    let modified_at = read_optional_time("modified_at", row, options, &mut errors);
    let preferences = read_preferences(row.get("preferences"), &mut errors);
    let factors = read_factors(row.get("second_factors"), &mut errors);
    let external_ids = external_ids::read(row.get("external_ids"))
        .map_err(|message| errors.add("external_ids", message))
        .unwrap_or_default();
    let mut password = read_hash(row, options, &mut notes, &mut errors);
    if row.username() == Raw::Missing {
        errors.add("username", Message::Required);
    }
    if is_superuser == Some(true)
        && [valid_from, valid_until].iter().any(|limit| matches!(limit, Some(Limit(Some(_)))))
    {
        errors.add("is_superuser", "A superuser's account cannot have dates.");
    }
    if let (Some(Limit(Some(from))), Some(Limit(Some(until)))) = (valid_from, valid_until)
        && from >= until
    {
        errors.add("valid_until", "The account must end after it begins.");
    }
    let username = changes.username.take();
    if let Some(initial) = read_initial(row, username.as_ref(), &changes, options, &mut errors) {
        password = Some(Secret::Initial(initial));
    }
    let messages = errors.iter().map(|(field, message)| format!("{field}: {message}"));
    let problems: Vec<String> = row.problems.iter().cloned().chain(messages).collect();
    match (username, password) {
        (Some(username), Some(password)) if problems.is_empty() => {
            changes.username = Some(username.clone());
            Ok(Record {
                id,
                username,
                password,
                preferences,
                factors,
                external_ids,
                notes,
                changes,
                is_superuser,
                date_joined,
                last_login,
                password_changed_at,
                is_deprovisioned,
                modified_at,
            })
        }
        _ => Err(bounded(problems)),
    }
}

/// As many reasons as a person reads: a row may have any number of members, with names of any length.
fn bounded(mut reasons: Vec<String>) -> Vec<String> {
    let more = reasons.len().saturating_sub(MOST_REASONS);
    reasons.truncate(MOST_REASONS);
    for reason in &mut reasons {
        if let Some((end, _)) = reason.char_indices().nth(LONGEST_REASON) {
            reason.truncate(end);
        }
    }
    if more > 0 {
        reasons.push(format!("and {more} more."));
    }
    reasons
}

/// A primary key. With new keys, one that cannot be kept is no error.
fn read_id(given: Raw, new_keys: bool, notes: &mut Vec<String>, errors: &mut FieldErrors) -> Option<UserId> {
    let number = match given {
        Raw::Missing | Raw::Null => return None,
        Raw::Integer(number) => Some(number),
        Raw::Text(text) if is_uuid(&text) => return None,
        Raw::Text(text) => {
            // Python writes whole numbers so that stand among gaps.
            let digits = text.trim().trim_end_matches(".0");
            // `parse` alone would take a sign.
            digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
        }
        Raw::Bool(_) | Raw::Other => None,
    };
    let id = number.filter(|number| (1..=HIGHEST_ID).contains(number)).map(UserId);
    if id.is_none() && new_keys {
        notes.push("pk: gets a new one.".into());
    } else if id.is_none() {
        errors
            .add("pk", format!("Must be a whole number from 1 to {HIGHEST_ID}; --new-keys gives a new one."));
    }
    id
}

fn read_time(
    field: &'static str,
    given: Raw,
    order: Option<times::DateOrder>,
    errors: &mut FieldErrors,
) -> Option<Timestamp> {
    let text = match given {
        Raw::Missing => return None,
        Raw::Text(text) => Ok(text),
        Raw::Integer(number) => Ok(number.to_string()),
        Raw::Null => Err(Message::Null),
        Raw::Bool(_) | Raw::Other => Err(Message::NotAString),
    };
    let result = text.and_then(|text| {
        times::parse(&text, order).map_err(|times::Unreadable| {
            if order.is_none() && times::needs_order(&text) {
                SAY_ORDER.into()
            } else {
                "Must be a date and time such as 2024-02-29T12:00:00.000000Z.".into()
            }
        })
    });
    result.map_err(|message| errors.add(field, message)).ok().flatten()
}

fn read_optional_time(
    field: &'static str,
    row: &Row,
    options: &Options,
    errors: &mut FieldErrors,
) -> Option<Timestamp> {
    match row.get(field) {
        Raw::Null => None,
        Raw::Text(word) if times::is_none_of(field, &word) => None,
        given => read_time(field, given, options.dates, errors),
    }
}

fn read_limit(field: &'static str, row: &Row, options: &Options, errors: &mut FieldErrors) -> Option<Limit> {
    match row.get(field) {
        Raw::Missing => None,
        _ => Some(Limit(read_optional_time(field, row, options, errors))),
    }
}

/// An account that is closed until some day begins on that day.
fn read_end_of_block(row: &Row, options: &Options, errors: &mut FieldErrors) -> Option<Limit> {
    match Until::of(&row.get("blocked_until"), options.dates) {
        Until::Never | Until::Always => None,
        Until::Time(time) => Some(Limit(Some(time))),
        Until::Unclear => {
            errors.add("blocked_until", SAY_ORDER);
            None
        }
    }
}

/// The preferences as they are stored.
fn read_preferences(given: Raw, errors: &mut FieldErrors) -> String {
    let text = match given {
        Raw::Missing | Raw::Null => return String::new(),
        Raw::Text(text) => text,
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => String::from("?"),
    };
    match serde_json::from_str::<Preferences>(&text) {
        Ok(preferences) if preferences.has_known_rows() => preferences.to_json(),
        _ => {
            errors.add("preferences", "Must be preferences as an export has them.");
            String::new()
        }
    }
}

fn read_factors(given: Raw, errors: &mut FieldErrors) -> Factors {
    let read = match given {
        Raw::Missing | Raw::Null => return Factors::default(),
        Raw::Text(text) => Factors::read(&text),
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => Factors::read(""),
    };
    read.map_err(|message| errors.add("second_factors", message)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
