//! What no client should send: it is refused in the standard's form, and changes nothing.

use super::*;

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn in_2_whatever_a_provisioning_client_sends_is_answered_without_a_failure(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let ada =
        create(&app, &root, &json!({"userName": "ada", "emails": [{"value": "ada@example.org"}]})).await;
    let deep = (0..200).fold(json!("x"), |inner, _| json!([inner]));
    let odd = [
        json!(null),
        json!(7),
        json!(-1.5e300),
        json!(true),
        json!(""),
        json!("a\u{0}b"),
        json!("\u{202e}x"),
        json!("x".repeat(100_000)),
        json!([]),
        json!([null]),
        json!([[]]),
        json!({}),
        json!({"value": {"value": {}}}),
        deep,
    ];
    let before = app.get(&root, &path(&ada)).await.json();
    for value in &odd {
        let mut bodies = vec![
            (Method::Post, USERS.to_owned(), value.clone()),
            (Method::Put, path(&ada), value.clone()),
            (Method::Patch, path(&ada), value.clone()),
            (Method::Post, format!("{USERS}/.search"), value.clone()),
        ];
        for name in
            ["userName", "externalId", "name", "emails", "active", "password", "schemas", "meta", "id"]
        {
            bodies.push((Method::Post, USERS.to_owned(), json!({"userName": "ada", name: value})));
            let operation = json!({"op": "replace", "path": "title", "value": value, name: value});
            bodies.push((Method::Patch, path(&ada), json!({"Operations": [operation]})));
        }
        for name in [
            "filter",
            "sortBy",
            "sortOrder",
            "startIndex",
            "count",
            "cursor",
            "attributes",
            "excludedAttributes",
        ] {
            bodies.push((Method::Post, format!("{USERS}/.search"), json!({name: value})));
        }
        for path_text in
            ["emails[value eq \"x\"].value", "emails", "name", "name.givenName", "active", "emails.type"]
        {
            for op in ["add", "remove"] {
                // What fits may be done; the next request still finds the user.
                let body = json!({"Operations": [{"op": op, "path": path_text, "value": value}, {"op": "replace", "path": "id", "value": "1"}]});
                bodies.push((Method::Patch, path(&ada), body));
            }
        }
        for (method, path, body) in bodies {
            let answer = send(&app, &root, method, &path, &body).await;
            assert!(answer.status < 500, "{method} {path} {:.200}: {}", body.to_string(), answer.body);
            if answer.status >= 400 {
                error(&answer);
            }
        }
    }
    assert_eq!(app.get(&root, &path(&ada)).await.json(), before);
}

#[apply(on_both)]
#[with([("scim", json!(true))])]
async fn in_2_no_query_and_no_text_of_a_provisioning_client_makes_the_server_fail(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let ada = create(&app, &root, &json!({"userName": "ada"})).await;
    for query in [
        "filter=",
        "filter=%00",
        "filter=userName%20eq%20%22%5Cu0000%22",
        "filter=externalId%20eq%20%22%5Cu0000%22",
        "filter=emails%5Bvalue%20co%20%22%5Cu0000%22%5D",
        "filter=name.givenName%20ew%20%22%5Cu0000%22",
        "filter=%FF",
        "filter=userName%20sw%20%22%5Cud800%22",
        "filter=meta.created%20gt%20%229999-12-31T23:59:59Z%22",
        "filter=id%20eq%20%22-9223372036854775808%22",
        "startIndex=9223372036854775807&count=9223372036854775807",
        "startIndex=99999999999999999999",
        "count=-9223372036854775808",
        "cursor=%00",
        "cursor=WyIiLFtdXQ",
        "attributes=%00,..,a.b.c&excludedAttributes=.",
        "sortBy=%5B%5D",
        "attributes=userName&attributes=id",
    ] {
        let answer = app.get(&root, &format!("{USERS}?{query}")).await;
        assert!(answer.status < 500, "{query}: {}", answer.body);
        if answer.status >= 400 {
            error(&answer);
        }
    }
    for body in [
        "{",
        "[]",
        "{\"a\":1,\"a\":2}",
        "\u{feff}{}",
        "{\"Operations\":[{\"op\":\"add\",\"op\":\"remove\"}]}",
    ] {
        let request = app.request(Method::Patch, &path(&ada), Some((&root, By::Bearer)));
        let request = request.header(Header::new("Content-Type", "application/scim+json")).body(body);
        assert_eq!(
            error(&Answer::of(request.dispatch().await).await),
            (400, Some("invalidSyntax".into())),
            "{body}"
        );
    }
}
