//! Giving the password again with a code, and factors that are removed by others.

use super::*;
use crate::own_credentials::{denied, verdict};

async fn forget(app: &TestApp) {
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
}

#[apply(on_both)]
async fn mf_7_the_password_is_not_enough_where_there_is_a_factor(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let phone = enrol(&app, &ada, "phone").await;
    forget(&app).await;
    let confirm = async |body: Value| {
        app.json(Method::Post, "/v1/account/confirm", Some((&ada, By::Cookie)), &body).await
    };
    let missing = confirm(json!({ "password": PASSWORD })).await;
    assert_eq!(missing.status, 400);
    assert_eq!(missing.json(), json!({"otp": ["Enter a code of your second factor, too."]}));
    let wrong = confirm(json!({"password": PASSWORD, "otp": "000000"})).await;
    assert_eq!(
        (wrong.status, wrong.json()),
        (400, json!({"otp": ["This code is wrong or was used before."]}))
    );
    let make = async || {
        let body = json!({"name": "script"});
        app.json(Method::Post, "/v1/account/tokens", Some((&ada, By::Cookie)), &body).await
    };
    assert_eq!(verdict(&make().await), denied("confirmation_required"));
    let code = phone.next_code(&app);
    let wrong = confirm(json!({"password": "wrong", "otp": code})).await;
    assert_eq!((wrong.status, wrong.json().get("password").is_some()), (400, true), "{}", wrong.body);
    assert_eq!(confirm(json!({"password": PASSWORD, "otp": code})).await.status, 204, "it was not used up");
    assert_eq!(make().await.status, 201);
    assert_eq!(confirm(json!({"password": PASSWORD, "otp": code})).await.status, 400, "once");
    let entries = trail(&app).await;
    let confirmed = entries.iter().find(|entry| entry.action == "password_confirmed").unwrap();
    assert!(confirmed.details.contains("\"second_factor\":\"totp phone\""), "{}", confirmed.details);
    let failed: Vec<_> =
        entries.iter().filter(|entry| entry.action == "password_confirmation_failed").collect();
    assert_eq!(failed.len(), 3, "a code that is missing is none that was tried");
}

#[apply(on_both)]
async fn mf_7_another_password_of_ones_own_asks_for_the_code(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    forget(&app).await;
    let change = async |otp: Option<&str>| {
        let mut body = json!({"current_password": PASSWORD, "new_password": "a wholly different phrase"});
        body["otp"] = json!(otp);
        app.json(Method::Post, "/v1/account/password", Some((&ada, By::Cookie)), &body).await
    };
    let missing = change(None).await;
    assert_eq!(
        (missing.status, missing.json()),
        (400, json!({"otp": ["Enter a code of your second factor, too."]}))
    );
    let wrong = change(Some("000000")).await;
    assert_eq!(
        (wrong.status, wrong.json()),
        (400, json!({"otp": ["This code is wrong or was used before."]}))
    );
    let html = page(&app, &ada, "/account/password").await.body;
    assert!(html.contains("name=\"current_code\""), "{html}");
    let (form, code) = (token(&html), phone.next_code(&app));
    let save = async |code: Option<&str>| {
        let mut fields = vec![
            ("token", form.as_str()),
            ("current_password", PASSWORD),
            ("new_password", "a wholly different phrase"),
        ];
        fields.extend(code.map(|code| ("current_code", code)));
        send(&app, &ada, "/account/password", &fields).await.0
    };
    let missing = save(None).await;
    assert!(missing.status == 422 && missing.body.contains("Enter a code of your second factor, too."));
    assert_eq!(app.stored(ada.id()).await.password_changed_at, ada.user.password_changed_at);
    let saved = save(Some(&code)).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    assert_ne!(app.stored(ada.id()).await.password_changed_at, ada.user.password_changed_at);
}

