//! Who may read what of the audit log.
//!
//! Staff read all of it, entries about superusers too: they see the records themselves as well, and
//! must be able to see what others did.

use crate::db::audit::reading::{self, About, Start};
use crate::model::audit::{Entries, EntryId, ListedEntry};
use crate::model::cursor::Cursor;
use crate::model::error::{Error, Result};
use crate::model::filter::{Filter, ListRequest};
use crate::model::permission::{Can, ManageUsers};
use crate::model::user::UserId;
use crate::operations::App;
use crate::operations::lists::{self, List, Page};

/// The beginning of a list: the page that was asked for, or the first batch of all.
///
/// # Errors
/// [`Error::Malformed`] for a cursor of another list.
pub async fn list(
    app: &App,
    _can: &Can<ManageUsers>,
    request: &ListRequest<Entries>,
) -> Result<List<ListedEntry>> {
    lists::begin(app, request).await
}

/// One entry.
///
/// # Errors
/// [`Error::NoSuchPath`]
pub async fn get(app: &App, _can: &Can<ManageUsers>, id: EntryId) -> Result<ListedEntry> {
    reading::by_id(&app.db, id).await?.ok_or(Error::NoSuchPath)
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
pub enum Side<'a> {
    /// After this place, or at the beginning.
    After(Option<&'a Cursor>),
    /// Before this place, or at the end.
    Before(Option<&'a Cursor>),
}

/// At most `limit` entries that fit a filter.
pub async fn page(
    app: &App,
    _can: &Can<ManageUsers>,
    filter: &Filter<Entries>,
    side: Side<'_>,
    limit: i64,
) -> Result<Page<ListedEntry>> {
    match side {
        Side::After(place) => lists::page_after(app, filter, place, limit).await,
        Side::Before(place) => lists::page_before(app, filter, place, limit).await,
    }
}

/// At most `limit` entries about a user, newest first.
pub async fn about(
    app: &App,
    _can: &Can<ManageUsers>,
    user: UserId,
    about: About,
    from: Start,
    limit: i64,
) -> Result<Page<ListedEntry>> {
    let mut records = reading::about(&app.db, user, about, from, limit + 1).await?;
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
