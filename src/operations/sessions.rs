//! The live sessions of a user: seen and ended by themselves and by staff.
//!
//! A session that is ended is a row that is deleted, with its audit entry in the same transaction; its
//! credentials are refused at the next request. API tokens are sessions, too.

use std::collections::HashSet;

use crate::db::users::Credentials;
use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{AuthenticationFailure, Error, Result};
use crate::model::permission::{ManageUsers, Permission, SignedIn};
use crate::model::presence;
use crate::model::session::{Credential, LiveSession, SessionId};
use crate::model::update::Update;
use crate::model::user::{User, UserId};
use crate::operations::{Can, audit, erasures, users};

/// The caller's sessions, the latest first.
pub async fn own(can: &Can<SignedIn>) -> Result<Vec<LiveSession>> {
    live(can, can.user().id).await
}

/// The sessions of a user, the latest first.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] for those of a superuser.
pub async fn of_user(can: &Can<ManageUsers>, id: UserId) -> Result<Vec<LiveSession>> {
    let app = can.app();
    let user = users::of_key(app, id).await?;
    app.settings.rules().may_touch(can.user(), &user)?;
    live(can, id).await
}

async fn live<P: Permission>(can: &Can<P>, id: UserId) -> Result<Vec<LiveSession>> {
    let app = can.app();
    let now = app.clock.now();
    let mut sessions =
        db::sessions::live_of_user(&app.db, id, now, now.minus(app.settings.session_idle())).await?;
    app.session_uses.update(&mut sessions);
    for session in &mut sessions {
        session.current = session.id == can.session().id;
    }
    Ok(sessions)
}

/// Ends one of the caller's sessions.
///
/// # Errors
/// [`Error::NoSuchPath`] for any other session, whether or not there is one; [`Error::Forbidden`] where
/// [`presence::of_ending`] asks for the caller.
pub async fn end_own(can: &Can<SignedIn>, session: SessionId) -> Result<LiveSession> {
    let app = can.app();
    require_for(can, can.user().id, Some(session))?;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        // Two sessions of the caller may end each other at the same instant: one after the other.
        lock_target(&mut tx, can, can.user().id).await?;
        let ended = end_one(&mut tx, can.author(), can.user(), session, app.clock.now()).await?;
        tx.commit().await?;
        Ok(ended)
    })
    .await
}

/// Ends all of the caller's sessions but the current one; how many there were.
///
/// # Errors
/// [`Error::Forbidden`] as [`end_own`].
pub async fn end_own_others(can: &Can<SignedIn>) -> Result<u64> {
    let app = can.app();
    require_for(can, can.user().id, None)?;
    let user = can.user();
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        lock_target(&mut tx, can, user.id).await?;
        let ended = db::sessions::delete_others(&mut tx, user.id, can.session().id).await?;
        if ended > 0 {
            let entry = Entry::new(Action::SessionsEnded, can.author()).on(user);
            let entry = entry.detail("sessions_ended", ended).detail("kept", can.session().id.0);
            audit::record(&mut tx, &entry, app.clock.now()).await?;
        }
        tx.commit().await?;
        Ok(ended)
    })
    .await
}

/// Asks for the caller before a session of their own is ended, by whichever route; `None` stands for all of them.
pub(super) fn require_for<P: Permission>(
    can: &Can<P>,
    owner: UserId,
    session: Option<SessionId>,
) -> Result<()> {
    if owner != can.user().id {
        return Ok(());
    }
    can.require(presence::of_ending(session == Some(can.session().id)), can.app().clock.now())
}

/// Ends one session of a user.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] for that of a superuser and as [`end_own`], [`Error::NoSuchPath`] if the
/// user has no such session.
pub async fn end_of_user(can: &Can<ManageUsers>, id: UserId, session: SessionId) -> Result<LiveSession> {
    let app = can.app();
    require_for(can, id, Some(session))?;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let user = touched(can, &mut tx, id).await?;
        let ended = end_one(&mut tx, can.author(), &user, session, app.clock.now()).await?;
        tx.commit().await?;
        Ok(ended)
    })
    .await
}

