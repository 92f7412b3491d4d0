//! The database: one pool, one transaction type and one statement type over SQLite and PostgreSQL.
//!
//! This file is the only place that hands built SQL to the driver (a test checks it). Statements are
//! written once, in the modules below it, with `$1` placeholders that both databases understand; where
//! they differ, `dialect` names the expression. To add a statement: a function in the module of its
//! table. Every function here fails with [`Error`], so only other errors are documented.

pub mod audit;
pub mod backup;
pub mod batches;
mod connect;
pub mod copy;
pub mod dialect;
pub mod exposure;
pub mod factors;
pub mod installation;
pub mod known_browsers;
pub mod links;
pub mod mails;
mod migrations;
mod row;
pub mod select;
mod server_lock;
mod session_batcher;
pub mod sessions;
mod sql;
#[cfg(test)]
pub(crate) mod testing;
pub mod throttles;
pub mod unconfirmed_addresses;
pub mod users;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rocket::tokio::sync::{Semaphore, SemaphorePermit};
use rocket::tokio::time::{Instant, timeout};
use rocket_db_pools::Database;
use rocket_db_pools::figment::Figment;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, PgPool, Postgres, Sqlite, SqlitePool, Transaction};

pub use self::connect::PoolError;
pub use self::dialect::Dialect;
use self::row::from_row;
pub use self::server_lock::{LockError, ServerLock};
use self::session_batcher::SessionBatcher;
use self::sessions::{Asked, Presented};
use self::sql::arguments;
pub use self::sql::{Sql, Value};
use crate::model::field_errors::Message;

/// Longest time that one statement may take, waiting for a connection included. PostgreSQL has its
/// own, shorter limits; this one also covers a server that no longer answers.
const STATEMENT_LIMIT: Duration = Duration::from_secs(8);

/// Longest time to wait for a turn at a statement that may look at every row.
const SCAN_WAIT: Duration = Duration::from_secs(2);

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
    /// Turns at statements that may look at every row.
    scans: Arc<Semaphore>,
}

/// Connections to one of the two databases.
#[derive(Debug, Clone)]
enum Pools {
    /// One file. Several readers, and one writer whose transactions queue in this process instead
    /// of spinning on SQLite's lock.
    Sqlite {
        /// Connections that refuse to write.
        read: SqlitePool,
        /// The same for statements that may look at every row, which are broken off after a while.
        scan: SqlitePool,
        /// The one connection that writes.
        write: SqlitePool,
    },
    /// One server address.
    Postgres(PgPool),
}

/// An error of the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not reachable, too slow, too busy, or its disk is full: trying again may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The statement did not end in time.
    #[error("the database did not answer in time")]
    TimedOut,
    /// A user name is taken.
    #[error("the user name is taken")]
    UsernameTaken,
    /// A primary key is taken.
    #[error("the primary key is taken")]
    IdTaken,
    /// The audit entry, or the run, is undone already.
    #[error("it is undone already")]
    AlreadyUndone,
    /// The change would leave no active superuser.
    #[error("there would be no active superuser left")]
    LastSuperuser,
    /// Two transactions got into each other's way; the whole transaction may be tried again.
    #[error("the transaction has to be tried again: {0}")]
    Retry(#[source] sqlx::Error),
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

/// The result of every database function.
pub type Result<T> = std::result::Result<T, Error>;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        dialect::classify(error)
    }
}

impl From<Error> for crate::model::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::UsernameTaken => Self::invalid("username", Message::UsernameTaken(String::new())),
            Error::LastSuperuser => Self::Conflict(crate::model::rules::Conflict::LastSuperuser),
            Error::AlreadyUndone => Self::CannotUndo(crate::model::undo::Obstacle::AlreadyUndone),
            Error::Retry(_) => Self::Contended,
            Error::Unavailable(_) | Error::TimedOut => {
                log::warn!("{error}");
                Self::Unavailable
            }
            Error::Shared(shared) => match &*shared {
                Error::Retry(_) => Self::Contended,
                Error::Unavailable(_) | Error::TimedOut => {
                    log::warn!("{shared}");
                    Self::Unavailable
                }
                _ => Self::internal(shared),
            },
            Error::IdTaken | Error::Other(_) | Error::Migrate(_) | Error::Corrupt(_) => Self::internal(error),
        }
    }
}

