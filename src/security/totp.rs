//! Codes of authenticator apps: TOTP (RFC 6238) as all of them make it, of HMAC-SHA-1, six digits and 30 seconds.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use crate::model::base32;
use crate::model::clock::Timestamp;

/// Length of a secret, in bytes (RFC 4226 recommends the output of the hash).
const LENGTH: usize = 20;
/// How long a code is shown, in seconds.
const PERIOD: i64 = 30;
/// The clock of a phone may be so many steps away.
const DRIFT: i64 = 1;
/// Six digits.
const MODULUS: u32 = 1_000_000;

/// What an authenticator app and this server share.
#[derive(Clone)]
pub struct TotpSecret([u8; LENGTH]);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

impl TotpSecret {
    /// From its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// From random bytes.
    #[must_use]
    pub const fn new(random: [u8; LENGTH]) -> Self {
        Self(random)
    }

    /// The bytes, to be sealed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// For people who type it into their app, 32 letters in groups of four.
    #[must_use]
    pub fn to_text(&self) -> String {
        let letters: Vec<char> = base32::encode(&self.0).chars().collect();
        letters.chunks(4).map(|group| group.iter().collect()).collect::<Vec<String>>().join(" ")
    }

    /// For apps: the address that the picture shows. Names are told by the site and the user.
    #[must_use]
    pub fn uri(&self, site: &str, username: &str) -> String {
        let (site, username) = (encoded(site), encoded(username));
        format!("otpauth://totp/{site}:{username}?secret={}&issuer={site}", base32::encode(&self.0))
    }

    /// The step of a code, if it is one of this moment, or of the one before or after, and later than the step
    /// `after`. Takes the same time whatever differs.
    #[must_use]
    pub fn step_of(&self, code: &str, now: Timestamp, after: i64) -> Option<i64> {
        let current = now.seconds().div_euclid(PERIOD);
        let mut found = None;
        for step in current - DRIFT..=current + DRIFT {
            let is_equal: bool = self.code(step).as_bytes().ct_eq(code.as_bytes()).into();
            if is_equal && step > after && found.is_none() {
                found = Some(step);
            }
        }
        found
    }

    /// The last step of which a code is accepted at this moment.
    #[must_use]
    pub const fn newest_step(now: Timestamp) -> i64 {
        now.seconds().div_euclid(PERIOD) + DRIFT
    }

    /// The code of a step.
    #[must_use]
    pub fn code(&self, step: i64) -> String {
        // A key shorter than the hash's block is filled up with zeros, as RFC 2104 says.
        let mut block = [0; 64];
        block[..LENGTH].copy_from_slice(&self.0);
        let mac: [u8; 20] =
            Hmac::<Sha1>::new(&block.into()).chain_update(step.to_be_bytes()).finalize().into_bytes().into();
        let offset = usize::from(mac[19] & 0x0f);
        let chosen = mac.get(offset..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or_default();
        format!("{:06}", (u32::from_be_bytes(chosen) & 0x7fff_ffff) % MODULUS)
    }
}

/// Percent-encoded (RFC 3986), so that it can stand anywhere in a URI.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC: TotpSecret = TotpSecret::new(*b"12345678901234567890");

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// Appendix B of the RFC has eight digits, of which these are the last six.
    #[test]
    fn mf_2_the_codes_are_those_of_rfc_6238() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(RFC.code(seconds / PERIOD), code, "{seconds}");
            assert_eq!(RFC.step_of(code, at(seconds), 0), Some(seconds / PERIOD));
        }
    }

    #[test]
    fn mf_2_a_code_is_good_one_step_before_and_after_its_own_and_only_after_the_last_one() {
        let code = RFC.code(100);
        for (step, found) in [(98, None), (99, Some(100)), (100, Some(100)), (101, Some(100)), (102, None)] {
            assert_eq!(RFC.step_of(&code, at(step * PERIOD), 0), found, "{step}");
        }
        assert_eq!(RFC.step_of(&code, at(3_000), 99), Some(100));
        assert_eq!(RFC.step_of(&code, at(3_000), 100), None);
        for other in ["", "1", "1234567", "abcdef"] {
            assert_eq!(RFC.step_of(other, at(3_000), 0), None, "{other}");
        }
    }

    #[test]
    fn an_app_is_told_the_site_the_user_and_the_secret() {
        assert_eq!(
            RFC.uri("Desk & Co", "ada@example.org"),
            "otpauth://totp/Desk%20%26%20Co:ada%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Desk%20%26%20Co"
        );
        assert_eq!(RFC.to_text(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(format!("{RFC:?}"), "TotpSecret(..)");
    }
}
