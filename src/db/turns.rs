//! Turns at the connections: how many statements that may look at every row, pages of lists, and changes go on at once.
//!
//! However many of these there are and however long they take, reads of single rows find a free connection, each of the
//! three kinds gets on, and no user takes all turns at scans or at pages of lists.

use std::array;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rocket::tokio::select;
use rocket::tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use rocket::tokio::time::{Instant, timeout_at};

use super::{Error, Pools, Result, replica};

/// Longest time to wait for a turn at a scan or a change.
const WAIT: Duration = Duration::from_secs(2);
/// A page of the console makes two at once, where there are enough.
const SCANS_OF_A_USER: usize = 2;

/// The turns of one database.
#[derive(Debug)]
pub(super) struct Turns {
    here: Reads,
    on_replica: Reads,
    changes: Kind,
}

/// The turns at reads of many rows.
#[derive(Debug)]
struct Reads {
    scans: (Kind, Shares),
    lists: (Kind, Shares),
}

impl Reads {
    /// One user takes half of the connections with lists, but not all turns at them; nor all with lists and scans
    /// together, where there are more than two.
    fn of(scans: Kind, lists: Kind, connections: usize) -> Self {
        let but_one = |turns: usize| turns.saturating_sub(1).max(1);
        let scans_of_user = SCANS_OF_A_USER.min(but_one(scans.most()));
        let both = scans.own.available_permits() + lists.most();
        let left = both.saturating_sub(scans_of_user + 1).max(1);
        let lists_of_user = connections.div_ceil(2).min(but_one(lists.most())).min(left);
        Self { scans: (scans, Shares::of(scans_of_user)), lists: (lists, Shares::of(lists_of_user)) }
    }
}

/// The turns at work of one kind.
#[derive(Debug)]
struct Kind {
    own: Arc<Semaphore>,
    /// Those that other kinds take as well.
    shared: Arc<Semaphore>,
}

impl Kind {
    /// With turns of its own only.
    fn apart(turns: usize) -> Self {
        Self { own: Arc::new(Semaphore::new(turns)), shared: Arc::new(Semaphore::new(0)) }
    }

    /// Kinds that have the same connections, of which reads of single rows keep some. `own` names kinds by their
    /// number: each time it does so the kind gets a turn of its own, as long as there are any. They share the rest, which
    /// is one at least unless each has one of its own.
    fn together<const KINDS: usize>(connections: usize, own: &[usize]) -> [Self; KINDS] {
        let turns = but_for_reads(connections);
        let given = if turns == KINDS { KINDS } else { own.len().min(turns - 1) };
        let shared = Arc::new(Semaphore::new(turns - given));
        array::from_fn(|kind| {
            let own = own.iter().take(given).filter(|named| **named == kind).count();
            Self { own: Arc::new(Semaphore::new(own)), shared: Arc::clone(&shared) }
        })
    }

    /// How many there are while other kinds take none.
    fn most(&self) -> usize {
        self.own.available_permits() + self.shared.available_permits()
    }

    async fn turn(&self) -> std::result::Result<OwnedSemaphorePermit, AcquireError> {
        select! {
            biased;
            turn = Arc::clone(&self.own).acquire_owned() => turn,
            turn = Arc::clone(&self.shared).acquire_owned() => turn,
        }
    }
}

/// How many turns each user takes at once, and who does.
#[derive(Debug)]
struct Shares {
    each: usize,
    users: Mutex<HashMap<i64, Weak<Semaphore>>>,
}

