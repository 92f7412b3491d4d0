//! The examination of the chain: every seal is made anew and compared.

use super::chain::{BATCH, seal_of, seal_of_before};
use super::mark::{self, Found, Head, Mark};
use crate::db;
use crate::db::audit::Sealed;
use crate::model::audit::Commitments;
use crate::model::error::Result;
use crate::operations::App;
use crate::operations::audit::hexadecimal;
use crate::security::audit_key::{AuditKey, SEAL};

/// Where the chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The entry is not what was sealed, or its seal is not, or it was made with another key.
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
    /// The high-water mark is missing, or is not of this installation's key.
    NoMark,
    /// The high-water mark is of an earlier moment than the last entry.
    MarkWentBack {
        /// How far the mark says that entries are sealed.
        position: i64,
    },
    /// The high-water mark was missing once, and the chain went on without a connection to what was before.
    Restarted {
        /// The first position after that.
        position: i64,
    },
    /// Personal values were erased, or seem to have been, without the mark knowing.
    Erased {
        /// Groups of values that are not there.
        found: i64,
        /// How many the mark knows to have been erased.
        known: i64,
    },
    /// An entry was not what an earlier release had sealed, when it was sealed anew.
    AlteredBefore {
        /// Its position in the chain.
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
            Self::NoMark => {
                f.write_str("the mark of how far entries are sealed is missing or not of this key")
            }
            Self::MarkWentBack { position } => {
                write!(f, "entries are sealed beyond position {position}, of which their mark does not know")
            }
            Self::Restarted { position } => {
                write!(f, "there was no mark of how far entries are sealed when position {position} was")
            }
            Self::Erased { found, known } => {
                write!(f, "personal values are missing {found} times, and were erased {known} times")
            }
            Self::AlteredBefore { position } => write!(
                f,
                "the entry at position {position} was not what was sealed, when the log was sealed anew"
            ),
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
    /// Sealed entries of which personal values were erased.
    pub erased: i64,
    /// The [head](Head) as a line, if every seal is right: kept elsewhere, it shows later that nothing before it was
    /// rewritten, not even by an attacker who has the key.
    pub head: Option<String>,
    /// The first fault.
    pub fault: Option<Fault>,
}

/// A walk along the chain.
struct Walk<'a> {
    key: &'a AuditKey,
    position: i64,
    previous: [u8; SEAL],
    previous_before: Vec<u8>,
    /// Entries of which values were erased, and groups of values.
    erased: i64,
    groups_erased: i64,
}

/// What an entry is.
enum Step {
    /// As it was sealed.
    Right,
    /// Sealed by an earlier release, and still to be sealed anew.
    Earlier,
    /// Broken.
    Broken(Fault),
}

impl Walk<'_> {
    fn step(&mut self, sealed: &Sealed, mark: Option<&Mark>) -> Step {
        let position = self.position + 1;
        let is_ahead = |mark: &Mark| !mark.is_start() && sealed.position > mark.position;
        if sealed.commitments.is_none() && mark.is_some_and(is_ahead) {
            return Step::Earlier;
        }
        if sealed.position != position {
            return Step::Broken(Fault::Missing { position });
        }
        match self.expected(sealed, mark.is_some_and(Mark::is_start)) {
            Some(expected) if expected == sealed.seal => {
                self.position = position;
                Step::Right
            }
            _ => Step::Broken(Fault::Altered { id: sealed.entry.id, position }),
        }
    }

    fn expected(&mut self, sealed: &Sealed, is_before: bool) -> Option<Vec<u8>> {
        let Some(commitments) = &sealed.commitments else {
            let expected = seal_of_before(&self.previous_before, sealed.position, &sealed.entry);
            self.previous_before.clone_from(&expected);
            return Some(expected).filter(|_| is_before);
        };
        let commitments = Commitments::from_bytes(commitments)?;
        self.erased += i64::from(commitments.erased() > 0);
        self.groups_erased += commitments.erased();
        self.previous = seal_of(self.key, &self.previous, sealed.position, &sealed.entry, &commitments)?;
        Some(self.previous.to_vec())
    }

    /// What is wrong with the end of the chain.
    fn end(&self, found: &Found, erased_at_begin: i64) -> Option<Fault> {
        let Some(mark) = found.mark() else { return Some(Fault::NoMark) };
        if mark.is_start() && self.previous == [0; SEAL] {
            return None;
        }
        if mark.position > self.position {
            return Some(Fault::Missing { position: self.position + 1 });
        }
        if mark.position < self.position || mark.seal != self.previous {
            return Some(Fault::MarkWentBack { position: mark.position });
        }
        // Values may be erased while this goes on.
        if mark.restarted_at.is_none() && !(erased_at_begin..=mark.erased).contains(&self.groups_erased) {
            return Some(Fault::Erased { found: self.groups_erased, known: mark.erased });
        }
        let broken_before = mark.before.as_ref().and_then(|before| before.broken_at);
        broken_before
            .map(|position| Fault::AlteredBefore { position })
            .or(mark.restarted_at.map(|position| Fault::Restarted { position }))
    }
}

