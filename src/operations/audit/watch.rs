//! What a running instance knows of the audit log: an older mark, a missing end or a broken seal is told of at once.

use std::sync::{Mutex, PoisonError};

use rocket::tokio::sync::OnceCell;

use super::mark::{self, Found, Head, Mark};
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
    /// What was seen at the end of the chain: an examination of what is stored now cannot take it back.
    at_end: Option<Fault>,
    /// The last head that was sent elsewhere.
    kept: Option<Head>,
    /// What the last examination found.
    examined: Option<Fault>,
}

impl Watch {
    /// The key of the audit log. It is made together with the first mark.
    pub(super) async fn key(&self, app: &App) -> Result<&AuditKey> {
        let first_mark = |key: [u8; 32]| Mark::start().stored(&AuditKey::new(key));
        self.key
            .get_or_try_init(|| async { Ok(AuditKey::new(kept_key::AUDIT.get_with(app, first_mark).await?)) })
            .await
    }

    /// The key, if there is one that can be opened; none is made.
    pub(super) async fn find_key(&self, app: &App) -> Result<Option<&AuditKey>> {
        if !self.key.initialized() {
            if !kept_key::AUDIT.is_there(app).await? {
                return Ok(None);
            }
            let Some(key) = kept_key::AUDIT.find(app).await? else { return Ok(None) };
            self.key.get_or_init(|| async { AuditKey::new(key) }).await;
        }
        Ok(self.key.get())
    }

    /// What is known to be broken.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        let seen = self.seen();
        seen.examined.clone().or_else(|| seen.at_end.clone())
    }

    /// Remembers how far entries are sealed.
    pub(super) fn note(&self, mark: &Mark) {
        let mut seen = self.seen();
        if seen.highest.is_none_or(|(position, _)| position < mark.position) {
            seen.highest = Some((mark.position, mark.seal));
        }
    }

    /// The mark as it is stored, compared with what this process knows.
    pub(super) async fn look(&self, app: &App, key: &AuditKey) -> db::Result<Found> {
        // Known before the mark is read: another task may seal more meanwhile, and note that first.
        let highest = self.seen().highest;
        let found = mark::read(&app.db, key).await?;
        let Some(mark) = found.mark() else {
            self.tell(Fault::NoMark);
            return Ok(found);
        };
        if highest.is_some_and(|(position, _)| mark.position < position) {
            self.tell(Fault::MarkWentBack { position: mark.position });
        }
        for (position, seal) in [Some((mark.position, mark.seal)), highest].into_iter().flatten() {
            let is_there = async || {
                let stored = db::audit::seal_at(&app.db, position).await?;
                Ok::<_, db::Error>(stored.is_some_and(|stored| stored == seal))
            };
            if position > 0 && !is_there().await? && !self.is_gone(app, position, seal).await? {
                self.tell(Fault::Missing { position });
            }
        }
        self.note(mark);
        Ok(found)
    }

    /// Whether an entry is no longer kept because of its age, as the mark of this moment says.
    async fn is_gone(&self, app: &App, position: i64, seal: [u8; SEAL]) -> db::Result<bool> {
        let Some(key) = self.key.get() else { return Ok(false) };
        let begin = mark::read(&app.db, key).await?.mark().map(Mark::begin).unwrap_or_default();
        Ok(position < begin.position || position == begin.position && seal == begin.seal)
    }

    /// Whether a head is the last one that was sent elsewhere by this process.
    pub(super) fn is_kept(&self, head: &Head) -> bool {
        self.seen().kept.as_ref() == Some(head)
    }

    /// Remembers that a head was sent.
    pub(super) fn note_kept(&self, head: Head) {
        self.seen().kept = Some(head);
    }

    fn tell(&self, fault: Fault) {
        let mut seen = self.seen();
        if seen.at_end.is_none() {
            log::error!("the audit log is broken: {fault}; see `usher audit verify`");
            seen.at_end = Some(fault);
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Examines the whole chain and remembers the first fault.
pub async fn examine(app: &App) -> Result<()> {
    let found = verify(app).await?.fault;
    if let Some(fault) = &found {
        log::error!("the audit log is broken: {fault}; see `usher audit verify`");
    }
    app.audit_watch.seen().examined = found;
    Ok(())
}
