//! What belongs to the installation as a whole.

use super::{Connection, Db, Dialect, Result, Sql, Tx};

/// The value of that name; if there is none yet, `candidate` becomes it. Of several instances that
/// start at once, all get the same value.
pub async fn get_or_insert(db: &Db, name: &'static str, candidate: Vec<u8>) -> Result<Vec<u8>> {
    if let Some(value) = get(db, name).await? {
        return Ok(value);
    }
    let mut tx = db.begin().await?;
    insert(&mut tx, name, candidate.clone()).await?;
    tx.commit().await?;
    Ok(get(db, name).await?.unwrap_or(candidate))
}

/// Gives a name a value, if it has none; whether it had none.
pub async fn insert(tx: &mut Tx, name: &'static str, value: Vec<u8>) -> Result<bool> {
    let sql =
        Sql::new("INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
    Ok(tx.execute(sql.bind(name).bind(value)).await? == 1)
}

/// Whether there is a value of that name.
pub(super) async fn has(db: &Db, name: &'static str) -> Result<bool> {
    Ok(get(db, name).await?.is_some())
}

async fn get(db: &Db, name: &'static str) -> Result<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> =
        db.optional(Sql::new("SELECT value FROM installation WHERE name = $1").bind(name)).await?;
    Ok(row.map(|(value,)| value))
}

/// The values of these names, as they are at one instant.
pub async fn get_all<const N: usize>(db: &Db, names: [&str; N]) -> Result<[Option<Vec<u8>>; N]> {
    let rows: Vec<(String, Vec<u8>)> = db.all(Sql::new("SELECT name, value FROM installation")).await?;
    Ok(names.map(|name| rows.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())))
}

/// The value of that name, within a transaction.
pub async fn value(tx: &mut Tx, name: &'static str) -> Result<Option<Vec<u8>>> {
    let sql = Sql::new("SELECT value FROM installation WHERE name = $1").bind(name);
    Ok(tx.optional::<(Vec<u8>,)>(sql).await?.map(|(value,)| value))
}

/// Gives a name another value, if it has this one; whether it had.
pub async fn replace(tx: &mut Tx, name: &'static str, before: &[u8], after: &[u8]) -> Result<bool> {
    let sql = Sql::new("UPDATE installation SET value = $1 WHERE name = $2 AND value = $3");
    Ok(tx.execute(sql.bind(after.to_vec()).bind(name).bind(before.to_vec())).await? == 1)
}

/// Sets the value of a name; `None` forgets it.
pub async fn set(tx: &mut Tx, name: &'static str, value: Option<Vec<u8>>) -> Result<()> {
    let sql = match value {
        None => Sql::new("DELETE FROM installation WHERE name = $1").bind(name),
        Some(value) => Sql::new(
            "INSERT INTO installation (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value),
    };
    tx.execute(sql).await.map(drop)
}

/// Waits for what keeps the tables from being written that nearly every change writes, such as CREATE INDEX.
const TABLES: &str = "LOCK TABLE users, sessions, throttles, audit_entries IN ROW EXCLUSIVE MODE";

/// Stores what is stored already: a change like any other, but that nothing is different. Whether it could: else a lock
/// keeps one of those tables from being written.
pub(super) async fn write_nothing(db: &Db) -> Result<bool> {
    let mut tx = db.begin().await?;
    if tx.dialect() == Dialect::Postgres
        && let Err(error) = tx.execute(Sql::new(TABLES)).await
    {
        return if error.is_of_a_lock() { Ok(false) } else { Err(error) };
    }
    tx.execute(Sql::new("UPDATE installation SET value = value WHERE name = 'cookie_tag'")).await?;
    tx.commit().await?;
    Ok(true)
}

const PING: &str =
    "SELECT CAST(1 AS BIGINT) WHERE EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM sessions)";

/// Whether the database answers, and what each request reads can be read.
///
/// # Errors
/// Why it does not.
pub async fn ping(connection: &mut Connection) -> Result<()> {
    connection.all::<(i64,)>(Sql::new(PING)).await.map(drop)
}
