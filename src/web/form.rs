//! Forms as they are shown: every field with its label, what was typed, and what is wrong with it.

use serde::Serialize;

use crate::model::clock::Timestamp;
use crate::model::error::Error;
use crate::model::field_errors::FieldErrors;
use crate::model::user::{EMAIL_LENGTH, NAME_LENGTH, User};

/// Room for a date and time in any form that is read.
const DATE_LENGTH: usize = 40;

/// One field of a form.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// `text`, `email`, `password` or `datetime-local`.
    pub(super) kind: &'static str,
    pub(super) value: String,
    pub(super) hint: String,
    pub(super) optional: bool,
    pub(super) max_length: usize,
    pub(super) errors: Vec<String>,
}

/// What a form says that was open for longer than its session.
pub(super) const STALE: &str = "This page was open for a long time. Check it and send it again.";

/// Longest password, in characters.
pub(super) const PASSWORD_LENGTH: usize = 128;

impl Field {
    /// A field that must be filled in, without a hint.
    pub(super) fn new(
        name: &'static str,
        label: &'static str,
        kind: &'static str,
        value: String,
        errors: &FieldErrors,
    ) -> Self {
        Self {
            name,
            label,
            kind,
            value,
            hint: String::new(),
            optional: false,
            max_length: NAME_LENGTH,
            errors: errors.console(name, label),
        }
    }

    /// A current or new password. What was typed is never sent back.
    pub(super) fn password(name: &'static str, label: &'static str, errors: &FieldErrors) -> Self {
        let field = Self::new(name, label, "password", String::new(), errors);
        Self { max_length: PASSWORD_LENGTH, ..field }
    }
}

/// A form with what was typed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct FormState {
    pub(super) fields: Vec<Field>,
    pub(super) is_staff: bool,
    pub(super) is_superuser: bool,
    /// One entry for each message: the field it is about, and what it says.
    pub(super) problems: Vec<(&'static str, String)>,
}

/// The texts of a user as a form sends them.
#[derive(Debug, Clone, Default)]
pub(super) struct Typed {
    pub(super) username: String,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) is_staff: bool,
    pub(super) is_superuser: bool,
    /// `None` where there is no such field.
    pub(super) valid_from: Option<String>,
    /// `None` where there is no such field.
    pub(super) valid_until: Option<String>,
}

/// A date as the field for one takes it: without an offset, as exact as a browser can be.
pub(super) fn date_text(date: Option<Timestamp>) -> String {
    let text = date.map(|date| date.to_string()).unwrap_or_default();
    let end = if text.ends_with(":00.000000Z") {
        16
    } else if text.ends_with(".000000Z") {
        19
    } else {
        23
    };
    text.get(..end).unwrap_or_default().to_owned()
}

impl From<&User> for Typed {
    fn from(user: &User) -> Self {
        Self {
            username: user.username.as_str().to_owned(),
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            is_staff: user.is_staff,
            // A superuser's account has no dates.
            valid_from: (!user.is_superuser).then(|| date_text(user.valid_from)),
            valid_until: (!user.is_superuser).then(|| date_text(user.valid_until)),
            is_superuser: user.is_superuser,
        }
    }
}

impl FormState {
    /// The form about a user, with `password` if it asks for one.
    pub(super) fn about(typed: Typed, password: Option<usize>, errors: &FieldErrors) -> Self {
        let field = |name, label, kind, value, optional, max_length| Field {
            name,
            label,
            kind,
            value,
            hint: String::new(),
            optional,
            max_length,
            errors: errors.console(name, label),
        };
        let mut fields = vec![
            Field {
                hint: "Up to 150 letters, digits and . _ - + @".into(),
                ..field("username", "Username", "text", typed.username, false, NAME_LENGTH)
            },
            field("email", "Email", "email", typed.email, true, EMAIL_LENGTH),
            field("first_name", "First name", "text", typed.first_name, true, NAME_LENGTH),
            field("last_name", "Last name", "text", typed.last_name, true, NAME_LENGTH),
        ];
        for (name, label, typed, hint) in [
            ("valid_from", "Valid from", typed.valid_from, "In UTC. The account works from then on."),
            ("valid_until", "Valid until", typed.valid_until, "In UTC. The account stops working then."),
        ] {
            if let Some(typed) = typed {
                let field = field(name, label, "datetime-local", typed, true, DATE_LENGTH);
                fields.push(Field { hint: hint.into(), ..field });
            }
        }
        if let Some(min_length) = password {
            fields.push(password_field(min_length, errors));
        }
        let (is_staff, is_superuser) = (typed.is_staff, typed.is_superuser);
        Self { problems: problems(&fields), fields, is_staff, is_superuser }
    }

