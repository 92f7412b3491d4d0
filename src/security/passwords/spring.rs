//! Hashes as Spring Security's `DelegatingPasswordEncoder` stores them: the name of an encoder in braces, and what it
//! made. One that is whole is spelled as other programs' are; what a hash does not say of itself is the encoder's default.
//!
//! | form | what it is |
//! | --- | --- |
//! | `{bcrypt}…`, `{argon2}…`, `{argon2@SpringSecurity_v5_8}…`, `{ldap}{SSHA}…` | what follows the name |
//! | `{pbkdf2}hex` | PBKDF2 with SHA-1 and 185,000 rounds: 8 bytes of salt, 32 of output |
//! | `{pbkdf2@SpringSecurity_v5_8}hex` | PBKDF2 with SHA-256 and 310,000 rounds: 16 bytes of salt, 32 of output |
//! | `{scrypt}$e0801$salt$hash` | scrypt: the binary logarithm of N, then r and p with a byte each |
//! | `{sha256}hex` | 1,024 rounds of SHA-256: 8 bytes of salt, 32 of output; `weak` reads it |
//! | `{MD5}{salt}hex`, `{SHA-1}{salt}hex`, `{SHA-256}{salt}hex`, also without a salt | a digest of the password and of the salt with its braces |

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::elsewhere::LENIENT;
use super::formula::{hexadecimal, output};

/// The encoders of PBKDF2: the hash function, the rounds and the bytes of the salt.
const PBKDF2: [(&str, &str, u32, usize); 2] =
    [("pbkdf2", "sha1", 185_000, 8), ("pbkdf2@springsecurity_v5_8", "sha256", 310_000, 16)];
/// The bytes of their outputs.
const OUTPUT: usize = 32;
/// The encoders of one digest: what directories call it, without a salt and with one, and its bytes.
const DIGESTS: [(&str, &str, &str, usize); 3] =
    [("md5", "MD5", "SMD5", 16), ("sha-1", "SHA", "SSHA", 20), ("sha-256", "SHA256", "SSHA256", 32)];
/// The bytes of salt and output of `{sha256}`.
const SHA256: usize = 40;

/// What stands before hashes, as a file may be cut off within it.
pub(super) const NAMES: [&str; 9] = [
    "{pbkdf2}",
    "{pbkdf2@SpringSecurity_v5_8}",
    "{scrypt}",
    "{scrypt@SpringSecurity_v5_8}",
    "{argon2}",
    "{argon2@SpringSecurity_v5_8}",
    "{ldap}",
    "{SHA-1}",
    "{SHA-256}",
];

/// The hash as another program would spell it; any other text as it is.
pub(super) fn respelled(hash: &str) -> Cow<'_, str> {
    let spelled = encoder(hash).and_then(|(name, rest)| match name.as_str() {
        "bcrypt" | "argon2" | "argon2@springsecurity_v5_8" if !rest.is_empty() => Some(rest.into()),
        "ldap" if rest.starts_with('{') && rest.contains('}') => Some(rest.into()),
        "scrypt" | "scrypt@springsecurity_v5_8" => scrypt(rest).map(Cow::Owned),
        name => pbkdf2(name, rest).or_else(|| digest(name, rest)).map(Cow::Owned),
    });
    spelled.unwrap_or(Cow::Borrowed(hash))
}

/// Whether this is a part of what an encoder makes, if it could not be spelled otherwise.
pub(super) fn is_cut(hash: &str) -> bool {
    let Some((name, rest)) = encoder(hash) else { return false };
    let is_hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_short = |text: &str, bytes: usize| {
        if is_hexadecimal(text) {
            text.len() < 2 * bytes
        } else {
            LENIENT.decode(text).map_or(true, |decoded| decoded.len() < bytes)
        }
    };
    if let Some((.., salt)) = PBKDF2.into_iter().find(|(known, ..)| *known == name) {
        // With dollar signs it is a directory's.
        return !rest.contains('$') && is_short(rest, salt + OUTPUT);
    }
    if let Some((.., bytes)) = DIGESTS.into_iter().find(|(known, ..)| *known == name) {
        let digits = salt_and_digits(rest).1;
        // What is no number of digits may be a directory's.
        return (name != "md5" || is_hexadecimal(digits)) && is_short(digits, bytes);
    }
    match name.as_str() {
        "scrypt" | "scrypt@springsecurity_v5_8" => scrypt(rest).is_none(),
        "sha256" => is_hexadecimal(rest) && is_short(rest, SHA256),
        "ldap" => rest.starts_with('{'),
        _ => false,
    }
}

/// The encoder's name in lower case, and what it made.
fn encoder(hash: &str) -> Option<(String, &str)> {
    let (name, rest) = hash.strip_prefix('{')?.split_once('}')?;
    Some((name.to_ascii_lowercase(), rest))
}

fn pbkdf2(name: &str, rest: &str) -> Option<String> {
    let (_, prf, rounds, salt) = PBKDF2.into_iter().find(|(known, ..)| *known == name)?;
    let bytes = output(rest).filter(|bytes| bytes.len() == salt + OUTPUT)?;
    let (salt, output) = bytes.split_at(salt);
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    Some(format!("$pbkdf2-{prf}$i={rounds}${salt}${output}"))
}

