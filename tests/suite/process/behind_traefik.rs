//! Usher behind the Traefik that the labels in docs/proxy.md describe. Traefik reads them from an engine of containers, of
//! which the test answers what Traefik asks.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::front::{self, BEHIND, Front, free_port, get};
use super::server::{Server, eventually, status_of};

const DOCUMENTATION: &str = include_str!("../../../docs/proxy.md");

/// The labels of the block of YAML that follows a text of the documentation.
fn labels_after(text: &str) -> Map<String, Value> {
    let (_, rest) = DOCUMENTATION.split_once(text).expect(text);
    let (_, block) = rest.split_once("```yaml\n").expect("a block");
    let lines = block.split("```").next().unwrap().lines();
    let labels = lines.filter_map(|line| line.trim_start().strip_prefix("- "));
    labels
        .map(|label| label.split_once('=').expect(label))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// Those of Usher's container, but for what only fits the real machine: its port, and TLS, for which Traefik would ask an
/// authority for a certificate.
fn labels_of(address: &str) -> Map<String, Value> {
    let mut labels = labels_after("## Traefik");
    assert_eq!(labels.remove("traefik.http.routers.usher.tls.certresolver"), Some("letsencrypt".into()));
    let port = address.rsplit_once(':').expect("a port").1;
    let before = labels.insert("traefik.http.services.usher.loadbalancer.server.port".into(), port.into());
    assert_eq!(before, Some("8000".into()));
    labels
}

/// Answers as an engine with containers of these labels, all of them on this machine; its address.
fn engine(containers: Vec<Map<String, Value>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let containers = containers.clone();
            std::thread::spawn(move || answer(stream.unwrap(), &containers));
        }
    });
    address
}

fn answer(stream: TcpStream, containers: &[Map<String, Value>]) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let mut stream = stream;
    while let Some(first) = lines.next() {
        lines.by_ref().find(String::is_empty);
        let networks = json!({"Networks": {"bridge": {"IPAddress": "127.0.0.1", "NetworkID": "1"}}});
        let host = json!({"NetworkMode": "bridge"});
        let path = first.split([' ', '?']).nth(1).unwrap_or_default();
        let body = match path.rsplit('/').next().unwrap_or_default() {
            "_ping" => json!("OK"),
            "version" => json!({"Version": "27.0.0", "ApiVersion": "1.47"}),
            _ if path.ends_with("/containers/json") => containers
                .iter()
                .enumerate()
                .map(|(n, labels)| {
                    json!({"Id": n.to_string(), "Names": [format!("/{n}")], "Labels": labels, "State": "running",
                        "HostConfig": host, "NetworkSettings": networks})
                })
                .collect(),
            _ => {
                let n = path.split('/').rev().nth(1).unwrap_or_default();
                let labels = n.parse().ok().and_then(|n: usize| containers.get(n));
                json!({"Id": n, "Name": format!("/{n}"), "State": {"Status": "running", "Running": true},
                    "HostConfig": host, "Config": {"Labels": labels}, "NetworkSettings": networks})
            }
        };
        let body = if first.starts_with("HEAD") { String::new() } else { body.to_string() };
        let head = "HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nContent-Type: application/json\r\n";
        if write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).is_err() {
            break;
        }
    }
}

/// Traefik in front of these containers.
fn traefik_before(containers: Vec<Map<String, Value>>, directory: &Path) -> Front {
    let port = free_port();
    let log = directory.join("traefik.log");
    let mut command = Command::new("traefik");
    command.current_dir(directory).env("HOME", directory).stdin(Stdio::null()).args([
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--providers.docker.watch=false",
        &format!("--providers.docker.endpoint=tcp://{}", engine(containers)),
        &format!("--entrypoints.web.address=127.0.0.1:{port}"),
        // The default is a minute, for which a test is not to wait.
        "--entrypoints.web.transport.respondingtimeouts.readtimeout=10s",
    ]);
    let file = File::create(&log).unwrap();
    let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn();
    let child = child.expect("Traefik is there; tests/run fetches it");
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let front = Front::new(child, port, said);
    // It listens before it knows its routes.
    let is_there = || {
        let answer = front.ask(&get("/", ""));
        status_of(&answer).is_some_and(|status| status != 404)
    };
    assert!(eventually(Duration::from_secs(20), is_there), "{}", said());
    front
}

