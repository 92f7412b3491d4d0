//! Archives of the audit log: old entries are written to a file, and are removed once that is on the disk.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rocket::tokio::time::{Instant, sleep};

use super::archive_file::{self, Contents, Head, Writer};
use super::chain::{BATCH, ChainPosition};
use super::mark::{self, Begin, Mark};
use super::removal::{self, Age, Batch, Until, remove_batch};
use super::verification::Fault;
use super::{Head as KeptHead, hexadecimal};
use crate::db;
use crate::db::unfinished::{self, UnfinishedError};
use crate::model::clock::Timestamp;
use crate::model::error::Error;
use crate::operations::App;
use crate::security::audit_key::AuditKey;

pub use super::archive_file::ArchiveFault;

/// Most time between two transactions, which a server beside this process has for its own: SQLite's lock has no queue.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many times as long as a transaction took the pause after it is. PostgreSQL works on after a commit: on its
/// write-ahead log, on the places of what was removed.
const fn pause_factor(dialect: db::Dialect) -> u32 {
    match dialect {
        db::Dialect::Sqlite => 2,
        db::Dialect::Postgres => 9,
    }
}

/// Why nothing, or not all, was archived.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be written or read.
    #[error("the file cannot be written: {0}")]
    File(#[from] io::Error),
    /// There is such a file, and it is not one whose entries are still to be removed.
    #[error("{0} is there already, {1}")]
    Exists(String, String),
    /// Another process is at it.
    #[error("{0} is being written by another process")]
    Busy(String),
    /// There is nothing to archive.
    #[error("there is nothing to archive: no sealed entry is from before that time")]
    Nothing,
    /// Entries to come cannot be archived.
    #[error("only what has happened can be archived: --before is a time that is still to come")]
    Future,
    /// The time does not tell what is old.
    #[error("the clock is behind the time of the last seal: set it right first")]
    ClockBehind,
    /// The server, or another run, removed entries while they were written.
    #[error("entries were removed meanwhile: try again")]
    Meanwhile,
    /// What is broken stays where an examination finds it.
    #[error("the audit log is broken: {0}")]
    Broken(Fault),
    /// The log of an earlier release is still being sealed anew.
    #[error("the audit log of an earlier release is to be sealed anew first: start the server")]
    Resealing,
    /// The installation failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<UnfinishedError> for ArchiveError {
    fn from(error: UnfinishedError) -> Self {
        match error {
            UnfinishedError::File(error) => Self::File(error),
            UnfinishedError::Exists(file, why) => Self::Exists(file, why),
            UnfinishedError::Busy(file) => Self::Busy(file),
        }
    }
}

