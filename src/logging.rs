//! Log lines: one a request, on standard error, with control characters escaped.
//!
//! A line has the method, the path without its query, and the status: nothing that a client sends as
//! a header or body. Of sqlx's own lines those from `warn` on are let through, of Rocket's the errors;
//! but never its remarks on a request, which quote the query, the headers or the form.

use rocket::fairing::{Fairing, Info, Kind};
use rocket::request::Request;
use rocket::response::Response;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
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
        .with_target("rocket", level.min(LevelFilter::ERROR))
        .with_target("usher", level);
    let no_remarks = filter_fn(|line| !is_remark(line.target()));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // An error means that a subscriber is there already, as in a test that captures the log.
    drop(tracing_subscriber::registry().with(targets).with(no_remarks).with(lines).try_init());
}

/// Whether a line is one of Rocket's remarks on what it is doing with a request. They have a target of
/// their own in each module, those that it generates into our handlers included.
fn is_remark(target: &str) -> bool {
    target.ends_with("::_")
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
