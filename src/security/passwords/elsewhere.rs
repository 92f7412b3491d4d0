//! Hashes of other programs than Django that are as slow as they should be: they are checked, never made.
//!
//! | form | what it is | made by |
//! | --- | --- | --- |
//! | `$2a$12$…`, also `2b` and `2y` | bcrypt of the password | most of them |
//! | `$wp$2y$10$…` | bcrypt of the base64 of the HMAC-SHA-384 of the trimmed password | WordPress 6.8 |
//! | `$pbkdf2-sha512$i=210000$salt$hash`, also without `i=` | PBKDF2, salt and hash in base64 | Keycloak's in our spelling; passlib |
//! | `{PBKDF2-SHA512}10000$salt$hash` | the same, of SHA-1 without a name | OpenLDAP, 389 Directory Server |
//! | `{PBKDF2_SHA256}…` | PBKDF2, in base64 with its rounds | 389 Directory Server, FreeIPA |
//! | `:pbkdf2:sha512:30000:64:salt:hash` | PBKDF2, salt and hash in base64 | MediaWiki |
//! | `pbkdf2:sha256:600000$salt$hex` | PBKDF2, the salt is text | Werkzeug |
//! | base64 that begins with a byte of 0 or 1 | PBKDF2 with all its parameters | ASP.NET Identity |
//! | `scrypt:32768:8:1$salt$hex` | scrypt, the salt is text, 64 bytes | Werkzeug |
//! | `$scrypt$ln=16,r=8,p=1$salt$hash` | scrypt, salt and hash in base64 | passlib; Spring's and Auth0's in our spelling |
//! | `$firebase$ln=14,r=8$salt$separator$signer$hash` | scrypt, which encrypts the project's key | Firebase, in our spelling |
//! | `$y$…` | yescrypt | libxcrypt |

use aes::Aes256;
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use yescrypt::{PasswordVerifier, Yescrypt};

use super::Failure;
use super::broken::is_whole_output;
use super::foreign::{
    bcrypt_effort, bcrypt_matches, parse_bcrypt, parse_number, pbkdf2_is_allowed, scrypt_params,
};

/// With or without padding, as it comes.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// The longest output that is compared, in bytes.
const LONGEST_OUTPUT: usize = 128;
/// The memory of one yescrypt hash. The default is 16 MiB.
const MOST_YESCRYPT_MEMORY_BYTES: u64 = 256 * 1024 * 1024;

/// The hash function within PBKDF2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

