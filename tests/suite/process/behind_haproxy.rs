//! Two Ushers behind the proxy that `docs/haproxy.cfg` describes.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::front::{self, BEHIND, Front, adapted, ask, free_port, get};
use super::server::{Server, json_request, make_superuser, obtain_request, status_of};
use crate::app::TestApp;

/// The proxy with the file as it is shipped, but for what only fits the real machine: ports, and TLS, for which the test has
/// no certificate.
struct Haproxy {
    front: Front,
    /// Where plain http is led away from.
    plain: String,
}

impl Haproxy {
    fn before(servers: [&str; 2], directory: &Path) -> Self {
        Self::with(include_str!("../../../docs/haproxy.cfg"), servers, directory)
    }

    fn with(shipped: &str, servers: [&str; 2], directory: &Path) -> Self {
        let (port, plain) = (free_port(), free_port());
        let [one, two] = servers;
        let config = adapted(
            shipped,
            &[
                ("127.0.0.1:8001", one.to_owned()),
                ("127.0.0.1:8002", two.to_owned()),
                ("bind :80\n", format!("bind 127.0.0.1:{plain}\n")),
                (
                    "bind :443 ssl crt /etc/ssl/private/users.example.org.pem alpn h2,http/1.1",
                    format!("bind 127.0.0.1:{port}"),
                ),
            ],
        );
        std::fs::write(directory.join("haproxy.cfg"), config).unwrap();
        let log = directory.join("haproxy.log");
        let file = File::create(&log).unwrap();
        let program = if Path::new("/usr/sbin/haproxy").exists() { "/usr/sbin/haproxy" } else { "haproxy" };
        let mut command = Command::new(program);
        command.args(["-db", "-f", "haproxy.cfg"]).current_dir(directory).stdin(Stdio::null());
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn();
        let child = child.expect("the package haproxy is installed; tests/run does that");
        let front = Front::new(child, port, || std::fs::read_to_string(&log).unwrap_or_default());
        Self { front, plain: format!("127.0.0.1:{plain}") }
    }

    fn ask(&self, request: &str) -> String {
        self.front.ask(request)
    }
}

/// One server, which the proxy knows under both names.
fn alone(directory: &Path) -> (Server, Haproxy) {
    let server = Server::start(directory, &BEHIND);
    let haproxy = Haproxy::before([&server.address, &server.address], directory);
    (server, haproxy)
}

#[test]
fn ip_1_behind_haproxy_the_address_is_the_clients_whatever_it_says() {
    let directory = TempDir::new().unwrap();
    let (server, haproxy) = alone(directory.path());
    front::the_address_is_the_clients(server, &haproxy.front);
    let log = std::fs::read_to_string(directory.path().join("haproxy.log")).unwrap();
    assert!(log.contains("GET /livez 200") && !log.contains("private"), "nothing of the query: {log}");
}

#[test]
fn hd_1_behind_haproxy_headers_pass_and_https_is_demanded() {
    let directory = TempDir::new().unwrap();
    let (_server, haproxy) = alone(directory.path());
    let page = haproxy.ask(&get("/sign-in", ""));
    assert_eq!(status_of(&page), Some(200), "{page}");
    let lower = page.to_lowercase();
    assert!(lower.contains("strict-transport-security: max-age=63072000; includesubdomains"), "{page}");
    assert!(!lower.contains("haproxy"), "cf_4: {page}");
    let plain = ask(&haproxy.plain, &get("/users?q=x", ""));
    assert_eq!(status_of(&plain), Some(308), "{plain}");
    assert!(plain.contains("location: https://users.example.org/users?q=x"), "{plain}");
    let other = "GET /livez HTTP/1.1\r\nHost: other.example.org\r\nConnection: close\r\n\r\n";
    assert_eq!(status_of(&haproxy.ask(other)), Some(400));
}

#[test]
fn do_2_behind_haproxy_bodies_that_are_too_long_are_answered_413_with_a_body() {
    let directory = TempDir::new().unwrap();
    let (_server, haproxy) = alone(directory.path());
    front::long_bodies_are_answered_413_with_a_body(&haproxy.front);
}

