//! The chain of seals: each entry is sealed with the key of the audit log, over the seal before.

use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::mark::{self, Before, Begin, Found, Mark};
use super::{hexadecimal, record};
use crate::db::audit::Sealed;
use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Commitments, Entry, Parts, SALT, StoredEntry};
use crate::model::error::{Error, Result};
use crate::operations::App;
use crate::security::audit_key::{AuditKey, SEAL};

/// Entries sealed, or examined, at once.
pub const BATCH: i64 = 500;
/// How long an entry waits for its seal at most, while the server runs.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// The seal of an entry at a position; `None` if it is not in the form in which entries are written, or has values
/// that were erased.
pub(super) fn seal_of(
    key: &AuditKey,
    previous: &[u8; SEAL],
    position: i64,
    entry: &StoredEntry,
    commitments: &Commitments,
) -> Option<[u8; SEAL]> {
    let parts = Parts::of(entry)?;
    let covered = commitments.of(&parts)?;
    Some(key.seal(previous, position, &covered, &serialized(&parts.shape)))
}

/// A place in the chain, and what was erased on the way there.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChainPosition {
    /// The position of the last entry.
    pub position: i64,
    /// Its seal.
    pub seal: [u8; SEAL],
    /// Entries of which values were erased.
    pub erased: i64,
    /// Groups of values that were.
    pub groups_erased: i64,
}

impl ChainPosition {
    /// Before the first entry that is kept.
    pub(super) const fn after(begin: &Begin) -> Self {
        Self { position: begin.position, seal: begin.seal, erased: 0, groups_erased: 0 }
    }

    /// Goes on to the next entry, if this is it and as it was sealed.
    pub(super) fn step(&mut self, key: &AuditKey, sealed: &Sealed) -> bool {
        let position = self.position + 1;
        let Some(commitments) = sealed.commitments.as_deref().and_then(Commitments::from_bytes) else {
            return false;
        };
        let seal = seal_of(key, &self.seal, position, &sealed.entry, &commitments);
        let is_it = sealed.position == position && sealed.is_found_by_its_names();
        let Some(seal) = seal.filter(|seal| is_it && seal[..] == sealed.seal) else { return false };
        *self = Self {
            position,
            seal,
            erased: self.erased + i64::from(commitments.erased() > 0),
            groups_erased: self.groups_erased + commitments.erased(),
        };
        true
    }
}

/// A seal of earlier releases: SHA-256 over the seal before, the position and all columns.
pub(super) fn seal_of_before(previous: &[u8], position: i64, entry: &StoredEntry) -> Vec<u8> {
    Sha256::new()
        .chain_update(previous)
        .chain_update(position.to_be_bytes())
        .chain_update(serialized(entry))
        .finalize()
        .to_vec()
}

/// JSON keeps the columns apart, whatever is in them.
fn serialized(entry: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(entry).unwrap_or_default()
}

/// Seals some entries that are not sealed yet, in the order of their keys; how many there were.
pub async fn seal(app: &App) -> Result<usize> {
    let key = app.audit_watch.key(app).await?;
    let found = app.audit_watch.look(app, key).await?;
    let is_resealing = matches!(&found, Found::Mark(mark) if mark.is_resealing());
    if !is_resealing && !db::audit::has_unsealed(&app.db).await? {
        // The entries of an earlier release alone are sealed anew with the next one.
        return Ok(0);
    }
    let mut tx = app.db.begin().await?;
    let found = mark::lock(&mut tx, key).await?;
    let mut mark = begin(app, &mut tx, found).await?;
    let (before, salts) = (mark.position, salts()?);
    let done = if mark.is_resealing() {
        reseal(&mut tx, &mut mark, key, &salts).await?
    } else {
        // An instance of an earlier release may run beside this one, and seal in its own way.
        db::audit::unseal_earlier(&mut tx, mark.position).await?;
        go_on(&mut tx, &mut mark, key, &salts).await?
    };
    mark.sealed_at = app.clock.now().micros();
    mark::store(&mut tx, &mark, key).await?;
    // Each time the log has doubled: an import, or a hard day, outgrows what SQLite knows of it within the hour.
    if mark.position.max(1).ilog2() > before.max(1).ilog2() {
        db::statistics::refresh(&mut tx).await?;
    }
    tx.commit().await?;
    app.audit_watch.note(&mark);
    Ok(done)
}

