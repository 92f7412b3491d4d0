//! `migrate`: applies pending migrations, or lists them.

use std::process::ExitCode;

use clap::Args;
use rocket::figment::Figment;
use rocket::figment::providers::Serialized;

use super::{Failure, counted, say};
use crate::db::Step;
use crate::model::clock::Clock;
use crate::operations::App;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// List what would be applied and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Make a new, empty database where the setting `database_must_exist` says that there is one already
    #[arg(long, conflicts_with = "dry_run")]
    create: bool,
}

impl Migrate {
    /// The settings for this command.
    pub(super) fn settings(&self, figment: Figment) -> Figment {
        let figment = figment.merge(Serialized::global("usher.migrate_at_start", true));
        if self.create {
            return figment.merge(Serialized::global("usher.database_must_exist", false));
        }
        figment
    }
}

pub(super) async fn run(figment: &Figment, arguments: &Migrate) -> Result<ExitCode, Failure> {
    let (db, schema) = App::inspect(figment).await?;
    db.close().await;
    schema.check()?;
    if arguments.dry_run {
        list("Would apply", &schema.pending);
        return Ok(ExitCode::SUCCESS);
    }
    App::open(figment, Clock::System).await?.db.close().await;
    list("Applied", &schema.pending);
    say(&"The database is up to date.");
    Ok(ExitCode::SUCCESS)
}

fn list(what: &str, steps: &[Step]) {
    if steps.is_empty() {
        say(&"No migration is pending.");
    } else {
        say(&format_args!("{what} {}:", counted(steps.len(), "migration")));
    }
    for step in steps {
        say(&format_args!("  {:04} {}", step.version, step.name.replace('_', " ")));
    }
}
