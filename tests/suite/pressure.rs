//! What one user, or a database that takes no changes, leaves to all others.

use std::time::Duration;

use rocket::futures::future::join_all;
use rocket::http::{ContentType, Method};
use rocket::tokio::join;
use rocket::tokio::time::{Instant, sleep};
use serde_json::json;
use sqlx::{Connection, PgConnection, SqliteConnection};
use usher::db::{Dialect, Sql, Trouble};
use usher::operations::request_limits;

use crate::app::{Answer, By, Person, TestApp};
use crate::audit::finish_background;
use crate::console::{page, token};
use crate::lists::population::{insert_all, named};
use usher::model::user::{User, UserId};

/// Another process that keeps changes waiting: in SQLite all, in PostgreSQL those of users and sessions.
enum Lock {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Lock {
    async fn on(app: &TestApp) -> Self {
        if app.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&app.url).await.unwrap();
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
            return Self::Sqlite(connection);
        }
        let mut connection = PgConnection::connect(&app.url).await.unwrap();
        let sql = "BEGIN; LOCK TABLE users, sessions, throttles IN EXCLUSIVE MODE";
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        Self::Postgres(connection)
    }

    async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

async fn status(app: &TestApp, who: Option<(&Person, By)>, path: &str) -> u16 {
    app.request(Method::Get, path, who).dispatch().await.status().code
}

async fn readiness(app: &TestApp) -> Answer {
    Answer::of(app.client.get("/readyz").dispatch().await).await
}

#[apply(on_both)]
async fn do_3_a_trial_says_that_another_process_has_a_lock(app: TestApp) {
    let lock = Lock::on(&app).await;
    app.usher.db.try_to_write().await;
    let why = match app.usher.db.dialect() {
        Dialect::Sqlite => Trouble::Locked,
        Dialect::Postgres => Trouble::TableLocked,
    };
    assert_eq!(app.usher.db.trouble(), Some(why));
    lock.release().await;
    app.usher.db.try_to_write().await;
    assert_eq!(app.usher.db.trouble(), None);
}

#[apply(on_both)]
async fn do_3_while_nothing_can_be_changed_sessions_are_read_and_changes_are_answered_in_time(app: TestApp) {
    let people = join_all((0..6).map(async |n| app.person(&format!("user-{n}"), "ordinary").await)).await;
    // Every session is to be noted as used.
    app.clock.advance(Duration::from_mins(2));
    let lock = Lock::on(&app).await;
    let begun = Instant::now();
    let read = async {
        for _ in 0..5 {
            for person in &people {
                for by in [By::Bearer, By::Cookie] {
                    assert_eq!(status(&app, Some((person, by)), "/v1/account").await, 200);
                }
            }
            assert_eq!(readiness(&app).await.status, 200);
            sleep(Duration::from_millis(300)).await;
        }
        begun.elapsed()
    };
    let refused = async {
        for _ in 0..3 {
            assert_eq!(app.get(&people[0], "/v1/users/999999").await.status, 403);
        }
        begun.elapsed()
    };
    let change = async |person| {
        let changes = json!({"first_name": "Ada"});
        let answer = app.send(person, Method::Patch, "/v1/account", &changes).await;
        (answer.status, answer.header("Retry-After").map(str::to_owned), begun.elapsed())
    };
    let sign_in = async {
        let answer = app.obtain("user-0", crate::app::PASSWORD).await;
        (answer.status, answer.header("Retry-After").map(str::to_owned), begun.elapsed())
    };
    let (read, refused, changed, signed_in) =
        join!(read, refused, join_all(people.iter().map(change)), sign_in);
    assert!(read < Duration::from_secs(8), "reading waited for {read:?}");
    assert!(refused < Duration::from_secs(5), "refusals waited for {refused:?}");
    for (status, retry_after, took) in changed.into_iter().chain([signed_in]) {
        assert_eq!((status, retry_after.as_deref()), (503, Some("2")));
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    app.usher.db.try_to_write().await;
    assert_eq!(readiness(&app).await.json()["status"], "degraded");
    lock.release().await;

    app.store_uses().await;
    let noted = Sql::new("SELECT count(*) FROM sessions WHERE last_seen_at = $1");
    let noted = noted.bind(app.clock.now().micros());
    assert_eq!(app.usher.db.optional::<(i64,)>(noted).await.unwrap(), Some((12,)), "all are noted");
    for (status, ..) in join_all(people.iter().map(change)).await {
        assert_eq!(status, 200, "the connections are free again");
    }
    app.usher.db.try_to_write().await;
    assert_eq!(readiness(&app).await.json(), json!({"status": "ok"}));
}

#[rocket::async_test]
async fn do_3_a_lock_that_keeps_users_or_sessions_from_being_read_is_told() {
    let app = TestApp::new(crate::Backend::Postgres).await;
    for table in ["users", "sessions"] {
        let mut connection = PgConnection::connect(&app.url).await.unwrap();
        let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut connection).await.unwrap();
        let locked = readiness(&app).await;
        assert_eq!(
            (locked.status, &locked.json()["detail"]),
            (503, &json!("A lock keeps users or sessions from being read.")),
            "{table}"
        );
        connection.close().await.unwrap();
        assert_eq!(readiness(&app).await.json(), json!({"status": "ok"}), "{table}");
    }
}

