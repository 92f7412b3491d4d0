//! What looks at the console without judging it: `tests/screenshots` takes pictures, `tests/lighthouse` asks for marks.
//!
//! They go the ways of the browser tests, so they are built of the same modules; `cargo test` does not run them.

#![expect(clippy::expect_used, clippy::panic, reason = "a tool may stop where it stands")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool says what it found")]
#![expect(dead_code, reason = "the tests beside it use the rest of the modules")]

mod actions;
mod driver;
mod lighthouse;
mod people;
mod phone;
mod pictures;
mod server;
mod states;
mod visits;

fn main() -> std::process::ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("screenshots") => pictures::screenshots(),
        Some("readme") => pictures::of_the_readme(),
        Some("lighthouse") => lighthouse::lighthouse(),
        _ => {
            eprintln!("run tests/screenshots or tests/lighthouse");
            return std::process::ExitCode::from(2);
        }
    }
    std::process::ExitCode::SUCCESS
}
