//! Named API tokens: made, used, bounded and revoked, on both channels.

use std::time::Duration;

use rocket::http::Method;
use serde_json::{Value, json};
use usher::model::session::Credential;

use crate::app::{Answer, Backend, By, PASSWORD, Person, TestApp};
use crate::console::{page, send_from};

const TOKENS: &str = "/v1/account/tokens";

async fn make(app: &TestApp, who: &Person, path: &str, body: Value) -> Answer {
    app.send(who, Method::Post, path, &body).await
}

/// A user with a new token of theirs in place of the access token.
async fn with_token(app: &TestApp, owner: &Person, read_only: bool) -> Person {
    let made = make(app, owner, TOKENS, json!({"name": "script", "read_only": read_only})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..owner.clone() }
}

#[apply(on_both)]
async fn a_token_is_shown_once_used_and_revoked(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let made = make(&app, &ada, TOKENS, json!({"name": " nightly report "})).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    let text = made["token"].as_str().unwrap();
    assert!(text.starts_with("usher_") && text.len() == 49, "{text}");
    assert!(text[6..].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    assert_eq!((&made["name"], &made["read_only"]), (&json!("nightly report"), &json!(true)));
    assert_eq!(made["last_used_at"], Value::Null);
    let ninety_days = app.clock.now().plus(Duration::from_hours(24 * 90));
    assert_eq!(made["expires_at"], ninety_days.to_string());

    let script = Person { bearer: text.to_owned(), ..ada.clone() };
    assert_eq!(app.get(&script, "/v1/account").await.json()["username"], "ada");
    let listed = app.get(&ada, TOKENS).await.json();
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("token");
    expected["last_used_at"] = json!(app.clock.now().to_string());
    assert_eq!(listed, json!([expected]), "and never the token again");

    let path = format!("{TOKENS}/{}", made["id"]);
    assert_eq!(app.send(&ada, Method::Delete, &path, &Value::Null).await.status, 204);
    let refused = app.get(&script, "/v1/account").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (401, Some("token_not_valid")));
    assert_eq!(app.send(&ada, Method::Delete, &path, &Value::Null).await.status, 404);
    assert_eq!(app.get(&ada, TOKENS).await.json(), json!([]));
}

/// The token on a page.
fn shown(html: &str) -> String {
    let start = html.split("<code class=\"copy\">").nth(1).expect("a token");
    start.split('<').next().unwrap().to_owned()
}

#[apply(on_both)]
async fn a_token_is_made_and_revoked_in_the_console(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let path = "/account/tokens";
    let fields = [("name", "<b>report</b>"), ("expires_in_days", "7")];
    let (answer, _) = send_from(&app, &ada, path, path, &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let script = Person { bearer: shown(&answer.body), ..ada.clone() };
    assert!(app.is_signed_in(&script, By::Bearer).await);
    let html = page(&app, &ada, path).await.body;
    assert!(!html.contains(&script.bearer) && !html.contains("class=\"copy\""), "shown once");
    assert!(html.contains("&lt;b&gt;report") && html.contains("8 Mar 2026"));
    let (again, _) = send_from(&app, &ada, path, path, &fields).await;
    assert_eq!(again.status, 422, "sent again, nothing is made");
    let id = app.get(&ada, TOKENS).await.json()[0]["id"].clone();
    let (answer, message) = send_from(&app, &ada, path, &format!("{path}/{id}/revoke"), &[]).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some(path)));
    assert!(message.starts_with("Revoked the token"), "{message}");
    assert!(!app.is_signed_in(&script, By::Bearer).await);
}

#[apply(on_both)]
async fn what_does_not_fit_is_told_of_all_fields(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    for (body, fields) in [
        (json!({}), vec!["name"]),
        (json!({"name": ""}), vec!["name"]),
        (json!({"name": "x".repeat(101)}), vec!["name"]),
        (json!({"name": "a\u{0}b"}), vec!["name"]),
        (
            json!({"name": 7, "read_only": "maybe", "expires_in_days": 0}),
            vec!["expires_in_days", "name", "read_only"],
        ),
        (json!({"name": "a", "expires_in_days": 367}), vec!["expires_in_days"]),
        (json!({"name": "a", "expires_in_days": 1.5}), vec!["expires_in_days"]),
        (json!({"name": "a", "expires_in_days": u64::MAX}), vec!["expires_in_days"]),
    ] {
        let answer = make(&app, &ada, TOKENS, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        let told = answer.json();
        let mut told: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
        told.sort_unstable();
        assert_eq!(told, fields, "{body}");
    }
    assert_eq!(
        make(&app, &ada, TOKENS, json!({"name": "x".repeat(100), "expires_in_days": 366})).await.status,
        201
    );
    assert_eq!(make(&app, &ada, TOKENS, json!({"name": "once"})).await.status, 201);
    let twice = make(&app, &ada, TOKENS, json!({"name": "once"})).await;
    assert_eq!(twice.json(), json!({"name": ["There is a token of that name already. Choose another."]}));
    let bob = app.person("bob", "ordinary").await;
    assert_eq!(
        make(&app, &bob, TOKENS, json!({"name": "once"})).await.status,
        201,
        "names are each user's own"
    );
    for n in 0..48 {
        assert_eq!(make(&app, &ada, TOKENS, json!({"name": n.to_string()})).await.status, 201);
    }
    assert_eq!(make(&app, &ada, TOKENS, json!({"name": "one too many"})).await.status, 400);
    let typed = [("name", ""), ("expires_in_days", "many")];
    let (answer, _) = send_from(&app, &ada, "/account/tokens", "/account/tokens", &typed).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("Enter a number of days from 1 to 366.") && answer.body.contains("many"));
}

