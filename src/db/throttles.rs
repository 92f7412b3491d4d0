//! The throttles table: failed sign-ins by account and by address.

use std::collections::HashMap;

use super::{Db, Result, Sql, Tx, from_row};
use crate::model::clock::Timestamp;
use crate::model::throttle::{AccountFailures, Failures, Key};

struct FailuresRow {
    failures: i64,
    consecutive: i64,
    last_failure_at: i64,
    blocked_until: i64,
    undecided: i64,
    undecided_until: i64,
}
from_row!(FailuresRow { failures, consecutive, last_failure_at, blocked_until, undecided, undecided_until });

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
            undecided: row.undecided,
            undecided_until: Timestamp::from_micros(row.undecided_until),
        }
    }
}

const BY_KEY: &str = "SELECT failures, consecutive, last_failure_at, blocked_until, undecided, undecided_until \
                      FROM throttles WHERE key = $1";

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
        "SELECT key, failures, consecutive, last_failure_at, blocked_until, undecided, undecided_until \
         FROM throttles WHERE key IN (",
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

/// What is known of an account: under its own key, and of that browser or session of its user's that is blocked longest.
pub async fn of_account(db: &Db, account: &Key) -> Result<AccountFailures> {
    let [first, last] = account.all_of_account();
    let sql = Sql::new(
        "SELECT key, failures, consecutive, last_failure_at, blocked_until, undecided, undecided_until \
         FROM throttles WHERE key BETWEEN $1 AND $2 ORDER BY blocked_until DESC",
    );
    let rows: Vec<KeyRow> = db.all(sql.bind(first.0.to_vec()).bind(last.0.to_vec())).await?;
    let (own, known): (Vec<KeyRow>, Vec<KeyRow>) = rows.into_iter().partition(|row| row.key == account.0);
    let first = |rows: Vec<KeyRow>| rows.into_iter().next().map(|row| row.failures.into());
    Ok(AccountFailures { account: first(own), known: first(known) })
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

/// Stores what is known of a key; no row, if that is nothing.
pub async fn set(tx: &mut Tx, key: &Key, failures: &Failures) -> Result<()> {
    if failures.is_none() {
        return delete(tx, key).await.map(drop);
    }
    let sql = Sql::new(
        "INSERT INTO throttles \
         (key, failures, consecutive, last_failure_at, blocked_until, undecided, undecided_until) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, \
         consecutive = excluded.consecutive, last_failure_at = excluded.last_failure_at, \
         blocked_until = excluded.blocked_until, undecided = excluded.undecided, \
         undecided_until = excluded.undecided_until",
    );
    let sql = sql
        .bind(key.0.to_vec())
        .bind(failures.recent)
        .bind(failures.consecutive)
        .bind(failures.last_at.micros())
        .bind(failures.blocked_until.micros())
        .bind(failures.undecided)
        .bind(failures.undecided_until.micros());
    tx.execute(sql).await.map(drop)
}

/// Forgets a key; whether anything was known of it.
pub async fn delete(tx: &mut Tx, key: &Key) -> Result<bool> {
    let sql = Sql::new("DELETE FROM throttles WHERE key = $1").bind(key.0.to_vec());
    Ok(tx.execute(sql).await? > 0)
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

/// Forgets addresses without a failure since `addresses`, and accounts without one since `accounts`. Only
/// accounts have failures in a row.
pub async fn delete_older(tx: &mut Tx, addresses: Timestamp, accounts: Timestamp) -> Result<u64> {
    let sql = Sql::new(
        "DELETE FROM throttles WHERE last_failure_at < $1 AND consecutive = 0 OR last_failure_at < $2",
    );
    tx.execute(sql.bind(addresses.micros()).bind(accounts.micros())).await
}
