//! What staff come for, each job with the number of actions that it may take from the users list on.

use serde_json::json;

use crate::World;
use crate::actions::{Actions, ENTER};
use crate::driver::Scripts;
use crate::people::{BERG, CROWD, PASSWORD, STAFF};

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

#[apply(in_browsers)]
fn a_user_is_found_by_part_of_a_name_in_2_actions(world: &World) {
    let staff = on_the_list(world);
    find(&staff);
    staff.sees("agnieszka.vdberg@example.org");
    assert_eq!(staff.count(), 2);
}

#[apply(in_browsers)]
fn the_last_sign_in_is_seen_in_2_actions(world: &World) {
    let staff = on_the_list(world);
    find(&staff);
    staff.sees(" ago");
    let exact = "//td[@class='when']/span[contains(@title,'15 Feb 2026')][contains(.,' ago')]";
    assert_eq!(world.browser.find(exact).len(), 1, "the title has the day");
    assert_eq!(staff.count(), 2);
}

#[apply(in_browsers)]
fn a_user_is_deactivated_in_4_actions_and_brought_back_in_1(world: &World) {
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

#[apply(in_browsers)]
fn a_password_is_reset_by_a_link_in_5_actions(world: &World) {
    let staff = on_the_list(world);
    find(&staff);
    staff.click("Agnieszka van der Berg");
    staff.click("Reset password");
    staff.click("Reset password");
    staff.sees("Password reset. Agnieszka van der Berg was signed out everywhere.");
    staff.sees("Copy it now and pass it on.");
    assert_eq!(staff.count(), 5);
}

#[apply(in_browsers)]
fn a_user_is_added_with_four_fields_and_a_link_in_6_actions(world: &World) {
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

#[apply(in_browsers)]
fn a_user_is_made_staff_in_5_actions(world: &World) {
    let staff = on_the_list(world);
    find(&staff);
    staff.click("Agnieszka van der Berg");
    staff.tick("Staff");
    staff.click("Save changes");
    staff.sees("Saved. Changed Staff.");
    assert_eq!(staff.count(), 5);
    assert_eq!(world.server.user(BERG)["is_staff"], true);
}

#[apply(in_browsers)]
fn the_last_sign_ins_with_their_addresses_are_seen_in_3_actions(world: &World) {
    world.server.sign_in("agnieszka.vdberg");
    let staff = on_the_list(world);
    find(&staff);
    staff.click("Agnieszka van der Berg");
    staff.sees("127.0.0.1");
    assert_eq!(staff.count(), 3);
}

#[apply(in_browsers)]
fn three_users_are_deactivated_at_once_in_7_actions(world: &World) {
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

#[apply(in_browsers)]
fn all_that_match_are_deactivated_in_6_actions_and_brought_back_in_1(world: &World) {
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
    assert_eq!(world.server.user(CROWD)["is_active"], true);
}

#[apply(in_browsers)]
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
