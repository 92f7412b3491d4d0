//! Hashes that are too quick to compute: MD5, SHA-1, a single SHA-2, those of `crypt`, and slow ones that were made at
//! next to no cost (`quick`). They are never stored as they are: an argon2id hash is made of the quick one (OWASP's layers), and of the quick one only what has to
//! be known to compute it again is kept.
//!
//! Stored as `layered$KIND$COST$SALT$argon2id$…`, the salt in base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::Hmac;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::Failure;
use super::argon2::{ArgonHash, Memory, OwnHashes};
use super::crypt;
use super::des_crypt;
use super::foreign::{lower_case_hex, parse_number, pbkdf2_is_allowed, scrypt_params};

/// What a layered hash begins with.
pub(super) const PREFIX: &str = "layered$";

/// The rounds of SHA-crypt that are ever computed. The default is 5,000, which takes some milliseconds.
const MOST_SHA_CRYPT_ROUNDS: u32 = 500_000;
/// What SHA-crypt does at least, whatever the hash says.
const LEAST_SHA_CRYPT_ROUNDS: u32 = 1000;
const DEFAULT_SHA_CRYPT_ROUNDS: u32 = 5000;
/// phpass's rounds, as a power of two. WordPress has 8,192, which is 13.
const MOST_PHPASS_LOG: u32 = 20;
/// The rounds of a plain SHA-256 that are ever computed.
const MOST_SHA256_ROUNDS: u32 = 1_000_000;
/// Those of Spring's.
const SPRING_ROUNDS: u32 = 1024;
/// The bytes of its salt, which stands before the output.
const SPRING_SALT: usize = 8;
/// The longest salt, in bytes, with what else a kind has to know.
const LONGEST_SALT: usize = 256;
/// The bytes that are looked at of the output of a hash which can have any length.
const SEEN_OUTPUT: usize = 16;

/// A quick hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// digest(salt ‖ password)
    Md5SaltFirst,
    Sha1SaltFirst,
    Sha256SaltFirst,
    Sha512SaltFirst,
    /// digest(password ‖ salt), as LDAP servers do.
    Md5SaltLast,
    Sha1SaltLast,
    Sha256SaltLast,
    Sha384SaltLast,
    Sha512SaltLast,
    /// The same of a digest of the password, in hexadecimal digits.
    Md5OfMd5SaltFirst,
    Md5OfMd5SaltLast,
    Sha1OfSha1SaltFirst,
    Sha1OfSha1SaltLast,
    /// digest(salt ‖ password), and the digest of that as often as the cost says.
    Sha256Rounds,
    Md5Crypt,
    Apr1,
    Sha256Crypt,
    Sha512Crypt,
    Phpass,
    /// phpass with SHA-512, as Drupal has it.
    PhpassSha512,
    DesCrypt,
    /// The cost is the number of rounds.
    Pbkdf2Sha1,
    Pbkdf2Sha256,
    Pbkdf2Sha512,
    /// The salt has `14,8,1$` before it: the binary logarithm of N, r and p.
    Scrypt,
    /// The salt is all that stands before the output, and the cost is the length of that.
    Argon2,
}

