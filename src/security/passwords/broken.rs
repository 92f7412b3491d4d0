//! Hashes of kinds that are checked here, but cut off or altered: no password matches them, and what they are a part of
//! may be lost as well. A hash that is whole and still cannot be checked, such as one that is too dear, is none of them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::{spring, weak};

/// What a kind begins with, how many parts there are between the `$`, at least and at most, and how long the last one may
/// be; without a length it is base64 of any output.
const KINDS: [(&str, usize, usize, &[usize]); 21] = [
    ("$2", 4, 4, &[53]),
    ("$argon2", 5, 6, &[]),
    ("pbkdf2_sha256$", 4, 4, &[44]),
    ("pbkdf2_sha1$", 4, 4, &[28]),
    ("scrypt$", 6, 6, &[88]),
    ("md5$", 3, 3, &[32]),
    ("sha1$", 3, 3, &[40]),
    ("$1$", 4, 4, &[22]),
    ("$apr1$", 4, 4, &[22]),
    ("$5$", 4, 5, &[43]),
    ("$6$", 4, 5, &[86]),
    ("$P$", 3, 3, &[31]),
    ("$H$", 3, 3, &[31]),
    ("$S$", 3, 3, &[52]),
    ("$y$", 5, 5, &[43]),
    ("$pbkdf2", 5, 5, &[]),
    ("$firebase$", 7, 7, &[]),
    ("pbkdf2:", 3, 3, &[40, 64, 128]),
    ("scrypt:", 3, 3, &[128]),
    ("$scrypt$", 5, 5, &[]),
    (weak::PREFIX, 9, 9, &[]),
];

/// What stands before a hash of these kinds.
const WRAPPINGS: [&str; 6] = ["bcrypt$", "bcrypt_sha256$", "argon2$", "$wp", "{CRYPT}", "{BCRYPT}"];

/// Directories' kinds: base64 of at least so many bytes, which are the digest and, if there is one, its salt.
const DIGESTS: [(&str, usize); 11] = [
    ("{MD5}", 16),
    ("{SMD5}", 17),
    ("{SHA}", 20),
    ("{SSHA}", 21),
    ("{SHA256}", 32),
    ("{SSHA256}", 33),
    ("{SHA384}", 48),
    ("{SSHA384}", 49),
    ("{SHA512}", 64),
    ("{SSHA512}", 65),
    // The rounds, the salt and what is looked at of the output.
    ("{PBKDF2_SHA256}", 100),
];

/// The fewest bytes of an output, as the checks have it.
const LEAST_OUTPUT: usize = 16;
/// The fewest characters of a kind's name by which it is known, if nothing else begins like it.
const LEAST_NAME: usize = 7;

/// Tells it of a hash that is not known as it stands.
pub(super) fn is_broken(hash: &str) -> bool {
    if spring::is_cut(hash) {
        return true;
    }
    if let Some((kind, rest)) = hash.split_once('}').filter(|_| hash.starts_with('{')) {
        let kind = format!("{}}}", kind.to_ascii_uppercase());
        if let Some((_, least)) = DIGESTS.into_iter().find(|(known, _)| *known == kind) {
            return STANDARD.decode(rest).map_or(true, |bytes| bytes.len() < least);
        }
        if kind.starts_with("{PBKDF2") && rest.contains('$') {
            return !has_parts(rest, 3, 3, &[]);
        }
    }
    let unwrapped = WRAPPINGS.into_iter().find_map(|wrapping| {
        let (start, rest) = hash.split_at_checked(wrapping.len())?;
        // Django puts a dollar sign between its name of the kind and the hash, which begins with one.
        let is_argon2 = wrapping == "argon2$";
        start.eq_ignore_ascii_case(wrapping).then(|| if is_argon2 { &hash[6..] } else { rest })
    });
    let inner = unwrapped.unwrap_or(hash);
    match KINDS.into_iter().find(|(kind, ..)| inner.starts_with(kind)) {
        Some((_, least, most, lengths)) => !has_parts(inner, least, most, lengths),
        None if unwrapped.is_some() => inner.len() < 13,
        None => is_cut_in_its_name(hash) || is_cut_digest(hash) || is_cut_asp_net(hash),
    }
}

/// Whether so many parts stand between dollar signs, and the last one, the output, is whole.
fn has_parts(text: &str, least: usize, most: usize, lengths: &[usize]) -> bool {
    let parts = text.split('$').count();
    let output = text.rsplit('$').next().unwrap_or_default();
    let is_whole = match lengths {
        [] => {
            let bytes = STANDARD_NO_PAD.decode(output.trim_end_matches('=').replace('.', "+"));
            bytes.is_ok_and(|bytes| is_whole_output(bytes.len()))
        }
        lengths => lengths.contains(&output.len()),
    };
    (least..=most).contains(&parts) && is_whole
}

/// Whether an output may have so many bytes: programs make them of 16, 20, 32 and the like.
pub(super) const fn is_whole_output(bytes: usize) -> bool {
    bytes >= LEAST_OUTPUT && bytes.is_multiple_of(4)
}

