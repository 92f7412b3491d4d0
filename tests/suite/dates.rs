//! Account dates: from when until when an account may be used.

use std::time::Duration;

use rocket::http::Method;
use serde_json::{Value, json};
use usher::clock::Timestamp;

use crate::app::{App, By, PASSWORD, Person};
use crate::console::{hidden, page, send_from};
use crate::on_both;

on_both![
    se_2_every_door_session_and_token_obeys_the_dates_at_once,
    the_console_sets_shows_and_lifts_the_dates,
    a_superusers_account_cannot_have_dates,
];

/// What of a person's is accepted: bearer, cookie, refresh, verify, sign-in.
async fn accepted(app: &App, person: &Person) -> [bool; 5] {
    let post = async |path: &str, body: Value| app.json(Method::Post, path, None, &body).await.status == 200;
    [
        app.is_signed_in(person, By::Bearer).await,
        app.is_signed_in(person, By::Cookie).await,
        post("/v1/auth/refresh", json!({ "refresh": person.refresh })).await,
        post("/v1/auth/verify", json!({ "token": person.bearer })).await,
        app.obtain(person.user.username.as_str(), PASSWORD).await.status == 200,
    ]
}

async fn se_2_every_door_session_and_token_obeys_the_dates_at_once(app: App) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "staff").await);
    let path = format!("/v1/users/{}", ada.id());
    let set = async |body: Value| {
        let answer = app.send(&root, Method::Patch, &path, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let instance = app.another_instance().await;
    let in_a_minute = app.clock.now().plus(Duration::from_mins(1));
    set(json!({"valid_until": in_a_minute.to_string()})).await;
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(accepted(&app, &ada).await, [true; 5], "a second before the end");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(accepted(&app, &ada).await, [false; 5], "at the end");
    assert_eq!(accepted(&instance, &ada).await, [false; 5], "on every instance");
    let refused = app.get(&ada, &path).await;
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("user_inactive")));

    set(json!({"valid_until": null, "valid_from": app.clock.now().plus(Duration::from_mins(1)).to_string()}))
        .await;
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(accepted(&app, &ada).await, [false; 5], "a second before the beginning");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(accepted(&app, &ada).await, [true; 5], "from the beginning on");
    set(json!({"valid_from": ""})).await;
    assert_eq!(accepted(&app, &ada).await, [true; 5]);
}

async fn the_console_sets_shows_and_lifts_the_dates(app: App) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    let save = async |from: &str, until: &str| {
        let version = hidden(&page(&app, &staff, &path).await.body, "version");
        let fields = [
            ("version", version.as_str()),
            ("username", "ada"),
            ("email", ""),
            ("first_name", ""),
            ("last_name", ""),
            ("valid_from", from),
            ("valid_until", until),
        ];
        send_from(&app, &staff, &path, &path, &fields).await
    };
    let (answer, message) = save("", "2026-06-30T18:00").await;
    assert_eq!((answer.status, message.as_str()), (303, "Saved. Changed Valid until."));
    assert_eq!(app.stored(ada.id()).await.valid_until, Timestamp::parse("2026-06-30T18:00Z"));
    let shown = page(&app, &staff, &path).await.body;
    assert!(shown.contains("type=\"datetime-local\" value=\"2026-06-30T18:00\""), "{shown}");
    assert!(shown.contains("Valid from <span class=\"muted\">(optional)"), "{shown}");

    for (from, until, message) in [
        ("soon", "", "Valid from must be a date such as"),
        ("2026-07-01T00:00", "2026-06-30T18:00", "The account must end after it begins."),
    ] {
        let (answer, _) = save(from, until).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains(message), "{}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{from}\"")), "what was typed is still there");
    }

    let exact = "2026-06-30T18:00:05.123456Z";
    let body = json!({ "valid_until": exact });
    app.send(&staff, Method::Patch, &format!("/v1{path}"), &body).await;
    let (_, message) = save("2026-03-01", "2026-06-30T18:00:05.123").await;
    assert_eq!(message, "Saved. Changed Valid from.");
    assert_eq!(app.stored(ada.id()).await.valid_until, Timestamp::parse(exact), "nobody touched it");
    let (_, message) = save("", "").await;
    assert_eq!(message, "Saved. Changed Valid from and Valid until.");
    let stored = app.stored(ada.id()).await;
    assert_eq!((stored.valid_from, stored.valid_until), (None, None));
}

async fn a_superusers_account_cannot_have_dates(app: App) {
    let (root, other) = (app.person("root", "superuser").await, app.person("other", "superuser").await);
    let path = format!("/users/{}", other.id());
    let body = json!({"valid_until": "2030-01-01"});
    let answer = app.send(&root, Method::Patch, &format!("/v1{path}"), &body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["valid_until"][0], json!("A superuser's account cannot have dates."));
    assert!(!page(&app, &root, &path).await.body.contains("valid_until"));
}
