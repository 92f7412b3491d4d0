//! What the program writes on standard error.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use super::server::{Server, json_request, make_superuser, obtain_request, run, signal, text, usher};
use crate::app::{PASSWORD, TestApp};

/// All lines, each an object.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// The answer to a client never has it; what an operator runs has no answer.
#[rocket::async_test]
async fn the_cause_of_an_internal_error_is_told_to_the_operator_of_a_subcommand() {
    let directory = TempDir::new().unwrap();
    make_superuser(directory.path(), &[]);
    let url = format!("sqlite://{}", directory.path().join("usher.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("DROP TABLE throttles").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let output = run(usher(directory.path(), &[], &["unlock", "admin"]), "");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("internal error: ") && said.contains("no such table: throttles"), "{said}");
}

/// The line of the one request for a path.
fn line_of<'a>(lines: &'a [Value], path: &str) -> &'a Value {
    let mut found = lines.iter().filter(|line| line["path"] == path);
    let line = found.next().unwrap_or_else(|| panic!("no line for {path}: {lines:#?}"));
    assert!(found.next().is_none(), "two lines for one request to {path}");
    line
}

/// The value of a header in a whole answer.
fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let named = |line: &'a str| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name));
    answer.lines().find_map(named).unwrap_or_else(|| panic!("no {name}: {answer}")).1
}

/// Control characters in all the places where a client can put them.
fn hostile_request(path: &str, bearer: &str) -> String {
    let body = r#"{"username":"x\r\nforged: line\u001b[31m\u2028","password":"x\ny"}"#;
    format!(
        "POST {path}?q=a%0d%0aforged HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         User-Agent: \u{9b}31m\t\"forged\"\r\nX-Request-Id: forged\r\nX-Forwarded-For: 192.0.2.9\r\n\
         Authorization: Bearer {bearer}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[apply(on_both)]
async fn lg_3_each_request_is_one_line_that_parses_and_says_who_and_why(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let id = staff.id();
    let url = app.url.clone();
    let bearer = staff.bearer.clone();
    let log = rocket::tokio::task::spawn_blocking(move || {
        let directory = TempDir::new().unwrap();
        let key = ("USHER_SIGN_IN_FAILURE_MILLISECONDS", "0");
        let mut server = Server::start(directory.path(), &[("DATABASE_URL", &url), key]);
        // The clock of the test is not that of the program: the token is long expired.
        server.ask(&hostile_request("/v1/users/%0D%0Aforged%1B", &bearer)).unwrap();
        server.ask(&hostile_request("/v1/auth/obtain", &bearer)).unwrap();
        let answer = server.ask(&obtain_request("staff", PASSWORD)).unwrap();
        let tokens: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let bearer = tokens["access"].as_str().unwrap();
        server.ask(&hostile_request("/v1/users/list", bearer)).unwrap();
        server.get("/livez");
        server.log()
    })
    .await
    .unwrap();
    let lines = lines(&log);
    let requests = lines.iter().filter(|line| line["method"].is_string());
    assert_eq!(requests.count(), 5, "{log}");
    for line in lines.iter().filter(|line| line["method"].is_string()) {
        assert_eq!(line["address"], "127.0.0.1", "ip_1: a header changes nothing: {line}");
        assert!(line["duration_ms"].as_f64().unwrap() >= 0.0, "{line}");
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        let id = line["request_id"].as_str().unwrap();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
    }
    let hostile = line_of(&lines, "/v1/users/%0D%0Aforged%1B");
    assert_eq!((&hostile["status"], &hostile["method"]), (&405.into(), &"POST".into()), "{hostile}");
    let listed = line_of(&lines, "/v1/users/list");
    assert_eq!(listed["user"], id, "{listed}");
    let live = line_of(&lines, "/livez");
    assert_eq!((&live["status"], &live["level"]), (&200.into(), &"info".into()), "{live}");
    assert!(live.get("user").is_none() && live.get("reason").is_none(), "{live}");
    let failed: Vec<&Value> =
        lines.iter().filter(|line| line["path"] == "/v1/auth/obtain" && line["status"] == 401).collect();
    assert_eq!(failed.len(), 1, "{log}");
    assert_eq!(failed[0]["reason"], "wrong_credentials", "lg_4: {log}");
    assert!(!log.contains("forged:") && !log.contains("192.0.2.9"), "{log}");
}

#[apply(on_both)]
async fn pw_13_the_hundredth_failure_in_a_row_is_a_warning(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    assert_eq!(app.obtain("ada", "wrong").await.status, 401);
    // So many would take too long in a test.
    app.sql("UPDATE throttles SET consecutive = 98 WHERE consecutive = 1").await;
    let url = app.url.clone();
    let log = rocket::tokio::task::spawn_blocking(move || {
        let directory = TempDir::new().unwrap();
        let mut server = Server::start(directory.path(), &[("DATABASE_URL", &url)]);
        for _ in 0..3 {
            server.ask(&obtain_request("ada", "wrong")).expect("an answer");
        }
        server.log()
    });
    let told = format!(
        "user {}: after 100 wrong passwords in a row one try from browsers that are new to the account a day is checked",
        ada.id()
    );
    let lines = lines(&log.await.unwrap());
    let warnings: Vec<_> = lines.iter().filter(|line| line["message"] == told.as_str()).collect();
    assert_eq!(warnings.len(), 1, "{lines:#?}");
    assert_eq!(warnings[0]["level"], "warn");
}

#[apply(on_both)]
async fn the_same_reference_is_in_the_log_the_header_and_on_the_error_page(app: TestApp) {
    let url = app.url.clone();
    let (page, failure, log) = rocket::tokio::task::spawn_blocking(move || {
        let directory = TempDir::new().unwrap();
        let mut server = Server::start(directory.path(), &[("DATABASE_URL", &url)]);
        (server.get("/no-such-page"), server.get("/v1/no-such-path"), server.log())
    })
    .await
    .unwrap();
    let lines = lines(&log);
    let reference = header(&page, "X-Request-Id");
    assert!(page.contains(&format!("Reference {reference}")), "{page}");
    assert_eq!(line_of(&lines, "/no-such-page")["request_id"], reference);
    let reference = header(&failure, "X-Request-Id");
    assert_eq!(line_of(&lines, "/v1/no-such-path")["request_id"], json!(reference));
}

#[test]
fn lg_4_misused_tokens_and_requests_of_other_sites_are_logged_with_their_address_and_start_and_stop_are() {
    let directory = TempDir::new().unwrap();
    make_superuser(directory.path(), &[]);
    let mut server = Server::start(directory.path(), &[]);
    let answer = server.ask(&obtain_request("admin", PASSWORD)).unwrap();
    let tokens: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let (access, refresh) = (tokens["access"].as_str().unwrap(), tokens["refresh"].as_str().unwrap());
    server.ask(&json_request("POST", "/v1/auth/refresh", "x", &json!({ "refresh": access }))).unwrap();
    server.ask(&json_request("POST", "/v1/users/list", refresh, &json!({}))).unwrap();
    server.ask(&json_request("POST", "/v1/users/create", &access[..access.len() - 2], &json!({}))).unwrap();
    server.ask(&json_request("GET", "/account/sessions", refresh, &json!({}))).unwrap();
    let body = "token=AAAA";
    let form = format!(
        "POST /sign-out HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {access}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    server.ask(&form).unwrap();
    let address = server.address.clone();
    server.signal_process("TERM");
    assert!(server.wait().success());
    let log = server.log();
    let lines = lines(&log);
    for (path, reason) in [
        ("/v1/auth/refresh", "token_not_valid"),
        ("/v1/users/list", "token_not_valid"),
        ("/v1/users/create", "token_not_valid"),
        ("/account/sessions", "token_not_valid"),
        ("/sign-out", "cross_site_request"),
    ] {
        let line = line_of(&lines, path);
        assert_eq!((&line["reason"], &line["address"]), (&json!(reason), &json!("127.0.0.1")), "{line}");
    }
    let messages: Vec<&str> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
    let at = |message: &str| messages.iter().position(|said| *said == message);
    let (start, told, end) =
        (at(&format!("listening on {address}")), at("told to stop by SIGTERM"), at("stopped"));
    assert!(start.is_some() && start < told && told < end, "{messages:?}");
}

#[test]
fn a_log_for_people_is_text() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), &[("USHER_LOG_FORMAT", "text")]);
    let reference = header(&server.get("/livez"), "X-Request-Id").to_owned();
    let log = server.log();
    let line = log.lines().find(|line| line.contains(" INFO GET /livez 200 ")).expect(&log);
    assert!(
        line.contains(" address=127.0.0.1") && line.contains(&format!(" request_id={reference}")),
        "{line}"
    );
}

