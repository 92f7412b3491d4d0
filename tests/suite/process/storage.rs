//! What happens to the server when its database, its disk or its clock lets it down.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use super::cluster::Cluster;
use super::proxy::{Line, Proxy};
use super::server::{Server, eventually, json_request, make_superuser, obtain_request, rounds, status_of};
use crate::Backend;
use crate::app::{PASSWORD, TestApp};

/// How soon all is well again.
const RECOVERY: Duration = Duration::from_secs(10);

/// Every request ends within the 10 seconds that are promised; the rest is for a busy machine.
const LONGEST: Duration = Duration::from_secs(15);

impl Server {
    fn list(&self, bearer: &str) -> Option<u16> {
        status_of(&self.ask(&json_request("POST", "/v1/users/list", bearer, &json!({}))).ok()?)
    }

    fn is_well(&self, bearer: &str) -> bool {
        self.status("/readyz") == Some(200) && self.list(bearer) == Some(200)
    }

    /// What is not as it should be while the database is away: whatever needs it is answered 503, and nothing
    /// else is hurt.
    fn wrong_while_away(&self, bearer: &str) -> Vec<String> {
        let create = json!({"username": "never", "password": PASSWORD, "first_name": "", "last_name": "",
            "email": ""});
        let requests = [
            json_request("POST", "/v1/users/list", bearer, &json!({})),
            json_request("POST", "/v1/users/create", bearer, &create),
            obtain_request("admin", PASSWORD),
            "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        ];
        let lives = |_: &u32| self.status("/livez") == Some(200);
        std::thread::scope(|scope| {
            let asked = requests.each_ref().map(|request| scope.spawn(|| self.ask_within(LONGEST, request)));
            let alive = (0..5).filter(lives).count();
            let wrong = asked.into_iter().filter_map(|answer| match answer.join().unwrap() {
                Ok(answer) if status_of(&answer) == Some(503) => None,
                other => Some(format!("{other:?}")),
            });
            wrong.chain((alive < 5).then(|| "it does not live".to_owned())).collect()
        })
    }
}

#[rocket::async_test]
async fn rl_12_a_postgres_that_goes_away_in_any_way_is_503_and_comes_back() {
    let app = TestApp::new(Backend::Postgres).await;
    let proxy = Proxy::before(&app.url);
    let name = app.url.rsplit_once('/').unwrap().1.to_owned();
    let mut maintenance = PgConnection::connect(&app.url).await.unwrap();
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", proxy.url.as_str())];
    make_superuser(directory.path(), &variables);
    let mut server = Server::start(directory.path(), &variables);
    let bearer = server.sign_in();
    assert!(server.is_well(&bearer));

    // All connections end at once, as in a very short restart.
    let others = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' \
         AND pid <> pg_backend_pid()"
    );
    sqlx::query(AssertSqlSafe(others)).execute(&mut maintenance).await.unwrap();
    assert!(eventually(RECOVERY, || server.is_well(&bearer)), "after the connections were ended");

    for (line, when) in [(Line::Cut, "while it is stopped"), (Line::Frozen, "while it stands still")] {
        proxy.set(line);
        let wrong = server.wrong_while_away(&bearer);
        assert!(wrong.is_empty(), "{when}: {wrong:#?}\n{}", server.log());
        proxy.set(Line::Open);
        assert!(eventually(RECOVERY, || server.is_well(&bearer)), "not well again after {when}");
        assert_eq!(server.create(&bearer, when.rsplit(' ').next().unwrap()), Some(201));
    }
    assert!(!server.log().contains("panic"));
}

#[test]
fn rl_12_a_postgres_that_is_killed_or_paused_is_503_and_comes_back() {
    let cluster = Cluster::start();
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", cluster.url.as_str())];
    make_superuser(directory.path(), &variables);
    let mut server = Server::start(directory.path(), &variables);
    let bearer = server.sign_in();
    for round in 0..rounds(1) {
        cluster.kill();
        let killed = server.wrong_while_away(&bearer);
        cluster.start_again();
        assert!(killed.is_empty(), "round {round}: {killed:#?}\n{}", server.log());
        assert!(eventually(RECOVERY, || server.is_well(&bearer)), "round {round}: after it was started");
        cluster.signal("STOP");
        let paused = server.wrong_while_away(&bearer);
        cluster.signal("CONT");
        assert!(paused.is_empty(), "round {round}: {paused:#?}\n{}", server.log());
        assert!(eventually(RECOVERY, || server.is_well(&bearer)), "round {round}: after it went on");
        assert_eq!(server.create(&bearer, &format!("user-{round}")), Some(201));
    }
}

/// Runs the program with a small disk of its own below its directory.
const SMALL_DISK: &str = "mount -t tmpfs -o size=4m tmpfs disk && \
    printf 'correct horse battery\\n' | \"$@\" createsuperuser --username admin --password-stdin && exec \"$@\"";

