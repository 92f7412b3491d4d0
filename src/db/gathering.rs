//! Reads that are asked for at the same time, made as one.
//!
//! To find one row takes the database less time than the way there and back takes. So while such a read is
//! under way, others that are asked for wait, and the next one is made for all who wait. A lone one waits for
//! nothing. Nothing is kept: every value is read after it was asked for, so a right that was taken away before
//! is not in it, whichever instance took it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocket::tokio::sync::oneshot;
use rocket::tokio::task::yield_now;
use rocket::tokio::time::{Instant, timeout};

use super::{Error, Result, STATEMENT_LIMIT};

/// A read that takes longer than this has met a slow or broken connection: another one may begin beside it.
const SLOW: Duration = Duration::from_millis(100);

/// Reads that are under way at once, at most.
const AT_ONCE: usize = 4;

/// Values that one read finds at most. Beyond some ten, more share hardly less.
const MOST: usize = 32;

/// Where reads of one kind meet.
#[derive(Debug)]
pub(super) struct Gathering<K, V>(Mutex<State<K, V>>);

#[derive(Debug)]
struct State<K, V> {
    under_way: usize,
    /// When the last one of them began.
    began: Instant,
    waiting: Vec<Waiting<K, V>>,
}

#[derive(Debug)]
struct Waiting<K, V> {
    key: K,
    tell: oneshot::Sender<Told<K, V>>,
}

/// What whoever waits is told.
#[derive(Debug)]
enum Told<K, V> {
    /// The value was read along.
    Value(Result<V>),
    /// It is their turn to read, for all who wait by then.
    Turn(Turn<K, V>, K),
}

impl<K, V> Default for Gathering<K, V> {
    fn default() -> Self {
        Self(Mutex::new(State { under_way: 0, began: Instant::now(), waiting: Vec::new() }))
    }
}

impl<K, V> Gathering<K, V> {
    fn state(&self) -> MutexGuard<'_, State<K, V>> {
        // Nothing that can panic happens under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone, V> Gathering<K, V> {
    /// The value for a key. `read` finds those for several, in their order.
    ///
    /// # Errors
    /// Those of `read`, shared by all for whom it was made; [`Error::TimedOut`] for whoever waits too long.
    pub(super) async fn get<F>(self: &Arc<Self>, key: K, read: impl Fn(Vec<K>) -> F) -> Result<V>
    where
        F: Future<Output = Result<Vec<V>>>,
    {
        let work = async {
            loop {
                let (turn, own) = match self.enter(&key) {
                    Entered::Turn(turn) => (turn, key.clone()),
                    Entered::Waits(told) => match told.await {
                        Ok(Told::Value(value)) => return value,
                        Ok(Told::Turn(turn, own)) => (turn, own),
                        // Whoever read for this one was cut off, as at the end of its own time.
                        Err(_) => continue,
                    },
                };
                // Whatever else is ready to run comes first: it may ask, too.
                yield_now().await;
                let (keys, others) = turn.take(own);
                let found = read(keys).await;
                drop(turn);
                return distribute(found, others);
            }
        };
        timeout(STATEMENT_LIMIT, work).await.unwrap_or(Err(Error::TimedOut))
    }

    fn enter(self: &Arc<Self>, key: &K) -> Entered<K, V> {
        let mut state = self.state();
        if state.under_way == 0 || state.under_way < AT_ONCE && state.began.elapsed() > SLOW {
            state.under_way += 1;
            state.began = Instant::now();
            return Entered::Turn(Turn(Some(Arc::clone(self))));
        }
        let (tell, told) = oneshot::channel();
        state.waiting.push(Waiting { key: key.clone(), tell });
        Entered::Waits(told)
    }
}

enum Entered<K, V> {
    Turn(Turn<K, V>),
    Waits(oneshot::Receiver<Told<K, V>>),
}

/// The right to read. Given up, it goes to whoever waits first.
#[derive(Debug)]
struct Turn<K, V>(Option<Arc<Gathering<K, V>>>);

