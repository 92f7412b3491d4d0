//! The tables of erased users, and of user names that are blocked.

use super::{Db, Dialect, Result, Sql, Tx, Value, from_row};
use crate::model::audit::EntryId;
use crate::model::clock::Timestamp;
use crate::model::erasure::{Erasure, NameAfter};
use crate::model::user::UserId;

macro_rules! columns {
    () => {
        "user_id, requested_at, requested_by, due_at, blocks_username, was_active, date_joined, version, erased_at, \
         last_entry, finished_at"
    };
}

struct Row {
    user_id: i64,
    requested_at: i64,
    requested_by: Option<i64>,
    due_at: i64,
    blocks_username: bool,
    was_active: bool,
    date_joined: i64,
    version: i64,
    erased_at: Option<i64>,
    last_entry: i64,
    finished_at: Option<i64>,
}
from_row!(Row {
    user_id,
    requested_at,
    requested_by,
    due_at,
    blocks_username,
    was_active,
    date_joined,
    version,
    erased_at,
    last_entry,
    finished_at
});

impl From<Row> for Erasure {
    fn from(row: Row) -> Self {
        Self {
            user: UserId(row.user_id),
            requested_at: Timestamp::from_micros(row.requested_at),
            requested_by: row.requested_by.map(UserId),
            due_at: Timestamp::from_micros(row.due_at),
            username_after: if row.blocks_username { NameAfter::Block } else { NameAfter::Free },
            was_active: row.was_active,
            date_joined: Timestamp::from_micros(row.date_joined),
            version: row.version,
            erased_at: row.erased_at.map(Timestamp::from_micros),
            last_entry: EntryId(row.last_entry),
            finished_at: row.finished_at.map(Timestamp::from_micros),
        }
    }
}

/// Stores a new one.
pub async fn insert(tx: &mut Tx, erasure: &Erasure) -> Result<()> {
    let sql = Sql::new(concat!(
        "INSERT INTO erasures (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    ));
    let sql = sql
        .bind(erasure.user.0)
        .bind(erasure.requested_at.micros())
        .bind(erasure.requested_by.map(|user| user.0))
        .bind(erasure.due_at.micros())
        .bind(erasure.username_after == NameAfter::Block)
        .bind(erasure.was_active)
        .bind(erasure.date_joined.micros())
        .bind(erasure.version)
        .bind(erasure.erased_at.map(Timestamp::micros))
        .bind(erasure.last_entry.0)
        .bind(erasure.finished_at.map(Timestamp::micros));
    tx.execute(sql).await.map(drop)
}

/// That of a user.
pub async fn get(db: &Db, user: UserId) -> Result<Option<Erasure>> {
    let sql = Sql::new(concat!("SELECT ", columns!(), " FROM erasures WHERE user_id = $1")).bind(user.0);
    Ok(db.optional::<Row>(sql).await?.map(Erasure::from))
}

/// That of a user, locked until the end of the transaction.
pub async fn lock(tx: &mut Tx, user: UserId) -> Result<Option<Erasure>> {
    let mut sql = Sql::new(concat!("SELECT ", columns!(), " FROM erasures WHERE user_id = $1")).bind(user.0);
    if tx.dialect() == Dialect::Postgres {
        sql.push(" FOR UPDATE");
    }
    Ok(tx.optional::<Row>(sql).await?.map(Erasure::from))
}

/// What is left of those of these users who were erased, and when each was.
pub async fn among(db: &Db, users: &[UserId]) -> Result<Vec<Erasure>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        " FROM erasures WHERE erased_at IS NOT NULL AND user_id IN ("
    ));
    for (user, n) in users.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(user.0);
    }
    sql.push(")");
    Ok(db.all::<Row>(sql).await?.into_iter().map(Erasure::from).collect())
}

/// All that were carried out.
pub async fn carried_out(db: &Db) -> Result<Vec<Erasure>> {
    let sql = Sql::new(concat!("SELECT ", columns!(), " FROM erasures WHERE erased_at IS NOT NULL"));
    Ok(db.all::<Row>(sql).await?.into_iter().map(Erasure::from).collect())
}

