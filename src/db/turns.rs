//! Turns at the connections: how many statements that may look at every row, and how many changes, go on at once.
//!
//! However many of one kind there are and however long they take, reads of single rows find a free connection, and no
//! user takes all turns at scans or at pages of lists.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rocket::tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use rocket::tokio::time::{Instant, timeout_at};

use super::{Error, Pools, Result, replica};

/// Longest time to wait for a turn.
const WAIT: Duration = Duration::from_secs(2);

/// The turns of one pool.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    scans: Arc<Semaphore>,
    /// How many of them one user takes.
    scans_of_users: Arc<Shares>,
    lists: Lists,
    lists_on_replica: Lists,
    changes: Arc<Semaphore>,
    /// Those of both kinds together: of PostgreSQL they share the connections.
    both: Arc<Semaphore>,
}

/// How many turns each user takes at once, and who does.
#[derive(Debug)]
struct Shares {
    each: usize,
    users: Mutex<HashMap<i64, Weak<Semaphore>>>,
}

impl Shares {
    fn of(each: usize) -> Arc<Self> {
        Arc::new(Self { each, users: Mutex::default() })
    }

    /// The turns of one user.
    fn of_user(&self, user: i64) -> Arc<Semaphore> {
        // The map is whole even if a thread panicked while it held the lock.
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = users.get(&user).and_then(Weak::upgrade) {
            return turns;
        }
        users.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.each));
        users.insert(user, Arc::downgrade(&turns));
        turns
    }
}

/// The turns at pages of lists.
#[derive(Debug, Clone)]
struct Lists {
    all: Arc<Semaphore>,
    of_users: Arc<Shares>,
}

impl Lists {
    /// Of so many connections for reading all users together leave one or, of ten, two, and one user takes half, but not
    /// all that others could.
    fn of(connections: usize) -> Self {
        let all = but_for_reads(connections);
        let of_user = connections.div_ceil(2).min(all.saturating_sub(1)).max(1);
        Self { all: Arc::new(Semaphore::new(all)), of_users: Shares::of(of_user) }
    }
}

/// How many of so many connections work of other kinds takes, so that reads of single rows find a free one.
fn but_for_reads(connections: usize) -> usize {
    connections.saturating_sub((connections / 4).clamp(1, 2)).max(1)
}

/// A turn, which ends when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _of_user: Option<OwnedSemaphorePermit>,
    _own: OwnedSemaphorePermit,
    _of_both: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Of PostgreSQL's ten connections two are kept for reads, and neither kind takes all of the others. SQLite has
    /// connections of their own for each.
    pub(super) fn of(pools: &Pools) -> Self {
        let count = |pool_size: u32| usize::try_from(pool_size).unwrap_or(usize::MAX);
        let [scans, changes, both, reads] = match pools {
            Pools::Sqlite { scan, read, .. } => [
                count(scan.pool().options().get_max_connections()),
                Semaphore::MAX_PERMITS,
                Semaphore::MAX_PERMITS,
                count(read.pool().options().get_max_connections()),
            ],
            Pools::Postgres(servers) => {
                let connections =
                    count(servers.pool().options().get_max_connections()).min(Semaphore::MAX_PERMITS);
                let both = but_for_reads(connections);
                let one_kind = both.saturating_sub(1).max(1);
                [one_kind, one_kind, both, connections]
            }
        };
        // A page of the console needs two.
        let scans_of_users = Shares::of(scans.min(2));
        let lists = Lists::of(reads);
        let lists_on_replica = Lists::of(count(replica::CONNECTIONS));
        let [scans, changes, both] = [scans, changes, both].map(|count| Arc::new(Semaphore::new(count)));
        Self { scans, scans_of_users, lists, lists_on_replica, changes, both }
    }

    /// A turn at a statement that may look at every row, for a user if it is a user's.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if there is none for too long.
    pub(super) async fn scan(&self, user: Option<i64>, end: Instant) -> Result<Turn> {
        let of_user = user.map(|user| self.scans_of_users.of_user(user));
        turn(of_user, &self.scans, Some(&self.both), end.min(Instant::now() + WAIT)).await
    }

    /// A turn at a page of a list, for a user if it is a user's. It may look at thousands of rows, so that many at
    /// once would keep all connections for single rows busy. A page waits for it as it waits for its connection.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if there is none until then.
    pub(super) async fn list(&self, user: Option<i64>, is_on_replica: bool, end: Instant) -> Result<Turn> {
        let lists = if is_on_replica { &self.lists_on_replica } else { &self.lists };
        turn(user.map(|user| lists.of_users.of_user(user)), &lists.all, None, end).await
    }

    /// A turn at a transaction that writes.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if there is none for too long.
    pub(super) async fn change(&self, end: Instant) -> Result<Turn> {
        turn(None, &self.changes, Some(&self.both), end.min(Instant::now() + WAIT)).await
    }
}

