//! All that is stored about a person, for themselves and for staff who answer them.

use std::time::Duration;

use rocket::http::Method::{Get, Patch, Post};
use rocket::http::{ContentType, Header};
use serde_json::{Value, json};
use usher::db;
use usher::model::audit::{Action, Author, Entry};
use usher::model::origin::Origin;

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::audit::trail;
use crate::console::{page, token};

/// What the tables hold that is personal: each text stands in one place only.
const STORED: [&str; 9] = [
    "Lovelace",
    "ada@example.org",
    "Europe/Vilnius",
    "a script of hers",
    "her phone",
    "new@example.org",
    "mailed@example.org",
    "250 queued",
    "E-4711",
];

async fn world(app: &TestApp) -> (Person, Person) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let user = format!("/v1/users/{}", ada.id());
    let names = json!({"last_name": "Lovelace", "email": "ada@example.org"});
    assert_eq!(app.send(&staff, Patch, &user, &names).await.status, 200);
    let note = json!({"note": "was rude to Mr. Babbage"});
    assert_eq!(app.send(&staff, Post, &format!("{user}/notes"), &note).await.status, 201);
    let token = json!({"name": "a script of hers"});
    assert_eq!(app.send(&ada, Post, "/v1/account/tokens", &token).await.status, 201);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    let (id, later) = (ada.id(), app.clock.now().plus(Duration::from_hours(9)).micros());
    let bytes = |text: &str| {
        if app.url.starts_with("sqlite") { format!("x'{text}'") } else { format!("'\\x{text}'::bytea") }
    };
    for sql in [
        format!("UPDATE users SET preferences = '{{\"time_zone\":\"Europe/Vilnius\"}}' WHERE id = {id}"),
        format!(
            "INSERT INTO factors (user_id, kind, name, sealed, last_step, created_at) \
             VALUES ({id}, 'totp', 'her phone', {}, 0, 0)",
            bytes("5ec2e7")
        ),
        format!(
            "INSERT INTO links (user_id, purpose, secret_hash, created_at, expires_at, sealed) \
             VALUES ({id}, 'reset', {}, 0, {later}, {})",
            bytes(&"5e".repeat(32)),
            bytes("")
        ),
        format!("INSERT INTO recovery_codes (user_id, code_hash) VALUES ({id}, {})", bytes("5ec2e7")),
        format!(
            "INSERT INTO known_browsers (user_id, number_hash, signed_in_at) VALUES ({id}, {}, {later})",
            bytes("5ec2e7")
        ),
        format!(
            "INSERT INTO unconfirmed_addresses (user_id, address, mail_to, mail_to_folded, secret_hash, expires_at) \
             VALUES ({id}, 'new@example.org', '', '', {}, {later})",
            bytes(&"5e".repeat(32))
        ),
        format!(
            "INSERT INTO mails (user_id, purpose, recipient, state, response, created_at, changed_at) \
             VALUES ({id}, 'reset', 'mailed@example.org', 'accepted', '250 queued', {later}, {later})"
        ),
        format!(
            "INSERT INTO external_ids (client_id, user_id, external_id) VALUES ({}, {id}, 'E-4711')",
            staff.id()
        ),
    ] {
        app.sql(&sql).await;
    }
    (staff, ada)
}

