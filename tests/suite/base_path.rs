//! An installation that stands below a path of an origin which it shares with other programs.

use std::collections::{BTreeMap, BTreeSet};

use rocket::http::{ContentType, Header, Method, RawStr};
use serde_json::{Value, json};

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::console::{hidden, token};

/// How often one page is looked at with different queries.
const QUERIES: usize = 3;

/// What a page leads to: whether it is a form that is posted, and the address.
fn links(html: &str) -> Vec<(bool, String)> {
    let mut links = Vec::new();
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        for attribute in [" href=\"", " src=\"", " action=\"", " formaction=\"", " data-ask=\""] {
            if let Some((_, rest)) = tag.split_once(attribute) {
                let address = rest.split('"').next().unwrap();
                let address = address.replace("&#x2F;", "/").replace("&quot;", "\"").replace("&#x27;", "'");
                links.push((tag.contains("method=\"post\""), address.replace("&amp;", "&")));
            }
        }
    }
    links
}

async fn get(app: &TestApp, person: Option<&Person>, path: &str) -> Answer {
    let who = person.map(|person| (person, By::Cookie));
    Answer::of(app.request(Method::Get, path, who).dispatch().await).await
}

/// Follows every link and finds the route of every form, from one page on: the paths of all pages.
async fn follow_all(app: &TestApp, person: Option<&Person>, start: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut forms = BTreeSet::new();
    let mut next = vec![start.to_owned()];
    while let Some(address) = next.pop() {
        let address = address.split('#').next().unwrap().to_owned();
        let path = address.split('?').next().unwrap().to_owned();
        let queries = seen.entry(path).or_default();
        if queries.len() == QUERIES || !queries.insert(address.clone()) {
            continue;
        }
        let answer = get(app, person, &address).await;
        if let (303, Some(to)) = (answer.status, answer.header("Location")) {
            assert!(to.starts_with("/usher/"), "{address} leads to {to}");
            next.push(to.to_owned());
            continue;
        }
        assert_eq!(answer.status, 200, "{address}");
        for (is_posted, to) in links(&answer.body) {
            if to.starts_with(['#', '?']) || to.starts_with("mailto:") || to.starts_with("otpauth:") {
                continue;
            }
            assert!(to.starts_with("/usher/"), "{address} has a link to {to}");
            if is_posted {
                forms.insert(to);
            } else {
                next.push(to);
            }
        }
    }
    for path in forms {
        // Without its token nothing is done.
        let who = person.map(|person| (person, By::Cookie));
        let request = app.request(Method::Post, &path, who).header(ContentType::Form).body("");
        let status = request.dispatch().await.status().code;
        assert!((300..500).contains(&status) && ![404, 405].contains(&status), "POST {path}: {status}");
    }
    seen.into_keys().collect()
}

#[apply(on_both)]
#[with([("base_path", json!("/usher")), ("contact", json!("help@example.org"))])]
async fn below_a_path_every_link_and_every_form_of_every_page_stays_there(app: TestApp) {
    let (root, ada) = (app.person("root", "superuser").await, app.person("ada", "").await);
    for name in ["Ada", "Augusta"] {
        let path = format!("/usher/v1/users/{}", ada.id());
        assert_eq!(app.send(&root, Method::Patch, &path, &json!({"first_name": name})).await.status, 200);
    }
    let run = json!({"action": "deactivate", "ids": [ada.id()]});
    app.send(&root, Method::Post, "/usher/v1/users/bulk", &run).await;
    let seen = follow_all(&app, Some(&root), "/usher").await;
    let user = format!("/usher/users/{}", ada.id());
    for path in [
        "/usher/users",
        "/usher/users/new",
        "/usher/users/import",
        "/usher/audit",
        "/usher/account/password",
        "/usher/account/security/add",
        "/usher/account/sessions",
        "/usher/account/tokens",
        "/usher/account/preferences",
        "/usher/shortcuts",
        &user,
        &format!("{user}/history"),
        &format!("{user}/sign-ins"),
        &format!("{user}/notes"),
        &format!("{user}/password"),
    ] {
        assert!(seen.contains(path), "{path} is not reached: {seen:#?}");
    }
    for name in ["app.", "icon."] {
        assert!(seen.iter().any(|path| path.starts_with(&format!("/usher/static/{name}"))), "{name}");
    }
    for path in ["/usher/sign-in", "/usher/docs", "/usher/users", "/usher/set-password"] {
        assert!(!follow_all(&app, None, path).await.is_empty());
    }
    // Pages about what went wrong have links, too.
    for (person, path) in
        [(Some(&root), "/usher/nothing"), (None, "/usher/nothing"), (Some(&root), "/usher/users/99")]
    {
        let answer = get(&app, person, path).await;
        assert_eq!(answer.status, 404, "{path}");
        let links = links(&answer.body);
        assert!(links.iter().all(|(_, to)| to.starts_with("/usher/") || to.starts_with('#')), "{links:?}");
    }
}

