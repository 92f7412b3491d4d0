//! Requests that are being read or answered, and whether the server is stopping.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// What goes on at this moment. Rocket manages it, so that `/readyz` and the metrics can see it.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    stopping: AtomicBool,
    requests: TaskTracker,
}

impl Traffic {
    /// Whether the server is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The server begins to stop.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Counts one more request for as long as the token lives.
    pub(crate) fn enter(&self) -> TaskTrackerToken {
        self.requests.token()
    }

    /// Requests that are being read or answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Waits until none is.
    pub(crate) async fn settled(&self) {
        self.requests.close();
        self.requests.wait().await;
    }
}
