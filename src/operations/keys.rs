//! The secrets of the installation: one root, and a key for each purpose derived from it.
//!
//! A root has a successor from time to time. Every server knows it before it begins to sign, and accepts the
//! signatures of the one before until the last token with one has run out.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::Mac;
use sha2::{Digest, Sha256};

use crate::config::{ConfigError, Settings};
use crate::db::{self, Db};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::Error;
use crate::model::mac::mac;
use crate::model::session::{Credential, SessionId};
use crate::model::throttle::DeviceId;
use crate::operations::{App, audit, kept_key};
use crate::security::csrf::{self, FormKey};
use crate::security::device_cookie::DeviceCookieKey;
use crate::security::jwt::{Kind, SessionClaim, TokenKey};
use crate::security::seal::SealKey;
use crate::security::signed::SignatureKey;

/// Shortest root, in bytes: the output of SHA-256.
const SHORTEST: usize = 32;

/// Length of the tag in the names of cookies, in bytes.
const TAG_BYTES: usize = 4;

/// Keys that stand in documentation and are therefore public.
const PUBLISHED: [&str; 2] = [
    // Rocket's guide and API documentation.
    "hPRYyVRiMyxpw5sBB1XeCMN1kFsDCqKvBi2QJxBVHQk=",
    "itlYmFR2vYKrOmFhupMIn/hyB6lYCCTXz4yaQX89XVg=",
];

/// The root in the database, and the one before it with the instant at which the newer one begins to sign.
const ROOT: &str = "secret_key";
const ROOT_BEFORE: &str = "secret_key_before";
const BEGINS_AT: &str = "secret_key_begins_at";

/// How often a server looks for a successor.
pub const LOOK_INTERVAL: Duration = Duration::from_mins(1);
/// A successor begins to sign so long after it was made: by then every server knows it.
const NOTICE: Duration = Duration::from_mins(3);

/// A key for each purpose.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs the tokens of API clients.
    pub tokens: TokenKey,
    /// Signs what forms carry.
    pub forms: FormKey,
    /// Signs the messages that browsers keep for the next page.
    pub messages: SignatureKey,
    /// Signs what browsers keep that signed in.
    pub known: DeviceCookieKey,
    /// Seals what pages carry between two steps.
    pub seals: SealKey,
    /// The other keys whose signatures are accepted at this moment.
    other: Option<Arc<Keys>>,
}

/// Why the keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The configured secret is not fit.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database could not be read.
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl Keys {
    /// From a root that was checked.
    fn derive(root: &[u8]) -> Self {
        Self {
            tokens: TokenKey::new(&purpose(root, "tokens")),
            forms: FormKey::new(purpose(root, "forms")),
            messages: SignatureKey::new(purpose(root, "messages")),
            known: DeviceCookieKey::new(purpose(root, "known browsers")),
            seals: SealKey::new(purpose(root, "seals")),
            other: None,
        }
    }

    fn accepted(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.other.as_deref())
    }

    /// See [`TokenKey::read`].
    #[must_use]
    pub fn read_token(
        &self,
        kind: Option<Kind>,
        token: &str,
        now: Timestamp,
    ) -> Option<(Kind, SessionClaim)> {
        self.accepted().find_map(|keys| keys.tokens.read(kind, token, now))
    }

    /// See [`csrf::is_valid`].
    #[must_use]
    pub fn is_of_form(&self, binding: &str, token: &str) -> bool {
        self.accepted().any(|keys| csrf::is_valid(&keys.forms, binding, token))
    }

    /// See [`SignatureKey::open`], for messages.
    #[must_use]
    pub fn open_message(&self, session: SessionId, value: &str) -> Option<Vec<u8>> {
        self.accepted().find_map(|keys| keys.messages.open(session.0, value))
    }

    /// See [`SealKey::open`].
    #[must_use]
    pub fn open_seal(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.accepted().find_map(|keys| keys.seals.open(purpose, sealed))
    }

    /// See [`DeviceCookieKey::browser`].
    #[must_use]
    pub fn browser(&self, kept: &str, username: &str) -> Option<DeviceId> {
        self.accepted().find_map(|keys| keys.known.browser(kept, username))
    }
}

