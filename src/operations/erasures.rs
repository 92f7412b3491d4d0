//! Erasing a person: asked for by a superuser, cancelled until it is due, then carried out.
//!
//! From the request on the account is deactivated. When the erasure is due, the row of the user goes with everything that
//! hangs on it; what is left has the primary key and no value of the person, and no operation finds a user there to change.

mod carrying_out;
mod list;
mod names;
mod preview;

use std::time::Duration;

pub use self::carrying_out::{carry_out, carry_out_due};
pub use self::list::{keep_list, reapply};
pub(super) use self::names::{any_blocked_in, blocked, is_blocked, refuse_blocked_in};
pub use self::preview::{Preview, preview};
use crate::db::{self, Tx};
use crate::model::audit::{Action, Entry, EntryId};
use crate::model::erasure::{Erasure, NameAfter};
use crate::model::error::{Error, Result};
use crate::model::permission::{IsSuperuser, ManageUsers};
use crate::model::presence::{self, Presence};
use crate::model::rules::Conflict;
use crate::model::user::{User, UserId};
use crate::operations::{App, Can, audit, sessions};

/// The field in which the user name is typed.
pub const TYPED: &str = "confirm_username";
/// The field that says what becomes of it.
pub const NAME_AFTER: &str = "username_after";

/// Why there is no user of that key: there never was one, or they were erased.
pub(super) async fn missing(app: &App, id: UserId) -> Result<Error> {
    let erasure = db::erasures::get(&app.db, id).await?;
    Ok(reason(erasure.as_ref()))
}

/// The same, within a transaction.
pub(super) async fn missing_in(tx: &mut Tx, id: UserId) -> Result<Error> {
    let erasure = db::erasures::lock(tx, id).await?;
    Ok(reason(erasure.as_ref()))
}

fn reason(erasure: Option<&Erasure>) -> Error {
    match erasure {
        Some(Erasure { erased_at: Some(_), .. }) => Error::Conflict(Conflict::Erased),
        _ => Error::NotFound,
    }
}

/// For what would let a user in again, whose row is locked.
///
/// # Errors
/// [`Error::Conflict`] if the user is to be erased.
pub(super) async fn refuse_pending(tx: &mut Tx, id: UserId) -> Result<()> {
    match db::erasures::lock(tx, id).await? {
        Some(_) => Err(Error::Conflict(Conflict::ErasurePending)),
        None => Ok(()),
    }
}

/// The erasure of a user, waiting or carried out.
///
/// # Errors
/// [`Error::NotFound`] without such a user; [`Error::NoSuchPath`] without an erasure.
pub async fn get(can: &Can<ManageUsers>, id: UserId) -> Result<Erasure> {
    match find(can, id).await? {
        Some(erasure) => Ok(erasure),
        None if db::users::by_id(&can.app().db, id).await?.is_some() => Err(Error::NoSuchPath),
        None => Err(Error::NotFound),
    }
}

/// The same; `None` if there is none.
pub async fn find(can: &Can<ManageUsers>, id: UserId) -> Result<Option<Erasure>> {
    Ok(db::erasures::get(&can.app().db, id).await?)
}

/// Has a user erased when the time that the settings say is over. The account is deactivated at once. `typed` is the user
/// name, as the caller typed it.
///
/// # Errors
/// [`Error::Forbidden`] by an API token, or without a confirmed password; [`Error::Invalid`] if another name was typed;
/// [`Error::Conflict`] for the caller, the last superuser, and for a user who is to be erased already or was;
/// [`Error::NotFound`].
pub async fn request(can: &Can<IsSuperuser>, id: UserId, typed: &str, after: NameAfter) -> Result<Erasure> {
    let app = can.app();
    can.require(Presence::Always, app.clock.now())?;
    let erasure = db::retrying(|| store(can, id, typed, after)).await?;
    if erasure.due_at > app.clock.now() {
        return Ok(erasure);
    }
    // Whatever is left of a long history is done by the next clean-up.
    carry_out(&app.detached(), id).await?;
    Ok(db::erasures::get(&app.db, id).await?.unwrap_or(erasure))
}

async fn store(
    can: &Can<IsSuperuser>,
    id: UserId,
    typed: &str,
    username_after: NameAfter,
) -> Result<Erasure> {
    let app = can.app();
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let before = sessions::lock_target(&mut tx, can, id).await?.user;
    if id == can.user().id {
        return Err(Error::Conflict(Conflict::ErasesSelf));
    }
    refuse_pending(&mut tx, id).await?;
    if typed != before.username.as_str() {
        return Err(Error::invalid(TYPED, "This is not the username of the user to erase."));
    }
    let mut after = User { is_active: false, ..before.clone() };
    after.count_edit(now);
    db::users::edit(&mut tx, &before, &after).await?;
    let sessions_ended = sessions::end_all(&mut tx, id).await?;
    db::links::delete_of_user(&mut tx, id).await?;
    db::links::delete_made_by(&mut tx, id).await?;
    let wait = Duration::from_hours(app.settings.erasure_days.saturating_mul(24));
    let erasure = Erasure {
        user: id,
        requested_at: now,
        requested_by: Some(can.user().id),
        due_at: now.plus(wait),
        username_after,
        was_active: before.is_active,
        date_joined: before.date_joined,
        version: after.version,
        erased_at: None,
        last_entry: EntryId(0),
        finished_at: None,
    };
    db::erasures::insert(&mut tx, &erasure).await?;
    let entry = Entry::new(Action::ErasureRequested, can.author())
        .on(&before)
        .changing(&before, &after)
        .detail("due_at", erasure.due_at.to_string())
        .detail("blocks_username", username_after == NameAfter::Block)
        .detail("sessions_ended", sessions_ended);
    audit::record(&mut tx, &entry, now).await?;
    tx.commit().await?;
    Ok(erasure)
}

/// Cancels an erasure that is not carried out yet. An account that was active before is active again.
///
/// # Errors
/// [`Error::Forbidden`] where the account's reactivation asks for a confirmed password; [`Error::Conflict`] if the user
/// was erased; [`Error::NoSuchPath`] without an erasure; [`Error::NotFound`].
pub async fn cancel(can: &Can<IsSuperuser>, id: UserId) -> Result<User> {
    let (app, asked_at) = (can.app(), can.app().clock.now());
    db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let before = sessions::lock_target(&mut tx, can, id).await?.user;
        let erasure = db::erasures::lock(&mut tx, id).await?.ok_or(Error::NoSuchPath)?;
        let mut after = before.clone();
        after.is_active |= erasure.was_active;
        can.require(presence::of_change(can.user().id, &before, &after, false), asked_at)?;
        after.is_deprovisioned &= !after.is_active;
        after.count_edit(now);
        db::users::edit(&mut tx, &before, &after).await?;
        db::erasures::delete(&mut tx, id).await?;
        let entry = Entry::new(Action::ErasureCancelled, can.author()).on(&before).changing(&before, &after);
        audit::record(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(after)
    })
    .await
}
