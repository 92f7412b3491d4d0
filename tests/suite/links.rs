//! One-time links: made by staff on both channels, used once by their holders.

use std::time::Duration;

use rocket::futures::future::join_all;
use rocket::http::{ContentType, Header, Method};
use serde_json::{Value, json};
use usher::db;
use usher::model::user::{InputMode, UserPatch};

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::audit::trail;
use crate::console::{page, send_from, token};

pub(crate) const NEW_PASSWORD: &str = "seven quiet otters";

/// Asks for a link through the API.
async fn link(app: &TestApp, staff: &Person, id: i64) -> Answer {
    app.send(staff, Method::Post, &format!("/v1/users/{id}/link"), &json!({})).await
}

/// The secret in a link's address.
pub(crate) fn secret(url: &str) -> String {
    url.split_once("/set-password#").expect("a link").1.to_owned()
}

pub(crate) async fn made(app: &TestApp, staff: &Person, id: i64) -> String {
    let answer = link(app, staff, id).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    secret(answer.json()["url"].as_str().expect("an address"))
}

/// The page behind a link: the answer, the cookie that it sets, and the token of its form.
pub(crate) async fn open(app: &TestApp, secret: &str) -> (Answer, String, String) {
    let response = app.client.get("/set-password").dispatch().await;
    let cookie = response.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie").value().to_owned();
    let asking = token(&Answer::of(response).await.body);
    let body = format!("token={asking}&link={secret}");
    let request = app.client.post("/set-password").header(ContentType::Form).body(body);
    let request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
    let answer =
        Answer::of(request.header(cookie_header("__Host-pre-0a1b2c3d", &cookie)).dispatch().await).await;
    let token = if answer.status == 200 { token(&answer.body) } else { String::new() };
    (answer, cookie, token)
}

async fn post(app: &TestApp, cookie: &str, token: &str, secret: &str, password: &str) -> Answer {
    let password = rocket::http::RawStr::new(password).percent_encode().to_string();
    let body = format!("token={token}&link={secret}&password={password}");
    let request = app.client.post("/set-password").header(ContentType::Form).body(body);
    let request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
    Answer::of(request.header(cookie_header("__Host-pre-0a1b2c3d", cookie)).dispatch().await).await
}

/// Opens a link and sets a password; the status.
pub(crate) async fn redeem(app: &TestApp, secret: &str, password: &str) -> u16 {
    let (opened, cookie, token) = open(app, secret).await;
    if opened.status != 200 {
        return opened.status;
    }
    post(app, &cookie, &token, secret, password).await.status
}

pub(crate) async fn works(app: &TestApp, secret: &str) -> bool {
    open(app, secret).await.0.status == 200
}

fn invitation(username: &str) -> Value {
    json!({"username": username, "first_name": "Ada", "last_name": "", "email": ""})
}