fn actions(file: &Value) -> Vec<&str> {
    file["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

#[apply(on_both)]
async fn pd_1_a_person_takes_all_that_is_stored_about_them(app: TestApp) {
    let (staff, ada) = world(&app).await;
    let before = trail(&app).await.len();
    let answer = app.get(&ada, "/v1/account/data").await;
    let name = format!("attachment; filename=\"data-{}-2026-03-01.json\"", ada.id());
    assert_eq!((answer.status, answer.header("Content-Disposition")), (200, Some(name.as_str())));
    let file = answer.json();
    let page = page(&app, &ada, "/account/data").await;
    for stored in STORED {
        assert!(answer.body.contains(stored), "{stored}: {}", answer.body);
        assert!(page.body.contains(stored), "{stored}: {}", page.body);
    }
    assert_eq!((&file["format"], &file["profile"]["pk"]), (&json!(1), &json!(ada.id())));
    assert_eq!(file["known_browsers"]["count"], 1);
    assert_eq!(file["second_factors"]["recovery_codes_left"], 1);
    assert_eq!(file["links"][0]["purpose"], "reset");
    assert_eq!(actions(&file), ["user_changed", "note_added", "token_made", "sign_in"]);
    for secret in ["argon2", "5ec2e7", "XsLn", "secret_hash", "code_hash"] {
        assert!(!answer.body.contains(secret) && !page.body.contains(secret), "{secret}");
    }
    assert!(page.body.contains("Columns left out") && page.body.contains("Second factor"), "{}", page.body);
    assert!(!page.body.contains("SecondFactor"), "no name of the program's own: {}", page.body);
    // What staff wrote, and who they are, is for them to say.
    for other in ["Babbage", "\"staff\""] {
        assert!(!answer.body.contains(other) && !page.body.contains(other), "{other}: {}", answer.body);
    }
    let change = &file["entries"][0];
    assert_eq!(change["actor"], json!({"pk": staff.id(), "username": ""}));
    assert_eq!(change["changes"]["last_name"], json!({"old": "", "new": "Lovelace"}));
    let download = app.request(Get, "/account/data/file", Some((&ada, By::Cookie))).dispatch().await;
    let download = Answer::of(download).await;
    assert_eq!((download.status, actions(&download.json()).len()), (200, 4));
    assert_eq!(trail(&app).await.len(), before, "their own file is no event");
}

#[apply(on_both)]
async fn pd_1_staff_take_the_file_of_another_and_that_is_recorded(app: TestApp) {
    let (staff, ada) = world(&app).await;
    let (path, before) = (format!("/v1/users/{}/data", ada.id()), trail(&app).await.len());
    let only_headers = app.request(rocket::http::Method::Head, &path, Some((&staff, By::Bearer)));
    assert_eq!(only_headers.dispatch().await.status().code, 200);
    let led = app.client.get(&path).header(cookie_header("__Host-sid-0a1b2c3d", &app.cookie(&staff)));
    let led = led.header(Header::new("Sec-Fetch-Site", "cross-site")).dispatch().await;
    assert_eq!(Answer::of(led).await.json()["code"], "cross_site_request");
    let refused = trail(&app).await;
    assert_eq!((refused.len(), refused.last().unwrap().action.as_str()), (before + 1, "refused"));
    let answer = app.get(&staff, &path).await;
    for stored in STORED.into_iter().chain(["was rude to Mr. Babbage"]) {
        assert!(answer.body.contains(stored), "{stored}: {}", answer.body);
    }
    let file = answer.json();
    assert_eq!(actions(&file).last(), Some(&"data_exported"), "recorded before its first byte");
    assert!(!answer.body.contains("\"staff\""), "it can be handed over as it is: {}", answer.body);
    let recorded = trail(&app).await.pop().unwrap();
    assert_eq!(
        (recorded.action.as_str(), recorded.actor_id, recorded.target_id),
        ("data_exported", Some(staff.id()), Some(ada.id()))
    );
}

#[apply(on_both)]
async fn pd_1_staff_who_take_their_own_file_get_what_every_person_gets(app: TestApp) {
    let (staff, colleague) = (app.person("staff", "staff").await, app.person("colleague", "staff").await);
    let own = format!("/v1/users/{}", staff.id());
    let note = json!({"note": "was rude to Mr. Babbage"});
    assert_eq!(app.send(&colleague, Post, &format!("{own}/notes"), &note).await.status, 201);
    let file = app.get(&staff, &format!("{own}/data")).await;
    assert_eq!(file.status, 200, "{}", file.body);
    assert!(file.body.contains("note_added") && !file.body.contains("Babbage"), "{}", file.body);
}

#[apply(on_both)]
async fn se_6_in_the_console_the_file_of_another_asks_for_the_password(app: TestApp) {
    let (staff, ada) = world(&app).await;
    let path = format!("/users/{}/data", ada.id());
    let shown = page(&app, &staff, &path).await;
    assert!(shown.body.contains("What is stored about ") && shown.body.contains("Babbage"), "{}", shown.body);
    app.clock.advance(Duration::from_mins(6));
    let token = token(&shown.body);
    let post = async |password: &str| {
        let password = rocket::http::RawStr::new(password).percent_encode().to_string();
        let request = app.request(Post, &path, Some((&staff, By::Cookie))).header(ContentType::Form);
        let answer = request.body(format!("token={token}&current_password={password}")).dispatch().await;
        app.note_renewal(&staff, &answer);
        Answer::of(answer).await
    };
    let question = post("").await;
    assert_eq!(question.status, 422);
    assert!(question.body.contains("Take all that is stored about this user?"), "{}", question.body);
    assert!(!trail(&app).await.iter().any(|entry| entry.action == "data_exported"));
    let file = post(PASSWORD).await;
    assert_eq!((file.status, file.header("Content-Type")), (200, Some("application/json")));
    assert_eq!(file.json()["profile"]["username"], "ada");
    assert_eq!(trail(&app).await.pop().unwrap().action, "data_exported");
}

#[apply(on_both)]
async fn a_history_of_thousands_is_in_the_file_once_and_in_order(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let origin = Origin::command_line();
    let about = Entry::new(Action::SignIn, Author::user(&ada.user, &origin)).on(&ada.user);
    let by_them = Entry::new(Action::NoteAdded, Author::user(&ada.user, &origin)).on(&staff.user);
    let by_others = Entry::new(Action::UserChanged, Author::user(&staff.user, &origin)).on(&ada.user);
    let unrelated = Entry::new(Action::SignIn, Author::user(&staff.user, &origin)).on(&staff.user);
    let entries: Vec<Entry> =
        (0..4_100).map(|n| [&about, &by_them, &by_others, &unrelated][n % 4].clone()).collect();
    let mut tx = app.usher.db.begin().await.unwrap();
    db::audit::insert_all(&mut tx, &entries, app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let file = app.get(&ada, "/v1/account/data").await.json();
    let ids: Vec<i64> =
        file["entries"].as_array().unwrap().iter().map(|entry| entry["id"].as_i64().unwrap()).collect();
    let expected: Vec<i64> = (1..=4_100).filter(|id| id % 4 != 0).collect();
    assert_eq!(ids, expected);
    let shown = page(&app, &ada, "/account/data").await.body;
    assert!(shown.contains("The latest 100. The file has all entries."), "the page is bounded");
}
