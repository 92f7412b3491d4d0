//! What goes otherwise than planned: two people at once, forms that stood open, ways back.

use serde_json::json;

use crate::World;
use crate::actions::Actions;
use crate::driver::{Borrowed, Scripts};
use crate::people::{ADMIN, BERG, CROWD, MEMBER, PASSWORD, STAFF};
use crate::phone::Phone;
use crate::server::Server;
use crate::states::BY_HAND;

/// On the page of the user who is called van der Berg.
fn on_the_user(world: &World) -> Actions<'_> {
    let staff = world.signed_in(STAFF);
    staff.open(&format!("/users/{BERG}"));
    staff
}

#[apply(in_browsers)]
fn two_people_who_edit_one_user_are_asked_field_by_field(world: &World) {
    let staff = on_the_user(world);
    let theirs = json!({ "email": "theirs@example.org", "last_name": "Theirs" });
    world.server.api("PATCH", &format!("/v1/users/{BERG}"), &theirs);
    staff.fill("Email", "mine@example.org");
    staff.fill("Last name", "Mine");
    staff.fill("First name", "Agnes");
    staff.click("Save changes");
    staff.sees("Someone else changed this user");
    for value in ["theirs@example.org", "mine@example.org", "As it is now: Theirs", "As you typed: Mine"] {
        staff.sees(value);
    }
    assert_eq!(world.server.user(BERG)["email"], "theirs@example.org", "nothing was overwritten");
    staff.tick("As you typed: mine@example.org");
    staff.tick("As it is now: Theirs");
    staff.click("Save changes");
    staff.sees("Saved. Changed Email and First name.");
    let user = world.server.user(BERG);
    assert_eq!(
        [&user["email"], &user["first_name"], &user["last_name"]],
        ["mine@example.org", "Agnes", "Theirs"]
    );
}

#[apply(in_browsers)]
fn a_second_factor_is_added_and_signs_in_by_its_code_and_by_a_recovery_code(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open("/account");
    staff.click("Security and second factor");
    staff.click("Add an authenticator app");
    let phone = Phone::typed_in(&staff);
    staff.fill("Code", &phone.code(0));
    staff.fill("Name", "my phone");
    staff.click("Add the app");
    staff.sees("Your recovery codes");
    let recovery =
        staff.text().lines().map(str::trim).find(|line| line.len() == 27).expect("a code").to_owned();
    staff.click("I have kept them");
    staff.sees("my phone");
    staff.sees("10 codes are left.");
    for (wrong, right, left) in
        [("000000", phone.code(1), "10 codes are left."), ("nonsense", recovery, "9 codes are left.")]
    {
        staff.is(None);
        staff.open("/account/security");
        staff.fill("Username", STAFF);
        staff.fill("Password", PASSWORD);
        staff.click("Sign in");
        staff.sees("Your second factor");
        staff.fill("Code", wrong);
        staff.click("Sign in");
        staff.sees("This code is wrong or was used before.");
        staff.fill("Code", &right);
        staff.click("Sign in");
        assert_eq!(staff.path(), "/account/security");
        staff.sees(left);
    }
}

#[apply(in_browsers)]
fn a_form_that_outlived_its_session_comes_back_with_everything_typed(world: &World) {
    for (path, button, done) in [
        (
            format!("/users/{BERG}"),
            "Save changes",
            "Saved. Changed Username, Email, First name and Last name.",
        ),
        ("/users/new".to_owned(), "Add user", "Added Zoë O’Brien."),
    ] {
        let typed = [
            ("Username", format!("typed{}", path.len())),
            ("Email", format!("typed{}@example.org", path.len())),
            ("First name", "Zoë".to_owned()),
            ("Last name", "O’Brien".to_owned()),
        ];
        let staff = world.signed_in(STAFF);
        staff.open(&path);
        for (label, text) in &typed {
            staff.fill(label, text);
        }
        // Meanwhile, in another window, they have signed in again.
        staff.is(Some(&world.server.sign_in(STAFF)));
        staff.click(button);
        staff.sees("This page was open for a long time.");
        for (label, text) in &typed {
            assert_eq!(staff.value(label), *text, "{path}");
        }
        if path == "/users/new" {
            staff.tick(BY_HAND);
            staff.fill("Password", "a quite different one");
        }
        staff.click(button);
        staff.sees(done);
    }
}

