//! `/v1/account`: the caller's own account.

use rocket::http::Status;
use rocket::serde::json::Json;
use rocket::{get, patch, post};
use serde_json::{Map, Value};

use super::body::{CredentialsBody, JsonBody, raw};
use super::users::One;
use crate::db::audit::SignInEntry;
use crate::http::guards::{AcceptsJson, IfMatch};
use crate::model::error::{Error, Result};
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::password::Password;
use crate::model::permission::{HasSession, SignedIn};
use crate::model::user::{InputMode, Raw, UserInput};
use crate::operations::Can;
use crate::operations::own_account::{self, NewPassword};

/// The caller's record.
#[get("/account")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn retrieve(_accepts: AcceptsJson, can: Can<SignedIn>) -> One {
    One::new(can.user().clone())
}

/// Changes the caller's names and e-mail address. Any other member is refused, so that no client takes it
/// for changed.
#[patch("/account", data = "<body>")]
pub(super) async fn partial_update(
    _accepts: AcceptsJson,
    can: Can<SignedIn>,
    expected: IfMatch,
    body: JsonBody,
) -> Result<One> {
    if let Some(member) = body.0.keys().find(|member| !own_account::may_set(member)) {
        let member: String = member.chars().take(40).collect();
        return Err(Error::Malformed(format!("{member}: cannot be changed here")));
    }
    let draft = UserInput::read(InputMode::Part, |name| raw(&body.0, name));
    Ok(One::new(own_account::update(&can, draft, &expected.0).await?))
}

/// Changes the caller's password. Every session that was opened with the old one ends.
#[post("/account/password", data = "<body>")]
pub(super) async fn change_password(
    _accepts: AcceptsJson,
    can: Can<HasSession>,
    body: CredentialsBody,
) -> Result<Status> {
    let mut errors = FieldErrors::default();
    let current = password(&body.0, "current_password", &mut errors);
    let new = password(&body.0, "new_password", &mut errors);
    if raw(&body.0, "end_other_sessions").flag("end_other_sessions", &mut errors) == Some(false) {
        errors.add("end_other_sessions", "Another password always ends all sessions and tokens.");
    }
    errors.into_result()?;
    own_account::change_password(&can, &NewPassword { current, new }, false).await?;
    Ok(Status::NoContent)
}

/// Gives the password again, for what asks for it in the next five minutes.
#[post("/account/confirm", data = "<body>")]
pub(super) async fn confirm(
    _accepts: AcceptsJson,
    can: Can<SignedIn>,
    body: CredentialsBody,
) -> Result<Status> {
    let mut errors = FieldErrors::default();
    let password = password(&body.0, "password", &mut errors);
    errors.into_result()?;
    own_account::confirm(&can, "password", &password).await?;
    Ok(Status::NoContent)
}

/// The caller's last sign-ins, successful and failed.
#[get("/account/sign-ins")]
pub(super) async fn sign_ins(_accepts: AcceptsJson, can: Can<SignedIn>) -> Result<Json<Vec<SignInEntry>>> {
    own_account::sign_ins(&can, None).await.map(Json)
}

/// A password exactly as it was sent.
fn password(body: &Map<String, Value>, name: &'static str, errors: &mut FieldErrors) -> Password {
    let message = match raw(body, name) {
        Raw::Text(text) if !text.is_empty() => return Password::new(text),
        Raw::Text(_) => Message::Blank,
        Raw::Missing => Message::Required,
        Raw::Null => Message::Null,
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => Message::NotAString,
    };
    errors.add(name, message);
    Password::new(String::new())
}
