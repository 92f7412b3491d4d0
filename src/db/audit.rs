//! The table of the audit log: entries are only ever added, and sealed once.

pub mod erasing;
pub mod reading;

use rocket::tokio::join;
use serde::Serialize;

use super::{Db, Dialect, Result, Sql, Tx, Value, from_row};
use crate::model::audit::{Action, BatchId, Entry, EntryId, StoredEntry};
use crate::model::clock::Timestamp;
use crate::model::text;
use crate::model::user::UserId;

/// What an entry says: the columns that are sealed.
macro_rules! columns {
    () => {
        "id, happened_at, action, actor_id, actor_name, target_id, target_name, changes, details, \
         door, address, request_id, batch_id, undoes"
    };
}
use columns;

from_row!(StoredEntry {
    id,
    happened_at,
    action,
    actor_id,
    actor_name,
    target_id,
    target_name,
    changes,
    details,
    door,
    address,
    request_id,
    batch_id,
    undoes
});

/// An entry with its seal.
#[derive(Debug)]
pub struct Sealed {
    /// The entry.
    pub entry: StoredEntry,
    /// Its place in the chain, from 1.
    pub position: i64,
    /// The code over the entry and the seal before.
    pub seal: Vec<u8>,
    /// See [`crate::model::audit::Commitments`]; `None` for an entry that was sealed before there were any.
    pub commitments: Option<Vec<u8>>,
    /// By which it is searched for: its names, case folded.
    pub actor_folded: String,
    /// The same of the target's.
    pub target_folded: String,
}
from_row!(Sealed { ..entry, position, seal, commitments, actor_folded, target_folded });

impl Sealed {
    /// Whether a search for its names finds it.
    #[must_use]
    pub fn is_found_by_its_names(&self) -> bool {
        self.actor_folded == text::fold(&self.entry.actor_name)
            && self.target_folded == text::fold(&self.entry.target_name)
    }
}

const INSERT: &str = "INSERT INTO audit_entries (happened_at, action, actor_id, actor_name, target_id, \
                      target_name, changes, details, door, address, request_id, batch_id, undoes, \
                      actor_folded, target_folded) VALUES ";

fn values(entry: &Entry, now: Timestamp) -> [Value; 15] {
    let id = |named: &Option<(UserId, String)>| Value::from(named.as_ref().map(|(id, _)| id.0));
    let name =
        |named: &Option<(UserId, String)>| Value::from(named.as_ref().map_or("", |(_, name)| name.as_str()));
    let folded = |named: &Option<(UserId, String)>| {
        Value::from(named.as_ref().map_or_else(String::new, |(_, name)| text::fold(name)))
    };
    let origin = &entry.author.origin;
    [
        now.micros().into(),
        entry.action.as_str().into(),
        id(&entry.author.user),
        name(&entry.author.user),
        id(&entry.target),
        name(&entry.target),
        serde_json::Value::from(entry.changes.clone()).to_string().into(),
        serde_json::Value::from(entry.details.clone()).to_string().into(),
        origin.channel.as_str().into(),
        origin.address_text().into(),
        origin.request_id.as_str().into(),
        entry.batch_id.map(|batch| batch.0).into(),
        entry.undoes.map(|entry| entry.0).into(),
        folded(&entry.author.user),
        folded(&entry.target),
    ]
}

/// A statement that stores at least one entry.
fn insertion(dialect: Dialect, entries: &[Entry], now: Timestamp) -> Sql {
    let mut sql = Sql::new(INSERT);
    sql.push_rows(dialect, entries.iter().map(|entry| values(entry, now)));
    sql
}

/// Stores an entry.
pub async fn insert(tx: &mut Tx, entry: &Entry, now: Timestamp) -> Result<EntryId> {
    let mut sql = insertion(tx.dialect(), std::slice::from_ref(entry), now);
    sql.push(" RETURNING id");
    let row: Option<(i64,)> = tx.optional(sql).await?;
    row.map(|(id,)| EntryId(id)).ok_or_else(|| super::Error::Corrupt("no primary key".into()))
}

