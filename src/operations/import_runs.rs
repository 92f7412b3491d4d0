//! Imports in the console: a run that goes on after its answer, its outcome, and taking it back.
//!
//! A run stores its users in batches, each in one transaction with the entries of the audit log, which name the run: so
//! the record of a run that was cut short is still true. Taking one back removes its users, but for those who have
//! signed in or were changed since, and what it had clients call users who were here before.

use std::fs::File;
use std::io::BufWriter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::db;
use crate::db::batches::{Batch, Item};
use crate::db::users::removal::{self, State};
use crate::model::audit::{Action, BatchId, Entry, EntryId, StoredEntry};
use crate::model::bulk::{CHANGED_SINCE, SIGNED_IN_SINCE};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::permission::IsSuperuser;
use crate::model::presence::Presence;
use crate::model::undo::{Obstacle, UNDO_FOR};
use crate::model::user::UserId;
use crate::operations::import::{self, By, Counts, Failure, Report, external_ids};
use crate::operations::uploads::{Rehearsal, Surveyed, Upload};
use crate::operations::{App, Can, audit, bulk};

/// What a run is called that imports.
const IMPORT: &str = "import";
/// What a run is called that takes one back.
const UNDO: &str = "undo_import";
/// Both.
pub(super) const IMPORTS: [&str; 2] = [IMPORT, UNDO];

/// Users that are removed in one transaction.
const REMOVED_AT_ONCE: i64 = 200;

/// An import, or the undo of one, that this instance began.
#[derive(Debug)]
pub struct Run {
    /// The run.
    pub batch: BatchId,
    /// What forms named the upload by.
    pub number: String,
    /// The verdict on every row of an import, once it has come to its end.
    pub report: Option<Arc<File>>,
    pub(super) at: Timestamp,
    rows: u64,
    counts: Mutex<Counts>,
    is_running: AtomicBool,
}

impl Run {
    /// Whether it goes on.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }

    fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, counts: Counts) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }
}

/// Begins to import what was uploaded; the run goes on after this.
///
/// # Errors
/// [`Error::PreconditionFailed`] if the upload is gone or cannot be imported; [`Error::Forbidden`] if the password has
/// to be given again first.
pub async fn start(can: &Can<IsSuperuser>, number: &str) -> Result<BatchId> {
    let app = can.app();
    let (now, owner) = (app.clock.now(), can.user().id);
    can.require(Presence::Always, now)?;
    let upload = app.uploads.of(owner, now).filter(|upload| upload.can_be_imported());
    if upload.is_none_or(|upload| upload.number != number) {
        return Err(Error::PreconditionFailed);
    }
    let report = tempfile::tempfile().map_err(Error::internal)?;
    let kept = Arc::new(report.try_clone().map_err(Error::internal)?);
    let upload = app.uploads.take(owner, number).ok_or(Error::PreconditionFailed)?;
    let batch = match bulk::begin(can, IMPORT, None, &[]).await {
        Ok(batch) => batch,
        Err(error) => {
            app.uploads.put_back(owner, upload);
            return Err(error);
        }
    };
    let rows = upload.rehearsal.as_ref().map_or(0, |rehearsal| rehearsal.counts.rows());
    let run = Arc::new(Run {
        batch,
        number: number.to_owned(),
        report: Some(kept),
        at: now,
        rows,
        counts: Mutex::default(),
        is_running: AtomicBool::new(true),
    });
    app.uploads.begin(owner, Arc::clone(&run));
    let can = can.detached();
    app.background.spawn(async move {
        let running = Running(run);
        if let Err(failure) = import_all(&can, &upload, &running.0, report).await {
            log::error!("import {} was cut short: {failure}", batch.0);
        }
    });
    Ok(batch)
}

/// A run until it has come to its end, also by a panic.
struct Running(Arc<Run>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
    }
}

