//! `check`: whether the configuration and the database are fit.

use std::process::ExitCode;

use rocket::figment::Figment;
use rocket::figment::providers::Serialized;

use super::{complain, counted, say};
use crate::config::{self, Settings};
use crate::db;
use crate::model::clock::Clock;
use crate::operations::mail::Mailer;
use crate::operations::{App, factors, keys};

/// Fewest characters that a password should have (ASVS 6.2.1).
const FEWEST_CHARACTERS: usize = 8;

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
    let settings = Settings::read(figment)?;
    // A database that is not there yet is not opened, and nothing else looks at these settings.
    Mailer::new(&settings)?;
    keys::check_settings(&settings)?;
    let mut findings = vec![format!(
        "ok: the configuration is valid; the server will listen on {}:{}",
        rocket.address, rocket.port
    )];
    let (db, schema) = App::inspect(figment).await?;
    schema.check()?;
    if let (false, Some(step)) = (settings.migrate_at_start, schema.pending.first()) {
        return Err(db::OpenError::Pending(step.version).into());
    }
    if schema.is_new {
        findings.push("note: there is no database yet; the next start makes it".to_owned());
        return Ok(findings);
    }
    if let Some(damage) = db.damage().await? {
        return Err(format!("the database is damaged: {damage}. Restore a copy: usher restore FILE").into());
    }
    if let (Some(first), Some(last)) = (schema.pending.first(), schema.pending.last()) {
        findings.push(format!(
            "note: the database is of an earlier release; the next start applies {} ({:04} to {:04})",
            counted(schema.pending.len(), "migration"),
            first.version,
            last.version
        ));
        return Ok(findings);
    }
    db.close().await;
    let looking = figment.clone().merge(Serialized::global("usher.migrate_at_start", false));
    let app = App::open(&looking, Clock::System).await?;
    findings
        .push(format!("ok: the {} database answers and its schema is up to date", app.db.dialect().name()));
    findings.push(if db::users::superuser_exists(&app.db).await? {
        "ok: there is an active superuser".to_owned()
    } else {
        "note: there is no active superuser; make one with usher createsuperuser --username NAME".to_owned()
    });
    match app.db.look_at_replica().await {
        Some(Ok(())) => findings.push("ok: users can be read from the replica".to_owned()),
        Some(Err(problem)) => {
            findings.push(format!("warning: users cannot be read from the replica: {problem}"));
        }
        None => {}
    }
    findings
        .extend(warnings(&app, &settings).await?.into_iter().map(|warning| format!("warning: {warning}")));
    if !db::select::search_is_indexed(&app.db).await? {
        findings.push(format!("note: {}", super::NO_SEARCH_INDEX));
    }
    app.db.close().await;
    Ok(findings)
}

/// How far the settings and the database are open to others, or to more than they are used for.
async fn warnings(app: &App, settings: &Settings) -> Result<Vec<String>, super::Failure> {
    let mut warnings = Vec::new();
    if factors::key_is_lost(app).await? {
        warnings.push(
            "no code of an authenticator app can be checked: the key of the second factors is sealed by another secret \
             key; set that one as secret_key_before"
                .to_owned(),
        );
    }
    let shortest = app.settings.password_min_length;
    if shortest < FEWEST_CHARACTERS {
        warnings.push(format!(
            "password_min_length is {shortest}: passwords of fewer than {FEWEST_CHARACTERS} characters are quickly guessed"
        ));
    }
    for (file, mode) in app.db.open_files() {
        let file = file.display();
        warnings.push(format!("others may read or write {file}, whose mode is {mode:o}: chmod 600 {file}"));
    }
    if let Some(host) = app.db.unverified_host() {
        warnings.push(format!(
            "PostgreSQL at {host} is reached without verified TLS: add sslmode=verify-full to its URL; the setting \
             require_database_tls demands it"
        ));
    }
    if let Some(role) = app.db.role().await? {
        if !role.beyond.is_empty() {
            warnings.push(format!(
                "the role of the database has rights that Usher does not need: it {}",
                role.beyond.join(", ")
            ));
        }
        if role.changes_schema && !settings.migrate_at_start {
            warnings.push(
                "the role of the database may change the schema, which only usher migrate needs".into(),
            );
        }
    }
    Ok(warnings)
}
