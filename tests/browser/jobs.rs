//! What staff come for, each job with the number of actions that it may take from the users list on.

use serde_json::json;

use crate::World;
use crate::actions::{Actions, ENTER};
use crate::driver::Scripts;
use crate::people::{ADMIN, BERG, CROWD, PASSWORD, STAFF};

/// On the users list, signed in as staff.
fn on_the_list(world: &World) -> Actions<'_> {
    let staff = world.signed_in(STAFF);
    staff.open("/users");
    staff
}

/// Finds the only user called van der Berg.
fn find(staff: &Actions<'_>) {
    staff.fill("Search", "van der berg");
    staff.press_and_go(ENTER);
    staff.sees("1 user matches");
}

#[apply(on_every_screen)]
fn a_user_is_found_by_part_of_a_name_with_2_actions(world: &World) {
    let staff = on_the_list(world);
    find(&staff);
    staff.sees("agnieszka.vdberg@example.org");
    assert_eq!(staff.count(), 2);
}

#[apply(on_every_screen)]
fn the_last_sign_in_is_seen_with_2_actions(world: &World) {
    let staff = on_the_list(world);
    find(&staff);
    staff.sees(" ago");
    let exact = "//td[@class='when']/span[contains(@title,'15 Feb 2026')][contains(.,' ago')]";
    assert_eq!(world.browser.find(exact).len(), 1, "the title has the day");
    assert_eq!(staff.count(), 2);
}

#[apply(on_every_screen)]
fn a_user_is_deactivated_with_4_actions_and_brought_back_with_1(world: &World) {
    let staff = on_the_list(world);
    find(&staff);
    staff.click("Agnieszka van der Berg");
    staff.click("Deactivate");
    staff.sees("was deactivated");
    assert_eq!(staff.count(), 4);
    assert_eq!(world.server.user(BERG)["is_active"], false);
    staff.click("Undo");
    staff.sees("was undone.");
    assert_eq!(staff.count(), 5);
    assert_eq!(world.server.user(BERG)["is_active"], true);
}

#[apply(on_every_screen)]
fn a_password_is_reset_by_a_link_with_5_actions(world: &World) {
    let staff = on_the_list(world);
    find(&staff);
    staff.click("Agnieszka van der Berg");
    staff.click("Reset password");
    staff.click("Reset password");
    staff.sees("Password reset. Agnieszka van der Berg was signed out everywhere.");
    staff.sees("Copy it now and pass it on.");
    assert_eq!(staff.count(), 5);
}

#[apply(on_every_screen)]
fn a_user_is_added_with_four_fields_and_a_link_with_6_actions(world: &World) {
    let staff = on_the_list(world);
    staff.click("Add user");
    staff.fill("Username", "ada.new");
    staff.fill("Email", "ada.new@example.org");
    staff.fill("First name", "Ada");
    staff.fill("Last name", "New");
    staff.click("Add user");
    staff.sees("Added Ada New.");
    staff.sees("Copy it now and pass it on.");
    assert_eq!(staff.count(), 6);
}

#[apply(on_every_screen)]
fn a_user_is_made_staff_with_5_actions(world: &World) {
    let staff = on_the_list(world);
    find(&staff);
    staff.click("Agnieszka van der Berg");
    staff.tick("Staff");
    staff.click("Save changes");
    staff.sees("Saved. Changed Staff.");
    assert_eq!(staff.count(), 5);
    assert_eq!(world.server.user(BERG)["is_staff"], true);
}

#[apply(on_every_screen)]
fn the_last_sign_ins_with_their_addresses_are_seen_with_3_actions(world: &World) {
    world.server.sign_in("agnieszka.vdberg");
    let staff = on_the_list(world);
    find(&staff);
    staff.click("Agnieszka van der Berg");
    staff.sees("127.0.0.1");
    assert_eq!(staff.count(), 3);
}

