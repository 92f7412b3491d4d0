//! The first superuser, made in a browser by the link that the server prints.

use std::time::Duration;

use rocket::futures::future::join_all;
use rocket::http::{ContentType, Header, RawStr};
use serde_json::{Value, json};
use usher::db;
use usher::operations::first_superuser;

use crate::app::{Answer, PASSWORD, TestApp, cookie_header};
use crate::audit::trail;
use crate::console::{hidden, token};

const PATH: &str = "/first-superuser";
const PRE: &str = "__Host-pre-0a1b2c3d";
const SID: &str = "__Host-sid-0a1b2c3d";

/// The secret of the link that a server prints.
async fn secret(app: &TestApp) -> String {
    let path = first_superuser::offer(&app.usher).await.unwrap().expect("a link");
    path.strip_prefix("/first-superuser#").expect("the page, and a fragment").to_owned()
}

/// A browser that has the page open.
struct Browser<'a> {
    app: &'a TestApp,
    cookie: String,
    token: String,
    address: &'static str,
}

impl<'a> Browser<'a> {
    async fn open(app: &'a TestApp, address: &'static str) -> Self {
        let response = app.client.get(PATH).dispatch().await;
        let cookie = response.cookies().get(PRE).expect("a cookie").value().to_owned();
        let page = Answer::of(response).await;
        assert!(page.status == 200 && page.body.contains("Paste the link"), "{}", page.body);
        Self { app, cookie, token: token(&page.body), address }
    }

    async fn send(&self, site: &'static str, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| RawStr::new(text).percent_encode().to_string();
        let body = fields.iter().fold(format!("token={}", self.token), |body, (name, value)| {
            format!("{body}&{name}={}", encode(value))
        });
        let request = self.app.client.post(PATH).header(ContentType::Form).body(body);
        let request = request.header(Header::new("Sec-Fetch-Site", site));
        let request = request.remote(format!("{}:4711", self.address).parse().unwrap());
        Answer::of(request.header(cookie_header(PRE, &self.cookie)).dispatch().await).await
    }

    async fn post(&self, fields: &[(&str, &str)]) -> Answer {
        self.send("same-origin", fields).await
    }

    async fn make(&self, secret: &str, username: &str) -> Answer {
        let fields = [("link", secret), ("username", username), ("email", ""), ("password", PASSWORD)];
        self.post(&fields).await
    }
}

async fn superusers(app: &TestApp) -> usize {
    db::users::superusers(&app.usher.db, 10).await.unwrap().len()
}

/// The status of the page, and of the form with a link.
async fn statuses(app: &TestApp, browser: &Browser<'_>, secret: &str) -> [u16; 3] {
    let page = Answer::of(app.client.get(PATH).dispatch().await).await;
    [page.status, browser.post(&[("link", secret)]).await.status, browser.make(secret, "late").await.status]
}

#[apply(on_both)]
async fn cf_2_the_link_of_the_first_start_makes_a_superuser_who_is_then_signed_in(app: TestApp) {
    let without_link = Answer::of(app.client.get(PATH).dispatch().await).await;
    assert_eq!(without_link.status, 410, "no link is printed");
    let sign_in = async || app.client.get("/sign-in").dispatch().await.into_string().await.unwrap();
    assert!(!sign_in().await.contains("open the link"));
    let secret = secret(&app).await;
    assert_eq!(first_superuser::offer(&app.usher).await.unwrap(), None, "there is one link");
    assert!(sign_in().await.contains("open the link that the server has printed"));

    let browser = Browser::open(&app, "192.0.2.1").await;
    let pasted = format!(" http://127.0.0.1:8000{PATH}#{secret}\n");
    let opened = browser.post(&[("link", &pasted)]).await;
    assert_eq!((opened.status, hidden(&opened.body, "link")), (200, secret.clone()), "{}", opened.body);
    assert_eq!(superusers(&app).await, 0, "looking at the form makes nothing");

    for (username, email, password, message) in [
        ("", "", PASSWORD, "Enter a username."),
        ("two words", "", PASSWORD, "can only have letters"),
        ("ada", "nowhere", PASSWORD, "Enter an email address in the format"),
        ("ada", "ada@example.org", "password", "This password is on lists of common passwords."),
        ("ada", "ada@example.org", "", "There is a problem"),
    ] {
        let fields = [("link", &*secret), ("username", username), ("email", email), ("password", password)];
        let answer = browser.post(&fields).await;
        assert!(answer.status == 422 && answer.body.contains(message), "{message}: {}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{username}\"")), "what was typed stays");
        assert!(!answer.body.contains(&format!("value=\"{PASSWORD}\"")), "but the password");
        assert_eq!(superusers(&app).await, 0);
    }
    let fields =
        [("link", &*secret), ("username", "Ada"), ("email", "ada@example.org"), ("password", PASSWORD)];
    let made = browser.post(&fields).await;
    assert_eq!((made.status, made.header("Location")), (303, Some("/")), "{}", made.body);
    let session = made.headers.iter().find_map(|(name, value)| {
        let value =
            value.strip_prefix(&format!("{SID}=")).filter(|_| name.eq_ignore_ascii_case("Set-Cookie"));
        value?.split(';').next()
    });
    let request = app.client.get("/users").header(cookie_header(SID, session.expect("a session")));
    assert_eq!(request.dispatch().await.status().code, 200, "signed in");
    let user = db::users::by_username_key(&app.usher.db, "ada").await.unwrap().unwrap();
    assert!(user.is_superuser && user.is_staff && user.is_active && user.email == "ada@example.org");
    assert!(user.password_changed_at.is_some() && !user.must_change_password);

    let trail = trail(&app).await;
    let told: Vec<_> = trail.iter().map(|entry| (entry.action.as_str(), entry.target_id)).collect();
    assert_eq!(told, [("user_created", Some(user.id.0)), ("sign_in", Some(user.id.0))]);
    let details: Value = serde_json::from_str(&trail[0].details).unwrap();
    assert_eq!(details, json!({"by": "first_start"}));
    assert_eq!((trail[0].actor_id, &*trail[0].door, &*trail[0].address), (None, "console", "192.0.2.1"));
    assert!(!format!("{trail:?}").contains(&secret));
    assert_eq!(statuses(&app, &browser, &secret).await, [410; 3], "there is a superuser");
    assert_eq!(first_superuser::offer(&app.usher).await.unwrap(), None);
    assert!(!sign_in().await.contains("first superuser"));
}

