//! A day in the life of a member of staff, from the invitation to the loss of everything.

use super::authenticator::Authenticator;
use super::passkeys::{ORIGIN, add, answer_to};
use super::*;
use crate::links::{NEW_PASSWORD, redeem, secret};

/// A browser that is signed in, after a first step that was answered with this.
async fn in_with(app: &TestApp, person: &Person, shown: impl AsyncFnOnce(&Half) -> String) -> Person {
    let half = first_step(app, "grace", NEW_PASSWORD, "/users").await;
    assert_eq!((half.answer.status, session_in(&half.answer)), (200, None), "the password is not enough");
    let code = shown(&half).await;
    let answer = half.show(app, &code).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    Person { cookie: session_in(&answer).expect("a session"), ..person.clone() }
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org")), ("second_factor", json!("staff"))])]
async fn mf_1_mf_9_from_the_invitation_to_the_loss_of_everything_nothing_but_the_factor_lets_staff_in(
    app: TestApp,
) {
    let root = app.person("root", "superuser").await;
    let root_phone = enrol(&app, &root, "phone").await;
    let by_root = async |method, path: &str, body: Value| {
        app.json(method, path, Some((&root, By::Cookie)), &body).await
    };
    // Invited, they choose a password.
    let body =
        json!({"username": "grace", "first_name": "Grace", "last_name": "", "email": "", "is_staff": true});
    let invited = by_root(Method::Post, "/v1/users/invite", body).await;
    assert_eq!(invited.status, 201, "{}", invited.body);
    let told = invited.json();
    let id = told["user"]["pk"].as_i64().expect("a primary key");
    assert_eq!(redeem(&app, &secret(told["url"].as_str().unwrap()), NEW_PASSWORD).await, 303);
    // They get in, to enrol and to do nothing else.
    let entered = first_step(&app, "grace", NEW_PASSWORD, "/users").await.answer;
    let user = app.stored(id).await;
    let grace = Person { user, cookie: session_in(&entered).expect("a session"), ..root.clone() };
    assert_eq!(page(&app, &grace, "/users").await.header("Location"), Some(ADD));
    let mut device = Authenticator::new(ORIGIN);
    let codes = add(&app, &grace, &mut device, "laptop").await;
    assert_eq!(page(&app, &grace, "/users").await.status, 200);
    let phone = enrol(&app, &grace, "phone").await;
    // They sign in with each.
    let by_passkey = in_with(&app, &grace, async |half| answer_to(&mut device, &half.answer.body)).await;
    assert_eq!(page(&app, &by_passkey, "/users").await.status, 200);
    let by_code = in_with(&app, &grace, async |_| phone.next_code(&app)).await;
    assert_eq!(page(&app, &by_code, "/users").await.status, 200);
    // Without phone and laptop, by a recovery code, which is good once.
    let recovered = in_with(&app, &grace, async |_| codes[0].clone()).await;
    assert_eq!(page(&app, &recovered, "/users").await.status, 200);
    let half = first_step(&app, "grace", NEW_PASSWORD, "/users").await;
    assert_eq!(half.show(&app, &codes[0]).await.status, 422);
    // Without anything: a link is no way in, a superuser is.
    let link = by_root(Method::Post, &format!("/v1/users/{id}/link"), json!({})).await.json();
    assert_eq!(redeem(&app, &secret(link["url"].as_str().unwrap()), NEW_PASSWORD).await, 303);
    let half = first_step(&app, "grace", NEW_PASSWORD, "/users").await;
    assert_eq!((half.answer.status, session_in(&half.answer)), (200, None), "a link removes no factor");
    app.sql("DELETE FROM throttles").await;
    let body = json!({"password": PASSWORD, "otp": root_phone.next_code(&app)});
    assert_eq!(by_root(Method::Post, "/v1/account/confirm", body).await.status, 204);
    let because = json!({"reason": "came to the desk with a passport"});
    let path = format!("/v1/users/{id}/factors");
    let removed = by_root(Method::Delete, &path, because).await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    assert!(!app.is_signed_in(&by_code, By::Cookie).await && !app.is_signed_in(&recovered, By::Cookie).await);
    // And they begin anew: in to enrol, and nowhere else.
    let entered = first_step(&app, "grace", NEW_PASSWORD, "/users").await.answer;
    let grace = Person { cookie: session_in(&entered).expect("a session"), ..grace };
    assert_eq!(page(&app, &grace, "/users").await.header("Location"), Some(ADD));
    enrol(&app, &grace, "new phone").await;
    assert_eq!(page(&app, &grace, "/users").await.status, 200);
    let actions: Vec<String> = trail(&app).await.into_iter().map(|entry| entry.action).collect();
    for action in [
        "link_made",
        "factor_added",
        "second_factor_asked",
        "sign_in",
        "factor_removed",
        "password_confirmed",
    ] {
        assert!(actions.iter().any(|one| one == action), "{action}: {actions:?}");
    }
}