#[apply(on_both)]
async fn pw_10_an_invited_user_has_no_password_until_the_link_is_used(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let answer = app.send(&staff, Method::Post, "/v1/users/invite", &invitation("ada")).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let body = answer.json();
    let id = body["user"]["pk"].as_i64().unwrap();
    assert_eq!(answer.header("Location"), Some(format!("/v1/users/{id}").as_str()));
    assert_eq!(body["user"], app.get(&staff, &format!("/v1/users/{id}")).await.json());
    assert!(body["url"].as_str().unwrap().starts_with("http://127.0.0.1:8000/set-password#"));
    let tomorrow = app.clock.now().plus(Duration::from_hours(24)).to_string();
    assert_eq!((&body["expires_at"], &body["mail"]), (&json!(tomorrow), &Value::Null));
    let stored = db::users::credentials(&app.usher.db, "ada").await.unwrap().unwrap();
    assert!(!stored.password.is_usable());
    for password in ["", "!", stored.password.as_str(), PASSWORD] {
        assert_ne!(app.obtain("ada", password).await.status, 200);
    }
    let says = async || page(&app, &staff, &format!("/users/{id}")).await.body;
    assert!(says().await.contains("<dt>Password set</dt><dd>None is set</dd>"));
    let secret = secret(body["url"].as_str().unwrap());
    assert_eq!(redeem(&app, &secret, NEW_PASSWORD).await, 303);
    assert!(says().await.contains("<dt>Password set</dt><dd><time"));
    assert_eq!(app.obtain("ada", NEW_PASSWORD).await.status, 200);

    for (wrong, field) in [
        (json!({"first_name": "", "last_name": "", "email": ""}), "username"),
        (invitation("ADA"), "username"),
        (invitation("7"), "username"),
        (json!({"username": "bob", "first_name": "", "last_name": "", "email": "nowhere"}), "email"),
    ] {
        let answer = app.send(&staff, Method::Post, "/v1/users/invite", &wrong).await;
        assert_eq!((answer.status, answer.json()[field].is_array()), (400, true), "{}", answer.body);
    }
    let trail = trail(&app).await;
    let told: Vec<(&str, &str)> =
        trail.iter().map(|entry| (entry.action.as_str(), entry.actor_name.as_str())).collect();
    assert_eq!(
        told[..3],
        [("user_created", "staff"), ("link_made", "staff"), ("sign_in_failed", "")],
        "{trail:#?}"
    );
    let used = trail.iter().find(|entry| entry.action == "password_reset").expect("an entry");
    let details: Value = serde_json::from_str(&used.details).unwrap();
    assert_eq!((&details["by"], &details["purpose"]), (&json!("link"), &json!("setup")));
    assert_eq!((used.target_id, used.actor_id, used.door.as_str()), (Some(id), None, "console"));
}

