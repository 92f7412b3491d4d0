//! `backup`: a copy of the database, beside the server. It is copied as it is, whichever release has made it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rocket::figment::Figment;

use super::{Failure, say};
use crate::db;
use crate::operations::App;

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make; one that is there already is not overwritten
    file: PathBuf,
}

pub(super) async fn run(figment: &Figment, arguments: &Backup) -> Result<ExitCode, Failure> {
    let (db, schema) = App::inspect(figment).await?;
    if schema.is_new && db.dialect() == db::Dialect::Sqlite {
        return Err("there is no database yet".into());
    }
    db::backup::copy(&db, &arguments.file).await?;
    db.close().await;
    say(&format_args!("Copied the database to {}.", arguments.file.display()));
    Ok(ExitCode::SUCCESS)
}
