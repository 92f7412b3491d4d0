//! `/v1/users/bulk`.

use rocket::http::ContentType;
use rocket::{get, post};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::body::JsonBody;
use super::undo::Key;
use crate::db::batches::Counted;
use crate::http::guards::AcceptsJson;
use crate::model::audit::BatchId;
use crate::model::bulk::{BatchVerdict, BulkAction, Chosen, Previewed, sentence};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::filter::ListRequest;
use crate::model::permission::ManageUsers;
use crate::model::user::UserId;
use crate::operations::Can;
use crate::operations::bulk::{self, Outcome};

/// What a run is asked to do.
struct Request {
    action: BulkAction,
    chosen: Chosen,
    is_preview: bool,
}

impl Request {
    /// Reads the body. Every refusal is one line that names the member.
    fn parse(mut body: Map<String, Value>) -> std::result::Result<Self, String> {
        let action = match body.remove("action") {
            Some(Value::String(name)) => {
                BulkAction::named(&name).ok_or_else(|| format!("action: unknown action {name:?}"))?
            }
            Some(_) => return Err("action: must be a string".into()),
            None => return Err("action: is required".into()),
        };
        // Null leaves a member out. An empty array does not: it chooses no users.
        let mut take = |name: &str| body.remove(name).filter(|value| !value.is_null());
        let (ids, filter, preview) = (take("ids"), take("filter"), take("preview"));
        let chosen = match (ids, filter) {
            (Some(Value::Array(ids)), None) => Chosen::Ids(
                ids.iter()
                    .enumerate()
                    .map(|(index, id)| {
                        let id =
                            id.as_i64().ok_or_else(|| format!("ids[{index}]: must be a whole number"))?;
                        Ok(UserId(id))
                    })
                    .collect::<std::result::Result<_, String>>()?,
            ),
            (Some(_), None) => return Err("ids: must be an array".into()),
            (None, Some(Value::Object(filter))) => {
                // A run is never for a page of a list.
                for paging in ["limit", "after", "count"] {
                    if filter.get(paging).is_some_and(|value| !value.is_null()) {
                        return Err(format!("filter.{paging}: unknown member"));
                    }
                }
                let request = <ListRequest>::parse(filter).map_err(|refusal| format!("filter.{refusal}"))?;
                Chosen::Filter(request.filter)
            }
            (None, Some(_)) => return Err("filter: must be an object".into()),
            (Some(_), Some(_)) | (None, None) => return Err("ids, filter: exactly one is required".into()),
        };
        let is_preview = match preview {
            None => false,
            Some(Value::Bool(preview)) => preview,
            Some(_) => return Err("preview: must be true or false".into()),
        };
        match body.keys().next() {
            None => Ok(Self { action, chosen, is_preview }),
            Some(name) => Err(format!("{name}: unknown member")),
        }
    }
}

/// One user of an answer.
#[derive(Serialize)]
struct Line {
    pk: UserId,
    username: Option<String>,
    verdict: &'static str,
    code: Option<&'static str>,
    detail: Option<&'static str>,
}

impl Line {
    fn new(pk: UserId, username: Option<String>, verdict: &'static str, code: &'static str) -> Self {
        let code = Some(code).filter(|code| !code.is_empty());
        Self { pk, username, verdict, code, detail: code.map(sentence) }
    }

    fn previewed(user: Previewed) -> Self {
        let username = user.user.map(|user| user.username.as_str().to_owned());
        match user.left_out {
            None => Self::new(user.id, username, "ready", ""),
            Some(code) => Self::new(user.id, username, "left_out", code),
        }
    }
}

type Answer = (ContentType, String);

fn answer(body: &Value) -> Answer {
    (ContentType::JSON, body.to_string())
}

/// Does an action to many users, or says what it would do.
#[post("/users/bulk", data = "<body>")]
pub(super) async fn run(_accepts: AcceptsJson, can: Can<ManageUsers>, body: JsonBody) -> Result<Answer> {
    let Request { action, chosen, is_preview } = Request::parse(body.0).map_err(Error::Malformed)?;
    let ids = bulk::freeze(&can, chosen).await?;
    if !is_preview {
        let batch = bulk::run(&can, action, ids).await?;
        return Ok(report(&bulk::outcome(&can, batch).await?));
    }
    let users: Vec<Line> =
        bulk::preview(&can, action, &ids).await?.into_iter().map(Line::previewed).collect();
    let ready = users.iter().filter(|user| user.code.is_none()).count();
    let (action, total) = (action.as_str(), users.len());
    Ok(answer(
        &json!({ "kind": "preview", "action": action, "total": total, "ready": ready, "users": users }),
    ))
}

/// The outcome of a run.
#[get("/users/bulk/<id>", rank = 1)]
pub(super) async fn outcome(_accepts: AcceptsJson, can: Can<ManageUsers>, id: Key) -> Result<Answer> {
    Ok(report(&bulk::outcome(&can, BatchId(id.0)).await?))
}