#[apply(on_both)]
async fn a_read_only_token_reads_and_lists_and_changes_nothing(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let script = with_token(&app, &staff, true).await;
    let user = format!("/v1/users/{}", ada.id());
    assert_eq!(app.get(&script, &user).await.status, 200);
    for path in ["/v1/users/list", "/v1/users/list/", "//v1//users/list"] {
        assert_eq!(app.send(&script, Method::Post, path, &json!({})).await.status, 200, "{path}");
    }
    let head = app.request(Method::Head, &user, Some((&script, By::Bearer)));
    assert_eq!(head.dispatch().await.status().code, 200);
    let create =
        json!({"username": "new", "password": PASSWORD, "first_name": "", "last_name": "", "email": ""});
    for (method, path, body) in [
        (Method::Patch, user.as_str(), json!({"first_name": "Eve"})),
        (Method::Put, user.as_str(), create.clone()),
        (Method::Delete, user.as_str(), Value::Null),
        (Method::Post, "/v1/users/create", create),
        (Method::Patch, "/v1/account", json!({"first_name": "Eve"})),
        (
            Method::Post,
            "/v1/account/password",
            json!({"current_password": PASSWORD, "new_password": "xyz xyz xyz"}),
        ),
        (Method::Post, "/v1/account/confirm", json!({"password": PASSWORD})),
        (Method::Post, TOKENS, json!({"name": "another"})),
        (Method::Delete, "/v1/account/sessions", Value::Null),
        (Method::Delete, "/v1/account/sessions/1", Value::Null),
    ] {
        let answer = app.send(&script, method, path, &body).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (403, Some("read_only_token")),
            "{method} {path}"
        );
    }
    // By the pages, too: they take a bearer token like the API does.
    let page =
        app.request(Method::Post, &format!("/users/{}/deactivate", ada.id()), Some((&script, By::Bearer)));
    let page = page.header(rocket::http::ContentType::Form).body("token=x").dispatch().await;
    assert_eq!(page.status().code, 403);
    assert_eq!(app.stored(ada.id()).await, ada.user);
    assert!(app.is_signed_in(&staff, By::Cookie).await && app.is_signed_in(&script, By::Bearer).await);
}

#[apply(on_both)]
async fn a_full_token_does_what_its_owner_may(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let root = app.person("root", "superuser").await;
    let script = with_token(&app, &staff, false).await;
    let change = json!({"first_name": "Ada"});
    let path = format!("/v1/users/{}", ada.id());
    assert_eq!(app.send(&script, Method::Patch, &path, &change).await.status, 200);
    let path = format!("/v1/users/{}", root.id());
    assert_eq!(app.send(&script, Method::Patch, &path, &change).await.status, 403, "and no more");
}

#[apply(on_both)]
async fn se_6_a_token_needs_a_confirmed_password_also_one_that_only_reads(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    let bodies = [json!({"name": "full", "read_only": false}), json!({"name": "reads"})];
    for (by, body) in
        [By::Bearer, By::Cookie].into_iter().flat_map(|by| bodies.iter().map(move |body| (by, body)))
    {
        let refused = app.json(Method::Post, TOKENS, Some((&ada, by)), body).await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("confirmation_required")));
    }
    let fields = [("name", "reads"), ("expires_in_days", "7")];
    let (answer, _) = send_from(&app, &ada, "/account/tokens", "/account/tokens", &fields).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("Enter your password to go on."), "{}", answer.body);
    assert_eq!(app.get(&ada, TOKENS).await.json(), json!([]));
    let confirm = make(&app, &ada, "/v1/account/confirm", json!({"password": PASSWORD})).await;
    assert_eq!(confirm.status, 204);
    for body in bodies {
        assert_eq!(make(&app, &ada, TOKENS, body).await.status, 201);
    }
}