async fn import_all(
    can: &Can<IsSuperuser>,
    upload: &Upload,
    run: &Run,
    report: File,
) -> std::result::Result<(), Failure> {
    let Ok(rehearsal) = &upload.rehearsal else { return Ok(()) };
    let mut report = Report::begin(BufWriter::new(report))?;
    let result = import_files(can, upload, rehearsal, run, &mut report).await;
    report.flush()?;
    result?;
    Ok(import::patiently(can.app(), || bulk::finish(can.app(), run.batch)).await?)
}

async fn import_files(
    can: &Can<IsSuperuser>,
    upload: &Upload,
    rehearsal: &Rehearsal,
    run: &Run,
    report: &mut Report<BufWriter<File>>,
) -> std::result::Result<(), Failure> {
    let (options, by) =
        (upload.options(rehearsal, &can.app().settings), By::Superuser(can.clone(), Some(run.batch)));
    for Surveyed { survey, source, .. } in &rehearsal.users {
        let before = run.counts();
        import::run(can.app(), source, survey, &options, &by, |judged, counts| {
            run.tell(before.and(*counts));
            report.add(judged)
        })
        .await?;
    }
    Ok(())
}

/// An import, or the undo of one, and how far it came.
#[derive(Debug)]
pub struct Outcome {
    /// The run.
    pub batch: Batch,
    /// Users that were added, or removed by an undo.
    pub done: i64,
    /// Entries about users whom clients were made to call something; or, by an undo, nothing any more.
    pub changed: i64,
    /// What has been told of the rows, once the run has come to its end or while it goes on at this instance.
    pub counts: Option<Counts>,
    /// All rows, or users of an undo, while it goes on at this instance.
    pub rows: Option<u64>,
    /// Users that were left by an undo, and why.
    pub left: Vec<Item>,
    /// The run that takes it back, if one does, and whether that has come to its end.
    pub undone_by: Option<(BatchId, bool)>,
}

impl Outcome {
    /// Whether it takes another import back.
    #[must_use]
    pub fn is_undo(&self) -> bool {
        self.batch.action == UNDO
    }

    /// Whether it can be taken back.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check_undo(&self, now: Timestamp) -> std::result::Result<(), Obstacle> {
        if self.is_undo() || self.rows.is_some() || self.done == 0 && self.changed == 0 {
            Err(Obstacle::NotUndoable)
        } else if self.undone_by.is_some_and(|(_, is_finished)| is_finished) {
            Err(Obstacle::AlreadyUndone)
        } else if now.since(Timestamp::from_micros(self.batch.created_at)) >= UNDO_FOR {
            Err(Obstacle::TooLate)
        } else {
            Ok(())
        }
    }
}

/// The outcome of an import, or of the undo of one.
///
/// # Errors
/// [`Error::NoSuchPath`] without such a run.
pub async fn outcome(can: &Can<IsSuperuser>, id: BatchId) -> Result<Outcome> {
    let app = can.app();
    // Asked first: one that ends meanwhile is then shown as going on, not as cut short.
    let running = app.uploads.run(id.0).filter(|run| run.is_running());
    let batch = db::batches::by_id(&app.db, id).await?;
    let batch = batch.filter(|batch| IMPORTS.contains(&batch.action.as_str())).ok_or(Error::NoSuchPath)?;
    let done = if batch.action == UNDO { Action::UserRemoved } else { Action::UserCreated };
    let done = db::audit::count_of_batch(&app.db, id, done).await?;
    let changed = db::audit::count_of_batch(&app.db, id, Action::UserChanged).await?;
    let undone_by = match db::batches::undone_by(&app.db, id).await? {
        Some(undo) => {
            let found = db::batches::by_id(&app.db, undo).await?;
            Some((undo, found.is_some_and(|undo| undo.finished_at.is_some())))
        }
        None => None,
    };
    let left = db::batches::items(&app.db, id).await?;
    let counts = match &running {
        Some(run) => Some(run.counts()),
        None => recorded(&db::audit::of_batch_after(&app.db, id, Action::Imported, EntryId(0), 100).await?),
    };
    Ok(Outcome { batch, done, changed, counts, rows: running.map(|run| run.rows), left, undone_by })
}

