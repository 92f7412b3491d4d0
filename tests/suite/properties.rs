//! Security properties that no other file is about, each with its id.

use std::time::Duration;

use rocket::http::{Header, Method, Status};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::app::{Answer, By, PASSWORD, TestApp, cookie_header};
use crate::console::page;
use crate::link_pages::submit;
use crate::matrix::{self, ROWS, Target};

#[apply(on_both)]
async fn az_7_a_user_cannot_tell_whether_another_user_exists(app: TestApp) {
    let (ada, bob) = (app.person("ada", "ordinary").await, app.person("bob", "ordinary").await);
    let missing = app.get(&ada, "/v1/users/999999").await;
    for path in [format!("/v1/users/{}", bob.id()), "/v1/users/bob".into(), "/v1/users/nobody".into()] {
        let answer = app.get(&ada, &path).await;
        assert_eq!((answer.status, &answer.body), (403, &missing.body), "{path}");
    }
    assert_eq!(app.get(&ada, &format!("/v1/users/{}", ada.id())).await.status, 200);
}

/// An answer without what is another one each time: the request's number and the token of its forms; and without
/// what was asked for.
fn told(answer: &Answer, id: &str, name: &str) -> (u16, Vec<(String, String)>, String) {
    let mut body = answer.body.replace(answer.header("X-Request-Id").unwrap(), "");
    while let Some((start, rest)) = body.split_once("name=\"token\" value=\"") {
        body = format!("{start}{}", rest.split_once('"').unwrap().1);
    }
    let body = body.replace("&#x2F;", "/").replace(&format!("/{id}"), "/it").replace(name, "it");
    (answer.status, answer.lasting_headers(), body)
}

#[apply(on_both)]
async fn az_7_no_way_to_change_or_see_another_user_reveals_whether_there_is_one(app: TestApp) {
    let (ada, bob) = (app.person("ada", "ordinary").await, app.person("bob-the-other", "staff").await);
    let sessions = app.get(&bob, "/v1/account/sessions").await.json();
    let (id, session) = (bob.id().to_string(), sessions[0]["id"].to_string());
    let mut asked = std::collections::BTreeSet::new();
    for row in ROWS.iter().filter(|row| row.target == Target::Other) {
        for by in [By::Bearer, By::Cookie] {
            let mut answers = Vec::new();
            for (id, name, session) in
                [(id.as_str(), "bob-the-other", session.as_str()), ("999999", "nobody-at-all", "999999")]
            {
                let path =
                    row.route.replace("{id}", id).replace("{name}", name).replace("{session}", session);
                let answer = matrix::ask(&app, row, &path, Some((&ada, by)), 0).await;
                answers.push(told(&answer, id, name));
            }
            assert_eq!(answers[0].0, 403, "{} {} by {by:?}", row.method, row.route);
            assert_eq!(answers[0], answers[1], "{} {} by {by:?}", row.method, row.route);
        }
        asked.insert((row.method.as_str(), row.route.starts_with("/v1/")));
    }
    let api = ["DELETE", "GET", "PATCH", "POST", "PUT"].map(|method| (method, true));
    assert!(api.iter().chain(&[("GET", false), ("POST", false)]).all(|way| asked.contains(way)), "{asked:?}");
    assert_eq!(app.stored(bob.id()).await, bob.user);
    assert!(app.is_signed_in(&bob, By::Bearer).await && app.is_signed_in(&bob, By::Cookie).await);
}

/// Every row of every table, but for what is noted of a session's use.
pub(crate) async fn everything(app: &TestApp) -> Vec<String> {
    const TABLES: [&str; 17] = [
        "users",
        "sessions",
        "throttles",
        "installation",
        "audit_entries",
        "batches",
        "batch_items",
        "links",
        "mails",
        "known_browsers",
        "unconfirmed_addresses",
        "factors",
        "recovery_codes",
        "passkeys",
        "user_handles",
        "spent_challenges",
        "external_ids",
    ];
    let mut all = Vec::new();
    for table in TABLES {
        let rows: Vec<String> = if app.url.starts_with("sqlite") {
            let columns: Vec<String> = {
                let mut connection = sqlx::SqliteConnection::connect(&app.url).await.unwrap();
                let sql = format!("SELECT name FROM pragma_table_info('{table}')");
                let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| row.get::<String, _>(0)).collect()
            };
            let shown: Vec<String> = columns
                .iter()
                .filter(|name| !["last_seen_at", "position", "seal", "commitments"].contains(&name.as_str()))
                .map(|name| format!("quote({name})"))
                .collect();
            let sql = format!("SELECT {} FROM {table} ORDER BY 1", shown.join(" || ',' || "));
            let mut connection = sqlx::SqliteConnection::connect(&app.url).await.unwrap();
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0)).collect()
        } else {
            let mut connection = sqlx::PgConnection::connect(&app.url).await.unwrap();
            let sql = format!(
                "SELECT (to_jsonb(t) - 'last_seen_at' - 'position' - 'seal' - 'commitments')::text \
                 FROM {table} AS t ORDER BY 1"
            );
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0)).collect()
        };
        // Sealing goes on beside the requests.
        let rows = rows.into_iter().filter(|row| !row.contains("audit_mark") && !row.contains("audit_key"));
        all.extend(rows.map(|row| format!("{table}: {row}")));
    }
    all
}