/// The keys of the installation in the course of time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyRing(Arc<RwLock<Phases>>);

/// The keys before a successor begins to sign, while those of the one before are still accepted, and after.
#[derive(Debug, Clone)]
struct Phases {
    before: Arc<Keys>,
    overlap: Arc<Keys>,
    after: Arc<Keys>,
    begins_at: Timestamp,
    overlap_ends_at: Timestamp,
}

impl Phases {
    fn lasting(root: &[u8]) -> Self {
        let keys = Arc::new(Keys::derive(root));
        let never = Timestamp::from_micros(i64::MIN);
        let (before, overlap) = (Arc::clone(&keys), Arc::clone(&keys));
        Self { before, overlap, after: keys, begins_at: never, overlap_ends_at: never }
    }

    fn succession(before: &[u8], after: &[u8], begins_at: Timestamp, overlap: Duration) -> Self {
        let [before, after] = [before, after].map(|root| Arc::new(Keys::derive(root)));
        let with = |keys: &Arc<Keys>, other: &Arc<Keys>| {
            Arc::new(Keys { other: Some(Arc::clone(other)), ..(**keys).clone() })
        };
        Self {
            before: with(&before, &after),
            overlap: with(&after, &before),
            after,
            begins_at,
            overlap_ends_at: begins_at.plus(overlap),
        }
    }
}

impl KeyRing {
    /// The configured secret, else the one that the database keeps; made at the first start.
    ///
    /// # Errors
    /// [`KeyError::Config`] for a secret that is too short, made of one byte, or published.
    pub async fn load(settings: &Settings, db: &Db) -> Result<Self, KeyError> {
        if settings.secret_key.is_empty() {
            db::installation::get_or_insert(db, ROOT, fresh()?).await?;
        }
        Ok(Self(Arc::new(RwLock::new(phases(settings, db).await?))))
    }

    /// The keys at an instant.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Arc<Keys> {
        let phases = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(if now < phases.begins_at {
            &phases.before
        } else if now < phases.overlap_ends_at {
            &phases.overlap
        } else {
            &phases.after
        })
    }
}

/// Looks for a successor that was made meanwhile.
///
/// # Errors
/// As [`KeyRing::load`].
pub async fn look_for_successor(app: &App) -> Result<(), KeyError> {
    let phases = phases(&app.settings, &app.db).await?;
    *app.ring.0.write().unwrap_or_else(PoisonError::into_inner) = phases;
    Ok(())
}

async fn phases(settings: &Settings, db: &Db) -> Result<Phases, KeyError> {
    let (root, before, begins_at) = if settings.secret_key.is_empty() {
        let [root, before, begins_at] = db::installation::get_all(db, [ROOT, ROOT_BEFORE, BEGINS_AT]).await?;
        let begins_at =
            begins_at.and_then(|bytes| bytes.try_into().ok()).map_or(i64::MIN, i64::from_be_bytes);
        let root = root.ok_or_else(|| db::Error::Corrupt("there is no secret key".into()))?;
        (root, before, Timestamp::from_micros(begins_at))
    } else {
        let before = Some(&settings.secret_key_before).filter(|before| !before.is_empty());
        let before = before.map(|before| decode("secret_key_before", before)).transpose()?;
        (decode("secret_key", &settings.secret_key)?, before, Timestamp::from_micros(i64::MIN))
    };
    check("secret_key", &root)?;
    let Some(before) = before else { return Ok(Phases::lasting(&root)) };
    check("secret_key_before", &before)?;
    // As long as the setting says so; or until the last token of the one before has run out.
    let overlap = if settings.secret_key.is_empty() {
        settings.session_lifetime(Credential::Jwt)
    } else {
        Duration::MAX
    };
    Ok(Phases::succession(&before, &root, begins_at, overlap))
}

/// The key of a root that seals a [key that is kept](kept_key).
pub(super) fn kept_seal(root: &[u8], name: &str) -> SealKey {
    SealKey::new(purpose(root, name))
}