/// What the entries of an import's files say of their rows.
fn recorded(entries: &[StoredEntry]) -> Option<Counts> {
    let counts = |entry: &StoredEntry| {
        let details: Value = serde_json::from_str(&entry.details).unwrap_or_default();
        Counts::of_details(&details)
    };
    entries.iter().map(counts).reduce(Counts::and)
}

/// Begins to take an import back, or goes on with it where it was cut short.
///
/// # Errors
/// [`Error::NoSuchPath`] without such a run; [`Error::CannotUndo`]; [`Error::Forbidden`] if the password has to be given
/// again first.
pub async fn undo(can: &Can<IsSuperuser>, id: BatchId) -> Result<BatchId> {
    let app = can.app();
    let now = app.clock.now();
    let import = outcome(can, id).await?;
    import.check_undo(now)?;
    can.require(Presence::Always, now)?;
    let is_running = |batch: BatchId| app.uploads.run(batch.0).is_some_and(|run| run.is_running());
    let batch = match import.undone_by {
        // Asked for twice.
        Some((batch, _)) if is_running(batch) => return Ok(batch),
        Some((batch, _)) => batch,
        None => bulk::begin(can, UNDO, Some(id), &[]).await?,
    };
    let run = Arc::new(Run {
        batch,
        number: String::new(),
        report: None,
        at: now,
        rows: import.done.unsigned_abs(),
        counts: Mutex::default(),
        is_running: AtomicBool::new(true),
    });
    app.uploads.begin(can.user().id, Arc::clone(&run));
    let can = can.detached();
    app.background.spawn(async move {
        let _running = Running(run);
        if let Err(error) = take_back(&can, &import.batch, batch).await {
            log::error!("the undo of import {} was cut short: {error}", import.batch.id);
        }
    });
    Ok(batch)
}

async fn take_back(can: &Can<IsSuperuser>, import: &Batch, batch: BatchId) -> Result<()> {
    let app = can.app();
    let by = By::Superuser(can.clone(), Some(batch));
    let (import_id, since) = (BatchId(import.id), Timestamp::from_micros(import.created_at));
    let mut last = EntryId(0);
    loop {
        import::patiently(app, || by.check(app)).await?;
        let entries = import::patiently(app, || async {
            let (action, limit) = (Action::UserCreated, REMOVED_AT_ONCE);
            Ok(db::audit::of_batch_after(&app.db, import_id, action, last, limit).await?)
        })
        .await?;
        let Some(entry) = entries.last() else { break };
        last = EntryId(entry.id);
        import::patiently(app, || db::retrying(|| remove(can, batch, &entries, since))).await?;
    }
    let mut last = EntryId(0);
    loop {
        import::patiently(app, || by.check(app)).await?;
        let entries = import::patiently(app, || async {
            let (action, limit) = (Action::UserChanged, REMOVED_AT_ONCE);
            Ok(db::audit::of_batch_after(&app.db, import_id, action, last, limit).await?)
        })
        .await?;
        let Some(entry) = entries.last() else { break };
        last = EntryId(entry.id);
        import::patiently(app, || db::retrying(|| remove_external_ids(can, batch, &entries))).await?;
    }
    import::patiently(app, || conclude(can, batch)).await?;
    import::patiently(app, || bulk::finish(app, batch)).await
}

/// Records that an import is taken back.
async fn conclude(can: &Can<IsSuperuser>, batch: BatchId) -> Result<()> {
    let app = can.app();
    let removed = db::audit::count_of_batch(&app.db, batch, Action::UserRemoved).await?;
    let left = db::batches::items(&app.db, batch).await?.len();
    let external_ids = count_external_ids(app, batch).await?;
    let entry = Entry::new(Action::ImportUndone, can.author())
        .detail("removed", removed)
        .detail("external_ids", external_ids)
        .detail("left", left);
    let entry = Entry { batch_id: Some(batch), ..entry };
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        audit::record(&mut tx, &entry, app.clock.now()).await?;
        Ok(tx.commit().await?)
    })
    .await
}

