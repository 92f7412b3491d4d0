//! Transactions that write.

use std::mem;
use std::sync::Arc;

use rocket::tokio::time::Instant;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Sqlite, Transaction};

use super::budget::Budget;
use super::place::OpenedFile;
use super::postgres_tx::PostgresTx;
use super::rights::{self, Rights};
use super::sql::arguments;
use super::writes::Writes;
use super::{Db, Dialect, Error, Pools, Result, Row, Sql, replica, run, until};

impl Db {
    /// Begins a transaction that writes. It is rolled back unless it is committed.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(self.open_tx(&[], None).await?.0)
    }

    /// The same, with these numbers locked in their order until it ends, and the rows of a statement that reads after that:
    /// all in one round trip. On SQLite the one writer excludes all others anyway.
    ///
    /// On PostgreSQL nothing may be bound to the statement, and a bytea in its rows would look as the server is set.
    pub async fn begin_holding<T: Row>(&self, locks: &[i64], then: Sql) -> Result<(Tx, Vec<T>)> {
        let (mut tx, rows) = self.open_tx(locks, Some(&then)).await?;
        let rows = match tx.dialect() {
            Dialect::Sqlite => tx.all(then).await?,
            Dialect::Postgres => rows.iter().map(T::from_row).collect::<std::result::Result<_, _>>()?,
        };
        Ok((tx, rows))
    }

    async fn open_tx(&self, locks: &[i64], then: Option<&Sql>) -> Result<(Tx, Vec<PgRow>)> {
        let begun = self.begun(locks, then).await;
        self.budget.set_has_seen(begun.is_ok());
        let (on, rows) = begun?;
        let (budget, writes) = (self.budget.clone(), Arc::clone(&self.writes));
        Ok((Tx { on, queued: Vec::new(), budget, writes, rights: Rights::new(&self.replica) }, rows))
    }

    async fn begun(&self, locks: &[i64], then: Option<&Sql>) -> Result<(OpenTx, Vec<PgRow>)> {
        let (end, _spending) = self.budget.spend();
        let ready = self.ready_tx(end).await;
        self.writes.note(&ready);
        let mut on = ready?;
        let mut rows = Vec::new();
        if let OpenTx::Postgres(tx) = &mut on {
            let begun = tx.begin(locks, then, end).await;
            if locks.is_empty() {
                self.writes.note(&begun);
            } else {
                self.writes.note_held(&begun);
            }
            rows = begun?;
        }
        Ok((on, rows))
    }

    /// One of SQLite that has begun, or one of PostgreSQL that is to begin.
    async fn ready_tx(&self, end: Instant) -> Result<OpenTx> {
        if self.budget.old.is_read() {
            return Err(replica::only_reads());
        }
        match &self.pools {
            Pools::Sqlite { write, .. } => {
                let file = self.file.get().map(Arc::clone).ok_or(Error::Moved)?;
                file.check()?;
                // A transaction that begins by reading could not be upgraded while another one writes.
                let tx = until(end, write.begin_with("BEGIN IMMEDIATE")).await?;
                Ok(OpenTx::Sqlite(tx, file))
            }
            Pools::Postgres(servers) => {
                let turn = self.turns.change(end).await?;
                Ok(OpenTx::Postgres(PostgresTx::new(servers.acquire(end).await?, turn)))
            }
        }
    }
}

/// A transaction that writes.
#[derive(Debug)]
pub struct Tx {
    on: OpenTx,
    /// What waits for the next statement.
    queued: Vec<Sql>,
    budget: Budget,
    writes: Arc<Writes>,
    rights: Rights,
}

#[derive(Debug)]
enum OpenTx {
    /// On the one connection that writes.
    Sqlite(Transaction<'static, Sqlite>, Arc<OpenedFile>),
    /// On any connection.
    Postgres(PostgresTx),
}

/// Runs a statement of a transaction, and what waits for it, in one round trip.
macro_rules! run_in_tx {
    ($fetch:ident, $tx:expr, $sql:expr) => {{
        let tx = $tx;
        let sql = Sql::together(tx.dialect(), mem::take(&mut tx.queued), $sql);
        let (end, _spending) = tx.budget.spend();
        let result = match &mut tx.on {
            OpenTx::Sqlite(tx, _) => run!($fetch, Sqlite, &mut **tx, sql, end),
            OpenTx::Postgres(tx) => {
                let sql = tx.fit(sql);
                let result = run!($fetch, Postgres, tx.connection()?, sql, end);
                tx.note(&result);
                result
            }
        };
        tx.writes.note_statement(&result);
        result
    }};
}

impl Tx {
    /// The first row, or none.
    pub async fn optional<T: Row>(&mut self, sql: Sql) -> Result<Option<T>> {
        run_in_tx!(fetch_optional, self, sql)
    }

