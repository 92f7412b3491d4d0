//! The live sessions of the caller and of users.

use rocket::http::Status;
use rocket::request::FromParam;
use rocket::serde::json::Json;
use rocket::{delete, get};

use super::users::{Id, Routed};
use crate::http::guards::AcceptsJson;
use crate::model::error::Result;
use crate::model::permission::{ManageUsers, SignedIn};
use crate::model::session::{LiveSession, SessionId};
use crate::operations::{Can, sessions};

/// A segment that can only be the primary key of a session.
pub(super) struct Key(pub(super) SessionId);

impl<'r> FromParam<'r> for Key {
    type Error = ();

    fn from_param(segment: &'r str) -> std::result::Result<Self, ()> {
        Id::from_param(segment).map(|id| Self(SessionId(id.0.0)))
    }
}

/// The caller's sessions.
#[get("/account/sessions")]
pub(super) async fn own(_accepts: AcceptsJson, can: Can<SignedIn>) -> Result<Json<Vec<LiveSession>>> {
    sessions::own(&can).await.map(Json)
}

/// Ends one of the caller's sessions.
#[delete("/account/sessions/<key>")]
pub(super) async fn end_own(
    _routed: Routed<Key, 2>,
    key: Key,
    _accepts: AcceptsJson,
    can: Can<SignedIn>,
) -> Result<Status> {
    sessions::end_own(&can, key.0).await?;
    Ok(Status::NoContent)
}

/// Ends all of the caller's sessions but the current one.
#[delete("/account/sessions")]
pub(super) async fn end_own_others(_accepts: AcceptsJson, can: Can<SignedIn>) -> Result<Status> {
    sessions::end_own_others(&can).await?;
    Ok(Status::NoContent)
}

/// Those of a user.
#[get("/users/<id>/sessions")]
pub(super) async fn of_user(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
) -> Result<Json<Vec<LiveSession>>> {
    sessions::of_user(&can, id.0).await.map(Json)
}

/// Ends one of a user.
#[delete("/users/<id>/sessions/<key>")]
pub(super) async fn end_of_user(
    _routed: Routed<Id>,
    _ends: Routed<Key, 3>,
    id: Id,
    key: Key,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
) -> Result<Status> {
    sessions::end_of_user(&can, id.0, key.0).await?;
    Ok(Status::NoContent)
}

/// Signs a user out everywhere.
#[delete("/users/<id>/sessions")]
pub(super) async fn end_all_of_user(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
) -> Result<Status> {
    sessions::end_all_of_user(&can, id.0).await?;
    Ok(Status::NoContent)
}
