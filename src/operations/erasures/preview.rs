//! What an erasure would remove, and what stays.

use crate::db;
use crate::db::erasures::Counts;
use crate::model::error::{Error, Result};
use crate::model::permission::IsSuperuser;
use crate::model::user::UserId;
use crate::operations::Can;

/// How much there is of a user.
pub type Preview = Counts;

/// What there is of a user at this moment.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn preview(can: &Can<IsSuperuser>, id: UserId) -> Result<Preview> {
    db::erasures::counts(&can.app().db, id).await?.ok_or(Error::NotFound)
}