impl From<db::Error> for ArchiveError {
    fn from(error: db::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What an archive has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The position of its first entry.
    pub first: i64,
    /// That of its last.
    pub last: i64,
    /// How many entries were removed from the log.
    pub removed: i64,
    /// Whether the file was there already, of a run that was cut short.
    pub resumed: bool,
}

/// Writes what happened before a time to a new file, which only its owner may read, and removes it from the log. If a run
/// was cut short after its file was there, the same call goes on with the removal.
///
/// # Errors
/// [`ArchiveError`]
pub async fn archive(app: &App, before: Timestamp, path: &Path) -> Result<Archived, ArchiveError> {
    if before > app.clock.now() {
        return Err(ArchiveError::Future);
    }
    let key = app.audit_watch.key(app).await?;
    let found = mark::read(&app.db, key).await?;
    let mark = found.mark().ok_or(ArchiveError::Broken(Fault::NoMark))?;
    if mark.is_resealing() {
        return Err(ArchiveError::Resealing);
    }
    if removal::is_clock_behind(app, mark) {
        return Err(ArchiveError::ClockBehind);
    }
    let resumed = path.try_exists()?;
    let contents = if resumed {
        resumable(app, before, path, key, mark).await?
    } else {
        write(app, before, path, key, mark).await?
    };
    let is_recorded = resumed && db::audit::is_removal_recorded(&app.db, &contents.sha256).await?;
    let removed = remove(app, path, &contents, is_recorded).await?;
    let (first, last) = (contents.begin.position + 1, contents.end.position);
    Ok(Archived { first, last, removed, resumed })
}

/// A file that is there, if it is the one that this call would have written, and its entries are still here.
async fn resumable(
    app: &App,
    before: Timestamp,
    path: &Path,
    key: &AuditKey,
    mark: &Mark,
) -> Result<Contents, ArchiveError> {
    let exists = |why: &str| ArchiveError::Exists(path.display().to_string(), why.to_owned());
    let begin = mark.begin();
    let contents = archive_file::read(path, key, Some(begin.position))?;
    let contents = contents.map_err(|fault| exists(&fault.to_string()))?;
    if contents.before != before {
        return Err(exists("with entries from before another time"));
    }
    if contents.end.position <= begin.position {
        return Err(exists("and its entries are removed from the log"));
    }
    // What is before its first entry may be in no file.
    if begin.position < contents.begin.position {
        return Err(exists("and the log has entries from before its first one"));
    }
    let is_at_begin = begin.position == contents.begin.position;
    let at_begin = if is_at_begin { Some(contents.begin.seal) } else { contents.sought };
    if at_begin != Some(begin.seal) {
        return Err(exists("and its entries are not those of this log"));
    }
    match db::audit::seal_at(&app.db, contents.end.position).await? {
        Some(seal) if seal == contents.end.seal => Ok(contents),
        _ => Err(exists("and its entries are not those of this log")),
    }
}

async fn write(
    app: &App,
    before: Timestamp,
    path: &Path,
    key: &AuditKey,
    mark: &Mark,
) -> Result<Contents, ArchiveError> {
    let unfinished = unfinished::name_for(path);
    let file = unfinished::open(&unfinished)?;
    let written = match write_to(app, before, &file, key, mark).await {
        Err(ArchiveError::Broken(fault)) => Err(broken(app, key, mark, fault).await),
        written => written,
    };
    let written = written.and_then(|contents| {
        file.sync_all()?;
        unfinished::put_in_place(&unfinished, path)?;
        Ok(contents)
    });
    if written.is_err() {
        // What is there is of no use; the next run would write it over.
        drop(fs::remove_file(&unfinished));
    }
    written
}

/// What it means that an entry was not as it was sealed, or where it was: the server may have removed what is old meanwhile.
async fn broken(app: &App, key: &AuditKey, mark: &Mark, fault: Fault) -> ArchiveError {
    match mark::read(&app.db, key).await {
        Ok(now) if now.mark().is_some_and(|now| now.begin() != mark.begin()) => ArchiveError::Meanwhile,
        Ok(_) => ArchiveError::Broken(fault),
        Err(error) => error.into(),
    }
}

async fn write_to(
    app: &App,
    before: Timestamp,
    file: &File,
    key: &AuditKey,
    mark: &Mark,
) -> Result<Contents, ArchiveError> {
    let start = mark.begin();
    let begin = Head { position: start.position, seal: start.seal };
    let mut place = ChainPosition::after(&start);
    let mut writer = Writer::begin(BufWriter::new(file), key, before, begin)?;
    let newest = db::audit::sealed_after(&app.db, mark.position - 1, 1).await?;
    let age = Age::new(before, app.clock.now(), &newest);
    let mut from = i64::MIN;
    loop {
        let entries = db::audit::sealed_after(&app.db, from, BATCH).await?;
        if let Some(fault) = removal::out_of_place(&entries, &start) {
            return Err(ArchiveError::Broken(fault));
        }
        // The last one stays in the log.
        let may_go = entries.iter().take_while(|sealed| sealed.position < mark.position);
        let count = age.count(may_go.map(|sealed| sealed.entry.happened_at));
        if count == 0 {
            break;
        }
        for sealed in entries.into_iter().take(count) {
            if !place.step(key, &sealed) {
                let position = place.position + 1;
                return Err(ArchiveError::Broken(Fault::Altered { id: sealed.entry.id, position }));
            }
            writer.entry(&sealed)?;
        }
        from = place.position;
    }
    // Values may have been erased since the mark was read.
    let now = mark::read(&app.db, key).await?;
    let now = now.mark().ok_or(ArchiveError::Broken(Fault::NoMark))?;
    if let Some(fault) = removal::unknown_erasures(now, &start, place.groups_erased) {
        return Err(ArchiveError::Broken(fault));
    }
    if place.position == begin.position {
        return Err(ArchiveError::Nothing);
    }
    let end = Head { position: place.position, seal: place.seal };
    let (mut to, sha256) = writer.finish(key, end)?;
    to.flush()?;
    // The file is not to have an entry that the database may still lose.
    app.db.settle().await?;
    Ok(Contents { begin, end, before, erased: place.erased, sought: None, sha256 })
}

/// Removes from the log what is in a file. The first transaction records it, unless a run did that was cut short.
async fn remove(
    app: &App,
    path: &Path,
    contents: &Contents,
    mut is_recorded: bool,
) -> Result<i64, ArchiveError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let last = Begin { position: contents.end.position, seal: contents.end.seal, ..Begin::default() };
    let entry = |count, next: &Begin| {
        let first = next.position - count;
        removal::entry(last.position - first, &last, contents.before)
            .detail("file", &*name)
            .detail("sha256", contents.sha256.as_str())
    };
    let until = Until::Position(contents.end.position);
    let mut removed = 0;
    loop {
        let begun = Instant::now();
        let told = |count, next: &Begin| (!is_recorded).then(|| entry(count, next));
        match db::retrying(|| remove_batch(app, until, &told)).await? {
            Batch::Removed(count) => {
                removed += count;
                sleep((begun.elapsed() * pause_factor(app.db.dialect())).min(LONGEST_PAUSE)).await;
            }
            Batch::Nothing => return Ok(removed),
            Batch::Broken(fault) => return Err(ArchiveError::Broken(fault)),
        }
        is_recorded = true;
    }
}