#[rocket::async_test]
async fn do_3_a_lock_that_keeps_a_table_from_being_written_is_told_until_it_ends() {
    let app = TestApp::new(crate::Backend::Postgres).await;
    let ada = app.person("ada", "ordinary").await;
    for table in ["users", "sessions", "throttles", "audit_entries"] {
        let mut connection = PgConnection::connect(&app.url).await.unwrap();
        // As CREATE INDEX does.
        let lock = format!("BEGIN; LOCK TABLE {table} IN SHARE MODE");
        sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut connection).await.unwrap();
        let begun = Instant::now();
        app.usher.db.try_to_write().await;
        assert!(begun.elapsed() < Duration::from_secs(4), "a change of a user is answered after six");
        assert_eq!(app.usher.db.trouble(), Some(Trouble::TableLocked), "{table}");
        if table != "audit_entries" {
            // The entry of a refusal is stored.
            assert_eq!(app.get(&ada, "/v1/users/999999").await.status, 403);
            finish_background(&app).await;
        }
        let degraded = readiness(&app).await;
        assert_eq!((degraded.status, &degraded.json()["status"]), (200, &json!("degraded")), "{table}");
        connection.close().await.unwrap();
        app.usher.db.try_to_write().await;
        assert_eq!(readiness(&app).await.json(), json!({"status": "ok"}), "{table}");
    }
}

#[rocket::async_test]
async fn do_3_another_file_in_the_place_of_the_database_is_told() {
    let app = TestApp::new(crate::Backend::Sqlite).await;
    let file = app.url.strip_prefix("sqlite://").unwrap();
    let moved = format!("{file}.moved");
    std::fs::rename(file, &moved).unwrap();
    let gone = readiness(&app).await;
    assert_eq!((gone.status, gone.json()["status"].as_str()), (503, Some("unavailable")), "{}", gone.body);
    // An empty one would have SQLite remove the log of the other.
    std::fs::write(file, b"another file").unwrap();
    let other = readiness(&app).await;
    assert_eq!(
        (other.status, &other.json()["detail"]),
        (503, &json!("Another file is in the database's place."))
    );
    std::fs::rename(&moved, file).unwrap();
    assert_eq!(readiness(&app).await.status, 200);
}

#[apply(on_both)]
async fn do_4_users_change_what_is_their_own_sixty_times_at_once_and_then_in_its_time(app: TestApp) {
    let (ada, bob) = (app.person("ada", "ordinary").await, app.person("bob", "ordinary").await);
    let change = async |person: &Person, name: String| {
        app.send(person, Method::Patch, "/v1/account", &json!({ "first_name": name })).await
    };
    for n in 0..request_limits::CHANGES_AT_ONCE {
        let answer = change(&ada, format!("Ada {n}")).await;
        assert_eq!(answer.status, 200, "change {n}: {}", answer.body);
    }
    let stored = app.stored(ada.id()).await;
    let entries = "SELECT count(*) FROM audit_entries";
    let before = app.usher.db.optional::<(i64,)>(Sql::new(entries)).await.unwrap();
    for _ in 0..3 {
        let refused = change(&ada, "Eve".into()).await;
        assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("6")), "{}", refused.body);
    }
    assert_eq!(change(&ada, stored.first_name.clone()).await.status, 200, "what is no change is not counted");
    assert_eq!(app.stored(ada.id()).await, stored);
    assert_eq!(app.usher.db.optional::<(i64,)>(Sql::new(entries)).await.unwrap(), before);
    assert_eq!(change(&bob, "Bob".into()).await.status, 200, "others are not concerned");
    app.clock.advance(Duration::from_secs(6));
    let [next, one_more] = [change(&ada, "Ada".into()).await, change(&ada, "Eve".into()).await];
    assert_eq!([next.status, one_more.status], [200, 429]);
    let password =
        json!({"current_password": crate::app::PASSWORD, "new_password": "a kestrel above the moor"});
    let changed = app.send(&ada, Method::Post, "/v1/account/password", &password).await;
    assert_eq!(changed.status, 204, "a thief of her session does not keep her from it: {}", changed.body);
}

