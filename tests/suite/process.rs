//! The program as an operator runs it: subcommands, start, stop, exit codes.

mod backup;
mod behind_caddy;
mod behind_haproxy;
mod behind_nginx;
mod behind_traefik;
mod clients;
mod cluster;
mod configuration;
mod cookies;
mod crash;
mod demo;
mod documented;
mod front;
mod group_commit;
mod hosts;
mod killed_log;
mod least_privilege;
mod logs;
mod metrics;
mod moved;
mod pooled;
mod proxy;
mod replica;
mod restore;
mod scim;
mod server;
mod standby;
mod stop;
mod storage;
mod upgrading;
mod wire;

use std::time::Duration;

use rocket::http::{Header, Method};
use rocket::tokio::task::spawn_blocking;
use serde_json::json;
use tempfile::TempDir;

use crate::Backend;
use crate::app::{Answer, By, PASSWORD, TestApp};

pub(crate) use self::server::rounds;
use self::server::{Server, obtain_request, run, text, usher};

#[test]
fn without_any_configuration_it_makes_its_database_and_says_how_to_make_the_first_superuser() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), &[]);
    assert!(server.said.contains("usher createsuperuser --username admin"), "{}", server.said);
    assert!(server.get("/livez").starts_with("HTTP/1.1 200 OK"));
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200 OK"));
    let metadata = std::fs::metadata(directory.path().join("usher.db")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
    assert_eq!(mode & 0o777, 0o600, "cf_3: only its owner reads the database");
    server.signal("INT");
    assert!(server.wait().success());
    let complaints = server.log();
    assert!(!complaints.contains("WARN") && !complaints.contains("secret"), "{complaints}");
}

#[test]
fn help_explains_every_subcommand() {
    let directory = TempDir::new().unwrap();
    let output = run(usher(directory.path(), &[], &["--help"]), "");
    let help = text(&output.stdout);
    for command in [
        "serve",
        "demo",
        "migrate",
        "config",
        "createsuperuser",
        "changepassword",
        "unlock",
        "import",
        "export",
        "check",
    ] {
        assert!(help.contains(command), "{help}");
    }
    let made_up = run(usher(directory.path(), &[], &["generate", "--users", "1"]), "");
    assert_eq!(made_up.status.code(), Some(2), "what is distributed makes up no users");
}

#[test]
fn cf_1_an_unfit_secret_key_stops_the_start_in_every_profile() {
    let directory = TempDir::new().unwrap();
    for profile in ["debug", "release", "default"] {
        for key in [
            "c2hvcnQ=",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "hPRYyVRiMyxpw5sBB1XeCMN1kFsDCqKvBi2QJxBVHQk=",
        ] {
            let variables = [("ROCKET_PROFILE", profile), ("USHER_SECRET_KEY", key)];
            let output = run(usher(directory.path(), &variables, &["serve"]), "");
            assert!(!output.status.success());
            assert!(text(&output.stderr).contains("usher.secret_key"), "{}", text(&output.stderr));
            assert!(!text(&output.stderr).contains(key), "the key is not repeated");
        }
    }
}

#[test]
fn an_unknown_database_is_refused_without_repeating_its_url() {
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", "mysql://usher:hunter2@localhost/usher")];
    let output = run(usher(directory.path(), &variables, &["migrate"]), "");
    assert!(!output.status.success());
    let complaint = text(&output.stderr);
    assert!(complaint.contains("must begin with sqlite:, postgres:"), "{complaint}");
    assert!(!complaint.contains("hunter2"), "lg_1: {complaint}");
}

#[test]
fn a_database_in_memory_is_refused() {
    let directory = TempDir::new().unwrap();
    for url in ["sqlite::memory:", "sqlite://usher.db?mode=memory"] {
        let output = run(usher(directory.path(), &[("DATABASE_URL", url)], &["migrate"]), "");
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains("must name a file"), "{}", text(&output.stderr));
    }
}

