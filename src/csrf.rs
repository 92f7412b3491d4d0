//! The token in every form that changes something: another site can neither make nor read it.
//!
//! A token is a nonce and its code for what it is bound to: the session of somebody signed in, or a
//! random cookie before that. The nonce makes it different in every answer, so that compressing a
//! page gives nothing away.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::keys::FormKey;

/// Length of the nonce, in bytes.
const NONCE: usize = 16;

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
