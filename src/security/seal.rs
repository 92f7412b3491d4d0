//! Seals: what may be read by the holder of a key only, and only as it was sealed (ChaCha20-Poly1305, RFC 8439).

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::model::error::{Error, Result};

/// Seals and opens.
#[derive(Clone)]
pub struct SealKey([u8; 32]);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

impl SealKey {
    /// From 32 bytes that nothing else uses.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Seals a content for a purpose, which has to be named again to open it. A random number stands before what is
    /// sealed: 96 bits, enough for as many seals as one key here will ever make.
    ///
    /// # Errors
    /// [`Error::Internal`] without a random source.
    pub fn seal(&self, purpose: &str, content: &[u8]) -> Result<Vec<u8>> {
        let mut number = [0; NONCE_LEN];
        getrandom::fill(&mut number).map_err(|error| Error::internal(error.to_string()))?;
        let mut sealed = content.to_vec();
        let nonce = Nonce::assume_unique_for_key(number);
        self.key()
            .and_then(|key| key.seal_in_place_append_tag(nonce, Aad::from(purpose), &mut sealed).ok())
            .ok_or_else(|| Error::internal("nothing can be sealed"))?;
        Ok([&number[..], &sealed].concat())
    }

    /// The content of what was sealed with this key for this purpose.
    #[must_use]
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (number, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut content = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*number);
        let opened = self.key()?.open_in_place(nonce, Aad::from(purpose), &mut content).ok()?.len();
        content.truncate(opened);
        Some(content)
    }

    fn key(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&CHACHA20_POLY1305, &self.0).ok().map(LessSafeKey::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mf_5_a_seal_is_opened_by_its_key_for_its_purpose_and_as_it_was_made() {
        let key = SealKey::new([7; 32]);
        let sealed = key.seal("purpose", b"content").unwrap();
        assert_eq!(key.open("purpose", &sealed), Some(b"content".to_vec()));
        assert_eq!(key.open("another", &sealed), None);
        assert_eq!(SealKey::new([8; 32]).open("purpose", &sealed), None);
        assert_ne!(key.seal("purpose", b"content").unwrap(), sealed, "each seal is another one");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(key.open("purpose", &altered), None, "{at}");
            assert_eq!(key.open("purpose", &sealed[..at]), None, "{at}");
        }
        assert_eq!(format!("{key:?}"), "SealKey(..)");
    }
}