#[apply(on_both)]
async fn pw_10_a_link_works_once_and_looking_at_it_uses_nothing_up(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let secret = made(&app, &staff, ada.id()).await;
    for _ in 0..3 {
        let (opened, ..) = open(&app, &secret).await;
        assert_eq!(opened.status, 200);
        assert!(opened.body.contains("Choose a password for ada"), "{}", opened.body);
        assert_eq!(opened.header("Cache-Control"), Some("no-store"));
        assert_eq!(opened.header("Referrer-Policy"), Some("same-origin"));
        assert!(!opened.body.contains("http"), "nothing leads elsewhere");
    }
    let (_, cookie, form) = open(&app, &secret).await;
    let unfit = post(&app, &cookie, &form, &secret, "password").await;
    assert_eq!(unfit.status, 422);
    assert!(unfit.body.contains("This password is on lists of common passwords."), "{}", unfit.body);
    assert_eq!(post(&app, &cookie, &form, &secret, "").await.status, 422);
    let set = post(&app, &cookie, &form, &secret, NEW_PASSWORD).await;
    assert_eq!((set.status, set.header("Location")), (303, Some("/sign-in?password_set=true")));
    assert!(!format!("{:?}", set.headers).contains(&secret));
    let used = post(&app, &cookie, &form, &secret, "another fine password").await;
    let (opened, ..) = open(&app, &secret).await;
    let (unknown, ..) = open(&app, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    let (nonsense, ..) = open(&app, "%00%ff").await;
    for answer in [&used, &opened, &unknown, &nonsense] {
        assert_eq!((answer.status, &answer.body), (410, &opened.body), "one page, one wording");
    }
    assert_eq!(app.obtain("ada", NEW_PASSWORD).await.status, 200);
}

#[apply(on_both)]
async fn pw_10_of_fifty_tries_at_once_one_sets_the_password(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let secret = made(&app, &staff, ada.id()).await;
    let (_, cookie, form) = open(&app, &secret).await;
    let passwords: Vec<String> = (0..50).map(|n| format!("seven quiet otters {n}")).collect();
    let tries = passwords.iter().map(|password| post(&app, &cookie, &form, &secret, password));
    let answers = join_all(tries).await;
    let mut set = Vec::new();
    for (answer, password) in answers.iter().zip(&passwords) {
        match answer.status {
            303 => set.push(password),
            // Beaten, or turned away because so many passwords wait to be hashed.
            410 | 503 => {}
            status => panic!("{status}: {}", answer.body),
        }
    }
    let [set] = set[..] else { panic!("{} tries set a password", set.len()) };
    assert_eq!(app.obtain("ada", set).await.status, 200);
    let resets = trail(&app).await.iter().filter(|entry| entry.action == "password_reset").count();
    assert_eq!(resets, 1);
}

#[apply(on_both)]
async fn pw_10_a_link_ends_after_its_time(app: TestApp) {
    let (staff, ada) = (app.person("staff", "superuser").await, app.person("ada", "").await);
    let second = Duration::from_secs(1);
    let reset = made(&app, &staff, ada.id()).await;
    app.clock.advance(Duration::from_mins(30).checked_sub(second).unwrap());
    assert!(works(&app, &reset).await, "a second before");
    let (_, cookie, form) = open(&app, &reset).await;
    app.clock.advance(second);
    assert!(!works(&app, &reset).await);
    assert_eq!(post(&app, &cookie, &form, &reset, NEW_PASSWORD).await.status, 410);

    let staff = app.person("staff2", "staff").await;
    let answer = app.send(&staff, Method::Post, "/v1/users/invite", &invitation("bob")).await;
    let setup = secret(answer.json()["url"].as_str().unwrap());
    app.clock.advance(Duration::from_hours(24).checked_sub(second).unwrap());
    assert!(works(&app, &setup).await);
    app.clock.advance(second);
    assert!(!works(&app, &setup).await);
    let staff = app.person("staff3", "staff").await;
    let again = link(&app, &staff, answer.json()["user"]["pk"].as_i64().unwrap()).await.json();
    let tomorrow = app.clock.now().plus(Duration::from_hours(24)).to_string();
    assert_eq!(again["expires_at"], json!(tomorrow), "still the first password");
}

#[apply(on_both)]
async fn pw_10_whatever_ends_a_link_ends_it_at_once(app: TestApp) {
    let root = app.person("root", "superuser").await;
    for (n, change) in [
        json!({"is_active": false}),
        json!({"password": "another fine password"}),
        json!({"email": "new@example.org"}),
    ]
    .into_iter()
    .enumerate()
    {
        let ada = app.person(&format!("ada{n}"), "").await;
        let secret = made(&app, &root, ada.id()).await;
        let path = format!("/v1/users/{}", ada.id());
        assert_eq!(app.send(&root, Method::Patch, &path, &json!({"first_name": "Ada"})).await.status, 200);
        assert!(works(&app, &secret).await, "an edit of a name does not");
        assert_eq!(app.send(&root, Method::Patch, &path, &change).await.status, 200);
        assert!(!works(&app, &secret).await, "{change}");
        app.send(&root, Method::Patch, &path, &json!({"is_active": true})).await;
        assert_eq!(redeem(&app, &secret, NEW_PASSWORD).await, 410, "{change}: for good");
    }
    let ada = app.person("ada", "").await;
    let older = made(&app, &root, ada.id()).await;
    let newer = made(&app, &root, ada.id()).await;
    assert!(!works(&app, &older).await && works(&app, &newer).await, "a newer link");
    let patch = UserPatch { password: "one more fine password".into(), ..UserPatch::default() };
    usher::operations::operator::change_password(&app.usher, "ada", &patch.into_input(InputMode::Part))
        .await
        .unwrap();
    assert!(!works(&app, &newer).await, "the operator's new password");
    assert_eq!(app.obtain("ada", "one more fine password").await.status, 200);
}

#[apply(on_both)]
async fn pw_10_an_account_outside_its_dates_cannot_be_set_a_password(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/v1/users/{}", ada.id());
    let until = app.clock.now().plus(Duration::from_mins(5)).to_string();
    app.send(&staff, Method::Patch, &path, &json!({"valid_until": until})).await;
    let secret = made(&app, &staff, ada.id()).await;
    let (_, cookie, form) = open(&app, &secret).await;
    app.clock.advance(Duration::from_mins(5));
    assert!(!works(&app, &secret).await);
    assert_eq!(post(&app, &cookie, &form, &secret, NEW_PASSWORD).await.status, 410);
    assert!(!db::users::credentials(&app.usher.db, "ada").await.unwrap().unwrap().password.is_usable());
}

#[apply(on_both)]
async fn pw_10_no_secret_is_stored_or_told_but_in_the_answer(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let secret = made(&app, &staff, ada.id()).await;
    let stored = db::links::of_user(&app.usher.db, ada.user.id).await.unwrap().expect("a link");
    assert!(stored.sealed.is_none(), "only for the pages");
    let parsed = usher::model::session::Secret::from_text(&secret).expect("32 bytes");
    assert_eq!(stored.secret_hash, parsed.hash());
    redeem(&app, &secret, NEW_PASSWORD).await;
    let trail = format!("{:?}", trail(&app).await);
    assert!(trail.contains("link_made") && !trail.contains(&secret) && !trail.contains(NEW_PASSWORD));
}

#[apply(on_both)]
async fn pw_11_the_host_of_a_link_comes_from_the_configuration_only(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    for (name, value) in [
        ("Host", "evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "host=evil.example"),
        ("X-Original-Host", "evil.example"),
    ] {
        let path = format!("/v1/users/{}/link", ada.id());
        let request = app.request(Method::Post, &path, Some((&staff, By::Bearer)));
        let request = request.header(ContentType::JSON).header(Header::new(name, value)).body("{}");
        let answer = Answer::of(request.dispatch().await).await;
        assert_eq!(answer.status, 201, "{name}");
        let url = answer.json()["url"].as_str().unwrap().to_owned();
        assert!(url.starts_with("http://127.0.0.1:8000/set-password#"), "{name}: {url}");
    }
}

#[apply(on_both)]
async fn pw_11_no_step_can_be_skipped(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let bob = app.person("bob", "").await;
    let (hers, his) = (made(&app, &staff, ada.id()).await, made(&app, &staff, bob.id()).await);
    let (_, cookie, form) = open(&app, &hers).await;
    let (_, other_cookie, _) = open(&app, &his).await;
    for (cookie, form, link, status) in [
        ("", "", hers.as_str(), 422),
        (cookie.as_str(), "AAAA", &hers, 422),
        (&other_cookie, &form, &hers, 422),
        (&cookie, &form, "", 410),
        (&cookie, &form, &hers[1..], 410),
    ] {
        let answer = post(&app, cookie, form, link, NEW_PASSWORD).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    let body = format!("token={form}&link={hers}&password=seven+quiet+otters");
    for site in ["cross-site", "same-site"] {
        let request = app.client.post("/set-password").header(ContentType::Form).body(body.clone());
        let request = request.header(Header::new("Sec-Fetch-Site", site));
        let answer = request.header(cookie_header("__Host-pre-0a1b2c3d", &cookie)).dispatch().await;
        assert_eq!(answer.status().code, 403, "{site}");
    }
    for name in ["ada", "bob"] {
        assert_eq!(app.obtain(name, NEW_PASSWORD).await.status, 401);
    }
    assert_eq!(post(&app, &cookie, &form, &hers, NEW_PASSWORD).await.status, 303);
    assert_eq!(app.obtain("ada", NEW_PASSWORD).await.status, 200);
    assert!(works(&app, &his).await, "one link says nothing about another");
}

#[apply(on_both)]
async fn az_3_staff_get_no_link_to_a_superuser(app: TestApp) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    let answer = link(&app, &staff, root.id()).await;
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("superuser_required")));
    let path = format!("/users/{}", root.id());
    assert_eq!(send_from(&app, &staff, "/users/new", &format!("{path}/link"), &[]).await.0.status, 403);
    let fields = [("version", "1"), ("mode", "link")];
    assert_eq!(
        send_from(&app, &staff, "/users/new", &format!("{path}/password"), &fields).await.0.status,
        403
    );
    assert_eq!(app.obtain("root", PASSWORD).await.status, 200);
    assert!(db::links::of_user(&app.usher.db, root.user.id).await.unwrap().is_none());
}

