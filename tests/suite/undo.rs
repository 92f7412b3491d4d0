//! Taking one change back, by the API and by the console.

use std::time::Duration;

use rocket::futures::future::join_all;
use rocket::http::Method::{Delete, Patch, Post};
use serde_json::{Value, json};
use usher::model::precondition::Precondition;
use usher::model::session::Credential;
use usher::model::user::{UserChanges, UserId};
use usher::operations::users;

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::audit::trail;
use crate::console::{page, send, send_from, token};

async fn patch(app: &TestApp, by: &Person, of: &Person, body: Value) -> i64 {
    let answer = app.send(by, Patch, &format!("/v1/users/{}", of.id()), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    trail(app).await.last().unwrap().id
}

async fn undo(app: &TestApp, by: &Person, entry: i64) -> Answer {
    app.send(by, Post, &format!("/v1/audit/{entry}/undo"), &json!({})).await
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

fn conflict(code: &str) -> (u16, String) {
    (409, code.to_owned())
}

#[apply(on_both)]
async fn an_edit_is_taken_back_with_an_entry_of_its_own_and_so_is_the_undo(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let body = json!({"email": "ada@example.org", "is_staff": true, "valid_until": "2027-01-01"});
    let edit = patch(&app, &staff, &ada, body).await;
    let answer = undo(&app, &staff, edit).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!((&answer.json()["email"], &answer.json()["is_staff"]), (&json!(""), &json!(false)));
    assert_eq!(answer.json().as_object().unwrap().len(), 10, "the record");
    let stored = app.stored(ada.id()).await;
    assert_eq!((stored.valid_until, stored.version), (None, 3));

    let entry = trail(&app).await.pop().unwrap();
    assert_eq!((entry.action.as_str(), entry.undoes), ("user_changed", Some(edit)));
    assert_eq!((entry.actor_id, entry.target_id), (Some(staff.id()), Some(ada.id())));
    assert_eq!(code(&undo(&app, &staff, edit).await), conflict("already_undone"));
    assert_eq!(undo(&app, &staff, entry.id).await.status, 200, "the undo of the undo");
    assert_eq!(app.stored(ada.id()).await.email, "ada@example.org");
    assert_eq!(code(&undo(&app, &staff, edit).await), conflict("already_undone"));
}

#[apply(on_both)]
async fn what_has_changed_since_is_named_with_who_and_when(app: TestApp) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    let ada = app.person("ada", "").await;
    let edit = patch(&app, &staff, &ada, json!({"email": "one@example.org", "first_name": "Ada"})).await;
    patch(&app, &staff, &ada, json!({"last_name": "Lovelace"})).await;
    patch(&app, &root, &ada, json!({"email": "two@example.org"})).await;
    app.sql(&format!("UPDATE users SET first_name = 'Augusta' WHERE id = {}", ada.id())).await;
    let before = app.stored(ada.id()).await;
    let answer = undo(&app, &staff, edit).await;
    assert_eq!(code(&answer), conflict("changed_since"));
    assert_eq!(
        answer.json()["detail"],
        "This cannot be undone: Email was changed by root on 2026-03-01 at 09:00 UTC; \
         First name has changed since."
    );
    assert_eq!(app.stored(ada.id()).await, before);
}

#[apply(on_both)]
async fn fields_that_others_have_changed_beside_it_stay_as_they_are(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let edit = patch(&app, &staff, &ada, json!({"email": "one@example.org"})).await;
    patch(&app, &staff, &ada, json!({"last_name": "Lovelace"})).await;
    assert_eq!(undo(&app, &staff, edit).await.status, 200);
    let stored = app.stored(ada.id()).await;
    assert_eq!((stored.email.as_str(), stored.last_name.as_str()), ("", "Lovelace"));
}

#[apply(on_both)]
async fn nothing_is_undone_after_24_hours(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let first = patch(&app, &staff, &ada, json!({"email": "one@example.org"})).await;
    let second = patch(&app, &staff, &ada, json!({"first_name": "Ada"})).await;
    app.clock.advance(Duration::from_hours(24) - Duration::from_secs(1));
    let later = app.person("later", "staff").await;
    assert_eq!(undo(&app, &later, first).await.status, 200);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(code(&undo(&app, &later, second).await), conflict("undo_expired"));
    assert_eq!(app.stored(ada.id()).await.first_name, "Ada");
}

#[apply(on_both)]
async fn what_is_no_change_of_a_user_cannot_be_undone(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    assert_eq!(app.obtain("nobody", PASSWORD).await.status, 401);
    let create = json!({"username": "new", "password": "another long password", "first_name": "", "last_name": "", "email": ""});
    assert_eq!(app.send(&staff, Post, "/v1/users/create", &create).await.status, 201);
    patch(&app, &staff, &ada, json!({"password": "another long password"})).await;
    patch(&app, &staff, &ada, json!({"password": "yet another password", "is_active": false})).await;
    let trail = trail(&app).await;
    assert_eq!(trail.len(), 5);
    for entry in trail {
        assert_eq!(code(&undo(&app, &staff, entry.id).await), conflict("not_undoable"), "{}", entry.action);
    }
    for missing in ["999", "0", "abc", "99999999999999999999"] {
        let answer = app.send(&staff, Post, &format!("/v1/audit/{missing}/undo"), &json!({})).await;
        assert_eq!((answer.status, &answer.json()["detail"]), (404, &json!("Not found.")), "{missing}");
    }
}

#[apply(on_both)]
async fn a_name_that_another_user_has_now_is_not_taken_from_them(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let edit = patch(&app, &staff, &ada, json!({"username": "lovelace"})).await;
    app.person("Ada", "").await;
    let answer = undo(&app, &staff, edit).await;
    assert_eq!(code(&answer), conflict("does_not_fit"));
    assert!(answer.body.contains("A user with that username already exists."), "{}", answer.body);
    assert_eq!(app.stored(ada.id()).await.username.as_str(), "lovelace");
}

#[apply(on_both)]
async fn az_3_staff_do_not_undo_a_change_of_a_superuser(app: TestApp) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    let other = app.person("other", "superuser").await;
    let edit = patch(&app, &root, &other, json!({"email": "other@example.org"})).await;
    let answer = undo(&app, &staff, edit).await;
    assert_eq!(code(&answer), (403, "superuser_required".to_owned()));
    let path = format!("/users/{}/undo/{edit}", other.id());
    assert_eq!(send_from(&app, &staff, "/users/new", &path, &[]).await.0.status, 403);
    assert_eq!(app.stored(other.id()).await.email, "other@example.org");
    assert_eq!(undo(&app, &root, edit).await.status, 200);
}

