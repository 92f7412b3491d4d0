//! How long the audit log keeps from where something was done: addresses and devices are erased after a time that the
//! operator sets. What happened, when and by which account stays, and so do the seals.

use super::mark::{self, Found};
use super::removal::{Age, is_clock_behind};
use crate::db::audit::erasing::{self, Erasable};
use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Commitments, Entry, EntryId, Group, Parts, StoredEntry};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::operations::App;

/// Entries that one transaction looks at: writers wait for it.
const BATCH: i64 = 1_000;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// Entries of which the origin is kept for the same time.
struct Kind {
    /// Which entries, in the entry that records their erasure.
    name: &'static str,
    /// Those that are about no user; none for all entries.
    without_target: &'static [Action],
    /// Where the key of the last entry that was looked at is kept.
    progress: &'static str,
}

const ALL: Kind = Kind { name: "all", without_target: &[], progress: "audit_origins_erased" };
/// Tries on names that no user has.
const UNKNOWN: Kind = Kind {
    name: "unknown_users",
    without_target: &[Action::SignInFailed, Action::LinkRequested],
    progress: "audit_unknown_erased",
};

/// Erases what is older than the settings say, in small transactions; each that erased something has an entry. The limit
/// moves once a day, at midnight in UTC.
pub async fn erase_old_origins(app: &App) -> Result<()> {
    let kept = [(&ALL, app.settings.audit_address_days), (&UNKNOWN, app.settings.audit_unknown_user_days)];
    for (kind, days) in kept {
        // Zero is for ever.
        let Ok(days @ 1..) = i64::try_from(days) else { continue };
        let today = app.clock.now().micros().div_euclid(DAY);
        let before = Timestamp::from_micros(today.saturating_sub(days).saturating_mul(DAY));
        while db::retrying(|| erase_batch(app, kind, before)).await? {}
    }
    Ok(())
}

/// Whether there may be more.
async fn erase_batch(app: &App, kind: &Kind, before: Timestamp) -> Result<bool> {
    let key = app.audit_watch.key(app).await?;
    let mut tx = app.db.begin().await?;
    // Without its mark the log is broken, and what is erased could not be told from what was taken.
    let Found::Mark(mut mark) = mark::lock(&mut tx, key).await? else { return Ok(false) };
    if is_clock_behind(app, &mark) {
        return Ok(false);
    }
    let last = progress(&mut tx, kind).await?;
    let mut entries = erasing::entries_after(&mut tx, last, kind.without_target, BATCH).await?;
    let newest = db::audit::sealed_after_in(&mut tx, mark.position - 1, 1).await?;
    let age = Age::new(before, app.clock.now(), &newest);
    let waits_for_seal = |entry: &Erasable| {
        entry.position.is_none_or(|position| entry.commitments.is_none() && position > mark.position)
    };
    let sealed = entries.iter().take_while(|entry| !waits_for_seal(entry));
    entries.truncate(age.count(sealed.map(|entry| entry.entry.happened_at)));
    let Some(newest) = entries.last() else { return Ok(false) };
    let newest = newest.entry.id;
    let erased: Vec<_> = entries.iter().filter_map(erased).collect();
    erasing::replace_personal(&mut tx, &erased).await?;
    db::installation::set(&mut tx, kind.progress, Some(newest.to_be_bytes().to_vec())).await?;
    if !erased.is_empty() {
        mark.erased += i64::try_from(erased.len()).unwrap_or_default();
        mark::store(&mut tx, &mark, key).await?;
        let entry = Entry::new(Action::OriginsErased, Author::operator())
            .detail("entries", erased.len())
            .detail("of", kind.name)
            .detail("before", before.to_string());
        super::record(&mut tx, &entry, app.clock.now()).await?;
    }
    tx.commit().await?;
    Ok(true)
}

async fn progress(tx: &mut Tx, kind: &Kind) -> db::Result<EntryId> {
    let stored = db::installation::value(tx, kind.progress).await?;
    Ok(EntryId(stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, i64::from_be_bytes)))
}

/// The entry without its origin; `None` if there is nothing to erase, or if it is not what was written: that is left
/// for an examination to find.
fn erased(stored: &Erasable) -> Option<(StoredEntry, Vec<u8>)> {
    let mut commitments = Commitments::from_bytes(stored.commitments.as_deref()?)?;
    if commitments.is_erased(Group::Origin) || Parts::of(&stored.entry)?.is_blank(Group::Origin) {
        return None;
    }
    let entry = commitments.erase(&stored.entry, Group::Origin)?;
    Some((entry, commitments.to_bytes()))
}
