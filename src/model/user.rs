//! A user, and how one is read from what was sent.
//!
//! Both channels fill in a [`UserPatch`]; the [`UserInput`] that comes out of it has been parsed by the same
//! functions, with all messages collected. To add a field: a member of [`User`], [`UserPatch`] and
//! [`UserChanges`], a line in `into_input` and `apply`, a column in `db::users`.

mod input;

use std::fmt;

use unicode_normalization::char::is_combining_mark;

pub use self::input::{InputMode, Limit, UserChanges, UserInput, UserPatch};
use crate::model::address;
use crate::model::clock::Timestamp;
use crate::model::erasure::PLACEHOLDER;
use crate::model::field_errors::Message;
use crate::model::text;

/// Longest user name, first name and last name, in code points (Django's limit).
pub const NAME_LENGTH: usize = 150;
/// Longest e-mail address, in code points (RFC 5321's limit on a path, less its brackets).
pub const EMAIL_LENGTH: usize = 254;

/// A user's primary key: from 1, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct UserId(pub i64);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A user as callers with the right may see them. The password's hash is not part of it: it is
/// read only where a password is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "Django's flags, each by itself")]
pub struct User {
    /// Primary key.
    pub id: UserId,
    /// 1 to 150 characters; unique by its canonical key.
    pub username: Username,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// May be empty; not unique.
    pub email: String,
    /// Whether the account may be used; deactivated accounts are kept.
    pub is_active: bool,
    /// Whether the user may manage users.
    pub is_staff: bool,
    /// Whether the user may do everything.
    pub is_superuser: bool,
    /// From when the account may be used; `None` is always. A superuser's is never bounded.
    pub valid_from: Option<Timestamp>,
    /// Until when the account may be used, that instant excluded; `None` is always.
    pub valid_until: Option<Timestamp>,
    /// Whether the user may do nothing until they have chosen another password.
    pub must_change_password: bool,
    /// When the password was last set; `None` if that was before this was noted, or elsewhere.
    pub password_changed_at: Option<Timestamp>,
    /// When the account was made.
    pub date_joined: Timestamp,
    /// The last successful sign-in.
    pub last_login: Option<Timestamp>,
    /// Counts the edits of the record, from 1. Signing in is not an edit.
    pub version: i64,
    /// Whether the user has yet to choose a password: there is none, or another one is demanded. The database
    /// computes it whenever the user is read.
    pub is_invited: bool,
    /// Whether the user has a second factor. Written with the factors, never by an edit.
    pub has_factor: bool,
    /// Whether a provisioning client deleted the account: SCIM does not show it until it is active again.
    pub is_deprovisioned: bool,
    /// When the record was last edited; `None` if it never was since this is noted.
    pub modified_at: Option<Timestamp>,
}

impl User {
    /// An active user without rights and with empty fields, to apply [`UserChanges`] to.
    #[must_use]
    pub fn blank(now: Timestamp) -> Self {
        Self {
            id: UserId(0),
            username: Username { text: String::new(), key: String::new() },
            first_name: String::new(),
            last_name: String::new(),
            email: String::new(),
            is_active: true,
            is_staff: false,
            is_superuser: false,
            valid_from: None,
            valid_until: None,
            must_change_password: false,
            password_changed_at: None,
            date_joined: now,
            last_login: None,
            version: 1,
            is_invited: false,
            has_factor: false,
            is_deprovisioned: false,
            modified_at: None,
        }
    }

    /// Counts an edit.
    pub(crate) const fn count_edit(&mut self, now: Timestamp) {
        self.version += 1;
        self.modified_at = Some(now);
    }

    /// What the console calls the user: first and last name, else the user name.
    #[must_use]
    pub fn display_name(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        match name.trim() {
            "" => self.username.as_str().to_owned(),
            name => name.to_owned(),
        }
    }

    /// The text that the console's search looks at: user name, names and e-mail address, a line each; the address also
    /// as people write it.
    #[must_use]
    pub fn searchable(&self) -> String {
        let parts = [self.username.as_str(), &self.first_name, &self.last_name, &self.email];
        let mut text = parts.map(text::searchable).join("\n");
        if let Some(email) = address::in_unicode(&self.email) {
            text.push('\n');
            text += &text::searchable(&email);
        }
        text
    }

    /// Whether the account may be used at this moment: active, and within its dates.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.is_active
            && self.valid_from.is_none_or(|from| now >= from)
            && self.valid_until.is_none_or(|until| now < until)
    }

    /// Staff or superuser, whether or not the account may be used at this moment.
    #[must_use]
    pub const fn is_privileged(&self) -> bool {
        self.is_staff || self.is_superuser
    }

    /// Active, and staff or superuser: may manage users.
    #[must_use]
    pub const fn is_admin(&self) -> bool {
        self.is_active && self.is_privileged()
    }
}

