//! A user's own password, address and links, changed on the routes by which staff change others: a stolen cookie
//! or API token is not enough.

use rocket::http::{ContentType, Method};
use serde_json::{Value, json};
use usher::db;

use crate::app::{Answer, By, PASSWORD, Person, TestApp};
use crate::audit::trail;
use crate::console::{hidden, page, send_from, token};

const NEW: &str = "a wholly different phrase";

pub(crate) async fn ask(
    app: &TestApp,
    who: (&Person, By),
    method: Method,
    path: &str,
    body: &Value,
) -> Answer {
    app.json(method, path, Some(who), body).await
}

pub(crate) fn denied(code: &str) -> (u16, Value) {
    (403, json!(code))
}

pub(crate) fn verdict(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json()["code"].clone())
}

async fn staff(app: &TestApp) -> (Person, Person) {
    administrator(app, "staff", "staff").await
}

/// An administrator who has signed in long ago, and an API token of theirs that may change things.
pub(crate) async fn administrator(app: &TestApp, username: &str, kind: &str) -> (Person, Person) {
    let staff = app.person(username, kind).await;
    let body = json!({"name": "script", "read_only": false});
    let made = ask(app, (&staff, By::Cookie), Method::Post, "/v1/account/tokens", &body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let named = Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..staff.clone() };
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    (staff, named)
}

pub(crate) async fn confirm(app: &TestApp, who: (&Person, By)) {
    let body = json!({ "password": PASSWORD });
    assert_eq!(ask(app, who, Method::Post, "/v1/account/confirm", &body).await.status, 204);
}

fn whole(password: &str) -> Value {
    json!({"username": "staff", "password": password, "first_name": "", "last_name": "", "email": ""})
}

