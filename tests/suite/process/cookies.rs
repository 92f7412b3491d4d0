//! The cookies of a server on this machine, over real connections: their names and their protection.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::server::{Server, make_superuser, status_of};
use crate::app::{PASSWORD, TestApp};
use crate::console::token;

/// A browser as far as cookies go: it keeps them by host and not by port, and sends all of them.
#[derive(Default)]
pub(super) struct Browser {
    cookies: BTreeMap<String, String>,
    /// As they were set last, with their attributes.
    set: Vec<String>,
}

impl Browser {
    pub(super) fn ask(&mut self, server: &Server, line: &str, headers: &str, body: &str) -> String {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = format!(
            "{line} HTTP/1.1\r\nConnection: close\r\nCookie: {}\r\n{headers}Sec-Fetch-Site: same-origin\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            cookies.join("; "),
            body.len()
        );
        let answer = server.ask(&request).unwrap();
        self.set =
            answer.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).map(str::to_owned).collect();
        for set in &self.set {
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Signs `admin` in; the answer.
    pub(super) fn sign_in(&mut self, server: &Server, headers: &str) -> String {
        let page = self.ask(server, "GET /sign-in", headers, "");
        let body = format!("token={}&username=admin&password={}", token(&page), PASSWORD.replace(' ', "+"));
        self.ask(server, "POST /sign-in", headers, &body)
    }

    /// Whether it is signed in there.
    fn is_signed_in(&mut self, server: &Server, headers: &str) -> bool {
        status_of(&self.ask(server, "GET /account", headers, "")) == Some(200)
    }

    fn names(&self) -> Vec<&str> {
        self.cookies.keys().map(String::as_str).collect()
    }
}

fn host(server: &Server) -> String {
    format!("Host: {}\r\n", server.address)
}

/// Runs a check on a server of the database, which takes some time.
async fn on_server(app: &TestApp, variables: &[(&str, &str)], check: fn(Server, TempDir)) {
    let mut all = vec![("DATABASE_URL".to_owned(), app.url.clone())];
    all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let run = move || {
        let directory = TempDir::new().unwrap();
        let variables: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        make_superuser(directory.path(), &variables);
        check(Server::start(directory.path(), &variables), directory);
    };
    rocket::tokio::task::spawn_blocking(run).await.unwrap();
}

#[apply(on_both)]
async fn ck_1_on_one_machine_a_browser_that_keeps_no_secure_cookie_over_http_signs_in(app: TestApp) {
    on_server(&app, &[], |server, _directory| {
        let (address, port) = (host(&server), server.address.rsplit_once(':').unwrap().1.to_owned());
        for host in
            [address.clone(), format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n")]
        {
            let mut browser = Browser::default();
            let answer = browser.sign_in(&server, &host);
            assert_eq!(status_of(&answer), Some(303), "{answer}");
            assert_eq!(browser.names(), ["known-0a1b2c3d", "pre-0a1b2c3d", "sid-0a1b2c3d"]);
            for set in &browser.set {
                assert!(
                    set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Path=/"),
                    "{set}"
                );
                assert!(!set.contains("Secure") && !set.contains("Domain"), "{set}");
            }
            assert!(browser.is_signed_in(&server, &host));
            // The same cookies are worth nothing where browsers elsewhere may be meant.
            for elsewhere in [
                "Host: usher.lan:8000\r\n".to_owned(),
                format!("{address}X-Forwarded-For: 203.0.113.7\r\n"),
                format!("{address}Origin: https://users.example.org\r\n"),
            ] {
                assert!(!browser.is_signed_in(&server, &elsewhere), "{elsewhere}");
            }
            let secret = &browser.cookies["sid-0a1b2c3d"];
            for (name, counts) in [("sid-0a1b2c3d", true), ("__Host-sid-0a1b2c3d", false), ("sid", false)] {
                let cookies = BTreeMap::from([(name.to_owned(), secret.clone())]);
                let mut other = Browser { cookies, ..Browser::default() };
                assert_eq!(other.is_signed_in(&server, &host), counts, "{name}");
            }
        }
    })
    .await;
}

/// Whether signing in with these headers ends with cookies for TLS only, under names with the prefix.
fn needs_tls(server: &Server, headers: &str) {
    let mut browser = Browser::default();
    let answer = browser.sign_in(server, headers);
    assert_eq!(status_of(&answer), Some(303), "{headers}: {answer}");
    assert!(browser.set.iter().all(|set| set.contains("Secure")), "{headers}: {:?}", browser.set);
    let names = ["__Host-known-0a1b2c3d", "__Host-pre-0a1b2c3d", "__Host-sid-0a1b2c3d"];
    assert_eq!(browser.names(), names, "{headers}");
}

#[apply(on_both)]
async fn ck_1_every_other_plain_connection_gets_cookies_for_tls_only(app: TestApp) {
    on_server(&app, &[], |server, _directory| {
        let local = host(&server);
        for headers in [
            "Host: usher.lan:8000\r\n".to_owned(),
            "Host: 192.168.1.7:8000\r\n".to_owned(),
            "Host: localhost.example.org\r\n".to_owned(),
            "Host: users.example.org\r\nOrigin: https://users.example.org\r\n".to_owned(),
            // A proxy on this machine that asks for it by its address.
            format!("{local}X-Forwarded-For: 203.0.113.7\r\n"),
            format!("{local}X-Forwarded-Proto: https\r\n"),
            format!("{local}X-Real-IP: 203.0.113.7\r\n"),
            format!("{local}Forwarded: for=203.0.113.7\r\n"),
            format!("{local}Via: 1.1 proxy\r\n"),
            format!("{local}Origin: https://users.example.org\r\n"),
        ] {
            needs_tls(&server, &headers);
        }
    })
    .await;
}

#[apply(on_both)]
async fn ck_1_a_server_that_is_reached_over_tls_gets_cookies_for_tls_only(app: TestApp) {
    on_server(&app, &[("USHER_PUBLIC_ORIGIN", "https://users.example.org")], |server, _directory| {
        needs_tls(&server, &host(&server));
    })
    .await;
}

#[apply(on_both)]
async fn ck_2_two_installations_on_one_host_do_not_sign_each_other_out(app: TestApp) {
    // The names of this installation are its own, too, and not those of all tests.
    app.sql("DELETE FROM installation WHERE name = 'cookie_tag'").await;
    on_server(&app, &[], |one, _directory| {
        let directory = TempDir::new().unwrap();
        make_superuser(directory.path(), &[]);
        let mut two = Server::start(directory.path(), &[]);
        let mut browser = Browser::default();
        for server in [&one, &two] {
            assert_eq!(status_of(&browser.sign_in(server, &host(server))), Some(303));
        }
        assert_eq!(browser.cookies.len(), 6, "{:?}", browser.cookies);
        assert!(browser.is_signed_in(&one, &host(&one)) && browser.is_signed_in(&two, &host(&two)));
        let page = browser.ask(&one, "GET /account", &host(&one), "");
        let body = format!("token={}", token(&page));
        let out = browser.ask(&one, "POST /sign-out", &host(&one), &body);
        assert_eq!(status_of(&out), Some(303), "{out}");
        assert!(!browser.is_signed_in(&one, &host(&one)), "signed out here");
        assert!(browser.is_signed_in(&two, &host(&two)), "and not there");
        // A restart, and another instance of the same installation, know the same names.
        two.signal("TERM");
        two.wait();
        let two = Server::start(directory.path(), &[]);
        assert!(browser.is_signed_in(&two, &host(&two)));
    })
    .await;
}
