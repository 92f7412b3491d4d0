//! `/scim/v2/Users`.

use rocket::http::{Header, Status};
use rocket::request::Request;
use rocket::response::{self, Responder, Response};
use rocket::{delete, get, patch, post, put};
use serde_json::{Map, Value, json};

use super::error::{Failure, Kind, Refusal, Result};
use super::filter::{self, Fault};
use super::request::{AcceptsScim, Attributes, Body, IfMatch, IfNoneMatch, Query, Search, etag};
use super::resource::{Asked, Selection, write};
use super::{BASE, answer, patch as operations, search as searching};
use crate::model::error::Error;
use crate::model::filter::Filter;
use crate::model::permission::ManageUsers;
use crate::model::user::UserId;
use crate::operations::Can;
use crate::operations::provisioning::external_ids::ExternalId;
use crate::operations::provisioning::{self, Pagination, Provisioned};

/// The schema of lists.
pub(super) const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// What the addresses of resources begin with. What a request says about the host is never believed.
pub(super) fn base<P: crate::model::permission::Permission>(can: &Can<P>) -> String {
    format!("{}{BASE}", can.app().base)
}

/// One user as an answer.
pub(super) struct One {
    status: Status,
    version: i64,
    location: String,
    /// None where the client has it already.
    body: Option<Map<String, Value>>,
}

impl One {
    fn new(can: &Can<ManageUsers>, provisioned: &Provisioned, selection: &Selection) -> Self {
        let base = base(can);
        Self {
            status: Status::Ok,
            version: provisioned.user.version,
            location: format!("{base}/Users/{}", provisioned.user.id),
            body: Some(selection.of(write(provisioned, &base))),
        }
    }
}

impl<'r> Responder<'r, 'static> for One {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let mut response = match self.body {
            Some(body) => answer(self.status, &body.into()),
            None => Response::build().status(Status::NotModified).finalize(),
        };
        if self.status == Status::Created {
            response.set_header(Header::new("Location", self.location));
        }
        response.set_header(etag(self.version));
        Ok(response)
    }
}

/// Many users as an answer.
pub(super) struct Many(Value);

impl<'r> Responder<'r, 'static> for Many {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Ok(answer(Status::Ok, &self.0))
    }
}

fn id(text: &str) -> Result<UserId> {
    searching::id(text).ok_or(Failure::Error(Error::NotFound))
}

/// Lists users, as the address says.
#[get("/Users?<query..>")]
pub(super) async fn list(_accepts: AcceptsScim, can: Can<ManageUsers>, query: Query<'_>) -> Result<Many> {
    find(&can, Search::of_query(&query)?).await
}

/// Lists users, as the body says.
#[post("/Users/.search", data = "<body>")]
pub(super) async fn search(_accepts: AcceptsScim, can: Can<ManageUsers>, body: Body) -> Result<Many> {
    find(&can, Search::of_body(&body.0)?).await
}

/// The same, for all types of resources, of which there is one.
#[post("/.search", data = "<body>")]
pub(super) async fn search_all(_accepts: AcceptsScim, can: Can<ManageUsers>, body: Body) -> Result<Many> {
    find(&can, Search::of_body(&body.0)?).await
}

