//! `Accept`, and the order in which a request is checked.

use rocket::http::Method;
use rocket::http::Method::{Delete, Get, Patch, Post, Put};
use serde_json::json;

use super::*;

#[apply(on_both)]
async fn an_accept_header_with_room_for_json_is_fine(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    for accept in [
        "*/*",
        "application/json",
        "application/*",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "text/html, application/json;q=0.5",
        "text/html,*/*;q=0.1",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        "application/json;version=1.0",
    ] {
        let answer = ask(&app, Get, "/v1/users/1", bearer(&admin), &[("Accept", accept)], "").await;
        assert_eq!(answer.status, 200, "{accept}: {}", answer.body);
    }
    assert_eq!(app.get(&admin, "/v1/users/1").await.status, 200, "no header at all");
    let two = [("Accept", "text/html"), ("Accept", "application/json")];
    assert_eq!(ask(&app, Get, "/v1/users/1", bearer(&admin), &two, "").await.status, 200);
}

#[apply(on_both)]
async fn any_other_accept_header_is_406_before_anything_is_done(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let target = app.person("ada", "ordinary").await;
    let path = path_of(&target);
    let before = app.stored(target.id()).await;
    let credentials = json!({"username": "ada", "password": PASSWORD}).to_string();
    for accept in ["text/html", "application/xml", "image/*, text/*", "application/json;q=0", "*/*;q=0.0"] {
        for (method, path, body) in [
            (Post, "/v1/users/create", whole("new").to_string()),
            (Put, &*path, whole("changed").to_string()),
            (Patch, &*path, json!({"first_name": "Changed"}).to_string()),
            (Delete, &*path, String::new()),
            (Get, &*path, String::new()),
            (Get, "/v1/users/ada", String::new()),
            (Post, "/v1/users/list", String::new()),
            (Post, "/v1/auth/obtain", credentials.clone()),
            (Post, "/v1/auth/refresh", json!({"refresh": target.refresh}).to_string()),
            (Post, "/v1/auth/verify", json!({"token": target.refresh}).to_string()),
        ] {
            let headers = [JSON, ("Accept", accept)];
            let answer = ask(&app, method, path, bearer(&admin), &headers, body).await;
            let detail = json!({"detail": "Could not satisfy the request Accept header."});
            assert_is(&answer, 406, &detail, &format!("{method} {path} {accept}"));
        }
    }
    assert_eq!(usernames(&app, &admin).await, ["admin", "ada"]);
    assert_eq!(app.stored(target.id()).await, before, "also not signed in");
}

/// Each case has everything wrong that could be reported after what is.
#[apply(on_both)]
async fn what_is_wrong_is_reported_in_the_order_of_the_contract(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let person = app.person("person", "ordinary").await;
    let boss = app.person("boss", "superuser").await;
    let superuser = path_of(&boss);
    let plain = ("Content-Type", "text/plain");
    let cases: [(&str, Method, &str, Who<'_>, Pair<'_>, &str, u16); 16] = [
        ("route before method", Put, "/v1/nothing", ANONYMOUS, plain, "{", 404),
        ("method before credentials", Put, "/v1/users/ada", ANONYMOUS, plain, "{", 405),
        ("credentials before syntax", Post, "/v1/users/create", ANONYMOUS, JSON, "{", 401),
        ("credentials before media type", Patch, "/v1/users/99", ANONYMOUS, plain, "x", 401),
        ("credentials before existence", Delete, "/v1/users/99", ANONYMOUS, plain, "", 401),
        ("permission before media type", Post, "/v1/users/list", bearer(&person), plain, "x", 403),
        ("permission before syntax", Patch, "/v1/users/99", bearer(&person), JSON, "{", 403),
        ("permission before existence", Delete, "/v1/users/99", bearer(&person), JSON, "", 403),
        ("permission before existence", Get, "/v1/users/99", bearer(&person), JSON, "", 403),
        ("permission before validation", Post, "/v1/users/create", bearer(&person), JSON, "{}", 403),
        ("media type before existence", Put, "/v1/users/99", bearer(&admin), plain, "x", 415),
        ("syntax before existence", Patch, "/v1/users/99", bearer(&admin), JSON, "{", 400),
        ("syntax before existence", Put, "/v1/users/99", bearer(&admin), JSON, "[]", 400),
        ("existence before validation", Put, "/v1/users/99", bearer(&admin), JSON, "{}", 404),
        ("existence before validation", Patch, "/v1/users/99", bearer(&admin), JSON, r#"{"email":7}"#, 404),
        ("rights to the row before validation", Put, &superuser, bearer(&admin), JSON, "{}", 403),
    ];
    for (what, method, path, who, header, body, status) in cases {
        let answer = ask(&app, method, path, who, &[header], body).await;
        assert_eq!(answer.status, status, "{what}: {method} {path}: {}", answer.body);
        if status == 400 {
            let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
            assert!(detail.starts_with("JSON parse error - "), "{what}: {detail}");
        }
    }
}
