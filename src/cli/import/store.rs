//! Reads the users that a file may meet, and writes those that are new: many in one transaction.

use std::collections::HashMap;

use super::record::Record;
use super::verdict::{Known, Verdict};
use crate::db;
use crate::db::users::{self, Ids};
use crate::model::audit::{Action, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::password::PasswordHash;
use crate::model::user::{User, UserId};
use crate::operations::{App, operator};

/// Users that are asked for in one statement or written in one transaction: enough that waiting for the
/// disk does not count, few enough that another writer of an SQLite file hardly waits.
const BATCH: usize = 500;

/// The users here whose primary key or name is in the file.
pub(super) async fn load(app: &App, records: &[&Record]) -> Result<Known> {
    let mut known = Known::default();
    for batch in records.chunks(BATCH) {
        let ids: Vec<UserId> = batch.iter().filter_map(|record| record.id).collect();
        let keys: Vec<&str> = batch.iter().map(|record| record.username.key()).collect();
        let mut found = users::by_ids(&app.db, &ids).await?;
        found.extend(users::by_username_keys(&app.db, &keys).await?);
        for user in found {
            known.add(user);
        }
    }
    Ok(known)
}

/// A record to write, and the place of its row in the report.
#[derive(Debug)]
pub(super) struct New {
    /// Which row of the report.
    pub(super) place: usize,
    /// Judged to be new.
    pub(super) record: Record,
}

/// Writes users that were judged to be new.
///
/// Another process may have made some of them, or taken a name or a primary key, since the users were
/// loaded: `revise` gets the place of such a row and its new verdict.
///
/// # Errors
/// Those of the database. Batches before the one that failed are written.
pub(super) async fn write(
    app: &App,
    new: Vec<New>,
    now: Timestamp,
    mut revise: impl FnMut(usize, Verdict),
) -> Result<()> {
    let (mut kept, next): (Vec<New>, Vec<New>) = new.into_iter().partition(|new| new.record.id.is_some());
    kept.sort_by_key(|new| new.record.id);
    // The batch with the highest primary keys comes first: from then on a server that runs beside
    // this gives new users keys above all of this file.
    let mut batches = kept.chunks(BATCH);
    if let Some(highest) = batches.next_back() {
        write_batch(app, Ids::Kept, highest, now, &mut revise).await?;
    }
    continue_after_highest_id(app).await?;
    for batch in batches {
        write_batch(app, Ids::Kept, batch, now, &mut revise).await?;
    }
    // Last, so that no row without a primary key gets that of another row.
    for batch in next.chunks(BATCH) {
        write_batch(app, Ids::Next, batch, now, &mut revise).await?;
    }
    Ok(())
}

async fn continue_after_highest_id(app: &App) -> Result<()> {
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        users::continue_after_highest_id(&mut tx).await?;
        Ok(tx.commit().await?)
    })
    .await
}

/// One transaction for all; if a row is in the way, one for each.
async fn write_batch(
    app: &App,
    ids: Ids,
    batch: &[New],
    now: Timestamp,
    revise: &mut impl FnMut(usize, Verdict),
) -> Result<()> {
    let row = |New { record, .. }: &New| (record.new_user(now), record.password.clone());
    let rows: Vec<_> = batch.iter().map(row).collect();
    if db::retrying(|| insert(app, ids, &rows)).await? == Outcome::Written {
        return Ok(());
    }
    for (New { place, record }, row) in batch.iter().zip(rows.chunks(1)) {
        if db::retrying(|| insert(app, ids, row)).await? == Outcome::Taken {
            let verdict = match load(app, &[record]).await?.judge(record, now) {
                Verdict::Created => Verdict::refused("was in the way of another change; import it again."),
                verdict => verdict,
            };
            revise(*place, verdict);
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Outcome {
    Written,
    /// Another user has a name or a primary key; nothing is written.
    Taken,
}

async fn insert(app: &App, ids: Ids, rows: &[(User, PasswordHash)]) -> Result<Outcome> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let stored = match users::insert_all(&mut tx, ids, rows).await {
        Ok(stored) => stored,
        Err(db::Error::UsernameTaken | db::Error::IdTaken) => return Ok(Outcome::Taken),
        Err(error) => return Err(Error::from(error)),
    };
    let entries: Vec<Entry> = rows.iter().map(|(user, _)| entry(user, &stored, now)).collect();
    db::audit::insert_all(&mut tx, &entries, now).await?;
    tx.commit().await?;
    Ok(Outcome::Written)
}

/// The audit entry for an imported user.
fn entry(user: &User, stored: &HashMap<String, UserId>, now: Timestamp) -> Entry {
    let id = stored.get(user.username.key()).copied().unwrap_or(user.id);
    let user = User { id, ..user.clone() };
    Entry::new(Action::UserCreated, operator::author())
        .on(&user)
        .changing(&User::blank(now), &user)
        .detail("by", "import")
}
