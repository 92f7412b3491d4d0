//! Live sessions: seen and ended by their user and by staff, bounded, noted as used.

use std::time::Duration;

use rocket::futures::future::join_all;
use rocket::http::{ContentType, Header, Method};
use serde_json::{Value, json};
use usher::model::session::Credential;

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::console::{page, send, send_from};

async fn list(app: &TestApp, who: (&Person, By), path: &str) -> Vec<Value> {
    let answer = Answer::of(app.request(Method::Get, path, Some(who)).dispatch().await).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().as_array().unwrap().clone()
}

async fn delete(app: &TestApp, who: (&Person, By), path: &str) -> u16 {
    let answer = Answer::of(app.request(Method::Delete, path, Some(who)).dispatch().await).await;
    assert!(answer.status != 204 || answer.body.is_empty());
    answer.status
}

/// The key of the session of a person that is carried so.
async fn key(app: &TestApp, person: &Person, by: By) -> i64 {
    let sessions = list(app, (person, by), "/v1/account/sessions").await;
    sessions.iter().find(|session| session["current"] == true).unwrap()["id"].as_i64().unwrap()
}

#[apply(on_all)]
async fn se_5_users_list_and_end_their_own_sessions(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let sessions = list(&app, (&ada, By::Bearer), "/v1/account/sessions").await;
    let members: Vec<&String> = sessions[0].as_object().unwrap().keys().collect();
    let mut expected = [
        "id",
        "carrier",
        "name",
        "created_at",
        "last_seen_at",
        "expires_at",
        "address",
        "device",
        "read_only",
        "current",
    ];
    expected.sort_unstable();
    let mut members: Vec<&str> = members.into_iter().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, expected);
    let told: Vec<(&Value, &Value)> =
        sessions.iter().map(|session| (&session["carrier"], &session["current"])).collect();
    assert_eq!(told, [(&json!("cookie"), &json!(false)), (&json!("token"), &json!(true))]);
    let cookie = sessions[0]["id"].as_i64().unwrap();
    assert_eq!(delete(&app, (&ada, By::Bearer), &format!("/v1/account/sessions/{cookie}/")).await, 204);
    assert!(!app.is_signed_in(&ada, By::Cookie).await);
    assert_eq!(delete(&app, (&ada, By::Bearer), &format!("/v1/account/sessions/{cookie}")).await, 404);
    let own = key(&app, &ada, By::Bearer).await;
    assert_eq!(delete(&app, (&ada, By::Bearer), &format!("/v1/account/sessions/{own}")).await, 204);
    assert!(!app.is_signed_in(&ada, By::Bearer).await, "one can end the session that asks, too");
}

#[apply(on_all)]
async fn se_5_users_end_all_their_other_sessions_through_both_doors(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let bob = app.person("bob", "ordinary").await;
    assert_eq!(delete(&app, (&ada, By::Cookie), "/v1/account/sessions").await, 204);
    assert!(app.is_signed_in(&ada, By::Cookie).await && !app.is_signed_in(&ada, By::Bearer).await);
    assert!(app.is_signed_in(&bob, By::Bearer).await && app.is_signed_in(&bob, By::Cookie).await);
    let bearer = key(&app, &bob, By::Bearer).await;
    let html = page(&app, &bob, "/account/sessions").await.body;
    assert!(html.contains("This session") && html.contains(&format!("/account/sessions/{bearer}/end")));
    let path = format!("/account/sessions/{bearer}/end");
    let (answer, message) = send_from(&app, &bob, "/account/sessions", &path, &[]).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/account/sessions")));
    assert_eq!(message, "Signed out: API client.");
    assert!(!app.is_signed_in(&bob, By::Bearer).await);
    let cara = app.person("cara", "ordinary").await;
    let (answer, message) = send_from(&app, &cara, "/account/sessions", "/account/sessions/end", &[]).await;
    assert_eq!((answer.status, message.as_str()), (303, "1 other session was ended."));
    assert!(app.is_signed_in(&cara, By::Cookie).await && !app.is_signed_in(&cara, By::Bearer).await);
    let (_, message) = send_from(&app, &cara, "/account/sessions", "/account/sessions/end", &[]).await;
    assert_eq!(message, "There was nothing else to sign out.");
    let again = app.session(cara.user.id, Credential::Jwt).await;
    let (answer, _) = send(&app, &cara, "/account/sessions/end", &[("token", "x")]).await;
    assert_eq!(answer.status, 403, "cs_1");
    assert!(answer.body.replace("&#x2F;", "/").contains("<a href=\"/account\">Back to your account</a>"));
    let bearer = usher::operations::sign_in::tokens(&app.usher, &again).access;
    assert!(app.is_signed_in(&Person { bearer, ..cara }, By::Bearer).await, "nothing was done");
}

