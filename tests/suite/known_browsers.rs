//! Browsers that signed in before, and signed-in users: guesses of others do not block them, and they have
//! no more tries than others.

use std::time::Duration;

use rocket::http::{ContentType, Cookie, Header, Method, SameSite};
use serde_json::{Value, json};
use usher::model::session::Credential;

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::audit::trail;
use crate::console::{hidden, page, token};
use crate::links::NEW_PASSWORD;

const KNOWN: &str = "__Host-known-0a1b2c3d";

/// A browser without a session: what it keeps to be known by.
#[derive(Default)]
struct Browser(Option<Cookie<'static>>);

impl Browser {
    /// Sends the form to sign in.
    async fn sign_in(&mut self, app: &TestApp, username: &str, password: &str) -> Answer {
        let response = app.client.get("/sign-in").dispatch().await;
        let pre = response.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie").value().to_owned();
        let form = token(&response.into_string().await.unwrap());
        let encode = |text: &str| rocket::http::RawStr::new(text).percent_encode().to_string();
        let body = format!("username={}&password={}&token={form}", encode(username), encode(password));
        let request = app.client.post("/sign-in").header(ContentType::Form).body(body);
        let request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
        let mut request = request.header(cookie_header("__Host-pre-0a1b2c3d", &pre));
        if let Some(known) = &self.0 {
            request = request.header(cookie_header(KNOWN, known.value()));
        }
        let response = request.dispatch().await;
        if let Some(known) = response.cookies().get(KNOWN) {
            self.0 = Some(known.clone());
        }
        Answer::of(response).await
    }

    /// One that has signed in.
    async fn of(app: &TestApp, username: &str) -> Self {
        let mut browser = Self::default();
        assert_eq!(browser.sign_in(app, username, PASSWORD).await.status, 303);
        browser
    }
}

/// A client at another address tries until the account is blocked.
async fn guess(app: &TestApp, username: &str) {
    for _ in 0..6 {
        assert_eq!(app.obtain(username, "wrong").await.status, 401);
    }
    assert_eq!(app.obtain(username, PASSWORD).await.status, 401, "blocked");
}

#[apply(on_both)]
async fn pw_13_guesses_of_others_do_not_block_a_browser_that_signed_in_before(app: TestApp) {
    app.person("ada", "ordinary").await;
    app.person("bob", "ordinary").await;
    let mut known = Browser::of(&app, "Ada").await;
    let cookie = known.0.clone().expect("a cookie");
    assert_eq!((cookie.secure(), cookie.http_only()), (Some(true), Some(true)));
    assert_eq!((cookie.same_site(), cookie.path(), cookie.domain()), (Some(SameSite::Lax), Some("/"), None));
    assert_eq!(cookie.max_age().map(rocket::time::Duration::whole_days), Some(180));
    assert!(cookie.value().len() < 400 && !cookie.value().to_lowercase().contains("ada"), "se_3: {cookie}");
    let mut others = Browser::of(&app, "bob").await;
    guess(&app, "ada").await;
    assert_eq!(known.sign_in(&app, "ADA", PASSWORD).await.status, 303, "the owner gets in");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 401, "and no other client by that");
    assert_eq!(others.sign_in(&app, "ada", PASSWORD).await.status, 422, "another user's browser");
    let mut forged = Browser(Some(Cookie::new(KNOWN, "A".repeat(64))));
    assert_eq!(forged.sign_in(&app, "ada", PASSWORD).await.status, 422);
    // What a browser fails counts for itself alone.
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    for _ in 0..6 {
        assert_eq!(known.sign_in(&app, "ada", "wrong").await.status, 422);
    }
    assert_eq!(known.sign_in(&app, "ada", PASSWORD).await.status, 422, "it has five free tries, too");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "others are not concerned");
    assert_eq!(others.sign_in(&app, "bob", PASSWORD).await.status, 303);
    let entries = trail(&app).await;
    let blocks: Vec<Value> = entries
        .iter()
        .filter(|entry| entry.action == "account_blocked")
        .map(|entry| serde_json::from_str(&entry.details).unwrap())
        .collect();
    assert_eq!(blocks[0].get("only_for"), None);
    assert_eq!(blocks[1]["only_for"], "known_browser");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(known.sign_in(&app, "ada", PASSWORD).await.status, 303, "the block lifts by itself");
}

