//! Usher behind the Caddy that docs/Caddyfile describes.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::front::{self, BEHIND, Front, adapted, free_port, get};
use super::server::{Server, status_of};

/// Caddy with the file as it is shipped, but for what only fits the real machine: ports, and TLS, for which it would
/// ask an authority for a certificate.
fn caddy_before(server: &Server, directory: &Path) -> Front {
    caddy_with(include_str!("../../../docs/Caddyfile"), server, directory)
}

/// The same with lines changed.
fn caddy_with(config: &str, server: &Server, directory: &Path) -> Front {
    let port = free_port();
    let config = adapted(
        config,
        &[
            (" 127.0.0.1:8000 {", format!(" {} {{", server.address)),
            ("users.example.org {\n", format!("http://users.example.org:{port} {{\n\tbind 127.0.0.1\n")),
            // Else two tests at once would want the port of its administration.
            ("\tservers {\n", "\tadmin off\n\tservers {\n".to_owned()),
        ],
    );
    std::fs::write(directory.join("Caddyfile"), config).unwrap();
    let log = directory.join("caddy.log");
    let mut command = Command::new("caddy");
    command.args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"]).current_dir(directory);
    for home in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(home, directory);
    }
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn();
    let child = child.expect("the package caddy is installed; tests/run does that");
    Front::new(child, port, || std::fs::read_to_string(&log).unwrap_or_default())
}

#[test]
fn ip_1_behind_caddy_the_address_is_the_clients_whatever_it_says() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let caddy = caddy_before(&server, directory.path());
    front::the_address_is_the_clients(server, &caddy);
    let said = std::fs::read_to_string(directory.path().join("caddy.log")).unwrap();
    assert!(!said.contains("private") && !said.contains("\"level\":\"error\""), "{said}");
}

#[test]
fn hd_1_behind_caddy_headers_pass_and_other_hosts_are_not_served() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let caddy = caddy_before(&server, directory.path());
    let page = caddy.ask(&get("/sign-in", ""));
    front::assert_whole_with_headers(&page);
    let other = caddy.ask("GET /sign-in HTTP/1.1\r\nHost: other.example.org\r\nConnection: close\r\n\r\n");
    assert!(!other.contains("Sign in"), "{other}");
}

#[test]
fn do_2_behind_caddy_long_heads_and_odd_requests_are_refused() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let caddy = caddy_before(&server, directory.path());
    let ask = |request: &str| status_of(&caddy.ask(request));
    let post = "POST /v1/auth/obtain HTTP/1.1\r\nHost: users.example.org\r\nConnection: close\r\n";
    assert_eq!(ask(&format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}")), Some(400));
    assert_eq!(ask(&format!("{post}Transfer-Encoding: x\r\n\r\n{{}}")).map(|status| status / 100), Some(5));
    assert_eq!(ask(&get("/livez", "Host: other.example.org\r\n")), Some(400));
    assert_eq!(ask(&get("/livez", &format!("X-Long: {}\r\n", "x".repeat(40_000)))), Some(431));
    assert_eq!(server.status("/livez"), Some(200));
}

#[test]
fn do_2_behind_caddy_bodies_that_are_too_long_are_answered_413_with_a_body() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let caddy = caddy_before(&server, directory.path());
    front::long_bodies_are_answered_413_with_a_body(&caddy);
}

#[test]
fn do_1_behind_caddy_slow_clients_are_cut_and_hurt_nobody() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let caddy = caddy_before(&server, directory.path());
    front::slow_clients_are_cut_and_hurt_nobody(directory.path(), &caddy);
}

#[test]
fn below_a_path_caddy_hands_it_on_beside_another_program() {
    let documentation = include_str!("../../../docs/proxy.md");
    let (_, rest) = documentation.split_once("```caddyfile\n").unwrap();
    let changed = rest.split("```").next().unwrap();
    let mut config = include_str!("../../../docs/Caddyfile").to_owned();
    // Each of these lines takes the place of the one that begins in the same way.
    for line in changed.lines() {
        let begin = ["@oversized ", "@small ", "@upload ", "reverse_proxy "];
        let begin = begin.into_iter().find(|begin| line.trim_start().starts_with(begin));
        let shipped =
            config.lines().find(|shipped| begin.is_some_and(|begin| shipped.trim_start().starts_with(begin)));
        config = match shipped.map(str::to_owned) {
            Some(shipped) => config.replacen(&shipped, line, 1),
            None => config.replacen("\treverse_proxy ", &format!("{line}\n\treverse_proxy "), 1),
        };
    }
    let other =
        "\t@other not path /usher /usher/*\n\trespond @other \"the other program\"\n\thandle_errors {";
    let config = config.replacen("\thandle_errors {", other, 1);
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[&BEHIND[..], &[("USHER_BASE_PATH", "/usher")]].concat());
    let caddy = caddy_with(&config, &server, directory.path());
    front::everything_is_below_usher(directory.path(), &caddy);
    for path in ["/", "/users", "/ushers"] {
        assert!(caddy.ask(&get(path, "")).ends_with("the other program"), "{path}");
    }
    let upload = |path: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: users.example.org\r\nConnection: close\r\n");
        status_of(&caddy.ask(&format!("{head}Content-Length: 2000000\r\n\r\n{}", "x".repeat(2_000_000))))
    };
    assert_eq!(upload("/usher/v1/users/list"), Some(413));
    assert_ne!(upload("/usher/users/import"), Some(413), "uploads may be longer");
}
