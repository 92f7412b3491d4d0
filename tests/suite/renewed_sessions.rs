//! A browser's session gets another secret when its user gives the password again: a cookie that was stolen before
//! is not confirmed together with its owner's.

use rocket::futures::future::join_all;
use rocket::http::{ContentType, Method, SameSite};
use rocket::local::asynchronous::LocalResponse;
use serde_json::{Value, json};

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::console::{page, send_from, token};

/// The session cookie that an answer sets, which is like that of a sign-in.
fn renewed(response: &LocalResponse<'_>) -> Option<String> {
    let cookie = response.cookies().get("__Host-sid-0a1b2c3d")?;
    assert_eq!((cookie.secure(), cookie.http_only()), (Some(true), Some(true)), "se_3");
    assert_eq!((cookie.same_site(), cookie.path(), cookie.domain()), (Some(SameSite::Lax), Some("/"), None));
    Some(cookie.value().to_owned())
}

/// The status of a request with this cookie.
async fn status(app: &TestApp, method: Method, path: &str, cookie: &str, body: &Value) -> u16 {
    let request =
        app.client.req(method, path.to_owned()).header(cookie_header("__Host-sid-0a1b2c3d", cookie));
    let request = request.header(rocket::http::Header::new("Sec-Fetch-Site", "same-origin"));
    request.header(ContentType::JSON).body(body.to_string()).dispatch().await.status().code
}

/// A user who has signed in long ago.
async fn stale(app: &TestApp, name: &str, kind: &str) -> Person {
    let person = app.person(name, kind).await;
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    person
}

#[apply(on_both)]
async fn se_9_confirming_the_password_through_the_api_gives_the_session_another_secret(app: TestApp) {
    let ada = stale(&app, "ada", "ordinary").await;
    let sessions = || app.get(&ada, "/v1/account/sessions");
    let before: Vec<Value> =
        sessions().await.json().as_array().unwrap().iter().map(|session| session["id"].clone()).collect();
    let path = "/v1/account/confirm";
    for wrong in ["wrong", ""] {
        let request = app.request(Method::Post, path, Some((&ada, By::Cookie))).header(ContentType::JSON);
        let response = request.body(json!({ "password": wrong }).to_string()).dispatch().await;
        assert_eq!((response.status().code, renewed(&response)), (400, None));
    }
    let request = app.request(Method::Post, path, Some((&ada, By::Cookie))).header(ContentType::JSON);
    let response = request.body(json!({ "password": PASSWORD }).to_string()).dispatch().await;
    assert_eq!(response.status().code, 204);
    let fresh = renewed(&response).expect("another cookie");
    assert_ne!(fresh, ada.cookie);
    assert_eq!(status(&app, Method::Get, "/v1/account", &ada.cookie, &Value::Null).await, 401, "the old one");
    let email = json!({"email": "ada@example.org"});
    assert_eq!(status(&app, Method::Patch, "/v1/account", &ada.cookie, &email).await, 401);
    assert_eq!(status(&app, Method::Patch, "/v1/account", &fresh, &email).await, 200, "it is confirmed");
    let after: Vec<Value> =
        sessions().await.json().as_array().unwrap().iter().map(|session| session["id"].clone()).collect();
    assert_eq!(before, after, "the session is the same");
    // The tokens of a client hold their secret, and are not given out again.
    let request = app.request(Method::Post, path, Some((&ada, By::Bearer))).header(ContentType::JSON);
    let response = request.body(json!({ "password": PASSWORD }).to_string()).dispatch().await;
    assert_eq!((response.status().code, renewed(&response)), (204, None));
    assert!(app.is_signed_in(&ada, By::Bearer).await);
}

/// Sends a form of the console with the password; the answer and the cookie that it sets.
async fn confirm_in_console(
    app: &TestApp,
    who: &Person,
    stands_on: &str,
    path: &str,
    fields: &str,
) -> (Answer, Option<String>) {
    let token = token(&page(app, who, stands_on).await.body);
    let body = format!("token={token}&current_password={}&{fields}", PASSWORD.replace(' ', "+"));
    let request = app.request(Method::Post, path, Some((who, By::Cookie))).header(ContentType::Form);
    let response = request.body(body).dispatch().await;
    let cookie = renewed(&response);
    (Answer::of(response).await, cookie)
}

