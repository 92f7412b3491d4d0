//! The database: one pool, one transaction type and one statement type over SQLite and PostgreSQL.
//!
//! This file is the only place that hands built SQL to the driver (a test checks it). Statements are written once, in the
//! modules below it, with `$1` placeholders that both databases understand; where they differ, `dialect` names the expression.
//! To add a statement: a function in the module of its table. Only errors other than [`Error`] are documented.

pub mod audit;
pub mod backup;
pub mod batches;
mod budget;
pub mod carried;
mod connect;
pub mod copy;
pub mod dialect;
pub mod erasures;
mod error;
pub mod exposure;
pub mod external_ids;
pub mod factors;
mod hosts;
pub mod installation;
pub mod known_browsers;
mod lent;
pub mod links;
mod log_sync;
mod looked;
pub mod mails;
mod migrations;
mod opening;
pub mod passkeys;
mod place;
mod postgres_tx;
mod readers;
mod replica;
pub mod restore;
mod rights;
mod row;
pub mod select;
mod server_lock;
mod servers;
mod session_batcher;
pub mod sessions;
mod sql;
pub mod statistics;
#[cfg(test)]
pub(crate) mod testing;
pub mod throttles;
mod turns;
pub mod unconfirmed_addresses;
pub mod unfinished;
pub mod users;
mod writes;

use std::sync::{Arc, OnceLock};

use rocket::tokio::time::{Instant, sleep, timeout_at};
use rocket_db_pools::Database;
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr, Sqlite, SqlitePool, Transaction};

use self::budget::{AGAIN, Budget, LOOKUP_LIMIT};
use self::connect::Link;
pub use self::connect::{Connection, PoolError};
pub use self::dialect::Dialect;
pub use self::error::{Error, Newer, OpenError, Result, retrying};
pub use self::migrations::{Schema, Step};
pub use self::opening::Opening;
use self::place::{NotedFile, OpenedFile};
use self::postgres_tx::PostgresTx;
use self::readers::Readers;
use self::replica::Replica;
use self::rights::Rights;
pub use self::row::Row;
use self::row::from_row;
pub use self::server_lock::{LockError, ServerLock};
use self::servers::Servers;
use self::session_batcher::SessionBatcher;
use self::sessions::{Asked, Presented};
use self::sql::arguments;
pub use self::sql::{Sql, Value};
use self::turns::Turns;
pub use self::writes::Trouble;
use self::writes::Writes;

/// The database of the installation: section `databases.main` of Rocket's configuration. Cheap to clone.
///
/// In the server Rocket's fairing makes it; other subcommands [`open`](Self::open) it themselves.
#[derive(Debug, Clone, Database)]
#[database("main")]
pub struct Db(Pool);

/// The connections, and what bounds and shares their use.
#[derive(Debug, Clone)]
pub struct Pool {
    pools: Pools,
    /// Coalesces concurrent lookups of credentials.
    presented: Arc<SessionBatcher<Asked, Option<Presented>, Connection>>,
    turns: Turns,
    /// How the last changes went.
    writes: Arc<Writes>,
    /// The file of SQLite that was opened.
    file: NotedFile,
    /// What may be read from while the server that takes changes is away.
    replica: Arc<OnceLock<Replica>>,
    /// What the statements may take that are made by this clone.
    budget: Budget,
}

/// Connections to one of the two databases.
#[derive(Debug, Clone)]
enum Pools {
    /// One file. Several readers, and one writer whose transactions queue in this process instead
    /// of spinning on SQLite's lock.
    Sqlite {
        /// Connections that refuse to write.
        read: Readers,
        /// The same for statements that may look at every row, which are broken off after a while.
        scan: Readers,
        /// The one connection that writes.
        write: SqlitePool,
    },
    /// One or several servers, of which one is used.
    Postgres(Servers),
}

/// Gives up on work that takes too long. The driver's futures are large: callers box them.
async fn until<T>(
    end: Instant,
    work: impl Future<Output = std::result::Result<T, sqlx::Error>>,
) -> Result<T> {
    match timeout_at(end, work).await {
        Ok(result) => result.map_err(Error::from),
        Err(_) => Err(Error::TimedOut),
    }
}