impl Kind {
    const NAMES: [(Self, &'static str); 26] = [
        (Self::Md5SaltFirst, "md5-salt-first"),
        (Self::Sha1SaltFirst, "sha1-salt-first"),
        (Self::Sha256SaltFirst, "sha256-salt-first"),
        (Self::Sha512SaltFirst, "sha512-salt-first"),
        (Self::Md5SaltLast, "md5"),
        (Self::Sha1SaltLast, "sha1"),
        (Self::Sha256SaltLast, "sha256"),
        (Self::Sha384SaltLast, "sha384"),
        (Self::Sha512SaltLast, "sha512"),
        (Self::Md5OfMd5SaltFirst, "md5-of-md5-salt-first"),
        (Self::Md5OfMd5SaltLast, "md5-of-md5"),
        (Self::Sha1OfSha1SaltFirst, "sha1-of-sha1-salt-first"),
        (Self::Sha1OfSha1SaltLast, "sha1-of-sha1"),
        (Self::Sha256Rounds, "sha256-rounds"),
        (Self::Md5Crypt, "md5-crypt"),
        (Self::Apr1, "apr1"),
        (Self::Sha256Crypt, "sha256-crypt"),
        (Self::Sha512Crypt, "sha512-crypt"),
        (Self::Phpass, "phpass"),
        (Self::PhpassSha512, "phpass-sha512"),
        (Self::DesCrypt, "des-crypt"),
        (Self::Pbkdf2Sha1, "pbkdf2-sha1"),
        (Self::Pbkdf2Sha256, "pbkdf2-sha256"),
        (Self::Pbkdf2Sha512, "pbkdf2-sha512"),
        (Self::Scrypt, "scrypt"),
        (Self::Argon2, "argon2"),
    ];

    fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(kind, _)| kind)
    }

    /// Whether the cost is one of this kind, and not too much.
    fn allows(self, cost: u32, salt: &[u8]) -> bool {
        match self {
            Self::Sha256Crypt | Self::Sha512Crypt => {
                (LEAST_SHA_CRYPT_ROUNDS..=MOST_SHA_CRYPT_ROUNDS).contains(&cost)
            }
            Self::Sha256Rounds => (1..=MOST_SHA256_ROUNDS).contains(&cost),
            Self::Phpass | Self::PhpassSha512 => (1..=MOST_PHPASS_LOG).contains(&cost),
            Self::Pbkdf2Sha1 | Self::Pbkdf2Sha256 | Self::Pbkdf2Sha512 => pbkdf2_is_allowed(cost),
            Self::Scrypt => cost == 0 && scrypt_of(salt).is_some(),
            Self::Argon2 => argon2_of(salt, cost).is_some(),
            _ => cost == 0,
        }
    }
}

/// How a quick hash is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Recipe {
    kind: Kind,
    cost: u32,
    salt: Vec<u8>,
}

impl Recipe {
    fn new(kind: Kind, cost: u32, salt: &[u8]) -> Option<Self> {
        (salt.len() <= LONGEST_SALT && kind.allows(cost, salt)).then(|| Self {
            kind,
            cost,
            salt: salt.to_vec(),
        })
    }

    fn compute(&self, password: &[u8], memory: &mut Memory) -> Result<Vec<u8>, Failure> {
        fn digest<D: Digest>(first: &[u8], last: &[u8]) -> Vec<u8> {
            D::new().chain_update(first).chain_update(last).finalize().to_vec()
        }
        fn hex<D: Digest>(password: &[u8]) -> String {
            lower_case_hex(&D::digest(password))
        }
        fn seen<E>(output: Result<[u8; SEEN_OUTPUT], E>) -> Result<Vec<u8>, Failure> {
            output.map(Vec::from).map_err(|_| Failure::Foreign)
        }
        let Self { kind, cost, salt } = self;
        Ok(match kind {
            Kind::Md5SaltFirst => digest::<Md5>(salt, password),
            Kind::Sha1SaltFirst => digest::<Sha1>(salt, password),
            Kind::Sha256SaltFirst => digest::<Sha256>(salt, password),
            Kind::Sha512SaltFirst => digest::<Sha512>(salt, password),
            Kind::Md5SaltLast => digest::<Md5>(password, salt),
            Kind::Sha1SaltLast => digest::<Sha1>(password, salt),
            Kind::Sha256SaltLast => digest::<Sha256>(password, salt),
            Kind::Sha384SaltLast => digest::<Sha384>(password, salt),
            Kind::Sha512SaltLast => digest::<Sha512>(password, salt),
            Kind::Md5OfMd5SaltFirst => digest::<Md5>(salt, hex::<Md5>(password).as_bytes()),
            Kind::Md5OfMd5SaltLast => digest::<Md5>(hex::<Md5>(password).as_bytes(), salt),
            Kind::Sha1OfSha1SaltFirst => digest::<Sha1>(salt, hex::<Sha1>(password).as_bytes()),
            Kind::Sha1OfSha1SaltLast => digest::<Sha1>(hex::<Sha1>(password).as_bytes(), salt),
            Kind::Sha256Rounds => {
                let first = digest::<Sha256>(salt, password);
                (1..*cost).fold(first, |output, _| digest::<Sha256>(&output, &[]))
            }
            Kind::Md5Crypt => crypt::md5_crypt(password, "$1$", salt),
            Kind::Apr1 => crypt::md5_crypt(password, "$apr1$", salt),
            Kind::Sha256Crypt => crypt::sha256_crypt(password, *cost, salt)?,
            Kind::Sha512Crypt => crypt::sha512_crypt(password, *cost, salt)?,
            Kind::Phpass => crypt::phpass(password, *cost, salt),
            Kind::PhpassSha512 => crypt::phpass_sha512(password, *cost, salt),
            Kind::DesCrypt => des_crypt::des_crypt(password, salt),
            Kind::Pbkdf2Sha1 => seen(pbkdf2::pbkdf2_array::<Hmac<Sha1>, SEEN_OUTPUT>(password, salt, *cost))?,
            Kind::Pbkdf2Sha256 => {
                seen(pbkdf2::pbkdf2_array::<Hmac<Sha256>, SEEN_OUTPUT>(password, salt, *cost))?
            }
            Kind::Pbkdf2Sha512 => {
                seen(pbkdf2::pbkdf2_array::<Hmac<Sha512>, SEEN_OUTPUT>(password, salt, *cost))?
            }
            Kind::Scrypt => {
                let (params, salt) = scrypt_of(salt).ok_or(Failure::Foreign)?;
                let mut output = vec![0; SEEN_OUTPUT];
                scrypt::scrypt(password, salt, &params, &mut output).map_err(|_| Failure::Foreign)?;
                output
            }
            Kind::Argon2 => argon2_of(salt, *cost).ok_or(Failure::Foreign)?.compute(password, memory)?,
        })
    }
}

