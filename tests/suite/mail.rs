//! Links by mail, against a mail server of the suite's own; and the forgotten password.

mod sink;

use std::time::Duration;

use rocket::http::{ContentType, Header, Method};
use rocket::tokio::time::sleep;
use serde_json::{Value, json};

use crate::app::{Answer, Backend, By, Person, TestApp, cookie_header};
use crate::audit::trail;
use crate::console::{page, token};
use crate::links::{NEW_PASSWORD, redeem, secret};

use self::sink::Received;
pub(crate) use self::sink::Sink;

/// Runs a test on both databases, each with a mail server of its own: `#[apply(on_both_with_mail)]`.
macro_rules! on_both_with_mail {
    ($(#[$attribute:meta])* async fn $name:ident $($rest:tt)*) => {
        $(#[$attribute])*
        async fn $name $($rest)*

        mod $name {
            #[rocket::async_test]
            async fn sqlite() {
                let (app, sink) = super::start(crate::Backend::Sqlite).await;
                super::$name(app, sink).await;
            }

            #[rocket::async_test]
            async fn postgres() {
                let (app, sink) = super::start(crate::Backend::Postgres).await;
                super::$name(app, sink).await;
            }
        }
    };
}

mod addresses;
mod authorities;
mod bulk_links;
mod confirmed_addresses;
mod hard_stop;
mod notices;
mod passkeys;
mod retries;

async fn start(backend: Backend) -> (TestApp, Sink) {
    let sink = Sink::start().await;
    (TestApp::with(backend, &settings(&sink)).await, sink)
}

pub(crate) fn settings(sink: &Sink) -> Vec<(&'static str, Value)> {
    vec![
        ("smtp_host", json!("127.0.0.1")),
        ("smtp_port", json!(sink.port)),
        ("smtp_tls", json!("none")),
        ("mail_from", json!("Usher <usher@example.org>")),
        ("public_origin", json!("https://users.example.org")),
    ]
}

/// Another app that signs in to the mail server, on the same kind of database.
async fn with_credentials(app: &TestApp, sink: &Sink, tls: &str) -> TestApp {
    let backend = if app.url.starts_with("sqlite") { Backend::Sqlite } else { Backend::Postgres };
    let mut settings = settings(sink);
    settings.extend([
        ("smtp_tls", json!(tls)),
        ("smtp_username", json!("usher")),
        ("smtp_password", json!("mail-secret")),
    ]);
    TestApp::with(backend, &settings).await
}

/// The link in a message; soft line breaks of quoted-printable are undone.
fn link_in(message: &Received) -> String {
    let text = message.text.replace("=\n", "").replace("=3D", "=");
    let start = text.split("https://users.example.org/set-password#").nth(1).expect("a link");
    start.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
}

pub(crate) async fn with_address(app: &TestApp, name: &str, kind: &str, email: &str) -> Person {
    let person = app.person(name, kind).await;
    let email_folded = email.to_lowercase();
    app.sql(&format!(
        "UPDATE users SET email = '{email}', email_folded = '{email_folded}' WHERE id = {}",
        person.id()
    ))
    .await;
    person
}

/// The user's page when it says this about the newest message.
async fn page_says(app: &TestApp, staff: &Person, id: i64, part: &str) -> String {
    let mut body = String::new();
    for _ in 0..1500 {
        body = page(app, staff, &format!("/users/{id}")).await.body;
        if body.contains(part) {
            return body;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{part}: {body}");
}

#[apply(on_both_with_mail)]
async fn pw_10_a_link_also_goes_by_mail_and_the_page_shows_that_it_was_accepted(app: TestApp, sink: Sink) {
    let staff = app.person("staff", "staff").await;
    let body = json!({"username": "ada", "first_name": "", "last_name": "", "email": "ada@example.org"});
    let answer = app.send(&staff, Method::Post, "/v1/users/invite", &body).await;
    assert_eq!((answer.status, &answer.json()["mail"]), (201, &json!("queued")), "{}", answer.body);
    let received = sink.wait_for(1).await;
    assert_eq!(received[0].to, ["ada@example.org"]);
    let sent = link_in(&received[0]);
    assert_eq!(sent, secret(answer.json()["url"].as_str().unwrap()), "the same link");
    let id = answer.json()["user"]["pk"].as_i64().unwrap();
    page_says(&app, &staff, id, "The message to ada@example.org was accepted by the mail server").await;
    assert_eq!(redeem(&app, &sent, NEW_PASSWORD).await, 303);
}

#[apply(on_both_with_mail)]
async fn a_refused_message_is_shown_with_the_servers_words(app: TestApp, sink: Sink) {
    let staff = app.person("staff", "staff").await;
    let ada = with_address(&app, "ada", "", "refused@example.org").await;
    let answer = app.send(&staff, Method::Post, &format!("/v1/users/{}/link", ada.id()), &json!({})).await;
    assert_eq!(answer.json()["mail"], json!("queued"));
    let shown = page_says(&app, &staff, ada.id(), "was refused by the mail server").await;
    assert!(shown.contains("5.1.1 No such mailbox &lt;b&gt;here"), "{shown}");
    assert!(sink.received().is_empty());
    let secret = secret(answer.json()["url"].as_str().unwrap());
    assert_eq!(redeem(&app, &secret, NEW_PASSWORD).await, 303, "staff can still pass it on");
}

#[apply(on_both_with_mail)]
async fn a_mail_server_that_is_away_stops_nothing_and_is_said(app: TestApp, sink: Sink) {
    let staff = app.person("staff", "staff").await;
    let ada = with_address(&app, "ada", "", "ada@example.org").await;
    sink.stop().await;
    let answer = app.send(&staff, Method::Post, &format!("/v1/users/{}/link", ada.id()), &json!({})).await;
    assert_eq!(answer.status, 201);
    page_says(&app, &staff, ada.id(), "could not be sent yet and is tried again").await;
}

#[apply(on_both_with_mail)]
async fn what_was_queued_when_a_process_ended_is_not_known(app: TestApp, _sink: Sink) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let now = app.clock.now().micros();
    app.sql(&format!(
        "INSERT INTO mails (user_id, purpose, recipient, state, response, created_at, changed_at) \
         VALUES ({}, 'reset', 'ada@example.org', 'queued', '', {now}, {now})",
        ada.id()
    ))
    .await;
    page_says(&app, &staff, ada.id(), "is being sent").await;
    app.clock.advance(Duration::from_mins(2));
    page_says(&app, &staff, ada.id(), "it is not known. Make a new link").await;
}

#[apply(on_both_with_mail)]
async fn a_message_holds_its_link_and_nothing_of_it_is_stored(app: TestApp, sink: Sink) {
    let staff = app.person("staff", "staff").await;
    let ada = with_address(&app, "ada", "", "ada@example.org").await;
    app.send(&staff, Method::Post, &format!("/v1/users/{}/link", ada.id()), &json!({})).await;
    let message = sink.wait_for(1).await.remove(0);
    for part in [
        "From: Usher <usher@example.org>",
        "To: ada@example.org",
        "Subject: Reset your password",
        "Content-Type: text/plain; charset=utf-8",
        "Your user name at Usher is a",
    ] {
        assert!(message.text.contains(part), "{part}: {}", message.text);
    }
    page_says(&app, &staff, ada.id(), "was accepted").await;
    let stored = usher::db::mails::latest(&app.usher.db, ada.user.id).await.unwrap().expect("a message");
    assert_eq!(
        (stored.recipient.as_str(), stored.response.as_str()),
        ("ada@example.org", "2.0.0 Queued as 4711")
    );
    assert!(!format!("{stored:?} {:?}", trail(&app).await).contains(&link_in(&message)));
}

#[apply(on_both_with_mail)]
async fn nothing_is_said_to_a_server_that_cannot_do_the_tls_that_is_demanded(app: TestApp, sink: Sink) {
    for tls in ["starttls", "tls"] {
        let app = with_credentials(&app, &sink, tls).await;
        let staff = app.person("staff", "staff").await;
        let ada = with_address(&app, "ada", "", "ada@example.org").await;
        app.send(&staff, Method::Post, &format!("/v1/users/{}/link", ada.id()), &json!({})).await;
        page_says(&app, &staff, ada.id(), "(“").await;
    }
    assert!(sink.received().is_empty());
    let commands = sink.commands.lock().unwrap().clone();
    let said =
        |command: &String| ["AUTH", "MAIL", "RCPT", "DATA"].iter().any(|word| command.starts_with(word));
    assert!(!commands.iter().any(said), "{commands:?}");
}

#[apply(on_both_with_mail)]
async fn the_server_is_signed_in_to_if_there_is_a_name_for_it(app: TestApp, sink: Sink) {
    let app = with_credentials(&app, &sink, "none").await;
    let staff = app.person("staff", "staff").await;
    let ada = with_address(&app, "ada", "", "ada@example.org").await;
    app.send(&staff, Method::Post, &format!("/v1/users/{}/link", ada.id()), &json!({})).await;
    sink.wait_for(1).await;
    let commands = sink.commands.lock().unwrap().clone();
    // RFC 4616: NUL, the name, NUL, the password, as base64.
    assert!(commands.contains(&"AUTH PLAIN AHVzaGVyAG1haWwtc2VjcmV0".to_owned()), "{commands:?}");
    assert!(commands[0].starts_with("EHLO example.org"), "{commands:?}");
}

/// Asks for a link on the page, from an address of the client's.
async fn forgotten(app: &TestApp, name: &str, from: &str) -> Answer {
    let response = app.client.get("/forgotten-password").dispatch().await;
    let cookie = response.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie").value().to_owned();
    let form = token(&response.into_string().await.unwrap());
    let name = rocket::http::RawStr::new(name).percent_encode().to_string();
    send_form(app, &cookie, &format!("token={form}&name={name}"), from).await
}

async fn send_form(app: &TestApp, cookie: &str, body: &str, from: &str) -> Answer {
    let request = app.client.post("/forgotten-password").header(ContentType::Form).body(body);
    let request = request.remote(format!("{from}:4711").parse().unwrap());
    let request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
    Answer::of(request.header(cookie_header("__Host-pre-0a1b2c3d", cookie)).dispatch().await).await
}

/// The reasons of all requests for links, when there are so many; empty where one was made.
async fn requests(app: &TestApp, count: usize) -> Vec<String> {
    for _ in 0..1500 {
        let entries: Vec<Value> = trail(app)
            .await
            .iter()
            .filter(|entry| entry.action == "link_requested")
            .map(|entry| serde_json::from_str(&entry.details).unwrap())
            .collect();
        if entries.len() >= count {
            let reason = |details: &Value| details["reason"].as_str().unwrap_or_default().to_owned();
            return entries.iter().map(reason).collect();
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("fewer than {count} requests");
}

#[apply(on_both_with_mail)]
async fn pw_11_known_and_unknown_names_get_the_same_answer(app: TestApp, sink: Sink) {
    with_address(&app, "ada", "", "ada@example.org").await;
    with_address(&app, "gone", "inactive", "gone@example.org").await;
    with_address(&app, "root", "superuser", "root@example.org").await;
    app.person("bare", "").await;
    let names =
        ["ada", "ada@example.org", "nobody", "nobody@example.org", "gone", "root", "bare", "a\u{0}b", "'"];
    let before = app.usher.hasher.operations();
    let mut answers = Vec::new();
    for name in names {
        let answer = forgotten(&app, name, "192.0.2.1").await;
        let mut headers = answer.headers.clone();
        // The request's number, which is every answer's own.
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("X-Request-Id"));
        answers.push((answer.status, answer.body, headers));
    }
    assert_eq!(answers[0].0, 200);
    assert!(answers[0].1.contains("If there is an account of that name or address"), "{}", answers[0].1);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(app.usher.hasher.operations(), before);
    let mut reasons = requests(&app, names.len()).await;
    reasons.sort();
    let unknown = "unknown_user";
    assert_eq!(
        reasons,
        ["", "", "no_address", "not_usable", "superuser", unknown, unknown, unknown, unknown]
    );
    assert_eq!(sink.wait_for(2).await.len(), 2);
}

#[apply(on_both_with_mail)]
async fn pw_11_a_link_goes_to_the_stored_address_only(app: TestApp, sink: Sink) {
    with_address(&app, "boss", "staff", "Boss@Example.org").await;
    // The long s is an s where letter case is ignored.
    for typed in ["boss@example.org", "BOSS@EXAMPLE.ORG", "bo\u{17f}s@example.org", " boss@example.org "] {
        assert_eq!(forgotten(&app, typed, "192.0.2.1").await.status, 200);
    }
    for message in sink.wait_for(4).await {
        assert_eq!(message.to, ["Boss@Example.org"]);
    }
    assert_eq!(forgotten(&app, "boss@example.org, eve@evil.example", "192.0.2.1").await.status, 200);
    assert_eq!(forgotten(&app, "boss@example.org\r\nCc: eve@evil.example", "192.0.2.1").await.status, 200);
    assert_eq!(requests(&app, 6).await[4..], ["unknown_user", "unknown_user"]);
    assert_eq!(sink.received().len(), 4);
}

#[apply(on_both_with_mail)]
async fn pw_11_each_account_of_an_address_gets_its_own_link(app: TestApp, sink: Sink) {
    with_address(&app, "ada", "", "shared@example.org").await;
    with_address(&app, "bob", "", "shared@example.org").await;
    with_address(&app, "eve", "", "other@example.org").await;
    forgotten(&app, "shared@example.org", "192.0.2.1").await;
    let received = sink.wait_for(2).await;
    for (name, message) in ["ada", "bob"].into_iter().zip(&received) {
        assert!(received.iter().any(|message| {
            message.text.replace("=\n", "").contains(&format!("Your user name at Usher is {name}."))
        }));
        assert_eq!(message.to, ["shared@example.org"]);
    }
    assert_ne!(link_in(&received[0]), link_in(&received[1]));
}

#[apply(on_both_with_mail)]
async fn pw_11_the_name_must_be_one_string(app: TestApp, sink: Sink) {
    with_address(&app, "ada", "", "ada@example.org").await;
    let response = app.client.get("/forgotten-password").dispatch().await;
    let cookie = response.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie").value().to_owned();
    let form = token(&response.into_string().await.unwrap());
    for fields in [
        "name=ada@example.org&name=eve@evil.example",
        "name[]=ada@example.org&name[]=eve@evil.example",
        "name=ada@example.org&email=eve@evil.example",
        "name=",
        "name=%20",
        "",
    ] {
        let answer = send_form(&app, &cookie, &format!("token={form}&{fields}"), "192.0.2.1").await;
        assert_eq!(answer.status, 422, "{fields}: {}", answer.body);
    }
    for (cookie, form) in [("", form.as_str()), (cookie.as_str(), "AAAA")] {
        let answer = send_form(&app, cookie, &format!("token={form}&name=ada"), "192.0.2.1").await;
        assert_eq!(answer.status, 422, "cs_4: {}", answer.body);
    }
    forgotten(&app, "ada", "192.0.2.1").await;
    assert_eq!(requests(&app, 1).await, [""], "only the last one was a request");
    assert_eq!(sink.wait_for(1).await.len(), 1);
}

#[apply(on_both_with_mail)]
async fn pw_11_requests_are_limited_by_address_and_by_account(app: TestApp, sink: Sink) {
    with_address(&app, "ada", "", "ada@example.org").await;
    for n in 0..8 {
        assert_eq!(forgotten(&app, "ada", &format!("192.0.2.{n}")).await.status, 200);
        requests(&app, n + 1).await;
    }
    let reasons = requests(&app, 8).await;
    assert_eq!(reasons.iter().filter(|reason| *reason == "too_often").count(), 2, "{reasons:?}");
    assert_eq!(sink.wait_for(6).await.len(), 6);
    assert_eq!(app.obtain("ada", crate::app::PASSWORD).await.status, 200, "it blocks no sign-in");

    for _ in 0..30 {
        assert_eq!(forgotten(&app, "nobody", "198.51.100.7").await.status, 200);
    }
    for name in ["nobody", "ada"] {
        let answer = forgotten(&app, name, "198.51.100.7").await;
        assert_eq!((answer.status, answer.header("Retry-After")), (429, Some("6")));
        assert!(answer.body.contains("Too many tries. Wait a minute, then try again."), "{}", answer.body);
    }
    assert_eq!(forgotten(&app, "nobody", "198.51.100.8").await.status, 200, "others are not affected");
    app.clock.advance(Duration::from_secs(6));
    assert_eq!(forgotten(&app, "nobody", "198.51.100.7").await.status, 200);
}

#[apply(on_both_with_mail)]
async fn pw_11_a_superuser_is_sent_no_link_to_an_address_that_staff_may_have_set(app: TestApp, sink: Sink) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    let ada = app.person("ada", "").await;
    let body = json!({"email": "staff@example.org"});
    let path = format!("/v1/users/{}", ada.id());
    assert_eq!(app.send(&staff, Method::Patch, &path, &body).await.status, 200);
    let mut draft = usher::model::user::UserInput::default();
    draft.changes.is_superuser = Some(true);
    let any = usher::model::precondition::Precondition::Any;
    usher::operations::users::update(&app.can(&root).await, ada.user.id, &draft, &any).await.unwrap();
    for name in ["ada", "staff@example.org"] {
        let answer = forgotten(&app, name, "192.0.2.1").await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("Superusers are sent none"), "said to all: {}", answer.body);
    }
    assert_eq!(requests(&app, 2).await, ["superuser", "superuser"]);
    let entry = trail(&app).await.pop().unwrap();
    assert_eq!((entry.target_id, entry.address.as_str()), (Some(ada.id()), "192.0.2.1"));
    assert!(usher::db::links::of_user(&app.usher.db, ada.user.id).await.unwrap().is_none());
    // Another superuser helps.
    let answer = app.send(&root, Method::Post, &format!("{path}/link"), &json!({})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(sink.wait_for(1).await.len(), 1, "the one that was made");
}

#[apply(on_both_with_mail)]
async fn pw_10_a_stranger_who_asks_for_a_link_ends_none_for_a_first_password(app: TestApp, sink: Sink) {
    let staff = app.person("staff", "staff").await;
    let mut mails = 0;
    for (name, first) in [("ada", "setup"), ("bob", "reset")] {
        let email = format!("{name}@example.org");
        let body = json!({"username": name, "first_name": "", "last_name": "", "email": email});
        let answer = app.send(&staff, Method::Post, "/v1/users/invite", &body).await.json();
        let setup = secret(answer["url"].as_str().unwrap());
        let id = answer["user"]["pk"].as_i64().unwrap();
        let mut asked = Vec::new();
        mails += 1;
        // Messages are sent by the way: the next one must not overtake this one.
        sink.wait_for(mails).await;
        for _ in 0..2 {
            mails += 1;
            forgotten(&app, name, "192.0.2.1").await;
            asked.push(link_in(sink.wait_for(mails).await.last().unwrap()));
        }
        let shown = page(&app, &staff, &format!("/users/{id}")).await.body;
        assert!(shown.contains("works until <time datetime=\"2026-03-02T09:00Z\">"), "{shown}");
        let open = async |secret: &str| {
            let path = format!("/set-password?token={secret}");
            app.client.get(path).dispatch().await.status().code
        };
        assert_eq!(open(&asked[0]).await, 410, "of those that were asked for the newest is good");
        assert_eq!((open(&setup).await, open(&asked[1]).await), (200, 200));
        let used = if first == "setup" { &setup } else { &asked[1] };
        assert_eq!(redeem(&app, used, NEW_PASSWORD).await, 303);
        assert_eq!((open(&setup).await, open(&asked[1]).await), (410, 410), "one ends the other");
    }
}

#[apply(on_both_with_mail)]
async fn a_forgotten_password_is_set_anew_by_mail(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "", "ada@example.org").await;
    let sign_in = app.client.get("/sign-in").dispatch().await.into_string().await.unwrap();
    assert!(sign_in.contains("href=\"/forgotten-password\""), "{sign_in}");
    forgotten(&app, "ADA", "192.0.2.1").await;
    assert_eq!(requests(&app, 1).await, [""]);
    assert!(app.is_signed_in(&ada, By::Bearer).await, "asking changes nothing");
    let link = link_in(&sink.wait_for(1).await[0]);
    assert_eq!(redeem(&app, &link, NEW_PASSWORD).await, 303);
    assert!(!app.is_signed_in(&ada, By::Bearer).await);
    assert_eq!(app.obtain("ada", NEW_PASSWORD).await.status, 200);
}

#[apply(on_both)]
async fn without_a_mail_server_there_is_no_mail_and_no_page_for_a_forgotten_password(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ada = with_address(&app, "ada", "", "ada@example.org").await;
    let answer = app.send(&staff, Method::Post, &format!("/v1/users/{}/link", ada.id()), &json!({})).await;
    assert_eq!((answer.status, &answer.json()["mail"]), (201, &Value::Null));
    assert!(usher::db::mails::latest(&app.usher.db, ada.user.id).await.unwrap().is_none());
    assert_eq!(app.client.get("/forgotten-password").dispatch().await.status().code, 404);
    let answer = send_form(&app, "x", "token=x&name=ada", "192.0.2.1").await;
    assert_eq!(answer.status, 404);
    let sign_in = app.client.get("/sign-in").dispatch().await.into_string().await.unwrap();
    assert!(!sign_in.contains("forgotten-password"));
}
