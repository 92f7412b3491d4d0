//! JSON request bodies.

use rocket::data::{Data, FromData, Outcome};
use rocket::request::Request;
use serde_json::{Map, Value};

use crate::http::{body, guards, json};
use crate::model::error::{Error, Result};
use crate::model::user::Raw;

/// Longest body with credentials, in bytes: the longest name and password, escaped, fit.
const CREDENTIALS_LIMIT: u64 = 4096;

/// A JSON object; an empty body is an empty object, whatever its type is said to be.
#[derive(Debug)]
pub(super) struct JsonBody(pub Map<String, Value>);

/// A JSON object with credentials: short.
#[derive(Debug)]
pub(super) struct CredentialsBody(pub Map<String, Value>);

#[rocket::async_trait]
impl<'r> FromData<'r> for JsonBody {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r, Self> {
        let result = match guards::app(request) {
            Ok(app) => read(request, data, app.settings.json_limit).await,
            Err(error) => Err(error),
        };
        finish(request, result.map(Self))
    }
}

#[rocket::async_trait]
impl<'r> FromData<'r> for CredentialsBody {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r, Self> {
        let result = read(request, data, CREDENTIALS_LIMIT).await;
        finish(request, result.map(Self))
    }
}

fn finish<'r, T>(
    request: &'r Request<'_>,
    result: Result<T>,
) -> rocket::outcome::Outcome<T, (rocket::http::Status, ()), (Data<'r>, rocket::http::Status)> {
    match result {
        Ok(body) => Outcome::Success(body),
        Err(error) => Outcome::Error((error.stash(request), ())),
    }
}

async fn read(request: &Request<'_>, data: Data<'_>, limit: u64) -> Result<Map<String, Value>> {
    let body = body::read(data, limit).await?;
    if body.is_empty() {
        return Ok(Map::new());
    }
    if !request.content_type().is_some_and(|kind| kind.is_json()) {
        let given = request.headers().get_one("Content-Type").unwrap_or_default();
        return Err(Error::UnsupportedMediaType(given.to_owned()));
    }
    json::parse_object(&body).map_err(|reason| Error::Malformed(format!("JSON parse error - {reason}")))
}

/// A member as the drafts read it.
pub(super) fn raw(body: &Map<String, Value>, name: &str) -> Raw {
    match body.get(name) {
        None => Raw::Missing,
        Some(Value::Null) => Raw::Null,
        Some(Value::String(text)) => Raw::Text(text.clone()),
        Some(Value::Bool(value)) => Raw::Bool(*value),
        Some(Value::Number(number)) => number.as_i64().map_or(Raw::Other, Raw::Integer),
        Some(Value::Array(_) | Value::Object(_)) => Raw::Other,
    }
}
