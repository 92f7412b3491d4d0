//! How many files the process may have open: each connection is one, however slow its client.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer are remarked upon.
const FEW: u64 = 4096;

/// Raises the limit of this process as far as the operating system allows, and says so if that is not far.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        log::warn!("the limit of open files could not be raised: {error}");
    }
    if let Some(limit) = limit().filter(|limit| *limit < FEW) {
        log::warn!(
            "the process may open {limit} files only, and each connection is one: raise `ulimit -Hn`, or LimitNOFILE \
             of the service"
        );
    }
}

/// How many files may be open; `None` if there is no limit.
pub(crate) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many files are open, if the operating system says.
pub(crate) fn open() -> Option<usize> {
    // The folder itself is open meanwhile.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}