/// A user name as given, and the canonical key by which it is unique and looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username {
    text: String,
    key: String,
}

impl Username {
    /// Characters besides letters, digits and `_`.
    const PUNCTUATION: [char; 4] = ['@', '.', '+', '-'];
    /// Last path segments that belong to other routes or to the path itself.
    const RESERVED: [&'static str; 4] = ["list", "create", ".", ".."];

    /// Reads a new user name: trimmed, in normal form C, 1 to 150 letters with their marks, digits, `_` and `@.+-`.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(given: &str) -> Result<Self, Message> {
        let username = Self::parse_existing(given)?;
        username.check_new()?;
        Ok(username)
    }

    /// Reads a user name that exists elsewhere: trimmed, in normal form C, at most 254 characters of any kind
    /// that can be stored.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse_existing(given: &str) -> Result<Self, Message> {
        let text = parse_text(given, EMAIL_LENGTH)?;
        let key = text::canonical(&text);
        // Those stand in place of the names of erased users.
        if key.starts_with(PLACEHOLDER) {
            return Err(Message::UsernameBlocked);
        }
        if key.is_empty() { Err(Message::Blank) } else { Ok(Self { text, key }) }
    }

    /// Whether a new user may have this name.
    pub(crate) fn check_new(&self) -> Result<(), Message> {
        let length = self.text.chars().count();
        if length > NAME_LENGTH {
            return Err(Message::TooLong { most: NAME_LENGTH, given: length });
        }
        let allowed = |c: char| {
            c.is_alphanumeric() || is_combining_mark(c) || c == '_' || Self::PUNCTUATION.contains(&c)
        };
        let others: Vec<char> = self.text.chars().filter(|c| !allowed(*c)).collect();
        if others.is_empty() { Ok(()) } else { Err(Message::UsernameCharacters(others)) }
    }

    /// From the two columns of a row that was written by us.
    #[must_use]
    pub fn from_row(text: String, key: String) -> Self {
        Self { text, key }
    }

    /// As given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// NFKC and case folded.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether `/v1/users/{name}` could never mean this name: it would be a primary key or a route.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        Self::RESERVED.contains(&self.key.as_str()) || self.key.bytes().all(|b| b.is_ascii_digit())
    }
}

/// Trims, normalizes and bounds a text.
fn parse_text(given: &str, limit: usize) -> Result<String, Message> {
    let text = text::tidy(given);
    if let Some(refusal) = text::refusal(&text) {
        return Err(Message::Character(refusal));
    }
    let length = text.chars().count();
    if length > limit {
        return Err(Message::TooLong { most: limit, given: length });
    }
    Ok(text)
}

/// Reads a first or last name: trimmed, in normal form C, at most 150 characters.
///
/// # Errors
/// The message for the field.
pub fn parse_name(given: &str) -> Result<String, Message> {
    parse_text(given, NAME_LENGTH)
}

/// Reads an e-mail address that exists elsewhere: trimmed, in normal form C, its domain in ASCII, at most 254 characters.
///
/// # Errors
/// The message for the field.
pub fn parse_existing_email(given: &str) -> Result<String, Message> {
    let text = parse_text(given, EMAIL_LENGTH)?;
    let address = address::canonical(&text);
    let length = address.chars().count();
    if length > EMAIL_LENGTH {
        return Err(Message::TooLong { most: EMAIL_LENGTH, given: length });
    }
    Ok(address.into_owned())
}

/// Whether a user may be given this address: none, or one of the form that Django's validator accepts.
///
/// # Errors
/// The message for the field.
pub fn check_new_email(email: &str) -> Result<(), Message> {
    if email.is_empty() || is_email(email) { Ok(()) } else { Err(Message::Email) }
}

/// A dot-atom or quoted string, `@`, and a host name with a dot, `localhost` or an address literal: all in ASCII.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let atom = |atom: &str| {
        !atom.is_empty()
            && atom.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{}|~".contains(c))
    };
    let quoted = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .is_some_and(|inner| inner.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '\\'));
    let label = |label: &str| {
        (1..=63).contains(&label.chars().count())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let literal = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map(|inner| inner.strip_prefix("IPv6:").unwrap_or(inner));
    let host = || {
        let top = domain.rsplit('.').next().unwrap_or_default();
        domain.eq_ignore_ascii_case("localhost")
            || domain.contains('.')
                && domain.split('.').all(label)
                && top.chars().count() >= 2
                && !top.bytes().all(|b| b.is_ascii_digit())
    };
    let host = literal.map_or_else(host, |address| address.parse::<std::net::IpAddr>().is_ok());
    (quoted || local.split('.').all(atom)) && host
}

#[cfg(test)]
mod tests;
