//! What a running instance knows of the audit log: an older mark, a missing end or a broken seal is told of at once.

use std::sync::{Mutex, PoisonError};

use rocket::tokio::sync::OnceCell;

use super::mark::{Found, Mark};
use super::verification::{Fault, verify};
use crate::db;
use crate::model::error::Result;
use crate::operations::{App, kept_key};
use crate::security::audit_key::{AuditKey, SEAL};

/// Watches over the audit log while the process runs.
#[derive(Debug, Default)]
pub struct Watch {
    key: OnceCell<AuditKey>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The highest position that this process knows to be sealed, with its seal.
    highest: Option<(i64, [u8; SEAL])>,
    fault: Option<Fault>,
}

impl Watch {
    /// The key of the audit log, made with the first entry.
    pub(super) async fn key(&self, app: &App) -> Result<&AuditKey> {
        self.key.get_or_try_init(|| async { Ok(AuditKey::new(kept_key::AUDIT.get(app).await?)) }).await
    }

    /// What is known to be broken.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.seen().fault.clone()
    }

    /// Remembers how far entries are sealed.
    pub(super) fn note(&self, mark: &Mark) {
        let mut seen = self.seen();
        if seen.highest.is_none_or(|(position, _)| position < mark.position) {
            seen.highest = Some((mark.position, mark.seal));
        }
    }

    /// Compares what is stored with what this process knows.
    pub(super) async fn look(&self, app: &App, found: &Found) -> db::Result<()> {
        let highest = self.seen().highest;
        let (position, seal) = match (found, highest) {
            (Found::Forged, _) | (Found::Nothing, Some(_)) => {
                self.tell(Fault::NoMark);
                return Ok(());
            }
            (Found::Nothing, None) => return Ok(()),
            (Found::Mark(mark), Some((position, _))) if mark.position < position => {
                self.tell(Fault::MarkWentBack { position: mark.position });
                return Ok(());
            }
            (Found::Mark(mark), _) => (mark.position, mark.seal),
        };
        if position > 0 && db::audit::seal_at(&app.db, position).await?.is_none_or(|stored| stored != seal) {
            self.tell(Fault::Missing { position });
        }
        Ok(())
    }

    fn tell(&self, fault: Fault) {
        let mut seen = self.seen();
        if seen.fault.is_none() {
            log::error!("the audit log is broken: {fault}; see `usher audit verify`");
            seen.fault = Some(fault);
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Examines the whole chain and remembers the first fault.
pub async fn examine(app: &App) -> Result<()> {
    let report = verify(app).await?;
    if let Some(fault) = &report.fault {
        app.audit_watch.tell(fault.clone());
    }
    // The first of several is the one to look at.
    app.audit_watch.seen().fault = report.fault;
    Ok(())
}