#[apply(on_all)]
async fn se_5_staff_list_and_end_the_sessions_of_others(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for by in [By::Bearer, By::Cookie] {
        let ada = app.person(&format!("ada-{by:?}"), "ordinary").await;
        let path = format!("/v1/users/{}/sessions", ada.id());
        let sessions = list(&app, (&staff, by), &path).await;
        assert_eq!(sessions.len(), 2);
        assert!(sessions.iter().all(|session| session["current"] == false));
        let cookie = format!("{path}/{}", sessions[0]["id"]);
        assert_eq!(delete(&app, (&staff, by), &cookie).await, 204);
        assert!(!app.is_signed_in(&ada, By::Cookie).await && app.is_signed_in(&ada, By::Bearer).await);
        assert_eq!(delete(&app, (&staff, by), &path).await, 204);
        assert!(!app.is_signed_in(&ada, By::Bearer).await);
        assert_eq!(delete(&app, (&staff, by), &path).await, 204, "nothing is left to end");
        assert_eq!(app.stored(ada.id()).await, ada.user, "the user is not changed by it");
    }
    let (ada, bob) = (app.person("ada", "ordinary").await, app.person("bob", "staff").await);
    let users = format!("/users/{}", ada.id());
    let session = key(&app, &ada, By::Bearer).await;
    let one = format!("{users}/sessions/{session}/end");
    let (answer, _) = send_from(&app, &staff, &users, &one, &[]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert!(!app.is_signed_in(&ada, By::Bearer).await && app.is_signed_in(&ada, By::Cookie).await);
    let all = format!("/users/{}/sessions/end", bob.id());
    assert!(
        page(&app, &staff, &format!("/users/{}", bob.id())).await.body.contains(&format!("href=\"{all}\""))
    );
    let asked = page(&app, &staff, &all).await.body;
    assert!(asked.contains("<h1>Sign out bob everywhere?</h1>") && app.is_signed_in(&bob, By::Cookie).await);
    let (answer, message) = send_from(&app, &staff, &users, &all, &[]).await;
    assert_eq!(answer.status, 303);
    assert_eq!(message, "bob was signed out everywhere. 2 sessions were ended.");
    assert!(!app.is_signed_in(&bob, By::Cookie).await);
}

#[apply(on_all)]
async fn az_3_staff_neither_see_nor_end_the_sessions_of_a_superuser(app: TestApp) {
    let (staff, root) = (app.person("staff", "staff").await, app.person("root", "superuser").await);
    let session = key(&app, &root, By::Bearer).await;
    let path = format!("/v1/users/{}/sessions", root.id());
    let seen = app.get(&staff, &path).await;
    assert_eq!((seen.status, seen.json()["code"].as_str()), (403, Some("superuser_required")));
    for by in [By::Bearer, By::Cookie] {
        assert_eq!(delete(&app, (&staff, by), &path).await, 403);
        assert_eq!(delete(&app, (&staff, by), &format!("{path}/{session}")).await, 403);
    }
    for path in ["sessions/end".to_owned(), format!("sessions/{session}/end")] {
        let path = format!("/users/{}/{path}", root.id());
        assert_eq!(send_from(&app, &staff, "/users/new", &path, &[]).await.0.status, 403);
    }
    assert!(app.is_signed_in(&root, By::Bearer).await && app.is_signed_in(&root, By::Cookie).await);
}

#[apply(on_all)]
async fn az_7_a_session_of_another_user_looks_like_none(app: TestApp) {
    let (ada, bob) = (app.person("ada", "ordinary").await, app.person("bob", "ordinary").await);
    let staff = app.person("staff", "staff").await;
    let bobs = key(&app, &bob, By::Bearer).await;
    let mut answers = Vec::new();
    for session in [bobs, 999_999] {
        let path = format!("/v1/account/sessions/{session}");
        let request = app.request(Method::Delete, &path, Some((&ada, By::Bearer)));
        let answer = Answer::of(request.dispatch().await).await;
        answers.push((answer.status, answer.body));
        let path = format!("/account/sessions/{session}/end");
        assert_eq!(send_from(&app, &ada, "/account/sessions", &path, &[]).await.0.status, 404);
        let path = format!("/v1/users/{}/sessions/{session}", ada.id());
        assert_eq!(delete(&app, (&staff, By::Bearer), &path).await, 404, "it is not ada's");
    }
    assert_eq!(answers[0], (404, r#"{"detail":"Not found."}"#.to_owned()));
    assert_eq!(answers[0], answers[1]);
    assert!(app.is_signed_in(&bob, By::Bearer).await);
    for path in ["/v1/account/sessions/abc", "/v1/account/sessions/99999999999999999999"] {
        assert_eq!(delete(&app, (&ada, By::Bearer), path).await, 404, "{path}");
    }
}

#[apply(on_all)]
async fn lg_2_every_session_that_is_ended_leaves_its_entry(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let session = key(&app, &ada, By::Cookie).await;
    delete(&app, (&staff, By::Bearer), &format!("/v1/users/{}/sessions/{session}", ada.id())).await;
    app.session(ada.user.id, usher::model::session::Credential::Cookie).await;
    delete(&app, (&ada, By::Bearer), "/v1/account/sessions").await;
    delete(&app, (&staff, By::Bearer), &format!("/v1/users/{}/sessions", ada.id())).await;
    delete(&app, (&staff, By::Bearer), &format!("/v1/users/{}/sessions", ada.id())).await;
    while usher::operations::audit::seal(&app.usher).await.unwrap() > 0 {}
    let trail = usher::db::audit::sealed_after(&app.usher.db, 0, 100).await.unwrap();
    let told: Vec<(&str, &str, Value)> = trail
        .iter()
        .map(|sealed| &sealed.entry)
        .map(|entry| {
            assert_eq!(entry.target_id, Some(ada.id()));
            let details = serde_json::from_str(&entry.details).unwrap();
            (entry.actor_name.as_str(), entry.action.as_str(), details)
        })
        .collect();
    let bearer = told[1].2["kept"].clone();
    assert_eq!(
        told,
        [
            ("staff", "session_ended", json!({"by": "cookie", "device": "", "session": session})),
            ("ada", "sessions_ended", json!({"sessions_ended": 1, "kept": bearer})),
            ("staff", "sessions_ended", json!({"sessions_ended": 1})),
        ]
    );
}

/// Signs in as an API client; the refresh token.
async fn client(app: &TestApp) -> Value {
    app.obtain("ada", PASSWORD).await.json()["refresh"].clone()
}

/// Uses a refresh token; whether its session is there.
async fn works(app: &TestApp, refresh: &Value) -> bool {
    let body = json!({ "refresh": refresh });
    app.json(Method::Post, "/v1/auth/refresh", None, &body).await.status == 200
}

/// Signs in by the page, in a browser without cookies.
async fn browser(app: &TestApp, ada: &Person) -> Person {
    let response = app.client.get("/sign-in").dispatch().await;
    let pre = response.cookies().get("__Host-pre-0a1b2c3d").unwrap().clone();
    let token = crate::console::token(&response.into_string().await.unwrap());
    let body = format!("username=ada&password={}&token={token}", PASSWORD.replace(' ', "+"));
    let request = app.client.post("/sign-in").header(ContentType::Form).body(body);
    let request = request.header(cookie_header(pre.name(), pre.value()));
    let response = request.header(Header::new("Sec-Fetch-Site", "same-origin")).dispatch().await;
    let cookie = response.cookies().get("__Host-sid-0a1b2c3d").expect("a session").value().to_owned();
    Person { cookie, ..ada.clone() }
}

#[apply(on_both)]
#[with([("browser_sessions", json!(3)), ("client_sessions", json!(4))])]
async fn se_10_sessions_are_bounded_by_kind_and_the_least_recently_used_goes_first(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let made = app.send(&ada, Method::Post, "/v1/account/tokens", &json!({"name": "script"})).await;
    let named = Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..ada.clone() };
    let (first, second) = (json!(ada.refresh), client(&app).await);
    let third = client(&app).await;
    app.clock.advance(Duration::from_mins(2));
    // The first session of all is in use, so that it outlives later ones that are not.
    assert!(works(&app, &first).await && works(&app, &third).await);
    app.store_uses().await;
    client(&app).await;
    client(&app).await;
    assert!(!works(&app, &second).await, "the fifth ended the one that was used the longest ago");
    assert!(works(&app, &first).await && works(&app, &third).await);
    for _ in 0..8 {
        app.clock.advance(Duration::from_mins(2));
        assert!(works(&app, &first).await, "a client keeps its first token while it uses it");
        app.store_uses().await;
        client(&app).await;
    }
    assert!(app.is_signed_in(&ada, By::Cookie).await, "API clients sign no browser out");

    app.clock.advance(Duration::from_mins(2));
    let (second, third) = (browser(&app, &ada).await, browser(&app, &ada).await);
    app.clock.advance(Duration::from_mins(2));
    assert!(app.is_signed_in(&ada, By::Cookie).await && app.is_signed_in(&third, By::Cookie).await);
    app.store_uses().await;
    let fourth = browser(&app, &ada).await;
    assert!(!app.is_signed_in(&second, By::Cookie).await, "the fourth ended it");
    for browser in [&ada, &third, &fourth] {
        assert!(app.is_signed_in(browser, By::Cookie).await);
    }
    let sessions = list(&app, (&fourth, By::Cookie), "/v1/account/sessions").await;
    let of = |credential: &str| sessions.iter().filter(|session| session["carrier"] == credential).count();
    assert_eq!((of("token"), of("cookie"), of("named")), (4, 3, 1));
    assert!(works(&app, &first).await, "browsers sign no API client out");
    assert!(app.is_signed_in(&named, By::Bearer).await, "API tokens do not count");
}

#[apply(on_both)]
#[with([("browser_sessions", json!(3)), ("client_sessions", json!(4))])]
async fn se_10_sessions_are_bounded_however_many_begin_at_once(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let clients = join_all((0..6).map(|_| client(&app))).await;
    let browsers = join_all((0..5).map(|_| browser(&app, &ada))).await;
    let works = join_all(clients.iter().map(|refresh| works(&app, refresh))).await;
    assert_eq!(works.into_iter().filter(|works| *works).count(), 4);
    let signed_in = join_all(browsers.iter().map(|browser| app.is_signed_in(browser, By::Cookie))).await;
    assert_eq!(signed_in.into_iter().filter(|is| *is).count(), 3);
}

#[apply(on_all)]
async fn use_is_noted_once_a_minute_whatever_carries_the_session(app: TestApp) {
    let ada = app.person("ada", "ordinary").await;
    let made = app.send(&ada, Method::Post, "/v1/account/tokens", &json!({"name": "script"})).await;
    let named = Person { bearer: made.json()["token"].as_str().unwrap().to_owned(), ..ada.clone() };
    let begin = app.clock.now();
    let seen = async || {
        app.store_uses().await;
        let sessions = usher::db::sessions::live_of_user(
            &app.usher.db,
            ada.user.id,
            begin,
            begin.minus(Duration::from_secs(1)),
        );
        let sessions = sessions.await.unwrap();
        ["named", "cookie", "token"].map(|credential| {
            let session = sessions.iter().find(|session| session.credential.as_str() == credential).unwrap();
            session.last_seen_at
        })
    };
    assert_eq!(seen().await, [None, Some(begin), Some(begin)], "a token was not used before its first use");
    let use_all = async || {
        for (person, by) in [(&named, By::Bearer), (&ada, By::Cookie), (&ada, By::Bearer)] {
            assert!(app.is_signed_in(person, by).await);
        }
    };
    use_all().await;
    assert_eq!(seen().await, [Some(begin); 3]);
    app.clock.advance(Duration::from_secs(59));
    use_all().await;
    assert_eq!(seen().await, [Some(begin); 3]);
    app.clock.advance(Duration::from_secs(1));
    use_all().await;
    assert_eq!(seen().await, [Some(app.clock.now()); 3]);
    app.clock.advance(Duration::from_mins(10));
    let refresh = json!({"refresh": ada.refresh});
    assert_eq!(app.json(Method::Post, "/v1/auth/refresh", None, &refresh).await.status, 200);
    assert_eq!(seen().await[2], Some(app.clock.now()), "a refresh is a use");
}

#[apply(on_all)]
async fn sessions_that_have_ended_by_themselves_are_not_listed(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let path = format!("/v1/users/{}/sessions", ada.id());
    app.clock.advance(app.usher.settings.session_idle());
    let staff = Person { bearer: fresh_access(&app, &staff).await, ..staff };
    let sessions = list(&app, (&staff, By::Bearer), &path).await;
    assert_eq!(sessions.len(), 1, "the browser was idle for too long");
    assert_eq!(sessions[0]["carrier"], "token");
    app.sql(&format!("UPDATE sessions SET expires_at = 1 WHERE user_id = {}", ada.id())).await;
    assert!(list(&app, (&staff, By::Bearer), &path).await.is_empty());
}

async fn fresh_access(app: &TestApp, person: &Person) -> String {
    let refresh = json!({"refresh": person.refresh});
    let answer = app.json(Method::Post, "/v1/auth/refresh", None, &refresh).await;
    answer.json()["access"].as_str().unwrap().to_owned()
}

#[apply(on_all)]
async fn a_session_tells_from_where_and_with_what_it_was_opened(app: TestApp) {
    app.person("ada", "ordinary").await;
    let body = json!({"username": "ada", "password": PASSWORD}).to_string();
    let request = app.client.post("/v1/auth/obtain").header(ContentType::JSON).body(body);
    let request = request.header(Header::new("User-Agent", "python-requests/2.32.3 <b>"));
    let request = request.remote("192.0.2.7:4711".parse().unwrap());
    let pair = Answer::of(request.dispatch().await).await.json();
    let bearer = pair["access"].as_str().unwrap().to_owned();
    let ada = Person { bearer, ..app.person("other", "ordinary").await };
    let sessions = list(&app, (&ada, By::Bearer), "/v1/account/sessions").await;
    let own = sessions.iter().find(|session| session["current"] == true).unwrap();
    assert_eq!((&own["address"], &own["device"]), (&json!("192.0.2.7"), &json!("python-requests/2.32.3")));
}
