//! What both databases do alike: text, uniqueness, and changes at the same instant.

mod opening;
mod scans;
mod transactions;

use rocket::futures::future::join_all;
use rocket::http::{Header, Method};
use rocket::tokio::join;
use serde_json::{Value, json};
use usher::db::{self, Db, Sql};
use usher::model::session::Credential;
use usher::model::text;
use usher::model::user::{User, UserId};
use usher::operations::sign_in;

use crate::app::{Answer, By, PASSWORD, Person, TestApp};
use crate::lists::population::{insert_all, named};

/// Last names in the order of their code points. A dictionary's order differs from it, and so does that
/// of UTF-16.
const BY_CODE_POINT: &[&str] = &[
    "", "-", "1", "10", "2", "A", "B", "Z", "_", "a", "a b", "ab", "b", "z", "É", "ß", "ä", "é", "ſ", "Ω",
    "Я", "я", "中", "Ａ", "😀",
];

#[apply(on_all)]
async fn text_is_compared_and_sorted_by_code_point(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let users = BY_CODE_POINT.iter().rev().enumerate().map(|(index, name)| User {
        id: UserId(100 + i64::try_from(index).expect("few")),
        last_name: (*name).to_owned(),
        ..named(&format!("user-{index}"))
    });
    insert_all(&app.usher.db, &users.collect::<Vec<_>>()).await.expect("users");
    for (position, name) in BY_CODE_POINT.iter().enumerate() {
        for (operator, rest) in [(">=", &BY_CODE_POINT[position..]), ("<", &BY_CODE_POINT[..position])] {
            let body = json!({
                "expressions": [
                    {"type": "compare", "field": "last_name", "operator": operator, "value": name},
                    {"type": "compare", "field": "pk", "operator": ">=", "value": 100},
                ],
                "order_by": [{"field": "last_name"}],
            });
            let listed = app.send(&admin, Method::Post, "/v1/users/list", &body).await.json();
            assert_eq!(texts(&listed, "last_name"), rest, "{operator} {name:?}");
        }
    }
}

/// One member of all records.
fn texts<'a>(records: &'a Value, member: &str) -> Vec<&'a str> {
    let records = records.as_array().expect("an array").iter();
    records.map(|record| record[member].as_str().expect("a text")).collect()
}

#[apply(on_all)]
async fn letter_case_is_ignored_in_every_script(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let people = [("one", "École"), ("two", "Straße"), ("three", "ΟΔΟΣ"), ("four", "Жук"), ("five", "100%")];
    for (name, last_name) in people {
        let body = json!({"username": name, "password": PASSWORD, "first_name": "", "last_name": last_name, "email": ""});
        assert_eq!(app.send(&admin, Method::Post, "/v1/users/create", &body).await.status, 201);
    }
    for (kind, text, case_insensitive, found) in [
        ("exact", "ÉCOLE", true, "one"),
        ("exact", "ÉCOLE", false, ""),
        ("exact", "Ecole", true, ""),
        ("exact", "STRASSE", true, "two"),
        ("exact", "οδος", true, "three"),
        ("exact", "οδοσ", true, "three"),
        ("exact", "жУК", true, "four"),
        ("exact", "100_", true, ""),
        ("contains", "COL", true, "one"),
        ("contains", "éC", true, "one"),
        ("contains", "éc", false, ""),
        ("contains", "ASS", true, "two"),
        ("contains", "aß", false, "two"),
        ("contains", "ΔΟς", true, "three"),
        ("contains", "УК", true, "four"),
        ("contains", "%", true, "five"),
        ("contains", "_", true, ""),
    ] {
        let member = if kind == "exact" { "value" } else { "sub_string" };
        let mut expression =
            json!({"type": kind, "field": "last_name", "case_insensitive": case_insensitive});
        expression[member] = json!(text);
        let body = json!({"expressions": [expression]});
        let listed = app.send(&admin, Method::Post, "/v1/users/list", &body).await.json();
        assert_eq!(texts(&listed, "username").concat(), found, "{body}");
    }
}

