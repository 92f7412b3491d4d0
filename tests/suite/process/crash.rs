//! Killing the server, or the database, in the middle of everything: what was acknowledged is there.
//!
//! `tests/endurance crash` runs more rounds of the same.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::cluster::Cluster;
use super::server::{Server, eventually, json_request, make_superuser, rounds, run, status_of, text, usher};
use crate::app::PASSWORD;

/// At once.
const WRITERS: u32 = 20;
/// Rounds of each test, unless `tests/endurance` says otherwise.
const ROUNDS: u32 = 5;
/// How soon the server is to be ready again: 2 s, and more for a busy machine.
const READY: Duration = Duration::from_secs(10);

/// What one user must be like.
#[derive(Debug, Default)]
struct Expected {
    /// Both names, as acknowledged last; `None` while nothing is.
    acknowledged: Option<String>,
    /// Names that were sent after that and not acknowledged: each may be there or not.
    sent: Vec<String>,
    /// Acknowledged changes, the creation included.
    changes: i64,
}

/// What the writers know, by user name.
type Journal = Mutex<HashMap<String, Expected>>;

#[test]
fn rl_1_no_acknowledged_write_is_lost_when_the_server_on_sqlite_is_killed() {
    let directory = TempDir::new().unwrap();
    let url = format!("sqlite://{}", directory.path().join("usher.db").display());
    crash(&url, &directory, &|server, _| server.signal("KILL"));
}

#[test]
fn rl_1_no_acknowledged_write_is_lost_when_the_server_on_postgres_is_killed() {
    let directory = TempDir::new().unwrap();
    let cluster = Cluster::start();
    crash(&cluster.url, &directory, &|server, _| server.signal("KILL"));
}

#[test]
fn rl_1_no_acknowledged_write_is_lost_when_postgres_is_killed() {
    let directory = TempDir::new().unwrap();
    let cluster = Cluster::start();
    crash(&cluster.url, &directory, &|_, round| {
        cluster.kill();
        // Sometimes the server notices, sometimes it does not.
        std::thread::sleep(Duration::from_millis(u64::from(round % 3) * 200));
        cluster.start_again();
    });
}

/// Writers write, something is killed, and all that was acknowledged is looked for; again and again.
#[expect(clippy::print_stdout, reason = "`tests/endurance crash` shows how much was tried")]
fn crash(url: &str, directory: &TempDir, kill: &dyn Fn(&Server, u32)) {
    let variables = [("DATABASE_URL", url), ("USHER_LOG_LEVEL", "error")];
    make_superuser(directory.path(), &variables);
    let journal = Journal::default();
    let mut server = Server::start(directory.path(), &variables);
    for round in 0..rounds(ROUNDS) {
        let bearer = server.sign_in();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (server, bearer, journal, over) = (&server, &bearer, &journal, &over);
                scope.spawn(move || write(server, bearer, journal, over, &format!("user-{round}-{writer}")));
            }
            // From 0.2 to 3 seconds, in an order of its own in each run.
            let pause = 200 + std::process::id().wrapping_mul(7919).wrapping_add(round * 1237) % 2800;
            std::thread::sleep(Duration::from_millis(pause.into()));
            kill(&server, round);
            // Those that go on see the database come back.
            std::thread::sleep(Duration::from_millis(300));
            over.store(true, Ordering::SeqCst);
        });
        if !matches!(server.child.try_wait(), Ok(None)) {
            server = Server::start(directory.path(), &variables);
        }
        assert!(eventually(READY, || server.status("/readyz") == Some(200)), "round {round}: not ready");
        examine(&journal.lock().unwrap(), url, round);
        verify_trail(directory, &variables, round);
    }
    let journal = journal.into_inner().unwrap();
    let changes: i64 = journal.values().map(|expected| expected.changes).sum();
    println!(
        "{} rounds: {changes} acknowledged writes to {} users, none lost",
        rounds(ROUNDS),
        journal.len()
    );
    assert!(changes > i64::from(rounds(ROUNDS)), "too little was written to lose anything");
}

/// Makes a user and changes them until it is over, or the server does not answer.
fn write(server: &Server, bearer: &str, journal: &Journal, over: &AtomicBool, username: &str) {
    let note = |change: &dyn Fn(&mut Expected)| {
        change(journal.lock().unwrap().entry(username.to_owned()).or_default());
    };
    let mut path: Option<String> = None;
    for count in 0.. {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let name = format!("name-{count}");
        let names = json!({"first_name": name, "last_name": name});
        note(&|expected| expected.sent.push(name.clone()));
        let request = match &path {
            None => {
                let mut body = names;
                body["username"] = username.into();
                body["password"] = PASSWORD.into();
                body["email"] = "".into();
                json_request("POST", "/v1/users/create", bearer, &body)
            }
            Some(path) => json_request("PATCH", path, bearer, &names),
        };
        // Nothing came, or not all of it.
        let Ok(answer) = server.ask(&request) else { return };
        match status_of(&answer) {
            Some(200 | 201) => {
                note(&|expected| {
                    *expected = Expected {
                        acknowledged: Some(name.clone()),
                        sent: Vec::new(),
                        changes: expected.changes + 1,
                    };
                });
                let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
                let Ok(user) = serde_json::from_str::<Value>(body) else { return };
                path = Some(format!("/v1/users/{}", user["pk"]));
            }
            // It may have been made all the same, and then this name is taken.
            Some(503) if path.is_some() => {}
            Some(503) | None => return,
            Some(status) => panic!("{status}: {answer}"),
        }
    }
}

/// A user: name, both names, version, and how many audit entries are about their making and changes.
type Stored = (String, String, String, i64, i64);

const STORED: &str = "SELECT username, first_name, last_name, version, (SELECT count(*) FROM audit_entries \
    WHERE target_id = users.id AND action IN ('user_created', 'user_changed')) FROM users";

/// Looks for everything that was acknowledged, behind the server's back.
fn examine(journal: &HashMap<String, Expected>, url: &str, round: u32) {
    let stored: HashMap<String, Stored> =
        rocket::execute(stored(url)).into_iter().map(|stored| (stored.0.clone(), stored)).collect();
    for (username, expected) in journal {
        let Some((_, first, last, version, entries)) = stored.get(username) else {
            assert!(expected.acknowledged.is_none(), "round {round}: {username} is lost: {expected:?}");
            continue;
        };
        assert_eq!(first, last, "round {round}: {username} is half changed");
        let known = expected.acknowledged.iter().chain(&expected.sent).any(|name| name == first);
        assert!(known, "round {round}: {username} is {first}: {expected:?}");
        assert_eq!(
            version, entries,
            "round {round}: {username} has a change without an entry, or the reverse"
        );
        assert!(*entries >= expected.changes, "round {round}: {username}: {entries} entries: {expected:?}");
    }
}

async fn stored(url: &str) -> Vec<Stored> {
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let verdict: String =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
        assert_eq!(verdict, "ok");
        let stored = sqlx::query_as(STORED).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        stored
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query_as(STORED).fetch_all(&mut connection).await.unwrap()
    }
}

/// That no entry was lost or altered after it was sealed.
fn verify_trail(directory: &TempDir, variables: &[(&str, &str)], round: u32) {
    let output = run(usher(directory.path(), variables, &["audit", "verify"]), "");
    assert!(output.status.success(), "round {round}: {}{}", text(&output.stdout), text(&output.stderr));
}
