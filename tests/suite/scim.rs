//! SCIM 2.0, as provisioning clients speak it.

mod conditions;
mod created_again;
mod hostile;
mod lists;
mod providers;

use rocket::http::{Header, Method};
use serde_json::{Value, json};
use usher::model::session::Credential;

use crate::app::{Answer, By, Person, TestApp};
use crate::audit::trail;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const USERS: &str = "/scim/v2/Users";

/// Sends a body as a provisioning client does.
pub(crate) async fn send(app: &TestApp, who: &Person, method: Method, path: &str, body: &Value) -> Answer {
    let request = app.request(method, path, Some((who, By::Bearer)));
    let request = request.header(Header::new("Content-Type", "application/scim+json; charset=utf-8"));
    Answer::of(request.body(body.to_string()).dispatch().await).await
}

/// Makes a user; the resource.
async fn create(app: &TestApp, who: &Person, body: &Value) -> Value {
    let answer = send(app, who, Method::Post, USERS, body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

fn path(resource: &Value) -> String {
    format!("{USERS}/{}", resource["id"].as_str().expect("an id"))
}

/// Carries out operations on a user; the resource.
pub(crate) async fn patch(app: &TestApp, who: &Person, path: &str, operations: Value) -> Value {
    let answer = try_patch(app, who, path, operations).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

async fn try_patch(app: &TestApp, who: &Person, path: &str, operations: Value) -> Answer {
    let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    send(app, who, Method::Patch, path, &json!({"schemas": [schema], "Operations": operations})).await
}

/// The names of the users that a filter finds.
async fn find(app: &TestApp, who: &Person, filter: &str) -> Vec<String> {
    let body = json!({"filter": filter, "sortBy": "userName"});
    let answer = send(app, who, Method::Post, &format!("{USERS}/.search"), &body).await;
    assert_eq!(answer.status, 200, "{filter}: {}", answer.body);
    let found = answer.json();
    let names = found["Resources"].as_array().unwrap().iter();
    names.map(|user| user["userName"].as_str().unwrap().to_owned()).collect()
}

/// An error of the standard: its status, and its `scimType`.
fn error(answer: &Answer) -> (u16, Option<String>) {
    assert_eq!(answer.header("Content-Type"), Some("application/scim+json"), "{}", answer.body);
    let body = answer.json();
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(body["status"], json!(answer.status.to_string()));
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}", answer.body);
    (answer.status, body["scimType"].as_str().map(str::to_owned))
}

/// The same person with an API token.
async fn with_api_token(app: &TestApp, who: &Person, read_only: bool) -> Person {
    let body = json!({"name": format!("client {read_only}"), "read_only": read_only});
    let made = app.send(who, Method::Post, "/v1/account/tokens", &body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..who.clone() }
}

#[apply(on_both)]
async fn pv_1_without_the_setting_there_is_no_scim(app: TestApp) {
    let root = app.person("root", "superuser").await;
    for (method, path) in [
        (Method::Get, "/scim/v2/ServiceProviderConfig"),
        (Method::Get, USERS),
        (Method::Post, USERS),
        (Method::Patch, "/scim/v2/Users/1"),
    ] {
        let answer = send(&app, &root, method, path, &json!({"userName": "ada"})).await;
        assert_eq!(error(&answer), (404, None), "{method} {path}");
    }
}

#[apply(on_both)]
#[with([("scim", json!(true)), ("public_origin", json!("https://users.example.org"))])]
async fn a_user_is_created_read_replaced_changed_and_deleted(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let client = with_api_token(&app, &root, false).await;
    let body = json!({
        "schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "userName": "ada", "externalId": "A-1", "displayName": "not stored", "title": "Countess",
        "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": "not stored"},
        "emails": [{"value": "home@example.org", "type": "home"}, {"value": "ada@example.org", "primary": true}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Engines"},
    });
    let answer = send(&app, &client, Method::Post, USERS, &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let made = answer.json();
    let id = made["id"].as_str().unwrap().to_owned();
    let location = format!("https://users.example.org/scim/v2/Users/{id}");
    assert_eq!(answer.header("Location"), Some(location.as_str()));
    assert_eq!(answer.header("ETag"), Some("W/\"1\""));
    assert_eq!(answer.header("Content-Type"), Some("application/scim+json"));
    assert_eq!(
        made,
        json!({
            "schemas": [USER], "id": id, "externalId": "A-1", "userName": "ada",
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "displayName": "Ada Lovelace",
            "emails": [{"value": "ada@example.org", "type": "work", "primary": true}],
            "active": true,
            "meta": {"resourceType": "User", "created": app.clock.now().to_string(), "lastModified": app.clock.now().to_string(), "location": location,
                     "version": "W/\"1\""},
        })
    );
    let path = path(&made);
    assert_eq!(app.get(&client, &path).await.json(), made);
    let stored = app.stored(id.parse().unwrap()).await;
    assert!(stored.is_invited && !stored.is_privileged(), "there is no password yet");

    // What a replacement leaves out is empty; whether the user is active, and the password, stay.
    let answer = send(&app, &client, Method::Put, &path, &json!({"userName": "Ada"})).await;
    assert_eq!((answer.status, answer.header("ETag")), (200, Some("W/\"2\"")));
    let replaced = answer.json();
    assert_eq!((&replaced["userName"], &replaced["active"]), (&json!("Ada"), &json!(true)));
    for gone in ["name", "emails", "externalId"] {
        assert_eq!(replaced[gone], Value::Null, "{gone}");
    }
    let renamed = patch(
        &app,
        &client,
        &path,
        json!([
            {"op": "add", "path": "name.givenName", "value": "A."},
            {"op": "replace", "value": {"externalId": "A-2", "password": "a wholly different phrase"}},
        ]),
    )
    .await;
    assert_eq!((&renamed["name"]["givenName"], &renamed["externalId"]), (&json!("A."), &json!("A-2")));
    assert_eq!(app.obtain("ada", "a wholly different phrase").await.status, 200);

    assert_eq!(send(&app, &client, Method::Delete, &path, &Value::Null).await.status, 204);
    assert!(!app.stored(id.parse().unwrap()).await.is_active, "and nothing is deleted");
    for (method, body) in [
        (Method::Get, Value::Null),
        (Method::Put, json!({"userName": "ada"})),
        (Method::Patch, json!({"Operations": [{"op": "replace", "value": {"active": true}}]})),
        (Method::Delete, Value::Null),
    ] {
        let answer = send(&app, &client, method, &path, &body).await;
        assert_eq!(error(&answer), (404, None), "{method}");
    }
    assert!(find(&app, &client, "userName eq \"ada\"").await.is_empty());
    // In the console and the API the account is there, and can come back.
    let back = app.send(&root, Method::Patch, &format!("/v1/users/{id}"), &json!({"is_active": true})).await;
    assert_eq!(back.status, 200);
    assert_eq!(find(&app, &client, "userName eq \"ada\"").await, ["Ada"]);
    let actions: Vec<(String, String)> =
        trail(&app).await.into_iter().map(|entry| (entry.action, entry.door)).collect();
    let expected =
        ["user_created", "user_changed", "password_reset", "sign_in", "user_deactivated", "user_reactivated"];
    let told: Vec<&str> = actions.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(told[told.len() - expected.len()..], expected);
    let by_scim = actions.iter().filter(|(_, door)| door == "scim").count();
    assert_eq!(by_scim, 4, "{actions:?}");
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn pv_1_az_2_az_3_az_5_the_rules_of_users_hold_for_provisioning_clients(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let staff = app.person("staff", "staff").await;
    let ada = app.person("ada", "ordinary").await;
    let deactivate = || json!([{"op": "replace", "path": "active", "value": false}]);
    let of = |person: &Person| format!("{USERS}/{}", person.id());
    let answer = try_patch(&app, &staff, &of(&root), deactivate()).await;
    assert_eq!(error(&answer), (403, None));
    assert!(answer.body.contains("superuser"), "{}", answer.body);
    let answer = try_patch(&app, &staff, &of(&staff), deactivate()).await;
    assert_eq!(error(&answer), (409, None), "not themselves");
    let answer = send(&app, &root, Method::Delete, &of(&root), &Value::Null).await;
    assert_eq!(error(&answer), (409, None), "nor the last superuser");
    // No attribute gives a right, and no API token the means to act as an administrator.
    let rights =
        json!({"userName": "eve", "is_staff": true, "is_superuser": true, "roles": [{"value": "admin"}]});
    let eve = create(&app, &root, &rights).await;
    assert!(!app.stored(eve["id"].as_str().unwrap().parse().unwrap()).await.is_privileged());
    let script = with_api_token(&app, &root, false).await;
    let password = json!([{"op": "replace", "value": {"password": "a wholly different phrase"}}]);
    assert_eq!(error(&try_patch(&app, &script, &of(&staff), password.clone()).await), (403, None));
    patch(&app, &script, &of(&ada), password).await;
    // A token for reading lists and reads, and does no more.
    let reader = with_api_token(&app, &root, true).await;
    assert_eq!(app.get(&reader, &of(&ada)).await.status, 200);
    assert_eq!(find(&app, &reader, "userName eq \"ada\"").await, ["ada"]);
    let answer = send(&app, &reader, Method::Post, USERS, &json!({"userName": "bob"})).await;
    assert_eq!(error(&answer), (403, None));
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn pv_2_se_2_a_user_who_is_deactivated_in_any_spelling_is_signed_out_at_once(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let spellings = [
        json!([{"op": "replace", "path": "active", "value": false}]),
        json!([{"op": "Replace", "path": "active", "value": "False"}]),
        json!([{"op": "replace", "value": {"active": false}}]),
        json!([{"op": "Add", "value": {"active": "false"}}]),
        json!([{"op": "replace", "path": format!("{USER}:active"), "value": 0}]),
        json!([{"op": "REPLACE", "path": "Active", "value": "FALSE"}]),
        json!([{"op": "replace", "value": {"active": false, "id": "7", "displayName": "x"}}]),
    ];
    for (number, operations) in spellings.into_iter().enumerate() {
        let user = app.person(&format!("user-{number}"), "ordinary").await;
        let named = app.session(user.user.id, Credential::ApiToken).await;
        assert!(app.is_signed_in(&user, By::Bearer).await && app.is_signed_in(&user, By::Cookie).await);
        let resource = patch(&app, &root, &format!("{USERS}/{}", user.id()), operations.clone()).await;
        assert_eq!(resource["active"], json!(false), "{operations}");
        assert!(!app.is_signed_in(&user, By::Bearer).await && !app.is_signed_in(&user, By::Cookie).await);
        let token = Person { bearer: format!("usher_{}", named.secret.to_text()), ..user.clone() };
        assert!(!app.is_signed_in(&token, By::Bearer).await);
        let entry = trail(&app).await.pop().unwrap();
        assert_eq!(entry.action, "user_deactivated");
        assert!(entry.details.contains("\"sessions_ended\":3"), "in the same transaction: {}", entry.details);
    }
    for (number, is_put) in [(100, true), (101, false)] {
        let user = app.person(&format!("user-{number}"), "ordinary").await;
        let path = format!("{USERS}/{}", user.id());
        let (method, body) = if is_put {
            (Method::Put, json!({"userName": format!("user-{number}"), "active": "False"}))
        } else {
            (Method::Delete, Value::Null)
        };
        assert!(send(&app, &root, method, &path, &body).await.status < 300);
        assert!(!app.is_signed_in(&user, By::Bearer).await && !app.is_signed_in(&user, By::Cookie).await);
    }
    let other = app.person("other", "ordinary").await;
    let answer = try_patch(
        &app,
        &root,
        &format!("{USERS}/{}", other.id()),
        json!([{"op": "replace", "value": {"active": "maybe"}}]),
    )
    .await;
    assert_eq!(error(&answer), (400, Some("invalidValue".into())));
    assert!(app.is_signed_in(&other, By::Bearer).await);
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn a_user_who_is_there_is_no_second_time_created(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let ada = create(&app, &root, &json!({"userName": "ada"})).await;
    for deed in ["none", "deactivate", "delete"] {
        match deed {
            "deactivate" => {
                patch(&app, &root, &path(&ada), json!([{"op": "replace", "path": "active", "value": false}]))
                    .await;
            }
            "delete" => {
                assert_eq!(send(&app, &root, Method::Delete, &path(&ada), &Value::Null).await.status, 204);
            }
            _ => {}
        }
        let answer = send(&app, &root, Method::Post, USERS, &json!({"userName": "ADA"})).await;
        assert_eq!(error(&answer), (409, Some("uniqueness".into())), "{deed}");
    }
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn each_client_has_its_own_names_for_users(app: TestApp) {
    let (okta, entra) = (app.person("okta", "staff").await, app.person("entra", "staff").await);
    let ada = create(&app, &okta, &json!({"userName": "ada", "externalId": "1"})).await;
    let bob = create(&app, &okta, &json!({"userName": "bob", "externalId": "2"})).await;
    let seen = app.get(&entra, &path(&ada)).await.json();
    assert_eq!(seen["externalId"], Value::Null);
    patch(&app, &entra, &path(&bob), json!([{"op": "add", "path": "externalId", "value": "1"}])).await;
    assert_eq!(find(&app, &okta, "externalId eq \"1\"").await, ["ada"]);
    assert_eq!(find(&app, &entra, "externalId eq \"1\"").await, ["bob"]);
    let taken = json!([{"op": "replace", "value": {"externalId": "1", "name": {"givenName": "Bob"}}}]);
    let answer = try_patch(&app, &okta, &path(&bob), taken).await;
    assert_eq!(error(&answer), (409, Some("uniqueness".into())));
    assert_eq!(app.get(&okta, &path(&bob)).await.json()["name"], Value::Null, "and nothing of it is done");
    let answer = send(&app, &okta, Method::Post, USERS, &json!({"userName": "eve", "externalId": "1"})).await;
    assert_eq!(error(&answer), (409, Some("uniqueness".into())));
    assert!(find(&app, &okta, "userName eq \"eve\"").await.is_empty());
    // Nor does the audit log, which all staff read, say more than that they changed.
    let told: Vec<String> = trail(&app).await.into_iter().map(|entry| entry.details).collect();
    let changed = told.iter().filter(|details| details.contains("\"external_id\":\"changed\"")).count();
    let mentioned = told.iter().filter(|details| details.contains("external_id")).count();
    assert_eq!((changed, mentioned), (3, 3), "{told:?}");
    // Of who is deleted the name is free again.
    assert_eq!(send(&app, &entra, Method::Delete, &path(&ada), &Value::Null).await.status, 204);
    create(&app, &okta, &json!({"userName": "eve", "externalId": "1"})).await;
}