/// The roots that there are, in the settings and in the database, that which counts first.
pub(super) async fn roots(settings: &Settings, db: &Db) -> Result<Vec<Vec<u8>>, KeyError> {
    let mut roots = Vec::new();
    for (name, text) in
        [("secret_key", &settings.secret_key), ("secret_key_before", &settings.secret_key_before)]
    {
        if !text.is_empty() {
            roots.push(decode(name, text)?);
        }
    }
    roots.extend(db::installation::get_all(db, [ROOT, ROOT_BEFORE]).await?.into_iter().flatten());
    Ok(roots)
}

/// A new root.
pub(super) fn fresh() -> db::Result<Vec<u8>> {
    let mut fresh = vec![0; SHORTEST];
    getrandom::fill(&mut fresh).map_err(|error| db::Error::Corrupt(error.to_string()))?;
    Ok(fresh)
}

/// Why there is no successor.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The operator keeps the key.
    #[error(
        "the key is the setting secret_key: make another one with `openssl rand -base64 32`, and set the \
         present one as secret_key_before"
    )]
    Configured,
    /// A third key would end the tokens of the first.
    #[error("tokens of the key before are accepted until {0}; wait for that, or end them with --at-once")]
    Overlapping(Timestamp),
    /// Another key was made at the same moment.
    #[error("another key was made at the same moment")]
    Beaten,
    /// The database failed, or the audit log.
    #[error(transparent)]
    Failed(#[from] crate::model::error::Error),
}

/// When a successor begins to sign, and until when the signatures of the one before are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Succession {
    /// From when.
    pub begins_at: Timestamp,
    /// The end of the overlap.
    pub ends_at: Timestamp,
}

/// Makes a successor to the key in the database. Servers that run find it by themselves. With `at_once` there
/// is no overlap: it is for a key that others have.
///
/// # Errors
/// [`RotationError`]
pub async fn rotate(app: &App, at_once: bool) -> Result<Succession, RotationError> {
    if !app.settings.secret_key.is_empty() {
        return Err(RotationError::Configured);
    }
    let now = app.clock.now();
    let overlap = app.settings.session_lifetime(Credential::Jwt);
    let names = [ROOT, ROOT_BEFORE, BEGINS_AT];
    let stored = db::installation::get_all(&app.db, names).await.map_err(Error::from)?;
    let [Some(root), before, begins_at] = stored else { return Err(RotationError::Beaten) };
    if let (Some(_), Some(begins_at), false) = (before, begins_at, at_once) {
        let begins_at = begins_at.try_into().map_or(i64::MIN, i64::from_be_bytes);
        let ends_at = Timestamp::from_micros(begins_at).plus(overlap);
        if now < ends_at {
            return Err(RotationError::Overlapping(ends_at));
        }
    }
    let next = fresh().map_err(Error::from)?;
    let begins_at = if at_once { now } else { now.plus(NOTICE) };
    let ends_at = if at_once { now } else { begins_at.plus(overlap) };
    let entry = Entry::new(Action::KeyRotated, Author::operator()).detail("begins_at", begins_at.to_string());
    let entry = entry.detail("overlap_ends_at", ends_at.to_string());
    let is_made = db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        if !db::installation::replace(&mut tx, ROOT, &root, &next).await? {
            return Ok(false);
        }
        let before = (!at_once).then(|| root.clone());
        db::installation::set(&mut tx, ROOT_BEFORE, before).await?;
        let begins_at = (!at_once).then(|| begins_at.micros().to_be_bytes().to_vec());
        db::installation::set(&mut tx, BEGINS_AT, begins_at).await?;
        kept_key::hand_over(&mut tx, &root, &next).await?;
        audit::record(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(true)
    })
    .await?;
    if is_made { Ok(Succession { begins_at, ends_at }) } else { Err(RotationError::Beaten) }
}

/// What the names of this installation's cookies end with, in hexadecimal digits. Made at the first start, and no
/// secret: every browser is told.
pub(super) async fn cookie_tag(db: &Db) -> Result<String, KeyError> {
    let mut fresh = vec![0; TAG_BYTES];
    getrandom::fill(&mut fresh).map_err(|error| db::Error::Corrupt(error.to_string()))?;
    let tag = db::installation::get_or_insert(db, "cookie_tag", fresh).await?;
    Ok(audit::hexadecimal(&tag))
}

