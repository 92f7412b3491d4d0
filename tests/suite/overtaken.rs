//! A change whose author loses their rights or their session at the same instant: it is made before, or not at all.

use std::time::Duration;

use rocket::http::Method;
use rocket::tokio::time::timeout;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::app::{Answer, By, Person, TestApp};

/// A transaction of another instance, open until it is committed.
enum Other {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Other {
    /// Begins, and runs these statements.
    async fn begin(app: &TestApp, statements: &[String]) -> Self {
        let mut other = if app.url.starts_with("sqlite") {
            Self::Sqlite(SqliteConnection::connect(&app.url).await.unwrap())
        } else {
            Self::Postgres(PgConnection::connect(&app.url).await.unwrap())
        };
        let begin = if app.url.starts_with("sqlite") { "BEGIN IMMEDIATE" } else { "BEGIN" };
        for statement in std::iter::once(begin).chain(statements.iter().map(String::as_str)) {
            other.run(statement).await;
        }
        other
    }

    async fn run(&mut self, statement: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        match self {
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop),
            Self::Postgres(connection) => sql.execute(connection).await.map(drop),
        }
        .expect(statement);
    }
}

/// Asks while another transaction is open; whether it waited for that, and the answer.
async fn overtaken(
    app: &TestApp,
    statements: &[String],
    who: (&Person, By),
    (method, path, body): (Method, &str, &Value),
) -> (bool, Answer) {
    let mut other = Other::begin(app, statements).await;
    let mut answer = Box::pin(app.json(method, path, Some(who), body));
    let early = timeout(Duration::from_millis(400), &mut answer).await;
    other.run("COMMIT").await;
    match early {
        Ok(answer) => (false, answer),
        Err(_) => (true, answer.await),
    }
}

#[apply(on_both)]
async fn az_10_a_change_does_not_commit_after_its_author_was_demoted_or_signed_out(app: TestApp) {
    for (number, by) in [By::Cookie, By::Bearer, By::Cookie, By::Bearer].into_iter().enumerate() {
        // The rows are locked in the order of their keys: the author comes before the target, and after it.
        let before = app.person(&format!("before-{number}"), "").await;
        let staff = app.person(&format!("staff-{number}"), "staff").await;
        let after = app.person(&format!("after-{number}"), "").await;
        let end = format!("DELETE FROM sessions WHERE user_id = {}", staff.id());
        let demote = format!("UPDATE users SET is_staff = FALSE WHERE id = {}", staff.id());
        let statements = if number < 2 { vec![demote, end] } else { vec![end] };
        let target = if number % 2 == 0 { &before } else { &after };
        let path = format!("/v1/users/{}", target.id());
        let body = json!({"first_name": "Late"});
        let asked = (Method::Patch, path.as_str(), &body);
        let (waited, answer) = overtaken(&app, &statements, (&staff, by), asked).await;
        assert!(waited, "{statements:?}");
        assert_eq!(answer.status, 401, "{statements:?}: {}", answer.body);
        assert_eq!(app.stored(target.id()).await, target.user, "{statements:?}");
    }
}

#[apply(on_both)]
async fn az_10_nor_does_what_has_no_target(app: TestApp) {
    for (number, path, body) in [
        (0, "/v1/users/invite", json!({"username": "late", "first_name": "", "last_name": "", "email": ""})),
        (1, "/v1/users/bulk", json!({"action": "deactivate", "ids": [1]})),
        (2, "/v1/account/tokens", json!({"name": "late"})),
    ] {
        let staff = app.person(&format!("staff-{number}"), "staff").await;
        let end = vec![format!("DELETE FROM sessions WHERE user_id = {}", staff.id())];
        let (waited, answer) = overtaken(&app, &end, (&staff, By::Cookie), (Method::Post, path, &body)).await;
        assert!(waited && answer.status == 401, "{path}: {waited} {}", answer.body);
    }
}

#[apply(on_both)]
async fn az_10_administrators_who_change_each_other_at_once_do_not_wait_for_each_other_crosswise(
    app: TestApp,
) {
    let (one, two) = (app.person("one", "superuser").await, app.person("two", "superuser").await);
    app.person("spare", "superuser").await;
    for _ in 0..10 {
        let name = json!({"first_name": "Changed", "last_name": app.clock.now().to_string()});
        app.clock.advance(Duration::from_secs(1));
        let paths = [format!("/v1/users/{}", two.id()), format!("/v1/users/{}", one.id())];
        let (first, second) = rocket::tokio::join!(
            app.send(&one, Method::Patch, &paths[0], &name),
            app.send(&two, Method::Patch, &paths[1], &name),
        );
        assert_eq!((first.status, second.status), (200, 200), "{} {}", first.body, second.body);
    }
}
