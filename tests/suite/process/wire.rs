//! What can only be sent over a connection: requests that no library makes.

use tempfile::TempDir;

use super::server::{Server, make_superuser, run, status_of, text, usher};
use crate::app::PASSWORD;
use crate::console::token;

/// A request that closes its connection, with more lines of its head and a body.
fn request(line: &str, rest: &str) -> String {
    format!("{line} HTTP/1.1\r\nConnection: close\r\n{rest}")
}

#[test]
fn hd_3_methods_that_are_not_in_the_standard_are_not_allowed() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[]);
    for (line, status, allow) in [
        ("BREW /v1/users/1", 405, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("get /v1/users/1", 405, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("BREW /%761//users/list", 405, "POST, OPTIONS"),
        ("BREW /sign-in", 405, "GET, HEAD, POST"),
        ("post /sign-in", 405, "GET, HEAD, POST"),
        ("BREW /v1/nothing", 404, ""),
        ("BREW /nothing", 404, ""),
    ] {
        let answer = server.ask(&request(line, "Host: localhost\r\n\r\n")).unwrap();
        assert_eq!(status_of(&answer), Some(status), "{line}: {answer}");
        assert!(allow.is_empty() || answer.contains(&format!("allow: {allow}\r\n")), "{line}: {answer}");
        for header in ["x-frame-options: DENY", "cache-control: no-store", "x-request-id: "] {
            assert!(answer.contains(header), "hd_1: {line}: {answer}");
        }
        let is_api = line.contains("users");
        assert_eq!(answer.contains("content-type: application/json\r\n"), is_api || line.contains("/v1/"));
    }
    for line in ["TRACE /livez", "CONNECT localhost:80", "OPTIONS *", "GET /a\"b"] {
        let answer = server.ask(&request(line, "Host: localhost\r\n\r\n")).unwrap();
        assert_eq!(status_of(&answer).map(|status| status / 100), Some(4), "{line}: {answer}");
    }
}

#[test]
fn hd_3_below_a_path_such_methods_are_answered_in_the_same_way() {
    let directory = TempDir::new().unwrap();
    let settings = [("USHER_BASE_PATH", "/it/usher"), ("USHER_SCIM", "true")];
    let server = Server::start(directory.path(), &settings);
    let of_user = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
    for (path, status, allow, kind) in [
        ("/v1/users/1", 405, of_user, "application/json"),
        ("/v1/users/list", 405, "POST, OPTIONS", "application/json"),
        ("/v1/nothing", 404, "", "application/json"),
        ("/scim/v2/Users/1", 405, of_user, "application/scim+json"),
        ("/scim/v2/nothing", 404, "", "application/scim+json"),
        ("/sign-in", 405, "GET, HEAD, POST", "text/html; charset=utf-8"),
        ("/nothing", 404, "", "text/html; charset=utf-8"),
    ] {
        // A proxy may take the path off.
        for line in [format!("PROPFIND /it/usher{path}"), format!("FOO {path}")] {
            let answer = server.ask(&request(&line, "Host: localhost\r\n\r\n")).unwrap();
            assert_eq!(status_of(&answer), Some(status), "{line}: {answer}");
            assert!(answer.contains(&format!("content-type: {kind}\r\n")), "{line}: {answer}");
            assert!(allow.is_empty() || answer.contains(&format!("allow: {allow}\r\n")), "{line}: {answer}");
        }
    }
}

#[test]
fn in_2_of_two_hosts_none_is_believed() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[]);
    for (hosts, status) in [
        ("Host: a\r\nHost: b\r\n", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: a@b\r\n", 400),
        ("Host: a/b\r\n", 400),
        ("Host:\r\n", 200),
        ("Host: [::1]:8000\r\n", 200),
    ] {
        for path in ["/livez", "/sign-in"] {
            let answer = server.ask(&request(&format!("GET {path}"), &format!("{hosts}\r\n"))).unwrap();
            assert_eq!(status_of(&answer), Some(status), "{hosts}: {answer}");
            assert!(answer.contains("x-frame-options: DENY"), "hd_1: {answer}");
        }
    }
}

#[test]
fn in_2_a_body_that_breaks_off_is_answered_400_and_is_the_last() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[]);
    let next = request("GET /livez", "Host: localhost\r\n\r\n");
    for (path, kind) in
        [("/v1/auth/obtain", "application/json"), ("/sign-in", "application/x-www-form-urlencoded")]
    {
        for start in ["", "1e\r\n{\"username\":\"ada\",\"password\":\"\r\n"] {
            for size in ["ZZ", "-1", "+2", "0x2", "", "fffffffffffffffff"] {
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
                     Transfer-Encoding: chunked\r\n\r\n{start}"
                );
                let answer = server.ask(&format!("{head}{size}\r\nab\r\n0\r\n\r\n{next}")).unwrap();
                assert_eq!(status_of(&answer), Some(400), "{path} {size}: {answer}");
                assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{path} {size}: {answer}");
            }
        }
    }
}

