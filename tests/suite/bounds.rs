//! Promises that hold everywhere: headers on every kind of answer, a token behind every form, no hash for what is
//! too long or too much.

use std::collections::BTreeSet;

use rocket::futures::future::join_all;
use rocket::get;
use rocket::http::Method::{Delete, Get, Head, Options, Patch, Post, Put};
use rocket::http::{ContentType, Header, Method, Status};
use rocket::local::asynchronous::Client;
use rocket::routes;
use rocket::tokio::time::Instant;
use serde_json::{Value, json};
use usher::model::session::Credential;
use usher::server::Problem;

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header, figment};
use crate::audit::trail;
use crate::console::{hidden, page, token};
use crate::properties::everything;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn ask(
    client: &Client,
    who: Option<(&Person, By)>,
    method: Method,
    path: &str,
    header: (&'static str, &str),
    body: &str,
) -> Answer {
    let mut request = client.req(method, path.to_owned());
    request.add_header(Header::new(header.0, header.1.to_owned()));
    match who {
        None => {}
        Some((person, By::Bearer)) => {
            request.add_header(Header::new("Authorization", format!("Bearer {}", person.bearer)));
        }
        Some((person, By::Cookie)) => {
            request = request.header(cookie_header("__Host-sid-0a1b2c3d", &person.cookie));
            request.add_header(Header::new("Sec-Fetch-Site", "same-origin"));
        }
    }
    Answer::of(request.body(body).dispatch().await).await
}

/// That an answer has all the headers of docs/security.md, and none that says what answers.
fn assert_headers(answer: &Answer, case: &str) {
    let is_page = answer.header("Content-Type").is_some_and(|kind| kind.starts_with("text/html"));
    let policy = answer.header("Content-Security-Policy").unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'; "), "{case}: {policy}");
    assert!(policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe"), "{case}: {policy}");
    assert_eq!(policy.contains("form-action 'self'"), is_page, "{case}: {policy}");
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{case}: {name}");
    }
    match answer.header("Cache-Control") {
        Some("no-store") => {
            let vary = answer.header("Vary").unwrap_or_default();
            assert!(vary.contains("Sec-Fetch-Site, Origin, Cookie"), "{case}: {vary}");
        }
        Some("public, max-age=31536000, immutable") => assert!(case.contains(" /static/"), "{case}"),
        other => panic!("{case}: {other:?}"),
    }
    for name in ["Server", "X-Powered-By", "X-XSS-Protection"] {
        assert_eq!(answer.header(name), None, "{case}: {name}");
    }
    assert!(answer.header("X-Request-Id").is_some(), "{case}");
}

/// Who asks with which method for which path, with which header and body; and the status of the answer.
type Case<'a> = (Option<(&'a Person, By)>, Method, &'a str, (&'static str, &'a str), &'a str, u16);

#[get("/boom")]
fn boom() -> Status {
    panic!("as anything may")
}

