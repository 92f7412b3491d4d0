//! The database: one pool, one transaction type and one statement type over SQLite and PostgreSQL.
//!
//! Only `sql`, which builds statements of literals and numbers, marks them as safe for the driver (a test checks it).
//! Statements are written once, in the modules below it, with `$1` placeholders that both databases understand; where they
//! differ, `dialect` names the expression. To add a statement: a function in the module of its table. Only errors other
//! than [`Error`] are documented.

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
mod tx;
pub mod unconfirmed_addresses;
pub mod unfinished;
pub mod users;
mod writes;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rocket::futures::future::BoxFuture;
use rocket::tokio::runtime::Handle;
use rocket::tokio::time::{Instant, sleep, timeout_at};
use rocket_db_pools::Database;
use sqlx::{Postgres, Sqlite, SqlitePool};

use self::budget::{AGAIN, Budget, LOOKUP_LIMIT};
use self::connect::Link;
pub use self::connect::{Connection, PoolError};
pub use self::dialect::Dialect;
pub use self::error::{Error, Newer, OpenError, Result, retrying};
pub use self::migrations::{Schema, Step};
pub use self::opening::Opening;
use self::place::NotedFile;
use self::readers::Readers;
use self::replica::Replica;
pub use self::row::Row;
use self::row::from_row;
pub use self::server_lock::{LockError, ServerLock};
use self::servers::Servers;
use self::session_batcher::SessionBatcher;
use self::sessions::{Asked, Presented};
use self::sql::arguments;
pub use self::sql::{Sql, Value};
use self::turns::{Turn, Turns};
pub use self::tx::Tx;
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
    turns: Arc<Turns>,
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
        let (text, values, keeps_plan) = $sql.for_driver();
        let arguments = arguments::<$database>(values).map_err(Error::from)?;
        let query = sqlx::query_as_with(text, arguments).persistent(keeps_plan);
        until($end, Box::pin(query.$fetch($executor))).await
    }};
}

use run;

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

    /// For pages of lists: statements that look at many rows, though not at every one.
    #[must_use]
    pub const fn listing(&self) -> Listing<'_> {
        Listing(self)
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

/// The database for pages of lists. They get only a part of the connections at once, and those of one user leave some
/// of it to others, so that sessions find a free one.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a>(&'a Db);

impl Listing<'_> {
    /// The first row, or none.
    pub async fn optional<T: Row>(self, sql: Sql) -> Result<Option<T>> {
        let (end, _spending) = self.0.budget.spend();
        let (turn, db) = (self.turn(end).await?, self.0.detached());
        to_its_end(turn, end, async move { db.optional(sql).await }).await
    }

    /// All rows.
    pub async fn all<T: Row>(self, sql: Sql) -> Result<Vec<T>> {
        let (end, _spending) = self.0.budget.spend();
        let (turn, db) = (self.turn(end).await?, self.0.detached());
        to_its_end(turn, end, async move { db.all(sql).await }).await
    }

    async fn turn(self, end: Instant) -> Result<Turn> {
        self.0.turns.list(self.0.budget.user(), self.0.budget.old.is_read(), end).await
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
        let (turn, db) = (self.turn(end).await?, self.0.detached());
        let read = async move {
            let (end, _spending) = db.budget.spend();
            match db.reads() {
                Pools::Sqlite { scan, .. } => {
                    run!(fetch_optional, Sqlite, &mut *scan.acquire(end).await?, sql, end)
                }
                Pools::Postgres(servers) => read_postgres!(fetch_optional, servers, sql, end),
            }
        };
        to_its_end(turn, end, read).await
    }

    /// All rows.
    pub async fn all<T: Row>(self, sql: Sql) -> Result<Vec<T>> {
        let (end, _spending) = self.0.budget.spend();
        let (turn, db) = (self.turn(end).await?, self.0.detached());
        let read = async move {
            let (end, _spending) = db.budget.spend();
            match db.reads() {
                Pools::Sqlite { scan, .. } => {
                    run!(fetch_all, Sqlite, &mut *scan.acquire(end).await?, sql, end)
                }
                Pools::Postgres(servers) => read_postgres!(fetch_all, servers, sql, end),
            }
        };
        to_its_end(turn, end, read).await
    }

    async fn turn(self, end: Instant) -> Result<Turn> {
        self.0.turns.scan(self.0.budget.user(), self.0.budget.old.is_read(), end).await
    }
}

/// Waits until then for a read with a turn. The turn lasts until the statement has ended, also if nothing waits for it any
/// more: so long its connection is in use.
async fn to_its_end<T: 'static>(
    turn: Turn,
    end: Instant,
    read: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    timeout_at(end, ToItsEnd(Some((Box::pin(read), turn)))).await.unwrap_or(Err(Error::TimedOut))
}

/// A read with its turn, which goes on in a task if it is dropped before it has ended.
struct ToItsEnd<T: 'static>(Option<(BoxFuture<'static, Result<T>>, Turn)>);

impl<T> Future for ToItsEnd<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((read, _)) = &mut self.0 else { return Poll::Ready(Err(Error::TimedOut)) };
        let polled = read.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<T> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        if let Some((read, turn)) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                let _ = read.await;
                drop(turn);
            });
        }
    }
}
