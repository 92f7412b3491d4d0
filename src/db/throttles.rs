//! The throttles table: failed sign-ins by account and by address.

use std::collections::HashMap;
use std::slice;

use super::{Db, Dialect, Result, Sql, Tx, Value, from_row};
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

struct PlacedRow {
    failures: FailuresRow,
    place: i64,
}
from_row!(PlacedRow { ..failures, place });

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

/// The columns of [`Failures`].
macro_rules! failures {
    () => {
        "failures, consecutive, last_failure_at, blocked_until, undecided, undecided_until"
    };
}

macro_rules! columns {
    () => {
        concat!("key, ", failures!())
    };
}

/// What selects these keys.
fn by_keys(keys: &[Key]) -> Sql {
    let mut sql = Sql::new(concat!("SELECT ", columns!(), " FROM throttles WHERE key IN ("));
    push_keys(&mut sql, keys);
    sql
}

fn push_keys<'k>(sql: &mut Sql, keys: impl IntoIterator<Item = &'k Key>) {
    for (key, n) in keys.into_iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(key.0.to_vec());
    }
    sql.push(")");
}

/// In the order of the keys.
fn of_rows(rows: Vec<KeyRow>, keys: &[Key]) -> Vec<Option<Failures>> {
    let known: HashMap<Vec<u8>, Failures> =
        rows.into_iter().map(|KeyRow { key, failures }| (key, failures.into())).collect();
    keys.iter().map(|key| known.get(&key.0[..]).cloned()).collect()
}

/// What is known of a key.
pub async fn get(db: &Db, key: &Key) -> Result<Option<Failures>> {
    Ok(db.optional::<KeyRow>(by_keys(slice::from_ref(key))).await?.map(|row| row.failures.into()))
}

/// What is known of each of these keys; `None` for one of which nothing is.
pub async fn among(db: &Db, keys: &[Key]) -> Result<Vec<Option<Failures>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    Ok(of_rows(db.all(by_keys(keys)).await?, keys))
}

/// The same for many keys, as a page of a list has them.
pub async fn among_many(db: &Db, keys: &[Key]) -> Result<Vec<Option<Failures>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    Ok(of_rows(db.listing().all(by_keys(keys)).await?, keys))
}

/// What is known of an account: under its own key, and of that browser or session of its user's that is blocked longest.
pub async fn of_account(db: &Db, account: &Key) -> Result<AccountFailures> {
    let [first, last] = account.all_of_account();
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        " FROM throttles WHERE key BETWEEN $1 AND $2 ORDER BY blocked_until DESC"
    ));
    let rows: Vec<KeyRow> = db.all(sql.bind(first.0.to_vec()).bind(last.0.to_vec())).await?;
    let (own, known): (Vec<KeyRow>, Vec<KeyRow>) = rows.into_iter().partition(|row| row.key == account.0);
    let first = |rows: Vec<KeyRow>| rows.into_iter().next().map(|row| row.failures.into());
    Ok(AccountFailures { account: first(own), known: first(known) })
}

/// What is known of a key, with no other transaction able to change it until this one ends.
pub async fn lock(tx: &mut Tx, key: &Key) -> Result<Option<Failures>> {
    if tx.dialect() == Dialect::Postgres {
        tx.execute(Sql::new("SELECT pg_advisory_xact_lock($1)").bind(key.as_integer())).await?;
    }
    Ok(tx.optional::<KeyRow>(by_keys(slice::from_ref(key))).await?.map(|row| row.failures.into()))
}

/// Begins a transaction that writes with these keys locked in their order, and what is known of each.
pub async fn begin_holding(db: &Db, keys: &[Key]) -> Result<(Tx, Vec<Option<Failures>>)> {
    // The rows may not exist yet, so the keys themselves are locked; what they say is read afterwards.
    let locks: Vec<i64> = keys.iter().map(Key::as_integer).collect();
    let (tx, rows) = db.begin_holding::<PlacedRow>(&locks, placed(db.dialect(), keys)).await?;
    let mut known: Vec<Option<Failures>> = keys.iter().map(|_| None).collect();
    for PlacedRow { failures, place } in rows {
        if let Some(of_key) = usize::try_from(place).ok().and_then(|place| known.get_mut(place)) {
            *of_key = Some(failures.into());
        }
    }
    Ok((tx, known))
}

/// What selects these keys, of which there are some, with the place of each among them.
fn placed(dialect: Dialect, keys: &[Key]) -> Sql {
    let push_key = |sql: &mut Sql, key: &Key| {
        match dialect {
            Dialect::Sqlite => sql.push_value(key.0.to_vec()),
            Dialect::Postgres => sql.push_bytes(&key.0),
        };
    };
    let mut sql = Sql::new("SELECT CAST(CASE key");
    for (place, key) in (0..).zip(keys) {
        sql.push(" WHEN ");
        push_key(&mut sql, key);
        sql.push(" THEN ").push_number(place);
    }
    sql.push(concat!(" END AS BIGINT) AS place, ", failures!(), " FROM throttles WHERE key IN ("));
    for (key, n) in keys.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " });
        push_key(&mut sql, key);
    }
    sql.push(")");
    sql
}

/// Stores what is known of a key; no row, if that is nothing.
pub async fn set(tx: &mut Tx, key: &Key, failures: &Failures) -> Result<()> {
    for sql in storing(tx.dialect(), &[(key, failures)]) {
        tx.execute(sql).await?;
    }
    Ok(())
}

/// Stores what is known of each of these keys, [with the next statement](Tx::execute_with_next); no row for one of which
/// that is nothing.
pub fn set_all(tx: &mut Tx, all: &[(&Key, &Failures)]) {
    for sql in storing(tx.dialect(), all) {
        tx.execute_with_next(sql);
    }
}

/// The statements that store what is known of these keys.
fn storing(dialect: Dialect, all: &[(&Key, &Failures)]) -> Vec<Sql> {
    let (nothing, known): (Vec<_>, Vec<_>) =
        all.iter().copied().partition(|(_, failures)| failures.is_none());
    let mut statements = Vec::new();
    if !nothing.is_empty() {
        let mut sql = Sql::new("DELETE FROM throttles WHERE key IN (");
        push_keys(&mut sql, nothing.into_iter().map(|(key, _)| key));
        statements.push(sql);
    }
    if !known.is_empty() {
        let mut sql = Sql::new(concat!("INSERT INTO throttles (", columns!(), ") VALUES "));
        sql.push_rows(dialect, known.into_iter().map(|(key, failures)| values(key, failures)));
        sql.push(
            " ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, \
             consecutive = excluded.consecutive, last_failure_at = excluded.last_failure_at, \
             blocked_until = excluded.blocked_until, undecided = excluded.undecided, \
             undecided_until = excluded.undecided_until",
        );
        statements.push(sql);
    }
    statements
}

fn values(key: &Key, failures: &Failures) -> [Value; 7] {
    [
        key.0.to_vec().into(),
        failures.recent.into(),
        failures.consecutive.into(),
        failures.last_at.micros().into(),
        failures.blocked_until.micros().into(),
        failures.undecided.into(),
        failures.undecided_until.micros().into(),
    ]
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
