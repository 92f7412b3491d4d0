//! Forms as they are shown: every field with its label, what was typed, and what is wrong with it.

use serde::Serialize;

use crate::model::error::Error;
use crate::model::field_errors::FieldErrors;
use crate::model::rules::Denial;

/// One field of a form. It has no bound of its own: a browser would cut what is pasted, and count in UTF-16; the
/// server says what is too long.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// `text`, `email`, `password` or `datetime-local`; or `passkey`, which stands for a user's password and code.
    pub(super) kind: &'static str,
    pub(super) value: String,
    pub(super) hint: String,
    pub(super) optional: bool,
    pub(super) errors: Vec<String>,
    /// What is wrong with the code that is asked for beside a password; `None` if none is.
    pub(super) code: Option<Vec<String>>,
}

/// What a form says that was open for longer than its session.
pub(super) const STALE: &str = "This page was open for a long time. Check it and send it again.";

/// What forms send the viewer's own password as.
pub(super) const CURRENT_PASSWORD: &str = "current_password";

/// What they send the code of the viewer's second factor as.
pub(super) const CURRENT_CODE: &str = "current_code";

/// The kind of field that a passkey fills in.
const PASSKEY: &str = "passkey";

impl Field {
    /// The passkey of a user who has no password, which a script asks for.
    pub(super) fn passkey(hint: &str, errors: &FieldErrors) -> Self {
        let mut field = Self::new(CURRENT_CODE, "Your passkey", PASSKEY, String::new(), errors);
        if !errors.of(CURRENT_PASSWORD).is_empty() {
            field.errors.push("Use your passkey to go on.".to_owned());
        }
        Self { hint: hint.to_owned(), ..field }
    }

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
            errors: errors.console(name, label),
            code: None,
        }
    }

    /// Whether this is where something is said about the field of that name.
    fn has(&self, name: &str) -> bool {
        let is_code = name == CURRENT_CODE && self.code.is_some();
        self.name == name || is_code || name == CURRENT_PASSWORD && self.kind == PASSKEY
    }

    /// A current or new password. What was typed is never sent back.
    pub(super) fn password(name: &'static str, label: &'static str, errors: &FieldErrors) -> Self {
        Self::new(name, label, "password", String::new(), errors)
    }
}

/// A form with what was typed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct FormState {
    pub(super) fields: Vec<Field>,
    pub(super) is_staff: bool,
    pub(super) is_superuser: bool,
    /// The address that is kept although another user has it, if the form is sent again.
    pub(super) shared: String,
    /// One entry for each message: the field it is about, and what it says.
    pub(super) problems: Vec<(&'static str, String)>,
}

impl FormState {
    /// A form of these fields; what is wrong about none of them is told above.
    pub(super) fn of(fields: Vec<Field>, errors: &FieldErrors) -> Self {
        let mut problems = problems(&fields);
        let others = errors.iter().filter(|(name, _)| !fields.iter().any(|field| field.has(name)));
        problems.extend(others.map(|(_, message)| ("main", message.to_string())));
        Self { fields, problems, ..Self::empty() }
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
    pub(super) fn stale(self) -> Self {
        self.with_problem(STALE.to_owned())
    }

    /// With something to be said first about the form as a whole.
    pub(super) fn with_problem(mut self, text: String) -> Self {
        let first = self.fields.first().map_or("main", |field| field.name);
        self.problems.insert(0, (first, text));
        self
    }

    #[cfg(test)]
    pub(super) fn sample(text: &str) -> Self {
        let mut errors = FieldErrors::default();
        for field in ["username", "email", "password"] {
            errors.add(field, text);
        }
        let field = |name, label, kind| Field {
            hint: text.to_owned(),
            optional: kind == "email",
            ..Field::new(name, label, kind, text.to_owned(), &errors)
        };
        let (username, email) = (field("username", "Username", "text"), field("email", "Email", "email"));
        let fields = vec![username, email, password_field(8, &errors)];
        Self {
            problems: problems(&fields),
            fields,
            is_staff: true,
            is_superuser: true,
            shared: text.to_owned(),
        }
    }

    /// The form with the field for a password apart, for which there is another way than to fill it in.
    pub(super) fn with_password_apart(mut self, min_length: usize, errors: &FieldErrors) -> (Self, Field) {
        let field = password_field(min_length, errors);
        self.problems.extend(problems(std::slice::from_ref(&field)));
        (self, field)
    }

    /// A form without fields.
    pub(super) const fn empty() -> Self {
        Self {
            fields: Vec::new(),
            is_staff: false,
            is_superuser: false,
            shared: String::new(),
            problems: Vec::new(),
        }
    }

    /// The form that asks for a password only.
    pub(super) fn password(min_length: usize, errors: &FieldErrors) -> Self {
        let fields = vec![password_field(min_length, errors)];
        Self { problems: problems(&fields), fields, ..Self::empty() }
    }
}

/// A new password. What was typed is never sent back.
pub(super) fn password_field(min_length: usize, errors: &FieldErrors) -> Field {
    Field {
        name: "password",
        label: "Password",
        kind: "password",
        value: String::new(),
        hint: format!("At least {min_length} characters. A few unrelated words work well."),
        optional: false,
        errors: errors.console("password", "Password"),
        code: None,
    }
}

fn problems(fields: &[Field]) -> Vec<(&'static str, String)> {
    let own =
        |field: &Field| field.errors.iter().map(|message| (field.name, message.clone())).collect::<Vec<_>>();
    let of_code = |field: &Field| {
        field.code.iter().flatten().map(|message| (CURRENT_CODE, message.clone())).collect::<Vec<_>>()
    };
    fields.iter().flat_map(|field| [own(field), of_code(field)].concat()).collect()
}

/// What is wrong with the fields, if that is what went wrong. A password that is demanded is one that is missing.
pub(super) fn field_errors(error: Error) -> Result<FieldErrors, Error> {
    match error {
        Error::Invalid(errors) => Ok(errors),
        Error::Forbidden(Denial::ConfirmationRequired) => {
            let mut errors = FieldErrors::default();
            errors.add(CURRENT_PASSWORD, "Enter your password to go on.");
            Ok(errors)
        }
        other => Err(other),
    }
}
