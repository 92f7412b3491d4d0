//! A replica, from which users are read while the server that takes changes cannot be reached.
//!
//! What a credential is worth is never read there. It counts for [`STANDS_FOR`] after it was found on the server that
//! takes changes, as it was found there, and only while this instance has taken no right away since.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rocket::tokio::sync::OnceCell;
use rocket::tokio::time::{Instant, timeout};
use sqlx::postgres::PgConnectOptions;

use super::hosts::Hosts;
use super::servers::Servers;
use super::sessions::{Asked, Presented, look_up};
use super::{Db, Error, OpenError, PoolError, Pools, Result, Sql, users};
use crate::model::pooling::Pooler;

/// How long a credential counts after it was found.
const STANDS_FOR: Duration = Duration::from_secs(30);

/// How long the server that takes changes is waited for before the replica is asked.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most credentials that are kept.
const MOST: usize = 1000;

/// Connections to the replica, which is used for some seconds at a time.
const CONNECTIONS: u32 = 4;

/// A server that only reads, connected to when it is needed.
#[derive(Debug)]
pub(super) struct Replica {
    pools: Pools,
    servers: Servers,
    pooler: Pooler,
    is_connected: OnceCell<()>,
    credentials: Mutex<Credentials<Presented>>,
}

/// Credentials as they were found on the server that takes changes.
#[derive(Debug)]
struct Credentials<V> {
    /// How often a right may have been taken away.
    round: u64,
    found: HashMap<Vec<u8>, (Instant, V)>,
}

impl<V> Default for Credentials<V> {
    fn default() -> Self {
        Self { round: 0, found: HashMap::new() }
    }
}

/// When a credential began to be looked for.
#[derive(Debug, Clone, Copy)]
struct Begin {
    round: u64,
    at: Instant,
}

impl<V: Clone> Credentials<V> {
    /// Keeps what was found, unless a right may have been taken away meanwhile.
    fn keep(&mut self, key: Vec<u8>, found: Option<&V>, begin: Begin) {
        match found {
            Some(found) if self.round == begin.round => {
                if self.found.len() >= MOST {
                    self.found.retain(|_, (at, _)| begin.at.duration_since(*at) < STANDS_FOR);
                }
                if self.found.len() < MOST || self.found.contains_key(&key) {
                    self.found.insert(key, (begin.at, found.clone()));
                }
            }
            _ => drop(self.found.remove(&key)),
        }
    }

    /// What was found a short while ago.
    fn of(&self, key: &[u8], now: Instant) -> Option<V> {
        let (at, found) = self.found.get(key)?;
        (now.duration_since(*at) < STANDS_FOR).then(|| found.clone())
    }

    /// A right may have been taken away.
    fn forget(&mut self) {
        self.round += 1;
        self.found.clear();
    }
}

impl Replica {
    fn credentials(&self) -> MutexGuard<'_, Credentials<Presented>> {
        // Nothing that can panic happens under the lock.
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a credential is about to be looked for.
    fn begin(&self) -> Begin {
        Begin { round: self.credentials().round, at: Instant::now() }
    }

