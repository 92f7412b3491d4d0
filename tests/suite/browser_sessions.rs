//! Signing in and out in a browser, without a browser: forms, cookies, tokens, limits.

use std::time::Duration;

use rocket::http::{ContentType, Cookie, Header, Method, SameSite};
use usher::model::session::Credential;

use crate::app::{Answer, By, PASSWORD, TestApp, cookie_header};

/// The page to sign in on: the browser's cookie, and the form's token.
async fn sign_in_page(app: &TestApp) -> (Cookie<'static>, String) {
    let response = app.client.get("/sign-in").dispatch().await;
    let cookie = response.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie before the session").clone();
    let html = response.into_string().await.unwrap();
    (cookie.into_owned(), token(&html))
}

/// The token of the only form of a page.
fn token(html: &str) -> String {
    let start = html.split("name=\"token\" value=\"").nth(1).expect("a token");
    start.split('"').next().unwrap().to_owned()
}

fn form(username: &str, password: &str, token: &str, next: &str) -> String {
    let encode = |text: &str| rocket::http::RawStr::new(text).percent_encode().to_string();
    format!("username={}&password={}&token={token}&next={}", encode(username), encode(password), encode(next))
}

/// Sends the form to sign in; the answer, and the session cookie if there is one.
async fn submit(app: &TestApp, cookies: &[Cookie<'static>], body: &str) -> (Answer, Option<Cookie<'static>>) {
    let mut request = app.client.post("/sign-in").header(ContentType::Form).body(body);
    request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
    for cookie in cookies {
        request = request.header(cookie_header(cookie.name(), cookie.value()));
    }
    let response = request.dispatch().await;
    let session = response.cookies().get("__Host-sid-0a1b2c3d").cloned();
    (Answer::of(response).await, session)
}

async fn account(app: &TestApp, session: &Cookie<'static>) -> Answer {
    let request = app.client.get("/account").header(cookie_header(session.name(), session.value()));
    Answer::of(request.dispatch().await).await
}

#[apply(on_both)]
async fn a_browser_signs_in_and_out(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    assert_eq!(app.client.get("/").dispatch().await.headers().get_one("Location"), Some("/sign-in"));
    let (pre, token) = sign_in_page(&app).await;
    let (answer, session) = submit(&app, &[pre], &form("ADA", PASSWORD, &token, "/")).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/")));
    let session = session.expect("a session");
    // SE-3
    assert_eq!(session.secure(), Some(true));
    assert_eq!(session.http_only(), Some(true));
    assert_eq!(session.same_site(), Some(SameSite::Lax));
    assert_eq!((session.path(), session.domain(), session.max_age()), (Some("/"), None, None));
    assert_eq!(app.stored(ada.id()).await.last_login, Some(app.clock.now()));

    let page = account(&app, &session).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("My account"));
    assert!(page.header("Content-Type").unwrap().starts_with("text/html"));
    let body = format!("token={}", self::token(&page.body));
    let request = app.client.post("/sign-out").header(ContentType::Form).body(body);
    let request = request.header(cookie_header(session.name(), session.value()));
    let answer = Answer::of(request.dispatch().await).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/sign-in?signed_out=true")));
    let out = Answer::of(app.client.get("/sign-in?signed_out=true").dispatch().await).await;
    assert!(out.body.contains("<p class=\"note info\" role=\"status\">Signed out.</p>"), "{}", out.body);
    assert!(answer.header("Clear-Site-Data").unwrap().contains("\"cache\""), "se_7");
    assert_eq!(account(&app, &session).await.status, 303, "se_2: the session is over");
}

