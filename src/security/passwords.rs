//! Password hashes: how they are made and checked.
//!
//! [`Hasher`] makes our own hashes (argon2id) and checks ours and those that came from other programs, on a bounded
//! number of threads and with a bounded queue. To add a kind of hash that can be checked: a variant in `foreign`
//! (Django's), `elsewhere`, or `weak` for one that is too quick to be stored as it is; where a program only spells such a
//! one in its own way, as in `spring`.
//!
//! Neither [`Password`] nor [`PasswordHash`] shows its content when it is printed for debugging, so that neither can
//! reach a log by accident.

mod argon2;
mod broken;
mod crypt;
mod des_crypt;
mod elsewhere;
mod foreign;
mod formula;
mod hasher;
mod quick;
mod spring;
mod stored;
mod turns;
mod weak;
mod workers;

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use self::quick::Strength;
use crate::model::password::{LONGEST_HASHED_BYTES, Password, PasswordHash, UNUSABLE_PREFIX};

pub use formula::{Formula, is_bare};
pub use hasher::{Failure, HashError, Hasher, SetupError, Verification};
pub use turns::{Claimant, QueuePlace};
pub use weak::WeakHash;

/// What one hash of ours costs. The default is the first of the settings that the OWASP Password Storage Cheat
/// Sheet recommends for argon2id; the configuration accepts its equivalents and nothing weaker. Tests use less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes the memory is divided into. One thread computes them all.
    pub parallelism: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1 }
    }
}

/// How much hashing may go on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Hashes computed at the same time, each on a thread and in a memory of its own.
    pub threads: usize,
    /// Callers that may wait for their turn, an eighth of them for one account; further ones get [`HashError::Busy`].
    pub queue: usize,
    /// How long a caller waits for its turn before it gets [`HashError::Busy`].
    pub wait: Duration,
}

impl Default for Limits {
    /// As many threads as cores, at most 4, whose low priority keeps the rest of the server running during a burst of
    /// sign-ins; 64 callers waiting; 2 seconds, after which a request to try again serves a person better.
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self { threads: cores.min(4), queue: 64, wait: Duration::from_secs(2) }
    }
}

/// Whether [`Hasher::verify`] understands a usable hash: well-formed, and not dearer than the ceilings that it
/// enforces.
#[must_use]
pub fn known_algorithm(hash: &str) -> bool {
    stored::Stored::parse(hash).is_some()
}

/// What a stored hash of another program is good for here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognized {
    /// It begins with `!`: no password can ever match it.
    Unusable,
    /// [`Hasher::verify`] understands it: well-formed, and not dearer than the ceilings that it enforces.
    Usable(PasswordHash),
    /// It is too quick to compute: [`Hasher::layer`] makes the hash that can be stored.
    Weak(WeakHash),
    /// It begins as a kind does that is checked here, and is cut off or altered.
    Broken,
    /// It cannot be checked here, or is no hash.
    Unknown,
}

/// Tells the kinds of hashes apart by their form.
#[must_use]
pub fn recognize(hash: &str) -> Recognized {
    if hash.starts_with(UNUSABLE_PREFIX) {
        return Recognized::Unusable;
    }
    let hash = &*spring::respelled(hash);
    // Nextcloud puts the number of the kind before a hash.
    let hash = match hash.as_bytes() {
        [b'1'..=b'3', b'|', ..] => &hash[2..],
        _ => hash,
    };
    if let Some(stored) = stored::Stored::parse(hash) {
        return match quick::strength(hash, &stored) {
            _ if stored.is_cut() => Recognized::Broken,
            Strength::Enough => Recognized::Usable(PasswordHash::from(hash.to_owned())),
            Strength::Weak(weak) => Recognized::Weak(weak),
            Strength::Hopeless => Recognized::Unknown,
        };
    }
    let unknown = || if broken::is_broken(hash) { Recognized::Broken } else { Recognized::Unknown };
    WeakHash::parse(hash).map_or_else(unknown, Recognized::Weak)
}

/// The kind of a stored hash, and a number that grows with the work of one of that kind. `None` if no password can
/// match.
#[must_use]
pub fn effort(hash: &PasswordHash) -> Option<(&'static str, u64)> {
    stored::Stored::parse(hash.as_str()).map(|stored| stored.effort())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pw_6_debug_output_never_shows_a_password_or_a_hash() {
        let password = Password::new("kestrel-72844689".to_owned());
        let hash = PasswordHash::from("pbkdf2_sha1$1$salt$hash".to_owned());
        assert_eq!(format!("{password:?} {hash:?}"), "Password(..) PasswordHash(..)");
        assert_eq!(format!("{:#?}", Some(password)), "Some(\n    Password(..),\n)");
    }

    #[test]
    fn pw_15_a_password_is_normalised_as_rfc_8265_says_and_in_no_other_way() {
        let normal = |text: &str| Password::new(text.to_owned()).normal().into_owned();
        for (text, expected) in [
            ("e\u{301}", "\u{e9}"),
            ("\u{212b}\u{1e9b}\u{323}", "\u{c5}\u{1e9b}\u{323}"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            ("a\u{a0}b\u{2009}c\u{3000}d", "a b c d"),
        ] {
            assert_eq!(normal(text), expected, "{text:?}");
            assert_eq!(Password::new(text.to_owned()).unlike_normal(), Some(text));
            assert_eq!(Password::new(text.to_owned()), Password::new(expected.to_owned()));
        }
        // Neither case, width and ligatures, nor what is no space, nor anything at the ends.
        for text in [" \u{fb01}\u{ff21}aA\t ", "\u{200b}x\u{2028}y\u{0}", ""] {
            assert_eq!(normal(text), text, "{text:?}");
            assert_eq!(Password::new(text.to_owned()).unlike_normal(), None);
        }
    }

    #[test]
    fn a_hash_that_is_empty_or_marked_unusable_is_not_usable() {
        for text in ["", "!", "!pc4pqdvsmsfj5vkgsqagck739sngfhw8v8jtq2es"] {
            assert!(!PasswordHash::from(text.to_owned()).is_usable(), "{text:?}");
        }
        assert!(PasswordHash::from("md5$salt$hash".to_owned()).is_usable());
        let unusable = PasswordHash::unusable();
        assert!(!unusable.is_usable() && recognize(unusable.as_str()) == Recognized::Unusable);
        assert_eq!(unusable.as_str().len(), 41, "as Django's");
    }

    #[test]
    fn pw_3_the_default_limits_are_a_thread_for_each_core_up_to_four() {
        let limits = Limits::default();
        assert_eq!(limits.threads, available_parallelism().map_or(1, NonZeroUsize::get).min(4));
        assert_eq!((limits.queue, limits.wait), (64, Duration::from_secs(2)));
    }
}