#[test]
fn a_quiet_log_still_has_what_failed() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), &[("USHER_LOG_LEVEL", "warn")]);
    server.get("/livez");
    server.get("/no-such-page");
    assert_eq!(server.log(), "", "nothing of it needs a person");
}

/// `script` gives a program a terminal of its own.
#[test]
fn lg_1_the_link_for_the_first_superuser_is_printed_on_a_terminal_and_nowhere_else() {
    const LINK: &str = "/first-superuser#";
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), &[]);
    assert!(server.get("/first-superuser").starts_with("HTTP/1.1 410"), "there is no link");
    assert!(server.said.contains("usher createsuperuser") && !server.said.contains(LINK), "{}", server.said);
    let log = server.log();
    assert!(log.contains("usher createsuperuser") && !log.contains(LINK), "{log}");

    let program = format!("echo $$ >pid; exec {} serve 2>log", env!("CARGO_BIN_EXE_usher"));
    let mut command = Command::new("script");
    command.args(["-qec", &program, "/dev/null"]).env_clear().env("ROCKET_PORT", "0");
    command.current_dir(directory.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = command.spawn().expect("script is there");
    let mut lines = BufReader::new(terminal.stdout.take().unwrap()).lines();
    let link = lines.find_map(|line| line.unwrap().trim().strip_prefix("http://").map(str::to_owned));
    let link = link.expect("a link");
    let (address, secret) = link.split_once(LINK).expect("the page, and a secret");
    assert_eq!(secret.len(), 43, "{link}");
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /first-superuser HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Paste the link"), "{answer}");
    // The program outlives a terminal that goes away, so it goes first.
    let pid = std::fs::read_to_string(directory.path().join("pid")).unwrap();
    signal(pid.trim().parse().unwrap(), "KILL");
    drop(terminal.stdin.take());
    terminal.wait().unwrap();
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(log.contains("listening on") && !log.contains(LINK) && !log.contains(secret), "{log}");
}
