//! The password asked for again, in the form of what asks for it: nothing else that was typed is lost.

use super::form::Field;
use super::frame::Visitor;
use crate::error::{Error, Result};
use crate::field_errors::FieldErrors;
use crate::own_account;
use crate::passwords::Password;
use crate::permission::Permission;

/// What the form sends it as.
pub(super) const FIELD: &str = "current_password";

/// The field for a form; `None` if the password was given within the last minutes. The hint says what
/// it is needed for.
pub(super) fn field<P: Permission>(
    visitor: &Visitor<'_, P>,
    hint: &str,
    errors: &FieldErrors,
) -> Option<Field> {
    if visitor.can.is_confirmed(visitor.app.clock.now()) {
        return None;
    }
    Some(Field { hint: hint.to_owned(), ..Field::password(FIELD, "Your password", errors) })
}

/// Makes sure that the password was given within the last minutes: before, or in this form.
///
/// # Errors
/// [`Error::Invalid`] about [`FIELD`]; [`Error::Forbidden`] for an API token.
pub(super) async fn require<P: Permission>(visitor: &mut Visitor<'_, P>, typed: &str) -> Result<()> {
    if visitor.can.is_confirmed(visitor.app.clock.now()) {
        return Ok(());
    }
    if typed.is_empty() {
        return Err(Error::invalid(FIELD, "Enter your password to go on."));
    }
    let password = Password::new(typed.to_owned());
    visitor.can = own_account::confirm(visitor.app, &visitor.can, FIELD, &password).await?;
    Ok(())
}
