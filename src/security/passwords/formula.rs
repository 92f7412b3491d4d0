//! How hashes were made whose salts stand beside them: told by an administrator, or known of a program.
//!
//! | formula | made by |
//! | --- | --- |
//! | `md5(salt+password)`, `sha1(password+salt)`, `sha256(password)` and the like | Magento 1, Joomla, programs of their own |
//! | `md5(md5(password)+salt)`, `md5(md5(salt)+md5(password))` | vBulletin, `MyBB` |
//! | `sha1(salt+sha1(password))` | Redmine |
//! | `pbkdf2-sha256(password,salt,64000)` | Discourse |
//! | `pbkdf2-sha512(password,unhex(salt),rounds)` | programs that have a column of rounds |
//!
//! A digest within another is one in hexadecimal digits. Salts are texts, but for `unhex(salt)` and `unbase64(salt)`.

use base64::Engine;
use md5::Md5;
use sha1::Sha1;
use sha2::Digest;

use super::elsewhere::LENIENT;
use super::foreign::{lower_case_hex, parse_number};
use super::weak::{Kind, WeakHash};
use super::{Recognized, recognize};

/// The formulas of quick hashes, with `p` for the password and `s` for the salt, and the bytes of their outputs.
const QUICK: [(&str, Kind, usize); 17] = [
    ("md5(s+p)", Kind::Md5SaltFirst, 16),
    ("md5(p+s)", Kind::Md5SaltLast, 16),
    ("md5(p)", Kind::Md5SaltLast, 16),
    ("md5(s+md5(p))", Kind::Md5OfMd5SaltFirst, 16),
    ("md5(md5(p)+s)", Kind::Md5OfMd5SaltLast, 16),
    ("md5(md5(p))", Kind::Md5OfMd5SaltLast, 16),
    ("sha1(s+p)", Kind::Sha1SaltFirst, 20),
    ("sha1(p+s)", Kind::Sha1SaltLast, 20),
    ("sha1(p)", Kind::Sha1SaltLast, 20),
    ("sha1(s+sha1(p))", Kind::Sha1OfSha1SaltFirst, 20),
    ("sha1(sha1(p)+s)", Kind::Sha1OfSha1SaltLast, 20),
    ("sha256(s+p)", Kind::Sha256SaltFirst, 32),
    ("sha256(p+s)", Kind::Sha256SaltLast, 32),
    ("sha256(p)", Kind::Sha256SaltLast, 32),
    ("sha512(s+p)", Kind::Sha512SaltFirst, 64),
    ("sha512(p+s)", Kind::Sha512SaltLast, 64),
    ("sha512(p)", Kind::Sha512SaltLast, 64),
];

/// The fewest bytes of what is taken for an output, those of MD5.
const SHORTEST_OUTPUT: usize = 16;

/// How a salt is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Salt {
    Text,
    Hexadecimal,
    Base64,
    /// Of its digest, in hexadecimal digits.
    Md5,
    Sha1,
}

impl Salt {
    const WRITTEN: [(&str, Self); 5] = [
        ("unhex(salt)", Self::Hexadecimal),
        ("unbase64(salt)", Self::Base64),
        ("md5(salt)", Self::Md5),
        ("sha1(salt)", Self::Sha1),
        ("salt", Self::Text),
    ];

    fn bytes(self, salt: &str) -> Option<Vec<u8>> {
        match self {
            Self::Text => Some(salt.as_bytes().to_vec()),
            Self::Hexadecimal => hexadecimal(salt),
            Self::Base64 => LENIENT.decode(salt).ok(),
            Self::Md5 => Some(lower_case_hex(&Md5::digest(salt)).into_bytes()),
            Self::Sha1 => Some(lower_case_hex(&Sha1::digest(salt)).into_bytes()),
        }
    }
}

/// How a hash was made.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Made {
    /// Quickly, with an output of so many bytes.
    Quickly(Kind, usize),
    /// By PBKDF2 with this hash function and so many rounds, unless each hash has its own.
    Pbkdf2(&'static str, Option<u32>),
}

