//! Opening the two databases: URL, pragmas, session settings.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rocket::tokio::time::Instant;
use rocket_db_pools::figment::Figment;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, Sqlite, SqliteConnection, SqlitePool};

use super::lent::Lent;
use super::place::{NotedFile, beside, folder_of};
use super::readers::Readers;
use super::servers::Servers;
use super::turns::Turns;
use super::{Budget, Error, LOOKUP_LIMIT, Pool, Pools, Result};
use crate::model::pooling::Pooler;

/// The first SQLite whose checkpoints cannot corrupt the file when two connections race (3.51.3).
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Readers beside the one writer: of two users with lists neither takes all turns at these, and both together leave one.
/// SQLite reads are short; more would only compete for the cores.
const SQLITE_READERS: u32 = 4;
/// Readers of what may be every row, beside them. A page of the console needs two at once.
const SQLITE_SCANNERS: u32 = 3;
/// How long a statement may run there; PostgreSQL has the same limit for every statement.
const SCAN_LIMIT: Duration = Duration::from_secs(5);
/// SQLite asks whether a statement may go on after so many of its virtual machine's instructions: a few milliseconds.
const INSTRUCTIONS: i32 = 200_000;

/// Why there is no pool, or no connection of it.
pub type PoolError = rocket_db_pools::Error<sqlx::Error>;

fn refuse(reason: impl Into<String>) -> sqlx::Error {
    sqlx::Error::Configuration(reason.into().into())
}

/// A connection that only reads.
#[derive(Debug)]
pub struct Connection {
    pub(super) link: Link,
    /// When it was taken from the pool.
    since: Instant,
}

#[derive(Debug)]
pub(super) enum Link {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(Lent),
}

impl Connection {
    /// Whether it may be kept: now and then the pool has to look whether it still leads to the right server.
    pub(super) fn is_fresh(&self) -> bool {
        self.since.elapsed() < Duration::from_secs(1)
    }
}

#[rocket::async_trait]
impl rocket_db_pools::Pool for Pool {
    type Connection = Connection;
    type Error = PoolError;

    /// Reads the configuration, and connects to nothing yet: Rocket's fairing would only log why it cannot,
    /// while [`Db::prepare`](super::Db::prepare) has a caller to tell.
    async fn init(figment: &Figment) -> std::result::Result<Self, Self::Error> {
        let config: rocket_db_pools::Config = figment.extract()?;
        let wait = Duration::from_secs(config.connect_timeout);
        let file = NotedFile::default();
        let pools = match config.url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => sqlite(&config.url, wait, &file),
            Some("postgres" | "postgresql") => {
                let connections = u32::try_from(config.max_connections).unwrap_or(u32::MAX);
                config.url.parse().map(|hosts| Pools::Postgres(Servers::new(hosts, connections, wait)))
            }
            // The URL itself may hold a password, so it is not repeated.
            _ => Err(refuse("the database URL must begin with sqlite:, postgres: or postgresql:")),
        };
        let pools = pools.map_err(PoolError::Init)?;
        let turns = Arc::new(Turns::of(&pools));
        Ok(Self {
            pools,
            presented: Arc::default(),
            turns,
            writes: Arc::default(),
            file,
            replica: Arc::default(),
            budget: Budget::default(),
        })
    }

    async fn get(&self) -> std::result::Result<Self::Connection, Self::Error> {
        self.pools.connection().await.map_err(|error| {
            PoolError::Get(match error {
                Error::Unavailable(error) | Error::Retry(error) | Error::Other(error) => error,
                other => sqlx::Error::Protocol(other.to_string()),
            })
        })
    }

    /// Closes nothing: Rocket's fairing asks for it when shutdown begins, while requests are still answered.
    /// [`Db::close`](super::Db::close) closes, after the last answer.
    async fn close(&self) {}
}

impl Pools {
    /// A connection that only reads.
    pub(super) async fn connection(&self) -> Result<Connection> {
        let end = Instant::now() + LOOKUP_LIMIT;
        let link = match self {
            Self::Sqlite { read, .. } => Link::Sqlite(read.acquire(end).await?),
            Self::Postgres(servers) => Link::Postgres(servers.acquire(end).await?),
        };
        Ok(Connection { link, since: Instant::now() })
    }

    /// Closes all connections, waiting for those in use.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { read, scan, write } => {
                read.pool().close().await;
                scan.pool().close().await;
                write.close().await;
            }
            Self::Postgres(servers) => servers.pool().close().await,
        }
    }
}

impl super::Db {
    /// How many connections are open, and how many of them are idle.
    pub(crate) fn connections(&self) -> [usize; 2] {
        let open = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
        match &self.pools {
            Pools::Sqlite { read, scan, write } => [read.pool(), scan.pool(), write]
                .map(|pool| [open(pool.size()), pool.num_idle()])
                .into_iter()
                .fold([0, 0], |[size, idle], [more, more_idle]| [size + more, idle + more_idle]),
            Pools::Postgres(servers) => [open(servers.pool().size()), servers.pool().num_idle()],
        }
    }

    /// The size of SQLite's write-ahead log.
    pub(crate) fn wal_bytes(&self) -> Option<u64> {
        let Pools::Sqlite { write, .. } = &self.pools else { return None };
        let log = beside(write.connect_options().get_filename(), "-wal");
        std::fs::metadata(log).ok().map(|file| file.len())
    }
}

