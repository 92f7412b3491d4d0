//! A page of another site, open in the browser of a signed-in user: it sends every unsafe request
//! that a page can send, and nothing happens.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::json;
use usher::{api, web};

use crate::World;
use crate::driver::Scripts;
use crate::people::{BERG, PASSWORD, STAFF, STAFF_ID};
use crate::server::{Backend, hidden};

/// A server that has one page, whatever is asked.
struct OtherSite {
    port: u16,
    page: Arc<Mutex<String>>,
}

impl OtherSite {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let page = Arc::new(Mutex::new(String::new()));
        let served = Arc::clone(&page);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                // The request is read up to the empty line after its headers.
                let mut asked = BufReader::new(&stream).lines().map_while(Result::ok);
                asked.by_ref().find(String::is_empty);
                let page = served.lock().expect("a page").clone();
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n\r\n";
                // A browser that no longer wants the answer is no concern of ours.
                drop(stream.write_all(format!("{head}{page}").as_bytes()));
            }
        });
        Self { port, page }
    }

    fn show(&self, page: String) {
        *self.page.lock().expect("a page") = page;
    }
}

/// Every unsafe route, with the keys of a user who should not be changed: method and path.
fn targets() -> Vec<(String, String)> {
    let pages = web::routes().into_iter().map(|route| (route, ""));
    let all = pages.chain(api::routes().into_iter().map(|route| (route, api::BASE)));
    let unsafe_ones = all.filter(|(route, _)| !["GET", "HEAD", "OPTIONS"].contains(&route.method.as_str()));
    let mut targets: Vec<(String, String)> = unsafe_ones
        .map(|(route, base)| {
            let path = route.uri.path().trim_start_matches(base);
            let key = BERG.to_string();
            let parts = path.split('/').map(|part| if part.starts_with('<') { key.as_str() } else { part });
            (route.method.to_string(), format!("{base}{}", parts.collect::<Vec<_>>().join("/")))
        })
        .collect();
    // Last, so that the others find a session if it works.
    targets.sort_by_key(|(_, path)| path == "/sign-out");
    targets
}

/// Forms and requests to all targets in every encoding that a page can choose; then the title says so. The
/// token is a good one, of a session of the attacker's own.
fn attack(server: &str, token: &str) -> String {
    let fields = json!({
        "token": token, "version": "1", "username": "taken.over", "email": "taken@example.com",
        "first_name": "Taken", "last_name": "Over", "password": PASSWORD, "is_staff": "1", "access": "1",
        "next": "/users",
    });
    let body = json!({
        "username": "taken.over", "email": "taken@example.com", "password": "a quite different one",
        "is_active": false, "is_staff": true, "is_superuser": true,
    });
    format!(
        r#"<!doctype html><meta charset=utf-8><title>Cute pictures</title><script type=module>
const server = {server:?}, targets = {targets}, fields = {fields}, body = {body};
const send = (path, encoding, fields) => new Promise(sent => {{
    const frame = document.createElement('iframe'), form = document.createElement('form');
    frame.name = `frame${{document.forms.length}}`;
    document.body.append(frame, form);
    Object.assign(form, {{ method: 'post', action: server + path, enctype: encoding, target: frame.name }});
    for (const [name, value] of Object.entries(fields)) {{
        form.append(Object.assign(document.createElement('input'), {{ type: 'hidden', name, value }}));
    }}
    frame.onload = sent;
    form.submit();
}});
const text = JSON.stringify(body);
for (const [method, path] of targets) {{
    await send(path, 'application/x-www-form-urlencoded', fields);
    await send(path, 'application/x-www-form-urlencoded', {{ _method: method, ...fields }});
    await send(path, 'multipart/form-data', fields);
    // JSON in the name and value of a field.
    await send(path, 'text/plain', {{ [text.slice(0, -1) + ',"x":"']: '"}}' }});
    const request = {{ credentials: 'include', body: text }};
    for (const more of [
        {{ method: 'POST', mode: 'no-cors' }},
        {{ method, headers: {{ 'Content-Type': 'application/json' }} }},
        {{ method, headers: {{ 'Content-Type': 'application/json', 'If-Match': '*' }} }},
    ]) await fetch(server + path, {{ ...request, ...more }}).catch(() => {{}});
}}
document.title = 'Done';
</script>"#,
        targets = json!(targets()),
    )
}

/// The same, as one form that the page sends in its own place.
fn form(server: &str, path: &str, token: &str) -> String {
    format!(
        r#"<!doctype html><title>Cute pictures</title>
<form method="post" action="{server}{path}"><input name="token" value="{token}"><input name="version" value="1">
<input name="password" value="a quite different one"><input name="username" value="taken.over"></form>
<script>onload = () => document.forms[0].submit();</script>"#
    )
}

#[test]
fn cs_1_no_page_of_another_origin_changes_anything() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    let mallory = world.server.sign_in(crate::people::ADMIN);
    let page = world.server.send("GET", "/users/new", &[("Cookie", &mallory)], "");
    let token = hidden(&page.text(), "token");
    let before = world.server.everything();
    let site = OtherSite::new();
    let paths: Vec<String> = targets().into_iter().map(|(_, path)| path).collect();
    for expected in ["/sign-out", "/users/new", "/users/4/password", "/v1/users/4", "/v1/users/create"] {
        assert!(paths.iter().any(|path| path == expected), "{expected}: {paths:?}");
    }
    // Of the same site, on another port: the cookie goes along. And of another site: it does not.
    for (host, answer) in [("127.0.0.1", "Nothing was done."), ("localhost", "Sign in")] {
        let other = format!("http://{host}:{}", site.port);
        site.show(attack(&world.server.address, &token));
        world.browser.open(&other);
        staff.until_title("Done");
        assert_eq!(world.server.everything(), before, "{host}, in the background");
        for path in ["/users/4/deactivate", "/users/4", "/users/new", "/sign-out"] {
            site.show(form(&world.server.address, path, &token));
            world.browser.open(&other);
            staff.until_title(&format!("{answer} – Usher"));
        }
        assert_eq!(world.server.everything(), before, "{host}");
        staff.open(&format!("/users/{STAFF_ID}"));
        staff.sees("You cannot deactivate yourself.");
    }
}

#[test]
fn cs_1_the_same_requests_from_our_own_pages_do_change_something() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    let before = world.server.everything();
    staff.open("/users/new");
    let send = "const done = arguments[0], body = new URLSearchParams(new FormData(document.querySelector('main form')));
        fetch('/users/4/deactivate', { method: 'POST', body }).then(answer => done(answer.status));";
    assert_eq!(world.browser.run_until_called(send), 200);
    assert_ne!(world.server.everything(), before);
}
