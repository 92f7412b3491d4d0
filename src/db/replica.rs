//! A replica, from which users are read while the server that takes changes cannot be reached.
//!
//! It must be of the same installation, and follow another server. That is looked at now and then, as it is needed seldom.
//!
//! What a credential is worth is never read there. It counts for half a minute after it was found on the server that
//! takes changes, as it was found there, and only while this instance has taken no right of its user away since.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocket::tokio::time::{Instant, sleep, timeout, timeout_at};
use sqlx::postgres::PgConnectOptions;

use super::budget::AGAIN;
use super::hosts::Hosts;
use super::rights::{Credentials, Found};
use super::servers::Servers;
use super::sessions::{Asked, Presented, look_up};
use super::{Db, Error, OpenError, PoolError, Pools, Result, Sql, users};
use crate::model::pooling::Pooler;

/// How long the server that takes changes is waited for before the replica is asked.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a replica is looked for that answers; enough of the request's time is left to read from it.
const SEARCH: Duration = Duration::from_secs(3);

/// How much longer a credential is looked for where no replica answers.
const REST: Duration = Duration::from_secs(4);

/// How far behind a replica may be, in seconds; null where nothing was told to it yet.
const AGE: &str = "SELECT CAST(ceil(greatest(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)) \
                   AS BIGINT)";

/// Connections to the replica, which is used for some seconds at a time.
pub(super) const CONNECTIONS: u32 = 4;

/// A server that only reads, connected to when it is needed.
#[derive(Debug)]
pub(super) struct Replica {
    pools: Pools,
    servers: Servers,
    pooler: Pooler,
    credentials: Mutex<Credentials<Presented>>,
    /// Why it could not be read from when it was looked at last.
    problem: Mutex<Option<String>>,
}

impl Replica {
    pub(super) fn credentials(&self) -> MutexGuard<'_, Credentials<Presented>> {
        // Nothing that can panic happens under the lock.
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn problem(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was found on the server that takes changes, and was looked for since then.
    fn keep(&self, asked: &Asked, found: Option<&Presented>, at: Instant) {
        let found = found.and_then(|found| {
            let session = found.session.as_ref()?.id.0;
            Some(Found { at, user: found.user.id.0, session, value: found.clone() })
        });
        self.credentials().keep(asked.key(), found);
    }

    /// What was found there a short while ago.
    fn stand_in(&self, asked: &Asked) -> Option<Presented> {
        self.credentials().of(&asked.key(), Instant::now())
    }

    /// How each server of it is connected to.
    pub(super) fn hosts(&self) -> &[PgConnectOptions] {
        self.servers.hosts()
    }

    /// Closes its connections.
    pub(super) async fn close(&self) {
        self.pools.close().await;
    }
}

/// Whether a request may read from the replica, and does.
#[derive(Debug, Default)]
pub(super) struct Old {
    is_allowed: AtomicBool,
    is_read: AtomicBool,
    /// How old what it reads is, in seconds.
    age: AtomicU64,
}

impl Old {
    /// Whether it may.
    pub(super) fn is_allowed(&self) -> bool {
        self.is_allowed.load(Ordering::Relaxed)
    }

    /// Whether it does.
    pub(super) fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Relaxed)
    }
}

impl Db {
    /// Names a replica, to which nothing connects yet.
    ///
    /// # Errors
    /// A URL that is none of PostgreSQL's, or another database that has no replicas.
    pub(crate) fn use_replica(
        &self,
        url: &str,
        pooler: Pooler,
        wait: Duration,
    ) -> std::result::Result<(), OpenError> {
        let refuse = |reason: &str| {
            let reason = format!("databases.replica.url: {reason}");
            OpenError::from(PoolError::Init(sqlx::Error::Configuration(reason.into())))
        };
        if !matches!(self.pools, Pools::Postgres(_)) {
            return Err(refuse("only PostgreSQL has replicas"));
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(refuse("it must begin with postgres: or postgresql:"));
        }
        let hosts: Hosts = url.parse().map_err(|error: sqlx::Error| refuse(&error.to_string()))?;
        let servers = Servers::new(hosts.of_replica(), CONNECTIONS, wait);
        self.replica.get_or_init(|| Replica {
            pools: Pools::Postgres(servers.clone()),
            servers,
            pooler,
            credentials: Mutex::default(),
            problem: Mutex::default(),
        });
        Ok(())
    }

    /// Says which installation it is that a replica has to be of.
    pub(crate) fn demand_replica_of(&self, installation: &str) {
        if let Some(replica) = self.replica.get() {
            replica.servers.demand_replica_of(installation);
        }
    }