    /// A form of these fields; errors of none of them are shown above.
    pub(super) fn of(fields: Vec<Field>, errors: &FieldErrors) -> Self {
        let mut problems = problems(&fields);
        let others = errors.iter().filter(|(name, _)| fields.iter().all(|field| field.name != *name));
        problems.extend(others.map(|(_, message)| ("main", message.to_string())));
        Self { fields, problems, is_staff: false, is_superuser: false }
    }

    /// With one field more.
    pub(super) fn and(mut self, field: Option<Field>) -> Self {
        if let Some(field) = field {
            self.problems.extend(problems(std::slice::from_ref(&field)));
            self.fields.push(field);
        }
        self
    }

    /// The form of a page that was open for longer than its session: sent again with everything typed.
    pub(super) fn stale(mut self) -> Self {
        let first = self.fields.first().map_or("main", |field| field.name);
        self.problems.insert(0, (first, STALE.to_owned()));
        self
    }

    #[cfg(test)]
    pub(super) fn sample(text: &str) -> Self {
        let mut errors = FieldErrors::default();
        for field in ["username", "email", "password"] {
            errors.add(field, text);
        }
        let typed = Typed {
            username: text.to_owned(),
            email: text.to_owned(),
            first_name: text.to_owned(),
            last_name: text.to_owned(),
            is_staff: true,
            valid_from: Some(text.to_owned()),
            valid_until: None,
            is_superuser: true,
        };
        Self::about(typed, Some(8), &errors)
    }

    /// The form with the field for a password apart, for which there is another way than to fill it in.
    pub(super) fn with_password_apart(mut self, min_length: usize, errors: &FieldErrors) -> (Self, Field) {
        let field = password_field(min_length, errors);
        self.problems.extend(problems(std::slice::from_ref(&field)));
        (self, field)
    }

    /// A form without fields.
    pub(super) const fn empty() -> Self {
        Self { fields: Vec::new(), is_staff: false, is_superuser: false, problems: Vec::new() }
    }

    /// The form that asks for a password only.
    pub(super) fn password(min_length: usize, errors: &FieldErrors) -> Self {
        let fields = vec![password_field(min_length, errors)];
        Self { problems: problems(&fields), fields, is_staff: false, is_superuser: false }
    }
}

/// A new password. What was typed is never sent back.
fn password_field(min_length: usize, errors: &FieldErrors) -> Field {
    Field {
        name: "password",
        label: "Password",
        kind: "password",
        value: String::new(),
        hint: format!("At least {min_length} characters. A few unrelated words work well."),
        optional: false,
        max_length: PASSWORD_LENGTH,
        errors: errors.console("password", "Password"),
    }
}

fn problems(fields: &[Field]) -> Vec<(&'static str, String)> {
    fields.iter().flat_map(|field| field.errors.iter().map(|message| (field.name, message.clone()))).collect()
}

/// What is wrong with the fields, if that is what went wrong.
pub(super) fn field_errors(error: Error) -> Result<FieldErrors, Error> {
    match error {
        Error::Invalid(errors) => Ok(errors),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_shown_as_exactly_as_the_field_can_take_it() {
        for (stored, shown) in [
            ("2026-03-31T18:00:00Z", "2026-03-31T18:00"),
            ("2026-03-31T18:00:05Z", "2026-03-31T18:00:05"),
            ("2026-03-31T18:00:00.123456Z", "2026-03-31T18:00:00.123"),
        ] {
            assert_eq!(date_text(Timestamp::parse(stored)), shown);
        }
        assert_eq!(date_text(None), "");
    }
}
