//! What a client or a form asks for about a user: read field by field, checked against the record, applied to it.

use serde::Deserialize;

use super::{User, Username, check_new_email, parse_existing_email, parse_name};
use crate::model::clock::Timestamp;
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::password::Password;
use crate::model::password_policy::{OwnNames, Policy};
use crate::model::raw::Raw;

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

/// What was sent about a user, field by field: absent fields stay as they are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UserPatch {
    /// The user name.
    pub username: Raw,
    /// A new password.
    pub password: Raw,
    /// The first name.
    pub first_name: Raw,
    /// The last name.
    pub last_name: Raw,
    /// The e-mail address.
    pub email: Raw,
    /// Whether the account is active.
    pub is_active: Raw,
    /// Whether the user may manage users.
    pub is_staff: Raw,
    /// From when the account may be used.
    pub valid_from: Raw,
    /// Until when the account may be used.
    pub valid_until: Raw,
    /// Whether another password is demanded.
    pub must_change_password: Raw,
}

impl UserPatch {
    /// Parses every field, and collects the messages of all that do not fit.
    #[must_use]
    pub fn into_input(self, mode: InputMode) -> UserInput {
        let mut errors = FieldErrors::default();
        if mode != InputMode::Part {
            self.username.require("username", &mut errors);
            self.first_name.require("first_name", &mut errors);
            self.last_name.require("last_name", &mut errors);
            self.email.require("email", &mut errors);
        }
        let password = match mode {
            InputMode::Invitation => None,
            InputMode::Whole => self.password.required_text("password", &mut errors, parse_password),
            InputMode::Part => self.password.text("password", &mut errors, parse_password),
        };
        let changes = UserChanges {
            username: self.username.text("username", &mut errors, Username::parse_existing),
            password,
            first_name: self.first_name.text("first_name", &mut errors, parse_name),
            last_name: self.last_name.text("last_name", &mut errors, parse_name),
            email: self.email.text("email", &mut errors, parse_existing_email),
            is_active: self.is_active.flag("is_active", &mut errors),
            is_staff: self.is_staff.flag("is_staff", &mut errors),
            // Read-only in the API; the console's form has a field of its own for it.
            is_superuser: None,
            valid_from: self.valid_from.instant("valid_from", &mut errors).map(Limit),
            valid_until: self.valid_until.instant("valid_until", &mut errors).map(Limit),
            must_change_password: self.must_change_password.flag("must_change_password", &mut errors),
        };
        UserInput { changes, errors }
    }
}

fn parse_password(given: &str) -> Result<Password, Message> {
    if given.is_empty() { Err(Message::Blank) } else { Ok(Password::new(given.to_owned())) }
}

/// What was asked for, field by field: parsed where it could be, with a message where not.
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

impl From<UserChanges> for UserInput {
    fn from(changes: UserChanges) -> Self {
        Self { changes, errors: FieldErrors::default() }
    }
}

impl UserInput {
    /// The user after these changes, if they fit the record as it is.
    ///
    /// # Errors
    /// [`crate::model::error::Error::Invalid`] with the messages of all fields.
    pub(crate) fn fitting(&self, policy: Policy<'_>, before: &User) -> crate::model::error::Result<User> {
        self.check(policy, before).into_result()?;
        Ok(self.changes.apply(before))
    }

    /// All messages: to those about single fields, it adds those that depend on the whole record, whether the
    /// name can be fetched, and whether the password fits the policy and differs from the user's own names.
    #[must_use]
    pub fn check(&self, policy: Policy<'_>, before: &User) -> FieldErrors {
        let mut errors = self.errors.clone();
        let after = self.changes.apply(before);
        // What was imported as it was elsewhere may stay; what replaces it keeps the rules.
        if after.username.as_str() != before.username.as_str()
            && let Err(message) = after.username.check_new()
        {
            errors.add("username", message);
        }
        if after.email != before.email
            && let Err(message) = check_new_email(&after.email)
        {
            errors.add("email", message);
        }
        let renamed = after.username.key() != before.username.key();
        if renamed && after.username.is_reserved() && self.changes.username.is_some() {
            errors.add("username", Message::UsernameReserved);
        }
        if after.is_superuser {
            for (name, bound) in [("valid_from", after.valid_from), ("valid_until", after.valid_until)] {
                if bound.is_some() {
                    errors.add(name, "A superuser's account cannot have dates.");
                }
            }
        }
        if let (Some(from), Some(until)) = (after.valid_from, after.valid_until)
            && from >= until
        {
            errors.add("valid_until", "The account must end after it begins.");
        }
        if let Some(password) = &self.changes.password {
            let own = OwnNames {
                username: after.username.as_str(),
                first_name: &after.first_name,
                last_name: &after.last_name,
                email: &after.email,
            };
            for message in policy.check(password, &own) {
                errors.add("password", message);
            }
        }
        errors
    }
}