/// Those that are due at this instant, or carried out and not finished: the first ones first.
pub async fn due(db: &Db, now: Timestamp, limit: i64) -> Result<Vec<UserId>> {
    let sql = Sql::new(
        "SELECT user_id FROM erasures WHERE finished_at IS NULL AND due_at <= $1 ORDER BY due_at LIMIT $2",
    );
    let rows: Vec<(i64,)> = db.all(sql.bind(now.micros()).bind(limit)).await?;
    Ok(rows.into_iter().map(|(id,)| UserId(id)).collect())
}

/// Forgets one that was cancelled.
pub async fn delete(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.execute(Sql::new("DELETE FROM erasures WHERE user_id = $1").bind(user.0)).await.map(drop)
}

/// Notes that it was carried out: the record is of another version from now on.
pub async fn set_erased(tx: &mut Tx, user: UserId, version: i64, now: Timestamp) -> Result<()> {
    let sql = Sql::new("UPDATE erasures SET erased_at = $1, version = $2 WHERE user_id = $3");
    tx.execute(sql.bind(now.micros()).bind(version).bind(user.0)).await.map(drop)
}

/// Notes how far the audit log was looked through.
pub async fn set_progress(
    tx: &mut Tx,
    user: UserId,
    last: EntryId,
    finished_at: Option<Timestamp>,
) -> Result<()> {
    let sql = Sql::new("UPDATE erasures SET last_entry = $1, finished_at = $2 WHERE user_id = $3");
    tx.execute(sql.bind(last.0).bind(finished_at.map(Timestamp::micros)).bind(user.0)).await.map(drop)
}

/// Takes a user out of what is kept of others' doing: who began runs on many users.
pub async fn forget_in_batches(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.execute(Sql::new("UPDATE batches SET actor_name = '' WHERE actor_id = $1").bind(user.0))
        .await
        .map(drop)
}

