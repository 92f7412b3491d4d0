//! Metrics of the process in Prometheus' text format, on an address of their own.
//!
//! No number is about a person, and no label comes from a client: methods, groups of routes and statuses
//! are from short lists. To add a number: a line in [`page`], and where it is counted.

mod counts;

use std::fmt::Write;
use std::sync::Arc;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::request::Request;
use rocket::response::Response;

use crate::http::traffic::Traffic;
use crate::http::{arrival, descriptors, guards, logging};
use crate::operations::App;

pub(crate) use self::counts::Metrics;

/// Counts each request when its answer is known.
pub(crate) struct Requests;

#[rocket::async_trait]
impl Fairing for Requests {
    fn info(&self) -> Info {
        Info { name: "metrics", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        count_request(request, response);
    }
}

/// Counts an answered request.
pub(crate) fn count_request(request: &Request<'_>, response: &Response<'_>) {
    let Some(metrics) = request.rocket().state::<Arc<Metrics>>() else { return };
    let method = arrival::asked(request).map_or(arrival::UNKNOWN_METHOD, |_| request.method().as_str());
    metrics.count(method, group(request), response.status().code, logging::elapsed(request));
    if logging::user(request).is_some() {
        metrics.count_authenticated();
    }
}

/// Which part of the program a request is for. Strangers choose paths: there are only these.
fn group(request: &Request<'_>) -> &'static str {
    if request.route().is_none() {
        return "none";
    }
    let mut segments = request.uri().path().segments();
    match (segments.next(), segments.next()) {
        (Some("livez" | "readyz"), _) => "health",
        (Some("static"), _) => "static",
        (Some("v1"), Some("auth")) => "auth",
        _ if guards::is_api(request) => "api",
        _ => "console",
    }
}

/// All numbers of this moment, in Prometheus' text format.
///
/// # Errors
/// None: writing into a text does not fail.
pub(crate) fn page(
    app: &App,
    traffic: &Traffic,
    metrics: &Metrics,
) -> std::result::Result<String, std::fmt::Error> {
    let mut page = String::new();
    metrics.write(&mut page)?;
    let mut one = |name: &str, kind: &str, help: &str, value: f64| {
        writeln!(page, "# HELP usher_{name} {help}\n# TYPE usher_{name} {kind}\nusher_{name} {value}")
    };
    one("requests_in_flight", "gauge", "Requests that are read or answered.", count(traffic.in_flight()))?;
    if let Some(open) = descriptors::open() {
        one("open_files", "gauge", "Open files of the process; each connection is one.", count(open))?;
    }
    if let Some(limit) = descriptors::limit() {
        one("open_files_limit", "gauge", "How many there may be.", long(limit))?;
    }
    one(
        "stopping",
        "gauge",
        "1 after the server was told to stop.",
        f64::from(u8::from(traffic.is_stopping())),
    )?;
    one(
        "password_hashes_waiting",
        "gauge",
        "Passwords that wait to be hashed.",
        count(app.hasher.waiting()),
    )?;
    let hashed = app.hasher.operations();
    one("password_hashes_total", "counter", "Passwords hashed or checked.", long(hashed))?;
    let seconds = app.hasher.time_spent().as_secs_f64();
    one("password_hash_seconds_total", "counter", "Time spent on that.", seconds)?;
    let [open, idle] = app.db.connections();
    one("database_connections", "gauge", "Open connections to the database.", count(open))?;
    one("database_connections_idle", "gauge", "Those that are not in use.", count(idle))?;
    if let Some(bytes) = app.db.wal_bytes() {
        one("sqlite_wal_bytes", "gauge", "Size of SQLite's write-ahead log.", long(bytes))?;
    }
    if let Some(bytes) = resident_bytes() {
        one("resident_memory_bytes", "gauge", "Memory of the process.", long(bytes))?;
    }
    let started = u64::try_from(metrics.started.seconds()).unwrap_or(0);
    one("start_time_seconds", "gauge", "When the process started, since 1970.", long(started))?;
    Ok(page)
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
