//! Account dates: from when until when an account may be used.

use std::time::Duration;

use rocket::http::Method;
use rocket::tokio::join;
use rocket::tokio::time::sleep;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use usher::model::clock::Timestamp;
use usher::model::error::Error;
use usher::model::precondition::Precondition;
use usher::model::user::UserInput;
use usher::operations::users;

use crate::app::{By, PASSWORD, Person, TestApp};
use crate::console::{hidden, page, send_from};

/// What of a person's is accepted: bearer, cookie, refresh, verify, sign-in.
async fn accepted(app: &TestApp, person: &Person) -> [bool; 5] {
    let post = async |path: &str, body: Value| app.json(Method::Post, path, None, &body).await.status == 200;
    [
        app.is_signed_in(person, By::Bearer).await,
        app.is_signed_in(person, By::Cookie).await,
        post("/v1/auth/refresh", json!({ "refresh": person.refresh })).await,
        post("/v1/auth/verify", json!({ "token": person.bearer })).await,
        app.obtain(person.user.username.as_str(), PASSWORD).await.status == 200,
    ]
}

#[apply(on_both)]
async fn se_2_every_door_session_and_token_obeys_the_dates_at_once(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "staff").await);
    let path = format!("/v1/users/{}", ada.id());
    let set = async |body: Value| {
        let answer = app.send(&root, Method::Patch, &path, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let instance = app.another_instance().await;
    let in_a_minute = app.clock.now().plus(Duration::from_mins(1));
    set(json!({"valid_until": in_a_minute.to_string()})).await;
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(accepted(&app, &ada).await, [true; 5], "a second before the end");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(accepted(&app, &ada).await, [false; 5], "at the end");
    assert_eq!(accepted(&instance, &ada).await, [false; 5], "on every instance");
    let refused = app.get(&ada, &path).await;
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("user_inactive")));

    set(json!({"valid_until": null, "valid_from": app.clock.now().plus(Duration::from_mins(1)).to_string()}))
        .await;
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(accepted(&app, &ada).await, [false; 5], "a second before the beginning");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(accepted(&app, &ada).await, [true; 5], "from the beginning on");
    set(json!({"valid_from": ""})).await;
    assert_eq!(accepted(&app, &ada).await, [true; 5]);
}

#[apply(on_both)]
async fn the_console_sets_shows_and_lifts_the_dates(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    let save = async |from: &str, until: &str| {
        let version = hidden(&page(&app, &staff, &path).await.body, "version");
        let fields = [
            ("version", version.as_str()),
            ("username", "ada"),
            ("email", ""),
            ("first_name", ""),
            ("last_name", ""),
            ("valid_from", from),
            ("valid_until", until),
        ];
        send_from(&app, &staff, &path, &path, &fields).await
    };
    let (answer, message) = save("", "2026-06-30T18:00").await;
    assert_eq!((answer.status, message.as_str()), (303, "Saved. Changed Valid until."));
    assert_eq!(app.stored(ada.id()).await.valid_until, Timestamp::parse("2026-06-30T18:00Z"));
    let shown = page(&app, &staff, &path).await.body;
    assert!(shown.contains("type=\"datetime-local\" value=\"2026-06-30T18:00\""), "{shown}");
    assert!(shown.contains("Valid from <span class=\"muted\">(optional)"), "{shown}");

    for (from, until, message) in [
        ("soon", "", "Valid from must be a date such as"),
        ("2026-07-01T00:00", "2026-06-30T18:00", "The account must end after it begins."),
    ] {
        let (answer, _) = save(from, until).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains(message), "{}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{from}\"")), "what was typed is still there");
    }

    let exact = "2026-06-30T18:00:05.123456Z";
    let body = json!({ "valid_until": exact });
    app.send(&staff, Method::Patch, &format!("/v1{path}"), &body).await;
    let (_, message) = save("2026-03-01", "2026-06-30T18:00:05.123").await;
    assert_eq!(message, "Saved. Changed Valid from.");
    assert_eq!(app.stored(ada.id()).await.valid_until, Timestamp::parse(exact), "it was not touched");
    let (_, message) = save("", "").await;
    assert_eq!(message, "Saved. Changed Valid from and Valid until.");
    let stored = app.stored(ada.id()).await;
    assert_eq!((stored.valid_from, stored.valid_until), (None, None));
}

