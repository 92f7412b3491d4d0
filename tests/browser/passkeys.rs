//! Passkeys, with the virtual authenticators of the browser.

use serde_json::json;

use crate::actions::Actions;
use crate::driver::{Borrowed, Browser, Scripts};
use crate::people::{MEMBER, PASSWORD, STAFF};
use crate::server::Server;
use crate::visits;

/// An authenticator that its user touches whenever it asks.
pub(crate) struct Device<'b> {
    browser: &'b Browser,
    path: String,
}

impl<'b> Device<'b> {
    pub(crate) fn new(browser: &'b Browser, transport: &str, knows_its_user: bool) -> Self {
        let options = json!({
            "protocol": "ctap2",
            "transport": transport,
            "hasResidentKey": knows_its_user,
            "hasUserVerification": knows_its_user,
            "isUserVerified": knows_its_user,
            "isUserConsenting": true,
        });
        let path = "/webauthn/authenticator";
        let id = browser.attempt(path, &options).expect("a virtual authenticator");
        Self { browser, path: format!("{path}/{}", id.as_str().expect("its identifier")) }
    }

    /// Counts back, as a copy of the device does that was used less.
    fn count_back(&self) {
        let credentials = self.browser.ask(&format!("{}/credentials", self.path)).expect("credentials");
        let mut credential = credentials[0].clone();
        credential["signCount"] = json!(0);
        self.browser.delete(&format!("{}/credentials", self.path));
        self.browser.attempt(&format!("{}/credential", self.path), &credential).expect("a copy");
    }
}

impl Drop for Device<'_> {
    fn drop(&mut self) {
        self.browser.delete(&self.path);
    }
}

fn is_clean(person: &Actions<'_>) {
    let findings = visits::look_over(person.browser);
    assert!(findings.is_empty(), "{}: {findings:?}", person.path());
}

/// Adds a passkey under a name.
fn add(person: &Actions<'_>, name: &str) {
    person.open("/account/security/add-passkey");
    person.fill("Name", name);
    person.click("Add the passkey");
}

fn give_password(person: &Actions<'_>, username: &str) {
    person.is(None);
    person.open("/account/security");
    person.fill("Username", username);
    person.fill("Password", PASSWORD);
    person.click("Sign in");
    person.sees("Your second factor");
}

#[test]
fn mf_11_mf_13_a_passkey_is_added_signs_in_with_and_without_the_password_and_is_removed() {
    let (server, browser) = (Server::at_localhost(), Borrowed::new(Scripts::On));
    // The browser offers what is on such a key when it is asked to only, and what is in it on its own: below.
    let key = Device::new(&browser, "usb", true);
    let staff = Actions::new(&browser, &server.address);
    staff.is(Some(&server.sign_in(STAFF)));
    staff.open("/account/security");
    staff.click("Add a passkey");
    is_clean(&staff);
    add(&staff, "my key");
    staff.sees("Your recovery codes");
    is_clean(&staff);
    staff.click("I have kept them");
    staff.sees("my key");
    is_clean(&staff);
    give_password(&staff, STAFF);
    is_clean(&staff);
    staff.click("Use your passkey");
    assert_eq!(staff.path(), "/account/security");
    staff.is(None);
    staff.open("/account/security");
    is_clean(&staff);
    staff.click("Sign in with a passkey");
    assert_eq!(staff.path(), "/account/security", "without name and password");
    staff.sees("10 codes are left.");
    // The same device has no second one, and the form says so.
    staff.open("/account/security/add-passkey");
    staff.click_here("Add the passkey");
    staff.sees("This device has a passkey for your account already.");
    // Where the password is asked for again the passkey stands for the code.
    server.forget_passwords_given(STAFF);
    staff.open("/account/security/codes");
    staff.fill("Your password", PASSWORD);
    is_clean(&staff);
    staff.click("Use a passkey instead");
    staff.sees("Your recovery codes");
    staff.open("/account/security");
    staff.click("Remove my key");
    staff.sees("Removed the second factor");
    staff.sees("your password alone signs you in");
    staff.is(None);
    staff.open("/sign-in");
    assert!(!staff.text().contains("Sign in with a passkey"), "no user has one any more");
    drop(key);
}