fn is_cut_in_its_name(hash: &str) -> bool {
    let is_sure =
        hash.starts_with('$') || hash.starts_with('{') && hash.len() > 1 || hash.len() >= LEAST_NAME;
    let names = KINDS.into_iter().map(|(kind, ..)| kind).chain(WRAPPINGS).chain(spring::NAMES);
    let begins = |kind: &str| match kind.get(..hash.len()) {
        Some(start) if hash.starts_with('{') => start.eq_ignore_ascii_case(hash),
        start => start == Some(hash),
    };
    is_sure && names.chain(DIGESTS.into_iter().map(|(kind, _)| kind)).any(begins)
}

/// Whether these are more hexadecimal digits than of any number of a person, and fewer than of MD5 or SHA-1.
fn is_cut_digest(hash: &str) -> bool {
    hash.bytes().all(|byte| byte.is_ascii_hexdigit()) && matches!(hash.len(), 21..=31 | 33..=39)
}

/// Whether this begins as ASP.NET Identity's hashes do, and has not the bytes that it says it has.
fn is_cut_asp_net(hash: &str) -> bool {
    if !hash.starts_with("AQAAAA") {
        return false;
    }
    let Ok(bytes) = STANDARD.decode(hash) else { return true };
    let salt = bytes.get(9..13).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    let needed = salt.and_then(|salt| usize::try_from(salt).ok()?.checked_add(13 + LEAST_OUTPUT));
    needed.is_none_or(|needed| bytes.len() < needed)
}

#[cfg(test)]
mod tests {
    use super::super::{Recognized, recognize};
    use super::*;

    /// One of each kind, by passlib, bcrypt, argon2-cffi, Django and the like.
    const WHOLE: [&str; 17] = [
        "$2b$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K",
        "bcrypt$$2b$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K",
        "bcrypt_sha256$$2b$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K",
        "$wp$2y$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K",
        "{BCRYPT}$2a$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K",
        "pbkdf2_sha256$1000$salt$XpXOQQ8fv/daUi48T63mbhH/KAcKDLwnFpZsQr7xpoA=",
        "pbkdf2_sha1$999$salt$9a9Zrey0c4kLxvFzKPf79jcGi04=",
        "scrypt$16$salt$8$1$7B7A3XMbfisG82g3fmca9EBmq79Ez1UpvKdPeh1gI6RJsvMWv8Ch9lxI7Avf2gIsV3zvJdcFUztROIb2ucIH7g==",
        "pbkdf2:sha256:50$salt$e9c5d260f4355b85ed01fca7b69b339cf1c73b46c6d839b8c850065dd93eaff1",
        "$1$salt$YmY6SnsmxOFqUJ7rKuIQY.",
        "$apr1$salt$xxxxxxxxxxxxxxxxxxxxx.",
        "$P$B12345678xxxxxxxxxxxxxxxxxxxxxx",
        "md5$salt$8b8cf8ac317abb09b634f3e56f45143b",
        "sha1$salt$a3a06d73faa75d7add3ed8ee17f4b7358e352eb9",
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "8b8cf8ac317abb09b634f3e56f45143b",
        "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw",
    ];

    #[test]
    fn a_hash_is_broken_wherever_it_is_cut() {
        for whole in WHOLE {
            assert!(!is_broken(whole), "{whole}");
            assert!(!matches!(recognize(whole), Recognized::Broken | Recognized::Unknown), "{whole}");
            for end in 22..whole.len() {
                let cut = &whole[..end];
                // Of PBKDF2 the beginning of an output is as good as the whole.
                let is_as_good = cut.starts_with("pbkdf2:") && cut.len() == cut.rfind('$').unwrap() + 41;
                assert!(is_as_good || recognize(cut) == Recognized::Broken, "{cut}");
            }
        }
        for cut in [
            "$",
            "$2",
            "$2b$",
            "$apr",
            "pbkdf2_sha2",
            "{SSH",
            "{SSHA}",
            "{ssha512}AAAA",
            "argon2$argon2id$v=19",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ",
            "{CRYPT}$6$salt$short",
        ] {
            assert_eq!(recognize(cut), Recognized::Broken, "{cut}");
        }
        // What decodes to 30 bytes of 32.
        let cut = "$argon2id$v=19$m=128,t=1,p=1$c2FsdHNhbHRzYWx0$zqXH243JtHPDTFVTabE9Wq10PRHVsAFyrk3ouL7Y";
        assert_eq!(recognize(cut), Recognized::Broken);
    }

    #[test]
    fn what_is_whole_but_cannot_be_checked_is_not_broken() {
        for whole in [
            "$2x$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K",
            "$2b$20$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K",
            "$argon2id$v=19$m=4000000,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
            "pbkdf2_sha256$99000000$salt$XpXOQQ8fv/daUi48T63mbhH/KAcKDLwnFpZsQr7xpoA=",
            "$scrypt$ln=26,r=8,p=1$abc$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc",
            "$sha1$40000$jtNX3nZ2$hBNaIXkt4wBI2o5rsi8KejSjNqIq",
            "$7$C6..../....salt$hash",
            "{noop}otter",
            "otter",
            "scrypt",
            "0123456789abcdef",
            "x",
            "",
        ] {
            assert_eq!(recognize(whole), Recognized::Unknown, "{whole}");
        }
    }
}
