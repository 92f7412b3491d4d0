//! Connections to PostgreSQL: to the one of several servers that takes changes, directly or through a pooler.
//!
//! A pooler that hands each transaction to another connection keeps neither what a session has set nor statements with
//! names, and refuses limits at the start of a connection. In that mode everything is said within the transaction, and
//! each statement stands in one. A read outside of a transaction is then one of its own.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocket::futures::StreamExt as _;
use rocket::futures::stream::FuturesUnordered;
use rocket::tokio::sync::Notify;
use rocket::tokio::time::{Instant, sleep, timeout, timeout_at};
use rocket::tokio::{select, spawn};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres, Row as _, raw_sql};

use super::hosts::{self, Hosts};
use super::{Error, Result, Sql, until};
use crate::model::pooling::Pooler;

/// What a session may take, and how it is isolated whatever the server's default is: the rule of the last superuser
/// must see what was committed while it waited for its lock. Compiling short queries costs more than running them.
const LIMITS: [(&str, &str); 5] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("default_transaction_isolation", "read committed"),
    ("jit", "off"),
];

/// A setting with a value that only the connection itself has asked for: the limits alone may be the role's defaults,
/// also where a pooler keeps nothing.
const DIRECT: &str = "usher.direct";

/// The same limits, said within a transaction that reads, and in one that writes.
const READ: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL statement_timeout = '5s'; \
                    SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '10s'; \
                    SET LOCAL jit = off";
const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = '5s'; \
                     SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '10s'; \
                     SET LOCAL jit = off";

/// What [`Looked`] has.
const LOOK: &str = "SELECT current_setting('statement_timeout') = '5s' AND current_setting('lock_timeout') = '2s' \
                    AND current_setting('jit') = 'off', current_setting('server_encoding'), \
                    current_setting('transaction_read_only') = 'on', \
                    coalesce(current_setting('usher.direct', TRUE), '')";

/// How long the server that takes changes is looked for, once connections have failed; and how often.
const LOOKING: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(250);

/// How much later than another one the server of before may say that it still takes changes.
const PATIENCE: Duration = Duration::from_millis(250);

/// Connections to PostgreSQL. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Servers {
    pub(super) pool: PgPool,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hosts: Hosts,
    /// Longest time to connect.
    wait: Duration,
    /// Whether everything is said within transactions.
    is_pooled: AtomicBool,
    /// Whether the server that takes changes is being looked for.
    is_looking: AtomicBool,
    /// Which of the hosts the pool connects to, and since when; connections from before are of no use.
    current: Arc<Mutex<Current>>,
    /// Told when that has changed: who still connects to the one of before connects in vain.
    moved: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    host: usize,
    since: Instant,
}

/// A server that can be used.
struct Found {
    options: PgConnectOptions,
    is_pooled: bool,
}

/// What a connection finds.
struct Looked {
    /// Whether the limits are in force.
    is_limited: bool,
    /// How text is stored.
    encoding: String,
    /// Whether changes are refused.
    only_reads: bool,
    /// The value of [`DIRECT`].
    direct: String,
}

impl Servers {
    /// Connects to nothing yet.
    pub(super) fn new(hosts: Hosts, connections: u32, wait: Duration) -> Self {
        let first = hosts.each.first().cloned().unwrap_or_default();
        let current = Arc::new(Mutex::new(Current { host: 0, since: Instant::now() }));
        let moved = Arc::clone(&current);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(wait)
            .max_lifetime(Duration::from_mins(10))
            .idle_timeout(Duration::from_mins(5))
            // After a failover a pooled connection may lead to a server that only reads: drop it.
            .before_acquire(move |connection, meta| {
                let is_of_before = meta.age > locked(&moved).since.elapsed();
                Box::pin(async move {
                    if is_of_before || meta.idle_for < Duration::from_secs(1) {
                        return Ok(!is_of_before);
                    }
                    let row = raw_sql("SHOW transaction_read_only").fetch_one(connection).await?;
                    Ok(row.try_get::<&str, _>(0)? == "off")
                })
            })
            .test_before_acquire(false)
            .connect_lazy_with(first);
        let shared = Shared {
            hosts,
            wait,
            is_pooled: AtomicBool::new(false),
            is_looking: AtomicBool::new(false),
            current,
            moved: Notify::new(),
        };
        Self { pool, shared: Arc::new(shared) }
    }

