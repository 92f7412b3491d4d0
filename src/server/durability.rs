//! An answer that nothing was changed, or could not be, waits for what it depends on.
//!
//! On SQLite the changes of others can be seen for some milliseconds before they are on the disk, or for longer while it
//! stands still (see `db/log_sync`). A change of one's own is acknowledged after them. Without one, as when a DELETE that
//! is sent again finds nothing to delete, the answer would be the only word of a change that may still be lost.

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Status;
use rocket::request::Request;
use rocket::response::Response;

use crate::http::guards;
use crate::http::path::RequestPath;
use crate::model::error::Error;
use crate::{api, scim, web};

/// Attached before what looks at answers.
pub(super) struct Durability;

#[rocket::async_trait]
impl Fairing for Durability {
    fn info(&self) -> Info {
        Info { name: "durability of what answers depend on", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let Ok(app) = guards::app(request) else { return };
        let status = response.status();
        let refuses = !guards::only_reads(request) && says_how_things_are(status);
        if status.code >= 500 || !app.db.has_seen(refuses) {
            return;
        }
        if let Err(error) = app.db.settle().await {
            *response = render(&error.into(), request).await;
        }
    }
}

/// Whether a change may have been refused for what is stored.
const fn says_how_things_are(status: Status) -> bool {
    matches!(status.code, 400 | 404 | 409 | 410 | 412 | 422)
}

/// An error as the channel says it.
async fn render<'r>(error: &Error, request: &'r Request<'_>) -> Response<'r> {
    let path = RequestPath::of(request);
    if path.is_scim() {
        scim::render(error)
    } else if path.is_api() {
        api::render(error)
    } else {
        web::render(Status::ServiceUnavailable, Some(error), request).await
    }
}
