//! Passkeys as a second factor.

use rocket::futures::future::join_all;
use usher::operations::operator;

use super::authenticator::{Authenticator, BACKED_UP, ELIGIBLE, PRESENT, encode};
use super::*;
use crate::own_credentials::{denied, verdict};

pub(crate) const ORIGIN: &str = "https://users.example.org";
pub(crate) const ADD_PASSKEY: &str = "/account/security/add-passkey";
const ASK: &str = "/account/security/passkey";

/// The question in a page: what the script hands to the browser.
pub(crate) fn options_in(html: &str) -> Value {
    let text = html.split("data-options=\"").nth(1).expect("a question");
    let text = text.replace("&quot;", "\"").replace("&#x2F;", "/");
    serde_json::Deserializer::from_str(&text).into_iter().next().expect("JSON").expect("JSON")
}

/// What the script sends where a code is asked for.
pub(crate) fn answer(device: &mut Authenticator, state: &str, options: &Value) -> String {
    format!("passkey.{state}.{}", encode(device.get(options).to_string()))
}

/// The same for the question in a page.
pub(crate) fn answer_to(device: &mut Authenticator, html: &str) -> String {
    let state = html.split("data-state=\"").nth(1).expect("a state").split('"').next().unwrap();
    answer(device, state, &options_in(html))
}

/// Adds a passkey in the console.
pub(crate) async fn try_to_add(
    app: &TestApp,
    who: &Person,
    device: &mut Authenticator,
    name: &str,
) -> Answer {
    let html = page(app, who, ADD_PASSKEY).await.body;
    let (made, state, form) = (device.create(&options_in(&html)), hidden(&html, "state"), token(&html));
    let made = made.to_string();
    let fields = [("token", form.as_str()), ("state", &state), ("name", name), ("passkey", &made)];
    send(app, who, ADD_PASSKEY, &fields).await.0
}