#[apply(on_both)]
async fn az_5_an_undo_leaves_a_superuser_and_the_caller_in_place(app: TestApp) {
    let (root, boss) = (app.person("root", "superuser").await, app.person("boss", "staff").await);
    let body = UserChanges { is_superuser: Some(true), ..UserChanges::default() };
    users::update(&app.can(&root).await, UserId(boss.id()), &body.into(), &Precondition::Any).await.unwrap();
    let promotion = trail(&app).await.pop().unwrap().id;
    let again = app.session(boss.user.id, Credential::Jwt).await;
    let boss = Person { bearer: usher::operations::sign_in::tokens(&app.usher, &again).access, ..boss };
    assert_eq!(code(&undo(&app, &boss, promotion).await), conflict("demotes_self"));
    let path = format!("/v1/users/{}", root.id());
    assert_eq!(app.send(&boss, Delete, &path, &Value::Null).await.status, 204);
    assert!(app.stored(boss.id()).await.is_superuser);
}

#[apply(on_both)]
async fn se_2_an_undone_deactivation_revives_no_session(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    app.send(&staff, Delete, &format!("/v1/users/{}", ada.id()), &Value::Null).await;
    let entry = trail(&app).await.pop().unwrap();
    assert_eq!(undo(&app, &staff, entry.id).await.status, 200);
    assert!(app.stored(ada.id()).await.is_active);
    assert!(!app.is_signed_in(&ada, By::Bearer).await && !app.is_signed_in(&ada, By::Cookie).await);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
}

