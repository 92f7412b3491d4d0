//! Slow clients, idle clients, and too many of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::server::{Server, eventually, json_request, make_superuser, obtain_request, rounds, status_of};
use crate::app::TestApp;

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

#[apply(on_both)]
async fn rl_7_slow_clients_of_every_kind_do_not_hurt_others(app: TestApp) {
    let url = app.url.clone();
    rocket::tokio::task::spawn_blocking(move || {
        let directory = TempDir::new().unwrap();
        let variables = [("DATABASE_URL", url.as_str()), ("ROCKET_WORKERS", "2")];
        make_superuser(directory.path(), &variables);
        let mut server = Server::start(directory.path(), &variables);
        let bearer = server.sign_in();
        let list = json_request("POST", "/v1/users/list", &bearer, &json!({}));
        let head = list.find("\r\n\r\n").unwrap();
        let mut slow = Vec::new();
        for _ in 0..100 {
            slow.push(hold(&server, ""));
            slow.push(hold(&server, "GET /livez HTTP/1.1\r\nHost: loc"));
            // A whole head that would take a connection of the database, and half a body.
            slow.push(hold(&server, &list[..head + 5]));
            slow.push(hold(
                &server,
                "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
            ));
            // Asks for a lot and reads nothing.
            slow.push(hold(&server, &"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50)));
        }
        for _ in 0..10 {
            assert_eq!(ask_in_time(&server, &list), Some(200));
        }
        assert_eq!(server.status("/readyz"), Some(200));
        // When their time is up, those that owe us something are gone.
        for stream in slow.iter_mut().enumerate().filter(|(n, _)| n % 5 < 4).map(|(_, stream)| stream) {
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let mut rest = Vec::new();
            // A connection that is reset is closed, too.
            let end = stream.read_to_end(&mut rest).map_err(|error| error.kind());
            assert!(end != Err(std::io::ErrorKind::WouldBlock), "a slow client is still there");
        }
        assert!(!server.log().contains("panic"));
    })
    .await
    .unwrap();
}

#[test]
fn rl_8_a_server_without_descriptors_recovers_when_it_has_some_again() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start_under(&["prlimit", "--nofile=256"], directory.path(), &[]);
    let idle: Vec<TcpStream> = (0..300).map(|_| hold(&server, "")).collect();
    std::thread::sleep(Duration::from_millis(300));
    drop(idle);
    assert!(eventually(FINE, || server.status("/readyz") == Some(200)));
    for _ in 0..20 {
        assert_eq!(server.status("/readyz"), Some(200));
    }
    assert!(server.child.try_wait().unwrap().is_none(), "it is the same process");
    let log = server.log();
    assert!(log.contains("connections at once: the process may open 256 files"), "it says so: {log}");
    assert!(!log.contains("Too many open files"), "and never runs out of them: {log}");
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
