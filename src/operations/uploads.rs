//! Files that a superuser uploads for an import: judged at once, then held until they are imported, replaced, thrown
//! away, or an hour old.
//!
//! They have no name on the disk, so they go with the process at the latest. A superuser has one upload at a time, and
//! the last import that they began: both are still there after a session has ended and another one has begun.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocket::tokio::task::spawn_blocking;

use crate::config::Settings;
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::permission::IsSuperuser;
use crate::model::session::Secret;
use crate::model::user::UserId;
use crate::operations::Can;
use crate::operations::import::{
    self, By, Counts, DateOrder, Failure, Joined, Judged, LeftOut, Options, Report, Source, Survey, Verdict,
};
use crate::operations::import_runs::Run;

/// How long an upload, and the report of an import, are held.
const HELD_FOR: Duration = Duration::from_hours(1);
/// The most superusers who have an upload at a time; the oldest makes room.
const MOST_UPLOADS: usize = 8;
/// The most rows of an upload.
pub const MOST_ROWS: u64 = 100_000;
/// How many times its size an upload may have once it is unpacked.
const UNPACKED: u64 = 10;
/// Rows that are shown of those that are to be looked at, and of the others.
const MOST_SHOWN: usize = 100;

/// How files are to be read, as a form says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// Fields of columns: the name in the file, and the field; empty for a column that is left out.
    pub columns: Vec<(String, String)>,
    /// The name of the encoding; empty: told from the content.
    pub encoding: String,
    /// How hashes were made whose salts stand beside them; empty if that is not said.
    pub hash: String,
    /// How dates with slashes are written.
    pub dates: Option<DateOrder>,
    /// The realm of Keycloak's, or the table of a dump, that is read; empty for the only one.
    pub part: String,
    /// The role of Keycloak's whose holders become staff; empty for none.
    pub staff_role: String,
    /// Gives new primary keys to users whose own are taken.
    pub new_keys: bool,
    /// Leaves out hashes that are too quick to compute.
    pub no_weak_hashes: bool,
    /// Leaves out hashes that are cut off or altered.
    pub no_broken_hashes: bool,
}

impl Choices {
    fn options(&self, joined: &Arc<Joined>, settings: &Arc<Settings>, dry_run: bool) -> Options {
        Options {
            format: None,
            columns: self.columns.clone(),
            part: Some(self.part.clone()).filter(|part| !part.is_empty()),
            staff_role: Some(self.staff_role.clone()).filter(|role| !role.is_empty()),
            joined: Arc::clone(joined),
            hash: import::formula(&self.hash).ok(),
            dates: self.dates,
            new_keys: self.new_keys,
            left_out: LeftOut { weak: self.no_weak_hashes, broken: self.no_broken_hashes },
            most_rows: Some(MOST_ROWS),
            settings: Arc::clone(settings),
            dry_run,
        }
    }
}

/// A file that was uploaded, by the name that it had.
pub type Named = (String, Arc<File>);

/// What was uploaded together, and what would become of it.
#[derive(Debug)]
pub struct Upload {
    /// What forms name it by.
    pub number: String,
    /// How it is read.
    pub choices: Choices,
    /// What an import would do, or why the files as a whole cannot be read.
    pub rehearsal: std::result::Result<Rehearsal, String>,
    files: Vec<Named>,
    at: Timestamp,
}

/// What an import would do.
#[derive(Debug)]
pub struct Rehearsal {
    /// The files with users.
    pub users: Vec<Surveyed>,
    /// The names of the files that belong to them.
    pub others: Vec<String>,
    /// How many rows have which verdict.
    pub counts: Counts,
    /// The first rows that are refused, or whose hash cannot be checked here.
    pub notable: Vec<Judged>,
    /// The first of the others.
    pub good: Vec<Judged>,
    /// The verdict on every row.
    pub report: Arc<File>,
    joined: Arc<Joined>,
}

/// A file with users.
#[derive(Debug)]
pub struct Surveyed {
    /// The name that it had.
    pub name: String,
    /// What is in it.
    pub survey: Survey,
    pub(super) source: Source,
}

