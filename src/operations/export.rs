//! Export of what the console shows: users, and entries of the audit log. Recorded before its first byte.

use serde_json::Value;

use crate::db::{self, select};
use crate::model::audit::{Action, Entries, Entry, ListedEntry};
use crate::model::bulk::Chosen;
use crate::model::error::Result;
use crate::model::filter::{Filter, ListRequest};
use crate::model::permission::ManageUsers;
use crate::model::user::User;
use crate::operations::lists::{self, List};
use crate::operations::{Can, audit, sessions, users};

/// Most users, or entries, that are exported at once without the password being given again (ASVS 7.5.3).
pub const MOST_UNASKED: i64 = 100;

/// Whether so many are chosen that the password has to be given again. Counted no further than that.
async fn are_many(can: &Can<ManageUsers>, chosen: &Chosen) -> Result<bool> {
    let count = match chosen {
        Chosen::Filter(filter) => users::count_up_to(can, filter, MOST_UNASKED + 1).await?,
        Chosen::Ids(ids) => i64::try_from(ids.len()).unwrap_or(i64::MAX),
    };
    Ok(count > MOST_UNASKED)
}

/// The beginning of an export, which [`lists::next_batch`] continues. `told` is the filter as the audit
/// log records it.
///
/// # Errors
/// [`crate::model::error::Error::Forbidden`] for more than [`MOST_UNASKED`] without the password; as the database
/// says.
pub async fn begin(can: &Can<ManageUsers>, chosen: &Chosen, told: &str) -> Result<List<User>> {
    let app = can.app();
    let confirmed = can.require_confirmed(app.clock.now());
    if confirmed.is_err() && are_many(can, chosen).await? {
        confirmed?;
    }
    let list = match chosen {
        Chosen::Filter(filter) => {
            let request = ListRequest { filter: filter.clone(), ..ListRequest::default() };
            lists::begin(can, &request).await?
        }
        Chosen::Ids(ids) => {
            let mut users: Vec<User> = db::users::by_ids(&app.db, ids).await?;
            users.sort_by(|left, right| <Filter>::default().compare(left, right));
            List { records: users, next: None, count: None }
        }
    };
    let mut entry = Entry::new(Action::Exported, can.author()).detail("format", "csv").detail("filter", told);
    if let Chosen::Ids(ids) = chosen {
        let ids: Vec<Value> = ids.iter().map(|id| id.0.into()).collect();
        entry = entry.detail("pks", ids);
    }
    record(can, &entry).await?;
    Ok(list)
}

/// Entries are counted no further than this.
pub const COUNTED: i64 = 10_000;

/// How many entries a filter matches; one more than [`COUNTED`] for more.
pub async fn count_entries(can: &Can<ManageUsers>, filter: &Filter<Entries>) -> Result<i64> {
    Ok(select::count_up_to(&can.app().db, filter, COUNTED + 1).await?)
}

/// The beginning of an export of the audit log, which [`lists::next_batch`] continues; up to the last entry before its
/// own. `told` is the filter as the audit log records it.
///
/// # Errors
/// As [`begin`].
pub async fn begin_entries(
    can: &Can<ManageUsers>,
    filter: &Filter<Entries>,
    format: &str,
    told: &str,
) -> Result<List<ListedEntry>> {
    let confirmed = can.require_confirmed(can.app().clock.now());
    if confirmed.is_err()
        && select::count_up_to(&can.app().db, filter, MOST_UNASKED + 1).await? > MOST_UNASKED
    {
        confirmed?;
    }
    let list = lists::begin(can, &ListRequest { filter: filter.clone(), ..ListRequest::default() }).await?;
    let entry = Entry::new(Action::Exported, can.author()).detail("format", format).detail("filter", told);
    record(can, &entry).await?;
    Ok(list)
}

async fn record(can: &Can<ManageUsers>, entry: &Entry) -> Result<()> {
    let app = can.app();
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        sessions::require_open(&mut tx, can).await?;
        audit::record(&mut tx, entry, app.clock.now()).await?;
        Ok(tx.commit().await?)
    })
    .await
}
