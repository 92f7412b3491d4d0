//! What a row says of the password: a hash, or the password itself.

use super::Options;
use super::row::{ALGORITHM, ROUNDS, Row, SALT_OF_GITEA, SALTS};
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::password::{Password, PasswordHash};
use crate::model::password_policy::OwnNames;
use crate::model::raw::Raw;
use crate::model::user::{UserChanges, Username};
use crate::security::passwords::{Formula, Recognized, WeakHash, is_bare, recognize};

/// The longest hash that is kept, in bytes. What is usable is shorter; what follows the `!` of an
/// unusable one has no meaning.
const LONGEST_HASH: usize = 512;
/// What is wrong with a hash of which the salt is known, but not what was done with it.
const SAY_FORMULA: &str = "Its salt stands beside it: say with --hash how it was made, such as \
                           'sha1(salt+password)', or leave out the column of hashes with --column.";
/// What is wrong with a hash of which the rounds are not known.
const SAY_ROUNDS: &str =
    "Its rounds are missing: say with --column which column has them, as password_rounds.";
/// What is wrong with a hash that is a part of one.
const BROKEN: &str = "Its hash is cut off or altered. Mend the file; or leave out such hashes with --no-broken-hashes, \
                      and their users are invited.";
/// The same of hexadecimal digits, which may be anything.
const BROKEN_DIGITS: &str = "Its hash is cut off or altered, or no hash: MD5 has 32 hexadecimal digits, SHA-1 has \
                             40. Mend the file; or leave out such hashes with --no-broken-hashes, and their users are \
                             invited.";
/// What Spring puts before a password that it stores in clear.
const CLEAR: &str = "{noop}";
/// The stored hash of a user without one: no password matches it.
pub(super) const UNUSABLE: &str = "!";
/// What a row says of the password.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Secret {
    /// What is stored as it is, usable or not.
    Hash(PasswordHash),
    /// A hash that is too quick to be stored as it is.
    Weak(WeakHash),
    /// The password itself, which the user signs in with first. A hash of it is made once it is known that the user is
    /// new.
    Initial(Password),
    /// There is a hash, which cannot be checked here. It is not stored.
    Unchecked,
}

impl Secret {
    /// Whether a password can match it.
    pub(super) fn is_usable(&self) -> bool {
        match self {
            Self::Hash(hash) => hash.is_usable(),
            Self::Weak(_) | Self::Initial(_) => true,
            Self::Unchecked => false,
        }
    }
}

