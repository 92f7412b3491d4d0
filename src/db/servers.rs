//! Connections to PostgreSQL: to the one of several servers that takes changes, directly or through a pooler.
//!
//! A pooler that hands each transaction to another connection keeps neither what a session has set nor statements with
//! names, and refuses limits at the start of a connection. In that mode everything is said within the transaction, and
//! each statement stands in one. A read outside of a transaction is then one of its own.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rocket::futures::StreamExt as _;
use rocket::futures::future::join_all;
use rocket::futures::stream::FuturesUnordered;
use rocket::tokio::sync::Notify;
use rocket::tokio::time::{Instant, sleep, timeout, timeout_at};
use rocket::tokio::{select, spawn};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Row as _, raw_sql};

use super::hosts::{self, Hosts};
use super::lent::Lent;
use super::looked::{DIRECT, LIMITS, Looked};
use super::{Error, Result, until};
use crate::model::pooling::Pooler;

/// What is said of a connection whose limits are not in force.
const NOT_LIMITED: &str = "limits that are set for a connection are not in force, as through a pooler: \
                           usher.database_pooler must not be none";

/// How long the server that takes changes is looked for, once connections have failed; and how often.
const LOOKING: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(250);

/// How much later than another one the server of before may say that it still takes changes.
const PATIENCE: Duration = Duration::from_millis(250);

/// Connections to PostgreSQL. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Servers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: PgPool,
    hosts: Hosts,
    /// Longest time to connect.
    wait: Duration,
    /// As the operator has set it, once that was read.
    pooler: OnceLock<Pooler>,
    /// The installation that they are to be replicas of, once that is known; not of those that take changes.
    replica_of: OnceLock<String>,
    /// Whether everything is said within transactions.
    is_pooled: AtomicBool,
    /// Whether the server that takes changes is being looked for.
    is_looking: AtomicBool,
    /// Which of the hosts the pool connects to, and since when; connections from before are of no use.
    current: Mutex<Current>,
    /// Told when that has changed: who still connects to the one of before connects in vain.
    moved: Notify,
}

#[derive(Debug, Clone)]
struct Current {
    host: usize,
    since: Instant,
    /// The value of [`DIRECT`] that its connections ask for; `None` by way of a pooler.
    mark: Option<String>,
}

/// A server that can be used.
struct Found {
    options: PgConnectOptions,
    mark: Option<String>,
}

impl Servers {
    /// Connects to nothing yet.
    pub(super) fn new(hosts: Hosts, connections: u32, wait: Duration) -> Self {
        let first = hosts.each.first().cloned().unwrap_or_default();
        let of_pool = |weak: &Weak<Shared>| {
            let (made, used) = (weak.clone(), weak.clone());
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(wait)
                .max_lifetime(Duration::from_mins(10))
                .idle_timeout(Duration::from_mins(5))
                // A failover, or a pooler that is put in between, shows in connections that are made after it.
                .after_connect(move |connection, _| {
                    let servers = made.upgrade().map(Self);
                    Box::pin(async move {
                        match servers {
                            Some(servers) => servers.look_at_new(connection).await,
                            None => Ok(()),
                        }
                    })
                })
                .before_acquire(move |connection, meta| {
                    let servers = used.upgrade().map(Self);
                    Box::pin(async move {
                        match servers {
                            Some(servers) => servers.is_fit(connection, meta.age, meta.idle_for).await,
                            None => Ok(true),
                        }
                    })
                })
                .test_before_acquire(false)
                .connect_lazy_with(first)
        };
        Self(Arc::new_cyclic(|weak| Shared {
            pool: of_pool(weak),
            hosts,
            wait,
            pooler: OnceLock::new(),
            replica_of: OnceLock::new(),
            is_pooled: AtomicBool::new(false),
            is_looking: AtomicBool::new(false),
            current: Mutex::new(Current { host: 0, since: Instant::now(), mark: None }),
            moved: Notify::new(),
        }))
    }

    /// The connections.
    pub(super) fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// How each of the servers is connected to.
    pub(super) fn hosts(&self) -> &[PgConnectOptions] {
        &self.0.hosts.each
    }

    /// Refuses from now on all that are no replicas of this installation.
    pub(super) fn demand_replica_of(&self, installation: &str) {
        self.0.replica_of.get_or_init(|| installation.to_owned());
    }

    /// Whether another server may take over when this one is lost.
    pub(super) fn fails_over(&self) -> bool {
        self.hosts().len() > 1
    }

