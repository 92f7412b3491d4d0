//! When sessions were last used: noted off the path of requests, so that reading waits for no write.
//!
//! A use is kept in memory until the next [`write`], a second later, stores all of them in one transaction. It is known
//! to this instance at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocket::tokio::sync::Mutex as AsyncMutex;

use crate::db;
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::session::{LiveSession, Session, SessionId};
use crate::operations::App;

/// A session is noted as used at most this often.
const NOTE_INTERVAL: Duration = Duration::from_mins(1);
/// How often a server stores what was noted.
pub const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// Notes that one transaction stores.
const BATCH: usize = 500;
/// Notes that are kept while they cannot be stored; further ones are left out.
const MOST: usize = 100_000;

/// Uses that are still to be stored.
#[derive(Debug, Default)]
pub struct SessionUses {
    notes: Mutex<HashMap<SessionId, Timestamp>>,
    /// Held by the one that stores them: an older use never follows a newer one.
    writing: AsyncMutex<()>,
}

impl SessionUses {
    fn notes(&self) -> MutexGuard<'_, HashMap<SessionId, Timestamp>> {
        // The map is whole even if a thread panicked while it held the lock.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a session was last used: as is stored, or later.
    pub(super) fn latest(&self, session: SessionId, stored: Timestamp) -> Timestamp {
        self.notes().get(&session).map_or(stored, |noted| stored.max(*noted))
    }

    /// The same of sessions as they are shown.
    pub(super) fn update(&self, sessions: &mut [LiveSession]) {
        let notes = self.notes();
        for session in sessions {
            session.last_seen_at = session.last_seen_at.max(notes.get(&session.id).copied());
        }
    }

    /// How many are still to be stored.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.notes().len()
    }

    fn note(&self, session: SessionId, at: Timestamp) {
        let mut notes = self.notes();
        if notes.len() < MOST || notes.contains_key(&session) {
            notes.insert(session, at);
        }
    }

    fn batch(&self) -> Vec<(SessionId, Timestamp)> {
        self.notes().iter().take(BATCH).map(|(id, at)| (*id, *at)).collect()
    }

    fn forget(&self, stored: &[(SessionId, Timestamp)]) {
        let mut notes = self.notes();
        for (session, at) in stored {
            if notes.get(session) == Some(at) {
                notes.remove(session);
            }
        }
    }
}

/// Notes that a session is used, unless that was noted a moment ago.
pub(super) fn note(app: &App, session: &Session) {
    let now = app.clock.now();
    if session.unused(now) >= NOTE_INTERVAL {
        app.session_uses.note(session.id, now);
    }
}

/// Stores what was noted, batch after batch. What cannot be stored stays noted.
pub async fn write(app: &App) -> Result<()> {
    let _writing = app.session_uses.writing.lock().await;
    loop {
        let batch = app.session_uses.batch();
        if batch.is_empty() {
            return Ok(());
        }
        let mut tx = app.db.begin().await?;
        db::sessions::touch(&mut tx, &batch).await?;
        // A use that a power cut forgets makes a session look unused for a minute more.
        tx.commit_asynchronously().await?;
        app.session_uses.forget(&batch);
    }
}