    /// All rows.
    pub async fn all<T: Row>(&mut self, sql: Sql) -> Result<Vec<T>> {
        run_in_tx!(fetch_all, self, sql)
    }

    /// Runs a statement; the number of rows that it changed.
    pub async fn execute(&mut self, sql: Sql) -> Result<u64> {
        self.execute_queued().await?;
        self.execute_now(sql).await
    }

    /// Queues an INSERT, UPDATE or DELETE without RETURNING. It runs with the next statement, in the same round trip if that
    /// gives rows, or before the commit; its errors are theirs.
    ///
    /// That statement may neither read nor write the same rows, nor begin with WITH: PostgreSQL runs both as one.
    pub fn execute_with_next(&mut self, sql: Sql) {
        if let Some(whose) = rights::may_end_rights(&sql) {
            self.rights.note(whose, &Ok(1));
        }
        self.queued.push(sql);
    }

    async fn execute_queued(&mut self) -> Result<()> {
        let mut queued = mem::take(&mut self.queued);
        if let Some(last) = queued.pop() {
            self.execute_now(Sql::together(self.dialect(), queued, last)).await?;
        }
        Ok(())
    }

    async fn execute_now(&mut self, sql: Sql) -> Result<u64> {
        let (end, _spending) = self.budget.spend();
        let whose = rights::may_end_rights(&sql);
        let changed = match &mut self.on {
            OpenTx::Sqlite(tx, _) => {
                let (text, values, _) = sql.for_driver();
                let query = sqlx::query_with(text, arguments::<Sqlite>(values)?);
                until(end, Box::pin(query.execute(&mut **tx))).await.map(|done| done.rows_affected())
            }
            OpenTx::Postgres(tx) => {
                let (text, values, keeps_plan) = tx.fit(sql).for_driver();
                let query = sqlx::query_with(text, arguments::<Postgres>(values)?).persistent(keeps_plan);
                let done = until(end, Box::pin(query.execute(tx.connection()?))).await;
                tx.note(&done);
                done.map(|done| done.rows_affected())
            }
        };
        self.writes.note_statement(&changed);
        if let Some(whose) = whose {
            self.rights.note(whose, &changed);
        }
        changed
    }

    /// Which database it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match &self.on {
            OpenTx::Sqlite(..) => Dialect::Sqlite,
            OpenTx::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Ends it without a change, for an answer that says how things are: it returns when what the transaction has seen is
    /// on the disk. What is queued does not run.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn leave(self) -> Result<()> {
        let Self { on, budget, .. } = self;
        let (end, _spending) = budget.spend_if_any()?;
        if let OpenTx::Sqlite(tx, file) = on {
            drop(tx);
            file.settle(end).await?;
        }
        budget.set_has_seen(false);
        Ok(())
    }

    /// Makes the changes durable. After an error nothing has changed, unless it is [`Error::TimedOut`], [`Error::Disk`] or
    /// [`Error::Moved`]: then that is not known.
    pub async fn commit(self) -> Result<()> {
        self.end(true).await
    }

    /// Ends it so that all see the changes, without waiting for a disk or a standby: for what may be lost in a power cut
    /// or a failover, because no answer tells of it before a [`commit`](Self::commit) that follows.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn commit_asynchronously(self) -> Result<()> {
        self.end(false).await
    }

    async fn end(mut self, is_durable: bool) -> Result<()> {
        self.execute_queued().await?;
        // What was known of rights is forgotten afterwards, whatever comes of it.
        let Self { on, budget, writes, rights: _rights, .. } = self;
        // What has no time left is rolled back: a commit that is begun may happen.
        let (end, _spending) = budget.spend_if_any()?;
        let committed = match on {
            OpenTx::Sqlite(tx, file) => file.commit(tx, is_durable, end).await,
            OpenTx::Postgres(tx) => tx.commit(is_durable, end).await,
        };
        writes.note(&committed);
        if is_durable && committed.is_ok() {
            writes.note_stored();
            budget.set_has_seen(false);
        }
        committed
    }
}
