//! Puts a copy of an SQLite file in the place of the database.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, Row as _, SqliteConnection, raw_sql};

use super::backup::{self, BackupError};
use super::place::{beside, folder_of};
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
    /// The log beside the database cannot be written into it.
    #[error("{} cannot be opened: {source}", path.display())]
    Former {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: sqlx::Error,
    },
    /// Another program has replaced the new file.
    #[error("{} was replaced while it was written", .0.display())]
    Replaced(PathBuf),
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
    let new = beside(&database, ".restoring");
    let result = async {
        let (file, pending) = fill(copy, &new).await?;
        let former = take_place(&new, &file, &database, suffix).await?;
        Ok(Restored { database: database.clone(), former, pending })
    };
    let result = result.await;
    if result.is_err() {
        // What is there is of no use; the next try removes it, too.
        drop(std::fs::remove_file(&new));
    }
    result
}

/// Makes the new file from a copy, sound and private; with the number of migrations that it lacks.
async fn fill(copy: &Path, new: &Path) -> Result<(File, usize), RestoreError> {
    let unfit = |reason: String| RestoreError::Unfit { path: copy.to_owned(), reason };
    // A restore that was cut short may have left one.
    drop(std::fs::remove_file(new));
    let options = &mut OpenOptions::new();
    let file = at(new, options.write(true).create_new(true).mode(0o600).open(new))?;
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
    Ok((file, schema.pending.len()))
}

/// Puts the new file in the place of the database, in one step where there is one already. Where the one before is now.
async fn take_place(
    new: &Path,
    file: &File,
    database: &Path,
    suffix: &str,
) -> Result<Option<PathBuf>, RestoreError> {
    let folder = folder_of(database);
    let had_one = database.exists();
    let own = at(new, file.metadata())?;
    let named = at(new, std::fs::symlink_metadata(new))?;
    if (own.dev(), own.ino()) != (named.dev(), named.ino()) {
        return Err(RestoreError::Replaced(new.to_owned()));
    }
    // By its descriptor: whatever a user of the folder puts at the path meanwhile is not given away.
    let owner = at(folder, std::fs::metadata(if had_one { database } else { folder }))?;
    if own.uid() != owner.uid() {
        at(new, fchown(file, Some(owner.uid()), Some(owner.gid())))?;
    }
    at(new, file.sync_all())?;
    if had_one {
        fold(database).await?;
    }
    let former = Former::of(database, suffix, had_one)?;
    let mut moved = Vec::new();
    let placed = former.replace(database, new, &mut moved);
    if placed.is_err() {
        former.undo(&moved);
    }
    placed?;
    at(folder, File::open(folder).and_then(|folder| folder.sync_all()))?;
    Ok(had_one.then_some(former.path))
}

/// Where the database before is kept.
struct Former {
    path: PathBuf,
    /// Whether it is a second name of the database already.
    is_linked: bool,
    /// Whether there is a database to keep.
    had_one: bool,
}

impl Former {
    /// A name that is free, also with what SQLite leaves beside a file; a second one for the database where the file
    /// system has such, so that at each instant there is a database in its place.
    fn of(database: &Path, suffix: &str, had_one: bool) -> Result<Self, RestoreError> {
        let mut number = 1_u32;
        loop {
            let suffix = if number == 1 { suffix.to_owned() } else { format!("{suffix}-{number}") };
            let path = beside(database, &suffix);
            let is_taken = |name: &str| std::fs::symlink_metadata(beside(&path, name)).is_ok();
            number += 1;
            if is_taken("") || BESIDE.into_iter().any(is_taken) {
                continue;
            }
            if !had_one {
                return Ok(Self { path, is_linked: false, had_one });
            }
            match std::fs::hard_link(database, &path) {
                Ok(()) => return Ok(Self { path, is_linked: true, had_one }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // The file system has no second names.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
                    ) =>
                {
                    return Ok(Self { path, is_linked: false, had_one });
                }
                Err(source) => return Err(RestoreError::File { path, source }),
            }
        }
    }

    /// Moves what is left beside the database, and puts the new file in its place; `moved` has each file's name before
    /// and since.
    fn replace(
        &self,
        database: &Path,
        new: &Path,
        moved: &mut Vec<(PathBuf, PathBuf)>,
    ) -> Result<(), RestoreError> {
        let mut rename = |from: PathBuf, to: PathBuf| {
            at(&from, std::fs::rename(&from, &to))?;
            moved.push((from, to));
            Ok::<_, RestoreError>(())
        };
        // Of a sound database nothing is left beside it by now; of a damaged one it is kept with it.
        for name in BESIDE {
            let left = beside(database, name);
            if std::fs::symlink_metadata(&left).is_ok() {
                rename(left, beside(&self.path, name))?;
            }
        }
        if self.had_one && !self.is_linked {
            rename(database.to_owned(), self.path.clone())?;
        }
        at(database, std::fs::rename(new, database))
    }

    /// Puts everything back, as far as that is possible.
    fn undo(&self, moved: &[(PathBuf, PathBuf)]) {
        for (from, to) in moved.iter().rev() {
            drop(std::fs::rename(to, from));
        }
        if self.is_linked {
            drop(std::fs::remove_file(&self.path));
        }
    }
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
        let row = connection.fetch_one(raw_sql("PRAGMA journal_mode = DELETE")).await;
        // Without a log that tells nothing of others: a transaction of theirs does.
        let is_alone = connection.execute(raw_sql("BEGIN EXCLUSIVE; ROLLBACK")).await;
        // Whatever has come of it: nothing may have the file open when it is moved.
        let closed = connection.close().await;
        let mode: String = row?.try_get(0)?;
        is_alone?;
        closed.map(|()| mode)
    };
    let error = match folded.await {
        Ok(mode) if mode == "delete" => return Ok(()),
        Ok(_) => return Err(RestoreError::InUse),
        Err(error) => error,
    };
    match primary_code(&error) {
        // SQLITE_BUSY, SQLITE_LOCKED
        Some(5 | 6) => Err(RestoreError::InUse),
        // SQLITE_CORRUPT, SQLITE_NOTADB
        Some(11 | 26) => {
            log::warn!("the database before is damaged, and is kept as it is: {error}");
            Ok(())
        }
        _ => Err(RestoreError::Former { path: database.to_owned(), source: error }),
    }
}

/// SQLite's primary result code: the low byte of the extended one.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?.parse::<u32>().ok()?;
    Some(code & 0xff)
}
