//! Argon2: our own hashes, and the checking of any argon2 hash.

use std::str::FromStr;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;

use super::{Cost, Failure};

/// Bytes of random salt in a hash of ours (the OWASP cheat sheet and RFC 9106 say 16).
const SALT_BYTES: usize = 16;
/// Bytes of output in a hash of ours (RFC 9106 says 32, 256 bits).
const OUTPUT_BYTES: usize = 32;

/// The dearest argon2 hash that is ever computed: 256 MiB, 10 passes, 8 lanes. Django's default is 100 MiB, 2
/// passes, 8 lanes. Without a ceiling one planted row could take all memory.
const CEILING: Cost = Cost { memory_kib: 256 * 1024, iterations: 10, parallelism: 8 };

/// True if no part of the cost is over the ceiling for stored hashes.
pub(super) fn is_within_ceiling(cost: Cost) -> bool {
    cost.memory_kib <= CEILING.memory_kib
        && cost.iterations <= CEILING.iterations
        && cost.parallelism <= CEILING.parallelism
}

/// The memory that one thread hashes in. It is kept from one hash to the next: fresh memory for each costs time,
/// and memory that several threads took and gave back stays with the process for good.
pub(super) struct Memory {
    kept: Vec<Block>,
    /// Blocks, 1 KiB each, that may be kept: what a hash of ours needs.
    most_kept: usize,
}

impl Memory {
    /// Takes no memory yet; the first hash does.
    pub(super) fn for_hashes_of(own: &OwnHashes) -> Self {
        Self { kept: Vec::new(), most_kept: own.0.params().block_count() }
    }

    /// Computes one hash into `output`. A stored hash that needs more memory than ours gets it for this once.
    fn compute(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failure> {
        let blocks = argon2.params().block_count();
        let mut fresh = Vec::new();
        let memory = if blocks <= self.most_kept { &mut self.kept } else { &mut fresh };
        if memory.len() < blocks {
            // Asked for first, so that a machine without memory refuses this hash instead of ending the process.
            memory.try_reserve_exact(blocks - memory.len())?;
            memory.resize_with(blocks, Block::new);
        }
        Ok(argon2.hash_password_into_with_memory(password, salt, output, &mut memory[..blocks])?)
    }
}

/// Makes hashes of ours: argon2id, version 19.
pub(super) struct OwnHashes(Argon2<'static>);

impl OwnHashes {
    /// Fails if argon2 does not allow the cost, for example less than 8 KiB for each lane.
    pub(super) fn new(cost: Cost) -> Result<Self, argon2::Error> {
        let params = Params::new(cost.memory_kib, cost.iterations, cost.parallelism, Some(OUTPUT_BYTES))?;
        Ok(Self(Argon2::new(Algorithm::Argon2id, Version::V0x13, params)))
    }

    /// Hashes with a fresh random salt; the result is a PHC string.
    pub(super) fn hash(&self, password: &[u8], memory: &mut Memory) -> Result<String, Failure> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt)?;
        let mut output = [0; OUTPUT_BYTES];
        memory.compute(&self.0, password, &salt, &mut output)?;
        let params = self.0.params();
        Ok(format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            params.m_cost(),
            params.t_cost(),
            params.p_cost(),
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(output),
        ))
    }

    /// Does the work of one hash for nothing. What it hashes does not matter: argon2 takes as long for any.
    pub(super) fn hash_in_vain(&self, memory: &mut Memory) -> Result<(), Failure> {
        let mut output = [0; OUTPUT_BYTES];
        memory.compute(&self.0, b"", &[0; SALT_BYTES], &mut output)?;
        std::hint::black_box(output);
        Ok(())
    }
}

/// A stored argon2 hash, ours or not.
pub(super) struct ArgonHash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl ArgonHash {
    /// Grows with the work.
    pub(super) fn effort(&self) -> u64 {
        u64::from(self.params.m_cost()) * u64::from(self.params.t_cost())
    }

