//! The token in every form that changes something: another site can neither make nor read it.
//!
//! A token is a nonce and a message authentication code over the nonce and what the token is bound to:
//! the user's session, or a random cookie before signing in. The nonce makes the token different in
//! every answer, so that compressing a page reveals nothing (BREACH).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use hmac::Mac;

use crate::model::mac::mac;

/// Length of the nonce, in bytes.
const NONCE: usize = 16;

/// Signs what forms carry, so that another site cannot make it.
#[derive(Clone)]
pub struct FormKey([u8; 32]);

impl std::fmt::Debug for FormKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormKey(..)")
    }
}

impl FormKey {
    /// From 32 bytes that nothing else uses.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The code that proves `message`.
    fn code(&self, message: &[u8]) -> [u8; 32] {
        mac(&self.0).chain_update(message).finalize().into_bytes().into()
    }

    /// Whether the code proves `message`; takes the same time whatever differs.
    fn proves(&self, message: &[u8], code: &[u8]) -> bool {
        mac(&self.0).chain_update(message).verify_slice(code).is_ok()
    }
}

/// A token for a form, bound to `binding`.
#[must_use]
pub fn issue(key: &FormKey, binding: &str) -> String {
    let mut nonce = [0; NONCE];
    // Without randomness the token is still bound and secret; it only no longer differs.
    let _ = getrandom::fill(&mut nonce);
    let code = key.code(&message(binding, &nonce));
    URL_SAFE_NO_PAD.encode([&nonce[..], &code[..]].concat())
}

/// Whether a token was issued for `binding`.
#[must_use]
pub fn is_valid(key: &FormKey, binding: &str, token: &str) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else { return false };
    let Some((nonce, code)) = bytes.split_first_chunk::<NONCE>() else { return false };
    key.proves(&message(binding, nonce), code)
}

fn message(binding: &str, nonce: &[u8; NONCE]) -> Vec<u8> {
    [&nonce[..], binding.as_bytes()].concat()
}
