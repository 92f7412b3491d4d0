//! The secrets of the installation: one root, and a key for each purpose derived from it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::Mac;
use sha2::{Digest, Sha256};

use crate::config::{ConfigError, Settings};
use crate::db::{self, Db};
use crate::model::mac::mac;
use crate::security::csrf::FormKey;
use crate::security::device_cookie::DeviceCookieKey;
use crate::security::jwt::TokenKey;

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

/// A key for each purpose.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs the tokens of API clients.
    pub tokens: TokenKey,
    /// Signs what forms carry.
    pub forms: FormKey,
    /// Signs what browsers keep that signed in.
    pub known: DeviceCookieKey,
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
    /// The configured secret, else the one that the database keeps; made at the first start.
    ///
    /// # Errors
    /// [`KeyError::Config`] for a secret that is too short, made of one byte, or published.
    pub async fn load(settings: &Settings, db: &Db) -> Result<Self, KeyError> {
        let root = if settings.secret_key.is_empty() {
            let mut fresh = vec![0; SHORTEST];
            getrandom::fill(&mut fresh).map_err(|error| db::Error::Corrupt(error.to_string()))?;
            db::installation::get_or_insert(db, "secret_key", fresh).await?
        } else {
            decode(&settings.secret_key)?
        };
        check(&root)?;
        Ok(Self::derive(&root))
    }

    /// From a root that was checked.
    fn derive(root: &[u8]) -> Self {
        Self {
            tokens: TokenKey::new(&purpose(root, "tokens")),
            forms: FormKey::new(purpose(root, "forms")),
            known: DeviceCookieKey::new(purpose(root, "known browsers")),
        }
    }
}

/// What the names of this installation's cookies end with, in hexadecimal digits. Made at the first start, and no
/// secret: every browser is told.
pub(super) async fn cookie_tag(db: &Db) -> Result<String, KeyError> {
    let mut fresh = vec![0; TAG_BYTES];
    getrandom::fill(&mut fresh).map_err(|error| db::Error::Corrupt(error.to_string()))?;
    let tag = db::installation::get_or_insert(db, "cookie_tag", fresh).await?;
    Ok(tag.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// One key of a root for one purpose, so that no signature is good for two.
fn purpose(root: &[u8], name: &str) -> [u8; 32] {
    // The root may be longer than a hash; hashing it first is what HMAC itself does with long keys.
    let root: [u8; 32] = Sha256::digest(root).into();
    mac(&root).chain_update(b"usher ").chain_update(name).finalize().into_bytes().into()
}

fn refuse(reason: &str) -> ConfigError {
    ConfigError::Value { name: "secret_key".to_owned(), reason: reason.to_owned() }
}

fn decode(text: &str) -> Result<Vec<u8>, ConfigError> {
    if PUBLISHED.contains(&text.trim()) {
        return Err(refuse("stands in public documentation; make your own with `openssl rand -base64 32`"));
    }
    STANDARD
        .decode(text.trim())
        .or_else(|_| URL_SAFE_NO_PAD.decode(text.trim()))
        .map_err(|_| refuse("is not base64; make one with `openssl rand -base64 32`"))
}

fn check(root: &[u8]) -> Result<(), ConfigError> {
    if root.len() < SHORTEST {
        return Err(refuse("is shorter than 32 bytes; make one with `openssl rand -base64 32`"));
    }
    if root.iter().all(|byte| *byte == root[0]) {
        return Err(refuse("is one byte repeated; make one with `openssl rand -base64 32`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        decode(text).and_then(|root| check(&root)).unwrap_err().to_string()
    }

    #[test]
    fn cf_1_short_repeated_published_and_mistyped_secrets_are_refused() {
        assert!(reason(&STANDARD.encode([7; 31])).contains("shorter than 32 bytes"));
        assert!(reason(&STANDARD.encode([0; 32])).contains("one byte repeated"));
        assert!(reason("hPRYyVRiMyxpw5sBB1XeCMN1kFsDCqKvBi2QJxBVHQk=").contains("public documentation"));
        assert!(reason("not base64!").contains("usher.secret_key: is not base64"));
        assert!(
            decode(&STANDARD.encode(b"0123456789abcdef0123456789abcdef")).and_then(|r| check(&r)).is_ok()
        );
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        assert_ne!(purpose(&[1; 32], "tokens"), purpose(&[1; 32], "forms"));
        assert_ne!(purpose(&[1; 32], "known browsers"), purpose(&[1; 32], "forms"));
        assert_ne!(purpose(&[1; 32], "tokens"), purpose(&[2; 32], "tokens"));
    }
}
