//! `export`: all users, active or not, with their password hashes, by primary key.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Map, Value};

use super::import::{django, row::FIELDS};
use super::{Export, Failure, Format};
use crate::db::users::{self, Credentials};
use crate::model::audit::Action;
use crate::model::clock::Timestamp;
use crate::model::record::Record;
use crate::model::user::UserId;
use crate::operations::{App, csv, operator};

/// Users that are fetched at once.
const BATCH: i64 = 1000;

pub(super) async fn run(app: &App, arguments: &Export) -> Result<ExitCode, Failure> {
    let format =
        arguments.format.to_possible_value().map_or_else(String::new, |value| value.get_name().into());
    let details = Map::from_iter([("format".to_owned(), Value::from(format))]);
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
    let mut last = UserId(0);
    let mut first = true;
    loop {
        let batch = users::credentials_after(&app.db, last, BATCH).await?;
        let Some(end) = batch.last() else { break };
        last = end.user.id;
        write_batch(format, out, &batch, first).map_err(|error| failed(&error))?;
        first = false;
    }
    end(format, out, first).map_err(|error| failed(&error))
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
fn write_batch(format: Format, out: &mut impl Write, batch: &[Credentials], first: bool) -> io::Result<()> {
    if format == Format::Csv {
        return write_lines(out, batch);
    }
    for (credentials, n) in batch.iter().zip(0..) {
        out.write_all(if first && n == 0 { b"\n" } else { b",\n" })?;
        match format {
            Format::Django => serde_json::to_writer(&mut *out, &Dumped::from(credentials))?,
            Format::Json | Format::Csv => serde_json::to_writer(&mut *out, &Exported::from(credentials))?,
        }
    }
    Ok(())
}

/// In the order of [`FIELDS`].
fn write_lines(out: &mut impl Write, batch: &[Credentials]) -> io::Result<()> {
    let mut lines = Vec::with_capacity(batch.len());
    for Credentials { user, password } in batch {
        lines.push(csv::cells(user)?.into_iter().chain([password.as_str().to_owned()]));
    }
    out.write_all(&csv::lines(lines)?)
}

/// The record of the API, and the hash.
#[derive(Serialize)]
struct Exported<'a> {
    #[serde(flatten)]
    record: Record<'a>,
    password: &'a str,
}

impl<'a> From<&'a Credentials> for Exported<'a> {
    fn from(Credentials { user, password }: &'a Credentials) -> Self {
        Self { record: Record::from(user), password: password.as_str() }
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

impl<'a> From<&'a Credentials> for Dumped<'a> {
    fn from(Credentials { user, password }: &'a Credentials) -> Self {
        let fields = DumpedFields {
            password: django::to_django(password.as_str()),
            last_login: user.last_login,
            is_superuser: user.is_superuser,
            username: user.username.as_str(),
            first_name: &user.first_name,
            last_name: &user.last_name,
            email: &user.email,
            is_staff: user.is_staff,
            is_active: user.is_active,
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