#[apply(on_both)]
async fn pw_13_a_browser_is_known_for_180_days_by_the_servers_clock(app: TestApp) {
    const DAY: Duration = Duration::from_hours(24);
    app.person("ada", "ordinary").await;
    let mut known = Browser::of(&app, "ada").await;
    let first = known.0.clone();
    app.clock.advance((DAY * 180).saturating_sub(Duration::from_secs(1)));
    guess(&app, "ada").await;
    let mut early = Browser(first.clone());
    assert_eq!(early.sign_in(&app, "ada", PASSWORD).await.status, 303, "to the last second");
    app.clock.advance(DAY * 180);
    guess(&app, "ada").await;
    for kept in [first, early.0] {
        assert_eq!(Browser(kept).sign_in(&app, "ada", PASSWORD).await.status, 422, "however long it is kept");
    }
    usher::operations::maintenance::clean_up(&app.usher).await.unwrap();
    assert_eq!(known_browsers(&app).await, 0);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(known.sign_in(&app, "ada", PASSWORD).await.status, 303);
    guess(&app, "ada").await;
    assert_eq!(known.sign_in(&app, "ada", PASSWORD).await.status, 303, "and then it is known again");
}

/// How many there are, of all accounts.
async fn known_browsers(app: &TestApp) -> i64 {
    let sql = usher::db::Sql::new("SELECT count(*) FROM known_browsers");
    app.usher.db.optional::<(i64,)>(sql).await.unwrap().unwrap().0
}

#[apply(on_both)]
async fn pw_13_another_password_makes_unknown_all_browsers_but_the_one_that_chose_it(app: TestApp) {
    let (ada, root) = (app.person("ada", "ordinary").await, app.person("root", "superuser").await);
    let path = format!("/v1/users/{}", ada.id());
    let mut known = Browser::of(&app, "ada").await;
    app.clock.advance(Duration::from_secs(1));
    let body = json!({ "password": NEW_PASSWORD });
    assert_eq!(app.send(&root, Method::Patch, &path, &body).await.status, 200);
    guess(&app, "ada").await;
    assert_eq!(known.sign_in(&app, "ada", NEW_PASSWORD).await.status, 422, "who had the old one may have it");

    let ada = renewed(&app, &ada).await;
    let form = token(&page(&app, &ada, "/account/password").await.body);
    let new = PASSWORD.replace(' ', "+");
    let current = NEW_PASSWORD.replace(' ', "+");
    let request = app.request(Method::Post, "/account/password", Some((&ada, By::Cookie)));
    let request = request.header(ContentType::Form);
    let body = format!("token={form}&current_password={current}&new_password={new}");
    let response = request.body(body).dispatch().await;
    assert_eq!(response.status().code, 303);
    let own = response.cookies().get(KNOWN).cloned();
    guess(&app, "ada").await;
    assert_eq!(Browser(own).sign_in(&app, "ada", PASSWORD).await.status, 303);
}

#[apply(on_both)]
async fn pw_13_an_account_knows_ten_browsers_and_the_one_unused_the_longest_is_forgotten(app: TestApp) {
    app.person("ada", "ordinary").await;
    app.person("bob", "ordinary").await;
    let mut bobs = Browser::of(&app, "bob").await;
    let mut browsers = Vec::new();
    for _ in 0..10 {
        app.clock.advance(Duration::from_secs(1));
        browsers.push(Browser::of(&app, "ada").await);
    }
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(browsers[0].sign_in(&app, "ada", PASSWORD).await.status, 303);
    Browser::of(&app, "ada").await;
    assert_eq!(known_browsers(&app).await, 11);
    guess(&app, "ada").await;
    for (index, status) in [(0, 303), (1, 422), (2, 303)] {
        assert_eq!(browsers[index].sign_in(&app, "ada", PASSWORD).await.status, status, "{index}");
    }
    guess(&app, "bob").await;
    assert_eq!(bobs.sign_in(&app, "bob", PASSWORD).await.status, 303, "each account for itself");
}

