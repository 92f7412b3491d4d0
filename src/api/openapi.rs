//! The description of the API for programs: OpenAPI 3.1.
//!
//! The document is written by hand; a test holds it against the mounted routes, and runs every example in it.

use rocket::get;
use rocket::http::ContentType;

use crate::guard::AcceptsJson;

/// The document.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// Hands it out to anybody: it tells nothing about an installation.
#[get("/openapi.json")]
pub(super) fn document(_accepts: AcceptsJson) -> (ContentType, &'static str) {
    (ContentType::JSON, DOCUMENT)
}
