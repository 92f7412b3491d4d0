//! `/v1/openapi.json`.

use rocket::get;
use rocket::http::ContentType;

use crate::http::cookies::{CookieName, Cookies};
use crate::http::guards::AcceptsJson;
use crate::http::openapi::{COOKIE, DOCUMENT};

/// Hands the document out to every client: of the installation it reveals what the session cookie is called.
#[get("/openapi.json")]
pub(super) fn document(_accepts: AcceptsJson, jar: Cookies<'_>) -> (ContentType, String) {
    (ContentType::JSON, DOCUMENT.replace(COOKIE, &jar.name(CookieName::Session)))
}