#[apply(on_both)]
async fn se_1_a_new_session_replaces_the_one_that_came_along(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let (pre, token) = sign_in_page(&app).await;
    let planted = Cookie::new("__Host-sid-0a1b2c3d", ada.cookie.clone());
    let (_, session) = submit(&app, &[pre, planted.clone()], &form("ada", PASSWORD, &token, "/")).await;
    let session = session.expect("a session");
    assert_ne!(session.value(), planted.value());
    assert_eq!(account(&app, &planted).await.status, 303, "the old session is dead");
    assert_eq!(account(&app, &session).await.status, 200);
    // Only a hash of the secret is stored.
    let stored = usher::model::session::Secret::from_text(session.value()).unwrap();
    let found =
        usher::db::sessions::by_secret(&app.usher.db, stored.hash(), Credential::Cookie, None).await.unwrap();
    assert!(found.is_some());
}

#[apply(on_both)]
async fn se_4_a_session_ends_after_a_time_without_use_and_never_lives_longer_than_its_limit(app: TestApp) {
    let settings = &app.usher.settings;
    let (idle, limit) =
        (settings.session_idle(), settings.session_lifetime(usher::model::session::Credential::Cookie));
    let second = Duration::from_secs(1);

    let idler = app.person("idler", "ordinary").await;
    app.clock.advance(idle.checked_sub(second).unwrap());
    assert!(app.is_signed_in(&idler, By::Cookie).await, "a second before the limit");
    app.clock.advance(idle);
    assert!(!app.is_signed_in(&idler, By::Cookie).await, "at the limit");

    let busy = app.person("busy", "ordinary").await;
    let step = idle.checked_sub(second).unwrap();
    let mut lived = Duration::ZERO;
    while lived + step < limit {
        app.clock.advance(step);
        lived += step;
        assert!(app.is_signed_in(&busy, By::Cookie).await, "after {lived:?}");
    }
    app.clock.advance(limit.checked_sub(lived).unwrap());
    assert!(!app.is_signed_in(&busy, By::Cookie).await, "use does not stretch the limit");
}

#[apply(on_both)]
async fn pages_are_read_although_nothing_can_be_written(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let refuse = if app.url.starts_with("sqlite") {
        "CREATE TRIGGER full BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    } else {
        app.sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'disk full'; END $$",
        )
        .await;
        "CREATE TRIGGER disk BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION fail()"
    };
    app.sql(refuse).await;
    app.clock.advance(Duration::from_mins(5));
    assert!(app.is_signed_in(&ada, By::Cookie).await);
    app.clock.advance(app.usher.settings.session_idle());
    assert!(!app.is_signed_in(&ada, By::Cookie).await, "but the limit holds");
}

#[apply(on_both)]
async fn cs_1_a_form_of_another_site_is_refused(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let (pre, token) = sign_in_page(&app).await;
    let home = app
        .request(Method::Get, "/account", Some((&ada, By::Cookie)))
        .dispatch()
        .await
        .into_string()
        .await
        .unwrap();
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Site", "none"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let sign_in = app.client.post("/sign-in").header(ContentType::Form).header(Header::new(name, value));
        let sign_in =
            sign_in.header(cookie_header(pre.name(), pre.value())).body(form("ada", PASSWORD, &token, "/"));
        let answer = Answer::of(sign_in.dispatch().await).await;
        assert_eq!(answer.status, 403, "{name}: {value}: cs_4, no sign-in from elsewhere");
        assert_eq!(answer.header("Set-Cookie"), None);
        let body = format!("token={}", self::token(&home));
        let sign_out =
            app.client.post("/sign-out").header(ContentType::Form).header(Header::new(name, value));
        let sign_out = sign_out.header(cookie_header("__Host-sid-0a1b2c3d", &ada.cookie)).body(body);
        assert_eq!(sign_out.dispatch().await.status().code, 403, "{name}: {value}");
        assert!(app.is_signed_in(&ada, By::Cookie).await);
    }
}

