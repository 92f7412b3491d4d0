//! The number by which one request is found again: in the log, in the audit trail, on an error page.

use std::fmt;

use rocket::request::Request;

rocket::tokio::task_local! {
    /// The number of the request that the current task works for.
    static CURRENT: RequestId;
}

/// 16 hexadecimal digits, made by us: what a client sends under that name is never believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The number of this request, the same however often it is asked for.
    #[must_use]
    pub fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(|| Self::current().unwrap_or_else(Self::random))
    }

    /// A new one. Without randomness all are zero, which harms nobody.
    pub(crate) fn random() -> Self {
        Self(format!("{:016x}", getrandom::u64().unwrap_or_default()))
    }

    /// The number of the request that this task works for, if it works for one.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Does some work for the request of this number: lines that it logs bear the number.
    pub(crate) async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Like [`Self::scope`], for work that does not wait.
    pub(crate) fn sync_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
