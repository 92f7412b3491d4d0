//! `export`: all users, active or not, with their password hashes and second factors, by primary key.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Map;

use super::{Export, Failure, Format, complain};
use crate::db::carried;
use crate::db::users::{self, Whole};
use crate::model::audit::Action;
use crate::model::clock::Timestamp;
use crate::model::preferences::Preferences;
use crate::model::record::{Record, Value};
use crate::model::user::UserId;
use crate::operations::carried_factors::{Seals, Written};
use crate::operations::import::{django, row::FIELDS};
use crate::operations::{App, csv, operator};

/// Users that are fetched at once.
const BATCH: i64 = 1000;

pub(super) async fn run(app: &App, arguments: &Export) -> Result<ExitCode, Failure> {
    let format =
        arguments.format.to_possible_value().map_or_else(String::new, |value| value.get_name().into());
    let details = Map::from_iter([("format".to_owned(), format.into())]);
    keep_private()?;
    // Before the first byte: what cannot be recorded does not happen.
    operator::record(app, Action::Exported, details).await.map_err(|error| error.to_string())?;
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write_all(app, arguments.format, &mut out).await;
    // What is left in the buffer after an error must not be tried again when it is dropped.
    drop(out.into_parts());
    written.map(|()| ExitCode::SUCCESS)
}

/// If standard output is a file, as a shell makes it for all to read, leaves it to its owner.
fn keep_private() -> Result<(), Failure> {
    let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if file.metadata()?.is_file() {
        let private = file.set_permissions(Permissions::from_mode(0o600));
        private.map_err(|error| format!("others may read the file, and that cannot be changed: {error}"))?;
    }
    Ok(())
}

/// Writes all users. Fetched in batches, each a query of its own: the memory does not grow with them.
pub(super) async fn write_all(app: &App, format: Format, out: &mut impl Write) -> Result<(), Failure> {
    begin(format, out).map_err(|error| failed(&error))?;
    let seals = Seals::of(app).await.map_err(|error| error.to_string())?;
    let mut last = UserId(0);
    let mut first = true;
    let mut protected = 0_u64;
    loop {
        let batch = users::whole_after(&app.db, last, BATCH).await?;
        let Some(end) = batch.last() else { break };
        let mut carried = match format {
            Format::Json | Format::Csv => carried::between(&app.db, last, end.user.id).await?,
            Format::Django => HashMap::new(),
        };
        last = end.user.id;
        protected += batch.iter().filter(|whole| whole.user.has_factor).map(|_| 1).sum::<u64>();
        let mut all = Vec::with_capacity(batch.len());
        for whole in batch {
            let carried = carried.remove(&whole.user.id).unwrap_or_default();
            let factors = Written::of(&carried, &seals).map_err(|error| error.to_string())?;
            all.push(Moved { whole, factors, external_ids: carried.external_ids.into_iter().collect() });
        }
        write_batch(format, out, &all, first, app.clock.now()).map_err(|error| failed(&error))?;
        first = false;
    }
    if format == Format::Django && protected > 0 {
        complain(&format_args!(
            "{protected} users have a second factor, which Django does not know: there the password alone signs them in"
        ));
    }
    end(format, out, first).map_err(|error| failed(&error))
}

/// A user with all that an export has.
struct Moved {
    whole: Whole,
    factors: Option<Written>,
    /// What each client, by its name, calls the user.
    external_ids: BTreeMap<String, String>,
}

fn failed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => "the reader stopped before all users were written".into(),
        _ => format!("the users cannot be written: {error}").into(),
    }
}

fn begin(format: Format, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Json | Format::Django => out.write_all(b"["),
        Format::Csv => write!(out, "{}\r\n", FIELDS.join(",")),
    }
}

fn end(format: Format, out: &mut impl Write, empty: bool) -> io::Result<()> {
    match format {
        Format::Json | Format::Django => out.write_all(if empty { b"]\n" } else { b"\n]\n" })?,
        Format::Csv => {}
    }
    out.flush()
}

