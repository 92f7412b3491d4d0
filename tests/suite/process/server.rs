//! The program as a process, and a server of it that listens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

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
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    pub(super) fn start(directory: &Path, variables: &[(&str, &str)]) -> Self {
        let mut variables = variables.to_vec();
        variables.push(("ROCKET_PORT", "0"));
        let mut child = usher(directory, &variables, &[]).spawn().expect("the program starts");
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
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill");
        assert!(status.success());
    }

    /// Sends a request over a connection of its own and reads the whole answer.
    pub(super) fn ask(&self, request: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    pub(super) fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            .expect("an answer")
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