    /// How each of the servers is connected to.
    pub(super) fn hosts(&self) -> &[PgConnectOptions] {
        &self.shared.hosts.each
    }

    /// Whether another server may take over when this one is lost.
    pub(super) fn fails_over(&self) -> bool {
        self.hosts().len() > 1
    }

    /// Whether everything is said within transactions.
    pub(super) fn is_pooled(&self) -> bool {
        self.shared.is_pooled.load(Ordering::Relaxed)
    }

    /// Finds the server to use and how, and makes the first connection.
    pub(super) async fn connect(&self, pooler: Pooler) -> std::result::Result<(), sqlx::Error> {
        let mut problems = Vec::new();
        for (host, options) in self.hosts().iter().enumerate() {
            match self.probe(options, pooler).await {
                Ok(found) => {
                    let is_pooled = found.is_pooled;
                    if is_pooled && !self.shared.is_pooled.swap(true, Ordering::Relaxed) {
                        log::info!(
                            "PostgreSQL is used by way of a pooler: each transaction sets its own limits"
                        );
                    }
                    self.point_at(host, found);
                    return self.pool.acquire().await.map(drop);
                }
                Err(problem) => problems.push(problem),
            }
        }
        // Where the servers differ, the first problem that may pass is the one to wait for.
        let passing = problems.iter().position(is_passing);
        match (problems.len(), passing) {
            (1, _) | (_, None) => Err(problems.swap_remove(0)),
            (_, Some(_)) => {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Err(sqlx::Error::Io(io::Error::other(all.join("; "))))
            }
        }
    }

    fn point_at(&self, host: usize, found: Found) {
        self.pool.set_connect_options(found.options);
        *locked(&self.shared.current) = Current { host, since: Instant::now() };
        self.shared.moved.notify_waiters();
    }

    /// Connects to a server once, and sees whether and how it can be used.
    async fn probe(
        &self,
        options: &PgConnectOptions,
        pooler: Pooler,
    ) -> std::result::Result<Found, sqlx::Error> {
        let within = Found { options: options.clone().statement_cache_capacity(0), is_pooled: true };
        let mark = format!("{:016x}", getrandom::u64().unwrap_or(0));
        let limited = options.clone().options(LIMITS).options([(DIRECT, mark.as_str())]);
        let direct = Found { options: limited, is_pooled: false };
        if pooler == Pooler::Transaction {
            let looked = self.look(&within.options).await?;
            return self.judge(within, looked);
        }
        match self.look(&direct.options).await {
            Ok(looked) if looked.is_limited && looked.direct == mark => self.judge(direct, looked),
            Ok(_) if pooler == Pooler::None => {
                let reason = "limits that are set for a connection are not in force, as through a pooler: \
                              usher.database_pooler must not be none";
                Err(sqlx::Error::Configuration(reason.into()))
            }
            // What a pooler does not know it leaves out or refuses.
            Err(sqlx::Error::Database(error))
                if pooler == Pooler::None || !error.message().contains("startup parameter") =>
            {
                Err(sqlx::Error::Database(error))
            }
            Ok(_) | Err(sqlx::Error::Database(_)) => {
                let looked = self.look(&within.options).await?;
                self.judge(within, looked)
            }
            Err(error) => Err(error),
        }
    }

