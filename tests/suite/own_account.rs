//! The user's own account: names, address, password, giving the password again, a change that is demanded.

use std::time::Duration;

use rocket::http::Method;
use serde_json::{Value, json};

use crate::app::{Answer, By, PASSWORD, Person, TestApp};
use crate::console::{hidden, page, send, send_from};

const NEW: &str = "a wholly different phrase";
const BOTH: [By; 2] = [By::Bearer, By::Cookie];

/// No user has given their password for a long time.
async fn forget_confirmations(app: &TestApp) {
    app.sql("UPDATE sessions SET confirmed_at = 0").await;
}

pub(crate) async fn ask(
    app: &TestApp,
    who: (&Person, By),
    method: Method,
    path: &str,
    body: Value,
) -> Answer {
    app.json(method, path, Some(who), &body).await
}

/// The actions in the audit log, without those of the requests before.
pub(crate) async fn actions(app: &TestApp, target: &Person) -> Vec<String> {
    while usher::operations::audit::seal(&app.usher).await.unwrap() > 0 {}
    let entries = usher::db::audit::sealed_after(&app.usher.db, 0, 1000).await.unwrap();
    entries
        .into_iter()
        .filter(|sealed| sealed.entry.target_id == Some(target.id()))
        .map(|sealed| sealed.entry.action)
        .collect()
}

#[apply(on_both)]
async fn az_4_self_service_takes_names_and_address_and_refuses_everything_else(app: TestApp) {
    for by in BOTH {
        let ada = app.person(&format!("ada-{by:?}"), "ordinary").await;
        let changes = json!({"first_name": " Ada ", "last_name": "L", "email": "ada@example.org"});
        let answer = ask(&app, (&ada, by), Method::Patch, "/v1/account", changes).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["first_name"], "Ada");
        let record = ask(&app, (&ada, by), Method::Get, "/v1/account", json!({})).await.json();
        assert_eq!(record.as_object().unwrap().len(), 10, "the record's ten members");
        let before = app.stored(ada.id()).await;
        assert_eq!((before.email.as_str(), before.version), ("ada@example.org", 2));
        for member in [
            "username",
            "password",
            "pk",
            "is_staff",
            "is_superuser",
            "is_active",
            "date_joined",
            "last_login",
            "valid_until",
            "must_change_password",
            "preferences",
            "nonsense",
        ] {
            let body = json!({"first_name": "Eve", member: true});
            let answer = ask(&app, (&ada, by), Method::Patch, "/v1/account", body).await;
            assert_eq!(answer.status, 400, "{member}");
            assert!(answer.json()["detail"].as_str().unwrap().starts_with(member), "{}", answer.body);
            assert_eq!(app.stored(ada.id()).await, before, "{member}");
        }
        assert_eq!(actions(&app, &ada).await, ["user_changed"]);
    }
    let ada = app.person("ada", "ordinary").await;
    let fields = [("version", "1"), ("first_name", "Ada"), ("last_name", ""), ("email", "")];
    for extra in ["is_staff", "is_superuser", "username", "password", "is_active"] {
        let mut all = fields.to_vec();
        all.push((extra, "1"));
        let (answer, _) = send_from(&app, &ada, "/account", "/account", &all).await;
        assert_eq!(answer.status, 422, "{extra}");
        assert_eq!(app.stored(ada.id()).await, ada.user, "{extra}");
    }
    let (answer, message) = send_from(&app, &ada, "/account", "/account", &fields).await;
    assert_eq!((answer.status, message.as_str()), (303, "Saved."));
    assert_eq!(app.stored(ada.id()).await.first_name, "Ada");
}