#[test]
fn rl_6_on_a_full_disk_reads_go_on_and_writes_are_503_until_there_is_room() {
    let directory = TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join("disk")).unwrap();
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut wrapper = vec!["unshare", "--mount"];
    if !is_root {
        wrapper.extend(["--user", "--map-root-user"]);
    }
    wrapper.extend(["sh", "-c", SMALL_DISK, "sh"]);
    let variables = [("DATABASE_URL", "sqlite://disk/usher.db")];
    let mut server = Server::start_under(&wrapper, directory.path(), &variables);
    let bearer = server.sign_in();
    assert_eq!(server.create(&bearer, "before"), Some(201));

    // The disk is only in the server's view of the files.
    let disk = PathBuf::from(format!("/proc/{}/root{}/disk", server.id(), directory.path().display()));
    let filler = disk.join("filler");
    fill(&filler);
    // What is left in SQLite's files is used up first.
    let refused = (0..500).find(|n| {
        let status = server.create(&bearer, &format!("during-{n}"));
        assert!(matches!(status, Some(201 | 503)), "{status:?}");
        status == Some(503)
    });
    let refused = refused.expect("a full disk is noticed");
    for _ in 0..5 {
        assert_eq!(server.list(&bearer), Some(200));
        assert_eq!(server.create(&bearer, "never"), Some(503));
        assert_eq!(server.status("/livez"), Some(200));
    }
    let ready = server.get("/readyz");
    assert!(ready.starts_with("HTTP/1.1 200 ") && ready.contains("the disk is full"), "{ready}");
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(
        server.create(&bearer, &format!("during-{refused}")),
        Some(201),
        "the name is free, and so is the disk"
    );
    assert!(server.is_well(&bearer));
    assert!(server.child.try_wait().unwrap().is_none(), "it is the same process");
    assert!(!server.log().contains("panic"));
}

/// Writes until there is no room for a single byte more.
fn fill(path: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn rl_2_a_sync_comes_before_each_acknowledgement() {
    let directory = TempDir::new().unwrap();
    make_superuser(directory.path(), &[]);
    let trace = directory.path().join("trace");
    let wrapper = [
        "strace",
        "-f",
        "-e",
        "trace=fdatasync,fsync,write,writev,sendto,sendmsg",
        "-s",
        "16",
        "-o",
        "trace",
    ];
    let mut server = Server::start_under(&wrapper, directory.path(), &[]);
    let bearer = server.sign_in();
    for n in 0..10 {
        assert_eq!(server.create(&bearer, &format!("user-{n}")), Some(201));
    }
    server.signal_process("TERM");
    assert!(server.wait().success());
    let (mut synced, mut acknowledged) = (0, 0);
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        if line.contains("sync") && line.ends_with("= 0") {
            synced += 1;
        } else if line.contains("\"HTTP/1.1 201 ") {
            assert!(synced > 0, "user {acknowledged} was acknowledged before it was on the disk");
            acknowledged += 1;
            synced = 0;
        }
    }
    assert_eq!(acknowledged, 10);
}

#[test]
fn rl_19_a_clock_that_jumps_makes_no_session_immortal_and_stops_nothing() {
    let directory = TempDir::new().unwrap();
    let clock = directory.path().join("clock");
    let set = |offset: &str| std::fs::write(&clock, offset).unwrap();
    set("+0");
    let variables = [
        ("LD_PRELOAD", faketime()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap().to_owned()),
        // The clock is read anew each time; time that passes is not touched.
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    make_superuser(directory.path(), &variables);
    let mut server = Server::start(directory.path(), &variables);
    let mut old: Vec<(&str, String)> = Vec::new();
    // Five minutes is the life of an access token, eight hours that of a session.
    for (jump, lives) in
        [("+0", true), ("+1h", false), ("+1d", false), ("-1h", false), ("-1d", false), ("+0", true)]
    {
        set(jump);
        for (when, bearer) in &old {
            let expected = if lives && *when == "+0" { 200 } else { 401 };
            assert_eq!(server.list(bearer), Some(expected), "a token of {when} at {jump}");
        }
        let bearer = server.sign_in();
        assert_eq!(server.list(&bearer), Some(200), "a new token at {jump}");
        assert_eq!(server.create(&bearer, &format!("user-{}", old.len())), Some(201), "at {jump}");
        assert_eq!((server.status("/readyz"), server.status("/livez")), (Some(200), Some(200)), "at {jump}");
        old.push((jump, bearer));
    }
    assert!(!server.log().contains("panic"));
}

/// The library that moves the clock of a program.
fn faketime() -> String {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map_while(Result::ok).map(|folder| folder.path());
    folders
        .map(|folder| folder.join("faketime/libfaketime.so.1"))
        .find(|library| library.exists())
        .expect("the package faketime is installed; tests/run does that")
        .to_str()
        .unwrap()
        .to_owned()
}