/// Stores many entries.
pub async fn insert_all(tx: &mut Tx, entries: &[Entry], now: Timestamp) -> Result<()> {
    let dialect = tx.dialect();
    let mut statements =
        entries.chunks(Dialect::ROWS_AT_ONCE).map(|entries| insertion(dialect, entries, now));
    let mut next = statements.next();
    while let Some(sql) = next {
        // The next one is put together while the database is busy with this one.
        let (stored, following) = join!(tx.execute(sql), async { statements.next() });
        stored?;
        next = following;
    }
    Ok(())
}

/// One entry.
pub async fn by_id(tx: &mut Tx, id: EntryId) -> Result<Option<StoredEntry>> {
    let sql = Sql::new(concat!("SELECT ", columns!(), " FROM audit_entries WHERE id = $1"));
    tx.optional(sql.bind(id.0)).await
}

/// One entry, outside a transaction.
pub async fn find(db: &Db, id: EntryId) -> Result<Option<StoredEntry>> {
    let sql = Sql::new(concat!("SELECT ", columns!(), " FROM audit_entries WHERE id = $1"));
    db.optional(sql.bind(id.0)).await
}

/// The entries of a run on many users.
pub async fn of_batch(db: &Db, batch: BatchId) -> Result<Vec<StoredEntry>> {
    let sql = Sql::new(concat!("SELECT ", columns!(), " FROM audit_entries WHERE batch_id = $1 ORDER BY id"));
    db.listing().all(sql.bind(batch.0)).await
}

/// How many entries of an action a run has.
pub async fn count_of_batch(db: &Db, batch: BatchId, action: Action) -> Result<i64> {
    let sql = Sql::new("SELECT count(*) FROM audit_entries WHERE batch_id = $1 AND action = $2");
    let row: Option<(i64,)> = db.optional(sql.bind(batch.0).bind(action.as_str())).await?;
    Ok(row.map_or(0, |(count,)| count))
}

/// The entries of an action that a run has, from the one after `id` on: at most `limit`.
pub async fn of_batch_after(
    db: &Db,
    batch: BatchId,
    action: Action,
    id: EntryId,
    limit: i64,
) -> Result<Vec<StoredEntry>> {
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        " FROM audit_entries WHERE batch_id = $1 AND id > $2 AND action = $3 ORDER BY id LIMIT $4"
    ));
    db.all(sql.bind(batch.0).bind(id.0).bind(action.as_str()).bind(limit)).await
}

/// The entry that takes another one back, if one does.
pub async fn undone_by(db: &Db, id: EntryId) -> Result<Option<EntryId>> {
    let sql = Sql::new("SELECT id FROM audit_entries WHERE undoes = $1");
    Ok(db.optional::<(i64,)>(sql.bind(id.0)).await?.map(|(id,)| EntryId(id)))
}

/// The newest entries about a user that are later than one of them.
pub async fn later(db: &Db, target: UserId, than: EntryId, limit: i64) -> Result<Vec<StoredEntry>> {
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        " FROM audit_entries WHERE target_id = $1 AND id > $2 ORDER BY id DESC LIMIT $3"
    ));
    db.all(sql.bind(target.0).bind(than.0).bind(limit)).await
}

/// The last time that something was done to a user.
pub async fn last(db: &Db, target: UserId, action: Action) -> Result<Option<StoredEntry>> {
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        " FROM audit_entries WHERE target_id = $1 AND action = $2 ORDER BY id DESC LIMIT 1"
    ));
    db.optional(sql.bind(target.0).bind(action.as_str())).await
}

/// The newest entry about a user that records an end of their sessions: one of these actions, or a change
/// whose details count what it ended.
pub async fn last_session_end(
    db: &Db,
    user: UserId,
    actions: &[&'static str],
) -> Result<Option<StoredEntry>> {
    let mut sql =
        Sql::new(concat!("SELECT ", columns!(), " FROM audit_entries WHERE target_id = $1 AND (action IN ("))
            .bind(user.0);
    for (action, n) in actions.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(*action);
    }
    sql.push(
        ") OR (details LIKE '%\"sessions_ended\":%' AND details NOT LIKE '%\"sessions_ended\":0%')) \
         ORDER BY id DESC LIMIT 1",
    );
    db.optional(sql).await
}