#[apply(on_all)]
async fn letter_case_is_ignored_in_every_text_field(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let text = |field: &str| format!("ÄRGER@{field}.org");
    let user = User {
        id: UserId(100),
        first_name: text("first_name"),
        last_name: text("last_name"),
        email: text("email"),
        ..named(&text("username"))
    };
    insert_all(&app.usher.db, &[user]).await.expect("a user");
    for field in ["username", "first_name", "last_name", "email"] {
        for (kind, member) in [("exact", "value"), ("contains", "sub_string")] {
            for case_insensitive in [true, false] {
                let mut expression =
                    json!({"type": kind, "field": field, "case_insensitive": case_insensitive});
                expression[member] = json!(text(field).to_lowercase());
                let body = json!({"expressions": [expression]});
                let listed = app.send(&admin, Method::Post, "/v1/users/list", &body).await.json();
                assert_eq!(listed.as_array().map(Vec::len), Some(usize::from(case_insensitive)), "{body}");
            }
        }
    }
}

#[apply(on_all)]
async fn a_name_in_another_letter_case_or_width_is_taken(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    app.person("Alice.Müßig", "").await;
    for name in ["alice.müßig", "ALICE.MÜSSIG", "Ａｌｉｃｅ.Müßig", "alice.mu\u{308}ssig", "Alice.Müßig"]
    {
        let user = User { ..named(&text::tidy(name)) };
        let stored = insert_all(&app.usher.db, &[User { id: UserId(100), ..user }]).await;
        assert!(matches!(stored, Err(db::Error::UsernameTaken)), "{name}: {stored:?}");
        let answer = create(&app, &admin, name).await;
        assert_eq!(
            (answer.status, answer.json()),
            (400, json!({"username": [usher::model::field_errors::TAKEN]})),
            "{name}"
        );
    }
    assert_eq!(create(&app, &admin, "alice.mussig").await.status, 201, "another letter is another name");
}

async fn create(app: &TestApp, admin: &Person, name: &str) -> Answer {
    let body =
        json!({"username": name, "password": PASSWORD, "first_name": "", "last_name": "", "email": ""});
    app.send(admin, Method::Post, "/v1/users/create", &body).await
}

#[apply(on_all)]
async fn of_twenty_creates_of_one_name_at_once_one_wins(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let names = ["alice", "ALICE", "Alice", "ａｌｉｃｅ"];
    let creates = (0..20).map(async |index: usize| {
        // A slow machine has no room for twenty hashes at once, and says so.
        loop {
            let answer = create(&app, &admin, names[index % names.len()]).await;
            if answer.status != 503 {
                break answer;
            }
        }
    });
    let answers = join_all(creates).await;
    let (won, lost): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(won.len(), 1);
    for answer in lost {
        assert_eq!(
            (answer.status, answer.json()),
            (400, json!({"username": [usher::model::field_errors::TAKEN]}))
        );
    }
    let stored = number(&app.usher.db, "SELECT count(*) FROM users WHERE username_key = 'alice'").await;
    assert_eq!(stored, 1);
}

/// The number that a query finds.
async fn number(db: &Db, sql: &'static str) -> i64 {
    db.optional::<(i64,)>(Sql::new(sql)).await.expect(sql).expect("a row").0
}

const SUPERUSERS: &str = "SELECT count(*) FROM users WHERE is_superuser = TRUE AND is_active = TRUE";

/// Runs a statement that must succeed.
async fn execute(db: &Db, sql: &'static str) {
    let mut tx = db.begin().await.expect("a transaction");
    tx.execute(Sql::new(sql)).await.expect(sql);
    tx.commit().await.expect("a commit");
}

#[apply(on_all)]
async fn no_statement_can_leave_an_installation_without_a_superuser(app: TestApp) {
    for count in [1, 2] {
        app.person(&format!("super-{count}"), "superuser").await;
        app.person(&format!("inactive-{count}"), "inactive superuser").await;
        app.person(&format!("other-{count}"), "staff").await;
        for sql in [
            "UPDATE users SET is_active = FALSE",
            "UPDATE users SET is_superuser = FALSE",
            "UPDATE users SET is_active = FALSE, is_superuser = FALSE, version = 7",
            "DELETE FROM users",
        ] {
            let mut tx = app.usher.db.begin().await.expect("a transaction");
            let refused = tx.execute(Sql::new(sql)).await;
            assert!(matches!(refused, Err(db::Error::LastSuperuser)), "{sql}: {refused:?}");
            drop(tx);
            assert_eq!(number(&app.usher.db, SUPERUSERS).await, count, "{sql}");
        }
    }
    execute(&app.usher.db, "UPDATE users SET is_active = FALSE WHERE username = 'super-1'").await;
    execute(&app.usher.db, "UPDATE users SET is_active = FALSE WHERE is_superuser = FALSE").await;
    assert_eq!(number(&app.usher.db, SUPERUSERS).await, 1);
}