fn alone(directory: &Path) -> (Server, Front) {
    let server = Server::start(directory, &BEHIND);
    let traefik = traefik_before(vec![labels_of(&server.address)], directory);
    (server, traefik)
}

#[test]
fn ip_1_behind_traefik_the_address_is_the_clients_whatever_it_says() {
    let directory = TempDir::new().unwrap();
    let (server, traefik) = alone(directory.path());
    front::the_address_is_the_clients(server, &traefik);
}

#[test]
fn hd_1_behind_traefik_headers_pass_and_other_hosts_are_not_served() {
    let directory = TempDir::new().unwrap();
    let (_server, traefik) = alone(directory.path());
    let page = traefik.ask(&get("/sign-in", ""));
    front::assert_whole_with_headers(&page);
    let other = traefik.ask("GET /sign-in HTTP/1.1\r\nHost: other.example.org\r\nConnection: close\r\n\r\n");
    assert_eq!(status_of(&other), Some(404), "{other}");
}

#[test]
fn do_2_behind_traefik_bodies_that_are_too_long_are_answered_413_with_a_body() {
    let directory = TempDir::new().unwrap();
    let (_server, traefik) = alone(directory.path());
    // Usher itself refuses all of them.
    for length in [1_048_577, 5_000_000, 5_000, 100_000, 1_048_577, 5_000_000] {
        let answer = traefik.ask(&front::post(length));
        assert_eq!(status_of(&answer), Some(413), "{length}: {answer}");
        assert!(answer.contains("The request body is larger than 4096 bytes."), "{length}: {answer}");
    }
    assert_eq!(status_of(&traefik.ask(&front::post(100))), Some(400), "a short one is read");
}

#[test]
fn do_1_behind_traefik_slow_clients_are_cut_and_hurt_nobody() {
    let directory = TempDir::new().unwrap();
    let (_server, traefik) = alone(directory.path());
    front::slow_clients_are_cut_and_hurt_nobody(directory.path(), &traefik);
}

#[test]
fn do_1_behind_traefik_an_address_has_so_many_requests_at_once() {
    let directory = TempDir::new().unwrap();
    let (_server, traefik) = alone(directory.path());
    let begin = || {
        let mut stream = TcpStream::connect(&traefik.address).unwrap();
        let head = "POST /v1/auth/obtain HTTP/1.1\r\nHost: users.example.org\r\nContent-Length: 100\r\n\r\n{";
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let status = || status_of(&traefik.ask(&get("/livez", "")));
    assert_eq!(status(), Some(200));
    let mut under_way = Vec::new();
    let is_full = || {
        under_way.extend((0..20).map(|_| begin()));
        status() == Some(429)
    };
    assert!(eventually(Duration::from_secs(2), is_full));
    drop(under_way);
    assert!(eventually(Duration::from_secs(20), || status() == Some(200)));
}

#[test]
fn below_a_path_traefik_hands_it_on_beside_another_program() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[&BEHIND[..], &[("USHER_BASE_PATH", "/usher")]].concat());
    let mut labels = labels_of(&server.address);
    let rule = "traefik.http.routers.usher.rule";
    let below = labels_after("The rule of [Traefik](#traefik) becomes");
    let below = below[rule].as_str().unwrap().replace("`example.org`", "`users.example.org`");
    labels.insert(rule.into(), below.into());
    let health = "traefik.http.services.usher.loadbalancer.healthcheck.path";
    labels.insert(health.into(), "/usher/readyz".into());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok).find(String::is_empty);
            drop(write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\nthe other program"
            ));
        }
    });
    let other = json!({
        "traefik.http.routers.other.rule": "Host(`users.example.org`)",
        "traefik.http.services.other.loadbalancer.server.port": port,
    });
    let traefik = traefik_before(vec![other.as_object().unwrap().clone(), labels], directory.path());
    // Until its health was asked for.
    assert!(eventually(Duration::from_secs(10), || status_of(&traefik.ask(&get("/usher/livez", "")))
        == Some(200)));
    front::everything_is_below_usher(directory.path(), &traefik);
    for path in ["/", "/users", "/ushers"] {
        assert!(traefik.ask(&get(path, "")).ends_with("the other program"), "{path}");
    }
    assert!(traefik.ask(&get("/usher", "")).to_lowercase().contains("location: /usher/sign-in"));
}
