//! One-time links in the console: shown once, to the staff member who made them.

use rocket::http::{ContentType, Header, Method};
use serde_json::{Value, json};

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::audit::trail;
use crate::console::{hidden, page, send_from, token};
use crate::links::{NEW_PASSWORD, made, redeem, secret, works};

/// The link in the code box of a page.
fn shown(answer: &Answer) -> Option<String> {
    let box_ = answer.body.split("<code class=\"copy\">").nth(1)?;
    Some(box_.split("</code>").next()?.to_owned())
}

/// Sends a form of a page, and does not go on to the next page.
pub(crate) async fn submit(
    app: &TestApp,
    person: &Person,
    from: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let token = token(&page(app, person, from).await.body);
    let encode = |text: &str| rocket::http::RawStr::new(text).percent_encode().to_string();
    let fields = fields.iter().map(|(name, value)| format!("&{name}={}", encode(value)));
    let body = format!("token={token}{}", fields.collect::<String>());
    let request = app.request(Method::Post, path, Some((person, By::Cookie)));
    Answer::of(request.header(ContentType::Form).body(body).dispatch().await).await
}

#[apply(on_both)]
async fn pw_10_the_page_shows_a_link_once_and_to_the_session_that_made_it_only(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    let form = page(&app, &staff, "/users/new").await.body;
    assert!(form.contains("value=\"link\" aria-describedby=\"by-link-hint\" checked"), "{form}");
    let fields =
        [("username", "ada"), ("email", ""), ("first_name", "Ada"), ("last_name", ""), ("mode", "link")];
    let answer = submit(&app, &staff, "/users/new", "/users/new", &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let path = answer.header("Location").unwrap().to_owned();

    let seen = page(&app, &other, &path).await;
    assert!(shown(&seen).is_none() && seen.body.contains("Already shown."), "others never see it");
    let instance = app.another_instance().await;
    let first = page(&instance, &staff, &path).await;
    let url = shown(&first).expect("the link, from any instance");
    assert!(first.body.contains("It is not shown again, works once, and stops working on"), "{}", first.body);
    assert!(first.body.contains("2 Mar 2026, 09:00"), "{}", first.body);
    let again = page(&app, &staff, &path).await;
    assert!(shown(&again).is_none() && again.body.contains("Make a new link"), "once");
    let secret = secret(&url);
    assert!(!format!("{:?}", answer.headers).contains(&secret), "in no cookie, in no address of ours");
    assert!(works(&app, &secret).await);

    let made = submit(&app, &staff, &path, &format!("{path}/link"), &[]).await;
    assert_eq!((made.status, made.header("Location")), (303, Some(path.as_str())));
    assert!(!works(&app, &secret).await, "the older one is over");
    let url = shown(&page(&app, &staff, &path).await).expect("the new one");
    assert_eq!(redeem(&app, &self::secret(&url), NEW_PASSWORD).await, 303);
    assert!(!page(&app, &staff, &path).await.body.contains("Already shown."), "none is out any more");

    let fields = [("username", "bob"), ("mode", "link"), ("another", "1")];
    let (_, message) = send_from(&app, &staff, "/users/new", "/users/new", &fields).await;
    assert_eq!(message, "Added bob. Their link is on their page, to be shown once.");
}

#[apply(on_both)]
async fn pw_10_the_page_keeps_a_link_until_a_person_sees_it(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    assert_eq!(submit(&app, &staff, &path, &format!("{path}/link"), &[]).await.status, 303);
    let head = app.request(Method::Head, &path, Some((&staff, By::Cookie))).dispatch().await;
    assert_eq!(head.status().code, 200);
    for site in ["cross-site", "same-site"] {
        let request = app.client.get(&path).header(cookie_header("__Host-sid-0a1b2c3d", &staff.cookie));
        let seen = Answer::of(request.header(Header::new("Sec-Fetch-Site", site)).dispatch().await).await;
        assert_eq!(seen.status, 200);
        assert!(shown(&seen).is_none() && seen.body.contains(">Show it</a>"), "{site}: {}", seen.body);
    }
    let request = app.client.get(&path).header(cookie_header("__Host-sid-0a1b2c3d", &staff.cookie));
    let seen = Answer::of(request.header(Header::new("Sec-Fetch-Site", "none")).dispatch().await).await;
    assert!(seen.body.contains("<code class=\"copy\">"), "a typed address or an old browser: {}", seen.body);
    assert!(shown(&page(&app, &staff, &path).await).is_none(), "and then not again");
}

#[apply(on_both)]
async fn pw_10_staff_reset_a_password_without_knowing_one(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}/password", ada.id());
    let form = page(&app, &staff, &path).await.body;
    assert!(form.contains("within 30 minutes"), "{form}");
    let fields = [("version", &*hidden(&form, "version")), ("mode", "link"), ("password", "")];
    let answer = submit(&app, &staff, &path, &path, &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 401, "the password stops working");
    assert!(!app.is_signed_in(&ada, By::Bearer).await && !app.is_signed_in(&ada, By::Cookie).await);
    let url = shown(&page(&app, &staff, answer.header("Location").unwrap()).await).expect("a link");
    assert_eq!(redeem(&app, &secret(&url), NEW_PASSWORD).await, 303);
    assert_eq!(app.obtain("ada", NEW_PASSWORD).await.status, 200);
    let trail = trail(&app).await;
    let made = trail.iter().find(|entry| entry.action == "link_made").expect("an entry");
    let details: Value = serde_json::from_str(&made.details).unwrap();
    assert_eq!((&details["purpose"], &details["sessions_ended"]), (&json!("reset"), &json!(2)));
    assert_eq!(made.changes, r#"{"password":"changed"}"#);
}

#[apply(on_both)]
async fn pw_10_a_typed_password_is_for_the_first_sign_in_only(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}/password", ada.id());
    let version = hidden(&page(&app, &staff, &path).await.body, "version");
    let fields = [
        ("version", version.as_str()),
        ("mode", "password"),
        ("password", NEW_PASSWORD),
        ("must_change", "1"),
    ];
    assert_eq!(send_from(&app, &staff, &path, &path, &fields).await.0.status, 303);
    let fields = [
        ("username", "bob"),
        ("email", ""),
        ("first_name", ""),
        ("last_name", ""),
        ("mode", "password"),
        ("password", NEW_PASSWORD),
        ("must_change", "1"),
    ];
    assert_eq!(send_from(&app, &staff, "/users/new", "/users/new", &fields).await.0.status, 303);
    for name in ["ada", "bob"] {
        let tokens = app.obtain(name, NEW_PASSWORD).await;
        assert_eq!(tokens.status, 200);
        let bearer = tokens.json()["access"].as_str().unwrap().to_owned();
        let request = app.client.get(format!("/v1/users/{name}"));
        let request = request.header(Header::new("Authorization", format!("Bearer {bearer}")));
        let answer = Answer::of(request.dispatch().await).await;
        assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("password_change_required")));
    }
}

#[apply(on_both)]
async fn pw_10_ones_own_password_works_until_the_link_is_used(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let secret = made(&app, &staff, staff.id()).await;
    assert!(app.is_signed_in(&staff, By::Bearer).await && app.obtain("staff", PASSWORD).await.status == 200);
    assert_eq!(redeem(&app, &secret, NEW_PASSWORD).await, 303);
    assert!(!app.is_signed_in(&staff, By::Bearer).await);
    assert_eq!(app.obtain("staff", PASSWORD).await.status, 401);
}