#[apply(on_both)]
async fn pw_13_guesses_of_others_do_not_block_a_signed_in_user(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    guess(&app, "ada").await;
    let body = json!({"password": PASSWORD});
    for by in [By::Bearer, By::Cookie] {
        let answer = app.json(Method::Post, "/v1/account/confirm", Some((&ada, by)), &body).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let answer = app.json(Method::Post, "/v1/account/password", Some((&ada, By::Cookie)), &body).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(app.obtain("ada", NEW_PASSWORD).await.status, 200, "which ends the block, too");
}

#[apply(on_both)]
async fn pw_13_the_hard_stop_holds_for_known_browsers_and_a_new_password_ends_it(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let root = app.person("root", "superuser").await;
    let mut known = Browser::of(&app, "ada").await;
    assert_eq!(known.sign_in(&app, "ada", "wrong").await.status, 422);
    confirm(&app, &ada, "wrong").await;
    // As after 99 failures, which here would take 99 hashes.
    app.sql("UPDATE throttles SET consecutive = 99 WHERE consecutive = 1").await;
    assert_eq!(known.sign_in(&app, "ada", "wrong").await.status, 422);
    app.clock.advance(Duration::from_hours(1));
    assert_eq!(known.sign_in(&app, "ada", PASSWORD).await.status, 422, "not before a day is over");
    let root = renewed(&app, &root).await;
    let shown = page(&app, &root, &format!("/users/{}", ada.id())).await.body;
    assert!(shown.contains("The account is not locked, but a browser"), "{shown}");
    assert!(shown.contains(&format!("/users/{}/unlock", ada.id())), "{shown}");
    let ada = renewed(&app, &ada).await;
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "the account's own counter is another one");
    let root = renewed(&app, &root).await;
    let path = format!("/v1/users/{}", ada.id());
    let set = app.send(&root, Method::Patch, &path, &json!({"password": NEW_PASSWORD})).await;
    assert_eq!(set.status, 200, "{}", set.body);
    assert_eq!(known.sign_in(&app, "ada", NEW_PASSWORD).await.status, 303);
    let left: Option<(i64,)> = app
        .usher
        .db
        .optional(usher::db::Sql::new("SELECT count(*) FROM throttles WHERE consecutive > 0"))
        .await
        .unwrap();
    assert_eq!(left, Some((0,)), "all that was counted is forgotten");
}

/// The user with other tokens, as those before have ended.
async fn renewed(app: &TestApp, person: &Person) -> Person {
    let session = app.session(person.user.id, Credential::Jwt).await;
    let bearer = usher::operations::sign_in::tokens(&app.usher, &session).access;
    let cookie = app.session(person.user.id, Credential::Cookie).await.secret.to_text();
    Person { bearer, cookie, ..person.clone() }
}

async fn confirm(app: &TestApp, person: &Person, password: &str) -> bool {
    let body = json!({ "password": password });
    app.json(Method::Post, "/v1/account/confirm", Some((person, By::Cookie)), &body).await.status == 204
}

#[apply(on_both)]
async fn pw_13_a_browser_stays_known_when_its_user_signs_out(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let known = Browser::of(&app, "ada").await.0.expect("a cookie");
    let form = token(&page(&app, &ada, "/account").await.body);
    let request = app.request(Method::Post, "/sign-out", Some((&ada, By::Cookie)));
    let mut request = request.header(ContentType::Form).body(format!("token={form}"));
    for name in ["__Host-pre-0a1b2c3d", "__Host-flash-0a1b2c3d", "__Host-list-0a1b2c3d"] {
        request = request.header(cookie_header(name, "x"));
    }
    let out = Answer::of(request.header(cookie_header(KNOWN, known.value())).dispatch().await).await;
    let cookies = out.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Set-Cookie"));
    let mut removed: Vec<&str> = cookies
        .map(|(_, value)| {
            assert!(value.contains("Max-Age=0") && value.contains("Secure"), "{value}");
            value.split('=').next().unwrap()
        })
        .collect();
    removed.sort_unstable();
    assert_eq!(
        removed,
        ["__Host-flash-0a1b2c3d", "__Host-list-0a1b2c3d", "__Host-pre-0a1b2c3d", "__Host-sid-0a1b2c3d"]
    );
    assert_eq!(out.header("Clear-Site-Data"), Some("\"cache\", \"storage\""), "se_7");
}