impl Shares {
    fn of(each: usize) -> Self {
        Self { each, users: Mutex::default() }
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

/// How many of so many connections work of other kinds takes, so that reads of single rows find a free one: all but one,
/// and of eight or more all but two. Of a single one that is not possible.
fn but_for_reads(connections: usize) -> usize {
    connections.saturating_sub((connections / 4).clamp(1, 2)).max(1)
}

/// A turn, which ends when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _of_user: Option<OwnedSemaphorePermit>,
    _of_kind: OwnedSemaphorePermit,
}

impl Turns {
    /// SQLite has connections of their own for scans and for changes; on PostgreSQL all kinds share the connections.
    pub(super) fn of(pools: &Pools) -> Self {
        let count = |pool_size: u32| {
            usize::try_from(pool_size).map_or(Semaphore::MAX_PERMITS, |size| size.min(Semaphore::MAX_PERMITS))
        };
        let (here, changes) = match pools {
            Pools::Sqlite { scan, read, .. } => {
                let scans = count(scan.pool().options().get_max_connections());
                let reads = count(read.pool().options().get_max_connections());
                let lists = Kind::apart(but_for_reads(reads));
                (Reads::of(Kind::apart(scans), lists, reads), Kind::apart(Semaphore::MAX_PERMITS))
            }
            Pools::Postgres(servers) => {
                let connections = count(servers.pool().options().get_max_connections());
                // A change may wait for a row that another one has, so there is a second turn that no read takes.
                let [changes, scans, lists] = Kind::together(connections, &[0, 1, 2, 0]);
                (Reads::of(scans, lists, connections), changes)
            }
        };
        let on_replica = count(replica::CONNECTIONS);
        let [scans, lists] = Kind::together(on_replica, &[0, 1]);
        Self { here, on_replica: Reads::of(scans, lists, on_replica), changes }
    }

    /// A turn at a statement that may look at every row, for a user if it is a user's.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if there is none for too long.
    pub(super) async fn scan(&self, user: Option<i64>, is_on_replica: bool, end: Instant) -> Result<Turn> {
        let (kind, shares) = &self.reads(is_on_replica).scans;
        turn(user.map(|user| shares.of_user(user)), kind, end.min(Instant::now() + WAIT)).await
    }

    /// A turn at a page of a list, for a user if it is a user's. It may look at thousands of rows, so that many at
    /// once would keep all connections for single rows busy. A page waits for it as it waits for its connection.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if there is none until then.
    pub(super) async fn list(&self, user: Option<i64>, is_on_replica: bool, end: Instant) -> Result<Turn> {
        let (kind, shares) = &self.reads(is_on_replica).lists;
        turn(user.map(|user| shares.of_user(user)), kind, end).await
    }

    /// A turn at a transaction that writes.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if there is none for too long.
    pub(super) async fn change(&self, end: Instant) -> Result<Turn> {
        turn(None, &self.changes, end.min(Instant::now() + WAIT)).await
    }

