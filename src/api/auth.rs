//! `/v1/auth`: tokens for API clients. These routes ignore `Authorization` and cookies.

use rocket::post;
use rocket::serde::json::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::CredentialsBody;
use crate::http::guards::AcceptsJson;
use crate::model::error::{AuthenticationFailure, Error, Result};
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::origin::Origin;
use crate::model::password::Password;
use crate::model::raw::Raw;
use crate::model::session::Credential;
use crate::operations::App;
use crate::operations::sign_in::{self, Outcome, SignInInput, TokenPair};

/// Name and password, and the code of a second factor.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SignInBody {
    username: Raw,
    password: Raw,
    /// Of an authenticator app, or for recovery; only for accounts that have a factor.
    otp: Raw,
}

/// A refresh token.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RefreshBody {
    refresh: Raw,
}

/// A token of any kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct VerifyBody {
    token: Raw,
}

/// Signs in for tokens.
#[post("/auth/obtain", data = "<body>")]
pub(super) async fn obtain(
    _accepts: AcceptsJson,
    origin: &Origin,
    app: &App,
    body: CredentialsBody<SignInBody>,
) -> Result<Json<TokenPair>> {
    let mut errors = FieldErrors::default();
    let username = text(body.0.username, "username", &mut errors);
    let password = text(body.0.password, "password", &mut errors);
    let code = match body.0.otp {
        Raw::Missing | Raw::Null => None,
        sent => Some(text(sent, "otp", &mut errors)),
    };
    errors.into_result()?;
    let (password, code) = (Password::new(password), code.as_deref());
    let shown = SignInInput { username: &username, password: &password, code };
    match sign_in::sign_in(app, shown, Credential::Jwt, None, origin).await? {
        Outcome::Opened(signed_in) => Ok(Json(sign_in::tokens(app, &signed_in))),
        Outcome::NeedsCode(_) => Err(Error::NotAuthenticated(AuthenticationFailure::SecondFactorRequired)),
    }
}

/// A new access token for a refresh token, which stays good.
#[post("/auth/refresh", data = "<body>")]
pub(super) async fn refresh(
    _accepts: AcceptsJson,
    app: &App,
    body: CredentialsBody<RefreshBody>,
) -> Result<Json<Value>> {
    let token = only(body.0.refresh, "refresh")?;
    Ok(Json(json!({ "access": sign_in::refresh(app, &token).await? })))
}

/// Whether a token would be accepted now.
#[post("/auth/verify", data = "<body>")]
pub(super) async fn verify(
    _accepts: AcceptsJson,
    app: &App,
    body: CredentialsBody<VerifyBody>,
) -> Result<Json<Value>> {
    let token = only(body.0.token, "token")?;
    sign_in::verify(app, &token).await?;
    Ok(Json(json!({})))
}

/// A text that is not blank, as it was sent.
fn text(raw: Raw, name: &'static str, errors: &mut FieldErrors) -> String {
    let parse = |text: &str| if text.trim().is_empty() { Err(Message::Blank) } else { Ok(text.to_owned()) };
    raw.required_text(name, errors, parse).unwrap_or_default()
}

fn only(raw: Raw, name: &'static str) -> Result<String> {
    let mut errors = FieldErrors::default();
    let value = text(raw, name, &mut errors);
    errors.into_result()?;
    Ok(value)
}
