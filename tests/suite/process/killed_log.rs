//! Killing the server, an erasure and an archive in the middle of everything: the audit log is whole, and joins its
//! archives.
//!
//! `tests/endurance log` runs more rounds of the same.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::cluster::Cluster;
use super::server::{Server, eventually, json_request, make_superuser, rounds, run, status_of, text, usher};
use crate::app::PASSWORD;

/// Who make users and erase them, at once.
const ERASERS: u32 = 4;
/// Rounds of each test, unless `tests/endurance` says otherwise.
const ROUNDS: u32 = 3;

#[test]
fn lg_5_lg_7_lg_9_the_log_is_whole_when_erasures_and_archives_on_sqlite_are_killed() {
    let directory = TempDir::new().unwrap();
    let url = format!("sqlite://{}", directory.path().join("usher.db").display());
    crash(&url, &directory);
}

#[test]
fn lg_5_lg_7_lg_9_the_log_is_whole_when_erasures_and_archives_on_postgres_are_killed() {
    let directory = TempDir::new().unwrap();
    let cluster = Cluster::start();
    crash(&cluster.url, &directory);
}

#[expect(clippy::print_stdout, reason = "`tests/endurance log` shows how much was tried")]
fn crash(url: &str, directory: &TempDir) {
    let variables = [("DATABASE_URL", url), ("USHER_LOG_LEVEL", "error"), ("USHER_ERASURE_DAYS", "0")];
    make_superuser(directory.path(), &variables);
    let erased = Mutex::new(Vec::new());
    let mut archives: Vec<PathBuf> = Vec::new();
    for round in 0..rounds(ROUNDS) {
        let mut server = Server::start(directory.path(), &variables);
        let bearer = server.sign_in();
        let over = AtomicBool::new(false);
        let pause = 100 + std::process::id().wrapping_mul(7919).wrapping_add(round * 1237) % 1500;
        std::thread::scope(|scope| {
            for eraser in 0..ERASERS {
                let (server, bearer, erased, over) = (&server, &bearer, &erased, &over);
                scope.spawn(move || erase(server, bearer, erased, over, &format!("user-{round}-{eraser}")));
            }
            scope.spawn(|| archive(directory.path(), &variables, &mut archives, &over));
            let before = erased.lock().unwrap().len();
            eventually(Duration::from_secs(20), || erased.lock().unwrap().len() > before);
            std::thread::sleep(Duration::from_millis(pause.into()));
            server.signal("KILL");
            over.store(true, Ordering::SeqCst);
        });
        server.wait();
        verify(directory.path(), &variables, &archives, round);
        // The next server goes on with what was begun.
        let server = Server::start(directory.path(), &variables);
        let erased = erased.lock().unwrap();
        let mut last = Vec::new();
        let is_done = eventually(Duration::from_secs(20), || {
            last = rocket::execute(not_erased(url));
            last.is_empty()
        });
        assert!(is_done, "round {round}: neither erased nor pending: {last:?}");
        let known = rocket::execute(known(url));
        let missing: Vec<_> = erased.iter().filter(|id| !known.contains(id)).collect();
        assert!(missing.is_empty(), "round {round}: erasures that were acknowledged are lost: {missing:?}");
        drop(server);
        verify(directory.path(), &variables, &archives, round);
    }
    let erased = erased.into_inner().unwrap().len();
    println!("{} rounds: {erased} users erased, {} archives, the log whole", rounds(ROUNDS), archives.len());
    assert!(erased > 0, "nothing was erased");
}

/// Makes users and erases them until it is over, or the server does not answer.
fn erase(server: &Server, bearer: &str, erased: &Mutex<Vec<i64>>, over: &AtomicBool, prefix: &str) {
    for count in 0.. {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let username = format!("{prefix}-{count}");
        let user = json!({
            "username": username, "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace", "email": "",
        });
        let Ok(answer) = server.ask(&json_request("POST", "/v1/users/create", bearer, &user)) else { return };
        let Some(201) = status_of(&answer) else { return };
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let Ok(user) = serde_json::from_str::<Value>(body) else { return };
        let body = json!({"confirm_username": username, "username_after": "free"});
        let path = format!("/v1/users/{}/erase", user["pk"]);
        let Ok(answer) = server.ask(&json_request("POST", &path, bearer, &body)) else { return };
        match status_of(&answer) {
            Some(200 | 202) => erased.lock().unwrap().push(user["pk"].as_i64().expect("a primary key")),
            Some(503) | None => return,
            Some(status) => panic!("{status}: {answer}"),
        }
    }
}

/// Archives, and kills what archives, until it is over. Each archive is begun again until it is done.
fn archive(directory: &Path, variables: &[(&str, &str)], archives: &mut Vec<PathBuf>, over: &AtomicBool) {
    for attempt in 0_u64.. {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let path = directory.join(format!("archive-{}.jsonl", archives.len()));
        let before = usher::model::clock::Clock::System.now().to_string();
        let arguments = ["audit", "archive", "--before", &before, path.to_str().expect("a path in UTF-8")];
        let mut child = usher(directory, variables, &arguments).spawn().expect("the program starts");
        std::thread::sleep(Duration::from_millis(60 + attempt * 37 % 400));
        drop(child.kill());
        child.wait().expect("the program ends");
        if path.exists() {
            // Goes on where it was; that its entries are removed already is no success, and right.
            run(usher(directory, variables, &arguments), "");
            archives.push(path);
        }
    }
}

/// That the log is as it was sealed, each archive too, and that they join.
fn verify(directory: &Path, variables: &[(&str, &str)], archives: &[PathBuf], round: u32) {
    let files = archives.iter().map(|path| path.to_str().expect("a path in UTF-8"));
    let arguments: Vec<&str> = ["audit", "verify"].into_iter().chain(files).collect();
    let output = run(usher(directory, variables, &arguments), "");
    assert!(output.status.success(), "round {round}: {}{}", text(&output.stdout), text(&output.stderr));
}

/// Users whose erasure was begun and is not finished, or who are there although they are erased.
const NOT_ERASED: &str = "SELECT erasures.user_id FROM erasures LEFT JOIN users ON users.id = erasures.user_id \
    WHERE erased_at IS NULL OR users.id IS NOT NULL";
const KNOWN: &str = "SELECT user_id FROM erasures";

async fn not_erased(url: &str) -> Vec<i64> {
    numbers(url, NOT_ERASED).await
}

async fn known(url: &str) -> Vec<i64> {
    numbers(url, KNOWN).await
}

async fn numbers(url: &str, sql: &'static str) -> Vec<i64> {
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
    }
}