#[apply(on_every_screen)]
fn three_users_are_deactivated_at_once_with_7_actions(world: &World) {
    let staff = on_the_list(world);
    staff.fill("Search", "user100");
    staff.press_and_go(ENTER);
    for name in ["user100", "user1000", "user1001"] {
        staff.tick(&format!("Select {name}"));
    }
    staff.click("Deactivate");
    staff.click("Deactivate 3 users");
    staff.sees("3 users deactivated.");
    assert_eq!(staff.count(), 7);
    assert_eq!(world.server.user(CROWD + 1001)["is_active"], false);
    assert_eq!(world.server.user(CROWD + 1002)["is_active"], true);
}

#[apply(on_every_screen)]
fn all_that_match_are_deactivated_with_6_actions_and_brought_back_with_1(world: &World) {
    let staff = on_the_list(world);
    staff.fill("Search", "lovelace");
    staff.press_and_go(ENTER);
    let matching: u32 = staff.number_before(" users match");
    match world.scripts {
        Scripts::On => staff.tick("Select all on this page"),
        Scripts::Off => staff.click("All on this page"),
    }
    staff.tick(&format!("All {matching} that match"));
    staff.click("Deactivate");
    // Who was deactivated before is left out, and stays it.
    let number: u32 = staff.number_before(" users?");
    assert!(number > 1 && number < matching, "{number} of {matching}");
    // A user who comes to match meanwhile was not confirmed.
    let late = json!({ "last_name": "Lovelace" });
    world.server.api("PATCH", &format!("/v1/users/{BERG}"), &late);
    staff.click(&format!("Deactivate {number} users"));
    staff.sees(&format!("{number} users deactivated."));
    assert_eq!(staff.count(), 6);
    assert_eq!(world.server.user(BERG)["is_active"], true);
    assert_eq!(world.server.user(CROWD)["is_active"], false);
    staff.click("Undo");
    staff.sees(&format!("{number} users put back as before."));
    staff.sees("Redo");
    assert_eq!(world.server.user(CROWD)["is_active"], true);
}

#[apply(on_every_screen)]
fn a_locked_account_is_found_and_unlocked_with_4_actions(world: &World) {
    world.server.lock("agnieszka.vdberg");
    let admin = world.signed_in(ADMIN);
    admin.open("/users");
    find(&admin);
    admin.sees("Locked");
    admin.click("Agnieszka van der Berg");
    admin.click("Unlock");
    admin.sees("The account of Agnieszka van der Berg was unlocked.");
    assert_eq!(admin.count(), 4);
    world.server.sign_in("agnieszka.vdberg");
}

#[apply(on_every_screen)]
fn all_who_are_invited_are_sent_links_again_with_5_actions(world: &World) {
    for name in ["invited.one", "invited.two"] {
        let person = json!({ "username": name, "first_name": "", "last_name": "",
            "email": format!("{name}@example.org") });
        world.server.api("POST", "/v1/users/invite", &person);
    }
    let staff = on_the_list(world);
    staff.click("Invited");
    staff.sees("2 users match");
    match world.scripts {
        Scripts::On => staff.tick("Select all on this page"),
        Scripts::Off => staff.click("All on this page"),
    }
    staff.choose("More actions", "send_links");
    staff.click("Go");
    staff.click("Send links to 2 users");
    staff.sees("2 users sent a link.");
    staff.sees("invited.one");
    assert_eq!(staff.count(), 5);
}

#[apply(on_every_screen)]
fn a_user_is_to_be_erased_with_6_actions_and_kept_after_all_with_1(world: &World) {
    let admin = world.signed_in(ADMIN);
    admin.open("/users");
    find(&admin);
    admin.click("Agnieszka van der Berg");
    admin.click("Erase this person");
    admin.fill("Username", "agnieszka.vdberg");
    admin.click("Erase this person");
    admin.sees("was deactivated and will be erased.");
    assert_eq!(admin.count(), 6);
    admin.click("Cancel the erasure");
    admin.sees("will not be erased, and is active again.");
    assert_eq!(world.server.user(BERG)["is_active"], true);
}

