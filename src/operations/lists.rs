//! Lists of any resource: one page by cursor, or all, in batches.
//!
//! Users and audit entries are for those who manage users. A list for others would say so by its permission.

use crate::db::select::{self, Listed, Table};
use crate::model::cursor::Cursor;
use crate::model::error::{Error, Result};
use crate::model::filter::{Filter, ListRequest};
use crate::model::permission::ManageUsers;
use crate::model::user::User;
use crate::operations::Can;

/// Records that a whole list fetches at once: enough to make a query worth its while, few enough that
/// memory does not notice.
const BATCH: i64 = 1000;

/// A list as far as it was asked for.
#[derive(Debug)]
pub struct List<T> {
    /// The first records.
    pub records: Vec<T>,
    /// Where they end, if more may follow. With a limit this is for the client, as a cursor; without
    /// one, [`next_batch`] goes on from there.
    pub next: Option<Cursor>,
    /// How many records the filter matches, if that was asked for.
    pub count: Option<i64>,
}

/// The beginning of a list: the page that was asked for, or the first batch of all.
///
/// # Errors
/// [`Error::Malformed`] for a cursor of another list.
pub async fn begin<L: Listed>(can: &Can<ManageUsers>, request: &ListRequest<L::Table>) -> Result<List<L>> {
    let place = match &request.after {
        None => None,
        Some(cursor) => Some(
            Cursor::decode(&request.filter, cursor)
                .ok_or_else(|| Error::Malformed("after: is not a cursor of this filter and order".into()))?,
        ),
    };
    let count = if request.count { Some(select::count(&can.app().db, &request.filter).await?) } else { None };
    let limit = request.limit.unwrap_or(BATCH);
    let (records, next) = batch(can, &request.filter, place.as_ref(), limit).await?;
    Ok(List { records, next, count })
}

/// The records of a whole list that follow after `place`, and where they end.
///
/// A list is fetched in batches, each a query of its own: no connection is held while a slow client
/// reads, and memory does not grow with the result.
pub async fn next_batch<L: Listed>(
    can: &Can<ManageUsers>,
    filter: &Filter<L::Table>,
    place: &Cursor,
) -> Result<(Vec<L>, Option<Cursor>)> {
    batch(can, filter, Some(place), BATCH).await
}

/// A page of a list that can be gone through both ways.
#[derive(Debug)]
pub struct Page<T> {
    /// The records, in the list's order.
    pub records: Vec<T>,
    /// Whether there are records before them.
    pub has_previous: bool,
    /// Whether there are records after them.
    pub has_next: bool,
}

/// At most `limit` records after a place, or from the beginning.
pub async fn page_after<L: Listed>(
    can: &Can<ManageUsers>,
    filter: &Filter<L::Table>,
    place: Option<&Cursor>,
    limit: i64,
) -> Result<Page<L>> {
    let (records, next) = batch(can, filter, place, limit).await?;
    Ok(Page { records, has_previous: place.is_some(), has_next: next.is_some() })
}

/// The first page of users, and how many the filter matches, counted no further than `most`.
pub async fn first_page_and_count(
    can: &Can<ManageUsers>,
    filter: &Filter,
    limit: i64,
    most: i64,
) -> Result<(Page<User>, i64)> {
    let (users, count) = select::beginning(&can.app().db, filter, limit + 1, most).await?;
    let (records, next) = cut(filter, users, limit);
    Ok((Page { records, has_previous: false, has_next: next.is_some() }, count))
}

/// At most `limit` records before a place, or up to the end.
pub async fn page_before<L: Listed>(
    can: &Can<ManageUsers>,
    filter: &Filter<L::Table>,
    place: Option<&Cursor>,
    limit: i64,
) -> Result<Page<L>> {
    let (mut records, next) = batch(can, &filter.reversed(), place, limit).await?;
    records.reverse();
    Ok(Page { records, has_previous: next.is_some(), has_next: place.is_some() })
}

/// At most `limit` records after the first `skipped` ones. These are read, too: what is far down takes its time.
pub async fn page_at<L: Listed>(
    can: &Can<ManageUsers>,
    filter: &Filter<L::Table>,
    skipped: i64,
    limit: i64,
) -> Result<Vec<L>> {
    Ok(select::page_at(&can.app().db, filter, skipped, limit).await?)
}

/// How many records come before a place, counted no further than `most`.
pub async fn count_before<T: Table>(
    can: &Can<ManageUsers>,
    filter: &Filter<T>,
    place: &Cursor,
    most: i64,
) -> Result<i64> {
    Ok(select::count_after(&can.app().db, &filter.reversed(), place, most).await?)
}

async fn batch<L: Listed>(
    can: &Can<ManageUsers>,
    filter: &Filter<L::Table>,
    place: Option<&Cursor>,
    limit: i64,
) -> Result<(Vec<L>, Option<Cursor>)> {
    Ok(cut(filter, select::page(&can.app().db, filter, place, limit + 1).await?, limit))
}

/// The first `limit` of what was found, and where they end if there was more.
fn cut<L: Listed>(filter: &Filter<L::Table>, mut records: Vec<L>, limit: i64) -> (Vec<L>, Option<Cursor>) {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = records.len() > wanted;
    records.truncate(wanted);
    let after = |last: &L| Cursor::after_values(filter, |field| last.value(field));
    let next = records.last().filter(|_| more).map(after);
    (records, next)
}
