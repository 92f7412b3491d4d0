//! The file of SQLite that was opened: a commit ends when it is on the disk, and the file still in its place. It may be
//! moved, deleted or unmounted under the server, and what is written to it then is lost with the process.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rocket::tokio::time::Instant;
use sqlx::{Sqlite, Transaction};

use super::log_sync::LogSync;
use super::server_lock::{real, served};
use super::{Db, Error, OpenError, Pools, Result, until};

/// The file that was opened.
#[derive(Debug)]
pub(super) struct OpenedFile {
    path: PathBuf,
    id: FileId,
    /// Its write-ahead log, which stays the same file as long as a connection is open.
    log: PathBuf,
    /// Another process makes another one where ours was removed; only ours has what is stored.
    log_id: FileId,
    /// Has the log on the disk.
    sync: Arc<LogSync>,
}

/// What tells one file from another: its device, and its number there.
type FileId = (u64, u64);

fn id(file: &Metadata) -> FileId {
    (file.dev(), file.ino())
}

/// Whether a path leads to that file.
fn leads_to(path: &Path, file: FileId) -> bool {
    std::fs::metadata(path).is_ok_and(|found| id(&found) == file)
}

/// The path of a file of SQLite's that stands beside the database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The folder of a file.
pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file that was opened, once something was read from it.
pub(super) type NotedFile = Arc<OnceLock<Arc<OpenedFile>>>;

impl OpenedFile {
    /// The file that is at a path now, of which something has been read already.
    fn at(path: &Path) -> io::Result<Self> {
        // SQLite keeps its log beside the file that links lead to.
        let log = beside(&path.canonicalize()?, "-wal");
        // SQLite locks the other two files, not this one: that it is opened and closed here gives no lock away.
        let opened = File::open(&log)?;
        Ok(Self {
            path: path.to_owned(),
            id: id(&std::fs::metadata(path)?),
            log_id: id(&opened.metadata()?),
            log,
            sync: Arc::new(LogSync::new(opened)),
        })
    }

    /// Both files, as the lock of the server names them.
    fn mark(&self) -> String {
        let ((device, file), (_, log)) = (self.id, self.log_id);
        format!("{device} {file} {log}")
    }

    /// Whether its path still leads to it, with its log beside it: else what was just stored is not found there.
    pub(super) fn is_in_place(&self) -> bool {
        leads_to(&self.path, self.id) && leads_to(&self.log, self.log_id)
    }

    /// Whether a change can be stored in it.
    ///
    /// # Errors
    /// [`Error::Moved`], [`Error::Disk`].
    pub(super) fn check(&self) -> Result<()> {
        if self.is_in_place() { self.sync.check() } else { Err(Error::Moved) }
    }

    /// Commits a transaction of the connection that writes.
    ///
    /// # Errors
    /// [`Error::Moved`] and [`Error::Disk`] as well; after these, it is not known whether the changes last.
    pub(super) async fn commit(
        &self,
        tx: Transaction<'static, Sqlite>,
        is_durable: bool,
        end: Instant,
    ) -> Result<()> {
        until(end, tx.commit()).await?;
        if is_durable { self.settle(end).await } else { Ok(()) }
    }

    /// Returns when all that was committed before the call is on the disk.
    ///
    /// # Errors
    /// [`Error::Moved`], [`Error::Disk`], [`Error::TimedOut`].
    pub(super) async fn settle(&self, end: Instant) -> Result<()> {
        self.sync.wait(end).await?;
        // What went to a file that is no longer in its place is not there.
        if self.is_in_place() { Ok(()) } else { Err(Error::Moved) }
    }
}

/// Whether a file has something in it.
fn is_filled(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
}

/// Makes sure, before anything connects to a file, that it is not in the place of another one: of an empty file SQLite
/// deletes the log, in which the last changes of a database may be that was moved.
pub(super) fn demand_own_place(database: &Path) -> std::result::Result<(), OpenError> {
    let database = real(database);
    if let Some(mark) = served(&database) {
        let there = OpenedFile::at(&database).map(|file| file.mark());
        if there.ok().is_none_or(|there| there != mark) {
            return Err(OpenError::Elsewhere(database.display().to_string()));
        }
    }
    let log = beside(&database, "-wal");
    if is_filled(&log) && !is_filled(&database) {
        return Err(OpenError::LogAlone(database.display().to_string(), log.display().to_string()));
    }
    Ok(())
}

impl Db {
    /// Which files of SQLite's this process uses, for [`ServerLock::note`](super::ServerLock::note).
    #[must_use]
    pub(crate) fn served_files(&self) -> Option<String> {
        self.file.get().map(|file| file.mark())
    }

    /// Notes which file was opened, once something was read from it.
    pub(super) fn note_file(&self) -> Result<()> {
        if let Pools::Sqlite { write, .. } = &self.pools {
            let opened = OpenedFile::at(write.connect_options().get_filename());
            let opened = opened.map_err(|error| Error::Unavailable(error.into()))?;
            self.file.get_or_init(|| Arc::new(opened));
        }
        Ok(())
    }

    /// Returns when all changes that could be read before the call are on the disk: what is written beside the database,
    /// such as an archive, is then no newer than it.
    ///
    /// # Errors
    /// [`Error::Moved`], [`Error::Disk`], [`Error::TimedOut`].
    pub(crate) async fn settle(&self) -> Result<()> {
        let (end, _spending) = self.budget.spend();
        match self.file.get() {
            Some(file) => file.settle(end).await,
            None => Ok(()),
        }
    }

    /// Whether the file of SQLite that was opened is still the one that its path names, and its log, too.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.file.get().is_none_or(|opened| opened.is_in_place())
    }
}
