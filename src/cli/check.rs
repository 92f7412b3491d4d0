//! `check`: whether the configuration and the database are fit.

use std::process::ExitCode;

use rocket::figment::Figment;

use super::{complain, say};
use crate::model::clock::Clock;
use crate::operations::App;
use crate::{config, db};

pub(super) async fn run(figment: &Figment) -> ExitCode {
    match findings(figment).await {
        Ok(findings) => {
            for finding in findings {
                say(&finding);
            }
            ExitCode::SUCCESS
        }
        Err(problem) => {
            complain(&format_args!("usher: {problem}"));
            ExitCode::FAILURE
        }
    }
}

async fn findings(figment: &Figment) -> Result<Vec<String>, super::Failure> {
    let rocket = config::rocket_config(figment)?;
    let app = App::open(figment, Clock::System).await?;
    db::installation::ping(&mut app.db.connection().await?).await?;
    let mut findings = vec![
        format!(
            "ok: the configuration is valid; the server will listen on {}:{}",
            rocket.address, rocket.port
        ),
        format!("ok: the {} database answers and its schema is up to date", app.db.dialect().name()),
    ];
    findings.push(if db::users::superuser_exists(&app.db).await? {
        "ok: there is an active superuser".to_owned()
    } else {
        "note: there is no active superuser; make one with usher createsuperuser --username NAME".to_owned()
    });
    if !db::select::search_is_indexed(&app.db).await? {
        findings.push(format!("note: {}", super::NO_SEARCH_INDEX));
    }
    app.db.close().await;
    Ok(findings)
}
