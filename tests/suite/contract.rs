//! The contract of the API, sentence by sentence: what clients in the field rely on.
//!
//! To add a sentence: a test in the module of its section, named after what it says.

mod accept;
mod actions;
mod auth;
mod bodies;
mod bursts;
mod clients;
mod cookies;
mod credentials;
mod failures;
mod fields;
mod leaks;
mod logs;
mod methods;
mod names;
mod passwords;
mod paths;
mod rules;
mod sessions;
mod throttling;
mod versions;

use rocket::http::{Header, Method};
use serde_json::{Value, json};

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};

/// A person and their credential, or nobody.
type Who<'a> = Option<(&'a Person, By)>;

const ANONYMOUS: Who<'static> = None;

/// A request header.
type Pair<'a> = (&'static str, &'a str);

const JSON: Pair<'static> = ("Content-Type", "application/json");

#[expect(clippy::unnecessary_wraps, reason = "it stands where ANONYMOUS may stand")]
fn bearer(person: &Person) -> Who<'_> {
    Some((person, By::Bearer))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where ANONYMOUS may stand")]
fn cookie(person: &Person) -> Who<'_> {
    Some((person, By::Cookie))
}

/// Sends anything at all.
async fn ask(
    app: &TestApp,
    method: Method,
    path: &str,
    who: Who<'_>,
    headers: &[Pair<'_>],
    body: impl AsRef<[u8]>,
) -> Answer {
    let mut request = app.request(method, path, who);
    for (name, value) in headers {
        request.add_header(Header::new(*name, (*value).to_owned()));
    }
    Answer::of(request.body(body).dispatch().await).await
}

/// The path of a user's record.
fn path_of(person: &Person) -> String {
    format!("/v1/users/{}", person.id())
}

/// The whole body of a create or PUT.
fn whole(username: &str) -> Value {
    json!({
        "username": username,
        "password": PASSWORD,
        "first_name": "",
        "last_name": "",
        "email": "",
    })
}

/// `whole` with other members.
fn whole_with(username: &str, members: Value) -> Value {
    let mut body = whole(username);
    let Value::Object(members) = members else { panic!("not an object: {members}") };
    for (name, value) in members {
        body[name] = value;
    }
    body
}

/// The names of all users, in the order of their keys.
async fn usernames(app: &TestApp, admin: &Person) -> Vec<String> {
    let answer = app.send(admin, Method::Post, "/v1/users/list", &json!({"include_inactive": true})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let records = answer.json();
    let name = |record: &Value| record["username"].as_str().map(str::to_owned);
    records.as_array().into_iter().flatten().filter_map(name).collect()
}

/// The cookies that an answer sets, as `(name, value)`.
fn cookies_of(answer: &Answer) -> Vec<(String, String)> {
    let cookies = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Set-Cookie"));
    cookies
        .filter_map(|(_, cookie)| cookie.split(';').next()?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The token in the form of a page.
fn form_token(page: &Answer) -> String {
    let (_, rest) = page.body.split_once(r#"name="token" value=""#).expect("a form with a token");
    rest.split('"').next().expect("the token's end").to_owned()
}

/// Signs in by the page, as a browser does.
async fn sign_in_by_page(app: &TestApp, username: &str, password: &str) -> Answer {
    let page = ask(app, Method::Get, "/sign-in", ANONYMOUS, &[], "").await;
    let cookies = cookies_of(&page);
    let (name, value) = cookies.first().expect("a cookie for the form");
    let body = format!(
        "username={}&password={}&token={}",
        form_encoded(username),
        form_encoded(password),
        form_token(&page)
    );
    let request = app
        .client
        .post("/sign-in")
        .header(Header::new("Content-Type", "application/x-www-form-urlencoded"))
        .header(Header::new("Sec-Fetch-Site", "same-origin"))
        .header(cookie_header(name, value));
    Answer::of(request.body(body).dispatch().await).await
}

fn form_encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// That an answer has this status and this JSON, and nothing else.
fn assert_is(answer: &Answer, status: u16, body: &Value, case: &str) {
    assert_eq!(answer.status, status, "{case}: {}", answer.body);
    assert_eq!(&answer.json(), body, "{case}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"), "{case}");
}

/// That an answer is a 401 with this body and the challenge.
fn assert_unauthorized(answer: &Answer, body: &Value, case: &str) {
    assert_is(answer, 401, body, case);
    assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer realm=\"api\""), "{case}");
}

fn no_credentials() -> Value {
    json!({"detail": "Authentication credentials were not provided."})
}

fn token_not_valid() -> Value {
    json!({
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [{
            "token_class": "AccessToken",
            "token_type": "access",
            "message": "Token is invalid or expired",
        }],
    })
}

fn token_invalid() -> Value {
    json!({"detail": "Token is invalid", "code": "token_not_valid"})
}

fn no_active_account() -> Value {
    json!({"detail": "No active account found with the given credentials"})
}

fn no_such_user() -> Value {
    json!({"detail": "No User matches the given query."})
}

fn denied(code: &str) -> Value {
    json!({"detail": "You do not have permission to perform this action.", "code": code})
}
