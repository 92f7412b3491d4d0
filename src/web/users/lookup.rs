//! The user that a page is about.

use super::query::ListState;
use crate::model::error::Result;
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

/// A sentence if another user has the address, too; to be added to others.
pub(super) async fn shared_address(console: &ConsoleSession<'_, ManageUsers>, user: &User) -> Result<String> {
    let other = users::namesake(&console.can, user).await?;
    Ok(other.map_or_else(String::new, |other| {
        format!(" Another user has this address: {}.", other.username.as_str())
    }))
}
