//! Users who are created once more, where the setting makes them active again.

use super::*;
use crate::app::PASSWORD;
use crate::second_factor::{Phone, enrol};

#[apply(on_both)]
#[with([("scim", json!(true)), ("scim_repeated_create", json!("reactivate"))])]
async fn a_deactivated_user_who_is_created_once_more_is_active_again_where_the_setting_says_so(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let client = with_api_token(&app, &root, false).await;
    let body = json!({"userName": "ada", "externalId": "A-1", "name": {"givenName": "Ada"}});
    let ada = create(&app, &client, &body).await;
    let answer = send(&app, &client, Method::Post, USERS, &body).await;
    assert_eq!(error(&answer), (409, Some("uniqueness".into())), "an active one never");
    assert_eq!(send(&app, &client, Method::Delete, &path(&ada), &Value::Null).await.status, 204);
    let again = json!({"userName": "Ada", "externalId": "A-1", "name": {"familyName": "Lovelace"}});
    let back = create(&app, &client, &again).await;
    assert_eq!(
        (&back["id"], &back["active"], &back["externalId"]),
        (&ada["id"], &json!(true), &json!("A-1"))
    );
    assert_eq!(back["name"], json!({"familyName": "Lovelace"}));
    assert_eq!(trail(&app).await.pop().unwrap().action, "user_reactivated");
    // Inactive ones are not made active, and administrators by no API token.
    patch(&app, &client, &path(&ada), json!([{"op": "replace", "path": "active", "value": false}])).await;
    let answer = send(&app, &client, Method::Post, USERS, &json!({"userName": "ada", "active": false})).await;
    assert_eq!(error(&answer), (409, Some("uniqueness".into())));
    app.person("staff", "inactive staff").await;
    let answer = send(&app, &client, Method::Post, USERS, &json!({"userName": "staff"})).await;
    assert_eq!(error(&answer), (403, None));
}

/// An ordinary user with a password and an authenticator app.
async fn with_factor(app: &TestApp, username: &str) -> (Person, Phone) {
    let person = app.person(username, "ordinary").await;
    let phone = enrol(app, &person, "phone").await;
    assert!(app.stored(person.id()).await.has_factor && phone.recovery_codes.len() == 10);
    (person, phone)
}

async fn obtain(app: &TestApp, username: &str, password: &str, otp: &str) -> u16 {
    let body = json!({"username": username, "password": password, "otp": otp});
    app.json(Method::Post, "/v1/auth/obtain", None, &body).await.status
}

#[apply(on_both)]
#[with([("scim", json!(true)), ("scim_repeated_create", json!("reactivate"))])]
async fn mf_8_pv_1_who_is_created_after_a_deletion_has_no_password_and_no_factor_of_before(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let client = with_api_token(&app, &root, false).await;
    for (username, password) in [("ada", None), ("bob", Some("a wholly different phrase"))] {
        let (person, phone) = with_factor(&app, username).await;
        let path = format!("{USERS}/{}", person.id());
        assert_eq!(send(&app, &client, Method::Delete, &path, &Value::Null).await.status, 204);
        let mut body = json!({"userName": username, "emails": [{"value": "new@example.org"}]});
        if let Some(password) = password {
            body["password"] = json!(password);
        }
        let back = create(&app, &client, &body).await;
        assert_eq!(back["id"], json!(person.id().to_string()));
        let stored = app.stored(person.id()).await;
        assert!(stored.is_active && !stored.has_factor);
        assert_eq!(stored.is_invited, password.is_none(), "without a password there is none");
        let code = phone.next_code(&app);
        for otp in [&code, &phone.recovery_codes[0]] {
            assert_eq!(obtain(&app, username, PASSWORD, otp).await, 401, "the password of before");
        }
        if let Some(password) = password {
            assert_eq!(app.obtain(username, password).await.status, 200, "the new one suffices");
        }
        let entries = trail(&app).await;
        let removed: Vec<_> = entries.iter().filter(|entry| entry.action == "factor_removed").collect();
        let removed = removed.last().expect("an entry");
        assert!(removed.details.contains("deleted and created again by SCIM"), "{}", removed.details);
        assert!(entries.iter().any(|entry| entry.action == "user_reactivated"));
    }
    for table in ["factors", "recovery_codes"] {
        let sql = usher::db::Sql::new(match table {
            "factors" => "SELECT count(*) FROM factors",
            _ => "SELECT count(*) FROM recovery_codes",
        });
        let left: (i64,) = app.usher.db.optional(sql).await.unwrap().unwrap();
        assert_eq!(left.0, 0, "{table}");
    }
    // Who was deactivated is the same person when they come back, and keeps what they had.
    let (eve, phone) = with_factor(&app, "eve").await;
    let deactivate = json!([{"op": "replace", "path": "active", "value": false}]);
    patch(&app, &client, &format!("{USERS}/{}", eve.id()), deactivate).await;
    create(&app, &client, &json!({"userName": "eve"})).await;
    assert_eq!(app.obtain("eve", PASSWORD).await.status, 401, "the factor is asked for");
    assert_eq!(obtain(&app, "eve", PASSWORD, &phone.next_code(&app)).await, 200);
}

#[apply(on_both)]
#[with([("scim", json!(true)), ("scim_repeated_create", json!("reactivate"))])]
async fn az_9_of_several_requests_that_create_a_user_at_once_one_does(app: TestApp) {
    let root = app.person("root", "superuser").await;
    for (username, kind) in [("new", None), ("former", Some("inactive")), ("deleted", Some("ordinary"))] {
        if let Some(kind) = kind {
            let person = app.person(username, kind).await;
            if username == "deleted" {
                let path = format!("{USERS}/{}", person.id());
                assert_eq!(send(&app, &root, Method::Delete, &path, &Value::Null).await.status, 204);
            }
        }
        let body = json!({"userName": username});
        let requests = (0..8).map(|_| send(&app, &root, Method::Post, USERS, &body));
        let answers = rocket::futures::future::join_all(requests).await;
        let (made, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
        assert_eq!(made.len(), 1, "{username}");
        for answer in others {
            assert_eq!(error(answer), (409, Some("uniqueness".into())), "{username}");
        }
    }
}