#[apply(on_both)]
async fn cs_3_reading_changes_nothing(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "ordinary").await);
    let path = format!("/v1/users/{}", ada.id());
    assert_eq!(app.send(&root, Method::Patch, &path, &json!({"email": "a@b.co"})).await.status, 200);
    // A link that root's session has yet to be shown. Its page is all that forgets something when it is read,
    // in the browser that made the link and from a page of ours.
    let user = format!("/users/{}", ada.id());
    let made = submit(&app, &root, &user, &format!("{user}/link"), &[]).await;
    assert_eq!(made.status, 303);
    let other = app.person("other", "superuser").await;
    let before = everything(&app).await;
    let mut read = 0;
    for route in app.client.rocket().routes().filter(|route| route.method == Method::Get) {
        let path = route.uri.path().split('/').map(|part| match part {
            "<entry>" | "<batch>" | "<session>" | "<token>" => "1".to_owned(),
            part if part.starts_with('<') => ada.id().to_string(),
            part => part.to_owned(),
        });
        let path = path.collect::<Vec<_>>().join("/");
        for method in [Method::Get, Method::Head, Method::Options] {
            for who in [None, Some((&other, By::Cookie)), Some((&root, By::Bearer))] {
                let status = app.request(method, &path, who).dispatch().await.status();
                assert_ne!(status, Status::InternalServerError, "{method} {path}");
                read += 1;
            }
            for site in ["cross-site", "same-site", "same-origin"] {
                if method != Method::Get || site != "same-origin" || path != user {
                    let request = app
                        .client
                        .req(method, &path)
                        .header(cookie_header("__Host-sid-0a1b2c3d", &root.cookie));
                    request.header(Header::new("Sec-Fetch-Site", site)).dispatch().await;
                    read += 1;
                }
            }
        }
    }
    assert!(read > 180, "only {read} requests");
    // Staff who take the file of another leave an entry; a page of another site that has their browser ask for it is
    // refused, which is recorded as all refusals are.
    let record = format!("GET /v1/users/{}/data", ada.id());
    let (mut exported, mut refused) = (0, 0);
    let mut after = everything(&app).await;
    after.retain(|row| {
        exported += i64::from(row.contains("data_exported"));
        refused += i64::from(row.contains(&record));
        !row.contains("data_exported") && !row.contains(&record)
    });
    assert_eq!((exported, refused), (3, 2));
    assert_eq!(after, before);
    assert!(page(&app, &root, &user).await.body.contains("<code class=\"copy\">"), "the link is still there");
}

#[apply(on_both)]
async fn in_4_pages_are_capped_and_a_limit_out_of_range_is_refused(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for limit in [json!(0), json!(-1), json!(1001), json!(i64::MAX), json!(1e30), json!("10"), json!(1.5)] {
        let answer = app.send(&staff, Method::Post, "/v1/users/list", &json!({ "limit": limit })).await;
        assert_eq!(answer.status, 400, "{limit}: {}", answer.body);
    }
    let answer = app.send(&staff, Method::Post, "/v1/users/list", &json!({"limit": 1000})).await;
    assert_eq!(answer.status, 200);
    for per in ["0", "-1", "101", "99999999999999999999"] {
        let path = format!("/users?per={per}");
        assert_eq!(
            app.request(Method::Get, &path, Some((&staff, By::Cookie))).dispatch().await.status().code,
            200
        );
    }
}

