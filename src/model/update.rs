//! What an operation did to a user.

use super::audit::EntryId;
use super::user::User;

/// What an operation did to a user.
#[derive(Debug, Clone)]
pub struct Update {
    /// The user after it.
    pub user: User,
    /// The entry that records it; `None` if nothing was different.
    pub entry: Option<EntryId>,
    /// How many of the user's sessions ended by it.
    pub sessions_ended: u64,
}
