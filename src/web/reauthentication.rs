//! The password asked for again, in the form of what asks for it: nothing else that was typed is lost.
//!
//! The operation says whether it demands the password. A page runs it by [`with`], and shows [`field`] where the
//! password was missing or wrong. Of a user with a second factor the field has a second input, for its code, which comes
//! with the request and not with each form. Of a user without a password the field is that input, for a passkey alone.

use std::sync::{Mutex, PoisonError};

use rocket::form::FromForm;
use rocket::request::Request;

use super::form::{CURRENT_CODE, CURRENT_PASSWORD, Field, FormState, field_errors};
use super::layout::ConsoleSession;
use super::view::{Answer, ConfirmationPage};
use crate::http::cookies::Cookies;
use crate::http::guards;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::password::Password;
use crate::model::permission::Permission;
use crate::model::rules::Denial;
use crate::model::session::Secret;
use crate::operations::Can;
use crate::operations::reauthentication::{self, Proof};

/// What the password is needed for where an account of another user is changed.
pub(super) const FOR_ADMINISTRATORS: &str = "Needed because the account is, or becomes, an administrator's.";

/// What a button sends that may ask for the password, and the page that asks for it.
#[derive(Debug, FromForm)]
pub(super) struct ConfirmedForm {
    #[field(default = "")]
    pub(super) token: String,
    #[field(default = "")]
    pub(super) current_password: String,
}

/// The field for a form; `None` if the password was given within the last minutes. The hint says what
/// it is needed for.
pub(super) fn field<P: Permission>(
    console: &ConsoleSession<'_, P>,
    hint: &str,
    errors: &FieldErrors,
) -> Option<Field> {
    if console.can.is_confirmed(console.app().clock.now()) {
        return None;
    }
    if !console.can.session().has_password {
        return Some(Field::passkey(hint, errors));
    }
    let field = Field { hint: hint.to_owned(), ..Field::password(CURRENT_PASSWORD, "Your password", errors) };
    let code = console.can.user().has_factor.then(|| errors.console(CURRENT_CODE, "Code"));
    Some(Field { code, ..field })
}

/// The same, only once it was missing or wrong: browsers fill in what looks like a sign-in.
pub(super) fn field_if_missing<P: Permission>(
    console: &ConsoleSession<'_, P>,
    hint: &str,
    errors: &FieldErrors,
) -> Option<Field> {
    field(console, hint, errors).filter(|field| {
        !field.errors.is_empty() || field.code.as_ref().is_some_and(|errors| !errors.is_empty())
    })
}

/// A form with that field where `asks` says so, for pages that ask for nothing else; `errors` are told above it.
pub(super) fn form<P: Permission>(
    console: &ConsoleSession<'_, P>,
    asks: bool,
    errors: &FieldErrors,
) -> FormState {
    let hint = "Asked for again because of what this does.";
    let field = if asks { field(console, hint, errors) } else { None };
    FormState::of(field.into_iter().collect(), errors)
}

/// The secret that a browser's session got while its request was answered. Rocket leaves out of the answer to an error
/// the cookies that were set before it, so the catcher sets this one again.
#[derive(Debug, Default)]
pub(super) struct Renewed(Mutex<Option<Secret>>);

impl Renewed {
    /// That of a request.
    pub(super) fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(Self::default)
    }

    fn keep(&self, secret: &Secret) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret.clone());
    }

    /// Has the browser carry it, if there is one.
    pub(super) fn carry(&self, jar: Cookies<'_>) {
        if let Some(secret) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            guards::carry(jar, secret);
        }
    }
}

/// The code of a second factor that came with a form.
#[derive(Debug, Default)]
pub(super) struct TypedCode(Mutex<Option<String>>);

impl TypedCode {
    /// That of a request.
    pub(super) fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(Self::default)
    }

    /// Keeps it, as the form is read.
    pub(super) fn keep(&self, code: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }

    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A question that only the password answers.
pub(super) struct Question {
    pub(super) title: &'static str,
    /// What would be done.
    pub(super) text: &'static str,
    pub(super) button: &'static str,
    /// Where the form is sent to.
    pub(super) action: String,
    pub(super) back: String,
}

impl Question {
    /// The page that asks it, if the password is what was missing or wrong.
    ///
    /// # Errors
    /// Any other error.
    pub(super) fn after<P: Permission>(
        self,
        error: Error,
        console: &ConsoleSession<'_, P>,
        section: &'static str,
    ) -> Result<Answer<ConfirmationPage>> {
        Ok(Answer::refused(self.page(console, section, &field_errors(error)?)))
    }

    /// The page that asks it.
    pub(super) fn page<P: Permission>(
        self,
        console: &ConsoleSession<'_, P>,
        section: &'static str,
        errors: &FieldErrors,
    ) -> ConfirmationPage {
        ConfirmationPage {
            layout: console.layout(section),
            title: self.title.into(),
            text: self.text,
            action: self.action,
            hidden: Vec::new(),
            button: self.button.into(),
            form: form(console, true, errors),
            back: self.back,
            stays: false,
        }
    }
}

/// Whether a form came with what is asked for again: the password, or the passkey of a user who has none.
fn is_shown<P: Permission>(console: &ConsoleSession<'_, P>, typed: &str) -> bool {
    if console.can.session().has_password {
        !typed.is_empty()
    } else {
        console.typed_code.get().is_some_and(|code| !code.is_empty())
    }
}

/// Runs an operation; if it demands the password, once more with the one that was typed.
///
/// # Errors
/// What the operation says; [`Error::Invalid`] for a wrong password.
pub(super) async fn with<P: Permission, T, F: Future<Output = Result<T>>>(
    console: &mut ConsoleSession<'_, P>,
    typed: &str,
    operation: impl Fn(Can<P>) -> F,
) -> Result<T> {
    match operation(console.can.clone()).await {
        Err(Error::Forbidden(Denial::ConfirmationRequired)) if is_shown(console, typed) => {
            let (password, code) = (Password::new(typed.to_owned()), console.typed_code.get());
            let (password, code) = ((CURRENT_PASSWORD, password), (CURRENT_CODE, code.as_deref()));
            console.can = reauthentication::confirm(&console.can, &Proof { password, code }).await?;
            if let Some(secret) = console.can.cookie() {
                guards::carry(console.jar, secret);
                console.renewed.keep(secret);
            }
            operation(console.can.clone()).await
        }
        result => result,
    }
}
