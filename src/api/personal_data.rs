//! `/v1/account/data` and `/v1/users/{pk}/data`: all that is stored about a person.

use rocket::get;

use super::users::{Id, Routed};
use crate::http::guards::{AcceptsJson, MayRevealOnce, OnlyHeaders};
use crate::http::personal_data::PersonalFileAnswer;
use crate::model::error::{Error, Result};
use crate::model::permission::{ManageUsers, SignedIn};
use crate::model::rules::Denial;
use crate::operations::{Can, personal_data};

/// The caller's.
#[get("/account/data")]
pub(super) async fn own(_accepts: AcceptsJson, can: Can<SignedIn>) -> Result<PersonalFileAnswer> {
    personal_data::own(&can).await.map(PersonalFileAnswer)
}

/// That of a user, which is recorded; not for a page of another site, which could otherwise have a browser do it.
#[get("/users/<id>/data")]
pub(super) async fn of_user(
    _routed: Routed<Id>,
    id: Id,
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    only_headers: OnlyHeaders,
    is_asked: MayRevealOnce,
) -> Result<PersonalFileAnswer> {
    let file = match (only_headers.0, is_asked.0) {
        (true, _) => personal_data::of_user(&can, id.0).await?,
        (false, true) => personal_data::take(&can, id.0).await?,
        (false, false) => return Err(Error::Forbidden(Denial::CrossSite)),
    };
    Ok(PersonalFileAnswer(file))
}