#[apply(on_both)]
async fn az_8_without_its_entry_no_link_is_made_or_used(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let bob = app.person("bob", "").await;
    let secret = made(&app, &staff, bob.id()).await;
    let (_, cookie, form) = open(&app, &secret).await;
    app.sql("ALTER TABLE audit_entries RENAME TO elsewhere").await;
    assert!(link(&app, &staff, ada.id()).await.status >= 500);
    assert!(app.send(&staff, Method::Post, "/v1/users/invite", &invitation("eve")).await.status >= 500);
    assert!(post(&app, &cookie, &form, &secret, NEW_PASSWORD).await.status >= 500);
    app.sql("ALTER TABLE elsewhere RENAME TO audit_entries").await;
    assert!(app.is_signed_in(&ada, By::Bearer).await);
    assert_eq!(app.get(&staff, "/v1/users/eve").await.status, 404);
    assert!(works(&app, &secret).await, "it was not used up either");
}

#[apply(on_both)]
async fn az_9_a_link_is_made_for_the_version_that_was_seen(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/v1/users/{}", ada.id());
    let tag = app.get(&staff, &path).await.header("ETag").unwrap().to_owned();
    app.send(&staff, Method::Patch, &path, &json!({"first_name": "Ada"})).await;
    let request = app.request(Method::Post, &format!("{path}/link"), Some((&staff, By::Bearer)));
    let request = request.header(ContentType::JSON).header(Header::new("If-Match", tag)).body("{}");
    assert_eq!(request.dispatch().await.status().code, 412);
    assert!(app.is_signed_in(&ada, By::Bearer).await);
}

