//! `copy`: everything into another database, of either kind.

use std::process::ExitCode;

use clap::Args;
use rocket::figment::Figment;
use serde_json::Map;

use super::{Failure, say};
use crate::config;
use crate::db::{self, Db};
use crate::model::audit::Action;
use crate::operations::{App, operator};

#[derive(Debug, Args)]
pub(super) struct Copy {
    /// The URL of the other database; a password in PGPASSWORD instead of the URL stays out of the list of processes
    #[arg(long, value_name = "URL")]
    to: String,
}

pub(super) async fn run(app: &App, figment: Figment, arguments: &Copy) -> Result<ExitCode, Failure> {
    let target = Db::open(&config::with_database(figment, &arguments.to).focus("databases.main")).await?;
    // Before the first byte: what cannot be recorded does not happen.
    let details = Map::from_iter([("format".to_owned(), "database".into())]);
    operator::record(app, Action::Exported, details).await.map_err(|error| error.to_string())?;
    let copied = db::copy::copy(&app.db, &target).await;
    target.close().await;
    for table in copied?.iter().filter(|table| table.rows > 0) {
        say(&format_args!("{}: {} rows", table.table, table.rows));
    }
    say(
        &"Copied. Put the new URL into the configuration; `usher audit verify` examines the copied audit log.",
    );
    Ok(ExitCode::SUCCESS)
}
