//! Makes and checks hashes on a bounded number of threads.
//!
//! A hash is tens of milliseconds of one core and megabytes of memory, so hashing at will would stop everything else
//! and take all memory. Here a caller first gets a turn (a permit and the memory that goes with it), of which there are
//! [`Limits::threads`]. The turn moves into the task and lasts until the work is done, also when the caller
//! has gone away meanwhile: a client that hangs up early does not get more hashing done than one that waits.

use std::collections::TryReserveError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rocket::tokio::sync::oneshot;
use rocket::tokio::time::{Instant, timeout};
use thiserror::Error;

use crate::model::error::Error as AppError;

use super::argon2::{Memory, OwnHashes, is_within_ceiling};
use super::stored::Stored;
use super::turns::{Asked, Claimant, Permit, QueuePlace, Turns};
use super::weak::WeakHash;
use super::workers::Workers;
use super::{Cost, LONGEST_HASHED_BYTES, Limits, Password, PasswordHash};

/// After so long without a hash the memory for hashing is given back. Taking it again costs a few milliseconds.
const IDLE: Duration = Duration::from_secs(10);

/// The most threads that may be asked for. It is far above what makes sense: more than the cores gains nothing.
const MOST_THREADS: usize = 256;

/// Why a [`Hasher`] could not be made of what it was given.
#[derive(Debug, Error)]
pub enum SetupError {
    /// argon2 itself does not allow the cost, for example less than 8 KiB of memory for each lane.
    #[error("argon2 does not allow this cost: {0}")]
    Cost(#[from] argon2::Error),
    /// The hashes made at this cost would be refused when they are checked.
    #[error("the cost of a password hash may be at most 256 MiB, 10 iterations and a parallelism of 8")]
    AboveCeiling,
    /// No thread at all, or too many.
    #[error("the number of hashing threads must be between 1 and {MOST_THREADS}")]
    Threads,
}

/// Why a password was neither hashed nor checked.
#[derive(Debug, Error)]
pub enum HashError {
    /// There is no place in the queue, or the wait was too long. The client should try again in a moment.
    #[error("too many passwords are being checked at the moment")]
    Busy,
    /// Something is wrong with this server, not with the password.
    #[error("a password could not be processed: {0}")]
    Failed(#[from] Failure),
}

impl From<HashError> for AppError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Unavailable,
            HashError::Failed(_) => Self::internal(error),
        }
    }
}

/// What went wrong inside. No message says anything about the password or the stored hash.
#[derive(Debug, Error)]
pub enum Failure {
    /// Only from [`Hasher::hash`]: the policy should have refused the password before.
    #[error("it is longer than {LONGEST_HASHED_BYTES} bytes")]
    TooLong,
    /// The operating system gave no random salt.
    #[error("no random salt: {0}")]
    Salt(#[from] getrandom::Error),
    /// There is not enough memory for the hash.
    #[error("no memory: {0}")]
    Memory(#[from] TryReserveError),
    /// argon2 refused parameters that were checked before.
    #[error("argon2: {0}")]
    Argon2(#[from] argon2::Error),
    /// PBKDF2, bcrypt or scrypt refused parameters that were checked before.
    #[error("a hash of another system was not computed")]
    Foreign,
    /// The computing task panicked. Its message is left out because it might quote the password.
    #[error("the computing task panicked")]
    Panicked,
    /// There is no thread for it.
    #[error("the computing task was not begun")]
    NoThread,
}

/// What checking a password gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verification {
    /// The password does not match, or there is nothing that it could match.
    Wrong,
    /// The password matches.
    Right,
    /// The password matches, and the stored hash is of another kind, of a weaker cost than ours, or not of the
    /// password's normal form: the caller should store a new hash of the password.
    RightButOutdated,
}

/// Makes and checks password hashes. Clones share the threads, the queue and the counter.
#[derive(Clone)]
pub struct Hasher {
    shared: Arc<Shared>,
    /// Whose turns it takes.
    claimant: Claimant,
}

struct Shared {
    cost: Cost,
    own: OwnHashes,
    limits: Limits,
    /// One for each hash that may be computed at the same time.
    turns: Arc<Turns>,
    /// As many threads, from the first hash on.
    workers: OnceLock<Workers>,
    /// How long without a hash.
    keeps_memory: Duration,
    /// The memory of the free permits. The one given back last is taken first, so that a server with
    /// few sign-ins touches only one.
    idle: Arc<Mutex<Vec<Memory>>>,
    operations: AtomicU64,
    /// Spent on them, in nanoseconds.
    time_spent: AtomicU64,
}

impl fmt::Debug for Hasher {
    /// Leaves out the memory, which still holds what the last hashes were computed from.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Hasher")
            .field("cost", &self.shared.cost)
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Memory>> {
        // The list is whole even if a thread panicked while it held the lock: it is only pushed to and popped from.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn workers(&self) -> &Workers {
        self.workers.get_or_init(|| {
            let kept = Arc::clone(&self.idle);
            Workers::start(self.limits.threads, self.keeps_memory, move || {
                kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
            })
        })
    }

    /// Whether the text has this hash. Where there is none that could be, the work is done for nothing.
    fn matches(&self, stored: Option<&Stored<'_>>, text: &str, memory: &mut Memory) -> Result<bool, Failure> {
        match stored.filter(|_| text.len() <= LONGEST_HASHED_BYTES) {
            Some(stored) => stored.matches(text, memory),
            None => self.own.hash_in_vain(memory).map(|()| false),
        }
    }
}

/// The right to compute one hash, and the memory for it. Dropping it gives both back, also during a panic.
struct Turn {
    shared: Arc<Shared>,
    memory: Option<Memory>,
    /// Given back after the memory, because fields are dropped after the value itself.
    _permit: Permit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.idle().extend(self.memory.take());
    }
}

impl Hasher {
    /// Makes a hasher. It takes no memory before the first hash, keeps at most [`Limits::threads`] times
    /// [`Cost::memory_kib`], and gives that back after ten seconds without a hash.
    ///
    /// # Errors
    ///
    /// The cost is not one that argon2 allows or that would be accepted when checking, or the number of threads is
    /// 0 or absurd.
    pub fn new(cost: Cost, limits: Limits) -> Result<Self, SetupError> {
        Self::with_idle(cost, limits, IDLE)
    }

