//! What two identity providers send when they provision users, request by request, in our own words.

use super::*;

fn no_users() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 0, "itemsPerPage": 0, "startIndex": 1, "Resources": [],
    })
}

/// Okta: looks for the user, creates, updates by whole resources, deactivates and reactivates by PATCH without a path.
#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn users_are_provisioned_as_okta_does_it(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let okta = with_api_token(&app, &root, false).await;
    let first = app.get(&okta, &format!("{USERS}?startIndex=1&count=2")).await;
    assert_eq!(
        (first.status, first.json()["totalResults"].clone()),
        (200, json!(1)),
        "the test of the connection"
    );
    let query = format!("{USERS}?filter=userName%20eq%20%22ada.l%40example.org%22&startIndex=1&count=100");
    assert_eq!(app.get(&okta, &query).await.json(), no_users());
    let body = json!({
        "schemas": [USER], "userName": "ada.l@example.org",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"primary": true, "value": "ada.l@example.org", "type": "work"}],
        "displayName": "Ada Lovelace", "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [], "password": "1mz050nq-Xs9", "active": true,
    });
    let made = create(&app, &okta, &body).await;
    for name in ["userName", "name", "emails", "displayName", "externalId", "active"] {
        match name {
            "name" => assert_eq!(made["name"]["familyName"], body["name"]["familyName"]),
            name => assert_eq!(made[name], body[name], "{name}"),
        }
    }
    assert_eq!(made["password"], Value::Null);
    assert_eq!(app.obtain("ada.l@example.org", "1mz050nq-Xs9").await.status, 200);
    assert_eq!(app.get(&okta, &query).await.json()["Resources"], json!([made]));
    assert_eq!(app.get(&okta, &path(&made)).await.json(), made);
    let mut whole = made.clone();
    whole["name"]["familyName"] = json!("King");
    whole["groups"] = json!([]);
    let answer = send(&app, &okta, Method::Put, &path(&made), &whole).await;
    assert_eq!((answer.status, answer.json()["displayName"].clone()), (200, json!("Ada King")));
    let gone = patch(&app, &okta, &path(&made), json!([{"op": "replace", "value": {"active": false}}])).await;
    assert_eq!(gone["active"], json!(false));
    assert_eq!(app.obtain("ada.l@example.org", "1mz050nq-Xs9").await.status, 401);
    // Assigned again: the user is found, and made active.
    assert_eq!(app.get(&okta, &query).await.json()["Resources"][0]["active"], json!(false));
    let back = patch(&app, &okta, &path(&made), json!([{"op": "replace", "value": {"active": true}}])).await;
    assert_eq!(back["active"], json!(true));
    assert_eq!(app.obtain("ada.l@example.org", "1mz050nq-Xs9").await.status, 200);
    let renewed = json!([{"op": "replace", "value": {"password": "2nz050nq-Xs9"}}]);
    patch(&app, &okta, &path(&made), renewed).await;
    assert_eq!(app.obtain("ada.l@example.org", "2nz050nq-Xs9").await.status, 200);
    let groups = app.get(&okta, "/scim/v2/Groups?startIndex=1&count=100").await;
    assert_eq!((groups.status, groups.json()), (200, no_users()));
}

/// Entra: looks for the user by the name it matches by, creates, and changes single attributes by PATCH, with paths,
/// capitalised operations, truth as text and values chosen by filters. Deletes 30 days after the deactivation.
#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn users_are_provisioned_as_entra_does_it(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let entra = with_api_token(&app, &root, false).await;
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let probe = format!("{USERS}?filter=userName+eq+%22bcf1ed5d-5a1d-4c5f-9d1f-0e3f43f4d8a5%22");
    assert_eq!(app.get(&entra, &probe).await.json(), no_users(), "the test of the connection");
    let body = json!({
        "schemas": [USER, enterprise], "externalId": "ada.l", "userName": "ada.l@example.org", "active": true,
        "displayName": "Ada Lovelace",
        "emails": [{"primary": true, "type": "work", "value": "ada.l@example.org"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"},
        "roles": [], enterprise: {"department": "Engines", "employeeNumber": "7"},
    });
    let made = create(&app, &entra, &body).await;
    let by_name = format!("{USERS}?filter=externalId%20eq%20%22ada.l%22");
    assert_eq!(app.get(&entra, &by_name).await.json()["Resources"], json!([made]));
    let answer = send(&app, &entra, Method::Post, USERS, &body).await;
    assert_eq!(error(&answer), (409, Some("uniqueness".into())));
    let changed = patch(
        &app,
        &entra,
        &path(&made),
        json!([
            {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "ada.k@example.org"},
            {"op": "Replace", "path": "name.familyName", "value": "King"},
            {"op": "Add", "path": "displayName", "value": "Ada King"},
            {"op": "Replace", "path": "userName", "value": "ada.k@example.org"},
            {"op": "Add", "path": format!("{enterprise}:department"), "value": "Notes"},
            {"op": "Add", "path": format!("{enterprise}:manager"), "value": "7"},
            {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+44 7"},
            {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "GB"},
        ]),
    )
    .await;
    assert_eq!(changed["emails"], json!([{"value": "ada.k@example.org", "type": "work", "primary": true}]));
    assert_eq!(
        (&changed["userName"], &changed["displayName"]),
        (&json!("ada.k@example.org"), &json!("Ada King"))
    );
    let emptied = json!([{"op": "Remove", "path": "emails[type eq \"work\"].value"}]);
    assert_eq!(patch(&app, &entra, &path(&made), emptied).await["emails"], Value::Null);
    let set = json!([{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "ada@example.org"}]);
    assert_eq!(patch(&app, &entra, &path(&made), set).await["emails"][0]["value"], json!("ada@example.org"));
    let gone = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    assert_eq!(patch(&app, &entra, &path(&made), gone).await["active"], json!(false));
    let back = json!([{"op": "Replace", "path": "active", "value": "True"}]);
    assert_eq!(patch(&app, &entra, &path(&made), back).await["active"], json!(true));
    let gone = json!([{"op": "Replace", "value": {"active": false, "name.givenName": "A."}}]);
    let gone = patch(&app, &entra, &path(&made), gone).await;
    assert_eq!((&gone["active"], &gone["name"]["givenName"]), (&json!(false), &json!("A.")));
    assert_eq!(send(&app, &entra, Method::Delete, &path(&made), &Value::Null).await.status, 204);
    assert_eq!(error(&app.get(&entra, &path(&made)).await), (404, None));
    assert_eq!(app.get(&entra, &by_name).await.json(), no_users());
}
