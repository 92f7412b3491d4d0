//! From one release to the next: every earlier schema with its data, several processes at once, and a kill half-way.

use std::path::Path;
use std::process::{Child, Output};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::server::{Server, json_request, make_superuser, run, status_of, text, usher};
use crate::Backend;
use crate::app::TestApp;

/// A database of an earlier release.
struct Earlier {
    url: String,
    /// Keeps the database until the test ends.
    _app: TestApp,
    directory: TempDir,
}

/// The migrations of a database, by number.
async fn migrator(url: &str) -> Migrator {
    let folder = if url.starts_with("sqlite") { "sqlite" } else { "postgres" };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
    Migrator::new(folder.as_path()).await.unwrap()
}

async fn versions(backend: Backend) -> Vec<i64> {
    let scheme = if backend == Backend::Sqlite { "sqlite" } else { "postgres" };
    migrator(scheme).await.iter().map(|migration| migration.version).collect()
}

/// Runs statements behind the program's back.
async fn execute(url: &str, statements: &[String]) {
    for sql in statements {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.clone()));
        if url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            sql.execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            sql.execute(&mut PgConnection::connect(url).await.unwrap()).await.unwrap();
        }
    }
}

/// What a statement finds, one text a row.
async fn found(url: &str, sql: &str) -> Vec<String> {
    let sql = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let rows = sql.fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        return rows;
    }
    let sql = sqlx::query_scalar(sqlx::Execute::sql(sql));
    sql.fetch_all(&mut PgConnection::connect(url).await.unwrap()).await.unwrap()
}