/// What stands beside a hash and says something of it.
fn text_beside(row: &Row, field: &str) -> Option<String> {
    match row.get(field) {
        Raw::Text(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Raw::Integer(number) => Some(number.to_string()),
        Raw::Missing | Raw::Null | Raw::Bool(_) | Raw::Other => None,
    }
}

/// A salt that stands beside its hash, and the formula that is known of the program.
fn salt(row: &Row) -> (String, Option<Formula>) {
    let text = |field: &str| text_beside(row, field);
    let known = || {
        SALTS.into_iter().find_map(|(field, formula)| {
            let salt = text(field)?;
            let formula = if field == SALT_OF_GITEA {
                Formula::of_gitea(&text(ALGORITHM)?, &salt)
            } else {
                Formula::parse(formula)
            };
            Some((salt, formula))
        })
    };
    text("password_salt").map(|salt| (salt, None)).or_else(known).unwrap_or_default()
}

/// A hash. The messages do not repeat it. One that cannot be checked here is left out; one that is broken is an error.
pub(super) fn read_hash(
    row: &Row,
    options: &Options,
    notes: &mut Vec<String>,
    errors: &mut FieldErrors,
) -> Option<Secret> {
    let unusable = || Secret::Hash(PasswordHash::from(UNUSABLE.to_owned()));
    let hash = match row.get("password") {
        Raw::Missing | Raw::Null => return Some(unusable()),
        // No hash begins or ends with white space, but cells of spreadsheets do.
        Raw::Text(hash) => hash.trim().to_owned(),
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => {
            errors.add("password", Message::NotAString);
            return None;
        }
    };
    let (salt, known) = salt(row);
    let by_itself = match recognize(&hash) {
        Recognized::Broken => Recognized::Broken,
        _ if !is_storable(&hash) => Recognized::Unknown,
        recognized => recognized,
    };
    let is_salted = !salt.is_empty() || by_itself == Recognized::Unknown && hash.matches(':').count() == 1;
    let recognized = match options.hash.as_ref().or(known.as_ref()) {
        _ if !is_bare(&hash) => by_itself,
        Some(formula) => {
            let rounds = text_beside(row, ROUNDS).and_then(|rounds| rounds.parse().ok());
            if formula.needs_rounds() && rounds.is_none() {
                errors.add("password", SAY_ROUNDS);
                return None;
            }
            formula.recognize(&hash, &salt, rounds)
        }
        None if is_salted => {
            errors.add("password", SAY_FORMULA);
            return None;
        }
        None => by_itself,
    };
    Some(match recognized {
        Recognized::Unusable => Secret::Hash(PasswordHash::from(hash)),
        Recognized::Usable(hash) => Secret::Hash(hash),
        Recognized::Weak(weak) if !options.left_out.weak => {
            notes.push("password: its hash is a weak one, and is stored as argon2id of it.".into());
            Secret::Weak(weak)
        }
        Recognized::Weak(_) => {
            notes.push("password: its hash is a weak one; the user is invited.".into());
            unusable()
        }
        Recognized::Broken if !options.left_out.broken => {
            let is_digits = hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            errors.add("password", if is_digits { BROKEN_DIGITS } else { BROKEN });
            return None;
        }
        Recognized::Broken => {
            notes.push("password: its hash is cut off or altered; the user is invited.".into());
            Secret::Unchecked
        }
        Recognized::Unknown if hash.is_empty() => unusable(),
        Recognized::Unknown if hash.starts_with(CLEAR) => {
            notes.push("password: is the password itself, which is not stored; the user is invited.".into());
            Secret::Unchecked
        }
        Recognized::Unknown => {
            notes.push("password: is not a hash that can be checked here; the user is invited.".into());
            Secret::Unchecked
        }
    })
}

/// The password that a user is to sign in with first, judged as one that staff set. The messages do not repeat it.
pub(super) fn read_initial(
    row: &Row,
    username: Option<&Username>,
    changes: &UserChanges,
    options: &Options,
    errors: &mut FieldErrors,
) -> Option<Password> {
    const FIELD: &str = "initial_password";
    let text = match row.get(FIELD) {
        Raw::Missing | Raw::Null => return None,
        Raw::Text(text) => text.strip_prefix(CLEAR).map(str::to_owned).unwrap_or(text),
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => {
            errors.add(FIELD, Message::NotAString);
            return None;
        }
    };
    if matches!(row.get("password"), Raw::Text(hash) if !hash.is_empty()) {
        errors.add(FIELD, "There is a hash of a password, too.");
    }
    // Taken for the password itself it would let in each reader of the dump that it is from.
    let is_hash = match recognize(text.trim()) {
        Recognized::Usable(_) | Recognized::Weak(_) => true,
        // Passwords are made of such digits, too.
        Recognized::Broken => !text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        Recognized::Unusable | Recognized::Unknown => false,
    };
    if is_hash {
        errors.add(FIELD, "This is a hash; its column has to be read as password.");
        return None;
    }
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let (first_name, last_name) = (name(&changes.first_name), name(&changes.last_name));
    let own = OwnNames {
        username: username.map_or("", Username::as_str),
        first_name: &first_name,
        last_name: &last_name,
        email: changes.email.as_deref().unwrap_or_default(),
    };
    let password = Password::new(text);
    for message in options.settings.policy().check(&password, &own) {
        errors.add(FIELD, message);
    }
    Some(password)
}

/// The formula of hashes as it was typed.
///
/// # Errors
/// That it is none.
pub fn formula(typed: &str) -> Result<Formula, String> {
    Formula::parse(typed).ok_or_else(|| {
        "how hashes were made is said as in 'sha1(salt+password)', 'md5(md5(password)+salt)' or \
         'pbkdf2-sha256(password,salt,10000)', with md5, sha1, sha256 and sha512, unhex(salt) or unbase64(salt) \
         for a salt of bytes, and rounds for the number in the column that is read as password_rounds"
            .to_owned()
    })
}

fn is_storable(hash: &str) -> bool {
    hash.len() <= LONGEST_HASH && !hash.chars().any(char::is_control)
}
