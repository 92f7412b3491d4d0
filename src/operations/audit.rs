//! The audit log: recording, reading, sealing, verifying.
//!
//! An entry is written in the transaction of the change it records, so that there is neither a change without its
//! entry nor an entry without its change. Later, in batches, entries are sealed: each seal is a hash over the
//! entry and the seal before, so that an altered or missing entry breaks the chain where it stands.

mod chain;
mod reading;

use serde_json::{Map, Value};

use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Entry, EntryId};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::origin::Origin;
use crate::model::permission::{Can, ManageUsers};
use crate::model::user::UserId;
use crate::operations::App;

pub use self::chain::{
    BATCH as SEALING_BATCH, Fault, INTERVAL as SEALING_INTERVAL, Report, hexadecimal, seal, verify,
};
pub use self::reading::{Side, about, get, list, page};

/// Writes an entry, in the transaction of what it records.
pub async fn record(tx: &mut Tx, entry: &Entry, now: Timestamp) -> db::Result<EntryId> {
    db::audit::insert(tx, entry, now).await
}

/// Who did something to a user last, and when: their name at that moment, empty for the operator.
///
/// # Errors
/// As the database says.
pub async fn last(
    app: &App,
    _can: &Can<ManageUsers>,
    target: UserId,
    action: Action,
) -> Result<Option<(String, Timestamp)>> {
    let entry = db::audit::last(&app.db, target, action).await?;
    Ok(entry.map(|entry| (entry.actor_name, Timestamp::from_micros(entry.happened_at))))
}

/// Writes an entry about something that the operator did and that is no change of a user.
///
/// # Errors
/// As the database says.
pub async fn record_operation(app: &App, action: Action, details: Map<String, Value>) -> Result<()> {
    let mut entry = Entry::new(action, Author::anonymous(&Origin::command_line()));
    entry.details = details;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        record(&mut tx, &entry, app.clock.now()).await?;
        Ok(tx.commit().await?)
    })
    .await
}
