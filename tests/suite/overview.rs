//! The overview: what staff see at a glance.

use std::time::Duration;

use rocket::http::Method;
use serde_json::json;
use usher::model::session::Credential;
use usher::operations::sign_in;

use crate::app::{By, PASSWORD, Person, TestApp, cookie_header};
use crate::audit::trail;
use crate::console::page;

/// The page as staff see it.
async fn overview(app: &TestApp, staff: &Person) -> String {
    let answer = page(app, staff, "/").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// A person with new sessions: the old ones end with the time.
async fn again(app: &TestApp, person: &Person) -> Person {
    let bearer = sign_in::tokens(&app.usher, &app.session(person.user.id, Credential::Jwt).await).access;
    let cookie = app.session(person.user.id, Credential::Cookie).await.secret.to_text();
    Person { bearer, cookie, ..person.clone() }
}

/// Label, number and path of each count.
fn tiles(html: &str) -> Vec<(String, String, String)> {
    let tiles = html.split("<a class=\"btn\" href=\"").skip(1).filter_map(|tile| {
        let (path, rest) = tile.split_once("\"><b>")?;
        let (count, label) = rest.split_once("</a>")?.0.split_once("</b> ")?;
        Some((label.to_owned(), count.to_owned(), path.to_owned()))
    });
    tiles.collect()
}

#[apply(on_both)]
async fn each_count_of_the_overview_is_that_of_the_list_behind_it(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    app.person("root", "superuser").await;
    for (name, kind) in
        [("ada", ""), ("bob", ""), ("gone1", "inactive"), ("gone2", "inactive"), ("lady", "staff")]
    {
        app.person(name, kind).await;
    }
    let now = app.clock.now();
    let micros = |days: u64| now.plus(Duration::from_hours(24 * days)).micros();
    let past = |days: u64| now.minus(Duration::from_hours(24 * days)).micros();
    for (name, kind) in [
        ("invited1", "password = '!'".to_owned()),
        ("invited2", "must_change_password = TRUE".to_owned()),
        ("dormant", format!("last_login = {}", past(91))),
        ("fresh", format!("last_login = {}", past(89))),
        ("ended", format!("valid_until = {}", past(1))),
        ("ending1", format!("valid_until = {}", micros(1))),
        ("ending2", format!("valid_until = {}", micros(7))),
        ("later", format!("valid_until = {}", micros(8))),
    ] {
        let id = app.person(name, "").await.id();
        app.sql(&format!("UPDATE users SET {kind} WHERE id = {id}")).await;
    }
    for _ in 0..8 {
        assert_eq!(app.obtain("bob", "wrong").await.status, 401);
    }
    let html = overview(&app, &staff).await;
    let tiles = tiles(&html);
    let told: Vec<(&str, &str)> =
        tiles.iter().map(|(label, count, _)| (label.as_str(), count.as_str())).collect();
    assert_eq!(
        told,
        [
            ("Active", "9"),
            ("Staff", "2"),
            ("Invited", "2"),
            ("Locked", "1"),
            ("Dormant for 90 days", "1"),
            ("Deactivated", "2"),
            ("Ending this week", "2"),
        ]
    );
    for (label, count, path) in &tiles {
        let list = page(&app, &staff, path).await.body;
        let summary = if count == "1" { "1 user matches".to_owned() } else { format!("{count} users match") };
        assert!(list.contains(&format!("<b>{summary}</b>")), "{label}, {path}: {list}");
    }
    let ending = page(&app, &staff, "/users?ends=7d").await.body;
    assert!(
        ending.contains("Ends within 7 days") && ending.contains("name=\"ends\" value=\"7d\""),
        "{ending}"
    );
    let export = page(&app, &staff, "/users/export?ends=7d").await.body;
    assert!(export.contains("<h1>Export 2 users</h1>"), "{export}");
}

/// The row of a day.
fn row(day: &str, good: i64, bad: i64) -> String {
    format!("<th scope=\"row\">{day}</th><td>{good}</td><td>{bad}</td>")
}

#[apply(on_both)]
async fn sign_ins_are_told_day_by_day_for_thirty_days(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let try_it = async |good: usize, bad: usize| {
        for _ in 0..good {
            assert_eq!(app.obtain("staff", PASSWORD).await.status, 200);
        }
        for n in 0..bad {
            assert_eq!(app.obtain(&format!("unknown{n}"), "wrong").await.status, 401);
        }
    };
    let day = Duration::from_hours(24);
    try_it(2, 1).await;
    let html = overview(&app, &staff).await;
    assert_eq!(html.matches("<th scope=\"row\">").count(), 30);
    assert!(html.contains(&row("1 Mar 2026", 2, 1)) && html.contains(&row("31 Jan 2026", 0, 0)), "{html}");
    assert!(html.contains("2 signed in, 1 failed."), "{html}");
    assert!(html.contains("<svg class=\"bars\" viewBox=\"0 0 300 60\""), "{html}");
    app.clock.advance(day);
    try_it(1, 0).await;
    // The day before is counted once; today each time.
    for (more, good) in [(1, 2), (0, 2), (3, 5)] {
        try_it(more, 0).await;
        let staff = again(&app, &staff).await;
        let html = overview(&app, &staff).await;
        for row in [row("1 Mar 2026", 2, 1), row("2 Mar 2026", good, 0)] {
            assert!(html.contains(&row), "{row}: {html}");
        }
    }
    app.clock.advance(day * 28);
    let staff = again(&app, &staff).await;
    assert!(overview(&app, &staff).await.contains(&row("1 Mar 2026", 2, 1)), "the thirtieth day");
    app.clock.advance(day);
    let staff = again(&app, &staff).await;
    assert!(!overview(&app, &staff).await.contains(">1 Mar 2026</th>"));
}

#[apply(on_both)]
async fn the_sign_ins_of_a_user_are_told_week_by_week_for_a_year(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/users/{}/sign-ins", ada.id());
    for (days, good, bad) in [(0, 2, 1), (7, 0, 3), (100, 1, 0)] {
        app.clock.advance(Duration::from_hours(24 * days));
        for _ in 0..good {
            assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
        }
        for _ in 0..bad {
            assert_eq!(app.obtain("ada", "wrong").await.status, 401);
        }
        app.obtain("staff", PASSWORD).await;
    }
    app.clock.advance(Duration::from_hours(1));
    let staff = again(&app, &staff).await;
    let html = page(&app, &staff, &path).await.body;
    assert!(html.contains("3 signed in, 4 failed."), "{html}");
    assert!(html.contains("<svg class=\"bars\" viewBox=\"0 0 530 60\""), "{html}");
    assert_eq!(html.matches("<th scope=\"row\">").count(), 53);
    // The weeks end at this moment: 2026-06-16 10:00.
    for row in [row("24 Feb 2026", 2, 1), row("3 Mar 2026", 0, 3), row("9 Jun 2026", 1, 0)] {
        assert!(html.contains(&row), "{row}: {html}");
    }
    app.clock.advance(Duration::from_hours(24 * 275));
    let staff = again(&app, &staff).await;
    let html = page(&app, &staff, &path).await.body;
    assert!(html.contains("1 signed in, 0 failed."), "what is older is not told: {html}");
}

#[apply(on_both)]
async fn what_needs_attention_is_said_until_it_is_seen_to(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let says = async |text: &str| {
        let staff = again(&app, &staff).await;
        overview(&app, &staff).await.contains(text)
    };
    assert!(says("There is one superuser only.").await, "there is none even");
    app.person("root", "superuser").await;
    assert!(says("There is one superuser only.").await);
    app.person("toor", "superuser").await;
    assert!(!says("There is one superuser only.").await);
    assert!(says("Nothing at the moment.").await);

    let body = json!({"username": "ada", "first_name": "", "last_name": "", "email": ""});
    let fresh = again(&app, &staff).await;
    let ada = app.send(&fresh, Method::Post, "/v1/users/invite", &body).await.json();
    let ada = ada["user"]["pk"].as_i64().unwrap();
    let expiring = "1 link for a first password expires within four hours.";
    assert!(!says(expiring).await);
    app.clock.advance(Duration::from_hours(20));
    assert!(says(expiring).await);
    app.clock.advance(Duration::from_hours(4));
    assert!(!says(expiring).await, "it has expired");

    let refused = "Mail to ada@example.org was refused.";
    let mail = async |state: &str| {
        let now = app.clock.now().micros();
        app.sql(&format!(
            "INSERT INTO mails (user_id, purpose, recipient, state, response, created_at, changed_at) \
             VALUES ({ada}, 'setup', 'ada@example.org', '{state}', '', {now}, {now})"
        ))
        .await;
    };
    mail("refused").await;
    assert!(says(refused).await);
    mail("accepted").await;
    assert!(!says(refused).await, "the newest was not");
    mail("refused").await;
    app.clock.advance(Duration::from_hours(7 * 24 + 1));
    assert!(!says(refused).await, "long ago");

    for _ in 0..8 {
        assert_eq!(app.obtain("toor", "wrong").await.status, 401);
    }
    assert!(says("1 account is locked after failed sign-ins.").await);
}

#[apply(on_both)]
async fn the_last_changes_are_those_that_people_made(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let path = format!("/v1/users/{}", ada.id());
    for n in 0..10 {
        let body = json!({"email": format!("ada{n}@example.org")});
        assert_eq!(app.send(&staff, Method::Patch, &path, &body).await.status, 200);
    }
    for _ in 0..20 {
        assert_eq!(app.obtain("ada", PASSWORD).await.status, 200);
    }
    let html = overview(&app, &staff).await;
    let changes = html.split("<h2>Last changes</h2>").nth(1).unwrap();
    assert_eq!(changes.matches("<b>staff</b>: Changed").count(), 8);
    assert!(changes.contains("ada9@example.org") && !changes.contains("ada0@example.org"), "{changes}");
    assert!(changes.contains(&format!("<a href=\"/users/{}\">ada</a>", ada.id())));
    assert!(!changes.contains("Signed in"));
}

#[apply(on_both)]
async fn others_go_to_their_own_account_and_none_of_it_is_a_refusal(app: TestApp) {
    let ordinary = app.person("ordinary", "").await;
    let answer = app.request(Method::Get, "/", Some((&ordinary, By::Cookie))).dispatch().await;
    assert_eq!((answer.status().code, answer.headers().get_one("Location")), (303, Some("/account")));
    let answer = app.client.get("/").dispatch().await;
    assert_eq!((answer.status().code, answer.headers().get_one("Location")), (303, Some("/sign-in")));
    assert!(trail(&app).await.is_empty());
}

#[apply(on_both)]
async fn the_users_that_were_opened_last_are_shown_to_the_viewer_only(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    let mut users = Vec::new();
    for number in 0..9 {
        users.push(app.person(&format!("user{number}"), "").await);
    }
    let mut kept = String::new();
    let visit = async |person: &Person, path: &str, kept: &str| {
        let request = app.request(Method::Get, path, Some((person, By::Cookie)));
        let response = request.header(cookie_header(RECENT, kept)).dispatch().await;
        let cookie = response.cookies().get(RECENT).map(|cookie| cookie.value().to_owned());
        (cookie, response.into_string().await.unwrap())
    };
    for user in users.iter().chain([&users[3]]) {
        kept = visit(&staff, &format!("/users/{}", user.id()), &kept).await.0.expect("a cookie");
    }
    let again = visit(&staff, &format!("/users/{}", users[3].id()), &kept).await.0;
    assert_eq!(again, None, "it is there already");
    let recent = async |person: &Person, kept: &str| -> Vec<String> {
        let html = visit(person, "/", kept).await.1;
        let Some((_, list)) = html.split_once("Recently opened") else { return Vec::new() };
        let list = list.split("</ul>").next().unwrap();
        list.split("</a>").filter_map(|item| Some(item.rsplit_once('>')?.1.to_owned())).collect()
    };
    let expected = ["user3", "user8", "user7", "user6", "user5", "user4", "user2", "user1"];
    assert_eq!(recent(&staff, &kept).await[..8], expected.map(str::to_owned));
    assert!(recent(&other, &kept).await.is_empty(), "another person in the same browser");
    for odd in ["", "-", "x-1", &format!("{}-x.99999999999999999999..-5", staff.id())] {
        assert!(recent(&staff, odd).await.is_empty(), "{odd}");
    }
}

const RECENT: &str = "__Host-recent-0a1b2c3d";
