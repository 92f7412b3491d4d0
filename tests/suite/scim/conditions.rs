//! Versions, errors, and what the server says of itself.

use super::*;
use crate::matrix::{SCIM_ROWS, ask};

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn az_9_a_change_of_another_version_is_refused_and_what_is_known_is_not_sent_again(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let ada = create(&app, &root, &json!({"userName": "ada"})).await;
    let path = path(&ada);
    let ask = async |method: Method, name: &'static str, tag: &'static str, body: Value| {
        let request = app.request(method, &path, Some((&root, By::Bearer)));
        let request = request.header(Header::new("Content-Type", "application/scim+json"));
        let request = request.header(Header::new(name, tag));
        Answer::of(request.body(body.to_string()).dispatch().await).await
    };
    let named =
        |name: &str| json!({"Operations": [{"op": "replace", "value": {"name": {"givenName": name}}}]});
    assert_eq!(ask(Method::Patch, "If-Match", "W/\"1\"", named("A")).await.status, 200);
    for (method, body) in [
        (Method::Patch, named("B")),
        (Method::Put, json!({"userName": "eve"})),
        (Method::Delete, Value::Null),
    ] {
        let answer = ask(method, "If-Match", "W/\"1\"", body).await;
        assert_eq!(error(&answer), (412, None), "{method}");
    }
    assert_eq!(ask(Method::Patch, "If-Match", "\"nonsense\"", named("B")).await.status, 412);
    assert_eq!(ask(Method::Patch, "If-Match", "W/\"9\", W/\"2\"", named("B")).await.status, 200);
    assert_eq!(ask(Method::Patch, "If-Match", "*", named("C")).await.status, 200);
    let known = ask(Method::Get, "If-None-Match", "W/\"4\"", Value::Null).await;
    assert_eq!((known.status, known.header("ETag"), known.body.as_str()), (304, Some("W/\"4\""), ""));
    assert_eq!(ask(Method::Get, "If-None-Match", "W/\"3\"", Value::Null).await.status, 200);
    // A change that changes nothing makes no version.
    assert_eq!(ask(Method::Patch, "If-Match", "W/\"4\"", named("C")).await.header("ETag"), Some("W/\"4\""));
    // The name that a client has for the user is a part of the resource.
    patch(&app, &root, &path, json!([{"op": "add", "path": "externalId", "value": "A-1"}])).await;
    assert_eq!(app.get(&root, &path).await.header("ETag"), Some("W/\"5\""));
}

