//! What is done after an answer: a stop waits for it, as for the answers themselves.

use std::sync::Arc;

use rocket::tokio;
use rocket::tokio::sync::watch;

/// Background work of this process; only its end waits for it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct BackgroundTasks(Arc<watch::Sender<usize>>);

/// One piece of work, until it is done, or has panicked.
struct Piece(Arc<watch::Sender<usize>>);

impl Drop for Piece {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl BackgroundTasks {
    /// Begins something that goes on after this returns.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.send_modify(|count| *count += 1);
        let piece = Piece(Arc::clone(&self.0));
        tokio::spawn(async move {
            work.await;
            drop(piece);
        });
    }

    /// How many pieces there are at this moment.
    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until there are none.
    pub(crate) async fn done(&self) {
        // The sender is here, so that there is always a next number.
        drop(self.0.subscribe().wait_for(|count| *count == 0).await);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rocket::tokio::sync::oneshot;
    use rocket::tokio::time::timeout;

    use super::*;

    #[rocket::async_test]
    async fn rl_10_all_work_is_waited_for_also_what_it_begins_and_what_panics() {
        let unfinished = BackgroundTasks::default();
        unfinished.done().await;
        let (finish, finished) = oneshot::channel::<()>();
        let (outer, inner) = (unfinished.clone(), unfinished.clone());
        outer.spawn(async move {
            inner.spawn(async move { drop(finished.await) });
        });
        unfinished.spawn(async { panic!("as anything may") });
        assert!(timeout(Duration::from_millis(50), unfinished.done()).await.is_err());
        assert_eq!(unfinished.count(), 1);
        finish.send(()).unwrap();
        unfinished.done().await;
        assert_eq!(unfinished.count(), 0);
    }
}
