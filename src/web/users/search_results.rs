//! What a users list shows: a page of it, exact matches, and how many match.

use rocket::tokio::try_join;

use super::query::{ListQuery, ListState};
use crate::model::cursor::Cursor;
use crate::model::error::Result;
use crate::model::filter::Filter;
use crate::model::permission::ManageUsers;
use crate::model::user::User;
use crate::operations::lists::{self, Page};
use crate::operations::users;
use crate::web::layout::ConsoleSession;

/// Above this many, the number of users that match is no longer counted.
pub(in crate::web) const COUNTED: i64 = 10_000;

/// Before the end: the last page. No cursor looks like it.
pub(super) const END: &str = "end";

/// What `count` says to have all that match counted.
pub(super) const EXACTLY: &str = "exact";

const NO_SUCH_PAGE: &str = "The link's page could not be found in this order. This is the first page.";
const NOT_COUNTED: &str = "Counting all of them took too long.";

/// What is shown.
pub(super) struct Found {
    pub(super) page: Page<User>,
    /// The users that the search names exactly; on the first page only.
    pub(super) exact: Vec<User>,
    pub(super) count: Count,
    /// Which of all that match is the first of the page, from 1 on, where that is quick to say.
    pub(super) ordinal: Option<i64>,
    /// What did not go as the link says.
    pub(super) note: Option<&'static str>,
}

/// How many users match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// So many.
    Of(i64),
    /// More than are counted without being asked.
    OverLimit,
}

impl Count {
    /// What was counted up to one more than the limit.
    fn up_to(count: i64, filter: &Filter) -> Self {
        if count > COUNTED && !filter.is_everything() { Self::OverLimit } else { Self::Of(count) }
    }

    /// With those that the search names by primary key, which is nothing that a filter looks for.
    fn and(self, exact: &[User], filter: &Filter) -> Self {
        let more = exact.iter().filter(|user| !filter.matches(user)).map(|_| 1).sum::<i64>();
        match self {
            Self::Of(count) => Self::Of(count + more),
            Self::OverLimit => self,
        }
    }
}

/// Reads all of it at the same time: each takes its while when users are many.
pub(super) async fn find(
    console: &ConsoleSession<'_, ManageUsers>,
    query: &ListQuery,
    state: &ListState,
    filter: &Filter,
) -> Result<Found> {
    let is_first = query.after.is_none() && query.before.is_none();
    let ((page, count, note), exact) = try_join!(
        page_and_count(console, query, filter, state.per),
        exact_matches(console, state, filter, is_first),
    )?;
    let count = count.and(&exact, filter);
    let ordinal = ordinal(console, filter, &page, count).await?;
    Ok(Found { page, exact, count, ordinal, note })
}

async fn ordinal(
    console: &ConsoleSession<'_, ManageUsers>,
    filter: &Filter,
    page: &Page<User>,
    count: Count,
) -> Result<Option<i64>> {
    let rows = i64::try_from(page.records.len()).unwrap_or(i64::MAX);
    match (page.records.first(), count) {
        (Some(_), _) if !page.has_previous => Ok(Some(1)),
        (Some(_), Count::Of(all)) if !page.has_next => Ok(Some(all - rows + 1)),
        (Some(first), Count::Of(_)) => {
            let place = Cursor::after(filter, first);
            let before = lists::count_before(&console.can, filter, &place, COUNTED + 1).await?;
            Ok((before <= COUNTED).then_some(before + 1))
        }
        _ => Ok(None),
    }
}

async fn page_and_count(
    console: &ConsoleSession<'_, ManageUsers>,
    query: &ListQuery,
    filter: &Filter,
    rows: i64,
) -> Result<(Page<User>, Count, Option<&'static str>)> {
    if query.after.is_none() && query.before.is_none() && query.count.is_none() {
        let can = &console.can;
        let (page, count) = lists::first_page_and_count(can, filter, rows, COUNTED + 1).await?;
        return Ok((page, Count::up_to(count, filter), None));
    }
    let ((page, no_page), (count, not_counted)) =
        try_join!(page(console, query, filter, rows), count(console, query, filter))?;
    Ok((page, count, no_page.or(not_counted)))
}

async fn page(
    console: &ConsoleSession<'_, ManageUsers>,
    query: &ListQuery,
    filter: &Filter,
    rows: i64,
) -> Result<(Page<User>, Option<&'static str>)> {
    let can = &console.can;
    let order = filter.order_only();
    let at = |cursor: Option<&str>| cursor.map(|cursor| Cursor::decode(&order, cursor));
    let last = query.before.as_deref() == Some(END);
    let after = at(query.after.as_deref());
    let before = at(query.before.as_deref().filter(|_| !last));
    let unknown = matches!(after, Some(None)) || matches!(before, Some(None));
    let page = match (after.flatten(), before.flatten()) {
        (Some(place), _) => lists::page_after(can, filter, Some(&place), rows).await?,
        (None, Some(place)) => lists::page_before(can, filter, Some(&place), rows).await?,
        (None, None) if last => lists::page_before(can, filter, None, rows).await?,
        (None, None) => lists::page_after(can, filter, None, rows).await?,
    };
    Ok((page, unknown.then_some(NO_SUCH_PAGE)))
}

/// The users that the search names exactly: by user name, e-mail address or primary key. The other
/// filters hold for them, too.
async fn exact_matches(
    console: &ConsoleSession<'_, ManageUsers>,
    state: &ListState,
    filter: &Filter,
    is_first: bool,
) -> Result<Vec<User>> {
    if state.q.is_empty() || !is_first {
        return Ok(Vec::new());
    }
    let others = state.without_search().filter(console.app().clock.now());
    let mut exact = users::exact_matches(&console.can, &state.q).await?;
    exact.retain(|user| others.matches(user));
    exact.sort_by(|left, right| filter.compare(left, right));
    Ok(exact)
}

async fn count(
    console: &ConsoleSession<'_, ManageUsers>,
    query: &ListQuery,
    filter: &Filter,
) -> Result<(Count, Option<&'static str>)> {
    let count = Count::up_to(users::count_up_to(&console.can, filter, COUNTED + 1).await?, filter);
    if count != Count::OverLimit || query.count.as_deref() != Some(EXACTLY) {
        return Ok((count, None));
    }
    match users::count_exactly(&console.can, filter).await? {
        Some(count) => Ok((Count::Of(count), None)),
        None => Ok((count, Some(NOT_COUNTED))),
    }
}
