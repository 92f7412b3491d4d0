//! Many changes share a sync of SQLite's log, and each is acknowledged after one that has it.

use std::collections::HashMap;
use std::time::Duration;

use rocket::tokio::time::Instant;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cookies::Browser;
use super::server::{Server, eventually, json_request, make_superuser, obtain_request, status_of};
use crate::app::PASSWORD;
use crate::console::token;

/// At once.
const WRITERS: usize = 50;
/// Of each.
const CHANGES: usize = 4;

/// What a trace of system calls tells.
#[derive(Debug, Default)]
struct Disk {
    /// The frame that is being written ends a transaction.
    ends: bool,
    commits: usize,
    /// By thread: how many commits had been written when its sync began.
    under_way: HashMap<String, usize>,
    syncs: usize,
    durable: usize,
}

impl Disk {
    /// Reads one call, or its begin or end where others came between.
    fn read(&mut self, line: &str) {
        let (thread, call) = line.split_once(' ').expect("a thread");
        let call = call.trim_start();
        let is_of_log = call.contains("usher.db-wal>");
        if let Some(bytes) = call.split_once('"').map(|(_, rest)| rest).filter(|_| is_of_log) {
            if call.contains(", 24, ") || call.contains(", 24) ") {
                // The head of a frame: a page number, and the size of the database if it ends a transaction.
                self.ends = bytes.starts_with("\\x") && bytes.get(16..32) != Some("\\x00\\x00\\x00\\x00");
            } else if std::mem::take(&mut self.ends) {
                self.commits += 1;
            }
        } else if is_of_log && call.starts_with("fdatasync(") {
            self.under_way.insert(thread.to_owned(), self.commits);
            self.syncs += 1;
        }
        if call.contains("fdatasync") && call.contains("= 0") {
            self.durable = self.durable.max(self.under_way.remove(thread).unwrap_or_default());
        }
    }
}

#[test]
fn rl_2_changes_at_the_same_time_share_syncs_and_each_is_on_the_disk_before_it_is_acknowledged() {
    let directory = TempDir::new().unwrap();
    make_superuser(directory.path(), &[]);
    // As slow as a disk may be.
    let wrapper = [
        "strace",
        "-f",
        "-y",
        "-x",
        "-s",
        "24",
        "-o",
        "trace",
        "-e",
        "trace=pwrite64,write,fdatasync,fsync,writev,sendto,sendmsg",
        "-e",
        "inject=fdatasync:delay_enter=30000",
    ];
    let mut server = Server::start_under(&wrapper, directory.path(), &[]);
    let bearer = server.sign_in();
    assert_eq!(server.create(&bearer, "ada"), Some(201));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, bearer) = (&server, &bearer);
            scope.spawn(move || {
                for change in 0..CHANGES {
                    let names = json!({"first_name": format!("{writer}.{change}")});
                    let answer = server.ask(&json_request("PATCH", "/v1/users/2", bearer, &names)).unwrap();
                    assert_eq!(status_of(&answer), Some(200), "{answer}");
                }
            });
        }
    });
    server.signal_process("TERM");
    assert!(server.wait().success());
    let trace = std::fs::read_to_string(directory.path().join("trace")).unwrap();
    let (_, changes) = trace.split_once("\"HTTP/1.1 201 ").expect("the user is created");
    let (mut disk, mut acknowledged) = (Disk::default(), 0);
    for line in changes.lines().skip(1) {
        disk.read(line);
        if line.contains("\"HTTP/1.1 200 ") {
            acknowledged += 1;
            assert!(acknowledged <= disk.durable, "{acknowledged} are acknowledged: {disk:?}");
        }
    }
    assert_eq!(acknowledged, WRITERS * CHANGES);
    assert!(disk.commits >= acknowledged, "{disk:?}");
    assert!(disk.syncs * 2 < acknowledged, "a sync has several: {disk:?}");
}

