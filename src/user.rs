//! A user, and how one is read from what somebody typed.
//!
//! Both doors hand their fields to [`Draft::read`] as [`Raw`] values; what comes out has been
//! parsed by the same functions, with all messages collected. To add a field: a member of [`User`],
//! [`Draft`] and [`UserChanges`], a line in `read` and `apply`, a column in `db::users`.

use std::fmt;

use crate::clock::Timestamp;
use crate::field_errors::{FieldErrors, Message};
use crate::passwords::{OwnNames, Password, Policy};
use crate::text;

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

/// A user as everybody with the right may see them. The password's hash is not part of it: it is
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
        }
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

    /// The text that the console's search looks at: user name, names and e-mail address, a line each.
    #[must_use]
    pub fn searchable(&self) -> String {
        let parts = [self.username.as_str(), &self.first_name, &self.last_name, &self.email];
        parts.map(text::searchable).join("\n")
    }

    /// Whether the account may be used at this moment: active, and within its dates.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.is_active
            && self.valid_from.is_none_or(|from| now >= from)
            && self.valid_until.is_none_or(|until| now < until)
    }

    /// Active, and staff or superuser: may manage users.
    #[must_use]
    pub const fn is_admin(&self) -> bool {
        self.is_active && (self.is_staff || self.is_superuser)
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

    /// Reads a user name: trimmed, in normal form C, 1 to 150 letters, digits, `_` and `@.+-`.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(given: &str) -> Result<Self, Message> {
        let text = parse_text(given, NAME_LENGTH)?;
        if text.is_empty() {
            return Err(Message::Blank);
        }
        let allowed = |c: char| c.is_alphanumeric() || c == '_' || Self::PUNCTUATION.contains(&c);
        let others: Vec<char> = text.chars().filter(|c| !allowed(*c)).collect();
        if !others.is_empty() {
            return Err(Message::UsernameCharacters(others));
        }
        Ok(Self { key: text::canonical(&text), text })
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

/// Reads an e-mail address: blank, or of the form that Django's validator accepts.
///
/// # Errors
/// The message for the field.
pub fn parse_email(given: &str) -> Result<String, Message> {
    let text = parse_text(given, EMAIL_LENGTH)?;
    if text.is_empty() || is_email(&text) { Ok(text) } else { Err(Message::Email) }
}

/// A dot-atom or quoted string, `@`, and a host name with a dot, `localhost` or an address literal.
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
            && label.chars().all(|c| c.is_alphanumeric() && c.is_ascii() || c == '-' || c >= '\u{a1}')
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

/// One field as it arrived, before it is known to fit.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// Not sent.
    Missing,
    /// JSON `null`.
    Null,
    /// A text.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Anything else: a fraction, an array, an object.
    Other,
}

impl Raw {
    /// A text field, parsed by `parse`; `None` without a message when it was not sent.
    fn text<T>(
        self,
        field: &'static str,
        required: bool,
        errors: &mut FieldErrors,
        parse: impl FnOnce(&str) -> Result<T, Message>,
    ) -> Option<T> {
        let result = match self {
            Self::Missing if !required => return None,
            Self::Missing => Err(Message::Required),
            Self::Null => Err(Message::Null),
            Self::Text(text) => parse(&text),
            Self::Bool(_) | Self::Integer(_) | Self::Other => Err(Message::NotAString),
        };
        result.map_err(|message| errors.add(field, message)).ok()
    }

    /// An optional instant; null and the empty text mean none.
    fn instant(self, field: &'static str, errors: &mut FieldErrors) -> Option<Limit> {
        match self {
            Self::Missing => return None,
            Self::Null => return Some(Limit(None)),
            Self::Text(text) if text.trim().is_empty() => return Some(Limit(None)),
            Self::Text(text) => {
                if let Some(at) = Timestamp::parse(text.trim()) {
                    return Some(Limit(Some(at)));
                }
            }
            Self::Bool(_) | Self::Integer(_) | Self::Other => {}
        }
        errors.add(field, Message::NotAnInstant);
        None
    }

    /// An optional truth value, in all the spellings that old clients send.
    pub(crate) fn flag(self, field: &'static str, errors: &mut FieldErrors) -> Option<bool> {
        let value = match self {
            Self::Missing => return None,
            Self::Null => {
                errors.add(field, Message::Null);
                return None;
            }
            Self::Bool(value) => Some(value),
            Self::Integer(1) => Some(true),
            Self::Integer(0) => Some(false),
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
                "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
                _ => None,
            },
            Self::Integer(_) | Self::Other => None,
        };
        if value.is_none() {
            errors.add(field, Message::NotABoolean);
        }
        value
    }
}

/// Which fields must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A new user, or a full replacement: the five texts are required, the flags optional.
    Whole,
    /// A new user who will choose the password: as [`Whole`](Self::Whole), and a password is not read.
    Invitation,
    /// A partial update: everything is optional.
    Part,
}

