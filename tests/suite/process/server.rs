//! The program as a process, and a server of it that listens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::app::PASSWORD;

/// The program, in a directory and with an environment of its own.
pub(super) fn usher(directory: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.env_clear().current_dir(directory).args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a subcommand to its end, giving it `input`.
pub(super) fn run(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a standard input");
    stdin.write_all(input.as_bytes()).expect("the program reads");
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server that listens, and where. Killed when the test ends.
pub(super) struct Server {
    pub(super) child: Child,
    pub(super) address: String,
    /// What it said before it listened.
    pub(super) said: String,
    /// Collects its standard error, so that it never waits for a reader.
    log: Option<JoinHandle<String>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Behind a wrapper it would go on without that.
        let id = self.id();
        if id != self.child.id() {
            drop(Command::new("kill").args(["-KILL", &id.to_string()]).status());
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    pub(super) fn start(directory: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_under(&[], directory, variables)
    }

    /// Starts it by way of another program, which is given its arguments and then ours.
    pub(super) fn start_under(wrapper: &[&str], directory: &Path, variables: &[(&str, &str)]) -> Self {
        let mut variables = variables.to_vec();
        // Unless the test wants to start it again where it was.
        if !variables.iter().any(|(name, _)| *name == "ROCKET_PORT") {
            variables.push(("ROCKET_PORT", "0"));
        }
        let mut command = usher(directory, &variables, &[]);
        if let Some((program, arguments)) = wrapper.split_first() {
            let ours = command;
            command = Command::new(program);
            command.args(arguments).arg(ours.get_program()).env_clear().current_dir(directory);
            command.envs(variables).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a standard output")).lines();
        let mut said = String::new();
        let address = loop {
            let line = lines.next().expect("the server listens").expect("text");
            if let Some(address) = line.strip_prefix("Usher listens on http://") {
                break address.to_owned();
            }
            said.push_str(&line);
            said.push('\n');
        };
        let mut stderr = child.stderr.take().expect("a standard error");
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            stderr.read_to_end(&mut log).expect("a standard error");
            text(&log)
        });
        Self { child, address, said, log: Some(log) }
    }

    /// Waits until it ends by itself.
    pub(super) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("its end")
    }

    /// Ends it, if it has not ended by itself, and says all that it wrote on standard error.
    pub(super) fn log(&mut self) -> String {
        drop(self.child.kill());
        self.wait();
        self.log.take().expect("the log, once").join().expect("no panic")
    }

    pub(super) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Sends a request over a connection of its own and reads the whole answer.
    pub(super) fn ask(&self, request: &str) -> std::io::Result<String> {
        self.ask_within(Duration::from_secs(30), request)
    }

    /// The same, with a limit to how long nothing may come.
    pub(super) fn ask_within(&self, limit: Duration, request: &str) -> std::io::Result<String> {
        ask(&self.address, limit, request)
    }

    /// The number of the process itself, also behind a wrapper that stays.
    pub(super) fn id(&self) -> u32 {
        let own = self.child.id();
        let children =
            std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        children.split_whitespace().next().and_then(|id| id.parse().ok()).unwrap_or(own)
    }

    /// Signals the process itself, also behind a wrapper that stays.
    pub(super) fn signal_process(&self, name: &str) {
        signal(self.id(), name);
    }

    /// The status of an answer, if there is a whole one in time.
    pub(super) fn status(&self, path: &str) -> Option<u16> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        status_of(&self.ask(&request).ok()?)
    }

    pub(super) fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            .expect("an answer")
    }
}

/// Sends a request over a connection of its own and reads the whole answer.
pub(super) fn ask(address: &str, limit: Duration, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

pub(super) fn signal(id: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().expect("kill");
    assert!(status.success());
}

/// The status in an answer.
pub(super) fn status_of(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// How often something is done: `usually`, unless `tests/endurance` says otherwise.
#[expect(clippy::disallowed_methods, reason = "the test command says how many rounds")]
pub(crate) fn rounds(usually: u32) -> u32 {
    std::env::var("USHER_TEST_ROUNDS").map_or(usually, |rounds| rounds.parse().expect("a number"))
}

/// Tries until something is so; `false` if it is not so within the time.
pub(super) fn eventually(within: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let mut pauses = within.as_millis() / 50;
    while !is_so() {
        if pauses == 0 {
            return false;
        }
        pauses -= 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

/// A request with JSON, by a client with a bearer token.
pub(super) fn json_request(method: &str, path: &str, bearer: &str, body: &serde_json::Value) -> String {
    let body = body.to_string();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {bearer}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Makes a superuser `admin` whose password is [`PASSWORD`].
pub(super) fn make_superuser(directory: &Path, variables: &[(&str, &str)]) {
    let arguments = ["createsuperuser", "--username", "admin", "--password-stdin"];
    let output = run(usher(directory, variables, &arguments), &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{}", text(&output.stderr));
}

impl Server {
    /// Signs `admin` in; the access token.
    pub(super) fn sign_in(&self) -> String {
        let answer = self.ask(&obtain_request("admin", PASSWORD)).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let tokens: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
        tokens["access"].as_str().expect("a token").to_owned()
    }

    /// Creates a user; the status of the answer, if there is a whole one.
    pub(super) fn create(&self, bearer: &str, username: &str) -> Option<u16> {
        let body = json!({"username": username, "password": PASSWORD, "first_name": "", "last_name": "", "email": ""});
        status_of(&self.ask(&json_request("POST", "/v1/users/create", bearer, &body)).ok()?)
    }
}

pub(super) fn obtain_request(username: &str, password: &str) -> String {
    let body = json!({"username": username, "password": password}).to_string();
    format!(
        "POST /v1/auth/obtain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