/// A row that both databases can be read into.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// Gives up on a statement that takes too long. The driver's futures are large: callers box them.
async fn within<T>(work: impl Future<Output = std::result::Result<T, sqlx::Error>>) -> Result<T> {
    match timeout(STATEMENT_LIMIT, work).await {
        Ok(result) => result.map_err(Error::from),
        Err(_) => Err(Error::TimedOut),
    }
}

/// Runs a statement on an executor of either database.
macro_rules! run {
    ($fetch:ident, $database:ty, $executor:expr, $sql:expr) => {{
        let Sql { text, values, keeps_plan } = $sql;
        let arguments = arguments::<$database>(values).map_err(Error::from)?;
        let query = sqlx::query_as_with(AssertSqlSafe(text), arguments).persistent(keeps_plan);
        within(Box::pin(query.$fetch($executor))).await
    }};
}

impl Db {
    /// Opens the database that the configuration names and applies pending migrations.
    ///
    /// # Errors
    /// An unknown scheme, a file or server that cannot be opened, a migration that fails.
    pub async fn open(figment: &Figment) -> std::result::Result<Self, OpenError> {
        let db = Self::unconnected(figment).await?;
        db.prepare(true).await?;
        Ok(db)
    }

    /// The database that the configuration names, without a connection yet.
    ///
    /// # Errors
    /// An unknown scheme, or a configuration that is not fit.
    pub(crate) async fn unconnected(figment: &Figment) -> std::result::Result<Self, OpenError> {
        Ok(Self(<Pool as rocket_db_pools::Pool>::init(figment).await?))
    }

    /// Connects for the first time and applies pending migrations, or makes sure that there are none. Several
    /// instances may do so at once.
    ///
    /// # Errors
    /// A file or server that cannot be opened, a migration that fails or is pending.
    pub(crate) async fn prepare(&self, migrate: bool) -> std::result::Result<(), OpenError> {
        connect::connect(&self.pools).await.map_err(PoolError::Init)?;
        if migrate {
            migrations::migrate(&self.pools).await?;
            return Ok(users::rewrite(self).await?);
        }
        match migrations::first_pending(&self.pools).await? {
            Some(version) => Err(OpenError::Pending(version)),
            None => Ok(()),
        }
    }

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
        match &self.pools {
            Pools::Sqlite { read, .. } => run!(fetch_optional, Sqlite, read, sql),
            Pools::Postgres(pool) => run!(fetch_optional, Postgres, pool, sql),
        }
    }

    /// All rows. Reads only.
    pub async fn all<T: Row>(&self, sql: Sql) -> Result<Vec<T>> {
        match &self.pools {
            Pools::Sqlite { read, .. } => run!(fetch_all, Sqlite, read, sql),
            Pools::Postgres(pool) => run!(fetch_all, Postgres, pool, sql),
        }
    }

    /// A connection for several statements one after the other. Reads only.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if none is to be had in time.
    pub async fn connection(&self) -> Result<Connection> {
        self.pools.connection().await
    }

    /// For statements that may look at every row: searches and counts.
    #[must_use]
    pub const fn scanning(&self) -> Scanning<'_> {
        Scanning(self)
    }

    /// Begins a transaction that writes. It is rolled back unless it is committed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if no connection is to be had in time.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match &self.pools {
            // A transaction that begins by reading could not be upgraded while another one writes.
            Pools::Sqlite { write, .. } => Tx::Sqlite(within(write.begin_with("BEGIN IMMEDIATE")).await?),
            Pools::Postgres(pool) => Tx::Postgres(within(pool.begin()).await?),
        })
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.pools.close().await;
    }
}

