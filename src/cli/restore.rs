//! `restore`: a copy of the database becomes the database.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rocket::figment::Figment;

use super::{Failure, counted, say};
use crate::db::{self, Db, ServerLock};
use crate::model::clock::Clock;

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The copy
    file: PathBuf,
}

pub(super) async fn run(figment: &Figment, arguments: &Restore) -> Result<ExitCode, Failure> {
    let section = figment.focus("databases.main");
    let _lock = ServerLock::take(&section).await?;
    let db = Db::unconnected(&section).await?;
    let now: String =
        Clock::System.now().to_string().chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    let restored = db::restore::restore(&db, &arguments.file, &format!(".before-{now}")).await?;
    say(&format_args!("Restored {} from {}.", restored.database.display(), arguments.file.display()));
    if let Some(former) = restored.former {
        say(&format_args!("The database before is kept as {}.", former.display()));
    }
    if restored.pending > 0 {
        say(&format_args!(
            "An earlier release made the copy: the next start applies {}.",
            counted(restored.pending, "migration")
        ));
    }
    say(&"Sessions that have been ended since are live in it again, if they have not run out.");
    Ok(ExitCode::SUCCESS)
}