#[apply(on_both)]
async fn cf_2_however_many_use_links_at_the_same_instant_one_superuser_is_made(app: TestApp) {
    let other = app.another_instance().await;
    let (first, second) = (secret(&app).await, secret(&other).await);
    let browsers = [Browser::open(&app, "192.0.2.1").await, Browser::open(&other, "192.0.2.2").await];
    assert_eq!(browsers[1].post(&[("link", &first)]).await.status, 422, "a link is one server's");
    let tries = (0..6).map(|n| {
        let (browser, secret) = if n % 2 == 0 { (&browsers[0], &first) } else { (&browsers[1], &second) };
        async move { browser.make(secret, &format!("root{n}")).await.status }
    });
    let mut answers = join_all(tries).await;
    answers.sort_unstable();
    assert_eq!(answers, [303, 410, 410, 410, 410, 410]);
    assert_eq!(superusers(&app).await, 1);
    let made = trail(&app).await.into_iter().filter(|entry| entry.action == "user_created").count();
    assert_eq!(made, 1);
}

#[apply(on_both)]
async fn cf_2_the_link_ends_after_an_hour_and_with_a_superuser_of_another_origin(app: TestApp) {
    let secret = secret(&app).await;
    let browser = Browser::open(&app, "192.0.2.1").await;
    app.clock.advance(Duration::from_mins(59));
    assert_eq!(browser.post(&[("link", &secret)]).await.status, 200);
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(statuses(&app, &browser, &secret).await, [410; 3]);
    assert_eq!(superusers(&app).await, 0);

    let other = app.another_instance().await;
    let secret = self::secret(&other).await;
    let browser = Browser::open(&other, "192.0.2.1").await;
    app.person("plain", "staff").await;
    assert_eq!(browser.post(&[("link", &secret)]).await.status, 200, "staff are no superusers");
    app.person("root", "superuser").await;
    assert_eq!(statuses(&other, &browser, &secret).await, [410; 3]);
    assert_eq!(superusers(&app).await, 1);
}

#[apply(on_both)]
#[with([("throttle_address_burst", json!(2))])]
async fn pw_4_guesses_at_the_link_of_the_first_start_count_as_failed_sign_ins_do(app: TestApp) {
    let secret = secret(&app).await;
    let browser = Browser::open(&app, "192.0.2.1").await;
    let unknown = "A".repeat(43);
    for wrong in ["", &unknown] {
        let answer = browser.post(&[("link", wrong)]).await;
        assert!(answer.status == 422 && answer.body.contains("This is not the link"), "{}", answer.body);
    }
    for (link, password) in [(&unknown, None), (&secret, None), (&secret, Some(PASSWORD))] {
        let mut fields = vec![("link", link.as_str()), ("username", "root")];
        fields.extend(password.map(|password| ("password", password)));
        let answer = browser.post(&fields).await;
        assert_eq!((answer.status, answer.header("Retry-After")), (429, Some("6")), "{}", answer.body);
        assert!(answer.body.contains("Too many tries. Wait a minute, then try again."), "{}", answer.body);
    }
    let body = json!({"username": "root", "password": PASSWORD}).to_string();
    let obtain = app.client.post("/v1/auth/obtain").header(ContentType::JSON).body(body);
    let obtain = obtain.remote("192.0.2.1:4711".parse().unwrap()).dispatch().await;
    assert_eq!(obtain.status().code, 429, "one limiter for all");
    assert_eq!(superusers(&app).await, 0);
    let blocks: Vec<_> = trail(&app).await.into_iter().map(|entry| (entry.action, entry.address)).collect();
    assert_eq!(blocks, [("address_blocked".to_owned(), "192.0.2.1".to_owned())]);
    let elsewhere = Browser { address: "192.0.2.2", ..browser };
    assert_eq!(elsewhere.make(&secret, "root").await.status, 303);
}

#[apply(on_both)]
async fn cs_1_no_other_site_and_no_old_form_makes_the_first_superuser(app: TestApp) {
    let secret = secret(&app).await;
    let browser = Browser::open(&app, "192.0.2.1").await;
    let fields = [("link", &*secret), ("username", "root"), ("email", ""), ("password", PASSWORD)];
    for site in ["cross-site", "same-site"] {
        assert_eq!(browser.send(site, &fields).await.status, 403, "{site}");
    }
    let stale = Browser { token: "old".to_owned(), ..browser };
    let answer = stale.post(&fields).await;
    assert!(answer.status == 422 && answer.body.contains("This page was open for a long time."));
    assert!(answer.body.contains("value=\"root\""), "what was typed stays: {}", answer.body);
    assert_eq!(superusers(&app).await, 0);
    let again = Browser { token: token(&answer.body), ..stale };
    assert_eq!(again.post(&fields).await.status, 303);
}
