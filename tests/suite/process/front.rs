//! What stands before Usher on an open network: the proxies whose configurations are shipped, and what all of them
//! have to do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use super::server::{Server, eventually, make_superuser, obtain_request, status_of};
use crate::app::PASSWORD;

/// A proxy, until the test ends.
pub(super) struct Front {
    child: Child,
    pub(super) address: String,
}

impl Drop for Front {
    fn drop(&mut self) {
        // Its one process has no children.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// How Usher is set up behind a proxy.
pub(super) const BEHIND: [(&str, &str); 3] = [
    ("USHER_TRUSTED_PROXIES", r#"["127.0.0.1"]"#),
    ("USHER_PUBLIC_ORIGIN", "https://users.example.org"),
    ("USHER_SIGN_IN_FAILURE_MILLISECONDS", "0"),
];

/// That a page came through, with each header of the server's once.
pub(super) fn assert_whole_with_headers(page: &str) {
    assert_eq!(status_of(page), Some(200), "{page}");
    let lower = page.to_lowercase();
    for header in [
        "strict-transport-security: max-age=63072000; includesubdomains",
        "content-security-policy: ",
        "x-frame-options: deny",
        "x-request-id: ",
        "cache-control: no-store",
    ] {
        assert_eq!(lower.matches(header).count(), 1, "{header}: {page}");
    }
}

/// A port that is free at this moment.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A shipped configuration with what only fits the real machine replaced. Each of these is there, once.
pub(super) fn adapted(shipped: &str, replacements: &[(&str, String)]) -> String {
    replacements.iter().fold(shipped.to_owned(), |config, (shipped, here)| {
        assert_eq!(config.matches(shipped).count(), 1, "{shipped}");
        config.replace(shipped, here)
    })
}

pub(super) fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    // A client that is refused may find the connection closed before everything is sent.
    drop(stream.write_all(request.as_bytes()));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8(answer).unwrap()
}

pub(super) fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: users.example.org\r\nConnection: close\r\n{headers}\r\n")
}

fn sign_in(username: &str, password: &str) -> String {
    obtain_request(username, password).replace("Host: localhost", "Host: users.example.org")
}

pub(super) fn post(length: usize) -> String {
    format!(
        "POST /v1/auth/obtain HTTP/1.1\r\nHost: users.example.org\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{}",
        "x".repeat(length)
    )
}

impl Front {
    /// Waits until it listens; `log` is what it wrote, for when it does not.
    pub(super) fn new(child: Child, port: u16, log: impl Fn() -> String) -> Self {
        let front = Self { child, address: format!("127.0.0.1:{port}") };
        let listens = eventually(Duration::from_secs(20), || TcpStream::connect(&front.address).is_ok());
        assert!(listens, "the proxy does not start: {}", log());
        front
    }

    pub(super) fn ask(&self, request: &str) -> String {
        ask(&self.address, request)
    }
}

/// IP-1: what the client says of its address counts for nothing.
pub(super) fn the_address_is_the_clients(mut server: Server, front: &Front) {
    // The peer of the proxy is this machine, too: only one that is none of our proxies can be told apart.
    let from_here =
        front.ask(&get("/livez?search=private", "X-Forwarded-For: 192.0.2.66\r\nX-Real-IP: 192.0.2.66\r\n"));
    assert_eq!(status_of(&from_here), Some(200), "{from_here}");
    // The same without a proxy in between: a trusted peer is believed.
    server.ask(&get("/readyz", "X-Forwarded-For: 192.0.2.77\r\n")).unwrap();
    let log = server.log();
    let addresses: Vec<(Value, Value)> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["path"].is_string())
        .map(|line| (line["path"].clone(), line["address"].clone()))
        .collect();
    assert!(addresses.contains(&("/livez".into(), "127.0.0.1".into())), "{addresses:?}");
    assert!(addresses.contains(&("/readyz".into(), "192.0.2.77".into())), "{addresses:?}");
}

/// DO-2: bodies that are too long for the proxy are answered 413 by it, those that are too long for Usher by Usher;
/// never without a body, and never as a failure of Usher's.
pub(super) fn long_bodies_are_answered_413_with_a_body(front: &Front) {
    for length in [1_048_577, 5_000_000, 1_048_577, 5_000_000, 1_048_577] {
        let answer = front.ask(&post(length));
        assert_eq!(status_of(&answer), Some(413), "{length}: {answer}");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        assert!(body.is_some_and(|body| body.contains("413")), "{length}: {answer}");
    }
    for length in [5_000, 100_000, 1_048_576, 5_000, 1_048_576] {
        let answer = front.ask(&post(length));
        assert_eq!(status_of(&answer), Some(413), "{length}: {answer}");
        assert!(answer.contains("The request body is larger than 4096 bytes."), "{length}: {answer}");
    }
    assert_eq!(status_of(&front.ask(&post(100))), Some(400), "a short one is read");
}

/// DO-1: 500 slow and idle clients, and others beside them; then those are gone that owe something.
pub(super) fn slow_clients_are_cut_and_hurt_nobody(directory: &Path, front: &Front) {
    make_superuser(directory, &[]);
    let begin = |text: &str| {
        let mut stream = TcpStream::connect(&front.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let head = "POST /v1/auth/obtain HTTP/1.1\r\nHost: users.example.org\r\nContent-Length: 100\r\n\r\n";
    // Within what one address may have; a connection counts from the end of its first head on.
    let mut slow: Vec<TcpStream> = (0..500)
        .map(|n| match n % 20 {
            0 => begin(&format!("{head}{{")),
            1..10 => begin(""),
            _ => begin("GET /livez HTTP/1.1\r\nHost: users.exa"),
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(status_of(&front.ask(&get("/readyz", ""))), Some(200));
        assert_eq!(status_of(&front.ask(&get("/sign-in", ""))), Some(200));
    }
    assert_eq!(status_of(&front.ask(&sign_in("admin", PASSWORD))), Some(200));
    assert_eq!(status_of(&front.ask(&sign_in("admin", "wrong"))), Some(401));
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let end = stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert_ne!(end, Err(std::io::ErrorKind::WouldBlock), "a slow client is still there");
    }
}

/// Below the path `/usher` links, redirects and files are there.
pub(super) fn everything_is_below_usher(directory: &Path, front: &Front) {
    make_superuser(directory, &[]);
    let redirect = front.ask(&get("/usher/users?q=x", ""));
    let lower = redirect.to_lowercase();
    assert_eq!(status_of(&redirect), Some(303), "{redirect}");
    assert!(lower.contains("\r\nlocation: /usher/sign-in?next="), "{redirect}");
    let page = front.ask(&get("/usher/sign-in", ""));
    assert_eq!(status_of(&page), Some(200), "{page}");
    assert!(page.contains("action=\"/usher/sign-in\""), "{page}");
    let file =
        page.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().replace("&#x2F;", "/");
    assert!(file.starts_with("/usher/static/app."), "{file}");
    assert_eq!(status_of(&front.ask(&get(&file, ""))), Some(200), "{file}");
    let request = sign_in("nobody", "x").replace("POST /v1/", "POST /usher/v1/");
    assert_eq!(status_of(&front.ask(&request)), Some(401));
}