#[apply(on_both)]
async fn mf_7_each_form_that_asks_for_the_password_asks_for_the_code(app: TestApp) {
    let ada = app.person("ada", "superuser").await;
    let phone = enrol(&app, &ada, "phone").await;
    forget(&app).await;
    for path in ["/account", "/account/tokens", "/account/security/add", "/account/security/codes"] {
        let html = page(&app, &ada, path).await.body;
        assert!(
            html.contains("name=\"current_code\"") && html.contains("Code of your second factor"),
            "{path}"
        );
    }
    let html = page(&app, &ada, "/account").await.body;
    let (form, version) = (token(&html), hidden(&html, "version"));
    let code = phone.next_code(&app);
    let save = async |code: Option<&str>| {
        let mut fields = vec![
            ("token", form.as_str()),
            ("version", &version),
            ("first_name", ""),
            ("last_name", ""),
            ("email", "new@example.org"),
            ("current_password", PASSWORD),
        ];
        fields.extend(code.map(|code| ("current_code", code)));
        send(&app, &ada, "/account", &fields).await.0
    };
    let missing = save(None).await;
    assert!(missing.status == 422 && missing.body.contains("Enter a code of your second factor, too."));
    assert!(missing.body.contains("href=\"#current_code\""), "{}", missing.body);
    let wrong = save(Some("000000")).await;
    assert!(wrong.status == 422 && wrong.body.contains("This code is wrong or was used before."));
    assert!(wrong.body.contains("value=\"new@example.org\"") && !wrong.body.contains("000000"));
    assert_eq!(save(Some(&code)).await.status, 303);
    // A user without one is not asked.
    let bob = app.person("bob", "ordinary").await;
    forget(&app).await;
    assert!(!page(&app, &bob, "/account").await.body.contains("current_code"));
}

#[apply(on_both)]
async fn mf_8_a_superuser_removes_lost_factors_with_a_reason_and_no_token_does(app: TestApp) {
    let (root, named) = crate::own_credentials::administrator(&app, "root", "superuser").await;
    let staff = app.person("staff", "staff").await;
    let ada = app.person("ada", "staff").await;
    let phone = enrol(&app, &ada, "phone").await;
    let path = format!("/v1/users/{}/factors", ada.id());
    let listed = app.get(&staff, &path).await.json();
    assert_eq!(listed["recovery_codes_left"], 10);
    assert_eq!(
        (&listed["factors"][0]["kind"], &listed["factors"][0]["name"]),
        (&json!("totp"), &json!("phone"))
    );
    assert!(!listed.to_string().contains("secret") && !listed.to_string().contains("sealed"));
    let because = json!({"reason": "lost the phone"});
    let one = format!("{path}/{}", listed["factors"][0]["id"]);
    for (who, by, body, expected) in [
        (&staff, By::Cookie, &because, denied("superuser_required")),
        (&root, By::Cookie, &because, denied("confirmation_required")),
        (&root, By::Bearer, &because, denied("confirmation_required")),
        (&named, By::Bearer, &because, denied("sign_in_required")),
    ] {
        for path in [&path, &one] {
            let answer = app.json(Method::Delete, path, Some((who, by)), body).await;
            assert_eq!(verdict(&answer), expected, "{path}");
        }
    }
    assert_eq!(code_of(&app.obtain("ada", PASSWORD).await).1, json!("second_factor_required"));
    crate::own_credentials::confirm(&app, (&root, By::Cookie)).await;
    let missing = app.json(Method::Delete, &one, Some((&root, By::Cookie)), &json!({})).await;
    assert_eq!((missing.status, missing.json().get("reason").is_some()), (400, true));
    let done = app.json(Method::Delete, &one, Some((&root, By::Cookie)), &because).await;
    assert_eq!(done.status, 204, "{}", done.body);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "the password alone");
    assert_eq!(obtain(&app, "ada", &phone.recovery_codes[0]).await.status, 200, "codes are not asked for");
    assert!(!app.is_signed_in(&ada, By::Cookie).await, "sessions from before are over");
    let entry = trail(&app).await.into_iter().rfind(|entry| entry.action == "factor_removed").unwrap();
    assert_eq!((entry.actor_id, entry.target_id), (Some(root.id()), Some(ada.id())));
    assert!(entry.details.contains("\"because\":\"lost the phone\""), "{}", entry.details);
    let undo = format!("/v1/audit/{}/undo", entry.id);
    assert_eq!(app.send(&root, Method::Post, &undo, &json!({})).await.status, 409, "it cannot be undone");
}

