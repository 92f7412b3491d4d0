//! Many changes share a sync of SQLite's log, and each is acknowledged after one that has it.

use std::collections::HashMap;

use serde_json::json;
use tempfile::TempDir;

use super::server::{Server, json_request, make_superuser, status_of};

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
        "inject=fdatasync:delay_enter=10000",
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
