//! What the owner of an account is told by mail about the ways into it.

use super::*;
use crate::app::PASSWORD;
use crate::console::{hidden, send_from};

const OLD: &str = "ada@example.org";

/// A message about an account, as one line of text.
fn words(message: &Received) -> String {
    message.text.replace("=\n", "").replace("=3D", "=")
}

/// That the last of so many messages is this one.
async fn told(sink: &Sink, count: usize, parts: &[&str]) {
    let received = sink.wait_for(count).await;
    assert_eq!(received.len(), count, "{received:#?}");
    let last = received.last().unwrap();
    assert_eq!(last.to, [OLD]);
    let text = words(last);
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("new@example.org") && !text.contains(PASSWORD), "{text}");
}

const NEW_PASSWORD_TOLD: &str = "Subject: Your password was changed";
const NEW_ADDRESS_TOLD: &str = "Subject: Your email address was changed";
const WHEN: &str = "When: 2026-03-01 09:00:00 UTC";

#[apply(on_both_with_mail)]
async fn pw_14_the_owner_is_told_of_another_password_by_any_author(app: TestApp, sink: Sink) {
    let (staff, ada) = (app.person("staff", "staff").await, with_address(&app, "ada", "", OLD).await);
    let record = format!("/v1/users/{}", ada.id());
    // The user, through the API and in the console.
    let body = json!({"current_password": PASSWORD, "new_password": "a wholly different phrase"});
    let request = app.request(Method::Post, "/v1/account/password", Some((&ada, By::Bearer)));
    let request = request.header(ContentType::JSON).header(Header::new("User-Agent", "curl/8.1"));
    let request = request.remote("192.0.2.7:4711".parse().unwrap()).body(body.to_string());
    assert_eq!(request.dispatch().await.status().code, 204);
    let who = "Your account ada has a new password.";
    told(&sink, 1, &[NEW_PASSWORD_TOLD, who, WHEN, "By: you\n", "From: 192.0.2.7, curl/8.1\n"]).await;
    let session = app.session(ada.user.id, usher::model::session::Credential::Cookie).await;
    let ada = Person { cookie: session.secret.to_text(), ..ada };
    let fields = [("current_password", "a wholly different phrase"), ("new_password", "yet another phrase")];
    let path = "/account/password";
    assert_eq!(send_from(&app, &ada, path, path, &fields).await.0.status, 303);
    told(&sink, 2, &[NEW_PASSWORD_TOLD, WHEN, "By: you\n"]).await;
    // Staff, through both, without where they are.
    let body = json!({"password": "given by another person"});
    let request = app.request(Method::Patch, &record, Some((&staff, By::Bearer))).header(ContentType::JSON);
    let request = request.remote("192.0.2.9:4711".parse().unwrap()).body(body.to_string());
    assert_eq!(request.dispatch().await.status().code, 200);
    told(&sink, 3, &[NEW_PASSWORD_TOLD, "By: an administrator\n"]).await;
    assert!(!sink.received()[2].text.contains("192.0.2.9") && !sink.received()[2].text.contains("staff"));
    let reset = format!("/users/{}/password", ada.id());
    let version = hidden(&page(&app, &staff, &reset).await.body, "version");
    let fields = [("version", version.as_str()), ("mode", "password"), ("password", "given once more")];
    assert_eq!(send_from(&app, &staff, &reset, &reset, &fields).await.0.status, 303);
    told(&sink, 4, &[NEW_PASSWORD_TOLD, "By: an administrator\n"]).await;
    // The holder of a link, which itself was sent.
    app.send(&staff, Method::Post, &format!("{record}/link"), &json!({})).await;
    let link = link_in(&sink.wait_for(5).await[4]);
    assert_eq!(redeem(&app, &link, NEW_PASSWORD).await, 303);
    told(&sink, 6, &[NEW_PASSWORD_TOLD, "By: the holder of a link", "/forgotten-password"]).await;
    // The operator.
    let wanted = usher::model::user::UserPatch { password: "by the operator".into(), ..Default::default() };
    let input = wanted.into_input(usher::model::user::InputMode::Part);
    usher::operations::operator::change_password(&app.usher, "ada", &input).await.unwrap();
    told(&sink, 7, &[NEW_PASSWORD_TOLD, "By: the operator\n"]).await;
}

