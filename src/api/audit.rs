//! `/v1/audit`.

use rocket::response::content::RawJson;
use rocket::{get, post};
use serde::Serialize;
use serde_json::Value;

use super::body::JsonBody;
use super::list::{Records, put};
use super::users::{Id, Routed};
use crate::http::guards::AcceptsJson;
use crate::model::audit::{Entries, EntryId, ListedEntry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::filter::ListRequest;
use crate::model::permission::ManageUsers;
use crate::operations::{Can, audit, lists};

/// A user, with the name of that moment.
#[derive(Serialize)]
struct Person<'a> {
    pk: i64,
    username: &'a str,
}

/// An entry as clients see it.
#[derive(Serialize)]
struct Record<'a> {
    id: i64,
    at: Timestamp,
    action: &'a str,
    actor: Option<Person<'a>>,
    target: Option<Person<'a>>,
    changes: Value,
    details: Value,
    door: &'a str,
    address: &'a str,
    request_id: &'a str,
    batch: Option<i64>,
    undoes: Option<i64>,
    undone_by: Option<i64>,
}

impl<'a> From<&'a ListedEntry> for Record<'a> {
    fn from(told: &'a ListedEntry) -> Self {
        let entry = &told.entry;
        let person = |pk: Option<i64>, username: &'a str| pk.map(|pk| Person { pk, username });
        Self {
            id: entry.id,
            at: Timestamp::from_micros(entry.happened_at),
            action: &entry.action,
            actor: person(entry.actor_id, &entry.actor_name),
            target: person(entry.target_id, &entry.target_name),
            changes: told.changes().into(),
            details: told.details().into(),
            door: &entry.door,
            address: &entry.address,
            request_id: &entry.request_id,
            batch: entry.batch_id,
            undoes: entry.undoes,
            undone_by: told.undone_by,
        }
    }
}

fn print(told: &ListedEntry, json: &mut Vec<u8>) {
    put(&Record::from(told), json);
}

/// Lists entries: a page of them, or all, streamed.
#[post("/audit/list", data = "<body>")]
pub(super) async fn list(
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    body: JsonBody,
) -> Result<Records<Entries>> {
    let request = ListRequest::parse(body.0).map_err(Error::Malformed)?;
    let list = lists::begin(&can, &request).await?;
    Ok(Records { can, request, list, print })
}

/// Gets an entry.
#[get("/audit/<id>")]
pub(super) async fn retrieve(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
) -> Result<RawJson<Vec<u8>>> {
    let told = audit::get(&can, EntryId(id.number())).await?;
    let mut json = Vec::new();
    print(&told, &mut json);
    Ok(RawJson(json))
}