#[apply(on_both)]
async fn mf_8_the_page_of_a_user_shows_the_factors_and_removes_them(app: TestApp) {
    let (root, staff) = (app.person("root", "superuser").await, app.person("staff", "staff").await);
    let ada = app.person("ada", "ordinary").await;
    let (user, path) = (format!("/users/{}", ada.id()), format!("/users/{}/factors", ada.id()));
    assert!(page(&app, &staff, &path).await.body.contains("There are none"));
    enrol(&app, &ada, "phone").await;
    let session = app.session(root.user.id, usher::model::session::Credential::Cookie).await;
    let root = Person { cookie: session.secret.to_text(), ..root };
    assert!(page(&app, &root, &user).await.body.contains("<dt>Second factor</dt><dd>Yes"));
    assert!(!page(&app, &staff, &path).await.body.contains("Remove all second factors"));
    let remove = format!("{path}/remove");
    forget(&app).await;
    for (reason, password, problem) in [
        ("", PASSWORD, "Enter a reason."),
        ("lost", "", "Enter your password to go on."),
        ("lost", "wrong", "Your current password is wrong."),
    ] {
        let fields = [("reason", reason), ("current_password", password)];
        let (answer, _) = crate::console::send_from(&app, &root, &path, &remove, &fields).await;
        assert!(answer.status == 422 && answer.body.contains(problem), "{problem}: {}", answer.body);
        forget(&app).await;
    }
    let fields = [("reason", "lost"), ("current_password", PASSWORD)];
    let (done, message) = crate::console::send_from(&app, &root, &path, &remove, &fields).await;
    assert_eq!(
        (done.status, message.as_str()),
        (303, "ada has no second factor any more, and was signed out everywhere.")
    );
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
}

#[apply(on_both)]
async fn mf_8_the_owner_removes_a_factor_by_the_api_and_the_operator_on_the_command_line(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let phone = enrol(&app, &ada, "phone").await;
    let own = async || {
        Answer::of(app.request(Method::Get, "/v1/account/factors", Some((&ada, By::Cookie))).dispatch().await)
            .await
            .json()
    };
    let path = format!("/v1/account/factors/{}", own().await["factors"][0]["id"]);
    forget(&app).await;
    let delete = async || app.json(Method::Delete, &path, Some((&ada, By::Cookie)), &json!({})).await;
    assert_eq!(verdict(&delete().await), denied("confirmation_required"));
    let body = json!({"password": PASSWORD, "otp": phone.next_code(&app)});
    let confirmed = app.json(Method::Post, "/v1/account/confirm", Some((&ada, By::Cookie)), &body).await;
    assert_eq!(confirmed.status, 204);
    assert_eq!(delete().await.status, 204);
    assert_eq!(own().await, json!({"factors": [], "recovery_codes_left": 0}));
    enrol(&app, &ada, "tablet").await;
    let run = async |arguments: &[&str]| {
        let output = crate::import::usher(&app, arguments).await;
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let long = "x".repeat(101);
    for reason in ["", " ", long.as_str()] {
        assert!(!run(&["factors", "remove", "ADA", "--reason", reason]).await.0, "{reason:?}");
    }
    assert_eq!(code_of(&app.obtain("ada", PASSWORD).await).0, 401, "the factor is still there");
    let (done, said) = run(&["factors", "remove", "ADA", "--reason", "came to the desk"]).await;
    assert!(done && said.contains("Removed the second factor of ADA"), "{said}");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    assert!(run(&["factors", "remove", "ada"]).await.1.contains("has no second factor"));
    assert!(!run(&["factors", "remove", "eve"]).await.0, "there is no such user");
    let entry = trail(&app).await.into_iter().rfind(|entry| entry.action == "factor_removed").unwrap();
    assert!(entry.door == "command_line" && entry.details.contains("came to the desk"), "{entry:?}");
}