impl<K, V> Turn<K, V> {
    /// The keys to read now, one's own first, and whom to tell of the others.
    fn take(&self, own: K) -> (Vec<K>, Vec<oneshot::Sender<Told<K, V>>>) {
        let mut keys = vec![own];
        let mut others = Vec::new();
        if let Some(gathering) = &self.0 {
            let mut state = gathering.state();
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

impl<K, V> Drop for Turn<K, V> {
    fn drop(&mut self) {
        let Some(gathering) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = gathering.state();
                if state.waiting.is_empty() {
                    state.under_way -= 1;
                    return;
                }
                state.waiting.remove(0)
            };
            let turn = Self(Some(Arc::clone(&gathering)));
            match next.tell.send(Told::Turn(turn, next.key)) {
                Ok(()) => return,
                // They have left; the turn that comes back is not to be given up, but offered to the next.
                Err(Told::Turn(mut turn, _)) => drop(turn.0.take()),
                Err(Told::Value(_)) => {}
            }
        }
    }
}

/// Gives each their value; the first is one's own.
fn distribute<K, V>(found: Result<Vec<V>>, others: Vec<oneshot::Sender<Told<K, V>>>) -> Result<V> {
    match found {
        Ok(values) => {
            let mut values = values.into_iter();
            let own = values.next();
            for tell in others {
                let value = values.next().ok_or_else(too_few);
                // Whoever has left needs nothing.
                drop(tell.send(Told::Value(value)));
            }
            own.ok_or_else(too_few)
        }
        Err(error) => {
            let error = Arc::new(error);
            for tell in others {
                drop(tell.send(Told::Value(Err(Error::Shared(Arc::clone(&error))))));
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

    type Numbers = Arc<Gathering<u32, u32>>;

    /// Doubles numbers once it is let, and notes how many it was asked for.
    async fn double(gate: &Semaphore, sizes: &Mutex<Vec<usize>>, keys: Vec<u32>) -> Result<Vec<u32>> {
        gate.acquire().await.unwrap().forget();
        sizes.lock().unwrap().push(keys.len());
        Ok(keys.into_iter().map(|key| key * 2).collect())
    }

    #[rocket::async_test]
    async fn while_one_is_read_all_others_wait_for_the_next_read() {
        let (numbers, gate, sizes) = (Numbers::default(), Semaphore::new(0), Mutex::default());
        let asked = (0..40).map(|key| numbers.get(key, |keys| double(&gate, &sizes, keys)));
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
        assert_eq!(*sizes.lock().unwrap(), [MOST, 40 - MOST]);
        assert_eq!(numbers.state().under_way, 0);
    }

    #[rocket::async_test]
    async fn an_error_is_everybodys_and_ends_nothing() {
        let numbers = Numbers::default();
        let fail = |_| async { Err(Error::TimedOut) };
        for found in join_all((0..5).map(|key| numbers.get(key, fail))).await {
            assert!(matches!(found, Err(Error::Shared(error)) if matches!(*error, Error::TimedOut)));
        }
        let short = |_| async { Ok(vec![7]) };
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
                let read = |keys: Vec<u32>| async {
                    // The first read never ends.
                    if reads.fetch_add(1, Ordering::SeqCst) == 0 {
                        std::future::pending::<()>().await;
                    }
                    Ok(keys)
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
        let (numbers, gate, sizes) = (Numbers::default(), Semaphore::new(0), Mutex::default());
        let mut first = Box::pin(numbers.get(1, |keys| double(&gate, &sizes, keys)));
        assert!(time::timeout(Duration::ZERO, &mut first).await.is_err());
        while numbers.state().waiting.len() < 3 {
            let gone = numbers.get(2, |keys| double(&gate, &sizes, keys));
            assert!(time::timeout(Duration::ZERO, gone).await.is_err());
        }
        gate.add_permits(100);
        assert_eq!(first.await.unwrap(), 2);
        assert_eq!(numbers.get(3, |keys| double(&gate, &sizes, keys)).await.unwrap(), 6);
        assert_eq!(numbers.state().under_way, 0);
    }

    #[rocket::async_test]
    async fn beside_a_slow_read_another_one_begins() {
        let numbers = Numbers::default();
        let stuck = |_| std::future::pending::<Result<Vec<u32>>>();
        let slow = spawn({
            let numbers = Arc::clone(&numbers);
            async move { numbers.get(1, stuck).await }
        });
        time::sleep(SLOW * 2).await;
        assert_eq!(numbers.get(2, async |keys| Ok(keys)).await.unwrap(), 2);
        assert_eq!(numbers.state().under_way, 1);
        slow.abort();
        assert!(slow.await.unwrap_err().is_cancelled());
        assert_eq!(numbers.state().under_way, 0);
    }
}
