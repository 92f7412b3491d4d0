//! `usher demo`: a full product in a minute, of which nothing is left.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::{eventually, json_request, run, text, usher};
use crate::process::server;

const BANNER: &str = "This is a demo with invented people. Nothing is kept when it stops.";

/// A demo that listens, in a folder for temporary files of its own.
struct Demo {
    child: Child,
    address: String,
    password: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Demo {
    fn start(folder: &Path) -> Self {
        let variables = [
            ("TMPDIR", folder.to_str().unwrap()),
            // What the demo must not heed: it would listen elsewhere, and on a database that is to stay.
            ("ROCKET_ADDRESS", "0.0.0.0"),
            ("DATABASE_URL", "postgres://localhost:9/nowhere"),
            ("USHER_SMTP_HOST", "127.0.0.1"),
            ("USHER_MAIL_FROM", "usher@example.org"),
        ];
        let mut child =
            usher(folder, &variables, &["demo", "--port", "0"]).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut after = |start: &str| {
            let found = lines.find_map(|line| line.unwrap().trim().strip_prefix(start).map(str::to_owned));
            found.unwrap_or_else(|| panic!("no line begins with {start}"))
        };
        let password = after("Sign in as demo with the password ");
        let address = after("Usher listens on http://");
        Self { child, address, password }
    }

    /// The whole answer.
    fn ask(&self, request: &str) -> String {
        server::ask(&self.address, Duration::from_secs(30), request).expect("an answer")
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    fn api(&self, path: &str, bearer: &str, body: &Value) -> Value {
        let answer = self.ask(&json_request("POST", path, bearer, body));
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_demo_is_full_of_invented_people_says_so_on_every_page_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let mut demo = Demo::start(folder.path());
    assert!(demo.address.starts_with("127.0.0.1:"), "{}", demo.address);
    for path in ["/sign-in", "/docs", "/set-password", "/nothing/here"] {
        let page = demo.get(path);
        assert!(page.contains(BANNER), "{path}: {page}");
    }
    assert!(!demo.get("/sign-in").contains("first superuser"));
    assert_eq!(demo.get("/forgotten-password").get(9..12), Some("404"), "it sends no mail");

    let typed = json!({"username": "demo", "password": demo.password});
    let tokens = demo.api("/v1/auth/obtain", "", &typed);
    let bearer = tokens["access"].as_str().expect("a token");
    let users = demo.api("/v1/users/list", bearer, &json!({"include_inactive": true, "limit": 1000}));
    let users = users.as_array().expect("users");
    assert_eq!(users.len(), 301);
    let staff = users.iter().find(|user| user["is_staff"] == true && user["is_superuser"] == false);
    let name = staff.expect("staff")["username"].as_str().unwrap();
    let typed = json!({"username": name, "password": demo.password});
    assert!(demo.api("/v1/auth/obtain", "", &typed)["access"].is_string(), "all have that password");
    let trail = demo.api("/v1/audit/list", bearer, &json!({"limit": 1000}));
    let mut actions = BTreeMap::new();
    for entry in trail.as_array().expect("entries") {
        *actions.entry(entry["action"].as_str().unwrap()).or_insert(0) += 1;
    }
    assert!(actions["sign_in"] > 100 && actions["user_changed"] > 5, "{actions:?}");

    let made = files(folder.path());
    assert!(made.len() == 1 && made[0].is_dir(), "{made:?}");
    server::signal(demo.child.id(), "INT");
    assert!(demo.child.wait().unwrap().success());
    assert!(eventually(Duration::from_secs(5), || files(folder.path()).is_empty()), "nothing is left");
}

#[test]
fn what_is_no_demo_does_not_say_that_it_is_one() {
    let folder = TempDir::new().unwrap();
    let server = server::Server::start(folder.path(), &[]);
    assert!(!server.get("/sign-in").contains("demo"));
    let output =
        run(usher(folder.path(), &[], &["demo", "--port", server.address.rsplit(':').next().unwrap()]), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot listen on 127.0.0.1:"), "{}", text(&output.stderr));
}