#[apply(on_both)]
async fn az_9_ones_own_edit_overwrites_nothing_silently(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let tag = app.get(&ada, "/v1/account").await.header("ETag").unwrap().to_owned();
    let token = hidden(&page(&app, &ada, "/account").await.body, "token");
    let body = json!({"first_name": "First"});
    assert_eq!(ask(&app, (&ada, By::Bearer), Method::Patch, "/v1/account", body).await.status, 200);
    let request = app.request(Method::Patch, "/v1/account", Some((&ada, By::Bearer)));
    let request = request.header(rocket::http::Header::new("If-Match", tag));
    let request = request.header(rocket::http::ContentType::JSON).body(r#"{"first_name":"Second"}"#);
    assert_eq!(request.dispatch().await.status().code, 412);
    let typed = [
        ("token", token.as_str()),
        ("version", "1"),
        ("first_name", "Third"),
        ("last_name", ""),
        ("email", ""),
    ];
    let (answer, _) = send(&app, &ada, "/account", &typed).await;
    assert_eq!(answer.status, 412);
    assert!(answer.body.contains("Third") && answer.body.contains("changed elsewhere"));
    assert_eq!(app.stored(ada.id()).await.first_name, "First");
    let (version, token) = (hidden(&answer.body, "version"), hidden(&answer.body, "token"));
    let again = [
        ("token", token.as_str()),
        ("version", &version),
        ("first_name", "Third"),
        ("last_name", ""),
        ("email", ""),
    ];
    assert_eq!(send(&app, &ada, "/account", &again).await.0.status, 303);
    assert_eq!(app.stored(ada.id()).await.first_name, "Third");
}

#[apply(on_both)]
async fn pw_9_another_address_needs_the_password(app: TestApp) {
    for by in BOTH {
        let ada = app.person(&format!("ada-{by:?}"), "ordinary").await;
        forget_confirmations(&app).await;
        let email = || json!({"email": "ada@example.org", "first_name": "Ada"});
        let answer = ask(&app, (&ada, by), Method::Patch, "/v1/account", email()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("confirmation_required")));
        assert_eq!(app.stored(ada.id()).await, ada.user, "all or nothing");
        let names = json!({"first_name": "Ada", "email": ""});
        assert_eq!(ask(&app, (&ada, by), Method::Patch, "/v1/account", names).await.status, 200);
        let body = json!({"password": PASSWORD});
        assert_eq!(ask(&app, (&ada, by), Method::Post, "/v1/account/confirm", body).await.status, 204);
        assert_eq!(ask(&app, (&ada, by), Method::Patch, "/v1/account", email()).await.status, 200);
    }
    let ada = app.person("ada", "ordinary").await;
    forget_confirmations(&app).await;
    let html = page(&app, &ada, "/account").await.body;
    assert!(html.contains("Your password") && html.contains("autocomplete=\"current-password\""));
    let fields = |password| {
        [
            ("version", "1"),
            ("first_name", "Ada"),
            ("last_name", ""),
            ("email", "a@b.co"),
            ("current_password", password),
        ]
    };
    for (wrong, message) in
        [("", "Enter your password to go on."), ("wrong", "Your current password is wrong.")]
    {
        let (answer, _) = send_from(&app, &ada, "/account", "/account", &fields(wrong)).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains(message) && answer.body.contains("a@b.co"), "what was typed is kept");
        assert_eq!(app.stored(ada.id()).await, ada.user);
    }
    let (answer, message) = send_from(&app, &ada, "/account", "/account", &fields(PASSWORD)).await;
    assert_eq!((answer.status, message.as_str()), (303, "Saved."));
    assert_eq!(app.stored(ada.id()).await.email, "a@b.co");
    assert!(!page(&app, &ada, "/account").await.body.contains("Your password"), "asked for only once");
}

#[apply(on_both)]
async fn pw_10_another_address_of_ones_own_ends_a_link_that_is_out(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let path = format!("/v1/users/{}/link", ada.id());
    let made = ask(&app, (&staff, By::Bearer), Method::Post, &path, json!({})).await.json();
    let secret = made["url"].as_str().unwrap().split_once('#').unwrap().1.to_owned();
    // A user who is signed in although a link is out: one session was opened since.
    let session = app.session(ada.user.id, usher::model::session::Credential::Jwt).await;
    let ada = Person { bearer: usher::operations::sign_in::tokens(&app.usher, &session).access, ..ada };
    let open =
        async || app.client.get(format!("/set-password?token={secret}")).dispatch().await.status().code;
    let names = json!({"first_name": "Ada"});
    assert_eq!(ask(&app, (&ada, By::Bearer), Method::Patch, "/v1/account", names).await.status, 200);
    assert_eq!(open().await, 200, "names do not matter");
    let email = json!({"email": "ada@example.org"});
    assert_eq!(ask(&app, (&ada, By::Bearer), Method::Patch, "/v1/account", email).await.status, 200);
    assert_ne!(open().await, 200, "it may have been sent to the old address");
}

#[apply(on_both)]
async fn se_6_a_password_given_again_counts_for_five_minutes_in_that_session(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    forget_confirmations(&app).await;
    let change = |n: i32| json!({"email": format!("ada{n}@example.org")});
    let body = || json!({"password": PASSWORD});
    let confirm = ask(&app, (&ada, By::Cookie), Method::Post, "/v1/account/confirm", body()).await;
    assert_eq!((confirm.status, confirm.body.as_str()), (204, ""));
    let other = ask(&app, (&ada, By::Bearer), Method::Patch, "/v1/account", change(0)).await;
    assert_eq!(other.status, 403, "another session of the same user");
    app.clock.advance(Duration::from_secs(299));
    assert_eq!(ask(&app, (&ada, By::Cookie), Method::Patch, "/v1/account", change(1)).await.status, 200);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&app, (&ada, By::Cookie), Method::Patch, "/v1/account", change(2)).await.status, 403);
    assert!(actions(&app, &ada).await.contains(&"password_confirmed".to_owned()));
    for (body, field) in [
        (json!({}), "This field is required."),
        (json!({"password": null}), "This field may not be null."),
        (json!({"password": ""}), "This field may not be blank."),
        (json!({"password": ["a"]}), "Not a valid string."),
    ] {
        let answer = ask(&app, (&ada, By::Cookie), Method::Post, "/v1/account/confirm", body).await;
        assert_eq!((answer.status, answer.json()), (400, json!({"password": [field]})));
    }
}