#[apply(on_every_screen)]
fn a_view_is_saved_with_3_actions_used_with_1_and_forgotten_with_2(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open("/users?status=deactivated&sort=email");
    staff.click("Save this view");
    staff.fill("Name", "Former people");
    staff.click("Save this view");
    staff.sees("The view was saved.");
    assert_eq!(staff.count(), 3);
    staff.open("/users");
    staff.click("Former people");
    staff.sees("172 users match");
    assert_eq!((staff.count(), staff.path()), (1, "/users?status=deactivated&sort=email".to_owned()));
    staff.open("/users");
    staff.click("Edit views");
    staff.click("Forget Former people");
    staff.sees("The view “Former people” was forgotten.");
    assert_eq!(staff.count(), 2);
}

#[apply(on_every_screen)]
fn a_note_on_a_user_is_written_with_3_actions_from_their_page(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open(&format!("/users/{BERG}"));
    staff.click("Add a note");
    staff.fill("Note", "Called back.");
    staff.click("Add note");
    staff.sees("The note was added.");
    assert_eq!(staff.count(), 3);
    staff.open(&format!("/users/{BERG}"));
    staff.sees("Called back.");
}

#[apply(on_every_screen)]
fn a_filtered_list_a_history_and_the_audit_log_are_exported_with_2_actions_each(world: &World) {
    world.server.api("PATCH", &format!("/v1/users/{BERG}"), &json!({ "first_name": "Agnes" }));
    let staff = world.signed_in(STAFF);
    let history = format!("/users/{BERG}/history");
    for (path, button, name, begins) in [
        ("/users?q=vdberg", "Export CSV", "users-", "\u{feff}"),
        (history.as_str(), "Export CSV", "history-", "\u{feff}"),
        ("/audit?user=vdberg", "Export JSON", "audit-log-", "["),
    ] {
        let files = world.browser.keep_files();
        staff.open(path);
        staff.click(button);
        staff.click_here(button);
        let (file, content) = files.first();
        assert_eq!(staff.count(), 2, "{path}");
        assert!(file.starts_with(name) && content.starts_with(begins), "{file}: {content}");
    }
}

#[apply(on_every_screen)]
fn a_change_is_undone_from_the_page_of_the_user_with_1_action(world: &World) {
    world.server.api("PATCH", &format!("/v1/users/{BERG}"), &json!({ "last_name": "Mountain" }));
    let staff = world.signed_in(STAFF);
    staff.open(&format!("/users/{BERG}"));
    staff.goes_on(|| staff.follow("Undo"));
    staff.sees("was undone.");
    assert_eq!(staff.count(), 1);
    assert_eq!(world.server.user(BERG)["last_name"], "van der Berg");
}

#[apply(on_every_screen)]
fn a_column_is_left_out_of_the_list(world: &World) {
    let staff = world.signed_in(STAFF);
    staff.open("/users?q=agnieszka");
    staff.sees("agnieszka.vdberg@example.org");
    staff.open("/account/preferences");
    staff.tick("Email");
    staff.click("Save");
    staff.open("/users?q=agnieszka");
    staff.sees("agnieszka.vdberg");
    assert!(!staff.text().contains("agnieszka.vdberg@example.org"));
}

#[apply(on_every_screen)]
fn a_user_signs_in_and_out(world: &World) {
    let staff = Actions::new(&world.browser, &world.server.address);
    staff.open("/users?status=deactivated");
    staff.sees("Sign in");
    staff.fill("Username", STAFF);
    staff.fill("Password", PASSWORD);
    staff.press_and_go(ENTER);
    staff.sees(STAFF);
    assert_eq!(staff.count(), 3);
    staff.click_here(STAFF);
    staff.click("Sign out");
    staff.sees("Sign in");
    staff.open("/users");
    staff.sees("Sign in");
}
