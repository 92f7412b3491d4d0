//! One's own account, and where one starts.

use rocket::get;
use rocket::response::Redirect;

use super::frame::Visitor;
use super::view::{AccountPage, Answer, role};
use crate::permission::{Can, SignedIn};

/// Administrators start with the users, others with their own account.
#[get("/")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn home(can: Can<SignedIn>) -> Redirect {
    Redirect::to(if can.user().is_admin() { "/users" } else { "/account" })
}

/// One's own account.
#[get("/account")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn page(visitor: Visitor<'_, SignedIn>) -> Answer<AccountPage> {
    let user = visitor.can.user();
    Answer::page(AccountPage {
        frame: visitor.frame("account"),
        username: user.username.as_str().to_owned(),
        name: user.display_name(),
        email: user.email.clone(),
        role: role(user),
        date_joined: user.date_joined.into(),
        last_login: user.last_login.map(Into::into),
    })
}