#[apply(on_both)]
async fn pw_4_a_wrong_password_given_again_counts_like_a_failed_sign_in(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    forget_confirmations(&app).await;
    let body = |password: &str| json!({"password": password});
    for _ in 0..6 {
        let answer = ask(&app, (&ada, By::Bearer), Method::Post, "/v1/account/confirm", body("wrong")).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json(), json!({"password": ["Your current password is wrong."]}));
    }
    let right = ask(&app, (&ada, By::Bearer), Method::Post, "/v1/account/confirm", body(PASSWORD)).await;
    assert_eq!(right.status, 400, "blocked, and not looked at");
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    let change = ask(&app, (&ada, By::Bearer), Method::Post, "/v1/account/password", change).await;
    assert_eq!(change.status, 400, "on no channel");
    let other = ask(&app, (&ada, By::Cookie), Method::Post, "/v1/account/confirm", body(PASSWORD)).await;
    assert_eq!(other.status, 204, "another session of hers is not this one");
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "and so is who is not signed in");
    let told = actions(&app, &ada).await;
    assert_eq!(told.iter().filter(|action| *action == "password_confirmation_failed").count(), 8);
    assert!(told.contains(&"account_blocked".to_owned()));
    app.clock.advance(Duration::from_mins(1));
    let right = ask(&app, (&ada, By::Bearer), Method::Post, "/v1/account/confirm", body(PASSWORD)).await;
    assert_eq!(right.status, 204, "the block lifts by itself");
}

#[apply(on_both)]
async fn se_6_making_a_superuser_in_the_console_asks_for_the_password(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "ordinary").await);
    forget_confirmations(&app).await;
    let path = format!("/users/{}", ada.id());
    let html = page(&app, &root, &path).await.body;
    assert!(html.contains("Can do everything, including changing other superusers."));
    let own = page(&app, &root, &format!("/users/{}", root.id())).await.body;
    assert!(own.contains("You cannot change your own access.") && !own.contains("name=\"is_superuser\""));
    let fields = |version, password| {
        [
            ("version", version),
            ("username", "ada"),
            ("email", "ada@example.org"),
            ("first_name", ""),
            ("last_name", ""),
            ("rights", "1"),
            ("is_superuser", "1"),
            ("current_password", password),
        ]
    };
    for wrong in ["", "wrong"] {
        let (answer, _) = send_from(&app, &root, &path, &path, &fields("1", wrong)).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains("Your password") && answer.body.contains("ada@example.org"));
        assert!(!app.stored(ada.id()).await.is_superuser);
    }
    let (answer, message) = send_from(&app, &root, &path, &path, &fields("1", PASSWORD)).await;
    assert_eq!((answer.status, message.as_str()), (303, "Saved. Changed Email and Superuser."));
    assert!(app.stored(ada.id()).await.is_superuser);
    // So does taking it away: what is then done to the account would outlast its return.
    forget_confirmations(&app).await;
    let taken = |password| {
        let mut fields = fields("2", password).to_vec();
        fields.retain(|(name, _)| *name != "is_superuser");
        fields
    };
    assert_eq!(send_from(&app, &root, &path, &path, &taken("")).await.0.status, 422);
    let (answer, message) = send_from(&app, &root, &path, &path, &taken(PASSWORD)).await;
    assert_eq!((answer.status, message.as_str()), (303, "Saved. Changed Superuser."), "{}", answer.body);
}

#[apply(on_both)]
async fn az_2_staff_cannot_make_a_superuser_with_the_consoles_form(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let path = format!("/users/{}", ada.id());
    assert!(!page(&app, &staff, &path).await.body.contains("name=\"is_superuser\""));
    let fields = [
        ("version", "1"),
        ("username", "ada"),
        ("email", ""),
        ("first_name", ""),
        ("last_name", ""),
        ("rights", "1"),
        ("is_superuser", "1"),
        ("current_password", PASSWORD),
    ];
    let (answer, _) = send_from(&app, &staff, &path, &path, &fields).await;
    assert_eq!(answer.status, 403);
    assert_eq!(app.stored(ada.id()).await, ada.user);
}

#[apply(on_both)]
async fn ones_own_sign_ins_are_told_good_and_bad(app: TestApp) {
    let (ada, bob) = (app.person("ada", "ordinary").await, app.person("bob", "ordinary").await);
    app.obtain("ada", PASSWORD).await;
    app.clock.advance(Duration::from_secs(1));
    app.obtain("ada", "wrong").await;
    app.obtain("bob", PASSWORD).await;
    let told = app.get(&ada, "/v1/account/sign-ins").await.json();
    let results: Vec<&str> =
        told.as_array().unwrap().iter().map(|entry| entry["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["failed", "signed_in"], "their own, the latest first");
    assert_eq!(told[0]["at"], app.clock.now().to_string());
    assert_eq!(told[0].as_object().unwrap().len(), 4);
    assert_eq!(app.get(&bob, "/v1/account/sign-ins").await.json().as_array().unwrap().len(), 1);
    let html = page(&app, &ada, "/account/sessions").await.body;
    assert!(html.contains("Failed") && html.contains("Signed in"));
}
