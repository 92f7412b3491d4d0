//! HMAC-SHA-256 (RFC 2104), with which tokens and forms are signed.

use hmac::{Hmac, KeyInit};
use sha2::Sha256;

/// The code of that key, ready to be fed a message.
pub(crate) fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    // A key shorter than the hash's block is filled up with zeros, as the RFC says.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}
