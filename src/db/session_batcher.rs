//! Coalesces concurrent session lookups (the `DataLoader` pattern).
//!
//! The round trip to the database takes longer than finding a row. So while one lookup is under way, further
//! callers wait, and the next lookup reads the keys of all of them. A lone caller does not wait. Nothing is
//! cached: every value is read after it was asked for, so a right that any instance has revoked before is gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocket::tokio::sync::oneshot;
use rocket::tokio::task::yield_now;
use rocket::tokio::time::{Instant, timeout};

use super::{Error, Result};

/// A read that takes longer than this is on a slow or broken connection: another one may begin beside it.
const SLOW: Duration = Duration::from_millis(100);

/// Reads that are under way at once, at most.
const AT_ONCE: usize = 4;

/// How long a caller waits: about as long as a connection and a statement may take.
const WAIT: Duration = Duration::from_secs(4);

/// The most values that one read finds. Beyond some ten, more bring hardly any gain.
const MOST: usize = 32;

/// Coalesces reads of one kind.
#[derive(Debug)]
pub(super) struct SessionBatcher<K, V, C>(Mutex<State<K, V, C>>);

#[derive(Debug)]
struct State<K, V, C> {
    under_way: usize,
    /// When the last one of them began.
    began: Instant,
    waiting: Vec<Waiting<K, V, C>>,
}

#[derive(Debug)]
struct Waiting<K, V, C> {
    key: K,
    tell: oneshot::Sender<Reply<K, V, C>>,
}

/// The waiting callers that share a read.
type Others<K, V, C> = Vec<oneshot::Sender<Reply<K, V, C>>>;

/// What a waiting caller receives.
#[derive(Debug)]
enum Reply<K, V, C> {
    /// The value, read by another caller.
    Value(Result<V>),
    /// The turn to read, for all callers that wait by then.
    Lead(Lead<K, V, C>, K),
}

impl<K, V, C> Default for SessionBatcher<K, V, C> {
    fn default() -> Self {
        Self(Mutex::new(State { under_way: 0, began: Instant::now(), waiting: Vec::new() }))
    }
}

impl<K, V, C> SessionBatcher<K, V, C> {
    fn state(&self) -> MutexGuard<'_, State<K, V, C>> {
        // Nothing that can panic happens under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone, V, C> SessionBatcher<K, V, C> {
    /// The value for a key. `read` finds the values for several keys, in their order. The connection that it
    /// returns goes to the next read if one begins at once.
    ///
    /// # Errors
    /// Those of `read`, shared by all callers that it was made for; [`Error::TimedOut`] for callers that wait too
    /// long.
    pub(super) async fn get<F>(self: &Arc<Self>, key: K, read: impl Fn(Option<C>, Vec<K>) -> F) -> Result<V>
    where
        F: Future<Output = (Option<C>, Result<Vec<V>>)>,
    {
        let work = async {
            loop {
                let (mut turn, own) = match self.enter(&key) {
                    Entered::Lead(turn) => (turn, key.clone()),
                    Entered::Waits(told) => match told.await {
                        Ok(Reply::Value(value)) => return value,
                        Ok(Reply::Lead(turn, own)) => (turn, own),
                        // The caller that read for this one was cancelled, as by its own timeout.
                        Err(_) => continue,
                    },
                };
                // Lets other tasks that are ready run first: they may add their keys.
                yield_now().await;
                let (keys, others) = turn.take(own);
                let (connection, found) = read(turn.connection.take(), keys).await;
                turn.connection = connection;
                drop(turn);
                return distribute(found, others);
            }
        };
        timeout(WAIT, work).await.unwrap_or(Err(Error::TimedOut))
    }

    fn enter(self: &Arc<Self>, key: &K) -> Entered<K, V, C> {
        let mut state = self.state();
        if state.under_way == 0 || state.under_way < AT_ONCE && state.began.elapsed() > SLOW {
            state.under_way += 1;
            state.began = Instant::now();
            return Entered::Lead(Lead { batcher: Some(Arc::clone(self)), connection: None });
        }
        let (tell, told) = oneshot::channel();
        state.waiting.push(Waiting { key: key.clone(), tell });
        Entered::Waits(told)
    }
}

