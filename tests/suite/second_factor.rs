//! Second factors: how one is added, and that no way in does without it.

#[expect(dead_code, reason = "the unit tests use more of it")]
#[path = "../../src/security/webauthn/authenticator.rs"]
pub(crate) mod authenticator;
mod day;
mod demanded;
mod enrolment;
mod guessing;
mod moved;
pub(crate) mod passkeys;
mod passwordless;
mod reauthentication;
mod side_doors;

use std::time::Duration;

use rocket::http::{ContentType, Header, Method};
use serde_json::{Value, json};
use usher::security::totp::TotpSecret;

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::audit::trail;
use crate::console::{hidden, page, send, token};

const PRE: &str = "__Host-pre-0a1b2c3d";
const SID: &str = "__Host-sid-0a1b2c3d";
const ADD: &str = "/account/security/add";

/// The device that shows codes, and the recovery codes.
pub(crate) struct Phone {
    secret: TotpSecret,
    pub(crate) recovery_codes: Vec<String>,
}

impl Phone {
    /// From a page that shows a key.
    pub(crate) fn scan(html: &str) -> Self {
        let key = html.split("<code class=\"secret\">").nth(1).expect("a key").split('<').next().unwrap();
        let value = |letter| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).expect("a letter of base32");
        let letters: Vec<usize> = key.chars().filter(|c| !c.is_whitespace()).map(value).collect();
        // Eight letters are five bytes.
        let bytes: Vec<u8> = letters
            .chunks(8)
            .flat_map(|letters| {
                let bits = letters.iter().fold(0_u64, |bits, value| bits << 5 | *value as u64);
                bits.to_be_bytes()[3..].to_vec()
            })
            .collect();
        Self { secret: TotpSecret::from_bytes(&bytes).expect("20 bytes"), recovery_codes: Vec::new() }
    }

    /// What it shows so many steps from now.
    pub(crate) fn code_in(&self, app: &TestApp, steps: i64) -> String {
        self.secret.code(app.clock.now().seconds().div_euclid(30) + steps)
    }

    /// What it shows next: each code is good once.
    pub(crate) fn next_code(&self, app: &TestApp) -> String {
        app.clock.advance(Duration::from_secs(30));
        self.code_in(app, 0)
    }
}

/// Adds an authenticator app in the console.
pub(crate) async fn enrol(app: &TestApp, person: &Person, name: &str) -> Phone {
    let html = page(app, person, ADD).await.body;
    let mut phone = Phone::scan(&html);
    let (code, state, form) = (phone.code_in(app, 0), hidden(&html, "state"), token(&html));
    let fields = [("token", form.as_str()), ("state", &state), ("name", name), ("code", &code)];
    let (answer, _) = send(app, person, ADD, &fields).await;
    assert!([200, 303].contains(&answer.status), "{}", answer.body);
    phone.recovery_codes = codes_in(&answer.body);
    phone
}

pub(crate) fn codes_in(html: &str) -> Vec<String> {
    html.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

/// Signs in as an API client, with a code.
pub(crate) async fn obtain(app: &TestApp, username: &str, otp: &str) -> Answer {
    let body = json!({"username": username, "password": PASSWORD, "otp": otp});
    app.json(Method::Post, "/v1/auth/obtain", None, &body).await
}

fn code_of(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json()["code"].clone())
}

/// A browser between the two steps.
pub(crate) struct Half {
    pub(crate) answer: Answer,
    pre: String,
}

/// The first step.
pub(crate) async fn first_step(app: &TestApp, username: &str, password: &str, next: &str) -> Half {
    let response = app.client.get("/sign-in").dispatch().await;
    let pre = response.cookies().get(PRE).expect("a cookie").value().to_owned();
    let form = token(&response.into_string().await.unwrap());
    let body =
        format!("username={username}&password={}&token={form}&next={next}", password.replace(' ', "+"));
    let request = app.client.post("/sign-in").header(ContentType::Form).body(body);
    let request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
    let answer = Answer::of(request.header(cookie_header(PRE, &pre)).dispatch().await).await;
    Half { answer, pre }
}

impl Half {
    /// The second step.
    pub(crate) async fn show(&self, app: &TestApp, code: &str) -> Answer {
        let html = &self.answer.body;
        let (form, state, next) = (token(html), hidden(html, "state"), hidden(html, "next"));
        self.send(app, &form, &state, &next, code).await
    }

    async fn send(&self, app: &TestApp, form: &str, state: &str, next: &str, code: &str) -> Answer {
        let next = next.replace("&#x2F;", "/");
        let code = code.replace(' ', "+");
        let body = format!("token={form}&state={state}&next={next}&code={code}");
        let request = app.client.post("/sign-in/code").header(ContentType::Form).body(body);
        let request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
        Answer::of(request.header(cookie_header(PRE, &self.pre)).dispatch().await).await
    }
}

