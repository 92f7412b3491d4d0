//! `/v1/audit/{entry}/undo`.

use std::convert::Infallible;

use rocket::post;
use rocket::request::FromParam;

use super::users::One;
use crate::Usher;
use crate::audit::EntryId;
use crate::error::Result;
use crate::guard::AcceptsJson;
use crate::permission::{Can, ManageUsers};
use crate::undo;

/// A segment that is the primary key of something. What is no number is nobody's.
pub(super) struct Key(pub(super) i64);

impl<'r> FromParam<'r> for Key {
    type Error = Infallible;

    fn from_param(segment: &'r str) -> std::result::Result<Self, Infallible> {
        let digits = segment.bytes().all(|byte| byte.is_ascii_digit());
        Ok(Self(segment.parse().ok().filter(|_| digits).unwrap_or(0)))
    }
}

/// Takes back what an entry of the trail tells of.
#[post("/audit/<id>/undo")]
pub(super) async fn take_back(
    _accepts: AcceptsJson,
    can: Can<ManageUsers>,
    app: &Usher,
    id: Key,
) -> Result<One> {
    Ok(One::new(undo::undo(app, &can, EntryId(id.0)).await?.user))
}