#[apply(on_both)]
async fn do_4_users_change_their_password_sixty_times_at_once_and_then_in_its_time(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let count = Sql::new("SELECT count(*) FROM audit_entries WHERE action = 'password_changed'");
    let mut current = crate::app::PASSWORD.to_owned();
    let change = async |current: &str, new: &str| {
        let ada = app.signed_in(&ada).await;
        let passwords = json!({"current_password": current, "new_password": new});
        app.send(&ada, Method::Post, "/v1/account/password", &passwords).await
    };
    for n in 0..request_limits::CHANGES_AT_ONCE {
        let new = format!("a kestrel above moor {n}");
        let answer = change(&current, &new).await;
        assert_eq!(answer.status, 204, "change {n}: {}", answer.body);
        current = new;
    }
    let before = app.usher.db.optional::<(i64,)>(count.clone()).await.unwrap();
    let refused = change(&current, "seven quiet otters").await;
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("6")), "{}", refused.body);
    let again = app.signed_in(&ada).await;
    let form = token(&page(&app, &again, "/account/password").await.body);
    let typed = current.replace(' ', "+");
    let body = format!("token={form}&current_password={typed}&new_password=seven+quiet+otters");
    let request = app.request(Method::Post, "/account/password", Some((&again, By::Cookie)));
    let page = Answer::of(request.header(ContentType::Form).body(body).dispatch().await).await;
    assert_eq!((page.status, page.header("Retry-After")), (429, Some("6")), "{}", page.body);
    assert!(page.body.contains("Too many tries") && page.body.contains("new_password"), "{}", page.body);
    assert_eq!(app.usher.db.optional::<(i64,)>(count).await.unwrap(), before);
    app.clock.advance(Duration::from_secs(6));
    assert_eq!(change(&current, "seven quiet otters").await.status, 204);
}

/// One `or` of the most tests that a filter may have.
fn many_tests() -> serde_json::Value {
    let contains = |n: usize| {
        let field = ["username", "first_name", "last_name", "email"][n % 4];
        json!({"type": "contains", "field": field, "sub_string": format!("{n} no"), "case_insensitive": true})
    };
    json!({"type": "or", "sub_expressions": (0..498).map(contains).collect::<Vec<_>>()})
}

#[apply(on_both)]
async fn do_1_lists_of_many_tests_leave_sessions_and_sign_ins_to_others(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let people = join_all((0..4).map(async |n| app.person(&format!("person-{n}"), "ordinary").await)).await;
    let crowd: Vec<User> =
        (100..3_100).map(|n| User { id: UserId(n), ..named(&format!("user-{n}")) }).collect();
    insert_all(&app.usher.db, &crowd).await.unwrap();
    let body = json!({"expressions": [many_tests()], "count": true});
    let lists = (0..12).map(async |_| {
        let answer = app.send(&staff, Method::Post, "/v1/users/list", &body).await;
        (answer.status, answer.header("Retry-After").is_some())
    });
    let others = join_all(people.iter().map(async |person| {
        let name = person.user.username.as_str();
        let signed_in = app.obtain(name, crate::app::PASSWORD).await.status;
        [signed_in, status(&app, Some((person, By::Bearer)), "/v1/account").await]
    }));
    let (lists, others) = join!(join_all(lists), others);
    assert_eq!(others, [[200; 2]; 4]);
    assert!(lists.iter().all(|answer| matches!(answer, (200, false) | (503, true))), "{lists:?}");
    assert!(lists.contains(&(200, false)), "{lists:?}");
}

#[apply(on_both)]
async fn do_1_a_list_that_could_never_be_answered_is_refused_at_once(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    app.sql("UPDATE user_counts SET users = users + 1000000").await;
    let list = async |expressions: serde_json::Value, count: bool| {
        let body = json!({"expressions": expressions, "count": count});
        app.send(&staff, Method::Post, "/v1/users/list", &body).await
    };
    for count in [false, true] {
        let refused = list(json!([many_tests()]), count).await;
        assert_eq!(refused.status, 400);
        assert!(
            refused.json()["detail"].as_str().unwrap().starts_with("expressions: too many"),
            "{refused:?}"
        );
    }
    let narrow = json!({"type": "exact", "field": "username", "value": "staff"});
    assert_eq!(list(json!([narrow, many_tests()]), false).await.status, 200, "an index narrows it");
    let few = json!({"type": "contains", "field": "first_name", "sub_string": "x"});
    assert_eq!(list(json!([few]), false).await.status, 200);
}
