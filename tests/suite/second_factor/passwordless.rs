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

/// A user who has no password, in a browser, with their device.
async fn without_password(app: &TestApp, name: &str) -> (Person, Authenticator) {
    let person = app.person(name, "staff").await;
    let mut device = Authenticator::new(ORIGIN);
    add(app, &person, &mut device, "laptop").await;
    let html = page(app, &person, "/account/security").await.body;
    assert!(html.contains("Remove the password"), "{html}");
    let (removed, message) =
        send(app, &person, "/account/password/remove", &[("token", &token(&html))]).await;
    assert_eq!(removed.status, 303, "{}", removed.body);
    assert_eq!(message, "Removed your password. Other devices and API tokens were signed out.");
    (person, device)
}

/// What the script puts into the form that asks for the password again.
async fn again(app: &TestApp, person: &Person, device: &mut Authenticator) -> String {
    let question = page(app, person, "/account/security/passkey").await.json();
    super::passkeys::answer(device, question["state"].as_str().expect("a question"), &question["options"])
}

async fn forget(app: &TestApp) {
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_13_an_account_without_a_password_is_confirmed_by_its_passkey_alone(app: TestApp) {
    let (ada, mut device) = without_password(&app, "ada").await;
    assert_eq!(code_of(&app.obtain("ada", PASSWORD).await), (401, Value::Null));
    assert!(!page(&app, &ada, "/account/security").await.body.contains("Remove the password"));
    // Each form asks for the passkey, and for nothing else.
    for (path, fields) in [
        ("/account/tokens", vec![("name", "script"), ("expires_in_days", "30")]),
        ("/account/security/codes", vec![]),
    ] {
        forget(&app).await;
        let html = page(&app, &ada, path).await.body;
        assert!(html.contains("Your passkey</p>") && !html.contains("name=\"current_password\""), "{html}");
        let form = token(&html);
        let post = async |shown: &str| {
            let mut fields = fields.clone();
            fields.extend([("token", form.as_str()), ("current_code", shown)]);
            send(&app, &ada, path, &fields).await.0
        };
        let missing = post("").await;
        assert!(
            missing.status == 422 && missing.body.contains("Use your passkey to go on."),
            "{}",
            missing.body
        );
        let wrong = post("000000").await;
        assert!(wrong.status == 422 && wrong.body.contains("This"), "{}", wrong.body);
        let shown = again(&app, &ada, &mut device).await;
        let done = post(&shown).await;
        assert_eq!(done.status, 200, "{path}: {}", done.body);
        forget(&app).await;
        assert_eq!(post(&shown).await.status, 422, "{path}: once");
        app.sql("DELETE FROM throttles").await;
    }
    // By the API, too: sessions, and another factor.
    forget(&app).await;
    let other = app.session(ada.user.id, usher::model::session::Credential::Cookie).await;
    app.sql("UPDATE sessions SET second_factor = TRUE").await;
    let other = Person { cookie: other.secret.to_text(), ..ada.clone() };
    let by_cookie =
        async |method, path: &str, body: Value| app.json(method, path, Some((&ada, By::Cookie)), &body).await;
    let refused = by_cookie(Method::Delete, "/v1/account/sessions", json!({})).await;
    assert_eq!(refused.json()["code"], json!("confirmation_required"));
    let shown = again(&app, &ada, &mut device).await;
    let confirmed = by_cookie(Method::Post, "/v1/account/confirm", json!({"otp": shown})).await;
    assert_eq!(confirmed.status, 204, "{}", confirmed.body);
    assert_eq!(by_cookie(Method::Delete, "/v1/account/sessions", json!({})).await.status, 204);
    assert!(!app.is_signed_in(&other, By::Cookie).await);
    let phone = enrol(&app, &ada, "phone").await;
    // Neither its codes nor a recovery code stand for the passkey.
    forget(&app).await;
    for code in [phone.next_code(&app), "000000".to_owned(), String::new()] {
        let refused = by_cookie(Method::Post, "/v1/account/confirm", json!({"otp": code})).await;
        assert_eq!(refused.status, 400, "{code}: {}", refused.body);
    }
    let entries = trail(&app).await;
    assert!(entries.iter().any(|entry| entry.action == "password_removed"));
    let confirmed: Vec<_> = entries.iter().filter(|entry| entry.action == "password_confirmed").collect();
    assert!(confirmed.iter().all(|entry| entry.details.contains("passkey laptop")), "{confirmed:?}");
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_13_without_a_password_nothing_less_than_a_verified_user_confirms(app: TestApp) {
    let (ada, mut device) = without_password(&app, "ada").await;
    let bob = app.person("bob", "").await;
    let mut key = Authenticator::new(ORIGIN);
    add(&app, &bob, &mut key, "key").await;
    forget(&app).await;
    let confirm = async |person: &Person, body: Value| {
        app.json(Method::Post, "/v1/account/confirm", Some((person, By::Cookie)), &body).await
    };
    device.flags = PRESENT;
    let shown = again(&app, &ada, &mut device).await;
    assert_eq!(confirm(&ada, json!({"otp": shown})).await.status, 400, "no PIN");
    device.flags = PRESENT | VERIFIED;
    let mut strange = Authenticator::new(ORIGIN);
    strange.handle = device.handle.clone();
    let shown = again(&app, &ada, &mut strange).await;
    assert_eq!(confirm(&ada, json!({"otp": shown})).await.status, 400, "another device");
    let opened = Opened::at(&app).await;
    let shown = answer_to(&mut device, &opened.html);
    assert_eq!(confirm(&ada, json!({"otp": shown})).await.status, 400, "the question of the sign-in page");
    app.sql("DELETE FROM throttles").await;
    // Of a user with a password the passkey alone is not enough.
    let shown = again(&app, &bob, &mut key).await;
    for body in
        [json!({"otp": shown}), json!({"otp": shown, "password": ""}), json!({"otp": shown, "password": "x"})]
    {
        assert_eq!(confirm(&bob, body.clone()).await.status, 400, "{body}");
    }
    // A session that was there before a password is confirmed by the password from then on.
    assert_eq!(confirm(&ada, json!({"password": PASSWORD})).await.status, 400);
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_13_an_account_without_a_password_keeps_a_way_in_and_chooses_a_password_again(app: TestApp) {
    let cara = app.person("cara", "").await;
    let html = page(&app, &cara, "/account/security").await.body;
    let refused = send(&app, &cara, "/account/password/remove", &[("token", &token(&html))]).await.0;
    assert!(refused.status == 422 && refused.body.contains("Add a passkey first"), "{}", refused.body);
    let by_api =
        app.json(Method::Delete, "/v1/account/password", Some((&cara, By::Cookie)), &json!({})).await;
    assert_eq!(by_api.status, 400, "{}", by_api.body);
    let (ada, mut device) = without_password(&app, "ada").await;
    let factors = async || {
        Answer::of(app.request(Method::Get, "/v1/account/factors", Some((&ada, By::Cookie))).dispatch().await)
            .await
            .json()["factors"]
            .clone()
    };
    let remove = async |id: &Value| {
        let path = format!("/v1/account/factors/{id}");
        app.json(Method::Delete, &path, Some((&ada, By::Cookie)), &json!({})).await
    };
    enrol(&app, &ada, "phone").await;
    let listed = factors().await;
    let last = remove(&listed[0]["id"]).await;
    assert!(last.status == 400 && last.body.contains("Choose a password first"), "{}", last.body);
    assert_eq!(remove(&listed[1]["id"]).await.status, 204, "an app signs no user in here");
    let mut second = Authenticator::new(ORIGIN);
    second.handle = device.handle.clone();
    add(&app, &ada, &mut second, "key").await;
    assert_eq!(remove(&listed[0]["id"]).await.status, 204, "another passkey is left");
    device = second;
    let check = format!("/v1/users/{}/sign-in-check", ada.id());
    let told =
        Answer::of(app.request(Method::Get, &check, Some((&ada, By::Cookie))).dispatch().await).await.json();
    assert_eq!(told["can_sign_in"], json!(true), "{told}");
    // Another password, by the passkey.
    forget(&app).await;
    let html = page(&app, &ada, "/account/password").await.body;
    assert!(html.contains("<h1>Choose a password</h1>") && !html.contains("current_password"), "{html}");
    let form = token(&html);
    let choose = async |shown: &str| {
        let fields = [
            ("token", form.as_str()),
            ("current_code", shown),
            ("new_password", "a wholly different phrase"),
        ];
        send(&app, &ada, "/account/password", &fields).await.0
    };
    let missing = choose("").await;
    assert!(missing.status == 422 && missing.body.contains("Use your passkey to go on."), "{}", missing.body);
    let shown = again(&app, &ada, &mut device).await;
    assert_eq!(choose(&shown).await.status, 303);
    let answer = app.obtain("ada", "a wholly different phrase").await;
    assert_eq!(code_of(&answer), (401, json!("second_factor_required")));
}