#[apply(on_both)]
async fn a_superusers_account_cannot_have_dates(app: TestApp) {
    let (root, other) = (app.person("root", "superuser").await, app.person("other", "superuser").await);
    let path = format!("/users/{}", other.id());
    let body = json!({"valid_until": "2030-01-01"});
    let answer = app.send(&root, Method::Patch, &format!("/v1{path}"), &body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["valid_until"][0], json!("A superuser's account cannot have dates."));
    assert!(!page(&app, &root, &path).await.body.contains("valid_until"));
}

#[apply(on_both)]
async fn az_5_no_way_leads_to_a_superuser_with_an_end(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "staff").await);
    let path = format!("/v1/users/{}", ada.id());
    let change = async |body: Value| app.send(&root, Method::Patch, &path, &body).await;
    assert_eq!(change(json!({"valid_until": "2026-04-01"})).await.status, 200);
    let answer = change(json!({"is_superuser": true})).await;
    assert!(!app.stored(ada.id()).await.is_superuser, "{}: {}", answer.status, answer.body);
    assert_eq!(change(json!({"valid_until": null})).await.status, 200);
    let newest = json!({"limit": 1});
    let lifted = app.send(&root, Method::Post, "/v1/audit/list", &newest).await.json()[0]["id"].clone();
    app.sql(&format!("UPDATE users SET is_superuser = TRUE WHERE id = {}", ada.id())).await;
    let undo = app.send(&root, Method::Post, &format!("/v1/audit/{lifted}/undo"), &json!({})).await;
    assert_eq!((undo.status, &undo.json()["code"]), (409, &json!("does_not_fit")));
    assert_eq!(app.stored(ada.id()).await.valid_until, None);
}

/// Does something while a statement that is not committed yet holds the row; it is committed a moment later.
async fn meanwhile<T>(app: &TestApp, sql: &str, done: impl Future<Output = T>) -> T {
    const MOMENT: Duration = Duration::from_millis(700);
    let sql = AssertSqlSafe(sql.to_owned());
    if app.url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(&app.url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        let commit = async {
            sleep(MOMENT).await;
            sqlx::query("COMMIT").execute(&mut connection).await.unwrap();
        };
        join!(done, commit).0
    } else {
        let mut connection = PgConnection::connect(&app.url).await.unwrap();
        sqlx::query("BEGIN").execute(&mut connection).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        let commit = async {
            sleep(MOMENT).await;
            sqlx::query("COMMIT").execute(&mut connection).await.unwrap();
        };
        join!(done, commit).0
    }
}

#[apply(on_both)]
async fn az_5_dates_for_a_user_who_becomes_a_superuser_meanwhile_do_not_fit(app: TestApp) {
    let (root, staff) = (app.person("root", "superuser").await, app.person("staff", "staff").await);
    for (by, name, refused) in [(&root, "ada", 400), (&staff, "bob", 403)] {
        let person = app.person(name, "").await;
        let path = format!("/v1/users/{}", person.id());
        let body = json!({"valid_until": "2026-04-01"});
        let promote = format!("UPDATE users SET is_superuser = TRUE WHERE id = {}", person.id());
        let answer = meanwhile(&app, &promote, Box::pin(app.send(by, Method::Patch, &path, &body))).await;
        assert_eq!(answer.status, refused, "{}", answer.body);
        if refused == 400 {
            let message = json!({"valid_until": ["A superuser's account cannot have dates."]});
            assert_eq!(answer.json(), message);
        }
        let stored = app.stored(person.id()).await;
        assert_eq!((stored.is_superuser, stored.valid_until, stored.version), (true, None, 1));
    }
    // The other way round: dates that were set before a user is made a superuser.
    let eve = app.person("eve", "").await;
    let mut draft = UserInput::default();
    draft.changes.is_superuser = Some(true);
    let end = app.clock.now().plus(Duration::from_hours(1)).micros();
    let limit = format!("UPDATE users SET valid_until = {end} WHERE id = {}", eve.id());
    let can = app.can(&root).await;
    let promote = users::update(&can, eve.user.id, &draft, &Precondition::Any);
    let refused = meanwhile(&app, &limit, Box::pin(promote)).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert!(!app.stored(eve.id()).await.is_superuser);
}

