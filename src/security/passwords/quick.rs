//! Hashes of kinds that are slow by design, but were made at next to no cost, as old installations and careless settings
//! did: a thief tries as many passwords of them as of a plain SHA-256.
//!
//! The floor is 1,000 rounds of PBKDF2, the least that RFC 8018 and NIST SP 800-132 allow; of the other kinds what goes
//! through as many bytes. No bcrypt is below it: even the least cost that there is, 4, goes through 135 kB.

use super::elsewhere::{ElsewhereHash, Prf};
use super::foreign::ForeignHash;
use super::stored::Stored;
use super::weak::{Kind, WeakHash};

/// The rounds of PBKDF2 that a hash has to have.
const LEAST_ROUNDS: u32 = 1000;
/// What these go through, of SHA-256: two blocks a round.
const LEAST_BYTES: u64 = 1000 * 2 * 64;

/// Whether a hash can be stored as it is.
pub(super) enum Strength {
    /// It can.
    Enough,
    /// It is a quick one.
    Weak(WeakHash),
    /// It is a quick one of a kind that no program makes so, and is not kept.
    Hopeless,
}

/// Tells it of a hash and its text.
pub(super) fn strength(text: &str, stored: &Stored<'_>) -> Strength {
    let weak = match stored {
        Stored::Own(hash) | Stored::DjangoArgon(hash) if hash.effort().saturating_mul(1024) < LEAST_BYTES => {
            let text = text.find('$').and_then(|start| text[start..].rsplit_once('$'));
            text.and_then(|(before, _)| WeakHash::of_argon2(before, hash.output()))
        }
        Stored::Foreign(hash) => match hash {
            ForeignHash::Pbkdf2Sha256 { iterations, salt, output } if *iterations < LEAST_ROUNDS => {
                WeakHash::of_pbkdf2(Kind::Pbkdf2Sha256, *iterations, salt.as_bytes(), output)
            }
            ForeignHash::Pbkdf2Sha1 { iterations, salt, output } if *iterations < LEAST_ROUNDS => {
                WeakHash::of_pbkdf2(Kind::Pbkdf2Sha1, *iterations, salt.as_bytes(), output)
            }
            ForeignHash::Scrypt { work, params, salt, output } if *work < LEAST_BYTES => {
                WeakHash::of_scrypt(params, salt.as_bytes(), output)
            }
            _ => return Strength::Enough,
        },
        Stored::Elsewhere(hash) => match hash {
            ElsewhereHash::Pbkdf2 { prf, iterations, salt, output } if *iterations < LEAST_ROUNDS => {
                let kind = match prf {
                    Prf::Sha1 => Kind::Pbkdf2Sha1,
                    Prf::Sha256 => Kind::Pbkdf2Sha256,
                    Prf::Sha512 => Kind::Pbkdf2Sha512,
                };
                WeakHash::of_pbkdf2(kind, *iterations, salt, output)
            }
            ElsewhereHash::Scrypt { work, params, salt, output } if *work < LEAST_BYTES => {
                WeakHash::of_scrypt(params, salt, output)
            }
            ElsewhereHash::Firebase { work, .. } | ElsewhereHash::Yescrypt { memory: work, .. }
                if *work < LEAST_BYTES =>
            {
                None
            }
            _ => return Strength::Enough,
        },
        _ => return Strength::Enough,
    };
    weak.map_or(Strength::Hopeless, Strength::Weak)
}

#[cfg(test)]
mod tests {
    use super::super::{Recognized, recognize};

    /// Of "kestrel", by Python's hashlib and argon2-cffi.
    const QUICK: [&str; 8] = [
        "pbkdf2_sha256$1$salt$1PHtEYl8qyX3WzkCFzEA3+W/5HoyY4CsO1CvBdLgFTg=",
        "pbkdf2_sha1$999$salt$9a9Zrey0c4kLxvFzKPf79jcGi04=",
        "$pbkdf2-sha512$i=10$c2FsdHNhbHQ$YNz0ZBuujZy5rhYtl9iiFZcg3hj++qcfAX73EbXcqXhm1MhOTL7E6oqAxoNLgutogWCtC5/43vcjJsBsEZa/qA",
        "pbkdf2:sha256:50$salt$e9c5d260f4355b85ed01fca7b69b339cf1c73b46c6d839b8c850065dd93eaff1",
        "scrypt$16$salt$8$1$7B7A3XMbfisG82g3fmca9EBmq79Ez1UpvKdPeh1gI6RJsvMWv8Ch9lxI7Avf2gIsV3zvJdcFUztROIb2ucIH7g==",
        "scrypt:2:1:1$salt$a11ce78f184ece07d3b9b8325882b3444af808f2e66277f8c92ce793b904f1c11e0e71d082576014c981afd78c24471b71d18133effcd7675a63834464aa558a",
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$zqXH243JtHPDTFVTabE9Wq10PRHVsAFyrk3ouL7Yxlk",
        "argon2$argon2i$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$h3iXmIYJnKW++Dm/nMwoog",
    ];

    #[test]
    fn pw_1_a_slow_hash_of_next_to_no_cost_is_a_weak_one_and_works() {
        use super::super::argon2::{Memory, OwnHashes};
        use super::super::stored::Stored;
        let own =
            OwnHashes::new(super::super::Cost { memory_kib: 64, iterations: 1, parallelism: 1 }).unwrap();
        let mut memory = Memory::for_hashes_of(&own);
        for hash in QUICK {
            let Recognized::Weak(weak) = recognize(hash) else { panic!("{hash}") };
            let kept = weak.layered(&own, &mut memory).unwrap();
            assert!(kept.len() <= 512 && !kept.contains(hash.rsplit('$').next().unwrap()), "{kept}");
            let stored = Stored::parse(&kept).unwrap();
            assert!(stored.matches("kestrel", &mut memory).unwrap(), "{hash}");
            assert!(!stored.matches("kestrels", &mut memory).unwrap(), "{hash}");
            assert!(matches!(recognize(&kept), Recognized::Usable(_)), "an export can be imported: {kept}");
        }
    }

    #[test]
    fn pw_1_what_is_as_slow_as_1000_rounds_is_stored_as_it_is() {
        for hash in [
            "pbkdf2_sha256$1000$salt$XpXOQQ8fv/daUi48T63mbhH/KAcKDLwnFpZsQr7xpoA=",
            "$2b$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K",
            "$argon2id$v=19$m=128,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        ] {
            assert!(matches!(recognize(hash), Recognized::Usable(_)), "{hash}");
        }
        let output = "A".repeat(43);
        let firebase = format!("$firebase$ln=2,r=1$c2FsdA$Bw${output}${output}");
        assert!(matches!(recognize(&firebase), Recognized::Unknown));
    }
}
