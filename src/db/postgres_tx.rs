//! A transaction of PostgreSQL that keeps neither its connection nor its turn when the server does not answer.
//!
//! A COMMIT may wait for a standby without end, and no timeout of the server's covers that. The driver's own
//! transaction would give its connection back to the pool, which then waits for the COMMIT.

use std::time::Duration;

use rocket::tokio::spawn;
use rocket::tokio::time::{Instant, timeout};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, raw_sql};

use super::lent::Lent;
use super::turns::Turn;
use super::{Error, Result, Sql, until};

/// How long a connection may take to roll back before it is thrown away.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(2);

/// What a lost commit is looked for by: its text, which no other one has.
const CANCEL: &str =
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND query = $1";

/// A transaction. It is rolled back unless it is committed.
#[derive(Debug)]
pub(super) struct PostgresTx {
    /// `None` once it is over.
    open: Option<(Lent, Turn)>,
    /// Whether a statement did not end in time: the connection may be stuck.
    is_late: bool,
}

impl PostgresTx {
    /// One that is yet to begin.
    pub(super) const fn new(lent: Lent, turn: Turn) -> Self {
        Self { open: Some((lent, turn)), is_late: false }
    }

    /// Begins, with these numbers locked in their order, and gives the rows of the statement `then`.
    pub(super) async fn begin(
        &mut self,
        locks: &[i64],
        then: Option<&Sql>,
        end: Instant,
    ) -> Result<Vec<PgRow>> {
        let begun = self.lent()?.begin_to_write(locks, then, end).await;
        self.is_late = matches!(begun, Err(Error::TimedOut));
        begun
    }

    fn lent(&mut self) -> Result<&mut Lent> {
        match &mut self.open {
            Some((lent, _)) => Ok(lent),
            None => Err(Error::Other(sqlx::Error::WorkerCrashed)),
        }
    }

    /// Its connection.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection> {
        Ok(self.lent()?.connection())
    }

    /// The statement as it can be sent on the connection.
    pub(super) fn fit(&self, sql: Sql) -> Sql {
        match &self.open {
            Some((lent, _)) => lent.fit(sql),
            None => sql,
        }
    }

    /// Notes whether a statement ended in time.
    pub(super) fn note<T>(&mut self, result: &Result<T>) {
        self.is_late |= matches!(result, Err(Error::TimedOut));
        if let Some((lent, _)) = &mut self.open {
            lent.note(result);
        }
    }

    /// Commits, by a text that no other commit has: one that waits without end is found among those of all instances.
    pub(super) async fn commit(mut self, is_durable: bool, end: Instant) -> Result<()> {
        let mut sql = Sql::new(if is_durable { "" } else { "SET LOCAL synchronous_commit = off; " });
        sql.push("COMMIT /* usher ").push_number(getrandom::u64().unwrap_or(0).cast_signed()).push(" */");
        let text = sql.text().to_owned();
        let committed = until(end, raw_sql(sql.for_driver().0).execute(self.connection()?)).await;
        self.note(&committed);
        if self.is_late {
            // The client is told that it may not have happened, so nothing waits for the standby any longer.
            if let Some((lent, turn)) = self.open.take() {
                let pool = lent.pool().clone();
                // The turn lasts on, as this takes a connection as well.
                spawn(async move {
                    give_up(pool, text).await;
                    drop(turn);
                });
            }
        } else if let Some((mut lent, _turn)) = self.open.take() {
            // Over, by success or by an error.
            lent.close();
        }
        committed.map(drop)
    }
}

/// Ends the wait of a commit for a standby.
async fn give_up(pool: PgPool, text: String) {
    let cancelled = async {
        let mut tx = pool.begin().await?;
        let cancelled = sqlx::query(CANCEL).bind(text).persistent(false).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok::<_, sqlx::Error>(cancelled.rows_affected())
    };
    match timeout(ROLLBACK_LIMIT, cancelled).await {
        Ok(Ok(1..)) => log::warn!(
            "a commit waited too long for a standby and was given up: it may be on this server only"
        ),
        _ => log::warn!("a commit was given up"),
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        let Some((mut lent, turn)) = self.open.take() else { return };
        if self.is_late {
            // In the middle of a transaction it is thrown away.
            return;
        }
        // The turn lasts until the connection is free again.
        spawn(async move {
            let rolled_back = timeout(ROLLBACK_LIMIT, raw_sql("ROLLBACK").execute(lent.connection())).await;
            if matches!(rolled_back, Ok(Ok(_))) {
                lent.close();
            }
            drop((lent, turn));
        });
    }
}