#[apply(on_both)]
async fn se_6_ones_own_password_is_set_by_no_cookie_or_token_alone(app: TestApp) {
    let (staff, named) = staff(&app).await;
    let (path, other) = (format!("/v1/users/{}", staff.id()), app.person("ada", "").await);
    let operations = app.usher.hasher.operations();
    for (method, body) in [(Method::Patch, json!({ "password": NEW })), (Method::Put, whole(NEW))] {
        let answer = ask(&app, (&staff, By::Cookie), method, &path, &body).await;
        assert_eq!(verdict(&answer), denied("confirmation_required"), "{method}");
        let answer = ask(&app, (&named, By::Bearer), method, &path, &body).await;
        assert_eq!(verdict(&answer), denied("sign_in_required"), "{method}");
    }
    assert_eq!(app.usher.hasher.operations(), operations, "refused before anything is hashed");
    assert_eq!(app.stored(staff.id()).await, staff.user);
    let theirs = format!("/v1/users/{}", other.id());
    let body = json!({ "password": NEW });
    let answer = ask(&app, (&staff, By::Cookie), Method::Patch, &theirs, &body).await;
    assert_eq!(answer.status, 200, "others' is what staff are for");
    confirm(&app, (&staff, By::Cookie)).await;
    let answer = ask(&app, (&named, By::Bearer), Method::Patch, &path, &body).await;
    assert_eq!(verdict(&answer), denied("sign_in_required"), "whatever other sessions have confirmed");
    let answer = ask(&app, (&staff, By::Cookie), Method::Patch, &path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(app.obtain("staff", NEW).await.status, 200);
}

/// Sends a form as a client with a bearer token, with the token of the page that it stands on.
pub(crate) async fn send_by_bearer(
    app: &TestApp,
    who: &Person,
    page_path: &str,
    path: &str,
    fields: &str,
) -> Answer {
    let html = app.get(who, page_path).await.body;
    let request = app.request(Method::Post, path, Some((who, By::Bearer))).header(ContentType::Form);
    Answer::of(request.body(format!("token={}&{fields}", token(&html))).dispatch().await).await
}

#[apply(on_both)]
async fn se_6_ones_own_password_in_the_console_asks_for_the_one_before(app: TestApp) {
    let (staff, named) = staff(&app).await;
    let path = format!("/users/{}/password", staff.id());
    let html = page(&app, &staff, &path).await.body;
    assert!(html.contains("name=\"current_password\"") && html.contains("your own"), "{html}");
    let version = hidden(&html, "version");
    let other = format!("/users/{}/password", app.person("ada", "").await.id());
    let others = page(&app, &staff, &other).await.body;
    assert!(!others.contains("current_password"));
    // What it does is said of whom it is done to.
    assert!(others.contains("Their current password stops working"), "{others}");
    assert!(html.contains("your password works until the link is used"), "{html}");
    assert!(!html.contains("Their current password"), "{html}");
    let fields = |mode, current| {
        [
            ("version", version.as_str()),
            ("mode", mode),
            ("password", if mode == "link" { "" } else { NEW }),
            ("current_password", current),
        ]
    };
    for mode in ["password", "link"] {
        for (current, problem) in
            [("", "Enter your password to go on."), ("wrong", "Your current password is wrong.")]
        {
            let (answer, _) = send_from(&app, &staff, &path, &path, &fields(mode, current)).await;
            assert_eq!(answer.status, 422, "{mode}: {}", answer.body);
            let chosen = if mode == "link" { "id=\"by-link\"" } else { "id=\"by-hand\"" };
            let chosen = answer.body.split(chosen).nth(1).unwrap().split('>').next().unwrap();
            assert!(answer.body.contains(problem) && chosen.contains("checked"), "{}", answer.body);
        }
        let typed = format!("version={version}&mode={mode}&password={NEW}&current_password={PASSWORD}");
        let answer = send_by_bearer(&app, &named, &path, &path, &typed.replace(' ', "+")).await;
        assert_eq!(answer.status, 403, "no API token: {}", answer.body);
    }
    assert_eq!(app.stored(staff.id()).await, staff.user);
    assert!(db::links::of_user(&app.usher.db, staff.user.id).await.unwrap().is_none());
    app.clock.advance(std::time::Duration::from_secs(30));
    let (answer, message) = send_from(&app, &staff, &path, &path, &fields("link", PASSWORD)).await;
    let made = "Made a link. Your password works until the link is used.";
    assert_eq!((answer.status, message.as_str()), (303, made), "{}", answer.body);
    assert!(!page(&app, &staff, &path).await.body.contains("current_password"), "asked for only once");
    let (answer, _) = send_from(&app, &staff, &path, &path, &fields("password", "")).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(app.obtain("staff", NEW).await.status, 200);
}

#[apply(on_both)]
async fn se_6_a_link_for_the_own_account_asks_for_the_password(app: TestApp) {
    let (staff, named) = staff(&app).await;
    let path = format!("/v1/users/{}/link", staff.id());
    for by in [By::Cookie, By::Bearer] {
        let answer = ask(&app, (&staff, by), Method::Post, &path, &json!({})).await;
        assert_eq!(verdict(&answer), denied("confirmation_required"), "{by:?}");
    }
    let answer = ask(&app, (&named, By::Bearer), Method::Post, &path, &json!({})).await;
    assert_eq!(verdict(&answer), denied("sign_in_required"));

    let page_path = format!("/users/{}", staff.id());
    let form = format!("{page_path}/link");
    for (fields, problem) in [
        (vec![], "Enter your password to go on."),
        (vec![("current_password", "wrong")], "Your current password is wrong."),
    ] {
        let (answer, _) = send_from(&app, &staff, &page_path, &form, &fields).await;
        assert_eq!(answer.status, 422);
        assert!(
            answer.body.contains(problem) && answer.body.contains("name=\"current_password\""),
            "{}",
            answer.body
        );
    }
    let typed = format!("current_password={}", PASSWORD.replace(' ', "+"));
    assert_eq!(send_by_bearer(&app, &named, &page_path, &form, &typed).await.status, 403);
    assert!(db::links::of_user(&app.usher.db, staff.user.id).await.unwrap().is_none());
    let (answer, _) = send_from(&app, &staff, &page_path, &form, &[("current_password", PASSWORD)]).await;
    assert_eq!(answer.status, 303);
    for by in [By::Cookie, By::Bearer] {
        confirm(&app, (&staff, by)).await;
        assert_eq!(ask(&app, (&staff, by), Method::Post, &path, &json!({})).await.status, 201, "{by:?}");
    }
    let other = format!("/v1/users/{}/link", app.person("ada", "").await.id());
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    for (who, by) in [(&staff, By::Cookie), (&named, By::Bearer)] {
        assert_eq!(ask(&app, (who, by), Method::Post, &other, &json!({})).await.status, 201, "for others");
    }
}

#[apply(on_both)]
async fn se_6_another_address_of_ones_own_among_the_users_asks_for_the_password(app: TestApp) {
    let (staff, named) = staff(&app).await;
    let path = format!("/v1/users/{}", staff.id());
    let email = json!({"email": "mine@example.org"});
    for method in [Method::Patch, Method::Put] {
        let mut body = whole(PASSWORD);
        body["email"] = email["email"].clone();
        let body = if method == Method::Put { &body } else { &email };
        let answer = ask(&app, (&staff, By::Cookie), method, &path, body).await;
        assert_eq!(verdict(&answer), denied("confirmation_required"), "{method}");
        let answer = ask(&app, (&named, By::Bearer), method, &path, body).await;
        assert_eq!(verdict(&answer), denied("sign_in_required"), "{method}");
    }
    let same = json!({"email": "", "last_name": "Hopper"});
    for (who, by) in [(&staff, By::Cookie), (&named, By::Bearer)] {
        let answer = ask(&app, (who, by), Method::Patch, &path, &same).await;
        assert_eq!(answer.status, 200, "only another address: {}", answer.body);
    }

    let form = format!("/users/{}", staff.id());
    let html = page(&app, &staff, &form).await.body;
    assert!(!html.contains("current_password"), "asked for only once it is needed");
    let version = hidden(&html, "version");
    let fields = |current| {
        [
            ("version", version.as_str()),
            ("username", "staff"),
            ("email", "mine@example.org"),
            ("first_name", "Grace"),
            ("last_name", "Hopper"),
            ("current_password", current),
        ]
    };
    for wrong in ["", "wrong"] {
        let (answer, _) = send_from(&app, &staff, &form, &form, &fields(wrong)).await;
        assert_eq!(answer.status, 422);
        for kept in ["mine@example.org", "Grace", "Needed to change your own username or email address."] {
            assert!(answer.body.contains(kept), "{kept}: {}", answer.body);
        }
    }
    assert_eq!(app.stored(staff.id()).await.email, "");
    let (answer, message) = send_from(&app, &staff, &form, &form, &fields(PASSWORD)).await;
    assert_eq!((answer.status, message.as_str()), (303, "Saved. Changed Email and First name."));
    let answer = ask(&app, (&staff, By::Cookie), Method::Patch, &path, &json!({"email": ""})).await;
    assert_eq!(answer.status, 200, "within five minutes");
}

#[apply(on_both)]
async fn se_6_an_address_of_ones_own_is_not_taken_back_without_the_password(app: TestApp) {
    let (staff, named) = staff(&app).await;
    let path = format!("/v1/users/{}", staff.id());
    let email = json!({"email": "mine@example.org"});
    assert_eq!(ask(&app, (&staff, By::Bearer), Method::Patch, &path, &email).await.status, 200);
    let entry = trail(&app).await.pop().unwrap().id;
    let undo = format!("/v1/audit/{entry}/undo");
    let answer = ask(&app, (&staff, By::Cookie), Method::Post, &undo, &json!({})).await;
    assert_eq!(verdict(&answer), denied("confirmation_required"));
    let answer = ask(&app, (&named, By::Bearer), Method::Post, &undo, &json!({})).await;
    assert_eq!(verdict(&answer), denied("sign_in_required"));
    let (page_path, form) = (format!("/users/{}", staff.id()), format!("/users/{}/undo/{entry}", staff.id()));
    let (answer, _) = send_from(&app, &staff, &page_path, &form, &[]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("Take back the change of your own account?"), "{}", answer.body);
    assert_eq!(app.stored(staff.id()).await.email, "mine@example.org");
    let (answer, message) =
        send_from(&app, &staff, &page_path, &form, &[("current_password", PASSWORD)]).await;
    assert_eq!((answer.status, message.as_str()), (303, "The change of staff was undone."));
    assert_eq!(app.stored(staff.id()).await.email, "");
}

#[apply(on_both)]
async fn se_6_a_conflict_comes_before_the_question_and_its_answer_is_kept(app: TestApp) {
    let (staff, _) = staff(&app).await;
    let form = format!("/users/{}", staff.id());
    let boss = app.person("boss", "superuser").await;
    let theirs = json!({"email": "theirs@example.org", "first_name": "Theirs"});
    assert_eq!(app.send(&boss, Method::Patch, &format!("/v1{form}"), &theirs).await.status, 200);
    let typed = [("username", "staff"), ("email", "mine@example.org"), ("first_name", "Mine")];
    let mut fields = vec![("version", "1"), ("last_name", "")];
    fields.extend(typed);
    let (answer, _) = send_from(&app, &staff, &form, &form, &fields).await;
    assert_eq!(answer.status, 412, "{}", answer.body);
    assert!(answer.body.contains("Someone else changed this user"));
    let answers =
        [("version", "2"), ("last_name", ""), ("keep_email", "yours"), ("keep_first_name", "theirs")];
    fields = answers.to_vec();
    fields.extend(typed);
    let (answer, _) = send_from(&app, &staff, &form, &form, &fields).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("value=\"Theirs\"") && answer.body.contains("value=\"mine@example.org\""));
    assert!(answer.body.contains("name=\"current_password\""), "{}", answer.body);
}

