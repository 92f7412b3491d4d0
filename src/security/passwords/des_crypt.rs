//! The first `crypt` of Unix: DES with its expansion disturbed by a salt of two characters, 25 times over zeros (the
//! tables are those of FIPS 46-3). It looks at eight characters of a password, and at seven bits of each. No crate that
//! is kept has it, and it is only ever computed below another hash.

use super::crypt::{encoded, value};

const INITIAL: [usize; 64] = [
    58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48,
    40, 32, 24, 16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61, 53, 45, 37, 29, 21,
    13, 5, 63, 55, 47, 39, 31, 23, 15, 7,
];
const FINAL: [usize; 64] = [
    40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45,
    13, 53, 21, 61, 29, 36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27, 34, 2, 42, 10, 50, 18,
    58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
];
const CHOICE_1: [usize; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44,
    36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20,
    12, 4,
];
const CHOICE_2: [usize; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37,
    47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];
const SHIFTS: [usize; 16] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];
const EXPANSION: [usize; 48] = [
    32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17, 16, 17, 18, 19, 20,
    21, 20, 21, 22, 23, 24, 25, 24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1,
];
const PERMUTATION: [usize; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6,
    22, 11, 4, 25,
];
const BOXES: [[u8; 64]; 8] = [
    [
        14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5,
        3, 8, 4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14,
        10, 0, 6, 13,
    ],
    [
        15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9,
        11, 5, 0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12,
        0, 5, 14, 9,
    ],
    [
        10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11,
        15, 1, 13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3,
        11, 5, 2, 12,
    ],
    [
        7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10,
        14, 9, 10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11,
        12, 7, 2, 14,
    ],
    [
        2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9,
        8, 6, 4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9,
        10, 4, 5, 3,
    ],
    [
        12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11,
        3, 8, 9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7,
        6, 0, 8, 13,
    ],
    [
        4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15,
        8, 6, 1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15,
        14, 2, 3, 12,
    ],
    [
        13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14,
        9, 2, 7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0,
        3, 5, 6, 11,
    ],
];

/// The eleven characters that follow the salt; empty for a salt that is none.
pub(super) fn des_crypt(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let Some(expansion) = salted(salt) else { return Vec::new() };
    let keys = round_keys(password);
    let mut block = [0; 64];
    for _ in 0..25 {
        block = encrypt(&block, &keys, &expansion);
    }
    let bit = |place: usize| block.get(place).copied().unwrap_or(0);
    let six = |first: usize| (0..6).fold(0, |bits, n| bits << 1 | bit(first + n));
    (0..66).step_by(6).map(|first| encoded(six(first))).collect()
}

fn picked<const LENGTH: usize>(bits: &[u8], places: &[usize; LENGTH]) -> [u8; LENGTH] {
    places.map(|place| bits[place - 1])
}

/// The expansion, halves of which the bits of the salt swap.
fn salted(salt: &[u8]) -> Option<[usize; 48]> {
    let mut expansion = EXPANSION;
    let [first, second] = salt else { return None };
    for (n, character) in [*first, *second].into_iter().enumerate() {
        let bits = value(character)?;
        for bit in (0..6).filter(|bit| bits >> bit & 1 == 1) {
            expansion.swap(6 * n + bit, 6 * n + bit + 24);
        }
    }
    Some(expansion)
}

fn round_keys(password: &[u8]) -> [[u8; 48]; 16] {
    let mut bits = [0; 64];
    for (byte, seven) in password.iter().zip(bits.chunks_exact_mut(8)) {
        for (n, bit) in seven[..7].iter_mut().enumerate() {
            *bit = byte >> (6 - n) & 1;
        }
    }
    let mut halves = picked(&bits, &CHOICE_1);
    SHIFTS.map(|shift| {
        halves[..28].rotate_left(shift);
        halves[28..].rotate_left(shift);
        picked(&halves, &CHOICE_2)
    })
}

fn encrypt(block: &[u8; 64], keys: &[[u8; 48]; 16], expansion: &[usize; 48]) -> [u8; 64] {
    let (mut left, mut right) = ([0; 32], [0; 32]);
    let begun = picked(block, &INITIAL);
    left.copy_from_slice(&begun[..32]);
    right.copy_from_slice(&begun[32..]);
    for key in keys {
        let before = right;
        let mixed = substituted(&picked(&before, expansion), key);
        for (bit, (other, changed)) in right.iter_mut().zip(left.iter().zip(picked(&mixed, &PERMUTATION))) {
            *bit = other ^ changed;
        }
        left = before;
    }
    let mut end = [0; 64];
    end[..32].copy_from_slice(&right);
    end[32..].copy_from_slice(&left);
    picked(&end, &FINAL)
}

fn substituted(expanded: &[u8; 48], key: &[u8; 48]) -> [u8; 32] {
    let mut bits = [0; 32];
    for (n, (found, table)) in bits.chunks_exact_mut(4).zip(&BOXES).enumerate() {
        let six: [u8; 6] = std::array::from_fn(|bit| expanded[6 * n + bit] ^ key[6 * n + bit]);
        let [row_high, a, b, c, d, row_low] = six.map(usize::from);
        let four = table[row_high << 5 | row_low << 4 | a << 3 | b << 2 | c << 1 | d];
        for (place, bit) in found.iter_mut().enumerate() {
            *bit = four >> (3 - place) & 1;
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by libcrypt.
    #[test]
    fn hashes_are_those_of_another_implementation() {
        for (password, hash) in [
            ("rasmuslerdorf", "rl.3StKT.4T8M"),
            ("a", "abxxB7HlIeckU"),
            ("password", "..UZoIyj/Hy/c"),
            ("longer than eight", "zz.JiwC6aD7cA"),
            ("longer t", "zz.JiwC6aD7cA"),
            ("päss", "x9CEXlj0CU.aU"),
            ("", "AbVtehnQZDSpU"),
            ("hunter2", "/.3j8HvRTSSjw"),
            ("correct horse", "q7TAS9beSzvdI"),
        ] {
            let computed = des_crypt(password.as_bytes(), &hash.as_bytes()[..2]);
            assert_eq!(String::from_utf8(computed).unwrap(), hash[2..], "{password}");
        }
    }

    #[test]
    fn a_salt_is_two_characters_of_the_alphabet() {
        for salt in [&b""[..], b"a", b"abc", b"a:", b"\xff."] {
            assert!(des_crypt(b"a", salt).is_empty(), "{salt:?}");
        }
    }
}
