//! Copies of the head, kept where an attacker on this machine's database cannot change them.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use rocket::tokio::task::spawn_blocking;

use crate::model::error::{Error, Result};
use crate::model::head_target::HeadTarget;
use crate::operations::App;

/// How long a webhook or the system's log may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the system's log listens.
const SYSLOG: &str = "/dev/log";

/// Facility 13 (log audit) and severity 6 (informational) of RFC 5424.
const PRIORITY: u8 = 13 * 8 + 6;

/// Sends the head of this moment to where the settings say, unless nothing was sealed since the last time.
///
/// # Errors
/// [`Error::Internal`] in the words of the system, if it could not be sent.
pub async fn keep_head(app: &App) -> Result<()> {
    if app.settings.audit_head_to == HeadTarget::Nowhere {
        return Ok(());
    }
    let Some(head) = super::head(app).await? else { return Ok(()) };
    if app.audit_watch.is_kept(&head) {
        return Ok(());
    }
    let (target, line) = (app.settings.audit_head_to.clone(), head.to_string());
    spawn_blocking(move || send(&target, &line)).await.map_err(Error::internal)?.map_err(Error::internal)?;
    app.audit_watch.note_kept(head);
    Ok(())
}

fn send(target: &HeadTarget, line: &str) -> io::Result<()> {
    match target {
        HeadTarget::Nowhere => Ok(()),
        HeadTarget::File(path) => {
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_data()
        }
        HeadTarget::Syslog => to_syslog(Path::new(SYSLOG), line),
        HeadTarget::Webhook(address) => {
            let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).max_redirects(0);
            let agent = ureq::Agent::from(config.build());
            let sent =
                agent.post(address).content_type("text/plain; charset=utf-8").send(format!("{line}\n"));
            sent.map(drop).map_err(io::Error::other)
        }
    }
}

fn to_syslog(address: &Path, line: &str) -> io::Result<()> {
    let message = format!("<{PRIORITY}>usher[{}]: audit head {line}", std::process::id());
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to(message.as_bytes(), address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lg_5_the_system_log_gets_the_head_as_one_message_of_its_facility() {
        let directory = tempfile::tempdir().unwrap();
        let address = directory.path().join("log");
        let missing = to_syslog(&address, "17:9f86").unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound, "that no log listens is said");
        let log = UnixDatagram::bind(&address).unwrap();
        log.set_read_timeout(Some(PATIENCE)).unwrap();
        to_syslog(&address, "17:9f86").unwrap();
        let mut message = [0; 200];
        let length = log.recv(&mut message).unwrap();
        let expected = format!("<110>usher[{}]: audit head 17:9f86", std::process::id());
        assert_eq!(String::from_utf8_lossy(&message[..length]), expected);
    }
}
