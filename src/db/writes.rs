//! Whether changes can be stored at this moment, as the last ones have shown.

use std::mem;
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
    /// A lock keeps a table of PostgreSQL from being written. What writes others is stored.
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
            Self::TableLocked => "Some changes cannot be stored: a lock keeps a table from being written.",
            Self::Late => "No change can be stored in time: the disk or a standby does not answer.",
            Self::Moved => "No change can be stored: the database's file is no longer in its place.",
            Self::Away => "No change can be stored: the database is away.",
        }
    }
}

/// How the last changes went.
#[derive(Debug, Default)]
pub(super) struct Writes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    trouble: Option<Trouble>,
    /// What a trial has found, and only a trial sees the end of: other changes may not write that table.
    is_table_locked: bool,
}

impl Writes {
    fn state(&self) -> MutexGuard<'_, State> {
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
        let mut state = self.state();
        // What waits behind a change that has failed is late, and says less than that one did.
        let is_news = state.trouble.is_none_or(|known| known != trouble && trouble != Trouble::Late);
        if is_news {
            state.trouble = Some(trouble);
        }
        drop(state);
        if is_news {
            log::warn!("{}", trouble.sentence());
        }
    }

    /// Notes that a change was stored.
    pub(super) fn note_stored(&self) {
        if self.state().trouble.take().is_some() {
            log::info!("changes can be stored again");
        }
    }

    /// Notes whether a trial could write the tables.
    fn note_table_locked(&self, is_locked: bool) {
        let was_locked = mem::replace(&mut self.state().is_table_locked, is_locked);
        match (was_locked, is_locked) {
            (false, true) => log::warn!("{}", Trouble::TableLocked.sentence()),
            (true, false) => log::info!("all tables can be written again"),
            _ => {}
        }
    }
}

impl Db {
    /// Why no change can be stored, or none of some table, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        let state = self.writes.state();
        match state.trouble {
            // Those that wait for the table are late as well.
            None | Some(Trouble::Late) if state.is_table_locked => Some(Trouble::TableLocked),
            trouble => trouble,
        }
    }

    /// Tries a change that changes nothing: it tells of trouble before a user's change does.
    pub async fn try_to_write(&self) {
        match installation::write_nothing(&self.for_trial()).await {
            Ok(is_stored) => self.writes.note_table_locked(!is_stored),
            // The row is that of the trial of another instance, which waits.
            Err(error) if error.is_of_a_lock() => self.writes.note_trouble(Some(Trouble::Late)),
            Err(error) => self.writes.note_trouble(Trouble::of(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn do_3_what_is_late_does_not_hide_why() {
        let writes = Writes::default();
        let trouble = |noted: Option<Error>| {
            match noted {
                Some(error) => writes.note::<()>(&Err(error)),
                None => writes.note_stored(),
            }
            writes.state().trouble
        };
        assert_eq!(trouble(Some(Error::TimedOut)), Some(Trouble::Late));
        assert_eq!(trouble(Some(Error::Moved)), Some(Trouble::Moved));
        assert_eq!(trouble(Some(Error::TimedOut)), Some(Trouble::Moved));
        assert_eq!(trouble(None), None);
        assert_eq!(trouble(Some(Error::TimedOut)), Some(Trouble::Late));
    }
}
