//! One server to an SQLite file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rocket::tokio::time::{Instant, sleep};
use rocket_db_pools::figment::Figment;
use rustix::fs::OFlags;
use sqlx::sqlite::SqliteConnectOptions;

use super::place::{beside, folder_of};

/// How long, and how often, the lock is tried: a subcommand that looks whether there is a server has it for a moment.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// The right to serve a database, for as long as it lives. The operating system takes it back when the
/// process ends, however it ends: what is left of the lock's file means nothing.
///
/// While it is taken the file says which files the server uses. Subcommands that find others there refuse to work.
/// They need no lock: they write little, and SQLite's own locks keep them apart; but a second server
/// would hold its own part of what one process must know alone, such as who waits to write.
#[derive(Debug)]
pub struct ServerLock(Option<Held>);

/// The lock of a file.
#[derive(Debug)]
struct Held {
    /// Locked as long as it is open.
    lock: File,
    /// The database, as the configuration names it.
    database: PathBuf,
}

/// Why a server may not serve a database.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// There is one already.
    #[error("another server is running on {}: stop it first, or give this one a database of its own", .0.display())]
    Taken(PathBuf),
    /// Another folder is in the place of the one with the lock, as when a disk is mounted on it.
    #[error("the folder of {} is another one than a moment ago, as if its disk had just been mounted: start again", .0.display())]
    Moved(PathBuf),
    /// The file of the lock cannot be had.
    #[error("{} cannot be locked: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl ServerLock {
    /// Takes the lock of the SQLite file that section `databases.main` names. PostgreSQL is for any number of
    /// servers; and a URL that names no file is refused where it is opened.
    ///
    /// # Errors
    /// [`LockError::Taken`] if another server has it.
    pub async fn take(section: &Figment) -> Result<Self, LockError> {
        let url: String = section.extract_inner("url").unwrap_or_default();
        let file = url.starts_with("sqlite:").then(|| SqliteConnectOptions::from_str(&url).ok()).flatten();
        match file.as_ref().map(SqliteConnectOptions::get_filename) {
            Some(file) if file.file_name().is_some() && !url.contains("memory") => {
                let held = Held { lock: lock(&real(file)).await?, database: file.to_owned() };
                Ok(Self(Some(held)))
            }
            _ => Ok(Self(None)),
        }
    }

    /// Notes, for other processes, which files the server uses.
    ///
    /// # Errors
    /// [`LockError::File`]
    pub fn note(&self, files: &str) -> Result<(), LockError> {
        let Some(Held { lock, database }) = &self.0 else { return Ok(()) };
        let path = || beside(&real(database), ".lock");
        (&*lock).write_all(files.as_bytes()).map_err(|source| LockError::File { path: path(), source })
    }

    /// Makes sure, once the database is open, that the lock is still beside it: else another server may have the lock
    /// that is there now.
    ///
    /// # Errors
    /// [`LockError::Moved`]
    pub fn confirm(&self) -> Result<(), LockError> {
        let Some(Held { lock, database }) = &self.0 else { return Ok(()) };
        let own = lock.metadata().map(|file| (file.dev(), file.ino()));
        let there = beside(&real(database), ".lock").symlink_metadata().map(|file| (file.dev(), file.ino()));
        match (own, there) {
            (Ok(own), Ok(there)) if own == there => Ok(()),
            _ => Err(LockError::Moved(database.clone())),
        }
    }
}

/// What the server of a database has noted of its files, if there is a server that has.
pub(super) fn served(database: &Path) -> Option<String> {
    // A server that has ended leaves its note behind.
    let mut file = opened(&beside(database, ".lock"), OpenOptions::new().read(true)).ok()?;
    let mut noted = String::new();
    file.read_to_string(&mut noted).ok().filter(|length| *length > 0)?;
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then_some(noted)
}

/// The folder may belong to a user who wants root to open, and give away, another file, or to wait for one.
fn opened(path: &Path, options: &mut OpenOptions) -> std::io::Result<File> {
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()).open(path)
}

async fn lock(database: &Path) -> Result<File, LockError> {
    let path = beside(database, ".lock");
    let options = &mut OpenOptions::new();
    let file = opened(&path, options.write(true).create(true).truncate(false).mode(0o600));
    let file = file.map_err(|source| LockError::File { path: path.clone(), source })?;
    give_to_owner(&file, database);
    let end = Instant::now() + PATIENCE;
    let locked = loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < end => sleep(PAUSE).await,
            locked => break locked,
        }
    };
    match locked {
        // What the server before has noted.
        Ok(()) => file.set_len(0).map(|()| file).map_err(|source| LockError::File { path, source }),
        Err(TryLockError::WouldBlock) => Err(LockError::Taken(database.to_owned())),
        Err(TryLockError::Error(source)) => Err(LockError::File { path, source }),
    }
}

/// Gives the lock's file to the owner of the database, or of its folder while there is none, as SQLite does with its
/// own: so that a server that root started leaves nothing behind that the service's user may not open. For root only.
fn give_to_owner(file: &File, database: &Path) {
    let folder = || database.parent().and_then(|folder| folder.metadata().ok());
    let (Ok(of_file), Some(owner)) = (file.metadata(), database.metadata().ok().or_else(folder)) else {
        return;
    };
    let is_ours_alone = of_file.is_file() && of_file.nlink() == 1;
    if is_ours_alone && (of_file.uid(), of_file.gid()) != (owner.uid(), owner.gid()) {
        // Others than root cannot, and need not.
        drop(fchown(file, Some(owner.uid()), Some(owner.gid())));
    }
}

/// The file behind links, so that two names of one database have one lock.
pub(super) fn real(database: &Path) -> PathBuf {
    if let Ok(real) = database.canonicalize() {
        return real;
    }
    // It is not there yet.
    match (folder_of(database).canonicalize(), database.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => database.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[rocket::async_test]
    async fn a_lock_that_another_process_has_for_a_moment_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("usher.db").display());
        let section = config::with_database(config::defaults(), &url).focus("databases.main");
        let other = File::create(directory.path().join("usher.db.lock")).unwrap();
        other.lock_shared().unwrap();
        let release = async {
            sleep(Duration::from_millis(100)).await;
            drop(other);
        };
        let (lock, ()) = rocket::tokio::join!(ServerLock::take(&section), release);
        let _lock = lock.unwrap();
        assert!(matches!(ServerLock::take(&section).await, Err(LockError::Taken(_))), "a server keeps it");
    }

    #[rocket::async_test]
    async fn a_disk_that_is_mounted_after_the_lock_was_taken_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let (folder, aside) = (directory.path().join("data"), directory.path().join("aside"));
        std::fs::create_dir(&folder).unwrap();
        let url = format!("sqlite://{}", folder.join("usher.db").display());
        let figment = config::with_database(config::defaults(), &url);
        let lock = ServerLock::take(&figment.focus("databases.main")).await.unwrap();
        lock.confirm().unwrap();
        std::fs::rename(&folder, &aside).unwrap();
        std::fs::create_dir(&folder).unwrap();
        assert!(matches!(lock.confirm(), Err(LockError::Moved(_))), "an empty folder is in its place");
        let second = ServerLock::take(&figment.focus("databases.main")).await.unwrap();
        assert!(matches!(lock.confirm(), Err(LockError::Moved(_))), "another server has the lock there");
        second.confirm().unwrap();
    }
}
