//! Metrics of the process in Prometheus' text format, on an address of their own.
//!
//! No number is about a person, and no label comes from a client: methods, groups of routes and statuses
//! are from short lists. To add a number: a line in [`page`], or in [`Metrics`] and where it is counted.

mod counts;

use std::sync::Arc;

use prometheus::{Counter, Gauge, Registry, TextEncoder};
use rocket::fairing::{self, Fairing, Info, Kind};
use rocket::request::Request;
use rocket::response::Response;
use rocket::{Build, Rocket};

use self::counts::Group;
pub(crate) use self::counts::Metrics;
use crate::http::path::RequestPath;
use crate::http::traffic::Traffic;
use crate::http::{arrival, descriptors, logging};
use crate::operations::App;

/// Counts each request when its answer is known.
pub(crate) struct Requests;

#[rocket::async_trait]
impl Fairing for Requests {
    fn info(&self) -> Info {
        Info { name: "metrics", kind: Kind::Ignite | Kind::Response }
    }

    async fn on_ignite(&self, rocket: Rocket<Build>) -> fairing::Result {
        let Some(app) = rocket.state::<App>() else { return Err(rocket) };
        match Metrics::new(app.clock.now()) {
            Ok(metrics) => Ok(rocket.manage(Arc::new(metrics))),
            Err(error) => {
                log::error!("requests cannot be counted: {error}");
                Err(rocket)
            }
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        count_request(request, response);
    }
}

/// Counts an answered request.
pub(crate) fn count_request(request: &Request<'_>, response: &Response<'_>) {
    let Some(metrics) = request.rocket().state::<Arc<Metrics>>() else { return };
    let method = arrival::asked(request).map(|_| request.method());
    metrics.count(method, group(request), response.status().code, logging::elapsed(request));
    if logging::user(request).is_some() {
        metrics.count_authenticated();
    }
}

/// Which part of the program a request is for. Strangers choose paths: there are only these.
fn group(request: &Request<'_>) -> Group {
    if request.route().is_none() {
        return Group::None;
    }
    let path = RequestPath::of(request);
    match path.segments() {
        ["livez" | "readyz", ..] => Group::Health,
        ["static", ..] => Group::Static,
        [_, "auth", ..] if path.is_api() => Group::Auth,
        _ if path.is_api() => Group::Api,
        _ => Group::Console,
    }
}

/// All names begin with `usher_`.
fn registry() -> prometheus::Result<Registry> {
    Registry::new_custom(Some("usher".to_owned()), None)
}

/// All numbers of this moment, in Prometheus' text format.
pub(crate) fn page(app: &App, traffic: &Traffic, metrics: &Metrics) -> prometheus::Result<String> {
    let present = registry()?;
    let gauge = |name: &str, help: &str, value: f64| {
        let gauge = Gauge::new(name, help)?;
        gauge.set(value);
        present.register(Box::new(gauge))
    };
    let counter = |name: &str, help: &str, value: f64| {
        let counter = Counter::new(name, help)?;
        counter.inc_by(value);
        present.register(Box::new(counter))
    };
    gauge("requests_in_flight", "Requests that are read or answered.", count(traffic.in_flight()))?;
    if let Some(open) = descriptors::open() {
        gauge("open_files", "Open files of the process; each connection is one.", count(open))?;
    }
    if let Some(limit) = descriptors::limit() {
        gauge("open_files_limit", "How many there may be.", long(limit))?;
    }
    gauge("stopping", "1 after the server was told to stop.", f64::from(u8::from(traffic.is_stopping())))?;
    gauge("password_hashes_waiting", "Passwords that wait to be hashed.", count(app.hasher.waiting()))?;
    counter("password_hashes_total", "Passwords hashed or checked.", long(app.hasher.operations()))?;
    let seconds = app.hasher.time_spent().as_secs_f64();
    counter("password_hash_seconds_total", "Time spent on that.", seconds)?;
    let [open, idle] = app.db.connections();
    gauge("database_connections", "Open connections to the database.", count(open))?;
    gauge("database_connections_idle", "Those that are not in use.", count(idle))?;
    let cannot_write = f64::from(u8::from(app.db.trouble().is_some()));
    gauge("database_cannot_write", "1 while changes cannot be stored.", cannot_write)?;
    let fails = f64::from(u8::from(app.db.replica_fails()));
    gauge("replica_unavailable", "1 while there is a replica that cannot be read from.", fails)?;
    let broken = f64::from(u8::from(app.audit_watch.fault().is_some()));
    gauge("audit_log_broken", "1 if entries of the audit log are not as they were sealed.", broken)?;
    let uses = count(app.session_uses.waiting());
    gauge("session_uses_waiting", "Uses of sessions that are still to be stored.", uses)?;
    if let Some(bytes) = app.db.wal_bytes() {
        gauge("sqlite_wal_bytes", "Size of SQLite's write-ahead log.", long(bytes))?;
    }
    if let Some(bytes) = resident_bytes() {
        gauge("resident_memory_bytes", "Memory of the process.", long(bytes))?;
    }
    TextEncoder::new().encode_to_string(&[metrics.registry.gather(), present.gather()].concat())
}

/// As Prometheus counts. Beyond 2^53 the last digits are lost.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are floating")]
const fn long(count: u64) -> f64 {
    count as f64
}

fn count(count: usize) -> f64 {
    long(u64::try_from(count).unwrap_or(u64::MAX))
}

/// The memory that the process really has, if the operating system says.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