/// Runs a statement on an executor of either database.
macro_rules! run {
    ($fetch:ident, $database:ty, $executor:expr, $sql:expr, $end:expr) => {{
        let Sql { text, values, keeps_plan } = $sql;
        let arguments = arguments::<$database>(values).map_err(Error::from)?;
        let query = sqlx::query_as_with(AssertSqlSafe(text), arguments).persistent(keeps_plan);
        until($end, Box::pin(query.$fetch($executor))).await
    }};
}

/// Runs a statement that reads on a connection of PostgreSQL.
macro_rules! read_lent {
    ($fetch:ident, $lent:expr, $sql:expr, $end:expr) => {{
        let (lent, end) = ($lent, $end);
        match lent.begin_to_read(end).await {
            Err(error) => Err(error),
            Ok(()) => {
                let sql = lent.fit($sql);
                let result = run!($fetch, Postgres, lent.connection(), sql, end);
                lent.note(&result);
                lent.end(end).await;
                result
            }
        }
    }};
}

/// Runs a statement that reads on any connection of PostgreSQL, where another server may take over again and again.
macro_rules! read_postgres {
    ($fetch:ident, $servers:expr, $sql:expr, $end:expr) => {{
        let (servers, mut sql, end) = ($servers, $sql, $end);
        loop {
            let again = servers.fails_over().then(|| sql.clone());
            let result = match servers.acquire(end).await {
                Ok(mut lent) => read_lent!($fetch, &mut lent, sql, end),
                Err(error) => Err(error),
            };
            match (again, result) {
                (Some(again), Err(Error::Unavailable(error)))
                    if servers::is_of_server(&error) && Instant::now() + AGAIN < end =>
                {
                    sql = again;
                }
                (_, result) => break result,
            }
            sleep(AGAIN).await;
        }
    }};
}

impl Db {
    /// Which database it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match &self.pools {
            Pools::Sqlite { .. } => Dialect::Sqlite,
            Pools::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The first row, or none. Reads only.
    pub async fn optional<T: Row>(&self, sql: Sql) -> Result<Option<T>> {
        let (end, _spending) = self.budget.spend();
        match self.reads() {
            Pools::Sqlite { read, .. } => {
                run!(fetch_optional, Sqlite, &mut *read.acquire(end).await?, sql, end)
            }
            Pools::Postgres(servers) => read_postgres!(fetch_optional, servers, sql, end),
        }
    }

    /// All rows. Reads only.
    pub async fn all<T: Row>(&self, sql: Sql) -> Result<Vec<T>> {
        let (end, _spending) = self.budget.spend();
        match self.reads() {
            Pools::Sqlite { read, .. } => run!(fetch_all, Sqlite, &mut *read.acquire(end).await?, sql, end),
            Pools::Postgres(servers) => read_postgres!(fetch_all, servers, sql, end),
        }
    }

    /// A connection for several statements one after the other. Reads only.
    pub async fn connection(&self) -> Result<Connection> {
        self.pools.connection().await
    }

    /// For statements that may look at every row: searches and counts.
    #[must_use]
    pub const fn scanning(&self) -> Scanning<'_> {
        Scanning(self)
    }

    /// Begins a transaction that writes. It is rolled back unless it is committed.
    pub async fn begin(&self) -> Result<Tx> {
        let on = self.open_tx().await;
        self.writes.note(&on);
        self.budget.set_has_seen(on.is_ok());
        let (budget, writes) = (self.budget.clone(), Arc::clone(&self.writes));
        Ok(Tx { on: on?, budget, writes, rights: Rights::new(&self.replica) })
    }

    async fn open_tx(&self) -> Result<OpenTx> {
        if self.budget.old.is_read() {
            return Err(replica::only_reads());
        }
        let (end, _spending) = self.budget.spend();
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
                PostgresTx::begin(servers, turn, end).await.map(OpenTx::Postgres)
            }
        }
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.pools.close().await;
        if let Some(replica) = self.replica.get() {
            replica.close().await;
        }
    }
}

