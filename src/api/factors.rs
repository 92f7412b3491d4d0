//! Second factors of the caller and of users. They are added in the console.

use rocket::http::Status;
use rocket::request::FromParam;
use rocket::serde::json::Json;
use rocket::{delete, get};
use serde::Deserialize;

use super::body::JsonBody;
use super::users::{Id, Routed};
use crate::http::guards::AcceptsJson;
use crate::model::error::Result;
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::permission::{IsSuperuser, ManageUsers, SignedIn};
use crate::model::raw::Raw;
use crate::model::second_factor::{FactorId, Factors};
use crate::operations::Can;
use crate::operations::factors::{self, Which};

/// A segment that can only be the primary key of a factor.
pub(super) struct Key(FactorId);

impl<'r> FromParam<'r> for Key {
    type Error = ();

    fn from_param(segment: &'r str) -> std::result::Result<Self, ()> {
        Id::from_param(segment).map(|id| Self(FactorId(id.0.0)))
    }
}

/// Why factors of a user are removed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RemovalBody {
    reason: Raw,
}

impl RemovalBody {
    fn reason(self) -> Result<String> {
        let mut errors = FieldErrors::default();
        let parse =
            |text: &str| if text.trim().is_empty() { Err(Message::Blank) } else { Ok(text.to_owned()) };
        let reason = self.reason.required_text("reason", &mut errors, parse).unwrap_or_default();
        errors.into_result()?;
        Ok(reason)
    }
}

/// The caller's factors.
#[get("/account/factors")]
pub(super) async fn own(_accepts: AcceptsJson, can: Can<SignedIn>) -> Result<Json<Factors>> {
    factors::own(&can).await.map(Json)
}

/// Removes one of the caller's.
#[delete("/account/factors/<key>")]
pub(super) async fn remove_own(
    _routed: Routed<Key, 2>,
    key: Key,
    _accepts: AcceptsJson,
    can: Can<SignedIn>,
) -> Result<Status> {
    factors::remove_own(&can, key.0).await?;
    Ok(Status::NoContent)
}

/// Those of a user.
#[get("/users/<id>/factors")]
pub(super) async fn of_user(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
) -> Result<Json<Factors>> {
    factors::of_user(&can, id.0).await.map(Json)
}

/// Removes one of a user.
#[delete("/users/<id>/factors/<key>", data = "<body>")]
pub(super) async fn remove_of(
    _routed: Routed<Id>,
    _removes: Routed<Key, 3>,
    id: Id,
    key: Key,
    _accepts: AcceptsJson,
    can: Can<IsSuperuser>,
    body: JsonBody<RemovalBody>,
) -> Result<Status> {
    factors::remove_of(&can, id.0, Which::One(key.0), &body.0.reason()?).await?;
    Ok(Status::NoContent)
}

/// Removes all of a user.
#[delete("/users/<id>/factors", data = "<body>")]
pub(super) async fn remove_all_of(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<IsSuperuser>,
    body: JsonBody<RemovalBody>,
) -> Result<Status> {
    factors::remove_of(&can, id.0, Which::All, &body.0.reason()?).await?;
    Ok(Status::NoContent)
}
