//! Request bodies: what is read, what is refused, and how.

use rocket::http::Method::{Delete, Get, Patch, Post, Put};
use serde_json::{Value, json};

use super::*;

const REQUIRED: &str = "This field is required.";

#[apply(on_both)]
async fn an_empty_body_is_no_data_under_any_content_type(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    let nothing: &[Pair<'_>] = &[];
    let types: [&[Pair<'_>]; 7] = [
        nothing,
        &[("Content-Type", "application/octet-stream")],
        &[JSON],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &[("Content-Type", "multipart/form-data; boundary=x")],
        &[("Content-Type", "nonsense")],
    ];
    for headers in types {
        let case = format!("{headers:?}");
        let list = ask(&app, Post, "/v1/users/list", bearer(&admin), headers, "").await;
        assert_eq!(list.status, 200, "{case}: {}", list.body);
        assert_eq!(list.json().as_array().map(Vec::len), Some(2), "{case}");
        let missing: Value = ["username", "password", "first_name", "last_name", "email"]
            .iter()
            .map(|member| ((*member).to_owned(), json!([REQUIRED])))
            .collect::<serde_json::Map<_, _>>()
            .into();
        for (method, path) in [(Post, "/v1/users/create"), (Put, "/v1/users/2")] {
            assert_is(&ask(&app, method, path, bearer(&admin), headers, "").await, 400, &missing, &case);
        }
        let patched = ask(&app, Patch, "/v1/users/2", bearer(&admin), headers, "").await;
        assert_eq!(patched.status, 200, "{case}: {}", patched.body);
        for (path, body) in [
            ("/v1/auth/obtain", json!({"username": [REQUIRED], "password": [REQUIRED]})),
            ("/v1/auth/refresh", json!({"refresh": [REQUIRED]})),
            ("/v1/auth/verify", json!({"token": [REQUIRED]})),
        ] {
            assert_is(&ask(&app, Post, path, ANONYMOUS, headers, "").await, 400, &body, &case);
        }
    }
}

#[apply(on_both)]
async fn json_with_any_parameters_is_json(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    for kind in [
        "application/json",
        "application/json; charset=UTF-8",
        "application/json;charset=utf-8",
        "application/json; charset=\"utf-8\"",
        "application/json; charset=UTF-8; version=1",
        "Application/JSON",
    ] {
        let headers = [("Content-Type", kind)];
        let answer = ask(&app, Patch, "/v1/users/1", bearer(&admin), &headers, r#"{"email":7}"#).await;
        assert_is(&answer, 400, &json!({"email": ["Not a valid string."]}), kind);
        let answer = ask(&app, Post, "/v1/auth/verify", ANONYMOUS, &headers, r#"{"token":7}"#).await;
        assert_is(&answer, 400, &json!({"token": ["Not a valid string."]}), kind);
    }
}

#[apply(on_both)]
async fn a_body_of_another_type_is_415_and_changes_nothing(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let path = path_of(&target);
    let before = app.stored(target.id()).await;
    for kind in [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/jsonp",
        "application/json-patch+json",
        "application/xml, application/json",
        "json",
        "",
    ] {
        for (method, path, body) in [
            (Post, "/v1/users/create", whole("new").to_string()),
            (Post, "/v1/users/list", "{}".to_owned()),
            (Put, &*path, whole("new").to_string()),
            (Patch, &*path, r#"{"first_name":"Changed"}"#.to_owned()),
            (Post, "/v1/auth/obtain", json!({"username": "ada", "password": PASSWORD}).to_string()),
            (Post, "/v1/auth/refresh", json!({"refresh": target.refresh}).to_string()),
            (Post, "/v1/auth/verify", json!({"token": target.refresh}).to_string()),
        ] {
            let case = format!("{method} {path} {kind:?}");
            let answer = ask(&app, method, path, bearer(&admin), &[("Content-Type", kind)], body).await;
            let detail = json!({"detail": format!("Unsupported media type \"{kind}\" in request.")});
            assert_is(&answer, 415, &detail, &case);
        }
    }
    let answer = ask(&app, Patch, &path, bearer(&admin), &[], r#"{"first_name":"Changed"}"#).await;
    assert_eq!(answer.status, 415, "no type at all");
    assert_eq!(app.stored(target.id()).await, before);
    assert_eq!(usernames(&app, &admin).await, ["admin", "ada"]);
}

#[apply(on_both)]
async fn a_compressed_body_is_415_and_says_what_is_read(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let body = r#"{"first_name":"Changed"}"#;
    for (coding, status) in [("gzip", 415), ("br, identity", 415), ("Identity", 200), ("identity", 200)] {
        let headers = [JSON, ("Content-Encoding", coding)];
        let answer = ask(&app, Patch, &path_of(&target), bearer(&admin), &headers, body).await;
        assert_eq!(answer.status, status, "{coding}: {}", answer.body);
        assert_eq!(answer.header("Accept-Encoding"), (status == 415).then_some("identity"), "{coding}");
        if status == 415 {
            assert_eq!(app.stored(target.id()).await.first_name.as_str(), "", "{coding}");
            assert!(answer.json()["detail"].as_str().unwrap().starts_with("Unsupported content coding"));
        }
    }
    let headers = [("Content-Encoding", "gzip")];
    let nothing = ask(&app, Post, "/v1/users/list", bearer(&admin), &headers, "").await;
    assert_eq!(nothing.status, 200, "no data in any coding");
}

#[apply(on_both)]
async fn what_generated_clients_send_is_read(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    app.person("ada", "ordinary").await;
    let expression = json!({"type": "exact", "field": "pk", "value": 2.0, "sub_string": null, "operator": null,
        "case_insensitive": null, "invert": null, "sub_expressions": []});
    let request =
        json!({"expressions": [expression], "order_by": null, "limit": 148.0, "after": null, "count": null});
    let answer = app.send(&admin, Post, "/v1/users/list", &request).await;
    assert_eq!((answer.status, answer.json().as_array().map(Vec::len)), (200, Some(1)), "{}", answer.body);
    let request = json!({"action": "deactivate", "ids": [2.0], "filter": null, "preview": true});
    let answer = app.send(&admin, Post, "/v1/users/bulk", &request).await;
    assert_eq!((answer.status, &answer.json()["ready"]), (200, &json!(1)), "{}", answer.body);
    let request = json!({"name": "script", "expires_in_days": null, "read_only": null});
    let answer = app.send(&admin, Post, "/v1/account/tokens", &request).await;
    assert_eq!((answer.status, &answer.json()["read_only"]), (201, &json!(true)), "{}", answer.body);
    let request = json!({"name": "another", "expires_in_days": 30.0});
    assert_eq!(app.send(&admin, Post, "/v1/account/tokens", &request).await.status, 201);
    // What is a rule of the record stays one.
    let answer = app.send(&admin, Patch, "/v1/users/2", &json!({"is_staff": null, "first_name": null})).await;
    let refused = ["This field may not be null."];
    assert_is(&answer, 400, &json!({"is_staff": refused, "first_name": refused}), "null is no value");
}

#[apply(on_both)]
async fn in_2_what_is_not_one_json_object_is_400_with_the_reason(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    let deep = |open: &str, close: &str| format!("{{\"a\":{}{}}}", open.repeat(10_000), close.repeat(10_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let arrays = deep("[", "]");
    let bodies: [&[u8]; 26] = [
        b"{",
        b"{]",
        b"x",
        b" ",
        b"[]",
        b"[{}]",
        b"null",
        b"true",
        b"7",
        b"\"text\"",
        b"{} {}",
        b"{},",
        b"{'a':1}",
        b"{a:1}",
        b"{\"a\":1,}",
        b"{\"a\":01}",
        b"{\"a\":NaN}",
        b"{\"first_name\":\"x\",\"first_name\":\"x\"}",
        b"{\"a\":{\"b\":1,\"b\":2}}",
        b"{\"first_name\":\"\\ud800\"}",
        b"{\"first_name\":\"\\udc00x\"}",
        b"{\"a\":1e400}",
        b"{\"first_name\":\"\xff\"}",
        b"{\"first_name\":\"a\0b\"}",
        objects.as_bytes(),
        arrays.as_bytes(),
    ];
    let before = app.stored(2).await;
    for body in bodies {
        for (method, path) in [
            (Post, "/v1/users/create"),
            (Post, "/v1/users/list"),
            (Put, "/v1/users/2"),
            (Patch, "/v1/users/2"),
            (Post, "/v1/auth/obtain"),
            (Post, "/v1/auth/refresh"),
            (Post, "/v1/auth/verify"),
        ] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let case = format!("{method} {path} {shown}");
            let answer = ask(&app, method, path, bearer(&admin), &[JSON], body).await;
            if path.starts_with("/v1/auth/") && body.len() > 4096 {
                assert_eq!(answer.status, 413, "{case}: credentials are short");
                continue;
            }
            assert_eq!(answer.status, 400, "{case}: {}", answer.body);
            let answer = answer.json();
            let detail = answer["detail"].as_str().unwrap_or_default();
            assert!(detail.starts_with("JSON parse error - "), "{case}: {answer}");
            assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1), "{case}: {answer}");
        }
    }
    assert_eq!(app.stored(2).await, before);
}

#[apply(on_both)]
async fn in_2_a_body_over_the_limit_is_413(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let padded = |limit: usize| {
        let body = json!({"email": 7, "padding": ""}).to_string();
        body.replace("\"\"", &format!("\"{}\"", "x".repeat(limit - body.len())))
    };
    for (method, path, limit) in
        [(Patch, "/v1/users/1", 1_048_576), (Post, "/v1/auth/obtain", 4096), (Post, "/v1/auth/verify", 4096)]
    {
        let fits = ask(&app, method, path, bearer(&admin), &[JSON], padded(limit)).await;
        assert_eq!(fits.status, 400, "{path}: {}", fits.body);
        assert!(fits.json().get("detail").is_none(), "{path}: read, and found wrong: {}", fits.body);
        for length in [limit + 1, 2 * limit, 10_000_000] {
            let answer = ask(&app, method, path, bearer(&admin), &[JSON], padded(length)).await;
            let detail = json!({"detail": format!("The request body is larger than {limit} bytes.")});
            assert_is(&answer, 413, &detail, path);
        }
    }
}

#[apply(on_both)]
#[with([("json_limit", json!(600))])]
async fn in_2_the_limit_of_a_body_is_a_setting(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let long = json!({"first_name": "", "padding": "x".repeat(600)}).to_string();
    assert_eq!(ask(&app, Patch, "/v1/users/1", bearer(&admin), &[JSON], long).await.status, 413);
    let short = json!({"first_name": "", "padding": "x".repeat(500)}).to_string();
    assert_eq!(ask(&app, Patch, "/v1/users/1", bearer(&admin), &[JSON], short).await.status, 200);
}

#[apply(on_both)]
async fn delete_and_get_need_no_body(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    for name in ["a", "b", "c"] {
        app.person(name, "ordinary").await;
    }
    for (id, headers, body) in [
        (2, vec![], ""),
        (3, vec![("Content-Type", "application/octet-stream")], ""),
        // A body that the route does not take is not looked at.
        (4, vec![("Content-Type", "text/plain")], "{"),
    ] {
        let path = format!("/v1/users/{id}");
        assert_eq!(ask(&app, Get, &path, bearer(&admin), &headers, body).await.status, 200, "{id}");
        assert_eq!(ask(&app, Delete, &path, bearer(&admin), &headers, body).await.status, 204, "{id}");
    }
}
