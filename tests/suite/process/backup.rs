//! `usher backup`, beside a server that is written to.

use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::cluster::Cluster;
use super::server::{Server, make_superuser, run, text, usher};

const WRITERS: usize = 4;

#[test]
fn rl_5_a_copy_made_under_load_has_all_that_was_acknowledged_before() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let quick = [("USHER_LOG_LEVEL", "error"), ("USHER_PASSWORD_QUEUE", "64")];
    make_superuser(path, &quick);
    let server = Server::start(path, &quick);
    let bearer = server.sign_in();
    let (over, acknowledged) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let before = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, bearer, over, acknowledged) = (&server, &bearer, &over, &acknowledged);
            scope.spawn(move || {
                for number in 0.. {
                    let name = format!("user-{writer}-{number}");
                    if server.create(bearer, &name) == Some(201) {
                        acknowledged.lock().unwrap().push(name);
                    }
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_secs(2));
        let before = acknowledged.lock().unwrap().clone();
        let copied = run(usher(path, &quick, &["backup", "copy.db"]), "");
        over.store(true, Ordering::SeqCst);
        assert!(copied.status.success(), "{}", text(&copied.stderr));
        assert_eq!(text(&copied.stdout), "Copied the database to copy.db.\n");
        before
    });
    assert!(before.len() > WRITERS, "there was load: {before:?}");
    let mode = std::fs::metadata(path.join("copy.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "cf_3");
    // The copy is an installation like any other, with the sessions of that moment.
    let variables = [("DATABASE_URL", "sqlite://copy.db"), quick[0]];
    let verified = run(usher(path, &variables, &["audit", "verify"]), "");
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    let copy = Server::start(path, &variables);
    for name in before {
        let request = format!(
            "GET /v1/users/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {bearer}\r\n\r\n"
        );
        let answer = copy.ask(&request).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{name}: {answer}");
    }
}

/// Whatever a monitor finds under the name is whole.
#[test]
fn a_copy_has_its_name_when_it_is_whole() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    make_superuser(path, &[]);
    let users: Vec<String> = (0..20_000).map(|number| format!("user{number}")).collect();
    std::fs::write(path.join("users.csv"), format!("username\n{}\n", users.join("\n"))).unwrap();
    let imported = run(usher(path, &[], &["import", "users.csv"]), "");
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    for pause in 1..8 {
        let mut backup = usher(path, &[], &["backup", "copy.db"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(pause * 20));
        drop(backup.kill());
        backup.wait().unwrap();
        if path.join("copy.db").exists() {
            let check = run(usher(path, &[("DATABASE_URL", "sqlite://copy.db")], &["check"]), "");
            let said = text(&check.stdout);
            assert!(check.status.success() && said.contains("active superuser"), "{said}");
            std::fs::remove_file(path.join("copy.db")).unwrap();
        }
    }
    assert!(run(usher(path, &[], &["backup", "copy.db"]), "").status.success());
}

#[test]
fn a_copy_overwrites_nothing_and_is_made_of_sqlite_only() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    std::fs::write(path.join("there.db"), "mine").unwrap();
    let cluster = Cluster::start();
    assert!(run(usher(path, &[], &["migrate"]), "").status.success());
    for (variables, file, reason) in [
        (vec![], "there.db", "the copy cannot be written: File exists"),
        (vec![], "nowhere/copy.db", "the copy cannot be written: No such file"),
        (vec![("DATABASE_URL", cluster.url.as_str())], "copy.db", "use pg_dump"),
    ] {
        let refused = run(usher(path, &variables, &["backup", file]), "");
        assert!(!refused.status.success());
        assert!(text(&refused.stderr).contains(reason), "{}", text(&refused.stderr));
    }
    assert_eq!(std::fs::read_to_string(path.join("there.db")).unwrap(), "mine");
    // What a backup leaves that is cut short has another name, and is in no way of the next one.
    std::fs::write(path.join("again.db.partial"), "half of a copy").unwrap();
    std::fs::write(path.join("again.db.partial-journal"), "and what would undo it").unwrap();
    let made = run(usher(path, &[], &["backup", "again.db"]), "");
    assert!(made.status.success(), "{}", text(&made.stderr));
    let mut names: Vec<_> = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.retain(|name| name.to_string_lossy().starts_with("again.db"));
    assert_eq!(names, ["again.db"]);
    let check = run(usher(path, &[("DATABASE_URL", "sqlite://again.db")], &["check"]), "");
    assert!(check.status.success(), "{}", text(&check.stderr));
    assert!(!path.join("copy.db").exists());
}
