//! The user's own password: changed by themselves, and a change that is demanded.

use rocket::http::Method;
use serde_json::json;

use crate::app::{Answer, By, PASSWORD, Person, TestApp};
use crate::console::{hidden, page};
use crate::matrix::{self, ROWS, Target};
use crate::own_account::{actions, ask};

const NEW: &str = "a wholly different phrase";
const BOTH: [By; 2] = [By::Bearer, By::Cookie];

/// Makes a named token for a user; its text.
async fn named_token(app: &TestApp, person: &Person) -> String {
    let body = json!({"name": "script", "read_only": false});
    let made = ask(app, (person, By::Bearer), Method::Post, "/v1/account/tokens", body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()["token"].as_str().unwrap().to_owned()
}

#[apply(on_both)]
async fn se_2_after_a_password_change_every_old_cookie_and_token_is_dead_on_every_instance(app: TestApp) {
    for by in BOTH {
        let ada = app.person(&format!("ada-{by:?}"), "ordinary").await;
        let named = Person { bearer: named_token(&app, &ada).await, ..ada.clone() };
        let other = app.another_instance().await;
        let body = json!({"current_password": PASSWORD, "new_password": NEW, "end_other_sessions": true});
        let answer = ask(&app, (&ada, by), Method::Post, "/v1/account/password", body).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        for instance in [&app, &other] {
            for (person, by) in [(&ada, By::Bearer), (&ada, By::Cookie), (&named, By::Bearer)] {
                let answer = ask(instance, (person, by), Method::Get, "/v1/account", json!({})).await;
                assert_eq!(answer.status, 401, "{by:?}");
            }
            let refresh = json!({"refresh": ada.refresh});
            assert_eq!(instance.json(Method::Post, "/v1/auth/refresh", None, &refresh).await.status, 401);
        }
        assert_eq!(app.obtain(ada.user.username.as_str(), PASSWORD).await.status, 401);
        assert_eq!(app.obtain(ada.user.username.as_str(), NEW).await.status, 200);
        let told = actions(&app, &ada).await;
        assert!(told.contains(&"password_changed".to_owned()), "{told:?}");
    }
}

/// Sends the form for another password; the answer, and the session that the browser has then.
async fn change_in_console(app: &TestApp, ada: &Person, fields: &[(&str, &str)]) -> (Answer, Person) {
    let token = hidden(&page(app, ada, "/account/password").await.body, "token");
    let mut all = vec![("token", token.as_str())];
    all.extend(fields);
    let encode = |text: &str| rocket::http::RawStr::new(text).percent_encode().to_string();
    let body: Vec<String> = all.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let request = app.request(Method::Post, "/account/password", Some((ada, By::Cookie)));
    let response = request.header(rocket::http::ContentType::Form).body(body.join("&")).dispatch().await;
    let cookie = response.cookies().get("__Host-sid-0a1b2c3d").map(|cookie| cookie.value().to_owned());
    let after = Person { cookie: cookie.unwrap_or_else(|| ada.cookie.clone()), ..ada.clone() };
    (Answer::of(response).await, after)
}

#[apply(on_both)]
async fn se_2_the_console_goes_on_under_a_new_session_after_a_password_change(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let fields = [("current_password", PASSWORD), ("new_password", NEW)];
    let (answer, after) = change_in_console(&app, &ada, &fields).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/account")), "{}", answer.body);
    assert_ne!(after.cookie, ada.cookie);
    assert!(!app.is_signed_in(&ada, By::Cookie).await, "the old cookie is dead");
    assert!(!app.is_signed_in(&ada, By::Bearer).await);
    assert!(app.is_signed_in(&after, By::Cookie).await, "this browser is still signed in");
    let sessions =
        ask(&app, (&after, By::Cookie), Method::Get, "/v1/account/sessions", json!({})).await.json();
    assert_eq!(sessions.as_array().unwrap().len(), 1);
    assert_eq!(app.stored(ada.id()).await.password_changed_at, Some(app.clock.now()));
}

#[apply(on_both)]
async fn pw_9_changing_the_password_asks_for_the_current_one(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let who = (&ada, By::Bearer);
    for (body, expected) in [
        (json!({"new_password": NEW}), json!({"current_password": ["This field is required."]})),
        (
            json!({"current_password": "wrong", "new_password": NEW}),
            json!({"current_password": ["Your current password is wrong."]}),
        ),
        (
            json!({"current_password": PASSWORD, "new_password": NEW, "end_other_sessions": false}),
            json!({"end_other_sessions": ["Another password always ends all sessions and tokens."]}),
        ),
    ] {
        let answer = ask(&app, who, Method::Post, "/v1/account/password", body).await;
        assert_eq!((answer.status, answer.json()), (400, expected));
    }
    for (current, message) in
        [("", "Enter your current password."), ("wrong", "Your current password is wrong.")]
    {
        let fields = [("current_password", current), ("new_password", NEW)];
        let (answer, _) = change_in_console(&app, &ada, &fields).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains(message), "{}", answer.body);
    }
    assert!(app.is_signed_in(&ada, By::Bearer).await && app.is_signed_in(&ada, By::Cookie).await);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    let trail = actions(&app, &ada).await;
    assert!(trail.contains(&"password_confirmation_failed".to_owned()));
    assert!(!trail.contains(&"password_changed".to_owned()));
}