    /// Whether everything is said within transactions.
    pub(super) fn is_pooled(&self) -> bool {
        self.0.is_pooled.load(Ordering::Relaxed)
    }

    /// How a server is looked for: a pooler that was found once stays.
    fn pooler(&self) -> Pooler {
        if self.is_pooled() {
            return Pooler::Transaction;
        }
        self.0.pooler.get().copied().unwrap_or_default()
    }

    /// Refuses a connection that was made just now, if it leads to a server that only reads, such as a former one that
    /// came back as a standby, or by way of a pooler that was put in between. Nothing was read by it yet.
    async fn look_at_new(&self, connection: &mut PgConnection) -> std::result::Result<(), sqlx::Error> {
        let looked = Looked::at(connection, self.0.replica_of.get()).await?;
        let Current { host, mark, .. } = self.current();
        let problem = if looked.only_reads && self.0.hosts.must_write {
            only_reads(&self.hosts()[host])
        } else if mark.is_some_and(|mark| !looked.is_direct(&mark)) {
            sqlx::Error::Configuration(NOT_LIMITED.into())
        } else {
            return Ok(());
        };
        self.look_around(self.pooler());
        Err(problem)
    }

    /// Whether a connection of the pool can be used: after a failover it may lead to a server that only reads.
    async fn is_fit(
        &self,
        connection: &mut PgConnection,
        age: Duration,
        idle_for: Duration,
    ) -> std::result::Result<bool, sqlx::Error> {
        let is_of_before = age > self.current().since.elapsed();
        if is_of_before || idle_for < Duration::from_secs(1) {
            return Ok(!is_of_before);
        }
        let row = raw_sql("SHOW transaction_read_only").fetch_one(connection).await?;
        Ok(self.0.hosts.may_read_only || row.try_get::<&str, _>(0)? == "off")
    }

    fn current(&self) -> Current {
        locked(&self.0.current).clone()
    }