#[apply(on_both)]
#[with([("base_path", json!("/usher/")), ("public_origin", json!("https://example.org"))])]
async fn se_3_in_3_below_a_path_signing_in_and_out_stays_there_and_cookies_are_as_ever(app: TestApp) {
    app.person("ada", "staff").await;
    let asked = get(&app, None, "/usher/users?q=x").await;
    let to = asked.header("Location").unwrap();
    assert!(asked.status == 303 && to.starts_with("/usher/sign-in?next="), "{to}");
    let response = app.client.get(to.to_owned()).dispatch().await;
    let before = response.cookies().get("__Host-pre-0a1b2c3d").expect("a cookie").value().to_owned();
    let html = response.into_string().await.unwrap();
    let next = hidden(&html, "next").replace("&#x2F;", "/");
    let typed = |text: &str| RawStr::new(text).percent_encode().to_string();
    let body =
        format!("token={}&next={}&username=ada&password={}", token(&html), typed(&next), typed(PASSWORD));
    let request = app.client.post("/usher/sign-in").header(ContentType::Form).body(body);
    let request = request.header(Header::new("Origin", "https://example.org"));
    let response = request.header(cookie_header("__Host-pre-0a1b2c3d", &before)).dispatch().await;
    let cookie = response.cookies().get("__Host-sid-0a1b2c3d").expect("a session").value().to_owned();
    let signed_in = Answer::of(response).await;
    assert_eq!((signed_in.status, signed_in.header("Location")), (303, Some("/usher/users?q=x")));
    assert_eq!(signed_in.header("Strict-Transport-Security"), Some("max-age=63072000"));
    let set = signed_in.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Set-Cookie"));
    for (_, set) in set {
        assert!(set.starts_with("__Host-") && set.contains("; Path=/") && !set.contains("Path=/u"), "{set}");
        for part in ["; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(set.contains(part), "{part}: {set}");
        }
    }
    let with_cookie = || cookie_header("__Host-sid-0a1b2c3d", &cookie);
    let page = app.client.get("/usher/account").header(with_cookie()).dispatch().await;
    let form = token(&page.into_string().await.unwrap());
    let request = app.client.post("/usher/sign-out").header(ContentType::Form).body(format!("token={form}"));
    let request = request.header(Header::new("Sec-Fetch-Site", "same-origin")).header(with_cookie());
    let signed_out = Answer::of(request.dispatch().await).await;
    assert_eq!(signed_out.header("Location"), Some("/usher/sign-in?signed_out=true"));
    // The browser's storage is that of other programs, too.
    assert_eq!(signed_out.header("Clear-Site-Data"), Some("\"cache\""));
}

#[apply(on_both)]
#[with([("base_path", json!("/usher/")), ("public_origin", json!("https://example.org"))])]
async fn below_a_path_a_late_button_leads_back_to_its_page_and_never_to_another_program(app: TestApp) {
    let user = format!("/users/{}", app.person("ada", "").await.id());
    for (from, next) in [("/usher/users?q=x", "/users?q=x"), ("/other/users?q=x", &user), ("/usher/", "/")] {
        let request = app.client.post(format!("/usher{user}/deactivate")).header(ContentType::Form);
        let request = request.body("token=old").header(Header::new("Origin", "https://example.org"));
        let request = request.header(Header::new("Referer", format!("https://example.org{from}")));
        let ended = Answer::of(request.dispatch().await).await;
        let told = hidden(&ended.body, "next").replace("&#x2F;", "/");
        assert_eq!((ended.status, told.as_str()), (401, next), "{from}");
    }
}