#[apply(on_both)]
async fn cs_4_signing_in_needs_the_token_of_the_form(app: TestApp) {
    app.person("ada", "staff").await;
    let (pre, token) = sign_in_page(&app).await;
    let (other, _) = sign_in_page(&app).await;
    for (cookies, token) in [
        (vec![pre.clone()], ""),
        (vec![pre.clone()], "AAAA"),
        (vec![other], token.as_str()),
        (vec![], token.as_str()),
    ] {
        let (answer, session) = submit(&app, &cookies, &form("ada", PASSWORD, token, "/")).await;
        assert_eq!(answer.status, 422);
        assert!(session.is_none());
        assert!(answer.body.contains("value=\"ada\""), "what was typed is still there");
        assert!(!answer.body.contains(PASSWORD), "but the password is not");
    }
    assert!(submit(&app, &[pre], &form("ada", PASSWORD, &token, "/")).await.1.is_some());
}

#[apply(on_both)]
async fn pw_2_every_failed_sign_in_gets_the_same_page_and_costs_the_same(app: TestApp) {
    for (name, kind) in [("ada", "ordinary"), ("bob", "inactive"), ("eva", "ordinary"), ("fay", "staff")] {
        app.person(name, kind).await;
    }
    app.sql("UPDATE users SET password = '!' WHERE username = 'fay'").await;
    for _ in 0..6 {
        assert_eq!(app.obtain("eva", "wrong").await.status, 401);
    }
    let (pre, token) = sign_in_page(&app).await;
    let long = "x".repeat(3000);
    let mut expected = None;
    for (what, username, password) in [
        ("wrong", "ada", "wrong"),
        ("unknown", "eve", PASSWORD),
        ("inactive", "bob", PASSWORD),
        ("inactive and wrong", "bob", "wrong"),
        ("locked", "eva", PASSWORD),
        ("locked and wrong", "eva", "wrong"),
        ("without a password", "fay", PASSWORD),
        ("over-long", "ada", &long),
        ("unknown and over-long", "eve", &long),
    ] {
        let before = app.usher.hasher.operations();
        let (answer, session) =
            submit(&app, std::slice::from_ref(&pre), &form(username, password, &token, "/")).await;
        assert!(session.is_none());
        assert_eq!(app.usher.hasher.operations() - before, 1, "{what}");
        let seen = (
            answer.status,
            answer.lasting_headers(),
            answer.body.replace(&format!("value=\"{username}\""), "").replace(&self::token(&answer.body), ""),
        );
        assert_eq!(expected.get_or_insert_with(|| seen.clone()), &seen, "{what}");
    }
    assert_eq!(expected.map(|seen| seen.0), Some(422));
}

#[apply(on_both)]
async fn in_3_after_signing_in_one_stays_on_this_server(app: TestApp) {
    app.person("ada", "ordinary").await;
    let (pre, token) = sign_in_page(&app).await;
    for (next, location) in [
        ("/?a=b", "/?a=b"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
    ] {
        let (answer, _) =
            submit(&app, std::slice::from_ref(&pre), &form("ada", PASSWORD, &token, next)).await;
        assert_eq!(answer.header("Location"), Some(location), "{next}");
    }
}

#[apply(on_both)]
async fn pages_say_how_to_make_the_first_superuser_while_there_is_none(app: TestApp) {
    let page = async || app.client.get("/sign-in").dispatch().await.into_string().await.unwrap();
    assert!(page().await.contains("usher createsuperuser"));
    app.person("root", "superuser").await;
    assert!(!page().await.contains("usher createsuperuser"));
    let missing = app.client.get("/no-such-page").dispatch().await;
    assert_eq!(missing.status().code, 404);
    assert!(missing.into_string().await.unwrap().contains("There is no such page."));
    // Tera writes slashes as references, which is as good to a browser.
    let html = page().await.replace("&#x2F;", "/");
    let stylesheet =
        html.split('"').find(|part| part.starts_with("/static/app.")).expect("a style sheet").to_owned();
    let asset = app.client.get(stylesheet).dispatch().await;
    assert_eq!(asset.headers().get_one("Cache-Control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(asset.content_type(), Some(ContentType::CSS));
}