fn scrypt(rest: &str) -> Option<String> {
    let (cost, rest) = rest.strip_prefix('$')?.split_once('$')?;
    // `from_str_radix` alone would take a sign.
    let is_number = cost.bytes().all(|byte| byte.is_ascii_hexdigit());
    let [high, low, block_size, lanes] =
        u32::from_str_radix(cost, 16).ok().filter(|_| is_number)?.to_be_bytes();
    let log_rounds = u16::from_be_bytes([high, low]);
    let (_, hash) = rest.split_once('$')?;
    (LENIENT.decode(hash).ok()?.len() >= OUTPUT)
        .then(|| format!("$scrypt$ln={log_rounds},r={block_size},p={lanes}${rest}"))
}

fn digest(name: &str, rest: &str) -> Option<String> {
    let (_, plain, salted, bytes) = DIGESTS.into_iter().find(|(known, ..)| *known == name)?;
    let (salt, digits) = salt_and_digits(rest);
    let output = hexadecimal(digits).filter(|output| output.len() == bytes)?;
    let scheme = if salt.is_empty() { plain } else { salted };
    Some(format!("{{{scheme}}}{}", STANDARD.encode([&output, salt.as_bytes()].concat())))
}

/// A salt with its braces, if there is one, and what follows it.
fn salt_and_digits(rest: &str) -> (&str, &str) {
    match rest.find('}') {
        Some(end) if rest.starts_with('{') => rest.split_at(end + 1),
        _ => ("", rest),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Recognized, recognize};
    use super::*;

    /// Of Spring's documentation, or like them.
    const WHOLE: [&str; 8] = [
        "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG",
        "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc",
        "{pbkdf2@SpringSecurity_v5_8}000102030405060708090a0b0c0d0e0f317ef944a1386b1a8d3b2b451d861c2368f586b3d7ab6af442fd89d4189dd1bd",
        "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
        "{sha256}97cde38028ad898ebc02e690819fa220e88c62e0699403e94fff291cfffaf8410849f27605abcbc0",
        "{MD5}{thisissalt}2a4e7104c2780098f50ed5a84bb2323d",
        "{SHA-1}a3a06d73faa75d7add3ed8ee17f4b7358e352eb9",
        "{ldap}{SSHA}sQuQF8vj8Eg2Y1hPdh3bkQhCKQBgjhQI",
    ];

    #[test]
    fn a_hash_of_springs_is_known_whole_and_broken_wherever_it_is_cut() {
        for whole in WHOLE {
            assert!(matches!(recognize(whole), Recognized::Usable(_) | Recognized::Weak(_)), "{whole}");
            assert_eq!(respelled(&respelled(whole)), respelled(whole), "{whole}");
            for end in 5..whole.len() {
                let cut = &whole[..end];
                // Base64 may end where a group of four characters does, with another salt; and needs no padding.
                let is_other_salt = cut.starts_with("{ldap}{SSHA}") && cut.len() == 12 + 28;
                let is_as_good = is_other_salt || format!("{cut}=") == whole;
                assert!(is_as_good || recognize(cut) == Recognized::Broken, "{cut}");
            }
        }
    }

    /// Of "kestrel-żółw", by Python's cryptography.
    #[test]
    fn pw_1_a_hash_of_argon2_is_the_one_behind_its_name() {
        use super::super::argon2::{Memory, OwnHashes};
        let phc = "$argon2id$v=19$m=16384,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$6o4NYI8kkNAyI4sAzmHx/nmmYX6qXAMQmWGmgixwtVE";
        for name in ["{argon2}", "{ARGON2}", "{argon2@SpringSecurity_v5_8}"] {
            let Recognized::Usable(hash) = recognize(&format!("{name}{phc}")) else { panic!("{name}") };
            assert_eq!(hash.as_str(), phc);
        }
        let own = OwnHashes::new(super::super::Cost::default()).unwrap();
        let stored = super::super::stored::Stored::parse(phc).unwrap();
        assert!(stored.matches("kestrel-\u{17c}\u{f3}\u{142}w", &mut Memory::for_hashes_of(&own)).unwrap());
    }

    #[test]
    fn what_encoders_with_other_settings_made_is_not_taken_for_what_the_defaults_make() {
        for other in [
            format!("{{pbkdf2}}{}", "ab".repeat(72)),
            format!("{{pbkdf2@SpringSecurity_v5_8}}{}", "ab".repeat(80)),
            format!("{{sha256}}{}", "ab".repeat(48)),
            "{scrypt}$1f0801$c2FsdA==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=".into(),
            "{scrypt}$e08ff$c2FsdA==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=".into(),
            "{MD4}{thisissalt}6cc7924dad12ade79dfb99e424f25260".into(),
            "{ldap}otter".into(),
            "{noop}otter".into(),
        ] {
            assert_eq!(recognize(&other), Recognized::Unknown, "{other}");
        }
        for text in
            ["{", "{}", "{pbkdf2", "{scrypt}$+1$a$b", "{scrypt}$$$", "{ldap}", "{MD5}{", "{\u{e9}}\u{e9}"]
        {
            assert!(matches!(recognize(text), Recognized::Unknown | Recognized::Broken), "{text}");
        }
    }
}
