//! JSON request bodies.
//!
//! A body is a struct whose members are [`Raw`](crate::model::raw::Raw): which of them do not fit is found by the
//! rules, and told all at once.

use std::fmt::Display;

use rocket::data::{Data, FromData, Outcome};
use rocket::request::Request;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::http::{body, guards, json};
use crate::model::error::{Error, Result};

/// Longest body with credentials, in bytes: the longest name and password, escaped, fit.
const CREDENTIALS_LIMIT: u64 = 4096;

/// A JSON object, read as a `T`; an empty body is an empty object, whatever its type is said to be.
#[derive(Debug)]
pub(super) struct JsonBody<T = Map<String, Value>>(pub T);

/// A JSON object with credentials: short.
#[derive(Debug)]
pub(super) struct CredentialsBody<T>(pub T);

#[rocket::async_trait]
impl<'r, T: DeserializeOwned> FromData<'r> for JsonBody<T> {
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
impl<'r, T: DeserializeOwned> FromData<'r> for CredentialsBody<T> {
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

async fn read<T: DeserializeOwned>(request: &Request<'_>, data: Data<'_>, limit: u64) -> Result<T> {
    let object = read_object(request, data, limit).await?;
    serde_json::from_value(Value::Object(object)).map_err(malformed)
}

fn malformed(reason: impl Display) -> Error {
    Error::Malformed(format!("JSON parse error - {reason}"))
}

async fn read_object(request: &Request<'_>, data: Data<'_>, limit: u64) -> Result<Map<String, Value>> {
    let body = body::read(data, limit).await?;
    if body.is_empty() {
        return Ok(Map::new());
    }
    body::require_plain(request)?;
    if !request.content_type().is_some_and(|kind| kind.is_json()) {
        let given = request.headers().get_one("Content-Type").unwrap_or_default();
        return Err(Error::UnsupportedMediaType(given.to_owned()));
    }
    json::parse_object(&body).map_err(malformed)
}
