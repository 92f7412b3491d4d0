//! Copies of the head, kept where an attacker on this machine's database cannot change them.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rocket::tokio::task::spawn_blocking;

use crate::model::error::{Error, Result};
use crate::model::head_target::HeadTarget;
use crate::operations::App;

/// How long a webhook or the system's log may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Facility 13 (log audit) and severity 6 (informational) of RFC 5424.
const PRIORITY: u8 = 13 * 8 + 6;

/// Sends the head of this moment to where the settings say.
///
/// # Errors
/// [`Error::Internal`] in the words of the system, if it could not be sent.
pub async fn keep_head(app: &App) -> Result<()> {
    if app.settings.audit_head_to == HeadTarget::Nowhere {
        return Ok(());
    }
    let Some(head) = super::head(app).await? else { return Ok(()) };
    let (target, line) = (app.settings.audit_head_to.clone(), head.to_string());
    spawn_blocking(move || send(&target, &line)).await.map_err(Error::internal)?.map_err(Error::internal)
}

fn send(target: &HeadTarget, line: &str) -> io::Result<()> {
    match target {
        HeadTarget::Nowhere => Ok(()),
        HeadTarget::File(path) => {
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_data()
        }
        HeadTarget::Syslog => {
            let message = format!("<{PRIORITY}>usher[{}]: audit head {line}", std::process::id());
            let socket = UnixDatagram::unbound()?;
            socket.set_write_timeout(Some(PATIENCE))?;
            socket.send_to(message.as_bytes(), "/dev/log").map(drop)
        }
        HeadTarget::Webhook(address) => {
            let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).max_redirects(0);
            let agent = ureq::Agent::from(config.build());
            let sent =
                agent.post(address).content_type("text/plain; charset=utf-8").send(format!("{line}\n"));
            sent.map(drop).map_err(io::Error::other)
        }
    }
}
