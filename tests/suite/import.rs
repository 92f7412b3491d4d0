//! Real input: what Django's `dumpdata` wrote, and the passwords of some of its users.
//!
//! A sample stands in `tests/fixtures`. `USHER_TEST_DJANGO_DUMP` and `USHER_TEST_DJANGO_PASSWORDS` name a
//! larger dump and its passwords, which are then used instead.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rocket::http::Method;
use rocket::tokio::task::spawn_blocking;
use serde_json::json;
use tempfile::TempDir;
use usher::db;

use crate::app::TestApp;

#[expect(clippy::disallowed_methods, reason = "the test command may name a larger dump")]
fn input(variable: &str, sample: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(sample),
        PathBuf::from,
    )
}

/// Runs a subcommand on the database of the test.
async fn usher(app: &TestApp, arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.env_clear().env("DATABASE_URL", &app.url).env("USHER_LOG_LEVEL", "off");
    command.current_dir(directory.path()).args(arguments).stdin(Stdio::null());
    spawn_blocking(move || command.output().expect("the program runs")).await.unwrap()
}

fn summary(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

async fn count(app: &TestApp) -> i64 {
    let all: usher::model::filter::Filter =
        usher::model::filter::Filter { include_inactive: true, ..Default::default() };
    db::select::count(&app.usher.db, &all).await.unwrap()
}

#[apply(on_both)]
async fn users_of_a_django_installation_move_with_their_keys_dates_and_passwords(app: TestApp) {
    let dump = input("USHER_TEST_DJANGO_DUMP", "django-users.json");
    let dump = dump.to_str().unwrap();

    let rehearsal = usher(&app, &["import", dump, "--dry-run"]).await;
    assert_eq!(count(&app).await, 0, "a dry run writes nothing");
    let first = usher(&app, &["import", dump]).await;
    assert_eq!(summary(&rehearsal), format!("dry run: {}", summary(&first)));
    let words: Vec<&str> = summary(&first).leak().split(' ').collect();
    let (created, refused): (i64, i64) = (words[0].parse().unwrap(), words[4].parse().unwrap());
    assert_eq!(count(&app).await, created);
    assert!(refused > 0, "the dump has names that are not allowed");
    let reasons = String::from_utf8_lossy(&first.stdout).into_owned();
    assert_eq!(
        reasons.matches("username: Enter a valid username.").count(),
        usize::try_from(refused).unwrap()
    );
    assert_eq!(first.status.code(), Some(1), "some were refused");

    let second = usher(&app, &["import", dump]).await;
    assert_eq!(summary(&second), format!("0 created, {created} unchanged, {refused} refused"));

    let fresh = app.person("somebody.new", "superuser").await;
    assert!(fresh.id() > created, "new users get keys above the imported ones");

    let passwords =
        std::fs::read_to_string(input("USHER_TEST_DJANGO_PASSWORDS", "django-users-passwords.tsv")).unwrap();
    let mut tried = std::collections::BTreeSet::new();
    for line in passwords.lines().skip(1) {
        let [username, password, algorithm] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let stored = || async {
            db::users::credentials(&app.usher.db, &usher::model::text::canonical(username))
                .await
                .unwrap()
                .expect(username)
        };
        assert!(stored().await.password.as_str().starts_with(algorithm), "{username}");
        // Hashes of other systems are dear: one wrong password of each kind is enough.
        if tried.insert(algorithm.to_owned()) {
            let wrong = app.obtain(username, &format!("{password}x")).await;
            assert_eq!(wrong.status, 401, "{algorithm}");
        }
        assert_eq!(app.obtain(username, password).await.status, 200, "{algorithm}: {username}");
        assert!(
            stored().await.password.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "pw_1: {algorithm} is replaced at the first good sign-in"
        );
    }
    let (username, password) = passwords.lines().nth(1).and_then(|line| line.split_once('\t')).unwrap();
    let password = password.split('\t').next().unwrap();
    assert_eq!(app.obtain(username, password).await.status, 200, "and the new hash is of the same password");

    let third = usher(&app, &["import", dump]).await;
    assert_eq!(summary(&third), summary(&second), "signing in is no difference");
    let body =
        json!({"expressions": [{"type": "exact", "field": "pk", "value": 1}], "include_inactive": true});
    let record = app.send(&fresh, Method::Post, "/v1/users/list", &body).await.json();
    assert_eq!(
        record[0]["date_joined"], "2023-05-27T18:19:08.167000Z",
        "the date of the dump, to the microsecond"
    );
}
