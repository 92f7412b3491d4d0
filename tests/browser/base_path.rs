//! The console below a path of an origin that other programs share.

use serde_json::json;

use crate::actions::Actions;
use crate::driver::{Borrowed, Scripts};
use crate::passkeys::Device;
use crate::people::{BERG, PASSWORD, STAFF};
use crate::server::Server;

/// Signs in on the page that is shown.
fn sign_in(staff: &Actions<'_>) {
    staff.fill("Username", STAFF);
    staff.fill("Password", PASSWORD);
    staff.click("Sign in");
}

#[test]
fn below_a_path_a_working_day_stays_there_with_scripts_and_passkeys() {
    let (server, browser) = (Server::at_localhost_below("/usher"), Borrowed::new(Scripts::On));
    assert!(server.address.ends_with("/usher"));
    let device = Device::new(&browser, "usb", true);
    let staff = Actions::new(&browser, &server.address);
    staff.is(None);
    // Whatever leaves the path is not found below the address, and `path` shows where it is instead.
    staff.open(&format!("/users/{BERG}"));
    sign_in(&staff);
    assert_eq!(staff.path(), format!("/users/{BERG}"));
    staff.fill("First name", "Agnes");
    staff.click("Save changes");
    staff.sees("Saved. Changed First name.");
    staff.follow("Undo");
    staff.sees("was undone.");
    // Keys of the script, which finds its links by their ends.
    staff.press_and_go("/");
    assert!(staff.path().starts_with("/users"), "{}", staff.path());
    staff.open("/users");
    staff.press_and_go("n");
    assert_eq!(staff.path(), "/users/new");
    staff.press_and_go("?");
    assert_eq!(staff.path(), "/shortcuts");
    // A link that staff pass on: its secret stands behind the sign #, and the script sends it.
    let made = server.api("POST", &format!("/v1/users/{BERG}/link"), &json!({}));
    let link = made["url"].as_str().and_then(|link| link.strip_prefix(&server.address)).expect("a link");
    staff.is(None);
    staff.open("/set-password#unknown");
    staff.sees("This link does not work");
    staff.open(link);
    staff.sees("Choose a password for agnieszka.vdberg");
    assert_eq!(staff.path(), "/set-password");
    // A passkey, for whose question the script asks the server.
    staff.open("/account/security/add-passkey");
    sign_in(&staff);
    staff.fill("Name", "my key");
    staff.click("Add the passkey");
    staff.sees("Your recovery codes");
    server.forget_passwords_given(STAFF);
    staff.open("/account/security/codes");
    staff.fill("Your password", PASSWORD);
    staff.click("Use a passkey instead");
    staff.sees("Your recovery codes");
    staff.is(None);
    staff.open("/account/security");
    staff.click("Sign in with a passkey");
    assert_eq!(staff.path(), "/account/security");
    staff.sees("my key");
    drop(device);
}
