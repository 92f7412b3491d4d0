//! The high-water mark of the audit log, and the head that is kept elsewhere.
//!
//! The mark stands beside the entries, signed with their key: it tells how many there are, so that removing the last
//! ones is found. A mark of an earlier day would hide that; only a head kept elsewhere, or a server that runs, tells.

use serde::{Deserialize, Serialize};

use crate::db::{self, Db, Tx};
use crate::model::clock::Timestamp;
use crate::security::audit_key::{AuditKey, Purpose, SEAL};

const NAME: &str = "audit_mark";

/// How far entries are sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The last position.
    pub position: i64,
    /// Its seal; zeros before the first one.
    pub seal: [u8; SEAL],
    /// When it was made, in microseconds.
    pub sealed_at: i64,
    /// How many groups of personal values were erased from sealed entries, those that are no longer kept included.
    #[serde(default)]
    pub erased: i64,
    /// Where the entries begin that are kept; the first one ever, if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub begin: Option<Begin>,
    /// The position from which on the chain goes on without a connection to what was before: there was no mark.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restarted_at: Option<i64>,
    /// The chain of before, whose seals had neither a key nor commitments.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Before>,
}

/// The last entry that is no longer kept: the place before the first that is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    /// Its position.
    pub position: i64,
    /// Its seal.
    pub seal: [u8; SEAL],
    /// When it was written, in microseconds.
    pub happened_at: i64,
    /// The highest primary key among those that are no longer kept.
    pub id: i64,
    /// How many groups of personal values were erased from them.
    pub erased: i64,
}

/// A chain of seals without a key, which is sealed anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    /// Its last position.
    pub position: i64,
    /// Its seal at [`Mark::position`], as it was stored.
    pub seal: Vec<u8>,
    /// The first position at which it was broken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub broken_at: Option<i64>,
}

impl Mark {
    /// Before any entry is sealed. It is stored together with the key, so that there is always a mark.
    pub(super) const fn start() -> Self {
        Self {
            position: 0,
            seal: [0; SEAL],
            sealed_at: 0,
            erased: 0,
            begin: None,
            restarted_at: None,
            before: None,
        }
    }

    /// Where the entries begin that are kept.
    pub(super) fn begin(&self) -> Begin {
        self.begin.unwrap_or_default()
    }

    /// Whether no entry was ever sealed with the key.
    pub(super) fn is_start(&self) -> bool {
        *self == Self::start()
    }

    /// The value for the database.
    pub(super) fn stored(&self, key: &AuditKey) -> (&'static str, Vec<u8>) {
        (NAME, self.to_bytes(key))
    }

    /// Whether entries from before are still to be sealed anew.
    pub(super) fn is_resealing(&self) -> bool {
        self.before.as_ref().is_some_and(|before| self.position < before.position)
    }

    fn to_bytes(&self, key: &AuditKey) -> Vec<u8> {
        let content = serde_json::to_vec(self).unwrap_or_default();
        [&key.sign(Purpose::Mark, &content)[..], &content].concat()
    }

    fn from_bytes(bytes: &[u8], key: &AuditKey) -> Option<Self> {
        let (signature, content) = bytes.split_first_chunk::<SEAL>()?;
        let is_signed = key.verifies(Purpose::Mark, content, signature);
        is_signed.then(|| serde_json::from_slice(content).ok()).flatten()
    }

    /// The line that an operator keeps elsewhere.
    pub(super) fn head(&self, key: &AuditKey) -> Head {
        let mut head = Head { position: self.position, seal: super::hexadecimal(&self.seal), signed: None };
        let at = Timestamp::from_micros(self.sealed_at);
        let signature = super::hexadecimal(&key.sign(Purpose::Head, head.content(at).as_bytes()));
        head.signed = Some((at, signature));
        head
    }
}

/// What is found where the mark should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The mark.
    Mark(Mark),
    /// Nothing.
    Nothing,
    /// Something that was not made with the key.
    Forged,
}

impl Found {
    /// The mark, if it is one.
    pub(super) const fn mark(&self) -> Option<&Mark> {
        match self {
            Self::Mark(mark) => Some(mark),
            Self::Nothing | Self::Forged => None,
        }
    }
}

fn found(stored: Option<Vec<u8>>, key: &AuditKey) -> Found {
    match stored {
        None => Found::Nothing,
        Some(bytes) => Mark::from_bytes(&bytes, key).map_or(Found::Forged, Found::Mark),
    }
}

/// The mark, outside a transaction.
pub(super) async fn read(db: &Db, key: &AuditKey) -> db::Result<Found> {
    let [stored] = db::installation::get_all(db, [NAME]).await?;
    Ok(found(stored, key))
}