    fn with_idle(cost: Cost, limits: Limits, keeps_memory: Duration) -> Result<Self, SetupError> {
        if !(1..=MOST_THREADS).contains(&limits.threads) {
            return Err(SetupError::Threads);
        }
        if !is_within_ceiling(cost) {
            return Err(SetupError::AboveCeiling);
        }
        let own = OwnHashes::new(cost)?;
        let shared = Shared {
            cost,
            own,
            limits,
            turns: Turns::new(limits.threads, limits.queue),
            workers: OnceLock::new(),
            keeps_memory,
            idle: Arc::new(Mutex::new(Vec::with_capacity(limits.threads))),
            operations: AtomicU64::new(0),
            time_spent: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared), claimant: Claimant::default() })
    }

    /// The same hasher, whose turns and places count as this claimant's.
    #[must_use]
    pub fn on_behalf_of(&self, claimant: Claimant) -> Self {
        Self { shared: Arc::clone(&self.shared), claimant }
    }

    /// Hashes a password in its normal form with a fresh salt, at our cost.
    ///
    /// # Errors
    ///
    /// [`HashError::Busy`] if there is no turn to be had; [`HashError::Failed`] if the password is longer than
    /// [`LONGEST_HASHED_BYTES`] or the operating system fails.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let normal = password.normal().into_owned();
        if normal.len() > LONGEST_HASHED_BYTES {
            return Err(Failure::TooLong.into());
        }
        self.compute(move |shared, memory| shared.own.hash(normal.as_bytes(), memory))
            .await
            .map(PasswordHash::from)
    }

    /// Makes the hash that is stored instead of a quick one of another program.
    ///
    /// # Errors
    ///
    /// [`HashError::Busy`] if there is no turn to be had; [`HashError::Failed`] if the operating system fails.
    pub async fn layer(&self, weak: &WeakHash) -> Result<PasswordHash, HashError> {
        let weak = weak.clone();
        self.compute(move |shared, memory| weak.layered(&shared.own, memory)).await.map(PasswordHash::from)
    }

    /// Checks a password against a stored hash, in its normal form. Only a password that was received in another form
    /// is then tried as received, too: older hashes and those from elsewhere are of that.
    ///
    /// If there is nothing to check (no stored hash, one that is unusable, not understood or over the ceiling of its
    /// kind, or a password longer than [`LONGEST_HASHED_BYTES`]), the work of as many hashes at our cost is done all the
    /// same and the verdict is [`Verification::Wrong`]: neither the answer nor the count of operations reveals whether the
    /// user exists.
    ///
    /// # Errors
    ///
    /// [`HashError::Busy`] if there is no turn to be had; [`HashError::Failed`] if the operating system fails.
    pub async fn verify(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verification, HashError> {
        let normal = password.normal().into_owned();
        let received = password.unlike_normal().map(str::to_owned);
        let stored = stored.filter(|hash| hash.is_usable()).cloned();
        self.compute(move |shared, memory| {
            let stored = stored.as_ref().and_then(|hash| Stored::parse(hash.as_str()));
            if shared.matches(stored.as_ref(), &normal, memory)? {
                let outdated = stored.is_some_and(|stored| stored.is_outdated(shared.cost));
                return Ok(if outdated { Verification::RightButOutdated } else { Verification::Right });
            }
            let Some(received) = received else { return Ok(Verification::Wrong) };
            shared.operations.fetch_add(1, Ordering::Relaxed);
            let is_right = shared.matches(stored.as_ref(), &received, memory)?;
            Ok(if is_right { Verification::RightButOutdated } else { Verification::Wrong })
        })
        .await
    }

    /// How long it takes to check a password against a stored hash. It is no operation of a caller's.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub async fn measure(&self, stored: &PasswordHash) -> Result<Duration, HashError> {
        let stored = stored.clone();
        self.run(move |_, memory| {
            let begun = Instant::now();
            if let Some(stored) = Stored::parse(stored.as_str()) {
                std::hint::black_box(stored.matches("", memory)?);
            }
            Ok(begun.elapsed())
        })
        .await
    }

    /// The start of a stored hash of ours, which all of our cost share.
    #[must_use]
    pub fn own_prefix(&self) -> String {
        let Cost { memory_kib, iterations, parallelism } = self.shared.cost;
        format!("$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}$")
    }

    /// How many hash operations have been done since the start. Each call of [`hash`](Self::hash) or
    /// [`verify`](Self::verify) that got its turn is one, or two for a password that is not in its normal form; so equal
    /// counts mean that two ways to fail look the same.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared.operations.load(Ordering::Relaxed)
    }

    /// How much time went into them, waiting not counted.
    #[must_use]
    pub fn time_spent(&self) -> Duration {
        Duration::from_nanos(self.shared.time_spent.load(Ordering::Relaxed))
    }

    /// How many passwords wait to be hashed or checked at this moment.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.turns.waiting()
    }

    /// A place among the callers that wait, for one that waits for something else first.
    ///
    /// # Errors
    ///
    /// [`HashError::Busy`] if there is none left.
    pub fn queue_up(&self) -> Result<QueuePlace, HashError> {
        self.shared.turns.queue_up(&self.claimant).ok_or(HashError::Busy)
    }

    /// Refuses when one more password would find no place to wait.
    ///
    /// # Errors
    ///
    /// [`HashError::Busy`] then.
    pub fn refuse_if_full(&self) -> Result<(), HashError> {
        if self.shared.turns.has_room_for(&self.claimant) { Ok(()) } else { Err(HashError::Busy) }
    }

    /// Waits for a turn.
    async fn turn(&self) -> Result<Turn, HashError> {
        let shared = &self.shared;
        let permit = match shared.turns.ask(&self.claimant).ok_or(HashError::Busy)? {
            Asked::Now(permit) => permit,
            Asked::Later(_place, given) => match timeout(shared.limits.wait, given).await {
                Ok(Ok(permit)) => permit,
                // The wait was too long, or the place went to another caller.
                Ok(Err(_)) | Err(_) => return Err(HashError::Busy),
            },
        };
        let memory = shared.idle().pop();
        Ok(Turn {
            memory: Some(memory.unwrap_or_else(|| Memory::for_hashes_of(&shared.own))),
            shared: Arc::clone(shared),
            _permit: permit,
        })
    }

    /// Does the work on a thread of its own when its turn comes, and counts it.
    async fn compute<T, W>(&self, work: W) -> Result<T, HashError>
    where
        T: Send + 'static,
        W: FnOnce(&Shared, &mut Memory) -> Result<T, Failure> + Send + 'static,
    {
        self.run(move |shared, memory| {
            shared.operations.fetch_add(1, Ordering::Relaxed);
            let begun = Instant::now();
            let result = work(shared, memory);
            let nanoseconds = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            shared.time_spent.fetch_add(nanoseconds, Ordering::Relaxed);
            result
        })
        .await
    }

    /// Does the work on a thread of its own when its turn comes.
    async fn run<T, W>(&self, work: W) -> Result<T, HashError>
    where
        T: Send + 'static,
        W: FnOnce(&Shared, &mut Memory) -> Result<T, Failure> + Send + 'static,
    {
        let mut turn = self.turn().await?;
        let (done, result) = oneshot::channel();
        self.shared.workers().run(move || {
            let computed = catch_unwind(AssertUnwindSafe(|| {
                let Turn { shared, memory, .. } = &mut turn;
                work(shared, memory.get_or_insert_with(|| Memory::for_hashes_of(&shared.own)))
            }));
            drop(turn);
            drop(done.send(computed));
        });
        match result.await {
            Ok(Ok(computed)) => Ok(computed?),
            Ok(Err(_)) => Err(Failure::Panicked.into()),
            Err(_) => Err(Failure::NoThread.into()),
        }
    }
}

#[cfg(test)]
mod tests;