#[apply(on_both_with_mail)]
async fn pw_14_the_owner_is_told_of_another_address_at_the_old_one(app: TestApp, sink: Sink) {
    let staff = app.person("staff", "staff").await;
    let change = json!({"email": "new@example.org"});
    let mut count = 0;
    for (name, own) in [("ada", true), ("bob", false)] {
        let user = with_address(&app, name, "", OLD).await;
        let record = format!("/v1/users/{}", user.id());
        let answer = if own {
            app.json(Method::Patch, "/v1/account", Some((&user, By::Cookie)), &change).await
        } else {
            app.send(&staff, Method::Patch, &record, &change).await
        };
        assert_eq!(answer.status, 200, "{}", answer.body);
        // One's own goes with a link to the new one.
        count += if own { 2 } else { 1 };
        let who = if own { "By: you\n" } else { "By: an administrator\n" };
        let received = sink.wait_for(count).await;
        let message =
            received.iter().rev().find(|message| message.to == [OLD]).expect("one to the old address");
        for part in [NEW_ADDRESS_TOLD, &format!("Your account {name} has a new email address."), WHEN, who] {
            assert!(words(message).contains(part), "{part}: {}", words(message));
        }
        assert!(!words(message).contains("new@example.org"), "{}", words(message));
        count = sink.received().len();
        // Names are nothing to be told of.
        app.send(&staff, Method::Patch, &record, &json!({"first_name": "Ada"})).await;
        app.send(&staff, Method::Patch, &record, &json!({"email": "new@Example.ORG"})).await;
    }
    let bare = app.person("bare", "").await;
    app.send(&staff, Method::Patch, &format!("/v1/users/{}", bare.id()), &change).await;
    assert_eq!(sink.wait_for(count).await.len(), count, "there was no address to tell it at");
}

/// Signs in as a browser does; the mark by which it is known afterwards.
async fn sign_in(app: &TestApp, known: Option<&str>) -> String {
    let opened = app.client.get("/sign-in").dispatch().await;
    let pre = opened.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie").value().to_owned();
    let form = token(&opened.into_string().await.unwrap());
    let body = format!("username=ada&password={}&token={form}", PASSWORD.replace(' ', "+"));
    let request = app.client.post("/sign-in").header(ContentType::Form).body(body);
    let request = request.header(Header::new("User-Agent", "Mozilla/5.0 (X11; Linux) Firefox/140.0"));
    let request = request.remote("192.0.2.7:4711".parse().unwrap());
    let mut request = request.header(cookie_header("__Host-pre-0a1b2c3d", &pre));
    if let Some(known) = known {
        request = request.header(cookie_header("__Host-known-0a1b2c3d", known));
    }
    let answer = request.dispatch().await;
    assert_eq!(answer.status().code, 303);
    answer.cookies().get("__Host-known-0a1b2c3d").expect("a mark").value().to_owned()
}

#[apply(on_both_with_mail)]
async fn pw_14_the_owner_is_told_of_a_sign_in_by_a_browser_that_is_new(app: TestApp, sink: Sink) {
    with_address(&app, "ada", "", OLD).await;
    let known = sign_in(&app, None).await;
    // The first sign-in of all, a known browser and a program are not told of.
    sign_in(&app, Some(&known)).await;
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    sign_in(&app, None).await;
    let what = "Your account ada was signed in to by a browser that was not known before.";
    let place = "From: 192.0.2.7, Firefox on Linux";
    told(&sink, 1, &["Subject: New sign-in to your account", what, WHEN, "By: you", place]).await;
    sign_in(&app, Some("forged")).await;
    told(&sink, 2, &["Subject: New sign-in to your account", "/forgotten-password"]).await;
}

#[apply(on_both_with_mail)]
async fn pw_14_a_mail_server_that_is_away_stops_no_change(app: TestApp, sink: Sink) {
    let (staff, ada) = (app.person("staff", "staff").await, with_address(&app, "ada", "", OLD).await);
    sink.stop().await;
    let body = json!({"password": "a wholly different phrase", "email": "new@example.org"});
    let answer = app.send(&staff, Method::Patch, &format!("/v1/users/{}", ada.id()), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(app.obtain("ada", "a wholly different phrase").await.status, 200);
}

#[apply(on_both_with_mail)]
async fn mf_6_the_owner_is_told_of_a_second_factor_and_of_recovery_codes(app: TestApp, sink: Sink) {
    let ada = with_address(&app, "ada", "", OLD).await;
    let phone = crate::second_factor::enrol(&app, &ada, "phone").await;
    told(&sink, 1, &["Subject: A second factor was added", "Your account ada has another second factor."])
        .await;
    assert_eq!(crate::second_factor::obtain(&app, "ada", &phone.recovery_codes[0]).await.status, 200);
    told(&sink, 2, &["Subject: A recovery code was used", "By: you\n"]).await;
    assert_eq!(crate::second_factor::obtain(&app, "ada", &phone.next_code(&app)).await.status, 200);
    let security = "/account/security";
    send_from(&app, &ada, security, "/account/security/codes", &[]).await;
    told(&sink, 3, &["Subject: New recovery codes were made"]).await;
    let html = page(&app, &ada, security).await.body;
    let path =
        html.split("action=\"").find(|part| part.contains("/remove\"")).unwrap().split('"').next().unwrap();
    assert_eq!(send_from(&app, &ada, security, path, &[]).await.0.status, 303);
    told(&sink, 4, &["Subject: A second factor was removed", "has lost a second factor."]).await;
}
