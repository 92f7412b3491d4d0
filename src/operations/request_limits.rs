//! Bounds on what needs no right but costs others something: changes of a user's own, each of which leaves an entry in the
//! audit log for ever, and links by mail to an address that a client chooses.
//!
//! To add one: a key in [`Key`], and a function here that counts one more in the transaction of what is bounded.

use crate::db::{self, Tx};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::throttle::{Failures, Key, Thresholds};
use crate::model::user::UserId;
use crate::operations::App;

/// Changes at once, each of which a user gets back after six seconds: more than people make, and far fewer than a
/// program could.
pub const CHANGES_AT_ONCE: u32 = 60;

/// Counts one more change of a user's own.
///
/// # Errors
/// [`Error::Throttled`] after too many.
pub(super) async fn count_own_change(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<()> {
    count_change(tx, &Key::own_changes_of(user), now).await
}

/// Counts one more change of a user's own password.
///
/// # Errors
/// [`Error::Throttled`] after too many.
pub(super) async fn count_own_password(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<()> {
    count_change(tx, &Key::own_passwords_of(user), now).await
}

async fn count_change(tx: &mut Tx, key: &Key, now: Timestamp) -> Result<()> {
    let thresholds = Thresholds { account_free: 0, address_burst: CHANGES_AT_ONCE };
    count(tx, key, now, |before| Failures::address(before, now, thresholds)).await
}

/// Counts one more link that is sent to a user, or to an address that they give themselves.
///
/// # Errors
/// [`Error::Throttled`] after too many.
pub(super) async fn count_link_to(app: &App, tx: &mut Tx, user: UserId, now: Timestamp) -> Result<()> {
    let thresholds = app.settings.thresholds();
    // Never for good: only failures to sign in are counted up to the hard limit.
    let after = |before| Failures { consecutive: 0, ..Failures::account(before, now, thresholds) };
    count(tx, &Key::link_requests_for(user), now, after).await
}

/// Counts one more link that is asked for from an address of the network.
///
/// # Errors
/// [`Error::Throttled`] after too many.
pub(super) async fn count_link_from(app: &App, tx: &mut Tx, key: &Key, now: Timestamp) -> Result<()> {
    count(tx, key, now, |before| Failures::address(before, now, app.settings.thresholds())).await
}

async fn count(
    tx: &mut Tx,
    key: &Key,
    now: Timestamp,
    after: impl FnOnce(Option<Failures>) -> Failures + Send,
) -> Result<()> {
    let before = db::throttles::lock(tx, key).await?;
    if let Some(wait) = before.as_ref().and_then(|before| before.wait(now)) {
        return Err(Error::Throttled(wait.as_secs().max(1)));
    }
    Ok(db::throttles::set(tx, key, &after(before)).await?)
}