fn sqlite(url: &str, wait: Duration, file: &NotedFile) -> std::result::Result<Pools, sqlx::Error> {
    let options = SqliteConnectOptions::from_str(url)?;
    if options.get_filename().as_os_str().is_empty()
        || [":memory:", "mode=memory"].iter().any(|word| url.contains(word))
    {
        return Err(refuse(
            "the SQLite URL must name a file: each connection would have a memory of its own",
        ));
    }
    let options = options
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("journal_size_limit", "67108864")
        // In KiB, for each connection: the inner pages of all indexes of a million users.
        .pragma("cache_size", "-4096")
        .pragma("temp_store", "memory")
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .acquire_timeout(wait)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None);
    let writer = pool.clone().max_connections(1).after_release(|connection, _| {
        Box::pin(async move {
            // A statement that finds the disk full ends the transaction by itself; the driver's own ROLLBACK
            // then fails, and it would refuse to begin another one on this connection for ever. Rollbacks
            // are only queued when a transaction is dropped: the ping comes after them. Most transactions have
            // ended by now, and the next writer need not wait for an answer.
            if connection.is_in_transaction() {
                connection.ping().await?;
            }
            Ok(!connection.is_in_transaction())
        })
    });
    // Both change the file. Readers find its mode there, and may belong to a command that only looks.
    let writing = options.clone().journal_mode(SqliteJournalMode::Wal).optimize_on_close(true, 400);
    // NORMAL: the log is synced before it is copied into the file, and by `log_sync` before a commit is acknowledged.
    let writing = writing.synchronous(SqliteSynchronous::Normal);
    // In pages, 16 MiB. Changes touch many of the same pages: copied into the file together, these are written once.
    let writing = writing.pragma("wal_autocheckpoint", "4096");
    let write = writer.connect_lazy_with(writing);
    let reader = pool.max_connections(SQLITE_READERS);
    let reading = options.pragma("query_only", "on");
    let read = reader.clone().connect_lazy_with(reading.clone());
    let scanner = reader
        .max_connections(SQLITE_SCANNERS)
        .after_connect(|connection, _| Box::pin(limit_statement(connection)))
        .before_acquire(|connection, _| {
            Box::pin(async move {
                limit_statement(connection).await?;
                Ok(true)
            })
        });
    let scan = scanner.connect_lazy_with(reading);
    let [read, scan] = [read, scan].map(|pool| Readers::new(pool, file));
    Ok(Pools::Sqlite { read, scan, write })
}

/// Makes the first connection of each pool.
pub(super) async fn connect(pools: &Pools, pooler: Pooler) -> std::result::Result<(), sqlx::Error> {
    match pools {
        Pools::Sqlite { read, scan, write } => {
            let options = write.connect_options();
            let file = options.get_filename();
            create_private(file)
                .map_err(|error| refuse(format!("{} cannot be opened: {error}", file.display())))?;
            patiently(write).await?;
            check_version(write).await?;
            patiently(read.pool()).await?;
            patiently(scan.pool()).await
        }
        Pools::Postgres(servers) => servers.connect(pooler).await,
    }
}

/// The same for a database that is there and is only looked at: nothing is written to a file.
pub(super) async fn look(pools: &Pools, pooler: Pooler) -> std::result::Result<(), sqlx::Error> {
    match pools {
        Pools::Sqlite { read, .. } => {
            patiently(read.pool()).await?;
            check_version(read.pool()).await
        }
        Pools::Postgres(servers) => servers.connect(pooler).await,
    }
}

/// Interrupts SQLite statements that exceed the limit. Their callers have given up by then, but SQLite would go
/// on to the end and keep the connection.
async fn limit_statement(connection: &mut SqliteConnection) -> std::result::Result<(), sqlx::Error> {
    let end = Instant::now() + SCAN_LIMIT;
    connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS, move || Instant::now() < end);
    Ok(())
}

/// Connects, for up to five seconds, while the file is locked. A fresh file is switched to WAL under a
/// lock for which SQLite's own `busy_timeout` does not wait, and several processes may start at once.
async fn patiently(pool: &SqlitePool) -> std::result::Result<(), sqlx::Error> {
    const PAUSE: Duration = Duration::from_millis(50);
    for _ in 0..100 {
        match pool.acquire().await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("5") => {
                rocket::tokio::time::sleep(PAUSE).await;
            }
            result => return result.map(drop),
        }
    }
    pool.acquire().await.map(drop)
}

/// Makes the file, if there is none, so that only its owner can read it; SQLite gives the files beside it the same
/// permissions. What root makes in the folder of another user is for that one, as the lock is.
fn create_private(file: &Path) -> std::io::Result<()> {
    let options = &mut OpenOptions::new();
    options.write(true).mode(0o600);
    match options.clone().create_new(true).open(file) {
        Ok(made) => {
            let (own, folder) = (made.metadata()?, folder_of(file).metadata()?);
            if own.uid() != folder.uid() {
                // Others than root cannot, and need not.
                drop(fchown(&made, Some(folder.uid()), Some(folder.gid())));
            }
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            options.create(true).truncate(false).open(file).map(drop)
        }
        Err(error) => Err(error),
    }
}

async fn check_version(pool: &SqlitePool) -> std::result::Result<(), sqlx::Error> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(pool).await?;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    if (part(), part(), part()) < OLDEST_SQLITE {
        return Err(refuse(format!("SQLite {version} is too old: 3.51.3 or later is needed")));
    }
    Ok(())
}
