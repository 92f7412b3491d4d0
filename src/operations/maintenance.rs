//! Removes what nothing can use any more.

use std::time::Duration;

use super::known_browsers::KNOWN_FOR;
use super::{App, audit, erasures};
use crate::db;
use crate::model::error::Result;

/// The failures of an address are forgotten after this time without a new one.
const FORGET_ADDRESSES: Duration = Duration::from_hours(24);
/// The same of an account: long, or a guesser who waits a day now and then would never reach the hundredth failure.
const FORGET_ACCOUNTS: Duration = Duration::from_hours(366 * 24);
/// How long the delivery state of a message is kept.
const FORGET_MAILS: Duration = Duration::from_hours(30 * 24);

/// Removes what nothing can use any more: expired sessions and links, forgotten browsers, failures, challenges and
/// messages, uploads that were left, users who are to be erased, and what the audit log keeps no longer. Called now and then.
pub async fn clean_up(app: &App) -> Result<()> {
    let now = app.clock.now();
    app.uploads.forget_old(now);
    let mut tx = app.db.begin().await?;
    db::sessions::delete_expired(&mut tx, now).await?;
    db::links::delete_expired(&mut tx, now).await?;
    db::known_browsers::delete_older(&mut tx, now.minus(KNOWN_FOR)).await?;
    db::passkeys::delete_run_out(&mut tx, now).await?;
    db::mails::delete_older(&mut tx, now.minus(FORGET_MAILS)).await?;
    let (addresses, accounts) = (now.minus(FORGET_ADDRESSES), now.minus(FORGET_ACCOUNTS));
    db::throttles::delete_older(&mut tx, addresses, accounts).await?;
    db::statistics::refresh(&mut tx).await?;
    tx.commit().await?;
    // Each is done whatever becomes of the others.
    let carried_out = erasures::carry_out_due(app).await;
    let listed = erasures::keep_list(app).await;
    let origins = audit::erase_old_origins(app).await;
    audit::remove_old_entries(app).await.and(origins).and(carried_out).and(listed)
}