/// How hashes were made whose salts stand beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    made: Made,
    salt: Salt,
}

impl Formula {
    /// Reads one, such as `sha1(salt+password)`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
        let written = Salt::WRITTEN.into_iter().find(|(written, _)| text.contains(written));
        let (written, salt) = written.unwrap_or(("salt", Salt::Text));
        let short = text.replacen(written, "s", 1).replacen("password", "p", 1);
        if let Some((_, kind, length)) = QUICK.into_iter().find(|(formula, ..)| *formula == short) {
            return Some(Self { made: Made::Quickly(kind, length), salt });
        }
        let (name, rest) = short.split_once("(p,s,")?;
        let prf = ["pbkdf2-sha1", "pbkdf2-sha256", "pbkdf2-sha512"].into_iter().find(|prf| *prf == name)?;
        let rounds = match rest.strip_suffix(')')? {
            "rounds" => None,
            rounds => Some(parse_number(rounds).filter(|rounds| *rounds > 0)?),
        };
        Some(Self { made: Made::Pbkdf2(prf, rounds), salt })
    }

    /// Gitea's, whose kinds have names such as `pbkdf2$50000$50`. Its old salts are texts of ten characters.
    #[must_use]
    pub fn of_gitea(algorithm: &str, salt: &str) -> Option<Self> {
        let rounds = match algorithm.split('$').collect::<Vec<_>>()[..] {
            ["pbkdf2" | "pbkdf2_v1"] => 10_000,
            ["pbkdf2_v2"] => 50_000,
            ["pbkdf2_hi"] => 320_000,
            ["pbkdf2", rounds, _] => parse_number(rounds)?,
            _ => return None,
        };
        let salt = if salt.len() == 10 { Salt::Text } else { Salt::Hexadecimal };
        Some(Self { made: Made::Pbkdf2("pbkdf2-sha256", Some(rounds)), salt })
    }

    /// Whether each hash has rounds of its own.
    #[must_use]
    pub fn needs_rounds(&self) -> bool {
        matches!(self.made, Made::Pbkdf2(_, None))
    }

    /// What a hash that was made so is good for here. Where the salt is not given, it may follow the hash after a colon.
    #[must_use]
    pub fn recognize(&self, hash: &str, salt: &str, rounds: Option<u32>) -> Recognized {
        let (hash, salt) = match hash.split_once(':') {
            Some((hash, behind)) if salt.is_empty() => (hash, behind),
            _ => (hash, salt),
        };
        let recognized = || {
            let (output, salt) = (output(hash)?, self.salt.bytes(salt)?);
            Some(match self.made {
                Made::Quickly(kind, length) if output.len() == length => {
                    Recognized::Weak(WeakHash::of_digest(kind, &salt, &output)?)
                }
                Made::Quickly(..) if output.len() >= SHORTEST_OUTPUT => Recognized::Broken,
                Made::Quickly(..) => return None,
                Made::Pbkdf2(prf, fixed) => {
                    let rounds = fixed.or(rounds)?;
                    let (salt, output) = (LENIENT.encode(salt), LENIENT.encode(output));
                    recognize(&format!("${prf}$i={rounds}${salt}${output}"))
                }
            })
        };
        recognized().unwrap_or(Recognized::Unknown)
    }
}

/// Whether this is an output alone, of which only a formula says how it was made; a salt may follow it after a colon.
#[must_use]
pub fn is_bare(hash: &str) -> bool {
    let hash = hash.split_once(':').map_or(hash, |(hash, _)| hash);
    output(hash).is_some_and(|output| output.len() >= SHORTEST_OUTPUT)
}

/// Bytes in hexadecimal digits, or else in base64.
pub(super) fn output(text: &str) -> Option<Vec<u8>> {
    hexadecimal(text).or_else(|| LENIENT.decode(text).ok())
}

