//! Entries that are no longer kept: they go from the begin of the chain, in small transactions, and the mark says where the
//! rest begins. Only what is as it was sealed goes: what was altered is left for an examination to find.

use super::chain::ChainPosition;
use super::mark::{self, Begin, Found, Mark};
use super::verification::Fault;
use crate::db;
use crate::db::audit::Sealed;
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::operations::App;

/// Entries that one transaction removes: writers wait for it.
const BATCH: i64 = 1_000;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// Which entries are old.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    before: i64,
    /// What is of a later time was written while a clock was ahead.
    latest: i64,
}

impl Age {
    /// Old is what was written before a time. `newest` is the last sealed entry, if it is there: what is not later than
    /// that was not written by a clock that was ahead, even where the clock is behind now.
    pub(super) fn new(before: Timestamp, now: Timestamp, newest: &[Sealed]) -> Self {
        let newest = newest.first().map_or(i64::MAX, |sealed| sealed.entry.happened_at);
        Self { before: before.micros(), latest: newest.max(now.micros()) }
    }

    /// How many of the first of these entries go, of which the times are given in their order. One that was written while
    /// a clock was ahead goes only with an old one that comes after it.
    pub(super) fn count(self, times: impl Iterator<Item = i64>) -> usize {
        let mut count = 0;
        for (n, happened_at) in (1..).zip(times) {
            if happened_at < self.before {
                count = n;
            } else if happened_at <= self.latest {
                break;
            }
        }
        count
    }
}

/// Whether the clock is behind the last seal, so that it does not tell what is old: the log then says so.
pub(super) fn is_clock_behind(app: &App, mark: &Mark) -> bool {
    let is_behind = app.clock.now().micros() < mark.sealed_at;
    if is_behind {
        log::warn!(
            "nothing old is removed from the audit log: the clock is behind the time of its last seal"
        );
    }
    is_behind
}

/// An entry at a place where the log has none any more, in what is read from the first entry on.
pub(super) fn out_of_place(entries: &[Sealed], begin: &Begin) -> Option<Fault> {
    let first = entries.first().filter(|first| first.position <= begin.position)?;
    Some(Fault::OutOfPlace { id: first.entry.id, position: first.position })
}

/// Whether more values are missing after a begin than were erased: they would be gone with the entries, and with them
/// what shows it.
pub(super) fn unknown_erasures(mark: &Mark, begin: &Begin, found: i64) -> Option<Fault> {
    let known = mark.erased - begin.erased;
    (mark.restarted_at.is_none() && found > known).then_some(Fault::Erased { found, known })
}

/// Which entries go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// Those that are old, up to the first that is not.
    Time(Timestamp),
    /// Those up to this position.
    Position(i64),
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
    let entries = db::audit::sealed_after_in(&mut tx, i64::MIN, BATCH).await?;
    if let Some(fault) = out_of_place(&entries, &begin) {
        return Ok(Batch::Broken(fault));
    }
    // The last one stays: the next one is sealed over it.
    let may_go = entries.iter().take_while(|sealed| sealed.position < mark.position);
    let count = match until {
        Until::Position(last) => may_go.take_while(|sealed| sealed.position <= last).count(),
        Until::Time(_) if is_clock_behind(app, &mark) => 0,
        Until::Time(before) => {
            let newest = db::audit::sealed_after_in(&mut tx, mark.position - 1, 1).await?;
            let age = Age::new(before, app.clock.now(), &newest);
            age.count(may_go.map(|sealed| sealed.entry.happened_at))
        }
    };
    let mut place = ChainPosition::after(&begin);
    let mut next = begin;
    for sealed in entries.iter().take(count) {
        if !place.step(key, sealed) {
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
    if let Some(fault) = unknown_erasures(&mark, &begin, place.groups_erased) {
        return Ok(Batch::Broken(fault));
    }
    let count = next.position - begin.position;
    if count == 0 {
        return Ok(Batch::Nothing);
    }
    db::audit::delete_sealed(&mut tx, begin.position, next.position).await?;
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
    Entry::new(Action::EntriesRemoved, Author::operator())
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

/// Without the key of the log nothing is known to be gone: pages show what there is.
async fn begin(app: &App) -> Result<Begin> {
    let Some(key) = app.audit_watch.find_key(app).await? else { return Ok(Begin::default()) };
    Ok(mark::read(&app.db, key).await?.mark().map(Mark::begin).unwrap_or_default())
}
