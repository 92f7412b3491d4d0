//! What belongs to the installation as a whole.

use super::{Connection, Db, Result, Sql};

/// The value of that name; if there is none yet, `candidate` becomes it. Of several instances that
/// start at once, all get the same value.
pub async fn get_or_insert(db: &Db, name: &'static str, candidate: Vec<u8>) -> Result<Vec<u8>> {
    if let Some(value) = get(db, name).await? {
        return Ok(value);
    }
    let mut tx = db.begin().await?;
    tx.execute(
        Sql::new("INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(candidate.clone()),
    )
    .await?;
    tx.commit().await?;
    Ok(get(db, name).await?.unwrap_or(candidate))
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

/// Whether the database answers.
///
/// # Errors
/// Why it does not.
pub async fn ping(connection: &mut Connection) -> Result<()> {
    connection.all::<(i64,)>(Sql::new("SELECT CAST(1 AS BIGINT)")).await.map(drop)
}
