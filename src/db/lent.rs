//! A connection to PostgreSQL for one unit of work: through a pooler, everything is said within a transaction.

use std::mem;

use rocket::futures::TryStreamExt as _;
use rocket::tokio::time::Instant;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{Either, PgConnection, PgPool, Postgres, raw_sql};

use super::servers::Servers;
use super::{Error, Result, Sql, until};

/// The limits of a session (see `servers`), said within a transaction that reads, and in one that writes.
const READ: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL statement_timeout = '5s'; \
                    SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '10s'; \
                    SET LOCAL jit = off";
const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = '5s'; \
                     SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '10s'; \
                     SET LOCAL jit = off";

/// A connection that is lent by the pool. Dropped in the middle of a transaction, it is thrown away.
#[derive(Debug)]
pub(super) struct Lent {
    connection: PoolConnection<Postgres>,
    servers: Servers,
    /// Whether a transaction was begun that did not end yet.
    is_open: bool,
    /// Whether it is not to be used again.
    is_unfit: bool,
}

impl Lent {
    /// Lends it.
    pub(super) fn new(connection: PoolConnection<Postgres>, servers: Servers) -> Self {
        Self { connection, servers, is_open: false, is_unfit: false }
    }

    /// The connection itself.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// The statement as it can be sent on it.
    pub(super) fn fit(&self, mut sql: Sql) -> Sql {
        sql.keeps_plan &= !self.servers.is_pooled();
        sql
    }

    /// Begins to read: through a pooler that is a transaction.
    pub(super) async fn begin_to_read(&mut self, end: Instant) -> Result<()> {
        if self.servers.is_pooled() { self.begin(Sql::new(READ), end).await.map(drop) } else { Ok(()) }
    }

    /// Begins a transaction that writes, locks these numbers in their order, and gives the rows of the statement `then`, to
    /// which nothing may be bound.
    pub(super) async fn begin_to_write(
        &mut self,
        locks: &[i64],
        then: Option<&Sql>,
        end: Instant,
    ) -> Result<Vec<PgRow>> {
        let mut begin = Sql::new(if self.servers.is_pooled() { WRITE } else { "BEGIN" });
        for (n, lock) in locks.iter().enumerate() {
            begin.push(if n == 0 { "; SELECT " } else { ", " });
            begin.push("pg_advisory_xact_lock('").push_number(*lock).push("')");
        }
        if let Some(then) = then {
            begin.push("; ").push_numbered(then.clone());
        }
        self.begin(begin, end).await
    }

    /// Runs these statements as one message, and gives the rows of the last one.
    async fn begin(&mut self, begin: Sql, end: Instant) -> Result<Vec<PgRow>> {
        self.is_open = true;
        let (begin, ..) = begin.for_driver();
        let work = async {
            let (mut rows, mut last) = (Vec::new(), Vec::new());
            let mut results = raw_sql(begin).fetch_many(self.connection());
            while let Some(result) = results.try_next().await? {
                match result {
                    Either::Left(_) => last = mem::take(&mut rows),
                    Either::Right(row) => rows.push(row),
                }
            }
            Ok(last)
        };
        let result = until(end, Box::pin(work)).await;
        self.note(&result);
        result
    }

    /// Ends what was begun by `begin_to_read`, of which the statement's end was noted.
    pub(super) async fn end(&mut self, end: Instant) {
        if self.is_open && !self.is_unfit {
            // Of a transaction that has failed this is the end, too.
            let ended = until(end, Box::pin(raw_sql("COMMIT").execute(self.connection()))).await;
            self.is_open = ended.is_err();
        }
    }

    /// Notes that the transaction is over.
    pub(super) fn close(&mut self) {
        self.is_open = false;
    }

    /// Notes how a statement ended.
    pub(super) fn note<T>(&mut self, result: &Result<T>) {
        self.servers.note(result);
        // It may be stuck, shared with others, or lead to a server that takes no changes any more.
        self.is_unfit |= match result {
            Err(Error::TimedOut | Error::Pooled(_)) => true,
            Err(Error::Unavailable(sqlx::Error::Database(error))) => error.code().as_deref() == Some("25006"),
            _ => false,
        };
    }

    /// The pool that it is from.
    pub(super) fn pool(&self) -> &PgPool {
        self.servers.pool()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.is_open || self.is_unfit {
            self.connection.close_on_drop();
        }
    }
}