/// A virtual authenticator chooses at once what a person would choose from the list in the field of the user name.
#[test]
fn mf_13_the_browser_offers_a_passkey_where_the_user_name_is_typed() {
    let (server, browser) = (Server::at_localhost(), Borrowed::new(Scripts::On));
    let device = Device::new(&browser, "internal", true);
    let member = Actions::new(&browser, &server.address);
    member.is(Some(&server.sign_in(MEMBER)));
    add(&member, "my laptop");
    member.is(None);
    member.open("/account/security");
    member.sees("10 codes are left.");
    member.sees("my laptop");
    drop(device);
}

#[test]
fn mf_11_keys_of_each_transport_are_second_factors() {
    let (server, browser) = (Server::at_localhost(), Borrowed::new(Scripts::On));
    let member = Actions::new(&browser, &server.address);
    member.is(Some(&server.sign_in(MEMBER)));
    for transport in ["usb", "nfc", "ble", "internal"] {
        let device = Device::new(&browser, transport, false);
        add(&member, transport);
        give_password(&member, MEMBER);
        member.click("Use your passkey");
        member.sees(transport);
        drop(device);
    }
    // None of these has asked for a PIN.
    member.is(None);
    member.open("/sign-in");
    let device = Device::new(&browser, "usb", false);
    member.click_here("Sign in with a passkey");
    member.sees("No passkey was used.");
    drop(device);
}

#[test]
fn mf_12_a_device_whose_counter_goes_back_does_not_sign_in() {
    let (server, browser) = (Server::at_localhost(), Borrowed::new(Scripts::On));
    let device = Device::new(&browser, "usb", true);
    let member = Actions::new(&browser, &server.address);
    member.is(Some(&server.sign_in(MEMBER)));
    add(&member, "key");
    give_password(&member, MEMBER);
    member.click("Use your passkey");
    device.count_back();
    give_password(&member, MEMBER);
    member.click("Use your passkey");
    member.sees("This passkey was not accepted.");
    is_clean(&member);
    let actions = server.api("POST", "/v1/audit/list", &json!({}));
    assert!(actions.to_string().contains("passkey_refused"), "{actions}");
}

#[test]
fn mf_11_without_scripts_a_recovery_code_signs_in_whose_only_factor_is_a_passkey() {
    let server = Server::at_localhost();
    let code = {
        let browser = Borrowed::new(Scripts::On);
        let _device = Device::new(&browser, "internal", true);
        let member = Actions::new(&browser, &server.address);
        member.is(Some(&server.sign_in(MEMBER)));
        add(&member, "my laptop");
        member.sees("Your recovery codes");
        member.text().lines().map(str::trim).find(|line| line.len() == 27).expect("a code").to_owned()
    };
    let browser = Borrowed::new(Scripts::Off);
    let member = Actions::new(&browser, &server.address);
    give_password(&member, MEMBER);
    member.sees("Your passkey needs JavaScript");
    assert!(!member.text().contains("Use your passkey"), "a button that would do nothing");
    member.fill("Code", &code);
    member.click("Sign in");
    assert_eq!(member.path(), "/account/security");
    member.open("/account/security/add-passkey");
    member.sees("A passkey needs JavaScript, which is off in this browser.");
}

#[test]
fn mf_13_a_user_without_a_password_gives_the_passkey_again_and_chooses_a_password() {
    let (server, browser) = (Server::at_localhost(), Borrowed::new(Scripts::On));
    let device = Device::new(&browser, "usb", true);
    let staff = Actions::new(&browser, &server.address);
    staff.is(Some(&server.sign_in(STAFF)));
    add(&staff, "my key");
    staff.open("/account/security");
    is_clean(&staff);
    server.forget_passwords_given(STAFF);
    staff.click("Remove the password");
    staff.fill("Your password", PASSWORD);
    staff.click("Use a passkey instead");
    staff.sees("Removed your password.");
    staff.sees("Your account has no password");
    staff.is(None);
    staff.open("/account/tokens");
    staff.click("Sign in with a passkey");
    server.forget_passwords_given(STAFF);
    staff.open("/account/tokens");
    is_clean(&staff);
    staff.fill("Name", "script");
    // Without the passkey nothing is done, and what was typed is kept.
    staff.click("Make token");
    staff.sees("Use your passkey to go on.");
    is_clean(&staff);
    staff.click("Use your passkey");
    staff.sees("usher_");
    server.forget_passwords_given(STAFF);
    staff.open("/account/password");
    is_clean(&staff);
    staff.fill("New password", "a wholly different phrase");
    staff.click("Use your passkey");
    staff.sees("Password changed.");
    drop(device);
}