/// A turn among those of a user, of a kind, and of both kinds, in this order, where there are any.
async fn turn(
    of_user: Option<Arc<Semaphore>>,
    kind: &Arc<Semaphore>,
    both: Option<&Arc<Semaphore>>,
    end: Instant,
) -> Result<Turn> {
    let turn = async {
        let of_user = match of_user {
            Some(turns) => Some(turns.acquire_owned().await?),
            None => None,
        };
        let own = Arc::clone(kind).acquire_owned().await?;
        let of_both = match both {
            Some(turns) => Some(Arc::clone(turns).acquire_owned().await?),
            None => None,
        };
        Ok::<_, AcquireError>(Turn { _of_user: of_user, _own: own, _of_both: of_both })
    };
    match timeout_at(end, turn).await {
        Ok(Ok(turn)) => Ok(turn),
        // The semaphores are never closed.
        Ok(Err(_)) | Err(_) => Err(Error::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::servers::Servers;

    fn turns(connections: u32) -> Turns {
        let hosts = "postgres:///".parse().unwrap();
        Turns::of(&Pools::Postgres(Servers::new(hosts, connections, WAIT)))
    }

    fn postgres(connections: u32) -> [usize; 3] {
        let turns = turns(connections);
        [&turns.scans, &turns.changes, &turns.both].map(|turns| turns.available_permits())
    }

    #[rocket::async_test]
    async fn do_1_one_user_does_not_take_all_turns_at_scans() {
        let turns = turns(10);
        let soon = || Instant::now() + Duration::from_millis(20);
        let mut taken = Vec::new();
        for _ in 0..2 {
            taken.push(turns.scan(Some(1), soon()).await.unwrap());
        }
        assert!(turns.scan(Some(1), soon()).await.is_err());
        for user in [2, 2, 3, 3, 4] {
            taken.push(turns.scan(Some(user), soon()).await.unwrap());
        }
        assert!(turns.scan(None, soon()).await.is_err(), "all seven are taken");
        taken.clear();
        drop(turns.scan(Some(5), soon()).await.unwrap());
        assert_eq!(
            turns.scans_of_users.users.lock().unwrap().len(),
            1,
            "nothing is remembered of those who take none"
        );
    }

    #[rocket::async_test]
    async fn do_1_one_user_takes_half_of_the_connections_with_lists_and_all_users_leave_one() {
        for (connections, share, all) in [(1, 1, 1), (2, 1, 1), (3, 1, 2), (4, 2, 3), (10, 5, 8)] {
            let turns = turns(connections);
            let soon = || Instant::now() + Duration::from_millis(20);
            let mut taken = Vec::new();
            for _ in 0..share {
                taken.push(turns.list(Some(1), false, soon()).await.unwrap());
            }
            assert!(turns.list(Some(1), false, soon()).await.is_err(), "{connections}");
            for user in 2..2 + all - share {
                taken.push(turns.list(Some(user), false, soon()).await.unwrap());
            }
            assert!(turns.list(Some(0), false, soon()).await.is_err(), "{connections}");
            assert!(turns.list(None, false, soon()).await.is_err(), "{connections}");
            drop(turns.list(Some(1), true, soon()).await.expect("a replica has its own"));
            taken.remove(0);
            drop(turns.list(Some(1), false, soon()).await.unwrap());
            drop(turns.list(None, false, soon()).await.unwrap());
        }
    }

    #[rocket::async_test]
    async fn do_1_scans_and_changes_together_leave_connections_to_reads_and_neither_takes_all_of_the_rest() {
        assert_eq!(postgres(10), [7, 7, 8]);
        assert_eq!(postgres(4), [2, 2, 3]);
        assert_eq!(postgres(1), [1, 1, 1]);
    }
}
