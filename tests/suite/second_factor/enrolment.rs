//! Adding and removing a second factor.

use super::*;
use crate::own_credentials::confirm;

const SECURITY: &str = "/account/security";

#[apply(on_both)]
async fn mf_6_a_factor_is_added_with_the_password_and_a_code_of_it(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    assert!(page(&app, &ada, SECURITY).await.body.contains("your password alone signs you in"));
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
    let html = page(&app, &ada, ADD).await.body;
    for part in ["<svg role=\"img\"", "otpauth://totp/Usher:ada?secret=", "name=\"current_password\""] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let phone = Phone::scan(&html);
    let (state, form) = (hidden(&html, "state"), token(&html));
    let code = phone.code_in(&app, 0);
    let attempt = async |code: &str, password: &str| {
        let fields =
            [("token", form.as_str()), ("state", &state), ("code", code), ("current_password", password)];
        send(&app, &ada, ADD, &fields).await.0
    };
    for (code, password, problem) in [
        (code.as_str(), "", "Enter your password to go on."),
        (code.as_str(), "wrong", "Your current password is wrong."),
        ("000000", PASSWORD, "This code is not the one that the app shows now."),
        ("", PASSWORD, "This code is not the one that the app shows now."),
    ] {
        let answer = attempt(code, password).await;
        assert!(answer.status == 422 && answer.body.contains(problem), "{problem}: {}", answer.body);
        assert_eq!(hidden(&answer.body, "state"), state, "the secret stays the same");
        assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "there is no factor yet");
    }
    let added = attempt(&code, "").await;
    assert_eq!((added.status, codes_in(&added.body).len()), (200, 10), "{}", added.body);
    assert_eq!(attempt(&code, "").await.status, 422, "sent again it is refused for its name");
    assert_eq!(code_of(&obtain(&app, "ada", &code).await).0, 401, "its code was used by that");
    let html = page(&app, &ada, SECURITY).await.body;
    for part in ["Authenticator app</th>", "10 codes are left", "<time"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let entry = trail(&app).await.into_iter().find(|entry| entry.action == "factor_added").unwrap();
    assert_eq!((entry.actor_id, entry.target_id), (Some(ada.id()), Some(ada.id())));
    assert!(entry.details.contains("\"kind\":\"totp\"") && entry.details.contains("sessions_ended"));
}

#[apply(on_both)]
async fn mf_2_one_secret_is_one_factor(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let html = page(&app, &ada, ADD).await.body;
    let phone = Phone::scan(&html);
    let (state, form, code) = (hidden(&html, "state"), token(&html), phone.code_in(&app, 0));
    let add = async |name: &str| {
        let fields = [("token", form.as_str()), ("state", &state), ("name", name), ("code", &code)];
        send(&app, &ada, ADD, &fields).await.0
    };
    assert_eq!(add("phone").await.status, 200);
    let again = add("phone again").await;
    assert!(again.status == 422 && again.body.contains("This secret was added already."));
    let code = phone.next_code(&app);
    assert_eq!(obtain(&app, "ada", &code).await.status, 200);
    assert_eq!(obtain(&app, "ada", &code).await.status, 401);
    // Nor is it one again once it was removed: its code would be good a second time.
    let html = page(&app, &ada, SECURITY).await.body;
    let path = html.split("action=\"").find(|part| part.contains("/remove\"")).unwrap();
    let path = path.split('"').next().unwrap();
    assert_eq!(send(&app, &ada, path, &[("token", &token(&html))]).await.0.status, 303);
    let again = add("phone once more").await;
    assert!(again.status == 422 && again.body.contains("This secret was added already."), "{}", again.body);
}

/// With each app a guess is right more often.
#[apply(on_both)]
async fn mf_4_an_account_has_three_authenticator_apps_at_most(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    for name in ["phone", "tablet", "watch"] {
        enrol(&app, &ada, name).await;
    }
    let html = page(&app, &ada, ADD).await.body;
    let (state, form, code) = (hidden(&html, "state"), token(&html), Phone::scan(&html).code_in(&app, 0));
    let fields = [("token", form.as_str()), ("state", &state), ("name", "fourth"), ("code", &code)];
    let refused = send(&app, &ada, ADD, &fields).await.0;
    assert!(refused.status == 422 && refused.body.contains("There are 3 authenticator apps already."));
}

