//! Being told to stop, and being alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::server::{
    Server, eventually, make_superuser, obtain_request, rounds, run, status_of, text, usher,
};
use crate::app::TestApp;
use crate::console::token;
use crate::mail::{Sink, with_address};

/// The server answers these after 700 ms.
const SLOW: (&str, &str) = ("USHER_SIGN_IN_FAILURE_MILLISECONDS", "700");
/// A bucket that never fills.
const NO_THROTTLE: (&str, &str) = ("USHER_THROTTLE_ADDRESS_BURST", "1000000");

#[apply(on_both)]
async fn rl_10_no_request_is_cut_when_a_busy_server_is_told_to_stop(app: TestApp) {
    let url = app.url.clone();
    let rounds = move || {
        for round in 0..rounds(3) {
            stop_under_load(&url, round);
        }
    };
    rocket::tokio::task::spawn_blocking(rounds).await.unwrap();
}

/// Eight clients ask without a pause, half of them for what takes long, while the server is told to stop.
fn stop_under_load(url: &str, round: u32) {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), &[("DATABASE_URL", url), SLOW, NO_THROTTLE]);
    let told = AtomicBool::new(false);
    let answered = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let (server, told) = (&server, &told);
                scope.spawn(move || {
                    let slow = client % 2 == 0;
                    let request = if slow {
                        obtain_request(&format!("nobody-{client}-{round}"), "x")
                    } else {
                        "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned()
                    };
                    let mut answered = 0;
                    // What is not accepted any more is the end, and only from the signal on.
                    while let Ok(answer) = server.ask(&request) {
                        let Some(status) = status_of(&answer) else { break };
                        // Where much else goes on a turn at hashing may not come in time.
                        let expected = if slow { [401, 503] } else { [200, 503] };
                        assert!(expected.contains(&status), "{answer}");
                        answered += 1;
                    }
                    assert!(told.load(Ordering::SeqCst), "a client got no answer before the signal");
                    (slow, answered)
                })
            })
            .collect();
        std::thread::sleep(Duration::from_secs(1));
        told.store(true, Ordering::SeqCst);
        server.signal("TERM");
        let results: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        let count = |slow: bool| -> usize {
            results.iter().filter(|result| result.0 == slow).map(|result| result.1).sum()
        };
        [("/readyz", count(false)), ("/v1/auth/obtain", count(true))]
    });
    assert!(server.wait().success());
    let log = server.log();
    assert!(log.contains("told to stop by SIGTERM") && !log.contains("cut off"), "{log}");
    let verified = run(usher(directory.path(), &[("DATABASE_URL", url)], &["audit", "verify"]), "");
    let told = text(&verified.stdout);
    assert!(verified.status.success() && told.contains(" sealed, 0 not sealed yet"), "{told}{log}");
    for (path, answers) in answered {
        // A request that was accepted is in the log, whether or not its answer reached the client.
        let accepted = log.matches(&format!("\"path\":\"{path}\"")).count();
        assert_eq!(accepted, answers, "round {round}: requests for {path} that were accepted, and answers");
        assert!(answers > 0, "round {round}: no answers of {path}: {log}");
    }
}

#[apply(on_both)]
async fn rl_10_a_link_that_was_asked_for_right_before_the_stop_is_sent(app: TestApp) {
    with_address(&app, "ada", "", "ada@example.org").await;
    // So slow that nothing can be sent before the stop.
    let sink = Sink::slow(Duration::from_secs(1)).await;
    let (url, port) = (app.url.clone(), sink.port.to_string());
    let ask_and_stop = move || {
        let directory = TempDir::new().unwrap();
        let variables = [
            ("DATABASE_URL", url.as_str()),
            ("USHER_SMTP_HOST", "127.0.0.1"),
            ("USHER_SMTP_PORT", &port),
            ("USHER_SMTP_TLS", "none"),
            ("USHER_MAIL_FROM", "Usher <usher@example.org>"),
        ];
        let mut server = Server::start(directory.path(), &variables);
        let page = server.get("/forgotten-password");
        let cookie = page.split("set-cookie: ").nth(1).expect("a cookie").split(';').next().unwrap();
        let body = format!("token={}&name=ada", token(&page));
        let request = format!(
            "POST /forgotten-password HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = server.ask(&request).unwrap();
        server.signal("TERM");
        assert_eq!(status_of(&answer), Some(200), "{answer}");
        assert!(server.wait().success());
        server.log()
    };
    let log = rocket::tokio::task::spawn_blocking(ask_and_stop).await.unwrap();
    assert!(!log.contains("cut off") && !log.contains("ERROR"), "{log}");
    let recipients: Vec<_> = sink.received().into_iter().map(|message| message.to).collect();
    assert_eq!(recipients, [["ada@example.org"]]);
    let states = "SELECT count(*) FROM mails WHERE state = 'accepted'";
    let count: Option<(i64,)> = app.usher.db.optional(usher::db::Sql::new(states)).await.unwrap();
    assert_eq!(count, Some((1,)), "and that is known");
}

#[test]
fn rl_10_a_stop_does_not_wait_for_longer_than_it_has_to() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), &[SLOW]);
    let answer = std::thread::scope(|scope| {
        let request = scope.spawn(|| server.ask(&obtain_request("nobody", "x")));
        std::thread::sleep(Duration::from_millis(300));
        server.signal("TERM");
        request.join().unwrap().unwrap()
    });
    assert_eq!(status_of(&answer), Some(401), "{answer}");
    // The grace is 8 s; the answer took 0.7 s.
    let ended = eventually(Duration::from_secs(4), || server.child.try_wait().unwrap().is_some());
    assert!(ended, "the last answer is out, and the server is still there");
}

