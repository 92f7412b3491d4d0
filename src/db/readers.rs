//! Connections of SQLite that only read: none is made while another file is in the place of the one that was opened.

use rocket::tokio::time::Instant;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool};

use super::place::NotedFile;
use super::{Error, Result, until};

/// A pool of readers. Its connections stay open, and read on from a file that was moved.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    pool: SqlitePool,
    file: NotedFile,
}

impl Readers {
    pub(super) fn new(pool: SqlitePool, file: &NotedFile) -> Self {
        Self { pool, file: file.clone() }
    }

    pub(super) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// An idle connection, or a new one.
    ///
    /// # Errors
    /// [`Error::Moved`] if a new one would lead to another file, of which SQLite deletes the write-ahead log if it is
    /// empty; [`Error::Unavailable`], [`Error::TimedOut`].
    pub(super) async fn acquire(&self, end: Instant) -> Result<PoolConnection<Sqlite>> {
        let may_connect =
            self.pool.num_idle() == 0 && self.pool.size() < self.pool.options().get_max_connections();
        if may_connect && self.file.get().is_some_and(|opened| !opened.is_in_place()) {
            return Err(Error::Moved);
        }
        until(end, self.pool.acquire()).await
    }
}
