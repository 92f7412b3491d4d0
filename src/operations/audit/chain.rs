//! The chain of seals, and its examination.

use std::fmt::Write;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::db;
use crate::model::audit::StoredEntry;
use crate::operations::App;

/// Entries sealed, or examined, at once.
pub const BATCH: i64 = 500;
/// How long an entry waits for its seal at most, while the server runs.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// The seal of an entry at a position: SHA-256 over the seal before, the position and all columns.
fn seal_of(previous: &[u8], position: i64, entry: &StoredEntry) -> Vec<u8> {
    Sha256::new()
        .chain_update(previous)
        .chain_update(position.to_be_bytes())
        // JSON keeps the columns apart, whatever is in them.
        .chain_update(serde_json::to_vec(entry).unwrap_or_default())
        .finalize()
        .to_vec()
}

/// Seals some entries that are not sealed yet, in the order of their keys; how many there were.
pub async fn seal(app: &App) -> db::Result<usize> {
    if !db::audit::has_unsealed(&app.db).await? {
        return Ok(0);
    }
    let mut tx = app.db.begin().await?;
    let head = db::audit::lock_head(&mut tx).await?;
    let (mut position, mut previous) = head.unwrap_or_default();
    let entries = db::audit::unsealed(&mut tx, BATCH).await?;
    let mut seals = Vec::with_capacity(entries.len());
    for entry in &entries {
        position += 1;
        previous = seal_of(&previous, position, entry);
        seals.push((entry.id, position, previous.clone()));
    }
    db::audit::set_seals(&mut tx, &seals).await?;
    tx.commit().await?;
    Ok(entries.len())
}

/// As people copy it.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to memory cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Where the chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The entry is not what was sealed, or its seal is not.
    Altered {
        /// Its primary key.
        id: i64,
        /// Its position in the chain.
        position: i64,
    },
    /// There is no entry at this position.
    Missing {
        /// The position.
        position: i64,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Altered { id, position } => {
                write!(f, "entry {id} (position {position}) is not what was sealed")
            }
            Self::Missing { position } => write!(f, "the entry at position {position} is missing"),
        }
    }
}

/// What an examination of the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Entries whose seal is right, up to the first fault.
    pub sealed: i64,
    /// Entries that have no seal yet.
    pub not_sealed: i64,
    /// The last good seal, in hexadecimal. Kept elsewhere, it shows later that nothing before it was
    /// rewritten, not even by an attacker who can make new seals.
    pub head: String,
    /// The first fault.
    pub fault: Option<Fault>,
}

/// Computes every seal anew and compares.
pub async fn verify(app: &App) -> db::Result<Report> {
    let mut position = 0;
    let mut previous = Vec::new();
    let not_sealed = db::audit::count_unsealed(&app.db).await?;
    let report = |position, previous: &[u8], fault| Report {
        sealed: position,
        not_sealed,
        head: hexadecimal(previous),
        fault,
    };
    loop {
        let entries = db::audit::sealed_after(&app.db, position, BATCH).await?;
        if entries.is_empty() {
            return Ok(report(position, &previous, None));
        }
        for sealed in entries {
            let next = position + 1;
            if sealed.position != next {
                return Ok(report(position, &previous, Some(Fault::Missing { position: next })));
            }
            let expected = seal_of(&previous, next, &sealed.entry);
            if sealed.seal != expected {
                let fault = Fault::Altered { id: sealed.entry.id, position: next };
                return Ok(report(position, &previous, Some(fault)));
            }
            previous = expected;
            position = next;
        }
    }
}