#[apply(in_browsers)]
fn a_form_whose_session_has_ended_comes_back_after_signing_in_right_there(world: &World) {
    let staff = on_the_user(world);
    staff.fill("Email", "typed@example.org");
    staff.fill("First name", "Zoë & <b>Søren</b>");
    staff.is(None);
    staff.click("Save changes");
    staff.sees("Your session has ended.");
    assert!(!world.browser.address().contains("typed"), "it is in no address");
    staff.fill("Username", STAFF);
    staff.fill("Password", PASSWORD);
    staff.click("Sign in");
    staff.sees("You are signed in again");
    staff.click("Go on");
    assert_eq!(staff.value("Email"), "typed@example.org");
    assert_eq!(staff.value("First name"), "Zoë & <b>Søren</b>");
    assert_ne!(world.server.user(BERG)["email"], "typed@example.org", "nothing is saved yet");
    staff.click("Save changes");
    staff.sees("Saved. Changed Email and First name.");
}

#[apply(in_browsers)]
fn what_does_not_fit_is_said_with_links_and_everything_typed_stays(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open("/users/new");
    staff.fill("Username", "two words");
    staff.fill("Email", "nowhere");
    staff.fill("First name", "Zoë & <b>Søren</b>");
    staff.tick("Staff");
    staff.tick(BY_HAND);
    staff.click("Add user");
    staff.sees("There is a problem");
    assert_eq!(world.browser.title(), "Error: Add user – Users – Usher");
    let focused = |name: &str| world.browser.property(&world.browser.focused(), name);
    assert_eq!(focused("id"), "errors", "what went wrong has the focus");
    assert_eq!(staff.value("First name"), "Zoë & <b>Søren</b>");
    assert_eq!(world.browser.property(&staff.field("Staff"), "checked"), true);
    for (start, field) in
        [("Username can only", "username"), ("Enter an email", "email"), ("Enter a password", "password")]
    {
        staff.follow(start);
        assert_eq!(focused("id"), field, "the link leads to the field");
    }
}

#[apply(in_browsers)]
fn reloading_after_a_change_changes_nothing(world: &World) {
    let staff = on_the_user(world);
    staff.fill("First name", "Agnes");
    staff.click("Save changes");
    staff.sees("Saved. Changed First name.");
    let saved = world.server.user(BERG);
    staff.goes_on(|| world.browser.reload());
    staff.sees("Agnes van der Berg");
    assert!(!staff.text().contains("Saved."), "a message is shown once");
    staff.click("Deactivate");
    staff.sees("was deactivated");
    world.server.api("PATCH", &format!("/v1/users/{BERG}"), &json!({ "is_active": true }));
    staff.goes_on(|| world.browser.reload());
    staff.sees("Active");
    assert_eq!(world.server.user(BERG), saved, "no user was deactivated again");
}

#[apply(in_browsers)]
fn reloading_a_refused_form_saves_nothing(world: &World) {
    let staff = on_the_user(world);
    let before = world.server.user(BERG);
    staff.fill("Email", "nowhere");
    staff.click("Save changes");
    staff.sees("There is a problem");
    staff.goes_on(|| world.browser.reload());
    staff.sees("There is a problem");
    assert_eq!(staff.value("Email"), "nowhere");
    assert_eq!(world.server.user(BERG), before);
}

#[apply(in_browsers)]
fn se_7_the_way_back_after_signing_out_shows_no_data(world: &World) {
    let staff = on_the_user(world);
    staff.sees("Agnieszka");
    staff.click_here(STAFF);
    staff.click("Sign out");
    staff.sees("Sign in");
    for _ in 0..2 {
        world.browser.back();
        let source = world.browser.source();
        assert!(!source.contains("Agnieszka") && !source.contains(STAFF), "{source}");
    }
    staff.open(&format!("/users/{BERG}"));
    staff.sees("Sign in");
}

