//! Takes a person out of the audit log: who, from where and about whom, in the entries that are about them.

use super::mark::{self, Found};
use crate::db::Tx;
use crate::db::audit::erasing::{self, Erasable};
use crate::model::audit::{Commitments, EntryId, Group, Parts, StoredEntry, stripped};
use crate::model::erasure::groups_about;
use crate::model::error::Result;
use crate::model::user::UserId;
use crate::operations::App;

/// Entries that one transaction looks at: writers wait for it.
const BATCH: i64 = 1_000;

/// How far a transaction came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Erased {
    /// Up to this entry; there may be more.
    UpTo(EntryId),
    /// The next entry is to be sealed first: a seal covers values only as long as they are there.
    WaitsForSeal,
    /// There are no more.
    All,
}

/// Erases the values of a person from the next entries after one, as a part of a transaction.
pub(crate) async fn erase_person(app: &App, tx: &mut Tx, person: UserId, after: EntryId) -> Result<Erased> {
    let key = app.audit_watch.key(app).await?;
    // A log whose mark is gone is broken, which an examination tells; the person's values go all the same.
    let mut mark = match mark::lock(tx, key).await? {
        Found::Mark(mark) => Some(mark),
        Found::Nothing | Found::Forged => None,
    };
    let sealed_up_to = mark.as_ref().map_or(0, |mark| mark.position);
    let mut entries = erasing::entries_about(tx, person, after, BATCH).await?;
    if entries.is_empty() {
        return Ok(Erased::All);
    }
    let is_ready = |entry: &&Erasable| {
        entry.position.is_some_and(|position| entry.commitments.is_some() || position <= sealed_up_to)
    };
    entries.truncate(entries.iter().take_while(is_ready).count());
    let Some(last) = entries.last().map(|entry| EntryId(entry.entry.id)) else {
        return Ok(Erased::WaitsForSeal);
    };
    let (mut left, mut groups_erased) = (Vec::new(), 0);
    for stored in &entries {
        let groups = groups_about(&stored.entry, person);
        if let Some((entry, commitments, erased)) = erased(stored, &groups) {
            left.push((entry, commitments));
            groups_erased += erased;
        }
    }
    erasing::replace_personal(tx, &left).await?;
    if let Some(mark) = &mut mark
        && groups_erased > 0
    {
        mark.erased += groups_erased;
        mark::store(tx, mark, key).await?;
    }
    Ok(Erased::UpTo(last))
}

/// The entry without these groups, its commitments, and how many groups are erased by it; `None` if there is nothing to
/// erase.
fn erased(stored: &Erasable, groups: &[Group]) -> Option<(StoredEntry, Vec<u8>, i64)> {
    let commitments = stored.commitments.as_deref().and_then(Commitments::from_bytes);
    let (Some(mut commitments), Some(parts)) = (commitments, Parts::of(&stored.entry)) else {
        // It was altered: what is left stays for an examination to find.
        let left = stripped(&stored.entry, groups);
        let bytes = stored.commitments.clone().unwrap_or_default();
        return (left != stored.entry).then_some((left, bytes, 0));
    };
    let (mut entry, before) = (stored.entry.clone(), commitments.erased());
    for group in groups.iter().filter(|group| !parts.is_blank(**group)) {
        entry = commitments.erase(&entry, *group)?;
    }
    (entry != stored.entry).then(|| (entry, commitments.to_bytes(), commitments.erased() - before))
}
