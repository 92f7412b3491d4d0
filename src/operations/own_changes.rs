//! A bound on the changes that users make to what is their own: each leaves an entry in the audit log for ever, and
//! needs no right.

use crate::db::{self, Tx};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::throttle::{Failures, Key, Thresholds};
use crate::model::user::UserId;

/// Changes at once, each of which a user gets back after six seconds: more than people make, and far fewer than a
/// program could.
pub const AT_ONCE: u32 = 60;

/// Counts one more change of a user's own, in its transaction.
///
/// # Errors
/// [`Error::Throttled`] after too many.
pub(super) async fn count(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<()> {
    let thresholds = Thresholds { account_free: 0, address_burst: AT_ONCE };
    let key = Key::own_changes_of(user);
    let before = db::throttles::lock(tx, &key).await?;
    if let Some(wait) = before.as_ref().and_then(|before| before.wait(now)) {
        return Err(Error::Throttled(wait.as_secs().max(1)));
    }
    Ok(db::throttles::set(tx, &key, &Failures::address(before, now, thresholds)).await?)
}