#[apply(in_browsers)]
fn the_list_is_gone_through_and_each_view_has_an_address(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open("/users");
    assert_ne!(world.browser.property(&world.browser.focused(), "id"), "q", "single keys work at once");
    staff.click("Deactivated");
    staff.sees("172 users match");
    let view = staff.path();
    staff.click("Email");
    assert_eq!(staff.path(), format!("{view}&sort=email"), "the view is kept when it is sorted");
    staff.click("Next");
    staff.sees("Previous");
    let (address, text) = (staff.path(), staff.text());
    staff.click("Users");
    assert_eq!(staff.path(), "/users", "no view is remembered elsewhere");
    staff.open(&address);
    assert_eq!(staff.text(), text);
    world.browser.back();
    world.browser.back();
    staff.sees("Previous");
    staff.click("Previous");
    staff.sees("Next");
}

#[apply(in_browsers)]
fn an_ordinary_user_sees_their_own_account_only(world: &World) {
    let member = world.signed_in(MEMBER);
    member.open("/");
    member.sees("My account");
    assert!(world.browser.find("//nav//a").is_empty(), "there is nowhere else to go");
    for path in ["/users", "/users/new", &format!("/users/{CROWD}"), &format!("/users/{CROWD}/password")] {
        member.open(path);
        assert_eq!(world.browser.title(), "You may not do that. – Usher", "{path}");
        member.sees("Go to the start page");
    }
}

#[apply(in_browsers)]
fn a_change_is_taken_back_from_the_history_unless_it_was_changed_again(world: &World) {
    let staff = on_the_user(world);
    staff.fill("Last name", "Mountain");
    staff.click("Save changes");
    staff.click("Full history");
    staff.sees("Mountain");
    staff.follow("Undo");
    staff.sees("was undone.");
    assert_eq!(world.server.user(BERG)["last_name"], "van der Berg");
    staff.open(&format!("/users/{BERG}"));
    staff.fill("Last name", "Mountain");
    staff.click("Save changes");
    staff.click("Full history");
    world.server.api("PATCH", &format!("/v1/users/{BERG}"), &json!({ "last_name": "Hill" }));
    staff.goes_on(|| staff.follow("Undo"));
    staff.sees("Last name");
    assert!(!staff.text().contains("was undone."), "{}", staff.text());
    assert_eq!(world.server.user(BERG)["last_name"], "Hill", "nothing was overwritten");
}

#[apply(in_browsers)]
fn lg_7_a_person_is_to_be_erased_from_their_page_and_it_is_cancelled_there(world: &World) {
    let name = world.server.user(BERG)["username"].as_str().expect("a name").to_owned();
    let admin = world.signed_in(ADMIN);
    admin.open(&format!("/users/{BERG}"));
    admin.click("Erase this person");
    admin.sees("What goes");
    admin.sees("What stays");
    admin.tick("is blocked for ever");
    admin.fill("Username", "another");
    admin.click("Erase this person");
    admin.sees("This is not the username of the user to erase.");
    assert_eq!(admin.value("Username"), "another", "what was typed stays");
    assert_eq!(world.server.user(BERG)["is_active"], true, "and nothing is done");
    admin.fill("Username", &name);
    admin.click("Erase this person");
    admin.sees("was deactivated and will be erased.");
    admin.sees("This user will be erased on");
    assert_eq!(world.server.user(BERG)["is_active"], false);
    admin.click("Cancel the erasure");
    admin.sees("will not be erased, and is active again.");
    assert_eq!(world.server.user(BERG)["is_active"], true);
}

