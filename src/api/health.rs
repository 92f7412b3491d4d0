//! Whether the process lives, and whether it can serve.

use std::sync::Arc;

use rocket::http::{ContentType, Status};
use rocket::{State, get};
use rocket_db_pools::Connection;
use serde_json::json;

use crate::db::{self, Db, PoolError, Trouble};
use crate::http::traffic::Traffic;

/// What is said while nothing can be read.
const AWAY: &str = "The database is away.";
/// The same while another transaction, such as that of VACUUM FULL, has locked a table.
const LOCKED: &str = "A lock keeps users or sessions from being read.";
/// What is said while only the server that takes changes can be read from.
const NO_REPLICA: &str = "Users cannot be read from the replica: the log says why.";

/// The process answers.
#[get("/livez")]
pub(super) fn live() -> (ContentType, &'static str) {
    (ContentType::JSON, r#"{"status":"ok"}"#)
}

/// The database answers, too, and the server is not stopping. While it can be read but takes no changes the server is
/// of use all the same, and says so: else a balancer would take every instance away. The same of a replica that fails.
#[get("/readyz")]
pub(super) async fn ready(
    connection: Result<Connection<Db>, Option<PoolError>>,
    db: &State<Db>,
    traffic: &State<Arc<Traffic>>,
) -> (Status, (ContentType, String)) {
    let detail = match problem(connection, db, traffic).await {
        Some(detail) => {
            let body = json!({"status": "unavailable", "detail": detail});
            return (Status::ServiceUnavailable, (ContentType::JSON, body.to_string()));
        }
        None => db.trouble().map(Trouble::sentence).or(db.replica_fails().then_some(NO_REPLICA)),
    };
    let body = match detail {
        None => json!({"status": "ok"}),
        Some(detail) => json!({"status": "degraded", "detail": detail}),
    };
    (Status::Ok, (ContentType::JSON, body.to_string()))
}

/// Why nothing can be served.
async fn problem(
    connection: Result<Connection<Db>, Option<PoolError>>,
    db: &Db,
    traffic: &Traffic,
) -> Option<&'static str> {
    if traffic.is_stopping() {
        return Some("The server is stopping.");
    }
    if !db.is_in_place() {
        log::error!("another file is in the database's place");
        return Some("Another file is in the database's place.");
    }
    let (problem, told) = match connection {
        Ok(mut connection) => {
            let error = db::installation::ping(&mut connection).await.err()?;
            (error.to_string(), if error.is_of_a_lock() { LOCKED } else { AWAY })
        }
        Err(error) => (error.map_or_else(|| "there is no pool".to_owned(), |error| error.to_string()), AWAY),
    };
    log::warn!("not ready: {problem}");
    Some(told)
}