    /// Keeps what was found on the server that takes changes.
    fn keep(&self, asked: &Asked, found: Option<&Presented>, begin: Begin) {
        let found = found.filter(|found| found.session.is_some());
        self.credentials().keep(asked.key(), found, begin);
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

/// Whether a statement may take a right away: each that writes users or sessions, but for those that note a use only.
pub(super) fn may_end_rights(sql: &str) -> bool {
    const WRITES: [&str; 4] =
        ["UPDATE users ", "DELETE FROM users ", "UPDATE sessions ", "DELETE FROM sessions "];
    const KEEPS: [&str; 2] = ["UPDATE users SET last_login ", "UPDATE users SET preferences "];
    WRITES.iter().any(|begin| sql.starts_with(begin)) && !KEEPS.iter().any(|begin| sql.starts_with(begin))
}

/// Has all credentials be looked for again once a transaction is over, however it ends, that took rights away.
#[derive(Debug)]
pub(super) struct Rights {
    replica: Arc<OnceLock<Replica>>,
    have_ended: bool,
}

impl Rights {
    /// For a transaction.
    pub(super) fn new(replica: &Arc<OnceLock<Replica>>) -> Self {
        Self { replica: Arc::clone(replica), have_ended: false }
    }

    /// Notes how many rows a statement has changed that may take rights away.
    pub(super) fn note(&mut self, changed: &Result<u64>) {
        self.have_ended |= !matches!(changed, Ok(0));
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        if let Some(replica) = self.replica.get().filter(|_| self.have_ended) {
            replica.credentials().forget();
        }
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
        let hosts: Hosts = url.parse().map_err(PoolError::Init)?;
        let servers = Servers::new(hosts.of_replica(), CONNECTIONS, wait);
        self.replica.get_or_init(|| Replica {
            pools: Pools::Postgres(servers.clone()),
            servers,
            pooler,
            is_connected: OnceCell::new(),
            credentials: Mutex::default(),
        });
        Ok(())
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
        replica.is_connected.get_or_try_init(|| replica.servers.connect(replica.pooler)).await?;
        let old = &self.budget.old;
        old.is_read.store(true, Ordering::Relaxed);
        let sql = Sql::new(
            "SELECT CAST(ceil(greatest(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)) \
             AS BIGINT)",
        );
        match self.optional::<(Option<i64>,)>(sql).await {
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
    let begin = replica.begin();
    let stand_in = replica.stand_in(&asked).filter(|_| db.budget.old.is_allowed());
    if let Some(stand_in) = stand_in {
        let found = timeout(PATIENCE, look_up(db, asked.clone())).await.unwrap_or(Err(Error::TimedOut));
        if !found.as_ref().is_err_and(Error::is_away) || db.turn_to(replica).await.is_err() {
            return match found {
                Err(error) if error.is_away() => look_up(db, asked).await,
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
    begin: Begin,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_counts_for_a_while_unless_a_right_was_taken_away_since() {
        let mut kept = Credentials::<u8>::default();
        let now = Instant::now();
        let begin = Begin { round: 0, at: now };
        let key = |n: usize| n.to_be_bytes().to_vec();
        kept.keep(key(1), Some(&7), begin);
        assert!(kept.of(&key(1), now + STANDS_FOR / 2).is_some() && kept.of(&key(2), now).is_none());
        assert!(kept.of(&key(1), now + STANDS_FOR).is_none());
        // Its session is over.
        kept.keep(key(1), None, begin);
        assert!(kept.of(&key(1), now).is_none());
        kept.keep(key(1), Some(&7), begin);
        kept.forget();
        assert!(kept.of(&key(1), now).is_none());
        // It was read before the right was taken away.
        kept.keep(key(1), Some(&7), begin);
        assert!(kept.of(&key(1), now).is_none());
        for n in 0..2 * MOST {
            kept.keep(key(n), Some(&7), Begin { round: 1, at: now });
        }
        assert_eq!(kept.found.len(), MOST);
        let later = Begin { round: 1, at: now + STANDS_FOR };
        kept.keep(key(2 * MOST), Some(&7), later);
        assert_eq!(kept.found.len(), 1);
    }

    #[test]
    fn statements_that_may_take_a_right_away_are_known() {
        for sql in [
            "UPDATE users SET version = $1",
            "UPDATE users SET has_factor = EXISTS (SELECT 1)",
            "UPDATE users SET password = $1, password_changed_at = $2 WHERE id = $3",
            "DELETE FROM users WHERE id IN (",
            "DELETE FROM sessions WHERE user_id = $1",
            "UPDATE sessions SET confirmed_at = $1, secret_hash = $2 WHERE id = $3",
        ] {
            assert!(may_end_rights(sql), "{sql}");
        }
        for sql in ["UPDATE users SET last_login = $1 WHERE id = $2", "INSERT INTO sessions (id)", "SELECT 1"]
        {
            assert!(!may_end_rights(sql), "{sql}");
        }
    }
}
