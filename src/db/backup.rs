//! A copy of an SQLite file, made while the server goes on.

use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::place::beside;
use super::unfinished::{self, UnfinishedError};
use super::{Db, Pools};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// PostgreSQL has programs of its own for this.
    #[error("only SQLite files are copied; of PostgreSQL use pg_dump or pg_basebackup")]
    NotSqlite,
    /// SQLite takes names as text.
    #[error("the name of the copy must be UTF-8")]
    Name,
    /// The file is there already, or cannot be made or kept.
    #[error("the copy cannot be written: {0}")]
    File(#[from] std::io::Error),
    /// The same, as the name under which it is written is in use.
    #[error("the copy cannot be written: {0}")]
    Unfinished(#[from] UnfinishedError),
    /// The database failed.
    #[error("the copy could not be made: {0}")]
    Database(#[from] sqlx::Error),
    /// The copy is not a sound database.
    #[error("the copy is not sound: {0}")]
    Broken(String),
}

impl Db {
    /// What is wrong with the pages of an SQLite file, if anything; this reads all of it. Of PostgreSQL the server
    /// knows.
    pub async fn damage(&self) -> super::Result<Option<String>> {
        let Pools::Sqlite { read, .. } = &self.pools else { return Ok(None) };
        let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(read.pool()).await?;
        Ok(Some(verdict).filter(|verdict| verdict != "ok"))
    }
}

/// Copies the whole database, as it is at one instant, into a new file that only its owner can read. What was
/// acknowledged before is in it. When this returns, the copy is checked and on the disk; otherwise there is none.
///
/// # Errors
/// [`BackupError`]
pub async fn copy(db: &Db, path: &Path) -> Result<(), BackupError> {
    let Pools::Sqlite { write, .. } = &db.pools else { return Err(BackupError::NotSqlite) };
    if path.symlink_metadata().is_ok() {
        return Err(BackupError::File(Errno::EXIST.into()));
    }
    let unfinished = unfinished::name_for(path);
    let file = unfinished::open(&unfinished)?;
    // Of a copy that was cut short: SQLite would take it for that of the new one.
    drop(std::fs::remove_file(beside(&unfinished, "-journal")));
    // With a connection that changes nothing in the database. Other processes write on meanwhile.
    let options = SqliteConnectOptions::new()
        .filename(write.connect_options().get_filename())
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let copied = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        write_into(&mut connection, &unfinished).await?;
        connection.close().await?;
        check(&unfinished).await?;
        file.sync_all()?;
        Ok(unfinished::put_in_place(&unfinished, path)?)
    };
    let result = copied.await;
    if result.is_err() {
        // What is there is of no use; the next try writes it over.
        drop(std::fs::remove_file(&unfinished));
    }
    result
}

/// Writes the whole database, as it is at one instant, into a file that is empty.
pub(super) async fn write_into(connection: &mut SqliteConnection, path: &Path) -> Result<(), BackupError> {
    let name = path.to_str().ok_or(BackupError::Name)?;
    sqlx::query("VACUUM INTO $1").bind(name).execute(connection).await?;
    Ok(())
}

/// Makes sure that a file is a sound database.
pub(super) async fn check(path: &Path) -> Result<(), BackupError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await?;
    connection.close().await?;
    if verdict == "ok" { Ok(()) } else { Err(BackupError::Broken(verdict)) }
}
