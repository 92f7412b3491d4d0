//! The file of an archive of the audit log: JSON, a line each for what it is, for every entry, and for the end, which is
//! signed. It is read and written line by line, whatever its length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::chain::ChainPosition;
use super::hexadecimal;
use crate::db::audit::Sealed;
use crate::model::audit::StoredEntry;
use crate::model::clock::Timestamp;
use crate::model::text;
use crate::security::audit_key::{AuditKey, Purpose, SEAL};

/// The version of the form.
const FORMAT: u8 = 1;

/// Longest line that is read, in bytes: entries are much shorter.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// A place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub position: i64,
    pub seal: [u8; SEAL],
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    /// [`FORMAT`]
    usher_audit_archive: u8,
    /// Of the key that made the seals.
    key: String,
    /// Entries from before this time are in it.
    before: String,
    /// The place before the first entry.
    position: i64,
    seal: String,
}

/// A line for an entry: as it is stored, with its seal and what that covers, in hexadecimal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    position: i64,
    entry: StoredEntry,
    commitments: String,
    seal: String,
}

/// The last line: the place of the last entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    position: i64,
    seal: String,
    /// Of all lines before.
    sha256: String,
    /// Of the three members before.
    signature: String,
}

impl Last {
    fn content(&self) -> String {
        format!("{}:{}:{}", self.position, self.seal, self.sha256)
    }
}

/// Writes a file.
pub(super) struct Writer<W> {
    to: W,
    written: Sha256,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(to: W, key: &AuditKey, before: Timestamp, begin: Head) -> io::Result<Self> {
        let mut writer = Self { to, written: Sha256::new() };
        writer.line(&First {
            usher_audit_archive: FORMAT,
            key: key_id(key),
            before: before.to_string(),
            position: begin.position,
            seal: hexadecimal(&begin.seal),
        })?;
        Ok(writer)
    }

    pub(super) fn entry(&mut self, sealed: &Sealed) -> io::Result<()> {
        self.line(&Line {
            position: sealed.position,
            entry: sealed.entry.clone(),
            commitments: hexadecimal(sealed.commitments.as_deref().unwrap_or_default()),
            seal: hexadecimal(&sealed.seal),
        })
    }

    /// Writes the end; the file, and its SHA-256 in hexadecimal.
    pub(super) fn finish(mut self, key: &AuditKey, end: Head) -> io::Result<(W, String)> {
        let sha256 = hexadecimal(&self.written.clone().finalize());
        let (position, seal) = (end.position, hexadecimal(&end.seal));
        let mut last = Last { position, seal, sha256, signature: String::new() };
        last.signature = hexadecimal(&key.sign(Purpose::Archive, last.content().as_bytes()));
        self.line(&last)?;
        Ok((self.to, hexadecimal(&self.written.finalize())))
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.written.update(&bytes);
        self.to.write_all(&bytes)
    }
}

/// Names the key without saying anything of it.
fn key_id(key: &AuditKey) -> String {
    hexadecimal(&key.sign(Purpose::KeyId, b"")[..8])
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveFault {
    /// It does not begin as one does.
    NotAnArchive,
    /// Its seals are of another key than this installation's.
    OtherKey,
    /// An entry, or its seal, is not what was sealed, or is not there.
    Altered {
        /// The position at which it should be.
        position: i64,
    },
    /// The end is missing.
    CutShort,
    /// The end is not what was signed, or something before it is another than when it was.
    NotSigned,
}

impl std::fmt::Display for ArchiveFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAnArchive => f.write_str("it is no archive of the audit log"),
            Self::OtherKey => f.write_str("it was made with the key of another installation"),
            Self::Altered { position } => {
                write!(f, "the entry at position {position} is not what was sealed, or is missing")
            }
            Self::CutShort => f.write_str("its end is missing"),
            Self::NotSigned => f.write_str("it was altered since it was made"),
        }
    }
}

/// A file that is as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    /// The place before its first entry.
    pub begin: Head,
    /// That of its last.
    pub end: Head,
    /// Entries from before this time are in it.
    pub before: Timestamp,
    /// Entries of which personal values were erased.
    pub erased: i64,
    /// The seal at the position that was asked for.
    pub sought: Option<[u8; SEAL]>,
    /// Of the whole file, in hexadecimal.
    pub sha256: String,
}

/// Reads a file and checks all of it; `sought` is a position whose seal is wanted.
pub(super) fn read(
    path: &Path,
    key: &AuditKey,
    sought: Option<i64>,
) -> io::Result<Result<Contents, ArchiveFault>> {
    let mut lines = Lines { from: BufReader::new(File::open(path)?), line: Vec::new() };
    let mut digest = Sha256::new();
    let Some(first) = lines.next()?.and_then(parsed::<First>) else {
        return Ok(Err(ArchiveFault::NotAnArchive));
    };
    let (Some(before), Some(seal)) = (Timestamp::parse(&first.before), seal(&first.seal)) else {
        return Ok(Err(ArchiveFault::NotAnArchive));
    };
    if first.usher_audit_archive != FORMAT {
        return Ok(Err(ArchiveFault::NotAnArchive));
    }
    if first.key != key_id(key) {
        return Ok(Err(ArchiveFault::OtherKey));
    }
    let begin = Head { position: first.position, seal };
    let mut place = ChainPosition { position: begin.position, seal, erased: 0, groups_erased: 0 };
    let mut found = None;
    digest.update(&lines.line);
    loop {
        let Some(line) = lines.next()? else { return Ok(Err(ArchiveFault::CutShort)) };
        if let Some(last) = parsed::<Last>(line) {
            let is_right = last.position == place.position
                && last.seal == hexadecimal(&place.seal)
                && last.sha256 == hexadecimal(&digest.clone().finalize())
                && last.signature == hexadecimal(&key.sign(Purpose::Archive, last.content().as_bytes()));
            digest.update(&lines.line);
            if !is_right || lines.next()?.is_some() {
                return Ok(Err(ArchiveFault::NotSigned));
            }
            let end = Head { position: place.position, seal: place.seal };
            let sha256 = hexadecimal(&digest.finalize());
            return Ok(Ok(Contents { begin, end, before, erased: place.erased, sought: found, sha256 }));
        }
        let stored = parsed::<Line>(line).and_then(Line::sealed);
        if !stored.is_some_and(|sealed| place.step(key, &sealed)) {
            return Ok(Err(ArchiveFault::Altered { position: place.position + 1 }));
        }
        if sought == Some(place.position) {
            found = Some(place.seal);
        }
        digest.update(&lines.line);
    }
}

impl Line {
    fn sealed(self) -> Option<Sealed> {
        Some(Sealed {
            actor_folded: text::fold(&self.entry.actor_name),
            target_folded: text::fold(&self.entry.target_name),
            position: self.position,
            seal: bytes(&self.seal)?,
            commitments: Some(bytes(&self.commitments)?),
            entry: self.entry,
        })
    }
}

/// Lines that end in a line break.
struct Lines {
    from: BufReader<File>,
    line: Vec<u8>,
}

impl Lines {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        (&mut self.from).take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
        Ok((!self.line.is_empty()).then_some(&self.line))
    }
}

/// A line exactly as it would be written.
fn parsed<T: Serialize + for<'de> Deserialize<'de>>(line: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(line).ok()?;
    let written = serde_json::to_vec(&value).ok()?;
    (line.strip_suffix(b"\n") == Some(&written)).then_some(value)
}

fn seal(text: &str) -> Option<[u8; SEAL]> {
    bytes(text)?.try_into().ok()
}

/// From hexadecimal.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}
