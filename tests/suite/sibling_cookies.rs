//! What a sibling host can plant in a browser: cookies whose names look like ours once they are decoded, and
//! second ones of our names.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rocket::http::{ContentType, Header, Method};
use usher::model::session::Credential;

use crate::app::{Answer, By, Person, TestApp};
use crate::console::token;

/// Asks with this header of cookies.
async fn get(app: &TestApp, path: &str, cookies: &str) -> Answer {
    let request = app.client.get(path.to_owned()).header(Header::new("Cookie", cookies.to_owned()));
    Answer::of(request.dispatch().await).await
}

/// Sends the form to sign in.
async fn sign_in(app: &TestApp, token: &str, cookies: &str) -> Answer {
    let request = app.client.post("/sign-in").header(ContentType::Form);
    let request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
    let request = request.header(Header::new("Cookie", cookies.to_owned()));
    Answer::of(request.body(format!("username=ada&password=x&token={token}")).dispatch().await).await
}

const NO_COOKIE: &str = "Your browser sent no cookie back";

#[apply(on_both)]
async fn se_3_a_cookie_whose_name_is_encoded_stands_in_for_none_of_ours(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    for name in [
        "%5F%5FHost-sid-0a1b2c3d",
        "_%5fHost-sid-0a1b2c3d",
        "__Host%2Dsid-0a1b2c3d",
        "__Host-si%64-0a1b2c3d",
        "__host-sid-0a1b2c3d",
        "sid-0a1b2c3d",
    ] {
        let cookies = format!("{name}={}", staff.cookie);
        let answer = get(&app, "/v1/account", &cookies).await;
        assert_eq!(answer.status, 401, "{name}: {}", answer.body);
        let page = get(&app, "/users", &cookies).await;
        assert_eq!((page.status, page.header("Location")), (303, Some("/sign-in?next=%2Fusers")), "{name}");
        // Nor does it hide the real one.
        for cookies in [
            format!("{name}={}; __Host-sid-0a1b2c3d={}", other.cookie, staff.cookie),
            format!("__Host-sid-0a1b2c3d={}; {name}={}", staff.cookie, other.cookie),
        ] {
            let account = get(&app, "/v1/account", &cookies).await;
            assert_eq!(account.json()["username"], "staff", "{cookies}");
            let page = get(&app, "/account", &cookies).await;
            assert!(page.status == 200 && page.body.contains("staff"), "{cookies}: {}", page.body);
        }
    }
    // The cookie before a session: a form of the attacker's is not the browser's.
    let form = token(&get(&app, "/sign-in", "__Host-pre-0a1b2c3d=planted").await.body);
    assert!(!sign_in(&app, &form, "__Host-pre-0a1b2c3d=planted").await.body.contains(NO_COOKIE));
    assert!(sign_in(&app, &form, "%5F%5FHost-pre-0a1b2c3d=planted").await.body.contains(NO_COOKIE));
    // The way back to the list.
    let list = "%2Fusers%3Fq%3Dplanted";
    let path = format!("/users/{}", other.id());
    for (prefix, is_read) in [("__Host-", true), ("%5F%5FHost-", false)] {
        let cookies = format!("__Host-sid-0a1b2c3d={}; {prefix}list-0a1b2c3d={list}", staff.cookie);
        let page = get(&app, &path, &cookies).await;
        assert_eq!(page.body.contains("q=planted"), is_read, "{}", page.body);
    }
}

