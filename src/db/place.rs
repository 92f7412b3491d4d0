//! Whether the file of SQLite that was opened is still in its place: it may be moved, deleted or unmounted under the
//! server, and what is written to it then is lost with the process.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Db, Pools};

/// The file that was opened.
#[derive(Debug)]
pub(super) struct OpenedFile {
    path: PathBuf,
    id: FileId,
    /// Its write-ahead log, which stays the same file as long as a connection is open.
    log: PathBuf,
    /// Another process makes another one where ours was removed; only ours has what is stored.
    log_id: Option<FileId>,
}

/// What tells one file from another: its device, and its number there.
type FileId = (u64, u64);

fn id(path: &Path) -> Option<FileId> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// The path of a file of SQLite's that stands beside the database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl OpenedFile {
    /// The file that is at a path now, of which something has been read already.
    pub(super) fn at(path: &Path) -> Option<Self> {
        // SQLite keeps its log beside the file that links lead to.
        let log = beside(&path.canonicalize().ok()?, "-wal");
        Some(Self { path: path.to_owned(), id: id(path)?, log_id: id(&log), log })
    }

    /// Whether its path still leads to it, with its log beside it: else what was just stored is not found there.
    pub(super) fn is_in_place(&self) -> bool {
        id(&self.path) == Some(self.id) && id(&self.log) == self.log_id
    }
}

impl Db {
    /// Notes which file was opened, once something was read from it.
    pub(super) fn note_file(&self) {
        if let Pools::Sqlite { write, .. } = &self.pools
            && let Some(opened) = OpenedFile::at(write.connect_options().get_filename())
        {
            self.file.get_or_init(|| Arc::new(opened));
        }
    }

    /// Whether the file of SQLite that was opened is still the one that its path names, and its log, too.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.file.get().is_none_or(|opened| opened.is_in_place())
    }
}
