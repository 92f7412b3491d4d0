//! How pages are laid out: at every width, on paper, and with the longest names that there can be.

use serde_json::{Value, json};

use crate::World;
use crate::driver::{Browser, Scripts};
use crate::people::{BERG, LONGEST, STAFF};
use crate::server::Backend;

/// Widths from the smallest phone to a desk, in pixels.
fn widths() -> impl Iterator<Item = u32> {
    (320..=1600).step_by(20)
}

/// From this width on users are in a table, below it each is a card; in pixels.
const TABLE: u32 = 768;

/// The list that begins with the longest names.
const LONGEST_FIRST: &str = "/users?sort=-email";

fn findings(browser: &Browser, script: &str) -> Vec<String> {
    let found = browser.run(script);
    let found = found.as_array().unwrap_or_else(|| panic!("a list: {found}"));
    found.iter().map(|finding| finding.as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_list_is_laid_out_at_every_width() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    let mut wrong = Vec::new();
    staff.open(LONGEST_FIRST);
    for width in widths() {
        world.browser.look("light", width, 900);
        // Two lines of text in a table, four in a card.
        let highest = if width < TABLE { 104 } else { 50 };
        let found = findings(&world.browser, &format!("const highest = {highest};{LIST}"));
        wrong.extend(found.into_iter().map(|finding| format!("{width}: {finding}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the list: too wide, a row too high, a text that leaves its cell.
const LIST: &str = r"
const wrong = [], root = document.documentElement;
if (root.scrollWidth > root.clientWidth) wrong.push(`${root.scrollWidth - root.clientWidth} pixels too wide`);
for (const row of document.querySelectorAll('.users tbody tr')) {
    const box = row.getBoundingClientRect();
    if (box.height > highest) wrong.push(`a row of ${box.height} pixels: ${row.textContent}`);
    for (const cell of row.cells) {
        const limit = cell.getBoundingClientRect().right + 1;
        for (const part of cell.querySelectorAll('a, small, span[title], .tag, .cut')) {
            if (part.getBoundingClientRect().right > limit) wrong.push(`${part.textContent} leaves its cell`);
        }
    }
}
return wrong;
";

#[test]
fn no_page_scrolls_sideways_at_any_width() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    let mut wrong = Vec::new();
    let user = |id| format!("/users/{id}");
    for path in [
        user(BERG),
        user(LONGEST),
        format!("/users/bulk?do=deactivate&id={LONGEST}&id={BERG}"),
        "/users/new".to_owned(),
        "/audit".to_owned(),
        "/account".to_owned(),
        "/account/sessions".to_owned(),
    ] {
        staff.open(&path);
        for width in widths() {
            world.browser.look("light", width, 900);
            let too_wide =
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth;";
            if world.browser.run(too_wide).as_i64() > Some(0) {
                wrong.push(format!("{path} at {width}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_long_name_is_cut_and_shown_whole_where_the_focus_is_while_nothing_moves() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    staff.open(LONGEST_FIRST);
    for width in [1440, 820, 390, 320] {
        world.browser.look("light", width, 900);
        assert_eq!(world.browser.run(WHOLE), json!(["cut", true, true, true, true]), "{width}");
    }
}

#[test]
fn a_long_name_is_shown_whole_under_the_pointer_and_on_the_page_of_the_user() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    staff.open(LONGEST_FIRST);
    let point = |x: &Value, y: &Value| {
        let moved = json!({ "type": "mouseMoved", "x": x, "y": y });
        world.browser.cdp("Input.dispatchMouseEvent", &moved);
    };
    for width in [1440, 820, 390] {
        world.browser.look("light", width, 900);
        for part in ["a.cut", "small.cut", ".mail .cut"] {
            let place = world.browser.run(&format!(
                "const box = document.querySelector('.users tbody {part}').getBoundingClientRect();
                return [box.x + 20, box.y + box.height / 2];"
            ));
            point(&place[0], &place[1]);
            let whole = world.browser.run(&format!(
                "const part = document.querySelector('.users tbody {part}'), right = part.getBoundingClientRect().right;
                return part.scrollWidth <= part.clientWidth && right <= document.documentElement.clientWidth;"
            ));
            assert_eq!(whole, true, "{part} at {width}");
            point(&json!(0), &json!(0));
        }
    }
    staff.open(&format!("/users/{LONGEST}"));
    let name = world.browser.find("//h1").first().and_then(|name| world.browser.text(name).ok());
    assert!(name.is_some_and(|name| name.chars().count() > 300));
}

#[test]
fn a_name_answers_the_pointer_where_its_text_is_and_nowhere_else() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    staff.open("/users");
    // Shown whole, the name is as wide as its text: a wider link would slip from under the pointer.
    let wider = "return [...document.querySelectorAll('.users a.cut')].filter(link => {
        const text = document.createRange();
        text.selectNodeContents(link);
        return link.getBoundingClientRect().width > text.getBoundingClientRect().width + 1;
    }).map(link => link.textContent);";
    for width in [1440, 820, 390] {
        world.browser.look("light", width, 900);
        assert_eq!(findings(&world.browser, wider), [""; 0], "{width}");
    }
}

/// Whether the first name and address are cut; with the focus on the name, whether both are whole, within the
/// window, and whether the rows have stayed where they were.
const WHOLE: &str = r"
const row = document.querySelector('.users tbody tr'), name = row.querySelector('a'), mail = row.querySelector('.mail .cut');
const isCut = part => part.scrollWidth > part.clientWidth;
document.activeElement.blur();
const cut = isCut(name) && isCut(mail) ? 'cut' : 'whole', before = row.nextElementSibling.getBoundingClientRect().top;
name.focus({ focusVisible: true, preventScroll: true });
const isWithin = part => part.getBoundingClientRect().right <= document.documentElement.clientWidth;
const result = [cut, !isCut(name), !isCut(mail), isWithin(name) && isWithin(mail),
    row.nextElementSibling.getBoundingClientRect().top === before];
name.blur();
return result;
";

#[test]
fn thirteen_users_are_in_view_on_a_desk_and_the_first_is_high_up_on_a_phone() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    staff.open("/users");
    let rows = "return [...document.querySelectorAll('.users tbody tr')]
        .map(row => row.getBoundingClientRect()).map(box => [box.top, box.bottom]);";
    let rows = || -> Vec<Vec<f64>> { serde_json::from_value(world.browser.run(rows)).expect("numbers") };
    world.browser.look("light", 1440, 900);
    let in_view = rows().iter().filter(|row| row[1] <= 900.0).count();
    assert!(in_view >= 13, "{in_view}");
    world.browser.look("light", 390, 844);
    let first = rows()[0][0];
    assert!(first < 300.0, "the first user begins at {first}");
}

#[test]
fn filters_are_folded_behind_a_button_on_a_phone_and_in_view_on_a_desk() {
    for scripts in [Scripts::On, Scripts::Off] {
        let world = World::new(Backend::Sqlite, scripts);
        let staff = world.signed_in(STAFF);
        staff.open("/users");
        let is_shown = || {
            let fields = world.browser.find("//*[@id='status']");
            world.browser.run(
                "return document.getElementById('status').checkVisibility({
                contentVisibilityAuto: true, visibilityProperty: true });",
            ) == true
                && fields.len() == 1
        };
        assert!(is_shown(), "on a desk");
        world.browser.look("light", 390, 844);
        assert!(!is_shown(), "on a phone");
        staff.click_here("Filters");
        assert!(is_shown(), "when the button is pressed");
        world.browser.run("document.getElementById('status').value = 'deactivated';");
        staff.goes_on(|| staff.click_here("Apply"));
        staff.sees("users match");
    }
}

#[test]
fn printed_on_a4_the_list_is_a_table_without_controls() {
    let world = World::new(Backend::Sqlite, Scripts::On);
    let staff = world.signed_in(STAFF);
    staff.open(LONGEST_FIRST);
    // Two lines of each name. The width of A4 within Chromium's margins.
    world.browser.look("light", 718, 1000);
    world.browser.cdp("Emulation.setEmulatedMedia", &json!({ "media": "print" }));
    let found = findings(&world.browser, &format!("const highest = 84;{LIST}"));
    assert_eq!(found, [""; 0]);
    let shown = "return ['.users thead', '.top', '.filters', '.pick', '.pager'].map(part =>
        document.querySelector(part).getClientRects().length > 0 && document.querySelector(part).offsetHeight > 1);";
    assert_eq!(world.browser.run(shown), json!([true, false, false, false, false]));
    world.browser.cdp("Emulation.setEmulatedMedia", &json!({ "media": "" }));
    assert_eq!(world.browser.run("return matchMedia('print').matches"), Value::Bool(false));
}