/// Whom the newest entries of an action were about: at most `limit`, each once, the latest first.
pub async fn latest_targets(db: &Db, action: Action, limit: i64) -> Result<Vec<UserId>> {
    let sql = Sql::new(
        "SELECT target_id FROM (SELECT id, target_id FROM audit_entries WHERE action = $1 \
         AND target_id IS NOT NULL ORDER BY id DESC LIMIT $2) AS latest GROUP BY target_id ORDER BY max(id) DESC",
    );
    let rows: Vec<(i64,)> = db.listing().all(sql.bind(action.as_str()).bind(limit)).await?;
    Ok(rows.into_iter().map(|(id,)| UserId(id)).collect())
}

/// Those without a seal. SQLite is told the index: it may know the table as it was when it was tiny.
fn push_unsealed(sql: &mut Sql, dialect: Dialect) -> &mut Sql {
    sql.push(match dialect {
        Dialect::Sqlite => " INDEXED BY audit_entries_not_sealed",
        Dialect::Postgres => "",
    });
    sql.push(" WHERE position IS NULL")
}

/// The index of those with a seal, for the same reason.
const fn by_position(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => " INDEXED BY audit_entries_position",
        Dialect::Postgres => "",
    }
}

/// Whether there is an entry without a seal.
pub async fn has_unsealed(db: &Db) -> Result<bool> {
    let mut sql = Sql::new("SELECT id FROM audit_entries");
    push_unsealed(&mut sql, db.dialect()).push(" LIMIT 1");
    Ok(db.optional::<(i64,)>(sql).await?.is_some())
}

/// When the first entry without a seal was written.
pub async fn oldest_unsealed(db: &Db) -> Result<Option<Timestamp>> {
    let mut sql = Sql::new("SELECT happened_at FROM audit_entries");
    push_unsealed(&mut sql, db.dialect()).push(" ORDER BY id LIMIT 1");
    Ok(db.optional::<(i64,)>(sql).await?.map(|(at,)| Timestamp::from_micros(at)))
}

/// How many entries have no seal.
pub async fn count_unsealed(db: &Db) -> Result<i64> {
    let mut sql = Sql::new("SELECT count(*) FROM audit_entries");
    push_unsealed(&mut sql, db.dialect());
    Ok(db.optional::<(i64,)>(sql).await?.map_or(0, |(count,)| count))
}

/// How many entries after a position have a seal of an earlier release.
pub async fn count_sealed_earlier(db: &Db, position: i64) -> Result<i64> {
    let mut sql = Sql::new("SELECT count(*) FROM audit_entries");
    sql.push(by_position(db.dialect()))
        .push(" WHERE commitments IS NULL AND position > ")
        .push_value(position);
    Ok(db.optional::<(i64,)>(sql).await?.map_or(0, |(count,)| count))
}

/// The number of the lock under which one instance at a time adds to the chain.
const CHAIN_LOCK: i64 = 0x7573_6865_7200_0001;

/// Keeps other instances from adding to the chain until this transaction ends.
pub async fn lock_chain(tx: &mut Tx) -> Result<()> {
    if tx.dialect() == Dialect::Postgres {
        tx.execute(Sql::new("SELECT pg_advisory_xact_lock($1)").bind(CHAIN_LOCK)).await?;
    }
    Ok(())
}

/// The end of the chain as the entries tell it: the last position, its seal, and whether it has commitments.
pub async fn last_seal(tx: &mut Tx) -> Result<Option<(i64, Vec<u8>, bool)>> {
    let sql = "SELECT position, seal, commitments IS NOT NULL FROM audit_entries WHERE position IS NOT NULL \
               ORDER BY position DESC LIMIT 1";
    tx.optional(Sql::new(sql)).await
}

/// The seal at a position.
pub async fn seal_at(db: &Db, position: i64) -> Result<Option<Vec<u8>>> {
    let sql = Sql::new("SELECT seal FROM audit_entries WHERE position = $1").bind(position);
    Ok(db.optional::<(Vec<u8>,)>(sql).await?.map(|(seal,)| seal))
}

/// The first entries without a seal.
pub async fn unsealed(tx: &mut Tx, limit: i64) -> Result<Vec<StoredEntry>> {
    let mut sql = Sql::new(concat!("SELECT ", columns!(), " FROM audit_entries"));
    push_unsealed(&mut sql, tx.dialect()).push(" ORDER BY id LIMIT ").push_value(limit);
    tx.all(sql).await
}

