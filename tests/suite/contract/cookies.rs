//! The session cookie at the API: never behind a request that another site could have made.

use rocket::http::Method;
use rocket::http::Method::{Delete, Get, Head, Options, Patch, Post, Put};
use serde_json::json;

use super::*;

const HOST: Pair<'static> = ("Host", "users.example.org");

/// A request with the session cookie and these headers, and no other ones.
async fn by_cookie(
    app: &TestApp,
    person: &Person,
    method: Method,
    path: &str,
    headers: &[Pair<'_>],
    body: &str,
) -> Answer {
    let mut request =
        app.client.req(method, path.to_owned()).header(cookie_header("__Host-sid-0a1b2c3d", &person.cookie));
    for (name, value) in headers {
        request.add_header(Header::new(*name, (*value).to_owned()));
    }
    Answer::of(request.body(body).dispatch().await).await
}

async fn people(app: &TestApp) -> (Person, Person) {
    (app.person("admin", "superuser").await, app.person("target", "ordinary").await)
}

/// Every unsafe action on the target, each with a body that would be accepted.
fn actions(target: &Person) -> [(Method, String, String); 5] {
    [
        (Post, "/v1/users/create".into(), whole("new").to_string()),
        (Post, "/v1/users/list".into(), "{}".into()),
        (Put, path_of(target), whole("changed").to_string()),
        (Patch, path_of(target), json!({"first_name": "Changed", "is_active": false}).to_string()),
        (Delete, path_of(target), String::new()),
    ]
}

#[apply(on_both)]
async fn cs_1_an_unsafe_request_by_cookie_must_be_of_the_same_origin(app: TestApp) {
    let (admin, target) = people(&app).await;
    let before = app.stored(target.id()).await;
    let own = ("Origin", "https://users.example.org");
    let refused: [&[Pair<'_>]; 14] = [
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none")],
        &[("Sec-Fetch-Site", "Same-Origin")],
        &[("Sec-Fetch-Site", "")],
        // The newer header counts; the older one cannot excuse it.
        &[("Sec-Fetch-Site", "cross-site"), HOST, own],
        &[("Sec-Fetch-Site", "same-site"), HOST, own],
        &[HOST, ("Origin", "https://evil.example")],
        &[HOST, ("Origin", "null")],
        &[HOST, ("Origin", "")],
        &[HOST, ("Origin", "https://users.example.org.evil.example")],
        &[HOST, ("Origin", "https://users.example.org:8443")],
        &[("Origin", "https://users.example.org")],
        &[HOST],
    ];
    for origin in refused {
        for (method, path, body) in actions(&target) {
            let headers = [origin, &[JSON]].concat();
            let answer = by_cookie(&app, &admin, method, &path, &headers, &body).await;
            assert_is(&answer, 403, &denied("cross_site_request"), &format!("{method} {path} {origin:?}"));
        }
    }
    assert_eq!(app.stored(target.id()).await, before);
    assert_eq!(usernames(&app, &admin).await.len(), 2);
    let accepted: [&[Pair<'_>]; 4] = [
        &[("Sec-Fetch-Site", "same-origin")],
        &[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example"), HOST],
        &[HOST, own],
        &[("Host", "127.0.0.1:8000"), ("Origin", "http://127.0.0.1:8000")],
    ];
    for origin in accepted {
        let headers = [origin, &[JSON]].concat();
        let answer = by_cookie(&app, &admin, Patch, &path_of(&target), &headers, "{}").await;
        assert_eq!(answer.status, 200, "{origin:?}: {}", answer.body);
    }
}

#[apply(on_both)]
async fn cs_1_the_path_may_be_written_in_other_ways_and_the_rule_holds(app: TestApp) {
    let (admin, target) = people(&app).await;
    let before = app.stored(target.id()).await;
    for path in [
        "/v1/users/2",
        "/v1//users/2",
        "//v1/users/2",
        "///v1/users/2/",
        "/%761/users/2",
        "/v%31/users/2",
        "/v1/%75sers/2",
    ] {
        let answer = by_cookie(&app, &admin, Delete, path, &[], "").await;
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {} {}", answer.status, answer.body);
        let headers = [("Sec-Fetch-Site", "same-origin"), ("Content-Type", "text/plain")];
        let answer = by_cookie(&app, &admin, Delete, path, &headers, "").await;
        assert!(matches!(answer.status, 400 | 404 | 415), "{path}: {} {}", answer.status, answer.body);
    }
    assert_eq!(app.stored(target.id()).await, before);
}

#[apply(on_both)]
async fn cs_1_a_safe_request_by_cookie_may_come_from_anywhere(app: TestApp) {
    let (admin, target) = people(&app).await;
    for site in ["cross-site", "same-site", "none", "same-origin"] {
        for (method, status) in [(Get, 200), (Head, 200), (Options, 204)] {
            let headers = [("Sec-Fetch-Site", site), ("Origin", "https://evil.example")];
            let answer = by_cookie(&app, &admin, method, &path_of(&target), &headers, "").await;
            assert_eq!(answer.status, status, "{method} {site}");
        }
    }
}

#[apply(on_both)]
async fn cs_2_an_unsafe_request_by_cookie_must_carry_json(app: TestApp) {
    let (admin, target) = people(&app).await;
    let before = app.stored(target.id()).await;
    let same = ("Sec-Fetch-Site", "same-origin");
    let kinds = [
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/octet-stream"),
        None,
    ];
    for kind in kinds {
        for (method, path, body) in actions(&target) {
            if method == Delete && kind.is_none() {
                continue;
            }
            for body in [body.as_str(), ""] {
                let headers: Vec<Pair<'_>> =
                    [Some(same), kind.map(|kind| ("Content-Type", kind))].into_iter().flatten().collect();
                let answer = by_cookie(&app, &admin, method, &path, &headers, body).await;
                assert_eq!(answer.status, 415, "{method} {path} {kind:?}: {}", answer.body);
            }
        }
    }
    assert_eq!(app.stored(target.id()).await, before);
    assert_eq!(usernames(&app, &admin).await.len(), 2);
    for (method, path, body) in actions(&target) {
        let kind = (method != Delete).then_some(("Content-Type", "application/json; charset=UTF-8"));
        let headers: Vec<Pair<'_>> = [Some(same), kind].into_iter().flatten().collect();
        let answer = by_cookie(&app, &admin, method, &path, &headers, &body).await;
        assert!(matches!(answer.status, 200 | 201 | 204), "{method} {path}: {}", answer.body);
    }
}

/// Rocket would take the first field of a form for the method, if it is called `_method`.
#[apply(on_both)]
async fn cs_2_a_body_never_changes_the_method(app: TestApp) {
    let (admin, target) = people(&app).await;
    let path = path_of(&target);
    let before = app.stored(target.id()).await;
    let multipart = |method: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\n{method}\r\n--x--\r\n")
    };
    for method in ["delete", "DELETE", "patch", "put", "get", "head", "options", "trace"] {
        let forms = [
            format!("_method={method}"),
            format!("_method={method}&first_name=Changed"),
            format!("&_method={method}"),
            format!("&&_method={method}"),
            format!("%5Fmethod={method}"),
            format!("_%6dethod={method}"),
        ];
        let forms = forms.into_iter().flat_map(|form| {
            ["application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8"]
                .map(|kind| (kind, form.clone()))
        });
        let bodies = forms.chain([("multipart/form-data; boundary=x", multipart(method))]);
        for (kind, body) in bodies {
            let headers = [("Sec-Fetch-Site", "same-origin"), ("Content-Type", kind)];
            for path in [path.as_str(), "/v1/users/target"] {
                for who in [bearer(&admin), cookie(&admin)] {
                    let answer = ask(&app, Post, path, who, &headers[1..], &body).await;
                    let detail = json!({"detail": "Method \"POST\" not allowed."});
                    assert_is(&answer, 405, &detail, &format!("{path} {body}"));
                }
            }
            for path in ["/v1/users/create", "/v1/users/list"] {
                let answer = ask(&app, Post, path, bearer(&admin), &headers[1..], &body).await;
                assert_eq!(answer.status, 415, "{path} {body}: {}", answer.body);
            }
        }
    }
    // The header that other systems know does nothing, either.
    let headers = [JSON, ("X-HTTP-Method-Override", "DELETE"), ("X-Method-Override", "DELETE")];
    assert_eq!(ask(&app, Post, &path, bearer(&admin), &headers, "{}").await.status, 405);
    assert_eq!(ask(&app, Post, &format!("{path}?_method=delete"), bearer(&admin), &[], "").await.status, 405);
    assert_eq!(app.stored(target.id()).await, before);
    assert!(app.is_signed_in(&target, By::Bearer).await);
}

#[apply(on_both)]
async fn in_2_a_request_that_is_no_http_is_no_server_error(app: TestApp) {
    let (admin, target) = people(&app).await;
    let path = path_of(&target);
    for (name, value) in [
        ("Content-Type", "\u{0}"),
        ("Content-Type", ";;;"),
        ("Content-Type", "application/json;"),
        ("Accept", ";q=,,"),
        ("Accept", "é"),
        ("If-Match", "\"99999999999999999999-0\""),
        ("If-None-Match", ",,,"),
        ("Authorization", "Bearer \u{e9}"),
        ("Origin", "://"),
        ("Host", ""),
    ] {
        for method in [Get, Patch] {
            let answer = ask(&app, method, &path, bearer(&admin), &[(name, value)], "{}").await;
            assert!(answer.status < 500, "{name}: {value:?}: {} {}", answer.status, answer.body);
        }
    }
}

#[apply(on_both)]
#[with([("public_origin", json!("https://users.example.org"))])]
async fn cs_1_with_a_public_origin_only_that_is_the_same_origin(app: TestApp) {
    let (admin, target) = people(&app).await;
    let path = path_of(&target);
    for (host, origin, status) in [
        ("users.example.org", "https://users.example.org", 200),
        ("10.0.0.7:8000", "https://users.example.org", 200),
        ("users.example.org", "http://users.example.org", 403),
        ("10.0.0.7:8000", "http://10.0.0.7:8000", 403),
        ("evil.example", "https://evil.example", 403),
    ] {
        let headers = [("Host", host), ("Origin", origin), JSON];
        let answer = by_cookie(&app, &admin, Patch, &path, &headers, "{}").await;
        assert_eq!(answer.status, status, "{host} {origin}: {}", answer.body);
        let hsts = answer.header("Strict-Transport-Security");
        assert_eq!(hsts, Some("max-age=63072000; includeSubDomains"));
    }
}
