//! The user that a page is about.

use super::form::UserForm;
use super::query::ListState;
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::permission::ManageUsers;
use crate::model::user::{User, UserId};
use crate::operations::{locks, users};
use crate::web::layout::ConsoleSession;
use crate::web::view::status;

/// The user that a page is about, as an administrator sees them.
pub(in crate::web) async fn find(console: &ConsoleSession<'_, ManageUsers>, id: i64) -> Result<User> {
    users::get(&console.can.weaken(), UserId(id)).await
}

/// Notes which accounts are locked, where the list depends on it.
pub(super) async fn know_locked(
    console: &ConsoleSession<'_, ManageUsers>,
    state: &mut ListState,
) -> Result<()> {
    if !state.status.is_empty() {
        state.locked = locks::all(&console.can).await?;
    }
    Ok(())
}

/// The word for a user's status.
pub(super) async fn status_of(
    console: &ConsoleSession<'_, ManageUsers>,
    user: &User,
) -> Result<&'static str> {
    let locked = locks::among(&console.can, std::slice::from_ref(user)).await?;
    Ok(status(user, locked.contains(&user.id), console.app().clock.now()))
}

/// What to ask before an address is stored that another user has, too; `None` where there is nothing to ask. Sent once
/// more with the same address, the form is the answer.
pub(super) async fn address_question(
    console: &ConsoleSession<'_, ManageUsers>,
    id: Option<UserId>,
    stored: &str,
    form: &mut UserForm,
) -> Result<Option<FieldErrors>> {
    let typed = form.email.trim();
    if typed == stored || typed == form.shared || console.is_stale(&form.token) {
        return Ok(None);
    }
    let Some(other) = users::namesake(&console.can, typed, id).await? else { return Ok(None) };
    typed.clone_into(&mut form.shared);
    let mut errors = FieldErrors::default();
    let name = other.username.as_str();
    errors.add(
        "email",
        format!("Another user has this address: {name}. Send the form again to use it for both."),
    );
    Ok(Some(errors))
}
