//! `import`: users from a file. Each row gets a verdict; a bad row never stops the good ones.
//!
//! The steps, each in a module below: `source` gets the bytes, `formats` (with `django`, `json` and
//! `table`) takes them apart, `record` reads each row, `verdict` judges it, `store` writes.

pub(super) mod django;
pub(super) mod formats;
mod json;
mod record;
pub(super) mod row;
mod source;
mod store;
pub(super) mod table;
mod verdict;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use serde_json::{Map, Value};

use self::record::Record;
use self::row::{Parsed, Row};
use self::verdict::Verdict;
use super::{Failure, Import};
use crate::model::audit::Action;
use crate::model::error::Error;
use crate::model::raw::Raw;
use crate::operations::{App, operator};

pub(super) async fn run(app: &App, arguments: &Import) -> Result<ExitCode, Failure> {
    let content = source::read(&arguments.file)?;
    let parsed = formats::parse(&content, arguments.format)
        .map_err(|reason| format!("nothing was imported from {}: {reason}", arguments.file.display()))?;
    drop(content);
    let report = import(app, parsed, arguments.dry_run).await?;
    if !arguments.dry_run {
        operator::record(app, Action::Imported, report.counts())
            .await
            .map_err(|error| explain(error, "the users are in"))?;
    }
    // A report that cannot be written changes nothing: the users are in.
    drop(report.print(&mut BufWriter::new(std::io::stdout().lock()), arguments.verbose));
    Ok(if report.count(is_refused) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The result for a file.
struct Report {
    rows: Vec<(Label, Verdict)>,
    skipped: usize,
    dry_run: bool,
}

/// Judges all rows, then writes those that are new unless it is a dry run.
async fn import(app: &App, parsed: Parsed, dry_run: bool) -> Result<Report, Failure> {
    let now = app.clock.now();
    let read: Vec<(Label, Result<Record, Vec<String>>)> =
        parsed.rows.into_iter().map(|row| (Label::of(&row), record::read(&row))).collect();
    let records: Vec<&Record> = read.iter().filter_map(|(_, record)| record.as_ref().ok()).collect();
    let mut known =
        store::load(app, &records).await.map_err(|error| explain(error, "nothing was written"))?;
    let mut new = Vec::new();
    let mut rows = Vec::with_capacity(read.len());
    for (place, (label, record)) in read.into_iter().enumerate() {
        let verdict = match record {
            Err(reasons) => Verdict::Refused(reasons),
            Ok(record) => {
                let verdict = known.judge(&record, now);
                if verdict == Verdict::Created {
                    new.push(store::New { place, record });
                }
                verdict
            }
        };
        rows.push((label, verdict));
    }
    drop(known);
    if !dry_run {
        let revise = |place: usize, verdict| {
            if let Some((_, before)) = rows.get_mut(place) {
                *before = verdict;
            }
        };
        store::write(app, new, now, revise)
            .await
            .map_err(|error| explain(error, "a part may be written; run the same import again"))?;
    }
    Ok(Report { rows, skipped: parsed.skipped, dry_run })
}

fn explain(error: Error, consequence: &str) -> Failure {
    let cause = match error {
        Error::Internal(cause) => cause.to_string(),
        other => other.to_string(),
    };
    format!("{cause} ({consequence})").into()
}

fn is_refused(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused(_))
}

impl Report {
    fn count(&self, which: fn(&Verdict) -> bool) -> usize {
        self.rows.iter().filter(|(_, verdict)| which(verdict)).count()
    }

    /// For the audit log.
    fn counts(&self) -> Map<String, Value> {
        let counts = [
            ("created", self.count(|verdict| *verdict == Verdict::Created)),
            ("unchanged", self.count(|verdict| *verdict == Verdict::Unchanged)),
            ("refused", self.count(is_refused)),
        ];
        counts.into_iter().map(|(name, count)| (name.to_owned(), Value::from(count))).collect()
    }

    fn print(&self, out: &mut impl Write, verbose: bool) -> std::io::Result<()> {
        for (label, verdict) in &self.rows {
            match verdict {
                Verdict::Refused(reasons) => writeln!(out, "refused  {label}: {}", reasons.join(" "))?,
                Verdict::Created if verbose => writeln!(out, "created  {label}")?,
                Verdict::Unchanged if verbose => writeln!(out, "unchanged  {label}")?,
                Verdict::Created | Verdict::Unchanged => {}
            }
        }
        let created = self.count(|verdict| *verdict == Verdict::Created);
        let unchanged = self.count(|verdict| *verdict == Verdict::Unchanged);
        let refused = self.count(is_refused);
        let mode = if self.dry_run { "dry run: " } else { "" };
        write!(out, "{mode}{created} created, {unchanged} unchanged, {refused} refused")?;
        match self.skipped {
            0 => writeln!(out)?,
            skipped => writeln!(out, ", {skipped} skipped (not {})", django::MODEL)?,
        }
        out.flush()
    }
}

/// How a row is called in the report: `row 17 (pk 17, "O'Sullivan")`.
struct Label {
    number: usize,
    pk: Raw,
    username: Raw,
}

impl Label {
    /// Longest part of a value that is shown.
    const SHOWN: usize = 150;

    fn of(row: &Row) -> Self {
        let shorten = |value| match value {
            Raw::Text(text) => Raw::Text(text.chars().take(Self::SHOWN).collect()),
            other => other,
        };
        Self { number: row.number, pk: shorten(row.get("pk")), username: shorten(row.get("username")) }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} (", self.number)?;
        match &self.pk {
            Raw::Integer(pk) => write!(f, "pk {pk}, ")?,
            Raw::Text(pk) if is_number(pk) => write!(f, "pk {pk}, ")?,
            Raw::Text(pk) => write!(f, "pk {pk:?}, ")?,
            _ => {}
        }
        match &self.username {
            // Escaped: what a file holds must not steer the terminal.
            Raw::Text(username) => write!(f, "{username:?})"),
            _ => f.write_str("no username)"),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
