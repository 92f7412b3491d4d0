//! The throttles table: failed sign-ins by account and by address.

use std::collections::HashMap;

use super::{Db, Result, Sql, Tx, from_row};
use crate::model::clock::Timestamp;
use crate::model::throttle::{Failures, Key};

struct FailuresRow {
    failures: i64,
    consecutive: i64,
    last_failure_at: i64,
    blocked_until: i64,
}
from_row!(FailuresRow { failures, consecutive, last_failure_at, blocked_until });

struct KeyRow {
    failures: FailuresRow,
    key: Vec<u8>,
}
from_row!(KeyRow { ..failures, key });

impl From<FailuresRow> for Failures {
    fn from(row: FailuresRow) -> Self {
        Self {
            recent: row.failures,
            consecutive: row.consecutive,
            last_at: Timestamp::from_micros(row.last_failure_at),
            blocked_until: Timestamp::from_micros(row.blocked_until),
        }
    }
}

const BY_KEY: &str =
    "SELECT failures, consecutive, last_failure_at, blocked_until FROM throttles WHERE key = $1";

/// What is known of a key.
pub async fn get(db: &Db, key: &Key) -> Result<Option<Failures>> {
    let row: Option<FailuresRow> = db.optional(Sql::new(BY_KEY).bind(key.0.to_vec())).await?;
    Ok(row.map(Failures::from))
}

/// What is known of each of these keys; `None` for one of which nothing is.
pub async fn among(db: &Db, keys: &[Key]) -> Result<Vec<Option<Failures>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        "SELECT key, failures, consecutive, last_failure_at, blocked_until FROM throttles WHERE key IN (",
    );
    for (key, n) in keys.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(key.0.to_vec());
    }
    sql.push(")");
    let rows: Vec<KeyRow> = db.all(sql).await?;
    let known: HashMap<Vec<u8>, Failures> =
        rows.into_iter().map(|KeyRow { key, failures }| (key, failures.into())).collect();
    Ok(keys.iter().map(|key| known.get(&key.0[..]).cloned()).collect())
}

/// What is known of a key, with no other transaction able to change it until this one ends.
pub async fn lock(tx: &mut Tx, key: &Key) -> Result<Option<Failures>> {
    if tx.dialect() == super::Dialect::Postgres {
        // The row may not exist yet, so the key itself is locked.
        let sql = Sql::new("SELECT pg_advisory_xact_lock($1)").bind(key.as_integer());
        tx.execute(sql).await?;
    }
    let row: Option<FailuresRow> = tx.optional(Sql::new(BY_KEY).bind(key.0.to_vec())).await?;
    Ok(row.map(Failures::from))
}

/// Stores what is known of a key.
pub async fn set(tx: &mut Tx, key: &Key, failures: &Failures) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO throttles (key, failures, consecutive, last_failure_at, blocked_until) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, \
         consecutive = excluded.consecutive, last_failure_at = excluded.last_failure_at, \
         blocked_until = excluded.blocked_until",
    );
    let sql = sql
        .bind(key.0.to_vec())
        .bind(failures.recent)
        .bind(failures.consecutive)
        .bind(failures.last_at.micros())
        .bind(failures.blocked_until.micros());
    tx.execute(sql).await.map(drop)
}

/// Forgets a key.
pub async fn delete(tx: &mut Tx, key: &Key) -> Result<()> {
    tx.execute(Sql::new("DELETE FROM throttles WHERE key = $1").bind(key.0.to_vec())).await.map(drop)
}

/// How many failures in a row all the counters of an account have together.
pub async fn failures_of_account(tx: &mut Tx, account: &Key) -> Result<i64> {
    let [first, last] = account.all_of_account();
    let sql = Sql::new(
        "SELECT CAST(COALESCE(SUM(consecutive), 0) AS BIGINT) FROM throttles WHERE key BETWEEN $1 AND $2",
    );
    let row: Option<(i64,)> = tx.optional(sql.bind(first.0.to_vec()).bind(last.0.to_vec())).await?;
    Ok(row.map_or(0, |(count,)| count))
}

/// Forgets all the counters of an account: its own, and those of the browsers and sessions that it knows.
pub async fn delete_of_account(tx: &mut Tx, account: &Key) -> Result<()> {
    let [first, last] = account.all_of_account();
    let sql = Sql::new("DELETE FROM throttles WHERE key BETWEEN $1 AND $2");
    tx.execute(sql.bind(first.0.to_vec()).bind(last.0.to_vec())).await.map(drop)
}

/// Forgets addresses without a failure since `addresses`, and accounts without one since `accounts`, but those
/// at the hard limit. Only accounts have failures in a row.
pub async fn delete_older(
    tx: &mut Tx,
    addresses: Timestamp,
    accounts: Timestamp,
    hard_limit: i64,
) -> Result<u64> {
    let sql = Sql::new(
        "DELETE FROM throttles WHERE last_failure_at < $1 AND consecutive = 0 \
         OR last_failure_at < $2 AND consecutive < $3",
    );
    tx.execute(sql.bind(addresses.micros()).bind(accounts.micros()).bind(hard_limit)).await
}
