//! `/v1/auth`: tokens for API clients. These routes ignore `Authorization` and cookies.

use rocket::post;
use rocket::serde::json::Json;
use serde_json::{Map, Value, json};

use super::body::{CredentialsBody, raw};
use crate::Usher;
use crate::error::Result;
use crate::field_errors::{FieldErrors, Message};
use crate::guard::AcceptsJson;
use crate::origin::Origin;
use crate::passwords::Password;
use crate::session::Carrier;
use crate::sessions::{self, TokenPair};
use crate::user::Raw;

/// Signs in for tokens.
#[post("/auth/obtain", data = "<body>")]
pub(super) async fn obtain(
    _accepts: AcceptsJson,
    origin: &Origin,
    app: &Usher,
    body: CredentialsBody,
) -> Result<Json<TokenPair>> {
    let mut errors = FieldErrors::default();
    let username = text(&body.0, "username", &mut errors);
    let password = text(&body.0, "password", &mut errors);
    errors.into_result()?;
    let password = Password::new(password);
    let signed_in = sessions::sign_in(app, &username, &password, Carrier::Token, None, origin).await?;
    Ok(Json(sessions::tokens(app, &signed_in)))
}

/// A new access token for a refresh token, which stays good.
#[post("/auth/refresh", data = "<body>")]
pub(super) async fn refresh(
    _accepts: AcceptsJson,
    app: &Usher,
    body: CredentialsBody,
) -> Result<Json<Value>> {
    let token = one_text(&body.0, "refresh")?;
    Ok(Json(json!({ "access": sessions::refresh(app, &token).await? })))
}

/// Whether a token would be accepted now.
#[post("/auth/verify", data = "<body>")]
pub(super) async fn verify(_accepts: AcceptsJson, app: &Usher, body: CredentialsBody) -> Result<Json<Value>> {
    let token = one_text(&body.0, "token")?;
    sessions::verify(app, &token).await?;
    Ok(Json(json!({})))
}

fn one_text(body: &Map<String, Value>, name: &'static str) -> Result<String> {
    let mut errors = FieldErrors::default();
    let value = text(body, name, &mut errors);
    errors.into_result()?;
    Ok(value)
}

fn text(body: &Map<String, Value>, name: &'static str, errors: &mut FieldErrors) -> String {
    let message = match raw(body, name) {
        Raw::Text(text) if !text.trim().is_empty() => return text,
        Raw::Text(_) => Message::Blank,
        Raw::Missing => Message::Required,
        Raw::Null => Message::Null,
        Raw::Bool(_) | Raw::Integer(_) | Raw::Other => Message::NotAString,
    };
    errors.add(name, message);
    String::new()
}