/// What scrypt needs beside the password.
fn scrypt_of(salt: &[u8]) -> Option<(scrypt::Params, &[u8])> {
    let end = salt.iter().position(|byte| *byte == b'$')?;
    let cost = std::str::from_utf8(&salt[..end]).ok()?;
    let [log_rounds, block_size, lanes] = cost.split(',').collect::<Vec<_>>()[..] else { return None };
    let rounds = 1_u32.checked_shl(parse_number(log_rounds)?)?;
    let (_, params) = scrypt_params(rounds, parse_number(block_size)?, parse_number(lanes)?)?;
    Some((params, &salt[end + 1..]))
}

/// An argon2 hash whose output of this length is not known.
fn argon2_of(text: &[u8], length: u32) -> Option<ArgonHash> {
    let output = vec![0; usize::try_from(length).ok().filter(|length| *length <= LONGEST_SALT)?];
    ArgonHash::parse(&format!("{}${}", std::str::from_utf8(text).ok()?, STANDARD_NO_PAD.encode(output)))
}

/// A quick hash as another program stored it. It is not shown when printed for debugging.
#[derive(Clone, PartialEq, Eq)]
pub struct WeakHash {
    recipe: Recipe,
    /// As the recipe computes it.
    output: Vec<u8>,
}

impl std::fmt::Debug for WeakHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("WeakHash(..)")
    }
}

impl WeakHash {
    /// A digest with its salt.
    pub(super) fn of_digest(kind: Kind, salt: &[u8], output: &[u8]) -> Option<Self> {
        Some(Self { recipe: Recipe::new(kind, 0, salt)?, output: output.into() })
    }

    /// A hash of PBKDF2 with so many rounds.
    pub(super) fn of_pbkdf2(kind: Kind, rounds: u32, salt: &[u8], output: &[u8]) -> Option<Self> {
        let recipe = Recipe::new(kind, rounds, salt)?;
        Some(Self { recipe, output: output.get(..SEEN_OUTPUT)?.into() })
    }

    /// A hash of scrypt.
    pub(super) fn of_scrypt(params: &scrypt::Params, salt: &[u8], output: &[u8]) -> Option<Self> {
        let cost = format!("{},{},{}$", params.log_n(), params.r(), params.p());
        let recipe = Recipe::new(Kind::Scrypt, 0, &[cost.as_bytes(), salt].concat())?;
        Some(Self { recipe, output: output.get(..SEEN_OUTPUT)?.into() })
    }

    /// A hash of argon2: what stands before its output, and that.
    pub(super) fn of_argon2(text: &str, output: &[u8]) -> Option<Self> {
        let recipe = Recipe::new(Kind::Argon2, u32::try_from(output.len()).ok()?, text.as_bytes())?;
        Some(Self { recipe, output: output.into() })
    }

