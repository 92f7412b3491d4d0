//! What the program and its files leave to others, and the rights that it needs itself.

use std::fs::{File, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::process::Stdio;

use rocket::tokio::task::spawn_blocking;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use super::server::{Server, make_superuser, run, text, usher};
use crate::Backend;
use crate::app::TestApp;

/// What `usher check` finds, which is no reason to fail.
fn check(variables: &[(&str, &str)]) -> String {
    let directory = TempDir::new().unwrap();
    let output = run(usher(directory.path(), variables, &["check"]), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[rocket::async_test]
async fn cf_3_check_warns_of_a_database_file_that_others_may_read() {
    let app = TestApp::new(Backend::Sqlite).await;
    let file = app.url.strip_prefix("sqlite://").unwrap();
    for (mode, warns) in [(0o600, false), (0o640, true), (0o604, true), (0o622, true)] {
        std::fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        let said = check(&[("DATABASE_URL", &app.url)]);
        let warning =
            format!("warning: others may read or write {file}, whose mode is {mode:o}: chmod 600 {file}");
        assert_eq!(said.contains(&warning), warns, "{said}");
    }
}

#[apply(on_both)]
async fn cf_3_an_export_into_a_file_is_for_its_owner_only(app: TestApp) {
    app.person("ada", "staff").await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("users.json");
    // As a shell makes it.
    let file = File::options().write(true).create_new(true).mode(0o644).open(&path).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let mut command = usher(directory.path(), &[("DATABASE_URL", app.url.as_str())], &["export"]);
    assert!(command.stdout(Stdio::from(file)).status().unwrap().success());
    assert!(std::fs::read_to_string(&path).unwrap().contains("argon2id"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn cf_5_where_verified_tls_is_demanded_a_database_over_the_network_is_refused_without_it() {
    let directory = TempDir::new().unwrap();
    let tried = |url: &str, required: &str| {
        let variables = [("DATABASE_URL", url), ("USHER_REQUIRE_DATABASE_TLS", required)];
        let output = run(usher(directory.path(), &variables, &["check"]), "");
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let url = "postgres://usher:hunter2@db.invalid:1/usher";
    let refusal = "usher.require_database_tls: db.invalid is reached without verified TLS";
    let complaint = tried(url, "true");
    assert!(complaint.contains(refusal) && !complaint.contains("hunter2"), "{complaint}");
    assert!(!tried(url, "false").contains(refusal));
    assert!(!tried(&format!("{url}?sslmode=verify-full"), "true").contains(refusal));
    assert!(!tried("postgres://usher@127.0.0.1:1/usher", "true").contains(refusal));
}

#[rocket::async_test]
async fn cf_5_a_role_that_cannot_change_the_schema_serves_once_it_is_migrated() {
    let app = TestApp::new(Backend::Postgres).await;
    let database = app.url.rsplit_once('/').unwrap().1;
    let role = format!("{database}_serves");
    let mut owner = PgConnection::connect(&app.url).await.unwrap();
    for sql in [
        format!("CREATE ROLE {role} LOGIN"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"),
        format!("GRANT USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {role}"),
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC".to_owned(),
    ] {
        sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut owner).await.expect(&sql);
    }
    let (start, rest) = app.url.split_once('@').unwrap();
    let url = format!("{}//{role}@{rest}", start.split_once("//").unwrap().0);
    let owners = app.url.clone();
    let served = spawn_blocking(move || {
        let serving = [("DATABASE_URL", url.as_str()), ("USHER_MIGRATE_AT_START", "false")];
        let said = check(&serving);
        assert!(said.contains("its schema is up to date") && !said.contains("warning: the role"), "{said}");
        let said = check(&[("DATABASE_URL", &owners), ("USHER_MIGRATE_AT_START", "false")]);
        assert!(
            said.contains("warning: the role of the database has rights that Usher does not need: it "),
            "{said}"
        );
        assert!(said.contains("warning: the role of the database may change the schema"), "{said}");
        let directory = TempDir::new().unwrap();
        make_superuser(directory.path(), &serving);
        let server = Server::start(directory.path(), &serving);
        let bearer = server.sign_in();
        assert_eq!(server.create(&bearer, "ada"), Some(201));
        for arguments in
            [&["audit", "verify"][..], &["unlock", "ada"], &["export"], &["import", "users.json"]]
        {
            if arguments[0] == "import" {
                std::fs::write(directory.path().join("users.json"), "[{\"username\": \"bob\", \"pk\": 77}]")
                    .unwrap();
            }
            let output = run(usher(directory.path(), &serving, arguments), "");
            assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        }
        assert_eq!(server.create(&bearer, "eve"), Some(201), "after an import, too");
        (url, owners)
    });
    let (url, owners) = served.await.unwrap();
    // As before an update whose migration is to come.
    for sql in [
        "ALTER TABLE throttles DROP COLUMN undecided, DROP COLUMN undecided_until",
        "DELETE FROM _sqlx_migrations WHERE version = 6",
    ] {
        sqlx::query(sql).execute(&mut owner).await.unwrap();
    }
    spawn_blocking(move || {
        let directory = TempDir::new().unwrap();
        let serving = [("DATABASE_URL", url.as_str()), ("USHER_MIGRATE_AT_START", "false")];
        for command in ["check", "serve"] {
            let output = run(usher(directory.path(), &serving, &[command]), "");
            assert_eq!(output.status.code(), Some(1));
            assert!(
                text(&output.stderr).contains("migration 6 is pending: run `usher migrate`"),
                "{command}"
            );
        }
        let migrating = [("DATABASE_URL", owners.as_str()), ("USHER_MIGRATE_AT_START", "false")];
        let output = run(usher(directory.path(), &migrating, &["migrate"]), "");
        assert!(output.status.success(), "{}", text(&output.stderr));
        check(&serving);
    })
    .await
    .unwrap();
    for sql in [format!("DROP OWNED BY {role}"), format!("DROP ROLE {role}")] {
        sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut owner).await.expect(&sql);
    }
}

#[apply(on_both)]
async fn without_a_schema_and_without_the_right_to_make_one_nothing_starts(app: TestApp) {
    let fresh = if app.url.starts_with("sqlite") {
        format!("{}.fresh", app.url)
    } else {
        app.sql("DROP SCHEMA public CASCADE").await;
        app.sql("CREATE SCHEMA public").await;
        app.url.clone()
    };
    let variables = [("DATABASE_URL", fresh.as_str()), ("USHER_MIGRATE_AT_START", "false")];
    let directory = TempDir::new().unwrap();
    let output = run(usher(directory.path(), &variables, &["check"]), "");
    assert!(text(&output.stderr).contains("migration 1 is pending"), "{}", text(&output.stderr));
    assert!(run(usher(directory.path(), &variables, &["migrate"]), "").status.success());
    check(&variables);
}
