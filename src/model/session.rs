//! What a session is: a secret, what carries it, and when it ends.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::model::clock::Timestamp;
use crate::model::mac::mac;
use crate::model::preferences::Preferences;

/// 32 random bytes that prove a session.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A new one from the operating system.
    ///
    /// # Panics
    /// If the operating system has no random source: then nothing here can be secure.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        #[expect(clippy::expect_used, reason = "a process without randomness must not go on")]
        getrandom::fill(&mut bytes).expect("the operating system's random source");
        Self(bytes)
    }

    /// As carried: 43 characters of URL-safe base64.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// From a cookie or token.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// This secret, sealed with another one, which alone opens it: the same call takes the seal off.
    #[must_use]
    pub fn sealed_with(&self, key: &Self, hash: &SecretHash) -> Self {
        // The hash makes the pad another one for each secret; it is known wherever the seal is.
        let pad: [u8; 32] =
            mac(&key.0).chain_update(b"seal").chain_update(hash.0).finalize().into_bytes().into();
        let mut bytes = self.0;
        for (byte, pad) in bytes.iter_mut().zip(pad) {
            *byte ^= pad;
        }
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As stored.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }
}

/// The SHA-256 of a [`Secret`]: all that the database knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHash(pub(crate) [u8; 32]);

/// A session's primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct SessionId(pub i64);

/// What carries a session's secret. One kind is never accepted in another's place: the holder of a
/// token can read its content, which must not make a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Credential {
    /// A browser's cookie: ends after a time without use.
    Cookie,
    /// The tokens of an API client: live as long as the refresh token.
    #[serde(rename = "token")]
    Jwt,
    /// A named API token, made for a script: lives until it expires or is revoked.
    #[serde(rename = "named")]
    ApiToken,
}

impl Credential {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Jwt => "token",
            Self::ApiToken => "named",
        }
    }

    /// From the database.
    #[must_use]
    pub fn stored(name: &str) -> Option<Self> {
        [Self::Cookie, Self::Jwt, Self::ApiToken].into_iter().find(|credential| credential.as_str() == name)
    }
}

/// A live session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its primary key.
    pub id: SessionId,
    /// What carries it.
    pub credential: Credential,
    /// When it was last noted as used.
    pub last_seen_at: Timestamp,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
    /// When its user last gave their password.
    pub confirmed_at: Timestamp,
    /// Whether it is good for reading only.
    pub read_only: bool,
    /// Whether a second factor was shown for it.
    pub second_factor: bool,
    /// Whether its user has a password. One who has none shows a passkey where it is asked for again.
    pub has_password: bool,
    /// Its user's preferences for the console. Read along with a cookie, so that a page costs no query more;
    /// with other carriers the defaults.
    pub preferences: Preferences,
}

impl Session {
    /// How far its last use is from this moment. One that is still to come was noted before the clock was set
    /// back, and is as far away: nothing is in use for ever.
    #[must_use]
    pub fn unused(&self, now: Timestamp) -> Duration {
        now.since(self.last_seen_at).max(self.last_seen_at.since(now))
    }
}

/// A live session as its user and staff see it. Its serialized form is the API's.
#[derive(Debug, Clone, Serialize)]
pub struct LiveSession {
    /// Its primary key.
    pub id: SessionId,
    /// What carries it.
    #[serde(rename = "carrier")]
    pub credential: Credential,
    /// The name of an API token; else empty.
    pub name: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last noted as used; of an API token `None` before its first use.
    pub last_seen_at: Option<Timestamp>,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
    /// From where it was opened; may be empty.
    pub address: String,
    /// What it was opened with, in words; may be empty.
    pub device: String,
    /// Whether it is good for reading only.
    pub read_only: bool,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// What will carry it.
    pub credential: Credential,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
    /// When its user last gave their password.
    pub confirmed_at: Timestamp,
    /// The name of an API token; else empty.
    pub name: String,
    /// Whether it is good for reading only.
    pub read_only: bool,
    /// Whether a second factor was shown for it.
    pub second_factor: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_that_sealed_another_one_opens_it() {
        let (secret, key) = (Secret::random(), Secret::random());
        let sealed = secret.sealed_with(&key, &secret.hash());
        assert!(sealed != secret && sealed != key);
        assert!(sealed.sealed_with(&key, &secret.hash()) == secret);
        assert!(sealed.sealed_with(&key, &key.hash()) != secret);
        assert!(sealed.sealed_with(&Secret::random(), &secret.hash()) != secret);
    }
}
