//! The tables of runs on many users: one row a run, and one for each of its users.

use super::{Db, Dialect, Error, Result, Sql, Tx, Value, from_row};
use crate::model::audit::{BatchId, EntryId};
use crate::model::bulk::BatchVerdict;
use crate::model::clock::Timestamp;
use crate::model::user::{User, UserId};

/// A run as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Primary key.
    pub id: i64,
    /// See [`crate::model::bulk::BulkAction`]; `undo` for one that takes another back.
    pub action: String,
    /// Who did it.
    pub actor_id: i64,
    /// The name at that moment.
    pub actor_name: String,
    /// Microseconds since the epoch.
    pub created_at: i64,
    /// The same; `None` while it goes on, and for ever if it was cut short.
    pub finished_at: Option<i64>,
    /// The run that is taken back by it.
    pub undoes: Option<i64>,
}
from_row!(Batch { id, action, actor_id, actor_name, created_at, finished_at, undoes });

/// The result for one user, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The user's primary key.
    pub user_id: i64,
    /// The name of now; `None` if there is no such user.
    pub username: Option<String>,
    /// See [`BatchVerdict`].
    pub verdict: String,
    /// The code of the reason, where nothing was done.
    pub reason: String,
    /// The audit entry, where something was done.
    pub entry_id: Option<i64>,
}
from_row!(Item { user_id, username, verdict, reason, entry_id });

/// Stores a run with all its users, none of them done.
pub async fn insert(
    tx: &mut Tx,
    action: &str,
    actor: &User,
    undoes: Option<BatchId>,
    users: &[UserId],
    now: Timestamp,
) -> Result<BatchId> {
    let sql = Sql::new(
        "INSERT INTO batches (action, actor_id, actor_name, created_at, undoes) \
         VALUES ($1, $2, $3, $4, $5) RETURNING id",
    );
    let sql = sql
        .bind(action)
        .bind(actor.id.0)
        .bind(actor.username.as_str())
        .bind(now.micros())
        .bind(undoes.map(|batch| batch.0));
    let row: Option<(i64,)> = tx.optional(sql).await?;
    let (id,) = row.ok_or_else(|| Error::Corrupt("no primary key".into()))?;
    for users in users.chunks(Dialect::ROWS_AT_ONCE) {
        let mut sql = Sql::new("INSERT INTO batch_items (batch_id, user_id, verdict, reason) VALUES ");
        let row = |user: &UserId| -> [Value; 4] {
            [id.into(), user.0.into(), BatchVerdict::Pending.as_str().into(), "".into()]
        };
        sql.push_rows(tx.dialect(), users.iter().map(row));
        tx.execute(sql).await?;
    }
    Ok(BatchId(id))
}

/// Notes that a user is done, as part of doing it.
///
/// # Errors
/// [`Error::AlreadySettled`] if a run that goes on elsewhere came first: then it is not to be done again.
pub async fn set_done(tx: &mut Tx, batch: BatchId, user: UserId, entry: EntryId) -> Result<()> {
    let sql = Sql::new(
        "UPDATE batch_items SET verdict = $1, entry_id = $2 WHERE batch_id = $3 AND user_id = $4 AND verdict = $5",
    );
    let sql = sql.bind(BatchVerdict::Done.as_str()).bind(entry.0).bind(batch.0).bind(user.0);
    match tx.execute(sql.bind(BatchVerdict::Pending.as_str())).await? {
        0 => Err(Error::AlreadySettled),
        _ => Ok(()),
    }
}

/// Notes that nothing was done to a user, and the code of the reason, unless a run that goes on elsewhere came first.
pub async fn set_not_done(
    tx: &mut Tx,
    batch: BatchId,
    user: UserId,
    verdict: BatchVerdict,
    reason: &str,
) -> Result<()> {
    let sql = Sql::new(
        "UPDATE batch_items SET verdict = $1, reason = $2 WHERE batch_id = $3 AND user_id = $4 AND verdict = $5",
    );
    let sql = sql.bind(verdict.as_str()).bind(reason).bind(batch.0).bind(user.0);
    tx.execute(sql.bind(BatchVerdict::Pending.as_str())).await.map(drop)
}