/// The session cookie that an answer sets.
pub(crate) fn session_in(answer: &Answer) -> Option<String> {
    let cookies = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Set-Cookie"));
    let mut values = cookies.filter_map(|(_, cookie)| cookie.split(';').next()?.split_once('='));
    values.find(|(name, value)| *name == SID && !value.is_empty()).map(|(_, value)| value.to_owned())
}

#[apply(on_both)]
async fn mf_1_obtain_asks_for_a_code_where_there_is_a_factor_and_nowhere_else(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    app.person("bob", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    let answer = app.obtain("ada", PASSWORD).await;
    assert_eq!(code_of(&answer), (401, json!("second_factor_required")), "{}", answer.body);
    assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer realm=\"api\""));
    app.clock.advance(Duration::from_mins(1));
    let last_login = app.stored(ada.id()).await.last_login;
    let wrong = obtain(&app, "ada", "000000").await;
    assert_eq!(code_of(&wrong), (401, json!("second_factor_wrong")), "{}", wrong.body);
    assert_eq!(app.stored(ada.id()).await.last_login, last_login, "it was no sign-in");
    let answer = obtain(&app, "ada", &phone.next_code(&app)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let signed_in = Person { bearer: answer.json()["access"].as_str().unwrap().to_owned(), ..ada };
    assert_eq!(app.get(&signed_in, "/v1/account").await.status, 200);
    // What is said of a wrong password does not tell that there is a factor.
    assert_eq!(code_of(&app.obtain("ada", "wrong").await), (401, Value::Null));
    assert_eq!(app.obtain("bob", PASSWORD).await.status, 200);
    assert_eq!(obtain(&app, "bob", "123456").await.status, 200, "a code that is not asked for says nothing");
    for otp in [json!(" "), json!(5), json!([])] {
        let body = json!({"username": "bob", "password": PASSWORD, "otp": otp});
        let answer = app.json(Method::Post, "/v1/auth/obtain", None, &body).await;
        assert!(answer.status == 400 && answer.json().get("otp").is_some(), "{otp}: {}", answer.body);
    }
    let entries = trail(&app).await;
    let shown: Vec<_> = entries.iter().filter(|entry| entry.details.contains("second_factor")).collect();
    assert_eq!((shown.len(), shown[0].action.as_str()), (1, "sign_in"));
    assert!(shown[0].details.contains("\"second_factor\":\"totp phone\""), "{}", shown[0].details);
    let failed = entries.iter().find(|entry| entry.action == "sign_in_failed").unwrap();
    assert!(failed.details.contains("wrong_code") && failed.target_id == Some(signed_in.user.id.0));
}

#[apply(on_both)]
async fn mf_1_a_browser_is_asked_for_the_code_on_a_second_page(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let phone = enrol(&app, &ada, "phone").await;
    let half = first_step(&app, "ada", PASSWORD, "/users").await;
    assert_eq!((half.answer.status, session_in(&half.answer)), (200, None), "there is no session");
    let html = &half.answer.body;
    for part in ["<h1>Your second factor</h1>", "autocomplete=\"one-time-code\"", "action=\"/sign-in/code\""]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("name=\"password\"") && !html.contains("ada"), "{html}");
    let wrong = half.show(&app, "000000").await;
    assert_eq!((wrong.status, session_in(&wrong)), (422, None));
    assert!(wrong.body.contains("This code is wrong or was used before."), "{}", wrong.body);
    let right = half.show(&app, &phone.next_code(&app)).await;
    assert_eq!((right.status, right.header("Location")), (303, Some("/users")), "{}", right.body);
    let cookie = session_in(&right).expect("a session");
    let signed_in = Person { cookie, ..ada };
    assert_eq!(page(&app, &signed_in, "/users").await.status, 200);
    // A wrong password leads no further, and so does a code without it.
    let refused = first_step(&app, "ada", "wrong", "/").await.answer;
    assert!(refused.status == 422 && refused.body.contains("Username or password is wrong"));
    let alone = half.send(&app, &token(html), "", "/", &phone.next_code(&app)).await;
    assert_eq!((alone.status, session_in(&alone)), (422, None));
    assert!(alone.body.contains("name=\"password\""), "it begins anew");
}

