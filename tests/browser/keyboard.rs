//! The console without a mouse.

use serde_json::json;

use crate::World;
use crate::actions::{Actions, ENTER, ESCAPE, TAB};
use crate::driver::Scripts;
use crate::people::{BERG, STAFF};
use crate::server::Backend;

/// The name of what has the focus.
fn focused(world: &World) -> String {
    world.browser.text(&world.browser.focused()).unwrap_or_default()
}

/// Goes on by the tabulator key to the link or button of that name.
fn tab_to(world: &World, staff: &Actions<'_>, name: &str) {
    for _ in 0..100 {
        if focused(world) == name {
            return;
        }
        staff.press(TAB);
    }
    panic!("{name} cannot be reached on {}", staff.path());
}

#[apply(in_browsers)]
fn a_user_is_deactivated_with_the_keyboard_alone(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open("/users");
    while world.browser.property(&world.browser.focused(), "id") != "q" {
        staff.press(TAB);
    }
    staff.fill_focused("van der berg");
    staff.press_and_go(ENTER);
    staff.sees("1 user matches");
    tab_to(world, &staff, "Agnieszka van der Berg");
    staff.press_and_go(ENTER);
    tab_to(world, &staff, "Deactivate");
    staff.press_and_go(ENTER);
    staff.sees("was deactivated");
    tab_to(world, &staff, "Undo");
    staff.press_and_go(" ");
    staff.sees("was undone.");
    assert_eq!(world.server.user(BERG)["is_active"], true);
}

#[apply(in_browsers)]
fn the_first_key_press_offers_to_skip_to_the_content(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open("/users?q=okafor");
    staff.press(TAB);
    assert_eq!(focused(world), "Skip to main content");
    staff.press(ENTER);
    staff.press(TAB);
    assert_eq!(focused(world), "Add user");
}

#[apply(in_browsers)]
fn tab_goes_through_a_page_in_reading_order_and_shows_where_it_is(world: &World) {
    let staff = world.signed_in(STAFF);
    for path in ["/users?q=okafor&per=25", &format!("/users/{BERG}"), "/account"] {
        for width in [1440, 390] {
            world.browser.look("light", width, 700);
            staff.open(path);
            let stops = world.browser.run(STOPS).as_u64().expect("a number");
            assert!(stops >= 4, "{path}: {stops}");
            for stop in 0..stops {
                staff.press(TAB);
                // A date has a stop for each of its parts.
                while stop > 0 && world.browser.run(&format!("const left = {stop} - 1;{STILL_THERE}")) == true
                {
                    staff.press(TAB);
                }
                let wrong = world.browser.run(&format!("const expected = {stop};{STOP}"));
                assert_eq!(wrong, json!(null), "{path}, {width} pixels wide, stop {stop}");
            }
        }
    }
}

/// How many stops there are, in the order of the markup, which is the order of reading.
const STOPS: &str = r"
const selector = 'a[href], button, select, textarea, summary, input:not([type=hidden])';
window.stops = [...document.querySelectorAll(selector)].filter(stop => stop.checkVisibility());
return window.stops.length;
";

/// Whether the focus is still where it was.
const STILL_THERE: &str = "return document.activeElement === window.stops[left];";

/// What is wrong with where the focus is.
const STOP: &str = r"
const focused = document.activeElement, style = getComputedStyle(focused), box = focused.getBoundingClientRect();
const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
if (focused !== window.stops[expected]) return `out of order: ${focused.outerHTML}`;
if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) return `not marked: ${focused.outerHTML}`;
if (!at || !(focused.contains(at) || at.contains(focused))) return `hidden: ${focused.outerHTML}`;
return null;
";

#[test]
fn a_slash_leads_to_the_search_unless_one_is_typing() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    staff.open("/users?q=okafor");
    let focused = || world.browser.property(&world.browser.focused(), "id");
    assert_ne!(focused(), "q");
    staff.press("/");
    assert_eq!(focused(), "q");
    assert_eq!(staff.value("Search"), "okafor");
    staff.press("/");
    assert_eq!(staff.value("Search"), "/", "what was found is selected, and a slash can be searched for");
    staff.press(ESCAPE);
    staff.open("/users/new");
    staff.fill("Username", "");
    staff.press("/");
    assert_eq!(staff.value("Username"), "/");
    staff.open("/account/sessions");
    staff.press_and_go("/");
    assert_eq!((staff.path(), focused()), ("/users#q".to_owned(), "q".into()), "from any page");
}

#[test]
fn a_form_is_sent_once_however_often_its_button_is_pressed() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    staff.open("/users/new");
    let sent = "let sent = 0; const form = document.querySelector('main form');
        form.addEventListener('submit', event => { if (!event.defaultPrevented) sent += 1; event.preventDefault(); });
        for (let press = 0; press < 3; press += 1) form.querySelector('.primary').click();
        return [sent, form.querySelector('.primary').getAttribute('aria-busy')];";
    assert_eq!(world.browser.run(sent), json!([1, "true"]));
}
