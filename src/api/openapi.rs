//! `/v1/openapi.json`.

use rocket::get;
use rocket::http::ContentType;

use crate::http::guards::AcceptsJson;
use crate::http::openapi::DOCUMENT;

/// Hands the document out to every client: it reveals nothing about an installation.
#[get("/openapi.json")]
pub(super) fn document(_accepts: AcceptsJson) -> (ContentType, &'static str) {
    (ContentType::JSON, DOCUMENT)
}