/// The user names that a user had, as far as the audit log still has them.
pub async fn former_names(tx: &mut Tx, user: UserId) -> Result<Vec<String>> {
    let sql = Sql::new(
        "SELECT DISTINCT target_name FROM audit_entries WHERE target_id = $1 AND target_name <> '' \
         AND action NOT IN ('account_blocked', 'password_confirmation_failed', 'password_confirmed', \
                            'sign_in', 'sign_in_failed', 'sign_out')",
    );
    let rows: Vec<(String,)> = tx.all(sql.bind(user.0)).await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// Has SQLite write zeros over what is removed from now on, or stop to do so. PostgreSQL removes it with `VACUUM`.
pub async fn overwrite(tx: &mut Tx, overwrites: bool) -> Result<()> {
    if tx.dialect() == Dialect::Postgres {
        return Ok(());
    }
    let sql = if overwrites { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = OFF" };
    tx.all::<(i64,)>(Sql::new(sql)).await.map(drop)
}

/// Most users of an installation whose index of the search is merged at once: writers wait for it.
const MERGED_AT_ONCE: i64 = 20_000;

/// Has SQLite take what was removed out of the index of the search, where until then it is only noted as removed.
/// PostgreSQL does so with `VACUUM`, and so does SQLite in time where there are many users.
pub async fn merge_search(tx: &mut Tx) -> Result<()> {
    if tx.dialect() == Dialect::Postgres {
        return Ok(());
    }
    let users: Option<(i64,)> = tx.optional(Sql::new("SELECT users FROM user_counts ORDER BY slot")).await?;
    if users.is_some_and(|(users,)| users > MERGED_AT_ONCE) {
        return Ok(());
    }
    tx.execute(Sql::new("INSERT INTO users_search (users_search) VALUES ('optimize')")).await.map(drop)
}

/// How much there is of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Browser sessions, sessions of clients and API tokens.
    pub sessions: i64,
    /// Second factors.
    pub factors: i64,
    /// One-time links for the user.
    pub links: i64,
    /// Messages that were sent to the user.
    pub mails: i64,
    /// What provisioning clients call the user.
    pub external_ids: i64,
    /// Browsers that the user signed in with.
    pub browsers: i64,
    /// Notes of staff.
    pub notes: i64,
    /// Entries of the audit log about the user.
    pub entries_about: i64,
    /// Entries of what the user did to others, or to no user.
    pub entries_by: i64,
}
from_row!(Counts {
    sessions,
    factors,
    links,
    mails,
    external_ids,
    browsers,
    notes,
    entries_about,
    entries_by
});

/// What there is of a user; `None` without such a user.
pub async fn counts(db: &Db, user: UserId) -> Result<Option<Counts>> {
    let sql = Sql::new(
        "SELECT (SELECT count(*) FROM sessions WHERE user_id = $1) AS sessions, \
         (SELECT count(*) FROM factors WHERE user_id = $1) AS factors, \
         (SELECT count(*) FROM links WHERE user_id = $1) AS links, \
         (SELECT count(*) FROM mails WHERE user_id = $1) AS mails, \
         (SELECT count(*) FROM external_ids WHERE user_id = $1) AS external_ids, \
         (SELECT count(*) FROM known_browsers WHERE user_id = $1) AS browsers, \
         (SELECT count(*) FROM audit_entries WHERE target_id = $1 AND action = 'note_added') AS notes, \
         (SELECT count(*) FROM audit_entries WHERE target_id = $1) AS entries_about, \
         (SELECT count(*) FROM audit_entries WHERE actor_id = $1 AND (target_id IS NULL OR target_id <> $1)) \
         AS entries_by FROM users WHERE id = $1",
    );
    db.optional(sql.bind(user.0)).await
}

/// Blocks a user name, by its keyed hash.
pub async fn block(tx: &mut Tx, name_hash: &[u8]) -> Result<()> {
    let sql = Sql::new("INSERT INTO blocked_usernames (name_hash) VALUES ($1) ON CONFLICT DO NOTHING");
    tx.execute(sql.bind(name_hash.to_vec())).await.map(drop)
}

/// The keyed hashes of all user names that are blocked.
pub async fn all_blocked(db: &Db) -> Result<Vec<Vec<u8>>> {
    let sql = Sql::new("SELECT name_hash FROM blocked_usernames ORDER BY name_hash");
    Ok(db.all::<(Vec<u8>,)>(sql).await?.into_iter().map(|(hash,)| hash).collect())
}

/// Primary keys after one, and when the accounts were made.
pub async fn users_after(db: &Db, after: UserId, limit: i64) -> Result<Vec<(UserId, Timestamp)>> {
    let sql = Sql::new("SELECT id, date_joined FROM users WHERE id > $1 ORDER BY id LIMIT $2");
    let rows: Vec<(i64, i64)> = db.all(sql.bind(after.0).bind(limit)).await?;
    Ok(rows.into_iter().map(|(id, at)| (UserId(id), Timestamp::from_micros(at))).collect())
}

/// Whether any user name is blocked.
pub async fn any_blocked(db: &Db) -> Result<bool> {
    Ok(db
        .optional::<(Vec<u8>,)>(Sql::new("SELECT name_hash FROM blocked_usernames LIMIT 1"))
        .await?
        .is_some())
}

/// The same, within a transaction.
pub async fn any_blocked_in(tx: &mut Tx) -> Result<bool> {
    let sql = Sql::new("SELECT name_hash FROM blocked_usernames LIMIT 1");
    Ok(tx.optional::<(Vec<u8>,)>(sql).await?.is_some())
}

fn blocked_sql(hashes: &[[u8; 32]]) -> Sql {
    let mut sql = Sql::new("SELECT name_hash FROM blocked_usernames WHERE name_hash IN (");
    for (hash, n) in hashes.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(Value::Bytes(hash.to_vec()));
    }
    sql.push(")");
    sql
}

/// Those of these hashes of user names that are blocked.
pub async fn blocked_among(db: &Db, hashes: &[[u8; 32]]) -> Result<Vec<Vec<u8>>> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(db.all::<(Vec<u8>,)>(blocked_sql(hashes)).await?.into_iter().map(|(hash,)| hash).collect())
}

/// Whether a user name of these hashes is blocked, within a transaction.
pub async fn has_blocked(tx: &mut Tx, hashes: &[[u8; 32]]) -> Result<bool> {
    Ok(!hashes.is_empty() && tx.optional::<(Vec<u8>,)>(blocked_sql(hashes)).await?.is_some())
}
