//! Methods, and the headers that every answer carries.

use rocket::http::Method;
use rocket::http::Method::{Connect, Delete, Get, Head, Options, Patch, Post, Put, Trace};
use serde_json::json;

use super::*;
use crate::matrix::ROWS;

const POST_ONLY: &str = "POST, OPTIONS";
const KEY: &str = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
const NAME: &str = "GET, HEAD, OPTIONS";

const PATHS: [(&str, &str); 8] = [
    ("/v1/auth/obtain", POST_ONLY),
    ("/v1/auth/refresh", POST_ONLY),
    ("/v1/auth/verify/", POST_ONLY),
    ("/v1/users/list", POST_ONLY),
    ("/v1/users/create/", POST_ONLY),
    ("/v1/users/7", KEY),
    ("/v1/users/99999999999999999999/", KEY),
    ("/v1/users/ada", NAME),
];

/// Every route has its answer for every method: one that exists, or a 405.
#[apply(on_both)]
async fn a_wrong_method_is_405_with_the_right_ones_and_its_name(app: TestApp) {
    let person = app.person("person", "ordinary").await;
    for (path, allow) in PATHS {
        for method in [Get, Head, Post, Put, Patch, Delete, Trace, Connect] {
            if allow.split(", ").any(|allowed| allowed == method.as_str()) {
                continue;
            }
            // The method counts before the credentials, the body and what is accepted.
            for (who, headers) in
                [(ANONYMOUS, [("Accept", "text/html")]), (bearer(&person), [("Content-Type", "text/plain")])]
            {
                let case = format!("{method} {path}");
                let answer = ask(&app, method, path, who, &headers, "{").await;
                assert_eq!((answer.status, answer.header("Allow")), (405, Some(allow)), "{case}");
                if method != Head {
                    let detail = format!("Method \"{method}\" not allowed.");
                    assert_is(&answer, 405, &json!({ "detail": detail }), &case);
                }
            }
        }
    }
}

#[apply(on_both)]
async fn hd_3_options_is_204_with_the_methods(app: TestApp) {
    for (path, allow) in PATHS {
        for accept in ["*/*", "text/html"] {
            let answer = ask(&app, Options, path, ANONYMOUS, &[("Accept", accept)], "").await;
            assert_eq!((answer.status, answer.header("Allow")), (204, Some(allow)), "{path}");
            assert_eq!((answer.body.as_str(), answer.header("Content-Type")), ("", None), "{path}");
        }
    }
}

#[apply(on_both)]
async fn hd_3_a_wrong_method_of_a_page_is_405_with_the_right_ones(app: TestApp) {
    let root = app.person("root", "superuser").await;
    for row in ROWS.iter().filter(|row| !row.route.starts_with("/v1/") && !row.route.ends_with("/unknown")) {
        let has = |method| ROWS.iter().any(|other| other.route == row.route && other.method == method);
        let allow = match (has(Get), has(Post)) {
            (true, true) => "GET, HEAD, POST",
            (true, false) => "GET, HEAD",
            (false, _) => "POST",
        };
        let path = row.route.replace("{id}", "1").replace("{session}", "1");
        for method in [Get, Head, Post, Put, Patch, Delete, Options, Trace] {
            if allow.split(", ").any(|allowed| allowed == method.as_str()) {
                continue;
            }
            for who in [ANONYMOUS, bearer(&root)] {
                let answer = ask(&app, method, &path, who, &[], "").await;
                assert_eq!((answer.status, answer.header("Allow")), (405, Some(allow)), "{method} {path}");
            }
        }
    }
    for path in ["/nothing", "/users/1/nothing", "/static"] {
        let answer = ask(&app, Delete, path, ANONYMOUS, &[], "").await;
        assert_eq!((answer.status, answer.header("Allow")), (404, None), "{path}");
    }
}