/// Runs, the newest first, without their users.
#[get("/users/bulk/runs?<before>")]
pub(super) async fn runs(
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    before: Option<&str>,
) -> Result<Answer> {
    let refusal = |_| Error::Malformed("before: must be a whole number".to_owned());
    let before = before.map(|text| text.parse().map(BatchId).map_err(refusal)).transpose()?;
    let found = bulk::recent(&can, before).await?;
    let is_full = i64::try_from(found.len()) == Ok(bulk::RECENT);
    let next = found.last().filter(|_| is_full).map(|last| last.batch.id);
    let runs: Vec<Value> = found
        .iter()
        .map(|Counted { batch, done, pending, total }| {
            json!({
                "batch": batch.id,
                "action": batch.action,
                "at": Timestamp::from_micros(batch.created_at),
                "actor": { "pk": batch.actor_id, "username": batch.actor_name },
                "complete": *pending == 0,
                "undoes": batch.undoes,
                "done": done,
                "not_done": total - done,
                "pending": pending,
            })
        })
        .collect();
    Ok(answer(&json!({ "runs": runs, "next": next })))
}

/// Goes on with a run that was cut short.
#[post("/users/bulk/<id>/resume", rank = 1)]
pub(super) async fn resume(_accepts: AcceptsJson, can: Can<ManageUsers>, id: Key) -> Result<Answer> {
    let batch = bulk::resume(&can, BatchId(id.0)).await?;
    Ok(report(&bulk::outcome(&can, batch).await?))
}

/// Takes a whole run back.
#[post("/users/bulk/<id>/undo", rank = 1)]
pub(super) async fn undo(_accepts: AcceptsJson, can: Can<ManageUsers>, id: Key) -> Result<Answer> {
    let batch = bulk::undo(&can, BatchId(id.0)).await?;
    Ok(report(&bulk::outcome(&can, batch).await?))
}

fn report(outcome: &Outcome) -> Answer {
    let (batch, done) = (&outcome.batch, outcome.done());
    let users: Vec<Line> = outcome
        .users
        .iter()
        .map(|user| Line::new(user.id, user.username.clone(), user.verdict.as_str(), user.code))
        .collect();
    let unreached = outcome.users.iter().any(|user| user.verdict == BatchVerdict::Pending);
    answer(&json!({
        "kind": "run",
        "batch": batch.id,
        "action": batch.action,
        "at": Timestamp::from_micros(batch.created_at),
        "actor": { "pk": batch.actor_id, "username": batch.actor_name },
        "complete": !unreached,
        "undoes": batch.undoes,
        "undone_by": outcome.undone_by,
        "done": done,
        "not_done": users.len() - done,
        "users": users,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: Value) -> std::result::Result<Request, String> {
        let Value::Object(body) = body else { unreachable!() };
        Request::parse(body)
    }

    #[test]
    fn what_is_not_understood_is_refused_and_named() {
        for (body, refusal) in [
            (json!({}), "action: is required"),
            (json!({"action": "delete", "ids": []}), "action: unknown action \"delete\""),
            (json!({"action": 1, "ids": []}), "action: must be a string"),
            (json!({"action": "deactivate"}), "ids, filter: exactly one is required"),
            (
                json!({"action": "deactivate", "ids": [], "filter": {}}),
                "ids, filter: exactly one is required",
            ),
            (json!({"action": "deactivate", "ids": 1}), "ids: must be an array"),
            (json!({"action": "deactivate", "ids": [1, "2"]}), "ids[1]: must be a whole number"),
            (json!({"action": "deactivate", "ids": [1.5]}), "ids[0]: must be a whole number"),
            (json!({"action": "deactivate", "filter": []}), "filter: must be an object"),
            (json!({"action": "deactivate", "filter": {"limit": 5}}), "filter.limit: unknown member"),
            (json!({"action": "deactivate", "filter": {"x": 5}}), "filter.x: unknown member"),
            (json!({"action": "deactivate", "ids": [], "preview": 1}), "preview: must be true or false"),
            (json!({"action": "deactivate", "ids": [], "dry_run": true}), "dry_run: unknown member"),
        ] {
            assert_eq!(parse(body.clone()).err().as_deref(), Some(refusal), "{body}");
        }
        for body in [
            json!({"action": "give_staff", "filter": {}, "preview": true}),
            json!({"action": "give_staff", "ids": null, "filter": {"limit": null}, "preview": true}),
            json!({"action": "give_staff", "ids": [1], "filter": null, "preview": true}),
        ] {
            assert!(parse(body).unwrap().is_preview);
        }
        assert!(!parse(json!({"action": "give_staff", "ids": [1], "preview": null})).unwrap().is_preview);
    }
}