#[apply(on_both)]
async fn hd_1_every_kind_of_answer_carries_the_headers(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let server = usher::server::rocket(figment(&app.url, &[]), app.clock.clone(), &Problem::default());
    let server = server.mount("/v1", routes![boom]).mount("/page", routes![boom]);
    let client = Client::untracked(server).await.unwrap();
    let form = token(&page(&app, &root, "/users/export").await.body);
    let export = format!("token={form}&current_password={}", PASSWORD.replace(' ', "+"));
    let html = page(&app, &root, "/users").await.body;
    let file = |end: &str| {
        let mut quoted = html.split('"');
        quoted.find(|part| part.starts_with("/static/") && part.ends_with(end)).expect(end).to_owned()
    };
    let (style, script) = (file(".css"), file(".js"));
    let (own, other) = (format!("/v1/users/{}", root.id()), format!("/v1/users/{}", ada.id()));
    let tag = app.get(&root, &other).await.header("ETag").expect("a tag").to_owned();
    let long = "x".repeat(2 * 1024 * 1024);
    let (api, site) = (Some((&root, By::Bearer)), Some((&root, By::Cookie)));
    let plain = ("Accept", "*/*");
    let cases: Vec<Case> = vec![
        (None, Get, &style, plain, "", 200),
        (None, Head, &script, plain, "", 200),
        (None, Get, "/static/nothing.css", plain, "", 404),
        (None, Get, "/sign-in", plain, "", 200),
        (None, Head, "/sign-in", plain, "", 200),
        (None, Options, "/sign-in", plain, "", 405),
        (site, Get, "/users", plain, "", 200),
        (None, Get, "/users", plain, "", 303),
        (None, Post, "/account", FORM, "", 401),
        (Some((&staff, By::Cookie)), Get, "/users/1/password", plain, "", 403),
        (site, Post, "/users/bulk", FORM, &long, 413),
        (site, Put, "/users", plain, "", 405),
        (site, Post, "/users/new", FORM, "", 422),
        (None, Get, "/set-password?token=x", plain, "", 410),
        (site, Post, "/users/export", FORM, &export, 200),
        (site, Get, "/page/boom", plain, "", 500),
        (api, Get, "/v1/boom", plain, "", 500),
        (api, Get, &other, ("If-None-Match", &tag), "", 304),
        (api, Head, &other, plain, "", 200),
        (api, Options, &other, plain, "", 204),
        (api, Post, "/v1/users/create", JSON, "{}", 400),
        (None, Get, &other, plain, "", 401),
        (Some((&ada, By::Bearer)), Get, &own, plain, "", 403),
        (api, Get, "/v1/users/999999", plain, "", 404),
        (api, Delete, "/v1/users/list", plain, "", 405),
        (api, Get, &other, ("Accept", "text/html"), "", 406),
        (api, Delete, &own, plain, "", 409),
        (api, Delete, &other, ("If-Match", "\"999-0\""), "", 412),
        (api, Post, "/v1/users/list", JSON, &long, 413),
        (api, Post, "/v1/users/list", ("Content-Type", "text/plain"), "x", 415),
        (None, Get, "/livez", plain, "", 200),
    ];
    let mut statuses = BTreeSet::new();
    for (who, method, path, header, body, status) in cases {
        let case = format!("{method} {path} {}", header.0);
        let answer = ask(&client, who, method, path, header, body).await;
        assert_eq!(answer.status, status, "{case}: {}", answer.body);
        assert_headers(&answer, &case);
        statuses.insert(status);
    }
    // An address that has failed too often.
    for _ in 0..31 {
        let body = json!({"username": "nobody", "password": "x"}).to_string();
        let request = client.post("/v1/auth/obtain").header(ContentType::JSON).body(body);
        let answer = Answer::of(request.remote("192.0.2.1:4711".parse().unwrap()).dispatch().await).await;
        assert_headers(&answer, "POST /v1/auth/obtain");
        statuses.insert(answer.status);
    }
    for status in [200, 204, 303, 304, 400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 429, 500] {
        assert!(statuses.contains(&status), "no case for {status}");
    }
}

#[apply(on_both)]
async fn hd_1_what_is_answered_without_a_database_carries_the_headers(app: TestApp) {
    let root = app.person("root", "superuser").await;
    app.usher.db.close().await;
    for (path, who) in [("/readyz", None), ("/v1/users/1", Some((&root, By::Bearer))), ("/users", None)] {
        let who = who.or((path == "/users").then_some((&root, By::Cookie)));
        let answer = ask(&app.client, who, Get, path, ("Accept", "*/*"), "").await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
        assert_headers(&answer, &format!("GET {path}"));
    }
}

/// All that is stored, but for what is noted of a refusal.
async fn stored(app: &TestApp) -> Vec<String> {
    let mut all = everything(app).await;
    all.retain(|row| !row.starts_with("audit_entries") && !row.starts_with("installation"));
    all
}