#[apply(on_both)]
async fn se_9_confirming_the_password_in_the_console_gives_the_session_another_secret(app: TestApp) {
    let (staff, peer) = (stale(&app, "staff", "staff").await, app.person("peer", "staff").await);
    let user = format!("/users/{}", peer.id());
    let (answer, fresh) = confirm_in_console(&app, &staff, &user, &format!("{user}/link"), "").await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let fresh = fresh.expect("another cookie");
    assert!(!app.is_signed_in(&staff, By::Cookie).await, "the cookie before");
    let after = Person { cookie: fresh, ..staff.clone() };
    let shown = page(&app, &after, &user).await.body;
    assert!(
        shown.contains("<code class=\"copy\">"),
        "the link is shown to the session that made it: {shown}"
    );
    // Forms of pages that were open before still work.
    let (answer, none) = confirm_in_console(&app, &after, &user, &format!("{user}/link"), "").await;
    assert_eq!((answer.status, none), (303, None), "asked for only once, and renewed only then");
}

#[apply(on_both)]
async fn se_9_the_new_cookie_also_comes_with_an_answer_to_an_error(app: TestApp) {
    let (staff, peer) = (app.person("staff", "staff").await, app.person("peer", "inactive staff").await);
    let user = format!("/users/{}", peer.id());
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    // What was asked for fails after the password was taken.
    let fault = if app.url.starts_with("sqlite") {
        "CREATE TRIGGER fault BEFORE UPDATE OF is_active ON users BEGIN SELECT RAISE(ABORT, 'fault'); END"
    } else {
        app.sql(
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'fault'; END $$",
        )
        .await;
        "CREATE TRIGGER fault BEFORE UPDATE OF is_active ON users FOR EACH ROW EXECUTE FUNCTION fault()"
    };
    app.sql(fault).await;
    let (answer, fresh) = confirm_in_console(&app, &staff, &user, &format!("{user}/reactivate"), "").await;
    assert!(answer.status >= 500, "{}", answer.body);
    let after = Person { cookie: fresh.expect("another cookie"), ..staff };
    assert!(app.is_signed_in(&after, By::Cookie).await, "the browser is still signed in");
}

#[apply(on_both)]
async fn se_9_a_link_that_is_yet_to_be_shown_outlives_the_secret_that_sealed_it(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let fields = [("username", "bob"), ("mode", "link"), ("another", "1")];
    assert_eq!(send_from(&app, &staff, "/users/new", "/users/new", &fields).await.0.status, 303);
    let body = json!({ "password": PASSWORD });
    let confirm = app.json(Method::Post, "/v1/account/confirm", Some((&staff, By::Cookie)), &body).await;
    assert_eq!(confirm.status, 204);
    let bob = app.get(&staff, "/v1/users/bob").await.json()["pk"].to_string();
    let shown = page(&app, &staff, &format!("/users/{bob}")).await.body;
    assert!(shown.contains("<code class=\"copy\">"), "{shown}");
}

#[apply(on_both)]
async fn se_9_of_two_confirmations_at_once_one_gets_the_session(app: TestApp) {
    let ada = stale(&app, "ada", "ordinary").await;
    let confirm = || async {
        let request = app.request(Method::Post, "/v1/account/confirm", Some((&ada, By::Cookie)));
        let request = request.header(ContentType::JSON).body(json!({ "password": PASSWORD }).to_string());
        let response = request.dispatch().await;
        (response.status().code, renewed(&response))
    };
    let answers = join_all((0..4).map(|_| confirm())).await;
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 204);
    assert_eq!(good.len(), 1, "{bad:?}");
    assert!(bad.iter().all(|answer| *answer == (401, None)), "{bad:?}");
    let fresh = good[0].1.as_ref().expect("another cookie");
    assert_eq!(status(&app, Method::Get, "/v1/account", fresh, &Value::Null).await, 200);
}