#[apply(on_both)]
async fn a_user_made_on_the_command_line_signs_in_and_a_new_password_ends_their_sessions(app: TestApp) {
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", app.url.as_str())];
    let arguments =
        ["createsuperuser", "--username", "Ada", "--email", "ada@example.org", "--password-stdin"];
    let output = run(usher(directory.path(), &variables, &arguments), &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let tokens = app.obtain("ada", PASSWORD).await.json();
    let access = tokens["access"].as_str().unwrap().to_owned();
    let ask = async |access: &str| {
        let request =
            app.client.get("/v1/users/1").header(Header::new("Authorization", format!("Bearer {access}")));
        Answer::of(request.dispatch().await).await
    };
    let record = ask(&access).await.json();
    assert_eq!(record["is_superuser"], true);
    assert_eq!(record["is_staff"], true);
    assert_eq!(record["email"], "ada@example.org");

    let output = run(
        usher(directory.path(), &variables, &["changepassword", "ADA", "--password-stdin"]),
        "another long one\n",
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(ask(&access).await.status, 401, "se_2: the old session is over");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 401);
    assert_eq!(app.obtain("ada", "another long one").await.status, 200);
}

#[apply(on_both)]
async fn cf_2_nothing_makes_a_superuser_but_a_valid_command(app: TestApp) {
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", app.url.as_str()), ("USHER_LOG_LEVEL", "off")];
    for (arguments, input, complaint) in [
        (
            vec!["createsuperuser", "--username", "", "--password-stdin"],
            "correct horse battery\n",
            "username: This field may not be blank.",
        ),
        (
            vec!["createsuperuser", "--username", "ada", "--password-stdin"],
            "\n",
            "password: This field may not be blank.",
        ),
        (
            vec!["createsuperuser", "--username", "ada", "--password-stdin"],
            "password\n",
            "password: This password is too common.",
        ),
        (vec!["createsuperuser", "--username", "ada"], "", "--password-stdin"),
        (
            vec!["createsuperuser", "--username", "a da", "--email", "x", "--password-stdin"],
            "correct horse battery\n",
            "email: Enter a valid email address.",
        ),
        (
            vec!["changepassword", "nobody", "--password-stdin"],
            "correct horse battery\n",
            "there is no user of that name",
        ),
    ] {
        let output = run(usher(directory.path(), &variables, &arguments), input);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(complaint), "{}", text(&output.stderr));
    }
    let staff = app.person("staff", "staff").await;
    let list = app.send(&staff, Method::Post, "/v1/users/list", &json!({"include_inactive": true})).await;
    assert_eq!(list.json().as_array().unwrap().len(), 1, "only the test's own user exists");
}

#[apply(on_both)]
async fn check_says_by_its_exit_code_whether_all_is_fit(app: TestApp) {
    let directory = TempDir::new().unwrap();
    let fit = [("DATABASE_URL", app.url.as_str())];
    let output = run(usher(directory.path(), &fit, &["check"]), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("database answers"));
    assert!(text(&output.stdout).contains("no active superuser"));
    let unfit = [("DATABASE_URL", app.url.as_str()), ("USHER_NO_SUCH_SETTING", "1")];
    let output = run(usher(directory.path(), &unfit, &["check"]), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no_such_setting"));
    let away = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")];
    assert_eq!(run(usher(directory.path(), &away, &["check"]), "").status.code(), Some(1));
}

#[apply(on_both)]
async fn pw_13_the_operator_ends_a_block_and_the_trail_says_so(app: TestApp) {
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", app.url.as_str())];
    let unlock = |name: &str| run(usher(directory.path(), &variables, &["unlock", name]), "");
    let person = app.person("Ada", "staff").await;
    let said = text(&unlock("ada").stdout);
    assert!(said.contains("No failed sign-ins stand against Ada."), "{said}");
    for _ in 0..8 {
        assert_eq!(app.obtain("ada", "wrong").await.status, 401);
    }
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 401, "the right password is not looked at");
    // One more by a signed-in user, who is counted apart.
    let wrong = json!({"password": "wrong"});
    let confirm = app.json(Method::Post, "/v1/account/confirm", Some((&person, By::Bearer)), &wrong).await;
    assert_eq!(confirm.status, 400);
    let output = unlock(" ADA ");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("Forgot 7 failed sign-ins"), "{}", text(&output.stdout));
    let left = "SELECT count(*) FROM throttles WHERE consecutive > 0";
    let left: Option<(i64,)> = app.usher.db.optional(usher::db::Sql::new(left)).await.unwrap();
    assert_eq!(left, Some((0,)));
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    let entries = "SELECT count(*) FROM audit_entries WHERE action = 'account_unblocked' \
                   AND door = 'command_line' AND target_id = $1";
    let count: Option<(i64,)> =
        app.usher.db.optional(usher::db::Sql::new(entries).bind(person.id())).await.unwrap();
    assert_eq!(count, Some((1,)));
    let output = unlock("nobody");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no user of that name"), "{}", text(&output.stderr));
}