    /// Refuses a server that cannot be used.
    fn judge(&self, found: Found, looked: Looked) -> std::result::Result<Found, sqlx::Error> {
        let Looked { encoding, only_reads, .. } = looked;
        if encoding != "UTF8" {
            let reason = format!(
                "the database is encoded in {encoding}, in which not every name can be stored: make one with \
                 CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
            );
            return Err(sqlx::Error::Configuration(reason.into()));
        }
        if only_reads && self.shared.hosts.must_write {
            let reason = format!("PostgreSQL at {} only reads", hosts::name(&found.options));
            return Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, reason)));
        }
        Ok(found)
    }

    /// What a connection finds.
    async fn look(&self, options: &PgConnectOptions) -> std::result::Result<Looked, sqlx::Error> {
        let name = hosts::name(options);
        let look = async {
            let mut connection = PgConnection::connect_with(options).await?;
            let row = raw_sql(LOOK).fetch_one(&mut connection).await?;
            let found = Looked {
                is_limited: row.try_get(0)?,
                encoding: row.try_get(1)?,
                only_reads: row.try_get(2)?,
                direct: row.try_get(3)?,
            };
            drop(connection.close().await);
            Ok(found)
        };
        match timeout(self.shared.wait, Box::pin(look)).await {
            Ok(Err(sqlx::Error::Io(error))) => {
                Err(io::Error::new(error.kind(), format!("PostgreSQL at {name} cannot be reached: {error}"))
                    .into())
            }
            Ok(looked) => looked,
            Err(_) => {
                let reason = format!("PostgreSQL at {name} does not answer");
                Err(io::Error::new(io::ErrorKind::TimedOut, reason).into())
            }
        }
    }

    /// A connection from the pool.
    pub(super) async fn acquire(&self, end: Instant) -> Result<Lent> {
        let moved = self.shared.moved.notified();
        let connection = select! {
            connection = until(end, Box::pin(self.pool.acquire())) => connection,
            () = moved => until(end, Box::pin(self.pool.acquire())).await,
        };
        self.note(&connection);
        Ok(Lent { connection: connection?, servers: self.clone(), is_open: false, is_unfit: false })
    }

    /// Has the server that takes changes be looked for, where there are several, if this one seems not to.
    pub(super) fn note<T>(&self, result: &Result<T>) {
        if !matches!(result, Err(Error::Unavailable(_) | Error::TimedOut))
            || !self.fails_over()
            || self.shared.is_looking.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let servers = self.clone();
        spawn(async move {
            servers.find().await;
            servers.shared.is_looking.store(false, Ordering::Release);
        });
    }

    /// Points the pool at the server that takes changes, that of before if it does, as soon as there is one. Each is
    /// asked again and again without regard to the others: one that stands still holds up no one.
    async fn find(&self) {
        let pooler = if self.is_pooled() { Pooler::Transaction } else { Pooler::None };
        let before = locked(&self.shared.current).host;
        let ask = |(host, options)| async move {
            loop {
                if let Ok(found) = self.probe(options, pooler).await {
                    return (host, found);
                }
                sleep(PAUSE).await;
            }
        };
        let mut fit: FuturesUnordered<_> = self.hosts().iter().enumerate().map(ask).collect();
        let Ok(Some((host, found))) = timeout(LOOKING, fit.next()).await else { return };
        let end = Instant::now() + PATIENCE;
        let mut is_of_before = host == before;
        while let (false, Ok(Some((host, _)))) = (is_of_before, timeout_at(end, fit.next()).await) {
            is_of_before = host == before;
        }
        if !is_of_before {
            log::warn!("PostgreSQL at {} takes the changes now", hosts::name(&found.options));
            self.point_at(host, found);
        }
    }
}

/// Whether an error while connecting may pass by itself.
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        // Connection exceptions, too many connections, starting up or shutting down.
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("08") || code.starts_with("57P") || code == "53300"),
        _ => false,
    }
}

/// Whether it may be another server's turn: neither that a statement took too long nor that the server is short of something
/// becomes better by asking again.
pub(super) fn is_of_server(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    !code.is_some_and(|code| code == "57014" || code.starts_with("53"))
}

/// The value is whole even if a thread panicked while it held the lock.
fn locked(current: &Mutex<Current>) -> MutexGuard<'_, Current> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

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
        if self.servers.is_pooled() { self.begin(READ, end).await } else { Ok(()) }
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin_to_write(&mut self, end: Instant) -> Result<()> {
        let begin = if self.servers.is_pooled() { WRITE } else { "BEGIN" };
        self.begin(begin, end).await
    }

    async fn begin(&mut self, begin: &'static str, end: Instant) -> Result<()> {
        self.is_open = true;
        let result = until(end, Box::pin(raw_sql(begin).execute(self.connection()))).await;
        self.note(&result);
        result.map(drop)
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
        // It may be stuck, or lead to a server that takes no changes any more.
        self.is_unfit |= match result {
            Err(Error::TimedOut) => true,
            Err(Error::Unavailable(sqlx::Error::Database(error))) => error.code().as_deref() == Some("25006"),
            _ => false,
        };
    }

    /// The pool that it is from.
    pub(super) fn pool(&self) -> &PgPool {
        &self.servers.pool
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.is_open || self.is_unfit {
            self.connection.close_on_drop();
        }
    }
}