#[test]
fn do_1_behind_haproxy_slow_clients_are_cut_and_hurt_nobody() {
    let directory = TempDir::new().unwrap();
    let (_server, haproxy) = alone(directory.path());
    front::slow_clients_are_cut_and_hurt_nobody(directory.path(), &haproxy.front);
}

#[test]
fn below_a_path_haproxy_hands_it_on_beside_another_program() {
    let documentation = include_str!("../../../docs/proxy.md");
    let (_, rest) = documentation.split_once("```haproxy\n").unwrap();
    let changed = rest.split("```").next().unwrap();
    let shipped = include_str!("../../../docs/haproxy.cfg");
    let lines: Vec<&str> = shipped.lines().filter(|line| !line.contains(" path /users/import }")).collect();
    let config = lines.join("\n").replace("    default_backend ushers\n", changed);
    let config = config
        + "\nbackend other\n    http-request return status 200 content-type text/plain string \"the other program\"\n";
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[&BEHIND[..], &[("USHER_BASE_PATH", "/usher")]].concat());
    let haproxy = Haproxy::with(&config, [&server.address, &server.address], directory.path());
    front::everything_is_below_usher(directory.path(), &haproxy.front);
    for path in ["/", "/users", "/ushers"] {
        assert!(haproxy.ask(&get(path, "")).ends_with("the other program"), "{path}");
    }
    assert!(haproxy.ask(&get("/usher", "")).to_lowercase().contains("location: /usher/sign-in"));
}

/// RL-10: two servers are restarted one after the other while clients read and write through the proxy.
#[rocket::async_test]
async fn rl_10_behind_haproxy_servers_are_restarted_one_by_one_and_no_request_fails() {
    let app = TestApp::new(crate::Backend::Postgres).await;
    let url = app.url.clone();
    rocket::tokio::task::spawn_blocking(move || restart_one_by_one(&url)).await.unwrap();
}

fn restart_one_by_one(url: &str) {
    let directory = TempDir::new().unwrap();
    let ports = [free_port().to_string(), free_port().to_string()];
    let start = |port: &str| {
        let variables = [("DATABASE_URL", url), ("ROCKET_PORT", port), ("USHER_DRAIN_SECONDS", "3")];
        Server::start(directory.path(), &[&variables[..], &BEHIND[..]].concat())
    };
    make_superuser(directory.path(), &[("DATABASE_URL", url)]);
    let mut servers = ports.each_ref().map(|port| start(port));
    let addresses = servers.each_ref().map(|server| server.address.clone());
    let haproxy = Haproxy::before([&addresses[0], &addresses[1]], directory.path());
    let here = |request: &str| request.replace("Host: localhost", "Host: users.example.org");
    let answer = haproxy.ask(&here(&obtain_request("admin", crate::app::PASSWORD)));
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let bearer = body["access"].as_str().expect("a token").to_owned();
    let is_over = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (is_over, haproxy, bearer, here) = (&is_over, &haproxy, &bearer, &here);
                scope.spawn(move || {
                    let mut answers = 0;
                    while !is_over.load(Ordering::SeqCst) {
                        let request = if client == 0 {
                            let body = json!({"first_name": format!("{answers}")});
                            here(&json_request("PATCH", "/v1/users/1", bearer, &body))
                        } else {
                            get("/v1/users/1", &format!("Authorization: Bearer {bearer}\r\n"))
                        };
                        let answer = haproxy.ask(&request);
                        assert_eq!(status_of(&answer), Some(200), "after {answers}: {answer}");
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        for (server, port) in servers.iter_mut().zip(&ports) {
            server.signal("TERM");
            assert!(server.wait().success());
            *server = start(port);
            // HAProxy asks every second whether it is ready.
            std::thread::sleep(Duration::from_secs(3));
        }
        is_over.store(true, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().unwrap()).sum::<u32>()
    });
    assert!(answers > 100, "only {answers} answers");
}
