//! Ends what failed sign-ins have brought about for an account, before it ends by itself.

use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::permission::IsSuperuser;
use crate::model::presence::{self, Presence};
use crate::model::throttle::Key;
use crate::model::user::{User, UserId};
use crate::operations::{Can, audit, sessions, users};

/// An account that is unlocked.
#[derive(Debug)]
pub struct Unlocked {
    /// Whose.
    pub user: User,
    /// The failures in a row that are forgotten.
    pub failures: i64,
}

/// Unlocks an account. The caller's own is unlocked with the password only: else a stolen session could guess it
/// without end.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`] where [`presence::of_credential`] asks for the caller.
pub async fn account(can: &Can<IsSuperuser>, id: UserId) -> Result<Unlocked> {
    let app = can.app();
    let user = users::of_key(app, id).await?;
    // Without the password no credential guesses codes without end: it would have the account unlocked in between.
    let codes = db::throttles::get(&app.db, &Key::codes_of(user.id)).await?;
    let asked =
        if codes.is_some() { Presence::Always } else { presence::of_credential(can.user().id, &user) };
    can.require(asked, app.clock.now())?;
    let failures = db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        sessions::require_open(&mut tx, can).await?;
        let failures = forget(&mut tx, &user, can.author(), app.clock.now()).await?;
        tx.commit().await?;
        Ok(failures)
    })
    .await?;
    Ok(Unlocked { user, failures })
}

/// Forgets all counters of an account, with an entry if there was anything to forget.
pub(crate) async fn forget(tx: &mut Tx, user: &User, author: Author, now: Timestamp) -> Result<i64> {
    let key = Key::account(user.username.key());
    db::throttles::lock(tx, &key).await?;
    let failures = db::throttles::failures_of_account(tx, &key).await?;
    db::throttles::delete_of_account(tx, &key).await?;
    let codes = Key::codes_of(user.id);
    let wrong_codes = db::throttles::lock(tx, &codes).await?.map_or(0, |codes| codes.consecutive);
    db::throttles::delete(tx, &codes).await?;
    let failures = failures + wrong_codes;
    if failures > 0 {
        let entry = Entry::new(Action::AccountUnblocked, author).on(user).detail("failures", failures);
        audit::record(tx, &entry, now).await?;
    }
    Ok(failures)
}
