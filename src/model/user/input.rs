//! A requested change of a user: read field by field, checked against the record, applied to it.

use super::{User, Username, parse_email, parse_name};
use crate::model::clock::Timestamp;
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::password::Password;
use crate::model::password_policy::{OwnNames, Policy};

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
pub enum InputMode {
    /// A new user, or a full replacement: the five texts are required, the flags optional.
    Whole,
    /// A new user who will choose the password: as [`Whole`](Self::Whole), and a password is not read.
    Invitation,
    /// A partial update: everything is optional.
    Part,
}

/// The requested fields: parsed where they could be, with a message where not.
#[derive(Debug, Clone, Default)]
pub struct UserInput {
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

impl UserInput {
    /// Reads the fields that a client may set; whatever else was sent is never asked for.
    pub fn read(purpose: InputMode, field: impl Fn(&str) -> Raw) -> Self {
        let mut errors = FieldErrors::default();
        let required = purpose != InputMode::Part;
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
                InputMode::Invitation => None,
                InputMode::Whole | InputMode::Part => {
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

    /// The user after these changes, if they fit the record as it is.
    ///
    /// # Errors
    /// [`crate::model::error::Error::Invalid`] with the messages of all fields.
    pub(crate) fn fitting(mut self, policy: Policy, before: &User) -> crate::model::error::Result<User> {
        self.check(&policy, before);
        self.errors.into_result()?;
        Ok(self.changes.apply(before))
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
