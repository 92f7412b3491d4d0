//! `backup`: a copy of the database, beside the server.

use std::process::ExitCode;

use super::{Backup, Failure, say};
use crate::db;
use crate::operations::App;

pub(super) async fn run(app: &App, arguments: &Backup) -> Result<ExitCode, Failure> {
    db::backup::copy(&app.db, &arguments.file).await?;
    say(&format_args!("Copied the database to {}.", arguments.file.display()));
    Ok(ExitCode::SUCCESS)
}