#[apply(in_browsers)]
fn se_5_another_device_is_signed_out_from_ones_own_account(world: &World) {
    let elsewhere = world.server.sign_in(MEMBER);
    let status = || world.server.send("GET", "/account", &[("Cookie", &elsewhere)], "").status;
    assert_eq!(status(), 200);
    let member = world.signed_in(MEMBER);
    member.open("/account");
    member.click("Sessions and sign-ins");
    member.click("Sign out everywhere else");
    member.sees("All your other sessions end");
    member.click("Sign out everywhere else");
    member.sees("This session");
    assert_eq!(status(), 303, "it is led to the sign-in");
    member.open("/account");
    member.sees("My account");
}

#[apply(in_browsers)]
fn a_password_given_by_staff_has_to_be_changed_before_anything_else(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open(&format!("/users/{BERG}/password"));
    staff.tick(BY_HAND);
    staff.fill("Password", "given by the staff");
    staff.click("Reset password");
    staff.sees("Password reset.");
    staff.is(None);
    staff.open("/account/preferences");
    staff.fill("Username", "agnieszka.vdberg");
    staff.fill("Password", "given by the staff");
    staff.click("Sign in");
    staff.sees("Choose a password of your own before you go on.");
    staff.open("/account");
    staff.sees("Choose a password of your own before you go on.");
    staff.fill("Current password", "given by the staff");
    staff.fill("New password", "chosen by herself");
    if world.scripts == Scripts::Off {
        staff.fill("Repeat new password", "chosen by herself");
    }
    staff.click("Change password");
    staff.sees("My account");
}

#[apply(in_browsers)]
fn a_token_made_on_the_page_works_and_is_revoked_there(world: &World) {
    let member = world.signed_in(MEMBER);
    member.open("/account/tokens");
    member.fill("Name", "nightly report");
    member.click("Make token");
    member.sees("Copy it now");
    let text = member.text();
    let token = text.split_whitespace().find(|word| word.starts_with("usher_")).expect("a token");
    let bearer = format!("Bearer {token}");
    let status = || world.server.send("GET", "/v1/account", &[("Authorization", &bearer)], "").status;
    assert_eq!(status(), 200);
    member.goes_on(|| world.browser.reload());
    assert!(!member.text().contains(token), "it is shown once");
    member.follow("Revoke");
    member.sees("There are none.");
    assert_eq!(status(), 401);
}

#[apply(in_browsers)]
fn pw_10_a_link_leads_to_the_password_and_its_secret_stays_in_no_address(world: &World) {
    let made = world.server.api("POST", &format!("/v1/users/{BERG}/link"), &json!({}));
    let link = made["url"].as_str().expect("a link");
    let (_, secret) = link.split_once('#').expect("a secret");
    let guest = Actions::new(&world.browser, &world.server.address);
    if world.scripts == Scripts::On {
        // In the tab of another link, the browser itself loads nothing.
        guest.open("/set-password#unknown");
        guest.sees("This link does not work");
    }
    guest.open(&format!("/set-password#{secret}"));
    if world.scripts == Scripts::Off {
        guest.fill("Link", link);
        guest.click("Go on");
    }
    guest.sees("Choose a password for agnieszka.vdberg");
    assert_eq!(guest.path(), "/set-password");
    guest.fill("Password", "a quite different one");
    guest.click("Set password");
    guest.sees("Your password is set.");
}

#[test]
fn the_printed_link_leads_to_the_first_superuser_with_and_without_scripts() {
    for scripts in [Scripts::On, Scripts::Off] {
        let (server, browser) = (Server::first_start(), Borrowed::new(scripts));
        let operator = Actions::new(&browser, &server.address);
        operator.open(&server.link);
        if scripts == Scripts::Off {
            operator.fill("Link", &format!("{}{}", server.address, server.link));
            operator.click("Go on");
        }
        assert!(!browser.address().contains('#'), "the secret does not stay in the address");
        operator.fill("Username", "ada");
        operator.fill("Email", "ada@example.org");
        operator.fill("Password", PASSWORD);
        operator.click("Make superuser and sign in");
        operator.sees("ada");
        operator.open("/users");
        operator.sees("1 user");
        operator.open(&server.link);
        operator.sees("This link does not work");
    }
}