async fn find(can: &Can<ManageUsers>, search: Search) -> Result<Many> {
    let mut filter = Filter {
        order_by: searching::order(search.sort_by.as_deref(), search.sort_order.as_deref())?,
        ..Filter::default()
    };
    if let Some(text) = &search.filter {
        let asked = filter::parse(text).map_err(|Fault(reason)| Refusal::new(Kind::InvalidFilter, reason))?;
        let called = provisioning::users_called(can, &searching::external_ids(&asked)).await?;
        filter.expressions.push(searching::expression(&asked, &called)?);
    }
    let listed = match provisioning::list(can, filter, &search.pagination, search.count).await {
        Err(Error::Malformed(reason)) => return Err(Refusal::new(Kind::InvalidFilter, reason).into()),
        listed => listed?,
    };
    let Some(listed) = listed else {
        return Err(Refusal::new(Kind::InvalidCursor, "cursor: is not one of this filter and order").into());
    };
    let base = base(can);
    let resources: Vec<Map<String, Value>> =
        listed.users.iter().map(|user| search.selection.of(write(user, &base))).collect();
    let mut body =
        json!({ "schemas": [LIST], "totalResults": listed.total, "itemsPerPage": resources.len() });
    match search.pagination {
        Pagination::Index(skipped) => body["startIndex"] = (skipped + 1).into(),
        Pagination::Cursor(_) => {
            if let Some(next) = listed.next {
                body["nextCursor"] = next.into();
            }
        }
    }
    body["Resources"] = resources.into();
    Ok(Many(body))
}

/// Makes a user.
#[post("/Users?<attributes..>", data = "<body>")]
pub(super) async fn create(
    _accepts: AcceptsScim,
    can: Can<ManageUsers>,
    attributes: Attributes<'_>,
    body: Body,
) -> Result<One> {
    let selection = attributes.selection()?;
    let (mut input, external_id) = Asked::read(&body.0)?.into_input(true);
    input.changes.is_active = input.changes.is_active.or(Some(true));
    let external_id = external_id.unwrap_or(ExternalId::NONE);
    let created = provisioning::create(&can, &input, &external_id).await?;
    Ok(One { status: Status::Created, ..One::new(&can, &created, &selection) })
}

/// Gets a user.
#[get("/Users/<id>?<attributes..>")]
pub(super) async fn retrieve(
    id: &str,
    _accepts: AcceptsScim,
    can: Can<ManageUsers>,
    attributes: Attributes<'_>,
    known: IfNoneMatch,
) -> Result<One> {
    let selection = attributes.selection()?;
    let found = provisioning::get(&can, self::id(id)?).await?;
    let one = One::new(&can, &found, &selection);
    Ok(if known.has(found.user.version) { One { body: None, ..one } } else { one })
}

/// Replaces what is stored of a user by what was sent; `active` and the password stay as they are if they were not.
#[put("/Users/<id>?<attributes..>", data = "<body>")]
pub(super) async fn replace(
    id: &str,
    _accepts: AcceptsScim,
    can: Can<ManageUsers>,
    attributes: Attributes<'_>,
    expected: IfMatch,
    body: Body,
) -> Result<One> {
    let selection = attributes.selection()?;
    let id = self::id(id)?;
    let (input, external_id) = Asked::read(&body.0)?.into_input(true);
    let replaced = provisioning::update(&can, id, &input, external_id, &expected.0).await?;
    Ok(One::new(&can, &replaced, &selection))
}

/// Changes some of what is stored of a user.
#[patch("/Users/<id>?<attributes..>", data = "<body>")]
pub(super) async fn change(
    id: &str,
    _accepts: AcceptsScim,
    can: Can<ManageUsers>,
    attributes: Attributes<'_>,
    expected: IfMatch,
    body: Body,
) -> Result<One> {
    let selection = attributes.selection()?;
    let id = self::id(id)?;
    let found = provisioning::get(&can, id).await?;
    let mut resource = write(&found, "");
    let before = Asked::read(&resource)?;
    operations::apply(&mut resource, &body.0)?;
    // Only what the operations change: what other clients change meanwhile stays.
    let (input, external_id) = Asked::read(&resource)?.since(&before).into_input(false);
    let changed = provisioning::update(&can, id, &input, external_id, &expected.0).await?;
    Ok(One::new(&can, &changed, &selection))
}

/// Deactivates a user, who is not shown any more.
#[delete("/Users/<id>")]
pub(super) async fn delete(
    id: &str,
    _accepts: AcceptsScim,
    can: Can<ManageUsers>,
    expected: IfMatch,
) -> Result<Status> {
    provisioning::delete(&can, self::id(id)?, &expected.0).await?;
    Ok(Status::NoContent)
}