#[test]
fn rl_6_after_a_sync_that_failed_nothing_is_acknowledged_until_the_server_is_started_again() {
    let directory = TempDir::new().unwrap();
    make_superuser(directory.path(), &[]);
    // Each thread has some syncs that succeed, and then none.
    let wrapper =
        ["strace", "-f", "-o", "trace", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=9+"];
    let mut server = Server::start_under(&wrapper, directory.path(), &[]);
    let bearer = server.sign_in();
    let mut created = Vec::new();
    let refused = (0..200).map(|n| format!("user-{n}")).find(|name| {
        let status = server.create(&bearer, name);
        assert!(matches!(status, Some(201 | 503)), "{status:?}");
        if status == Some(201) {
            created.push(name.clone());
        }
        status == Some(503)
    });
    assert!(refused.is_some(), "a sync that fails is noticed");
    for n in 0..3 {
        assert_eq!(server.create(&bearer, &format!("never-{n}")), Some(503));
    }
    let read = |server: &Server, bearer: &str, name: &str| {
        status_of(
            &server.ask(&json_request("GET", &format!("/v1/users/{name}"), bearer, &json!({}))).unwrap(),
        )
    };
    assert_eq!(read(&server, &bearer, "admin"), Some(200), "reading goes on");
    let ready = server.get("/readyz");
    assert!(ready.starts_with("HTTP/1.1 200 ") && ready.contains("the disk fails"), "{ready}");
    server.signal_process("TERM");
    server.wait();
    let log = server.log();
    assert_eq!(log.matches("could not be written to the disk").count(), 1, "{log}");
    let server = Server::start(directory.path(), &[]);
    let bearer = server.sign_in();
    for name in &created {
        assert_eq!(read(&server, &bearer, name), Some(200), "{name} was acknowledged");
    }
    assert_eq!(read(&server, &bearer, "never-0"), Some(404));
    assert_eq!(server.create(&bearer, "never-0"), Some(201));
}

/// The JSON in an answer.
fn json_of(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// For requests of a browser to any server of this machine.
const HOST: &str = "Host: localhost\r\n";

/// A server whose every sync takes so long, in microseconds; the tokens of its superuser and of `ada`, her sessions, and a
/// browser in which the superuser is signed in.
fn on_a_slow_disk(directory: &TempDir, microseconds: &str) -> (Server, [String; 2], Value, Browser) {
    make_superuser(directory.path(), &[]);
    let settings = [("USHER_SCIM", "true")];
    let mut browser = Browser::default();
    let (bearers, sessions) = {
        let server = Server::start(directory.path(), &settings);
        let bearer = server.sign_in();
        for name in ["ada", "bob", "eve"] {
            assert_eq!(server.create(&bearer, name), Some(201));
        }
        let of_ada = json_of(&server.ask(&obtain_request("ada", PASSWORD)).unwrap());
        let of_ada = of_ada["access"].as_str().unwrap().to_owned();
        let list = json_request("GET", "/v1/users/2/sessions", &bearer, &json!({}));
        let sessions = json_of(&server.ask(&list).unwrap());
        browser.sign_in(&server, HOST);
        ([bearer, of_ada], sessions)
    };
    let delay = format!("inject=fdatasync:delay_enter={microseconds}");
    let wrapper = ["strace", "-f", "-o", "trace", "-e", "trace=fdatasync", "-e", &delay];
    (Server::start_under(&wrapper, directory.path(), &settings), bearers, sessions, browser)
}

#[test]
fn rl_2_an_answer_that_nothing_is_left_to_do_comes_after_the_change_that_it_depends_on_is_on_the_disk() {
    let directory = TempDir::new().unwrap();
    let (server, [bearer, of_ada], sessions, _) = on_a_slow_disk(&directory, "1000000");
    let session = format!("/v1/users/2/sessions/{}", sessions[0]["id"]);
    let new =
        json!({"username": "new", "password": PASSWORD, "first_name": "", "last_name": "", "email": ""});
    let none = json!({});
    // What is sent twice; how it can be seen that the first one is committed; both answers.
    for (change, body, (look, by, seen), answers) in [
        (("DELETE", session.as_str()), &none, ("/v1/account", &of_ada, 401), [204, 404]),
        (("POST", "/v1/users/create"), &new, ("/v1/users/new", &bearer, 200), [201, 400]),
        (("DELETE", "/scim/v2/Users/3"), &none, ("/scim/v2/Users/3", &bearer, 404), [204, 404]),
        (
            ("DELETE", "/v1/users/4"),
            &none,
            ("/scim/v2/Users?filter=userName+eq+%22eve%22+and+active+eq+true", &bearer, 0),
            [204, 204],
        ),
    ] {
        let request = json_request(change.0, change.1, &bearer, body);
        let send = || {
            let answer = server.ask(&request).unwrap();
            (status_of(&answer).unwrap(), Instant::now(), answer)
        };
        let is_seen = || {
            let answer = server.ask(&json_request("GET", look, by, &none)).unwrap();
            if seen == 0 { json_of(&answer)["totalResults"] == 0 } else { status_of(&answer) == Some(seen) }
        };
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(send);
            assert!(eventually(Duration::from_secs(20), is_seen), "{change:?}");
            let second = send();
            (first.join().unwrap(), second)
        });
        assert_eq!([first.0, second.0], answers, "{change:?}: {} {}", first.2, second.2);
        // They may wait for the same sync, which takes a second.
        let soon = first.1 - Duration::from_millis(400);
        assert!(soon < second.1, "{change:?}: the second answer waits for the first change");
    }
}

#[test]
fn rl_2_while_the_disk_stands_still_a_change_that_is_sent_again_is_not_said_to_be_done() {
    let directory = TempDir::new().unwrap();
    let (server, [bearer, _], _, mut browser) = on_a_slow_disk(&directory, "60000000");
    let form = browser.ask(&server, "GET /users/new", HOST, "");
    let delete = json_request("DELETE", "/scim/v2/Users/3", &bearer, &json!({}));
    let read = json_request("GET", "/scim/v2/Users/3", &bearer, &json!({}));
    let limit = Duration::from_secs(15);
    let answers = std::thread::scope(|scope| {
        let first = scope.spawn(|| server.ask_within(limit, &delete).unwrap());
        let is_seen = || status_of(&server.ask(&read).unwrap()) == Some(404);
        assert!(eventually(limit, is_seen));
        let second = server.ask_within(limit, &delete).unwrap();
        [first.join().unwrap(), second]
    });
    // A name that is taken, perhaps only until the power is cut.
    let typed = format!("token={}&username=eve&password={}", token(&form), PASSWORD.replace(' ', "+"));
    let page = browser.ask(&server, "POST /users/new", HOST, &typed);
    server.signal_process("KILL");
    assert_eq!(status_of(&page), Some(503), "{page}");
    assert!(
        page.contains("Cannot reach the database.") && page.contains("content-type: text/html"),
        "{page}"
    );
    for answer in &answers {
        assert_eq!(status_of(answer), Some(503), "{answer}");
        assert!(answer.contains("application/scim+json") && answer.contains("retry-after: "), "{answer}");
    }
}