/// Adds a user to whom nothing was done, unless the run has them already, and the code of the reason.
pub async fn add_not_done(tx: &mut Tx, batch: BatchId, user: UserId, reason: &str) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO batch_items (batch_id, user_id, verdict, reason) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    );
    let sql = sql.bind(batch.0).bind(user.0).bind(BatchVerdict::Refused.as_str()).bind(reason);
    tx.execute(sql).await.map(drop)
}

/// Notes that a run has come to its end.
pub async fn finish(tx: &mut Tx, batch: BatchId, now: Timestamp) -> Result<()> {
    let sql = Sql::new("UPDATE batches SET finished_at = $1 WHERE id = $2");
    tx.execute(sql.bind(now.micros()).bind(batch.0)).await.map(drop)
}

/// The run with that primary key.
pub async fn by_id(db: &Db, id: BatchId) -> Result<Option<Batch>> {
    let sql = Sql::new(
        "SELECT id, action, actor_id, actor_name, created_at, finished_at, undoes FROM batches WHERE id = $1",
    );
    db.optional(sql.bind(id.0)).await
}

/// A run, and how many of its users have each verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The run.
    pub batch: Batch,
    /// Users that were done.
    pub done: i64,
    /// Users that were not come to.
    pub pending: i64,
    /// All users.
    pub total: i64,
}

struct CountedRow {
    id: i64,
    action: String,
    actor_id: i64,
    actor_name: String,
    created_at: i64,
    finished_at: Option<i64>,
    undoes: Option<i64>,
    done: i64,
    pending: i64,
    total: i64,
}
from_row!(CountedRow {
    id,
    action,
    actor_id,
    actor_name,
    created_at,
    finished_at,
    undoes,
    done,
    pending,
    total
});

impl From<CountedRow> for Counted {
    fn from(row: CountedRow) -> Self {
        let CountedRow { id, action, actor_id, actor_name, created_at, finished_at, undoes, .. } = row;
        let batch = Batch { id, action, actor_id, actor_name, created_at, finished_at, undoes };
        Self { batch, done: row.done, pending: row.pending, total: row.total }
    }
}

/// Runs but those of these actions, the newest first: at most `limit`, made before that one.
pub async fn recent(db: &Db, except: &[&str], before: Option<BatchId>, limit: i64) -> Result<Vec<Counted>> {
    let mut sql = Sql::new(
        "SELECT id, action, actor_id, actor_name, created_at, finished_at, undoes, \
         (SELECT count(*) FROM batch_items WHERE batch_id = found.id AND verdict = 'done') AS done, \
         (SELECT count(*) FROM batch_items WHERE batch_id = found.id AND verdict = 'pending') AS pending, \
         (SELECT count(*) FROM batch_items WHERE batch_id = found.id) AS total \
         FROM (SELECT * FROM batches WHERE id < ",
    );
    sql.push_value(before.map_or(i64::MAX, |batch| batch.0));
    for action in except {
        sql.push(" AND action <> ");
        sql.push_value(*action);
    }
    sql.push(" ORDER BY id DESC LIMIT ");
    sql.push_value(limit);
    sql.push(") AS found ORDER BY id DESC");
    let rows: Vec<CountedRow> = db.listing().all(sql).await?;
    Ok(rows.into_iter().map(Counted::from).collect())
}

/// The run that takes another one back, if one does.
pub async fn undone_by(db: &Db, id: BatchId) -> Result<Option<BatchId>> {
    let sql = Sql::new("SELECT id FROM batches WHERE undoes = $1 ORDER BY id LIMIT 1");
    Ok(db.optional::<(i64,)>(sql.bind(id.0)).await?.map(|(id,)| BatchId(id)))
}

/// The result for each user of a run, by primary key.
pub async fn items(db: &Db, id: BatchId) -> Result<Vec<Item>> {
    let sql = Sql::new(
        "SELECT batch_items.user_id, users.username, batch_items.verdict, batch_items.reason, \
         batch_items.entry_id FROM batch_items LEFT JOIN users ON users.id = batch_items.user_id \
         WHERE batch_items.batch_id = $1 ORDER BY batch_items.user_id",
    );
    db.listing().all(sql.bind(id.0)).await
}
