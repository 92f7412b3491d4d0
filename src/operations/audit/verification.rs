//! The examination of the chain: every seal is made anew and compared.

use super::chain::{BATCH, ChainPosition, seal_of_before};
use super::mark::{self, Begin, Found, Head, Mark};
use crate::db;
use crate::db::audit::Sealed;
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
    /// An entry is at a position where the log has none: it begins later.
    OutOfPlace {
        /// Its primary key.
        id: i64,
        /// The position.
        position: i64,
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
            Self::OutOfPlace { id, position } => {
                write!(f, "entry {id} is at position {position}, before the first that is kept")
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
    /// Entries before these, which are no longer kept.
    pub gone: i64,
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
    /// Where the log began when the walk did.
    begin: Begin,
    place: ChainPosition,
    previous_before: Vec<u8>,
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
        let (id, position) = (sealed.entry.id, self.place.position + 1);
        if sealed.position <= self.begin.position {
            return Step::Broken(Fault::OutOfPlace { id, position: sealed.position });
        }
        let is_ahead = |mark: &Mark| !mark.is_start() && sealed.position > mark.position;
        if sealed.commitments.is_none() && mark.is_some_and(is_ahead) {
            return Step::Earlier;
        }
        if sealed.position != position {
            return Step::Broken(Fault::Missing { position });
        }
        let is_right = match sealed.commitments {
            None => self.step_before(sealed) && mark.is_some_and(Mark::is_start),
            Some(_) => self.place.step(self.key, sealed),
        };
        if is_right { Step::Right } else { Step::Broken(Fault::Altered { id, position }) }
    }

    /// A step along the chain of an earlier release.
    fn step_before(&mut self, sealed: &Sealed) -> bool {
        self.previous_before = seal_of_before(&self.previous_before, sealed.position, &sealed.entry);
        self.place.position = sealed.position;
        self.previous_before == sealed.seal
    }

    /// What is wrong with the end of the chain.
    fn end(&self, found: &Found, erased_at_begin: i64) -> Option<Fault> {
        let Some(mark) = found.mark() else { return Some(Fault::NoMark) };
        let ChainPosition { position, seal, groups_erased, .. } = self.place;
        if mark.is_start() && seal == [0; SEAL] {
            return None;
        }
        if mark.position > position {
            return Some(Fault::Missing { position: position + 1 });
        }
        if mark.position < position || mark.seal != seal {
            return Some(Fault::MarkWentBack { position: mark.position });
        }
        // Values may be erased while this goes on.
        let erased = groups_erased + self.begin.erased;
        if mark.restarted_at.is_none() && !(erased_at_begin..=mark.erased).contains(&erased) {
            let known = mark.erased - self.begin.erased;
            return Some(Fault::Erased { found: groups_erased, known });
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

/// `None` if a log of an earlier release began to be sealed anew meanwhile, or entries were removed because of their age,
/// so that what was seen is of two kinds.
async fn walk(app: &App) -> Result<Option<Report>> {
    let key = app.audit_watch.key(app).await?;
    let mut not_sealed = db::audit::count_unsealed(&app.db).await?;
    let mut found = mark::read(&app.db, key).await?;
    let begin = found.mark().map(Mark::begin).unwrap_or_default();
    let mut walk = Walk { key, begin, place: ChainPosition::after(&begin), previous_before: Vec::new() };
    let was_start = found.mark().is_some_and(Mark::is_start);
    let erased = found.mark().map_or(0, |mark| mark.erased);
    // Whatever number a position is, it is looked at.
    let mut from = i64::MIN;
    let fault = 'walk: loop {
        let entries = db::audit::sealed_after(&app.db, from, BATCH).await?;
        let before = walk.place.position;
        for sealed in entries {
            match walk.step(&sealed, found.mark()) {
                Step::Right => {}
                Step::Earlier => break,
                Step::Broken(fault) => break 'walk Some(fault),
            }
        }
        from = walk.place.position;
        if from == before {
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
    if fault.is_some() {
        let now = mark::read(&app.db, key).await?;
        let is_other = |mark: &Mark| mark.begin() != begin || was_start && !mark.is_start();
        if now.mark().is_some_and(is_other) || was_start && now.mark().is_none() {
            return Ok(None);
        }
    }
    if fault.is_none() {
        not_sealed += db::audit::count_sealed_earlier(&app.db, walk.place.position).await?;
    }
    app.db.settle().await?;
    let head = found.mark().filter(|mark| fault.is_none() && !mark.is_start());
    let head = head.map(|mark| mark.head(key).to_string());
    let sealed = walk.place.position - begin.position;
    let gone = begin.position;
    Ok(Some(Report { sealed, gone, not_sealed, erased: walk.place.erased, head, fault }))
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
    /// The entry at that position is no longer kept: an archive may have it.
    Gone,
}

/// Compares a head that was kept elsewhere; of an earlier release the last one only, if the log was sealed anew since.
pub async fn compare(app: &App, head: &Head) -> Result<HeadVerdict> {
    let key = app.audit_watch.key(app).await?;
    if head.is_signed(key) == Some(false) {
        return Ok(HeadVerdict::NotSigned);
    }
    let found = mark::read(&app.db, key).await?;
    let begin = found.mark().map(Mark::begin).unwrap_or_default();
    let stored = if head.position == begin.position {
        Some(begin.seal.to_vec())
    } else {
        db::audit::seal_at(&app.db, head.position).await?
    };
    let before = match found.mark().and_then(|mark| mark.before.as_ref()) {
        Some(before) if before.position == head.position => Some(hexadecimal(&before.seal)),
        _ => None,
    };
    let is_same = stored.map(|seal| hexadecimal(&seal)).as_ref() == Some(&head.seal)
        || before.as_ref() == Some(&head.seal);
    Ok(match is_same {
        true => HeadVerdict::Same,
        false if head.position < begin.position => HeadVerdict::Gone,
        false => HeadVerdict::Different,
    })
}

/// The head of this moment, to be kept elsewhere; `None` before the first entry is sealed.
pub async fn head(app: &App) -> Result<Option<Head>> {
    let key = app.audit_watch.key(app).await?;
    let found = mark::read(&app.db, key).await?;
    // Kept elsewhere, a head that the disk lost would say that the log was rewritten.
    app.db.settle().await?;
    Ok(found.mark().filter(|mark| !mark.is_start()).map(|mark| mark.head(key)))
}
