//! Group commit on SQLite: one sync of the write-ahead log for all commits that wait for one.
//!
//! SQLite's own `synchronous=FULL` syncs once for each commit, and the next writer waits for that. Here the connection
//! that writes has `synchronous=NORMAL`: a commit ends when it is in the log, and the next transaction begins. It is
//! acknowledged after a sync of the log that began later, as one of all that had ended by then.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocket::tokio::sync::oneshot;
use rocket::tokio::task::spawn_blocking;
use rocket::tokio::time::{Instant, timeout_at};

use super::{Error, Result};

/// What is synced.
pub(super) trait Log: Send + Sync + 'static {
    /// Returns when all that was written to it before is on the disk.
    fn sync(&self) -> io::Result<()>;
}

impl Log for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Syncs a log, once for all who wait.
#[derive(Debug)]
pub(super) struct LogSync<L = File> {
    log: L,
    state: Mutex<State>,
}

type Outcome = std::result::Result<(), Arc<io::Error>>;

#[derive(Debug, Default)]
struct State {
    /// Those for whom a sync has yet to begin.
    waiting: Vec<oneshot::Sender<Outcome>>,
    /// Whether a thread syncs, and goes on until none waits.
    is_under_way: bool,
    /// Why a sync failed. The system then forgets what it could not write: a later sync would say that all is well.
    failure: Option<Arc<io::Error>>,
}

impl<L: Log> LogSync<L> {
    pub(super) fn new(log: L) -> Self {
        Self { log, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is committed now can still become durable.
    ///
    /// # Errors
    /// [`Error::Disk`] once a sync has failed.
    pub(super) fn check(&self) -> Result<()> {
        self.state().failure.clone().map_or(Ok(()), |failure| Err(Error::Disk(failure)))
    }

    /// Returns when all that was committed before the call is on the disk.
    ///
    /// # Errors
    /// [`Error::Disk`] if this sync failed, or one before; [`Error::TimedOut`].
    pub(super) async fn wait(self: &Arc<Self>, end: Instant) -> Result<()> {
        self.check()?;
        let (tell, told) = oneshot::channel();
        let begins = {
            let mut state = self.state();
            state.waiting.push(tell);
            !std::mem::replace(&mut state.is_under_way, true)
        };
        if begins {
            // A thread of its own: that this caller may be cut off stops it for no other one.
            let sync = Arc::clone(self);
            drop(spawn_blocking(move || sync.run()));
        }
        match timeout_at(end, told).await {
            Ok(Ok(outcome)) => outcome.map_err(Error::Disk),
            Ok(Err(_)) | Err(_) => Err(Error::TimedOut),
        }
    }

    /// Syncs until none waits.
    fn run(&self) {
        while let Some(waiting) = self.take() {
            let outcome = self.check_again(self.log.sync());
            for tell in waiting {
                // One who was cut off hears nothing.
                drop(tell.send(outcome.clone()));
            }
        }
    }

    /// Those who wait now; `None` if none does, and the thread ends.
    fn take(&self) -> Option<Vec<oneshot::Sender<Outcome>>> {
        let mut state = self.state();
        state.is_under_way = !state.waiting.is_empty();
        state.is_under_way.then(|| std::mem::take(&mut state.waiting))
    }

    /// What a sync came to, which is nothing after one that failed.
    fn check_again(&self, synced: io::Result<()>) -> Outcome {
        let mut state = self.state();
        if state.failure.is_none()
            && let Err(error) = synced
        {
            log::error!(
                "the write-ahead log could not be written to the disk: {error}. No change is stored any more until the \
                 server is started again"
            );
            state.failure = Some(Arc::new(error));
        }
        state.failure.clone().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
    use std::time::Duration;

    use rocket::futures::future::join_all;
    use rocket::tokio::spawn;
    use rocket::tokio::time::timeout;

    use super::*;

    /// A disk that takes its time.
    #[derive(Debug, Default)]
    struct Disk {
        committed: AtomicU32,
        durable: AtomicU32,
        syncs: AtomicU32,
        takes_millis: AtomicU32,
        fails: AtomicBool,
    }

    impl Log for Arc<Disk> {
        fn sync(&self) -> io::Result<()> {
            let committed = self.committed.load(SeqCst);
            std::thread::sleep(Duration::from_millis(self.takes_millis.load(SeqCst).into()));
            if self.fails.load(SeqCst) {
                return Err(io::Error::other("the disk fails"));
            }
            self.syncs.fetch_add(1, SeqCst);
            self.durable.store(committed, SeqCst);
            Ok(())
        }
    }

    fn disk(takes_millis: u32) -> (Arc<Disk>, Arc<LogSync<Arc<Disk>>>) {
        let disk = Arc::new(Disk { takes_millis: takes_millis.into(), ..Disk::default() });
        (Arc::clone(&disk), Arc::new(LogSync::new(disk)))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[rocket::async_test]
    async fn rl_2_commits_share_syncs_that_began_after_them_while_callers_are_cut_off() {
        let (disk, sync) = disk(3);
        let writers = (0..50).map(|writer: u64| {
            let (disk, sync) = (Arc::clone(&disk), Arc::clone(&sync));
            spawn(async move {
                for change in 0..20 {
                    let own = disk.committed.fetch_add(1, SeqCst) + 1;
                    // From at once to later than the sync after the next.
                    let patience = Duration::from_micros((writer * 7919 + change * 1237) % 9_000);
                    let is_cut_off = (writer + change).is_multiple_of(3);
                    let patience = if is_cut_off { patience } else { Duration::from_secs(20) };
                    match timeout(patience, sync.wait(soon())).await {
                        Ok(done) => {
                            done.unwrap();
                            assert!(disk.durable.load(SeqCst) >= own, "{own} is not on the disk");
                        }
                        Err(_) => assert!(is_cut_off),
                    }
                }
            })
        });
        for writer in join_all(writers).await {
            writer.unwrap();
        }
        sync.wait(soon()).await.unwrap();
        let (committed, syncs) = (disk.committed.load(SeqCst), disk.syncs.load(SeqCst));
        assert_eq!((committed, disk.durable.load(SeqCst)), (1_000, 1_000));
        assert!(syncs * 5 < committed, "{syncs} syncs");
        assert!(sync.state().waiting.is_empty());
    }

    #[rocket::async_test]
    async fn rl_2_a_sync_that_fails_fails_all_who_wait_and_all_after_them() {
        let (disk, sync) = disk(1);
        sync.wait(soon()).await.unwrap();
        disk.fails.store(true, SeqCst);
        for outcome in join_all((0..10).map(|_| sync.wait(soon()))).await {
            assert!(matches!(outcome, Err(Error::Disk(_))), "{outcome:?}");
        }
        // The system says so, but has forgotten what it could not write.
        disk.fails.store(false, SeqCst);
        assert!(matches!(sync.wait(soon()).await, Err(Error::Disk(_))));
        assert!(matches!(sync.check(), Err(Error::Disk(_))));
    }

    #[rocket::async_test]
    async fn rl_6_a_disk_that_does_not_answer_keeps_no_caller_and_may_come_back() {
        let (disk, sync) = disk(300);
        let end = Instant::now() + Duration::from_millis(20);
        for outcome in join_all((0..10).map(|_| sync.wait(end))).await {
            assert!(matches!(outcome, Err(Error::TimedOut)), "{outcome:?}");
        }
        disk.takes_millis.store(0, SeqCst);
        sync.wait(soon()).await.unwrap();
        assert!(sync.check().is_ok());
    }
}
