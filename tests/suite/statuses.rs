//! The status of a user: one word, the worst that is true, and a list of those who have it.

use crate::app::{Person, TestApp};
use crate::console::{self, link};

/// Status, and what is asked for in the list's query.
const STATUSES: [(&str, &str); 6] = [
    ("Locked", "locked"),
    ("Ended", "ended"),
    ("Not yet valid", "not-yet-valid"),
    ("Invited", "invited"),
    ("Deactivated", "deactivated"),
    ("Active", "active"),
];

async fn page(app: &TestApp, person: &Person, path: &str) -> String {
    let answer = console::page(app, person, path).await;
    assert_eq!(answer.status, 200, "{path}");
    answer.body
}

/// Whether a page shows the word as a status.
fn shows(page: &str, status: &str) -> bool {
    page.contains(&format!("\">{status}</span>"))
}

#[apply(on_both)]
async fn a_user_has_the_worst_status_that_is_true_and_is_in_its_list_only(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let mut people = Vec::new();
    for (name, status) in [
        ("locked.and.ended", "Locked"),
        ("ended.and.inactive", "Ended"),
        ("early", "Not yet valid"),
        ("early.and.invited", "Not yet valid"),
        ("without.password", "Invited"),
        ("asked.for.another", "Invited"),
        ("inactive", "Deactivated"),
        ("fine", "Active"),
    ] {
        people.push((app.person(name, "").await, status));
    }
    let id =
        |name: &str| people.iter().find(|(person, _)| person.user.username.as_str() == name).unwrap().0.id();
    let hour = 3_600_000_000;
    let (before, after) = (app.clock.now().micros() - hour, app.clock.now().micros() + hour);
    for (name, change) in [
        ("ended.and.inactive", format!("valid_until = {before}, is_active = FALSE")),
        ("early", format!("valid_from = {after}")),
        ("early.and.invited", format!("valid_from = {after}, password = ''")),
        ("without.password", "password = '!'".to_owned()),
        ("asked.for.another", "must_change_password = TRUE".to_owned()),
        ("inactive", "is_active = FALSE".to_owned()),
    ] {
        app.sql(&format!("UPDATE users SET {change} WHERE id = {}", id(name))).await;
    }
    for _ in 0..8 {
        app.obtain("locked.and.ended", "not the password").await;
    }
    app.sql(&format!("UPDATE users SET valid_until = {before} WHERE id = {}", id("locked.and.ended"))).await;

    for (person, status) in &people {
        let name = person.user.username.as_str();
        let own = page(&app, &staff, &format!("/users/{}", person.id())).await;
        assert!(shows(&own, status), "{name} is not {status}");
        for (other, value) in STATUSES {
            let list = page(&app, &staff, &format!("/users?status={value}&q={name}")).await;
            let link = format!("href=\"/users/{}\"", person.id());
            assert_eq!(list.contains(&link), other == *status, "{name} in the list of {value}");
            assert_eq!(shows(&list, status), other == *status, "{name} in the list of {value}");
        }
    }
}

#[apply(on_both)]
async fn a_locked_account_leaves_the_list_when_the_lock_lifts(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let ada = app.person("ada", "").await;
    for _ in 0..8 {
        app.obtain("ada", "not the password").await;
    }
    assert!(page(&app, &staff, "/users?status=locked").await.contains("1 user matches"));
    let chosen = page(&app, &staff, "/users/bulk?do=end_sessions&all=1&status=locked").await;
    assert!(chosen.contains("Sign out 1 user everywhere"), "{chosen}");
    app.clock.advance(std::time::Duration::from_mins(20));
    assert!(page(&app, &staff, "/users?status=locked").await.contains("No users match."));
    assert!(shows(&page(&app, &staff, &format!("/users/{}", ada.id())).await, "Active"));
}

#[apply(on_both)]
async fn the_pager_says_which_of_how_many_users_are_shown(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for number in 10..70 {
        app.person(&format!("user{number}"), "").await;
    }
    for (path, range) in [
        ("/users?per=25", "1 to 25 of 61"),
        ("/users?per=25&before=end", "37 to 61 of 61"),
        ("/users?per=25&q=user", "1 to 25 of 60"),
        ("/users?q=user3", "1 to 10 of 10"),
    ] {
        assert!(page(&app, &staff, path).await.contains(range), "{path}: {range}");
    }
    for (path, ranges) in [
        ("/users?per=25", ["26 to 50 of 61", "51 to 61 of 61"]),
        ("/users?per=25&q=user&sort=-created", ["26 to 50 of 60", "51 to 60 of 60"]),
    ] {
        let mut html = page(&app, &staff, path).await;
        for range in ranges {
            let (before, _) = html.split_once("\" rel=\"next\"").expect("another page");
            let next = before.rsplit('"').next().unwrap().replace("&amp;", "&").replace("&#x2F;", "/");
            html = page(&app, &staff, &next).await;
            assert!(html.contains(range), "{next}: {range}");
        }
    }
}

#[apply(on_both)]
async fn the_next_page_of_a_list_that_moves_with_the_clock_is_found(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for number in 0..60 {
        app.person(&format!("user{number:02}"), "").await;
    }
    app.sql("UPDATE users SET last_login = date_joined, is_active = username = 'staff'").await;
    for list in ["status=deactivated", "status=deactivated&sort=-email", "seen=7d&sort=seen"] {
        let first = page(&app, &staff, &format!("/users?{list}&per=25")).await;
        app.clock.advance(std::time::Duration::from_secs(1));
        let second = page(&app, &staff, &link(&first, "Next")).await;
        assert!(!second.contains("This is the first page."), "{list}");
        assert!(second.contains("26 to 50 of 6"), "{list}: {second}");
    }
}
