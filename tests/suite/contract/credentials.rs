//! Who makes a request: the table of section 3.

use std::time::Duration;

use rocket::http::Method;
use rocket::http::Method::{Delete, Get, Patch, Post, Put};
use serde_json::json;

use super::*;

const ACTIONS: [(Method, &str); 8] = [
    (Post, "/v1/users/list"),
    (Post, "/v1/users/create"),
    (Get, "/v1/users/1"),
    (Get, "/v1/users/admin"),
    (Get, "/v1/users/99"),
    (Put, "/v1/users/1"),
    (Patch, "/v1/users/1"),
    (Delete, "/v1/users/1"),
];

/// A request with this `Authorization` and no other credential.
async fn authorized(app: &TestApp, value: &str) -> Answer {
    ask(app, Get, "/v1/users/1", ANONYMOUS, &[("Authorization", value)], "").await
}

#[apply(on_both)]
async fn without_credentials_every_action_is_401(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let before = app.stored(admin.id()).await;
    for (method, path) in ACTIONS {
        for headers in [
            &[][..],
            &[("Authorization", "")],
            &[("Authorization", "Token abc")],
            &[("Authorization", "Basic YTpi")],
        ] {
            let answer = ask(&app, method, path, ANONYMOUS, headers, "").await;
            assert_unauthorized(&answer, &no_credentials(), &format!("{method} {path} {headers:?}"));
        }
    }
    assert_eq!(app.stored(admin.id()).await, before);
}

#[apply(on_both)]
async fn a_malformed_bearer_header_has_its_own_code(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let expected = json!({
        "detail": "Authorization header must contain two space-delimited values",
        "code": "bad_authorization_header",
    });
    for value in ["Bearer", "Bearer ", "bearer", "Bearer a b", &format!("Bearer {} x", admin.bearer)] {
        assert_unauthorized(&authorized(&app, value).await, &expected, value);
    }
}

#[apply(on_both)]
async fn tk_4_two_authorization_headers_are_refused_with_a_sentence_of_their_own(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let expected = json!({
        "detail": "The Authorization header was sent more than once.",
        "code": "bad_authorization_header",
    });
    let good = format!("Bearer {}", admin.bearer);
    for other in [good.as_str(), "Bearer x", "Basic x", ""] {
        for headers in [[other, good.as_str()], [good.as_str(), other]] {
            let headers = headers.map(|value| ("Authorization", value));
            let answer = ask(&app, Get, "/v1/users/1", ANONYMOUS, &headers, "").await;
            assert_unauthorized(&answer, &expected, other);
        }
    }
}

#[apply(on_both)]
async fn the_scheme_is_read_in_any_letter_case(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEARER"] {
        let answer = authorized(&app, &format!("{scheme} {}", admin.bearer)).await;
        assert_eq!(answer.status, 200, "{scheme}: {}", answer.body);
    }
}

#[apply(on_both)]
async fn an_unusable_token_of_any_kind_is_not_valid(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let mut changed = admin.bearer.clone();
    let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
    changed.push(last);
    let (header, rest) = admin.bearer.split_once('.').expect("three parts");
    let (payload, _) = rest.split_once('.').expect("three parts");
    // `{"alg":"none","typ":"JWT"}`
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    let unsigned = format!("{header}.{payload}.");
    let long = "x".repeat(100_000);
    for token in
        ["x", "a.b.c", "..", "null", "undefined", "tökén", &changed, &none, &unsigned, &long, &admin.cookie]
    {
        let answer = authorized(&app, &format!("Bearer {token}")).await;
        assert_unauthorized(&answer, &token_not_valid(), &token.chars().take(40).collect::<String>());
    }
    app.clock.advance(Duration::from_mins(5));
    let answer = authorized(&app, &format!("Bearer {}", admin.bearer)).await;
    assert_unauthorized(&answer, &token_not_valid(), "expired");
}

#[apply(on_both)]
async fn tk_2_a_refresh_token_is_no_access_token(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let answer = authorized(&app, &format!("Bearer {}", admin.refresh)).await;
    assert_unauthorized(&answer, &token_not_valid(), "a refresh token");
}

#[apply(on_both)]
async fn a_token_of_a_deactivated_deleted_or_signed_out_user_says_so(app: TestApp) {
    app.person("admin", "staff").await;
    let (inactive, gone, over) = (
        app.person("inactive", "staff").await,
        app.person("gone", "staff").await,
        app.person("over", "staff").await,
    );
    app.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", inactive.id())).await;
    app.sql(&format!("DELETE FROM users WHERE id = {}", gone.id())).await;
    app.sql(&format!("DELETE FROM sessions WHERE user_id = {}", over.id())).await;
    for (person, body) in [
        (&inactive, json!({"detail": "User is inactive", "code": "user_inactive"})),
        (&gone, json!({"detail": "User not found", "code": "user_not_found"})),
        (&over, token_not_valid()),
    ] {
        let answer = app.get(person, "/v1/users/1").await;
        assert_unauthorized(&answer, &body, person.user.username.as_str());
        let answer = ask(&app, Get, "/v1/users/1", cookie(person), &[], "").await;
        assert_unauthorized(&answer, &no_credentials(), "the cookie says less");
    }
}

