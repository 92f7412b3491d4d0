//! Whether the process lives, and whether it can serve.

use std::sync::Arc;

use rocket::http::{ContentType, Status};
use rocket::{State, get};

use crate::db;
use crate::http::traffic::Traffic;
use crate::operations::App;

/// The process answers.
#[get("/livez")]
pub(super) fn live() -> (ContentType, &'static str) {
    (ContentType::JSON, r#"{"status":"ok"}"#)
}

/// The database answers, too, and the server is not stopping.
#[get("/readyz")]
pub(super) async fn ready(app: &App, traffic: &State<Arc<Traffic>>) -> (Status, (ContentType, &'static str)) {
    if traffic.is_stopping() {
        let body = r#"{"status":"unavailable","detail":"The server is stopping."}"#;
        return (Status::ServiceUnavailable, (ContentType::JSON, body));
    }
    match db::installation::ping(&app.db).await {
        Ok(()) => (Status::Ok, (ContentType::JSON, r#"{"status":"ok"}"#)),
        Err(error) => {
            log::warn!("not ready: {error}");
            let body = r#"{"status":"unavailable","detail":"The database is away."}"#;
            (Status::ServiceUnavailable, (ContentType::JSON, body))
        }
    }
}
