//! The threads that hash. Their priority is lower than that of the threads that answer, so that hashing may use every
//! core that nothing else needs, and reading does not wait for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// By how much the priority is lowered: of a core that is wanted by one other thread, a quarter is left for hashing.
pub(super) const NICENESS: i32 = 5;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that do jobs until this is dropped.
#[derive(Debug)]
pub(super) struct Workers(Sender<Job>);

impl Workers {
    /// Starts so many threads, or as many as the operating system gives. One of them calls `tidy` when there was no job
    /// for the time `idle`, and again after each such time.
    pub(super) fn start(threads: usize, idle: Duration, tidy: impl Fn() + Clone + Send + 'static) -> Self {
        let (jobs, waiting) = channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let (waiting, tidy) = (Arc::clone(&waiting), tidy.clone());
            let started =
                thread::Builder::new().name("hash".to_owned()).spawn(move || work(&waiting, idle, &tidy));
            if let Err(error) = started {
                log::error!("a thread for hashing passwords could not be started: {error}");
            }
        }
        Self(jobs)
    }

    /// Has a job done. One that is not, because there is no thread, is dropped.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        drop(self.0.send(Box::new(job)));
    }
}

fn work(waiting: &Mutex<Receiver<Job>>, idle: Duration, tidy: &impl Fn()) {
    // On other systems it is the whole process that would get a lower priority.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        log::warn!("the priority of a thread for hashing passwords could not be lowered: {error}");
    }
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(idle);
        match job {
            // The caller of a job that panicked is told by what the job drops.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Err(RecvTimeoutError::Timeout) => tidy(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