/// The mark, of which no other instance can make another until this transaction ends.
pub(super) async fn lock(tx: &mut Tx, key: &AuditKey) -> db::Result<Found> {
    db::audit::lock_chain(tx).await?;
    Ok(found(db::installation::value(tx, NAME).await?, key))
}

/// Stores it.
pub(super) async fn store(tx: &mut Tx, mark: &Mark, key: &AuditKey) -> db::Result<()> {
    db::installation::set(tx, NAME, Some(mark.to_bytes(key))).await
}

/// A position with its seal: what an operator keeps elsewhere, to find later that everything up to there is as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The position.
    pub position: i64,
    /// Its seal, in hexadecimal.
    pub seal: String,
    /// When it was sealed, and the signature over all of it, in hexadecimal; heads of earlier releases have none.
    signed: Option<(Timestamp, String)>,
}

impl Head {
    fn content(&self, at: Timestamp) -> String {
        format!("{}:{}:{at}", self.position, self.seal)
    }

    /// From a line such as `17:9f86d0…:2026-11-26T17:00:00.000000Z:60a3…`, or its first two parts.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (position, rest) = line.trim().split_once(':')?;
        let position = position.parse().ok()?;
        let (seal, rest) = rest.split_once(':').map_or((rest, None), |(seal, rest)| (seal, Some(rest)));
        let signed = match rest {
            None => None,
            Some(rest) => {
                let (at, signature) = rest.rsplit_once(':')?;
                Some((Timestamp::parse(at)?, signature.to_owned()))
            }
        };
        Some(Self { position, seal: seal.to_owned(), signed })
    }

    /// Whether it was signed with this key; `None` if it is not signed at all.
    pub(super) fn is_signed(&self, key: &AuditKey) -> Option<bool> {
        let (at, signature) = self.signed.as_ref()?;
        Some(super::hexadecimal(&key.sign(Purpose::Head, self.content(*at).as_bytes())) == *signature)
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.signed {
            Some((at, signature)) => write!(f, "{}:{signature}", self.content(*at)),
            None => write!(f, "{}:{}", self.position, self.seal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lg_5_a_mark_is_read_only_as_it_was_made_with_its_key() {
        let key = AuditKey::new([7; 32]);
        let before = Some(Before { position: 9, seal: vec![1; 32], broken_at: Some(3) });
        let begin = Some(Begin { position: 3, seal: [8; SEAL], happened_at: 1, id: 4, erased: 1 });
        let (position, seal, restarted_at) = (17, [9; SEAL], Some(4));
        for mark in
            [Mark::start(), Mark { position, seal, sealed_at: 5, erased: 2, begin, restarted_at, before }]
        {
            let bytes = mark.to_bytes(&key);
            assert_eq!(Mark::from_bytes(&bytes, &key), Some(mark));
            assert_eq!(Mark::from_bytes(&bytes, &AuditKey::new([8; 32])), None);
            for at in 0..bytes.len() {
                let mut altered = bytes.clone();
                altered[at] ^= 1;
                assert_eq!(Mark::from_bytes(&altered, &key), None, "{at}");
                assert_eq!(Mark::from_bytes(&bytes[..at], &key), None, "{at}");
            }
        }
    }

    #[test]
    fn lg_5_a_head_is_a_line_whose_signature_tells_whether_this_installation_made_it() {
        let key = AuditKey::new([7; 32]);
        let head = Mark { position: 17, seal: [0xab; SEAL], sealed_at: 0, ..Mark::start() }.head(&key);
        let line = head.to_string();
        assert!(line.starts_with(&format!("17:{}:1970-01-01T00:00:00.000000Z:", "ab".repeat(32))), "{line}");
        assert_eq!(Head::parse(&format!(" {line}\n")), Some(head.clone()));
        assert_eq!(head.is_signed(&key), Some(true));
        assert_eq!(head.is_signed(&AuditKey::new([8; 32])), Some(false));
        assert_eq!(Head::parse(&line.replacen("17", "16", 1)).unwrap().is_signed(&key), Some(false));
        let short = Head::parse("17:9f86").unwrap();
        assert_eq!((short.position, short.seal.as_str(), short.is_signed(&key)), (17, "9f86", None));
        assert_eq!(short.to_string(), "17:9f86");
        for wrong in ["", "17", "x:9f86", "17:9f86:yesterday:00", "17:9f86:2026-01-01"] {
            assert_eq!(Head::parse(wrong), None, "{wrong}");
        }
    }
}
