//! Entries that are no longer kept: they go from the begin of the chain, in small transactions, and the mark says where the
//! rest begins. Only what is as it was sealed goes: what was altered is left for an examination to find.

use super::chain::Place;
use super::mark::{self, Begin, Found, Mark};
use super::verification::Fault;
use crate::db;
use crate::model::audit::{Action, Entry, StoredEntry};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::operations::{App, operator};

/// Entries that one transaction removes: writers wait for it.
const BATCH: i64 = 1_000;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// Which entries go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// Those that were written before, up to the first that was not.
    Time(Timestamp),
    /// Those up to this position.
    Position(i64),
}

impl Until {
    /// Whether an entry goes, if all before it do. What was written while a clock was ahead does not hold up what
    /// comes after it.
    pub(super) fn has(self, entry: &StoredEntry, position: i64, now: Timestamp) -> bool {
        match self {
            Self::Time(before) => entry.happened_at < before.micros() || entry.happened_at > now.micros(),
            Self::Position(last) => position <= last,
        }
    }
}

/// What a transaction did.
pub(super) enum Batch {
    /// So many entries went; there may be more.
    Removed(i64),
    /// None were left to go.
    Nothing,
    /// None went, because the log is broken there.
    Broken(Fault),
}

/// Removes a batch. `told` makes the entry that records it, of how many went and where the log begins now.
pub(super) async fn remove_batch(
    app: &App,
    until: Until,
    told: &(dyn Fn(i64, &Begin) -> Option<Entry> + Sync),
) -> Result<Batch> {
    let key = app.audit_watch.key(app).await?;
    let mut tx = app.db.begin().await?;
    let Found::Mark(mark) = mark::lock(&mut tx, key).await? else { return Ok(Batch::Broken(Fault::NoMark)) };
    if mark.is_resealing() {
        return Ok(Batch::Nothing);
    }
    let begin = mark.begin();
    let mut place = Place::after(&begin);
    let mut next = begin;
    for sealed in db::audit::sealed_after_in(&mut tx, begin.position, BATCH).await? {
        // The last one stays: the next one is sealed over it.
        let goes =
            sealed.position < mark.position && until.has(&sealed.entry, sealed.position, app.clock.now());
        if !goes {
            break;
        }
        if !place.step(key, &sealed) {
            let position = place.position + 1;
            return Ok(Batch::Broken(Fault::Altered { id: sealed.entry.id, position }));
        }
        next = Begin {
            position: place.position,
            seal: place.seal,
            erased: begin.erased + place.groups_erased,
            id: next.id.max(sealed.entry.id),
            happened_at: sealed.entry.happened_at,
        };
    }
    let count = next.position - begin.position;
    if count == 0 {
        return Ok(Batch::Nothing);
    }
    db::audit::delete_sealed(&mut tx, next.position).await?;
    mark::store(&mut tx, &Mark { begin: Some(next), ..mark }, key).await?;
    if let Some(entry) = told(count, &next) {
        super::record(&mut tx, &entry, app.clock.now()).await?;
    }
    tx.commit().await?;
    Ok(Batch::Removed(count))
}

/// Removes entries that are older than the setting says; each transaction has an entry. The limit moves once a day, at
/// midnight in UTC.
pub async fn remove_old_entries(app: &App) -> Result<()> {
    // Zero is for ever.
    let Ok(days @ 1..) = i64::try_from(app.settings.audit_entry_days) else { return Ok(()) };
    let today = app.clock.now().micros().div_euclid(DAY);
    let before = Timestamp::from_micros(today.saturating_sub(days).saturating_mul(DAY));
    let told = |count, begin: &Begin| Some(entry(count, begin, before));
    loop {
        match db::retrying(|| remove_batch(app, Until::Time(before), &told)).await? {
            Batch::Removed(_) => {}
            Batch::Nothing => return Ok(()),
            Batch::Broken(fault) => {
                log::warn!("old entries of the audit log are left, because it is broken: {fault}");
                return Ok(());
            }
        }
    }
}

/// What records that entries went: how many, and the head of those that went.
pub(super) fn entry(count: i64, begin: &Begin, before: Timestamp) -> Entry {
    Entry::new(Action::EntriesRemoved, operator::author())
        .detail("removed", count)
        .detail("head", format!("{}:{}", begin.position, super::hexadecimal(&begin.seal)))
        .detail("before", before.to_string())
}

/// Up to when entries are no longer kept; `None` while all are.
pub async fn gone_until(app: &App) -> Result<Option<Timestamp>> {
    let begin = begin(app).await?;
    Ok((begin.position > 0).then(|| Timestamp::from_micros(begin.happened_at)))
}

/// Whether an entry that is not there was removed because of its age.
pub async fn is_no_longer_kept(app: &App, id: i64) -> Result<bool> {
    Ok((1..=begin(app).await?.id).contains(&id))
}

async fn begin(app: &App) -> Result<Begin> {
    let key = app.audit_watch.key(app).await?;
    Ok(mark::read(&app.db, key).await?.mark().map(Mark::begin).unwrap_or_default())
}