impl Connection {
    /// All rows.
    async fn all<T: Row>(&mut self, sql: Sql) -> Result<Vec<T>> {
        let end = Instant::now() + LOOKUP_LIMIT;
        match &mut self.link {
            Link::Sqlite(connection) => run!(fetch_all, Sqlite, &mut **connection, sql, end),
            Link::Postgres(lent) => read_lent!(fetch_all, lent, sql, end),
        }
    }
}

/// The database for statements that may look at every row. They get only a part of the connections, so that
/// however many and slow they are, reads of a single row find a free one.
#[derive(Debug, Clone, Copy)]
pub struct Scanning<'a>(&'a Db);

impl Scanning<'_> {
    /// The first row, or none.
    pub async fn optional<T: Row>(self, sql: Sql) -> Result<Option<T>> {
        let (end, _spending) = self.0.budget.spend();
        let _turn = self.0.turns.scan(self.0.budget.user(), end).await?;
        match self.0.reads() {
            Pools::Sqlite { scan, .. } => {
                run!(fetch_optional, Sqlite, &mut *scan.acquire(end).await?, sql, end)
            }
            Pools::Postgres(servers) => read_postgres!(fetch_optional, servers, sql, end),
        }
    }

    /// All rows.
    pub async fn all<T: Row>(self, sql: Sql) -> Result<Vec<T>> {
        let (end, _spending) = self.0.budget.spend();
        let _turn = self.0.turns.scan(self.0.budget.user(), end).await?;
        match self.0.reads() {
            Pools::Sqlite { scan, .. } => run!(fetch_all, Sqlite, &mut *scan.acquire(end).await?, sql, end),
            Pools::Postgres(servers) => read_postgres!(fetch_all, servers, sql, end),
        }
    }
}

/// A transaction that writes.
#[derive(Debug)]
pub struct Tx {
    on: OpenTx,
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

/// Runs a statement of a transaction.
macro_rules! run_in_tx {
    ($fetch:ident, $tx:expr, $sql:expr) => {{
        let Self { on, budget, writes, .. } = $tx;
        let (end, _spending) = budget.spend();
        let result = match on {
            OpenTx::Sqlite(tx, _) => run!($fetch, Sqlite, &mut **tx, $sql, end),
            OpenTx::Postgres(tx) => {
                let sql = tx.fit($sql);
                let result = run!($fetch, Postgres, tx.connection()?, sql, end);
                tx.note(&result);
                result
            }
        };
        writes.note_statement(&result);
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
        let (end, _spending) = self.budget.spend();
        let whose = rights::may_end_rights(&sql);
        let changed = match &mut self.on {
            OpenTx::Sqlite(tx, _) => {
                let query = sqlx::query_with(AssertSqlSafe(sql.text), arguments::<Sqlite>(sql.values)?);
                until(end, Box::pin(query.execute(&mut **tx))).await.map(|done| done.rows_affected())
            }
            OpenTx::Postgres(tx) => {
                let Sql { text, values, keeps_plan } = tx.fit(sql);
                let query = sqlx::query_with(AssertSqlSafe(text), arguments::<Postgres>(values)?);
                let query = query.persistent(keeps_plan);
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
    /// on the disk.
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

    async fn end(self, is_durable: bool) -> Result<()> {
        // What was known of rights is forgotten afterwards, whatever comes of it.
        let Self { on, budget, writes, rights: _rights } = self;
        // What has no time left is rolled back: a commit that is begun may happen.
        let (end, _spending) = budget.spend_if_any()?;
        let committed = match on {
            OpenTx::Sqlite(tx, file) => file.commit(tx, is_durable, end).await,
            OpenTx::Postgres(tx) => {
                let before = if is_durable { "" } else { "SET LOCAL synchronous_commit = off; " };
                // So that a commit that waits without end can be found among those of all instances.
                let number = getrandom::u64().unwrap_or(0);
                let text = format!("{before}COMMIT /* usher {number:016x} */");
                tx.commit(AssertSqlSafe(text).into_sql_str(), end).await
            }
        };
        writes.note(&committed);
        if is_durable && committed.is_ok() {
            writes.note_stored();
            budget.set_has_seen(false);
        }
        committed
    }
}
