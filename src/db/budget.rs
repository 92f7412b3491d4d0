//! How long the statements of one request may take in all, waiting for connections and locks included; and whose they
//! are.
//!
//! Each statement has a limit of its own, but a request makes several, and is answered within ten seconds. Time that a
//! request spends otherwise, as on reading a slow client's body, does not count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rocket::tokio::time::Instant;

use super::replica::Old;
use super::{Db, Dialect, Error, Pool, Pools, Result};
use crate::model::user::UserId;

/// Longest time that one statement may take, waiting for a connection included. PostgreSQL has its
/// own, shorter limits; this one also covers a server that no longer answers.
const STATEMENT_LIMIT: Duration = Duration::from_secs(8);

/// Longest time that all statements of a request may take together, but for the one that finds its session.
const REQUEST_LIMIT: Duration = Duration::from_secs(6);

/// Longest time that a trial whether PostgreSQL stores changes may take. It is more than the server waits for a lock.
const TRIAL_LIMIT: Duration = Duration::from_secs(3);

/// Longest time to find a session.
pub(super) const LOOKUP_LIMIT: Duration = Duration::from_secs(3);

/// How much longer it is looked for where several servers are named, while another one takes over. It is a part of the
/// request's time: enough is left for what the request is about.
pub(super) const FAILOVER_LIMIT: Duration = Duration::from_secs(4);

/// How long after a failure a read is tried again while another server takes over.
pub(super) const AGAIN: Duration = Duration::from_millis(100);

/// The time of a request, its user, and whether its answer has to wait. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    /// What is spent, in nanoseconds; `None` for work that no request waits for.
    spent: Option<Arc<AtomicU64>>,
    /// The user who makes the request, by primary key; 0 while that is not known.
    user: Arc<AtomicI64>,
    /// Whether a transaction has seen what may not be on the disk yet, and was not committed itself.
    has_seen: Arc<AtomicBool>,
    /// Whether what it reads may be old.
    pub(super) old: Arc<Old>,
}

/// Spends time until it is dropped.
#[derive(Debug)]
pub(super) struct Spending<'a> {
    since: Instant,
    budget: &'a Budget,
}

impl Budget {
    /// That of a new request.
    pub(super) fn of_request() -> Self {
        Self { spent: Some(Arc::default()), ..Self::default() }
    }

    /// That of a trial, which tells that changes are not stored before requests do that wait for it.
    pub(super) fn of_trial() -> Self {
        let spent = REQUEST_LIMIT.saturating_sub(TRIAL_LIMIT);
        let nanoseconds = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        Self { spent: Some(Arc::new(AtomicU64::new(nanoseconds))), ..Self::default() }
    }

    /// That of work for the same user that no request waits for.
    pub(super) fn detached(&self) -> Self {
        Self { user: Arc::clone(&self.user), old: Arc::clone(&self.old), ..Self::default() }
    }

    /// Notes who makes the request.
    pub(super) fn set_user(&self, user: i64) {
        if self.spent.is_some() {
            self.user.store(user, Ordering::Relaxed);
        }
    }

    /// Who makes the request, as far as that is known.
    pub(super) fn user(&self) -> Option<i64> {
        Some(self.user.load(Ordering::Relaxed)).filter(|user| *user != 0)
    }

    /// Notes that a transaction begins, or that what it has seen is on the disk.
    pub(super) fn set_has_seen(&self, has_seen: bool) {
        self.has_seen.store(has_seen, Ordering::Relaxed);
    }

    /// Begins a statement that is not to be begun in vain: when it has to end.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if all is spent.
    pub(super) fn spend_if_any(&self) -> Result<(Instant, Spending<'_>)> {
        let (end, spending) = self.spend();
        if end > spending.since { Ok((end, spending)) } else { Err(Error::TimedOut) }
    }

    /// Begins a statement: when it has to end.
    pub(super) fn spend(&self) -> (Instant, Spending<'_>) {
        let since = Instant::now();
        let limit = match &self.spent {
            None => STATEMENT_LIMIT,
            Some(spent) => {
                let spent = Duration::from_nanos(spent.load(Ordering::Relaxed));
                STATEMENT_LIMIT.min(REQUEST_LIMIT.saturating_sub(spent))
            }
        };
        (since + limit, Spending { since, budget: self })
    }
}

impl Drop for Spending<'_> {
    fn drop(&mut self) {
        if let Some(spent) = &self.budget.spent {
            let nanoseconds = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
            spent.fetch_add(nanoseconds, Ordering::Relaxed);
        }
    }
}

impl Db {
    /// The same database, for a request that is to be answered soon whatever it waits for.
    pub(crate) fn for_request(&self) -> Self {
        Self(Pool { budget: Budget::of_request(), ..self.0.clone() })
    }

    /// The same database, for a trial whether changes are stored. SQLite waits longer for the lock of its file.
    pub(super) fn for_trial(&self) -> Self {
        let budget = match self.dialect() {
            Dialect::Sqlite => Budget::of_request(),
            Dialect::Postgres => Budget::of_trial(),
        };
        Self(Pool { budget, ..self.0.clone() })
    }

    /// Notes who makes the request that this is for.
    pub(crate) fn set_user(&self, user: UserId) {
        self.budget.set_user(user.0);
    }

    /// Whether the answer to the request may depend on changes of others that are not on the disk yet: a transaction
    /// ended without a commit, or the request was refused after something was read. See [`Db::settle`].
    #[must_use]
    pub(crate) fn has_seen(&self, is_refused: bool) -> bool {
        let has_asked = || self.budget.spent.as_ref().is_some_and(|spent| spent.load(Ordering::Relaxed) > 0);
        self.budget.has_seen.load(Ordering::Relaxed) || is_refused && has_asked()
    }

    /// The same database, for work that no request waits for.
    pub(crate) fn detached(&self) -> Self {
        Self(Pool { budget: self.budget.detached(), ..self.0.clone() })
    }

    /// Whether another server may take over when this one is lost.
    pub(super) fn fails_over(&self) -> bool {
        matches!(&self.pools, Pools::Postgres(servers) if servers.fails_over())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rocket::async_test]
    async fn all_statements_of_a_request_together_have_less_time_than_one_of_a_task() {
        let left = |budget: &Budget| budget.spend().0 - Instant::now();
        let (task, request) = (Budget::default(), Budget::of_request());
        assert!(left(&task) > REQUEST_LIMIT && left(&request) <= REQUEST_LIMIT);
        assert!(left(&Budget::of_trial()) <= TRIAL_LIMIT);
        let shared = request.clone();
        let (_, spending) = shared.spend();
        rocket::tokio::time::sleep(Duration::from_millis(20)).await;
        drop(spending);
        assert!(left(&request) <= REQUEST_LIMIT.checked_sub(Duration::from_millis(20)).unwrap());
        if let Some(spent) = &request.spent {
            spent.store(u64::MAX / 2, Ordering::Relaxed);
        }
        assert!(left(&request).is_zero());
        assert!(request.spend_if_any().is_err() && task.spend_if_any().is_ok());
        request.set_user(7);
        assert_eq!((request.detached().user(), task.user()), (Some(7), None));
        assert!(left(&request.detached()) > REQUEST_LIMIT);
    }
}