#[test]
fn cs_2_only_a_post_that_a_form_turned_into_something_else_becomes_one_again() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[]);
    let ask = |line: &str, body: &str| {
        let form = "Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        let rest = format!("{form}Content-Length: {}\r\n\r\n{body}", body.len());
        status_of(&server.ask(&request(line, &rest)).unwrap())
    };
    assert_eq!(ask("POST /v1/users/1", "_method=delete"), Some(405), "a POST, which that path does not have");
    assert_eq!(ask("POST /sign-in", "_method=put"), Some(422), "a POST without the form's token");
    assert_eq!(ask("GET /livez", "_method=put"), Some(200));
    assert_eq!(ask("PUT /v1/users/1", "_method=delete"), Some(401), "a PUT without credentials");
}

#[test]
fn se_3_over_a_connection_a_cookie_whose_name_is_encoded_is_none_of_ours() {
    let directory = TempDir::new().unwrap();
    make_superuser(directory.path(), &[]);
    let server = Server::start(directory.path(), &[]);
    // As from a proxy: for a host of this machine's own, names have no prefix.
    let host = "Host: users.example.org\r\n";
    let set = |answer: &str, name: &str| {
        let set = answer.split(&format!("set-cookie: __Host-{name}-")).nth(1);
        let set = set.unwrap_or_else(|| panic!("{answer}"));
        let (tag, value) = set.split(';').next().unwrap().split_once('=').unwrap();
        (tag.to_owned(), value.to_owned())
    };
    let page = server.ask(&request("GET /sign-in", &format!("{host}\r\n"))).unwrap();
    let body = format!("token={}&username=admin&password={}", token(&page), PASSWORD.replace(' ', "+"));
    let (tag, before) = set(&page, "pre");
    let head = format!(
        "{host}Cookie: __Host-pre-{tag}={before}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (_, secret) = set(&server.ask(&request("POST /sign-in", &(head + &body))).unwrap(), "sid");
    for (cookies, status) in [
        (format!("__Host-sid-{tag}={secret}"), 200),
        (format!("other=1; __Host-sid-{tag}={secret}; another=2"), 200),
        (format!("%5F%5FHost-sid-{tag}={secret}"), 401),
        (format!("__Host-sid-{tag}={secret}; __Host-sid-{tag}=x"), 401),
        (format!("__Host-sid-{tag}={secret}\r\nCookie: __Host-sid-{tag}=x"), 401),
        (format!("__Host-sid-{tag}={secret}\r\nCookie: %5F%5FHost-sid-{tag}=x"), 200),
    ] {
        let head = format!("{host}Cookie: {cookies}\r\n\r\n");
        let answer = server.ask(&request("GET /v1/account", &head)).unwrap();
        assert_eq!(status_of(&answer), Some(status), "{cookies}: {answer}");
    }
}

#[test]
fn ip_1_the_header_that_is_configured_counts_and_no_other() {
    let directory = TempDir::new().unwrap();
    let variables = [("ROCKET_IP_HEADER", "X-Real-IP"), ("USHER_TRUSTED_PROXIES", r#"["127.0.0.1"]"#)];
    let mut server = Server::start(directory.path(), &variables);
    for (headers, path) in [
        ("X-Real-IP: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n", "/livez"),
        ("X-Real-IP: ::ffff:192.0.2.3\r\n", "/readyz"),
        ("X-Real-IP: nonsense\r\n", "/sign-in"),
        ("X-Forwarded-For: 192.0.2.2\r\n", "/nothing"),
    ] {
        server.ask(&request(&format!("GET {path}"), &format!("Host: localhost\r\n{headers}\r\n"))).unwrap();
    }
    let log = server.log();
    for (path, address) in [
        ("/livez", "192.0.2.1"),
        ("/readyz", "192.0.2.3"),
        ("/sign-in", "127.0.0.1"),
        ("/nothing", "127.0.0.1"),
    ] {
        let line = log.lines().find(|line| line.contains(&format!("\"path\":\"{path}\""))).expect(path);
        assert!(line.contains(&format!("\"address\":\"{address}\"")), "{line}");
    }
}

#[test]
fn settings_that_would_count_for_nothing_stop_the_start_and_say_what_to_do() {
    let directory = TempDir::new().unwrap();
    for (variable, complaint) in [
        (("ROCKET_TLS", "{certs=\"a.pem\",key=\"b.pem\"}"), "ROCKET_TLS: this build speaks plain HTTP only"),
        (("ROCKET_HTTP2", "true"), "ROCKET_HTTP2: this build speaks HTTP/1.1 only"),
        (("ROCKET_PROT", "8000"), "ROCKET_PROT: there is no such setting"),
        (
            ("ROCKET_LOG_LEVEL", "debug"),
            "ROCKET_LOG_LEVEL: how much is logged is the setting usher.log_level",
        ),
        (("ROCKET_IP_HEADER", "X-Real-IP"), "ROCKET_IP_HEADER: any client could send that header"),
        (
            ("USHER_CONNECTIONS", "500"),
            "usher.connections: there is no such setting any more: the proxy in front",
        ),
        (
            ("USHER_CONNECTIONS_PER_ADDRESS", "5"),
            "usher.connections_per_address: there is no such setting any more",
        ),
    ] {
        for command in ["serve", "check"] {
            let output = run(usher(directory.path(), &[variable], &[command]), "");
            assert_eq!(output.status.code(), Some(1), "{variable:?}");
            let said = text(&output.stderr);
            assert!(said.starts_with(&format!("usher: {complaint}")) || said.contains(complaint), "{said}");
        }
    }
}