#[apply(on_both)]
async fn users_cannot_change_the_dates_of_their_own_account(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    let path = format!("/users/{}", staff.id());
    let end = json!({"valid_until": "2026-04-01T18:00"});
    let soon = [("valid_from", ""), ("valid_until", "2026-03-01T09:01")];
    let typed = async || {
        let version = hidden(&page(&app, &staff, &path).await.body, "version");
        let own = [("version", version.as_str()), ("username", "staff"), ("email", ""), ("first_name", "")];
        let fields: Vec<_> = own.into_iter().chain([("last_name", "")]).chain(soon).collect();
        send_from(&app, &staff, &path, &path, &fields).await.0
    };
    let refused = app.send(&staff, Method::Patch, &format!("/v1{path}"), &end).await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("limits_self")));
    let answer = typed().await;
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("You cannot change the dates of your own account."), "{}", answer.body);
    assert_eq!(app.stored(staff.id()).await.valid_until, None);

    assert_eq!(app.send(&other, Method::Patch, &format!("/v1{path}"), &end).await.status, 200);
    let lifted = app.send(&staff, Method::Patch, &format!("/v1{path}"), &json!({"valid_until": null})).await;
    assert_eq!(lifted.status, 409, "nor do users stay beyond their end");
    let shown = page(&app, &staff, &path).await.body;
    assert!(!shown.contains("name=\"valid_until\""), "{shown}");
    assert!(shown.contains("You cannot change your own access or the dates of your own account."), "{shown}");
    assert!(shown.contains("<dt>Valid until</dt><dd><time datetime=\"2026-04-01T18:00Z\">"), "{shown}");
    assert!(!shown.contains("/undo/"), "no button for what would be refused");
    assert!(page(&app, &other, &path).await.body.contains("/undo/"));
}

#[apply(on_both)]
async fn an_account_outside_its_dates_is_not_shown_as_active(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    for (dates, word, reason) in [
        (json!({"valid_until": "2026-02-28"}), "Ended", "The account ended on 28 Feb 2026, 00:00."),
        (
            json!({"valid_until": null, "valid_from": "2026-03-02"}),
            "Not yet valid",
            "The account begins on 2 Mar 2026, 00:00.",
        ),
    ] {
        assert_eq!(app.send(&staff, Method::Patch, &format!("/v1{path}"), &dates).await.status, 200);
        let tag = format!("<span class=\"tag warn\">{word}</span>");
        let list = page(&app, &staff, "/users?q=ada").await.body;
        let own = page(&app, &staff, &path).await.body;
        assert!(list.contains(&tag) && own.contains(&tag), "{word}");
        let why = format!("<div class=\"note off\"><p>Can they sign in? No. {reason}</p></div>");
        assert!(own.contains(&why), "{own}");
    }
    let lifted = json!({"valid_from": null});
    assert_eq!(app.send(&staff, Method::Patch, &format!("/v1{path}"), &lifted).await.status, 200);
    let own = page(&app, &staff, &path).await.body;
    assert!(own.contains("<span class=\"tag dot ok\">Active</span>"), "{own}");
    assert!(!own.contains("note off"), "{own}");
}
