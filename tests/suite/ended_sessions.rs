//! A form that is sent after its session has ended: nothing that was typed is lost.

use rocket::http::{ContentType, Header, Method};

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::bounds::forms;
use crate::console::{hidden, page, send, token};
use crate::import_pages::{check, import};

/// Sends a form without a session, from a page of this site or of another one.
async fn without_session(app: &TestApp, path: &str, body: &str, site: &'static str) -> Answer {
    let request = app.client.post(path.to_owned()).header(ContentType::Form);
    Answer::of(request.header(Header::new("Sec-Fetch-Site", site)).body(body).dispatch().await).await
}

/// Signs in on the page that a form without a session led to: the answer, and the person in the new session.
async fn sign_in_on(app: &TestApp, page: &Answer, person: &Person, password: &str) -> (Answer, Person) {
    let encode = |text: &str| rocket::http::RawStr::new(text).percent_encode().to_string();
    let has = |name: &str| page.body.contains(&format!("name=\"{name}\""));
    let given = |name: &str| if has(name) { hidden(&page.body, name) } else { String::new() };
    let plain = |name: &str| given(name).replace("&quot;", "\"").replace("&#x2F;", "/").replace("&amp;", "&");
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

/// What becomes of a form whose session has ended.
enum End {
    /// These fields come back in the form; it then contains this.
    Comes(&'static str, &'static str),
    /// Nothing but passwords is typed: signing in leads to this page, which the form is on.
    Leads(&'static str),
    /// It needs no session.
    Open,
}

use End::{Comes, Leads, Open};

/// Every form, by its path without numbers. A form without a row fails the test, and so does a row without a form.
const FORMS: &[(&str, End)] = &[
    ("/account", Comes("version=1&first_name=Typed+too&last_name=&email=", "Typed too")),
    ("/account/confirm-address", Leads("/account")),
    ("/account/password", Leads("/account/password")),
    ("/account/password/remove", Leads("/account/password")),
    ("/account/preferences", Comes("time_zone=Typed+too", "Typed too")),
    ("/account/security//remove", Leads("/account/security")),
    ("/account/security/add", Comes("name=Typed+too", "Typed too")),
    ("/account/security/add-passkey", Comes("name=Typed+too&passkey=made", "")),
    ("/account/security/codes", Leads("/account/security/codes")),
    ("/account/sessions//end", Leads("/account/sessions")),
    ("/account/sessions/end", Leads("/account/sessions/end")),
    ("/account/tokens", Comes("name=Typed+too", "Typed too")),
    ("/account/tokens//revoke", Leads("/account/tokens")),
    ("/audit/export", Comes("user=typed+too&format=json", "value=\"typed too\"")),
    ("/confirm-address", Open),
    ("/first-superuser", Open),
    ("/forgotten-password", Open),
    ("/set-password", Open),
    ("/sign-in", Open),
    ("/sign-in/code", Open),
    ("/sign-in/passkey", Open),
    ("/sign-out", Leads("/")),
    ("/users/", Comes("version=1&username=ada&email=&first_name=Typed+too", "Typed too")),
    ("/users//data", Leads("/users//data")),
    ("/users//deactivate", Leads("/users/")),
    ("/users//erase", Comes("confirm_username=Typed+too&username_after=block", "Typed too")),
    ("/users//erase/cancel", Leads("/users//erase")),
    ("/users//factors/remove", Comes("reason=Typed+too", "")),
    ("/users//history/export", Comes("format=json", "Export JSON")),
    ("/users//link", Leads("/users/")),
    ("/users//notes", Comes("note=Typed+too", "Typed too")),
    ("/users//password", Comes("version=1&mode=password", "value=\"password\" checked")),
    ("/users//reactivate", Leads("/users/")),
    ("/users//sessions//end", Leads("/users/")),
    ("/users//sessions/end", Leads("/users//sessions/end")),
    ("/users//tokens", Comes("name=Typed+too", "Typed too")),
    ("/users//tokens//revoke", Leads("/users//tokens")),
    ("/users//undo/", Leads("/users/")),
    ("/users//unlock", Leads("/users/")),
    ("/users/bulk", Comes("do=deactivate&ids=1+2&number=typed&back=", "Deactivate 1 user")),
    ("/users/bulk//resume", Leads("/users/bulk/")),
    ("/users/bulk//undo", Leads("/users/bulk/")),
    ("/users/export", Comes("q=typed+too", "value=\"typed too\"")),
    ("/users/import", Leads("/users/import")),
    ("/users/import/choices", Comes("number=1&encoding=typed", "")),
    ("/users/import/discard", Comes("number=1", "This page was open for a long time")),
    ("/users/import/run", Comes("number=1", "This page was open for a long time")),
    ("/users/imports//undo", Leads("/users/imports/")),
    ("/users/new", Comes("username=&first_name=Typed+too", "Typed too")),
    ("/users/views", Comes("status=invited&name=Typed+too", "Typed too")),
    ("/users/views/forget", Comes("name=Typed", "This page was open for a long time")),
];

#[apply(on_both)]
async fn every_form_comes_back_with_what_was_typed_or_signing_in_leads_to_its_page(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "").await);
    let without_numbers = |path: &str| path.replace(|c: char| c.is_ascii_digit(), "");
    let paths = forms(&app, &root, &ada).await;
    let mut found: Vec<String> = paths.iter().map(|path| without_numbers(path)).collect();
    found.sort();
    let mut told: Vec<&str> = FORMS.iter().map(|(form, _)| *form).collect();
    told.sort_unstable();
    assert_eq!(found, told);
    let mut wrong = Vec::new();
    for path in paths {
        let (_, end) = FORMS.iter().find(|(form, _)| *form == without_numbers(&path)).unwrap();
        let passwords = "token=old&password=secret-1&current_password=secret-2&new_password=secret-3&code=1";
        match end {
            Open => {}
            Leads(to) => {
                let ended = without_session(&app, &path, passwords, "same-origin").await;
                assert_eq!(ended.status, 401, "{path}");
                assert!(ended.body.contains("Your session has ended. Nothing was done yet."), "{path}");
                assert!(!ended.body.contains("secret-"), "{path}: {}", ended.body);
                let next = hidden(&ended.body, "next").replace("&#x2F;", "/");
                let status = page(&app, &root, &next).await.status;
                // Nothing was imported.
                let expected = if path.starts_with("/users/imports/") { 404 } else { 200 };
                if without_numbers(&next) != *to || status != expected {
                    wrong.push(format!("{path} leads to {next}: {status}"));
                }
            }
            Comes(fields, shown) => {
                let body = format!("{passwords}&{fields}");
                let ended = without_session(&app, &path, &body, "same-origin").await;
                assert_eq!(ended.status, 401, "{path}");
                assert!(!ended.body.contains("secret-"), "{path}: {}", ended.body);
                assert!(ended.header("Location").is_none(), "what was typed is in no URL");
                assert_eq!(hidden(&ended.body, "resume").replace("&#x2F;", "/"), path);
                let kept = hidden(&ended.body, "kept");
                for (_, value) in fields.split('&').filter_map(|field| field.split_once('=')) {
                    assert!(kept.contains(&value.replace('+', " ")), "{path}: {kept}");
                }
                // As the page sends it after signing in: with no token that counts.
                let plain: Vec<(String, &str)> = fields
                    .split('&')
                    .filter_map(|field| field.split_once('='))
                    .map(|(name, value)| (value.replace('+', " "), name))
                    .collect();
                let mut sent = vec![("token", "")];
                sent.extend(plain.iter().map(|(value, name)| (*name, value.as_str())));
                let (form, _) = send(&app, &root, &path, &sent).await;
                if form.status != 422 || !form.body.replace("&quot;", "\"").contains(shown) {
                    wrong.push(format!("{path}: {} without {shown}: {}", form.status, form.body));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[apply(on_both)]
async fn a_button_leads_back_to_the_page_that_it_was_pressed_on(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}/undo/1", ada.id());
    let user = format!("/users/{}", ada.id());
    for (from, next) in [
        ("http://localhost/audit?actor=ada&action=user_updated", "/audit?actor=ada&action=user_updated"),
        ("http://localhost/users?q=ada", "/users?q=ada"),
        // No page is at the path of a form that was answered.
        (&format!("http://localhost{path}?x=1"), &user),
        ("http://localhost/sign-in", &user),
        ("no address", &user),
    ] {
        let request = app.client.post(path.clone()).header(ContentType::Form).body("token=old");
        let request = request.header(Header::new("Sec-Fetch-Site", "same-origin"));
        let ended =
            Answer::of(request.header(Header::new("Referer", from.to_owned())).dispatch().await).await;
        let told = hidden(&ended.body, "next").replace("&#x2F;", "/").replace("&amp;", "&");
        assert_eq!((ended.status, told.as_str()), (401, next), "{from}");
        if next.starts_with("/audit") {
            let (signed_in, _) = sign_in_on(&app, &ended, &staff, PASSWORD).await;
            assert_eq!((signed_in.status, signed_in.header("Location")), (303, Some(next)));
        }
    }
    let request = app.client.post(path).header(ContentType::Form).body("token=old");
    let request = request.header(Header::new("Sec-Fetch-Site", "cross-site"));
    let from = Header::new("Referer", "http://evil.example/audit");
    let ended = Answer::of(request.header(from).dispatch().await).await;
    assert_eq!(hidden(&ended.body, "next"), "&#x2F;", "another site leads nowhere");
}

#[apply(on_both)]
async fn files_that_were_uploaded_and_how_they_are_to_be_read_outlast_the_session(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let html = check(&app, &admin, &[("users.csv", b"username,given,mail\nada,Ada,ada@example.org\n")]).await;
    let number = hidden(&html, "number");
    let typed = format!(
        "number={number}&name=username&field=username&name=given&field=first_name&name=mail&field=email&columns=\
         &dates=dmy&hash=&encoding=&part=Typed+too&staff_role=&no_weak_hashes=1"
    );
    let ended = without_session(&app, "/users/import/choices", &typed, "same-origin").await;
    let (_, admin) = sign_in_on(&app, &ended, &admin, PASSWORD).await;
    let fields: Vec<(String, String)> = rocket::form::Form::values(&typed)
        .map(|field| (field.name.source().to_string(), field.value.replace('+', " ")))
        .collect();
    let mut fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (form, _) = send(&app, &admin, "/users/import/choices", &fields).await;
    assert_eq!(form.status, 422);
    for part in [
        "value=\"first_name\" selected",
        "value=\"email\" selected",
        "value=\"dmy\" selected",
        "value=\"Typed too\"",
        "name=\"no_weak_hashes\" value=\"1\" checked",
    ] {
        assert!(form.body.contains(part), "{part}: {}", form.body);
    }
    let token = token(&form.body);
    fields.retain(|(name, _)| *name != "part");
    fields.push(("token", &token));
    assert_eq!(send(&app, &admin, "/users/import/choices", &fields).await.0.status, 303);
    let (_, outcome) = import(&app, &admin, &page(&app, &admin, "/users/import").await.body).await;
    assert!(outcome.contains("1 user imported"), "{outcome}");
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