#[apply(on_both)]
async fn se_6_giving_back_superuser_rights_asks_for_the_password(app: TestApp) {
    let (root, boss) = (app.person("root", "superuser").await, app.person("boss", "superuser").await);
    let body = UserChanges { is_superuser: Some(false), ..UserChanges::default() };
    users::update(&app.can(&root).await, UserId(boss.id()), &body.into(), &Precondition::Any).await.unwrap();
    let demotion = trail(&app).await.pop().unwrap().id;
    app.clock.advance(Duration::from_mins(6));
    app.sql(&format!("UPDATE sessions SET last_seen_at = {}", app.clock.now().micros())).await;
    let path = format!("/v1/audit/{demotion}/undo");
    let answer = app.json(Post, &path, Some((&root, By::Cookie)), &json!({})).await;
    assert_eq!(code(&answer), (403, "confirmation_required".to_owned()));

    let path = format!("/users/{}/undo/{demotion}", boss.id());
    let (answer, _) = send_from(&app, &root, "/users/new", &path, &[]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("name=\"current_password\"") && answer.body.contains("Enter your password"));
    let (answer, _) = send_from(&app, &root, "/users/new", &path, &[("current_password", "wrong")]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("Your current password is wrong."));
    assert!(!app.stored(boss.id()).await.is_superuser);
    let (answer, message) =
        send_from(&app, &root, "/users/new", &path, &[("current_password", PASSWORD)]).await;
    assert_eq!((answer.status, message.as_str()), (303, "The change of boss was undone."));
    assert!(app.stored(boss.id()).await.is_superuser);
    let told: Vec<String> = trail(&app).await.into_iter().map(|entry| entry.action).collect();
    assert!(
        told.ends_with(
            &["password_confirmation_failed", "password_confirmed", "user_changed"].map(str::to_owned)
        ),
        "{told:?}"
    );
}

#[apply(on_both)]
async fn rl_14_of_many_who_undo_at_once_one_does(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let edit = patch(&app, &staff, &ada, json!({"email": "one@example.org"})).await;
    let answers = join_all((0..10).map(|_| undo(&app, &staff, edit))).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1);
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.status == 409));
    assert_eq!(trail(&app).await.iter().filter(|entry| entry.undoes == Some(edit)).count(), 1);
}

#[apply(on_both)]
async fn the_message_after_each_change_has_a_button_that_undoes_it(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    let deactivate = format!("{path}/deactivate");
    for (what, message, fields) in [
        (
            path.as_str(),
            "Saved. Changed Email.",
            vec![("version", "1"), ("username", "ada"), ("email", "a@example.org")],
        ),
        (deactivate.as_str(), "ada was deactivated and signed out of 2 devices.", vec![]),
    ] {
        let token = token(&page(&app, &staff, &path).await.body);
        let encode = |text: &str| rocket::http::RawStr::new(text).percent_encode().to_string();
        let body: String = fields.iter().fold(format!("token={}", encode(&token)), |body, (name, value)| {
            format!("{body}&{name}={}", encode(value))
        });
        let request = app.request(Post, what, Some((&staff, By::Cookie)));
        let response = request.header(rocket::http::ContentType::Form).body(body).dispatch().await;
        let flash = response.cookies().get("__Host-flash-0a1b2c3d").expect("a message").clone();
        let request = app.request(rocket::http::Method::Get, &path, Some((&staff, By::Cookie)));
        let html = Answer::of(request.header(cookie_header(flash.name(), flash.value())).dispatch().await);
        let html = html.await.body.replace("&#x2F;", "/");
        assert!(html.contains(message), "{html}");
        let entry = trail(&app).await.pop().unwrap().id;
        let button = format!("{path}/undo/{entry}");
        assert!(html.contains(&format!("action=\"{button}\"")), "{html}");
        let (answer, message) = send(&app, &staff, &button, &[("token", &token)]).await;
        assert_eq!((answer.status, message.as_str()), (303, "The change of ada was undone."));
        let again = send(&app, &staff, &button, &[("token", &token)]).await.0;
        assert_eq!(again.status, 409);
        assert!(again.body.contains("This is undone already."), "{}", again.body);
        let elsewhere = button.replace(&path, &format!("/users/{}", staff.id()));
        assert_eq!(send(&app, &staff, &elsewhere, &[("token", &token)]).await.0.status, 404);
        assert_eq!(send(&app, &staff, &button, &[("token", "AAAA")]).await.0.status, 403, "cs_1");
    }
    let stored = app.stored(ada.id()).await;
    assert_eq!((stored.email.as_str(), stored.is_active), ("", true));
}

#[apply(on_both)]
async fn a_deactivated_users_page_says_who_did_it_and_when(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    assert!(!page(&app, &staff, &path).await.body.contains("Deactivated by"));
    app.send(&staff, Delete, &format!("/v1{path}"), &Value::Null).await;
    let html = page(&app, &staff, &path).await.body;
    assert!(html.contains("Deactivated by staff on <time datetime=\"2026-03-01T09:00Z\">"), "{html}");
    assert!(html.contains(">Reactivate</button>"));
}