/// JSON has one user a line, so that two exports can be compared line by line.
fn write_batch(
    format: Format,
    out: &mut impl Write,
    batch: &[Moved],
    first: bool,
    now: Timestamp,
) -> io::Result<()> {
    if format == Format::Csv {
        return write_lines(out, batch);
    }
    for (moved, n) in batch.iter().zip(0..) {
        out.write_all(if first && n == 0 { b"\n" } else { b",\n" })?;
        match format {
            Format::Django => serde_json::to_writer(&mut *out, &Dumped::at(&moved.whole, now))?,
            Format::Json | Format::Csv => serde_json::to_writer(&mut *out, &Exported::from(moved))?,
        }
    }
    Ok(())
}

/// In the order of [`FIELDS`].
fn write_lines(out: &mut impl Write, batch: &[Moved]) -> io::Result<()> {
    let mut lines = Vec::with_capacity(batch.len());
    for Moved { whole: Whole { user, password, preferences }, factors, external_ids } in batch {
        let at =
            |time: Option<Timestamp>| time.map_or_else(String::new, |time| Value::Instant(time).to_string());
        lines.push(csv::cells(user)?.into_iter().chain([
            at(user.valid_from),
            at(user.valid_until),
            user.must_change_password.to_string(),
            at(user.password_changed_at),
            preferences.clone(),
            password.as_str().to_owned(),
            user.is_deprovisioned.to_string(),
            at(user.modified_at),
            if external_ids.is_empty() { String::new() } else { serde_json::to_string(external_ids)? },
            factors.as_ref().map(serde_json::to_string).transpose()?.unwrap_or_default(),
        ]));
    }
    out.write_all(&csv::lines(lines)?)
}

/// The record of the API, and all that is kept of the user beyond it.
#[derive(Serialize)]
struct Exported<'a> {
    #[serde(flatten)]
    record: Record<'a>,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    must_change_password: bool,
    password_changed_at: Option<Timestamp>,
    preferences: Option<Preferences>,
    password: &'a str,
    is_deprovisioned: bool,
    modified_at: Option<Timestamp>,
    external_ids: Option<&'a BTreeMap<String, String>>,
    second_factors: Option<&'a Written>,
}

impl<'a> From<&'a Moved> for Exported<'a> {
    fn from(moved: &'a Moved) -> Self {
        let Moved { whole: Whole { user, password, preferences }, factors, external_ids } = moved;
        Self {
            record: Record::from(user),
            valid_from: user.valid_from,
            valid_until: user.valid_until,
            must_change_password: user.must_change_password,
            password_changed_at: user.password_changed_at,
            preferences: (!preferences.is_empty()).then(|| Preferences::from_json(preferences)),
            password: password.as_str(),
            is_deprovisioned: user.is_deprovisioned,
            modified_at: user.modified_at,
            external_ids: (!external_ids.is_empty()).then_some(external_ids),
            second_factors: factors.as_ref(),
        }
    }
}

/// An object of `dumpdata`.
#[derive(Serialize)]
struct Dumped<'a> {
    model: &'static str,
    pk: UserId,
    fields: DumpedFields<'a>,
}

#[derive(Serialize)]
struct DumpedFields<'a> {
    password: String,
    last_login: Option<Timestamp>,
    is_superuser: bool,
    username: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    email: &'a str,
    is_staff: bool,
    is_active: bool,
    date_joined: Timestamp,
    groups: [(); 0],
    user_permissions: [(); 0],
}

impl<'a> Dumped<'a> {
    /// Django knows no dates of accounts: one that may not be used now is inactive there.
    fn at(Whole { user, password, .. }: &'a Whole, now: Timestamp) -> Self {
        let fields = DumpedFields {
            password: django::to_django(password.as_str()),
            last_login: user.last_login,
            is_superuser: user.is_superuser,
            username: user.username.as_str(),
            first_name: &user.first_name,
            last_name: &user.last_name,
            email: &user.email,
            is_staff: user.is_staff,
            is_active: user.is_usable(now),
            date_joined: user.date_joined,
            groups: [],
            user_permissions: [],
        };
        Self { model: django::MODEL, pk: user.id, fields }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that goes away.
    struct ClosedPipe;

    impl Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_an_error_and_not_a_panic() {
        let error = begin(Format::Json, &mut ClosedPipe).map_err(|error| failed(&error)).unwrap_err();
        assert_eq!(error.to_string(), "the reader stopped before all users were written");
    }
}
