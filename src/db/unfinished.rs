//! Files that get their names when they are whole and on the disk. Until then they stand beside, under another name: what
//! a run leaves that is cut short is not taken for one of them, and the next run begins anew.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::place::{beside, folder_of};

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum UnfinishedError {
    /// It cannot be written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// There is another one, which stays as it is.
    #[error("{0} is there already, {1}")]
    Exists(String, String),
    /// Another process is at it.
    #[error("{0} is being written by another process")]
    Busy(String),
}

/// The name under which a file is written.
#[must_use]
pub fn name_for(path: &Path) -> PathBuf {
    beside(path, ".partial")
}

/// An empty file under this name, locked. What a run left that was cut short is written over, but neither while that still
/// runs, nor a file that has another name, too.
pub fn open(path: &Path) -> Result<File, UnfinishedError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()).open(path)?;
    let busy = || UnfinishedError::Busy(path.display().to_string());
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(busy()),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    // The run that had the lock may have given the file its name.
    let (locked, named) = (file.metadata()?, fs::symlink_metadata(path).map_err(|_| busy())?);
    if (locked.dev(), locked.ino()) != (named.dev(), named.ino()) {
        return Err(busy());
    }
    if !locked.is_file() || locked.nlink() != 1 {
        let why = "and is no file that has this name only".to_owned();
        return Err(UnfinishedError::Exists(path.display().to_string(), why));
    }
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.set_len(0)?;
    Ok(file)
}

/// Gives the file its name, which no other file may have, and has the disk keep that.
pub fn put_in_place(unfinished: &Path, path: &Path) -> Result<(), UnfinishedError> {
    let exists = || UnfinishedError::Exists(path.display().to_string(), "and is not written over".to_owned());
    match fs::hard_link(unfinished, path) {
        Ok(()) => fs::remove_file(unfinished)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
        // A file system without links.
        Err(_) if path.try_exists()? => return Err(exists()),
        Err(_) => fs::rename(unfinished, path)?,
    }
    Ok(File::open(folder_of(path))?.sync_all()?)
}