enum Entered<K, V, C> {
    Lead(Lead<K, V, C>),
    Waits(oneshot::Receiver<Reply<K, V, C>>),
}

/// The right to read. Dropped, it goes to the first caller that waits.
#[derive(Debug)]
struct Lead<K, V, C> {
    batcher: Option<Arc<SessionBatcher<K, V, C>>>,
    /// That of the read before, if this one follows at once, which saves a round trip through the pool.
    connection: Option<C>,
}

impl<K, V, C> Lead<K, V, C> {
    /// The keys to read now, the caller's own first, and the channels of the others.
    fn take(&self, own: K) -> (Vec<K>, Others<K, V, C>) {
        let mut keys = vec![own];
        let mut others = Vec::new();
        if let Some(batcher) = &self.batcher {
            let mut state = batcher.state();
            state.began = Instant::now();
            let count = state.waiting.len().min(MOST - 1);
            for Waiting { key, tell } in state.waiting.drain(..count) {
                keys.push(key);
                others.push(tell);
            }
        }
        (keys, others)
    }
}

impl<K, V, C> Drop for Lead<K, V, C> {
    fn drop(&mut self) {
        let Some(batcher) = self.batcher.take() else { return };
        loop {
            let next = {
                let mut state = batcher.state();
                if state.waiting.is_empty() {
                    state.under_way -= 1;
                    return;
                }
                state.waiting.remove(0)
            };
            let connection = self.connection.take();
            let turn = Self { batcher: Some(Arc::clone(&batcher)), connection };
            match next.tell.send(Reply::Lead(turn, next.key)) {
                Ok(()) => return,
                // That caller is gone; the lead that comes back must not be dropped, but offered to the next.
                Err(Reply::Lead(mut turn, _)) => {
                    self.connection = turn.connection.take();
                    drop(turn.batcher.take());
                }
                Err(Reply::Value(_)) => {}
            }
        }
    }
}

/// Sends each caller its value; the first is the caller's own.
fn distribute<K, V, C>(found: Result<Vec<V>>, others: Others<K, V, C>) -> Result<V> {
    match found {
        Ok(values) => {
            let mut values = values.into_iter();
            let own = values.next();
            for tell in others {
                let value = values.next().ok_or_else(too_few);
                // A caller that is gone needs nothing.
                drop(tell.send(Reply::Value(value)));
            }
            own.ok_or_else(too_few)
        }
        Err(error) => {
            let error = Arc::new(error);
            for tell in others {
                drop(tell.send(Reply::Value(Err(Error::Shared(Arc::clone(&error))))));
            }
            Err(Error::Shared(error))
        }
    }
}

