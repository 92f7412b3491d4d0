//! The pages of the audit log, the words that pages use for what is wrong, and the pages for what fails.

use rocket::http::Method;
use serde_json::json;
use usher::model::audit::{Action, Author, Entry};
use usher::model::origin::Origin;
use usher::model::session::Credential;

use crate::app::{Answer, By, PASSWORD, Person, TestApp, cookie_header};
use crate::console::{hidden, link, page, send_from};

async fn patch(app: &TestApp, by: &Person, id: i64, body: serde_json::Value) {
    let answer = app.send(by, Method::Patch, &format!("/v1/users/{id}"), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// How many rows the page's table has.
fn rows(html: &str) -> usize {
    html.split("<tbody>").nth(1).map_or(0, |body| body.matches("<tr>").count())
}

/// The addresses behind the pager's labels.
fn labels(html: &str) -> Vec<&str> {
    let pager = html.split("aria-label=\"Pages\"").nth(1).unwrap_or_default();
    pager
        .split("</nav>")
        .next()
        .unwrap()
        .split("</a>")
        .filter_map(|part| part.rsplit_once('>').map(|(_, label)| label))
        .filter(|label| !label.is_empty() && !label.starts_with('\n'))
        .collect()
}

#[apply(on_both)]
async fn the_history_tells_old_and_new_who_and_where_and_a_password_only_as_changed(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    patch(&app, &staff, ada.id(), json!({"email": "agnes@example.org"})).await;
    patch(&app, &staff, ada.id(), json!({"email": "agnieszka@example.org", "is_staff": true})).await;
    patch(&app, &staff, ada.id(), json!({"password": "another long password"})).await;
    patch(&app, &staff, ada.id(), json!({"is_active": false})).await;
    app.obtain("ada", PASSWORD).await;
    let html = page(&app, &staff, &format!("/users/{}/history", ada.id())).await.body;
    assert_eq!(rows(&html), 4, "{html}");
    assert_eq!(html.matches("<h1").count(), 1);
    for part in [
        "<del>agnes@example.org</del> → <ins>agnieszka@example.org</ins>",
        "Staff: <del>No</del> → <ins>Yes</ins>",
        "Status: <del>Active</del> → <ins>Deactivated</ins>",
        "Password changed",
        "<a href=\"/audit?actor=staff\">staff</a>",
        "Signed out of 2 devices",
        "Unknown address",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let at = |part: &str| html.find(part).expect(part);
    assert!(at(">Deactivated<") < at("Password changed") && at("Password changed") < at("<ins>Yes"));
    assert!(!html.contains("another long") && !html.contains("argon2"), "lg_1");
    let root = app.person("root", "superuser").await;
    let empty = page(&app, &staff, &format!("/users/{}/history", root.id())).await;
    assert!(empty.status == 200 && empty.body.contains("Nothing recorded here."));
}

#[apply(on_both)]
async fn what_can_be_undone_has_a_button_for_those_who_may(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    patch(&app, &staff, ada.id(), json!({"email": "a@example.org"})).await;
    patch(&app, &staff, ada.id(), json!({"password": "another long password"})).await;
    let history = format!("/users/{}/history", ada.id());
    for path in [&history, &format!("/users/{}", ada.id())] {
        let html = page(&app, &staff, path).await.body;
        assert_eq!(html.matches(">Undo<").count(), 1, "not of the password: {path}");
    }
    let html = page(&app, &staff, &history).await.body;
    let action = html.split("<form method=\"post\" action=\"/users").nth(1).unwrap();
    let action = format!("/users{}", action.split('"').next().unwrap());
    let (answer, message) = send_from(&app, &staff, &history, &action, &[]).await;
    assert_eq!((answer.status, message.as_str()), (303, "The change of ada was undone."));
    assert_eq!(app.stored(ada.id()).await.email, "");
    let html = page(&app, &staff, &history).await.body;
    assert!(html.contains("Undo: Changed") && html.contains(">Undone</span>"), "{html}");
    assert_eq!(html.matches(">Undo<").count(), 1, "the undo can be undone, the change no more");

    let root = app.person("root", "superuser").await;
    patch(&app, &root, root.id(), json!({"email": "r@example.org"})).await;
    let of_root = format!("/users/{}/history", root.id());
    assert!(!page(&app, &staff, &of_root).await.body.contains(">Undo<"), "az_3");
    assert!(page(&app, &root, &of_root).await.body.contains(">Undo<"));
    app.clock.advance(std::time::Duration::from_hours(25));
    let later = app.person("later", "staff").await;
    assert!(!page(&app, &later, &history).await.body.contains(">Undo<"), "after a day no more");
}

async fn many(app: &TestApp, person: &Person, action: Action, count: usize) {
    let mut tx = app.usher.db.begin().await.unwrap();
    for number in 0..count {
        let entry = Entry::new(action, Author::user(&person.user, &Origin::command_line()))
            .on(&person.user)
            .detail("number", number);
        usher::operations::audit::record(&mut tx, &entry, app.clock.now()).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// The `number` of each row.
fn numbers(html: &str) -> Vec<usize> {
    html.split("Number: ").skip(1).map(|part| part.split('<').next().unwrap().parse().unwrap()).collect()
}

#[apply(on_both)]
async fn the_history_is_gone_through_both_ways(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    many(&app, &ada, Action::UserChanged, 60).await;
    many(&app, &ada, Action::SignIn, 30).await;
    let path = format!("/users/{}/history", ada.id());
    let first = page(&app, &staff, &path).await.body;
    assert_eq!(numbers(&first), (35..60).rev().collect::<Vec<_>>());
    assert_eq!(labels(&first), ["Older"]);
    let second = page(&app, &staff, &link(&first, "Older")).await.body;
    assert_eq!(numbers(&second), (10..35).rev().collect::<Vec<_>>());
    assert_eq!(labels(&second), ["Newest", "Newer", "Older"]);
    let third = page(&app, &staff, &link(&second, "Older")).await.body;
    assert_eq!(numbers(&third), (0..10).rev().collect::<Vec<_>>());
    assert_eq!(labels(&third), ["Newest", "Newer"]);
    let back = page(&app, &staff, &link(&third, "Newer")).await.body;
    assert_eq!(numbers(&back), numbers(&second));
    let newest = page(&app, &staff, &link(&back, "Newer")).await.body;
    assert_eq!(numbers(&newest), numbers(&first));
    assert_eq!(labels(&newest), ["Older"]);
    let odd = page(&app, &staff, &format!("{path}?before=x&after=-9&other=1")).await;
    assert_eq!(odd.status, 200);
    let sign_ins = page(&app, &staff, &format!("/users/{}/sign-ins", ada.id())).await.body;
    assert_eq!((numbers(&sign_ins).len(), labels(&sign_ins)), (25, vec!["Older"]));
}

#[apply(on_both)]
async fn a_users_page_shows_the_last_changes_and_sign_ins(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let path = format!("/users/{}", ada.id());
    let before = page(&app, &staff, &path).await.body;
    assert_eq!(before.matches("None recorded.").count(), 2);
    for number in 0..7 {
        patch(&app, &staff, ada.id(), json!({"last_name": format!("Name-{number}")})).await;
    }
    app.obtain("ada", PASSWORD).await;
    app.obtain("ada", "wrong").await;
    let html = page(&app, &staff, &path).await.body;
    assert!(html.contains("<del>Name-5</del> → <ins>Name-6</ins>") && !html.contains("<ins>Name-1</ins>"));
    assert!(html.contains("Failed to sign in") && html.contains("Wrong password"));
    assert!(html.contains("API client"), "{html}");
    assert_eq!(link(&html, "Full history"), format!("{path}/history"));
    assert_eq!(link(&html, "All sign-ins"), format!("{path}/sign-ins"));
    let version = hidden(&html, "version");
    let fields = [("version", version.as_str()), ("username", "a b"), ("email", ""), ("first_name", "")];
    let (refused, _) = send_from(&app, &staff, &path, &path, &fields).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("<ins>Name-6</ins>"), "a form that comes back has them, too");
}

#[apply(on_both)]
async fn the_sign_ins_tell_result_reason_address_and_device_and_which_can_be_ended(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let obtain = async |password: &str| {
        let body = json!({"username": "ada", "password": password}).to_string();
        let request = app.request(Method::Post, "/v1/auth/obtain", None);
        let request = request
            .header(rocket::http::ContentType::JSON)
            .header(rocket::http::Header::new("User-Agent", "python-requests/2.32 (x)"))
            .remote("192.0.2.7:4711".parse().unwrap());
        Answer::of(request.body(body).dispatch().await).await.status
    };
    assert_eq!([obtain(PASSWORD).await, obtain("wrong").await], [200, 401]);
    app.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", ada.id())).await;
    assert_eq!(obtain(PASSWORD).await, 401);
    app.sql(&format!("UPDATE users SET is_active = TRUE WHERE id = {}", ada.id())).await;
    let path = format!("/users/{}/sign-ins", ada.id());
    let html = page(&app, &staff, &path).await.body;
    for part in [
        "192.0.2.7",
        "python-requests/2.32",
        "Wrong password",
        "The account is deactivated",
        "Signed in on 3 devices.",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert_eq!(html.matches("<button>End<span").count(), 1, "{html}");
    let action = html.split("<form method=\"post\" action=\"").nth(2).unwrap().split('"').next().unwrap();
    let session = action.split('/').nth(4).unwrap();
    assert_eq!(action, format!("/users/{}/sessions/{session}/end", ada.id()));
    app.sql(&format!("DELETE FROM sessions WHERE id = {session}")).await;
    let html = page(&app, &staff, &path).await.body;
    assert!(!html.contains("<button>End<span") && html.contains("Signed in on 2 devices."), "{html}");

    // A browser's session ends without use, a client's does not.
    app.clock.advance(std::time::Duration::from_mins(31));
    app.session(staff.user.id, Credential::Cookie).await;
    let watcher = app.person("watcher", "staff").await;
    assert!(page(&app, &watcher, &path).await.body.contains("Signed in on 1 device."));
    let root = app.person("root", "superuser").await;
    app.obtain("root", PASSWORD).await;
    let seen = page(&app, &watcher, &format!("/users/{}/sign-ins", root.id())).await.body;
    assert!(!seen.contains("<button>End<span") && !seen.contains("Sign out everywhere"), "az_3");
    let seen = page(&app, &root, &format!("/users/{}/sign-ins", root.id())).await.body;
    assert!(seen.contains("<button>End<span") && seen.contains("Sign out everywhere"));
}

#[apply(on_both)]
async fn the_audit_log_is_filtered_by_who_what_whom_and_day(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let bea = app.person("bea", "ordinary").await;
    patch(&app, &staff, ada.id(), json!({"first_name": "Ada"})).await;
    app.clock.advance(std::time::Duration::from_hours(24));
    let later = app.person("later", "staff").await;
    patch(&app, &later, bea.id(), json!({"first_name": "Béatrice", "last_name": "O’Hara"})).await;
    app.obtain("ada", PASSWORD).await;
    let seen = async |query: &str| rows(&page(&app, &later, &format!("/audit{query}")).await.body);
    for (query, count) in [
        ("", 3),
        ("?actor=STAFF", 1),
        ("?user=ada", 2),
        ("?actor=later&user=bea", 1),
        // By any part of a name, as the users' list finds it.
        ("?user=beatrice", 1),
        ("?user=o'hara%20B%C3%A9", 1),
        ("?user=ea", 1),
        ("?actor=ate&user=hara", 1),
        ("?actor=hara", 0),
        ("?action=sign_in", 1),
        ("?action=exported", 0),
        ("?from=2026-03-01&to=2026-03-01", 1),
        ("?from=2026-03-02", 2),
        ("?to=2026-03-01", 1),
        ("?to=2026-02-28", 0),
        ("?actor=nobody", 0),
        ("?from=2026-03-02&action=sign_in&actor=ada&user=ada", 1),
    ] {
        assert_eq!(seen(query).await, count, "{query}");
    }
    for number in 0..101 {
        app.person(&format!("crowd{number:03}"), "").await;
    }
    let crowd = page(&app, &later, "/audit?user=crowd").await.body;
    assert!(crowd.contains("More than 100 users match") && rows(&crowd) == 0, "{crowd}");
    let none = page(&app, &later, "/audit?actor=nobody").await;
    assert!(none.status == 200 && none.body.contains("Nothing recorded for these filters."));
    assert!(none.body.contains("value=\"nobody\"") && none.body.contains("Clear all"));
    let all = page(&app, &later, "/audit").await.body;
    assert!(all.contains("<a href=\"/audit\" aria-current=\"page\">") && all.matches("<h1").count() == 1);
    assert!(all.contains(&format!("<a href=\"/users/{}\">bea</a>", bea.id())));
    let odd = page(&app, &later, "/audit?action=explode&from=yesterday&after=x").await;
    assert_eq!((odd.status, rows(&odd.body)), (200, 3));
    for note in ["action=explode", "from=yesterday", "This is the first page."] {
        assert!(odd.body.contains(note), "{note}");
    }
    let ordinary = app.person("ordinary", "").await;
    assert!(!page(&app, &ordinary, "/account").await.body.contains("Audit log"));
}

#[apply(on_both)]
async fn the_audit_log_is_gone_through_both_ways(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    many(&app, &ada, Action::UserChanged, 120).await;
    for query in ["?user=ada", "?from=2026-03-01"] {
        let first = page(&app, &staff, &format!("/audit{query}")).await.body;
        assert_eq!(numbers(&first), (70..120).rev().collect::<Vec<_>>(), "{query}");
        let second = page(&app, &staff, &link(&first, "Next")).await.body;
        assert_eq!(numbers(&second), (20..70).rev().collect::<Vec<_>>(), "{query}");
        assert_eq!(labels(&second), ["First", "Previous", "Next", "Last"]);
        let last = page(&app, &staff, &link(&second, "Last")).await.body;
        assert_eq!(numbers(&last), (0..50).rev().collect::<Vec<_>>(), "{query}");
        assert_eq!(labels(&last), ["First", "Previous"]);
        assert_eq!(numbers(&page(&app, &staff, &link(&second, "Previous")).await.body), numbers(&first));
        assert_eq!(numbers(&page(&app, &staff, &link(&last, "First")).await.body), numbers(&first));
    }
}

#[apply(on_both)]
async fn what_a_user_did_is_found_after_they_were_renamed_and_under_an_old_name(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let root = app.person("root", "superuser").await;
    patch(&app, &staff, ada.id(), json!({"first_name": "Ada"})).await;
    patch(&app, &root, staff.id(), json!({"username": "Renamed"})).await;
    let seen = async |query: &str| rows(&page(&app, &root, &format!("/audit{query}")).await.body);
    assert_eq!(seen("?actor=renamed").await, 1, "under the name of now");
    assert_eq!(seen("?actor=STAFF").await, 1, "under the name of then, in any case");
    app.person("staff", "ordinary").await;
    assert_eq!(seen("?actor=staff").await, 0, "the name is another user's now");
}

#[apply(on_both)]
async fn hostile_filters_change_nothing_and_break_nothing(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    app.obtain("staff", PASSWORD).await;
    let long = format!("?actor={}", "x".repeat(3000));
    for query in [
        "?actor=%00",
        "?user=%27%20OR%201=1%20--",
        "?action=sign_in%27",
        "?from=2026-03-01%00",
        "?from=9999-12-31&to=0000-01-01",
        "?after=AAAA&before=AAAA",
        "?actor=%3Cscript%3Ealert(1)%3C/script%3E",
        &long,
    ] {
        let answer = page(&app, &staff, &format!("/audit{query}")).await;
        assert_eq!(answer.status, 200, "{query}");
        assert!(!answer.body.contains("<script>alert"), "ou_1");
    }
    assert_eq!(rows(&page(&app, &staff, "/audit").await.body), 1);
}

#[apply(on_both)]
async fn an_address_that_another_user_has_is_asked_about_before_it_is_stored(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let bea = app.person("bea", "ordinary").await;
    patch(&app, &staff, bea.id(), json!({"email": "Shared@example.org"})).await;
    let path = format!("/users/{}", ada.id());
    let save = async |email: &str, kept: Option<&str>| {
        let version = hidden(&page(&app, &staff, &path).await.body, "version");
        let fields = [
            ("version", version.as_str()),
            ("username", "ada"),
            ("email", email),
            ("first_name", "Ada"),
            ("last_name", ""),
        ];
        let fields = fields.into_iter().chain(kept.map(|kept| ("shared", kept)));
        send_from(&app, &staff, &path, &path, &fields.collect::<Vec<_>>()).await
    };
    let question = "Another user has this address: bea. Send the form again to use it for both.";
    for kept in [None, Some(""), Some("other@example.org")] {
        let asked = save("shared@example.org", kept).await.0;
        assert!(asked.status == 422 && asked.body.contains(question), "{}", asked.body);
        assert_eq!(hidden(&asked.body, "shared"), "shared@example.org", "sent again, it is the answer");
        assert!(asked.body.contains("value=\"Ada\""), "nothing typed is lost");
        assert_eq!(app.stored(ada.id()).await.email, "");
    }
    let kept = Some("shared@example.org");
    assert_eq!(save("shared@example.org", kept).await.1, "Saved. Changed Email and First name.");
    assert_eq!(save("shared@example.org", None).await.1, "Nothing changed.", "it is asked once");
    assert_eq!(save("", None).await.1, "Saved. Changed Email.");
    let typed = [
        ("username", "cleo"),
        ("email", "shared@EXAMPLE.org"),
        ("first_name", ""),
        ("last_name", ""),
        ("password", "quite a long one"),
    ];
    let (asked, _) = send_from(&app, &staff, "/users/new", "/users/new", &typed).await;
    assert!(asked.status == 422 && asked.body.contains(question), "{}", asked.body);
    assert_eq!(hidden(&asked.body, "shared"), "shared@EXAMPLE.org");
    let again: Vec<_> = typed.into_iter().chain([("shared", "shared@EXAMPLE.org")]).collect();
    let (_, message) = send_from(&app, &staff, "/users/new", "/users/new", &again).await;
    assert_eq!(message, "Added cleo.");
}

#[apply(on_both)]
async fn a_page_that_fails_says_what_happened_and_shows_a_way_on(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let root = app.person("root", "superuser").await;
    let reference = |html: &str| {
        let part = html.split("Reference ").nth(1).expect("a reference");
        part.split('<').next().unwrap().to_owned()
    };
    let gone = page(&app, &staff, "/users/999999").await;
    assert_eq!(gone.status, 404);
    assert!(gone.body.contains("<h1>No such user.</h1>") && gone.body.contains("It may have been removed."));
    assert!(gone.body.contains("<a href=\"/users\">All users</a>") && gone.body.contains("Sign out"));
    assert_eq!(reference(&gone.body).len(), 16);

    let refused = page(&app, &ada, "/users").await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("<h1>You may not do that.</h1>"), "{}", refused.body);
    assert!(refused.body.contains("<a href=\"/\">Go to the start page</a>"));
    let recorded = app.send(&staff, Method::Post, "/v1/audit/list", &json!({"limit": 1})).await.json();
    assert_eq!(recorded[0]["request_id"], reference(&refused.body), "the reference is that of the entry");

    let nowhere = page(&app, &staff, "/nowhere").await;
    assert!(nowhere.status == 404 && nowhere.body.contains("<h1>There is no such page.</h1>"));
    let stranger = Answer::of(app.client.get("/nowhere").dispatch().await).await;
    assert!(stranger.status == 404 && !stranger.body.contains("Sign out"));

    let own = format!("/users/{}", root.id());
    let (conflict, _) = send_from(&app, &root, &own, &format!("{own}/deactivate"), &[]).await;
    assert_eq!(conflict.status, 409);
    assert!(conflict.body.contains("You cannot deactivate yourself. Ask another administrator to do it."));
    let back = format!("<a href=\"{own}\">Back to the user</a>");
    assert!(conflict.body.replace("&#x2F;", "/").contains(&back), "{}", conflict.body);

    app.sql("ALTER TABLE audit_entries RENAME TO elsewhere").await;
    let failed = page(&app, &staff, &format!("/users/{}/history", ada.id())).await;
    assert_eq!(failed.status, 500);
    assert!(failed.body.contains("<h1>Something went wrong on our side.</h1>"));
    assert!(failed.body.contains("Nothing was saved.") && failed.body.contains("Sign out"));
    for secret in ["audit_entries", "sqlx", "src/", "SELECT"] {
        assert!(!failed.body.contains(secret), "er_1: {secret}");
    }
}

#[apply(on_both)]
async fn a_failing_page_keeps_the_message_for_the_next(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    let path = format!("/users/{}", ada.id());
    let token = hidden(&page(&app, &staff, &path).await.body, "token");
    let request = app.request(Method::Post, &format!("{path}/deactivate"), Some((&staff, By::Cookie)));
    let response =
        request.header(rocket::http::ContentType::Form).body(format!("token={token}")).dispatch().await;
    let flash = response.cookies().get("__Host-flash-0a1b2c3d").expect("a message").clone();
    let failing = app.request(Method::Get, "/users/999999", Some((&staff, By::Cookie)));
    let failing = failing.header(cookie_header(flash.name(), flash.value())).dispatch().await;
    assert_eq!(failing.status().code, 404);
    assert!(failing.cookies().get("__Host-flash-0a1b2c3d").is_none(), "it is not taken away");
}

#[apply(on_both)]
async fn pages_of_the_trail_are_small(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "ordinary").await);
    for number in 0..60 {
        let email = format!("somebody.else{number}@example.org");
        patch(&app, &staff, ada.id(), json!({"email": email, "first_name": number.to_string()})).await;
    }
    many(&app, &ada, Action::SignIn, 30).await;
    let id = ada.id();
    for path in [
        format!("/users/{id}"),
        format!("/users/{id}/history"),
        format!("/users/{id}/sign-ins"),
        "/audit".to_owned(),
        "/nowhere".to_owned(),
    ] {
        let request = app.request(Method::Get, &path, Some((&staff, By::Cookie)));
        let request = request.header(rocket::http::Header::new("Accept-Encoding", "gzip"));
        let size = request.dispatch().await.into_bytes().await.unwrap().len();
        assert!(size < 9 * 1024, "{path}: {size} bytes");
    }
}