impl Upload {
    /// How the files are read when they are imported.
    pub(super) fn options(&self, rehearsal: &Rehearsal, settings: &Arc<Settings>) -> Options {
        self.choices.options(&rehearsal.joined, settings, false)
    }

    /// Whether there is anything to import: users, or what clients call those who are here.
    #[must_use]
    pub fn can_be_imported(&self) -> bool {
        self.rehearsal.as_ref().is_ok_and(|rehearsal| rehearsal.counts.has_work())
    }
}

/// Uploads, and imports that were begun, by the superuser whose they are. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Uploads(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    uploads: HashMap<i64, Arc<Upload>>,
    runs: Vec<(UserId, Arc<Run>)>,
}

impl Uploads {
    fn held(&self) -> MutexGuard<'_, Held> {
        // The maps are whole even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what was held for too long.
    pub fn forget_old(&self, now: Timestamp) {
        let mut held = self.held();
        held.uploads.retain(|_, upload| now.since(upload.at) < HELD_FOR);
        held.runs.retain(|(_, run)| run.is_running() || now.since(run.at) < HELD_FOR);
    }

    /// The upload of a superuser.
    #[must_use]
    pub fn of(&self, owner: UserId, now: Timestamp) -> Option<Arc<Upload>> {
        self.forget_old(now);
        self.held().uploads.get(&owner.0).cloned()
    }

    /// The last import that a superuser began and that has a report.
    #[must_use]
    pub fn run_of(&self, owner: UserId, now: Timestamp) -> Option<Arc<Run>> {
        self.forget_old(now);
        let held = self.held();
        let last = held.runs.iter().rev().find(|(by, run)| *by == owner && run.report.is_some());
        last.map(|(_, run)| Arc::clone(run))
    }

    /// An import that this instance began, whichever superuser did.
    pub(super) fn run(&self, batch: i64) -> Option<Arc<Run>> {
        let held = self.held();
        held.runs.iter().find(|(_, run)| run.batch.0 == batch).map(|(_, run)| Arc::clone(run))
    }

    fn put(&self, owner: UserId, upload: Arc<Upload>) {
        let mut held = self.held();
        held.uploads.remove(&owner.0);
        while held.uploads.len() >= MOST_UPLOADS {
            let oldest = held.uploads.iter().min_by_key(|(_, upload)| upload.at).map(|(owner, _)| *owner);
            held.uploads.retain(|owner, _| Some(*owner) != oldest);
        }
        held.uploads.insert(owner.0, upload);
    }

    /// Takes an upload away, if it is still the one of that number.
    pub(super) fn take(&self, owner: UserId, number: &str) -> Option<Arc<Upload>> {
        let mut held = self.held();
        let is_same = held.uploads.get(&owner.0).is_some_and(|upload| upload.number == number);
        if is_same { held.uploads.remove(&owner.0) } else { None }
    }

    pub(super) fn put_back(&self, owner: UserId, upload: Arc<Upload>) {
        self.held().uploads.entry(owner.0).or_insert(upload);
    }

    pub(super) fn begin(&self, owner: UserId, run: Arc<Run>) {
        self.held().runs.push((owner, run));
    }
}

/// Judges files that were uploaded, and holds them for the superuser instead of those before.
///
/// # Errors
/// Those of the database. What is wrong with the files is in the upload.
pub async fn add(can: &Can<IsSuperuser>, files: Vec<Named>, choices: Choices) -> Result<()> {
    let app = can.app();
    let most = app.settings.import_limit.saturating_mul(UNPACKED);
    let (read, chosen) = (files.clone(), choices.clone());
    let settings = Arc::clone(&app.settings);
    let prepared =
        spawn_blocking(move || prepare(read, &chosen, &settings, most)).await.map_err(Error::internal)?;
    let rehearsal = match prepared {
        Ok(prepared) => rehearse(can, prepared, &choices).await?,
        Err(reason) => Err(reason),
    };
    let number = Secret::random().to_text();
    let upload = Upload { number, choices, rehearsal, files, at: app.clock.now() };
    app.uploads.put(can.user().id, Arc::new(upload));
    Ok(())
}