    /// Reads a hash in the spelling of the program that made it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('{') {
            let (scheme, rest) = rest.split_once('}')?;
            return Self::of_ldap(&scheme.to_ascii_uppercase(), rest);
        }
        if text.starts_with('$') {
            return Self::of_crypt(text);
        }
        let of = |kind, salt: &str, output: Vec<u8>| {
            Some(Self { recipe: Recipe::new(kind, 0, salt.as_bytes())?, output })
        };
        match text.split(':').collect::<Vec<_>>()[..] {
            // MediaWiki's old ones.
            ["", "A", output] => return of(Kind::Md5SaltLast, "", hexadecimal::<16>(output)?),
            ["", "B", salt, output] => {
                return of(Kind::Md5OfMd5SaltFirst, &format!("{salt}-"), hexadecimal::<16>(output)?);
            }
            // Magento's with SHA-256.
            [output, salt, "1"] => return of(Kind::Sha256SaltFirst, salt, hexadecimal::<32>(output)?),
            _ => {}
        }
        match text.split('$').collect::<Vec<_>>()[..] {
            ["md5", salt, output] => of(Kind::Md5SaltFirst, salt, hexadecimal::<16>(output)?),
            // Django's, whose salt is in the hash, and before it as well in old ones.
            ["crypt", "", rest] => Self::of_des_crypt(rest),
            ["crypt", salt, rest] if rest.starts_with(salt) => Self::of_des_crypt(rest),
            ["sha1", salt, output] => of(Kind::Sha1SaltFirst, salt, hexadecimal::<20>(output)?),
            [output] if output.len() == 32 => of(Kind::Md5SaltFirst, "", hexadecimal::<16>(output)?),
            [output] if output.len() == 40 => of(Kind::Sha1SaltFirst, "", hexadecimal::<20>(output)?),
            _ => None,
        }
    }

    /// RFC 2307 and OpenLDAP: base64 of the digest and the salt that follows it. In a digest that is called `PREFIX` here
    /// the salt comes first. What Spring calls `sha256` is in hexadecimal digits.
    fn of_ldap(scheme: &str, rest: &str) -> Option<Self> {
        if let ("SHA256", Some(bytes)) = (scheme, hexadecimal::<{ SPRING_SALT + 32 }>(rest)) {
            let (salt, output) = bytes.split_at(SPRING_SALT);
            let recipe = Recipe::new(Kind::Sha256Rounds, SPRING_ROUNDS, salt)?;
            return Some(Self { recipe, output: output.into() });
        }
        let (kind, length, is_salted) = match scheme {
            "MD5" => (Kind::Md5SaltLast, 16, false),
            "SMD5" => (Kind::Md5SaltLast, 16, true),
            "SHA" => (Kind::Sha1SaltLast, 20, false),
            "SSHA" => (Kind::Sha1SaltLast, 20, true),
            "SHA256" => (Kind::Sha256SaltLast, 32, false),
            "SSHA256" => (Kind::Sha256SaltLast, 32, true),
            "SHA384" => (Kind::Sha384SaltLast, 48, false),
            "SSHA384" => (Kind::Sha384SaltLast, 48, true),
            "SHA512" => (Kind::Sha512SaltLast, 64, false),
            "SSHA512" => (Kind::Sha512SaltLast, 64, true),
            "PREFIX-MD5" => (Kind::Md5SaltFirst, 16, true),
            "PREFIX-SHA1" => (Kind::Sha1SaltFirst, 20, true),
            "PREFIX-SHA256" => (Kind::Sha256SaltFirst, 32, true),
            "PREFIX-SHA512" => (Kind::Sha512SaltFirst, 64, true),
            "CRYPT" => return Self::of_crypt(rest),
            _ => return None,
        };
        let bytes = STANDARD.decode(rest).ok()?;
        let (output, salt) = bytes.split_at_checked(length)?;
        let recipe = Recipe::new(kind, 0, salt)?;
        (salt.is_empty() != is_salted).then(|| Self { recipe, output: output.to_vec() })
    }

    /// Two characters of salt and eleven of the hash. Without a scheme before them they could be a password.
    fn of_des_crypt(text: &str) -> Option<Self> {
        let (salt, output) = text.as_bytes().split_at_checked(2)?;
        let is_one = output.len() == 11 && text.bytes().all(|byte| crypt::value(byte).is_some());
        let recipe = Recipe::new(Kind::DesCrypt, 0, salt)?;
        is_one.then(|| Self { recipe, output: output.into() })
    }

    /// `$1$`, `$apr1$`, `$5$`, `$6$`, `$P$`, `$H$` and `$S$`, or the first `crypt`'s.
    fn of_crypt(text: &str) -> Option<Self> {
        if !text.starts_with('$') {
            return Self::of_des_crypt(text);
        }
        let (id, rest) = text.strip_prefix('$')?.split_once('$')?;
        let is_encoded = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| crypt::value(byte).is_some())
        };
        let phpass = match id {
            "P" | "H" => Some((Kind::Phpass, 22)),
            "S" => Some((Kind::PhpassSha512, 43)),
            _ => None,
        };
        if let Some((kind, length)) = phpass {
            let log_rounds = u32::from(crypt::value(*rest.as_bytes().first()?)?);
            let (salt, output) = rest.get(1..)?.split_at_checked(8)?;
            let recipe = Recipe::new(kind, log_rounds, salt.as_bytes())?;
            return is_encoded(output, length).then(|| Self { recipe, output: output.into() });
        }
        let (cost, rest) = match rest.strip_prefix("rounds=") {
            Some(rest) => {
                let (rounds, rest) = rest.split_once('$')?;
                (parse_number(rounds)?.max(LEAST_SHA_CRYPT_ROUNDS), rest)
            }
            None => (DEFAULT_SHA_CRYPT_ROUNDS, rest),
        };
        let (salt, output) = rest.split_once('$')?;
        let (kind, cost, salt_length, length) = match id {
            "1" => (Kind::Md5Crypt, 0, 8, 22),
            "apr1" => (Kind::Apr1, 0, 8, 22),
            "5" => (Kind::Sha256Crypt, cost, 16, 43),
            "6" => (Kind::Sha512Crypt, cost, 16, 86),
            _ => return None,
        };
        // `crypt` itself looks at no more of a salt.
        let salt = &salt.as_bytes()[..salt.len().min(salt_length)];
        let recipe = Recipe::new(kind, cost, salt)?;
        is_encoded(output, length).then(|| Self { recipe, output: output.into() })
    }

    /// What is stored instead: argon2id of it, with a fresh salt, at our cost.
    pub(super) fn layered(&self, own: &OwnHashes, memory: &mut Memory) -> Result<String, Failure> {
        let Recipe { kind, cost, salt } = &self.recipe;
        let outer = own.hash(&self.output, memory)?;
        Ok(format!("{PREFIX}{}${cost}${}{outer}", kind.name(), STANDARD_NO_PAD.encode(salt)))
    }
}

/// A stored hash of two layers.
pub(super) struct LayeredHash {
    recipe: Recipe,
    outer: ArgonHash,
}

impl LayeredHash {
    /// What follows the prefix. `None` if it is malformed or over a ceiling.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(4, '$');
        let kind = Kind::named(fields.next()?)?;
        let cost = parse_number(fields.next()?)?;
        let salt = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
        let recipe = Recipe::new(kind, cost, &salt)?;
        let outer = ArgonHash::parse(&format!("${}", fields.next()?))?;
        Some(Self { recipe, outer })
    }

    /// The kind of the inner layer, and a number that grows with the work of both.
    pub(super) fn effort(&self) -> (&'static str, u64) {
        (self.recipe.kind.name(), self.outer.effort().saturating_add(u64::from(self.recipe.cost)))
    }

    /// Computes both layers for the password and compares with the stored outer one.
    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<bool, Failure> {
        let inner = self.recipe.compute(password, memory)?;
        self.outer.matches(&inner, memory)
    }
}

/// Bytes from twice as many hexadecimal digits of either case.
pub(super) fn hexadecimal<const LENGTH: usize>(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    (text.len() == 2 * LENGTH).then(|| text.as_bytes().chunks_exact(2).map(pair).collect())?
}