#[apply(on_both)]
async fn pw_2_a_known_browser_that_fails_gets_the_same_page_at_the_same_cost(app: TestApp) {
    app.person("ada", "ordinary").await;
    app.person("locked", "ordinary").await;
    let gone = app.person("gone", "ordinary").await;
    let mut known = Browser::of(&app, "ada").await;
    for name in ["locked", "gone"] {
        assert_eq!(known.sign_in(&app, name, PASSWORD).await.status, 303);
    }
    app.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", gone.id())).await;
    for _ in 0..6 {
        known.sign_in(&app, "locked", "wrong").await;
    }
    let kept = known.0.clone();
    let mut seen = Vec::new();
    for browser in [&mut known, &mut Browser::default()] {
        for (name, password) in [
            ("ada", "wrong"),
            ("locked", PASSWORD),
            ("gone", PASSWORD),
            ("nobody", "wrong"),
            ("nobody", PASSWORD),
        ] {
            if browser.0.is_none() && name == "locked" {
                continue;
            }
            let before = app.usher.hasher.operations();
            let answer = browser.sign_in(&app, name, password).await;
            assert_eq!(app.usher.hasher.operations() - before, 1, "{name}");
            let body = answer.body.replace(&format!("value=\"{name}\""), "");
            let body = body.replace(&token(&answer.body), "");
            seen.push((answer.status, answer.lasting_headers(), body));
        }
    }
    assert_eq!(seen[0].0, 422);
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:#?}");
    assert_eq!(known.0.map(|cookie| cookie.value().to_owned()), kept.map(|cookie| cookie.value().to_owned()));
}

/// A place where a password can be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Page,
    KnownBrowser,
    Obtain,
    Confirm,
    ChangeByApi,
    ChangeOnPage,
    AddressOnPage,
}

impl Door {
    const ALL: [Self; 7] = [
        Self::Page,
        Self::KnownBrowser,
        Self::Obtain,
        Self::Confirm,
        Self::ChangeByApi,
        Self::ChangeOnPage,
        Self::AddressOnPage,
    ];

    /// Tries a password; whether it was taken for the right one.
    async fn accepts(self, app: &TestApp, person: &Person, known: &mut Browser, password: &str) -> bool {
        let name = person.user.username.as_str();
        let form = async |path: &str, fields: &str| {
            let html = page(app, person, path).await.body;
            let version = if fields.contains("email") { hidden(&html, "version") } else { String::new() };
            let version = if version.is_empty() { version } else { format!("&version={version}") };
            let body = format!("token={}{version}&{fields}", token(&html));
            let request = app.request(Method::Post, path, Some((person, By::Cookie)));
            let answer = request.header(ContentType::Form).body(body).dispatch().await;
            Answer::of(answer).await.status == 303
        };
        let encoded = rocket::http::RawStr::new(password).percent_encode().to_string();
        match self {
            Self::Page => Browser::default().sign_in(app, name, password).await.status == 303,
            Self::KnownBrowser => known.sign_in(app, name, password).await.status == 303,
            Self::Obtain => app.obtain(name, password).await.status == 200,
            Self::Confirm => confirm(app, person, password).await,
            Self::ChangeByApi => {
                let body = json!({"current_password": password, "new_password": NEW_PASSWORD});
                let who = Some((person, By::Cookie));
                app.json(Method::Post, "/v1/account/password", who, &body).await.status == 204
            }
            Self::ChangeOnPage => {
                let new = NEW_PASSWORD.replace(' ', "+");
                form("/account/password", &format!("current_password={encoded}&new_password={new}")).await
            }
            Self::AddressOnPage => {
                let email = format!("{}@example.org", person.id());
                let fields = format!("current_password={encoded}&first_name=&last_name=&email={email}");
                form("/account", &fields).await
            }
        }
    }
}

#[apply(on_both)]
async fn pw_4_every_door_that_takes_a_password_closes_after_the_free_failures(app: TestApp) {
    for (number, door) in Door::ALL.into_iter().enumerate() {
        let person = app.person(&format!("ada{number}"), "ordinary").await;
        let mut known = match door {
            Door::KnownBrowser => Browser::of(&app, person.user.username.as_str()).await,
            _ => Browser::default(),
        };
        app.sql("UPDATE sessions SET confirmed_at = 0").await;
        for _ in 0..6 {
            assert!(!door.accepts(&app, &person, &mut known, "wrong").await, "{door:?}");
        }
        assert!(!door.accepts(&app, &person, &mut known, PASSWORD).await, "{door:?} is blocked");
        app.clock.advance(Duration::from_secs(1));
        assert!(door.accepts(&app, &person, &mut known, PASSWORD).await, "{door:?} opens again");
    }
}
