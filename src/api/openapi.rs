//! `/v1/openapi.json`.

use rocket::get;
use rocket::http::ContentType;

use crate::http::cookies::{CookieName, Cookies};
use crate::http::guards::AcceptsJson;
use crate::http::openapi;
use crate::operations::App;

/// Hands the document out to every client: of the installation it reveals what the session cookie is called, and
/// the setting `get_by_name`.
#[get("/openapi.json")]
pub(super) fn document(_accepts: AcceptsJson, app: &App, jar: Cookies<'_>) -> (ContentType, String) {
    let name = jar.name(CookieName::Session);
    (ContentType::JSON, openapi::document(app.settings.get_by_name, &name))
}