/// One key of a root for one purpose, so that no signature is good for two.
fn purpose(root: &[u8], name: &str) -> [u8; 32] {
    // The root may be longer than a hash; hashing it first is what HMAC itself does with long keys.
    let root: [u8; 32] = Sha256::digest(root).into();
    mac(&root).chain_update(b"usher ").chain_update(name).finalize().into_bytes().into()
}

fn refuse(name: &str, reason: &str) -> ConfigError {
    ConfigError::Value { name: name.to_owned(), reason: reason.to_owned() }
}

/// Whether the configured secrets can be used, without a database.
///
/// # Errors
/// A secret that is too short, made of one byte, or published.
pub fn check_settings(settings: &Settings) -> Result<(), ConfigError> {
    let configured =
        [("secret_key", &settings.secret_key), ("secret_key_before", &settings.secret_key_before)];
    configured
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .try_for_each(|(name, text)| check(name, &decode(name, text)?))
}

fn decode(name: &str, text: &str) -> Result<Vec<u8>, ConfigError> {
    if PUBLISHED.contains(&text.trim()) {
        return Err(refuse(
            name,
            "stands in public documentation; make your own with `openssl rand -base64 32`",
        ));
    }
    STANDARD
        .decode(text.trim())
        .or_else(|_| URL_SAFE_NO_PAD.decode(text.trim()))
        .map_err(|_| refuse(name, "is not base64; make one with `openssl rand -base64 32`"))
}

fn check(name: &str, root: &[u8]) -> Result<(), ConfigError> {
    if root.len() < SHORTEST {
        return Err(refuse(name, "is shorter than 32 bytes; make one with `openssl rand -base64 32`"));
    }
    if root.iter().all(|byte| *byte == root[0]) {
        return Err(refuse(name, "is one byte repeated; make one with `openssl rand -base64 32`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        decode("secret_key", text).and_then(|root| check("secret_key", &root)).unwrap_err().to_string()
    }

    #[test]
    fn cf_1_short_repeated_published_and_mistyped_secrets_are_refused() {
        assert!(reason(&STANDARD.encode([7; 31])).contains("shorter than 32 bytes"));
        assert!(reason(&STANDARD.encode([0; 32])).contains("one byte repeated"));
        assert!(reason("hPRYyVRiMyxpw5sBB1XeCMN1kFsDCqKvBi2QJxBVHQk=").contains("public documentation"));
        assert!(reason("not base64!").contains("usher.secret_key: is not base64"));
        let good = STANDARD.encode(b"0123456789abcdef0123456789abcdef");
        assert!(decode("secret_key", &good).and_then(|root| check("secret_key", &root)).is_ok());
    }

    #[test]
    fn cr_1_two_keys_are_accepted_and_one_signs_until_the_overlap_is_over() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let phases = Phases::succession(&[1; 32], &[2; 32], at(100), Duration::from_secs(50));
        let ring = KeyRing(Arc::new(RwLock::new(phases)));
        let [old, new] = [[1; 32], [2; 32]].map(|root| csrf::issue(&Keys::derive(&root).forms, "it"));
        for (now, signs_new, takes_old) in
            [(99, false, true), (100, true, true), (149, true, true), (150, true, false)]
        {
            let keys = ring.at(at(now));
            let is_new = csrf::is_valid(&Keys::derive(&[2; 32]).forms, "it", &csrf::issue(&keys.forms, "it"));
            assert_eq!(is_new, signs_new, "{now}");
            assert!(keys.is_of_form("it", &new), "{now}: known before it signs");
            assert_eq!(keys.is_of_form("it", &old), takes_old, "{now}");
        }
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        assert_ne!(purpose(&[1; 32], "tokens"), purpose(&[1; 32], "forms"));
        assert_ne!(purpose(&[1; 32], "known browsers"), purpose(&[1; 32], "forms"));
        assert_ne!(purpose(&[1; 32], "tokens"), purpose(&[2; 32], "tokens"));
    }
}
