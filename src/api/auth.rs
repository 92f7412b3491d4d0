//! `/v1/auth`: tokens for API clients. These routes ignore `Authorization` and cookies.

use rocket::post;
use rocket::serde::json::Json;
use serde_json::{Map, Value, json};

use super::body::{CredentialsBody, raw};
use crate::http::guards::AcceptsJson;
use crate::model::error::Result;
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::origin::Origin;
use crate::model::password::Password;
use crate::model::session::Credential;
use crate::model::user::Raw;
use crate::operations::App;
use crate::operations::sign_in::{self, TokenPair};

/// Signs in for tokens.
#[post("/auth/obtain", data = "<body>")]
pub(super) async fn obtain(
    _accepts: AcceptsJson,
    origin: &Origin,
    app: &App,
    body: CredentialsBody,
) -> Result<Json<TokenPair>> {
    let mut errors = FieldErrors::default();
    let username = text(&body.0, "username", &mut errors);
    let password = text(&body.0, "password", &mut errors);
    errors.into_result()?;
    let password = Password::new(password);
    let signed_in = sign_in::sign_in(app, &username, &password, Credential::Jwt, None, origin).await?;
    Ok(Json(sign_in::tokens(app, &signed_in)))
}

/// A new access token for a refresh token, which stays good.
#[post("/auth/refresh", data = "<body>")]
pub(super) async fn refresh(_accepts: AcceptsJson, app: &App, body: CredentialsBody) -> Result<Json<Value>> {
    let token = one_text(&body.0, "refresh")?;
    Ok(Json(json!({ "access": sign_in::refresh(app, &token).await? })))
}

/// Whether a token would be accepted now.
#[post("/auth/verify", data = "<body>")]
pub(super) async fn verify(_accepts: AcceptsJson, app: &App, body: CredentialsBody) -> Result<Json<Value>> {
    let token = one_text(&body.0, "token")?;
    sign_in::verify(app, &token).await?;
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
