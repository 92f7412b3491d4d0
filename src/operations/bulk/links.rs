//! Links by mail to many who have no password.

use super::run::Done;
use crate::db;
use crate::model::audit::{Action, BatchId, Entry};
use crate::model::bulk::{HAS_PASSWORD, INACTIVE, NO_ADDRESS, NO_MAIL};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::link::LinkPurpose;
use crate::model::permission::ManageUsers;
use crate::model::presence;
use crate::model::user::UserId;
use crate::operations::password_links::{self, NewLink};
use crate::operations::{Can, addresses, sessions};

/// Sends a user who has no password a link by mail, as a part of a run on many; older links end.
///
/// # Errors
/// As [`password_links::make`].
pub(super) async fn send_link(
    can: &Can<ManageUsers>,
    batch: BatchId,
    id: UserId,
    asked_at: Timestamp,
) -> Result<Done> {
    let app = can.app();
    let made = db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let found = sessions::lock_target(&mut tx, can, id).await?;
        app.settings.rules().may_touch(can.user(), &found.user)?;
        can.require(presence::of_credential(can.user().id, &found.user), asked_at)?;
        if found.password.is_usable() {
            return Ok(Err(HAS_PASSWORD));
        }
        if !found.user.is_active {
            return Ok(Err(INACTIVE));
        }
        if addresses::of(app, &mut tx, &found.user).await?.is_empty() {
            return Ok(Err(NO_ADDRESS));
        }
        let first = found.user.password_changed_at.is_none();
        let purpose = if first { LinkPurpose::Setup } else { LinkPurpose::Reset };
        db::links::delete_of_user(&mut tx, id).await?;
        let entry = Entry { batch_id: Some(batch), ..Entry::new(Action::LinkMade, can.author()) };
        let new = NewLink { purpose, made_by: Some(can.user().id), reveal_to: None, entry };
        let stored = password_links::insert(app, &mut tx, &found.user, &new, now).await?;
        if !stored.is_mailed() {
            return Ok(Err(NO_MAIL));
        }
        db::batches::set_done(&mut tx, batch, id, stored.entry).await?;
        tx.commit().await?;
        Ok(Ok((found.user, stored)))
    })
    .await?;
    Ok(made.map(|(user, stored)| {
        let entry = stored.entry;
        password_links::finish(app, user, stored);
        entry
    }))
}