#[apply(on_both)]
async fn mf_6_other_sessions_and_tokens_end_with_the_first_factor(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let body = json!({"name": "script", "read_only": false});
    let made = app.json(Method::Post, "/v1/account/tokens", Some((&ada, By::Cookie)), &body).await;
    let script = Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..ada.clone() };
    assert!(app.is_signed_in(&script, By::Bearer).await && app.is_signed_in(&ada, By::Bearer).await);
    enrol(&app, &ada, "phone").await;
    assert!(app.is_signed_in(&ada, By::Cookie).await, "this one has shown the factor");
    assert!(!app.is_signed_in(&script, By::Bearer).await && !app.is_signed_in(&ada, By::Bearer).await);
    // A token that is made afterwards has its maker's standing, and so has a session after another password.
    let body = json!({"name": "script", "read_only": false});
    let made = app.json(Method::Post, "/v1/account/tokens", Some((&ada, By::Cookie)), &body).await;
    let script = Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..ada.clone() };
    assert!(app.is_signed_in(&script, By::Bearer).await);
    let tablet = enrol(&app, &ada, "tablet").await;
    assert!(app.is_signed_in(&script, By::Bearer).await, "a second factor ends nothing");
    let code = tablet.next_code(&app);
    let fields = [
        ("current_password", PASSWORD),
        ("current_code", code.as_str()),
        ("new_password", "a wholly different phrase"),
    ];
    let path = "/account/password";
    let (changed, _) = crate::console::send_from(&app, &ada, path, path, &fields).await;
    let cookie = session_in(&changed).expect("another session");
    assert!(app.is_signed_in(&Person { cookie, ..ada }, By::Cookie).await);
}

#[apply(on_both)]
async fn mf_6_a_page_that_was_open_for_too_long_or_of_another_session_begins_anew(app: TestApp) {
    let (ada, bob) = (app.person("ada", "").await, app.person("bob", "").await);
    let html = page(&app, &ada, ADD).await.body;
    let (state, phone) = (hidden(&html, "state"), Phone::scan(&html));
    let attempt = async |who: &Person, state: &str, code: &str| {
        let form = token(&page(&app, who, ADD).await.body);
        send(&app, who, ADD, &[("token", &form), ("state", state), ("code", code)]).await.0
    };
    for (who, state) in [(&bob, state.as_str()), (&ada, ""), (&ada, "AAAA")] {
        let answer = attempt(who, state, &phone.code_in(&app, 0)).await;
        assert!(answer.status == 422 && answer.body.contains("open for a long time"), "{}", answer.body);
    }
    app.clock.advance(Duration::from_mins(29));
    confirm(&app, (&ada, By::Cookie)).await;
    let form = token(&page(&app, &ada, ADD).await.body);
    app.clock.advance(Duration::from_mins(1));
    let (late, _) = send(
        &app,
        &ada,
        ADD,
        &[("token", form.as_str()), ("state", &state), ("code", &phone.code_in(&app, 0))],
    )
    .await;
    assert!(late.status == 422 && late.body.contains("open for a long time"), "{}", late.body);
}

#[apply(on_both)]
async fn mf_6_a_factor_is_removed_with_the_password_and_with_the_last_one_go_the_codes(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    let tablet = enrol(&app, &ada, "tablet").await;
    assert!(tablet.recovery_codes.is_empty(), "they came with the first one");
    assert_eq!(obtain(&app, "ada", &tablet.next_code(&app)).await.status, 200, "each is good");
    assert_eq!(obtain(&app, "ada", &phone.next_code(&app)).await.status, 200);
    let html = page(&app, &ada, SECURITY).await.body;
    let paths: Vec<String> = html
        .split("action=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .filter(|path| path.ends_with("/remove"))
        .collect();
    assert_eq!(paths.len(), 2, "{html}");
    let form = token(&html);
    let (_, message) = send(&app, &ada, &paths[0], &[("token", &form)]).await;
    assert_eq!(message, "Removed the second factor “phone”.");
    assert_eq!(obtain(&app, "ada", &phone.next_code(&app)).await.status, 401);
    assert_eq!(send(&app, &ada, &paths[0], &[("token", &form)]).await.0.status, 404);
    assert_eq!(obtain(&app, "ada", &tablet.next_code(&app)).await.status, 200);
    let (_, message) = send(&app, &ada, &paths[1], &[("token", &form)]).await;
    assert_eq!(message, "Removed the second factor “tablet”.");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "it is a password alone again");
    let left: (i64,) = app
        .usher
        .db
        .optional(usher::db::Sql::new("SELECT count(*) FROM recovery_codes"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(left.0, 0);
    let removed = trail(&app).await.into_iter().filter(|entry| entry.action == "factor_removed");
    assert_eq!(removed.count(), 2);
}
