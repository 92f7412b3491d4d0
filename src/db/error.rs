//! Why a statement fails, and what that is to a user.

use std::sync::Arc;
use std::time::Duration;

use super::{PoolError, dialect};
use crate::model::field_errors::Message;

/// An error of the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not reachable, too slow, too busy, or its disk is full: trying again may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The statement did not end in time.
    #[error("the database did not answer in time")]
    TimedOut,
    /// The file was moved, deleted or unmounted: what is written to it would be lost.
    #[error("the database's file is no longer in its place")]
    Moved,
    /// The disk did not take what was committed: it may be lost.
    #[error("the disk failed while changes were written to it: {0}")]
    Disk(Arc<std::io::Error>),
    /// A user name is taken.
    #[error("the user name is taken")]
    UsernameTaken,
    /// Another user has this external id of the same client.
    #[error("the external id is taken")]
    ExternalIdTaken,
    /// A primary key is taken.
    #[error("the primary key is taken")]
    IdTaken,
    /// The audit entry, or the run, is undone already.
    #[error("it is undone already")]
    AlreadyUndone,
    /// The same run goes on elsewhere, and came to the user first.
    #[error("the run goes on elsewhere")]
    AlreadySettled,
    /// The change would leave no active superuser.
    #[error("there would be no active superuser left")]
    LastSuperuser,
    /// Two transactions got into each other's way; the whole transaction may be tried again.
    #[error("the transaction has to be tried again: {0}")]
    Retry(#[source] sqlx::Error),
    /// The filter has too many tests for the number of rows.
    #[error("the filter has too many tests for the number of rows")]
    TooManyTests,
    /// Limits were refused that a connection asks for, or a statement that was prepared on one connection was used on
    /// another one.
    #[error("a pooler seems to stand before PostgreSQL: set usher.database_pooler to transaction ({0})")]
    Pooled(#[source] sqlx::Error),
    /// Anything else: a defect of this program.
    #[error(transparent)]
    Other(sqlx::Error),
    /// A migration could not be applied.
    #[error("the migrations could not be applied: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A stored value that we cannot have written.
    #[error("a stored value cannot be read: {0}")]
    Corrupt(String),
    /// The error of a read that was made for several at once.
    #[error(transparent)]
    Shared(Arc<Error>),
}

impl Error {
    /// Whether a lock of another transaction lasted too long.
    #[must_use]
    pub fn is_of_a_lock(&self) -> bool {
        // lock_not_available
        matches!(self, Self::Unavailable(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03"))
    }

    /// Whether the database could not be reached, or did not answer.
    pub(super) fn is_away(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::TimedOut => true,
            Self::Shared(shared) => shared.is_away(),
            _ => false,
        }
    }
}

/// The result of every database function.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration or the connection.
    #[error("{0}")]
    Connect(Box<PoolError>),
    /// The schema.
    #[error(transparent)]
    Schema(#[from] Error),
    /// The schema is older than this release, by its migration of that number, and is not to be changed now.
    #[error("migration {0} is pending: run `usher migrate` by a role that may change the schema")]
    Pending(i64),
    /// There is no database, and none is to be made.
    #[error(
        "there is no database at {0}, and usher.database_must_exist says that there is one: has its disk been mounted? \
         To begin a new, empty one: usher migrate --create"
    )]
    Missing(String),
    /// The same of PostgreSQL.
    #[error(
        "the PostgreSQL database is empty, and usher.database_must_exist says that it is not: is its URL right? To begin \
         a new installation in it: usher migrate --create"
    )]
    Empty,
    /// A server uses other files than those that are there.
    #[error(
        "a server is running on {0}, and its file or its log (-wal) is no longer there: put them back, or stop that \
         server first"
    )]
    Elsewhere(String),
    /// There is no database, but the log of one.
    #[error(
        "{0} is missing or empty, but {1} is there, with changes of a database that was moved: put that one in its \
         place again, or remove {1} if it is gone for good"
    )]
    LogAlone(String, String),
    /// A newer release has changed the schema.
    #[error(transparent)]
    Newer(#[from] Newer),
}

impl From<PoolError> for OpenError {
    fn from(error: PoolError) -> Self {
        Self::Connect(Box::new(error))
    }
}

/// A newer release has changed the schema in a way that this one cannot work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a newer release has upgraded the database: a release needs to know migration {needs} to work with it, and this \
     one knows them up to {knows}. Install that release again, or restore a backup that was made before the upgrade"
)]
pub struct Newer {
    /// The migration that a release has to know.
    pub needs: i64,
    /// The last one that this release knows.
    pub knows: i64,
}

const TOO_MANY_TESTS: &str = "expressions: too many for the number of records; ask for fewer at once, or narrow them \
                              by an exact value";

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        dialect::classify(error)
    }
}

impl From<Error> for crate::model::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::UsernameTaken => Self::invalid("username", Message::UsernameTaken(String::new())),
            Error::ExternalIdTaken => Self::invalid("external_id", Message::ExternalIdTaken),
            Error::LastSuperuser => Self::Conflict(crate::model::rules::Conflict::LastSuperuser),
            Error::AlreadyUndone => Self::CannotUndo(crate::model::undo::Obstacle::AlreadyUndone),
            Error::TooManyTests => Self::Malformed(TOO_MANY_TESTS.to_owned()),
            Error::Retry(_) | Error::AlreadySettled => Self::Contended,
            Error::Unavailable(_) | Error::TimedOut | Error::Moved | Error::Disk(_) => {
                log::warn!("{error}");
                Self::Unavailable
            }
            // If the setting does not forbid it, each transaction sets its own limits from now on.
            Error::Pooled(_) => {
                log::error!("{error}");
                Self::Unavailable
            }
            Error::Shared(shared) => match &*shared {
                Error::Retry(_) => Self::Contended,
                Error::Pooled(_) => {
                    log::error!("{shared}");
                    Self::Unavailable
                }
                Error::Unavailable(_) | Error::TimedOut | Error::Moved | Error::Disk(_) => {
                    log::warn!("{shared}");
                    Self::Unavailable
                }
                _ => Self::internal(shared),
            },
            Error::IdTaken | Error::Other(_) | Error::Migrate(_) | Error::Corrupt(_) => Self::internal(error),
        }
    }
}

/// Tries a whole transaction again, at most three times, when the database says that it got into
/// another one's way (PostgreSQL's 40001 and 40P01).
///
/// # Errors
/// Those of the last attempt.
pub async fn retrying<T, F: Future<Output = crate::model::error::Result<T>>>(
    mut attempt: impl FnMut() -> F,
) -> crate::model::error::Result<T> {
    const ATTEMPTS: u64 = 4;
    for tried in 1..ATTEMPTS {
        match attempt().await {
            Err(crate::model::error::Error::Contended) => {
                let pause = Duration::from_millis(5 * tried + u64::from(getrandom::u32().unwrap_or(0) % 10));
                rocket::tokio::time::sleep(pause).await;
            }
            result => return result,
        }
    }
    attempt().await
}
