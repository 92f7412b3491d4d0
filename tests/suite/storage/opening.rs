//! Opening a database: migrations, settings of the connections, permissions of the files.

use rocket::futures::future::join_all;
use tempfile::TempDir;
use usher::db::{self, Db, Sql};
use usher::model::clock::Clock;
use usher::model::user::{User, UserId};
use usher::operations::App;
use usher::security::csrf;

use super::number;
use crate::app::{Backend, PASSWORD, TestApp, figment};
use crate::lists::population::{insert_all, named};

#[apply(on_both)]
async fn migrations_are_applied_once(app: TestApp) {
    app.person("admin", "superuser").await;
    let again = app.another_instance().await;
    assert_eq!(number(&again.usher.db, "SELECT count(*) FROM users").await, 1);
}

#[apply(on_both)]
async fn instances_that_open_a_fresh_database_at_once_share_it(app: TestApp) {
    for round in 0..5 {
        let url = if app.url.starts_with("sqlite") {
            app.url.replace("usher.db", &format!("fresh-{round}.db"))
        } else {
            let (server, name) = app.url.rsplit_once('/').expect("a URL with a database");
            let fresh = format!("{name}_fresh_{round}");
            app.sql(&format!("DROP DATABASE IF EXISTS {fresh}")).await;
            app.sql(&format!("CREATE DATABASE {fresh} TEMPLATE template0")).await;
            format!("{server}/{fresh}")
        };
        let settings = figment(&url, &[]);
        let opened = join_all((0..4).map(|_| App::open(&settings, app.clock.clone()))).await;
        let instances: Vec<App> =
            opened.into_iter().map(|instance| instance.expect("an instance of its own")).collect();
        let token = csrf::issue(&instances[0].keys().forms, "binding");
        let accepted = |usher: &App| csrf::is_valid(&usher.keys().forms, "binding", &token);
        assert!(instances.iter().all(accepted), "round {round}: keys differ");
        insert_all(&instances[0].db, &[User { id: UserId(1), ..named("alice") }]).await.expect("a user");
        for usher in &instances {
            assert!(db::users::by_id(&usher.db, UserId(1)).await.expect("a database").is_some());
            usher.db.close().await;
        }
    }
}

#[apply(on_both)]
async fn a_server_that_stops_keeps_the_database_for_the_requests_that_it_still_answers(app: TestApp) {
    let alice = app.person("alice", "").await.user.id;
    let db = app.usher.db;
    app.client.terminate().await;
    assert!(db::users::by_id(&db, alice).await.expect("an open pool").is_some());
    db.close().await;
    assert!(db::users::by_id(&db, alice).await.is_err());
}

// The index of the search is a table with triggers in SQLite and an index in PostgreSQL.

/// A column: table, name, type as SQLite has it, and whether it always has a value.
type Column = (String, String, String, i64);

const SQLITE_COLUMNS: &str = "SELECT tables.name, columns.name, columns.type, \
    MAX(columns.\"notnull\", columns.pk > 0) FROM sqlite_master AS tables \
    JOIN pragma_table_xinfo(tables.name) AS columns \
    WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite%' AND tables.name NOT LIKE '_sqlx%' \
    AND tables.name NOT LIKE 'users_search%' \
    ORDER BY 1, 2";

const POSTGRES_COLUMNS: &str = "SELECT table_name::text, column_name::text, \
    CASE data_type WHEN 'bytea' THEN 'BLOB' WHEN 'text' THEN 'TEXT' \
    WHEN 'bigint' THEN 'INTEGER' WHEN 'boolean' THEN 'INTEGER' ELSE data_type END, \
    (is_nullable = 'NO')::int::bigint FROM information_schema.columns \
    WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%' \
    ORDER BY table_name COLLATE \"C\", column_name COLLATE \"C\"";

const SQLITE_NAMES: &str = "SELECT type, name, tbl_name, 0 FROM sqlite_master \
    WHERE type IN ('index', 'trigger') AND sql IS NOT NULL AND name NOT LIKE 'users_search%' ORDER BY 1, 2";

const POSTGRES_NAMES: &str = "SELECT * FROM (\
    SELECT 'index', indexname::text COLLATE \"C\" AS name, tablename::text, 0::bigint FROM pg_indexes \
    WHERE schemaname = 'public' AND indexname NOT LIKE '%pkey' AND indexname <> 'users_search' UNION ALL \
    SELECT 'trigger', tgname::text, tgrelid::regclass::text, 0::bigint FROM pg_trigger WHERE NOT tgisinternal\
    ) AS names ORDER BY 1, name";

#[rocket::async_test]
async fn both_databases_have_the_same_tables_columns_indexes_and_triggers() {
    let sqlite = TestApp::new(Backend::Sqlite).await.usher.db;
    let postgres = TestApp::new(Backend::Postgres).await.usher.db;
    for (on_sqlite, on_postgres, some) in [
        (SQLITE_COLUMNS, POSTGRES_COLUMNS, "secret_hash"),
        (SQLITE_NAMES, POSTGRES_NAMES, "users_last_superuser_update"),
    ] {
        let left: Vec<Column> = sqlite.all(Sql::new(on_sqlite)).await.expect("SQLite's schema");
        let right: Vec<Column> = postgres.all(Sql::new(on_postgres)).await.expect("PostgreSQL's schema");
        assert_eq!(left, right);
        assert!(left.iter().any(|(_, name, ..)| name == some), "{left:?}");
    }
}

