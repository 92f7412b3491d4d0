//! What holds on every page and in every state.

use std::path::Path;

use crate::driver::{Borrowed, Scripts};
use crate::server::{Backend, Server};
use crate::states::{self, DEMO, EMPTY, FIRST_START, IMPATIENT};
use crate::visits::{Check, Visit, report};

/// Everything that a check has found, or nothing.
fn assert_nothing(check: Check) {
    let lines: Vec<String> = report()
        .visits
        .iter()
        .flat_map(|visit| visit.findings.iter().map(move |finding| (visit.name, finding)))
        .filter(|(_, (found, _))| *found == check)
        .map(|(name, (_, text))| format!("{name}: {text}"))
        .collect();
    assert!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn every_state_is_reached() {
    assert_eq!(report().missed, [""; 0]);
    let others = DEMO.len() + EMPTY.len() + FIRST_START.len() + IMPATIENT.len();
    assert_eq!(report().visits.len(), states::populated().count() + others);
}

#[test]
fn axe_finds_nothing_in_any_state_theme_or_width() {
    assert_nothing(Check::Axe);
}

#[test]
fn no_page_scrolls_sideways_down_to_320_pixels() {
    assert_nothing(Check::Width);
}

#[test]
fn the_browser_complains_about_nothing() {
    assert_nothing(Check::Console);
}

#[test]
fn every_page_has_one_heading_a_title_labels_tokens_and_links_that_lead_somewhere() {
    assert_nothing(Check::Markup);
}

#[test]
fn pages_are_loaded_with_four_requests_and_few_kilobytes() {
    let over: Vec<String> = report()
        .visits
        .iter()
        .filter(|visit| visit.size.requests > 4 || visit.size.wire > visit.kilobytes as u64 * 1024)
        .map(|Visit { name, kilobytes, size, .. }| format!("{name}: {size:?}, at most {kilobytes} KB"))
        .collect();
    assert!(over.is_empty(), "{}", over.join("\n"));
}

#[test]
fn a_list_of_50_users_is_at_most_55_kilobytes_unpacked_and_1100_elements() {
    let is_list = |visit: &&Visit| visit.name.starts_with("users") && visit.kilobytes == 14;
    let lists: Vec<&Visit> = report().visits.iter().filter(is_list).collect();
    assert!(lists.len() > 5, "there are lists");
    for Visit { name, size, .. } in lists {
        // With an exact match first there is a row more, and a heading.
        let nodes = if *name == "users-exact-first" { 1110 } else { 1100 };
        assert!(size.unpacked <= 55 * 1024 && size.nodes <= nodes, "{name}: {size:?}");
    }
}

#[test]
fn style_sheet_and_scripts_are_small_and_there_are_no_fonts_and_pictures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
    let mut files: Vec<(String, u64)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().len()))
        .collect();
    files.sort();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["app.css", "app.js", "charts.css", "icon.svg", "list.css", "list.js", "passkeys.js"]);
    let size = |name: &str| files.iter().find(|file| file.0 == name).map_or(0, |file| file.1);
    assert!(size("app.css") <= 16 * 1024 && size("app.css") + size("list.css") <= 21 * 1024, "{files:?}");
    assert!(size("app.js") + size("list.js") <= 4 * 1024 && size("passkeys.js") <= 4 * 1024, "{files:?}");
}

#[test]
fn what_the_policy_forbids_is_noticed() {
    let (server, browser) = (Server::empty(), Borrowed::new(Scripts::On));
    browser.open(&format!("{}/sign-in", server.address));
    drop(browser.console());
    browser.run("const s = document.createElement('script'); s.textContent = '1'; document.body.append(s);");
    let said = browser.console().join("\n");
    assert!(said.contains("Content Security Policy"), "{said}");
}

#[test]
fn scripts_run_only_where_they_may() {
    let server = Server::populated(Backend::Sqlite);
    for (scripts, buttons) in [(Scripts::On, 1), (Scripts::Off, 0)] {
        let browser = Borrowed::new(scripts);
        browser.open(&format!("{}/sign-in", server.address));
        assert_eq!(browser.find("//button[.='Show']").len(), buttons, "{scripts:?}");
    }
}
