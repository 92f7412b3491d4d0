//! The day on which a second factor is demanded, as staff see it: codes from another program than the server's own.

use std::process::Command;

use crate::actions::Actions;
use crate::driver::{Borrowed, Scripts};
use crate::people::{ADMIN, PASSWORD, STAFF};
use crate::server::{Backend, Server};
use crate::visits;

/// What an authenticator app with this key shows so many seconds from now.
fn code(key: &str, seconds: u32) -> String {
    let output = Command::new("oathtool")
        .args(["--totp", "--base32", "--now", &format!("{seconds} seconds"), key])
        .output()
        .expect("oathtool, of the package of that name");
    String::from_utf8(output.stdout).expect("digits").trim().to_owned()
}

fn give_password(person: &Actions<'_>, username: &str) {
    person.is(None);
    person.open("/users");
    person.fill("Username", username);
    person.fill("Password", PASSWORD);
    person.click("Sign in");
}

/// By a script of the tests, where the page may have any.
fn is_clean(person: &Actions<'_>, scripts: Scripts) {
    if scripts == Scripts::Off {
        return;
    }
    let findings = visits::look_over(person.browser);
    assert!(findings.is_empty(), "{}: {findings:?}", person.path());
}

fn gets_in_and_enrols(backend: Backend, scripts: Scripts) {
    let (server, browser) = (Server::demanding(backend), Borrowed::new(scripts));
    for username in [STAFF, ADMIN] {
        let person = Actions::new(&browser, &server.address);
        give_password(&person, username);
        assert_eq!(person.path(), "/account/security/add", "led there, and nowhere else");
        person.sees("Your account has to have a second factor.");
        is_clean(&person, scripts);
        let text = person.text();
        let key = text.lines().find_map(|line| line.trim().strip_prefix("Key: ")).expect("a key to type");
        let key = key.replace(' ', "");
        person.fill("Code", &code(&key, 0));
        person.fill("Name", "my phone");
        person.click("Add the app");
        person.sees("Your recovery codes");
        is_clean(&person, scripts);
        person.open("/users");
        assert_eq!(person.path(), "/users", "and goes on working");
        give_password(&person, username);
        person.sees("Your second factor");
        person.fill("Code", &code(&key, 30));
        person.click("Sign in");
        assert_eq!(person.path(), "/users");
    }
}

#[test]
fn mf_9_staff_without_a_factor_get_in_and_enrol_on_sqlite() {
    gets_in_and_enrols(Backend::Sqlite, Scripts::On);
}

#[test]
fn mf_9_staff_without_a_factor_get_in_and_enrol_on_postgres_without_scripts() {
    gets_in_and_enrols(Backend::Postgres, Scripts::Off);
}