#[apply(on_all)]
async fn az_5_two_superusers_who_deactivate_each_other_at_once_never_both_succeed(app: TestApp) {
    let second = app.another_instance().await;
    let mut one = app.person("one", "superuser").await;
    let mut two = app.person("two", "superuser").await;
    for round in 0..200 {
        // Now in one process, now in two.
        let other = if round % 2 == 0 { &app } else { &second };
        let (first, last) = join!(deactivate(&app, &one, two.id()), deactivate(other, &two, one.id()));
        let statuses = [first.status, last.status];
        for answer in [first, last] {
            assert!(matches!(answer.status, 204 | 401 | 403 | 409), "round {round}: {answer:?}");
        }
        let left = number(&app.usher.db, SUPERUSERS).await;
        assert_eq!(left, 1, "round {round}: {statuses:?}");
        execute(&app.usher.db, "UPDATE users SET is_active = TRUE").await;
        for person in [&mut one, &mut two] {
            let session = app.session(UserId(person.id()), Credential::Jwt).await;
            person.bearer = sign_in::tokens(&app.usher, &session).access;
        }
    }
}

async fn deactivate(app: &TestApp, by: &Person, id: i64) -> Answer {
    let request = app.request(Method::Delete, &format!("/v1/users/{id}"), Some((by, By::Bearer)));
    Answer::of(request.dispatch().await).await
}

#[apply(on_all)]
async fn parallel_edits_of_one_user_all_succeed_and_are_all_counted(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let target = app.person("target", "").await;
    let path = format!("/v1/users/{}", target.id());
    // Half of them change something, whichever comes first; half never do.
    let edits = (0..20).map(|index| {
        let body = if index % 2 == 0 {
            json!({"first_name": format!("Name {index}")})
        } else {
            json!({"is_staff": false, "last_name": ""})
        };
        let (app, admin, path) = (&app, &admin, &path);
        async move { app.send(admin, Method::Patch, path, &body).await }
    });
    let answers = join_all(edits).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(app.stored(target.id()).await.version, 1 + 10);
    let mut tags: Vec<&str> =
        answers.iter().step_by(2).map(|answer| answer.header("ETag").expect("a tag")).collect();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 10, "every change has a version of its own: {tags:?}");
}

#[apply(on_all)]
async fn az_9_of_parallel_edits_of_one_version_one_succeeds(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let target = app.person("target", "").await;
    let path = format!("/v1/users/{}", target.id());
    for round in 0..10 {
        let read = app.get(&admin, &path).await;
        let tag = read.header("ETag").expect("a tag");
        let edits = (0..10).map(|index| {
            let request = app
                .request(Method::Patch, &path, Some((&admin, By::Bearer)))
                .header(Header::new("Content-Type", "application/json"))
                .header(Header::new("If-Match", tag.to_owned()))
                .body(json!({"first_name": format!("Name {round} {index}")}).to_string());
            async move { Answer::of(request.dispatch().await).await }
        });
        let answers = join_all(edits).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [[200].as_slice(), &[412; 9]].concat());
        let won = answers.iter().find(|answer| answer.status == 200).expect("one").json();
        assert_eq!(won["first_name"], app.stored(target.id()).await.first_name.as_str());
    }
}

#[apply(on_all)]
async fn a_primary_key_is_never_given_again(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let mut highest = 0;
    for name in ["first", "second", "third"] {
        let answer = create(&app, &admin, name).await;
        let id = answer.json()["pk"].as_i64().expect("a primary key");
        assert!(id > highest, "{id} after {highest}");
        highest = id;
        app.sql(&format!("DELETE FROM users WHERE id = {id}")).await;
    }
    app.usher.db.close().await;
    let restarted = app.another_instance().await;
    let id = create(&restarted, &admin, "fourth").await.json()["pk"].as_i64().expect("a primary key");
    assert!(id > highest, "{id} after {highest}, across a restart");
}
