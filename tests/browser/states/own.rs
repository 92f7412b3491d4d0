//! The user's own account.

use serde_json::json;

use super::{State, list, state, user_api};
use crate::actions::Actions;
use crate::people::{ADMIN, CROWD, MEMBER, PASSWORD, STAFF, STAFF_ID};
use crate::phone;

pub(super) const STATES: &[State] = &[
    state("account", Some(STAFF), "My account", |staff, _| staff.open("/account")),
    state("account-of-a-member", Some(MEMBER), "My account", |member, _| member.open("/")),
    state("account-saved", Some("user50"), "Saved.", |member, _| {
        member.open("/account");
        member.fill("First name", "Another");
        member.click("Save changes");
    }),
    state("account-refused", Some(MEMBER), "There is a problem", |member, _| {
        member.open("/account");
        member.fill("Email", "nowhere");
        member.click("Save changes");
    }),
    state("account-password", Some(STAFF), "You stay signed in here.", |staff, _| {
        staff.open("/account/password");
    }),
    state("account-password-refused", Some(STAFF), "There is a problem", |staff, _| {
        staff.open("/account/password");
        staff.fill("Current password", "not the password");
        staff.fill("New password", "password");
        staff.click("Change password");
    }),
    state("account-password-changed", Some("user51"), "Password changed.", |member, _| {
        member.open("/account/password");
        member.fill("Current password", PASSWORD);
        member.fill("New password", "a quite different one");
        member.click("Change password");
    }),
    state("account-password-forced", Some("user52"), "before you go on", |member, server| {
        server.api("PATCH", &user_api(CROWD + 52), &json!({ "must_change_password": true }));
        member.is(Some(&server.sign_in("user52")));
        member.open("/account");
    }),
    state("own-data", Some(STAFF), "What is stored about you", |staff, _| staff.open("/account/data")),
    state("user-data", Some(STAFF), "For answering a person who asks", |staff, _| {
        staff.open(&format!("/users/{}/data", CROWD + 53));
    }),
    state("user-data-asks", Some(ADMIN), "Take all that is stored about this user?", |admin, server| {
        server.forget_passwords_given(ADMIN);
        admin.open(&format!("/users/{}/data", CROWD + 53));
        admin.click("Take the file (JSON)");
    }),
    state("sessions", Some(STAFF), "This session", |staff, server| {
        server.sign_in(STAFF);
        staff.open("/account/sessions");
    }),
    state("security", Some(STAFF), "your password alone signs you in", |staff, _| {
        staff.open("/account/security");
    }),
    state("security-add", Some(MEMBER), "Scan this picture", |member, _| {
        member.open("/account/security/add");
    }),
    state("security-add-refused", Some(MEMBER), "There is a problem", |member, _| {
        member.open("/account/security/add");
        member.fill("Code", "123");
        member.click("Add the app");
    }),
    state("security-add-passkey-without-tls", Some(MEMBER), "Browsers have passkeys only", |member, _| {
        member.open("/account/security/add-passkey");
    }),
    state("security-recovery-codes", Some("user66"), "They are not shown again.", |member, _| {
        phone::add(member);
    }),
    state("security-with-a-factor", Some("user67"), "10 codes are left.", |member, _| {
        phone::add(member);
        member.click("I have kept them");
    }),
    state("security-codes-asked", Some("user68"), "You are shown ten of them, once.", |member, _| {
        phone::add(member);
        member.open("/account/security/codes");
    }),
    state("security-of-another", Some("user73"), "Remove all second factors", |member, server| {
        phone::add(member);
        member.is(Some(&server.sign_in(ADMIN)));
        member.open(&format!("/users/{}/factors", CROWD + 73));
    }),
    state("tokens-with-a-factor", Some("user74"), "Code of your second factor", |member, server| {
        phone::add(member);
        server.forget_passwords_given("user74");
        member.open("/account/tokens");
        member.fill("Name", "deployment");
        member.click("Make token");
    }),
    state("sign-in-code", Some("user71"), "Your second factor", |member, _| {
        phone::add(member);
        sign_in_again(member, "user71");
    }),
    state("sign-in-code-refused", Some("user72"), "This code is wrong", |member, _| {
        phone::add(member);
        sign_in_again(member, "user72");
        member.fill("Code", "123");
        member.click("Sign in");
    }),
    state("tokens", Some(MEMBER), "There are none.", |member, _| member.open("/account/tokens")),
    state("tokens-made", Some("user53"), "Copy it now", |member, _| make_token(member, "nightly report")),
    state("tokens-refused", Some(MEMBER), "There is a problem", |member, _| make_token(member, "")),
    state("tokens-password", Some("user54"), "Enter your password to go on.", |member, server| {
        server.forget_passwords_given("user54");
        member.open("/account/tokens");
        member.fill("Name", "deployment");
        member.tick("May change things");
        member.click("Make token");
    }),
    state("tokens-of-another", Some(ADMIN), "API tokens of", |admin, _| {
        admin.open(&format!("/users/{STAFF_ID}/tokens"));
    }),
    state("preferences", Some(STAFF), "Time zone", |staff, _| staff.open("/account/preferences")),
    state("preferences-refused", Some(STAFF), "There is a problem", |staff, _| {
        staff.open("/account/preferences");
        staff.fill("Time zone", "Louisville");
        staff.click("Save");
    }),
    state("preferences-saved", Some("user57"), "Saved.", |member, _| {
        member.open("/account/preferences");
        member.tick("Single-key shortcuts");
        member.click("Save");
    }),
    State {
        who: Some("user65"),
        ..list("users-compact", "Rows per page", |staff, _| {
            staff.open("/account/preferences");
            let choose = "document.getElementById('density').value = 'compact';
                document.getElementById('theme').value = 'dark';";
            staff.browser.run(choose);
            staff.click("Save");
            staff.open("/users");
        })
    },
];

fn sign_in_again(member: &Actions<'_>, username: &str) {
    member.is(None);
    member.open("/account");
    member.fill("Username", username);
    member.fill("Password", PASSWORD);
    member.click("Sign in");
}

fn make_token(member: &Actions<'_>, name: &str) {
    member.open("/account/tokens");
    member.fill("Name", name);
    member.click("Make token");
}
