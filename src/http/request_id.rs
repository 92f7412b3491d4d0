//! The request ID: the number that identifies a request in the log, in the audit log and on an error page.

use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rocket::request::Request;
use rocket::tokio::task;

/// The requests that tasks work for. Rocket answers each in a task of its own, which it does not let us wrap.
static CURRENT: LazyLock<Mutex<HashMap<task::Id, RequestId>>> = LazyLock::new(Mutex::default);

fn current() -> MutexGuard<'static, HashMap<task::Id, RequestId>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 16 hexadecimal digits, made by us: what a client sends under that name is never believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The number of this request, the same however often it is asked for.
    #[must_use]
    pub fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(Self::random)
    }

    /// A new one. Without randomness all are zero, which is harmless.
    fn random() -> Self {
        Self(format!("{:016x}", getrandom::u64().unwrap_or_default()))
    }

    /// The number of the request that this task works for, if it works for one.
    pub(crate) fn current() -> Option<Self> {
        current().get(&task::try_id()?).cloned()
    }

    /// From here on this task works for the request of this number: lines that it logs bear the number.
    pub(crate) fn current_in_this_task(self) -> Option<Current> {
        let task = task::try_id()?;
        current().insert(task, self);
        Some(Current(task))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A task that works for a request, until this is dropped.
pub(crate) struct Current(task::Id);

impl Drop for Current {
    fn drop(&mut self) {
        current().remove(&self.0);
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rocket::tokio;

    use super::*;

    #[rocket::async_test]
    async fn a_task_works_for_its_request_until_that_is_answered() {
        let tasks = (0..20).map(|_| {
            tokio::spawn(async {
                let id = RequestId::random();
                let current = id.clone().current_in_this_task();
                task::yield_now().await;
                assert_eq!(RequestId::current(), Some(id));
                assert_eq!(tokio::spawn(async { RequestId::current() }).await.unwrap(), None, "only its own");
                drop(current);
                assert_eq!(RequestId::current(), None);
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }
}