impl Earlier {
    /// One with the migrations up to `version`, and with people in it.
    async fn of(backend: Backend, version: i64, people: usize) -> Self {
        let app = TestApp::new(backend).await;
        let directory = TempDir::new().unwrap();
        let url = match backend {
            Backend::Sqlite => format!("sqlite://{}", directory.path().join("usher.db").display()),
            Backend::Postgres | Backend::Pooled => app.url.clone(),
        };
        let migrator = migrator(&url).await;
        if backend == Backend::Sqlite {
            std::fs::write(directory.path().join("usher.db"), b"").unwrap();
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            migrator.run_to(version, &mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            app.usher.db.close().await;
            execute(&url, &["DROP SCHEMA public CASCADE".to_owned(), "CREATE SCHEMA public".to_owned()])
                .await;
            migrator.run_to(version, &mut PgConnection::connect(&url).await.unwrap()).await.unwrap();
        }
        let people: Vec<String> = (1..=people)
            .map(|n| {
                format!(
                    "('user{n}', 'user{n}', 'user{n}', '!', 'Zoë', 'zoë', 'Müller', 'müller', 'u{n}@bücher.example', \
                     'u{n}@bücher.example', 'zoë müller', 'user{n} zoë müller', TRUE, TRUE, {}, 1, 1)",
                    n == 1
                )
            })
            .collect();
        let later = if version > 1 {
            ("confirmed_at, address, device, name, read_only, ", "1, '', '', '', FALSE, ")
        } else {
            ("", "")
        };
        let statements = [
            format!(
                "INSERT INTO users (username, username_key, username_folded, password, first_name, first_name_folded, \
                 last_name, last_name_folded, email, email_folded, name_folded, searchable, is_active, is_staff, \
                 is_superuser, date_joined, version) VALUES {}",
                people.join(", ")
            ),
            format!(
                "INSERT INTO sessions ({}user_id, carrier, secret_hash, created_at, last_seen_at, expires_at) \
                 VALUES ({}1, 'cookie', '\\x01', 1, 1, 9)",
                later.0, later.1
            ),
            "INSERT INTO throttles (key, failures, consecutive, last_failure_at, blocked_until) \
             VALUES ('\\x02', 1, 1, 1, 1)"
                .to_owned(),
        ];
        // A literal of bytes is written in another way there.
        let statements = statements.map(|sql| match backend {
            Backend::Sqlite => sql.replace("'\\x", "x'"),
            Backend::Postgres | Backend::Pooled => sql,
        });
        execute(&url, &statements).await;
        Self { url, _app: app, directory }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(usher(self.directory.path(), &[("DATABASE_URL", &self.url)], arguments), "")
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        usher(self.directory.path(), &[("DATABASE_URL", &self.url)], arguments).spawn().unwrap()
    }

    /// The migrations that were applied.
    async fn applied(&self) -> Vec<String> {
        found(&self.url, "SELECT CAST(version AS TEXT) FROM _sqlx_migrations ORDER BY version").await
    }

    /// What was stored about the people, and how much beside them.
    async fn data(&self) -> Vec<String> {
        let users = "SELECT username || password || first_name || last_name || CAST(is_superuser AS TEXT) FROM users ORDER BY id";
        let mut data = found(&self.url, users).await;
        for table in ["sessions", "throttles"] {
            data.extend(found(&self.url, &format!("SELECT CAST(count(*) AS TEXT) FROM {table}")).await);
        }
        data
    }
}

async fn every_earlier_schema(backend: Backend) {
    let all = versions(backend).await;
    for (n, version) in all.iter().copied().enumerate() {
        let earlier = Earlier::of(backend, version, 30).await;
        let (before, data) = (earlier.applied().await, earlier.data().await);
        assert_eq!((before.len(), data.len()), (n + 1, 32), "{version}");
        // What only looks changes nothing, and what copies neither.
        let pending = all.len() - n - 1;
        let planned = text(&earlier.run(&["migrate", "--dry-run"]).stdout);
        assert_eq!(planned.lines().count(), pending + 1, "{version}: {planned}");
        let checked = earlier.run(&["check"]);
        assert!(checked.status.success(), "{version}: {}", text(&checked.stderr));
        let note = format!("the next start applies {pending} migration");
        assert_eq!(text(&checked.stdout).contains(&note), pending > 0, "{}", text(&checked.stdout));
        if backend == Backend::Sqlite {
            let copied = earlier.run(&["backup", "copy.db"]);
            assert!(copied.status.success(), "{version}: {}", text(&copied.stderr));
        }
        assert_eq!(earlier.applied().await, before, "{version}: neither of them migrates");
        let migrated = earlier.run(&["migrate"]);
        assert!(migrated.status.success(), "{version}: {}", text(&migrated.stderr));
        assert_eq!((earlier.applied().await.len(), earlier.data().await), (all.len(), data), "{version}");
        assert!(text(&earlier.run(&["check"]).stdout).contains("schema is up to date"), "{version}");
        let addresses = found(&earlier.url, "SELECT email FROM users WHERE id = 7").await;
        assert_eq!(addresses, ["u7@xn--bcher-kva.example"], "{version}: what is stored otherwise now");
        if n == 0 {
            serves(&earlier);
        }
    }
}

/// The upgraded database is one like any other.
fn serves(earlier: &Earlier) {
    let variables = [("DATABASE_URL", earlier.url.as_str())];
    make_superuser(earlier.directory.path(), &variables);
    let server = Server::start(earlier.directory.path(), &variables);
    let bearer = server.sign_in();
    let body = serde_json::json!({"expressions": []});
    let listed = server.ask(&json_request("POST", "/v1/users/list", &bearer, &body)).unwrap();
    assert_eq!(status_of(&listed), Some(200), "{listed}");
    assert_eq!(server.create(&bearer, "ada"), Some(201));
}

#[rocket::async_test]
async fn every_earlier_schema_of_sqlite_is_upgraded_with_its_data() {
    every_earlier_schema(Backend::Sqlite).await;
}

#[rocket::async_test]
async fn every_earlier_schema_of_postgres_is_upgraded_with_its_data() {
    every_earlier_schema(Backend::Postgres).await;
}

#[rocket::async_test]
async fn an_upgrade_of_sqlite_that_is_killed_has_done_all_or_nothing() {
    let earlier = Earlier::of(Backend::Sqlite, 1, 20_000).await;
    let (before, data) = (earlier.applied().await, earlier.data().await);
    let mut cut = 0;
    for step in 1..=200 {
        let mut child = earlier.spawn(&["migrate"]);
        std::thread::sleep(Duration::from_millis(10 * step));
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        let applied = earlier.applied().await;
        assert_eq!(earlier.data().await, data, "after {step}");
        if ended || applied != before {
            break;
        }
        cut += 1;
    }
    assert!(cut > 3, "some were cut short: {cut}");
    let migrated = earlier.run(&["migrate"]);
    assert!(migrated.status.success(), "{}", text(&migrated.stderr));
    assert_eq!(
        (earlier.applied().await.len(), earlier.data().await),
        (versions(Backend::Sqlite).await.len(), data)
    );
    assert!(text(&earlier.run(&["check"]).stdout).contains("schema is up to date"));
}

#[rocket::async_test]
async fn upgrades_of_postgres_at_once_wait_for_each_other_and_one_that_is_killed_has_done_nothing() {
    let earlier = Earlier::of(Backend::Postgres, 1, 30).await;
    let (before, data) = (earlier.applied().await, earlier.data().await);
    // What a migration has to change is in use, as by a program that makes a backup.
    let mut other = PgConnection::connect(&earlier.url).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE sessions IN ACCESS SHARE MODE").execute(&mut other).await.unwrap();
    let waiting = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() \
                   AND application_name = 'usher' AND wait_event_type = 'Lock'";
    let mut killed = earlier.spawn(&["migrate"]);
    // It asks for the lock for an instant at a time.
    let mut is_half_way = false;
    for _ in 0..1_000 {
        is_half_way = !found(&earlier.url, waiting).await.is_empty();
        if is_half_way {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(is_half_way);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!((earlier.applied().await, earlier.data().await), (before.clone(), data.clone()));

    // Another process that migrates, as it seems.
    let mut migrating = PgConnection::connect(&earlier.url).await.unwrap();
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(7308324466019627841)";
    sqlx::raw_sql(lock).execute(&mut migrating).await.unwrap();
    let instances = ["migrate", "migrate", "migrate"].map(|command| earlier.spawn(&[command]));
    std::thread::sleep(Duration::from_secs(4));
    sqlx::raw_sql("COMMIT").execute(&mut migrating).await.unwrap();
    // A server reads meanwhile, and is never held up for long.
    let mut serving = PgConnection::connect(&earlier.url).await.unwrap();
    for _ in 0..20 {
        let sql = "SET lock_timeout = '2s'; SELECT count(*) FROM sessions";
        sqlx::raw_sql(sql).execute(&mut serving).await.unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(earlier.applied().await, before);
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    let mut said = String::new();
    for instance in instances {
        let output = instance.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        said += &text(&output.stderr);
    }
    for reason in ["another session holds a lock on a table", "another process is migrating the database"] {
        assert!(said.contains(&format!("the migrations have to wait: {reason}")), "{said}");
    }
    assert_eq!(
        (earlier.applied().await.len(), earlier.data().await),
        (versions(Backend::Postgres).await.len(), data)
    );
}

#[rocket::async_test]
async fn upgrades_of_sqlite_wait_for_another_process_however_long_it_takes() {
    let earlier = Earlier::of(Backend::Sqlite, 1, 30).await;
    let mut other = SqliteConnection::connect(&earlier.url).await.unwrap();
    sqlx::raw_sql("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let instances = ["migrate", "migrate"].map(|command| earlier.spawn(&[command]));
    // SQLite itself waits for five seconds.
    std::thread::sleep(Duration::from_secs(12));
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    for instance in instances {
        let output = instance.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("the migrations have to wait"), "{}", text(&output.stderr));
    }
    assert_eq!(earlier.applied().await.len(), versions(Backend::Sqlite).await.len());
}

#[apply(on_both)]
async fn a_release_that_is_too_old_for_a_database_refuses_it(app: TestApp) {
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", app.url.as_str())];
    make_superuser(directory.path(), &variables);
    let mark = "SELECT CAST(count(*) AS TEXT) FROM installation WHERE name = 'oldest_schema'";
    assert_eq!(found(&app.url, mark).await, ["1"], "each upgrade notes it");
    let value = if app.url.starts_with("sqlite") { "x'39393939'" } else { "'9999'" };
    app.sql(&format!("UPDATE installation SET value = {value} WHERE name = 'oldest_schema'")).await;
    for command in [&["serve"][..], &["check"], &["migrate"], &["migrate", "--dry-run"], &["export"]] {
        let output = run(usher(directory.path(), &variables, command), "");
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let complaint = text(&output.stderr);
        assert!(complaint.contains("a newer release has upgraded the database"), "{command:?}: {complaint}");
        assert!(complaint.contains("needs to know migration 9999"), "{command:?}: {complaint}");
    }
    if app.url.starts_with("sqlite") {
        assert!(run(usher(directory.path(), &variables, &["backup", "copy.db"]), "").status.success());
    }
}

#[test]
fn a_dry_run_lists_what_would_be_applied_and_makes_nothing() {
    let directory = TempDir::new().unwrap();
    let output = run(usher(directory.path(), &[], &["migrate", "--dry-run"]), "");
    let planned = text(&output.stdout);
    assert!(
        planned.starts_with("Would apply ") && planned.contains("  0001 users and sessions\n"),
        "{planned}"
    );
    let checked = run(usher(directory.path(), &[], &["check"]), "");
    assert!(text(&checked.stdout).contains("there is no database yet"), "{}", text(&checked.stdout));
    assert!(!run(usher(directory.path(), &[], &["backup", "copy.db"]), "").status.success());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let output = run(usher(directory.path(), &[], &["migrate"]), "");
    assert!(text(&output.stdout).ends_with("The database is up to date.\n"), "{}", text(&output.stdout));
    let again = run(usher(directory.path(), &[], &["migrate"]), "");
    assert_eq!(text(&again.stdout), "No migration is pending.\nThe database is up to date.\n");
}

#[rocket::async_test]
async fn what_only_looks_leaves_the_file_of_an_earlier_release_as_it_is() {
    let directory = TempDir::new().unwrap();
    assert!(run(usher(directory.path(), &[], &["migrate"]), "").status.success());
    let file = directory.path().join("usher.db");
    let last = "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    let statements = ["PRAGMA journal_mode = DELETE".to_owned(), last.to_owned()];
    execute(&format!("sqlite://{}", file.display()), &statements).await;
    let before = std::fs::read(&file).unwrap();
    for command in [&["check"][..], &["migrate", "--dry-run"], &["backup", "copy.db"]] {
        let output = run(usher(directory.path(), &[], command), "");
        assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
        assert!(std::fs::read(&file).unwrap() == before, "{command:?}");
    }
}

#[test]
fn do_3_where_a_database_must_exist_none_is_made() {
    let directory = TempDir::new().unwrap();
    let variables = [("USHER_DATABASE_MUST_EXIST", "true")];
    let create = ["createsuperuser", "--username", "admin", "--password-stdin"];
    for command in
        [&["serve"][..], &["check"], &["migrate"], &["migrate", "--dry-run"], &create, &["backup", "copy.db"]]
    {
        let output = run(usher(directory.path(), &variables, command), "correct horse battery\n");
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let complaint = text(&output.stderr);
        assert!(complaint.contains("there is no database at usher.db"), "{command:?}: {complaint}");
        let there = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(there.into_iter().all(|name| name == "usher.db.lock"), "{command:?} makes nothing");
    }
    // An empty file is no database either.
    std::fs::write(directory.path().join("usher.db"), b"").unwrap();
    let output = run(usher(directory.path(), &variables, &["serve"]), "");
    assert!(text(&output.stderr).contains("there is no database"), "{}", text(&output.stderr));
    assert!(run(usher(directory.path(), &variables, &["migrate", "--create"]), "").status.success());
    make_superuser(directory.path(), &variables);
    let server = Server::start(directory.path(), &variables);
    assert_eq!(server.create(&server.sign_in(), "ada"), Some(201));
}
