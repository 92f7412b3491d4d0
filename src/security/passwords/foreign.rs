//! Hashes that came from Django (5.2), other than argon2: they are checked, never made.
//!
//! | form | what it is |
//! | --- | --- |
//! | `pbkdf2_sha256$iterations$salt$base64` | PBKDF2 with HMAC-SHA-256, 32 bytes |
//! | `pbkdf2_sha1$iterations$salt$base64` | PBKDF2 with HMAC-SHA-1, 20 bytes |
//! | `bcrypt_sha256$$2b$12$…` | bcrypt of the lower-case hexadecimal SHA-256 of the password |
//! | `bcrypt$$2b$12$…` | bcrypt of the password |
//! | `scrypt$N$salt$r$p$base64` | scrypt, 64 bytes |
//!
//! The salt of PBKDF2 and scrypt is text and is used as its bytes; bcrypt's is in the hash.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Failure;

/// Django's default is 1,000,000 and grows with each release; ten times that takes a second or two.
const MOST_PBKDF2_ITERATIONS: u32 = 10_000_000;
/// bcrypt's work doubles with each step. Django's default is 12; 16 is sixteen times that, about four seconds.
const HIGHEST_BCRYPT_COST: u32 = 16;
/// bcrypt does not allow less.
const LOWEST_BCRYPT_COST: u32 = 4;
/// bcrypt sees no more of a password than this many bytes.
const BCRYPT_SEES_BYTES: usize = 72;
/// The memory of one scrypt hash, `128 × N × r`. Django's default is 16 MiB.
const MOST_SCRYPT_MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// scrypt's lanes, which are computed one after the other. Django's default is 5.
const MOST_SCRYPT_LANES: u32 = 16;
/// The work of one scrypt hash, memory × lanes, as both ceilings together would take far too long. Django's default
/// is 80 MiB; 1 GiB takes about two seconds.
const MOST_SCRYPT_WORK_BYTES: u64 = 1024 * 1024 * 1024;

/// One of Django's hashes, well-formed and under the ceiling of its kind.
pub(super) enum ForeignHash<'a> {
    Pbkdf2Sha256 {
        iterations: u32,
        salt: &'a str,
        output: [u8; 32],
    },
    Pbkdf2Sha1 {
        iterations: u32,
        salt: &'a str,
        output: [u8; 20],
    },
    /// `$2b$…` of the hexadecimal SHA-256 of the password.
    BcryptSha256(&'a str),
    /// `$2b$…` of the password itself.
    Bcrypt(&'a str),
    Scrypt {
        /// Bytes that are gone through.
        work: u64,
        params: scrypt::Params,
        salt: &'a str,
        output: [u8; 64],
    },
}

impl<'a> ForeignHash<'a> {
    /// `None` if it is malformed, of an unknown kind or over a ceiling.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once('$')?;
        match kind {
            "pbkdf2_sha256" => {
                let (iterations, salt, output) = parse_pbkdf2(rest)?;
                Some(Self::Pbkdf2Sha256 { iterations, salt, output })
            }
            "pbkdf2_sha1" => {
                let (iterations, salt, output) = parse_pbkdf2(rest)?;
                Some(Self::Pbkdf2Sha1 { iterations, salt, output })
            }
            "bcrypt_sha256" => parse_bcrypt(rest).map(Self::BcryptSha256),
            "bcrypt" => parse_bcrypt(rest).map(Self::Bcrypt),
            "scrypt" => parse_scrypt(rest),
            _ => None,
        }
    }

    /// The kind, and a number that grows with the work.
    pub(super) fn effort(&self) -> (&'static str, u64) {
        match self {
            Self::Pbkdf2Sha256 { iterations, .. } => ("pbkdf2_sha256", u64::from(*iterations)),
            Self::Pbkdf2Sha1 { iterations, .. } => ("pbkdf2_sha1", u64::from(*iterations)),
            Self::BcryptSha256(hash) | Self::Bcrypt(hash) => bcrypt_effort(hash),
            Self::Scrypt { work, .. } => ("scrypt", *work),
        }
    }

    /// Computes the hash of the password and compares it with the stored one in constant time.
    ///
    /// Plain bcrypt sees only the first 72 bytes of a password; Django and Python's bcrypt cut longer ones there
    /// without a word, so the same is done here: who had such a password can still sign in. The hash of ours that
    /// replaces this one is of the whole password as typed.
    pub(super) fn matches(&self, password: &str) -> Result<bool, Failure> {
        let bytes = password.as_bytes();
        match self {
            Self::Pbkdf2Sha256 { iterations, salt, output } => {
                let computed: [u8; 32] =
                    pbkdf2::pbkdf2_array::<Hmac<Sha256>, 32>(bytes, salt.as_bytes(), *iterations)
                        .map_err(|_| Failure::Foreign)?;
                Ok(computed.ct_eq(output).into())
            }
            Self::Pbkdf2Sha1 { iterations, salt, output } => {
                let computed: [u8; 20] =
                    pbkdf2::pbkdf2_array::<Hmac<Sha1>, 20>(bytes, salt.as_bytes(), *iterations)
                        .map_err(|_| Failure::Foreign)?;
                Ok(computed.ct_eq(output).into())
            }
            Self::BcryptSha256(hash) => {
                bcrypt::verify(lower_case_hex(&Sha256::digest(bytes)), hash).map_err(|_| Failure::Foreign)
            }
            Self::Bcrypt(hash) => bcrypt_matches(bytes, hash),
            Self::Scrypt { params, salt, output, .. } => {
                let mut computed = [0; 64];
                scrypt::scrypt(bytes, salt.as_bytes(), params, &mut computed)
                    .map_err(|_| Failure::Foreign)?;
                Ok(computed.ct_eq(output).into())
            }
        }
    }
}

