//! What people notice within a day at the console: what is kept, what is asked, what is said and in which words.

use serde_json::json;

use crate::World;
use crate::actions::{Actions, ENTER};
use crate::driver::{Browser, Scripts};
use crate::people::{ADMIN_ID, BERG, CROWD, STAFF, STAFF_ID};
use crate::server::Backend;

fn user(id: i64) -> String {
    format!("/users/{id}")
}

fn user_api(id: i64) -> String {
    format!("/v1/users/{id}")
}

/// The texts of all that an expression finds.
fn texts(browser: &Browser, xpath: &str) -> Vec<String> {
    browser.find(xpath).iter().map(|element| browser.text(element).unwrap_or_default()).collect()
}

/// Makes a user: their primary key.
fn made(world: &World, username: &str, first_name: &str, last_name: &str) -> i64 {
    let person =
        json!({ "username": username, "first_name": first_name, "last_name": last_name, "email": "" });
    let made = world.server.api("POST", "/v1/users/invite", &person);
    made["user"]["pk"].as_i64().unwrap_or_else(|| panic!("a user: {made}"))
}

#[test]
fn a_form_with_changes_asks_before_it_is_left_and_one_without_does_not() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    let asks = || {
        let leave =
            "const leave = new Event('beforeunload', { cancelable: true }); return !dispatchEvent(leave);";
        world.browser.run(leave) == true
    };
    for path in [user(BERG), "/users/new".to_owned(), "/account".to_owned()] {
        staff.open(&path);
        assert!(!asks(), "{path}");
        staff.fill("First name", "Typed");
        assert!(asks(), "{path}");
        // The browser would ask, and a test has no answer.
        world
            .browser
            .run("addEventListener('beforeunload', event => event.stopImmediatePropagation(), true);");
        world.browser.reload();
    }
}

#[apply(in_browsers)]
fn what_only_one_of_two_people_changed_is_merged_without_a_question(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open(&user(BERG));
    world.server.api("PATCH", &user_api(BERG), &json!({ "email": "theirs@example.org" }));
    staff.fill("Last name", "Mine");
    staff.click("Save changes");
    staff.sees("Saved. Changed Last name.");
    let stored = world.server.user(BERG);
    assert_eq!([&stored["email"], &stored["last_name"]], ["theirs@example.org", "Mine"]);
    staff.open(&user(BERG));
    world.server.api(
        "PATCH",
        &user_api(BERG),
        &json!({ "email": "again@example.org", "first_name": "Agnes" }),
    );
    staff.fill("Email", "mine@example.org");
    staff.click("Save changes");
    staff.sees("admin changed it on");
    assert_eq!(world.browser.find("//fieldset[legend='Email']").len(), 1);
    assert!(world.browser.find("//fieldset[legend='First name']").is_empty(), "only one has changed it");
}

#[apply(in_browsers)]
fn a_user_has_one_status_everywhere_and_a_filter_for_it(world: &World) {
    let staff = world.signed_in(STAFF);
    world.server.api("PATCH", &user_api(BERG), &json!({ "valid_until": "2021-01-01T12:00" }));
    world.server.api("PATCH", &user_api(CROWD), &json!({ "valid_from": "2099-01-01T12:00" }));
    world.server.api("PATCH", &user_api(CROWD + 1), &json!({ "must_change_password": true }));
    let invited = made(world, "just.invited", "", "");
    for (id, status, filter) in [
        (BERG, "Ended", "ended"),
        (CROWD, "Not yet valid", "not-yet-valid"),
        (CROWD + 1, "Invited", "invited"),
        (invited, "Invited", "invited"),
        (CROWD + 13, "Deactivated", "deactivated"),
        (CROWD + 2, "Active", "active"),
    ] {
        staff.open(&user(id));
        assert_eq!(texts(&world.browser, "//h1/span"), [status], "{id}");
        staff.open(&format!("/users?status={filter}&q={id}"));
        let row = format!("//tr[th/a[contains(@href,'/users/{id}')]]/td[@class='st']");
        assert_eq!(texts(&world.browser, &row), [status], "{id} in the list");
    }
}

#[apply(in_browsers)]
fn all_times_of_a_page_are_in_the_zone_of_the_viewer(world: &World) {
    world.server.api("PATCH", &user_api(BERG), &json!({ "valid_until": "2099-01-01T12:00" }));
    let staff = world.signed_in(STAFF);
    staff.open("/account/preferences");
    staff.fill("Time zone", "Asia/Tokyo");
    staff.click("Save");
    staff.open(&user(BERG));
    staff.sees("25 Apr 2025, 21:30");
    staff.sees("Times in Asia/Tokyo");
    assert_eq!(staff.value("Valid until"), "2099-01-01T21:00");
    staff.open("/users?q=agnieszka");
    let exact = "//td[@class='when']/span[@title='15 Feb 2026, 18:00'][contains(.,' ago')]";
    assert_eq!(world.browser.find(exact).len(), 1);
}