/// Judges an upload again, read in another way.
///
/// # Errors
/// [`Error::PreconditionFailed`] if it is gone; those of the database.
pub async fn choose(can: &Can<IsSuperuser>, number: &str, choices: Choices) -> Result<()> {
    let upload = can.app().uploads.of(can.user().id, can.app().clock.now());
    let upload = upload.filter(|upload| upload.number == number).ok_or(Error::PreconditionFailed)?;
    add(can, upload.files.clone(), choices).await
}

/// Throws an upload away.
pub fn discard(can: &Can<IsSuperuser>, number: &str) {
    can.app().uploads.take(can.user().id, number);
}

struct Prepared {
    users: Vec<Surveyed>,
    others: Vec<String>,
    joined: Arc<Joined>,
}

fn prepare(
    files: Vec<Named>,
    choices: &Choices,
    settings: &Arc<Settings>,
    most: u64,
) -> std::result::Result<Prepared, String> {
    if !choices.hash.is_empty() {
        import::formula(&choices.hash)?;
    }
    let encoding = Some(choices.encoding.as_str()).filter(|encoding| !encoding.is_empty());
    let mut sources = Vec::with_capacity(files.len());
    let mut others: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    for (name, file) in files {
        let source =
            Source::of(file, encoding).map_err(|reason| format!("{name} cannot be read: {reason}"))?;
        sources.push((name, source.up_to(most)));
    }
    let (found, joined) = import::join(sources)?;
    let joined = Arc::new(joined);
    let options = choices.options(&joined, settings, true);
    let mut users = Vec::with_capacity(found.len());
    let mut rows = 0;
    for (name, source) in found {
        let left = Options { most_rows: Some(MOST_ROWS.saturating_sub(rows)), ..options.clone() };
        let survey = import::survey(&source, &left).map_err(|reason| format!("{name}: {reason}"))?;
        rows += survey.rows;
        if let Some(place) = others.iter().position(|other| *other == name) {
            others.remove(place);
        }
        users.push(Surveyed { name, survey, source });
    }
    joined.check()?;
    Ok(Prepared { users, others, joined })
}

async fn rehearse(
    can: &Can<IsSuperuser>,
    prepared: Prepared,
    choices: &Choices,
) -> Result<std::result::Result<Rehearsal, String>> {
    let Prepared { users, others, joined } = prepared;
    let can = &can.detached();
    let options = choices.options(&joined, &can.app().settings, true);
    let file = tempfile::tempfile().map_err(Error::internal)?;
    let kept = Arc::new(file.try_clone().map_err(Error::internal)?);
    let mut report = Report::begin(BufWriter::new(file)).map_err(Error::internal)?;
    let (mut counts, mut notable, mut good) = (Counts::default(), Vec::new(), Vec::new());
    let by = By::Superuser(can.clone(), None);
    for Surveyed { survey, source, .. } in &users {
        let tell = |judged: &Judged, _: &Counts| {
            let is_notable = matches!(judged.verdict, Verdict::Refused(_)) || judged.has_unchecked_hash;
            let shown = if is_notable { &mut notable } else { &mut good };
            if shown.len() < MOST_SHOWN {
                shown.push(judged.clone());
            }
            report.add(judged)
        };
        match import::run(can.app(), source, survey, &options, &by, tell).await {
            Ok(more) => counts = counts.and(more),
            Err(Failure::Stopped(error)) => return Err(error),
            Err(Failure::Report(error)) => return Err(Error::internal(error)),
            Err(Failure::File(reason)) => return Ok(Err(reason)),
        }
    }
    report.flush().map_err(Error::internal)?;
    Ok(Ok(Rehearsal { users, others, counts, notable, good, report: kept, joined }))
}

/// The bytes of a report from a place on, of which there are none behind its end.
pub async fn piece(report: Arc<File>, place: u64) -> io::Result<Vec<u8>> {
    let read = move || {
        let mut piece = vec![0; 64 * 1024];
        let length = report.read_at(&mut piece, place)?;
        piece.truncate(length);
        Ok(piece)
    };
    spawn_blocking(read).await.map_err(io::Error::other)?
}
