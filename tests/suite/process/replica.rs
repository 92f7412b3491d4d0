//! Users are read from a replica while no server takes changes; who asks, and what they may, never is.

use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::cluster::Cluster;
use super::cookies::Browser;
use super::server::{
    Server, eventually, json_request, make_superuser, obtain_request, run, status_of, text, usher,
};
use crate::app::PASSWORD;

/// Every request ends within the 10 seconds that are promised; the rest is for a busy machine.
const LONGEST: Duration = Duration::from_secs(15);

/// For requests of a browser to any server of this machine.
const HOST: &str = "Host: localhost\r\n";

impl Server {
    fn answer(&self, method: &str, path: &str, bearer: &str, body: &serde_json::Value) -> String {
        self.ask_within(LONGEST, &json_request(method, path, bearer, body)).unwrap()
    }

    /// Makes a member of staff and signs them in.
    fn staff(&self, admin: &str, name: &str, id: u32) -> String {
        assert_eq!(self.create(admin, name), Some(201));
        let changed = self.answer("PATCH", &format!("/v1/users/{id}"), admin, &json!({"is_staff": true}));
        assert_eq!(status_of(&changed), Some(200), "{changed}");
        let answer = self.ask(&obtain_request(name, PASSWORD)).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let tokens: serde_json::Value = serde_json::from_str(body).unwrap();
        tokens["access"].as_str().unwrap().to_owned()
    }
}

fn is_old(answer: &str) -> bool {
    answer.contains("\r\nage: ") && answer.contains("\r\nwarning: 110 - \"Response is Stale\"\r\n")
}

