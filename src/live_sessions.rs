//! The live sessions of a user: seen and ended by themselves and by staff.
//!
//! A session that is ended is a row that is deleted, with its entry in the same transaction; whoever
//! carries it is a stranger at the next request. API tokens are sessions, too.

use crate::Usher;
use crate::accounts::Changed;
use crate::audit::{self, Action, Author, Entry};
use crate::clock::Timestamp;
use crate::db::{self, Tx};
use crate::error::{Error, Result};
use crate::permission::{Can, ManageUsers, Permission, SignedIn};
use crate::session::{Carrier, LiveSession, SessionId};
use crate::sessions;
use crate::user::{User, UserId};

/// One's own sessions, the latest first.
///
/// # Errors
/// As the database says.
pub async fn own(app: &Usher, can: &Can<SignedIn>) -> Result<Vec<LiveSession>> {
    live(app, can, can.user().id).await
}

/// The sessions of a user, the latest first.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] for those of a superuser.
pub async fn of_user(app: &Usher, can: &Can<ManageUsers>, id: UserId) -> Result<Vec<LiveSession>> {
    let user = db::users::by_id(&app.db, id).await?.ok_or(Error::NotFound)?;
    app.settings.rules().may_touch(can.user(), &user)?;
    live(app, can, id).await
}

async fn live<P: Permission>(app: &Usher, can: &Can<P>, id: UserId) -> Result<Vec<LiveSession>> {
    let now = app.clock.now();
    let mut sessions =
        db::sessions::live_of_user(&app.db, id, now, now.minus(app.settings.session_idle())).await?;
    for session in &mut sessions {
        session.current = session.id == can.session().id;
    }
    Ok(sessions)
}

/// Ends one of one's own sessions.
///
/// # Errors
/// [`Error::NoSuchPath`] for any other session, whether or not there is one.
pub async fn end_own(app: &Usher, can: &Can<SignedIn>, session: SessionId) -> Result<LiveSession> {
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        sessions::require_open(&mut tx, can).await?;
        let ended = end_one(&mut tx, can.author(), can.user(), session, app.clock.now()).await?;
        tx.commit().await?;
        Ok(ended)
    })
    .await
}

/// Ends all of one's own sessions but the one that asks; how many there were.
///
/// # Errors
/// As the database says.
pub async fn end_own_others(app: &Usher, can: &Can<SignedIn>) -> Result<u64> {
    let user = can.user();
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        sessions::require_open(&mut tx, can).await?;
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

/// Ends one session of a user.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] for that of a superuser, [`Error::NoSuchPath`] if the user
/// has no such session.
pub async fn end_of_user(
    app: &Usher,
    can: &Can<ManageUsers>,
    id: UserId,
    session: SessionId,
) -> Result<LiveSession> {
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let user = touched(app, can, &mut tx, id).await?;
        let ended = end_one(&mut tx, can.author(), &user, session, app.clock.now()).await?;
        tx.commit().await?;
        Ok(ended)
    })
    .await
}

/// Signs a user out everywhere.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] for a superuser.
pub async fn end_all_of_user(app: &Usher, can: &Can<ManageUsers>, id: UserId) -> Result<Changed> {
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let user = touched(app, can, &mut tx, id).await?;
        let sessions_ended = sessions::end_all(&mut tx, id).await?;
        if sessions_ended == 0 {
            return Ok(Changed { user, entry: None, sessions_ended });
        }
        let entry = Entry::new(Action::SessionsEnded, can.author()).on(&user);
        let entry = entry.detail("sessions_ended", sessions_ended);
        let entry = audit::record(&mut tx, &entry, app.clock.now()).await?;
        tx.commit().await?;
        Ok(Changed { user, entry: Some(entry), sessions_ended })
    })
    .await
}

/// The user, locked, if the actor may do something about them.
async fn touched(app: &Usher, can: &Can<ManageUsers>, tx: &mut Tx, id: UserId) -> Result<User> {
    let user = db::users::lock(tx, id).await?.ok_or(Error::NotFound)?.user;
    sessions::require_open(tx, can).await?;
    app.settings.rules().may_touch(can.user(), &user)?;
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
    let entry = match session.carrier {
        Carrier::Named => Entry::new(Action::TokenRevoked, author).detail("name", session.name.as_str()),
        Carrier::Cookie | Carrier::Token => {
            Entry::new(Action::SessionEnded, author).detail("device", session.device.as_str())
        }
    };
    let entry = entry.on(user).detail("by", session.carrier.as_str()).detail("session", id.0);
    audit::record(tx, &entry, now).await?;
    Ok(session)
}