#[apply(on_both)]
async fn se_2_using_a_link_ends_sessions_blocks_and_the_demand_for_another_password(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let secret = made(&app, &staff, ada.id()).await;
    let path = format!("/v1/users/{}", ada.id());
    app.send(&staff, Method::Patch, &path, &json!({"must_change_password": true})).await;
    let cookie = app.session(ada.user.id, usher::model::session::Credential::Cookie).await.secret.to_text();
    let signed_in = Person { cookie, ..ada.clone() };
    for _ in 0..8 {
        app.obtain("ada", "wrong").await;
    }
    assert_eq!(redeem(&app, &secret, NEW_PASSWORD).await, 303);
    assert!(!app.is_signed_in(&signed_in, By::Cookie).await);
    let stored = app.stored(ada.id()).await;
    assert!(!stored.must_change_password);
    assert_eq!(stored.password_changed_at, Some(app.clock.now()));
    assert_eq!(app.obtain("ada", NEW_PASSWORD).await.status, 200, "no block is left");
}

#[apply(on_both)]
async fn the_name_invite_can_still_be_fetched(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let invite = app.person("invite", "").await;
    let answer = app.get(&staff, "/v1/users/invite").await;
    assert_eq!((answer.status, &answer.json()["pk"]), (200, &json!(invite.id())));
    let options = app.request(Method::Options, "/v1/users/invite", None).dispatch().await;
    assert_eq!(options.headers().get_one("Allow"), Some("GET, HEAD, POST, OPTIONS"));
    let answer = app.send(&staff, Method::Put, "/v1/users/invite", &json!({})).await;
    assert_eq!(answer.status, 405);
}