#[apply(on_both)]
async fn pw_7_another_password_has_to_fit_and_to_be_another_one(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    for new in ["short", "password1", PASSWORD, &"x".repeat(129)] {
        let body = json!({"current_password": PASSWORD, "new_password": new});
        let answer = ask(&app, (&ada, By::Bearer), Method::Post, "/v1/account/password", body).await;
        assert_eq!(answer.status, 400, "{new}");
        let errors = answer.json();
        assert!(errors["new_password"].is_array() && errors.as_object().unwrap().len() == 1, "{errors}");
    }
    let both = json!({"current_password": "wrong", "new_password": "short"});
    let errors = ask(&app, (&ada, By::Bearer), Method::Post, "/v1/account/password", both).await.json();
    assert_eq!(errors.as_object().unwrap().len(), 2, "all that is wrong at once: {errors}");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
}

#[apply(on_both)]
async fn without_scripts_a_new_password_is_typed_twice(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let html = page(&app, &ada, "/account/password").await.body;
    let inside = html.split("<noscript>").nth(1).unwrap().split("</noscript>").next().unwrap();
    assert!(inside.contains("repeat_password") && inside.contains("new-password"));
    let fields = |again| [("current_password", PASSWORD), ("new_password", NEW), ("repeat_password", again)];
    let (answer, _) = change_in_console(&app, &ada, &fields("something else")).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("The two new passwords differ."));
    assert_eq!(change_in_console(&app, &ada, &fields(NEW)).await.0.status, 303);
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn a_forced_change_lets_nothing_be_done_but_changing_the_password(app: TestApp) {
    app.person("spare", "superuser").await;
    let ada = app.person("ada", "superuser").await;
    app.sql(&format!("UPDATE users SET must_change_password = TRUE WHERE id = {}", ada.id())).await;
    let before = app.stored(ada.id()).await;
    let (mut refused, mut led) = (0, 0);
    for row in ROWS {
        // Who is not signed in may do it, too; or it is what has to be done.
        let open = !matches!(row.expected[0], 401 | 303);
        let to_do = ["/v1/account/password", "/account/password", "/account/security/passkey", "/sign-out"];
        if open || to_do.contains(&row.route) {
            continue;
        }
        let id = if row.target == Target::Missing { "999999".to_owned() } else { ada.id().to_string() };
        let path = row.route.replace("{id}", &id).replace("{name}", "ada").replace("{session}", "999999");
        for by in BOTH {
            let answer = matrix::ask(&app, row, &path, Some((&ada, by)), 0).await;
            if row.route.starts_with("/scim/") {
                // Which takes no cookies.
                let status = if matches!(by, By::Cookie) { 401 } else { 403 };
                assert_eq!(answer.status, status, "{} {path}: {}", row.method, answer.body);
                refused += 1;
            } else if row.route.starts_with("/v1/") {
                assert_eq!(answer.status, 403, "{} {path}: {}", row.method, answer.body);
                assert_eq!(answer.json()["code"], "password_change_required", "{} {path}", row.method);
                refused += 1;
            } else if row.method == Method::Get {
                let location = answer.header("Location").unwrap_or_default();
                assert_eq!(answer.status, 303, "{path}");
                assert!(location.starts_with("/account/password?next="), "{path} leads to {location}");
                led += 1;
            } else {
                assert_eq!(answer.status, 403, "{} {path}", row.method);
                assert!(answer.body.contains("Choose a new password first."), "{} {path}", row.method);
            }
        }
    }
    assert!(refused > 40 && led > 20, "{refused} and {led}");
    assert_eq!(app.stored(ada.id()).await, before);
    assert!(page(&app, &ada, "/account/password").await.body.contains("before you go on"));
}

#[apply(on_both)]
async fn after_a_forced_change_one_gets_to_where_one_wanted(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    app.sql(&format!("UPDATE users SET must_change_password = TRUE WHERE id = {}", ada.id())).await;
    let answer = page(&app, &ada, "/users?q=a%20b&per=25").await;
    let location = answer.header("Location").unwrap();
    assert_eq!(location, "/account/password?next=%2Fusers%3Fq%3Da%2520b%26per%3D25");
    let html = page(&app, &ada, location).await.body;
    assert_eq!(hidden(&html, "next"), "/users?q=a%20b&per=25");
    let fields = [("next", "/users?q=a%20b&per=25"), ("current_password", PASSWORD), ("new_password", NEW)];
    let (answer, after) = change_in_console(&app, &ada, &fields).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/users?q=a%20b&per=25")));
    assert_eq!(page(&app, &after, "/users?q=a%20b&per=25").await.status, 200);
    assert!(!app.stored(ada.id()).await.must_change_password);
    // IN-3
    let fields =
        [("next", "//evil.example"), ("current_password", NEW), ("new_password", "yet another phrase")];
    let (answer, _) = change_in_console(&app, &after, &fields).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/")));
}

#[apply(on_both)]
async fn a_forced_change_is_over_for_the_api_too(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    app.sql(&format!("UPDATE users SET must_change_password = TRUE WHERE id = {}", ada.id())).await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    let answer = ask(&app, (&ada, By::Bearer), Method::Post, "/v1/account/password", body).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    let pair = app.obtain("ada", NEW).await.json();
    let after = Person { bearer: pair["access"].as_str().unwrap().to_owned(), ..ada };
    assert_eq!(app.get(&after, "/v1/account").await.status, 200);
}
