//! Slow clients, idle clients, and too many of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::server::{Server, eventually, json_request, make_superuser, obtain_request, rounds, status_of};
use crate::app::{PASSWORD, TestApp};

/// How long a client that does everything right may wait while others do not: the machine may be busy. Those
/// others would wait for ever.
const FINE: Duration = Duration::from_secs(25);

/// Says something and holds the connection.
fn hold(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Asks, and gives up after a while.
fn ask_in_time(server: &Server, request: &str) -> Option<u16> {
    status_of(&server.ask_within(FINE, request).ok()?)
}

/// The clients that hold a connection each, at once: more than there are connections to the database, turns at
/// hashing, and threads.
const MANY: usize = 500;

#[apply(on_both)]
async fn do_1_slow_and_idle_clients_hold_a_connection_and_nothing_else(app: TestApp) {
    let url = app.url.clone();
    rocket::tokio::task::spawn_blocking(move || {
        let directory = TempDir::new().unwrap();
        let variables = [
            ("DATABASE_URL", url.as_str()),
            ("ROCKET_WORKERS", "2"),
            ("USHER_METRICS_ADDRESS", "127.0.0.1:0"),
        ];
        make_superuser(directory.path(), &variables);
        let mut server = Server::start(directory.path(), &variables);
        let list = json_request("POST", "/v1/users/list", &server.sign_in(), &json!({"limit": 10}));
        let sign_in = obtain_request("admin", PASSWORD);
        let after_head = |request: &str| request.find("\r\n\r\n").unwrap() + 4;
        let form = "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\n\r\nusername=admin&pass";
        // Heads that would take a connection to the database or a turn at hashing, and bodies that do not come.
        let kinds = [
            String::new(),
            "GET /livez HTTP/1.1\r\nHost: loc".to_owned(),
            list[..after_head(&list)].to_owned(),
            list[..after_head(&list) + 5].to_owned(),
            sign_in[..after_head(&sign_in) + 5].to_owned(),
            sign_in[..after_head(&sign_in) + 20].to_owned(),
            form.to_owned(),
            // Asks and stays.
            "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            // Asks for a lot and reads nothing.
            "GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50),
            list.replace("Connection: close\r\n", "").repeat(20),
        ];
        let mut slow: Vec<_> = (0..MANY).map(|n| hold(&server, &kinds[n % kinds.len()])).collect();
        for _ in 0..10 {
            assert_eq!(ask_in_time(&server, &list), Some(200));
            assert_eq!(server.status("/sign-in"), Some(200));
        }
        assert_eq!(ask_in_time(&server, &sign_in), Some(200));
        assert_eq!(ask_in_time(&server, &obtain_request("admin", "wrong")), Some(401));
        assert_eq!(server.status("/readyz"), Some(200));
        let is_free = || {
            let numbers = server.numbers();
            numbers["usher_database_connections"] - numbers["usher_database_connections_idle"] < 0.5
                && numbers["usher_password_hashes_waiting"] < 0.5
                && numbers["usher_open_files"] > 400.0
        };
        assert!(eventually(FINE, is_free), "{:?}", server.numbers());
        // Bodies of which some came are given up; the others hold their connection for as long as they like.
        let began = |n: &usize| [5, 6].contains(&(n % kinds.len()));
        for (n, stream) in slow.iter_mut().enumerate().filter(|(n, _)| began(n)).take(6) {
            stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(status_of(&answer), Some(408), "{answer}");
            let is_form = n % kinds.len() == 6;
            let says = if is_form {
                "The form took too long to arrive."
            } else {
                "The request body did not arrive in time."
            };
            assert!(answer.contains(says), "{answer}");
        }
        assert!(!server.log().contains("panic"));
    })
    .await
    .unwrap();
}

#[test]
fn rl_7_a_body_that_is_too_long_is_read_to_its_end_and_answered_413() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[]);
    for (path, kind) in
        [("/v1/auth/obtain", "application/json"), ("/sign-in", "application/x-www-form-urlencoded")]
    {
        for length in [40_000, 200_000, 5_000_000, 15_000_000] {
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\n\
                 Content-Length: {length}\r\n\r\n{}",
                "x".repeat(length)
            );
            // A client that has not sent everything when the connection is closed fails here.
            let answer = server.ask(&request).unwrap_or_else(|error| panic!("{path} {length}: {error}"));
            assert_eq!(status_of(&answer), Some(413), "{path} {length}: {answer}");
        }
    }
}

