//! `audit verify` and `audit head`: the seals of the audit log.

use std::process::ExitCode;

use super::{Failure, Verify, complain, say};
use crate::operations::App;
use crate::operations::audit::{self, Head, HeadVerdict};

pub(super) async fn verify(app: &App, arguments: &Verify) -> Result<ExitCode, Failure> {
    let kept = match &arguments.head {
        Some(line) => Some(Head::parse(line).ok_or("--head must be a line that `usher audit head` printed")?),
        None => None,
    };
    let report = audit::verify(app).await?;
    say(&format_args!("{} entries sealed, {} not sealed yet", report.sealed, report.not_sealed));
    if report.erased > 0 {
        say(&format_args!("personal values were erased from {} of them", report.erased));
    }
    if let Some(head) = &report.head {
        say(head);
    }
    let mut problems = Vec::new();
    problems.extend(report.fault.map(|fault| fault.to_string()));
    if let Some(kept) = kept {
        match audit::compare(app, &kept).await? {
            HeadVerdict::Same => {}
            HeadVerdict::Different => problems
                .push(format!("the entries up to position {} are not those of that time", kept.position)),
            HeadVerdict::NotSigned => {
                problems.push("the head given was not signed with the key of this installation".to_owned());
            }
        }
    }
    for problem in &problems {
        complain(&format_args!("usher: {problem}"));
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) async fn head(app: &App) -> Result<ExitCode, Failure> {
    match audit::head(app).await? {
        Some(head) => {
            say(&head);
            Ok(ExitCode::SUCCESS)
        }
        None => Err("no entry is sealed yet: the server seals entries within seconds".into()),
    }
}