/// Makes every seal anew and compares.
pub async fn verify(app: &App) -> Result<Report> {
    loop {
        if let Some(report) = walk(app).await? {
            return Ok(report);
        }
    }
}

/// `None` if a log of an earlier release began to be sealed anew meanwhile, so that what was seen is of two kinds.
async fn walk(app: &App) -> Result<Option<Report>> {
    let key = app.audit_watch.key(app).await?;
    let mut not_sealed = db::audit::count_unsealed(&app.db).await?;
    let (previous, previous_before) = ([0; SEAL], Vec::new());
    let mut walk = Walk { key, position: 0, previous, previous_before, erased: 0, groups_erased: 0 };
    let mut found = mark::read(&app.db, key).await?;
    let was_start = found.mark().is_some_and(Mark::is_start);
    let erased = found.mark().map_or(0, |mark| mark.erased);
    let fault = 'walk: loop {
        let from = walk.position;
        for sealed in db::audit::sealed_after(&app.db, from, BATCH).await? {
            match walk.step(&sealed, found.mark()) {
                Step::Right => {}
                Step::Earlier => break,
                Step::Broken(fault) => break 'walk Some(fault),
            }
        }
        if walk.position == from {
            let known = found.mark().map_or(0, |mark| mark.position);
            found = mark::read(&app.db, key).await?;
            // Seals are stored together with their mark: entries up to this one are there, or missing.
            if found.mark().is_none_or(|mark| mark.position == known) {
                break walk.end(&found, erased);
            }
            if was_start {
                return Ok(None);
            }
        }
    };
    if was_start && fault.is_some() {
        let is_start = mark::read(&app.db, key).await?.mark().is_some_and(Mark::is_start);
        if !is_start {
            return Ok(None);
        }
    }
    if fault.is_none() {
        not_sealed += db::audit::count_sealed_earlier(&app.db, walk.position).await?;
    }
    let head = found.mark().filter(|mark| fault.is_none() && !mark.is_start());
    let head = head.map(|mark| mark.head(key).to_string());
    Ok(Some(Report { sealed: walk.position, not_sealed, erased: walk.erased, head, fault }))
}

/// What a head that was kept elsewhere says of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadVerdict {
    /// Everything up to there is as it was.
    Same,
    /// Entries up to there are others, or fewer.
    Different,
    /// Its signature is not of this installation's key.
    NotSigned,
}

/// Compares a head that was kept elsewhere; of an earlier release the last one only, if the log was sealed anew since.
pub async fn compare(app: &App, head: &Head) -> Result<HeadVerdict> {
    let key = app.audit_watch.key(app).await?;
    if head.is_signed(key) == Some(false) {
        return Ok(HeadVerdict::NotSigned);
    }
    let stored = db::audit::seal_at(&app.db, head.position).await?;
    let before = match mark::read(&app.db, key).await?.mark().and_then(|mark| mark.before.as_ref()) {
        Some(before) if before.position == head.position => Some(hexadecimal(&before.seal)),
        _ => None,
    };
    let is_same = stored.map(|seal| hexadecimal(&seal)).as_ref() == Some(&head.seal)
        || before.as_ref() == Some(&head.seal);
    Ok(if is_same { HeadVerdict::Same } else { HeadVerdict::Different })
}

/// The head of this moment, to be kept elsewhere; `None` before the first entry is sealed.
pub async fn head(app: &App) -> Result<Option<Head>> {
    let key = app.audit_watch.key(app).await?;
    let found = mark::read(&app.db, key).await?;
    Ok(found.mark().filter(|mark| !mark.is_start()).map(|mark| mark.head(key)))
}