    /// Finds the server to use and how, and makes the first connection.
    pub(super) async fn connect(&self, pooler: Pooler) -> std::result::Result<(), sqlx::Error> {
        self.0.pooler.get_or_init(|| pooler);
        let mut problems = Vec::new();
        for (host, options) in self.hosts().iter().enumerate() {
            match self.probe(options, pooler).await {
                Ok(found) => {
                    if found.mark.is_none() && !self.is_pooled() {
                        log::info!(
                            "PostgreSQL is used by way of a pooler: each transaction sets its own limits"
                        );
                    }
                    self.point_at(host, found);
                    return self.pool().acquire().await.map(drop);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.len() == 1 {
            return Err(problems.swap_remove(0));
        }
        let all = self.in_words(&problems);
        // If one of them may pass, it is waited for.
        Err(if problems.iter().any(is_passing) {
            sqlx::Error::Io(io::Error::other(all))
        } else {
            sqlx::Error::Configuration(all.into())
        })
    }

    /// The problem of each server, with its name.
    fn in_words(&self, problems: &[sqlx::Error]) -> String {
        let each = self.hosts().iter().zip(problems).map(|(options, problem)| {
            let name = hosts::name(options);
            let problem = match problem {
                sqlx::Error::Configuration(reason) => reason.to_string(),
                sqlx::Error::Database(error) => error.message().to_owned(),
                other => other.to_string(),
            };
            if problem.contains(&name) { problem } else { format!("PostgreSQL at {name}: {problem}") }
        });
        each.collect::<Vec<_>>().join("; ")
    }

    /// Whether one of them can be used at this moment; else why each cannot.
    pub(super) async fn look_at_all(&self, pooler: Pooler) -> std::result::Result<(), String> {
        let mut problems = Vec::new();
        for found in join_all(self.hosts().iter().map(|options| self.probe(options, pooler))).await {
            match found {
                Ok(_) => return Ok(()),
                Err(problem) => problems.push(problem),
            }
        }
        Err(self.in_words(&problems))
    }

    /// Finds one of several that are as good as each other, unless one was found before: the first that answers.
    pub(super) async fn connect_to_any(&self, pooler: Pooler) {
        if self.0.pooler.get().is_none() {
            self.find(pooler).await;
            self.0.pooler.get_or_init(|| pooler);
        }
    }

    fn point_at(&self, host: usize, found: Found) {
        let Found { options, mark } = found;
        self.0.is_pooled.fetch_or(mark.is_none(), Ordering::Relaxed);
        self.pool().set_connect_options(options);
        *locked(&self.0.current) = Current { host, since: Instant::now(), mark };
        self.0.moved.notify_waiters();
    }

    /// Connects to a server once, and sees whether and how it can be used.
    async fn probe(
        &self,
        options: &PgConnectOptions,
        pooler: Pooler,
    ) -> std::result::Result<Found, sqlx::Error> {
        let within = Found { options: options.clone().statement_cache_capacity(0), mark: None };
        let mark = format!("{:016x}", getrandom::u64().unwrap_or(0));
        let limited = options.clone().options(LIMITS).options([(DIRECT, mark.as_str())]);
        if pooler == Pooler::Transaction {
            let looked = self.look(&within.options).await?;
            return self.judge(within, looked);
        }
        match self.look(&limited).await {
            Ok(looked) if looked.is_direct(&mark) => {
                self.judge(Found { options: limited, mark: Some(mark) }, looked)
            }
            Ok(_) if pooler == Pooler::None => Err(sqlx::Error::Configuration(NOT_LIMITED.into())),
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
        if only_reads && self.0.hosts.must_write {
            return Err(self::only_reads(&found.options));
        }
        Ok(found)
    }

    /// What a connection finds.
    async fn look(&self, options: &PgConnectOptions) -> std::result::Result<Looked, sqlx::Error> {
        let name = hosts::name(options);
        let look = async {
            let mut connection = PgConnection::connect_with(options).await?;
            let looked = Looked::at(&mut connection, self.0.replica_of.get()).await?;
            drop(connection.close().await);
            Ok(looked)
        };
        match timeout(self.0.wait, Box::pin(look)).await {
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
        let moved = self.0.moved.notified();
        let connection = select! {
            connection = until(end, Box::pin(self.pool().acquire())) => connection,
            () = moved => until(end, Box::pin(self.pool().acquire())).await,
        };
        self.note(&connection);
        Ok(Lent::new(connection?, self.clone()))
    }

    /// Has the server that takes changes be looked for, where there are several, if this one seems not to; and each
    /// transaction set its own limits, if this one is shared with others.
    pub(super) fn note<T>(&self, result: &Result<T>) {
        match result {
            Err(Error::Pooled(_)) if self.pooler() == Pooler::Auto => self.look_around(Pooler::Transaction),
            Err(Error::Unavailable(_) | Error::TimedOut) if self.fails_over() => {
                self.look_around(self.pooler());
            }
            _ => {}
        }
    }

    fn look_around(&self, pooler: Pooler) {
        if self.0.is_looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let servers = self.clone();
        spawn(async move {
            servers.find(pooler).await;
            servers.0.is_looking.store(false, Ordering::Release);
        });
    }

    /// Points the pool at the server that takes changes, that of before if it does, as soon as there is one. Each is
    /// asked again and again without regard to the others: one that stands still holds up no one.
    async fn find(&self, pooler: Pooler) {
        let before = self.current().host;
        let ask = |(host, options)| async move {
            loop {
                if let Ok(found) = self.probe(options, pooler).await {
                    return (host, found);
                }
                sleep(PAUSE).await;
            }
        };
        let mut fit: FuturesUnordered<_> = self.hosts().iter().enumerate().map(ask).collect();
        let Ok(Some((mut host, mut found))) = timeout(LOOKING, fit.next()).await else { return };
        let end = Instant::now() + PATIENCE;
        while host != before
            && let Ok(Some((later, of_later))) = timeout_at(end, fit.next()).await
        {
            if later == before {
                (host, found) = (later, of_later);
            }
        }
        let is_newly_pooled = found.mark.is_none() && !self.is_pooled();
        if is_newly_pooled {
            log::warn!(
                "a pooler stands before PostgreSQL now: from here on each transaction sets its own limits, as with \
                 usher.database_pooler = \"transaction\""
            );
        }
        if host != before && !self.0.hosts.may_read_only {
            log::warn!("PostgreSQL at {} takes the changes now", hosts::name(&found.options));
        }
        if host != before || is_newly_pooled || self.0.pooler.get().is_none() {
            self.point_at(host, found);
        }
    }
}

/// What is said of a server that takes no changes.
fn only_reads(options: &PgConnectOptions) -> sqlx::Error {
    let reason = format!("PostgreSQL at {} only reads", hosts::name(options));
    sqlx::Error::Io(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, reason))
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
