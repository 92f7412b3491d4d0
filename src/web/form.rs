//! Forms as they are shown: every field with its label, what was typed, and what is wrong with it.

use serde::Serialize;

use crate::error::Error;
use crate::field_errors::FieldErrors;
use crate::user::{EMAIL_LENGTH, NAME_LENGTH, User};

/// One field of a form.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// `text`, `email` or `password`.
    pub(super) kind: &'static str,
    pub(super) value: String,
    pub(super) hint: String,
    pub(super) optional: bool,
    pub(super) max_length: usize,
    pub(super) errors: Vec<String>,
}

/// A form with what was typed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct FormState {
    pub(super) fields: Vec<Field>,
    pub(super) is_staff: bool,
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
}

impl From<&User> for Typed {
    fn from(user: &User) -> Self {
        Self {
            username: user.username.as_str().to_owned(),
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            is_staff: user.is_staff,
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
        if let Some(min_length) = password {
            fields.push(password_field(min_length, errors));
        }
        Self { problems: problems(&fields), fields, is_staff: typed.is_staff }
    }

    /// The form of a page that was open for longer than its session: sent again with everything typed.
    pub(super) fn stale(mut self) -> Self {
        let first = self.fields.first().map_or("main", |field| field.name);
        let problem = "This page was open for a long time. Check it and send it again.";
        self.problems.insert(0, (first, problem.to_owned()));
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
        };
        Self::about(typed, Some(8), &errors)
    }

    /// The form that asks for a password only.
    pub(super) fn password(min_length: usize, errors: &FieldErrors) -> Self {
        let fields = vec![password_field(min_length, errors)];
        Self { problems: problems(&fields), fields, is_staff: false }
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
        max_length: 128,
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
