//! The three routes for tokens.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rocket::http::Method::Post;
use serde_json::{Value, json};

use super::*;

const OBTAIN: &str = "/v1/auth/obtain";
const REFRESH: &str = "/v1/auth/refresh";
const VERIFY: &str = "/v1/auth/verify";

async fn post(app: &TestApp, path: &str, body: &Value) -> Answer {
    app.json(Post, path, ANONYMOUS, body).await
}

/// What a token says, unchecked.
pub(super) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(payload).expect("base64");
    serde_json::from_slice(&bytes).expect("a JSON payload")
}

#[apply(on_both)]
async fn obtain_gives_two_tokens_that_say_what_they_are(app: TestApp) {
    app.person("Ada", "ordinary").await;
    for name in ["Ada", "aDA", " ada ", "ａｄａ"] {
        let answer = app.obtain(name, PASSWORD).await;
        assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/json")), "{name}");
        let tokens = answer.json();
        assert_eq!(tokens.as_object().map(serde_json::Map::len), Some(2), "{tokens}");
        let text = |kind: &str| tokens[kind].as_str().expect("a text").to_owned();
        assert_eq!(
            answer.body,
            format!(r#"{{"refresh":"{}","access":"{}"}}"#, text("refresh"), text("access"))
        );
        let now = app.clock.now().seconds();
        let mut identities = Vec::new();
        for (kind, lifetime) in [("access", 300), ("refresh", 28_800)] {
            let claims = claims(&text(kind));
            assert_eq!(claims["iat"], json!(now));
            assert_eq!(claims["exp"], json!(now + lifetime));
            assert_eq!(claims["typ"], json!(kind));
            identities.push(claims["jti"].as_str().expect("a jti").to_owned());
        }
        assert_ne!(identities[0], identities[1]);
    }
}

#[apply(on_both)]
async fn obtain_reports_missing_and_mistyped_members_by_field(app: TestApp) {
    app.person("ada", "ordinary").await;
    let (required, blank) = ("This field is required.", "This field may not be blank.");
    let (is_null, not_text) = ("This field may not be null.", "Not a valid string.");
    for (path, body, messages) in [
        (OBTAIN, json!({}), json!({"username": [required], "password": [required]})),
        (OBTAIN, json!({"username": "ada"}), json!({"password": [required]})),
        (OBTAIN, json!({"username": " ", "password": ""}), json!({"username": [blank], "password": [blank]})),
        (OBTAIN, json!({"username": "ada", "password": " \t"}), json!({"password": [blank]})),
        (
            OBTAIN,
            json!({"username": null, "password": 7}),
            json!({"username": [is_null], "password": [not_text]}),
        ),
        (
            OBTAIN,
            json!({"username": ["ada"], "password": {}}),
            json!({"username": [not_text], "password": [not_text]}),
        ),
        (OBTAIN, json!({"username": true, "password": PASSWORD}), json!({"username": [not_text]})),
        (REFRESH, json!({"token": "x"}), json!({"refresh": [required]})),
        (REFRESH, json!({"refresh": ""}), json!({"refresh": [blank]})),
        (REFRESH, json!({"refresh": null}), json!({"refresh": [is_null]})),
        (REFRESH, json!({"refresh": 7}), json!({"refresh": [not_text]})),
        (VERIFY, json!({"access": "x"}), json!({"token": [required]})),
        (VERIFY, json!({"token": " "}), json!({"token": [blank]})),
        (VERIFY, json!({"token": null}), json!({"token": [is_null]})),
        (VERIFY, json!({"token": ["x"]}), json!({"token": [not_text]})),
    ] {
        assert_is(&post(&app, path, &body).await, 400, &messages, &format!("{path} {body}"));
    }
    let more = json!({"username": "ada", "password": PASSWORD, "is_superuser": true, "x": [1]});
    assert_eq!(post(&app, OBTAIN, &more).await.status, 200, "unknown members are ignored");
}

/// The same number of hash operations, so that neither the answer nor its time tells the cases apart.
#[apply(on_both)]
async fn pw_2_every_failed_sign_in_has_one_answer(app: TestApp) {
    app.person("active", "ordinary").await;
    app.person("inactive", "inactive").await;
    app.person("unusable", "ordinary").await;
    app.sql("UPDATE users SET password = '!' WHERE username = 'unusable'").await;
    app.person("locked", "ordinary").await;
    for _ in 0..6 {
        assert_eq!(app.obtain("locked", "wrong").await.status, 401);
    }
    let long = "x".repeat(3000);
    let mut expected = None;
    for (name, password) in [
        ("active", "wrong"),
        ("nobody", "wrong"),
        ("nobody", PASSWORD),
        ("inactive", PASSWORD),
        ("inactive", "wrong"),
        ("unusable", PASSWORD),
        ("locked", PASSWORD),
        ("locked", "wrong"),
        ("active", &long),
        ("nobody", &long),
        ("a name that\0nobody/can have", "wrong"),
    ] {
        let operations = app.usher.hasher.operations();
        let answer = app.obtain(name, password).await;
        assert_unauthorized(&answer, &no_active_account(), name);
        assert_eq!(app.usher.hasher.operations() - operations, 1, "{name}");
        let seen = (answer.status, answer.lasting_headers(), answer.body);
        assert_eq!(expected.get_or_insert_with(|| seen.clone()), &seen, "{name}");
    }
}

#[apply(on_both)]
async fn tk_3_obtain_looks_at_the_account_each_time(app: TestApp) {
    let person = app.person("ada", "ordinary").await;
    for (sql, status) in [
        ("UPDATE users SET is_active = FALSE", 401),
        ("UPDATE users SET is_active = TRUE", 200),
        ("UPDATE users SET is_active = FALSE", 401),
    ] {
        app.sql(sql).await;
        assert_eq!(app.obtain("ada", PASSWORD).await.status, status, "{sql}");
        let refreshed = post(&app, REFRESH, &json!({"refresh": person.refresh})).await;
        assert_eq!(refreshed.status, status, "{sql}: {}", refreshed.body);
    }
    assert!(!app.stored(person.id()).await.is_active, "signing in reinstates no user");
}

#[apply(on_both)]
async fn a_refresh_token_works_again_and_again_for_eight_hours_and_not_a_second_longer(app: TestApp) {
    const EIGHT_HOURS: u64 = 8 * 60 * 60;
    app.person("ada", "ordinary").await;
    let tokens = app.obtain("ada", PASSWORD).await.json();
    let first = json!({"refresh": tokens["refresh"]});
    let is_good = async |access: &Value| {
        let value = format!("Bearer {}", access.as_str().expect("a token"));
        ask(&app, rocket::http::Method::Get, "/v1/users/ada", ANONYMOUS, &[("Authorization", &value)], "")
            .await
            .status
            == 200
    };
    let mut access = tokens["access"].clone();
    let mut passed = 0;
    while passed + 301 < EIGHT_HOURS {
        app.clock.advance(Duration::from_secs(299));
        assert!(is_good(&access).await, "after {passed} s the last second of five minutes");
        app.clock.advance(Duration::from_secs(1));
        assert!(!is_good(&access).await, "after {passed} s an access token is over");
        passed += 300;
        let answer = post(&app, REFRESH, &first).await;
        assert_eq!((answer.status, answer.json().as_object().map(serde_json::Map::len)), (200, Some(1)));
        assert!(is_good(&answer.json()["access"]).await);
        // On through the day.
        let skip = Duration::from_secs(3000.min(EIGHT_HOURS - 1 - passed));
        app.clock.advance(skip);
        passed += skip.as_secs();
        access = post(&app, REFRESH, &first).await.json()["access"].take();
        assert!(is_good(&access).await);
    }
    app.clock.advance(Duration::from_secs(EIGHT_HOURS - 1 - passed));
    let answer = post(&app, REFRESH, &first).await;
    assert_eq!(answer.status, 200, "the last second of eight hours");
    let last = answer.json()["access"].take();
    assert!(is_good(&last).await);
    app.clock.advance(Duration::from_secs(1));
    assert_unauthorized(&post(&app, REFRESH, &first).await, &token_invalid(), "eight hours are over");
    assert!(!is_good(&last).await, "no access token outlives its session");
}

#[apply(on_both)]
async fn tk_2_refresh_takes_nothing_but_a_good_refresh_token(app: TestApp) {
    let (person, inactive, gone, over) = (
        app.person("ada", "ordinary").await,
        app.person("inactive", "ordinary").await,
        app.person("gone", "ordinary").await,
        app.person("over", "ordinary").await,
    );
    app.sql("UPDATE users SET is_active = FALSE WHERE username = 'inactive'").await;
    app.sql("DELETE FROM users WHERE username = 'gone'").await;
    app.sql(&format!("DELETE FROM sessions WHERE user_id = {}", over.id())).await;
    let with_bearer = format!("Bearer {}", person.refresh);
    for (token, case) in [
        (person.bearer.as_str(), "an access token"),
        ("x", "no token"),
        ("a.b.c", "no token"),
        (&person.cookie, "a cookie"),
        (&with_bearer, "with its scheme"),
        (&inactive.refresh, "of an inactive user"),
        (&gone.refresh, "of a user who is gone"),
        (&over.refresh, "of a session that is over"),
    ] {
        assert_unauthorized(&post(&app, REFRESH, &json!({ "refresh": token })).await, &token_invalid(), case);
    }
}

#[apply(on_both)]
async fn verify_says_whether_a_token_of_either_kind_is_good_now(app: TestApp) {
    let person = app.person("ada", "ordinary").await;
    let verify = async |token: &str| post(&app, VERIFY, &json!({ "token": token })).await;
    for token in [&person.bearer, &person.refresh] {
        let answer = verify(token).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    }
    for token in ["x", "a.b.c", &person.cookie] {
        assert_unauthorized(&verify(token).await, &token_invalid(), token);
    }
    app.clock.advance(Duration::from_mins(5));
    assert_unauthorized(&verify(&person.bearer).await, &token_invalid(), "an expired access token");
    assert_eq!(verify(&person.refresh).await.status, 200);
    app.sql("UPDATE users SET is_active = FALSE").await;
    assert_unauthorized(&verify(&person.refresh).await, &token_invalid(), "of an inactive user");
    app.sql("UPDATE users SET is_active = TRUE").await;
    assert_eq!(verify(&person.refresh).await.status, 200);
    app.sql("DELETE FROM sessions").await;
    assert_unauthorized(&verify(&person.refresh).await, &token_invalid(), "of a session that is over");
}

#[apply(on_both)]
async fn tk_3_verify_accepts_a_named_token_as_long_as_a_request_does(app: TestApp) {
    let person = app.person("ada", "ordinary").await;
    let made = app.send(&person, Post, "/v1/account/tokens", &json!({"name": "script"})).await.json();
    let token = made["token"].as_str().expect("a token");
    let verify = async |token: &str| post(&app, VERIFY, &json!({ "token": token })).await;
    let answer = verify(token).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    let unused = app.get(&person, "/v1/account/tokens").await.json();
    assert_eq!(unused[0]["last_used_at"], json!(null), "to ask is no use of it");
    for wrong in ["usher_", "usher_x", &token[6..], &format!("{token}x"), &format!("usher_{}", person.cookie)]
    {
        assert_unauthorized(&verify(wrong).await, &token_invalid(), wrong);
    }
    app.sql("UPDATE users SET is_active = FALSE").await;
    assert_unauthorized(&verify(token).await, &token_invalid(), "of an inactive user");
    app.sql("UPDATE users SET is_active = TRUE").await;
    assert_eq!(verify(token).await.status, 200);
    app.clock.advance(Duration::from_hours(24 * 90));
    assert_unauthorized(&verify(token).await, &token_invalid(), "expired");
}

#[apply(on_both)]
async fn the_routes_ignore_credentials_that_come_along(app: TestApp) {
    let person = app.person("ada", "ordinary").await;
    let gone = app.person("gone", "inactive").await;
    for (path, body) in [
        (OBTAIN, json!({"username": "ada", "password": PASSWORD})),
        (REFRESH, json!({"refresh": person.refresh})),
        (VERIFY, json!({"token": person.bearer})),
    ] {
        for value in ["Bearer", "Bearer x", "Basic x", &format!("Bearer {}", gone.bearer)] {
            let headers = [JSON, ("Authorization", value)];
            let answer = ask(&app, Post, path, ANONYMOUS, &headers, body.to_string()).await;
            assert_eq!(answer.status, 200, "{path} {value}: {}", answer.body);
        }
        let mut request = app.client.post(path).header(cookie_header("__Host-sid-0a1b2c3d", &person.cookie));
        for (name, value) in [JSON, ("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")] {
            request.add_header(Header::new(name, value));
        }
        assert_eq!(request.body(body.to_string()).dispatch().await.status().code, 200, "{path}");
    }
}

#[apply(on_both)]
#[with([("access_token_seconds", json!(60)), ("refresh_token_seconds", json!(120))])]
async fn the_lifetimes_of_both_tokens_are_settings(app: TestApp) {
    app.person("ada", "ordinary").await;
    let tokens = app.obtain("ada", PASSWORD).await.json();
    let status = async |path: &'static str, name: &str, token: &Value| {
        post(&app, path, &json!({ name: token })).await.status
    };
    for (seconds, access, refresh) in [(59, 200, 200), (1, 401, 200), (59, 401, 200), (1, 401, 401)] {
        app.clock.advance(Duration::from_secs(seconds));
        assert_eq!(status(VERIFY, "token", &tokens["access"]).await, access);
        assert_eq!(status(REFRESH, "refresh", &tokens["refresh"]).await, refresh);
    }
}