#[apply(on_both)]
async fn clients_that_send_whole_records_back_still_set_their_own_password(app: TestApp) {
    let (staff, _) = staff(&app).await;
    let mut body = whole(NEW);
    body["email"] = json!("mine@example.org");
    let path = format!("/v1/users/{}", staff.id());
    let answer = ask(&app, (&staff, By::Bearer), Method::Put, &path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(app.obtain("staff", NEW).await.status, 200);
    assert_eq!(app.stored(staff.id()).await.email, "mine@example.org");
}

#[apply(on_both)]
async fn se_6_another_username_of_ones_own_asks_for_the_password(app: TestApp) {
    let (staff, named) = staff(&app).await;
    let path = format!("/v1/users/{}", staff.id());
    let body = json!({"username": "renamed"});
    let answer = ask(&app, (&staff, By::Cookie), Method::Patch, &path, &body).await;
    assert_eq!(verdict(&answer), denied("confirmation_required"));
    let answer = ask(&app, (&named, By::Bearer), Method::Patch, &path, &body).await;
    assert_eq!(verdict(&answer), denied("sign_in_required"));
    let form = format!("/users/{}", staff.id());
    let fields = |current| {
        [
            ("version", "1"),
            ("username", "renamed"),
            ("email", ""),
            ("first_name", ""),
            ("last_name", ""),
            ("current_password", current),
        ]
    };
    let (answer, _) = send_from(&app, &staff, &form, &form, &fields("")).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("value=\"renamed\""), "{}", answer.body);
    assert_eq!(app.stored(staff.id()).await, staff.user);
    let (answer, message) = send_from(&app, &staff, &form, &form, &fields(PASSWORD)).await;
    assert_eq!((answer.status, message.as_str()), (303, "Saved. Changed Username."), "{}", answer.body);
}