impl Prf {
    fn named(name: &str) -> Option<Self> {
        match name {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// As Django's hashes of it are called.
    const fn kind(self) -> &'static str {
        match self {
            Self::Sha1 => "pbkdf2_sha1",
            Self::Sha256 => "pbkdf2_sha256",
            Self::Sha512 => "pbkdf2_sha512",
        }
    }

    const fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// A hash that is well-formed and under the ceiling of its kind.
pub(super) enum ElsewhereHash<'a> {
    Bcrypt(&'a str),
    WordPress(&'a str),
    Pbkdf2 { prf: Prf, iterations: u32, salt: Vec<u8>, output: Vec<u8> },
    Scrypt { work: u64, params: scrypt::Params, salt: Vec<u8>, output: Vec<u8> },
    Firebase { work: u64, params: scrypt::Params, salt: Vec<u8>, signer: Vec<u8>, output: Vec<u8> },
    Yescrypt { memory: u64, hash: &'a str },
}

impl<'a> ElsewhereHash<'a> {
    /// `None` if it is malformed, of an unknown kind or over a ceiling.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("{") {
            let (scheme, rest) = rest.split_once('}')?;
            let scheme = scheme.to_ascii_lowercase();
            return match scheme.as_str() {
                "crypt" => Self::parse_modular(rest),
                "pbkdf2_sha256" => parse_directory_server(rest),
                "pbkdf2" => parse_pbkdf2("sha1", rest),
                _ => parse_pbkdf2(scheme.strip_prefix("pbkdf2-")?, rest),
            };
        }
        if text.starts_with('$') {
            return Self::parse_modular(text);
        }
        match text.split(':').collect::<Vec<_>>()[..] {
            ["pbkdf2", prf, rest] => parse_werkzeug_pbkdf2(prf, rest),
            ["scrypt", rounds, block_size, rest] => parse_werkzeug_scrypt(rounds, block_size, rest),
            ["", "pbkdf2", prf, iterations, _, salt, output] => {
                let (salt, output) = (LENIENT.decode(salt).ok()?, LENIENT.decode(output).ok()?);
                pbkdf2_of(Prf::named(prf)?, parse_number(iterations)?, salt, output)
            }
            [text] => parse_asp_net(text),
            _ => None,
        }
    }

    fn parse_modular(text: &'a str) -> Option<Self> {
        if let Some(hash) = text.strip_prefix("$wp") {
            return parse_bcrypt(hash).map(Self::WordPress);
        }
        let (id, rest) = text.strip_prefix('$')?.split_once('$')?;
        match id {
            "2a" | "2b" | "2y" => parse_bcrypt(text).map(Self::Bcrypt),
            "y" => parse_yescrypt(rest).map(|memory| Self::Yescrypt { memory, hash: text }),
            "scrypt" => parse_scrypt(rest),
            "firebase" => parse_firebase(rest),
            "pbkdf2" => parse_pbkdf2("sha1", rest),
            _ => parse_pbkdf2(id.strip_prefix("pbkdf2-")?, rest),
        }
    }

    /// The kind, and a number that grows with the work.
    pub(super) fn effort(&self) -> (&'static str, u64) {
        match self {
            Self::Bcrypt(hash) | Self::WordPress(hash) => bcrypt_effort(hash),
            Self::Pbkdf2 { prf, iterations, output, .. } => {
                let blocks = output.len().div_ceil(prf.output_bytes()) as u64;
                (prf.kind(), u64::from(*iterations) * blocks)
            }
            Self::Scrypt { work, .. } | Self::Firebase { work, .. } => ("scrypt", *work),
            Self::Yescrypt { memory, .. } => ("yescrypt", *memory),
        }
    }

    /// Computes the hash of the password and compares it with the stored one in constant time.
    pub(super) fn matches(&self, password: &str) -> Result<bool, Failure> {
        let bytes = password.as_bytes();
        match self {
            Self::Bcrypt(hash) => bcrypt_matches(bytes, hash),
            Self::WordPress(hash) => {
                let trimmed = password.trim_matches([' ', '\t', '\n', '\r', '\0', '\u{b}']);
                let mut mac = Hmac::<Sha384>::new_from_slice(b"wp-sha384").map_err(|_| Failure::Foreign)?;
                mac.update(trimmed.as_bytes());
                bcrypt_matches(STANDARD.encode(mac.finalize().into_bytes()).as_bytes(), hash)
            }
            Self::Pbkdf2 { prf, iterations, salt, output } => {
                let mut computed = vec![0; output.len()];
                match prf {
                    Prf::Sha1 => pbkdf2::pbkdf2::<Hmac<Sha1>>(bytes, salt, *iterations, &mut computed),
                    Prf::Sha256 => pbkdf2::pbkdf2::<Hmac<Sha256>>(bytes, salt, *iterations, &mut computed),
                    Prf::Sha512 => pbkdf2::pbkdf2::<Hmac<Sha512>>(bytes, salt, *iterations, &mut computed),
                }
                .map_err(|_| Failure::Foreign)?;
                Ok(computed.ct_eq(output).into())
            }
            Self::Scrypt { params, salt, output, .. } => {
                let mut computed = vec![0; output.len()];
                scrypt::scrypt(bytes, salt, params, &mut computed).map_err(|_| Failure::Foreign)?;
                Ok(computed.ct_eq(output).into())
            }
            Self::Firebase { params, salt, signer, output, .. } => {
                let mut key = [0; 32];
                scrypt::scrypt(bytes, salt, params, &mut key).map_err(|_| Failure::Foreign)?;
                let mut computed = signer.clone();
                Ctr128BE::<Aes256>::new(&key.into(), &[0; 16].into()).apply_keystream(&mut computed);
                Ok(computed.ct_eq(output).into())
            }
            Self::Yescrypt { hash, .. } => Ok(Yescrypt::default().verify_password(bytes, *hash).is_ok()),
        }
    }
}

fn is_comparable(output: &[u8]) -> bool {
    (16..=LONGEST_OUTPUT).contains(&output.len())
}

fn pbkdf2_of<'a>(prf: Prf, iterations: u32, salt: Vec<u8>, output: Vec<u8>) -> Option<ElsewhereHash<'a>> {
    let blocks = u32::try_from(output.len().div_ceil(prf.output_bytes())).ok()?;
    (is_comparable(&output) && pbkdf2_is_allowed(iterations.checked_mul(blocks)?))
        .then_some(ElsewhereHash::Pbkdf2 { prf, iterations, salt, output })
}

/// `i=210000$salt$hash`; other programs write no `i=`, or also the length of the output, and dots instead of plus signs.
fn parse_pbkdf2<'a>(prf: &str, text: &str) -> Option<ElsewhereHash<'a>> {
    let text = text.replace('.', "+");
    let [iterations, salt, output] = text.split('$').collect::<Vec<_>>()[..] else { return None };
    let iterations = iterations.split_once(",l=").map_or(iterations, |(iterations, _)| iterations);
    let iterations = parse_number(iterations.strip_prefix("i=").unwrap_or(iterations))?;
    let prf = Prf::named(prf)?;
    pbkdf2_of(prf, iterations, LENIENT.decode(salt).ok()?, LENIENT.decode(output).ok()?)
}

/// Four bytes of rounds, the most significant first, 64 of salt and 256 of output, of which the first block is enough.
fn parse_directory_server<'a>(text: &str) -> Option<ElsewhereHash<'a>> {
    let bytes = LENIENT.decode(text).ok()?;
    let (iterations, rest) = bytes.split_first_chunk::<4>()?;
    let (salt, output) = rest.split_at_checked(64)?;
    let first = output.get(..Prf::Sha256.output_bytes())?;
    pbkdf2_of(Prf::Sha256, u32::from_be_bytes(*iterations), salt.into(), first.into())
}

/// `600000$salt$hex`.
fn parse_werkzeug_pbkdf2<'a>(prf: &str, text: &str) -> Option<ElsewhereHash<'a>> {
    let [iterations, salt, output] = text.split('$').collect::<Vec<_>>()[..] else { return None };
    let prf = Prf::named(prf)?;
    pbkdf2_of(prf, parse_number(iterations)?, salt.into(), hexadecimal(output)?)
}

/// `1$salt$hex`, the first of which is the number of lanes.
fn parse_werkzeug_scrypt<'a>(rounds: &str, block_size: &str, text: &str) -> Option<ElsewhereHash<'a>> {
    let [lanes, salt, output] = text.split('$').collect::<Vec<_>>()[..] else { return None };
    let (work, params) =
        scrypt_params(parse_number(rounds)?, parse_number(block_size)?, parse_number(lanes)?)?;
    let output = hexadecimal(output)?;
    is_comparable(&output).then(|| ElsewhereHash::Scrypt { work, params, salt: salt.into(), output })
}

/// `ln=16,r=8,p=1$salt$hash`.
fn parse_scrypt<'a>(text: &str) -> Option<ElsewhereHash<'a>> {
    let [cost, salt, output] = text.split('$').collect::<Vec<_>>()[..] else { return None };
    let [log_rounds, block_size, lanes] = cost.split(',').collect::<Vec<_>>()[..] else { return None };
    let number = |text: &str, name: &str| parse_number(text.strip_prefix(name)?);
    let rounds = 1_u32.checked_shl(number(log_rounds, "ln=")?)?;
    let (work, params) = scrypt_params(rounds, number(block_size, "r=")?, number(lanes, "p=")?)?;
    let (salt, output) = (LENIENT.decode(salt).ok()?, LENIENT.decode(output).ok()?);
    let is_whole = is_comparable(&output) && is_whole_output(output.len());
    is_whole.then_some(ElsewhereHash::Scrypt { work, params, salt, output })
}

/// Version 2 is a byte of 0, 16 bytes of salt and 32 of SHA-1's output after 1,000 rounds; version 3 a byte of 1,
/// three numbers of 32 bits, the most significant byte first (hash function, rounds, length of the salt), and both.
fn parse_asp_net<'a>(text: &str) -> Option<ElsewhereHash<'a>> {
    let bytes = STANDARD.decode(text).ok()?;
    match bytes.split_first()? {
        (0, rest) if rest.len() == 48 => pbkdf2_of(Prf::Sha1, 1000, rest[..16].into(), rest[16..].into()),
        (1, rest) => {
            let number = |at: usize| rest.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
            let prf =
                [Prf::Sha1, Prf::Sha256, Prf::Sha512].get(usize::try_from(number(0)?).ok()?).copied()?;
            let (salt, output) = rest.get(12..)?.split_at_checked(usize::try_from(number(8)?).ok()?)?;
            pbkdf2_of(prf, number(4)?, salt.into(), output.into())
        }
        _ => None,
    }
}

/// `ln=14,r=8$salt$separator$signer$hash`.
fn parse_firebase<'a>(text: &str) -> Option<ElsewhereHash<'a>> {
    let [cost, salt, separator, signer, output] = text.split('$').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (log_rounds, block_size) = cost.strip_prefix("ln=")?.split_once(",r=")?;
    let rounds = 1_u32.checked_shl(parse_number(log_rounds)?)?;
    let (work, params) = scrypt_params(rounds, parse_number(block_size)?, 1)?;
    let bytes = |text: &str| LENIENT.decode(text).ok();
    let (salt, signer, output) = ([bytes(salt)?, bytes(separator)?].concat(), bytes(signer)?, bytes(output)?);
    (is_comparable(&output) && signer.len() == output.len()).then_some(ElsewhereHash::Firebase {
        work,
        params,
        salt,
        signer,
        output,
    })
}

/// `j9T$salt$hash`: only the cost is looked at, of which the memory is given back, in bytes.
fn parse_yescrypt(text: &str) -> Option<u64> {
    let [cost, salt, output] = text.split('$').collect::<Vec<_>>()[..] else { return None };
    let params: yescrypt::Params = cost.parse().ok()?;
    let memory = params.n().checked_mul(u64::from(params.r()))?.checked_mul(128)?;
    // Without the fourth number, which only makes a hash take longer, a cost has three to five characters.
    let is_plain = params.p() == 1 && cost.len() <= 5;
    (memory <= MOST_YESCRYPT_MEMORY_BYTES && is_plain && salt.len() <= 86 && output.len() == 43)
        .then_some(memory)
}

/// Bytes from hexadecimal digits of either case.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    match text.len() {
        40 => super::weak::hexadecimal::<20>(text),
        64 => super::weak::hexadecimal::<32>(text),
        128 => super::weak::hexadecimal::<64>(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