fn too_few() -> Error {
    Error::Corrupt("a read for several found fewer rows than it was asked for".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rocket::futures::future::join_all;
    use rocket::tokio::sync::Semaphore;
    use rocket::tokio::{spawn, time};

    use super::*;

    type Numbers = Arc<SessionBatcher<u32, u32, u32>>;

    /// What one read did: how many it was asked for, and how many have had its connection before.
    type Reads = Mutex<Vec<(usize, u32)>>;

    /// Doubles numbers once it is let.
    async fn double(
        gate: &Semaphore,
        reads: &Reads,
        connection: Option<u32>,
        keys: Vec<u32>,
    ) -> (Option<u32>, Result<Vec<u32>>) {
        gate.acquire().await.unwrap().forget();
        let before = connection.unwrap_or(0);
        reads.lock().unwrap().push((keys.len(), before));
        (Some(before + 1), Ok(keys.into_iter().map(|key| key * 2).collect()))
    }

    #[rocket::async_test]
    async fn while_one_is_read_all_others_wait_for_the_next_read() {
        let (numbers, gate, reads) = (Numbers::default(), Semaphore::new(0), Reads::default());
        let asked =
            (0..40).map(|key| numbers.get(key, |connection, keys| double(&gate, &reads, connection, keys)));
        let open = async {
            for _ in 0..100 {
                yield_now().await;
            }
            gate.add_permits(100);
        };
        let (found, ()) = rocket::tokio::join!(join_all(asked), open);
        let found: Vec<u32> = found.into_iter().map(Result::unwrap).collect();
        assert_eq!(found, (0..40).map(|key| key * 2).collect::<Vec<_>>());
        // The first waits until all who are ready have asked.
        assert_eq!(*reads.lock().unwrap(), [(MOST, 0), (40 - MOST, 1)]);
        assert_eq!(numbers.state().under_way, 0);
    }

    #[rocket::async_test]
    async fn an_error_is_everybodys_and_ends_nothing() {
        let numbers = Numbers::default();
        let fail = |_, _| async { (None, Err(Error::TimedOut)) };
        for found in join_all((0..5).map(|key| numbers.get(key, fail))).await {
            assert!(matches!(found, Err(Error::Shared(error)) if matches!(*error, Error::TimedOut)));
        }
        let short = |_, _| async { (None, Ok(vec![7])) };
        let found = join_all((0..2).map(|key| numbers.get(key, short))).await;
        assert!(matches!(found[..], [Ok(7), Err(Error::Corrupt(_))]), "{found:?}");
        assert_eq!(numbers.get(1, short).await.unwrap(), 7);
    }

    #[rocket::async_test]
    async fn whoever_is_cut_off_while_reading_leaves_the_others_to_read_for_themselves() {
        let numbers = Numbers::default();
        let reads = Arc::new(AtomicUsize::new(0));
        let ask = |key: u32| {
            let (numbers, reads) = (Arc::clone(&numbers), Arc::clone(&reads));
            spawn(async move {
                let read = |_, keys: Vec<u32>| async {
                    // The first read never ends.
                    if reads.fetch_add(1, Ordering::SeqCst) == 0 {
                        std::future::pending::<()>().await;
                    }
                    (None, Ok(keys))
                };
                numbers.get(key, read).await
            })
        };
        let first = ask(1);
        let others: Vec<_> = (2..6).map(ask).collect();
        while reads.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        let late = ask(6);
        yield_now().await;
        first.abort();
        for (other, key) in others.into_iter().chain([late]).zip(2..) {
            assert_eq!(other.await.unwrap().unwrap(), key);
        }
        assert_eq!(numbers.state().under_way, 0);
    }

    #[rocket::async_test]
    async fn whoever_left_while_waiting_is_passed_over() {
        let (numbers, gate, reads) = (Numbers::default(), Semaphore::new(0), Reads::default());
        let mut first = Box::pin(numbers.get(1, |connection, keys| double(&gate, &reads, connection, keys)));
        assert!(time::timeout(Duration::ZERO, &mut first).await.is_err());
        while numbers.state().waiting.len() < 3 {
            let gone = numbers.get(2, |connection, keys| double(&gate, &reads, connection, keys));
            assert!(time::timeout(Duration::ZERO, gone).await.is_err());
        }
        gate.add_permits(100);
        assert_eq!(first.await.unwrap(), 2);
        assert_eq!(
            numbers.get(3, |connection, keys| double(&gate, &reads, connection, keys)).await.unwrap(),
            6
        );
        assert_eq!(numbers.state().under_way, 0);
    }

    #[rocket::async_test]
    async fn beside_a_slow_read_another_one_begins() {
        let numbers = Numbers::default();
        let stuck = |_, _| std::future::pending::<(Option<u32>, Result<Vec<u32>>)>();
        let slow = spawn({
            let numbers = Arc::clone(&numbers);
            async move { numbers.get(1, stuck).await }
        });
        time::sleep(SLOW * 2).await;
        assert_eq!(numbers.get(2, |_, keys| async { (None, Ok(keys)) }).await.unwrap(), 2);
        assert_eq!(numbers.state().under_way, 1);
        slow.abort();
        assert!(slow.await.unwrap_err().is_cancelled());
        assert_eq!(numbers.state().under_way, 0);
    }
}
