//! The command line: parse, dispatch, exit code.

use std::process::ExitCode;

/// Answers take many small pieces of memory, on one thread and back on another: glibc's allocator is slower at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    usher::cli::run()
}
