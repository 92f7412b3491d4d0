//! Reading a stored hash, whatever its kind.

use super::argon2::{ArgonHash, Memory};
use super::broken::is_whole_output;
use super::elsewhere::ElsewhereHash;
use super::foreign::ForeignHash;
use super::weak::{self, LayeredHash};
use super::{Cost, Failure};

/// The longest stored hash that is looked at, in bytes. Django's column holds 128 characters; a long argon2 hash
/// of ours is 97.
const LONGEST_STORED_BYTES: usize = 512;

/// A stored hash that was understood and is not dearer than the ceilings of its kind.
pub(super) enum Stored<'a> {
    /// In our own form, a PHC string.
    Own(ArgonHash),
    /// Django's `argon2$` before a PHC string.
    DjangoArgon(ArgonHash),
    /// One of Django's other kinds.
    Foreign(ForeignHash<'a>),
    /// One of another program's.
    Elsewhere(ElsewhereHash<'a>),
    /// A hash of ours of another program's quick one.
    Layered(LayeredHash),
}

impl<'a> Stored<'a> {
    /// `None` if no password can match: malformed, of an unknown kind, over a ceiling, unusable or empty.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST_STORED_BYTES {
            return None;
        }
        if let Some(rest) = text.strip_prefix(weak::PREFIX) {
            return LayeredHash::parse(rest).map(Self::Layered);
        }
        if text.starts_with("$argon2") {
            return ArgonHash::parse(text).map(Self::Own);
        }
        if let Some(phc) = text.strip_prefix("argon2") {
            return ArgonHash::parse(phc).map(Self::DjangoArgon);
        }
        let django = || ForeignHash::parse(text).map(Self::Foreign);
        django().or_else(|| ElsewhereHash::parse(text).map(Self::Elsewhere))
    }

    /// The kind, and a number that grows with the work of one of that kind.
    pub(super) fn effort(&self) -> (&'static str, u64) {
        match self {
            Self::Own(hash) | Self::DjangoArgon(hash) => ("argon2", hash.effort()),
            Self::Foreign(hash) => hash.effort(),
            Self::Elsewhere(hash) => hash.effort(),
            Self::Layered(hash) => hash.effort(),
        }
    }

    /// Whether its output is a part of one. Another kind than argon2 does not begin alike for a shorter one.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Self::Own(hash) | Self::DjangoArgon(hash) if !is_whole_output(hash.output().len()))
    }

    /// Computes the hash of the password and compares it with the stored one in constant time.
    pub(super) fn matches(&self, password: &str, memory: &mut Memory) -> Result<bool, Failure> {
        match self {
            Self::Own(hash) | Self::DjangoArgon(hash) => hash.matches(password.as_bytes(), memory),
            Self::Foreign(hash) => hash.matches(password),
            Self::Elsewhere(hash) => hash.matches(password),
            Self::Layered(hash) => hash.matches(password.as_bytes(), memory),
        }
    }

    /// True if it should be replaced by a hash of ours at this cost as soon as the password is known.
    pub(super) fn is_outdated(&self, cost: Cost) -> bool {
        match self {
            Self::Own(hash) => hash.is_weaker_than(cost),
            Self::DjangoArgon(_) | Self::Foreign(_) | Self::Elsewhere(_) | Self::Layered(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_hash_is_refused_without_a_panic() {
        let long = format!("pbkdf2_sha1$1${}$AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "s".repeat(600));
        for text in [
            "",
            "$",
            "$$",
            "$$$$$$",
            "!",
            "plain",
            "argon2",
            "argon2$",
            "argon2$$",
            "argon2id$",
            "argon2$argon2id",
            "$argon2id",
            "$argon2id$v=19",
            "$argon2id$v=",
            "$argon2id$v=19$m=8",
            "$argon2id$v=19$m=,t=,p=$$",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0",
            "$argon2id$v=18$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
            "$argon2x$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
            "$2b$12$short",
            "ü$ü$ü$ü",
            "argon2ü",
            &long,
        ] {
            assert!(Stored::parse(text).is_none(), "{text:?}");
        }
    }
}
