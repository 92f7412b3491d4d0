//! The key of the audit log: makes the seals of its entries and signs its head (HMAC-SHA-256, RFC 2104).

use hmac::Mac;

use crate::model::mac::mac;

/// Length of a seal, in bytes.
pub const SEAL: usize = 32;

/// Seals and signs.
#[derive(Clone)]
pub struct AuditKey([u8; 32]);

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKey(..)")
    }
}

impl AuditKey {
    /// From 32 bytes that nothing else uses.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The seal of an entry at a position: over the seal before (zeros at the first position), the position, the
    /// commitments to personal values, and the shape.
    #[must_use]
    pub fn seal(
        &self,
        previous: &[u8; SEAL],
        position: i64,
        commitments: &[[u8; 32]; 3],
        shape: &[u8],
    ) -> [u8; SEAL] {
        mac(&self.0)
            .chain_update(b"entry")
            .chain_update(previous)
            .chain_update(position.to_be_bytes())
            .chain_update(commitments.as_flattened())
            .chain_update(shape)
            .finalize()
            .into_bytes()
            .into()
    }

    /// A signature of a content for a purpose.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, content: &[u8]) -> [u8; SEAL] {
        self.signing(purpose, content).finalize().into_bytes().into()
    }

    /// Whether a signature is right; takes the same time whatever differs.
    #[must_use]
    pub fn verifies(&self, purpose: Purpose, content: &[u8], signature: &[u8]) -> bool {
        self.signing(purpose, content).verify_slice(signature).is_ok()
    }

    fn signing(&self, purpose: Purpose, content: &[u8]) -> impl Mac<OutputSize = hmac::digest::consts::U32> {
        mac(&self.0)
            .chain_update(match purpose {
                Purpose::Mark => b"mark",
                Purpose::Head => b"head",
                Purpose::Username => b"name",
                Purpose::Erasure => b"gone",
            })
            .chain_update(content)
    }
}

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The high-water mark in the database.
    Mark,
    /// The head that is kept elsewhere.
    Head,
    /// A user name that is blocked: only its code is stored.
    Username,
    /// A user who was erased, in the list that is kept elsewhere.
    Erasure,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lg_5_a_seal_is_of_its_key_its_place_and_its_content() {
        let key = AuditKey::new([7; 32]);
        let seal = key.seal(&[0; SEAL], 1, &[[1; 32]; 3], b"shape");
        assert_eq!(key.seal(&[0; SEAL], 1, &[[1; 32]; 3], b"shape"), seal);
        assert_ne!(AuditKey::new([8; 32]).seal(&[0; SEAL], 1, &[[1; 32]; 3], b"shape"), seal);
        assert_ne!(key.seal(&[1; SEAL], 1, &[[1; 32]; 3], b"shape"), seal);
        assert_ne!(key.seal(&[0; SEAL], 2, &[[1; 32]; 3], b"shape"), seal);
        assert_ne!(key.seal(&[0; SEAL], 1, &[[1; 32], [1; 32], [2; 32]], b"shape"), seal);
        assert_ne!(key.seal(&[0; SEAL], 1, &[[1; 32]; 3], b"other"), seal);
        assert_eq!(format!("{key:?}"), "AuditKey(..)");
    }

    #[test]
    fn lg_5_a_signature_is_good_for_its_purpose_and_content() {
        let key = AuditKey::new([7; 32]);
        let signature = key.sign(Purpose::Mark, b"content");
        assert!(key.verifies(Purpose::Mark, b"content", &signature));
        assert!(!key.verifies(Purpose::Head, b"content", &signature));
        assert!(!key.verifies(Purpose::Mark, b"another", &signature));
        assert!(!key.verifies(Purpose::Mark, b"content", &signature[1..]));
        assert!(!AuditKey::new([8; 32]).verifies(Purpose::Mark, b"content", &signature));
    }
}
