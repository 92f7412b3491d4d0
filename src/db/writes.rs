//! Whether changes can be stored at this moment, as the last ones have shown.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Db, Error, Result, installation};

/// Why no change can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// There is no room left.
    DiskFull,
    /// The disk fails.
    Disk,
    /// The database only reads, as a standby does.
    ReadOnly,
    /// Another process holds the lock of the file.
    Locked,
    /// A lock keeps a table of PostgreSQL from being written; changes of others are stored.
    TableLocked,
    /// Changes are not stored in time: the disk or a standby does not answer, or too many wait.
    Late,
    /// The file was moved, deleted or unmounted.
    Moved,
    /// The database cannot be reached.
    Away,
}

impl Trouble {
    /// What an error says about it; `None` if it is about something else.
    fn of(error: &Error) -> Option<Self> {
        match error {
            Error::TimedOut | Error::Unavailable(sqlx::Error::PoolTimedOut) => Some(Self::Late),
            Error::Unavailable(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                // SQLite's primary result code is the low byte of the extended one.
                let primary = code.parse::<u32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff);
                Some(match (&*code, primary) {
                    ("53100", _) | (_, Some(13)) => Self::DiskFull,
                    ("58030", _) | (_, Some(10)) => Self::Disk,
                    ("25006", _) | (_, Some(8)) => Self::ReadOnly,
                    ("55P03", _) | (_, Some(5 | 6)) => Self::Locked,
                    _ => Self::Away,
                })
            }
            Error::Unavailable(_) => Some(Self::Away),
            Error::Moved => Some(Self::Moved),
            Error::Disk(_) => Some(Self::Disk),
            _ => None,
        }
    }

    /// In words for the operator.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::DiskFull => "No change can be stored: the disk is full.",
            Self::Disk => "No change can be stored: the disk fails.",
            Self::ReadOnly => "No change can be stored: the database only reads.",
            Self::Locked => "No change can be stored: another process holds the lock.",
            Self::TableLocked => "No change can be stored: a lock keeps a table from being written.",
            Self::Late => "No change can be stored in time: the disk or a standby does not answer.",
            Self::Moved => "No change can be stored: the database's file is no longer in its place.",
            Self::Away => "No change can be stored: the database is away.",
        }
    }
}

/// How the last changes went.
#[derive(Debug, Default)]
pub(super) struct Writes(Mutex<Option<Trouble>>);

impl Writes {
    fn trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        // It is whole even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how a transaction began or ended.
    pub(super) fn note<T>(&self, result: &Result<T>) {
        if let Err(error) = result {
            self.note_trouble(Trouble::of(error));
        }
    }

    /// Notes how a transaction of PostgreSQL began that locks numbers: that others hold them says nothing of other changes.
    pub(super) fn note_held<T>(&self, result: &Result<T>) {
        if let Err(error) = result {
            let is_held = |trouble: &Trouble| matches!(trouble, Trouble::Locked | Trouble::Late);
            self.note_trouble(Trouble::of(error).filter(|trouble| !is_held(trouble)));
        }
    }

    /// Notes how a statement of a transaction went: one that waits for a lock says nothing about others.
    pub(super) fn note_statement<T>(&self, result: &Result<T>) {
        if let Err(error) = result {
            let is_lasting =
                |trouble: &Trouble| matches!(trouble, Trouble::DiskFull | Trouble::Disk | Trouble::ReadOnly);
            self.note_trouble(Trouble::of(error).filter(is_lasting));
        }
    }

    fn note_trouble(&self, trouble: Option<Trouble>) {
        let Some(trouble) = trouble else { return };
        if self.trouble().replace(trouble) != Some(trouble) {
            log::warn!("{}", trouble.sentence());
        }
    }

    /// Notes that a change was stored. It may have been one of a table that is not locked.
    pub(super) fn note_stored(&self) {
        self.end_trouble(|trouble| trouble != Trouble::TableLocked);
    }

    /// Notes how a trial went.
    fn note_trial(&self, result: &Result<()>) {
        match result {
            Ok(()) => self.end_trouble(|_| true),
            Err(error) => {
                let locked = error.is_of_a_lock().then_some(Trouble::TableLocked);
                self.note_trouble(locked.or_else(|| Trouble::of(error)));
            }
        }
    }

    fn end_trouble(&self, is_over: impl FnOnce(Trouble) -> bool) {
        let before = self.trouble().take_if(|trouble| is_over(*trouble));
        if before.is_some() {
            log::info!("changes can be stored again");
        }
    }
}

impl Db {
    /// Why no change can be stored, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        *self.writes.trouble()
    }

    /// Tries a change that changes nothing: it tells of trouble before a user's change does.
    pub async fn try_to_write(&self) {
        self.writes.note_trial(&installation::write_nothing(&self.for_trial()).await);
    }
}