/// Everything that the form behind a path may ask for, at once.
async fn fields(app: &TestApp, path: &str, root: &Person, ada: &Person) -> String {
    let password = PASSWORD.replace(' ', "+");
    if path == "/account" {
        // This one takes nothing that it does not know.
        let version = app.stored(root.id()).await.version;
        return format!(
            "version={version}&first_name=Changed&last_name=&email=changed@example.org&current_password={password}"
        );
    }
    let version = app.stored(ada.id()).await.version;
    let new = if path == "/account/password" { "seven+quiet+otters" } else { &password };
    format!(
        "username=changed-{id}&first_name=Changed&last_name=Changed&email=changed-{id}@example.org&is_active=on&is_staff=on\
         &password={password}&current_password={password}&new_password={new}&mode=password&name=changed\
         &expires_in_days=30&theme=dark&density=compact&rows=25&time_zone=Europe/Berlin&shortcuts=on&do=deactivate\
         &version={version}&ids={id}",
        id = ada.id()
    )
}

/// The paths of all forms of the console, with numbers of what is there.
pub(crate) async fn forms(app: &TestApp, root: &Person, ada: &Person) -> Vec<String> {
    let user = format!("/v1/users/{}", ada.id());
    let made = async |path: &str| {
        let body = json!({"name": "script", "read_only": true});
        let made = app.send(root, Post, path, &body).await;
        assert_eq!(made.status, 201, "{path}: {}", made.body);
        made.json()["id"].to_string()
    };
    let session = async |person: &Person| {
        let new = app.session(person.user.id, Credential::Cookie).await.secret.hash();
        let found = usher::db::sessions::by_secret(&app.usher.db, new, Credential::Cookie, None)
            .await
            .unwrap()
            .unwrap();
        found.session.unwrap().id.0.to_string()
    };
    let (own_token, token) = (made("/v1/account/tokens").await, made(&format!("{user}/tokens")).await);
    let (own_session, other_session) = (session(root).await, session(ada).await);
    // Something that can be undone: a run, and an edit.
    let bulk = json!({"action": "give_staff", "ids": [ada.id()]});
    let batch = app.send(root, Post, "/v1/users/bulk", &bulk).await.json()["batch"].to_string();
    assert_eq!(app.send(root, Patch, &user, &json!({"last_name": "B"})).await.status, 200);
    let entry = trail(app).await.iter().rev().find(|entry| entry.target_id == Some(ada.id())).unwrap().id;
    let routes = app.client.rocket().routes().filter(|route| route.method == Post);
    let paths =
        routes.map(|route| route.uri.path()).filter(|path| !path.starts_with("/v1/") && *path != "/<_..>");
    let filled = paths.map(|path| {
        let is_own = path.starts_with("/account");
        let parts: Vec<&str> = path.split('/').collect();
        let filled = parts.iter().enumerate().map(|(index, part)| {
            match (parts.get(index.wrapping_sub(1)), part.starts_with('<'), parts.get(index + 1)) {
                (_, false, _) => (*part).to_owned(),
                (_, true, Some(&"revoke")) => if is_own { &own_token } else { &token }.clone(),
                (Some(&"sessions"), true, _) => if is_own { &own_session } else { &other_session }.clone(),
                (Some(&"bulk"), true, _) => batch.clone(),
                (Some(&"undo"), true, _) => entry.to_string(),
                _ => ada.id().to_string(),
            }
        });
        filled.collect::<Vec<_>>().join("/")
    });
    filled.collect()
}