#[apply(on_both)]
async fn se_6_the_console_asks_for_the_password_in_the_same_form(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    let path = "/account/tokens";
    assert!(page(&app, &ada, path).await.body.contains("Your password"));
    let fields = |password| {
        [("name", "deploy"), ("expires_in_days", "12"), ("full", "1"), ("current_password", password)]
    };
    for (wrong, message) in
        [("", "Enter your password to go on."), ("wrong", "Your current password is wrong.")]
    {
        let (answer, _) = send_from(&app, &ada, path, path, &fields(wrong)).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains(message), "{}", answer.body);
        for kept in ["value=\"deploy\"", "value=\"12\"", "value=\"1\" aria-describedby=\"full-hint\" checked"]
        {
            assert!(answer.body.contains(kept), "{kept}");
        }
        assert!(!answer.body.contains("value=\"wrong\""), "the password is never sent back");
    }
    let (answer, _) = send_from(&app, &ada, path, path, &fields(PASSWORD)).await;
    assert_eq!(answer.status, 200);
    let script = Person { bearer: shown(&answer.body), ..ada };
    let change = json!({"first_name": "Ada"});
    assert_eq!(app.send(&script, Method::Patch, "/v1/account", &change).await.status, 200);
    assert!(!answer.body.contains("Your password"), "asked for only once");
}

#[apply(on_both)]
async fn se_6_a_token_never_stands_for_a_password_and_makes_no_tokens(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let script = with_token(&app, &root, false).await;
    let for_other = format!("/v1/users/{}/tokens", app.person("ada", "ordinary").await.id());
    for (path, body) in [
        ("/v1/account/confirm", json!({"password": PASSWORD})),
        ("/v1/account/password", json!({"current_password": PASSWORD, "new_password": "another phrase"})),
        (TOKENS, json!({"name": "reads"})),
        (TOKENS, json!({"name": "changes", "read_only": false})),
        (for_other.as_str(), json!({"name": "reads"})),
    ] {
        let answer = make(&app, &script, path, body).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (403, Some("sign_in_required")),
            "{path}"
        );
    }
    let email = json!({"email": "eve@example.org"});
    let answer = app.send(&script, Method::Patch, "/v1/account", &email).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("sign_in_required")));
    assert_eq!(app.obtain("root", PASSWORD).await.status, 200);
}

#[apply(on_both)]
async fn se_2_a_token_dies_with_what_ends_its_owners_sessions(app: TestApp) {
    let root = app.person("root", "superuser").await;
    for (n, body) in [
        json!({"password": "another long password"}),
        json!({"is_active": false}),
        json!({"is_staff": false}),
        json!({"valid_until": "2026-02-01"}),
    ]
    .into_iter()
    .enumerate()
    {
        let ada = app.person(&format!("ada{n}"), "staff").await;
        let script = with_token(&app, &ada, true).await;
        assert!(app.is_signed_in(&script, By::Bearer).await);
        let changed = app.send(&root, Method::Patch, &format!("/v1/users/{}", ada.id()), &body).await;
        assert_eq!(changed.status, 200);
        let refused = app.get(&script, "/v1/account").await;
        assert_eq!(refused.status, 401, "{body}");
        assert!(!refused.header("WWW-Authenticate").unwrap().is_empty());
    }
}

#[apply(on_both)]
async fn a_token_dies_at_its_end(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let made = make(&app, &ada, TOKENS, json!({"name": "day", "expires_in_days": 1})).await.json();
    let script = Person { bearer: made["token"].as_str().unwrap().to_owned(), ..ada };
    let day = Duration::from_hours(24);
    app.clock.advance(day.checked_sub(Duration::from_secs(1)).unwrap());
    assert!(app.is_signed_in(&script, By::Bearer).await);
    app.clock.advance(Duration::from_secs(1));
    assert!(!app.is_signed_in(&script, By::Bearer).await, "at its end, and whatever the use");
}

