//! Ways around a second factor, none of which is one.

use usher::model::user::{InputMode, UserPatch};
use usher::operations::operator;

use super::*;
use crate::links::{NEW_PASSWORD, made, redeem};

const KNOWN: &str = "__Host-known-0a1b2c3d";

/// That a password alone signs in on neither channel.
async fn assert_asked(app: &TestApp, password: &str, way: &str) {
    let answer = app.obtain("ada", password).await;
    assert_eq!(code_of(&answer), (401, json!("second_factor_required")), "{way}: {}", answer.body);
    let half = first_step(app, "ada", password, "/").await;
    assert_eq!((half.answer.status, session_in(&half.answer)), (200, None), "{way}");
    assert!(half.answer.body.contains("Your second factor"), "{way}: {}", half.answer.body);
}

#[apply(on_both)]
async fn mf_1_no_link_password_or_change_of_the_account_stands_in_for_the_factor(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let ada = app.person("ada", "staff").await;
    let phone = enrol(&app, &ada, "phone").await;
    let record = format!("/v1/users/{}", ada.id());
    let change = async |body: Value| {
        let answer = app.send(&root, Method::Patch, &record, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let link = made(&app, &root, ada.id()).await;
    assert_eq!(redeem(&app, &link, NEW_PASSWORD).await, 303);
    assert_asked(&app, NEW_PASSWORD, "a reset link").await;
    change(json!({"password": "given by another person"})).await;
    assert_asked(&app, "given by another person", "a password that staff give").await;
    change(json!({"password": NEW_PASSWORD, "must_change_password": true})).await;
    assert_asked(&app, NEW_PASSWORD, "a password that is to be changed").await;
    let patch = UserPatch { password: PASSWORD.into(), ..UserPatch::default() };
    operator::change_password(&app.usher, "ada", &patch.into_input(InputMode::Part)).await.unwrap();
    change(json!({"must_change_password": false})).await;
    assert_asked(&app, PASSWORD, "a password that the operator sets").await;
    for (off, on) in [("is_active", false), ("is_staff", false)]
        .map(|(name, off)| (json!({name: off}), json!({name: !off})))
    {
        change(off.clone()).await;
        change(on).await;
        assert_asked(&app, PASSWORD, &off.to_string()).await;
    }
    let entry = trail(&app).await.into_iter().rfind(|entry| entry.changes.contains("is_staff")).unwrap();
    let undone = app.send(&root, Method::Post, &format!("/v1/audit/{}/undo", entry.id), &json!({})).await;
    assert_eq!(undone.status, 200, "{}", undone.body);
    assert_asked(&app, PASSWORD, "an undo").await;
    change(json!({"username": "ada"})).await;
    assert_eq!(obtain(&app, "ada", &phone.next_code(&app)).await.status, 200, "and the factor is still good");
}

/// A stranger who has the password and not the factor leaves a trace, by either channel.
#[apply(on_both)]
async fn mf_1_a_right_password_without_the_factor_is_recorded(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    enrol(&app, &ada, "phone").await;
    app.obtain("ada", PASSWORD).await;
    first_step(&app, "ada", PASSWORD, "/").await;
    let entries = trail(&app).await;
    let asked: Vec<_> = entries.iter().filter(|entry| entry.action == "second_factor_asked").collect();
    let told: Vec<_> =
        asked.iter().map(|entry| (entry.target_id, entry.actor_id, entry.door.as_str())).collect();
    assert_eq!(told, [(Some(ada.id()), None, "api"), (Some(ada.id()), None, "console")]);
    let root = app.person("root", "superuser").await;
    let html = page(&app, &root, &format!("/users/{}/sign-ins", ada.id())).await.body;
    assert!(html.contains("Was asked for the second factor"), "{html}");
    let html = page(&app, &root, &format!("/users/{}/history", ada.id())).await.body;
    assert!(!html.contains("was asked for the second factor"), "no change of the account");
}

#[apply(on_both)]
async fn mf_1_no_device_cookie_or_token_stands_in_for_the_factor(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let ada = app.person("ada", "staff").await;
    let phone = enrol(&app, &ada, "phone").await;
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    let signed_in = half.show(&app, &phone.next_code(&app)).await;
    let known = signed_in.headers.iter().find_map(|(_, value)| value.strip_prefix(&format!("{KNOWN}=")));
    let known = known.expect("a device cookie").split(';').next().unwrap().to_owned();
    let opened = app.client.get("/sign-in").dispatch().await;
    let pre = opened.cookies().get(PRE).expect("a cookie").value().to_owned();
    let form = token(&opened.into_string().await.unwrap());
    let body = format!("username=ada&password={}&token={form}", PASSWORD.replace(' ', "+"));
    let request = app.client.post("/sign-in").header(ContentType::Form).body(body);
    let cookies = Header::new("Cookie", format!("{PRE}={pre}; {KNOWN}={known}"));
    let answer = Answer::of(request.header(cookies).dispatch().await).await;
    assert_eq!((answer.status, session_in(&answer)), (200, None), "a known browser is asked, too");
    // Tokens from before are over, and a session that has shown no factor makes no others.
    for token in [&ada.refresh, &ada.bearer] {
        let refreshed = app.json(Method::Post, "/v1/auth/refresh", None, &json!({"refresh": token})).await;
        assert_eq!(refreshed.status, 401);
        let verified = app.json(Method::Post, "/v1/auth/verify", None, &json!({"token": token})).await;
        assert_eq!(verified.status, 401);
    }
    let path = format!("/v1/users/{}/tokens", ada.id());
    let body = json!({"name": "script"});
    for with in ["without a factor of their own", "with one"] {
        let refused = app.json(Method::Post, &path, Some((&root, By::Cookie)), &body).await;
        assert!(
            refused.status == 400 && refused.body.contains("has a second factor"),
            "{with}: {}",
            refused.body
        );
        if with != "with one" {
            enrol(&app, &root, "phone").await;
        }
    }
    let owner = Person { cookie: session_in(&signed_in).expect("a session"), ..ada };
    let made = app.json(Method::Post, "/v1/account/tokens", Some((&owner, By::Cookie)), &body).await;
    let script = Person { bearer: made.json()["token"].as_str().expect("a token").to_owned(), ..owner };
    assert!(app.is_signed_in(&script, By::Bearer).await, "the owner's session has shown it");
}
