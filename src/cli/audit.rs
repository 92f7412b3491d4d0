//! `audit verify`: checks the seals of the audit log.

use std::process::ExitCode;

use super::{Failure, Verify, complain, say};
use crate::db;
use crate::operations::{App, audit};

pub(super) async fn verify(app: &App, arguments: &Verify) -> Result<ExitCode, Failure> {
    let report = audit::verify(app).await?;
    say(&format_args!("{} entries sealed, {} not sealed yet", report.sealed, report.not_sealed));
    if report.sealed > 0 {
        say(&format_args!("{}:{}", report.sealed, report.head));
    }
    if let Some(fault) = report.fault {
        complain(&format_args!("usher: {fault}"));
        return Ok(ExitCode::FAILURE);
    }
    if let Some(head) = &arguments.head {
        let (position, seal) = head
            .split_once(':')
            .and_then(|(position, seal)| Some((position.parse::<i64>().ok()?, seal)))
            .ok_or("--head must be like 17:9f86d0, as an earlier run printed it")?;
        if seal_at(app, position).await?.as_deref() != Some(seal) {
            complain(&format_args!(
                "usher: the entries up to position {position} are not those of that time"
            ));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn seal_at(app: &App, position: i64) -> db::Result<Option<String>> {
    let entries = db::audit::sealed_after(&app.db, position.saturating_sub(1), 1).await?;
    let entry = entries.into_iter().find(|entry| entry.position == position);
    Ok(entry.map(|entry| audit::hexadecimal(&entry.seal)))
}
