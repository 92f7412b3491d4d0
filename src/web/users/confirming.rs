//! The password, given again in the form that asks for it.

use crate::model::error::{Error, Result};
use crate::model::password::Password;
use crate::model::permission::ManageUsers;
use crate::operations::{Can, own_account};
use crate::web::layout::ConsoleSession;

/// What is said of a wrong one.
pub(super) const WRONG: &str = "Your current password is wrong.";
/// What is said when there is none.
pub(super) const MISSING: &str = "Enter your password to go on.";

/// The console's permission, with the password behind it if one was given; `None` if it is wrong.
///
/// # Errors
/// As [`own_account::confirm`].
pub(super) async fn with_password(
    console: &ConsoleSession<'_, ManageUsers>,
    password: &str,
) -> Result<Option<Can<ManageUsers>>> {
    if password.is_empty() {
        return Ok(Some(console.can.clone()));
    }
    let password = Password::new(password.to_owned());
    match own_account::confirm(&console.can, "password", &password).await {
        Ok(can) => Ok(Some(can)),
        Err(Error::Invalid(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
