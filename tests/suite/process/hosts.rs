//! Which PostgreSQL is connected to, and what is said of one that cannot be.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rocket::tokio::time::Instant;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use super::cluster::Cluster;
use super::proxy::{Line, Proxy};
use super::server::{Server, eventually, json_request, make_superuser, run, status_of, text, usher};
use crate::Backend;
use crate::app::TestApp;

/// Every request ends within the 10 seconds that are promised; the rest is for a busy machine.
const LONGEST: Duration = Duration::from_secs(15);

/// What `usher check` complains of.
fn complaint(url: &str) -> String {
    let directory = TempDir::new().unwrap();
    let output = run(usher(directory.path(), &[("DATABASE_URL", url)], &["check"]), "");
    assert_eq!(output.status.code(), Some(1), "{url}: {}", text(&output.stdout));
    text(&output.stderr)
}

#[rocket::async_test]
async fn rl_12_in_a_failover_reads_wait_for_the_standby_that_is_promoted_and_nothing_acknowledged_is_lost() {
    let primary = Cluster::start();
    let standby = Cluster::standby_of(&primary);
    let mut operator = PgConnection::connect(&primary.url).await.unwrap();
    for sql in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
        sqlx::raw_sql(sql).execute(&mut operator).await.unwrap();
    }
    // The standby stands first, and is passed over as long as it only reads.
    let url = format!(
        "postgres://usher_test@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        standby.port, primary.port
    );
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", url.as_str())];
    make_superuser(directory.path(), &variables);
    let mut server = Server::start(directory.path(), &variables);
    let bearer = server.sign_in();
    let (over, acknowledged) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let reads = Mutex::new(Vec::new());
    let (before, again) = std::thread::scope(|scope| {
        for writer in 0..3 {
            let (server, bearer, over, acknowledged) = (&server, &bearer, &over, &acknowledged);
            scope.spawn(move || {
                for n in 0.. {
                    let name = format!("user-{writer}-{n}");
                    if server.create(bearer, &name) == Some(201) {
                        acknowledged.lock().unwrap().push(name);
                    } else {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        for _ in 0..2 {
            let (server, bearer, over, reads) = (&server, &bearer, &over, &reads);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    for (method, path) in [("POST", "/v1/users/list"), ("GET", "/v1/account")] {
                        let answer =
                            server.ask_within(LONGEST, &json_request(method, path, bearer, &json!({})));
                        reads.lock().unwrap().push(answer.ok().as_deref().and_then(status_of));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
        let count = || acknowledged.lock().unwrap().len();
        assert!(eventually(LONGEST, || count() > 10), "there is load");
        primary.kill();
        std::thread::sleep(Duration::from_secs(1));
        let before = count();
        standby.promote();
        let promoted = Instant::now();
        let is_back = eventually(LONGEST, || count() > before + 3);
        over.store(true, Ordering::SeqCst);
        assert!(is_back, "{before} changes before, {} in all", count());
        (before, promoted.elapsed())
    });
    assert!(before > 10 && again < LONGEST, "{before} changes before, again after {again:?}");
    let reads = reads.into_inner().unwrap();
    assert!(reads.len() > 20 && reads.iter().all(|status| *status == Some(200)), "{reads:?}");
    let mut operator = PgConnection::connect(&standby.url).await.unwrap();
    let stored: Vec<String> =
        sqlx::query_scalar("SELECT username FROM users").fetch_all(&mut operator).await.unwrap();
    let lost: Vec<String> =
        acknowledged.into_inner().unwrap().into_iter().filter(|name| !stored.contains(name)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let listed = server.ask(&json_request("POST", "/v1/users/list", &bearer, &json!({}))).unwrap();
    assert_eq!(status_of(&listed), Some(200));
    assert!(
        server.log().contains(&format!("PostgreSQL at 127.0.0.1:{} takes the changes now", standby.port))
    );
}

#[rocket::async_test]
async fn rl_12_a_former_primary_that_comes_back_as_a_standby_answers_no_read() {
    let primary = Cluster::start();
    let standby = Cluster::standby_of(&primary);
    let url = format!("postgres://usher_test@127.0.0.1:{},127.0.0.1:{}/postgres", primary.port, standby.port);
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", url.as_str())];
    make_superuser(directory.path(), &variables);
    let mut server = Server::start(directory.path(), &variables);
    let account = json_request("GET", "/v1/account", &server.sign_in(), &json!({}));
    let read = || status_of(&server.ask_within(LONGEST, &account).unwrap());
    assert_eq!(read(), Some(200));
    let mut follower = PgConnection::connect(&standby.url).await.unwrap();
    let mut has_session = false;
    for _ in 0..100 {
        has_session = sqlx::query_scalar("SELECT count(*) > 0 FROM sessions")
            .fetch_one(&mut follower)
            .await
            .unwrap_or(false);
        if has_session {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(has_session, "the standby follows");
    primary.kill();
    primary.start_as_standby();
    // Its session is there, and may be ended elsewhere by now.
    assert_eq!(read(), Some(503));
    standby.promote();
    let mut operator = PgConnection::connect(&standby.url).await.unwrap();
    sqlx::raw_sql("DELETE FROM sessions").execute(&mut operator).await.unwrap();
    for _ in 0..20 {
        assert_eq!(read(), Some(401));
    }
    let log = server.log();
    for said in [
        format!("127.0.0.1:{} only reads", primary.port),
        format!("PostgreSQL at 127.0.0.1:{} takes the changes now", standby.port),
    ] {
        assert!(log.contains(&said), "{log}");
    }
}

#[rocket::async_test]
async fn rl_12_another_way_to_the_server_is_taken_when_the_first_is_cut_or_stands_still() {
    let app = TestApp::new(Backend::Postgres).await;
    let ways = [Proxy::before(&app.url), Proxy::before(&app.url)];
    let host = |way: &Proxy| way.url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let database = app.url.rsplit_once('/').unwrap().1;
    let url = format!("postgres://usher_test@{},{}/{database}", host(&ways[0]), host(&ways[1]));
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", url.as_str())];
    ways[0].set(Line::Cut);
    make_superuser(directory.path(), &variables);
    ways[0].set(Line::Open);
    let server = Server::start(directory.path(), &variables);
    let bearer = server.sign_in();
    let mut n = 0;
    let mut is_well = || {
        n += 1;
        server.create(&bearer, &format!("user-{n}")) == Some(201)
    };
    assert!(is_well());
    for (bad, line) in [(0, Line::Cut), (1, Line::Frozen), (0, Line::Frozen), (1, Line::Cut)] {
        ways[bad].set(line);
        assert!(eventually(LONGEST, &mut is_well), "way {bad} is {line:?}");
        ways[bad].set(Line::Open);
    }
}

#[rocket::async_test]
async fn a_server_that_cannot_be_used_is_named_with_the_reason() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = complaint(&format!("postgres://usher@{free}/usher"));
    assert!(
        refused.contains(&format!("PostgreSQL at {free} cannot be reached: Connection refused")),
        "{refused}"
    );
    let both = complaint(&format!("postgres://usher@{free},nowhere.invalid:1/usher"));
    assert!(
        both.contains("Connection refused") && both.contains("nowhere.invalid:1 cannot be reached"),
        "{both}"
    );
    let service = complaint("postgres://usher@/usher?service=usher");
    assert!(service.contains("service files are not read"), "{service}");

    let app = TestApp::new(Backend::Postgres).await;
    let (server, database) = app.url.rsplit_once('/').unwrap();
    let latin = format!("{database}_latin1");
    app.sql(&format!(
        "CREATE DATABASE {latin} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc TEMPLATE template0"
    ))
    .await;
    // Of several the reason of each.
    let (_, host) = server.rsplit_once('@').unwrap();
    let nothing = complaint(&format!("{server},{free}/{database}_nothing"));
    assert!(
        nothing.contains(&format!("PostgreSQL at {host}: database \"{database}_nothing\" does not exist"))
            && nothing.contains(&format!("PostgreSQL at {free} cannot be reached")),
        "{nothing}"
    );
    let encoded = complaint(&format!("{server}/{latin}"));
    assert!(encoded.contains("the database is encoded in LATIN1"), "{encoded}");
    app.sql(&format!("ALTER DATABASE {database} SET default_transaction_read_only = on")).await;
    let reads = complaint(&format!("{}?target_session_attrs=read-write", app.url));
    assert!(reads.contains(" only reads"), "{reads}");
}

#[rocket::async_test]
async fn a_socket_and_an_address_of_ipv6_lead_to_a_server() {
    let cluster = Cluster::start();
    let directory = TempDir::new().unwrap();
    let socket = cluster.socket().display().to_string();
    let mut urls = vec![
        format!("postgres:///postgres?host={socket}&port={}&user=usher_test", cluster.port),
        format!("postgres://usher_test@{}:{}/postgres", socket.replace('/', "%2F"), cluster.port),
    ];
    // Not every machine has it.
    if TcpListener::bind("[::1]:0").is_ok() {
        urls.push(format!("postgres://usher_test@[::1]:{}/postgres", cluster.port));
    }
    let must_exist = [("DATABASE_URL", urls[0].as_str()), ("USHER_DATABASE_MUST_EXIST", "true")];
    let empty = run(usher(directory.path(), &must_exist, &["migrate"]), "");
    assert!(text(&empty.stderr).contains("the PostgreSQL database is empty"), "{}", text(&empty.stderr));
    for url in urls {
        let output = run(usher(directory.path(), &[("DATABASE_URL", &url)], &["migrate"]), "");
        assert!(output.status.success(), "{url}: {}", text(&output.stderr));
    }
    let mut connection = PgConnection::connect(&cluster.url).await.unwrap();
    let tables = AssertSqlSafe("SELECT count(*) FROM users".to_owned());
    assert_eq!(sqlx::query_scalar::<_, i64>(tables).fetch_one(&mut connection).await.unwrap(), 0);
}

#[test]
fn a_server_waits_for_its_database_as_long_as_it_is_told_to() {
    let directory = TempDir::new().unwrap();
    let cluster = Cluster::start();
    cluster.kill();
    let variables = [("DATABASE_URL", cluster.url.as_str()), ("ROCKET_PORT", "0")];
    let given_up = run(usher(directory.path(), &variables, &["serve", "--wait", "1"]), "");
    assert_eq!(given_up.status.code(), Some(1));
    let said = text(&given_up.stderr);
    assert!(
        said.contains("waiting for the database, 1 seconds at most") && said.contains("Connection refused"),
        "{said}"
    );
    let mut waiting = usher(directory.path(), &variables, &["serve", "--wait", "5m"]).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(waiting.try_wait().unwrap().is_none(), "it waits");
    cluster.start_again();
    let is_up = || {
        let stdout = waiting.stdout.as_mut().unwrap();
        let mut said = [0; 4096];
        let length = std::io::Read::read(stdout, &mut said).unwrap();
        text(&said[..length]).contains("Usher listens on")
    };
    let up = eventually(LONGEST, is_up);
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    assert!(up);
    let unfit = run(usher(directory.path(), &variables, &["serve", "--wait", "soon"]), "");
    assert_eq!(unfit.status.code(), Some(2));
}

#[test]
fn a_server_that_waited_for_its_disk_has_its_lock_there() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    std::fs::create_dir(path.join("mounted")).unwrap();
    make_superuser(path, &[("DATABASE_URL", "sqlite://mounted/usher.db")]);
    let url = ("DATABASE_URL", "sqlite://disk/usher.db");
    let must_exist = [url, ("ROCKET_PORT", "0"), ("USHER_DATABASE_MUST_EXIST", "true")];
    // Where one is made, its folder is waited for.
    for variables in [&must_exist[..], &must_exist[..2]] {
        let mut waiting = usher(path, variables, &["serve", "--wait", "5m"]).spawn().unwrap();
        std::thread::sleep(Duration::from_secs(2));
        assert!(waiting.try_wait().unwrap().is_none(), "it waits");
        std::fs::rename(path.join("mounted"), path.join("disk")).unwrap();
        let mut said = String::new();
        let mut stdout = BufReader::new(waiting.stdout.take().unwrap());
        while !said.contains("Usher listens on") {
            assert!(stdout.read_line(&mut said).unwrap() > 0, "{said}");
        }
        let second = run(usher(path, variables, &["serve"]), "");
        waiting.kill().unwrap();
        waiting.wait().unwrap();
        assert!(text(&second.stderr).contains("another server is running"), "{}", text(&second.stderr));
        std::fs::rename(path.join("disk"), path.join("mounted")).unwrap();
    }
}