#[apply(on_both)]
async fn se_3_of_two_session_cookies_none_counts_and_the_page_says_so(app: TestApp) {
    const UNCLEAR: &str = "Your browser sends two cookies of the same name";
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    for (one, two) in [(&staff, &other), (&other, &staff), (&staff, &staff)] {
        let cookies = format!("__Host-sid-0a1b2c3d={}; __Host-sid-0a1b2c3d={}", one.cookie, two.cookie);
        let answer = get(&app, "/v1/account", &cookies).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &"several_session_cookies".into()));
        let mut request = app.request(Method::Get, "/v1/account", Some((one, By::Cookie)));
        request.add_header(Header::new("Cookie", format!("__Host-sid-0a1b2c3d={}", two.cookie)));
        assert_eq!(request.dispatch().await.status().code, 401, "also in a header of its own");
        let led = get(&app, "/users", &cookies).await;
        assert_eq!(led.status, 303, "{}", led.body);
        let page = get(&app, led.header("Location").unwrap(), &cookies).await;
        assert!(page.body.contains(UNCLEAR), "{}", page.body);
    }
    assert!(app.is_signed_in(&staff, By::Cookie).await, "the session itself goes on");
    let form = token(&get(&app, "/sign-in", "__Host-pre-0a1b2c3d=own").await.body);
    let refused = sign_in(&app, &form, "__Host-pre-0a1b2c3d=own; __Host-pre-0a1b2c3d=planted").await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains(UNCLEAR), "{}", refused.body);
    assert!(!get(&app, "/sign-in", "other=a; other=b").await.body.contains(UNCLEAR));
}

/// The cookie with the message of a form that a person has just sent.
async fn message_of(app: &TestApp, who: &Person, stands_on: &str, path: &str) -> String {
    let form = token(&get(app, stands_on, &format!("__Host-sid-0a1b2c3d={}", who.cookie)).await.body);
    let request = app.request(Method::Post, path, Some((who, By::Cookie))).header(ContentType::Form);
    let response = request.body(format!("token={form}")).dispatch().await;
    response.cookies().get("__Host-flash-0a1b2c3d").expect("a message").value().to_owned()
}

#[apply(on_both)]
async fn cs_5_a_message_is_shown_only_in_the_session_that_it_was_made_in(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    let ada = app.person("ada", "").await;
    let user = format!("/users/{}", ada.id());
    let shown = async |who: &Person, flash: &str| {
        let cookies = format!("__Host-sid-0a1b2c3d={}; __Host-flash-0a1b2c3d={flash}", who.cookie);
        get(&app, &user, &cookies).await.body.replace("&#x2F;", "/")
    };
    let message = message_of(&app, &staff, &user, &format!("{user}/deactivate")).await;
    for (who, is_shown) in [(&other, false), (&staff, true)] {
        let html = shown(who, &message).await;
        assert_eq!(html.contains("ada was deactivated and signed out of 2 devices."), is_shown, "{html}");
        assert_eq!(html.contains("<button>Undo</button></form></div>"), is_shown, "{html}");
    }
    let again = app.session(staff.user.id, Credential::Cookie).await.secret.to_text();
    let same_user = Person { cookie: again, ..staff.clone() };
    assert!(!shown(&same_user, &message).await.contains("Signed out of 2 devices."), "another session");
    let decoded = URL_SAFE_NO_PAD.decode(&message).unwrap();
    // The code comes first, in 32 bytes.
    let json = &decoded[32..];
    let altered = String::from_utf8(json.to_vec()).unwrap().replace("Deactivated", "Planted words");
    let signed_otherwise = [&decoded[..32], altered.as_bytes()].concat();
    for planted in [
        // As it was before messages were signed, with the address of a button.
        format!(r#"{{"text":"Planted words","undo":"/users/{}/deactivate"}}"#, other.id()).into_bytes(),
        altered.clone().into_bytes(),
        signed_otherwise,
    ] {
        let html = shown(&staff, &URL_SAFE_NO_PAD.encode(planted)).await;
        assert!(!html.contains("Planted words"), "{html}");
    }
}

#[apply(on_both)]
async fn cs_5_no_message_is_shown_where_nobody_is_signed_in(app: TestApp) {
    let planted = URL_SAFE_NO_PAD.encode(r#"{"text":"Planted words","undo":null}"#);
    let page = get(&app, "/sign-in", &format!("__Host-flash-0a1b2c3d={planted}")).await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("Planted words"), "{}", page.body);
}