/// A connection that only reads.
#[derive(Debug)]
pub struct Connection {
    link: Link,
    /// When it was taken from the pool.
    since: Instant,
}

#[derive(Debug)]
enum Link {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Connection {
    /// Whether it may be kept: now and then the pool has to look whether it still leads to the right server.
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < Duration::from_secs(1)
    }

    /// All rows.
    async fn all<T: Row>(&mut self, sql: Sql) -> Result<Vec<T>> {
        match &mut self.link {
            Link::Sqlite(connection) => run!(fetch_all, Sqlite, &mut **connection, sql),
            Link::Postgres(connection) => run!(fetch_all, Postgres, &mut **connection, sql),
        }
    }
}

/// The database for statements that may look at every row. They get only a part of the connections, so that
/// however many and slow they are, reads of a single row find a free one.
#[derive(Debug, Clone, Copy)]
pub struct Scanning<'a>(&'a Db);

impl<'a> Scanning<'a> {
    /// The first row, or none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::TimedOut`] if it takes too long.
    pub async fn optional<T: Row>(self, sql: Sql) -> Result<Option<T>> {
        let _turn = self.turn().await?;
        match &self.0.pools {
            Pools::Sqlite { scan, .. } => run!(fetch_optional, Sqlite, scan, sql),
            Pools::Postgres(pool) => run!(fetch_optional, Postgres, pool, sql),
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::TimedOut`] if it takes too long.
    pub async fn all<T: Row>(self, sql: Sql) -> Result<Vec<T>> {
        let _turn = self.turn().await?;
        match &self.0.pools {
            Pools::Sqlite { scan, .. } => run!(fetch_all, Sqlite, scan, sql),
            Pools::Postgres(pool) => run!(fetch_all, Postgres, pool, sql),
        }
    }

    async fn turn(self) -> Result<SemaphorePermit<'a>> {
        match timeout(SCAN_WAIT, self.0.scans.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Error::TimedOut),
        }
    }
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration or the connection.
    #[error("{0}")]
    Connect(#[from] PoolError),
    /// The schema.
    #[error(transparent)]
    Schema(#[from] Error),
    /// The schema is older than this release, by its migration of that number, and is not to be changed now.
    #[error("migration {0} is pending: run `usher migrate` by a role that may change the schema")]
    Pending(i64),
}

/// A transaction that writes.
#[derive(Debug)]
pub enum Tx {
    /// On the one connection that writes.
    Sqlite(Transaction<'static, Sqlite>),
    /// On any connection.
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// The first row, or none.
    pub async fn optional<T: Row>(&mut self, sql: Sql) -> Result<Option<T>> {
        match self {
            Self::Sqlite(tx) => run!(fetch_optional, Sqlite, &mut **tx, sql),
            Self::Postgres(tx) => run!(fetch_optional, Postgres, &mut **tx, sql),
        }
    }

    /// All rows.
    pub async fn all<T: Row>(&mut self, sql: Sql) -> Result<Vec<T>> {
        match self {
            Self::Sqlite(tx) => run!(fetch_all, Sqlite, &mut **tx, sql),
            Self::Postgres(tx) => run!(fetch_all, Postgres, &mut **tx, sql),
        }
    }

    /// Runs a statement; the number of rows that it changed.
    pub async fn execute(&mut self, sql: Sql) -> Result<u64> {
        let Sql { text, values, .. } = sql;
        let text = AssertSqlSafe(text);
        match self {
            Self::Sqlite(tx) => {
                let arguments = arguments::<Sqlite>(values)?;
                let done = within(Box::pin(sqlx::query_with(text, arguments).execute(&mut **tx))).await?;
                Ok(done.rows_affected())
            }
            Self::Postgres(tx) => {
                let arguments = arguments::<Postgres>(values)?;
                let done = within(Box::pin(sqlx::query_with(text, arguments).execute(&mut **tx))).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Which database it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Makes the changes durable. After an error nothing has changed.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => within(tx.commit()).await,
            Self::Postgres(tx) => within(tx.commit()).await,
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