/// The times that a page shows otherwise than clocks in Tokyo do.
const NOT_IN_TOKYO: &str = r"
const tokyo = new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Tokyo', day: 'numeric', month: 'short', year: 'numeric',
    hour: '2-digit', minute: '2-digit' });
const shown = [...document.querySelectorAll('main time')];
const wrong = shown.filter(time => time.textContent !== tokyo.format(new Date(time.dateTime)).replace('Sept', 'Sep'));
return shown.length ? wrong.map(time => time.outerHTML) : ['there are no times'];
";

#[apply(in_browsers)]
fn every_page_shows_its_times_in_the_zone_of_the_viewer(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open("/account/preferences");
    staff.fill("Time zone", "Tokyo");
    staff.click("Save");
    staff.sees("Saved.");
    world.server.api("PATCH", &user_api(BERG), &json!({ "first_name": "Agnes" }));
    for path in [
        "/".to_owned(),
        user(BERG),
        format!("{}/sign-ins", user(STAFF_ID)),
        "/account".to_owned(),
        "/account/sessions".to_owned(),
        format!("/users/bulk?do=deactivate&id={BERG}"),
    ] {
        staff.open(&path);
        assert_eq!(world.browser.run(NOT_IN_TOKYO), json!([]), "{path}");
        staff.sees("Times in Asia/Tokyo");
    }
    staff.open("/");
    staff.sees("Days in UTC");
    staff.open(&user(BERG));
    let when = texts(&world.browser, "//h2[.='Recent changes']/following-sibling::ul[1]/li[1]//time");
    for path in [format!("{}/history", user(BERG)), "/audit".to_owned()] {
        staff.open(&path);
        let first = texts(&world.browser, "//table/tbody/tr[1]/td[1]");
        assert_eq!(first, when, "{path}");
    }
}

#[apply(in_browsers)]
fn bulk_without_a_choice_of_what_to_do_keeps_the_ticks(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open("/users?q=user100");
    staff.tick("Select user100");
    staff.tick("Select user1000");
    if world.scripts == Scripts::On {
        staff.click_here("Go");
        assert_eq!(world.browser.property(&world.browser.focused(), "id"), "more");
        assert_eq!(world.browser.run("return document.querySelectorAll('.pick:checked').length"), 2);
    } else {
        staff.click("Go");
        staff.sees("You chose 2 users.");
        staff.click("Deactivate");
        staff.sees("Deactivate 2 users?");
    }
}

#[apply(in_browsers)]
fn the_bar_below_the_list_tells_one_number(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open("/users?select=page");
    let said = "return getComputedStyle(document.querySelector('.bulk output'), '::before').content;";
    assert!(world.browser.run(said).as_str().is_some_and(|said| said.contains("selected on this page")));
    staff.tick("All 2,406 that match");
    assert_eq!(world.browser.run(said), "\"All that match\"");
}

#[apply(in_browsers)]
fn messages_say_who_was_meant_and_look_like_what_they_say(world: &World) {
    let staff = world.signed_in(STAFF);
    let notes =
        |class: &str| texts(&world.browser, &format!("//div[@class='note {class}'][@role='status']/p"));
    staff.open(&user(BERG));
    staff.click("Save changes");
    assert_eq!(notes("info"), ["Nothing changed."], "it is no success");
    staff.click("Deactivate");
    let said = notes("ok");
    assert!(said.len() == 1 && said[0].starts_with("Agnieszka van der Berg was deactivated."), "{said:?}");
    staff.click("Undo");
    assert_eq!(notes("ok"), ["The change of Agnieszka van der Berg was undone."]);
    let buttons = texts(&world.browser, "//div[@role='status']//button");
    assert_eq!(buttons, ["Redo"], "what was undone is not offered to be undone");
    staff.click("Sign out everywhere");
    staff.sees("All their sessions end at once");
    staff.sees("Agnieszka van der Berg");
}

#[apply(in_browsers)]
fn an_address_of_another_user_is_asked_about_before_it_is_saved(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open(&user(BERG));
    staff.fill("Email", "user7@example.org");
    staff.click("Save changes");
    staff.sees("Another user has this address: user7. Send the form again to use it for both.");
    assert_eq!(world.server.user(BERG)["email"], "agnieszka.vdberg@example.org");
    staff.click("Save changes");
    staff.sees("Saved. Changed Email.");
}