/// Takes the seals of earlier releases from the entries after a position.
pub async fn unseal_earlier(tx: &mut Tx, position: i64) -> Result<()> {
    let mut sql = Sql::new("UPDATE audit_entries");
    sql.push(by_position(tx.dialect())).push(" SET position = NULL, seal = NULL");
    sql.push(" WHERE commitments IS NULL AND position > ").push_value(position);
    tx.execute(sql).await.map(drop)
}

/// A seal for an entry: its primary key, position, seal and commitments.
pub type NewSeal = (i64, i64, Vec<u8>, Vec<u8>);

/// Seals entries.
pub async fn set_seals(tx: &mut Tx, seals: &[NewSeal]) -> Result<()> {
    for seals in seals.chunks(Dialect::ROWS_AT_ONCE) {
        let mut sql = Sql::new(
            "UPDATE audit_entries SET position = sealed.column2, seal = sealed.column3, \
             commitments = sealed.column4 FROM (VALUES ",
        );
        let row = |(id, position, seal, commitments): &NewSeal| -> [Value; 4] {
            [(*id).into(), (*position).into(), seal.clone().into(), commitments.clone().into()]
        };
        sql.push_rows(tx.dialect(), seals.iter().map(row));
        sql.push(") AS sealed WHERE audit_entries.id = sealed.column1");
        tx.execute(sql).await?;
    }
    Ok(())
}

/// Sealed entries after a position, in the chain's order.
pub async fn sealed_after(db: &Db, position: i64, limit: i64) -> Result<Vec<Sealed>> {
    db.all(after(position, limit)).await
}

/// The same, within a transaction.
pub async fn sealed_after_in(tx: &mut Tx, position: i64, limit: i64) -> Result<Vec<Sealed>> {
    tx.all(after(position, limit)).await
}

fn after(position: i64, limit: i64) -> Sql {
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        ", position, seal, commitments, actor_folded, target_folded FROM audit_entries \
         WHERE position > $1 ORDER BY position LIMIT $2"
    ));
    sql.bind(position).bind(limit)
}

/// Removes the entries after a position, up to another one.
pub async fn delete_sealed(tx: &mut Tx, after: i64, last: i64) -> Result<()> {
    let sql = Sql::new("DELETE FROM audit_entries WHERE position > $1 AND position <= $2");
    tx.execute(sql.bind(after).bind(last)).await.map(drop)
}

/// Whether an entry records that what is in a file was removed, whose SHA-256 is given in hexadecimal.
pub async fn is_removal_recorded(db: &Db, sha256: &str) -> Result<bool> {
    let sql = Sql::new("SELECT id FROM audit_entries WHERE action = $1 AND details LIKE $2 LIMIT 1");
    let sql = sql.bind(Action::EntriesRemoved.as_str()).bind(format!("%\"sha256\":\"{sha256}\"%"));
    Ok(db.optional::<(i64,)>(sql).await?.is_some())
}

/// A sign-in as its user sees it. Its serialized form is the API's.
#[derive(Debug, Serialize)]
pub struct SignInEntry {
    /// When.
    pub at: Timestamp,
    /// `signed_in` or `failed`.
    pub result: &'static str,
    /// From where; may be empty.
    pub address: String,
    /// With what, in words; may be empty.
    pub device: String,
}

struct SignInRow {
    happened_at: i64,
    action: String,
    address: String,
    details: String,
}
from_row!(SignInRow { happened_at, action, address, details });

/// The last sign-ins of a user, good and bad, the latest first.
pub async fn sign_ins(db: &Db, user: UserId, limit: i64) -> Result<Vec<SignInEntry>> {
    let sql = Sql::new(
        "SELECT happened_at, action, address, details FROM audit_entries \
         WHERE target_id = $1 AND action IN ($2, $3) ORDER BY id DESC LIMIT $4",
    );
    let (good, bad) = (Action::SignIn.as_str(), Action::SignInFailed.as_str());
    let rows: Vec<SignInRow> = db.all(sql.bind(user.0).bind(good).bind(bad).bind(limit)).await?;
    let read = |row: SignInRow| {
        let details: serde_json::Value = serde_json::from_str(&row.details).unwrap_or_default();
        SignInEntry {
            at: Timestamp::from_micros(row.happened_at),
            result: if row.action == good { "signed_in" } else { "failed" },
            address: row.address,
            device: details["device"].as_str().unwrap_or_default().to_owned(),
        }
    };
    Ok(rows.into_iter().map(read).collect())
}
