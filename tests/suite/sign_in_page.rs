//! What the page to sign in on says: about waiting, an ended session, and the first start.

use rocket::http::{ContentType, Header};

use crate::app::{Answer, Backend, TestApp, cookie_header};
use crate::console::token;

async fn try_from(app: &TestApp, username: &str, address: &str) -> Answer {
    let response = app.client.get("/sign-in").dispatch().await;
    let cookie = response.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie").value().to_owned();
    let form = token(&response.into_string().await.unwrap());
    let body = format!("username={username}&password=wrong&token={form}&next=/users");
    let request = app.client.post("/sign-in").header(ContentType::Form).body(body);
    let request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
    let request = request.remote(format!("{address}:4711").parse().unwrap());
    Answer::of(request.header(cookie_header("__Host-pre-0a1b2c3d", &cookie)).dispatch().await).await
}

#[apply(on_both)]
async fn pw_4_the_page_says_that_a_user_has_to_wait(app: TestApp) {
    app.person("ada", "").await;
    for n in 0..30 {
        assert_eq!(try_from(&app, &format!("name{n}"), "192.0.2.1").await.status, 422);
    }
    let answer = try_from(&app, "ada", "192.0.2.1").await;
    assert_eq!((answer.status, answer.header("Retry-After")), (429, Some("6")));
    for part in [
        "<title>Error: Sign in",
        "There is a problem",
        "Too many tries. Wait a minute, then try again.",
        "value=\"ada\"",
        "name=\"password\"",
    ] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert_eq!(try_from(&app, "ada", "192.0.2.2").await.status, 422);
}

#[apply(on_both)]
async fn ck_1_where_no_cookie_comes_back_the_page_says_why_and_what_helps(app: TestApp) {
    app.person("ada", "").await;
    let send = async |path: &str, fields: &str, origin: Option<&str>| {
        let form = token(&app.client.get("/sign-in").dispatch().await.into_string().await.unwrap());
        let mut request = app.client.post(path.to_owned()).header(ContentType::Form);
        request.add_header(Header::new("Sec-Fetch-Site", "same-origin"));
        if let Some(origin) = origin {
            request.add_header(Header::new("Origin", origin.to_owned()));
        }
        Answer::of(request.body(format!("token={form}&{fields}")).dispatch().await).await
    };
    let fields = "username=ada&password=correct+horse+battery";
    for (origin, local) in [
        ("http://usher.lan:8000", "http://localhost:8000."),
        ("http://usher.lan", "http://localhost."),
        ("http://[fd00::7]", "http://localhost."),
    ] {
        let answer = send("/sign-in", fields, Some(origin)).await;
        let body = answer.body.replace("&#x2F;", "/");
        for part in ["This page came over plain HTTP", "Open it over https://", local, "insecure_cookie"] {
            assert!(answer.status == 422 && body.contains(part), "{origin}, {part}: {body}");
        }
        assert!(body.contains("value=\"ada\"") && !body.contains("had expired"), "{body}");
    }
    for origin in [None, Some("https://users.example.org")] {
        let answer = send("/sign-in", fields, origin).await;
        let told = answer.body.contains("allow cookies for this site");
        assert!(answer.status == 422 && told, "{origin:?}: {}", answer.body);
    }
}

#[apply(on_both)]
#[with([("insecure_cookie", json!(true))])]
async fn ck_1_the_operator_may_allow_plain_http_on_a_trusted_network(app: TestApp) {
    app.person("ada", "").await;
    let opened = app.client.get("/sign-in").dispatch().await;
    let cookie = opened.cookies().get("pre-0a1b2c3d").expect("a cookie").clone().into_owned();
    assert_ne!(cookie.secure(), Some(true));
    let form = token(&opened.into_string().await.unwrap());
    let body = format!("token={form}&username=ada&password=correct+horse+battery");
    let request = app.client.post("/sign-in").header(ContentType::Form).body(body);
    let request = request.header(Header::new("Origin", "http://usher.lan:8000"));
    let request = request.header(Header::new("Host", "usher.lan:8000"));
    let answer = request.header(cookie_header(cookie.name(), cookie.value())).dispatch().await;
    assert_eq!(answer.status().code, 303);
    assert!(answer.cookies().get("sid-0a1b2c3d").is_some());
}