#[apply(on_both)]
async fn se_6_ending_other_sessions_of_ones_own_asks_for_the_password(app: TestApp) {
    let (staff, named) = staff(&app).await;
    let sessions = app.get(&staff, "/v1/account/sessions").await.json();
    let key = |carrier: &str| {
        let session = sessions.as_array().unwrap().iter().find(|session| session["carrier"] == carrier);
        session.unwrap()["id"].to_string()
    };
    let (client, token) = (key("token"), key("named"));
    let doors = [
        ("/v1/account/sessions".to_owned(), "/account/sessions", "/account/sessions/end".to_owned()),
        (
            format!("/v1/account/sessions/{client}"),
            "/account/sessions",
            format!("/account/sessions/{client}/end"),
        ),
        (format!("/v1/account/tokens/{token}"), "/account/tokens", format!("/account/tokens/{token}/revoke")),
    ];
    for (route, stands_on, path) in &doors {
        let answer = ask(&app, (&staff, By::Cookie), Method::Delete, route, &json!({})).await;
        assert_eq!(verdict(&answer), denied("confirmation_required"), "{route}");
        for (typed, problem) in
            [("", "Enter your password to go on."), ("wrong", "Your current password is wrong.")]
        {
            let fields = [("current_password", typed)];
            let (answer, _) = send_from(&app, &staff, stands_on, path, &fields).await;
            assert_eq!(answer.status, 422, "{path}");
            assert!(answer.body.contains(problem), "{path}: {}", answer.body);
        }
    }
    for (route, ..) in &doors[..2] {
        let answer = ask(&app, (&named, By::Bearer), Method::Delete, route, &json!({})).await;
        assert_eq!(verdict(&answer), denied("sign_in_required"), "{route}");
    }
    assert!(app.is_signed_in(&staff, By::Bearer).await && app.is_signed_in(&named, By::Bearer).await);
    let typed = [("current_password", PASSWORD)];
    for (index, (_, stands_on, path)) in doors.iter().enumerate().rev() {
        app.sql("UPDATE sessions SET confirmed_at = 0").await;
        let (answer, message) = send_from(&app, &staff, stands_on, path, &typed).await;
        assert!(answer.status == 303 && !message.is_empty(), "{path}: {}", answer.body);
        assert_eq!(app.is_signed_in(&staff, By::Bearer).await, index == 2, "{path}");
    }
    assert!(app.is_signed_in(&staff, By::Cookie).await && !app.is_signed_in(&named, By::Bearer).await);
}

#[apply(on_both)]
async fn se_5_the_session_that_asks_is_ended_without_the_password(app: TestApp) {
    let (staff, named) = staff(&app).await;
    for (who, by) in [(&named, By::Bearer), (&staff, By::Cookie)] {
        let answer =
            Answer::of(app.request(Method::Get, "/v1/account/sessions", Some((who, by))).dispatch().await);
        let sessions = answer.await.json();
        let own = sessions.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
        let path = format!("/v1/account/sessions/{}", own["id"]);
        assert_eq!(ask(&app, (who, by), Method::Delete, &path, &json!({})).await.status, 204);
        assert!(!app.is_signed_in(who, by).await);
    }
}
