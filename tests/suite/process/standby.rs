//! A PostgreSQL whose synchronous standby is lost: its commits wait without end.

use std::time::Duration;

use rocket::tokio::time::Instant;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use usher::db::{self, Db};

use super::cluster::Cluster;
use super::server::{Server, eventually, json_request, make_superuser, status_of};
use crate::app::{PASSWORD, figment};

/// Every request ends within the 10 seconds that are promised; the rest is for a busy machine.
const LONGEST: Duration = Duration::from_secs(15);

/// Reading waits for no commit; this is for a busy machine.
const READING: Duration = Duration::from_secs(3);

async fn set_standby(operator: &mut PgConnection, sql: &'static str) {
    for sql in [sql, "SELECT pg_reload_conf()"] {
        sqlx::raw_sql(sql).execute(&mut *operator).await.unwrap();
    }
}

#[rocket::async_test]
async fn do_3_a_lost_standby_keeps_no_reader_waiting_and_no_connection() {
    let cluster = Cluster::start();
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", cluster.url.as_str())];
    make_superuser(directory.path(), &variables);
    let mut server = Server::start(directory.path(), &variables);
    let bearer = server.sign_in();
    assert_eq!(server.create(&bearer, "before"), Some(201));
    let mut operator = PgConnection::connect(&cluster.url).await.unwrap();
    set_standby(&mut operator, "ALTER SYSTEM SET synchronous_standby_names = 'gone'").await;

    let create = |n: u32| {
        let body = json!({"username": format!("during-{n}"), "password": PASSWORD, "first_name": "",
            "last_name": "", "email": ""});
        let answer = server.ask_within(LONGEST, &json_request("POST", "/v1/users/create", &bearer, &body));
        answer.ok().as_deref().and_then(status_of)
    };
    let read = || {
        let begun = Instant::now();
        let list = json_request("POST", "/v1/users/list", &bearer, &json!({}));
        let statuses = [
            server
                .ask(&json_request("GET", "/v1/account", &bearer, &json!({})))
                .ok()
                .as_deref()
                .and_then(status_of),
            server.ask(&list).ok().as_deref().and_then(status_of),
            server.status("/readyz"),
        ];
        (statuses, begun.elapsed() < READING)
    };
    let (created, reads) = std::thread::scope(|scope| {
        let create = &create;
        let created: Vec<_> = (0..12).map(|n| scope.spawn(move || create(n))).collect();
        let reads: Vec<_> = (0..20)
            .map(|_| {
                std::thread::sleep(Duration::from_millis(300));
                read()
            })
            .collect();
        (created.into_iter().map(|create| create.join().unwrap()).collect::<Vec<_>>(), reads)
    });
    assert_eq!(created, [Some(503); 12], "{}", server.log());
    assert_eq!(reads, [([Some(200); 3], true); 20], "{}", server.log());
    assert!(server.get("/readyz").contains("a standby does not answer"), "{}", server.get("/readyz"));

    // Only what the server itself still tries waits.
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let mut most = i64::MAX;
    for _ in 0..50 {
        most = sqlx::query_scalar(waiting).fetch_one(&mut operator).await.unwrap();
        if most <= 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(most <= 2, "{most} commits wait");

    set_standby(&mut operator, "ALTER SYSTEM RESET synchronous_standby_names").await;
    let mut n = 100;
    let is_well = || {
        n += 1;
        create(n) == Some(201)
    };
    assert!(eventually(LONGEST, is_well), "it is not well again: {}", server.log());
    assert!(eventually(LONGEST, || server.get("/readyz").ends_with(r#"{"status":"ok"}"#)));
    assert!(!server.log().contains("panic"));
}

/// What is counted before a password is looked at, and when a session was used, is lost at worst.
#[rocket::async_test]
async fn do_3_what_is_committed_asynchronously_waits_for_no_standby_and_leaves_that_to_the_next_commit() {
    let cluster = Cluster::start();
    let db = Db::open(&figment(&cluster.url, &[]).focus("databases.main")).await.unwrap();
    let mut operator = PgConnection::connect(&cluster.url).await.unwrap();
    set_standby(&mut operator, "ALTER SYSTEM SET synchronous_standby_names = 'gone'").await;
    let names = "SELECT current_setting('synchronous_standby_names')";
    while sqlx::query_scalar::<_, String>(names).fetch_one(&mut operator).await.unwrap() != "gone" {
        rocket::tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // On every connection that there is, so that none waits for the standby or stops waiting for good.
    for (name, waits) in [("one", false), ("two", true), ("three", false), ("four", true), ("five", false)] {
        let mut tx = db.begin().await.unwrap();
        assert!(db::installation::insert(&mut tx, name, vec![1]).await.unwrap());
        let committed = if waits { tx.commit().await } else { tx.commit_asynchronously().await };
        assert_eq!(matches!(committed, Err(db::Error::TimedOut)), waits, "{name}: {committed:?}");
        assert!(waits || committed.is_ok(), "{name}: {committed:?}");
        let mut next = db.begin().await.unwrap();
        assert!(
            waits || !db::installation::insert(&mut next, name, vec![2]).await.unwrap(),
            "{name} is not seen"
        );
    }
    db.close().await;
}
