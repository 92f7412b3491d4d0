//! Whether the process lives, and whether it can serve.

use rocket::get;
use rocket::http::{ContentType, Status};

use crate::Usher;
use crate::db;

/// The process answers.
#[get("/livez")]
pub(super) fn live() -> (ContentType, &'static str) {
    (ContentType::JSON, r#"{"status":"ok"}"#)
}

/// The database answers, too.
#[get("/readyz")]
pub(super) async fn ready(app: &Usher) -> (Status, (ContentType, &'static str)) {
    match db::installation::ping(&app.db).await {
        Ok(()) => (Status::Ok, (ContentType::JSON, r#"{"status":"ok"}"#)),
        Err(error) => {
            log::warn!("not ready: {error}");
            let body = r#"{"status":"unavailable","detail":"The database is away."}"#;
            (Status::ServiceUnavailable, (ContentType::JSON, body))
        }
    }
}