/// What somebody asked for, field by field: parsed where it could be, with a message where not.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The fields that were sent and fit.
    pub changes: UserChanges,
    /// The messages for those that did not.
    pub errors: FieldErrors,
}

/// A bound of the time in which an account may be used; `None` lifts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Option<Timestamp>);

/// The fields to change, each valid by itself; `None` leaves the field as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChanges {
    /// New user name.
    pub username: Option<Username>,
    /// New password, not yet hashed.
    pub password: Option<Password>,
    /// New first name.
    pub first_name: Option<String>,
    /// New last name.
    pub last_name: Option<String>,
    /// New e-mail address.
    pub email: Option<String>,
    /// Activate or deactivate.
    pub is_active: Option<bool>,
    /// Give or remove the right to manage users.
    pub is_staff: Option<bool>,
    /// Give or remove the right to everything. No client of the API sets it.
    pub is_superuser: Option<bool>,
    /// From when the account may be used.
    pub valid_from: Option<Limit>,
    /// Until when the account may be used.
    pub valid_until: Option<Limit>,
    /// Demand another password, or no longer.
    pub must_change_password: Option<bool>,
}

impl UserChanges {
    /// The user after these changes. The password is not part of a [`User`].
    #[must_use]
    pub fn apply(&self, before: &User) -> User {
        let mut after = before.clone();
        let take = |field: &mut String, change: &Option<String>| {
            if let Some(change) = change {
                field.clone_from(change);
            }
        };
        take(&mut after.first_name, &self.first_name);
        take(&mut after.last_name, &self.last_name);
        take(&mut after.email, &self.email);
        if let Some(username) = &self.username {
            after.username.clone_from(username);
        }
        after.is_active = self.is_active.unwrap_or(before.is_active);
        after.is_staff = self.is_staff.unwrap_or(before.is_staff);
        after.is_superuser = self.is_superuser.unwrap_or(before.is_superuser);
        after.valid_from = self.valid_from.map_or(before.valid_from, |limit| limit.0);
        after.valid_until = self.valid_until.map_or(before.valid_until, |limit| limit.0);
        after.must_change_password = self.must_change_password.unwrap_or(before.must_change_password);
        after
    }
}

impl Draft {
    /// Reads the fields that a client may set; whatever else was sent is never asked for.
    pub fn read(purpose: Purpose, field: impl Fn(&str) -> Raw) -> Self {
        let mut errors = FieldErrors::default();
        let required = purpose != Purpose::Part;
        let password = |given: &str| {
            if given.is_empty() { Err(Message::Blank) } else { Ok(Password::new(given.to_owned())) }
        };
        let mut text = |name, parse: fn(&str) -> Result<String, Message>| {
            field(name).text(name, required, &mut errors, parse)
        };
        let first_name = text("first_name", parse_name);
        let last_name = text("last_name", parse_name);
        let email = text("email", parse_email);
        let changes = UserChanges {
            first_name,
            last_name,
            email,
            username: field("username").text("username", required, &mut errors, Username::parse),
            password: match purpose {
                Purpose::Invitation => None,
                Purpose::Whole | Purpose::Part => {
                    field("password").text("password", required, &mut errors, password)
                }
            },
            is_active: field("is_active").flag("is_active", &mut errors),
            is_staff: field("is_staff").flag("is_staff", &mut errors),
            // Read-only in the API; the console sets it apart from what a form's texts say.
            is_superuser: None,
            valid_from: field("valid_from").instant("valid_from", &mut errors),
            valid_until: field("valid_until").instant("valid_until", &mut errors),
            must_change_password: field("must_change_password").flag("must_change_password", &mut errors),
        };
        Self { changes, errors }
    }

    /// Adds the messages that depend on the whole record: whether the name can be fetched, and
    /// whether the password fits the policy and differs from the user's own names.
    pub fn check(&mut self, policy: &Policy, before: &User) {
        let after = self.changes.apply(before);
        let renamed = after.username.key() != before.username.key();
        if renamed && after.username.is_reserved() && self.changes.username.is_some() {
            self.errors.add("username", Message::UsernameReserved);
        }
        if after.is_superuser {
            for (name, bound) in [("valid_from", after.valid_from), ("valid_until", after.valid_until)] {
                if bound.is_some() {
                    self.errors.add(name, "A superuser's account cannot have dates.");
                }
            }
        }
        if let (Some(from), Some(until)) = (after.valid_from, after.valid_until)
            && from >= until
        {
            self.errors.add("valid_until", "The account must end after it begins.");
        }
        if let Some(password) = &self.changes.password {
            let own = OwnNames {
                username: after.username.as_str(),
                first_name: &after.first_name,
                last_name: &after.last_name,
                email: &after.email,
            };
            for message in policy.check(password, &own) {
                self.errors.add("password", message);
            }
        }
    }
}

#[cfg(test)]
mod tests;
