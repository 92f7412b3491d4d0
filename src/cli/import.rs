//! `import`: users from a file. Says what is in it, then each row's verdict as far as the operator has to know it.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::{Dates, Failure, Format, Import};
use crate::operations::App;
use crate::operations::import::{
    self, By, Counts, DateOrder, Judged, LeftOut, Options, Report, Source, Survey, Verdict,
};

/// Refusals that are printed, and users whose hashes are left out; `--report` has them all.
const MOST_PRINTED: u64 = 100;
/// Rows between two signs of life on a terminal.
const PROGRESS: u64 = 500;

impl From<Format> for import::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Django => Self::Django,
            Format::Csv => Self::Csv,
            Format::Json => Self::Json,
        }
    }
}

impl From<Dates> for DateOrder {
    fn from(dates: Dates) -> Self {
        match dates {
            Dates::Dmy => Self::DayFirst,
            Dates::Mdy => Self::MonthFirst,
        }
    }
}

impl Import {
    fn options(&self) -> Result<Options, Failure> {
        let column = |argument: &String| match argument.rsplit_once('=') {
            Some((name, field)) => Ok((name.trim().to_owned(), field.trim().to_owned())),
            None => Err(Failure::from(format!("--column {argument:?} has no \"=\""))),
        };
        Ok(Options {
            format: self.format.map(import::Format::from),
            columns: self.column.iter().map(column).collect::<Result<_, _>>()?,
            hash: self.hash.as_deref().map(import::formula).transpose()?,
            dates: self.dates.map(DateOrder::from),
            part: self.realm.clone(),
            staff_role: self.staff_role.clone(),
            joined: Arc::default(),
            new_keys: self.new_keys,
            left_out: LeftOut { weak: self.no_weak_hashes, broken: self.no_broken_hashes },
            most_rows: None,
            settings: Arc::default(),
            dry_run: self.dry_run,
        })
    }
}

