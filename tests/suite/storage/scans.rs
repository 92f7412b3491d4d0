//! Statements that look at every row, and those that must not wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rocket::futures::StreamExt;
use rocket::futures::stream::FuturesUnordered;
use rocket::http::Method;
use rocket::tokio::{join, spawn, time};
use serde_json::json;
use usher::db::{Dialect, Error, Sql};
use usher::model::origin::Origin;
use usher::operations::authentication::{Authorization, authenticate};

use crate::app::{By, TestApp};

#[apply(on_both)]
async fn do_1_searches_that_never_end_are_broken_off_and_do_not_block_single_rows(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let endless = match app.usher.db.dialect() {
        Dialect::Sqlite => {
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n"
        }
        Dialect::Postgres => "SELECT count(*) FROM generate_series(1, 1000000000000)",
    };
    let searches: Vec<_> = (0..20)
        .map(|_| {
            let db = app.usher.db.clone();
            spawn(async move { db.scanning().optional::<(i64,)>(Sql::new(endless)).await })
        })
        .collect();
    time::sleep(Duration::from_millis(300)).await;
    // Twenty at once, each of which reads a session and a user.
    let path = format!("/v1/users/{}", admin.id());
    let read = || app.request(Method::Get, &path, Some((&admin, By::Bearer))).dispatch();
    let mut reads: FuturesUnordered<_> = (0..20).map(|_| read()).collect();
    let first = reads.next().await.expect("an answer");
    assert_eq!(first.status().code, 200);
    assert!(searches.iter().any(|search| !search.is_finished()), "they are still under way");
    while let Some(answer) = reads.next().await {
        assert_eq!(answer.status().code, 200);
    }
    for search in searches {
        let ended = search.await.unwrap();
        assert!(matches!(ended, Err(Error::Unavailable(_) | Error::TimedOut)), "{ended:?}");
    }
    let listed = time::timeout(Duration::from_secs(3), async {
        app.send(&admin, Method::Post, "/v1/users/list", &json!({})).await.status
    });
    assert_eq!(listed.await.expect("their connections are free again"), 200);
}

#[apply(on_both)]
async fn do_1_pages_of_lists_of_one_user_leave_connections_to_others(app: TestApp) {
    let (ada, bob) = (app.person("ada", "staff").await, app.person("bob", "staff").await);
    let slow = slow_statement(&app);
    let of_ada = app.usher.for_request();
    let cookie = app.cookie(&ada);
    authenticate(&of_ada, Authorization::Cookie(&cookie), &Origin::command_line()).await.unwrap();
    let pages: Vec<_> = (0..60)
        .map(|_| {
            let db = of_ada.detached().db;
            spawn(async move { db.listing().optional::<(i64,)>(Sql::new(slow)).await })
        })
        .collect();
    time::sleep(Duration::from_millis(300)).await;
    let list = async |person| app.send(person, Method::Post, "/v1/users/list", &json!({})).await.status;
    let of_bob = [list(&bob).await, app.get(&bob, "/v1/account").await.status];
    assert_eq!(of_bob, [200; 2]);
    assert!(pages.iter().any(|page| !page.is_finished()), "they are still under way");
    // What fits few is found by a search, and only the question how many they are is one of a list.
    let rare = json!({"expressions": [{"type": "contains", "field": "first_name", "sub_string": "xyzzy"}]});
    let rare = async || app.send(&ada, Method::Post, "/v1/users/list", &rare).await.status;
    let of_ada = join!(async { app.get(&ada, "/v1/account").await.status }, list(&ada), rare());
    assert_eq!(of_ada, (200, 503, 503));
    for page in pages {
        let _ = page.await.unwrap();
    }
    assert_eq!([list(&ada).await, rare().await], [200; 2]);
}

#[apply(on_both)]
async fn do_1_searches_lists_and_changes_together_leave_connections_to_sessions_and_single_users(
    app: TestApp,
) {
    let admin = app.person("admin", "superuser").await;
    let slow = slow_statement(&app);
    let db = || app.usher.db.clone();
    let open_changes = Arc::new(AtomicUsize::new(0));
    let mut reads = Vec::new();
    let mut changes = Vec::new();
    for _ in 0..20 {
        let [searches, lists, writes] = [db(), db(), db()];
        reads.push(spawn(async move { searches.scanning().optional::<(i64,)>(Sql::new(slow)).await }));
        reads.push(spawn(async move { lists.listing().optional::<(i64,)>(Sql::new(slow)).await }));
        let open = Arc::clone(&open_changes);
        changes.push(spawn(async move {
            if let Ok(_change) = writes.begin().await {
                open.fetch_add(1, Ordering::Relaxed);
                time::sleep(Duration::from_secs(9)).await;
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }));
    }
    time::sleep(Duration::from_millis(500)).await;
    let path = format!("/v1/users/{}", admin.id());
    for _ in 0..5 {
        let read = app.request(Method::Get, &path, Some((&admin, By::Bearer))).dispatch();
        assert_eq!(at_once(read).await.status().code, 200);
        assert_eq!(at_once(app.client.get("/readyz").dispatch()).await.status().code, 200);
    }
    assert!(open_changes.load(Ordering::Relaxed) > 0 && reads.iter().any(|read| !read.is_finished()));
    for task in changes {
        task.abort();
    }
}

#[apply(on_both)]
async fn do_1_searches_that_nothing_waits_for_any_more_keep_their_turns_to_their_end(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let slow = slow_statement(&app);
    let db = &app.usher.db;
    for _ in 0..20 {
        for limit in [Duration::from_millis(30); 2] {
            let search = db.scanning().optional::<(i64,)>(Sql::new(slow));
            let _ = time::timeout(limit, search).await;
            let list = db.listing().optional::<(i64,)>(Sql::new(slow));
            let _ = time::timeout(limit, list).await;
        }
    }
    for _ in 0..10 {
        assert_eq!(at_once(app.get(&admin, "/v1/account")).await.status, 200);
    }
}

/// Takes seconds, of SQLite by computing.
fn slow_statement(app: &TestApp) -> &'static str {
    match app.usher.db.dialect() {
        Dialect::Sqlite => {
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000000) \
             SELECT count(*) FROM n"
        }
        Dialect::Postgres => "SELECT CAST(1 AS BIGINT) FROM pg_sleep(4.5)",
    }
}

/// What needs a connection and gets one while all the others are busy.
async fn at_once<T>(read: impl Future<Output = T>) -> T {
    time::timeout(Duration::from_millis(1500), read).await.expect("a connection is left")
}
