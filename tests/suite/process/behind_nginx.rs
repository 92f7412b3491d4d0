//! Usher behind the nginx that docs/nginx.conf describes.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::front::{self, BEHIND, Front, adapted, ask, free_port, get};
use super::server::{Server, obtain_request, status_of};

/// nginx with the file as it is shipped, but for what only fits the real machine: ports, paths, and TLS, for which
/// the test has no certificate.
struct Nginx {
    front: Front,
    /// Where plain http is led away from.
    plain: String,
}

impl Nginx {
    fn before(server: &Server, directory: &Path) -> Self {
        Self::with(include_str!("../../../docs/nginx.conf"), server, directory)
    }

    fn with(shipped: &str, server: &Server, directory: &Path) -> Self {
        let (port, plain) = (free_port(), free_port());
        let path = directory.display();
        let config = adapted(
            shipped,
            &[
                ("server 127.0.0.1:8000;", format!("server {};", server.address)),
                ("listen 80;", format!("listen 127.0.0.1:{plain};")),
                ("listen 443 ssl http2;", format!("listen 127.0.0.1:{port};")),
                ("        ssl_certificate /etc/ssl/users.example.org.pem;\n", String::new()),
                ("        ssl_certificate_key /etc/ssl/private/users.example.org.key;\n", String::new()),
                ("        ssl_protocols TLSv1.2 TLSv1.3;\n", String::new()),
                ("/var/log/nginx/usher.log", format!("{path}/access.log")),
                (
                    "http {\n",
                    format!(
                        "http {{\nclient_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
                         fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n"
                    ),
                ),
            ],
        );
        std::fs::write(directory.join("nginx.conf"), config).unwrap();
        let globals =
            format!("daemon off; master_process off; pid {path}/nginx.pid; error_log {path}/error.log;");
        let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let mut command = Command::new(program);
        command.args(["-p", &path.to_string(), "-c", "nginx.conf", "-e", "stderr", "-g", &globals]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("the package nginx-light is installed; tests/run does that");
        let log = || std::fs::read_to_string(directory.join("error.log")).unwrap_or_default();
        Self { front: Front::new(child, port, log), plain: format!("127.0.0.1:{plain}") }
    }

    fn ask(&self, request: &str) -> String {
        self.front.ask(request)
    }
}

#[test]
fn ip_1_behind_nginx_the_address_is_the_clients_whatever_it_says() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let nginx = Nginx::before(&server, directory.path());
    front::the_address_is_the_clients(server, &nginx.front);
    let access = std::fs::read_to_string(directory.path().join("access.log")).unwrap();
    assert!(access.contains("\"GET /livez\" 200"), "{access}");
    assert!(!access.contains("private"), "nothing of the query: {access}");
}

#[test]
fn hd_1_behind_nginx_headers_pass_and_https_is_demanded() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let nginx = Nginx::before(&server, directory.path());
    let page = nginx.ask(&get("/sign-in", ""));
    let lower = page.to_lowercase();
    assert_eq!(status_of(&page), Some(200), "{page}");
    assert!(lower.contains("strict-transport-security: max-age=63072000; includesubdomains"), "{page}");
    for header in
        ["content-security-policy: ", "x-frame-options: deny", "x-request-id: ", "cache-control: no-store"]
    {
        assert_eq!(lower.matches(header).count(), 1, "{header}: {page}");
    }
    assert!(!lower.contains("nginx/"), "cf_4: no version: {page}");
    let plain = ask(&nginx.plain, &get("/users?q=x", ""));
    assert_eq!(status_of(&plain), Some(308), "{plain}");
    assert!(plain.contains("Location: https://users.example.org/users?q=x"), "{plain}");
}

#[test]
fn without_an_https_origin_nobody_is_told_to_use_https() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[("USHER_TRUSTED_PROXIES", r#"["127.0.0.1"]"#)]);
    let nginx = Nginx::before(&server, directory.path());
    let page = nginx.ask(&get("/sign-in", "")).to_lowercase();
    assert!(page.contains("x-frame-options: deny") && !page.contains("strict-transport-security"), "{page}");
}

#[test]
fn do_2_behind_nginx_long_bodies_and_odd_requests_are_refused() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let nginx = Nginx::before(&server, directory.path());
    let ask = |request: &str| status_of(&nginx.ask(request));
    let signed_out = obtain_request("nobody", "x").replace("Host: localhost", "Host: users.example.org");
    assert_eq!(ask(&signed_out), Some(401));
    let post = "POST /v1/auth/obtain HTTP/1.1\r\nHost: users.example.org\r\nConnection: close\r\n";
    assert_eq!(ask(&format!("{post}Content-Length: 1048577\r\n\r\n")), Some(413));
    assert_eq!(ask(&format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}")), Some(400));
    assert_eq!(ask(&format!("{post}Transfer-Encoding: x\r\n\r\n{{}}")).map(|status| status / 100), Some(5));
    assert_eq!(ask(&get("/livez", "Host: other.example.org\r\n")), Some(400));
    assert_eq!(ask(&get("/livez", &format!("X-Long: {}\r\n", "x".repeat(40_000)))), Some(400));
    assert_eq!(ask("TRACE /livez HTTP/1.1\r\nHost: users.example.org\r\n\r\n"), Some(405), "hd_3");
    assert_eq!(server.status("/livez"), Some(200));
}

#[test]
fn do_2_behind_nginx_bodies_that_are_too_long_are_answered_413_with_a_body() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let nginx = Nginx::before(&server, directory.path());
    front::long_bodies_are_answered_413_with_a_body(&nginx.front);
}

#[test]
fn do_1_behind_nginx_slow_clients_are_cut_and_hurt_nobody() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let nginx = Nginx::before(&server, directory.path());
    front::slow_clients_are_cut_and_hurt_nobody(directory.path(), &nginx.front);
}

#[test]
fn below_a_path_nginx_hands_the_path_on_or_takes_it_off() {
    let documentation = include_str!("../../../docs/proxy.md");
    let shipped = [
        ("location = /users/import {", "location = /usher/users/import {"),
        ("location / {", "location /usher/ {"),
    ]
    .iter()
    .fold(include_str!("../../../docs/nginx.conf").to_owned(), |config, (shipped, changed)| {
        assert!(config.contains(shipped) && documentation.contains(changed), "{changed}");
        config.replace(shipped, changed)
    });
    let (upload, rest) = shipped.split_once("location /usher/ {").unwrap();
    let taken_off = rest.replace("proxy_pass http://usher;", "proxy_pass http://usher/;");
    for config in [shipped.clone(), format!("{upload}location /usher/ {{{taken_off}")] {
        let directory = TempDir::new().unwrap();
        let server =
            Server::start(directory.path(), &[&BEHIND[..], &[("USHER_BASE_PATH", "/usher")]].concat());
        let nginx = Nginx::with(&config, &server, directory.path());
        front::everything_is_below_usher(directory.path(), &nginx.front);
        assert_eq!(status_of(&nginx.ask(&get("/users", ""))), Some(404), "nothing is beside it");
        assert_eq!(server.status("/readyz"), Some(200), "a check of the balancer's");
    }
}
