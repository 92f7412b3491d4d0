//! Named API tokens, of the caller and, for superusers, of users.

use rocket::http::Status;
use rocket::response::status;
use rocket::serde::json::Json;
use rocket::{delete, get, post};

use super::body::JsonBody;
use super::sessions::Key;
use super::users::{Id, Routed};
use crate::http::guards::AcceptsJson;
use crate::model::error::Result;
use crate::model::permission::{IsSuperuser, SignedIn};
use crate::operations::Can;
use crate::operations::api_tokens::{self, ApiToken, MadeToken, TokenRequest};

/// A new token, with 201.
type Made = status::Custom<Json<MadeToken>>;

const fn made(token: MadeToken) -> Made {
    status::Custom(Status::Created, Json(token))
}

/// The caller's tokens.
#[get("/account/tokens")]
pub(super) async fn own(_accepts: AcceptsJson, can: Can<SignedIn>) -> Result<Json<Vec<ApiToken>>> {
    api_tokens::own(&can).await.map(Json)
}

/// Makes one for the caller.
#[post("/account/tokens", data = "<body>")]
pub(super) async fn make_own(
    _accepts: AcceptsJson,
    can: Can<SignedIn>,
    body: JsonBody<TokenRequest>,
) -> Result<Made> {
    api_tokens::make_own(&can, &body.0.into_input(&can.app().settings)).await.map(made)
}

/// Revokes one of the caller's tokens.
#[delete("/account/tokens/<key>")]
pub(super) async fn revoke_own(
    _routed: Routed<Key, 2>,
    key: Key,
    _accepts: AcceptsJson,
    can: Can<SignedIn>,
) -> Result<Status> {
    api_tokens::revoke_own(&can, key.0).await?;
    Ok(Status::NoContent)
}

/// Those of a user.
#[get("/users/<id>/tokens")]
pub(super) async fn of_user(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<IsSuperuser>,
) -> Result<Json<Vec<ApiToken>>> {
    api_tokens::of_user(&can, id.0).await.map(Json)
}

/// Makes one for a user.
#[post("/users/<id>/tokens", data = "<body>")]
pub(super) async fn make_for(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<IsSuperuser>,
    body: JsonBody<TokenRequest>,
) -> Result<Made> {
    api_tokens::make_for(&can, id.0, &body.0.into_input(&can.app().settings)).await.map(made)
}

/// Revokes one of a user.
#[delete("/users/<id>/tokens/<key>")]
pub(super) async fn revoke_of(
    _routed: Routed<Id>,
    _revokes: Routed<Key, 3>,
    id: Id,
    key: Key,
    _accepts: AcceptsJson,
    can: Can<IsSuperuser>,
) -> Result<Status> {
    api_tokens::revoke_of(&can, id.0, key.0).await?;
    Ok(Status::NoContent)
}