/// From which mark the chain goes on. That of a log from an earlier release, which was never sealed with the key, says that
/// it is to be sealed anew. Where the mark was taken away or is of an earlier moment than the last seal, the chain can only
/// go on visibly broken.
async fn begin(app: &App, tx: &mut Tx, found: Found) -> Result<Mark> {
    let last = db::audit::last_seal(tx).await?;
    let mark = match (found, &last) {
        (Found::Mark(mark), Some((position, seal, false))) if mark.is_start() => {
            let entry = Entry::new(Action::AuditResealed, Author::operator())
                .detail("entries", *position)
                .detail("head", format!("{position}:{}", hexadecimal(seal)));
            record(tx, &entry, app.clock.now()).await?;
            let before = Some(Before { position: *position, seal: Vec::new(), broken_at: None });
            return Ok(Mark { before, ..mark });
        }
        (Found::Mark(mark), Some((position, _, true)))
            if *position > mark.position && !mark.is_resealing() =>
        {
            mark
        }
        (Found::Mark(mark), _) => return Ok(mark),
        (Found::Nothing | Found::Forged, _) => Mark::start(),
    };
    let (position, seal, _) = last.unwrap_or_default();
    let restarted_at = mark.restarted_at.or(Some(position.saturating_add(1)));
    Ok(Mark { position, seal: seal.try_into().unwrap_or([0; SEAL]), restarted_at, ..mark })
}

/// Seals entries of an earlier release anew, at their places, and examines their seals a last time.
async fn reseal(tx: &mut Tx, mark: &mut Mark, key: &AuditKey, salts: &[[[u8; SALT]; 3]]) -> Result<usize> {
    let Some(before) = &mut mark.before else { return Ok(0) };
    let mut entries = db::audit::sealed_after_in(tx, mark.position, BATCH).await?;
    // An instance of an earlier release that runs beside this one may have sealed more.
    entries.retain(|sealed| sealed.position <= before.position);
    let mut seals = Vec::with_capacity(entries.len());
    for (sealed, salts) in entries.iter().zip(salts) {
        let is_right = sealed.position == mark.position + 1
            && sealed.commitments.is_none()
            && seal_of_before(&before.seal, sealed.position, &sealed.entry) == sealed.seal;
        if !is_right {
            before.broken_at.get_or_insert(sealed.position);
        }
        before.seal.clone_from(&sealed.seal);
        let commitments = Commitments::new(*salts);
        if let Some(seal) = seal_of(key, &mark.seal, sealed.position, &sealed.entry, &commitments) {
            seals.push((sealed.entry.id, sealed.position, seal.to_vec(), commitments.to_bytes()));
            mark.seal = seal;
        } else {
            before.broken_at.get_or_insert(sealed.position);
        }
        mark.position = sealed.position;
    }
    if entries.is_empty() {
        // What is missing up to there was told above, or by the last seal.
        before.broken_at.get_or_insert(mark.position + 1);
        mark.position = before.position;
    }
    db::audit::set_seals(tx, &seals).await?;
    Ok(entries.len().max(1))
}

/// Seals entries that have no seal yet.
async fn go_on(tx: &mut Tx, mark: &mut Mark, key: &AuditKey, salts: &[[[u8; SALT]; 3]]) -> Result<usize> {
    let entries = db::audit::unsealed(tx, BATCH).await?;
    let mut seals = Vec::with_capacity(entries.len());
    for (entry, salts) in entries.iter().zip(salts) {
        let (position, commitments) = (mark.position + 1, Commitments::new(*salts));
        // One that was altered before it was sealed: its seal is that of nothing, and an examination names it.
        let seal = seal_of(key, &mark.seal, position, entry, &commitments).unwrap_or([0; SEAL]);
        seals.push((entry.id, position, seal.to_vec(), commitments.to_bytes()));
        (mark.position, mark.seal) = (position, seal);
    }
    db::audit::set_seals(tx, &seals).await?;
    Ok(entries.len())
}

/// Salts for a batch.
fn salts() -> Result<Vec<[[u8; SALT]; 3]>> {
    let mut salts = vec![[[0; SALT]; 3]; usize::try_from(BATCH).unwrap_or_default()];
    getrandom::fill(salts.as_flattened_mut().as_flattened_mut())
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(salts)
}