    /// Reads a PHC string such as `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`; also `argon2i` and `argon2d`. `None`
    /// if it is malformed or over the ceiling.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::from_str(hash.algorithm.as_str()).ok()?;
        let version = match hash.version {
            Some(version) => Version::try_from(version).ok()?,
            // Strings from before argon2 1.3 do not name a version.
            None => Version::V0x10,
        };
        let params = Params::try_from(&hash).ok()?;
        let cost =
            Cost { memory_kib: params.m_cost(), iterations: params.t_cost(), parallelism: params.p_cost() };
        if !is_within_ceiling(cost) {
            return None;
        }
        Some(Self {
            algorithm,
            version,
            params,
            salt: hash.salt?.as_ref().to_vec(),
            output: hash.hash?.as_bytes().to_vec(),
        })
    }

    /// The stored output.
    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Computes the hash of the password, as long as the stored one.
    pub(super) fn compute(&self, password: &[u8], memory: &mut Memory) -> Result<Vec<u8>, Failure> {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut output = vec![0; self.output.len()];
        memory.compute(&argon2, password, &self.salt, &mut output)?;
        Ok(output)
    }

    /// Computes the hash of the password and compares it with the stored one.
    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<bool, Failure> {
        Ok(self.compute(password, memory)?.ct_eq(&self.output).into())
    }

    /// True if a hash made today with this cost would be better. The number of lanes does not count: it changes
    /// who can compute the hash faster, not how much work it is.
    pub(super) fn is_weaker_than(&self, cost: Cost) -> bool {
        self.algorithm != Algorithm::Argon2id
            || self.version != Version::V0x13
            || self.params.m_cost() < cost.memory_kib
            || self.params.t_cost() < cost.iterations
            || self.salt.len() < SALT_BYTES
            || self.output.len() < OUTPUT_BYTES
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const TINY: Cost = Cost { memory_kib: 64, iterations: 1, parallelism: 1 };

    #[test]
    fn pw_1_a_hash_of_ours_is_argon2id_version_19_with_a_fresh_16_byte_salt_and_32_bytes_of_output() {
        let own = OwnHashes::new(TINY).unwrap();
        let mut memory = Memory::for_hashes_of(&own);
        let first = own.hash(b"kestrel", &mut memory).unwrap();
        let second = own.hash(b"kestrel", &mut memory).unwrap();
        assert_ne!(first, second);
        assert!(first.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{first}");
        let (first, second) = (ArgonHash::parse(&first).unwrap(), ArgonHash::parse(&second).unwrap());
        assert_ne!(first.salt, second.salt);
        assert_eq!((first.salt.len(), first.output.len()), (16, 32));
        assert!(!first.is_weaker_than(TINY));
    }

    #[test]
    fn memory_that_was_used_before_does_not_change_a_hash() {
        let own = OwnHashes::new(TINY).unwrap();
        let mut used = Memory::for_hashes_of(&own);
        for password in ["one", "two", "three"] {
            let stored = ArgonHash::parse(&own.hash(password.as_bytes(), &mut used).unwrap()).unwrap();
            let mut fresh = Memory::for_hashes_of(&own);
            assert!(stored.matches(password.as_bytes(), &mut fresh).unwrap());
            assert!(stored.matches(password.as_bytes(), &mut used).unwrap());
            assert!(!stored.matches(b"other", &mut used).unwrap());
        }
    }

    #[test]
    fn pw_3_memory_is_kept_for_hashes_of_our_cost_and_returned_after_dearer_ones() {
        let own = OwnHashes::new(TINY).unwrap();
        let dearer = OwnHashes::new(Cost { memory_kib: 640, ..TINY }).unwrap();
        let text = dearer.hash(b"kestrel", &mut Memory::for_hashes_of(&dearer)).unwrap();
        let mut memory = Memory::for_hashes_of(&own);
        assert!(ArgonHash::parse(&text).unwrap().matches(b"kestrel", &mut memory).unwrap());
        assert_eq!(memory.kept.capacity(), 0);
        own.hash_in_vain(&mut memory).unwrap();
        own.hash_in_vain(&mut memory).unwrap();
        assert_eq!(memory.kept.capacity(), 64);
    }

    #[test]
    fn pw_1_a_hash_with_less_memory_or_fewer_passes_is_weaker_and_a_dearer_one_is_not() {
        let own = OwnHashes::new(TINY).unwrap();
        let text = own.hash(b"kestrel", &mut Memory::for_hashes_of(&own)).unwrap();
        let stored = ArgonHash::parse(&text).unwrap();
        assert!(stored.is_weaker_than(Cost { memory_kib: 65, ..TINY }));
        assert!(stored.is_weaker_than(Cost { iterations: 2, ..TINY }));
        assert!(!stored.is_weaker_than(Cost { memory_kib: 32, ..TINY }));
        for weaker in [
            text.replace("argon2id", "argon2i"),
            text.replace("argon2id", "argon2d"),
            text.replace("v=19", "v=16"),
            text.replace("$v=19", ""),
        ] {
            assert!(ArgonHash::parse(&weaker).unwrap().is_weaker_than(TINY), "{weaker}");
        }
    }

    #[test]
    fn a_hash_over_the_ceiling_is_refused_and_one_at_it_is_not() {
        let with = |cost: &str| {
            ArgonHash::parse(&format!("$argon2id$v=19${cost}$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA"))
        };
        assert!(with("m=262144,t=10,p=8").is_some());
        for cost in [
            "m=262145,t=10,p=8",
            "m=262144,t=11,p=8",
            "m=262144,t=10,p=9",
            "m=4294967295,t=2,p=1",
            "m=99999999999,t=2,p=1",
            "m=19456,t=0,p=1",
            "m=4,t=1,p=1",
        ] {
            assert!(with(cost).is_none(), "{cost}");
        }
    }
}
