//! PostgreSQL behind `PgBouncer`, as Debian configures it, in its mode for transactions and in that for sessions.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use super::cluster::{Cluster, is_root};
use super::proxy::Proxy;
use super::server::{Server, eventually, json_request, make_superuser, run, status_of, text, usher};
use crate::Backend;
use crate::app::TestApp;

/// Writers at once: more than the pooler has connections.
const WRITERS: usize = 6;
/// How many users each of them makes.
const EACH: usize = 8;

/// A `PgBouncer` of a test's own.
struct Pooler {
    url: String,
    child: Child,
    _directory: TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Pooler {
    /// Before a cluster, with three connections to it.
    fn before(cluster: &Cluster, settings: &str) -> Self {
        let directory = TempDir::with_prefix_in("usher-pooler.", "/tmp").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        std::fs::write(directory.path().join("users"), "\"usher_test\" \"\"\n").unwrap();
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\ndefault_pool_size = 3\n{settings}\n",
            cluster.port,
            directory.path().join("users").display()
        );
        let file = directory.path().join("pooler.ini");
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new("pgbouncer");
        command.env("PATH", "/usr/sbin:/usr/bin:/bin").arg("-q");
        if is_root() {
            command.args(["-u", "postgres"]);
        }
        let child =
            command.arg(&file).stderr(Stdio::null()).spawn().expect("pgbouncer; tests/run installs it");
        let is_there = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        assert!(eventually(Duration::from_secs(10), is_there), "it listens");
        Self { url: format!("postgres://usher_test@127.0.0.1:{port}/postgres"), child, _directory: directory }
    }
}

/// Everything that an installation does, from its first migration to its last seal.
async fn whole_life(settings: &str) {
    let cluster = Cluster::start();
    let pooler = Pooler::before(&cluster, settings);
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let variables = [("DATABASE_URL", pooler.url.as_str())];
    let migrated = run(usher(path, &variables, &["migrate"]), "");
    assert!(migrated.status.success(), "{}", text(&migrated.stderr));
    make_superuser(path, &variables);
    let mut servers = [Server::start(path, &variables), Server::start(path, &variables)];
    let bearer = servers[0].sign_in();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, bearer) = (&servers[writer % 2], &bearer);
            scope.spawn(move || {
                for n in 0..EACH {
                    assert_eq!(server.create(bearer, &format!("user-{writer}-{n}")), Some(201));
                    let body = json!({"expressions": []});
                    let listed = server.ask(&json_request("POST", "/v1/users/list", bearer, &body)).unwrap();
                    assert_eq!(status_of(&listed), Some(200), "{listed}");
                }
            });
        }
    });
    let mut direct = PgConnection::connect(&cluster.url).await.unwrap();
    let users = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM users").fetch_one(&mut direct);
    assert_eq!(usize::try_from(users.await.unwrap()).unwrap(), WRITERS * EACH + 1);

    // A statement that waits for a lock is ended by PostgreSQL itself.
    sqlx::raw_sql("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").execute(&mut direct).await.unwrap();
    assert_eq!(servers[0].create(&bearer, "late"), Some(503));
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let mut longest = 0;
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut direct).await.unwrap() > 0 {
        std::thread::sleep(Duration::from_millis(100));
        longest += 1;
        assert!(longest < 70, "no limit is in force");
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut direct).await.unwrap();
    assert!(eventually(Duration::from_secs(10), || servers[0].create(&bearer, "late") == Some(201)));
    assert!(eventually(Duration::from_secs(10), || servers
        .iter()
        .all(|server| server.status("/readyz") == Some(200))));

    for server in &mut servers {
        server.signal("TERM");
        assert!(server.wait().success());
        let log = server.log();
        assert!(log.contains("by way of a pooler"), "{log}");
        assert!(!log.contains("prepared statement") && !log.contains("panic"), "{log}");
    }
    for (arguments, said) in [
        (&["check"][..], "schema is up to date"),
        (&["audit", "verify"], "entries sealed, 0 not sealed yet"),
        (&["unlock", "late"], ""),
        (&["export", "--format", "csv"], "user-5-7"),
        (&["keys", "rotate"], "The new key signs from"),
    ] {
        let output = run(usher(path, &variables, arguments), "");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains(said), "{arguments:?}: {}", text(&output.stdout));
    }
    // Everything into another database, and back from one that is not pooled.
    let target = format!("sqlite://{}", path.join("copy.db").display());
    let copied = run(usher(path, &variables, &["copy", "--to", &target]), "");
    assert!(copied.status.success(), "{}", text(&copied.stderr));
}

#[rocket::async_test]
async fn an_installation_lives_behind_a_pooler_of_transactions() {
    whole_life("pool_mode = transaction").await;
}

#[rocket::async_test]
async fn an_installation_lives_behind_a_pooler_of_sessions() {
    // Sessions keep their connections, so that two servers need more of them.
    whole_life("pool_mode = session\ndefault_pool_size = 40").await;
}

#[rocket::async_test]
async fn an_installation_lives_behind_a_pooler_that_drops_limits_in_silence() {
    whole_life("pool_mode = transaction\nignore_startup_parameters = options").await;
}