#[apply(on_both)]
async fn st_1_three_instances_behave_as_one(app: TestApp) {
    let instances = [app.another_instance().await, app.another_instance().await];
    let all = [&app, &instances[0], &instances[1]];
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    for one in all {
        assert!(one.is_signed_in(&ada, By::Bearer).await && one.is_signed_in(&ada, By::Cookie).await);
    }
    // Five failures are free, wherever they happen; then no instance looks at the password.
    for n in 0..6 {
        assert_eq!(all[n % 3].obtain("ada", "wrong").await.status, 401);
    }
    for one in all {
        assert_eq!(one.obtain("ada", PASSWORD).await.status, 401);
    }
    // What one instance ends is over on all, at the next request.
    let path = format!("/v1/users/{}", ada.id());
    assert_eq!(all[1].send(&staff, Method::Delete, &path, &Value::Null).await.status, 204);
    for one in all {
        assert!(!one.is_signed_in(&ada, By::Bearer).await && !one.is_signed_in(&ada, By::Cookie).await);
    }
}

#[apply(on_both)]
async fn se_7_signing_out_clears_the_browser_and_no_page_is_kept(app: TestApp) {
    let ada = app.person("ada", "staff").await;
    let mut token = String::new();
    for path in ["/account", "/users", &format!("/users/{}", ada.id())] {
        let page =
            Answer::of(app.request(Method::Get, path, Some((&ada, By::Cookie))).dispatch().await).await;
        assert_eq!(page.header("Cache-Control"), Some("no-store"), "{path}");
        let start = page.body.split("name=\"token\" value=\"").nth(1).expect("a token");
        start.split('"').next().unwrap().clone_into(&mut token);
    }
    let request = app.request(Method::Post, "/sign-out", Some((&ada, By::Cookie)));
    let request = request.header(rocket::http::ContentType::Form).body(format!("token={token}"));
    let out = Answer::of(request.dispatch().await).await;
    assert_eq!(out.header("Clear-Site-Data"), Some("\"cache\", \"storage\""));
    assert!(!app.is_signed_in(&ada, By::Cookie).await);
    assert!(app.is_signed_in(&ada, By::Bearer).await, "another device stays signed in");
}

#[apply(on_both)]
async fn se_3_the_cookie_is_bound_to_this_host_and_its_value_is_nowhere_else(app: TestApp) {
    app.person("ada", "staff").await;
    let page = app.client.get("/sign-in").dispatch().await;
    let pre =
        page.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie before the session").clone().into_owned();
    let html = page.into_string().await.unwrap();
    let token = html.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let body = format!("username=ada&password={}&token={token}&next=/", PASSWORD.replace(' ', "+"));
    let request = app.client.post("/sign-in").header(rocket::http::ContentType::Form).body(body);
    let request = request.header(cookie_header(pre.name(), pre.value()));
    let answer = Answer::of(request.dispatch().await).await;
    assert_eq!(answer.status, 303);
    let set: Vec<&str> = answer
        .headers
        .iter()
        .filter(|(name, value)| {
            name.eq_ignore_ascii_case("Set-Cookie") && value.starts_with("__Host-sid-0a1b2c3d=")
        })
        .map(|(_, value)| value.as_str())
        .collect();
    let [cookie] = set[..] else { panic!("{set:?}") };
    let mut parts = cookie.split("; ");
    let secret = parts.next().unwrap().strip_prefix("__Host-sid-0a1b2c3d=").unwrap().to_owned();
    let mut attributes: Vec<&str> = parts.collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    assert!(secret.len() >= 43, "256 bits");
    assert!(!answer.header("Location").unwrap().contains(&secret) && !answer.body.contains(&secret));
    for path in ["/account", "/users", "/users/1"] {
        let request = app.client.get(path).header(cookie_header("__Host-sid-0a1b2c3d", &secret));
        let page = Answer::of(request.dispatch().await).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.body.contains(&secret), "{path}");
    }
    assert!(!everything(&app).await.iter().any(|row| row.contains(&secret)), "only its hash is stored");
}

#[apply(on_both)]
async fn pw_13_a_block_lifts_by_itself_also_after_the_hundredth_failure(app: TestApp) {
    app.person("ada", "ordinary").await;
    for _ in 0..6 {
        assert_eq!(app.obtain("ada", "wrong").await.status, 401);
    }
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 401, "blocked");
    app.clock.advance(Duration::from_secs(2));
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "lifted by itself");
    // As after 99 failures, which here would take 99 hashes.
    app.obtain("ada", "wrong").await;
    app.sql("UPDATE throttles SET consecutive = 99").await;
    for _ in 0..2 {
        assert_eq!(app.obtain("ada", "wrong").await.status, 401);
        app.clock.advance(Duration::from_hours(24) - Duration::from_secs(1));
        assert_eq!(app.obtain("ada", PASSWORD).await.status, 401, "one try a day");
        app.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "the owner is not locked out for good");
    assert_eq!(app.obtain("ada", "wrong").await.status, 401);
    assert_eq!(app.obtain("ada", PASSWORD).await.status, 200, "a success begins anew");
}