#[rocket::async_test]
async fn every_sqlite_connection_has_its_settings_and_readers_cannot_write() {
    let app = TestApp::new(Backend::Sqlite).await;
    let person = app.person("alice", "").await;
    let db = &app.usher.db;
    // What is committed with NORMAL is synced before it is acknowledged: process::group_commit.
    let pragmas: [(&str, i64, i64); 3] =
        [("PRAGMA synchronous", 2, 1), ("PRAGMA foreign_keys", 1, 1), ("PRAGMA query_only", 1, 0)];
    for (pragma, of_readers, of_writer) in pragmas {
        // At once, so that the answers come from several connections.
        let answers = join_all((0..4).map(|_| number(db, pragma))).await;
        assert_eq!(answers, [of_readers; 4], "{pragma} of the readers");
        let mut tx = db.begin().await.expect("the writer");
        let written = tx.optional::<(i64,)>(Sql::new(pragma)).await.expect(pragma).expect("a row");
        assert_eq!(written.0, of_writer, "{pragma} of the writer");
    }
    let mode = db.optional::<(String,)>(Sql::new("PRAGMA journal_mode")).await.expect("a mode");
    assert_eq!(mode, Some(("wal".to_owned(),)));

    let write = Sql::new("UPDATE users SET version = 100 RETURNING version");
    let refused = db.optional::<(i64,)>(write).await.expect_err("a reader wrote");
    assert!(refused.to_string().contains("readonly"), "{refused}");
    assert_eq!(app.stored(person.id()).await.version, 1);
}

#[rocket::async_test]
async fn do_3_no_connection_is_made_to_a_file_that_was_put_in_the_place_of_the_database() {
    let directory = TempDir::new().expect("a temporary directory");
    let place = |name: &str| directory.path().join(name);
    let settings = figment(&format!("sqlite://{}", place("usher.db").display()), &[]);
    let db = Db::open(&settings.focus("databases.main")).await.expect("a fresh file");
    insert_all(&db, &[User { id: UserId(1), ..named("alice") }]).await.expect("a user");
    std::fs::rename(place("usher.db"), place("moved.db")).expect("moved");
    std::fs::write(place("usher.db"), b"").expect("another file");
    // It takes long enough that none gets the connection of another.
    let slow = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000000) \
                SELECT (SELECT count(*) FROM users) FROM (SELECT max(n) FROM n)";
    let count = || db.scanning().optional::<(i64,)>(Sql::new(slow));
    // One of them has the connection of the start; the others need new ones.
    let counts = join_all((0..3).map(|_| count())).await;
    let refused = |read: &&Result<_, _>| matches!(read, Err(db::Error::Moved));
    assert_eq!(counts.iter().filter(refused).count(), 2, "{counts:?}");
    assert!(counts.iter().any(|read| matches!(read, Ok(Some((1,))))), "{counts:?}");
    std::fs::rename(place("moved.db"), place("usher.db")).expect("moved back");
    let counts = join_all((0..3).map(|_| count())).await;
    assert!(counts.iter().all(|read| matches!(read, Ok(Some((1,))))), "{counts:?}");
    db.close().await;
}

#[rocket::async_test]
async fn cf_3_only_the_owner_can_read_the_sqlite_files() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("usher.db").display().to_string();
    let _app =
        App::open(&figment(&format!("sqlite://{file}"), &[]), Clock::System).await.expect("a fresh file");
    for suffix in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{file}{suffix}")).expect(suffix).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}{suffix}");
    }
}

#[rocket::async_test]
async fn az_5_the_isolation_of_transactions_does_not_depend_on_the_server() {
    let app = TestApp::new(Backend::Postgres).await;
    let (_, name) = app.url.rsplit_once('/').expect("a URL with a database");
    app.sql(&format!("ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")).await;
    let later = app.another_instance().await;
    let sql = Sql::new("SELECT current_setting('transaction_isolation')");
    let level = later.usher.db.optional::<(String,)>(sql).await.expect("a level");
    assert_eq!(level, Some(("read committed".to_owned(),)));
}

#[rocket::async_test]
async fn a_server_that_shows_bytes_escaped_is_opened_and_migrated() {
    let app = TestApp::new(Backend::Postgres).await;
    let (_, name) = app.url.rsplit_once('/').expect("a URL with a database");
    app.sql(&format!("ALTER DATABASE {name} SET bytea_output = 'escape'")).await;
    let mark = "SELECT encode(value, 'escape') FROM installation WHERE name = 'oldest_schema'";
    let later = app.another_instance().await;
    let before = later.usher.db.optional::<(String,)>(Sql::new(mark)).await.expect("a mark");
    assert!(before.is_some());
    // Without it the checksums of all migrations are compared again.
    app.sql("DELETE FROM installation WHERE name = 'oldest_schema'").await;
    let migrated = app.another_instance().await;
    assert_eq!(migrated.usher.db.optional::<(String,)>(Sql::new(mark)).await.expect("a mark"), before);
    app.person("ada", "staff").await;
    assert_eq!(migrated.obtain("ada", PASSWORD).await.status, 200);
}

#[rocket::async_test]
async fn postgres_gives_the_places_of_sealed_entries_to_later_ones_soon() {
    let app = TestApp::new(Backend::Postgres).await;
    let sql =
        Sql::new("SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE relname = 'audit_entries'");
    let options = app.usher.db.optional::<(String,)>(sql).await.expect("a table").expect("options").0;
    assert!(options.contains("autovacuum_vacuum_scale_factor=0.02"), "{options}");
    assert!(options.contains("autovacuum_vacuum_threshold=5000"), "{options}");
}