#[apply(on_both)]
async fn tk_4_only_the_bearer_counts_and_a_bad_one_never_falls_back_to_the_cookie(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let person = app.person("person", "ordinary").await;
    for value in ["Bearer", "Bearer x", "bearer a b", &format!("Bearer {}", admin.refresh)] {
        let answer = ask(&app, Get, "/v1/users/1", cookie(&admin), &[("Authorization", value)], "").await;
        assert_eq!(answer.status, 401, "{value}");
    }
    let value = format!("Bearer {}", person.bearer);
    let both = [("Authorization", value.as_str()), JSON];
    let answer = ask(&app, Get, "/v1/users/1", cookie(&admin), &both, "").await;
    assert_is(&answer, 403, &denied("admin_required"), "the bearer's rights, not the cookie's");
    let answer = ask(&app, Get, "/v1/users/2", cookie(&admin), &both, "").await;
    assert_eq!(answer.status, 200);
    // With a bearer the rules for cookies do not apply.
    let value = format!("Bearer {}", admin.bearer);
    let mut request =
        app.client.patch("/v1/users/2").header(cookie_header("__Host-sid-0a1b2c3d", &person.cookie));
    for (name, value) in [("Authorization", value.as_str()), JSON, ("Sec-Fetch-Site", "cross-site")] {
        request.add_header(Header::new(name, value.to_owned()));
    }
    assert_eq!(request.body("{}").dispatch().await.status().code, 200);
}

#[apply(on_both)]
async fn another_scheme_is_no_credential_and_leaves_the_cookie(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let not_bearer = format!("BearerX {}", admin.bearer);
    for value in ["Basic YWRtaW46cGFzc3dvcmQ=", "Token abc", "Digest x", &admin.bearer, &not_bearer] {
        assert_unauthorized(&authorized(&app, value).await, &no_credentials(), value);
        let answer = ask(&app, Get, "/v1/users/1", cookie(&admin), &[("Authorization", value)], "").await;
        assert_eq!(answer.status, 200, "{value}: {}", answer.body);
    }
}

#[apply(on_both)]
async fn a_cookie_that_means_nothing_is_no_credential(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let mut other = admin.cookie.clone();
    other.replace_range(..1, if other.starts_with('A') { "B" } else { "A" });
    let cases = [
        ("__Host-sid-0a1b2c3d", ""),
        ("__Host-sid-0a1b2c3d", "x"),
        ("__Host-sid-0a1b2c3d", &other),
        ("__Host-sid-0a1b2c3d", &admin.bearer),
        ("sid", &admin.cookie),
    ];
    for (name, value) in cases {
        let request = app.client.get("/v1/users/1").header(cookie_header(name, value));
        let answer = Answer::of(request.dispatch().await).await;
        assert_unauthorized(&answer, &no_credentials(), &format!("{name}={value}"));
    }
}

/// What a token says can be read by whoever holds it: its session's secret must not make a cookie.
#[apply(on_both)]
async fn the_secret_of_one_carrier_is_no_credential_in_another(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let claims = auth::claims(&admin.refresh);
    let secret = claims["sid"].as_str().expect("a secret").to_owned();
    let request = app.client.get("/v1/users/1").header(cookie_header("__Host-sid-0a1b2c3d", &secret));
    let answer = Answer::of(request.dispatch().await).await;
    assert_unauthorized(&answer, &no_credentials(), "a token's secret as a cookie");
}

#[apply(on_both)]
async fn tk_3_rights_are_those_of_the_database_at_each_request(app: TestApp) {
    let person = app.person("person", "staff").await;
    for who in [bearer(&person), cookie(&person)] {
        for (sql, status) in [
            ("UPDATE users SET is_staff = FALSE", 403),
            ("UPDATE users SET is_staff = TRUE", 200),
            ("UPDATE users SET is_active = FALSE", 401),
            ("UPDATE users SET is_active = TRUE", 200),
        ] {
            app.sql(sql).await;
            let answer = ask(&app, Post, "/v1/users/list", who, &[JSON], "").await;
            assert_eq!(answer.status, status, "{sql}: {}", answer.body);
        }
    }
}

#[apply(on_both)]
async fn an_ordinary_user_is_403_and_never_401(app: TestApp) {
    app.person("admin", "staff").await;
    let person = app.person("person", "ordinary").await;
    for (method, path) in ACTIONS {
        for who in [bearer(&person), cookie(&person)] {
            let answer = ask(&app, method, path, who, &[JSON], "{}").await;
            assert_is(&answer, 403, &denied("admin_required"), &format!("{method} {path}"));
            assert_eq!(answer.header("WWW-Authenticate"), None);
        }
    }
}
