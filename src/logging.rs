//! Log lines: one a request, on standard error, with control characters escaped.
//!
//! A line has the method, the path without its query, and the status: nothing that a client sends as
//! a header or body. Rocket's and sqlx's own lines are let through only from `warn` on, because
//! below it Rocket prints whole requests.

use rocket::fairing::{Fairing, Info, Kind};
use rocket::request::Request;
use rocket::response::Response;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogLevelName;

/// Begins to write log lines. Does nothing if something else in the process already does.
pub(crate) fn start(level: LogLevelName) {
    let level = match level {
        LogLevelName::Off => LevelFilter::OFF,
        LogLevelName::Error => LevelFilter::ERROR,
        LogLevelName::Warn => LevelFilter::WARN,
        LogLevelName::Info => LevelFilter::INFO,
        LogLevelName::Debug => LevelFilter::DEBUG,
    };
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        // Rocket reports every refused request; our own line does.
        .with_target("rocket", level.min(LevelFilter::ERROR))
        .with_target("_", LevelFilter::OFF)
        .with_target("usher", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // An error means that a subscriber is there already, as in a test that captures the log.
    drop(tracing_subscriber::registry().with(targets).with(lines).try_init());
}

/// Writes the line of a request.
pub(crate) struct Requests;

#[rocket::async_trait]
impl Fairing for Requests {
    fn info(&self) -> Info {
        Info { name: "request log", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        log::info!("{} {} {}", request.method(), request.uri().path(), response.status().code);
    }
}
