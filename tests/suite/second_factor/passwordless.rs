//! Signing in by a passkey alone.

use super::authenticator::{Authenticator, PRESENT, VERIFIED};
use super::passkeys::{ORIGIN, add, answer_to, options_in};
use super::*;

/// A browser on the page to sign in on.
pub(super) struct Opened {
    pub(super) html: String,
    pre: String,
}

impl Opened {
    pub(super) async fn at(app: &TestApp) -> Self {
        let response = app.client.get("/sign-in?next=/users").dispatch().await;
        let pre = response.cookies().get(PRE).expect("a cookie").value().to_owned();
        Self { html: response.into_string().await.expect("a page"), pre }
    }

    pub(super) async fn send(&self, app: &TestApp, passkey: &str) -> Answer {
        let body = format!("token={}&next=/users&passkey={passkey}", token(&self.html));
        let request = app.client.post("/sign-in/passkey").header(ContentType::Form).body(body);
        let request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
        Answer::of(request.header(cookie_header(PRE, &self.pre)).dispatch().await).await
    }
}

fn is_refused(answer: &Answer) -> bool {
    let is_told = answer.body.contains("This passkey was not accepted.");
    answer.status == 422 && session_in(answer).is_none() && is_told
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_13_a_passkey_whose_device_knows_its_user_signs_in_without_a_password(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let mut device = Authenticator::new(ORIGIN);
    let before = Opened::at(&app).await.html;
    assert!(!before.contains("data-passkey") && !before.contains("webauthn"), "nobody has one: {before}");
    add(&app, &ada, &mut device, "laptop").await;
    let opened = Opened::at(&app).await;
    assert!(opened.html.contains("autocomplete=\"username webauthn\""), "{}", opened.html);
    let options = options_in(&opened.html);
    assert_eq!(
        (&options["userVerification"], &options["allowCredentials"]),
        (&json!("required"), &json!([]))
    );
    let shown = answer_to(&mut device, &opened.html);
    let signed_in = opened.send(&app, &shown).await;
    assert_eq!((signed_in.status, signed_in.header("Location")), (303, Some("/users")), "{}", signed_in.body);
    let cookie = session_in(&signed_in).expect("a session");
    let signed_in = Person { cookie, ..ada.clone() };
    assert_eq!(page(&app, &signed_in, "/users").await.status, 200, "with both factors shown");
    assert!(is_refused(&opened.send(&app, &shown).await), "once");
    let entry = trail(&app).await.into_iter().find(|entry| entry.action == "sign_in").unwrap();
    assert!(entry.details.contains("\"without_password\":\"passkey laptop\""), "{}", entry.details);
    assert!(page(&app, &signed_in, "/account/sessions").await.status == 200);
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_13_nothing_less_signs_in_without_a_password(app: TestApp) {
    let (ada, bob) = (app.person("ada", "").await, app.person("bob", "").await);
    let mut device = Authenticator::new(ORIGIN);
    let codes = add(&app, &ada, &mut device, "laptop").await;
    let phone = enrol(&app, &ada, "phone").await;
    let opened = Opened::at(&app).await;
    for code in [codes[0].clone(), phone.next_code(&app), "passkey.".to_owned(), String::new()] {
        assert!(is_refused(&opened.send(&app, &code).await), "{code}");
    }
    device.flags = PRESENT;
    assert!(is_refused(&opened.send(&app, &answer_to(&mut device, &opened.html)).await), "no PIN");
    device.flags = PRESENT | VERIFIED;
    let handle = device.handle.take();
    assert!(is_refused(&opened.send(&app, &answer_to(&mut device, &opened.html)).await), "no user");
    device.handle = Some(vec![1; 32]);
    assert!(is_refused(&opened.send(&app, &answer_to(&mut device, &opened.html)).await), "another user");
    device.handle = handle;
    let mut unknown = Authenticator::new(ORIGIN);
    unknown.handle = device.handle.clone();
    assert!(is_refused(&opened.send(&app, &answer_to(&mut unknown, &opened.html)).await), "another device");
    let other = Opened::at(&app).await;
    assert!(is_refused(&opened.send(&app, &answer_to(&mut device, &other.html)).await), "another browser");
    // The question of the second step asks for less.
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    assert!(is_refused(&opened.send(&app, &answer_to(&mut device, &half.answer.body)).await));
    app.sql("DELETE FROM throttles").await;
    // A device that did not verify its user when it was added cannot do so from now on by its own word.
    let mut touched = Authenticator::new(ORIGIN);
    touched.flags = PRESENT;
    add(&app, &bob, &mut touched, "key").await;
    touched.flags = PRESENT | VERIFIED;
    assert!(is_refused(&opened.send(&app, &answer_to(&mut touched, &opened.html)).await));
    let half = first_step(&app, "bob", PASSWORD, "/").await;
    assert_eq!(half.show(&app, &answer_to(&mut touched, &half.answer.body)).await.status, 303);
    assert_eq!(
        opened.send(&app, &answer_to(&mut touched, &opened.html)).await.status,
        303,
        "with the password it may"
    );
    app.clock.advance(Duration::from_mins(10));
    let late = answer_to(&mut device, &opened.html);
    let late = opened.send(&app, &late).await;
    assert_eq!((late.status, session_in(&late)), (422, None), "too late");
    assert!(late.body.contains("The page was open for too long."), "{}", late.body);
    let fails = trail(&app).await.iter().filter(|entry| entry.action == "sign_in_failed").count();
    assert_eq!(fails, 11, "each is recorded, but what guesses nothing");
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org")), ("throttle_account_free", json!(2))])]
async fn mf_13_an_account_that_may_not_be_used_is_not_signed_in_to_by_its_passkey(app: TestApp) {
    let ada = app.person("ada", "").await;
    let mut device = Authenticator::new(ORIGIN);
    add(&app, &ada, &mut device, "laptop").await;
    let opened = Opened::at(&app).await;
    app.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", ada.id())).await;
    assert!(is_refused(&opened.send(&app, &answer_to(&mut device, &opened.html)).await));
    assert!(trail(&app).await.last().unwrap().details.contains("inactive"));
    app.sql(&format!("UPDATE users SET is_active = TRUE WHERE id = {}", ada.id())).await;
    app.sql("DELETE FROM throttles").await;
    // Without the factor there is nothing that signs in, whatever was asked before.
    let shown = answer_to(&mut device, &opened.html);
    usher::operations::operator::remove_factors(&app.usher, "ada", "lost").await.unwrap();
    assert!(is_refused(&opened.send(&app, &shown).await));
    let cross = app.client.post("/sign-in/passkey").header(ContentType::Form).body("token=x");
    let cross = cross.header(Header::new("Sec-Fetch-Site", "cross-site")).dispatch().await;
    assert_eq!(cross.status().code, 403);
}
