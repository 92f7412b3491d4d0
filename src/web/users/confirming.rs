//! The password, given again in the form that asks for it.

use crate::confirmation;
use crate::error::Result;
use crate::passwords::Password;
use crate::permission::{Can, ManageUsers};
use crate::web::frame::Visitor;

/// What is said of a wrong one.
pub(super) const WRONG: &str = "Your current password is wrong.";
/// What is said when there is none.
pub(super) const MISSING: &str = "Enter your password to go on.";

/// The visitor's permission, with the password behind it if one was given; `None` if it is wrong.
///
/// # Errors
/// As [`confirmation::confirm`].
pub(super) async fn with_password(
    visitor: &Visitor<'_, ManageUsers>,
    password: &str,
) -> Result<Option<Can<ManageUsers>>> {
    if password.is_empty() {
        return Ok(Some(visitor.can.clone()));
    }
    confirmation::confirm(visitor.app, &visitor.can, &Password::new(password.to_owned())).await
}
