//! The file of SQLite, or its log, is moved or removed under a server.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::server::{Server, eventually, make_superuser, run, text, usher};
use crate::app::PASSWORD;

#[test]
fn do_3_nothing_is_acknowledged_while_the_file_is_not_in_its_place() {
    let directory = TempDir::new().unwrap();
    make_superuser(directory.path(), &[]);
    let server = Server::start(directory.path(), &[]);
    let bearer = server.sign_in();
    assert_eq!(server.create(&bearer, "ada"), Some(201));
    let (file, moved) = (directory.path().join("usher.db"), directory.path().join("moved.db"));
    std::fs::rename(&file, &moved).unwrap();
    for other in [false, true] {
        if other {
            std::fs::write(&file, b"").unwrap();
        }
        assert_eq!(server.create(&bearer, "bob"), Some(503), "{other}");
        let ready = server.get("/readyz");
        assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("database's place"), "{ready}");
    }
    std::fs::rename(&moved, &file).unwrap();
    assert_eq!(server.create(&bearer, "bob"), Some(201), "the name is free");
    assert!(eventually(Duration::from_secs(5), || server.status("/readyz") == Some(200)));
    let log = directory.path().join("usher.db-wal");
    std::fs::remove_file(&log).unwrap();
    std::fs::remove_file(directory.path().join("usher.db-shm")).unwrap();
    assert_eq!(server.create(&bearer, "eve"), Some(503), "its log is gone");
    std::fs::write(&log, b"").unwrap();
    assert_eq!(server.create(&bearer, "eve"), Some(503), "its log is another one");
    assert_eq!(server.status("/readyz"), Some(503));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(server.create(&bearer, "eva"), Some(503));
}

/// Each subcommand that opens the database ends with this complaint.
fn all_are_refused(directory: &Path, complaint: &str) {
    let create = ["createsuperuser", "--username", "late", "--password-stdin"];
    let commands: [&[&str]; 6] = [
        &["check"],
        &["backup", "copy.db"],
        &["migrate", "--dry-run"],
        &["migrate"],
        &create,
        &["audit", "verify"],
    ];
    for arguments in commands {
        let output = run(usher(directory, &[], arguments), &format!("{PASSWORD}\n"));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    assert!(!directory.join("copy.db").exists());
    assert!(run(usher(directory, &[], &["config"]), "").status.success());
}

#[test]
fn subcommands_leave_alone_what_is_in_the_place_of_a_database_that_was_moved() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    make_superuser(path, &[]);
    let server = Server::start(path, &[]);
    assert_eq!(server.create(&server.sign_in(), "ada"), Some(201));
    let [file, log, index] = ["usher.db", "usher.db-wal", "usher.db-shm"].map(|name| path.join(name));
    let [moved, aside, index_aside] = ["moved", "aside", "index"].map(|name| path.join(name));
    let stored = std::fs::read(&log).unwrap();
    let running = "a server is running on";
    std::fs::rename(&file, &moved).unwrap();
    all_are_refused(path, running);
    assert!(!file.exists());
    std::fs::write(&file, b"").unwrap();
    all_are_refused(path, running);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
    std::fs::rename(&moved, &file).unwrap();
    assert_eq!(std::fs::read(&log).unwrap(), stored, "the log is as it was");
    // Without its log a copy would lack what was acknowledged last.
    std::fs::rename(&log, &aside).unwrap();
    all_are_refused(path, running);
    std::fs::rename(&index, &index_aside).unwrap();
    all_are_refused(path, running);
    assert!(!log.exists());
    std::fs::rename(&aside, &log).unwrap();
    std::fs::rename(&index_aside, &index).unwrap();
    assert!(run(usher(path, &[], &["check"]), "").status.success());

    // The same after the server was killed.
    drop(server);
    let alone = "usher.db-wal is there, with changes of a database that was moved";
    std::fs::rename(&file, &moved).unwrap();
    for is_empty in [false, true] {
        if is_empty {
            std::fs::write(&file, b"").unwrap();
        }
        all_are_refused(path, alone);
        let refused = run(usher(path, &[("ROCKET_PORT", "0")], &["serve"]), "");
        assert!(
            !refused.status.success() && text(&refused.stderr).contains(alone),
            "{}",
            text(&refused.stderr)
        );
    }
    std::fs::rename(&moved, &file).unwrap();
    let server = Server::start(path, &[]);
    let bearer = server.sign_in();
    assert_eq!(server.create(&bearer, "ada"), Some(400), "she is there");
    assert_eq!(server.create(&bearer, "bob"), Some(201));
}
