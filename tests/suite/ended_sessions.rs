//! A form that is sent after its session has ended: nothing that was typed is lost.

use rocket::http::{ContentType, Header, Method};

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::console::{hidden, page, send, token};

/// Sends a form without a session, from a page of this site or of another one.
async fn without_session(app: &TestApp, path: &str, body: &str, site: &'static str) -> Answer {
    let request = app.client.post(path.to_owned()).header(ContentType::Form);
    Answer::of(request.header(Header::new("Sec-Fetch-Site", site)).body(body).dispatch().await).await
}

/// Signs in on the page that a form without a session led to: the answer, and the person in the new session.
async fn sign_in_on(app: &TestApp, page: &Answer, person: &Person, password: &str) -> (Answer, Person) {
    let encode = |text: &str| rocket::http::RawStr::new(text).percent_encode().to_string();
    let plain = |name: &str| hidden(&page.body, name).replace("&quot;", "\"").replace("&#x2F;", "/");
    let fields = [
        ("token", plain("token")),
        ("next", plain("next")),
        ("resume", plain("resume")),
        ("kept", plain("kept")),
        ("username", person.user.username.as_str().to_owned()),
        ("password", password.to_owned()),
    ];
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let cookie =
        page.header("Set-Cookie").expect("a cookie for the form").split(';').next().unwrap().to_owned();
    let (name, value) = cookie.split_once('=').unwrap();
    let request = app.client.post("/sign-in").header(ContentType::Form).header(cookie_header(name, value));
    let response =
        request.header(Header::new("Sec-Fetch-Site", "same-origin")).body(body.join("&")).dispatch().await;
    let session = response.cookies().get("__Host-sid-0a1b2c3d").map(|cookie| cookie.value().to_owned());
    let cookie = session.unwrap_or_default();
    (Answer::of(response).await, Person { cookie, ..person.clone() })
}

#[apply(on_both)]
async fn what_was_typed_comes_back_after_signing_in_right_there(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}", ada.id());
    let version = hidden(&page(&app, &staff, &path).await.body, "version");
    let typed = format!(
        "token=old&version={version}&username=ada&email=typed%40example.org&first_name=Zo%C3%AB+%26+%22A%22\
         &last_name=&current_password=secret-one&password=secret-two"
    );
    let ended = without_session(&app, &path, &typed, "same-origin").await;
    assert_eq!(ended.status, 401);
    assert!(ended.body.contains("Your session has ended.") && ended.body.contains("typed@example.org"));
    assert!(!ended.body.contains("secret-"), "no password is sent back: {}", ended.body);

    let (wrong, _) = sign_in_on(&app, &ended, &staff, "not the password").await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.body.contains("typed@example.org")
            && hidden(&wrong.body, "resume") == hidden(&ended.body, "resume")
    );
    let (again, staff) = sign_in_on(&app, &ended, &staff, PASSWORD).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert!(again.body.contains("You are signed in again") && again.header("Location").is_none());
    let action = format!("action=\"{}\"", path.replace('/', "&#x2F;"));
    assert!(again.body.contains(&action), "{}", again.body);
    let email = hidden(&again.body, "email");
    assert_eq!(email, "typed@example.org");

    let fields = [
        ("token", ""),
        ("version", &version),
        ("username", "ada"),
        ("email", &email),
        ("first_name", "Zoë & \"A\""),
        ("last_name", ""),
    ];
    let (form, _) = send(&app, &staff, &path, &fields).await;
    assert_eq!(form.status, 422, "nothing is saved before the person has looked");
    assert!(
        form.body.contains("value=\"typed@example.org\"") && form.body.contains("Zoë &amp; &quot;A&quot;")
    );
    let mut sent = fields.to_vec();
    let fresh = token(&form.body);
    sent[0] = ("token", &fresh);
    assert_eq!(send(&app, &staff, &path, &sent).await.0.status, 303);
    let stored = app.stored(ada.id()).await;
    assert_eq!([&stored.email, &stored.first_name], ["typed@example.org", "Zoë & \"A\""]);
}

#[apply(on_both)]
async fn every_form_with_fields_is_kept(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let user = format!("/users/{}", staff.id());
    for path in ["/users/new", &user, "/account", "/account/tokens", "/account/preferences", "/users/bulk"] {
        let ended = without_session(&app, path, "name=typed+with+care&ids=1+2", "same-origin").await;
        assert_eq!(ended.status, 401, "{path}");
        assert_eq!(hidden(&ended.body, "resume").replace("&#x2F;", "/"), path);
        assert!(ended.body.contains("typed with care"), "{path}: {}", ended.body);
        assert!(ended.header("Location").is_none(), "what was typed is in no URL");
    }
}

#[apply(on_both)]
async fn cs_1_of_a_form_of_another_site_nothing_is_kept(app: TestApp) {
    app.person("staff", "staff").await;
    for site in ["cross-site", "same-site", "none"] {
        let ended = without_session(&app, "/users/new", "username=planted", site).await;
        assert_eq!(ended.status, 401);
        assert!(!ended.body.contains("planted") && !ended.body.contains("name=\"kept\""), "{}", ended.body);
    }
}

#[apply(on_both)]
async fn paths_that_no_form_is_sent_to_answer_as_before(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    assert_eq!(without_session(&app, "/nothing/here", "a=b", "same-origin").await.status, 404);
    assert_eq!(without_session(&app, "/shortcuts", "a=b", "same-origin").await.status, 405);
    let json = app.client.post("/users/new").header(ContentType::JSON).body("{}").dispatch().await;
    assert_eq!(json.status().code, 401);
    let request = app.request(Method::Post, "/nothing/here", Some((&staff, By::Cookie)));
    assert_eq!(request.header(ContentType::Form).body("a=b").dispatch().await.status().code, 404);
}
