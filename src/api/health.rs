//! Whether the process lives, and whether it can serve.

use std::sync::Arc;

use rocket::http::{ContentType, Status};
use rocket::{State, get};
use rocket_db_pools::Connection;

use crate::db::{self, Db, PoolError};
use crate::http::traffic::Traffic;

/// The process answers.
#[get("/livez")]
pub(super) fn live() -> (ContentType, &'static str) {
    (ContentType::JSON, r#"{"status":"ok"}"#)
}

/// The database answers, too, and the server is not stopping.
#[get("/readyz")]
pub(super) async fn ready(
    connection: Result<Connection<Db>, Option<PoolError>>,
    traffic: &State<Arc<Traffic>>,
) -> (Status, (ContentType, &'static str)) {
    if traffic.is_stopping() {
        let body = r#"{"status":"unavailable","detail":"The server is stopping."}"#;
        return (Status::ServiceUnavailable, (ContentType::JSON, body));
    }
    let answered = match connection {
        Ok(mut connection) => {
            db::installation::ping(&mut connection).await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.map_or_else(|| "there is no pool".to_owned(), |error| error.to_string())),
    };
    match answered {
        Ok(()) => (Status::Ok, (ContentType::JSON, r#"{"status":"ok"}"#)),
        Err(problem) => {
            log::warn!("not ready: {problem}");
            let body = r#"{"status":"unavailable","detail":"The database is away."}"#;
            (Status::ServiceUnavailable, (ContentType::JSON, body))
        }
    }
}
