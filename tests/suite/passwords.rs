//! Passwords as people type and paste them, at every door.

use rocket::http::Method;
use serde_json::{Value, json};
use usher::db;
use usher::model::user::{InputMode, UserPatch};
use usher::operations::operator;

use crate::app::{Answer, By, PASSWORD, Person, TestApp};
use crate::console::{hidden, page, send_from};
use crate::links::{redeem, secret};

/// Sets the password of a user by one door after another, each the only one for its name.
async fn set(app: &TestApp, admin: &Person, ada: &Person, door: &str, new: &str) -> Answer {
    let (record, reset) = (format!("/v1/users/{}", ada.id()), format!("/users/{}/password", ada.id()));
    let whole = json!({"username": "ada", "password": new, "first_name": "", "last_name": "", "email": ""});
    match door {
        "create" => {
            let mut body: Value = whole;
            body["username"] = json!("bob");
            app.send(admin, Method::Post, "/v1/users/create", &body).await
        }
        "put" => app.send(admin, Method::Put, &record, &whole).await,
        "patch" => app.send(admin, Method::Patch, &record, &json!({ "password": new })).await,
        "own" => {
            let body = json!({"current_password": PASSWORD, "new_password": new});
            app.send(ada, Method::Post, "/v1/account/password", &body).await
        }
        "new user in the console" => {
            let fields = [("username", "bob"), ("mode", "password"), ("password", new)];
            send_from(app, admin, "/users/new", "/users/new", &fields).await.0
        }
        "reset in the console" => {
            let version = hidden(&page(app, admin, &reset).await.body, "version");
            let fields = [("version", version.as_str()), ("mode", "password"), ("password", new)];
            send_from(app, admin, &reset, &reset, &fields).await.0
        }
        "own in the console" => {
            let fields = [("current_password", PASSWORD), ("new_password", new)];
            send_from(app, ada, "/account/password", "/account/password", &fields).await.0
        }
        _ => panic!("{door} is no door"),
    }
}

const DOORS: [&str; 7] = [
    "create",
    "put",
    "patch",
    "own",
    "new user in the console",
    "reset in the console",
    "own in the console",
];

/// Puts everybody back to where they were.
async fn reset(app: &TestApp, count: usize) -> (Person, Person) {
    app.sql("DELETE FROM users").await;
    (app.person(&format!("admin{count}"), "staff").await, app.person("ada", "ordinary").await)
}

#[apply(on_both)]
async fn pw_7_the_bound_is_128_code_points_at_every_door_and_the_server_says_so(app: TestApp) {
    // In UTF-16, as browsers count, the longest password is 256 long.
    let (longest, too_long) = ("🦦".repeat(128), "🦦".repeat(129));
    for (count, door) in DOORS.into_iter().enumerate() {
        let (admin, ada) = reset(&app, count).await;
        let refused = set(&app, &admin, &ada, door, &too_long).await;
        assert!(matches!(refused.status, 400 | 422), "{door}: {} {}", refused.status, refused.body);
        let told = ["no more than 128 characters", "128 characters or fewer"];
        assert!(told.iter().any(|told| refused.body.contains(told)), "{door}: {}", refused.body);
        let taken = set(&app, &admin, &ada, door, &longest).await;
        assert!(matches!(taken.status, 200..=303), "{door}: {} {}", taken.status, taken.body);
        let name = if matches!(door, "create" | "new user in the console") { "bob" } else { "ada" };
        assert_eq!(app.obtain(name, &longest).await.status, 200, "{door}: all of it counts");
        assert_eq!(app.obtain(name, &"🦦".repeat(127)).await.status, 401, "{door}");
    }
    let (admin, ada) = reset(&app, DOORS.len()).await;
    let path = format!("/v1/users/{}/link", ada.id());
    let link = app.send(&admin, Method::Post, &path, &json!({})).await.json();
    let secret = secret(link["url"].as_str().unwrap());
    assert_eq!((redeem(&app, &secret, &too_long).await, redeem(&app, &secret, &longest).await), (422, 303));
    assert_eq!(app.obtain("ada", &longest).await.status, 200, "by a link");
    let typed =
        |text: &str| UserPatch { password: text.into(), ..UserPatch::default() }.into_input(InputMode::Part);
    assert!(operator::change_password(&app.usher, "ada", &typed(&too_long)).await.is_err());
    assert!(operator::change_password(&app.usher, "ada", &typed(&longest)).await.is_ok());
}