#[apply(on_both)]
async fn mf_1_what_is_kept_between_the_steps_is_good_for_nothing_else(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let phone = enrol(&app, &ada, "phone").await;
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    let (form, state) = (token(&half.answer.body), hidden(&half.answer.body, "state"));
    for (kind, value) in [("state", &state), ("token", &form), ("cookie", &half.pre)] {
        let as_cookie = app.client.get("/users").header(cookie_header(SID, value)).dispatch().await;
        assert_eq!(as_cookie.status().code, 303, "{kind} is no session");
        let bearer = Header::new("Authorization", format!("Bearer {value}"));
        let as_token = app.client.get("/v1/account").header(bearer).dispatch().await;
        assert_eq!(as_token.status().code, 401, "{kind} is no token");
    }
    // It is bound to the browser, and to five minutes, and to the password.
    let other = first_step(&app, "ada", PASSWORD, "/").await;
    let own = token(&other.answer.body);
    let stolen = other.send(&app, &own, &state, "/", &phone.next_code(&app)).await;
    assert_eq!((stolen.status, session_in(&stolen)), (422, None), "of another browser");
    let again = first_step(&app, "ada", PASSWORD, "/").await;
    app.clock.advance(Duration::from_mins(5));
    let late = again.show(&app, &phone.next_code(&app)).await;
    assert_eq!((late.status, session_in(&late)), (422, None));
    assert!(late.body.contains("Signing in took too long"), "{}", late.body);
    let before = first_step(&app, "ada", PASSWORD, "/").await;
    let root = app.person("root", "superuser").await;
    let body = json!({"password": "a wholly different phrase"});
    assert_eq!(app.send(&root, Method::Patch, &format!("/v1/users/{}", ada.id()), &body).await.status, 200);
    let replaced = before.show(&app, &phone.next_code(&app)).await;
    assert_eq!((replaced.status, session_in(&replaced)), (422, None));
    assert!(replaced.body.contains("Your account was changed meanwhile"), "{}", replaced.body);
}

#[apply(on_both)]
async fn mf_3_a_recovery_code_signs_in_once_in_place_of_a_code(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    let codes = &phone.recovery_codes;
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.len() == 27), "{codes:?}");
    assert!(!page(&app, &ada, "/account/security").await.body.contains(&codes[0]), "shown once");
    assert_eq!(obtain(&app, "ada", &codes[0].to_uppercase()).await.status, 200);
    assert_eq!(code_of(&obtain(&app, "ada", &codes[0]).await), (401, json!("second_factor_wrong")));
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    assert_eq!(half.show(&app, &codes[1]).await.status, 303);
    let html = page(&app, &ada, "/account/security").await.body;
    assert!(html.contains("8 codes are left"), "{html}");
    // New ones end those from before.
    let html = page(&app, &ada, "/account/security/codes").await.body;
    let (made, _) = send(&app, &ada, "/account/security/codes", &[("token", &token(&html))]).await;
    let fresh = codes_in(&made.body);
    assert_eq!((made.status, fresh.len()), (200, 10), "{}", made.body);
    assert_eq!(obtain(&app, "ada", &codes[2]).await.status, 401);
    assert_eq!(obtain(&app, "ada", &fresh[0]).await.status, 200);
    let entries = trail(&app).await;
    assert!(entries.iter().any(|entry| entry.action == "recovery_codes_made"));
    assert!(entries.iter().any(|entry| entry.details.contains("\"second_factor\":\"recovery_code\"")));
    let all: String = entries.iter().map(|entry| entry.details.clone() + &entry.changes).collect();
    assert!(!all.contains(&fresh[0]) && !all.contains(&fresh[0].replace('-', "").to_uppercase()));
}

/// A reader of the database learns no secret of an app.
#[apply(on_both)]
async fn mf_5_the_secret_is_sealed_and_outlives_the_secret_key(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    let sealed: (Vec<u8>,) =
        app.usher.db.optional(usher::db::Sql::new("SELECT sealed FROM factors")).await.unwrap().unwrap();
    let secret = phone.secret.as_bytes();
    assert!(!sealed.0.windows(8).any(|part| secret.windows(8).any(|other| part == other)));
    assert_eq!(sealed.0.len(), secret.len() + 28, "a number, the secret and a tag");
    for at_once in [false, true] {
        usher::operations::keys::rotate(&app.usher, at_once).await.expect("a successor");
        assert_eq!(obtain(&app, "ada", &phone.next_code(&app)).await.status, 200, "{at_once}");
        let other = app.another_instance().await;
        assert_eq!(obtain(&other, "ada", &phone.next_code(&app)).await.status, 200, "{at_once}");
    }
    let added = app.another_instance().await;
    let session = added.session(ada.user.id, usher::model::session::Credential::Cookie).await;
    let stranger = Person { cookie: session.secret.to_text(), ..ada };
    assert!(!added.is_signed_in(&stranger, By::Cookie).await, "no session without the factor");
}
