//! The program as it runs: a process of its own that listens on a port, with a database full of users.
//!
//! Each server has a fresh database, a copy of one that is filled once. Everything is done from outside,
//! by the command line and over HTTP.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rocket::tokio::runtime::Runtime;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::{Request, Response};

use crate::people::{self, PASSWORD};

/// Which database a server keeps its users in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// The file of a database on SQLite, in its folder.
const FILE: &str = "usher.db";

/// A server that listens. Ends with the test.
pub(crate) struct Server {
    child: Child,
    /// Such as `http://127.0.0.1:4711`.
    pub(crate) address: String,
    agent: Agent,
    url: String,
    directory: TempDir,
    /// The path of the link for the first superuser, if it has printed one.
    pub(crate) link: String,
    /// The password of all people of a demo.
    pub(crate) password: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// As it came over the wire.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Bytes of the status line and the headers.
    pub(crate) fn head_size(&self) -> u64 {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + ": \r\n".len());
        (headers.sum::<usize>() + "HTTP/1.1 200 OK\r\n\r\n".len()) as u64
    }

    /// The name and value of a cookie that is set. After the part of the name that is given comes the installation's.
    fn cookie(&self, name: &str) -> Option<String> {
        let mut set = self.headers.iter().filter(|(key, _)| key == "set-cookie");
        let (_, cookie) = set.find(|(_, cookie)| cookie.starts_with(&format!("{name}-")))?;
        cookie.split(';').next().map(str::to_owned)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The terminal of a first start does not take the program in it along.
        drop(Command::new("pkill").args(["-P", &self.child.id().to_string()]).status());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// With the people of [`people`].
    pub(crate) fn populated(backend: Backend) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let url = match backend {
            Backend::Sqlite => copy_of_sqlite(directory.path()),
            Backend::Postgres => copy_of_postgres(),
        };
        Self::start(directory, &url, "30")
    }

    /// With the same people, and with no patience for failed sign-ins.
    pub(crate) fn impatient() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let url = copy_of_sqlite(directory.path());
        Self::start(directory, &url, "1")
    }

    /// With the same people, of whom staff have to have a second factor.
    pub(crate) fn demanding(backend: Backend) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let url = match backend {
            Backend::Sqlite => copy_of_sqlite(directory.path()),
            Backend::Postgres => copy_of_postgres(),
        };
        let mut command = Self::serving(&directory, &url, "30");
        command.env("USHER_SECOND_FACTOR", "staff");
        let (child, mut lines) = launch(command);
        let address = address(&mut lines);
        Self::new(child, address, url, directory)
    }

    /// Without users.
    pub(crate) fn empty() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        Self::start(directory, &format!("sqlite://{FILE}"), "30")
    }

    /// Without users, on a terminal: it has printed the link for the first superuser.
    pub(crate) fn first_start() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let url = format!("sqlite://{FILE}");
        let program = format!("exec {} serve", env!("CARGO_BIN_EXE_usher"));
        let mut command = Command::new("script");
        command.args(["-qec", &program, "/dev/null"]).env_clear().current_dir(directory.path());
        command.env("DATABASE_URL", &url).env("USHER_LOG_LEVEL", "warn").env("ROCKET_PORT", "0");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let (child, mut lines) = launch(command);
        let address = address(&mut lines);
        let link = lines
            .by_ref()
            .find_map(|line| line.expect("text").trim().strip_prefix(&address).map(str::to_owned));
        // Unread output would hold up the terminal.
        std::thread::spawn(move || lines.for_each(drop));
        let mut server = Self::new(child, address, url, directory);
        server.link = link.expect("a link");
        server
    }

    /// A demo.
    pub(crate) fn demo() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let mut command = usher(directory.path(), "", &["demo", "--port", "0"]);
        command.env("TMPDIR", directory.path());
        let (child, mut lines) = launch(command);
        let password = lines.find_map(|line| {
            line.expect("text").trim().strip_prefix("Sign in as demo with the password ").map(str::to_owned)
        });
        let address = address(&mut lines);
        let password = password.expect("a password");
        let mut server = Self::new(child, address, String::new(), directory);
        server.password = password;
        server
    }

    /// With the people, at an origin where browsers have passkeys.
    pub(crate) fn at_localhost() -> Self {
        Self::at_localhost_below("")
    }

    /// The same below a path: its address ends with it.
    pub(crate) fn at_localhost_below(path: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let url = copy_of_sqlite(directory.path());
        // The origin has the port in it, so it has to be known before.
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let origin = format!("http://localhost:{port}");
        let mut command = Self::serving(&directory, &url, "30");
        command.env("ROCKET_PORT", port.to_string()).env("USHER_PUBLIC_ORIGIN", &origin);
        command.env("USHER_BASE_PATH", path);
        let (child, mut lines) = launch(command);
        address(&mut lines);
        Self::new(child, origin + path, url, directory)
    }

    fn start(directory: TempDir, url: &str, free_failures: &str) -> Self {
        let (child, mut lines) = launch(Self::serving(&directory, url, free_failures));
        let address = address(&mut lines);
        Self::new(child, address, url.to_owned(), directory)
    }

    fn serving(directory: &TempDir, url: &str, free_failures: &str) -> Command {
        let mut command = usher(directory.path(), url, &["serve"]);
        command.env("ROCKET_PORT", "0").env("USHER_SIGN_IN_FAILURE_MILLISECONDS", "0");
        command.env("USHER_THROTTLE_ADDRESS_BURST", free_failures);
        // A mail server that does not answer: the pages for one are there, and show the delivery state.
        command.env("USHER_SMTP_HOST", "127.0.0.1").env("USHER_SMTP_PORT", "9").env("USHER_SMTP_TLS", "none");
        command.env("USHER_MAIL_FROM", "usher@example.org");
        command
    }

    fn new(child: Child, address: String, url: String, directory: TempDir) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None);
        let (agent, link, password) = (config.build().into(), String::new(), String::new());
        Self { child, address, agent, url, directory, link, password }
    }

    /// All users as they are stored, with their passwords' hashes.
    pub(crate) fn export(&self) -> String {
        String::from_utf8(run(self.directory.path(), &self.url, &["export"], "")).expect("text")
    }

    /// As if a user had not given their password within the last minutes. Others are at work on the same server.
    pub(crate) fn forget_passwords_given(&self, username: &str) {
        const FORGET: &str = "UPDATE sessions SET confirmed_at = 0 WHERE user_id = \
                              (SELECT id FROM users WHERE username = $1) RETURNING ''";
        self.ask_sqlite_with(FORGET, Some(username));
    }

    /// Fails to sign in until the account is locked, for a long time.
    pub(crate) fn lock(&self, username: &str) {
        // The address has a row of its own, which is blocked less long or not at all.
        const LOCK: &str = "UPDATE throttles SET blocked_until = 4102444800000000 \
                            WHERE blocked_until = (SELECT max(blocked_until) FROM throttles)";
        let typed = json!({ "username": username, "password": "not the password" }).to_string();
        for _ in 0..6 {
            self.send("POST", "/v1/auth/obtain", &[("Content-Type", "application/json")], &typed);
        }
        let locked = Runtime::new().expect("a runtime").block_on(async {
            if self.url.starts_with("postgres:") {
                let mut connection = PgConnection::connect(&self.url).await.expect("the database");
                sqlx::query(LOCK).execute(&mut connection).await.expect(LOCK).rows_affected()
            } else {
                let options = SqliteConnectOptions::new().filename(self.directory.path().join(FILE));
                let mut connection = options.connect().await.expect("the database");
                sqlx::query(LOCK).execute(&mut connection).await.expect(LOCK).rows_affected()
            }
        });
        assert_eq!(locked, 1, "the account is locked");
    }

    /// As if an action on many users had not come to the last of them.
    pub(crate) fn cut_short(&self, batch: &str) {
        const CUT_SHORT: &str = "UPDATE batch_items SET verdict = 'pending', entry_id = NULL WHERE batch_id = $1 AND \
                                 user_id = (SELECT max(user_id) FROM batch_items WHERE batch_id = $1) RETURNING ''";
        self.ask_sqlite_with(CUT_SHORT, Some(batch));
    }

    /// All that people could change: users with their passwords' hashes, sessions, tokens, links, runs,
    /// preferences. The time of the last visit is left out.
    pub(crate) fn everything(&self) -> Vec<String> {
        let mut everything = vec![self.export()];
        for question in [
            "SELECT json_array(id, preferences, valid_from, valid_until, must_change_password) FROM users",
            "SELECT json_array(id, user_id, carrier, name, read_only, confirmed_at) FROM sessions ORDER BY id",
            "SELECT json_array(id, user_id, purpose) FROM links ORDER BY id",
            "SELECT json_array(id, user_id, purpose) FROM mails ORDER BY id",
            "SELECT json_array(id, action) FROM batches ORDER BY id",
        ] {
            everything.extend(self.ask_sqlite(question));
        }
        everything
    }

    /// What the database on SQLite answers, a text for each row.
    fn ask_sqlite(&self, question: &'static str) -> Vec<String> {
        self.ask_sqlite_with(question, None)
    }

    fn ask_sqlite_with(&self, question: &'static str, value: Option<&str>) -> Vec<String> {
        let options = SqliteConnectOptions::new().filename(self.directory.path().join(FILE));
        Runtime::new().expect("a runtime").block_on(async {
            let mut connection = options.connect().await.expect("the database");
            let mut query = sqlx::query_scalar(question);
            if let Some(value) = value {
                query = query.bind(value);
            }
            query.fetch_all(&mut connection).await.expect(question)
        })
    }

    /// The address without the path below which it stands.
    fn origin(&self) -> &str {
        let end = self.address.match_indices('/').nth(2).map_or(self.address.len(), |(end, _)| end);
        &self.address[..end]
    }

    /// Sends a request to a path, and reads the answer.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match method {
            "GET" => self.agent.run(request.body(()).expect("a request")),
            _ => self.agent.run(request.body(body.to_owned()).expect("a request")),
        };
        read(answer.expect("an answer"))
    }

    /// Signs in with the password that all users have, as a browser does: the cookie of the new session, with its name.
    pub(crate) fn sign_in(&self, username: &str) -> String {
        let form = self.send("GET", "/sign-in", &[], "");
        let before = form.cookie("pre").expect("a cookie");
        let token = hidden(&form.text(), "token");
        let typed = format!("token={token}&username={username}&password={}", PASSWORD.replace(' ', "+"));
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Cookie", &before),
            ("Origin", self.origin()),
        ];
        let answer = self.send("POST", "/sign-in", &headers, &typed);
        answer.cookie("sid").unwrap_or_else(|| panic!("{username} cannot sign in: {}", answer.text()))
    }

    /// Asks the API as the superuser, with JSON or `Value::Null` for no body.
    pub(crate) fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let json = ("Content-Type", "application/json");
        let typed = json!({ "username": people::ADMIN, "password": PASSWORD }).to_string();
        let tokens = self.send("POST", "/v1/auth/obtain", &[json], &typed);
        let tokens: Value = serde_json::from_slice(&tokens.body).expect("JSON");
        let bearer = format!("Bearer {}", tokens["access"].as_str().expect("an access token"));
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send(method, path, &[json, ("Authorization", &bearer)], &text);
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }

    /// The record of a user.
    pub(crate) fn user(&self, id: i64) -> Value {
        self.api("GET", &format!("/v1/users/{id}"), &Value::Null)
    }
}

