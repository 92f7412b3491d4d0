//! Every page of the console in every state that it can be in.
//!
//! To add one: an entry in a table here or in a module below, that says who sees it, how they get there, and
//! words that only this state shows. All checks, the table of sizes and the pictures then cover it.

mod audit;
mod imports;
mod many;
mod own;

use serde_json::json;

use crate::actions::{Actions, ENTER};
use crate::people::{ADMIN, ADMIN_ID, BERG, CROWD, DEACTIVATED, LONGEST, MEMBER, PASSWORD, STAFF, STAFF_ID};
use crate::server::Server;

/// A page in a state.
pub(crate) struct State {
    /// Also the name of its pictures.
    pub(crate) name: &'static str,
    /// Who is signed in.
    pub(crate) who: Option<&'static str>,
    /// Words that the page shows in this state.
    pub(crate) shows: &'static str,
    pub(crate) arrive: fn(&Actions<'_>, &Server),
    /// Most kilobytes of 1,024 bytes over the wire, with all that the page loads and with headers.
    pub(crate) kilobytes: usize,
}

/// A page that is not a list.
const fn state(
    name: &'static str,
    who: Option<&'static str>,
    shows: &'static str,
    arrive: fn(&Actions<'_>, &Server),
) -> State {
    State { name, who, shows, arrive, kilobytes: 10 }
}

/// A list of 50 users.
const fn list(name: &'static str, shows: &'static str, arrive: fn(&Actions<'_>, &Server)) -> State {
    State { kilobytes: 14, ..state(name, Some(STAFF), shows, arrive) }
}

/// What an installation without users shows.
pub(crate) const EMPTY: &[State] =
    &[state("sign-in-first-run", None, "There are no users yet", |guest, _| guest.open("/sign-in"))];

/// What the same shows whose server has printed a link for the first superuser.
pub(crate) const FIRST_START: &[State] = &[
    state("sign-in-with-printed-link", None, "open the link that the server has printed", |guest, _| {
        guest.open("/sign-in");
    }),
    state("first-superuser-asks", None, "Paste the link", |guest, _| guest.open("/first-superuser")),
    state("first-superuser-wrong", None, "This is not the link", |guest, _| {
        guest.open("/first-superuser#unknown");
    }),
    state("first-superuser", None, "A superuser may do everything", |guest, server| {
        guest.open(&server.link);
    }),
    state("first-superuser-refused", None, "There is a problem", |guest, server| {
        guest.open(&server.link);
        guest.fill("Username", "two words");
        guest.fill("Password", "password");
        guest.click("Make superuser and sign in");
    }),
];

/// What a demo shows.
pub(crate) const DEMO: &[State] = &[
    state("demo-sign-in", None, "This is a demo", |guest, _| guest.open("/sign-in")),
    state("demo-overview", None, "signed in,", demo),
    State {
        who: None,
        ..list("demo-users", "301 users", |guest, server| {
            demo(guest, server);
            guest.open("/users");
        })
    },
    state("demo-user", None, "Recent changes", |guest, server| {
        demo(guest, server);
        guest.open("/users?q=ali.haddad");
        let name = guest.browser.find("//tbody//a").into_iter().next().expect("a user");
        guest.goes_on(|| guest.browser.click(&name).expect("a link"));
    }),
    state("demo-audit", None, "This is a demo", |guest, server| {
        demo(guest, server);
        guest.open("/audit");
    }),
];

/// What an installation without patience for failed sign-ins shows.
pub(crate) const IMPATIENT: &[State] = &[state("sign-in-throttled", None, "Too many tries.", |guest, _| {
    // As few failures as there may be are free here, so it is the second or third that is refused.
    for _ in 0..20 {
        if guest.text().contains("Too many tries.") {
            break;
        }
        sign_in_wrongly(guest);
    }
})];

/// What an installation full of people shows. The states are visited in any order, so each that changes a
/// user has one of its own.
pub(crate) fn populated() -> impl Iterator<Item = &'static State> {
    [STATES, imports::STATES, many::STATES, own::STATES, audit::STATES].into_iter().flatten()
}

/// The list, each user, and the way in.
const STATES: &[State] = &[
    state("sign-in", None, "Password", |guest, _| guest.open("/")),
    state("sign-in-wrong", None, "Username or password is wrong.", |guest, _| sign_in_wrongly(guest)),
    state("sign-in-stale", None, "The form had expired.", |guest, _| {
        guest.open("/sign-in");
        spoil_tokens(guest);
        guest.fill("Username", STAFF);
        guest.fill("Password", PASSWORD);
        guest.press_and_go(ENTER);
    }),
    state("sign-in-form-kept", Some(STAFF), "What you typed is kept", |staff, _| {
        typed_without_session(staff);
    }),
    state("sign-in-form-back", Some(STAFF), "You are signed in again", |staff, _| {
        typed_without_session(staff);
        staff.fill("Username", STAFF);
        staff.fill("Password", PASSWORD);
        staff.click("Sign in");
    }),
    state("overview", Some(STAFF), "Needs attention", |staff, _| staff.open("/")),
    list("users", "2,406 users", |staff, _| staff.open("/users")),
    State {
        kilobytes: 16,
        ..list("users-100-rows", "Rows per page: 25 · 50 · 100", |staff, _| staff.open("/users?per=100"))
    },
    list("users-second-page", "Previous", |staff, _| {
        staff.open("/users");
        staff.click("Next");
    }),
    list("users-last-page", "Previous", |staff, _| staff.open("/users?before=end")),
    list("users-by-last-sign-in", "2,406 users", |staff, _| staff.open("/users?sort=-seen")),
    list("users-found", "users match", |staff, _| {
        staff.open("/users");
        staff.fill("Search", "okafor");
        staff.press_and_go(ENTER);
    }),
    list("users-filtered", "Clear all", |staff, _| staff.open("/users?status=active&role=staff&seen=-90d")),
    list("users-one-found", "1 user matches", |staff, _| staff.open("/users?q=agnieszka")),
    list("users-exact-first", "Other matches", |staff, _| staff.open("/users?q=user7")),
    list("users-none-found", "No users match.", |staff, _| staff.open("/users?q=zzqq&role=staff")),
    list("users-odd-link", "a filter we do not know", |staff, _| {
        staff.open("/users?role=boss&after=nonsense");
    }),
    list("users-longest-names", "Wolfeschlegelsteinhausen", |staff, _| staff.open("/users?q=wolfeschlegel")),
    list("users-menu-open", "Sign out", |staff, _| {
        staff.open("/users");
        staff.click_here(STAFF);
    }),
    state("user", Some(STAFF), "Agnieszka van der Berg", |staff, _| staff.open(&user(BERG))),
    state("user-as-superuser", Some(ADMIN), "Agnieszka van der Berg", |admin, _| admin.open(&user(BERG))),
    state("user-deactivated", Some(STAFF), "Reactivate", |staff, _| staff.open(&user(DEACTIVATED))),
    state("user-longest-names", Some(STAFF), "Wolfeschlegelsteinhausen", |staff, _| {
        staff.open(&user(LONGEST));
    }),
    state("user-read-only", Some(STAFF), "superuser", |staff, _| staff.open(&user(ADMIN_ID))),
    state("user-oneself", Some(STAFF), "You cannot deactivate yourself.", |staff, _| {
        staff.open(&user(STAFF_ID));
    }),
    state("user-just-deactivated", Some(STAFF), "was deactivated", |staff, _| {
        staff.open(&user(CROWD));
        staff.click("Deactivate");
    }),
    state("user-just-reactivated", Some(STAFF), "was reactivated.", |staff, _| {
        staff.open(&user(CROWD + 13));
        staff.click("Reactivate");
    }),
    state("user-saved", Some(STAFF), "Saved. Changed Email and First name.", |staff, _| {
        staff.open(&user(CROWD + 1));
        staff.fill("Email", "somewhere.else@example.org");
        staff.fill("First name", "Somebody");
        staff.click("Save changes");
    }),
    state("user-refused", Some(STAFF), "There is a problem", |staff, _| {
        staff.open(&user(CROWD + 2));
        staff.fill("Username", "two words");
        staff.fill("Email", "nowhere");
        staff.click("Save changes");
    }),
    state("user-conflict", Some(STAFF), "Someone else changed this user", |staff, server| {
        staff.open(&user(CROWD + 3));
        let theirs = json!({ "email": "theirs@example.org", "first_name": "Their", "is_staff": true });
        server.api("PATCH", &format!("/v1/users/{}", CROWD + 3), &theirs);
        staff.fill("Email", "mine@example.org");
        staff.fill("First name", "");
        staff.click("Save changes");
    }),
    state("user-stale", Some(STAFF), "This page was open for a long time.", |staff, _| {
        staff.open(&user(CROWD + 4));
        spoil_tokens(staff);
        staff.fill("First name", "Typed with care");
        staff.click("Save changes");
    }),
    state("user-stale-button", Some(STAFF), "Nothing was done", |staff, _| {
        staff.open(&user(CROWD + 5));
        spoil_tokens(staff);
        staff.click("Deactivate");
    }),
    state("user-not-there", Some(STAFF), "No such user.", |staff, _| staff.open(&user(99_999_999))),
    state("user-new", Some(STAFF), "Add user", |staff, _| staff.open("/users/new")),
    state("user-new-refused", Some(STAFF), "There is a problem", |staff, _| {
        staff.open("/users/new");
        staff.fill("Username", ADMIN);
        staff.fill("Email", "nowhere");
        staff.tick(BY_HAND);
        staff.fill("Password", "password");
        staff.click("Add user");
    }),
    state("user-new-another", Some(STAFF), "Added one.more.", |staff, _| {
        staff.open("/users/new");
        staff.fill("Username", "one.more");
        staff.click("Add and start another");
    }),
    state("user-new-with-link", Some(STAFF), "Copy it now and pass it on.", |staff, _| {
        staff.open("/users/new");
        staff.fill("Username", "by.link");
        staff.fill("Email", "by.link@example.org");
        staff.click("Add user");
    }),
    state("user-link-already-shown", Some(STAFF), "Already shown.", |staff, server| {
        server.api("POST", &format!("/v1/users/{}/link", CROWD + 7), &json!({}));
        staff.open(&user(CROWD + 7));
    }),
    state("user-with-dates", Some(STAFF), "The account ended on", |staff, server| {
        let dates = json!({ "valid_from": "2020-01-01", "valid_until": "2021-01-01T12:00" });
        server.api("PATCH", &user_api(CROWD + 8), &dates);
        staff.open(&user(CROWD + 8));
    }),
    state("user-erase", Some(ADMIN), "What stays", |admin, _| {
        admin.open(&format!("{}/erase", user(CROWD + 13)));
    }),
    state("user-erase-refused", Some(ADMIN), "There is a problem", |admin, server| {
        server.forget_passwords_given(ADMIN);
        admin.open(&format!("{}/erase", user(CROWD + 13)));
        admin.fill("Username", "another");
        admin.click("Erase this person");
    }),
    state("user-to-be-erased", Some(ADMIN), "This user will be erased on", |admin, server| {
        let name = server.user(CROWD + 14)["username"].clone();
        let body = json!({ "confirm_username": name, "username_after": "free" });
        server.api("POST", &format!("{}/erase", user_api(CROWD + 14)), &body);
        admin.open(&user(CROWD + 14));
    }),
    state("sign-in-check", Some(STAFF), "The conditions that a sign-in must meet", |staff, server| {
        server.api("DELETE", &user_api(CROWD + 9), &serde_json::Value::Null);
        staff.open(&format!("{}/sign-in-check", user(CROWD + 9)));
    }),
    state("set-password-asks", None, "Paste the link", |guest, _| guest.open("/set-password")),
    state("set-password", None, "Choose a password for", |guest, server| {
        guest.open(&link(server, CROWD + 10));
    }),
    state("set-password-refused", None, "There is a problem", |guest, server| {
        guest.open(&link(server, CROWD + 11));
        guest.fill("Password", "password");
        guest.click("Set password");
    }),
    state("set-password-done", None, "Your password is set.", |guest, server| {
        guest.open(&link(server, CROWD + 12));
        guest.fill("Password", "a quite different one");
        guest.click("Set password");
    }),
    state("set-password-gone", None, "This link does not work", |guest, _| {
        guest.open("/set-password#unknown");
    }),
    state("first-superuser-gone", None, "This link does not work", |guest, _| {
        guest.open("/first-superuser");
    }),
    state("confirm-address", None, "Confirm your email address", |guest, _| guest.open("/confirm-address")),
    state("confirm-address-refused", None, "There is a problem", |guest, _| {
        guest.open("/confirm-address");
        guest.fill("Code", "nothing that was ever sent");
        guest.click("Confirm");
    }),
    state("forgotten-password", None, "Send a link", |guest, _| guest.open("/forgotten-password")),
    state("forgotten-password-sent", None, "Check your email", |guest, _| {
        guest.open("/forgotten-password");
        guest.fill("Username or email", "somebody");
        guest.click("Send a link");
    }),
    state("password", Some(STAFF), "signed out everywhere", |staff, _| staff.open(&password(BERG))),
    state("password-refused", Some(STAFF), "There is a problem", |staff, _| {
        staff.open(&password(BERG));
        staff.tick(BY_HAND);
        staff.fill("Password", "short");
        staff.click("Reset password");
    }),
    state("password-shown", Some(STAFF), "Hide", |staff, _| {
        staff.open(&password(BERG));
        staff.tick(BY_HAND);
        staff.fill("Password", "a quite different one");
        staff.click_here("Show");
    }),
    state("password-just-reset", Some(STAFF), "Password reset.", |staff, _| {
        staff.open(&password(CROWD + 6));
        staff.tick(BY_HAND);
        staff.fill("Password", "a quite different one");
        staff.click("Reset password");
    }),
    state("password-forbidden", Some(STAFF), "You may not do that.", |staff, _| {
        staff.open(&password(ADMIN_ID));
    }),
    state("users-forbidden", Some(MEMBER), "You may not do that.", |member, _| member.open("/users")),
    state("no-page", Some(STAFF), "There is no such page.", |staff, _| staff.open("/nothing/here")),
    state("no-page-signed-out", None, "There is no such page.", |guest, _| guest.open("/nothing/here")),
];

/// The choice of staff who type a password.
pub(crate) const BY_HAND: &str = "Set a password myself";

/// The path of a new link for a user.
fn link(server: &Server, id: i64) -> String {
    let made = server.api("POST", &format!("{}/link", user_api(id)), &json!({}));
    let (_, secret) = made["url"].as_str().and_then(|url| url.split_once('#')).expect("a link");
    format!("/set-password#{secret}")
}

fn user_api(id: i64) -> String {
    format!("/v1/users/{id}")
}

fn user(id: i64) -> String {
    format!("/users/{id}")
}

fn password(id: i64) -> String {
    format!("/users/{id}/password")
}

/// Sends a form after its session has ended.
fn typed_without_session(staff: &Actions<'_>) {
    staff.open(&user(BERG));
    staff.fill("First name", "Typed with care");
    staff.is(None);
    staff.click("Save changes");
}

/// Signs in to a demo.
fn demo(guest: &Actions<'_>, server: &Server) {
    guest.open("/sign-in");
    guest.fill("Username", "demo");
    guest.fill("Password", &server.password);
    guest.press_and_go(ENTER);
}

fn sign_in_wrongly(guest: &Actions<'_>) {
    guest.open("/sign-in");
    guest.fill("Username", "nobody");
    guest.fill("Password", "not the password");
    guest.press_and_go(ENTER);
}

/// Makes the forms of a page as old as those of a session that has ended.
pub(crate) fn spoil_tokens(actions: &Actions<'_>) {
    actions
        .browser
        .run("for (const field of document.querySelectorAll('[name=token]')) field.value = 'old';");
}
