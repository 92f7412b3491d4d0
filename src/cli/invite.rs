//! `invite`: links with which users who have no password yet choose one.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use super::{Failure, Invite, complain};
use crate::model::user::UserId;
use crate::operations::{App, csv, operator};

/// Users whose links are made, and sent, before the next ones'.
const BATCH: i64 = 20;

pub(super) async fn run(app: &App, arguments: &Invite) -> Result<ExitCode, Failure> {
    if arguments.send && app.mailer.is_none() {
        return Err("there is no mail server in the configuration: smtp_host names one".into());
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let mut last = UserId(0);
    let (mut made, mut mailed) = (0_u64, 0_u64);
    let header = ["pk", "username", "email", "expires_at", "mailed", "url"].map(str::to_owned);
    out.write_all(&csv::lines([header])?)?;
    loop {
        let (links, end) = operator::invite(app, last, BATCH, arguments.send)
            .await
            .map_err(|error| format!("{error} ({made} links are made)"))?;
        let Some(end) = end else { break };
        last = end;
        for link in links {
            made += 1;
            mailed += u64::from(link.mailed);
            // A link that was sent is for its reader only.
            let url = if link.mailed { String::new() } else { link.url };
            let user = link.user;
            let (pk, expires_at) = (user.id.to_string(), link.expires_at.to_string());
            let cells =
                [pk, user.username.as_str().to_owned(), user.email, expires_at, link.mailed.to_string(), url];
            out.write_all(&csv::lines([cells])?)?;
        }
    }
    out.flush()?;
    complain(&format_args!("{made} links made, {mailed} of them sent. Each works for 24 hours, once."));
    Ok(ExitCode::SUCCESS)
}