#[apply(on_both)]
async fn cs_1_no_form_of_the_console_does_anything_without_the_token_of_its_session(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "ordinary").await);
    let other = app.person("other", "superuser").await;
    let forms = forms(&app, &root, &ada).await;
    assert!(forms.len() >= 20, "{forms:?}");
    let foreign = token(&page(&app, &other, "/users/new").await.body);
    let before = app.client.get("/sign-in").dispatch().await;
    let pre = token(&before.into_string().await.unwrap());
    let unchanged = stored(&app).await;
    for path in &forms {
        let fields = fields(&app, path, &root, &ada).await;
        for token in ["", "token=", "token=AAAA", &format!("token={foreign}"), &format!("token={pre}")] {
            let body = format!("{token}&{fields}");
            let answer = ask(&app.client, Some((&root, By::Cookie)), Post, path, FORM, &body).await;
            // Where there is no link to use, and no mail server, there is nothing to refuse.
            let expected: &[u16] = match path.as_str() {
                // There is a superuser already.
                "/set-password" | "/first-superuser" => &[410],
                "/confirm-address" => &[404],
                "/forgotten-password" => &[404, 422],
                _ => &[403, 422],
            };
            assert!(expected.contains(&answer.status), "{path} {token}: {} {}", answer.status, answer.body);
        }
        assert_eq!(stored(&app).await, unchanged, "{path}");
    }
    assert!(app.is_signed_in(&root, By::Cookie).await);
    // The same with the right token does what it says, but where more is needed, or only the audit log shows it.
    let mut idle = Vec::new();
    for number in 0..forms.len() {
        let ada = app.person(&format!("ada-{number}"), "ordinary").await;
        let root = app.person(&format!("root-{number}"), "superuser").await;
        let path = &self::forms(&app, &root, &ada).await[number];
        if path.ends_with("/reactivate") {
            app.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", ada.id())).await;
        }
        if path.ends_with("/unlock") {
            app.obtain(ada.user.username.as_str(), "wrong").await;
        }
        let fields = fields(&app, path, &root, &ada).await;
        let own = token(&page(&app, &root, "/users/new").await.body);
        let before = stored(&app).await;
        let body = format!("token={own}&{fields}");
        ask(&app.client, Some((&root, By::Cookie)), Post, path, FORM, &body).await;
        if stored(&app).await == before {
            idle.push(path.replace(|c: char| c.is_ascii_digit(), ""));
        }
    }
    idle.sort();
    assert_eq!(
        idle,
        [
            "/account/confirm-address",
            "/account/password/remove",
            "/account/security//remove",
            "/account/security/add",
            "/account/security/add-passkey",
            "/account/security/codes",
            "/audit/export",
            "/confirm-address",
            "/first-superuser",
            "/forgotten-password",
            "/set-password",
            "/sign-in",
            "/sign-in/code",
            "/sign-in/passkey",
            "/users//data",
            "/users//erase",
            "/users//erase/cancel",
            "/users//factors/remove",
            "/users//history/export",
            "/users//notes",
            "/users/bulk//resume",
            "/users/export",
            "/users/import",
            "/users/import/choices",
            "/users/import/discard",
            "/users/import/run",
            "/users/imports//undo",
            "/users/views",
            "/users/views/forget",
        ]
    );
}

/// Whether something was hashed meanwhile, which it must not be.
async fn without_hashing(app: &TestApp, case: &str, answer: impl Future<Output = Answer>) -> Answer {
    let before = app.usher.hasher.operations();
    let answer = answer.await;
    assert_eq!(app.usher.hasher.operations(), before, "{case}: {}", answer.status);
    answer
}