#[apply(on_both)]
async fn superusers_make_tokens_for_others_and_staff_do_not(app: TestApp) {
    let (root, staff) = (app.person("root", "superuser").await, app.person("staff", "staff").await);
    let service = app.person("robot", "ordinary").await;
    let path = format!("/v1/users/{}/tokens", service.id());
    let refused = make(&app, &staff, &path, json!({"name": "job"})).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("superuser_required")));
    let made = make(&app, &root, &path, json!({"name": "job", "read_only": false})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let script = Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..service.clone() };
    assert_eq!(app.get(&script, "/v1/account").await.json()["username"], "robot");
    assert_eq!(app.get(&root, &path).await.json().as_array().unwrap().len(), 1);
    let one = format!("{path}/{}", made.json()["id"]);
    assert_eq!(app.send(&staff, Method::Delete, &one, &Value::Null).await.status, 403);
    assert_eq!(app.send(&root, Method::Delete, &one, &Value::Null).await.status, 204);
    assert!(!app.is_signed_in(&script, By::Bearer).await);

    let pages = format!("/users/{}/tokens", service.id());
    let fields = [("name", "job"), ("expires_in_days", "30")];
    let (answer, _) = send_from(&app, &root, &pages, &pages, &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let script = Person { bearer: shown(&answer.body), ..service.clone() };
    assert!(app.is_signed_in(&script, By::Bearer).await);
    let id = app.get(&root, &path).await.json()[0]["id"].clone();
    let (answer, _) = send_from(&app, &root, &pages, &format!("{pages}/{id}/revoke"), &[]).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some(pages.as_str())));
    assert!(!app.is_signed_in(&script, By::Bearer).await);

    let gone = app.person("gone", "inactive").await;
    let refused = make(&app, &root, &format!("/v1/users/{}/tokens", gone.id()), json!({"name": "job"})).await;
    assert_eq!(refused.status, 400, "it would come to life with the account");
}

#[apply(on_both)]
async fn az_7_a_token_of_another_user_looks_like_none(app: TestApp) {
    let (ada, bob) = (app.person("ada", "ordinary").await, app.person("bob", "ordinary").await);
    let bobs = make(&app, &bob, TOKENS, json!({"name": "bobs"})).await.json()["id"].clone();
    let sessions = app.get(&ada, "/v1/account/sessions").await.json();
    // Nor is a session that is no token revoked here.
    for id in [bobs, json!(999_999), sessions[0]["id"].clone()] {
        let answer = app.send(&ada, Method::Delete, &format!("{TOKENS}/{id}"), &Value::Null).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, r#"{"detail":"Not found."}"#));
    }
    assert_eq!(app.get(&bob, TOKENS).await.json().as_array().unwrap().len(), 1);
    assert!(app.is_signed_in(&ada, By::Cookie).await && app.is_signed_in(&ada, By::Bearer).await);
}

#[apply(on_both)]
async fn lg_1_the_secret_is_stored_hashed_and_in_no_entry(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let made = make(&app, &ada, TOKENS, json!({"name": "report"})).await.json();
    let secret = made["token"].as_str().unwrap().trim_start_matches("usher_").to_owned();
    let id = made["id"].clone();
    app.send(&ada, Method::Delete, &format!("{TOKENS}/{id}"), &Value::Null).await;
    while usher::operations::audit::seal(&app.usher).await.unwrap() > 0 {}
    let trail = usher::db::audit::sealed_after(&app.usher.db, 0, 100).await.unwrap();
    let told: Vec<(&str, Value)> = trail
        .iter()
        .map(|sealed| (sealed.entry.action.as_str(), serde_json::from_str(&sealed.entry.details).unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "token_made",
                json!({"name": "report", "read_only": true, "session": id, "expires_at": made["expires_at"]})
            ),
            ("token_revoked", json!({"name": "report", "by": "named", "session": id})),
        ]
    );
    assert!(!format!("{trail:?}").contains(&secret));
    let hash = usher::model::session::Secret::from_text(&secret).unwrap().hash();
    let found = usher::db::sessions::by_secret(&app.usher.db, hash, Credential::Cookie, None).await.unwrap();
    assert!(found.is_none(), "a token's secret makes no cookie");
}

#[apply(on_both)]
async fn a_bad_token_is_refused_like_any_other_and_never_falls_back_to_the_cookie(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    for token in ["usher_", "usher_x", &format!("usher_{}", "A".repeat(43)), &format!("usher_{}", ada.cookie)]
    {
        let request = app.request(Method::Get, "/v1/account", Some((&ada, By::Cookie)));
        let request = request.header(rocket::http::Header::new("Authorization", format!("Bearer {token}")));
        let answer = Answer::of(request.dispatch().await).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (401, Some("token_not_valid")),
            "{token}"
        );
    }
    let script = with_token(&app, &ada, true).await;
    let planted = script.bearer.trim_start_matches("usher_").to_owned();
    let cookie = Person { cookie: planted, ..ada };
    assert!(!app.is_signed_in(&cookie, By::Cookie).await, "nor is it a cookie");
}

#[rocket::async_test]
async fn the_longest_life_of_a_token_is_a_setting() {
    let app = TestApp::with(Backend::Sqlite, &[("api_token_days", json!(30))]).await;
    let ada = app.person("ada", "ordinary").await;
    let made = make(&app, &ada, TOKENS, json!({"name": "default"})).await.json();
    assert_eq!(made["expires_at"], app.clock.now().plus(Duration::from_hours(24 * 30)).to_string());
    assert_eq!(make(&app, &ada, TOKENS, json!({"name": "a", "expires_in_days": 31})).await.status, 400);
}
