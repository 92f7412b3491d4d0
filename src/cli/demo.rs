//! `demo`: a server with invented people, on a throwaway file and for this machine only.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rocket::figment::Figment;
use rocket::figment::providers::Serialized;
use tempfile::TempDir;

use super::{Demo, Failure, say, serve};
use crate::config::{self, Settings};
use crate::http::logging;
use crate::model::clock::Clock;
use crate::model::site::Purpose;
use crate::operations::App;
use crate::operations::demo::{self, PEOPLE, SUPERUSER};

/// Serves until it is told to stop; then nothing is left of it.
pub(super) fn run(arguments: &Demo) -> Result<ExitCode, Failure> {
    let folder = TempDir::with_prefix("usher-demo-")?;
    let figment = figment(folder.path(), arguments.port);
    let settings = Settings::read(&figment)?;
    logging::start(settings.log_level, settings.log_format);
    serve::runtime(&config::rocket_config(&figment)?)?.block_on(fill_and_serve(figment))?;
    folder.close()?;
    Ok(ExitCode::SUCCESS)
}

/// Without the file and the variables of this machine: a demo sends no mail and listens nowhere else.
fn figment(folder: &Path, port: u16) -> Figment {
    let url = format!("sqlite://{}", folder.join("demo.db").display());
    config::with_database(config::defaults(), &url)
        .merge(Serialized::global("address", "127.0.0.1"))
        .merge(Serialized::global("port", port))
        .merge(Serialized::global("usher.log_level", "warn"))
}

async fn fill_and_serve(figment: Figment) -> Result<(), Failure> {
    let app = App::open(&figment, Clock::System).await?;
    let password = demo::fill(&app).await?;
    app.db.close().await;
    say(&format_args!(
        "A demo with {PEOPLE} invented people, on this machine only. Nothing is kept when it stops.\n\n    \
         Sign in as {SUPERUSER} with the password {password}\n\n\
         All of these people have that password, but those who are yet to choose one."
    ));
    serve::run(figment, Purpose::Demo, Duration::ZERO).await
}
