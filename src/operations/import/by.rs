//! Who imports, and how much of the machine the import may take.

use std::time::Duration;

use rocket::tokio::time::sleep;

use crate::db;
use crate::model::audit::{Author, BatchId};
use crate::model::error::{Error, Result};
use crate::model::permission::IsSuperuser;
use crate::model::rules::Denial;
use crate::model::undo::Obstacle;
use crate::operations::{App, Can, bulk};

/// How long an import waits for a database that is too busy, and how often it asks.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(500);

/// Does one step, again and again while the database is too busy: an import waits where a request is refused.
///
/// # Errors
/// [`Error::Unavailable`] after a minute, or once the server stops; else as the step says.
pub(in crate::operations) async fn patiently<T, F: Future<Output = Result<T>>>(
    app: &App,
    mut step: impl FnMut() -> F,
) -> Result<T> {
    let mut waited = Duration::ZERO;
    loop {
        match step().await {
            Err(Error::Unavailable) if waited < LONGEST_WAIT && !app.background.is_closed() => {
                sleep(PAUSE).await;
                waited += PAUSE;
            }
            result => return result,
        }
    }
}

/// Who imports.
#[derive(Debug, Clone)]
pub enum By {
    /// The operator, on the command line.
    Operator,
    /// A superuser in the console, by a run; there is none of a rehearsal.
    Superuser(Can<IsSuperuser>, Option<BatchId>),
}

impl By {
    /// As the audit log names them.
    pub(super) fn author(&self) -> Author {
        match self {
            Self::Operator => Author::operator(),
            Self::Superuser(can, _) => can.author(),
        }
    }

    /// The run that entries of the audit log belong to.
    pub(super) const fn batch(&self) -> Option<BatchId> {
        match self {
            Self::Operator => None,
            Self::Superuser(_, batch) => *batch,
        }
    }

    /// Hashes that are made at once. The operator's process has nothing else to do, and some wait so that no core is
    /// idle; a server's other users have to come to their turn.
    pub(super) const fn hashes_at_once(&self) -> usize {
        match self {
            Self::Operator => 16,
            Self::Superuser(..) => 1,
        }
    }

    /// Whether the import may go on.
    ///
    /// # Errors
    /// [`Error::Forbidden`] once the superuser has lost their rights or their session; [`Error::CannotUndo`] once the run
    /// is taken back; [`Error::Unavailable`] once the server stops.
    pub(in crate::operations) async fn check(&self, app: &App) -> Result<()> {
        self.check_running(app)?;
        let Self::Superuser(can, Some(batch)) = self else { return Ok(()) };
        if !bulk::is_entitled(can).await? {
            return Err(Error::Forbidden(Denial::SuperuserRequired));
        }
        match db::batches::undone_by(&app.db, *batch).await? {
            Some(_) => Err(Error::CannotUndo(Obstacle::AlreadyUndone)),
            None => Ok(()),
        }
    }

    /// Whether the server still runs that the import is a part of.
    ///
    /// # Errors
    /// [`Error::Unavailable`] once it stops.
    pub(super) fn check_running(&self, app: &App) -> Result<()> {
        match self {
            Self::Superuser(..) if app.background.is_closed() => Err(Error::Unavailable),
            _ => Ok(()),
        }
    }
}
