//! `/v1/users/{pk}/erase`.

use rocket::http::Status;
use rocket::response::status::Custom;
use rocket::serde::json::Json;
use rocket::{delete, get, post};
use serde::{Deserialize, Serialize};

use super::body::JsonBody;
use super::users::{Id, Routed};
use crate::http::guards::AcceptsJson;
use crate::model::clock::Timestamp;
use crate::model::erasure::{Erasure, NameAfter};
use crate::model::error::Result;
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::permission::{IsSuperuser, ManageUsers};
use crate::model::raw::Raw;
use crate::operations::Can;
use crate::operations::erasures::{self, NAME_AFTER, TYPED};

/// What the body has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RequestBody {
    confirm_username: Raw,
    username_after: Raw,
}

/// An erasure as an answer.
#[derive(Debug, Serialize)]
pub(super) struct ErasureRecord {
    user: i64,
    requested_at: Timestamp,
    requested_by: Option<i64>,
    due_at: Timestamp,
    username_after: NameAfter,
    erased_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl From<Erasure> for ErasureRecord {
    fn from(erasure: Erasure) -> Self {
        Self {
            user: erasure.user.0,
            requested_at: erasure.requested_at,
            requested_by: erasure.requested_by.map(|user| user.0),
            due_at: erasure.due_at,
            username_after: erasure.username_after,
            erased_at: erasure.erased_at,
            finished_at: erasure.finished_at,
        }
    }
}

/// Has a user erased.
#[post("/users/<id>/erase", data = "<body>")]
pub(super) async fn request(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<IsSuperuser>,
    body: JsonBody<RequestBody>,
) -> Result<Custom<Json<ErasureRecord>>> {
    let mut errors = FieldErrors::default();
    let typed = body.0.confirm_username.required_text(TYPED, &mut errors, |text| Ok(text.to_owned()));
    let parse =
        |text: &str| NameAfter::named(text).ok_or_else(|| Message::from("Must be \"free\" or \"block\"."));
    let after = body.0.username_after.required_text(NAME_AFTER, &mut errors, parse);
    errors.into_result()?;
    let (typed, after) = (typed.unwrap_or_default(), after.unwrap_or(NameAfter::Free));
    let erasure = erasures::request(&can, id.0, &typed, after).await?;
    Ok(Custom(Status::Accepted, Json(erasure.into())))
}

/// The erasure of a user, waiting or carried out.
#[get("/users/<id>/erase")]
pub(super) async fn retrieve(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
) -> Result<Json<ErasureRecord>> {
    Ok(Json(erasures::get(&can, id.0).await?.into()))
}

/// Cancels an erasure that is not carried out yet.
#[delete("/users/<id>/erase")]
pub(super) async fn cancel(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<IsSuperuser>,
) -> Result<Status> {
    erasures::cancel(&can, id.0).await?;
    Ok(Status::NoContent)
}
