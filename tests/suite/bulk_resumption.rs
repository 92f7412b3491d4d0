//! Actions on many users that were cut short: found, resumed, and taken back as one.

use rocket::futures::future::join_all;
use rocket::http::Method::{Patch, Post};
use serde_json::{Value, json};

use crate::app::{Answer, Backend, PASSWORD, Person, TestApp};
use crate::audit::trail;
use crate::bulk::{bulk, crowd, said, verdicts};
use crate::console::{page, send_from};

/// A run of an action on these users that came to the first of them only.
async fn cut_short(app: &TestApp, by: &Person, action: &str, ids: &[i64]) -> Answer {
    let answer = bulk(app, by, &json!({"action": action, "ids": ids[..1]})).await;
    assert_eq!(answer.json()["done"], 1, "{}", answer.body);
    let batch = answer.json()["batch"].clone();
    for id in &ids[1..] {
        let item = "INSERT INTO batch_items (batch_id, user_id, verdict, reason) VALUES";
        app.sql(&format!("{item} ({batch}, {id}, 'pending', '')")).await;
    }
    app.sql(&format!("UPDATE batches SET finished_at = NULL WHERE id = {batch}")).await;
    answer
}

#[apply(on_both)]
async fn a_run_that_was_cut_short_is_found_resumed_and_taken_back_as_one(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    let root = app.person("root", "superuser").await;
    let ids = crowd(&app, 3).await;
    cut_short(&app, &staff, "deactivate", &[ids[0], ids[1], ids[2], root.id()]).await;
    let found = app.get(&other, "/v1/users/bulk/runs").await.json();
    let run = &found["runs"][0];
    assert_eq!((&run["batch"], &run["complete"], &found["next"]), (&json!(1), &json!(false), &Value::Null));
    assert_eq!((&run["done"], &run["not_done"], &run["pending"]), (&json!(1), &json!(3), &json!(3)));
    assert_eq!(run["actor"], json!({"pk": staff.id(), "username": "staff"}));

    // The one that was done is not done again.
    let back = json!({"is_active": true});
    assert_eq!(app.send(&root, Patch, &format!("/v1/users/{}", ids[0]), &back).await.status, 200);
    let resumed = app.send(&other, Post, "/v1/users/bulk/1/resume", &json!({})).await;
    let left = verdicts(&resumed).into_iter().find(|(id, ..)| *id == root.id());
    assert_eq!(left, Some(said(root.id(), "pending", "pending")), "what another user may not do waits");
    let resumed = app.send(&staff, Post, "/v1/users/bulk/1/resume", &json!({})).await;
    assert_eq!((resumed.status, &resumed.json()["complete"]), (200, &json!(true)), "{}", resumed.body);
    let mut expected: Vec<_> = ids.iter().map(|id| said(*id, "done", "")).collect();
    expected.push(said(root.id(), "refused", "superuser_required"));
    expected.sort();
    let mut verdicts = verdicts(&resumed);
    verdicts.sort();
    assert_eq!(verdicts, expected);
    let is_active = [true, false, false];
    for (id, is_active) in ids.iter().zip(is_active) {
        assert_eq!(app.stored(*id).await.is_active, is_active, "{id}");
    }
    let entries = trail(&app).await;
    let by = |id: i64| entries.iter().rfind(|entry| entry.target_id == Some(id)).unwrap().actor_id;
    assert_eq!(by(ids[1]), Some(other.id()), "each change is its author's");

    let again = app.send(&other, Post, "/v1/users/bulk/1/resume", &json!({})).await;
    assert_eq!(again.json()["done"], 3, "there is nothing left to do");
    assert_eq!(trail(&app).await.len(), entries.len());
    let undone = app.send(&staff, Post, "/v1/users/bulk/1/undo", &json!({})).await;
    assert_eq!(undone.json()["done"], 2, "{}", undone.body);
    let again = app.send(&staff, Post, "/v1/users/bulk/1/resume", &json!({})).await;
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("already_undone")), "{}", again.body);
    assert_eq!(app.send(&staff, Post, "/v1/users/bulk/99/resume", &json!({})).await.status, 404);
    assert_eq!(app.get(&staff, "/v1/users/bulk/runs?before=x").await.status, 400);
    assert_eq!(app.get(&staff, "/v1/users/bulk/runs?before=1").await.json()["runs"], json!([]));
}

#[apply(on_both)]
async fn a_run_that_takes_another_one_back_is_resumed_too(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ids = crowd(&app, 2).await;
    assert_eq!(bulk(&app, &staff, &json!({"action": "deactivate", "ids": ids})).await.json()["done"], 2);
    let undo = app.send(&staff, Post, "/v1/users/bulk/1/undo", &json!({})).await;
    assert_eq!(undo.json()["done"], 2, "{}", undo.body);
    // As if it had come to the first one only.
    let pending =
        "UPDATE batch_items SET verdict = 'pending', entry_id = NULL WHERE batch_id = 2 AND user_id";
    app.sql(&format!("{pending} = {}", ids[1])).await;
    let entry = "DELETE FROM audit_entries WHERE batch_id = 2 AND target_id";
    app.sql(&format!("{entry} = {}", ids[1])).await;
    app.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", ids[1])).await;
    let resumed = app.send(&staff, Post, "/v1/users/bulk/2/resume", &json!({})).await;
    assert_eq!((&resumed.json()["done"], &resumed.json()["complete"]), (&json!(2), &json!(true)));
    assert!(app.stored(ids[1]).await.is_active);
}

