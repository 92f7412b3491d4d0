//! Log lines on standard error: one a request, one an event.
//!
//! The line of a request has the method, the path without its query, the status, how long it took, the
//! client's address, who was signed in and why it was refused: nothing that a client sends as a header or
//! body. Of sqlx's own lines those from `warn` on are let through, of Rocket's the errors; but never its
//! remarks on a request, which quote the query, the headers or the form. Those on a template say why it failed.

mod line;

use std::io::IsTerminal;
use std::time::Duration;

use rocket::Data;
use rocket::fairing::{Fairing, Info, Kind};
use rocket::request::Request;
use rocket::response::Response;
use rocket::tokio::time::Instant;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::line::Line;
use crate::config::{LogFormat, LogLevelName};
use crate::http::request_id::RequestId;
use crate::http::{arrival, guards};
use crate::model::error::{AuthenticationFailure, Error, Result};
use crate::operations::authentication::Actor;

/// What renders the pages. Its remarks are the only place where it says why it could not.
const TEMPLATES: &str = "rocket_dyn_templates";

/// Begins to write log lines. Does nothing if something else in the process already does.
pub(crate) fn start(level: LogLevelName, format: LogFormat) {
    let level = match level {
        LogLevelName::Off => LevelFilter::OFF,
        LogLevelName::Error => LevelFilter::ERROR,
        LogLevelName::Warn => LevelFilter::WARN,
        LogLevelName::Info => LevelFilter::INFO,
        LogLevelName::Debug => LevelFilter::DEBUG,
    };
    let line = match format {
        LogFormat::Text => Line::Text,
        LogFormat::Auto if std::io::stderr().is_terminal() => Line::Text,
        LogFormat::Auto | LogFormat::Json => Line::Json,
    };
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("rocket", level.min(LevelFilter::ERROR))
        // That connections cannot be accepted, as when there are no descriptors left.
        .with_target("rocket_http::listener", level.min(LevelFilter::WARN))
        .with_target(TEMPLATES, level.min(LevelFilter::WARN))
        .with_target("usher", level);
    let no_remarks = filter_fn(|event| !is_remark(event.target()));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).event_format(line);
    // An error means that a subscriber is there already, as in a test that captures the log.
    drop(tracing_subscriber::registry().with(targets).with(no_remarks).with(lines).try_init());
}

/// Whether a line is one of Rocket's remarks on what it is doing with a request. They have a target of
/// their own in each module, those that it generates into our handlers included.
fn is_remark(target: &str) -> bool {
    target.ends_with("::_") && !target.starts_with(TEMPLATES)
}

/// Writes the line of a request.
pub(crate) struct Requests;

/// When a request was begun.
struct Begun(Instant);

#[rocket::async_trait]
impl Fairing for Requests {
    fn info(&self) -> Info {
        Info { name: "request log", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        request.local_cache(|| Begun(Instant::now()));
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        write(request, response);
    }
}

/// Writes the line of a request.
pub(crate) fn write(request: &Request<'_>, response: &Response<'_>) {
    let status = response.status().code;
    let address = guards::origin(request).address;
    let method = arrival::asked(request).map_or(arrival::UNKNOWN_METHOD, |method| method.as_str());
    // To the microsecond.
    let duration_ms = (elapsed(request).as_secs_f64() * 1e6).round() / 1e3;
    /// The line, at the level that fits.
    macro_rules! write_line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = %RequestId::of(request),
                    method,
                    path = request.uri().path().as_str(),
                    status,
                    duration_ms,
                    address = address.map(|address| address.to_string()),
                    user = user(request),
                    reason = Error::stashed(request).and_then(reason),
                    "{method} {} {status}", request.uri().path(),
                )
            };
        }
    if status < 500 { write_line!(info) } else { write_line!(warn) }
}

/// How long we have been at a request.
pub(crate) fn elapsed(request: &Request<'_>) -> Duration {
    request.local_cache(|| Begun(Instant::now())).0.elapsed()
}

/// The primary key of the user that the guards found; it causes no lookup. Call it after all guards that may look
/// a user up.
pub(crate) fn user(request: &Request<'_>) -> Option<i64> {
    let not_asked = || Err(Error::NotAuthenticated(AuthenticationFailure::NoCredentials));
    let found: &Result<Actor> = request.local_cache(not_asked);
    found.as_ref().ok().map(|actor| actor.user().id.0)
}

/// Why a request was refused, in a word for who reads the log.
const fn reason(error: &Error) -> Option<&'static str> {
    match error {
        Error::NotAuthenticated(AuthenticationFailure::NoCredentials) => Some("no_credentials"),
        Error::NotAuthenticated(AuthenticationFailure::NoActiveAccount) => Some("wrong_credentials"),
        Error::NotAuthenticated(failure) => failure.code(),
        Error::Forbidden(denial) => Some(denial.code()),
        Error::Conflict(conflict) => Some(conflict.code()),
        Error::Throttled(_) => Some("throttled"),
        Error::Timeout => Some("body_too_slow"),
        Error::Unavailable => Some("unavailable"),
        Error::Contended => Some("contended"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_remarks_on_a_request_only_those_on_its_template_are_written() {
        assert!(is_remark("rocket::server::_"));
        assert!(is_remark("usher::web::users::list::_"));
        assert!(!is_remark("rocket_dyn_templates::engine::tera::_"));
        assert!(!is_remark("rocket::server"));
    }
}