pub(super) async fn run(app: &App, arguments: &Import) -> Result<ExitCode, Failure> {
    let mut sources = Vec::with_capacity(arguments.files.len());
    for file in &arguments.files {
        sources.push((file.display().to_string(), Source::open(file, arguments.encoding.as_deref())?));
    }
    let (users, joined) = import::join(sources)?;
    let options =
        Options { joined: Arc::new(joined), settings: Arc::clone(&app.settings), ..arguments.options()? };
    let mut surveyed = Vec::with_capacity(users.len());
    for (name, source) in users {
        let survey = import::survey(&source, &options)
            .map_err(|reason| format!("nothing was imported from {name}: {reason}"))?;
        surveyed.push((name, source, survey));
    }
    options.joined.check()?;
    let report = arguments.report.as_deref().map(create_report).transpose()?;
    let mut out = BufWriter::new(io::stdout().lock());
    for (name, _, survey) in &surveyed {
        // What cannot be printed changes nothing: the users get in all the same.
        drop(tell_survey(&mut out, name, survey).and_then(|()| out.flush()));
    }
    let mut printer = Printer { out, report, verbose: arguments.verbose, printed: 0, unchecked: 0, rows: 0 };
    let mut is_good = true;
    for (_, source, survey) in &surveyed {
        (printer.rows, printer.printed, printer.unchecked) = (survey.rows, 0, 0);
        let counts = import(app, source, survey, &options, &mut printer).await?;
        is_good &= counts.refused == 0 && counts.rows() > 0;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn import<W: Write>(
    app: &App,
    source: &Source,
    survey: &Survey,
    options: &Options,
    printer: &mut Printer<W>,
) -> Result<Counts, Failure> {
    let consequence = if options.dry_run {
        "nothing was written"
    } else {
        "a part may be written; run the same import again"
    };
    let counts = import::run(app, source, survey, options, &By::Operator, |judged, counts| {
        printer.tell(judged, counts)
    })
    .await
    .map_err(|failure| format!("{failure} ({consequence})"))?;
    printer.finish(&counts, options)?;
    Ok(counts)
}

/// What is in the file, before anything is written.
fn tell_survey(out: &mut impl Write, name: &str, survey: &Survey) -> io::Result<()> {
    write!(out, "{name}: {}, {} rows", survey.format.name(), survey.rows)?;
    if let Some(encoding) = survey.encoding() {
        write!(out, ", in {encoding}")?;
    }
    writeln!(out)?;
    let columns: Vec<_> = survey.not_read().map(|name| format!("{name:?}")).collect();
    if !columns.is_empty() {
        writeln!(out, "columns that are not read: {}", columns.join(", "))?;
    }
    if let Some(order) = survey.dates {
        writeln!(out, "dates with slashes or hyphens: the {} comes first", order.first())?;
    }
    if !survey.skipped.is_empty() {
        let kinds: Vec<_> =
            survey.skipped.iter().map(|(kind, count)| format!("{count} {}", kind.escape_debug())).collect();
        writeln!(out, "not read, as they are no users: {}", kinds.join(", "))?;
    }
    Ok(())
}

/// A new file for the report that only its owner can read: it names people.
fn create_report(path: &Path) -> Result<Report<BufWriter<File>>, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(Report::begin(BufWriter::new(file))?)
}

/// Where verdicts go.
struct Printer<W> {
    out: W,
    report: Option<Report<BufWriter<File>>>,
    verbose: bool,
    /// Refusals so far.
    printed: u64,
    /// Users so far whose hashes cannot be checked here.
    unchecked: u64,
    /// All there are, for the progress.
    rows: u64,
}

impl<W: Write> Printer<W> {
    fn tell(&mut self, judged: &Judged, counts: &Counts) -> io::Result<()> {
        if let Some(report) = &mut self.report {
            report.add(judged)?;
        }
        if counts.rows().is_multiple_of(PROGRESS) && io::stderr().is_terminal() {
            drop(write!(io::stderr(), "\r{} of {} rows", counts.rows(), self.rows));
        }
        let is_refused = matches!(judged.verdict, Verdict::Refused(_));
        let is_unchecked = !is_refused && judged.has_unchecked_hash;
        self.printed += u64::from(is_refused);
        self.unchecked += u64::from(is_unchecked);
        let is_notable =
            is_refused && self.printed <= MOST_PRINTED || is_unchecked && self.unchecked <= MOST_PRINTED;
        if is_notable || (self.verbose && !is_refused) {
            let label = format!("{}  {}", judged.word(), judged.label);
            let remarks = judged.remarks();
            let separator = if remarks.is_empty() { "" } else { ": " };
            drop(writeln!(self.out, "{label}{separator}{remarks}"));
        }
        Ok(())
    }

    fn finish(&mut self, counts: &Counts, options: &Options) -> Result<(), Failure> {
        if let Some(report) = &mut self.report {
            report.flush().map_err(|error| format!("the users are in, but the report is not: {error}"))?;
        }
        // A closed terminal is no failure.
        drop(self.summarize(counts, options));
        Ok(())
    }

    fn summarize(&mut self, counts: &Counts, options: &Options) -> io::Result<()> {
        let out = &mut self.out;
        if counts.rows() >= PROGRESS && io::stderr().is_terminal() {
            writeln!(io::stderr())?;
        }
        if self.printed > MOST_PRINTED {
            let more = self.printed - MOST_PRINTED;
            let hint = if self.report.is_some() { "the report has all" } else { "--report FILE writes all" };
            writeln!(out, "and {more} more are refused: {hint}")?;
        }
        if counts.invited > 0 {
            writeln!(
                out,
                "{} of the created have no password: they need a link to choose one",
                counts.invited
            )?;
        }
        if counts.unchecked > 0 {
            let hint = if self.unchecked > MOST_PRINTED && self.report.is_none() {
                "; --report FILE names all"
            } else {
                ""
            };
            writeln!(
                out,
                "{} of these have a hash that cannot be checked here, which is left out{hint}",
                counts.unchecked
            )?;
        }
        if counts.layered > 0 {
            let layered = counts.layered;
            writeln!(out, "{layered} of the created had a weak hash: argon2id of it is stored instead")?;
        }
        if counts.initial > 0 {
            writeln!(out, "{} of the created have the password that was in the file", counts.initial)?;
        }
        if counts.external_ids > 0 {
            writeln!(out, "{} users who are here already have new external ids", counts.external_ids)?;
        }
        if counts.external_ids_left_out > 0 {
            let left_out = counts.external_ids_left_out;
            writeln!(
                out,
                "{left_out} external ids were left out: their SCIM client is not here, or calls another user so"
            )?;
        }
        if counts.rows() == 0 {
            writeln!(out, "there are no users in it: nothing was imported")?;
        }
        let mode = if options.dry_run { "dry run: " } else { "" };
        let Counts { created, unchanged, refused, .. } = counts;
        writeln!(out, "{mode}{created} created, {unchanged} unchanged, {refused} refused")?;
        out.flush()
    }
}
