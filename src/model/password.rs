//! A password and a hash as stored. Neither shows its content when it is printed for debugging.
//!
//! One password can be typed in several ways that look the same: `é` is one code point on most keyboards and two in
//! names of files on macOS. So what is hashed is its normal form, that of RFC 8265's profile `OpaqueString`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The most code points a new password may have, in its normal form (OWASP ASVS 5.0, 6.2.9 asks for at least 64).
pub(crate) const MOST_CHARACTERS: usize = 128;

/// The longest password, in bytes of UTF-8, that is ever hashed. The policy allows 128 code points, which are at
/// most 512 bytes; passwords that came with hashes from elsewhere may be longer. The bound keeps a huge password
/// from costing a huge amount of work.
pub const LONGEST_HASHED_BYTES: usize = 1024;

/// What an unusable hash of Django's begins with; what follows is random and means nothing.
pub(crate) const UNUSABLE_PREFIX: char = '!';

/// A password as it was received: never trimmed.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Takes the text as it is.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, exactly as received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is hashed and that the policy judges: in NFC, with every space an ASCII one.
    #[must_use]
    pub fn normal(&self) -> Cow<'_, str> {
        if is_nfc(&self.0) && !self.0.contains(is_other_space) {
            return Cow::Borrowed(&self.0);
        }
        Cow::Owned(self.0.chars().map(|c| if is_other_space(c) { ' ' } else { c }).nfc().collect())
    }

    /// The text as received, if its normal form is another: an older hash may be of it.
    #[must_use]
    pub fn unlike_normal(&self) -> Option<&str> {
        (self.normal() != self.0.as_str()).then_some(&self.0)
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.normal() == other.normal()
    }
}

/// Unicode's other space separators (category Zs).
fn is_other_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(..)")
    }
}

/// A stored hash: ours, a PHC string `$argon2id$…`, or one of Django's. It may be anything at all: whatever is not
/// understood matches no password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash that no password matches, in Django's form: the user cannot sign in until a password is set.
    #[must_use]
    pub fn unusable() -> Self {
        let mut random = [0; 30];
        // Without randomness it is still unusable; Django only wants no two of them to be alike.
        let _ = getrandom::fill(&mut random);
        Self(format!("{UNUSABLE_PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// The hash as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// False if by its form no password can ever match: it is empty, or it begins with Django's `!`.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.0.is_empty() && !self.0.starts_with(UNUSABLE_PREFIX)
    }
}

impl From<String> for PasswordHash {
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(..)")
    }
}