    /// Whether there is a replica, and why it cannot be read from, if so, as is found out now.
    pub(crate) async fn look_at_replica(&self) -> Option<std::result::Result<(), String>> {
        let replica = self.replica.get()?;
        Some(replica.servers.look_at_all(replica.pooler).await)
    }

    /// Looks whether the replica could be read from, and tells of it in the log when that changes: it is used in need
    /// only.
    pub(crate) async fn watch_replica(&self) {
        let (Some(replica), Some(found)) = (self.replica.get(), self.look_at_replica().await) else { return };
        let problem = found.err();
        let before = std::mem::replace(&mut *replica.problem(), problem.clone());
        match problem {
            Some(problem) if before.as_ref() != Some(&problem) => {
                log::warn!("users cannot be read from the replica: {problem}");
            }
            None if before.is_some() => log::info!("users can be read from the replica again"),
            _ => {}
        }
    }

    /// Whether there is a replica that could not be read from when it was looked at last.
    #[must_use]
    pub(crate) fn replica_fails(&self) -> bool {
        self.replica.get().is_some_and(|replica| replica.problem().is_some())
    }

    /// Lets what the request reads come from the replica, if there is one and the server that takes changes is away.
    pub(crate) fn allow_old(&self) {
        self.budget.old.is_allowed.store(true, Ordering::Relaxed);
    }

    /// How old what the request has read may be, in seconds; `None` if it is what is stored.
    #[must_use]
    pub(crate) fn age(&self) -> Option<u64> {
        let old = &self.budget.old;
        old.is_read().then(|| old.age.load(Ordering::Relaxed))
    }

    /// Where the request reads.
    pub(super) fn reads(&self) -> &Pools {
        match self.replica.get() {
            Some(replica) if self.budget.old.is_read() => &replica.pools,
            _ => &self.pools,
        }
    }

    /// Has the request read from the replica from now on.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::TimedOut`]: it goes on as before.
    async fn turn_to(&self, replica: &Replica) -> Result<()> {
        let end = Instant::now() + SEARCH;
        if timeout_at(end, replica.servers.connect_to_any(replica.pooler)).await.is_err() {
            return Err(Error::TimedOut);
        }
        let old = &self.budget.old;
        old.is_read.store(true, Ordering::Relaxed);
        let age = loop {
            // The one that was read from the last time may be the one that is away.
            let age = timeout(PATIENCE, self.optional::<(Option<i64>,)>(Sql::new(AGE)));
            match age.await.unwrap_or(Err(Error::TimedOut)) {
                Err(error) if error.is_away() && Instant::now() < end => {
                    replica.servers.note::<()>(&Err(error));
                    sleep(AGAIN).await;
                }
                age => break age,
            }
        };
        match age {
            Ok(row) => {
                let seconds = row.and_then(|(seconds,)| seconds).unwrap_or(0);
                old.age.store(u64::try_from(seconds).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                old.is_read.store(false, Ordering::Relaxed);
                Err(error)
            }
        }
    }
}

/// What a credential is worth: what the server knows that takes changes. Where that is away and the request may read old
/// users, what it knew a short while ago.
pub(super) async fn presented(db: &Db, asked: Asked) -> Result<Option<Presented>> {
    let Some(replica) = db.replica.get() else { return look_up(db, asked).await };
    let begin = Instant::now();
    let stand_in = replica.stand_in(&asked).filter(|_| db.budget.old.is_allowed());
    if let Some(stand_in) = stand_in {
        let found = timeout(PATIENCE, look_up(db, asked.clone())).await.unwrap_or(Err(Error::TimedOut));
        if !found.as_ref().is_err_and(Error::is_away) || db.turn_to(replica).await.is_err() {
            return match found {
                Err(error) if error.is_away() => {
                    timeout(REST, look_up(db, asked)).await.unwrap_or(Err(error))
                }
                found => kept(replica, &asked, found, begin),
            };
        }
        let along = match asked.along {
            Some(id) => users::by_id(db, id).await?,
            None => None,
        };
        return Ok(Some(Presented { along, ..stand_in }));
    }
    let found = look_up(db, asked.clone()).await;
    kept(replica, &asked, found, begin)
}

/// What was found, which is kept for a while.
fn kept(
    replica: &Replica,
    asked: &Asked,
    found: Result<Option<Presented>>,
    begin: Instant,
) -> Result<Option<Presented>> {
    if let Ok(found) = &found {
        replica.keep(asked, found.as_ref(), begin);
    }
    found
}

/// Why a request that reads from the replica cannot change anything.
pub(super) fn only_reads() -> Error {
    Error::Unavailable(sqlx::Error::Io(std::io::ErrorKind::ReadOnlyFilesystem.into()))
}