/// How many external ids an undo has removed.
async fn count_external_ids(app: &App, batch: BatchId) -> Result<usize> {
    let (mut last, mut count) = (EntryId(0), 0);
    loop {
        let action = Action::UserChanged;
        let entries = db::audit::of_batch_after(&app.db, batch, action, last, REMOVED_AT_ONCE).await?;
        let Some(entry) = entries.last() else { return Ok(count) };
        last = EntryId(entry.id);
        count += entries.iter().map(|entry| external_ids::clients(entry).len()).sum::<usize>();
    }
}

/// Removes the users whom these entries record, but for those who have signed in or were changed since.
async fn remove(
    can: &Can<IsSuperuser>,
    batch: BatchId,
    entries: &[StoredEntry],
    since: Timestamp,
) -> Result<()> {
    let app = can.app();
    let ids: Vec<UserId> = entries.iter().filter_map(|entry| entry.target_id.map(UserId)).collect();
    let mut tx = app.db.begin().await?;
    let (mut gone, mut removals) = (Vec::new(), Vec::new());
    for state in removal::lock_all(&mut tx, &ids).await? {
        if let Some(reason) = reason_to_leave(&state, since) {
            db::batches::add_not_done(&mut tx, batch, UserId(state.id), reason).await?;
        } else if let Some(entry) = entries.iter().find(|entry| entry.target_id == Some(state.id)) {
            gone.push(UserId(state.id));
            removals.push(Entry {
                target: Some((UserId(state.id), entry.target_name.clone())),
                batch_id: Some(batch),
                undoes: Some(EntryId(entry.id)),
                ..Entry::new(Action::UserRemoved, can.author())
            });
        }
    }
    removal::delete_all(&mut tx, &gone).await?;
    db::audit::insert_all(&mut tx, &removals, app.clock.now()).await?;
    Ok(tx.commit().await?)
}

/// Entries about a user that are looked at to find out whether a client has changed what it calls them.
const MOST_LATER: i64 = 1000;

/// Has the clients of these entries call the users nothing any more, unless they have said something else since.
async fn remove_external_ids(can: &Can<IsSuperuser>, batch: BatchId, entries: &[StoredEntry]) -> Result<()> {
    let app = can.app();
    let mut given = Vec::new();
    for entry in entries {
        let (Some(user), clients) = (entry.target_id.map(UserId), external_ids::clients(entry)) else {
            continue;
        };
        if clients.is_empty() {
            continue;
        }
        let later = db::audit::later(&app.db, user, EntryId(entry.id), MOST_LATER).await?;
        let is_changed = |client: &UserId| {
            let by_it = |entry: &&StoredEntry| entry.actor_id == Some(client.0);
            later.iter().filter(by_it).any(|entry| entry.details.contains("\"external_id\""))
        };
        let (left, removed): (Vec<UserId>, Vec<UserId>) = clients.into_iter().partition(is_changed);
        given.push((entry, user, left, removed));
    }
    let mut tx = app.db.begin().await?;
    let mut removals = Vec::new();
    for (entry, user, left, removed) in given {
        if !left.is_empty() {
            db::batches::add_not_done(&mut tx, batch, user, CHANGED_SINCE).await?;
        }
        let mut clients = Vec::new();
        for client in removed {
            if db::external_ids::delete(&mut tx, client, user).await? {
                clients.push(client);
            }
        }
        if !clients.is_empty() {
            let undo = external_ids::changed(can.author(), &clients);
            removals.push(Entry {
                target: Some((user, entry.target_name.clone())),
                batch_id: Some(batch),
                undoes: Some(EntryId(entry.id)),
                ..undo
            });
        }
    }
    db::audit::insert_all(&mut tx, &removals, app.clock.now()).await?;
    Ok(tx.commit().await?)
}

/// Why a user stays, as a code.
fn reason_to_leave(state: &State, since: Timestamp) -> Option<&'static str> {
    let is_since = |at: Option<i64>| at.is_some_and(|at| at >= since.micros());
    if state.sessions > 0 || is_since(state.last_login) {
        Some(SIGNED_IN_SINCE)
    } else if state.version > 1 || is_since(state.password_changed_at) {
        Some(CHANGED_SINCE)
    } else {
        None
    }
}
