//! `audit verify`, `audit head` and `audit archive`: the seals of the audit log, and what is no longer kept in it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Failure, complain, say};
use crate::model::clock::Timestamp;
use crate::operations::App;
use crate::operations::audit::{self, Head, HeadVerdict};

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Check that no sealed entry was altered or removed
    #[command(after_help = VERIFY_NOTES)]
    Verify(Verify),
    /// Print how far entries are sealed, signed, to be kept elsewhere
    #[command(after_help = HEAD_NOTES)]
    Head,
    /// Move old entries to a file that can be verified
    #[command(after_help = ARCHIVE_NOTES)]
    Archive(Archive),
}

#[derive(Debug, Args)]
pub(super) struct Archive {
    /// Entries from before this day, or time, go: 2026-03-01 or 2026-03-01T12:00:00Z, in UTC
    #[arg(long, value_name = "DATE")]
    before: String,
    /// The file to make; one that is there already is not overwritten
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A line that `usher audit head` printed earlier: checks that everything up to there is as it was
    #[arg(long, value_name = "LINE")]
    head: Option<String>,
    /// Files that `usher audit archive` made: checks them, too, and that each joins the next, and the last the log
    #[arg(value_name = "ARCHIVE")]
    archives: Vec<PathBuf>,
}

const VERIFY_NOTES: &str = "\
Prints how many entries are sealed, how many are not yet (the server seals them within seconds), and
the head: the last position with its seal, the time and a signature.

Seals are made with a key of the installation. An attacker who has the database and the secret key can make
new ones, one who removes entries, mark and key together has the log begin anew, and an earlier copy of the
whole database has seals that are right, too: keep the head somewhere else, and give it to --head the next time.

Entries that are no longer kept are not examined: give the archives that have them.

Exit code: 0 if every seal is right, the archives given are, too, and join, and the head given is one of this
log; 1 if not, with the reason.";

const ARCHIVE_NOTES: &str = "\
Writes the entries with their seals to a new file, which only its owner may read, and removes them from the
database once the file is on the disk; the server may run meanwhile. Prints nothing of them. If it is stopped in
between, give the same command again: it goes on. The last sealed entry always stays.

`usher audit verify FILE` checks the file, and that it joins what is left. Keep the key of the installation as
long as the file: seals are checked with it.";

const HEAD_NOTES: &str = "\
Keep the line on another machine. `usher audit verify --head LINE` finds later whether everything up to there
is as it was. The setting audit_head_to has the server send it to a file, the system log or an address every
hour.";

pub(super) async fn run(app: &App, command: Audit) -> Result<ExitCode, Failure> {
    match command {
        Audit::Verify(arguments) => verify(app, &arguments).await,
        Audit::Head => head(app).await,
        Audit::Archive(arguments) => archive(app, &arguments).await,
    }
}

async fn verify(app: &App, arguments: &Verify) -> Result<ExitCode, Failure> {
    let kept = match &arguments.head {
        Some(line) => Some(Head::parse(line).ok_or("--head must be a line that `usher audit head` printed")?),
        None => None,
    };
    let report = audit::verify(app).await?;
    say(&format_args!("{} entries sealed, {} not sealed yet", report.sealed, report.not_sealed));
    if report.gone > 0 {
        say(&format_args!("{} entries before them are no longer kept", report.gone));
    }
    if report.erased > 0 {
        say(&format_args!("personal values were erased from {} of them", report.erased));
    }
    if let Some(head) = &report.head {
        say(head);
    }
    let mut problems = Vec::new();
    problems.extend(report.fault.map(|fault| fault.to_string()));
    let (archives, wrong) = audit::verify_archives(app, &arguments.archives, kept.as_ref()).await?;
    for archive in &archives {
        say(archive);
    }
    problems.extend(wrong.iter().map(ToString::to_string));
    if let Some(kept) = kept {
        let is_archived = archives.iter().any(|archive| archive.has_head == Some(true));
        match audit::compare(app, &kept).await? {
            HeadVerdict::Same => {}
            HeadVerdict::Gone if is_archived => {}
            HeadVerdict::Gone => problems.push(format!(
                "the entry at position {} is no longer kept, and none of the archives given has it so",
                kept.position
            )),
            HeadVerdict::Different => problems
                .push(format!("the entries up to position {} are not those of that time", kept.position)),
            HeadVerdict::NotSigned => {
                problems.push("the head given was not signed with the key of this installation".to_owned());
            }
        }
    }
    for problem in &problems {
        complain(&format_args!("usher: {problem}"));
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn head(app: &App) -> Result<ExitCode, Failure> {
    match audit::head(app).await? {
        Some(head) => {
            say(&head);
            Ok(ExitCode::SUCCESS)
        }
        None => Err("no entry is sealed yet: the server seals entries within seconds".into()),
    }
}

async fn archive(app: &App, arguments: &Archive) -> Result<ExitCode, Failure> {
    let before = Timestamp::parse(&arguments.before)
        .ok_or("--before must be a day such as 2026-03-01, or a time in UTC such as 2026-03-01T12:00:00Z")?;
    let archived = audit::archive(app, before, &arguments.file).await?;
    if archived.resumed {
        say(&"The file was there already: what was left of its entries is removed from the log.");
    }
    say(&format_args!(
        "Archived the entries at positions {} to {} in {}, and removed {} from the log.",
        archived.first,
        archived.last,
        arguments.file.display(),
        archived.removed
    ));
    Ok(ExitCode::SUCCESS)
}
