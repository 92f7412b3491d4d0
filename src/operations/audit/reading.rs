//! Who may read what of the audit log.
//!
//! Staff read all of it, entries about superusers too: they see the records themselves as well, and
//! must be able to see what others did.

use crate::db::audit::reading::{self, About, Start};
use crate::model::audit::{EntryId, ListedEntry};
use crate::model::error::{Error, Result};
use crate::model::permission::ManageUsers;
use crate::model::user::UserId;
use crate::operations::Can;
use crate::operations::lists::Page;

/// One entry.
///
/// # Errors
/// [`Error::NoSuchPath`]
pub async fn get(can: &Can<ManageUsers>, id: EntryId) -> Result<ListedEntry> {
    reading::by_id(&can.app().db, id).await?.ok_or(Error::NoSuchPath)
}

/// At most `limit` entries about a user, newest first.
pub async fn about(
    can: &Can<ManageUsers>,
    user: UserId,
    about: About,
    from: Start,
    limit: i64,
) -> Result<Page<ListedEntry>> {
    let mut records = reading::about(&can.app().db, user, about, from, limit + 1).await?;
    let more = i64::try_from(records.len()).is_ok_and(|found| found > limit);
    if more {
        records.pop();
    }
    let (has_previous, has_next) = match from {
        Start::Newest => (false, more),
        Start::Before(_) => (true, more),
        Start::After(_) => {
            records.reverse();
            (more, true)
        }
    };
    Ok(Page { records, has_previous, has_next })
}