#[rocket::async_test]
async fn users_are_read_from_a_replica_while_no_server_takes_changes_and_rights_are_not() {
    let primary = Cluster::start();
    let standby = Cluster::standby_of(&primary);
    let both =
        format!("postgres://usher_test@127.0.0.1:{},127.0.0.1:{}/postgres", primary.port, standby.port);
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", both.as_str()), ("DATABASE_REPLICA_URL", both.as_str())];
    make_superuser(directory.path(), &variables);
    let server = Server::start(directory.path(), &variables);
    let admin = server.sign_in();
    let [ada, bob, eve, mia] =
        [("ada", 2), ("bob", 3), ("eve", 4), ("mia", 5)].map(|(name, id)| server.staff(&admin, name, id));
    let list = |bearer: &str| server.answer("POST", "/v1/users/list", bearer, &json!({"limit": 3}));
    for bearer in [&eve, &mia] {
        assert_eq!(status_of(&list(bearer)), Some(200));
    }
    // Of these two one asks again afterwards, and the other does not.
    for id in [4, 5] {
        let demoted = server.answer("PATCH", &format!("/v1/users/{id}"), &admin, &json!({"is_staff": false}));
        assert_eq!(status_of(&demoted), Some(200), "{demoted}");
    }
    assert_ne!(status_of(&list(&eve)), Some(200));
    let mut browser = Browser::default();
    assert_eq!(status_of(&browser.sign_in(&server, HOST)), Some(303));
    // Bob's session is never seen.
    let mut follower = PgConnection::connect(&standby.url).await.unwrap();
    let mut has_all = false;
    for _ in 0..200 {
        let demoted = "SELECT count(*) = 2 FROM users WHERE is_staff AND NOT is_superuser";
        has_all = sqlx::query_scalar(demoted).fetch_one(&mut follower).await.unwrap();
        if has_all {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(has_all, "the standby follows");
    for bearer in [&admin, &ada] {
        let listed = list(bearer);
        assert!(status_of(&listed) == Some(200) && !listed.contains("\r\nage: "), "{listed}");
    }
    let page = browser.ask(&server, "GET /users", HOST, "");
    assert!(status_of(&page) == Some(200) && !page.contains("may be some seconds old"), "{page}");
    // A change of another user takes no right of theirs away.
    let changed = server.answer("PATCH", "/v1/users/3", &admin, &json!({"last_name": "Bee"}));
    assert_eq!(status_of(&changed), Some(200), "{changed}");

    primary.kill();
    for (path, method, holds) in [
        ("/v1/users/list", "POST", "\"ada\""),
        ("/v1/users/2", "GET", "\"ada\""),
        ("/v1/users/ada", "GET", "\"ada\""),
        ("/v1/users/99", "GET", "detail"),
    ] {
        let answer = server.answer(method, path, &ada, &json!({}));
        let status = if holds == "detail" { 404 } else { 200 };
        assert_eq!(status_of(&answer), Some(status), "{path}: {answer}");
        assert!(is_old(&answer) && answer.contains(holds), "{path}: {answer}");
    }
    for path in ["/users", "/users/2"] {
        let page = browser.ask(&server, &format!("GET {path}"), HOST, "");
        assert_eq!(status_of(&page), Some(200), "{path}: {page}");
        assert!(page.contains("may be some seconds old") && page.contains("ada"), "{path}: {page}");
    }
    for (method, path) in [
        ("PATCH", "/v1/users/2"),
        ("DELETE", "/v1/users/2"),
        ("GET", "/v1/account"),
        ("GET", "/v1/users/2/sessions"),
        ("POST", "/v1/audit/list"),
    ] {
        let answer = server.answer(method, path, &admin, &json!({}));
        assert_eq!(status_of(&answer), Some(503), "{path}: {answer}");
        assert!(answer.contains("\r\nretry-after: ") && !is_old(&answer), "{path}: {answer}");
    }
    // A session that was never seen, and rights that were taken away.
    assert_eq!(status_of(&list(&bob)), Some(503));
    for bearer in [&eve, &mia] {
        let refused = list(bearer);
        assert!(matches!(status_of(&refused), Some(401 | 403 | 503)), "{refused}");
    }

    standby.promote();
    assert!(eventually(LONGEST, || server.create(&admin, "new") == Some(201)), "changes are back");
    let listed = list(&ada);
    assert!(status_of(&listed) == Some(200) && !is_old(&listed), "{listed}");
}

/// The cases in which only a failover would have told.
#[rocket::async_test]
async fn check_says_why_a_replica_cannot_be_read_from_and_is_content_with_the_rest() {
    let primary = Cluster::start();
    let standby = Cluster::standby_of(&primary);
    let directory = TempDir::new().unwrap();
    let at = |port: u16, name: &str| format!("postgres://usher_test@127.0.0.1:{port}/{name}");
    let main = at(primary.port, "postgres");
    make_superuser(directory.path(), &[("DATABASE_URL", main.as_str())]);
    let mut operator = PgConnection::connect(&primary.url).await.unwrap();
    sqlx::raw_sql("CREATE DATABASE other").execute(&mut operator).await.unwrap();
    sqlx::raw_sql("CREATE DATABASE empty").execute(&mut operator).await.unwrap();
    make_superuser(directory.path(), &[("DATABASE_URL", at(primary.port, "other").as_str())]);
    let check = |replica: &str| {
        let variables = [("DATABASE_URL", main.as_str()), ("DATABASE_REPLICA_URL", replica)];
        let output = run(usher(directory.path(), &variables, &["check"]), "");
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let follows = |replica: &str| check(replica).1.contains("ok: users can be read from the replica");
    assert!(eventually(LONGEST, || follows(&at(standby.port, "postgres"))), "{:?}", check(&standby.url));
    // One that is away does not matter, nor that the others are there as well.
    let all = format!(
        "postgres://usher_test@127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}/postgres",
        primary.port, standby.port
    );
    assert!(follows(&all), "{:?}", check(&all));
    for (replica, reason) in [
        (at(1, "postgres"), "PostgreSQL at 127.0.0.1:1 cannot be reached: Connection refused"),
        (at(standby.port, "nothing"), "database \"nothing\" does not exist"),
        (standby.url.replace("usher_test", "stranger"), "role \"stranger\" does not exist"),
        (at(standby.port, "empty"), "there are no users of Usher in its database"),
        (at(standby.port, "other"), "its database is that of another installation"),
        (main.clone(), "it follows no other server"),
    ] {
        let (code, said) = check(&replica);
        assert_eq!(code, Some(0), "the server starts all the same: {said}");
        let warned =
            said.lines().find(|line| line.starts_with("warning: users cannot be read from the replica: "));
        let warned = warned.unwrap_or_else(|| panic!("{replica}: {said}"));
        assert!(
            warned.contains(reason) && warned.contains("PostgreSQL at 127.0.0.1:"),
            "{replica}: {warned}"
        );
    }
}

#[rocket::async_test]
async fn a_replica_that_is_away_is_told_of_at_the_start_and_not_any_more_when_it_is_there() {
    let primary = Cluster::start();
    let standby = Cluster::standby_of(&primary);
    let directory = TempDir::new().unwrap();
    let variables = [
        ("DATABASE_URL", primary.url.as_str()),
        ("DATABASE_REPLICA_URL", standby.url.as_str()),
        ("USHER_METRICS_ADDRESS", "127.0.0.1:0"),
    ];
    make_superuser(directory.path(), &variables);
    standby.kill();
    let mut server = Server::start(directory.path(), &variables);
    let fails = || server.numbers()["usher_replica_unavailable"] > 0.0;
    assert!(eventually(LONGEST, fails), "it is found out without a failover");
    let ready = server.get("/readyz");
    assert!(status_of(&ready) == Some(200) && ready.contains("cannot be read from the replica"), "{ready}");
    standby.start_again();
    assert!(eventually(LONGEST * 2, || !fails()), "it is there again");
    assert!(server.get("/readyz").ends_with(r#"{"status":"ok"}"#), "{}", server.get("/readyz"));
    let log = server.log();
    let reason = format!(
        "users cannot be read from the replica: error communicating with database: PostgreSQL at 127.0.0.1:{}",
        standby.port
    );
    assert!(log.contains(&reason) && log.contains("users can be read from the replica again"), "{log}");
}

#[rocket::async_test]
async fn users_of_another_installation_are_never_read() {
    let (primary, other) = (Cluster::start(), Cluster::start());
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", primary.url.as_str()), ("DATABASE_REPLICA_URL", other.url.as_str())];
    make_superuser(directory.path(), &[("DATABASE_URL", other.url.as_str())]);
    make_superuser(directory.path(), &variables);
    let server = Server::start(directory.path(), &variables);
    let bearer = server.sign_in();
    let read = || server.answer("GET", "/v1/users/1", &bearer, &json!({}));
    assert_eq!(status_of(&read()), Some(200));
    primary.kill();
    let away = read();
    assert!(status_of(&away) == Some(503) && !is_old(&away), "{away}");
}

#[rocket::async_test]
async fn a_replica_is_refused_where_there_can_be_none() {
    let directory = TempDir::new().unwrap();
    let cluster = Cluster::start();
    for (database, replica, complaint) in [
        ("sqlite://usher.db", "postgres://usher@localhost/usher", "only PostgreSQL has replicas"),
        (cluster.url.as_str(), "sqlite://usher.db", "it must begin with postgres:"),
        (cluster.url.as_str(), "postgres://host:x/usher", "invalid port number"),
    ] {
        let variables = [("DATABASE_URL", database), ("DATABASE_REPLICA_URL", replica)];
        for command in ["migrate", "check"] {
            let output = run(usher(directory.path(), &variables, &[command]), "");
            assert_eq!(output.status.code(), Some(1), "{command}");
            let said = text(&output.stderr);
            assert!(said.contains("databases.replica.url") && said.contains(complaint), "{said}");
        }
    }
    let secret = "postgres://usher:hidden@replica.example.org/usher";
    let variables = [("DATABASE_URL", cluster.url.as_str()), ("DATABASE_REPLICA_URL", secret)];
    let shown = text(&run(usher(directory.path(), &variables, &["config"]), "").stdout);
    assert!(shown.contains("replica.example.org") && !shown.contains("hidden"), "{shown}");
    // It is connected to when it is needed.
    let unreachable =
        [("DATABASE_URL", cluster.url.as_str()), ("DATABASE_REPLICA_URL", "postgres://127.0.0.1:1/x")];
    make_superuser(directory.path(), &unreachable);
    let server = Server::start(directory.path(), &unreachable);
    let bearer = server.sign_in();
    let read = || server.answer("GET", "/v1/users/1", &bearer, &json!({}));
    assert_eq!(status_of(&read()), Some(200));
    cluster.kill();
    let away = read();
    assert!(status_of(&away) == Some(503) && !is_old(&away), "{away}");
}
