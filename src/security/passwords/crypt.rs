//! The hashes of Unix's `crypt` and of PHP applications that are computed here: MD5-crypt, SHA-crypt and phpass.
//!
//! The results are texts in the alphabet of `crypt`, as they stand at the end of a stored hash.

use md5::{Digest, Md5};
use sha2::Sha512;

use super::Failure;

/// The alphabet of `crypt`.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The value of a character.
pub(super) fn value(character: u8) -> Option<u8> {
    let place = ALPHABET.iter().position(|known| *known == character)?;
    u8::try_from(place).ok()
}

/// The character of six bits.
pub(super) fn encoded(bits: u8) -> u8 {
    ALPHABET[usize::from(bits & 63)]
}

/// Adds the lowest six bits first.
fn push(text: &mut Vec<u8>, mut bits: u32, characters: usize) {
    for _ in 0..characters {
        text.push(ALPHABET[(bits & 63) as usize]);
        bits >>= 6;
    }
}

fn three(bytes: &[u8], at: [usize; 3]) -> u32 {
    at.iter().fold(0, |bits, at| bits << 8 | u32::from(bytes[*at]))
}

/// MD5-crypt: with `$1$` that of Unix, with `$apr1$` Apache's. The salt has at most eight characters.
pub(super) fn md5_crypt(password: &[u8], magic: &str, salt: &[u8]) -> Vec<u8> {
    let inner = Md5::new_with_prefix(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = Md5::new_with_prefix(password).chain_update(magic).chain_update(salt);
    for start in (0..password.len()).step_by(16) {
        outer.update(&inner[..(password.len() - start).min(16)]);
    }
    let mut length = password.len();
    while length > 0 {
        outer.update(if length & 1 == 1 { &[0] } else { &password[..1] });
        length >>= 1;
    }
    let mut digest = outer.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        next.update(if round & 1 == 1 { password } else { &digest });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if round & 1 == 1 { digest.as_slice() } else { password });
        digest = next.finalize();
    }
    let mut text = Vec::with_capacity(22);
    for at in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        push(&mut text, three(&digest, at), 4);
    }
    push(&mut text, u32::from(digest[11]), 2);
    text
}

/// phpass's portable hash: 2^`log_rounds` rounds of MD5. The salt has eight characters.
pub(super) fn phpass(password: &[u8], log_rounds: u32, salt: &[u8]) -> Vec<u8> {
    let mut digest = Md5::new_with_prefix(salt).chain_update(password).finalize();
    for _ in 0..1_u64 << log_rounds {
        digest = Md5::new_with_prefix(digest).chain_update(password).finalize();
    }
    let mut text = Vec::with_capacity(22);
    for start in (0..15).step_by(3) {
        push(&mut text, three(&digest, [start + 2, start + 1, start]), 4);
    }
    push(&mut text, u32::from(digest[15]), 2);
    text
}

/// Drupal's form of phpass: 2^`log_rounds` rounds of SHA-512, of whose result 43 characters are kept. The salt has eight
/// characters.
pub(super) fn phpass_sha512(password: &[u8], log_rounds: u32, salt: &[u8]) -> Vec<u8> {
    let mut digest = Sha512::new_with_prefix(salt).chain_update(password).finalize();
    for _ in 0..1_u64 << log_rounds {
        digest = Sha512::new_with_prefix(digest).chain_update(password).finalize();
    }
    let mut text = Vec::with_capacity(44);
    for start in (0..33).step_by(3) {
        push(&mut text, three(&digest, [start + 2, start + 1, start]), 4);
    }
    text.truncate(43);
    text
}

/// SHA-crypt with SHA-256 (`$5$`).
pub(super) fn sha256_crypt(password: &[u8], rounds: u32, salt: &[u8]) -> Result<Vec<u8>, Failure> {
    let params = sha_crypt::Params::new(rounds).map_err(|_| Failure::Foreign)?;
    let digest = sha_crypt::sha256_crypt(password, salt, params);
    let mut text = Vec::with_capacity(43);
    for first in (0..10).map(|n| n * 21 % 30) {
        push(&mut text, three(&digest, [first, (first + 10) % 30, (first + 20) % 30]), 4);
    }
    push(&mut text, u32::from(digest[31]) << 8 | u32::from(digest[30]), 3);
    Ok(text)
}

/// SHA-crypt with SHA-512 (`$6$`).
pub(super) fn sha512_crypt(password: &[u8], rounds: u32, salt: &[u8]) -> Result<Vec<u8>, Failure> {
    let params = sha_crypt::Params::new(rounds).map_err(|_| Failure::Foreign)?;
    let digest = sha_crypt::sha512_crypt(password, salt, params);
    let mut text = Vec::with_capacity(86);
    for first in (0..21).map(|n| n * 22 % 63) {
        push(&mut text, three(&digest, [first, (first + 21) % 63, (first + 42) % 63]), 4);
    }
    push(&mut text, u32::from(digest[63]), 2);
    Ok(text)
}
