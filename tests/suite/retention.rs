//! What the audit log keeps no longer, and that its seals stay right.

use std::time::Duration;

use rocket::http::{Header, Method};
use serde_json::{Value, json};
use usher::db;
use usher::model::audit::{Action, Author, Entry, StoredEntry};
use usher::operations::{audit, maintenance};

use crate::app::{Backend, By, PASSWORD, Person, TestApp};
use crate::audit::trail;

const DAY: Duration = Duration::from_hours(24);

/// A sign-in of a user, one that failed, one with a name that no user has, and a change.
async fn history(app: &TestApp) -> Vec<StoredEntry> {
    let staff = app.person("staff", "staff").await;
    for (name, password, status) in
        [("staff", PASSWORD, 200), ("staff", "wrong wrong", 401), ("unknown", "wrong wrong", 401)]
    {
        let body = json!({"username": name, "password": password});
        assert_eq!(send(app, Method::Post, "/v1/auth/obtain", None, &body).await, status);
    }
    let path = format!("/v1/users/{}", staff.id());
    assert_eq!(send(app, Method::Patch, &path, Some(&staff), &json!({"first_name": "Grace"})).await, 200);
    trail(app).await
}

/// From an address, with a browser.
async fn send(app: &TestApp, method: Method, path: &str, by: Option<&Person>, body: &Value) -> u16 {
    let request = app
        .request(method, path, by.map(|person| (person, By::Bearer)))
        .header(Header::new("Content-Type", "application/json"))
        .header(Header::new("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko Firefox/130.0"))
        .remote("192.0.2.7:4711".parse().unwrap())
        .body(body.to_string());
    request.dispatch().await.status().code
}

fn origin(entry: &StoredEntry) -> (&str, bool) {
    (&entry.address, entry.details.contains("device") && !entry.details.contains(r#""device":null"#))
}

#[apply(on_both)]
async fn lg_6_addresses_and_devices_go_after_their_days_and_the_seals_stay_right(app: TestApp) {
    let before = history(&app).await;
    assert!(before.iter().all(|entry| entry.address == "192.0.2.7"), "{before:#?}");
    assert!(before[0].details.contains("Firefox on Linux"), "{before:#?}");
    app.clock.advance(31 * DAY);
    maintenance::clean_up(&app.usher).await.unwrap();
    let after = trail(&app).await;
    for (before, after) in before.iter().zip(&after) {
        let is_unknown = before.action == "sign_in_failed" && before.target_id.is_none();
        assert_eq!(
            after.address.is_empty(),
            is_unknown,
            "a month: only tries on names that no user has: {after:?}"
        );
    }
    app.clock.advance(60 * DAY);
    maintenance::clean_up(&app.usher).await.unwrap();
    let after = trail(&app).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(origin(after), ("", false), "{after:?}");
        let named = |entry: &StoredEntry| {
            (entry.actor_name.clone(), entry.target_name.clone(), entry.changes.clone())
        };
        assert_eq!(named(after), named(before), "who and what stays");
    }
    let erased: Vec<_> = after.iter().filter(|entry| entry.action == "origins_erased").collect();
    let told: Vec<_> = erased.iter().map(|entry| entry.details.as_str()).collect();
    assert_eq!(
        told,
        [
            r#"{"before":"2026-03-02T00:00:00.000000Z","entries":1,"of":"unknown_users"}"#,
            r#"{"before":"2026-03-02T00:00:00.000000Z","entries":3,"of":"all"}"#,
        ]
    );
    let report = audit::verify(&app.usher).await.unwrap();
    assert_eq!((report.erased, report.fault), (4, None));
    maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(
        trail(&app).await.len(),
        after.len(),
        "nothing is erased twice, and no entry written for nothing"
    );
}

async fn nothing_goes(backend: Backend) {
    let settings = [("audit_address_days", json!(0)), ("audit_unknown_user_days", json!(0))];
    let app = TestApp::with(backend, &settings).await;
    let before = history(&app).await;
    app.clock.advance(3_650 * DAY);
    maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(trail(&app).await, before);
}

#[rocket::async_test]
async fn zero_days_are_for_ever_on_sqlite() {
    nothing_goes(Backend::Sqlite).await;
}

#[rocket::async_test]
async fn zero_days_are_for_ever_on_postgres() {
    nothing_goes(Backend::Postgres).await;
}

#[apply(on_both)]
async fn lg_6_an_entry_that_was_altered_is_left_for_an_examination_to_find(app: TestApp) {
    history(&app).await;
    app.sql("UPDATE audit_entries SET details = '{ }' WHERE id = 1").await;
    app.clock.advance(100 * DAY);
    maintenance::clean_up(&app.usher).await.unwrap();
    let entries = trail(&app).await;
    assert!(!entries[0].address.is_empty());
    assert!(entries[1].address.is_empty());
    let fault = audit::verify(&app.usher).await.unwrap().fault;
    assert_eq!(fault, Some(audit::Fault::Altered { id: 1, position: 1 }));
}

#[apply(on_both)]
async fn lg_6_neither_a_clock_that_was_ahead_nor_a_missing_commitment_holds_up_what_comes_after(
    app: TestApp,
) {
    history(&app).await;
    app.sql("UPDATE audit_entries SET commitments = NULL WHERE id = 1").await;
    app.sql("UPDATE audit_entries SET happened_at = 9000000000000000 WHERE id = 2").await;
    app.clock.advance(100 * DAY);
    maintenance::clean_up(&app.usher).await.unwrap();
    let addresses: Vec<_> = trail(&app).await.into_iter().take(4).map(|entry| entry.address).collect();
    assert_eq!(addresses[1..], ["", "", ""], "{addresses:?}");
}

#[apply(on_both)]
async fn many_entries_are_erased_in_small_transactions_and_what_is_not_sealed_waits(app: TestApp) {
    let ada = app.person("ada", "").await;
    let origin = usher::model::origin::Origin {
        address: "192.0.2.9".parse().ok(),
        ..usher::model::origin::Origin::command_line()
    };
    let entries: Vec<_> = (0..2_500)
        .map(|_| {
            Entry::new(Action::SignIn, Author::anonymous(&origin)).on(&ada.user).detail("device", "Firefox")
        })
        .collect();
    let mut tx = app.usher.db.begin().await.unwrap();
    db::audit::insert_all(&mut tx, &entries, app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    trail(&app).await;
    app.sql("UPDATE audit_entries SET position = NULL, seal = NULL, commitments = NULL WHERE id = 2500")
        .await;
    app.clock.advance(100 * DAY);
    maintenance::clean_up(&app.usher).await.unwrap();
    let mut tx = app.usher.db.begin().await.unwrap();
    let all = db::audit::erasing::entries_after(&mut tx, usher::model::audit::EntryId(0), &[], 10_000)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let left: Vec<_> =
        all.iter().filter(|entry| !entry.entry.address.is_empty()).map(|entry| entry.entry.id).collect();
    assert_eq!(left, [2_500]);
    let counts: Vec<_> = all
        .iter()
        .filter(|entry| entry.entry.action == "origins_erased")
        .map(|entry| {
            entry.entry.details.split("entries\":").nth(1).unwrap().split(',').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(counts, ["1000", "1000", "499"]);
}
