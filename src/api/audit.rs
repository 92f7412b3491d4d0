//! `/v1/audit`.

use rocket::response::content::RawJson;
use rocket::{get, post};

use super::body::JsonBody;
use super::list::{NextPage, Records, put};
use super::users::{Id, Routed};
use crate::http::guards::AcceptsJson;
use crate::model::audit::{EntryId, EntryRecord, ListedEntry};
use crate::model::error::Result;
use crate::model::permission::ManageUsers;
use crate::operations::{Can, audit};

fn print(told: &ListedEntry, json: &mut Vec<u8>) {
    put(&EntryRecord::from(told), json);
}

/// Lists entries: a page of them, or all, streamed.
#[post("/audit/list", data = "<body>")]
pub(super) async fn list(
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    body: JsonBody,
) -> Result<Records<ListedEntry>> {
    Records::listed(can, body.0, print).await
}

/// The page of a list that the link of the page before leads to.
#[get("/audit/list/next")]
pub(super) async fn list_next(
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    page: NextPage,
) -> Result<Records<ListedEntry>> {
    Records::listed(can, page.0, print).await
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
