//! `/v1/account`: the caller's own account.

use rocket::http::Status;
use rocket::serde::json::Json;
use rocket::{delete, get, patch, post};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::body::{CredentialsBody, JsonBody};
use super::users::One;
use crate::db::audit::SignInEntry;
use crate::http::conditions::IfMatch;
use crate::http::cookies::Cookies;
use crate::http::guards::{self, AcceptsJson};
use crate::model::error::{Error, Result};
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::password::Password;
use crate::model::permission::{MayChangePassword, Permission, SignedIn};
use crate::model::raw::Raw;
use crate::model::user::{InputMode, UserPatch};
use crate::operations::Can;
use crate::operations::own_account;
use crate::operations::password_removal;
use crate::operations::reauthentication::{self, Proof};

/// The caller's record.
#[get("/account")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn retrieve(_accepts: AcceptsJson, can: Can<SignedIn>) -> One {
    One::new(can.user().clone())
}

/// What the owner of an account may change about it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AccountPatch {
    first_name: Raw,
    last_name: Raw,
    email: Raw,
    /// What is none of these.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Changes the caller's names and e-mail address. Any other member is refused, so that no client takes it
/// for changed.
#[patch("/account", data = "<body>")]
pub(super) async fn partial_update(
    _accepts: AcceptsJson,
    can: Can<SignedIn>,
    expected: IfMatch,
    body: JsonBody<AccountPatch>,
) -> Result<One> {
    let AccountPatch { first_name, last_name, email, others } = body.0;
    if let Some(member) = others.keys().next() {
        let member: String = member.chars().take(40).collect();
        return Err(Error::Malformed(format!("{member}: cannot be changed here")));
    }
    let patch = UserPatch { first_name, last_name, email, ..UserPatch::default() };
    Ok(One::new(own_account::update(&can, &patch.into_input(InputMode::Part), &expected.0).await?))
}

/// A new password of the caller.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PasswordBody {
    current_password: Raw,
    new_password: Raw,
    end_other_sessions: Raw,
    /// Of an account with a second factor.
    otp: Raw,
}

/// Changes the caller's password. Every session that was opened with the old one ends.
#[post("/account/password", data = "<body>")]
pub(super) async fn change_password(
    _accepts: AcceptsJson,
    can: Can<MayChangePassword>,
    body: CredentialsBody<PasswordBody>,
) -> Result<Status> {
    let mut errors = FieldErrors::default();
    let current = own_password(&can, body.0.current_password, "current_password", &mut errors);
    let new = password(body.0.new_password, "new_password", &mut errors);
    if body.0.end_other_sessions.unless_null().flag("end_other_sessions", &mut errors) == Some(false) {
        errors.add("end_other_sessions", "Another password always ends all sessions and tokens.");
    }
    let code = code(body.0.otp, &mut errors);
    errors.into_result()?;
    let proof = Proof { password: ("current_password", current), code: ("otp", code.as_deref()) };
    own_account::change_password(&can, &proof, &new, false).await?;
    Ok(Status::NoContent)
}

/// Removes the caller's password; a passkey signs in.
#[delete("/account/password")]
pub(super) async fn remove_password(_accepts: AcceptsJson, can: Can<SignedIn>) -> Result<Status> {
    password_removal::remove(&can).await?;
    Ok(Status::NoContent)
}

/// The password, given again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfirmBody {
    password: Raw,
    /// Of an account with a second factor.
    otp: Raw,
}

/// Gives the password again, for what asks for it in the next five minutes. A browser's session gets another cookie.
#[post("/account/confirm", data = "<body>")]
pub(super) async fn confirm(
    _accepts: AcceptsJson,
    can: Can<SignedIn>,
    jar: Cookies<'_>,
    body: CredentialsBody<ConfirmBody>,
) -> Result<Status> {
    let mut errors = FieldErrors::default();
    let password = own_password(&can, body.0.password, "password", &mut errors);
    let code = code(body.0.otp, &mut errors);
    errors.into_result()?;
    let proof = Proof { password: ("password", password), code: ("otp", code.as_deref()) };
    let confirmed = reauthentication::confirm(&can, &proof).await?;
    if let Some(secret) = confirmed.cookie() {
        guards::carry(jar, secret);
    }
    Ok(Status::NoContent)
}

/// The caller's last sign-ins, successful and failed.
#[get("/account/sign-ins")]
pub(super) async fn sign_ins(_accepts: AcceptsJson, can: Can<SignedIn>) -> Result<Json<Vec<SignInEntry>>> {
    own_account::sign_ins(&can, None).await.map(Json)
}

/// The code of a second factor, if one was sent.
fn code(raw: Raw, errors: &mut FieldErrors) -> Option<String> {
    match raw {
        Raw::Missing | Raw::Null => None,
        sent => sent.required_text("otp", errors, |text| Ok(text.to_owned())),
    }
}

/// The password of the caller, which one who has none need not send.
fn own_password<P: Permission>(
    can: &Can<P>,
    raw: Raw,
    name: &'static str,
    errors: &mut FieldErrors,
) -> Password {
    match raw {
        Raw::Missing | Raw::Null if !can.session().has_password => Password::new(String::new()),
        sent => password(sent, name, errors),
    }
}

/// A password exactly as it was sent.
fn password(raw: Raw, name: &'static str, errors: &mut FieldErrors) -> Password {
    let parse = |text: &str| if text.is_empty() { Err(Message::Blank) } else { Ok(text.to_owned()) };
    Password::new(raw.required_text(name, errors, parse).unwrap_or_default())
}