/// The lines that a program writes.
type Lines = std::io::Lines<BufReader<ChildStdout>>;

fn launch(mut command: Command) -> (Child, Lines) {
    let mut child = command.spawn().expect("the program starts");
    let lines = BufReader::new(child.stdout.take().expect("a standard output")).lines();
    (child, lines)
}

/// Where a server listens that says so.
fn address(lines: &mut Lines) -> String {
    let address = lines
        .find_map(|line| line.expect("text").trim().strip_prefix("Usher listens on ").map(str::to_owned));
    address.expect("the server listens")
}

fn read(answer: Response<ureq::Body>) -> Answer {
    let (parts, mut body) = answer.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Answer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: body.read_to_vec().expect("a body"),
    }
}

/// The value of a hidden field in a page.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
    rest.split('"').next().unwrap_or_default().to_owned()
}

/// The program, in a folder and on a database of its own.
fn usher(directory: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.env_clear().env("DATABASE_URL", url).env("USHER_LOG_LEVEL", "warn");
    command.current_dir(directory).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Runs a subcommand to its end with `input`: what it said.
fn run(directory: &Path, url: &str, arguments: &[&str], input: &str) -> Vec<u8> {
    let mut child = usher(directory, url, arguments).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a standard input");
    stdin.write_all(input.as_bytes()).expect("the program reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "usher {arguments:?}");
    output.stdout
}

/// Makes all users in a database. They have the superuser's password, hashed as this program does.
fn fill(directory: &Path, url: &str) {
    let name = ["createsuperuser", "--username", people::ADMIN, "--password-stdin"];
    run(directory, url, &name, &format!("{PASSWORD}\n"));
    let export = run(directory, url, &["export"], "");
    let export: Value = serde_json::from_slice(&export).expect("JSON");
    let hash = export[0]["password"].as_str().expect("a hash");
    run(directory, url, &["import", "-"], &people::all(hash).to_string());
}

/// The folder with the filled database.
fn filled_sqlite() -> &'static TempDir {
    static FILLED: OnceLock<TempDir> = OnceLock::new();
    FILLED.get_or_init(|| {
        let directory = TempDir::new().expect("a temporary directory");
        fill(directory.path(), &format!("sqlite://{FILE}"));
        directory
    })
}

/// The URL of a new copy of the filled database, in that folder.
fn copy_of_sqlite(folder: &Path) -> String {
    for file in fs::read_dir(filled_sqlite().path()).expect("a folder") {
        let file = file.expect("a file");
        fs::copy(file.path(), folder.join(file.file_name())).expect("a copy");
    }
    format!("sqlite://{FILE}")
}

/// The URL of a new copy of the filled database.
fn copy_of_postgres() -> String {
    static FILLED: OnceLock<String> = OnceLock::new();
    static COPIES: AtomicU32 = AtomicU32::new(0);
    let server = postgres();
    let (start, _) = server.rsplit_once('/').expect("a URL with a database");
    let filled = FILLED.get_or_init(|| {
        let name = format!("usher_browser_{}", std::process::id());
        statements(&server, &[format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")]);
        let directory = TempDir::new().expect("a temporary directory");
        fill(directory.path(), &format!("{start}/{name}"));
        name
    });
    let name = format!("{filled}_{}", COPIES.fetch_add(1, Ordering::Relaxed));
    let copy = format!("CREATE DATABASE {name} TEMPLATE {filled}");
    statements(&server, &[format!("DROP DATABASE IF EXISTS {name}"), copy]);
    format!("{start}/{name}")
}

/// The URL of the PostgreSQL server to test on.
#[expect(clippy::disallowed_methods, reason = "the test command says where its server is")]
fn postgres() -> String {
    std::env::var("USHER_TEST_POSTGRES").expect(
        "USHER_TEST_POSTGRES is not set: run the tests by tests/run, which starts a PostgreSQL of its own",
    )
}

fn statements(server: &str, statements: &[String]) {
    Runtime::new().expect("a runtime").block_on(async {
        let mut connection = PgConnection::connect(server).await.expect("the PostgreSQL server");
        for statement in statements {
            let statement = sqlx::query(AssertSqlSafe(statement.clone()));
            statement.execute(&mut connection).await.expect("a statement");
        }
    });
}