#[test]
fn rl_10_clients_that_ask_nothing_do_not_keep_a_server_that_stops() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), &[]);
    let open: Vec<TcpStream> = (0..20)
        .map(|n| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            if n % 2 == 0 {
                stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
                assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            }
            stream
        })
        .collect();
    server.signal("TERM");
    // Of the 8 s of grace next to nothing is needed.
    let ended = eventually(Duration::from_secs(4), || server.child.try_wait().unwrap().is_some());
    assert!(ended, "no client asks anything, and the server is still there");
    drop(open);
}

#[test]
fn rl_10_what_takes_longer_than_the_grace_is_cut_off_and_the_log_says_so() {
    let directory = TempDir::new().unwrap();
    let variables =
        [("USHER_SIGN_IN_FAILURE_MILLISECONDS", "20000"), ("ROCKET_SHUTDOWN", "{grace=1,mercy=1}")];
    let mut server = Server::start(directory.path(), &variables);
    std::thread::scope(|scope| {
        let request = scope.spawn(|| server.ask(&obtain_request("nobody", "x")));
        std::thread::sleep(Duration::from_millis(500));
        server.signal("TERM");
        let answer = request.join().unwrap().unwrap_or_default();
        assert_eq!(status_of(&answer), None, "{answer}");
    });
    let ended = eventually(Duration::from_secs(10), || server.child.try_wait().unwrap().is_some());
    assert!(ended, "grace and mercy are over");
    assert!(server.wait().success());
    let log = server.log();
    assert!(log.contains("1 requests were cut off") && log.contains("\"stopped\""), "{log}");
}

#[test]
fn rl_10_readiness_ends_before_the_server_does() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), &[("USHER_DRAIN_SECONDS", "2")]);
    assert_eq!(server.status("/readyz"), Some(200));
    assert!(!asked_to_stay(&server).contains("connection: close"));
    server.signal("TERM");
    assert!(eventually(Duration::from_secs(1), || server.status("/readyz") == Some(503)));
    assert!(server.get("/readyz").contains("The server is stopping."));
    assert_eq!(server.status("/livez"), Some(200), "what still comes is answered");
    assert!(asked_to_stay(&server).contains("connection: close"), "and balancers are to leave");
    assert!(server.wait().success());
}

/// The answer to a client that would ask more on the same connection.
fn asked_to_stay(server: &Server) -> String {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[test]
fn a_terminal_that_is_closed_does_not_stop_the_server_and_nothing_is_read_anew() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), &[]);
    server.signal("HUP");
    assert_eq!(server.status("/readyz"), Some(200));
    server.signal("TERM");
    assert!(server.wait().success());
    let log = server.log();
    assert!(log.contains("SIGHUP changes nothing") && log.contains("\"stopped\""), "{log}");
}

#[test]
fn a_server_that_root_starts_leaves_no_file_behind_that_the_owner_of_the_folder_may_not_open() {
    let directory = TempDir::new().unwrap();
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let owner = if is_root { 12_345 } else { directory.path().metadata().unwrap().uid() };
    std::os::unix::fs::chown(directory.path(), Some(owner), None).unwrap();
    // The database itself is made by root, too.
    make_superuser(directory.path(), &[]);
    let mut server = Server::start(directory.path(), &[]);
    assert_eq!(server.create(&server.sign_in(), "ada"), Some(201));
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        let is_of_database = file.file_name().to_string_lossy().starts_with("usher.db");
        assert!(!is_of_database || file.metadata().unwrap().uid() == owner, "{:?}", file.path());
    }
    assert!(directory.path().join("usher.db.lock").exists());
    server.signal("TERM");
    assert!(server.wait().success());
}

#[test]
fn the_file_of_the_lock_leads_to_no_other_file() {
    let directory = TempDir::new().unwrap();
    make_superuser(directory.path(), &[]);
    let other = directory.path().join("other");
    std::fs::write(&other, "kept").unwrap();
    std::os::unix::fs::symlink(&other, directory.path().join("usher.db.lock")).unwrap();
    let output = run(usher(directory.path(), &[("ROCKET_PORT", "0")], &["serve"]), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("usher.db.lock cannot be locked"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "kept");
}

#[test]
fn rl_20_a_second_server_on_one_sqlite_file_is_refused() {
    let directory = TempDir::new().unwrap();
    let mut first = Server::start(directory.path(), &[]);
    std::os::unix::fs::symlink(directory.path(), directory.path().join("link")).unwrap();
    for url in ["sqlite://usher.db", "sqlite://link/usher.db"] {
        let output =
            run(usher(directory.path(), &[("DATABASE_URL", url), ("ROCKET_PORT", "0")], &["serve"]), "");
        assert_eq!(output.status.code(), Some(1));
        let complaint = text(&output.stderr);
        assert!(complaint.contains("another server is running on "), "{complaint}");
        assert!(complaint.contains("usher.db: stop it first"), "{complaint}");
    }
    assert_eq!(first.status("/readyz"), Some(200), "the first is not hurt");
    make_superuser(directory.path(), &[]);
    // Killed, it leaves the file of its lock behind.
    first.log();
    assert!(directory.path().join("usher.db.lock").exists());
    let second = Server::start(directory.path(), &[]);
    assert_eq!(second.status("/readyz"), Some(200));
}
