//! Puts a copy of an SQLite file in the place of the database.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, Row as _, SqliteConnection, raw_sql};

use super::backup::{self, BackupError};
use super::place::beside;
use super::{Db, Newer, Pools, migrations};

/// What SQLite may have left beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How a database of SQLite begins.
const HEADER: &[u8; 16] = b"SQLite format 3\0";

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// PostgreSQL has programs of its own for this.
    #[error("only SQLite files are restored; of PostgreSQL use pg_restore")]
    NotSqlite,
    /// There would be nothing to come back to.
    #[error("{} is the database itself, not a copy of it", .0.display())]
    Same(PathBuf),
    /// The copy is not sound, or no database of Usher's.
    #[error("{} is not restored: {reason}", path.display())]
    Unfit {
        /// The copy.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer release has made it.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// Another process would go on with the former file.
    #[error("another process has the database open: stop it first")]
    InUse,
    /// A file cannot be made or moved.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What was done.
#[derive(Debug)]
pub struct Restored {
    /// The database.
    pub database: PathBuf,
    /// Where the one before is now, if there was any.
    pub former: Option<PathBuf>,
    /// How many migrations are to be applied to it.
    pub pending: usize,
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, RestoreError> {
    result.map_err(|source| RestoreError::File { path: path.to_owned(), source })
}

/// Checks a copy, and has it be the database; the caller holds the lock of the server. The database before is kept
/// beside it, with `suffix`. When this fails, nothing has changed; when it returns, the copy is on the disk.
///
/// # Errors
/// [`RestoreError`]
pub async fn restore(db: &Db, copy: &Path, suffix: &str) -> Result<Restored, RestoreError> {
    let Pools::Sqlite { write, .. } = &db.pools else { return Err(RestoreError::NotSqlite) };
    let named = write.connect_options().get_filename().to_owned();
    // Behind a link the file is replaced, not the link.
    let database = named.canonicalize().unwrap_or(named);
    if at(copy, copy.canonicalize())? == database {
        return Err(RestoreError::Same(copy.to_owned()));
    }
    // The lock that the caller has made, too, whatever comes of this.
    let lock = beside(&database, ".lock");
    if lock.exists() && database.exists() {
        give_to_owner(&lock, &database)?;
    }
    let new = beside(&database, ".restoring");
    let result = async {
        let pending = fill(copy, &new).await?;
        let former = take_place(&new, &database, suffix).await?;
        Ok(Restored { database: database.clone(), former, pending })
    };
    let result = result.await;
    if result.is_err() {
        // What is there is of no use; the next try removes it, too.
        drop(std::fs::remove_file(&new));
    }
    result
}

/// Makes the new file from a copy: sound, private, its owner that of the database, and on the disk. The number of
/// migrations that it lacks.
async fn fill(copy: &Path, new: &Path) -> Result<usize, RestoreError> {
    let unfit = |reason: String| RestoreError::Unfit { path: copy.to_owned(), reason };
    // A restore that was cut short may have left one.
    drop(std::fs::remove_file(new));
    let options = &mut OpenOptions::new();
    at(new, options.write(true).create_new(true).mode(0o600).open(new))?;
    let options = SqliteConnectOptions::new().filename(copy).read_only(true).disable_statement_logging();
    let read = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let schema = migrations::schema_of_file(&mut connection).await;
        // With what is only in the log beside it, if it was copied by other means.
        backup::write_into(&mut connection, new).await?;
        connection.close().await?;
        Ok::<_, BackupError>(schema)
    };
    let schema = read.await.map_err(|error| unfit(error.to_string()))?;
    let schema = schema.map_err(|error| unfit(error.to_string()))?;
    if schema.is_new {
        return Err(unfit("it is no database of Usher's".to_owned()));
    }
    schema.check()?;
    backup::check(new).await.map_err(|error| unfit(error.to_string()))?;
    Ok(schema.pending.len())
}

/// Puts the new file in the place of the database, in one step where there is one already. Where the one before is now.
async fn take_place(new: &Path, database: &Path, suffix: &str) -> Result<Option<PathBuf>, RestoreError> {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    give_to_owner(new, if database.exists() { database } else { folder })?;
    at(new, File::open(new).and_then(|file| file.sync_all()))?;
    let former = beside(database, suffix);
    let had_one = database.exists();
    if had_one {
        fold(database).await?;
    }
    // Of a sound database nothing is left beside it by now; of a damaged one it is kept with it.
    for name in BESIDE {
        let left = beside(database, name);
        if left.exists() {
            at(&left, std::fs::rename(&left, beside(&former, name)))?;
        }
    }
    if had_one {
        // A second name for the one before, so that at each instant there is a database in its place.
        let kept = std::fs::hard_link(database, &former);
        at(&former, kept.or_else(|_| std::fs::rename(database, &former)))?;
    }
    at(database, std::fs::rename(new, database))?;
    at(folder, File::open(folder).and_then(|folder| folder.sync_all()))?;
    Ok(had_one.then_some(former))
}

/// Gives a file to the owner of another one: root restores for the user who serves.
fn give_to_owner(file: &Path, like: &Path) -> Result<(), RestoreError> {
    let (own, theirs) = (at(file, std::fs::metadata(file))?, at(like, std::fs::metadata(like))?);
    if own.uid() == theirs.uid() {
        return Ok(());
    }
    at(file, chown(file, Some(theirs.uid()), Some(theirs.gid())))
}

/// Writes the log beside a database into it, which only the last process that has it open can do. A damaged one stays
/// as it is.
async fn fold(database: &Path) -> Result<(), RestoreError> {
    let mut beginning = [0; HEADER.len()];
    let read = File::open(database).and_then(|mut file| io::Read::read_exact(&mut file, &mut beginning));
    if read.is_err() || beginning != *HEADER {
        // SQLite would remove the log of what is no database.
        return Ok(());
    }
    let options = SqliteConnectOptions::new().filename(database).disable_statement_logging();
    let folded = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let row = connection.fetch_one(raw_sql("PRAGMA journal_mode = DELETE")).await?;
        let mode: String = row.try_get(0)?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(mode)
    };
    match folded.await {
        Ok(mode) if mode == "delete" => Ok(()),
        Ok(_) => Err(RestoreError::InUse),
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("5" | "6" | "261")) => {
            Err(RestoreError::InUse)
        }
        Err(error) => {
            log::warn!("the database before is damaged, and is kept as it is: {error}");
            Ok(())
        }
    }
}
