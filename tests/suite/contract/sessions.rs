//! Sessions die at once, and only when they should.

use rocket::http::Method;
use rocket::http::Method::{Delete, Get, Patch, Post, Put};
use serde_json::{Value, json};

use super::*;

/// The answers to the cookie, the access token and the refresh token of a person, here and elsewhere.
async fn answers(apps: [&TestApp; 2], person: &Person) -> Vec<u16> {
    let mut statuses = Vec::new();
    for app in apps {
        for who in [bearer(person), cookie(person)] {
            statuses.push(ask(app, Get, &path_of(person), who, &[], "").await.status);
        }
        for (path, body) in [
            ("/v1/auth/refresh", json!({"refresh": person.refresh})),
            ("/v1/auth/verify", json!({"token": person.refresh})),
            ("/v1/auth/verify", json!({"token": person.bearer})),
        ] {
            statuses.push(app.json(Post, path, ANONYMOUS, &body).await.status);
        }
    }
    statuses
}

#[apply(on_both)]
async fn se_2_every_credential_dies_with_deactivation_demotion_and_a_new_password(app: TestApp) {
    let other = app.another_instance().await;
    let admin = app.person("admin", "superuser").await;
    let new = "quite another one";
    let changes: [(&str, Method, Option<Value>); 7] = [
        ("DELETE", Delete, None),
        ("deactivation by PATCH", Patch, Some(json!({"is_active": false}))),
        ("deactivation by PUT", Put, Some(json!({"is_active": false}))),
        ("demotion by PATCH", Patch, Some(json!({"is_staff": false}))),
        ("demotion by PUT", Put, Some(json!({"is_staff": "off"}))),
        ("a new password by PATCH", Patch, Some(json!({ "password": new }))),
        ("a new password by PUT", Put, Some(json!({ "password": new }))),
    ];
    for (number, (what, method, body)) in changes.into_iter().enumerate() {
        let name = format!("target-{number}");
        let target = app.person(&name, "staff").await;
        let bystander = app.person(&format!("bystander-{number}"), "staff").await;
        assert_eq!(answers([&app, &other], &target).await, [200; 10], "{what}: before");
        let body = match (method, body) {
            (Put, Some(body)) => whole_with(&name, body).to_string(),
            (_, body) => body.map(|body| body.to_string()).unwrap_or_default(),
        };
        let answer = ask(&app, method, &path_of(&target), bearer(&admin), &[JSON], body).await;
        assert!(matches!(answer.status, 200 | 204), "{what}: {}", answer.body);
        assert_eq!(answers([&other, &app], &target).await, [401; 10], "{what}: after");
        assert_eq!(answers([&app, &other], &bystander).await, [200; 10], "{what}: others");
    }
    assert_eq!(answers([&app, &other], &admin).await, [200; 10]);
}

#[apply(on_both)]
async fn se_2_signing_out_ends_that_session_alone(app: TestApp) {
    let other = app.another_instance().await;
    let person = app.person("ada", "staff").await;
    let page = ask(&app, Get, "/account", cookie(&person), &[], "").await;
    let body = format!("token={}", form_token(&page));
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let answer = ask(&app, Post, "/sign-out", cookie(&person), &[form], body).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let mut expected = [200; 10];
    (expected[1], expected[6]) = (401, 401);
    assert_eq!(answers([&app, &other], &person).await, expected, "the cookie alone is over");
}

#[apply(on_both)]
async fn se_2_a_change_of_anything_else_ends_no_session(app: TestApp) {
    let other = app.another_instance().await;
    let admin = app.person("admin", "superuser").await;
    let target = app.person("ada", "ordinary").await;
    for body in [
        json!({"first_name": "Ada", "last_name": "King", "email": "ada@example.org", "username": "Countess"}),
        json!({"is_active": true, "is_staff": false}),
        json!({"is_staff": true}),
    ] {
        let answer = app.send(&admin, Patch, &path_of(&target), &body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        assert_eq!(answers([&app, &other], &target).await, [200; 10], "{body}");
    }
}

#[apply(on_both)]
async fn se_2_a_refused_change_ends_no_session(app: TestApp) {
    let other = app.another_instance().await;
    let boss = app.person("boss", "superuser").await;
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "staff").await;
    let refusals = [
        (&admin, &target, Patch, json!({"password": "short"}), None, 400),
        (&admin, &target, Patch, json!({"is_active": false, "email": "x"}), None, 400),
        (&admin, &target, Put, json!({"is_active": false}), None, 400),
        (
            &admin,
            &target,
            Patch,
            json!({"password": "quite another one"}),
            Some(("If-Match", "\"9-0\"")),
            412,
        ),
        (&admin, &target, Delete, json!({}), Some(("If-Match", "\"9-0\"")), 412),
        (&admin, &boss, Patch, json!({"password": "quite another one"}), None, 403),
        (&admin, &boss, Delete, json!({}), None, 403),
        (&target, &target, Patch, json!({"password": "quite another one", "is_active": false}), None, 409),
        (&boss, &boss, Delete, json!({}), None, 409),
    ];
    for (actor, victim, method, body, header, status) in refusals {
        let headers: Vec<Pair<'_>> = [Some(JSON), header].into_iter().flatten().collect();
        let answer = ask(&app, method, &path_of(victim), bearer(actor), &headers, body.to_string()).await;
        assert_eq!(answer.status, status, "{method} {body}: {}", answer.body);
        assert_eq!(answers([&app, &other], victim).await, [200; 10], "{method} {body}");
    }
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "the old password is the password");
}

#[apply(on_both)]
async fn se_2_ones_own_new_password_ends_ones_own_sessions(app: TestApp) {
    let other = app.another_instance().await;
    let admin = app.person("admin", "staff").await;
    let answer = app.send(&admin, Patch, &path_of(&admin), &json!({"password": "quite another one"})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answers([&app, &other], &admin).await, [401; 10]);
    assert_eq!(app.obtain("admin", PASSWORD).await.status, 401);
    assert_eq!(app.obtain("admin", "quite another one").await.status, 200);
}

#[apply(on_both)]
async fn se_2_a_session_that_is_over_stays_over(app: TestApp) {
    let other = app.another_instance().await;
    let admin = app.person("admin", "superuser").await;
    let target = app.person("ada", "staff").await;
    for (end, undo) in [
        (json!({"is_active": false}), json!({"is_active": true})),
        (json!({"is_staff": false}), json!({"is_staff": true})),
    ] {
        for body in [end, undo] {
            assert_eq!(app.send(&admin, Patch, &path_of(&target), &body).await.status, 200);
            assert_eq!(answers([&app, &other], &target).await, [401; 10], "{body}");
        }
    }
}
