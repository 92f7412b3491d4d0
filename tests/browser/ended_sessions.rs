//! Forms whose session ended while they were filled in: the person signs in right there, and what was typed comes back.

use serde_json::json;

use crate::World;
use crate::actions::Actions;
use crate::people::{ADMIN, BERG, CROWD, DEACTIVATED, MEMBER, PASSWORD, STAFF, STAFF_ID};
use crate::phone;
use crate::states::BY_HAND;

/// Who is signed in, the path, what is typed under each label, and the button.
type Form<'f> = (&'f str, &'f str, &'f [(&'f str, &'f str)], &'f str);

/// Ends the session elsewhere, and sends the form.
fn send_without_session(person: &Actions<'_>, button: &str) {
    person.is(None);
    person.click(button);
    person.sees("Your session has ended.");
    person.sees("What you typed is kept");
}

fn sign_in_and_go_on(person: &Actions<'_>, username: &str) {
    person.fill("Username", username);
    person.fill("Password", PASSWORD);
    person.click("Sign in");
    person.sees("You are signed in again");
    person.click("Go on");
}

#[apply(in_browsers)]
fn every_form_with_fields_comes_back_with_what_was_typed(world: &World) {
    let user = format!("/users/{BERG}");
    let sub = |part: &str| format!("{user}/{part}");
    let elsewhere = world.signed_in(MEMBER);
    phone::add(&elsewhere);
    let forms: [Form<'_>; 14] = [
        (STAFF, "/users/new", &[("Username", "zoë.typed"), ("First name", "Zoë & <b>")], "Add user"),
        (
            STAFF,
            &user,
            &[("Email", "typed@example.org"), ("Valid until", "2099-01-01T12:00")],
            "Save changes",
        ),
        (STAFF, &sub("notes"), &[("Note", "Typed & kept")], "Add note"),
        (STAFF, "/users/views?status=invited", &[("Name", "Typed view")], "Save this view"),
        (STAFF, "/users/bulk?do=give_staff&all=1&q=user2", &[("Type ", "12")], "Give staff access to "),
        (ADMIN, &sub("erase"), &[("Username", "typed.name")], "Erase this person"),
        (ADMIN, "/users/3/factors", &[("Reason", "Typed reason")], "Remove all second factors"),
        (ADMIN, &format!("/users/{STAFF_ID}/tokens"), &[("Name", "typed token")], "Make token"),
        (STAFF, "/account", &[("First name", "Typed")], "Save changes"),
        (STAFF, "/account/tokens", &[("Name", "typed"), ("Expires in days", "7")], "Make token"),
        (STAFF, "/account/preferences", &[("Time zone", "Asia/Tokyo")], "Save"),
        (STAFF, "/account/security/add", &[("Name", "typed phone")], "Add the app"),
        (ADMIN, "/account", &[("Last name", "Typed")], "Save changes"),
        (ADMIN, &sub("notes"), &[("Note", "One more")], "Add note"),
    ];
    for (who, path, typed, button) in forms {
        let person = world.signed_in(who);
        person.open(path);
        for (label, text) in typed {
            person.type_in(label, text);
        }
        let before = world.server.user(BERG);
        person.is(None);
        person.goes_on(|| person.follow(button));
        person.sees("What you typed is kept");
        assert!(!world.browser.address().to_lowercase().contains("typed"), "{path}: it is in no address");
        sign_in_and_go_on(&person, who);
        for (label, text) in typed {
            assert_eq!(person.value(label), *text, "{label} of {path}");
        }
        assert_eq!(world.server.user(BERG), before, "{path}: nothing is saved yet");
    }
}

#[apply(in_browsers)]
fn a_form_without_anything_but_passwords_leads_back_to_its_page(world: &World) {
    let (user, deactivated) = (format!("/users/{BERG}"), format!("/users/{DEACTIVATED}"));
    let everywhere = format!("{user}/sessions/end");
    let forms: [(&str, &str, &[&str], &str); 8] = [
        (STAFF, &user, &[], "Deactivate"),
        (STAFF, &deactivated, &[], "Reactivate"),
        (STAFF, &everywhere, &[], "Sign out everywhere"),
        (STAFF, &format!("{user}/data"), &[], "Take the file"),
        (STAFF, "/account/sessions/end", &[], "Sign out everywhere else"),
        (STAFF, "/account/password", &["Current password", "New password"], "Change password"),
        (ADMIN, &user, &[], "Deactivate"),
        (STAFF, &format!("{user}?from=search"), &[], "Deactivate"),
    ];
    for (who, path, passwords, button) in forms {
        let person = world.signed_in(who);
        person.open(path);
        for label in passwords {
            person.fill(label, "secret and never shown");
        }
        let before = world.server.user(BERG);
        person.is(None);
        person.goes_on(|| person.follow(button));
        person.sees("Your session has ended.");
        assert!(!world.browser.source().contains("secret and never"), "{path}");
        let is_kept = person.text().contains("What you typed is kept");
        person.fill("Username", who);
        person.fill("Password", PASSWORD);
        person.click("Sign in");
        if is_kept {
            person.click("Go on");
        }
        let page = path.split('?').next().unwrap_or_default();
        assert_eq!(person.path().split('?').next(), Some(page), "{path}");
        person.sees(button);
        assert_eq!(world.server.user(BERG), before, "{path}: nothing is done yet");
    }
}