#[apply(on_both)]
#[with([("scim", json!(true)), ("json_limit", json!(600))])]
async fn hd_3_every_error_is_one_of_the_standard(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let ada = app.person("ada", "ordinary").await;
    let gone = Person { bearer: "usher_nonsense".into(), ..root.clone() };
    for (who, method, path, status) in [
        (Some(&ada), Method::Get, USERS, 403),
        (Some(&ada), Method::Get, "/scim/v2/Users/1", 403),
        (Some(&ada), Method::Get, "/scim/v2/Schemas", 403),
        (None, Method::Get, "/scim/v2/Schemas", 401),
        (None, Method::Get, USERS, 401),
        (None, Method::Post, USERS, 401),
        (Some(&gone), Method::Get, USERS, 401),
        (Some(&root), Method::Get, "/scim/v2/Users/999999", 404),
        (Some(&root), Method::Get, "/scim/v2/Users/ada", 404),
        (Some(&root), Method::Get, "/scim/v2/Users/01", 404),
        (Some(&root), Method::Get, "/scim/v2/Users/99999999999999999999", 404),
        (Some(&root), Method::Get, "/scim/v2/Nothing", 404),
        (Some(&root), Method::Get, "/scim/nothing", 404),
        (Some(&root), Method::Post, "/scim/v2/Users/1/2", 404),
        (Some(&root), Method::Get, "/scim/v2/Schemas/nothing", 404),
        (Some(&root), Method::Put, USERS, 405),
        (Some(&root), Method::Delete, "/scim/v2/ServiceProviderConfig", 405),
        (Some(&root), Method::Post, "/scim/v2/Users/1", 405),
        (Some(&root), Method::Post, "/scim/v2/Groups", 501),
        (Some(&root), Method::Post, "/scim/v2/Bulk", 501),
        (Some(&root), Method::Get, "/scim/v2/Me", 501),
    ] {
        let request = app.request(method, path, who.map(|who| (who, By::Bearer)));
        let answer = Answer::of(request.dispatch().await).await;
        assert_eq!(error(&answer), (status, None), "{method} {path}");
        match status {
            401 => assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer realm=\"scim\"")),
            405 => assert!(answer.header("Allow").is_some_and(|allow| allow.contains("GET"))),
            _ => {}
        }
    }
    let cookie = app.request(Method::Get, USERS, Some((&root, By::Cookie)));
    assert_eq!(error(&Answer::of(cookie.dispatch().await).await), (401, None), "no cookie counts");
    for (header, value, status) in [
        ("Content-Type", "text/plain", 415),
        ("Content-Type", "application/xml", 415),
        ("Accept", "text/html", 406),
        ("Accept", "application/scim+json", 201),
        ("Accept", "application/json", 201),
    ] {
        let request = app.request(Method::Post, USERS, Some((&root, By::Bearer)));
        let request = if header == "Accept" {
            request.header(Header::new("Content-Type", "application/json"))
        } else {
            request
        };
        let body = json!({"userName": value.replace('/', "-")});
        let request = request.header(Header::new(header, value)).body(body.to_string());
        let answer = Answer::of(request.dispatch().await).await;
        assert_eq!(answer.status, status, "{header}: {value}: {}", answer.body);
        if status > 299 {
            error(&answer);
        }
    }
    for (coding, status) in [("gzip", 415), ("br, identity", 415), ("identity", 201)] {
        let request = app.request(Method::Post, USERS, Some((&root, By::Bearer)));
        let request = request.header(Header::new("Content-Type", "application/scim+json"));
        let request = request.header(Header::new("Content-Encoding", coding));
        let answer =
            Answer::of(request.body(json!({"userName": "coded"}).to_string()).dispatch().await).await;
        assert_eq!(answer.status, status, "{coding}: {}", answer.body);
        assert_eq!(answer.header("Accept-Encoding"), (status == 415).then_some("identity"), "{coding}");
    }
    let long = send(&app, &root, Method::Post, USERS, &json!({"userName": "x".repeat(700)})).await;
    assert_eq!(error(&long), (413, None));
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn all_that_does_not_fit_is_told_at_once_by_the_names_of_attributes(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let body = json!({
        "userName": "a b", "name": {"givenName": "x".repeat(151)}, "emails": [{"value": "nonsense"}],
        "active": "perhaps", "externalId": "a\u{7}", "password": "short",
    });
    let answer = send(&app, &root, Method::Post, USERS, &body).await;
    assert_eq!(error(&answer), (400, Some("invalidValue".into())));
    for attribute in ["userName:", "name.givenName:", "emails.value:", "active:", "externalId:", "password:"]
    {
        assert!(answer.body.contains(attribute), "{attribute}: {}", answer.body);
    }
    for (body, kind) in [
        (json!({}), "invalidValue"),
        (json!({"userName": ""}), "invalidValue"),
        (json!({"userName": null}), "invalidValue"),
        (json!({"userName": 7}), "invalidValue"),
        (json!({"userName": "x", "name": "Ada"}), "invalidValue"),
        (json!({"userName": "x", "emails": "a@b.co"}), "invalidValue"),
        (json!({"userName": "x", "USERNAME": "y"}), "invalidSyntax"),
        (json!([]), "invalidSyntax"),
    ] {
        let answer = send(&app, &root, Method::Post, USERS, &body).await;
        assert_eq!(error(&answer), (400, Some(kind.into())), "{body}");
    }
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn the_server_says_what_it_has_of_the_standard(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let get = async |path: &str| {
        let answer = app.get(&root, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_eq!(answer.header("Content-Type"), Some("application/scim+json"));
        answer.json()
    };
    let config = get("/scim/v2/ServiceProviderConfig").await;
    let supported = |name: &str| config[name]["supported"].as_bool();
    for name in ["patch", "filter", "sort", "etag", "changePassword"] {
        assert_eq!(supported(name), Some(true), "{name}");
    }
    assert_eq!((supported("bulk"), &config["pagination"]["cursor"]), (Some(false), &json!(true)));
    let types = get("/scim/v2/ResourceTypes").await;
    assert_eq!(types["Resources"][0], get("/scim/v2/ResourceTypes/User").await);
    assert_eq!(types["totalResults"], json!(1));
    let schemas = get("/scim/v2/Schemas").await;
    for schema in schemas["Resources"].as_array().unwrap() {
        assert_eq!(*schema, get(&format!("/scim/v2/Schemas/{}", schema["id"].as_str().unwrap())).await);
    }
    let refused = app.get(&root, "/scim/v2/Schemas?filter=id%20pr").await;
    assert_eq!(error(&refused), (400, Some("invalidFilter".into())));
    assert_eq!(get("/scim/v2/Groups?filter=displayName%20eq%20%22x%22").await["totalResults"], json!(0));
}

/// Whoever has to choose another password first, or to add a second factor, does nothing by SCIM either.
#[apply(on_both)]
#[with([("scim", json!(true)), ("second_factor", json!("staff"))])]
async fn mf_9_pv_1_who_has_to_do_something_else_first_reaches_no_route(app: TestApp) {
    let other = app.person("other", "ordinary").await;
    let without = app.person("without", "superuser").await;
    let forced = app.person("forced", "superuser").await;
    let due = "must_change_password = TRUE, has_factor = TRUE";
    app.sql(&format!("UPDATE users SET {due} WHERE id = {}", forced.id())).await;
    app.sql(&format!("UPDATE sessions SET second_factor = TRUE WHERE user_id = {}", forced.id())).await;
    for (who, reason) in [(&without, "second factor"), (&forced, "password")] {
        for row in SCIM_ROWS {
            let path = row.route.replace("{id}", &other.id().to_string()).replace("{name}", "User");
            let answer = ask(&app, row, &path, Some((who, By::Bearer)), 1).await;
            assert_eq!(error(&answer), (403, None), "{} {path}", row.method);
            assert!(answer.body.contains(reason), "{} {path}: {}", row.method, answer.body);
        }
    }
    assert_eq!(app.stored(other.id()).await, other.user);
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn az_7_an_ordinary_user_learns_of_no_other_one(app: TestApp) {
    let (ada, bob) = (app.person("ada", "ordinary").await, app.person("bob", "ordinary").await);
    for row in SCIM_ROWS.iter().filter(|row| row.route.ends_with("{id}")) {
        let mut answers = Vec::new();
        for id in [bob.id().to_string(), "999999".to_owned()] {
            let path = row.route.replace("{id}", &id);
            answers.push(ask(&app, row, &path, Some((&ada, By::Bearer)), 1).await);
        }
        assert_eq!(error(&answers[0]), (403, None));
        assert_eq!(answers[0].body, answers[1].body);
        assert_eq!(answers[0].lasting_headers(), answers[1].lasting_headers());
    }
}

/// The entry of a deletion says that other clients, too, call the user nothing any more.
#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn a_deletion_says_how_many_external_ids_of_other_clients_are_dropped(app: TestApp) {
    let (okta, other) = (app.person("okta", "superuser").await, app.person("entra", "superuser").await);
    let made = create(&app, &okta, &json!({"userName": "ada", "externalId": "00u1"})).await;
    patch(&app, &other, &path(&made), json!([{"op": "add", "path": "externalId", "value": "A-1"}])).await;
    let alone = create(&app, &okta, &json!({"userName": "bob", "externalId": "00u2"})).await;
    for resource in [&made, &alone] {
        assert_eq!(send(&app, &okta, Method::Delete, &path(resource), &json!({})).await.status, 204);
    }
    let entries = trail(&app).await;
    let dropped = |name: &str| {
        let entry = entries.iter().rfind(|entry| entry.target_name == name).expect("an entry");
        assert_eq!(entry.action, "user_deactivated");
        serde_json::from_str::<Value>(&entry.details).unwrap()["external_ids_of_others_dropped"].clone()
    };
    assert_eq!((dropped("ada"), dropped("bob")), (json!(1), Value::Null));
}