#[apply(on_both)]
#[with([("throttle_address_burst", json!(1))])]
async fn pw_13_the_operator_ends_the_block_of_an_address_and_the_trail_says_so(app: TestApp) {
    let directory = TempDir::new().unwrap();
    let variables = [("DATABASE_URL", app.url.as_str())];
    let unlock =
        |address: &str| run(usher(directory.path(), &variables, &["unlock", "--address", address]), "");
    app.person("ada", "staff").await;
    let obtain = async |password: &str| {
        let body = json!({"username": "ada", "password": password}).to_string();
        let request = app.client.post("/v1/auth/obtain").header(rocket::http::ContentType::JSON).body(body);
        request.remote("[2001:db8:0:7::1]:40000".parse().unwrap()).dispatch().await.status().code
    };
    assert_eq!((obtain("wrong").await, obtain(PASSWORD).await), (401, 429));
    let said = text(&unlock("2001:db8:0:8::1").stdout);
    assert!(said.contains("No failed sign-ins stand against 2001:db8:0:8::1."), "{said}");
    assert_eq!(obtain(PASSWORD).await, 429);
    let output = unlock("2001:db8:0:7::9");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(obtain(PASSWORD).await, 200, "of the same subscriber");
    let entries =
        "SELECT details FROM audit_entries WHERE action = 'address_unblocked' AND door = 'command_line'";
    let details: Vec<(String,)> = app.usher.db.all(usher::db::Sql::new(entries)).await.unwrap();
    assert_eq!(details, [("{\"address\":\"2001:db8:0:7::9\"}".to_owned(),)]);
    for arguments in
        [&["unlock"][..], &["unlock", "ada", "--address", "192.0.2.1"], &["unlock", "--address", "x"]]
    {
        assert_eq!(
            run(usher(directory.path(), &variables, arguments), "").status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

#[apply(on_both)]
async fn cr_1_the_operator_rotates_the_key_unless_it_is_a_setting(app: TestApp) {
    let directory = TempDir::new().unwrap();
    let mut variables = vec![("DATABASE_URL", app.url.as_str())];
    let rotate = |variables: &[(&str, &str)], more: &[&str]| {
        run(usher(directory.path(), variables, &[&["keys", "rotate"], more].concat()), "")
    };
    let first = rotate(&variables, &[]);
    assert!(text(&first.stdout).contains("The new key signs from "), "{}", text(&first.stderr));
    let second = rotate(&variables, &[]);
    assert!(
        text(&second.stderr).contains("wait for that, or end them with --at-once"),
        "{}",
        text(&second.stderr)
    );
    assert!(text(&rotate(&variables, &["--at-once"]).stdout).contains("The new key is the only one."));
    variables.push(("USHER_SECRET_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="));
    let configured = rotate(&variables, &[]);
    assert!(text(&configured.stderr).contains("secret_key_before"), "{}", text(&configured.stderr));
    assert_eq!([second.status.code(), configured.status.code()], [Some(1); 2]);
}

#[apply(on_both)]
async fn an_accepted_request_is_answered_although_the_server_is_told_to_stop(app: TestApp) {
    app.person("ada", "staff").await;
    let url = app.url.clone();
    spawn_blocking(move || {
        let directory = TempDir::new().unwrap();
        // A wrong password is answered after two seconds: time to be told to stop.
        let variables = [("DATABASE_URL", url.as_str()), ("USHER_SIGN_IN_FAILURE_MILLISECONDS", "2000")];
        let mut server = Server::start(directory.path(), &variables);
        let answer = std::thread::scope(|scope| {
            let request = scope.spawn(|| server.ask(&obtain_request("ada", "not the password")));
            std::thread::sleep(Duration::from_millis(800));
            server.signal("TERM");
            request.join().unwrap().unwrap()
        });
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(answer.ends_with("No active account found with the given credentials\"}"), "{answer}");
        assert!(server.wait().success());
        assert!(server.ask("GET / HTTP/1.1\r\n\r\n").is_err(), "nothing listens any more");
    })
    .await
    .unwrap();
}

#[rocket::async_test]
async fn readiness_follows_the_database_and_liveness_does_not() {
    let app = TestApp::new(Backend::Postgres).await;
    let staff = app.person("staff", "staff").await;
    let (server, name) = app.url.rsplit_once('/').unwrap();
    let maintenance = format!("{server}/postgres");
    let statement = async |sql: String| {
        use sqlx::Connection as _;
        let mut connection = sqlx::PgConnection::connect(&maintenance).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    };
    let ask = async |path: &str| Answer::of(app.client.get(path.to_owned()).dispatch().await).await;
    assert_eq!(ask("/readyz").await.status, 200);

    statement(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    statement(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))
        .await;
    let away = ask("/readyz").await;
    assert_eq!(away.status, 503);
    assert!(away.body.contains("The database is away."), "{}", away.body);
    assert_eq!(ask("/livez").await.status, 200);
    let answer = app.get(&staff, "/v1/users/1").await;
    assert_eq!(answer.status, 503, "an outage is no sign-out: {}", answer.body);
    assert!(answer.header("Retry-After").is_some());
    let by_cookie = app.request(Method::Get, "/", Some((&staff, By::Cookie))).dispatch().await;
    assert_eq!(by_cookie.status().code, 503);

    statement(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    // A client that connects again may have to wait where much else goes on.
    let mut tries = 0;
    while ask("/readyz").await.status != 200 {
        tries += 1;
        assert!(tries < 100, "it is not ready again");
        rocket::tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(app.get(&staff, "/v1/users/1").await.status, 200);
}