const ENDED: &str = "Your session has ended. Sign in to go on.";

#[apply(on_both)]
async fn an_ended_session_is_said_and_one_goes_on_from_there(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let page = async |path: &str| {
        let request =
            app.client.get(path.to_owned()).header(cookie_header("__Host-sid-0a1b2c3d", &ada.cookie));
        Answer::of(request.dispatch().await).await
    };
    assert!(!page("/sign-in").await.body.contains(ENDED), "it has not");
    app.clock.advance(app.usher.settings.session_idle());
    let led = page("/users").await;
    let path = led.header("Location").expect("the page to sign in on").to_owned();
    let shown = page(&path).await.body;
    assert!(shown.contains(ENDED), "{shown}");
    assert!(shown.replace("&#x2F;", "/").contains("name=\"next\" value=\"/users\""), "{shown}");
    let stranger = app.client.get("/sign-in").dispatch().await.into_string().await.unwrap();
    assert!(!stranger.contains(ENDED), "who had none lost none");
}

#[apply(on_both)]
async fn after_a_link_the_page_says_that_the_password_is_set(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let path = format!("/v1/users/{}/link", app.person("ada", "").await.id());
    let made = app.send(&staff, rocket::http::Method::Post, &path, &serde_json::json!({})).await;
    let secret = crate::links::secret(made.json()["url"].as_str().unwrap());
    let opened = app.client.get(format!("/set-password?token={secret}")).dispatch().await;
    let cookie = opened.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie").value().to_owned();
    let form = token(&opened.into_string().await.unwrap());
    let body = format!("token={form}&link={secret}&password=seven+quiet+otters");
    let request = app.client.post("/set-password").header(ContentType::Form).body(body);
    let set = request.header(cookie_header("__Host-pre-0a1b2c3d", &cookie)).dispatch().await;
    let next = set.headers().get_one("Location").expect("a path").to_owned();
    let next = app.client.get(next).dispatch().await;
    assert!(next.into_string().await.unwrap().contains("Your password is set. Sign in with it."));
}

#[apply(on_both)]
async fn without_any_user_the_page_has_only_the_command(app: TestApp) {
    let page = async || app.client.get("/sign-in").dispatch().await.into_string().await.unwrap();
    let first = page().await;
    assert!(first.contains("usher createsuperuser --username admin"), "{first}");
    assert!(!first.contains("<form"), "no user can sign in");
    assert_eq!(first.matches("<h1").count(), 1);
    app.person("ada", "").await;
    let without_superuser = page().await;
    assert!(without_superuser.contains("usher createsuperuser") && without_superuser.contains("<form"));
    app.person("root", "superuser").await;
    assert!(!page().await.contains("usher createsuperuser"));
}

async fn the_page_says_whom_to_ask_without_mail(backend: Backend) {
    for (contact, expected) in [
        ("", "Ask your administrator.</p>"),
        (
            "help@example.org",
            "Ask your administrator: <a href=\"mailto:help@example.org\">help@example.org</a></p>",
        ),
        ("Room 5, call 17", "Ask your administrator: Room 5, call 17</p>"),
    ] {
        let app = TestApp::with(backend, &[("contact", contact.into())]).await;
        app.person("ada", "").await;
        let html = app.client.get("/sign-in").dispatch().await.into_string().await.unwrap();
        let html = html.replace("&#x2F;", "/");
        assert!(html.contains(expected) && !html.contains("/forgotten-password"), "{html}");
    }
}

#[rocket::async_test]
async fn without_mail_the_page_says_whom_to_ask_on_sqlite() {
    the_page_says_whom_to_ask_without_mail(Backend::Sqlite).await;
}

#[rocket::async_test]
async fn without_mail_the_page_says_whom_to_ask_on_postgresql() {
    the_page_says_whom_to_ask_without_mail(Backend::Postgres).await;
}