pub(super) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| match pair {
        [high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
        }
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::super::argon2::{Memory, OwnHashes};
    use super::super::stored::Stored;
    use super::*;

    /// Of "kestrel", by Python's hashlib.
    const MADE: [(&str, &str, &str); 22] = [
        ("md5(salt+password)", "q7W.zx", "8b8cf8ac317abb09b634f3e56f45143b"),
        ("md5(password+salt)", "q7W.zx", "a92fd1610313f59942d93549c6441a3d"),
        ("sha1(salt+password)", "q7W.zx", "a3a06d73faa75d7add3ed8ee17f4b7358e352eb9"),
        ("sha1(password+salt)", "q7W.zx", "897788cdfe495534700ab647ffbb1a0095ff8a1e"),
        (
            "sha256(salt+password)",
            "q7W.zx",
            "baea3b924cfc4f9444a4e41d371eb00d8a161ca400d7bd25c0007cd43fb921ab",
        ),
        (
            "sha256(password+salt)",
            "q7W.zx",
            "89b3debbba01fe04dd7dd37b96616ca4fe07308cd730c5795e2cede44617d495",
        ),
        (
            "sha512(salt+password)",
            "q7W.zx",
            "eaa186cc53904591b53fd3a5ecdf96d0d323df32be089d61b8761b9feba9a508f307b0a033a1b18c404e5e69f7536400e7f93b7d22bbcba3ceb8b51659a1b2e4",
        ),
        (
            "sha512(password+salt)",
            "q7W.zx",
            "80da5cca80f7f346100274972360695ea35ac2c7ebaec2c491154573cc894794ffb6465b13a104d820572aa0e9b11031cb68f34f9e53e6b8b5cfeb0e4128fd04",
        ),
        ("sha256(password)", "", "07f15cde5b181425db8524becd96263d600c9652c7de5b89fe1a644f8fd0724b"),
        (
            "sha512(password)",
            "",
            "Goh/DeeksclVaSbltMJsnfTdtioW80DT4BNotUHehiMwThW9YgEp91qqisCXaqiiw+dxj1gln2zXbuun/K2AuQ==",
        ),
        ("md5(md5(password))", "", "10e1359b760d9f8bec81939cb6f03b56"),
        ("md5(md5(password)+salt)", "q7W.zx", "ed8151fb54cb85ec20a37124a5e53905"),
        ("md5(salt+md5(password))", "q7W.zx", "6F2A80CF5A75EC66E0D14BE7753CBEA7"),
        ("md5(md5(salt)+md5(password))", "q7W.zx", "b19e8e6f62ab4b3da3ea037b7cf1233d"),
        (
            "sha1(salt+sha1(password))",
            "2f0b6a1c9d8e7f605142332415061728",
            "913be52b2e4fdd2b5d7b1522bfb15c3c7554fadf",
        ),
        ("sha1(sha1(password)+salt)", "q7W.zx", "02355eaeda2b6754ad700552edd9016fac76ea8a"),
        ("md5(password+salt)", "", "a92fd1610313f59942d93549c6441a3d:q7W.zx"),
        ("sha1(unhex(salt)+password)", "00ff10", "e51035a58021dcfde341794cc36cf65bd3876642"),
        (
            "sha256(unbase64(salt)+password)",
            "AAECAwQFBgcICQoLDA0ODw==",
            "7rZCcfiEqEzAUCUPju020lC2tZzK2WT6eBSt3SocP1g=",
        ),
        (
            "pbkdf2-sha256(password,salt,64000)",
            "9f86d081884c7d659a2feaa0c55ad015",
            "4e85fa1ac3c10010efcd367a2827e688180930520fc6fb7684782cc20415ecdd",
        ),
        (
            "pbkdf2-sha512(password,unbase64(salt),1200)",
            "AAECAwQFBgcICQoLDA0ODw==",
            "oxFzz0vsEU+ZVUXr6McO9MZSzOMhG7UODyumwXlPyIkybrZ9f0BCshCWf5Dup3b35dha/uQv89Yg/RB2SfyDoA==",
        ),
        (
            "pbkdf2-sha1(password,unhex(salt),10)",
            "00112233445566778899aabbccddeeff",
            "1449671e924c29bd38de78921df18e55bde4ee4a",
        ),
    ];

    #[test]
    fn pw_1_hashes_with_salts_beside_them_are_checked_as_their_formula_says() {
        let own =
            OwnHashes::new(super::super::Cost { memory_kib: 64, iterations: 1, parallelism: 1 }).unwrap();
        let mut memory = Memory::for_hashes_of(&own);
        for (formula, salt, hash) in MADE {
            let kept = match Formula::parse(formula).unwrap().recognize(hash, salt, None) {
                Recognized::Weak(weak) => weak.layered(&own, &mut memory).unwrap(),
                Recognized::Usable(hash) => hash.as_str().to_owned(),
                other => panic!("{formula}: {other:?}"),
            };
            let stored = Stored::parse(&kept).unwrap();
            assert!(stored.matches("kestrel", &mut memory).unwrap(), "{formula}");
            assert!(!stored.matches("kestrels", &mut memory).unwrap(), "{formula}");
            assert!(matches!(recognize(&kept), Recognized::Usable(_)), "an export can be imported: {kept}");
            assert!(is_bare(hash), "{hash}");
        }
    }

    #[test]
    fn what_is_no_formula_and_what_is_not_made_by_it_is_none() {
        for text in [
            "",
            "md5",
            "md5(salt)",
            "md5(password+salt+salt)",
            "md5(salt+salt)",
            "crc32(password)",
            "pbkdf2-sha256(password,salt)",
            "pbkdf2-sha256(password,salt,0)",
            "pbkdf2-sha256(password,salt,x)",
            "pbkdf2-md5(password,salt,1000)",
            "sha256(md5(password)+salt)",
        ] {
            assert_eq!(Formula::parse(text), None, "{text}");
        }
        let formula = Formula::parse(" SHA1( Salt + Password ) ").unwrap();
        for hash in ["", "hunter2", "\u{e4}\u{e4}", ":", "zz:zz"] {
            assert_eq!(formula.recognize(hash, "x", None), Recognized::Unknown, "{hash}");
        }
        let of_md5 = "5f4dcc3b5aa765d61d8327deb882cf99";
        assert_eq!(formula.recognize(of_md5, "x", None), Recognized::Broken, "too short for SHA-1");
        let rounds = Formula::parse("pbkdf2-sha256(password,salt,rounds)").unwrap();
        let hash = "ab".repeat(32);
        assert_eq!(rounds.recognize(&hash, "x", None), Recognized::Unknown);
        let told = Formula::parse("pbkdf2-sha256(password,salt,7000)").unwrap().recognize(&hash, "x", None);
        assert_eq!(rounds.recognize(&hash, "x", Some(7000)), told);
        assert!(rounds.needs_rounds() && matches!(told, Recognized::Usable(_)));
        let dear = Formula::parse("pbkdf2-sha256(password,salt,4000000000)").unwrap();
        assert_eq!(dear.recognize(&"ab".repeat(32), "x", None), Recognized::Unknown);
        let odd = Formula::parse("pbkdf2-sha256(password,unhex(salt),1000)").unwrap();
        assert_eq!(odd.recognize(&"ab".repeat(32), "abc", None), Recognized::Unknown);
    }

    #[test]
    fn what_says_by_itself_how_it_was_made_is_not_bare() {
        for hash in [
            "$2y$10$abcdefghijklmnopqrstuv",
            "pbkdf2_sha256$1$salt$1PHtEYl8qyX3WzkCFzEA3+W/5HoyY4CsO1CvBdLgFTg=",
            "{SSHA}abc",
            "secret",
            "",
            "!",
            "pbkdf2:sha256:50$salt$e9c5",
        ] {
            assert!(!is_bare(hash), "{hash}");
        }
    }
}
