//! What was done, and what may be known about the API.

use serde_json::json;

use super::{State, state, user, user_api};
use crate::people::{ADMIN, ADMIN_ID, CROWD, STAFF, STAFF_ID};

pub(super) const STATES: &[State] = &[
    state("history", Some(STAFF), "new.name@example.org", |staff, server| {
        let more = json!({ "email": "new.name@example.org", "first_name": "", "is_staff": true });
        server.api("PATCH", &user_api(CROWD + 40), &more);
        server.api("PATCH", &user_api(CROWD + 40), &json!({ "password": "a quite different one" }));
        staff.open(&format!("{}/history", user(CROWD + 40)));
    }),
    state("history-read-only", Some(STAFF), "History", |staff, _| {
        staff.open(&format!("{}/history", user(ADMIN_ID)));
    }),
    state("user-with-changes", Some(STAFF), "Full history", |staff, server| {
        server.api("PATCH", &user_api(CROWD + 41), &json!({ "email": "other@example.org" }));
        staff.open(&user(CROWD + 41));
    }),
    state("notes", Some(STAFF), "Lost the telephone.", |staff, server| {
        let notes = format!("{}/notes", user_api(CROWD + 44));
        server.api("POST", &notes, &json!({ "note": "Lost the telephone." }));
        staff.open(&format!("{}/notes", user(CROWD + 44)));
    }),
    state("notes-refused", Some(STAFF), "There is a problem", |staff, _| {
        staff.open(&format!("{}/notes", user(CROWD + 45)));
        staff.click("Add note");
    }),
    state("user-with-notes", Some(STAFF), "All notes", |staff, server| {
        let notes = format!("{}/notes", user_api(CROWD + 46));
        server.api("POST", &notes, &json!({ "note": "Called back." }));
        staff.open(&user(CROWD + 46));
    }),
    state("sign-ins", Some(ADMIN), "Signed in on", |admin, server| {
        server.sign_in(STAFF);
        admin.open(&format!("{}/sign-ins", user(STAFF_ID)));
    }),
    state("sign-ins-none", Some(STAFF), "Not signed in anywhere.", |staff, _| {
        staff.open(&format!("{}/sign-ins", user(CROWD + 42)));
    }),
    state("audit", Some(STAFF), "Audit log", |staff, _| staff.open("/audit")),
    state("audit-filtered", Some(STAFF), "Clear all", |staff, server| {
        server.api("PATCH", &user_api(CROWD + 43), &json!({ "email": "other@example.org" }));
        staff.open("/audit?actor=admin&user=user43");
    }),
    state("audit-export", Some(STAFF), "The export is recorded.", |staff, _| {
        staff.open("/audit/export?actor=admin&format=json");
    }),
    state("history-export", Some(STAFF), "The export is recorded.", |staff, _| {
        staff.open(&format!("{}/history/export", user(CROWD + 40)));
    }),
    state("audit-none-found", Some(STAFF), "Nothing recorded for these filters.", |staff, _| {
        staff.open("/audit?actor=no.such.name");
    }),
    state("audit-odd-link", Some(STAFF), "a filter we do not know", |staff, _| {
        staff.open("/audit?action=dancing&from=yesterday");
    }),
    state("shortcuts", Some(STAFF), "Keyboard shortcuts", |staff, _| staff.open("/shortcuts")),
    state("docs", None, "The API", |guest, _| guest.open("/docs")),
    state("docs-open", Some(STAFF), "For example:", |staff, _| {
        staff.open("/docs");
        staff.browser.run("for (const part of document.querySelectorAll('details')) part.open = true;");
    }),
];
