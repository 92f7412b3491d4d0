//! What a row says of the password: a hash, or the password itself.

use super::Options;
use super::row::Row;
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::password::{Password, PasswordHash};
use crate::model::password_policy::OwnNames;
use crate::model::raw::Raw;
use crate::model::user::{UserChanges, Username};
use crate::security::passwords::{Recognized, WeakHash, recognize};

/// The longest hash that is kept, in bytes. What is usable is shorter; what follows the `!` of an
/// unusable one has no meaning.
const LONGEST_HASH: usize = 512;
/// The stored hash of a user without one: no password matches it.
const UNUSABLE: &str = "!";
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
}

impl Secret {
    /// Whether a password can match it.
    pub(super) fn is_usable(&self) -> bool {
        match self {
            Self::Hash(hash) => hash.is_usable(),
            Self::Weak(_) | Self::Initial(_) => true,
        }
    }
}

/// A hash. The messages do not repeat it. One that cannot be checked here is left out.
pub(super) fn read_hash(
    given: Raw,
    options: &Options,
    notes: &mut Vec<String>,
    errors: &mut FieldErrors,
) -> Option<Secret> {
    let unusable = || Secret::Hash(PasswordHash::from(UNUSABLE.to_owned()));
    let hash = match given {
        Raw::Missing | Raw::Null => return Some(unusable()),
        Raw::Text(hash) => hash,
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => {
            errors.add("password", Message::NotAString);
            return None;
        }
    };
    let recognized = if is_storable(&hash) { recognize(&hash) } else { Recognized::Unknown };
    Some(match recognized {
        Recognized::Unusable => Secret::Hash(PasswordHash::from(hash)),
        Recognized::Usable(hash) => Secret::Hash(hash),
        Recognized::Weak(weak) if !options.no_weak_hashes => {
            notes.push("password: its hash is a weak one, and is stored as argon2id of it.".into());
            Secret::Weak(weak)
        }
        Recognized::Weak(_) => {
            notes.push("password: its hash is a weak one; the user is invited.".into());
            unusable()
        }
        Recognized::Unknown if hash.is_empty() => unusable(),
        Recognized::Unknown => {
            notes.push("password: is not a hash that can be checked here; the user is invited.".into());
            unusable()
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
        Raw::Text(text) => text,
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => {
            errors.add(FIELD, Message::NotAString);
            return None;
        }
    };
    if matches!(row.get("password"), Raw::Text(hash) if !hash.is_empty()) {
        errors.add(FIELD, "There is a hash of a password, too.");
    }
    // Taken for the password itself it would let in each reader of the dump that it is from.
    if matches!(recognize(&text), Recognized::Usable(_) | Recognized::Weak(_)) {
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

fn is_storable(hash: &str) -> bool {
    hash.len() <= LONGEST_HASH && !hash.chars().any(char::is_control)
}
