//! What Prometheus reads.

use std::collections::{BTreeSet, HashMap};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::server::{Server, json_request, make_superuser, obtain_request, status_of};
use crate::app::TestApp;

impl Server {
    /// All numbers of this moment.
    pub(super) fn numbers(&self) -> HashMap<String, f64> {
        let page = self.metrics(GET);
        samples(&page).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What the metrics' own address answers.
    fn metrics(&self, request: &str) -> String {
        let line = self.said.lines().find_map(|line| line.strip_prefix("Metrics are at http://"));
        let address = line.expect("it says where").strip_suffix("/metrics").unwrap().to_owned();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        std::io::read_to_string(stream).unwrap()
    }
}

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// All samples by name and labels; each line is one, or a comment.
fn samples(page: &str) -> HashMap<&str, f64> {
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Type: text/plain; version=0.0.4"), "{head}");
    let lines = body.lines().filter(|line| !line.starts_with("# "));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect()
}

/// A server with metrics that was asked this and that.
async fn busy(app: &TestApp) -> (TempDir, Server) {
    let url = app.url.clone();
    rocket::tokio::task::spawn_blocking(move || {
        let directory = TempDir::new().unwrap();
        let variables = [("DATABASE_URL", url.as_str()), ("USHER_METRICS_ADDRESS", "127.0.0.1:0")];
        make_superuser(directory.path(), &variables);
        let server = Server::start(directory.path(), &variables);
        let bearer = server.sign_in();
        server.ask(&json_request("POST", "/v1/users/list", &bearer, &json!({}))).unwrap();
        server.ask(&obtain_request("admin-secret-name", "x")).unwrap();
        server.get("/livez");
        server.get("/sign-in");
        server.get("/no-such-secret-page");
        server.ask("FORGED /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        (directory, server)
    })
    .await
    .unwrap()
}

#[apply(on_both)]
async fn the_numbers_are_those_of_what_happened(app: TestApp) {
    let (_directory, server) = busy(&app).await;
    let page = server.metrics(GET);
    let samples = samples(&page);
    for (name, value) in [
        (r#"usher_requests_total{group="auth",method="POST",status="200"}"#, 1.0),
        (r#"usher_requests_total{group="auth",method="POST",status="401"}"#, 1.0),
        (r#"usher_requests_total{group="api",method="POST",status="200"}"#, 1.0),
        (r#"usher_requests_total{group="health",method="GET",status="200"}"#, 1.0),
        (r#"usher_requests_total{group="console",method="GET",status="200"}"#, 1.0),
        (r#"usher_requests_total{group="none",method="GET",status="404"}"#, 1.0),
        (r#"usher_requests_total{group="none",method="unknown",status="405"}"#, 1.0),
        (r#"usher_request_duration_seconds_count{group="auth"}"#, 2.0),
        (r#"usher_request_duration_seconds_bucket{group="auth",le="+Inf"}"#, 2.0),
        ("usher_authenticated_requests_total", 1.0),
        ("usher_password_hashes_total", 2.0),
        ("usher_password_hashes_waiting", 0.0),
        ("usher_requests_in_flight", 0.0),
        ("usher_stopping", 0.0),
        ("usher_database_cannot_write", 0.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}\n{page}");
    }
    for name in [
        "usher_password_hash_seconds_total",
        "usher_resident_memory_bytes",
        "usher_database_connections",
        "usher_open_files",
    ] {
        assert!(samples.get(name).is_some_and(|value| *value > 0.0), "{name}\n{page}");
    }
    assert!(samples["usher_database_connections_idle"] <= samples["usher_database_connections"]);
    assert!(samples["usher_open_files"] < samples["usher_open_files_limit"], "{page}");
    assert!(samples["usher_start_time_seconds"] > 1.7e9, "{page}");
    assert_eq!(samples.contains_key("usher_sqlite_wal_bytes"), app.url.starts_with("sqlite"), "{page}");
}

#[apply(on_both)]
async fn cf_4_numbers_tell_nothing_of_people_and_only_where_they_are_asked_for(app: TestApp) {
    let (_directory, server) = busy(&app).await;
    let page = server.metrics(GET);
    for secret in ["admin", "secret", "FORGED", env!("CARGO_PKG_VERSION"), "127.0.0.1"] {
        let body = page.split_once("\r\n\r\n").unwrap().1;
        assert!(!body.contains(secret), "{secret}: {body}");
    }
    assert_eq!(status_of(&server.metrics("GET / HTTP/1.1\r\n\r\n")), Some(404));
    assert_eq!(status_of(&server.metrics("POST /metrics HTTP/1.1\r\n\r\n")), Some(404));
    assert_eq!(server.status("/metrics"), Some(404), "the open port has none");
}

#[test]
fn without_the_setting_there_are_no_metrics_and_a_bad_one_is_refused() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[]);
    assert!(!server.said.contains("Metrics"), "{}", server.said);
    let bad = [("USHER_METRICS_ADDRESS", "localhost")];
    let output = super::run(super::usher(directory.path(), &bad, &["check"]), "");
    assert!(super::text(&output.stderr).contains("usher.metrics_address"), "{}", super::text(&output.stderr));
}

/// The names of our numbers in a text, without what a histogram adds to its own.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    let names = words.filter(|word| word.starts_with("usher_"));
    names
        .map(|name| {
            let parts = ["_bucket", "_sum", "_count"];
            parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name).to_owned()
        })
        .collect()
}

#[test]
fn what_is_shipped_for_prometheus_and_grafana_names_the_numbers_that_there_are() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[("USHER_METRICS_ADDRESS", "127.0.0.1:0")]);
    server.get("/livez");
    let page = server.metrics(GET);
    let there_are = names(&samples(&page).keys().copied().collect::<Vec<_>>().join("\n"));
    let dashboard = include_str!("../../../docs/grafana-dashboard.json");
    let panels = serde_json::from_str::<serde_json::Value>(dashboard).unwrap()["panels"].clone();
    assert!(panels.as_array().is_some_and(|panels| !panels.is_empty()));
    for used in [names(dashboard), names(include_str!("../../../docs/prometheus-rules.yml"))] {
        assert!(!used.is_empty() && used.is_subset(&there_are), "{used:?} of {there_are:?}");
    }
    let documented = names(include_str!("../../../docs/monitoring.md"));
    assert_eq!(documented, there_are, "each number is in docs/monitoring.md");
}

#[test]
fn each_rule_for_prometheus_speaks_up_and_is_documented() {
    let directory = TempDir::new().unwrap();
    let rules = include_str!("../../../docs/prometheus-rules.yml");
    std::fs::write(directory.path().join("prometheus-rules.yml"), rules).unwrap();
    let test = include_str!("../../fixtures/prometheus-rules-test.yml");
    std::fs::write(directory.path().join("test.yml"), test).unwrap();
    let mut promtool = Command::new("promtool");
    promtool.args(["test", "rules", "test.yml"]).current_dir(directory.path());
    let output = promtool.output().expect("the package prometheus is installed; tests/run does that");
    assert!(output.status.success(), "{}", super::text(&output.stderr));
    let docs = include_str!("../../../docs/monitoring.md");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(docs.contains(&format!("| `{alert}` |")), "{alert}");
        assert!(test.contains(&format!("alertname=\"{alert}\"")), "{alert}");
    }
}