/// The same, with the recovery codes that come with the first factor.
pub(crate) async fn add(app: &TestApp, who: &Person, device: &mut Authenticator, name: &str) -> Vec<String> {
    let added = try_to_add(app, who, device, name).await;
    assert!([200, 303].contains(&added.status), "{}", added.body);
    codes_in(&added.body)
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_11_a_passkey_is_added_and_asked_for_after_the_password(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let mut device = Authenticator::new(ORIGIN);
    let codes = add(&app, &ada, &mut device, "laptop").await;
    assert_eq!(codes.len(), 10, "with the first factor, whichever kind it is");
    let listed = app.json(Method::Get, "/v1/account/factors", Some((&ada, By::Cookie)), &json!({})).await;
    let factor = &listed.json()["factors"][0];
    assert_eq!((&factor["kind"], &factor["name"]), (&json!("passkey"), &json!("laptop")));
    assert_eq!(factor["last_used_at"], Value::Null);
    let half = first_step(&app, "ada", PASSWORD, "/users").await;
    assert_eq!((half.answer.status, session_in(&half.answer)), (200, None));
    let options = options_in(&half.answer.body);
    assert_eq!(options["allowCredentials"][0]["id"], json!(encode(&device.id)));
    assert_eq!(options["allowCredentials"][0]["transports"], json!(["internal", "hybrid"]));
    assert_eq!(
        (&options["rpId"], &options["userVerification"]),
        (&json!("users.example.org"), &json!("preferred"))
    );
    // A device that only notices its user is enough beside the password.
    device.flags = PRESENT;
    let shown = answer_to(&mut device, &half.answer.body);
    let signed_in = half.show(&app, &shown).await;
    assert_eq!((signed_in.status, signed_in.header("Location")), (303, Some("/users")), "{}", signed_in.body);
    let cookie = session_in(&signed_in).expect("a session");
    assert!(app.is_signed_in(&Person { cookie, ..ada.clone() }, By::Cookie).await);
    let html = page(&app, &ada, "/account/security").await.body;
    assert!(html.contains("<td data-l=\"Kind\">Passkey</td>") && !html.contains("Never"), "{html}");
    let entries = trail(&app).await;
    assert!(entries.iter().any(|entry| entry.details.contains("\"second_factor\":\"passkey laptop\"")));
    assert!(entries.iter().any(|entry| entry.details.contains("\"kind\":\"passkey\"")));
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_11_a_recovery_code_stands_for_a_passkey_without_scripts_and_for_programs(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let mut device = Authenticator::new(ORIGIN);
    let codes = add(&app, &ada, &mut device, "").await;
    let asked = app.obtain("ada", PASSWORD).await;
    assert_eq!(code_of(&asked), (401, json!("second_factor_required")));
    assert_eq!(obtain(&app, "ada", &codes[0]).await.status, 200);
    assert_eq!(code_of(&obtain(&app, "ada", &codes[0]).await), (401, json!("second_factor_wrong")));
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    for part in ["<noscript>", "name=\"code\" type=\"text\"", "a recovery code"] {
        assert!(half.answer.body.contains(part), "{part}: {}", half.answer.body);
    }
    assert_eq!(half.show(&app, &codes[1]).await.status, 303);
    // An answer that a browser got is none for a program.
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    let shown = answer_to(&mut device, &half.answer.body);
    assert_eq!(code_of(&obtain(&app, "ada", &shown).await), (401, json!("second_factor_wrong")));
    // Wrong codes do not keep the passkey out.
    app.sql("DELETE FROM throttles").await;
    for _ in 0..5 {
        assert_eq!(half.show(&app, "000000").await.status, 422);
    }
    let shown = answer_to(&mut device, &half.answer.body);
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(half.show(&app, &shown).await.status, 303);
}

#[apply(on_both)]
#[with([
    ("public_origin", json!("https://users.example.org")),
    ("throttle_account_free", json!(200)),
    ("throttle_address_burst", json!(1000)),
])]
async fn mf_11_of_a_hundred_tries_with_one_answer_on_two_instances_one_is_accepted(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    for count in [1, 0] {
        let mut device = Authenticator::new(ORIGIN);
        device.count = count;
        add(&app, &ada, &mut device, &format!("counting from {count}")).await;
        let settings = [
            ("public_origin", json!(ORIGIN)),
            ("throttle_account_free", json!(200)),
            ("throttle_address_burst", json!(1000)),
        ];
        let other = app.another_instance_with(&settings).await;
        let half = first_step(&app, "ada", PASSWORD, "/").await;
        let shown = answer_to(&mut device, &half.answer.body);
        let tries = (0..100).map(|number| half.show([&app, &other][number % 2], &shown));
        let statuses: Vec<u16> = join_all(tries).await.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{count}: {statuses:?}");
        assert!(statuses.iter().all(|status| [303, 422, 503].contains(status)), "{statuses:?}");
        app.sql("DELETE FROM throttles").await;
    }
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_11_an_answer_is_good_for_what_it_was_asked_for_only(app: TestApp) {
    let (ada, bob) = (app.person("ada", "").await, app.person("bob", "").await);
    let [mut device, mut theirs] = [Authenticator::new(ORIGIN), Authenticator::new(ORIGIN)];
    add(&app, &ada, &mut device, "").await;
    add(&app, &bob, &mut theirs, "").await;
    let half = first_step(&app, "ada", PASSWORD, "/").await;
    let refused = async |code: &str, what: &str| {
        let answer = half.show(&app, code).await;
        assert_eq!((answer.status, session_in(&answer)), (422, None), "{what}");
        assert!(answer.body.contains("This passkey was not accepted."), "{what}: {}", answer.body);
        app.sql("DELETE FROM throttles").await;
    };
    refused(&answer_to(&mut theirs, &half.answer.body), "of another user").await;
    let other = first_step(&app, "ada", PASSWORD, "/").await;
    refused(&answer_to(&mut device, &other.answer.body), "of another browser").await;
    let confirming = page(&app, &ada, ASK).await.body;
    let question: Value = serde_json::from_str(&confirming).unwrap();
    let state = question["state"].as_str().unwrap();
    refused(&answer(&mut device, state, &question["options"]), "for another purpose").await;
    let adding = page(&app, &ada, ADD_PASSKEY).await.body;
    let mut options = options_in(&half.answer.body);
    options["challenge"] = options_in(&adding)["challenge"].clone();
    refused(&answer(&mut device, &hidden(&adding, "state"), &options), "of a registration").await;
    options["challenge"] = json!(encode([0; 32]));
    let state = half.answer.body.split("data-state=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    refused(&answer(&mut device, &state, &options), "a challenge of its own").await;
    "https://users.example.com".clone_into(&mut device.origin);
    refused(&answer_to(&mut device, &half.answer.body), "of another page").await;
    ORIGIN.clone_into(&mut device.origin);
    for nonsense in ["passkey.", "passkey.a.b", "passkey..", &format!("passkey.{state}.e30")] {
        refused(nonsense, nonsense).await;
    }
    let late = answer_to(&mut device, &half.answer.body);
    app.clock.advance(Duration::from_mins(10));
    assert_eq!(half.show(&app, &late).await.status, 422);
    let fresh = first_step(&app, "ada", PASSWORD, "/").await;
    assert_eq!(fresh.show(&app, &answer_to(&mut device, &fresh.answer.body)).await.status, 303);
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_6_a_passkey_is_added_with_the_password_and_once(app: TestApp) {
    let (ada, bob) = (app.person("ada", "").await, app.person("bob", "").await);
    let mut device = Authenticator::new(ORIGIN);
    app.sql(&format!("UPDATE sessions SET confirmed_at = 0 WHERE user_id = {}", ada.id())).await;
    let html = page(&app, &ada, ADD_PASSKEY).await.body;
    assert!(html.contains("name=\"current_password\""), "{html}");
    let options = options_in(&html);
    assert_eq!((&options["attestation"], &options["excludeCredentials"]), (&json!("none"), &json!([])));
    let (made, state, form) = (device.create(&options).to_string(), hidden(&html, "state"), token(&html));
    let attempt = async |made: &str, password: &str| {
        let fields =
            [("token", form.as_str()), ("state", &state), ("passkey", made), ("current_password", password)];
        send(&app, &ada, ADD_PASSKEY, &fields).await.0
    };
    let kept = format!("name=\"passkey\" value=\"{}", &made.replace('"', "&quot;")[..40]);
    for (password, message) in [("", "Enter your password to go on."), ("wrong", "password is wrong")] {
        let refused = attempt(&made, password).await;
        assert!(refused.status == 422 && refused.body.contains(message), "{password}: {}", refused.body);
        assert!(refused.body.contains(&kept), "the device is not asked again: {}", refused.body);
    }
    let refused = attempt("{}", PASSWORD).await;
    assert!(refused.status == 422 && refused.body.contains("The passkey was not added"), "{}", refused.body);
    assert!(!app.stored(ada.id()).await.has_factor, "nothing is stored before");
    let added = attempt(&made, "").await;
    assert_eq!((added.status, codes_in(&added.body).len()), (200, 10), "{}", added.body);
    let again = attempt(&made, "").await;
    assert!(again.status == 422 && again.body.contains("There is a factor of that name"), "{}", again.body);
    let handle = options["user"]["id"].clone();
    let html = page(&app, &ada, ADD_PASSKEY).await.body;
    let options = options_in(&html);
    assert_eq!(options["user"]["id"], handle, "authenticators know the user by one name");
    assert_eq!(options["excludeCredentials"][0]["id"], json!(encode(&device.id)));
    // The same credential again, of the same user and of another one; and the question of another session.
    for who in [&ada, &bob] {
        let again = try_to_add(&app, who, &mut device, "again").await;
        assert!(again.status == 422 && again.body.contains("registered already"), "{}", again.body);
    }
    let stolen = page(&app, &bob, ADD_PASSKEY).await.body;
    let fields = [("token", form.as_str()), ("state", &hidden(&stolen, "state")), ("passkey", &made)];
    let refused = send(&app, &ada, ADD_PASSKEY, &fields).await.0;
    assert!(refused.status == 422 && refused.body.contains("open for a long time"), "{}", refused.body);
    assert!(!app.stored(bob.id()).await.has_factor);
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_7_the_password_is_given_again_with_a_passkey(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    assert_eq!(page(&app, &ada, ASK).await.body, "null");
    let mut device = Authenticator::new(ORIGIN);
    let codes = add(&app, &ada, &mut device, "laptop").await;
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    let html = page(&app, &ada, "/account/security/codes").await.body;
    assert!(html.contains("data-ask=\"/account/security/passkey\"") && html.contains("or a recovery code"));
    let try_with = async |code: &str| {
        let fields =
            [("token", token(&html)), ("current_password", PASSWORD.into()), ("current_code", code.into())];
        let fields = fields.each_ref().map(|(name, value): &(&str, String)| (*name, value.as_str()));
        send(&app, &ada, "/account/security/codes", &fields).await.0
    };
    let question: Value = serde_json::from_str(&page(&app, &ada, ASK).await.body).unwrap();
    let shown = answer(&mut device, question["state"].as_str().unwrap(), &question["options"]);
    let made = try_with(&shown).await;
    assert_eq!((made.status, codes_in(&made.body).len()), (200, 10), "{}", made.body);
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    assert_eq!(try_with(&shown).await.status, 422, "once");
    assert_eq!(try_with(&codes[0]).await.status, 422, "the codes from before are no longer good");
    assert_eq!(try_with(&codes_in(&made.body)[0]).await.status, 200, "without scripts by a recovery code");
    let entries = trail(&app).await;
    let confirmed = entries.iter().find(|entry| entry.action == "password_confirmed").unwrap();
    assert!(confirmed.details.contains("\"second_factor\":\"passkey laptop\""), "{}", confirmed.details);
    let failed = entries.iter().find(|entry| entry.action == "password_confirmation_failed").unwrap();
    assert!(failed.details.contains("passkey_used_before"), "{}", failed.details);
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_8_a_passkey_is_removed_as_any_factor(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "staff").await);
    let mut device = Authenticator::new(ORIGIN);
    let codes = add(&app, &ada, &mut device, "laptop").await;
    let own = app.json(Method::Get, "/v1/account/factors", Some((&ada, By::Cookie)), &json!({})).await;
    let id = own.json()["factors"][0]["id"].clone();
    let path = format!("/v1/account/factors/{id}");
    let by_token = app.json(Method::Delete, &path, Some((&ada, By::Bearer)), &json!({})).await;
    assert_eq!(by_token.status, 401, "the tokens from before are over");
    app.sql(&format!("UPDATE sessions SET confirmed_at = 0 WHERE user_id = {}", ada.id())).await;
    let unconfirmed = app.json(Method::Delete, &path, Some((&ada, By::Cookie)), &json!({})).await;
    assert_eq!(verdict(&unconfirmed), denied("confirmation_required"));
    let checked = app.get(&root, &format!("/v1/users/{}/sign-in-check", ada.id())).await;
    assert!(checked.body.contains("a passkey or a code"), "{}", checked.body);
    let path = format!("/v1/users/{}/factors", ada.id());
    let listed = app.get(&root, &path).await;
    assert_eq!(listed.json()["factors"][0]["kind"], json!("passkey"), "{}", listed.body);
    let body = json!({"reason": "lost"});
    let removed = app.json(Method::Delete, &path, Some((&root, By::Cookie)), &body).await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    assert!(!app.is_signed_in(&ada, By::Cookie).await);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "the password alone signs in");
    assert_eq!(app.obtain("ada", &codes[0]).await.status, 401);
    // It may be added again, and the operator removes it, too.
    let cookie = app.session(ada.user.id, usher::model::session::Credential::Cookie).await;
    let ada = Person { cookie: cookie.secret.to_text(), ..ada };
    add(&app, &ada, &mut device, "laptop").await;
    assert_eq!(operator::remove_factors(&app.usher, "ada", "lost").await.unwrap().len(), 1);
    assert!(!app.stored(ada.id()).await.has_factor);
    let left: (i64,) =
        app.usher.db.optional(usher::db::Sql::new("SELECT count(*) FROM passkeys")).await.unwrap().unwrap();
    assert_eq!(left.0, 0);
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn mf_11_a_passkey_moves_to_either_database_with_all_that_is_known_of_it(app: TestApp) {
    let ada = app.person("ada", "").await;
    let mut device = Authenticator::new(ORIGIN);
    device.flags |= ELIGIBLE | BACKED_UP;
    add(&app, &ada, &mut device, "laptop").await;
    for backend in [crate::Backend::Sqlite, crate::Backend::Postgres] {
        let (url, directory) = crate::app::fresh(backend).await;
        let done = crate::import::usher(&app, &["copy", "--to", &url]).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let copy = TestApp::at(url, directory).await;
        let there = copy.another_instance_with(&[("public_origin", json!(ORIGIN))]).await;
        let half = first_step(&there, "ada", PASSWORD, "/").await;
        let signed_in = half.show(&there, &answer_to(&mut device, &half.answer.body)).await;
        assert_eq!(signed_in.status, 303, "{backend:?}: {}", signed_in.body);
        let again = try_to_add(&app, &ada, &mut device, "again").await;
        assert!(again.status == 422 && again.body.contains("registered already"), "{}", again.body);
    }
}

#[apply(on_both)]
async fn mf_11_without_a_name_and_tls_there_are_no_passkeys_and_the_page_says_why(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let html = page(&app, &ada, ADD_PASSKEY).await.body;
    assert!(
        html.contains("The operator sets it as public_origin.") && !html.contains("data-options"),
        "{html}"
    );
    assert!(!page(&app, &ada, "/account/security").await.body.contains(ADD_PASSKEY));
    let fields = [("token", token(&html)), ("state", "x".to_owned()), ("passkey", "{}".to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(send(&app, &ada, ADD_PASSKEY, &fields).await.0.status, 422);
}
