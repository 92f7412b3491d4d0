//! Faults of our own: what the client gets to see of them, and that they pass.

use rocket::http::Method::{Get, Patch, Post};
use serde_json::json;

use super::*;

/// What no client should ever read.
const INSIDES: [&str; 14] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "no such table",
    "relation",
    "sqlx",
    "Sqlite",
    "Postgres",
    "SQLSTATE",
    ".rs",
    "panicked",
    "out_of_the_way",
    "usher.db",
    "127.0.0.1",
];

#[apply(on_both)]
async fn er_1_a_fault_of_the_database_shows_nothing_of_it_and_passes(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let target = app.person("ada", "ordinary").await;
    let path = path_of(&target);
    let credentials = json!({"username": "ada", "password": PASSWORD}).to_string();
    let refresh = json!({"refresh": admin.refresh}).to_string();
    for (table, faulty) in [
        ("users", &["list", "get", "name", "patch", "obtain", "refresh", "home", "sign-in"][..]),
        ("sessions", &["list", "get", "name", "patch", "obtain", "refresh", "home"]),
        ("throttles", &["obtain"]),
    ] {
        app.sql(&format!("ALTER TABLE {table} RENAME TO out_of_the_way")).await;
        for broken in [true, false] {
            for (name, method, path, who, body) in [
                ("list", Post, "/v1/users/list", bearer(&admin), ""),
                ("get", Get, &*path, bearer(&admin), ""),
                ("name", Get, "/v1/users/ada", cookie(&admin), ""),
                ("patch", Patch, &*path, bearer(&admin), "{}"),
                ("obtain", Post, "/v1/auth/obtain", ANONYMOUS, &*credentials),
                ("refresh", Post, "/v1/auth/refresh", ANONYMOUS, &*refresh),
                ("home", Get, "/account", cookie(&admin), ""),
                ("sign-in", Get, "/sign-in", ANONYMOUS, ""),
            ] {
                let case = format!("{name} without {table}");
                let answer = ask(&app, method, path, who, &[JSON], body).await;
                if !broken || !faulty.contains(&name) {
                    assert_eq!(answer.status, 200, "{case}, repaired: {}", answer.body);
                    continue;
                }
                assert!(matches!(answer.status, 500 | 503), "{case}: {} {}", answer.status, answer.body);
                for inside in INSIDES {
                    assert!(!answer.body.contains(inside), "{case}: {inside}: {}", answer.body);
                }
                if path.starts_with("/v1/") {
                    let body = answer.json();
                    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{case}: {body}");
                    assert!(body["detail"].is_string(), "{case}: {body}");
                } else {
                    assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"), "{case}");
                }
                assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{case}");
            }
            if broken {
                app.sql(&format!("ALTER TABLE out_of_the_way RENAME TO {table}")).await;
            }
        }
    }
}

/// A client that took this for a 401 would throw its tokens away.
#[apply(on_both)]
async fn rl_12_without_the_database_every_answer_is_503_and_never_401(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    app.usher.db.close().await;
    let credentials = json!({"username": "admin", "password": PASSWORD}).to_string();
    let refresh = json!({"refresh": admin.refresh}).to_string();
    let verify = json!({"token": admin.bearer}).to_string();
    for (method, path, who, body) in [
        (Get, "/v1/users/1", bearer(&admin), ""),
        (Get, "/v1/users/1", cookie(&admin), ""),
        (Post, "/v1/users/list", bearer(&admin), ""),
        (Patch, "/v1/users/1", bearer(&admin), "{}"),
        (Post, "/v1/auth/obtain", ANONYMOUS, &*credentials),
        (Post, "/v1/auth/refresh", ANONYMOUS, &*refresh),
        (Post, "/v1/auth/verify", ANONYMOUS, &*verify),
        (Get, "/account", cookie(&admin), ""),
    ] {
        let answer = ask(&app, method, path, who, &[JSON], body).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
        assert_eq!(answer.header("Retry-After"), Some("2"), "{path}");
        if path.starts_with("/v1/") {
            let detail = json!({"detail": "The service is unavailable. Try again in a moment."});
            assert_is(&answer, 503, &detail, path);
        }
    }
    assert_eq!(ask(&app, Get, "/livez", ANONYMOUS, &[], "").await.status, 200);
    assert_unauthorized(
        &ask(&app, Get, "/v1/users/1", ANONYMOUS, &[], "").await,
        &no_credentials(),
        "anonymous",
    );
}
