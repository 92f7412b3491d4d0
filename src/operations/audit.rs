//! The audit log: recording, reading, sealing, verifying.
//!
//! An entry is written in the transaction of the change it records, so that there is neither a change without its
//! entry nor an entry without its change. Later, in batches, entries are sealed: each seal is a keyed code over
//! the entry and the seal before, so that an altered or missing entry breaks the chain where it stands. Personal values
//! are covered by commitments, so that they can be erased.

mod chain;
mod copies;
mod erasing;
mod mark;
mod reading;
mod retention;
mod verification;
mod watch;

use std::fmt::Write;

use crate::db::{self, Tx};
use crate::model::audit::{Action, Entry, EntryId};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::permission::ManageUsers;
use crate::model::user::UserId;
use crate::operations::{App, Can};
use crate::security::audit_key::{Purpose, SEAL};

pub use self::chain::{BATCH as SEALING_BATCH, INTERVAL as SEALING_INTERVAL, seal};
pub use self::copies::keep_head;
pub(crate) use self::erasing::{Erased, erase_person};
pub use self::mark::Head;
pub use self::reading::{about, get};
pub use self::retention::erase_old_origins;
pub use self::verification::{Fault, HeadVerdict, Report, compare, head, verify};
pub use self::watch::{Watch, examine};

/// Writes an entry, in the transaction of what it records.
pub async fn record(tx: &mut Tx, entry: &Entry, now: Timestamp) -> db::Result<EntryId> {
    db::audit::insert(tx, entry, now).await
}

/// Loads the key of the audit log, which is made if there is none yet: before a transaction that needs it, as it is made in
/// one of its own.
pub(crate) async fn load_key(app: &App) -> Result<()> {
    app.audit_watch.key(app).await.map(drop)
}

/// A code over a content that only this installation can make: what the code is of can be found neither from it nor by
/// trying.
pub(crate) async fn code(app: &App, purpose: Purpose, content: &[u8]) -> Result<[u8; SEAL]> {
    Ok(app.audit_watch.key(app).await?.sign(purpose, content))
}

/// As people copy it.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to memory cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Who did something to a user last, and when: their name at that moment, empty for the operator.
pub async fn last(
    can: &Can<ManageUsers>,
    target: UserId,
    action: Action,
) -> Result<Option<(String, Timestamp)>> {
    let entry = db::audit::last(&can.app().db, target, action).await?;
    Ok(entry.map(|entry| (entry.actor_name, Timestamp::from_micros(entry.happened_at))))
}