#[rocket::async_test]
async fn no_limit_is_lost_because_the_setting_is_wrong_or_the_role_has_the_same_limits() {
    let cluster = Cluster::start();
    let defaults = [
        "statement_timeout = '5s'",
        "lock_timeout = '2s'",
        "idle_in_transaction_session_timeout = '10s'",
        "default_transaction_isolation = 'read committed'",
        "jit = off",
    ]
    .map(|default| format!("ALTER ROLE usher_test SET {default};"));
    let mut direct = PgConnection::connect(&cluster.url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(defaults.concat())).execute(&mut direct).await.unwrap();
    let directory = TempDir::new().unwrap();
    for (settings, pooler, problem) in [
        ("pool_mode = transaction", "none", "unsupported startup parameter"),
        (
            "pool_mode = transaction\nignore_startup_parameters = options",
            "none",
            "usher.database_pooler must not be none",
        ),
        ("pool_mode = transaction", "sometimes", "usher.database_pooler"),
    ] {
        let before = Pooler::before(&cluster, settings);
        let variables = [("DATABASE_URL", before.url.as_str()), ("USHER_DATABASE_POOLER", pooler)];
        let output = run(usher(directory.path(), &variables, &["migrate"]), "");
        assert_eq!(output.status.code(), Some(1), "{settings}");
        assert!(text(&output.stderr).contains(problem), "{settings}: {}", text(&output.stderr));
    }
    let silent = Pooler::before(&cluster, "pool_mode = transaction\nignore_startup_parameters = options");
    let variables = [("DATABASE_URL", silent.url.as_str())];
    let migrated = run(usher(directory.path(), &variables, &["migrate"]), "");
    assert!(migrated.status.success(), "{}", text(&migrated.stderr));
    assert!(text(&migrated.stderr).contains("by way of a pooler"), "{}", text(&migrated.stderr));
    // Said within transactions, limits are in force without a pooler, too.
    let variables = [("DATABASE_URL", cluster.url.as_str()), ("USHER_DATABASE_POOLER", "transaction")];
    make_superuser(directory.path(), &variables);
    let server = Server::start(directory.path(), &variables);
    assert_eq!(server.create(&server.sign_in(), "ada"), Some(201));
}

/// The statuses of as many changes as clients make at once.
fn changes(server: &Server, bearer: &str, round: usize) -> Vec<Option<u16>> {
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    (0..EACH)
                        .map(|n| server.create(bearer, &format!("r{round}-{writer}-{n}")))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    })
}

#[rocket::async_test]
async fn a_pooler_that_is_put_in_between_while_the_server_runs_is_noticed() {
    for (settings, setting) in [
        ("pool_mode = transaction", "auto"),
        ("pool_mode = transaction\nignore_startup_parameters = options", "auto"),
        ("pool_mode = transaction", "none"),
        ("pool_mode = transaction\nignore_startup_parameters = options", "none"),
    ] {
        let cluster = Cluster::start();
        let line = Proxy::before(&cluster.url);
        let pooler = Pooler::before(&cluster, settings);
        let directory = TempDir::new().unwrap();
        let variables = [("DATABASE_URL", line.url.as_str()), ("USHER_DATABASE_POOLER", setting)];
        make_superuser(directory.path(), &variables);
        let mut server = Server::start(directory.path(), &variables);
        let bearer = server.sign_in();
        assert_eq!(changes(&server, &bearer, 0), [Some(201); WRITERS * EACH]);
        line.lead_to(&pooler.url);
        if setting == "none" {
            // Idle connections are looked at first, which finds those of before broken.
            std::thread::sleep(Duration::from_millis(1200));
            for _ in 0..3 {
                assert_eq!(server.create(&bearer, "none"), Some(503), "{settings}");
            }
            let log = server.log();
            assert!(log.contains("usher.database_pooler"), "{settings}: {log}");
            continue;
        }
        let first = changes(&server, &bearer, 1);
        let only_late = first.iter().all(|status| matches!(status, Some(201 | 503)));
        assert!(only_late, "{settings}: {first:?}");
        let is_well = || server.create(&bearer, "well") == Some(201);
        assert!(eventually(Duration::from_secs(10), is_well), "{settings}");
        assert_eq!(changes(&server, &bearer, 2), [Some(201); WRITERS * EACH], "{settings}");
        let log = server.log();
        assert!(log.contains("a pooler stands before PostgreSQL now"), "{settings}: {log}");
        assert!(!log.contains("prepared statement"), "{settings}: {log}");
    }
}

/// End the statements that a connection has prepared, as if others who share it had done so.
const DEALLOCATE: [&str; 2] = [
    "CREATE FUNCTION deallocate() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN NULL; END $$",
    "CREATE TRIGGER shared AFTER INSERT ON audit_entries EXECUTE FUNCTION deallocate()",
];

#[rocket::async_test]
async fn statements_that_clash_name_the_setting_and_cease_unless_it_forbids_that() {
    for setting in ["auto", "none"] {
        let app = TestApp::new(Backend::Postgres).await;
        let directory = TempDir::new().unwrap();
        let variables = [("DATABASE_URL", app.url.as_str()), ("USHER_DATABASE_POOLER", setting)];
        make_superuser(directory.path(), &variables);
        let mut server = Server::start(directory.path(), &variables);
        let bearer = server.sign_in();
        assert_eq!(server.create(&bearer, "before"), Some(201));
        for sql in DEALLOCATE {
            app.sql(sql).await;
        }
        let statuses: Vec<_> = (0..12).map(|n| server.create(&bearer, &format!("user-{n}"))).collect();
        let after = (setting == "auto").then(|| changes(&server, &bearer, 0));
        let log = server.log();
        assert!(statuses.iter().all(|status| matches!(status, Some(201 | 503))), "{statuses:?}: {log}");
        assert!(log.contains("set usher.database_pooler to transaction"), "{log}");
        let is_noticed = log.contains("from here on each transaction sets its own limits");
        assert_eq!(is_noticed, setting == "auto", "{log}");
        assert!(after.is_none_or(|after| after == [Some(201); WRITERS * EACH]), "{log}");
    }
}