#[apply(in_browsers)]
fn files_for_an_import_are_there_after_signing_in_and_so_is_how_they_are_to_be_read(world: &World) {
    let admin = world.signed_in(ADMIN);
    admin.open("/users/import");
    if admin.text().contains("Discard the files") {
        admin.click("Discard the files");
    }
    let choose = "const files = new DataTransfer(); \
                  files.items.add(new File(['username,given\\nfile.typed,Zoë\\n'], 'users.csv')); \
                  document.querySelector('#file').files = files.files;";
    world.browser.run(choose);
    send_files_without_session(&admin);
    admin.fill("Username", ADMIN);
    admin.fill("Password", PASSWORD);
    admin.click("Sign in");
    admin.sees("Check the files");

    world.browser.run(choose);
    admin.click("Check the files");
    admin.choose("Field of given", "first_name");
    admin.type_in("Realm or table", "typed");
    send_without_session(&admin, "Check again");
    sign_in_and_go_on(&admin, ADMIN);
    admin.sees("This page was open for a long time");
    assert_eq!(admin.value("Field of given"), "first_name");
    assert_eq!(admin.value("Realm or table"), "typed");
    admin.type_in("Realm or table", "");
    admin.click("Check again");
    admin.sees("Import 1 user");
    admin.click("Discard the files");
}

/// Ends the session elsewhere, and sends the form with files, which no page can keep.
fn send_files_without_session(person: &Actions<'_>) {
    person.is(None);
    person.click("Check the files");
    person.sees("Your session has ended. Nothing was done yet.");
}

#[apply(in_browsers)]
fn what_was_chosen_comes_back_and_a_password_does_not(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open(&format!("/users/{CROWD}/password"));
    staff.tick(BY_HAND);
    staff.tick("They must change it");
    staff.fill("Password", "never to be seen again");
    send_without_session(&staff, "Reset password");
    assert!(!world.browser.source().contains("never to be seen again"));
    sign_in_and_go_on(&staff, STAFF);
    let is_ticked = |label: &str| world.browser.property(&staff.field(label), "checked") == true;
    assert!(is_ticked(BY_HAND) && !is_ticked("They must change it"));
    assert_eq!(staff.value("Password"), "");
}

#[apply(in_browsers)]
fn an_answer_to_a_conflict_comes_back_and_overwrites_nothing(world: &World) {
    for answers in [&["As it is now: theirs@example.org"][..], &[]] {
        let staff = world.signed_in(STAFF);
        staff.open(&format!("/users/{BERG}"));
        staff.fill("Email", "mine@example.org");
        staff.fill("Last name", &format!("Mine{}", answers.len()));
        let theirs = json!({ "email": "theirs@example.org" });
        world.server.api("PATCH", &format!("/v1/users/{BERG}"), &theirs);
        staff.click("Save changes");
        staff.sees("Someone else changed this user");
        for answer in answers {
            staff.tick(answer);
        }
        send_without_session(&staff, "Save changes");
        sign_in_and_go_on(&staff, STAFF);
        if answers.is_empty() {
            staff.sees("Choose which Email to keep.");
            staff.tick("As it is now: theirs@example.org");
        } else {
            assert_eq!(staff.value("Email"), "theirs@example.org");
        }
        staff.click("Save changes");
        staff.sees("Saved. Changed Last name.");
        assert_eq!(world.server.user(BERG)["email"], "theirs@example.org");
        let before = json!({ "email": "agnieszka.vdberg@example.org", "last_name": "van der Berg" });
        world.server.api("PATCH", &format!("/v1/users/{BERG}"), &before);
    }
}

#[apply(in_browsers)]
fn the_way_back_asks_for_the_second_factor_too(world: &World) {
    let member = world.signed_in(MEMBER);
    let phone = phone::add(&member);
    member.open("/account");
    member.fill("First name", "Typed");
    send_without_session(&member, "Save changes");
    member.fill("Username", MEMBER);
    member.fill("Password", PASSWORD);
    member.click("Sign in");
    member.sees("Your second factor");
    member.fill("Code", &phone.code(1));
    member.click("Sign in");
    member.sees("You are signed in again");
    member.click("Go on");
    assert_eq!(member.value("First name"), "Typed");
}