#[apply(on_both)]
async fn a_run_that_is_resumed_several_times_at_once_does_nothing_twice(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ids = crowd(&app, 20).await;
    cut_short(&app, &staff, "deactivate", &ids).await;
    let resume = || async {
        let answer = app.send(&staff, Post, "/v1/users/bulk/1/resume", &json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    join_all((0..4).map(|_| resume())).await;
    let answer = app.get(&staff, "/v1/users/bulk/1").await.json();
    assert_eq!((&answer["done"], &answer["complete"]), (&json!(20), &json!(true)), "{answer}");
    let entries = trail(&app).await;
    for id in ids {
        assert_eq!(entries.iter().filter(|entry| entry.target_id == Some(id)).count(), 1, "{id}");
    }
}

#[apply(on_both)]
async fn se_6_resuming_asks_for_the_password_where_the_run_did(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ids = crowd(&app, 3).await;
    cut_short(&app, &staff, "deactivate", &ids).await;
    app.sql("UPDATE batches SET action = 'end_sessions'").await;
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    let answer = app.send(&staff, Post, "/v1/users/bulk/1/resume", &json!({})).await;
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (403, &json!("confirmation_required")),
        "{}",
        answer.body
    );
}

#[apply(on_both)]
async fn a_browser_without_scripts_finds_a_run_that_was_cut_short_and_goes_on(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ids = crowd(&app, 3).await;
    cut_short(&app, &staff, "deactivate", &ids).await;
    let runs = page(&app, &staff, "/users/bulk/runs").await.body;
    assert!(runs.contains("<a href=\"/users/bulk/1\">1 user deactivated, 2 not</a>"), "{runs}");
    let outcome = page(&app, &staff, "/users/bulk/1").await.body;
    assert!(outcome.contains("cut short: 2 of the users below were not reached"), "{outcome}");
    assert!(
        outcome.contains("action=\"/users/bulk/1/resume\"") && outcome.contains("href=\"/users/bulk/runs\"")
    );
    let (answer, _) = send_from(&app, &staff, "/users/bulk/1", "/users/bulk/1/resume", &[]).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/users/bulk/1")), "{}", answer.body);
    let outcome = page(&app, &staff, "/users/bulk/1").await.body;
    assert!(outcome.contains("3 users deactivated") && !outcome.contains("/resume"), "{outcome}");
    for id in ids {
        assert!(!app.stored(id).await.is_active, "{id}");
    }
}

#[apply(on_both)]
async fn se_6_the_page_asks_for_the_password_where_the_run_did_and_then_goes_on(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ids = crowd(&app, 3).await;
    cut_short(&app, &staff, "deactivate", &ids).await;
    app.sql("UPDATE batches SET action = 'end_sessions'").await;
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    let (asked, _) = send_from(&app, &staff, "/users/bulk/1", "/users/bulk/1/resume", &[]).await;
    assert!(
        asked.status == 422 && asked.body.contains("Go on with the action?"),
        "{}: {}",
        asked.status,
        asked.body
    );
    let password = [("current_password", PASSWORD)];
    let (answer, _) = send_from(&app, &staff, "/users/bulk/1", "/users/bulk/1/resume", &password).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
}

/// On PostgreSQL, where a full disk can be played.
#[rocket::async_test]
async fn the_503_of_a_run_names_it_and_the_page_leads_to_how_far_it_came() {
    let app = TestApp::new(Backend::Postgres).await;
    let staff = app.person("staff", "staff").await;
    let ids = crowd(&app, 3).await;
    app.sql(
        "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$",
    )
    .await;
    app.sql(&format!(
        "CREATE TRIGGER disk_full BEFORE UPDATE ON batch_items FOR EACH ROW WHEN (OLD.user_id = {}) \
         EXECUTE FUNCTION disk_full()",
        ids[1]
    ))
    .await;
    let answer = bulk(&app, &staff, &json!({"action": "deactivate", "ids": ids})).await;
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("2")), "{}", answer.body);
    assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("Run 1 was cut short")));
    let chosen = format!("{} {}", ids[1], ids[2]);
    let form = [("do", "deactivate"), ("ids", chosen.as_str())];
    let from = format!("/users/bulk?do=deactivate&id={}&id={}", ids[1], ids[2]);
    let (page, _) = send_from(&app, &staff, &from, "/users/bulk", &form).await;
    let shown = page.body.replace("&#x2F;", "/");
    for part in ["What was done stays done", "href=\"/users/bulk/2\"", "How far it came"] {
        assert!(page.status == 503 && shown.contains(part), "{part}: {shown}");
    }
    app.sql("DROP TRIGGER disk_full ON batch_items").await;
    for (run, done) in [(1, 3), (2, 0)] {
        let resumed = app.send(&staff, Post, &format!("/v1/users/bulk/{run}/resume"), &json!({})).await;
        assert_eq!(
            (&resumed.json()["done"], &resumed.json()["complete"]),
            (&json!(done), &json!(true)),
            "{run}"
        );
    }
}
