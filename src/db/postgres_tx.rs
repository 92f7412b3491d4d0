//! A transaction of PostgreSQL that keeps neither its connection nor its turn when the server does not answer.
//!
//! A COMMIT may wait for a standby without end, and no timeout of the server's covers that. The driver's own
//! transaction would give its connection back to the pool, which then waits for the COMMIT.

use std::time::Duration;

use rocket::tokio::spawn;
use rocket::tokio::time::{Instant, timeout};
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, raw_sql};

use super::turns::Turn;
use super::{Error, Result, until};

/// How long a connection may take to roll back before it is thrown away.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(2);

/// What a lost commit is looked for by: its text, which no other one has.
const CANCEL: &str =
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND query = $1";

/// A transaction. It is rolled back unless it is committed.
#[derive(Debug)]
pub(super) struct PostgresTx {
    pool: PgPool,
    /// `None` once it is over.
    open: Option<(PoolConnection<Postgres>, Turn)>,
    /// Whether a statement did not end in time: the connection may be stuck.
    is_late: bool,
}

impl PostgresTx {
    pub(super) async fn begin(pool: &PgPool, turn: Turn, end: Instant) -> Result<Self> {
        let connection = until(end, pool.acquire()).await?;
        let mut tx = Self { pool: pool.clone(), open: Some((connection, turn)), is_late: false };
        let begun = until(end, raw_sql("BEGIN").execute(tx.connection()?)).await;
        tx.note(&begun);
        begun.map(|_| tx)
    }

    /// Its connection.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection> {
        match &mut self.open {
            Some((connection, _)) => Ok(&mut *connection),
            None => Err(Error::Other(sqlx::Error::WorkerCrashed)),
        }
    }

    /// Notes whether a statement ended in time.
    pub(super) fn note<T>(&mut self, result: &Result<T>) {
        self.is_late |= matches!(result, Err(Error::TimedOut));
    }

    /// Commits, by a text that no other commit has.
    pub(super) async fn commit(mut self, text: sqlx::SqlStr, end: Instant) -> Result<()> {
        let committed = until(end, raw_sql(text.clone()).execute(self.connection()?)).await;
        self.note(&committed);
        if self.is_late {
            // The client is told that it may not have happened, so nothing waits for the standby any longer.
            let (pool, text) = (self.pool.clone(), text.as_str().to_owned());
            spawn(async move {
                let cancelled = sqlx::query(CANCEL).bind(text).execute(&pool);
                match timeout(ROLLBACK_LIMIT, cancelled).await {
                    Ok(Ok(done)) if done.rows_affected() > 0 => log::warn!(
                        "a commit waited too long for a standby and was given up: it may be on this server only"
                    ),
                    _ => log::warn!("a commit was given up"),
                }
            });
        } else {
            // Over, by success or by an error.
            self.open = None;
        }
        committed.map(drop)
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        let Some((mut connection, turn)) = self.open.take() else { return };
        if self.is_late {
            connection.close_on_drop();
            return;
        }
        // The turn lasts until the connection is free again.
        spawn(async move {
            let rolled_back = timeout(ROLLBACK_LIMIT, raw_sql("ROLLBACK").execute(&mut *connection)).await;
            if !matches!(rolled_back, Ok(Ok(_))) {
                connection.close_on_drop();
            }
            drop((connection, turn));
        });
    }
}