#[apply(on_both)]
async fn pw_7_no_field_of_the_console_cuts_what_is_pasted(app: TestApp) {
    let root = app.person("root", "superuser").await;
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    let (path, mut fields) = (format!("/users/{}/password", root.id()), 0);
    for path in ["/account", "/account/password", "/account/tokens", "/users/new", &path, "/sign-in"] {
        let html = page(&app, &root, path).await.body;
        assert!(!html.contains("maxlength"), "{path}: {html}");
        fields += html.matches("type=\"password\"").count();
    }
    assert!(fields >= 8, "{fields} fields");
}

const NFC: &str = "p\u{e9}lican bl\u{e5} 7";
const NFD: &str = "pe\u{301}lican\u{a0}bla\u{30a} 7";
const DJANGO_OF_NFD: &str = "pbkdf2_sha256$1000$saltsaltsalt$YbtBOzXjFcVaUPX30MJL5eHzmTQikiE+Ppv6MJ+Rawo=";

/// The stored hash.
async fn hash(app: &TestApp) -> String {
    let found = db::users::credentials(&app.usher.db, "ada").await.unwrap().unwrap();
    found.password.as_str().to_owned()
}

#[apply(on_both)]
async fn pw_15_a_password_is_right_however_its_characters_are_composed(app: TestApp) {
    for (count, door) in DOORS.into_iter().enumerate() {
        for (set_as, typed) in [(NFC, NFD), (NFD, NFC)] {
            let (admin, ada) = reset(&app, count).await;
            let answer = set(&app, &admin, &ada, door, set_as).await;
            assert!(matches!(answer.status, 200..=303), "{door}: {} {}", answer.status, answer.body);
            let name = if matches!(door, "create" | "new user in the console") { "bob" } else { "ada" };
            let before = app.usher.hasher.operations();
            assert_eq!(app.obtain(name, typed).await.status, 200, "{door}");
            assert_eq!(app.usher.hasher.operations() - before, 1, "{door}: no second try is needed");
            assert_eq!(app.obtain(name, "pelican bla 7").await.status, 401, "{door}");
        }
    }
}

#[apply(on_both)]
async fn pw_15_a_password_that_was_hashed_as_typed_still_works_and_is_hashed_anew(app: TestApp) {
    app.person("ada", "ordinary").await;
    // Made by Django of the decomposed text, with few iterations.
    app.sql(&format!("UPDATE users SET password = '{DJANGO_OF_NFD}' WHERE username = 'ada'")).await;
    assert_eq!(app.obtain("ada", NFC).await.status, 401, "not before it was typed as it was set");
    assert_eq!(hash(&app).await, DJANGO_OF_NFD);
    assert_eq!(app.obtain("ada", NFD).await.status, 200);
    assert!(hash(&app).await.starts_with("$argon2id$"));
    for typed in [NFC, NFD] {
        let before = app.usher.hasher.operations();
        assert_eq!(app.obtain("ada", typed).await.status, 200);
        assert_eq!(app.usher.hasher.operations() - before, 1);
    }
}

#[apply(on_both)]
async fn pw_15_the_password_is_asked_for_and_compared_in_its_normal_form(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let ada = app.person("ada", "ordinary").await;
    let path = format!("/v1/users/{}", ada.id());
    assert_eq!(app.send(&admin, Method::Patch, &path, &json!({ "password": NFD })).await.status, 200);
    let tokens = app.obtain("ada", NFC).await.json();
    let ada = Person { bearer: tokens["access"].as_str().unwrap().to_owned(), ..ada };
    let confirm = json!({ "password": NFC });
    let by = Some((&ada, By::Bearer));
    assert_eq!(app.json(Method::Post, "/v1/account/confirm", by, &confirm).await.status, 204);
    let same = json!({"current_password": NFC, "new_password": NFD});
    let refused = app.json(Method::Post, "/v1/account/password", by, &same).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(refused.json(), json!({"new_password": ["Choose a password other than the current one."]}));
}

#[apply(on_both)]
async fn pw_2_a_password_in_another_form_costs_the_same_whether_or_not_the_account_exists(app: TestApp) {
    app.person("ada", "ordinary").await;
    app.person("bob", "inactive").await;
    for (name, password, cost) in
        [("ada", NFD, 2), ("bob", NFD, 2), ("eve", NFD, 2), ("ada", NFC, 1), ("bob", NFC, 1), ("eve", NFC, 1)]
    {
        let before = app.usher.hasher.operations();
        assert_eq!(app.obtain(name, password).await.status, 401);
        assert_eq!(app.usher.hasher.operations() - before, cost, "{name} {password:?}");
    }
}
