//! `/v1/openapi.json`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rocket::get;
use rocket::http::{ContentType, Header, Status};
use rocket::request::Request;
use rocket::response::{self, Responder, Response};
use sha2::{Digest, Sha256};

use crate::http::compression;
use crate::http::conditions::{self, Condition};
use crate::http::cookies::{CookieName, Cookies};
use crate::http::guards::AcceptsJson;
use crate::http::openapi;
use crate::model::error::Error;
use crate::operations::App;

/// The document as an answer.
pub(super) struct Document(String);

impl<'r> Responder<'r, 'static> for Document {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        // A weak tag: compressed or not, it is the same document.
        let digest = Sha256::digest(self.0.as_bytes());
        let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(&digest[..12]));
        let mut response = Response::new();
        match conditions::condition(request, &tag) {
            Condition::Fails => return Err(Error::PreconditionFailed.stash(request)),
            Condition::Unchanged => response.set_status(Status::NotModified),
            Condition::Holds => {
                response.set_header(ContentType::JSON);
                response.set_sized_body(self.0.len(), std::io::Cursor::new(self.0));
                compression::allow(request);
            }
        }
        response.set_header(Header::new("ETag", tag));
        // It is asked for again each time, and sent again only after it has changed.
        response.set_header(Header::new("Cache-Control", "no-cache"));
        Ok(response)
    }
}

/// Hands the document out to every client: of the installation it reveals what the session cookie is called, and
/// the settings `get_by_name` and `base_path`.
#[get("/openapi.json")]
pub(super) fn document(_accepts: AcceptsJson, app: &App, jar: Cookies<'_>) -> Document {
    let (settings, cookie) = (&app.settings, jar.name(CookieName::Session));
    Document(openapi::document(settings.get_by_name, &cookie, &settings.base_path))
}