#[apply(on_both)]
#[with([
    ("base_path", json!("/it/usher")),
    ("public_origin", json!("https://example.org")),
    ("scim", json!(true)),
])]
async fn pw_11_below_a_path_the_addresses_that_programs_and_messages_get_have_it(app: TestApp) {
    let root = app.person("root", "superuser").await;
    let send = async |method, path: &str, body: &Value| {
        app.send(&root, method, &format!("/it/usher{path}"), body).await
    };
    let new =
        json!({"username": "ada", "first_name": "", "last_name": "", "email": "", "password": PASSWORD});
    let made = send(Method::Post, "/v1/users/create", &new).await;
    let location = made.header("Location").expect("a location");
    assert!(location.starts_with("/it/usher/v1/users/"), "{location}");
    assert_eq!(app.get(&root, location).await.json()["username"], "ada");
    let list = send(Method::Post, "/v1/users/list", &json!({"limit": 1})).await;
    let link = list.header("Link").and_then(|link| link.strip_prefix('<')).expect("a link");
    let next = link.strip_suffix(">; rel=\"next\"").expect("the next page");
    assert!(next.starts_with("/it/usher/v1/users/list/next?after="), "{next}");
    assert_eq!(app.get(&root, next).await.json().as_array().map(Vec::len), Some(1));
    let id = made.json()["pk"].as_i64().unwrap();
    let link = send(Method::Post, &format!("/v1/users/{id}/link"), &json!({})).await.json();
    assert!(
        link["url"].as_str().unwrap().starts_with("https://example.org/it/usher/set-password#"),
        "{link}"
    );
    let document = Answer::of(app.client.get("/it/usher/v1/openapi.json").dispatch().await).await.json();
    assert_eq!(document["servers"], json!([{"url": "/it/usher"}]));
    let described = app.client.get("/it/usher/docs").dispatch().await.into_string().await.unwrap();
    assert!(described.replace("&#x2F;", "/").contains("<code>POST /it/usher/v1/auth/obtain</code>"));
    let scim = app.get(&root, "/it/usher/scim/v2/ServiceProviderConfig").await.json();
    assert_eq!(scim["meta"]["location"], "https://example.org/it/usher/scim/v2/ServiceProviderConfig");
    let missing = app.get(&root, "/it/usher/v1/nothing").await;
    assert_eq!((missing.status, missing.json().is_object()), (404, true), "{}", missing.body);
    let refused = app.send(&root, Method::Put, "/it/usher/v1/users/list", &json!({})).await;
    assert_eq!((refused.status, refused.header("Allow")), (405, Some("POST, OPTIONS")));
}

#[apply(on_both)]
#[with([("base_path", json!("/usher"))])]
async fn a_proxy_may_take_the_path_off_and_nothing_else_is_below_it(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for path in ["/users", "/usher/users"] {
        let answer = get(&app, Some(&staff), path).await;
        assert!(answer.status == 200 && answer.body.contains("href=\"/usher/users/new\""), "{path}");
    }
    for path in ["/readyz", "/usher/readyz", "/livez", "/usher/livez", "/usher", "/usher/"] {
        assert!([200, 303].contains(&get(&app, Some(&staff), path).await.status), "{path}");
    }
    for path in ["/ushers/users", "/usher/usher/users", "/Usher/users", "/us%68er/users", "/other"] {
        assert_eq!(get(&app, Some(&staff), path).await.status, 404, "{path}");
    }
    let query = get(&app, Some(&staff), "/usher/users?q=a%7Cb&role=staff").await;
    assert_eq!(query.status, 200, "{}", query.body);
}
