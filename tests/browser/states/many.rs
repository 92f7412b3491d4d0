//! What is done to many users at once, and what leaves the house.

use serde_json::{Value, json};

use super::{State, list, state};
use crate::actions::{Actions, ENTER};
use crate::people::{ADMIN_ID, CROWD, STAFF, STAFF_ID};

pub(super) const STATES: &[State] = &[
    State {
        who: Some("user98"),
        ..list("views", "Edit views", |staff, _| {
            staff.open("/users?status=invited&sort=-seen");
            staff.click("Save this view");
            staff.fill("Name", "New people");
            staff.click("Save this view");
            staff.open("/users");
        })
    },
    state("views-refused", Some(STAFF), "There is a problem", |staff, _| {
        staff.open("/users/views?status=invited");
        staff.click("Save this view");
    }),
    state("bulk-choice", Some(STAFF), "You chose 2 users.", |staff, _| {
        staff.open(&bulk("", &[CROWD + 20, CROWD + 21]));
    }),
    state("sign-out-everywhere", Some(STAFF), "All their sessions end at once", |staff, _| {
        staff.open(&format!("/users/{}/sessions/end", CROWD + 20));
    }),
    state("bulk", Some(STAFF), "Deactivate 2 users?", |staff, _| {
        staff.open(&bulk("deactivate", &[CROWD + 20, CROWD + 21]));
    }),
    state("bulk-left-out", Some(STAFF), "2 users were left out:", |staff, _| {
        staff.open(&bulk("give_staff", &[ADMIN_ID, STAFF_ID, CROWD + 20, CROWD + 32]));
    }),
    state("bulk-all-that-match", Some(STAFF), "to go on", |staff, _| all(staff)),
    state("bulk-number-refused", Some(STAFF), "Type the number of users to go on.", |staff, _| {
        all(staff);
        staff.fill("Type ", "2");
        staff.press_and_go(ENTER);
    }),
    state("bulk-too-many", Some(STAFF), "at most 1,000 users at once", |staff, _| {
        staff.open("/users/bulk?do=end_sessions&all=1");
    }),
    state("bulk-nothing", Some(STAFF), "Choose users in the list first.", |staff, _| {
        staff.open("/users/bulk?do=deactivate");
    }),
    state("bulk-password", Some(STAFF), "Your password", |staff, server| {
        server.forget_passwords_given(STAFF);
        staff.open(&bulk("end_sessions", &[CROWD + 20, CROWD + 21]));
    }),
    state("bulk-password-refused", Some(STAFF), "There is a problem", |staff, server| {
        server.forget_passwords_given(STAFF);
        staff.open(&bulk("end_sessions", &[CROWD + 20, CROWD + 21]));
        staff.fill("Your password", "not the password");
        staff.click("Sign out 2 users everywhere");
    }),
    state("bulk-outcome", Some(STAFF), "2 users deactivated.", |staff, _| {
        staff.open(&bulk("deactivate", &[CROWD + 22, CROWD + 23]));
        staff.click("Deactivate 2 users");
    }),
    state("bulk-outcome-undone", Some(STAFF), "2 users put back as before.", |staff, _| {
        staff.open(&bulk("deactivate", &[CROWD + 24, CROWD + 25]));
        staff.click("Deactivate 2 users");
        staff.click("Undo");
    }),
    state("bulk-outcome-not-all", Some(STAFF), "There is nothing to change.", |staff, server| {
        let body = json!({ "action": "deactivate", "ids": [ADMIN_ID, CROWD + 26, CROWD + 27] });
        server.api("DELETE", &format!("/v1/users/{}", CROWD + 26), &Value::Null);
        let run = server.api("POST", "/v1/users/bulk", &body);
        staff.open(&format!("/users/bulk/{}", run["batch"]));
    }),
    state("bulk-cut-short", Some(STAFF), "1 of the users below was not reached", |staff, server| {
        let body = json!({ "action": "deactivate", "ids": [CROWD + 28, CROWD + 29] });
        let run = server.api("POST", "/v1/users/bulk", &body);
        server.cut_short(&run["batch"].to_string());
        staff.open(&format!("/users/bulk/{}", run["batch"]));
    }),
    state("bulk-runs", Some(STAFF), "Actions on many users", |staff, _| staff.open("/users/bulk/runs")),
    state("export-password", Some(STAFF), "Your password", |staff, server| {
        server.forget_passwords_given(STAFF);
        staff.open("/users/export");
    }),
];

fn bulk(action: &str, ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("id={id}")).collect();
    format!("/users/bulk?do={action}&{}", ids.join("&"))
}

/// The page for all whose number begins with 2, some 500 users.
fn all(staff: &Actions<'_>) {
    staff.open("/users/bulk?do=give_staff&all=1&q=user2");
}
