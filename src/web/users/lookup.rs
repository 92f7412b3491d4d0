//! The user that a page is about.

use crate::model::error::Result;
use crate::model::permission::ManageUsers;
use crate::model::user::{User, UserId};
use crate::operations::users;
use crate::web::layout::ConsoleSession;

/// The user that a page is about, as an administrator sees them.
pub(super) async fn find(console: &ConsoleSession<'_, ManageUsers>, id: i64) -> Result<User> {
    users::get(&console.can.weaken(), UserId(id)).await
}

/// A sentence if another user has the address, too; to be added to others.
pub(super) async fn shared_address(console: &ConsoleSession<'_, ManageUsers>, user: &User) -> Result<String> {
    let other = users::namesake(&console.can, user).await?;
    Ok(other.map_or_else(String::new, |other| {
        format!(" Another user has this address: {}.", other.username.as_str())
    }))
}
