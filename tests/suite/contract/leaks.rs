//! The password's hash, or any part of it, is in no answer.

use rocket::http::Method;
use rocket::http::Method::{Delete, Get, Head, Options, Patch, Post, Put};
use serde_json::json;

use super::*;

/// Every route, and what may be sent to it.
fn requests(target: &Person) -> Vec<(Method, String, String)> {
    let path = path_of(target);
    let name = format!("/v1/users/{}", target.user.username.as_str());
    let bodies = [
        "",
        "{}",
        "{",
        "[]",
        r#"{"password":7}"#,
        r#"{"username":"ada","password":"short"}"#,
        r#"{"x":1,"x":2}"#,
    ];
    let pages = ["", "/password", "/sign-in-check"].map(|end| format!("/users/{}{end}", target.id()));
    let check = format!("{path}/sign-in-check");
    let mut requests = Vec::new();
    for method in [Get, Head, Options] {
        for path in [
            &*pages[0],
            &*pages[1],
            &*pages[2],
            &*check,
            "/set-password",
            "/users",
            "/users?q=ada&sort=-seen",
            "/users/new",
            "/account",
            path.as_str(),
            &name,
            "/v1/users/99",
            "/v1/nothing",
            "/",
            "/sign-in",
            "/livez",
            "/readyz",
            "/nothing",
        ] {
            requests.push((method, path.to_owned(), String::new()));
        }
    }
    for body in bodies {
        for path in
            ["/v1/users/list", "/v1/users/create", "/v1/auth/obtain", "/v1/auth/refresh", "/v1/auth/verify"]
        {
            requests.push((Post, path.to_owned(), body.to_owned()));
        }
        for method in [Put, Patch] {
            requests.push((method, path.clone(), body.to_owned()));
        }
    }
    let all = json!({"include_inactive": true, "order_by": [{"field": "username"}], "count": true});
    requests.push((Post, "/v1/users/list".into(), all.to_string()));
    requests.push((Post, "/v1/users/create".into(), whole("new").to_string()));
    requests.push((Put, path.clone(), whole("ada").to_string()));
    requests.push((Patch, path.clone(), json!({"first_name": "Ada"}).to_string()));
    requests.push((
        Post,
        "/v1/auth/obtain".into(),
        json!({"username": "ada", "password": PASSWORD}).to_string(),
    ));
    requests.push((Post, "/v1/users/invite".into(), whole("invited").to_string()));
    requests.push((Post, format!("{path}/link"), String::new()));
    requests.push((Delete, path, String::new()));
    requests
}

/// The stored hashes, whole and in their parts.
async fn hash_parts(app: &TestApp, names: &[&str]) -> Vec<String> {
    let mut parts = vec!["argon2".to_owned()];
    for name in names {
        let found =
            usher::db::users::credentials(&app.usher.db, name).await.expect("a database").expect("a user");
        let hash = found.password.as_str();
        let long = hash.split('$').filter(|part| part.len() > 16).map(str::to_owned);
        parts.extend(long);
    }
    parts
}

#[apply(on_both)]
async fn pw_6_the_hash_is_in_no_answer_of_any_route(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let staff = app.person("staff", "staff").await;
    let ada = app.person("ada", "ordinary").await;
    let mut parts = hash_parts(&app, &["admin", "ada"]).await;
    assert!(parts.len() >= 4, "salt and digest of each: {parts:?}");
    let mut seen = 0;
    for actor in [&ada, &staff, &admin] {
        for who in [bearer(actor), cookie(actor)] {
            for (method, path, body) in requests(&ada) {
                let answer = ask(&app, method, &path, who, &[JSON], &body).await;
                assert!(answer.status < 500, "{method} {path} {body}: {}", answer.body);
                let text = format!("{:?} {}", answer.headers, answer.body);
                for part in &parts {
                    assert!(!text.contains(part), "{method} {path} {body}: {text}");
                }
                seen += usize::from(answer.status == 200);
            }
        }
        parts.extend(hash_parts(&app, &["ada"]).await);
    }
    assert!(seen > 20, "most answers were refusals: {seen}");
}

#[apply(on_both)]
async fn pw_6_nothing_can_be_asked_about_the_hash(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    for field in
        ["password", "PASSWORD", "password_hash", "username_key", "version", "users.password", "password--"]
    {
        for body in [
            json!({"expressions": [{"type": "exact", "field": field, "value": "x"}]}),
            json!({"expressions": [{"type": "contains", "field": field, "sub_string": "argon2"}]}),
            json!({"expressions": [{"type": "isnull", "field": field}]}),
            json!({"expressions": [{"type": "compare", "field": field, "operator": ">", "value": "$"}]}),
            json!({"order_by": [{"field": field}]}),
        ] {
            let answer = app.send(&admin, Post, "/v1/users/list", &body).await;
            let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
            assert_eq!((answer.status, detail.contains(field)), (400, true), "{body}: {}", answer.body);
        }
    }
    let plain = app.get(&admin, "/v1/users/1").await.body;
    for query in ["?password__startswith=a", "?fields=password", "?expand=password"] {
        assert_eq!(app.get(&admin, &format!("/v1/users/1{query}")).await.body, plain, "{query}");
    }
}

#[apply(on_both)]
async fn no_answer_repeats_a_credential_but_those_that_hand_it_out(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let ada = app.person("ada", "ordinary").await;
    for who in [bearer(&admin), cookie(&admin)] {
        for (method, path, body) in requests(&ada) {
            let answer = ask(&app, method, &path, who, &[JSON], &body).await;
            let text = format!("{:?} {}", answer.headers, answer.body);
            for secret in [&admin.bearer, &admin.cookie, &admin.refresh, PASSWORD] {
                assert!(!text.contains(secret), "{method} {path}: {text}");
            }
        }
    }
}
