//! Export of what the console shows, recorded before its first byte.

use serde_json::Value;

use crate::Usher;
use crate::accounts;
use crate::audit::{self, Action, Entry};
use crate::bulk::Chosen;
use crate::db;
use crate::error::Result;
use crate::filter::{Filter, ListRequest};
use crate::lists::List;
use crate::permission::{Can, ManageUsers};
use crate::user::User;

/// Whether nothing narrows the filter: then the password has to be given again (ASVS 7.5.3).
#[must_use]
pub fn is_everything(chosen: &Chosen) -> bool {
    matches!(chosen, Chosen::Filter(filter) if filter.expressions.is_empty())
}

/// The beginning of an export, which [`accounts::next_batch`] continues. `told` is what the trail says of
/// the filter.
///
/// # Errors
/// [`crate::error::Error::Forbidden`] for everything without the password; as the database says.
pub async fn begin(app: &Usher, can: &Can<ManageUsers>, chosen: &Chosen, told: &str) -> Result<List<User>> {
    if is_everything(chosen) {
        can.require_confirmed(app.clock.now())?;
    }
    let list = match chosen {
        Chosen::Filter(filter) => {
            let request = ListRequest { filter: filter.clone(), ..ListRequest::default() };
            accounts::list(app, can, &request).await?
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
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        audit::record(&mut tx, &entry, app.clock.now()).await?;
        Ok(tx.commit().await?)
    })
    .await?;
    Ok(list)
}