/// What an examination of an archive found.
#[derive(Debug)]
pub struct ArchiveReport {
    /// Which file.
    pub path: PathBuf,
    /// The positions of its first and last entry.
    pub positions: (i64, i64),
    /// Entries of which personal values were erased.
    pub erased: i64,
    /// Whether its entries were removed from the log.
    pub is_removed: bool,
    /// Whether a head that was given is of one of its entries, and is right.
    pub has_head: Option<bool>,
}

impl std::fmt::Display for ArchiveReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, last) = self.positions;
        write!(
            f,
            "{}: the entries at positions {first} to {last} are as they were sealed",
            self.path.display()
        )?;
        if self.erased > 0 {
            write!(f, "; personal values were erased from {} of them", self.erased)?;
        }
        if !self.is_removed {
            f.write_str("; they are still in the log, too: give the same `usher audit archive` again")?;
        }
        Ok(())
    }
}

/// What is wrong with an archive, or with its place.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveProblem {
    /// The file itself.
    #[error("{0}: {1}")]
    File(String, ArchiveFault),
    /// It is right, and does not join what comes after it.
    #[error("{file}: its last entry, at position {last}, does not join {next}")]
    Apart {
        /// Which file.
        file: String,
        /// The position of its last entry.
        last: i64,
        /// What comes after it.
        next: String,
    },
}

/// Examines archives, and whether each joins the next one and the last joins the log.
///
/// # Errors
/// [`ArchiveError`] if a file cannot be read.
pub async fn verify_archives(
    app: &App,
    paths: &[PathBuf],
    head: Option<&KeptHead>,
) -> Result<(Vec<ArchiveReport>, Vec<ArchiveProblem>), ArchiveError> {
    let key = app.audit_watch.key(app).await?;
    let (mut right, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match archive_file::read(path, key, head.map(|head| head.position))? {
            Ok(contents) => right.push((path, contents)),
            Err(fault) => problems.push(ArchiveProblem::File(path.display().to_string(), fault)),
        }
    }
    right.sort_by_key(|(_, contents)| contents.begin.position);
    let log = mark::read(&app.db, key).await?.mark().map(Mark::begin).unwrap_or_default();
    let mut reports = Vec::new();
    for (n, (path, contents)) in right.iter().enumerate() {
        let end = contents.end;
        let (joins, next) = match right.get(n + 1) {
            Some((next, other)) => (other.begin == end, next.display().to_string()),
            None if end.position > log.position => {
                let stored = db::audit::seal_at(&app.db, end.position).await?;
                (stored.is_some_and(|seal| seal == end.seal), "the log, which has it, too".to_owned())
            }
            None => {
                let joins = end.position == log.position && end.seal == log.seal;
                (joins, format!("the log, which begins after position {}", log.position))
            }
        };
        if !joins {
            let (file, last) = (path.display().to_string(), end.position);
            problems.push(ArchiveProblem::Apart { file, last, next });
        }
        let has_head = contents.sought.zip(head).map(|(seal, head)| hexadecimal(&seal) == head.seal);
        reports.push(ArchiveReport {
            path: (*path).clone(),
            positions: (contents.begin.position + 1, end.position),
            erased: contents.erased,
            is_removed: end.position <= log.position,
            has_head,
        });
    }
    Ok((reports, problems))
}