#[apply(on_both)]
async fn pw_12_a_body_that_is_too_long_is_refused_at_every_door_before_hashing(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let ada = app.person("ada", "ordinary").await;
    let (record, password) = (format!("/v1/users/{}", ada.id()), format!("/users/{}/password", ada.id()));
    let long = "x".repeat(2 * 1024 * 1024);
    let as_json =
        json!({"username": "ada", "password": long, "current_password": long, "new_password": long});
    let as_json = as_json.to_string();
    for (method, path) in [
        (Post, "/v1/auth/obtain"),
        (Post, "/v1/account/confirm"),
        (Post, "/v1/account/password"),
        (Post, "/v1/users/create"),
        (Post, "/v1/account/tokens"),
        (Put, &record),
        (Patch, &record),
    ] {
        let asked = ask(&app.client, Some((&root, By::Bearer)), method, path, JSON, &as_json);
        let answer = without_hashing(&app, path, asked).await;
        assert_eq!(answer.status, 413, "{path}: {}", answer.body);
    }
    let as_form = format!("username=ada&password={long}&current_password={long}&new_password={long}");
    for path in [
        "/sign-in",
        "/account",
        "/account/password",
        "/account/tokens",
        "/set-password",
        "/users/new",
        "/users/export",
        &password,
    ] {
        let asked = ask(&app.client, Some((&root, By::Cookie)), Post, path, FORM, &as_form);
        let answer = without_hashing(&app, path, asked).await;
        assert_eq!(answer.status, 413, "{path}: {}", answer.body);
    }
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "and none counts as a failure");
}

#[apply(on_both)]
async fn pw_12_a_new_password_that_is_too_long_is_refused_at_every_door_before_hashing(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let ada = app.person("ada", "ordinary").await;
    let record = format!("/v1/users/{}", ada.id());
    // Not too many characters, but too many bytes; and too many of both.
    for long in ["\u{1f98a}".repeat(300), "x".repeat(1025)] {
        let whole = |name: &str| {
            let fields = json!({"username": name, "password": long, "first_name": "", "last_name": ""});
            let mut fields: Value = fields;
            fields["email"] = json!("");
            fields
        };
        for (method, path, body) in [
            (Post, "/v1/users/create", whole("new")),
            (Put, record.as_str(), whole("ada")),
            (Patch, record.as_str(), json!({"password": long})),
        ] {
            let answer = without_hashing(&app, path, app.send(&root, method, path, &body)).await;
            assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        }
        let encoded = rocket::http::RawStr::new(&long).percent_encode().to_string();
        let path = format!("/users/{}/password", ada.id());
        let html = page(&app, &root, &path).await.body;
        let (form, version) = (token(&html), hidden(&html, "version"));
        let body = format!("token={form}&version={version}&mode=password&password={encoded}");
        let asked = ask(&app.client, Some((&root, By::Cookie)), Post, &path, FORM, &body);
        assert_eq!(without_hashing(&app, &path, asked).await.status, 422);
        // The current one is looked at; of the new one nothing is hashed.
        let before = app.usher.hasher.operations();
        let body = json!({"current_password": PASSWORD, "new_password": long});
        let answer = app.send(&root, Post, "/v1/account/password", &body).await;
        assert_eq!((answer.status, app.usher.hasher.operations() - before), (400, 1), "{}", answer.body);
    }
}

#[apply(on_both)]
async fn pw_3_of_two_hundred_sign_ins_at_once_some_are_hashed_in_turn_and_the_others_come_back(app: TestApp) {
    app.person("ada", "ordinary").await;
    let hasher = &app.usher.hasher;
    let limits = app.usher.settings.limits();
    let (operations, spent, begun) = (hasher.operations(), hasher.time_spent(), Instant::now());
    let names: Vec<String> = (0..200).map(|number| format!("nobody-{number}")).collect();
    let answers = join_all(names.iter().map(|name| app.obtain(name, "wrong"))).await;
    let elapsed = begun.elapsed();
    let (refused, answered): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 503);
    assert!(answered.iter().all(|answer| answer.status == 401));
    assert!(refused.iter().all(|answer| answer.header("Retry-After") == Some("2")));
    assert_eq!(hasher.operations() - operations, answered.len() as u64, "refused requests are not hashed");
    let most = limits.queue + limits.threads;
    assert!(!answered.is_empty() && refused.len() >= 200 - 2 * most, "{} of 200", answered.len());
    // Were more of them hashed at once, they would have taken more time together than there was.
    let threads = u32::try_from(limits.threads).unwrap();
    assert!(hasher.time_spent().checked_sub(spent).unwrap() <= elapsed * threads);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "and then it goes on");
}
