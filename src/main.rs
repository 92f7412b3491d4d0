//! The command line: parse, dispatch, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher::cli::run()
}
