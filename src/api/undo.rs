//! `/v1/audit/{entry}/undo`.

use std::convert::Infallible;

use rocket::post;
use rocket::request::FromParam;

use super::users::One;
use crate::http::guards::AcceptsJson;
use crate::model::audit::EntryId;
use crate::model::error::Result;
use crate::model::permission::ManageUsers;
use crate::operations::{Can, undo};

/// A segment that is a primary key. What is no number fits no route.
pub(super) struct Key(pub(super) i64);

impl<'r> FromParam<'r> for Key {
    type Error = Infallible;

    fn from_param(segment: &'r str) -> std::result::Result<Self, Infallible> {
        let digits = segment.bytes().all(|byte| byte.is_ascii_digit());
        Ok(Self(segment.parse().ok().filter(|_| digits).unwrap_or(0)))
    }
}

/// Takes back what an audit entry records.
#[post("/audit/<id>/undo")]
pub(super) async fn take_back(_accepts: AcceptsJson, can: Can<ManageUsers>, id: Key) -> Result<One> {
    Ok(One::new(undo::undo(&can, EntryId(id.0)).await?.user))
}