#[apply(in_browsers)]
fn a_user_with_a_live_link_is_not_said_to_need_one(world: &World) {
    let invited = made(world, "just.invited", "", "");
    let staff = world.signed_in(STAFF);
    staff.open(&user(invited));
    staff.sees("Not yet. They choose a password with the link.");
    assert!(!staff.text().contains("Make a link with which"), "{}", staff.text());
}

#[test]
fn a_link_that_is_shown_once_is_copied_by_a_button() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    staff.open(&format!("{}/password", user(BERG)));
    staff.click("Reset password");
    // Browsers without a window give the clipboard to no page.
    let stub = "navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); };";
    world.browser.run(stub);
    staff.click_here("Copy");
    staff.sees("Copied");
    let link = texts(&world.browser, "//code[@class='copy']");
    assert!(link[0].contains("/set-password#"), "{link:?}");
    assert_eq!(world.browser.run("return window.copied"), link[0].as_str());
}

#[test]
fn the_account_menu_closes_by_a_click_elsewhere_and_by_escape() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    staff.open("/users");
    let is_open = || world.browser.run("return document.querySelector('.menu').open") == true;
    staff.click_here(STAFF);
    assert!(is_open());
    world.browser.run("document.querySelector('h1').click();");
    assert!(!is_open());
    staff.click_here(STAFF);
    staff.press(crate::actions::ESCAPE);
    assert!(!is_open());
}

#[test]
fn single_keys_work_on_a_fresh_list_and_at_a_box_and_not_in_the_search() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    let focused = || world.browser.property(&world.browser.focused(), "id");
    staff.open("/users");
    staff.press_and_go("n");
    assert_eq!(staff.path(), "/users/new");
    staff.open("/users");
    staff.tick("Select ");
    staff.press("/");
    assert_eq!(focused(), "q", "a box that has the focus is not typed in");
    staff.press("n");
    assert_eq!((staff.value("Search"), staff.path()), ("n".to_owned(), "/users".to_owned()));
}

#[test]
fn the_facts_of_a_superuser_stand_close_together() {
    let world = World::new(Backend::Sqlite, Scripts::Off);
    let staff = world.signed_in(STAFF);
    staff.open(&user(ADMIN_ID));
    let highest =
        "return Math.max(...[...document.querySelectorAll('dl.facts dd')].map(fact => fact.offsetHeight));";
    assert!(world.browser.run(highest).as_f64().is_some_and(|height| height < 90.0));
}

/// Searches in the list: the names that are found, in their order.
fn found(world: &World, staff: &Actions<'_>, words: &str) -> Vec<String> {
    staff.open("/users");
    staff.fill("Search", words);
    staff.press_and_go(ENTER);
    staff.sees("match");
    texts(&world.browser, "//table//th/a[@class='cut']")
}

#[apply(in_browsers)]
fn names_are_found_as_people_type_them_and_sorted_as_they_read_them(world: &World) {
    for (username, first, last) in [
        ("conor", "Conor", "O’Neill"),
        ("taro", "太郎", "山田"),
        ("order1", "Sortme", "Eberle"),
        ("order2", "Sortme", "Éboué"),
        ("order3", "Sortme", "Eder"),
        ("order4", "Sortme", "Zola"),
    ] {
        made(world, username, first, last);
    }
    let staff = world.signed_in(STAFF);
    for words in ["o'neill", "O’NEILL", "conor o neill"] {
        assert_eq!(found(world, &staff, words), ["Conor O’Neill"], "{words}");
    }
    for words in ["山田太郎", "山田 太郎"] {
        assert_eq!(found(world, &staff, words).len(), 1, "{words}");
    }
    let sorted = ["Sortme Eberle", "Sortme Éboué", "Sortme Eder", "Sortme Zola"];
    assert_eq!(found(world, &staff, "sortme"), sorted);
}

#[apply(in_browsers)]
fn the_audit_log_is_searched_by_parts_of_names_as_they_are_shown(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open(&user(BERG));
    staff.fill("First name", "Agnes");
    staff.click("Save changes");
    staff.sees("Saved.");
    let changes = format!("//td[@data-l='User']/a[contains(@href,'/users/{BERG}')]");
    for (who, whom) in [("Sam St", ""), ("sam.st", "der berg"), ("", "vdberg"), ("STAFF", "Agnes van")] {
        staff.open("/audit");
        staff.fill("Who", who);
        staff.fill("User", whom);
        staff.click("Apply");
        assert!(!world.browser.find(&changes).is_empty(), "{who:?}, {whom:?}: {}", staff.text());
    }
    staff.open(&format!("/audit?actor=sam&user={STAFF_ID}x"));
    staff.sees("Nothing recorded for these filters.");
}