#[apply(on_both)]
async fn hd_1_every_answer_carries_the_security_headers_and_none_says_what_answers(app: TestApp) {
    const JSON_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
    const HTML_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
        font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; \
        frame-ancestors 'none'";
    let admin = app.person("admin", "staff").await;
    app.person("ada", "ordinary").await;
    let tag = app.get(&admin, "/v1/users/1").await.header("ETag").expect("a tag").to_owned();
    let known = ("If-None-Match", tag.as_str());
    let cases: [(Method, &str, Pair<'_>, &str, u16, &str); 16] = [
        (Get, "/v1/users/1", JSON, "", 200, JSON_POLICY),
        (Head, "/v1/users/1", JSON, "", 200, JSON_POLICY),
        (Get, "/v1/users/1", known, "", 304, JSON_POLICY),
        (Post, "/v1/users/list", JSON, "", 200, JSON_POLICY),
        (Post, "/v1/users/create", JSON, "{}", 400, JSON_POLICY),
        (Post, "/v1/auth/verify", JSON, r#"{"token":"x"}"#, 401, JSON_POLICY),
        (Get, "/v1/users/99", JSON, "", 404, JSON_POLICY),
        (Get, "/v1/nothing", JSON, "", 404, JSON_POLICY),
        (Delete, "/v1/users/2", JSON, "", 204, JSON_POLICY),
        (Delete, "/v1/users/list", JSON, "", 405, JSON_POLICY),
        (Options, "/v1/users/1", JSON, "", 204, JSON_POLICY),
        (Get, "/v1/users/1", ("Accept", "text/html"), "", 406, JSON_POLICY),
        (Post, "/v1/users/list", ("Content-Type", "text/plain"), "x", 415, JSON_POLICY),
        (Get, "/livez", JSON, "", 200, JSON_POLICY),
        (Get, "/sign-in", JSON, "", 200, HTML_POLICY),
        (Get, "/nothing", JSON, "", 404, HTML_POLICY),
    ];
    for (method, path, header, body, status, policy) in cases {
        let case = format!("{method} {path}: {status}");
        let answer = ask(&app, method, path, bearer(&admin), &[header], body).await;
        assert_eq!(answer.status, status, "{case}: {}", answer.body);
        for (name, value) in [
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
            ("Cache-Control", "no-store"),
            ("Vary", "Sec-Fetch-Site, Origin, Cookie"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{case}: {name}");
        }
        for name in ["Server", "X-Powered-By", "X-XSS-Protection", "Strict-Transport-Security"] {
            assert_eq!(answer.header(name), None, "{case}: {name}");
        }
    }
}

#[apply(on_both)]
async fn hd_2_without_a_setting_there_are_no_cross_origin_headers(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    for method in [Get, Options] {
        let origin = ("Origin", "https://console.example.org");
        let answer = ask(&app, method, "/v1/users/1", bearer(&admin), &[origin], "").await;
        let cors = |name: &str| name.to_ascii_lowercase().starts_with("access-control");
        assert!(!answer.headers.iter().any(|(name, _)| cors(name)), "{:?}", answer.headers);
    }
}

#[apply(on_both)]
#[with([("cors_origins", json!(["https://console.example.org"]))])]
async fn hd_2_only_the_exact_origins_of_the_setting_may_read_and_never_with_cookies(app: TestApp) {
    const ALLOWED: &str = "https://console.example.org";
    let admin = app.person("admin", "staff").await;
    for (origin, allowed) in [
        (ALLOWED, Some(ALLOWED)),
        ("https://console.example.org.evil.example", None),
        ("https://evil-console.example.org", None),
        ("http://console.example.org", None),
        ("https://console.example.org:8443", None),
        ("https://CONSOLE.example.org", None),
        ("null", None),
        ("*", None),
    ] {
        for method in [Get, Options] {
            let answer = ask(&app, method, "/v1/users/1", bearer(&admin), &[("Origin", origin)], "").await;
            assert_eq!(answer.header("Access-Control-Allow-Origin"), allowed, "{method} {origin}");
            assert_eq!(answer.header("Access-Control-Allow-Credentials"), None, "{method} {origin}");
            let vary: Vec<&str> = answer.header("Vary").unwrap_or_default().split(", ").collect();
            assert!(vary.contains(&"Origin"), "{method} {origin}: {vary:?}");
        }
    }
    // A browser asks without credentials before it sends them.
    let asked = [
        ("Origin", ALLOWED),
        ("Access-Control-Request-Method", "PATCH"),
        ("Access-Control-Request-Headers", "authorization, content-type"),
    ];
    let preflight = ask(&app, Options, "/v1/users/1", ANONYMOUS, &asked, "").await;
    assert_eq!(preflight.status, 204);
    let listed = |name: &str| preflight.header(name).unwrap_or_default().to_ascii_lowercase();
    for header in ["authorization", "content-type"] {
        assert!(listed("Access-Control-Allow-Headers").split(", ").any(|allowed| allowed == header));
    }
    assert!(listed("Access-Control-Allow-Methods").contains("patch"));
    // The errors are readable, too.
    let refused = ask(&app, Get, "/v1/users/1", ANONYMOUS, &[("Origin", ALLOWED)], "").await;
    assert_eq!((refused.status, refused.header("Access-Control-Allow-Origin")), (401, Some(ALLOWED)));
    // Being allowed to read makes no cookie acceptable.
    let mut request =
        app.client.patch("/v1/users/1").header(cookie_header("__Host-sid-0a1b2c3d", &admin.cookie));
    for (name, value) in [("Origin", ALLOWED), ("Sec-Fetch-Site", "cross-site"), JSON] {
        request.add_header(Header::new(name, value));
    }
    assert_eq!(request.body("{}").dispatch().await.status().code, 403);
}

#[apply(on_both)]
#[with([("cors_origins", json!(["https://console.example.org"])), ("cors_headers", json!(["Node-Id"]))])]
async fn hd_2_further_headers_may_be_sent_by_a_setting(app: TestApp) {
    for (origin, allowed) in [
        (
            "https://console.example.org",
            Some("authorization, content-type, if-match, if-none-match, node-id"),
        ),
        ("https://evil.example", None),
    ] {
        let asked = [("Origin", origin), ("Access-Control-Request-Headers", "node-id")];
        let preflight = ask(&app, Options, "/v1/users/1", ANONYMOUS, &asked, "").await;
        assert_eq!(preflight.header("Access-Control-Allow-Headers"), allowed, "{origin}");
    }
}

/// Every path of a route, with keys and names that exist, that do not, and that cannot.
#[apply(on_both)]
async fn hd_3_allow_names_only_methods_that_the_path_has(app: TestApp) {
    app.person("root", "superuser").await;
    let keys = ["1", "99", "007", "99999999999999999999", "x", "-1", "1.0", "%31", "list"];
    let names = ["root", "nobody", "list", "create", "bulk", "invite", "%2e%2e", "a%2fb", "%00"];
    let mut paths = std::collections::BTreeSet::new();
    for row in ROWS {
        for (key, name) in keys.iter().zip(names) {
            let path = row.route.replace("{id}", key).replace("{session}", key).replace("{name}", name);
            paths.insert(path.replace("unknown", key));
        }
    }
    for path in paths {
        let told = ask(&app, Trace, &path, ANONYMOUS, &[], "").await;
        let Some(allow) = told.header("Allow") else {
            assert_eq!(told.status, 404, "{path}");
            continue;
        };
        for method in allow.split(", ").map(|method| method.parse::<Method>().expect("a method")) {
            let answer = ask(&app, method, &path, ANONYMOUS, &[], "").await;
            let is_unrouted = answer.status == 405 || answer.body == r#"{"detail":"Not found."}"#;
            assert!(!is_unrouted, "{method} {path}: {} {}", answer.status, answer.body);
        }
    }
}

#[apply(on_both)]
async fn a_node_id_header_changes_nothing(app: TestApp) {
    let admin = app.person("admin", "staff").await;
    let plain = app.get(&admin, "/v1/users/1").await;
    for id in ["1", "node-7", "../x"] {
        let answer = ask(&app, Get, "/v1/users/1", bearer(&admin), &[("Node-Id", id)], "").await;
        assert_eq!((answer.status, &answer.body), (200, &plain.body));
        assert_eq!(answer.lasting_headers(), plain.lasting_headers());
    }
}