#[test]
fn rl_8_a_server_without_descriptors_recovers_when_it_has_some_again() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start_under(&["prlimit", "--nofile=256"], directory.path(), &[]);
    let idle: Vec<TcpStream> = (0..300).map(|_| hold(&server, "")).collect();
    std::thread::sleep(Duration::from_millis(600));
    drop(idle);
    assert!(eventually(FINE, || server.status("/readyz") == Some(200)));
    for _ in 0..20 {
        assert_eq!(server.status("/readyz"), Some(200));
    }
    assert!(server.child.try_wait().unwrap().is_none(), "it is the same process");
    let log = server.log();
    assert!(log.contains("the process may open 256 files only"), "it says so at the start: {log}");
    assert!(log.contains("Too many open files"), "and when there are none left: {log}");
}

#[test]
fn rl_8_the_process_raises_its_limit_of_open_files_as_far_as_it_may() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start_under(&["prlimit", "--nofile=256:5000"], directory.path(), &[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().take(2).collect::<Vec<_>>(), ["5000", "5000"]);
    let idle: Vec<TcpStream> = (0..300).map(|_| hold(&server, "")).collect();
    assert_eq!(server.status("/readyz"), Some(200), "beside more clients than it was started for");
    drop(idle);
    assert!(!server.log().contains("WARN"), "5000 are enough");
}

/// A number of kB that the kernel tells of a process.
fn memory(server: &Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

#[apply(on_both)]
async fn rl_9_a_flood_of_sign_ins_is_bounded_and_hurts_nobody_else(app: TestApp) {
    let url = app.url.clone();
    rocket::tokio::task::spawn_blocking(move || {
        let directory = TempDir::new().unwrap();
        let variables = [
            ("DATABASE_URL", url.as_str()),
            ("USHER_THROTTLE_ADDRESS_BURST", "1000000"),
            ("USHER_PASSWORD_THREADS", "1"),
        ];
        make_superuser(directory.path(), &variables);
        let server = Server::start(directory.path(), &variables);
        let list = json_request("POST", "/v1/users/list", &server.sign_in(), &json!({}));
        let before = memory(&server, "VmRSS:");
        let over = AtomicBool::new(false);
        let answers: Vec<String> = std::thread::scope(|scope| {
            let reads = scope.spawn(|| {
                let mut reads = 0;
                while !over.load(Ordering::SeqCst) {
                    assert_eq!(ask_in_time(&server, &list), Some(200), "after {reads} reads");
                    assert_eq!(server.status("/livez"), Some(200));
                    reads += 1;
                }
                reads
            });
            let server = &server;
            let mut answers = Vec::new();
            for round in 0..rounds(1) {
                let ask = move |n| server.ask(&obtain_request(&format!("nobody-{round}-{n}"), "x")).unwrap();
                let flood: Vec<_> = (0..200).map(|n| scope.spawn(move || ask(n))).collect();
                answers.extend(flood.into_iter().map(|client| client.join().unwrap()));
            }
            over.store(true, Ordering::SeqCst);
            assert!(reads.join().unwrap() > 2);
            answers
        });
        let refused = answers.iter().filter(|answer| status_of(answer) == Some(503)).count();
        let wrong = answers.iter().filter(|answer| status_of(answer) == Some(401)).count();
        assert_eq!(refused + wrong, answers.len(), "{answers:?}");
        assert!(refused > 0 && wrong > 0, "{refused} were refused, {wrong} checked");
        for answer in answers.iter().filter(|answer| status_of(answer) == Some(503)) {
            assert!(answer.contains("retry-after: "), "{answer}");
        }
        let rise = memory(&server, "VmHWM:").saturating_sub(before) / 1024;
        assert!(rise <= 19 + 64, "one hash and 64 MiB, not {rise} MiB");
    })
    .await
    .unwrap();
}
