//! Passkeys: the two ceremonies of Web Authentication Level 3 (W3C), as the relying party verifies them.
//!
//! Comments in [`registration`] and [`assertion`] number the steps of its sections 7.1 and 7.2. Signatures are checked
//! by `ring`: ES256, `EdDSA` and RS256. No attestation is asked for, and none is accepted.

mod assertion;
#[cfg(test)]
mod authenticator;
mod authenticator_data;
mod cbor;
mod client_data;
mod cose;
mod registration;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};

pub use self::assertion::{Asserted, Assertion};
pub use self::cose::ALGORITHMS;
pub use self::registration::Registration;

/// The installation as authenticators know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    /// The name of its host.
    pub id: String,
    /// The origin of its pages.
    pub origin: String,
}

impl RelyingParty {
    /// That of an installation whose pages have this origin, as browsers spell it. `None` where browsers offer no
    /// passkeys: they do on `https` and on `http://localhost`, and for names of hosts only.
    #[must_use]
    pub fn of(origin: &str) -> Option<Self> {
        let (scheme, host) = origin.split_once("://")?;
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        let is_name = !name.is_empty() && !name.starts_with('[') && name.parse::<Ipv4Addr>().is_err();
        let is_secure = scheme == "https" || scheme == "http" && name == "localhost";
        (is_name && is_secure).then(|| Self { id: name.to_owned(), origin: origin.to_owned() })
    }
}

/// Whether these bytes are a public key whose signatures can be checked here.
#[must_use]
pub fn is_public_key(bytes: &[u8]) -> bool {
    cose::PublicKey::parse(bytes).is_ok()
}

/// What an answer of a browser is held against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Whose pages asked.
    pub relying_party: &'a RelyingParty,
    /// What they asked with.
    pub challenge: &'a [u8],
    /// Whether the authenticator has to have verified its user, by a PIN or a fingerprint.
    pub user_verification: bool,
}

/// Why an answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("the answer of the browser cannot be read")]
    Malformed,
    /// It belongs to another ceremony.
    #[error("the answer is to another question")]
    Type,
    /// It answers another challenge.
    #[error("the answer is to another question")]
    Challenge,
    /// It was given on a page of another origin, or within one.
    #[error("the passkey was used on a page of another address")]
    Origin,
    /// The authenticator was asked for another relying party.
    #[error("the passkey is for another address")]
    RelyingParty,
    /// The user did not touch the authenticator.
    #[error("the device did not notice its user")]
    UserPresence,
    /// The authenticator did not verify its user.
    #[error("the device did not ask for a PIN, a fingerprint or the like")]
    UserVerification,
    /// The flags contradict each other, or those from the registration.
    #[error("the device says two things about whether the passkey is copied")]
    Backup,
    /// The key is for an algorithm that was not offered, or no key of it.
    #[error("the key of the device is of a kind that is not accepted")]
    Key,
    /// There is an attestation.
    #[error("the device describes itself, which was not asked for")]
    Attestation,
    /// The credential has another identifier, or one that is too long.
    #[error("the passkey is another one")]
    Credential,
    /// The signature is wrong.
    #[error("the signature of the device is wrong")]
    Signature,
    /// The counter of the authenticator is not above the one that was seen last: there may be two of it.
    #[error("the device counts backwards")]
    Counter,
}

/// Bytes as browsers write them in JSON: base64 for URLs without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}
