//! The password asked for again, in the form of what asks for it: nothing else that was typed is lost.

use super::form::Field;
use super::layout::ConsoleSession;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::password::Password;
use crate::model::permission::Permission;
use crate::operations::own_account;

/// What the form sends it as.
pub(super) const FIELD: &str = "current_password";

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
    Some(Field { hint: hint.to_owned(), ..Field::password(FIELD, "Your password", errors) })
}

/// Makes sure that the password was given within the last minutes: before, or in this form.
///
/// # Errors
/// [`Error::Invalid`] about [`FIELD`]; [`Error::Forbidden`] for an API token.
pub(super) async fn require<P: Permission>(console: &mut ConsoleSession<'_, P>, typed: &str) -> Result<()> {
    if console.can.is_confirmed(console.app().clock.now()) {
        return Ok(());
    }
    if typed.is_empty() {
        return Err(Error::invalid(FIELD, "Enter your password to go on."));
    }
    let password = Password::new(typed.to_owned());
    console.can = own_account::confirm(&console.can, FIELD, &password).await?;
    Ok(())
}