    const fn reads(&self, is_on_replica: bool) -> &Reads {
        if is_on_replica { &self.on_replica } else { &self.here }
    }
}

/// A turn among those of a user, if it is a user's, and then of a kind.
async fn turn(of_user: Option<Arc<Semaphore>>, kind: &Kind, end: Instant) -> Result<Turn> {
    let turn = async {
        let of_user = match of_user {
            Some(turns) => Some(turns.acquire_owned().await?),
            None => None,
        };
        Ok::<_, AcquireError>(Turn { _of_user: of_user, _of_kind: kind.turn().await? })
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

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    /// Takes turns of one kind, each for a user of its own, until there is none.
    async fn all(turns: &Turns, kind: &str) -> Vec<Turn> {
        let mut taken = Vec::new();
        for user in 1.. {
            let turn = match kind {
                "scans" => turns.scan(Some(user), false, soon()).await,
                "lists" => turns.list(Some(user), false, soon()).await,
                "changes" => turns.change(soon()).await,
                "scans on replica" => turns.scan(Some(user), true, soon()).await,
                "lists on replica" => turns.list(Some(user), true, soon()).await,
                _ => unreachable!("{kind}"),
            };
            let Ok(turn) = turn else { break };
            taken.push(turn);
        }
        taken
    }

    #[rocket::async_test]
    async fn do_1_one_user_does_not_take_all_turns_at_scans() {
        let turns = turns(10);
        let mut taken = Vec::new();
        for _ in 0..2 {
            taken.push(turns.scan(Some(1), false, soon()).await.unwrap());
        }
        assert!(turns.scan(Some(1), false, soon()).await.is_err());
        for user in [2, 2, 3] {
            taken.push(turns.scan(Some(user), false, soon()).await.unwrap());
        }
        assert!(turns.scan(None, false, soon()).await.is_err(), "all five are taken");
        taken.clear();
        drop(turns.scan(Some(5), false, soon()).await.unwrap());
        assert_eq!(
            turns.here.scans.1.users.lock().unwrap().len(),
            1,
            "nothing is remembered of those who take none"
        );
    }

    #[rocket::async_test]
    async fn do_1_one_user_takes_half_of_the_connections_with_lists_and_not_all_turns_at_them() {
        for (connections, share, all) in [(1, 1, 1), (3, 1, 1), (4, 1, 1), (6, 1, 2), (8, 1, 3), (10, 3, 5)] {
            let turns = turns(connections);
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
            taken.remove(0);
            drop(turns.list(Some(1), false, soon()).await.unwrap());
            drop(turns.list(None, false, soon()).await.unwrap());
        }
    }

    #[rocket::async_test]
    async fn do_1_all_kinds_together_leave_connections_to_reads_and_no_two_kinds_take_what_the_third_needs() {
        // The most of one kind, and what the others get while it has them.
        for (connections, kind, most, others) in [
            (1, "changes", 1, [("scans", 0), ("lists", 0)]),
            (3, "changes", 2, [("scans", 0), ("lists", 0)]),
            (3, "lists", 1, [("scans", 0), ("changes", 1)]),
            (4, "lists", 1, [("scans", 1), ("changes", 1)]),
            (5, "changes", 2, [("scans", 1), ("lists", 1)]),
            (5, "lists", 2, [("scans", 1), ("changes", 1)]),
            (10, "changes", 6, [("scans", 1), ("lists", 1)]),
            (10, "scans", 5, [("lists", 1), ("changes", 2)]),
            (10, "lists", 5, [("scans", 1), ("changes", 2)]),
            (100, "lists", 95, [("scans", 1), ("changes", 2)]),
        ] {
            let turns = turns(connections);
            let taken = all(&turns, kind).await;
            assert_eq!(taken.len(), most, "{connections}: {kind}");
            let mut kept = Vec::new();
            for (other, number) in others {
                let more = all(&turns, other).await;
                assert_eq!(more.len(), number, "{connections}: {kind}, {other}");
                kept.push(more);
            }
        }
    }

    #[rocket::async_test]
    async fn do_1_one_user_leaves_a_turn_to_the_lists_or_scans_of_others() {
        for connections in [5, 6, 8, 10, 100] {
            let turns = turns(connections);
            let mut taken = Vec::new();
            for _ in 0..connections {
                taken.extend(turns.list(Some(1), false, soon()).await.ok());
                taken.extend(turns.scan(Some(1), false, soon()).await.ok());
            }
            drop(turns.list(Some(2), false, soon()).await.expect("one for a list"));
            drop(turns.scan(Some(2), false, soon()).await.expect("or for a scan"));
        }
    }

    #[rocket::async_test]
    async fn do_1_a_list_that_waits_gets_whichever_turn_ends_first() {
        let turns = turns(10);
        for ended in 0..5 {
            let mut lists = all(&turns, "lists").await;
            let waiting = turns.list(None, false, Instant::now() + WAIT);
            let (turn, ()) = rocket::tokio::join!(waiting, async { drop(lists.remove(ended)) });
            assert!(turn.is_ok(), "{ended}");
            assert!(turns.list(None, false, soon()).await.is_err(), "one ended, and one was given");
        }
    }

    #[rocket::async_test]
    async fn do_1_a_replica_has_turns_of_its_own() {
        let turns = turns(10);
        let _taken = [all(&turns, "scans").await, all(&turns, "lists").await, all(&turns, "changes").await];
        let scans = all(&turns, "scans on replica").await;
        let lists = all(&turns, "lists on replica").await;
        assert_eq!([scans.len(), lists.len()], [2, 1], "of four connections reads keep one");
    }
}
