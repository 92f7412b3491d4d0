//! No secret ever reaches the log: not that of this process at its most talkative, nor what the
//! program writes when it is told to write all it can.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rocket::http::Method;
use rocket::http::Method::{Delete, Get, Patch, Post, Put};
use rocket::tokio::task::spawn_blocking;
use serde_json::json;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::*;
use crate::Backend;

/// Passwords that are set, guessed or refused in what follows; each is a needle of its own.
const PASSWORDS: [&str; 6] = [
    "needle-created-7c1f",
    "needle-put-2b9e",
    "needle-patched-5d3a",
    "needle-guessed-8f40",
    "needle-page-6e17",
    "needle-broken-0a52",
];

/// A request with secrets in all the places where a client can put them.
type Request = (Method, String, Vec<(&'static str, String)>, String);

fn requests(person: &Person, csrf: &str) -> Vec<Request> {
    let [created, put, patched, guessed, page, broken] = PASSWORDS;
    let name = person.user.username.as_str();
    let json_type = || ("Content-Type", "application/json".to_owned());
    let form_type = || ("Content-Type", "application/x-www-form-urlencoded".to_owned());
    let bearer = || ("Authorization", format!("Bearer {}", person.bearer));
    let cookie = || ("Cookie", format!("__Host-sid-0a1b2c3d={}; __Host-pre-0a1b2c3d={csrf}", person.cookie));
    let same = || ("Sec-Fetch-Site", "same-origin".to_owned());
    let obtain = |password: &str| json!({"username": name, "password": password}).to_string();
    let whole = |name: &str, password: &str| whole_with(name, json!({ "password": password })).to_string();
    let mut requests: Vec<Request> = vec![
        (Post, "/v1/auth/obtain".into(), vec![json_type()], obtain(PASSWORD)),
        (Post, "/v1/auth/obtain".into(), vec![json_type(), cookie()], obtain(guessed)),
        (
            Post,
            "/v1/auth/obtain".into(),
            vec![json_type()],
            format!(r#"{{"password":"{broken}","password":"{broken}"}}"#),
        ),
        (Post, "/v1/auth/obtain".into(), vec![json_type()], format!(r#"{{"password":"{broken}"#)),
        (Post, "/v1/auth/obtain".into(), vec![form_type()], format!("username={name}&password={broken}")),
        (Post, "/v1/auth/refresh".into(), vec![json_type()], json!({"refresh": person.refresh}).to_string()),
        (Post, "/v1/auth/refresh".into(), vec![json_type()], json!({"refresh": person.bearer}).to_string()),
        (Post, "/v1/auth/verify".into(), vec![json_type()], json!({"token": person.bearer}).to_string()),
        (
            Post,
            "/v1/auth/verify".into(),
            vec![json_type()],
            json!({"token": {"x": person.cookie}}).to_string(),
        ),
        (Post, "/v1/users/list".into(), vec![bearer()], String::new()),
        (
            Post,
            "/v1/users/list".into(),
            vec![bearer(), json_type()],
            json!({"expressions": broken}).to_string(),
        ),
        (Post, "/v1/users/list".into(), vec![cookie(), same(), json_type()], "{}".into()),
        (Post, "/v1/users/create".into(), vec![bearer(), json_type()], whole("created", created)),
        (Post, "/v1/users/create".into(), vec![bearer(), json_type()], whole("cre ated", broken)),
        (Put, "/v1/users/2".into(), vec![bearer(), json_type()], whole("target", put)),
        (
            Patch,
            "/v1/users/2".into(),
            vec![bearer(), json_type()],
            json!({ "password": patched }).to_string(),
        ),
        (Patch, "/v1/users/2".into(), vec![bearer(), json_type()], json!({"password": [broken]}).to_string()),
        (Patch, "/v1/users/2".into(), vec![bearer(), ("Content-Type", "text/plain".into())], broken.into()),
        (Get, "/v1/users/2".into(), vec![bearer(), cookie()], String::new()),
        (Get, format!("/v1/users/2?password={broken}"), vec![cookie()], String::new()),
        (
            Get,
            "/v1/users/2".into(),
            vec![("Authorization", format!("Basic {broken} {}", person.bearer))],
            String::new(),
        ),
        (Delete, "/v1/users/2".into(), vec![cookie(), same()], String::new()),
        (Get, "/".into(), vec![cookie()], String::new()),
        (Get, format!("/sign-in?next=/{broken}"), vec![cookie()], String::new()),
        (Post, "/sign-out".into(), vec![cookie(), same(), form_type()], format!("token={csrf}")),
        (
            Post,
            "/users/new".into(),
            vec![cookie(), same(), form_type()],
            format!("token={csrf}&username=formed&password={page}"),
        ),
        (
            Post,
            "/users/2/password".into(),
            vec![cookie(), same(), form_type()],
            format!("token={csrf}&version=1&password={page}"),
        ),
        (Get, format!("/set-password?token={broken}"), vec![], String::new()),
        (
            Post,
            "/set-password".into(),
            vec![cookie(), same(), form_type()],
            format!("token={csrf}&link={broken}&password={page}"),
        ),
        (Post, "/nothing".into(), vec![cookie(), form_type()], format!("password={page}")),
        (Get, format!("/nothing?password={broken}"), vec![bearer()], String::new()),
        (Get, format!("/v1/nothing?token={}", person.bearer), vec![], String::new()),
        (
            Put,
            format!("/v1/users/list?token={}", person.cookie),
            vec![json_type()],
            json!({"password": broken}).to_string(),
        ),
    ];
    for form in [
        format!("username={name}&password={page}&token={csrf}"),
        format!("username={name}&password={page}&password={page}&token[x]={csrf}&%=%"),
        format!("_method=delete&password={page}"),
        format!("password={}{page}", page.repeat(5000)),
    ] {
        requests.push((Post, "/sign-in".into(), vec![cookie(), same(), form_type()], form));
    }
    requests
}

/// Everything that must not be found, in the forms in which it could be.
async fn secrets(app: &TestApp, person: &Person, csrf: &str) -> Vec<String> {
    let claims = auth::claims(&person.refresh);
    let session = claims["sid"].as_str().expect("a secret").to_owned();
    let mut secrets: Vec<String> = PASSWORDS.iter().map(|&password| password.to_owned()).collect();
    secrets.extend([PASSWORD.to_owned(), PASSWORD.replace(' ', "+"), PASSWORD.replace(' ', "%20")]);
    secrets.extend([
        person.bearer.clone(),
        person.refresh.clone(),
        person.cookie.clone(),
        csrf.to_owned(),
        session,
    ]);
    // Also the parts that would be enough: signatures, and the stored hashes.
    for token in [&person.bearer, &person.refresh] {
        secrets.extend(token.rsplit('.').take(2).map(str::to_owned));
    }
    for name in ["person", "target"] {
        let found =
            usher::db::users::credentials(&app.usher.db, name).await.expect("a database").expect("a user");
        secrets.extend(found.password.as_str().split('$').filter(|part| part.len() > 20).map(str::to_owned));
    }
    assert!(secrets.iter().all(|secret| secret.len() > 14), "{secrets:?}");
    secrets
}

async fn people(app: &TestApp) -> Person {
    let person = app.person("person", "superuser").await;
    app.person("target", "ordinary").await;
    person
}

fn assert_none_in(log: &str, secrets: &[String]) {
    for secret in secrets {
        if let Some(line) = log.lines().find(|line| line.contains(secret.as_str())) {
            panic!("{secret} is in the log: {line}");
        }
    }
}

/// The real program at its most talkative, over a real connection.
#[apply(on_both)]
async fn lg_1_the_program_writes_no_secret_however_much_it_logs(app: TestApp) {
    let person = people(&app).await;
    let csrf = form_token(&ask(&app, Get, "/account", cookie(&person), &[], "").await);
    let secrets = secrets(&app, &person, &csrf).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command
        .env_clear()
        .envs([("DATABASE_URL", app.url.as_str()), ("ROCKET_PORT", "0"), ("USHER_LOG_LEVEL", "debug")])
        .current_dir(std::env::temp_dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let requests = requests(&person, &csrf);
    let count = requests.len();
    let log = spawn_blocking(move || {
        let mut server = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(server.stdout.take().expect("a standard output")).lines();
        let mut said = String::new();
        let address = loop {
            let line = lines.next().expect("the server listens").expect("text");
            said.push_str(&line);
            said.push('\n');
            if let Some(address) = line.strip_prefix("Usher listens on http://") {
                break address.to_owned();
            }
        };
        for request in &requests {
            talk(&address, request);
        }
        server.kill().expect("a running server");
        server.stderr.take().expect("a standard error").read_to_string(&mut said).expect("text");
        server.wait().expect("its end");
        said
    })
    .await
    .expect("no panic");
    assert!(log.contains("POST /v1/auth/obtain 200"), "the log is there: {log}");
    let requests = said_as_json(&log).iter().filter(|line| line["method"].is_string()).count();
    assert_eq!(requests, count, "lg_3: one line a request: {log}");
    assert_none_in(&log, &secrets);
}

/// The lines that are JSON, each an object; the others are what is said on standard output.
fn said_as_json(log: &str) -> Vec<serde_json::Value> {
    let lines = log.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Sends a request over a connection of its own and waits for the answer.
fn talk(address: &str, (method, path, headers, body): &Request) {
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = lines.concat();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time limit");
    stream.write_all(request.as_bytes()).expect("a reader");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
}

/// What was logged in this process.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Collector;

impl Write for Collector {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Set in the processes that the tests below start.
const OWN_PROCESS: &str = "USHER_TEST_OWN_PROCESS";

/// A log can be installed once in a process, and only before anything else is: each of the tests
/// below runs itself again in a process of its own.
#[expect(clippy::disallowed_methods, reason = "a process asks whether it was started for this")]
async fn in_a_process_of_its_own<T>(test: &T, backend: Backend) {
    if std::env::var_os(OWN_PROCESS).is_some() {
        return everything_logged(backend).await;
    }
    // The path of a function is the name of its test after that of the crate.
    let (_, test) = std::any::type_name_of_val(test).split_once("::").expect("a path");
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(["--exact", test, "--nocapture"]).env(OWN_PROCESS, "1").output();
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

#[rocket::async_test]
async fn lg_1_nothing_in_the_process_logs_a_secret_on_sqlite() {
    in_a_process_of_its_own(&lg_1_nothing_in_the_process_logs_a_secret_on_sqlite, Backend::Sqlite).await;
}

#[rocket::async_test]
async fn lg_1_nothing_in_the_process_logs_a_secret_on_postgres() {
    in_a_process_of_its_own(&lg_1_nothing_in_the_process_logs_a_secret_on_postgres, Backend::Postgres).await;
}

async fn everything_logged(backend: Backend) {
    let lines = fmt::layer().with_writer(|| Collector).with_ansi(false);
    // Rocket's remarks quote whole requests; the program keeps them all out, as the test above proves.
    let not_rocket =
        filter_fn(|line| !line.target().starts_with("rocket") && !line.target().ends_with("::_"));
    let collected = tracing_subscriber::registry().with(not_rocket).with(lines);
    collected.try_init().expect("the first log of this process");
    let app = TestApp::new(backend).await;
    let person = people(&app).await;
    let csrf = form_token(&ask(&app, Get, "/account", cookie(&person), &[], "").await);
    let secrets = secrets(&app, &person, &csrf).await;
    for (method, path, headers, body) in requests(&person, &csrf) {
        let mut request = app.client.req(method, path);
        for (name, value) in headers {
            if name == "Cookie" {
                for cookie in value.split("; ").filter_map(|cookie| cookie.split_once('=')) {
                    request = request.header(cookie_header(cookie.0, cookie.1));
                }
            }
            request.add_header(Header::new(name, value));
        }
        request.body(body).dispatch().await;
    }
    let log = String::from_utf8_lossy(&LOGGED.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    assert!(log.contains("INFO usher"), "the log is there: {log}");
    ::log::trace!("at every level");
    let log = String::from_utf8_lossy(&LOGGED.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    assert!(log.contains("TRACE"), "the log has every level: {log}");
    assert_none_in(&log, &secrets);
}