/// Signs a user out everywhere.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] for a superuser and as [`end_own`].
pub async fn end_all_of_user(can: &Can<ManageUsers>, id: UserId) -> Result<Update> {
    let app = can.app();
    require_for(can, id, None)?;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let user = touched(can, &mut tx, id).await?;
        let sessions_ended = end_all(&mut tx, id).await?;
        if sessions_ended == 0 {
            tx.leave().await?;
            return Ok(Update { user, entry: None, sessions_ended });
        }
        let entry = Entry::new(Action::SessionsEnded, can.author()).on(&user);
        let entry = entry.detail("sessions_ended", sessions_ended);
        let entry = audit::record(&mut tx, &entry, app.clock.now()).await?;
        tx.commit().await?;
        Ok(Update { user, entry: Some(entry), sessions_ended })
    })
    .await
}

/// The user, locked, if the actor may do something about them.
async fn touched(can: &Can<ManageUsers>, tx: &mut Tx, id: UserId) -> Result<User> {
    let user = lock_target(tx, can, id).await?.user;
    can.app().settings.rules().may_touch(can.user(), &user)?;
    Ok(user)
}

/// Ends a session, with its entry.
pub(crate) async fn end_one(
    tx: &mut Tx,
    author: Author,
    user: &User,
    id: SessionId,
    now: Timestamp,
) -> Result<LiveSession> {
    let session = db::sessions::of_user(tx, user.id, id).await?.ok_or(Error::NoSuchPath)?;
    db::sessions::delete(tx, id).await?;
    let entry = match session.credential {
        Credential::ApiToken => {
            Entry::new(Action::TokenRevoked, author).detail("name", session.name.as_str())
        }
        Credential::Cookie | Credential::Jwt => {
            Entry::new(Action::SessionEnded, author).detail("device", session.device.as_str())
        }
    };
    let entry = entry.on(user).detail("by", session.credential.as_str()).detail("session", id.0);
    audit::record(tx, &entry, now).await?;
    Ok(session)
}

/// The primary keys of a user's sessions that can still be used.
pub async fn live_of(can: &Can<ManageUsers>, user: UserId) -> Result<HashSet<i64>> {
    let app = can.app();
    let now = app.clock.now();
    let used_after = now.minus(app.settings.session_idle());
    Ok(db::sessions::live_of(&app.db, user, now, used_after).await?.into_iter().collect())
}

/// Makes sure, in the transaction of a change, that its author's session has not been ended since the request
/// was let in: it may have waited for long, as for a turn at hashing. Nor is it until the end of the transaction, and
/// its author keeps their rights until then: what takes them away waits, or was first and is seen.
///
/// A change of another user's row begins with [`lock_target`], which locks rows in an order of their own.
///
/// # Errors
/// [`Error::NotAuthenticated`], as for the next request.
pub(crate) async fn require_open<P: Permission>(tx: &mut Tx, can: &Can<P>) -> Result<()> {
    db::users::share(tx, can.user().id).await?;
    if db::sessions::lock(tx, can.session().id).await? { Ok(()) } else { Err(ended(can)) }
}

/// The user with that primary key and their hash, locked for a change by an author whose session is open, as
/// [`require_open`] says. The rows of both are locked in the order of their keys, so that two administrators who
/// change each other never wait for each other crosswise.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::NotAuthenticated`], as for the next request.
pub(crate) async fn lock_target<P: Permission>(tx: &mut Tx, can: &Can<P>, id: UserId) -> Result<Credentials> {
    if can.user().id < id {
        db::users::share(tx, can.user().id).await?;
    }
    let Some(target) = db::users::lock(tx, id).await? else {
        return Err(erasures::missing_in(tx, id).await?);
    };
    require_open(tx, can).await?;
    Ok(target)
}

/// What is said by a session that has been ended.
pub(crate) fn ended<P: Permission>(can: &Can<P>) -> Error {
    Error::NotAuthenticated(match can.session().credential {
        Credential::Cookie => AuthenticationFailure::NoCredentials,
        Credential::Jwt | Credential::ApiToken => AuthenticationFailure::TokenNotValid,
    })
}

/// Ends all sessions of a user, as part of the change that demands it.
pub(crate) async fn end_all(tx: &mut Tx, user: UserId) -> Result<u64> {
    Ok(db::sessions::delete_of_user(tx, user).await?)
}
