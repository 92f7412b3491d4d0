//! Moving an installation: all of it to another database, or its users by export and import.

use rocket::http::Method;
use serde_json::json;
use usher::db;
use usher::model::user::{User, UserId};
use usher::operations::audit;

use crate::app::{Backend, By, PASSWORD, Person, TestApp, fresh};
use crate::import::{summary, usher};

/// An installation with everything in it: users who have gone, an account that has ended, a sealed audit log.
async fn furnish(app: &TestApp) -> (Person, User) {
    let admin = app.person("admin", "superuser").await;
    let ended = app.person("ended", "").await;
    let gone = app.person("gone", "").await;
    let change = json!({"valid_from": "2020-01-01T00:00:00Z", "valid_until": "2026-02-01T00:00:00Z",
                        "must_change_password": true});
    let path = format!("/v1/users/{}", ended.id());
    let changed = app.send(&admin, Method::Patch, &path, &change).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let preferences = concat!(
        r#"{"density":"compact","hidden_columns":["email"],"rows":25,"shortcuts":false,"theme":"dark","#,
        r#""time_zone":"Asia/Tokyo","views":[{"name":"Gone","query":"status=ended"}]}"#
    );
    let mut tx = app.usher.db.begin().await.unwrap();
    db::users::set_preferences(&mut tx, ended.user.id, preferences).await.unwrap();
    tx.commit().await.unwrap();
    let id = ended.id();
    app.sql(&format!("UPDATE users SET password_changed_at = 1700000000000001 WHERE id = {id}")).await;
    app.sql(&format!("DELETE FROM users WHERE id = {}", gone.id())).await;
    while audit::seal(&app.usher).await.unwrap() > 0 {}
    (admin, app.stored(id).await)
}

async fn preferences(app: &TestApp, id: UserId) -> String {
    let mut tx = app.usher.db.begin().await.unwrap();
    db::users::preferences(&mut tx, id).await.unwrap()
}

#[apply(on_both)]
async fn everything_moves_to_either_database_with_the_audit_log_and_its_chain(app: TestApp) {
    let (admin, ended) = furnish(&app).await;
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let (url, directory) = fresh(backend).await;
        let done = usher(&app, &["copy", "--to", &url]).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        while audit::seal(&app.usher).await.unwrap() > 0 {}
        let here = audit::verify(&app.usher).await.unwrap();
        let other = TestApp::at(url.clone(), directory).await;
        while audit::seal(&other.usher).await.unwrap() > 0 {}
        let there = audit::verify(&other.usher).await.unwrap();
        assert!(here.sealed > 1 && here.fault.is_none(), "{here:?}");
        assert_eq!(
            (there.sealed, there.fault),
            (here.sealed, None),
            "{backend:?}: every entry, and its place"
        );
        assert_eq!(other.stored(ended.id.0).await, ended);
        assert_eq!(preferences(&other, ended.id).await, preferences(&app, ended.id).await);
        assert!(other.is_signed_in(&admin, By::Bearer).await, "sessions and the signing key move, too");
        assert!(other.is_signed_in(&admin, By::Cookie).await);
        assert_eq!(other.obtain("ended", PASSWORD).await.status, 401);
        assert!(other.person("next", "").await.id() > ended.id.0 + 1, "a key is never given twice");
        let again = usher(&app, &["copy", "--to", &url]).await;
        assert!(!again.status.success());
        let reason = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(reason.contains("the other database is not empty"), "{reason}");
    }
}

#[apply(on_both)]
async fn an_export_and_an_import_lose_nothing_of_the_users(app: TestApp) {
    let (_, ended) = furnish(&app).await;
    for (backend, format) in [(Backend::Sqlite, "json"), (Backend::Postgres, "csv")] {
        let (url, directory) = fresh(backend).await;
        let exported = usher(&app, &["export", "--format", format]).await;
        let file = directory.path().join("users");
        std::fs::write(&file, &exported.stdout).unwrap();
        let other = TestApp::at(url, directory).await;
        let imported = usher(&other, &["import", file.to_str().unwrap()]).await;
        assert_eq!(summary(&imported), "2 created, 0 unchanged, 0 refused");
        let moved = other.stored(ended.id.0).await;
        assert_eq!(moved, User { version: 1, ..ended.clone() });
        assert_eq!(preferences(&other, ended.id).await, preferences(&app, ended.id).await);
        let answer = other.obtain("ended", PASSWORD).await;
        assert_eq!(answer.status, 401, "an account that has ended does not begin again: {}", answer.body);
        assert_eq!(other.obtain("admin", PASSWORD).await.status, 200);
    }
}