/// Plain bcrypt, of as much of a password as it sees.
pub(super) fn bcrypt_matches(password: &[u8], hash: &str) -> Result<bool, Failure> {
    let seen = &password[..password.len().min(BCRYPT_SEES_BYTES)];
    let equal = bcrypt::verify(seen, hash).map_err(|_| Failure::Foreign)?;
    // bcrypt repeats the password with a NUL after it, so "a" and "a\0a" have one hash. Python's bcrypt
    // refuses NUL, so no stored hash was made of a password that has one.
    Ok(equal && !password.contains(&0))
}

/// Plain bcrypt's name, and its cost.
pub(super) fn bcrypt_effort(hash: &str) -> (&'static str, u64) {
    ("bcrypt", hash.get(4..6).and_then(parse_number).map_or(0, u64::from))
}

/// Whether so many iterations are under the ceiling.
pub(super) fn pbkdf2_is_allowed(iterations: u32) -> bool {
    (1..=MOST_PBKDF2_ITERATIONS).contains(&iterations)
}

/// `iterations$salt$base64` with `LENGTH` bytes behind the base64.
fn parse_pbkdf2<const LENGTH: usize>(text: &str) -> Option<(u32, &str, [u8; LENGTH])> {
    let mut fields = text.split('$');
    let iterations = parse_number(fields.next()?)?;
    let salt = fields.next()?;
    let output = parse_output(fields.next()?)?;
    let fits = pbkdf2_is_allowed(iterations) && !salt.is_empty() && fields.next().is_none();
    fits.then_some((iterations, salt, output))
}

/// `$2b$12$` and 53 characters; also `2a` and `2y`, which are the same algorithm. Not `2x`, which is another, broken one.
pub(super) fn parse_bcrypt(text: &str) -> Option<&str> {
    let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
    let cost = parse_number(text.get(4..6)?)?;
    let well_formed = text.parse::<bcrypt::HashParts>().is_ok();
    (known && well_formed && (LOWEST_BCRYPT_COST..=HIGHEST_BCRYPT_COST).contains(&cost)).then_some(text)
}

/// `N$salt$r$p$base64`.
fn parse_scrypt(text: &str) -> Option<ForeignHash<'_>> {
    let mut fields = text.split('$');
    let rounds = parse_number(fields.next()?)?;
    let salt = fields.next()?;
    let block_size = parse_number(fields.next()?)?;
    let lanes = parse_number(fields.next()?)?;
    let output = parse_output(fields.next()?)?;
    if fields.next().is_some() || salt.is_empty() {
        return None;
    }
    let (work, params) = scrypt_params(rounds, block_size, lanes)?;
    Some(ForeignHash::Scrypt { work, params, salt, output })
}

/// The bytes that a scrypt hash of this cost goes through, and the cost, if it is under the ceilings.
pub(super) fn scrypt_params(rounds: u32, block_size: u32, lanes: u32) -> Option<(u64, scrypt::Params)> {
    if rounds < 2 || !rounds.is_power_of_two() {
        return None;
    }
    let memory = u64::from(rounds).checked_mul(u64::from(block_size))?.checked_mul(128)?;
    let work = memory.checked_mul(u64::from(lanes))?;
    if memory > MOST_SCRYPT_MEMORY_BYTES || lanes > MOST_SCRYPT_LANES || work > MOST_SCRYPT_WORK_BYTES {
        return None;
    }
    let exponent = u8::try_from(rounds.ilog2()).ok()?;
    Some((work, scrypt::Params::new(exponent, block_size, lanes).ok()?))
}

/// Digits only: `parse` alone would also take a sign.
pub(super) fn parse_number(text: &str) -> Option<u32> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Padded base64 of exactly `LENGTH` bytes.
fn parse_output<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// Two lower-case hexadecimal digits for each byte.
pub(super) fn lower_case_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;
