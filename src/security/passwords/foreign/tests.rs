#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::super::argon2::{Memory, OwnHashes};
use super::super::stored::Stored;
use super::super::{Cost, known_algorithm};
use super::*;

/// One hash of each kind, made by Django 5.2 with its own settings, and its password.
const MADE_BY_DJANGO: [(&str, &str); 6] = [
    (
        "ünïcode-21919545 pbkdf2_sha256",
        "pbkdf2_sha256$1000000$goKAPQwfFSsCoK1OgZ2qkO$aJ62J+ijm4NvQHE0u9/Pk9SHI8p8yxQ/WKF9p7o4c+0=",
    ),
    ("otter-47839560 pbkdf2_sha1", "pbkdf2_sha1$1000000$eOBmROU8GBIYbaKkZp6HI0$uuEWDUzUqXyJ6r6pwHmeyt7PVUs="),
    (
        "otter-95490200 argon2",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$dThCYnN4NWJqMXJ3RllyU3J0MXlTbw$RRfd6ACa+gzzeaLYCc/szushoKsu7UogSr4G2iy83mA",
    ),
    (
        "ünïcode-45362069 bcrypt_sha256",
        "bcrypt_sha256$$2b$12$3OWyt1kSxaPsC0Fj8V2MCe575HBgxujMKmgafWvl3qGDoaW5qkjde",
    ),
    ("kestrel-72844689 bcrypt", "bcrypt$$2b$12$sJWCdlc0rK3yJPWBCLxOFOh6/1PvR2qULYk59aHemN3B1n6J4sRYy"),
    (
        "kestrel-14591292 scrypt",
        "scrypt$16384$0k3nSWjEt37XXmvVgFyq7W$8$5$b3+l+XvJeaQUs5HDGY/fewovsYt1n6OcZm4G1PIJzCZLYVzJyuYsLAgPckEBvocNB4ovm9n482rtTe7PaGFmvg==",
    ),
];

fn matches(password: &str, hash: &str) -> bool {
    let own = OwnHashes::new(Cost::default()).unwrap();
    Stored::parse(hash).unwrap().matches(password, &mut Memory::for_hashes_of(&own)).unwrap()
}

#[test]
fn pw_1_the_right_password_matches_each_kind_of_hash_that_django_makes_and_each_is_outdated() {
    for (password, hash) in MADE_BY_DJANGO {
        assert!(known_algorithm(hash), "{hash}");
        assert!(matches(password, hash), "{hash}");
        assert!(Stored::parse(hash).unwrap().is_outdated(Cost::default()), "{hash}");
    }
}

/// With few iterations, made by Python's `hashlib.pbkdf2_hmac`: a million take seconds without optimisation.
const OF_KESTREL: [&str; 2] = [
    "pbkdf2_sha256$1000$salt$XXxcvwUpne9QslhZnDSdVVgL1jb0zvlGNdir3LVLIjM=",
    "pbkdf2_sha1$1000$salt$FNTqPG5/HQYEof1NU3YhOpiF8Uc=",
];

#[test]
fn a_wrong_password_matches_none_of_them() {
    for hash in OF_KESTREL {
        assert!(matches("kestrel", hash), "{hash}");
        for wrong in ["kestrel ", " kestrel", "Kestrel", "kestre", "", "kestrel\0x"] {
            assert!(!matches(wrong, hash), "{wrong:?} {hash}");
        }
    }
    for (password, hash) in &MADE_BY_DJANGO[2..] {
        assert!(!matches(&format!("{password} "), hash), "{hash}");
    }
}

#[test]
fn damaged_hashes_are_refused_or_do_not_match_and_never_panic() {
    for (_, hash) in MADE_BY_DJANGO {
        let characters = hash.chars().count();
        for kept in 0..characters {
            let cut: String = hash.chars().take(kept).collect();
            // A PHC string does not say how long its output is: one that lost its end can look whole.
            let argon2 = hash.starts_with("argon2");
            assert!(argon2 || !known_algorithm(&cut), "{cut}");
        }
        for position in 0..characters {
            for replacement in ["", "$", "$$", "é", "-1", "9999999999", "\0", "=", " "] {
                let mut damaged: String = hash.chars().take(position).collect();
                damaged.push_str(replacement);
                damaged.extend(hash.chars().skip(position + 1));
                let _ = known_algorithm(&damaged);
            }
        }
        assert!(!known_algorithm(&format!("{hash}$")), "{hash}");
        assert!(!known_algorithm(&format!("{hash}A")) || hash.starts_with("argon2"), "{hash}");
        assert!(!known_algorithm(&format!(" {hash}")), "{hash}");
        assert!(!known_algorithm(&hash.to_uppercase()), "{hash}");
    }
}

#[test]
fn a_hash_over_the_ceiling_of_its_kind_is_refused_and_one_at_it_is_not() {
    let sha1 = |iterations: &str| {
        known_algorithm(&format!("pbkdf2_sha1${iterations}$salt$uuEWDUzUqXyJ6r6pwHmeyt7PVUs="))
    };
    assert!(sha1("10000000") && sha1("1"));
    assert!(
        !sha1("10000001") && !sha1("0") && !sha1("4294967297") && !sha1("+5") && !sha1("") && !sha1("1e3")
    );

    let bcrypt = |cost: &str| {
        known_algorithm(&format!("bcrypt$${cost}$sJWCdlc0rK3yJPWBCLxOFOh6/1PvR2qULYk59aHemN3B1n6J4sRYy"))
    };
    assert!(bcrypt("2b$16") && bcrypt("2b$04") && bcrypt("2a$12") && bcrypt("2y$12"));
    assert!(!bcrypt("2b$17") && !bcrypt("2b$03") && !bcrypt("2b$31") && !bcrypt("2b$99") && !bcrypt("2x$12"));

    let scrypt = |rounds: &str, block_size: &str, lanes: &str| {
        let output = "A".repeat(86);
        known_algorithm(&format!("scrypt${rounds}$salt${block_size}${lanes}${output}=="))
    };
    assert!(scrypt("262144", "8", "4"), "256 MiB and 1 GiB of work");
    assert!(scrypt("16384", "8", "16"), "16 lanes");
    assert!(!scrypt("524288", "8", "1"), "512 MiB");
    assert!(!scrypt("262144", "8", "5"), "1.25 GiB of work");
    assert!(!scrypt("16384", "8", "17"), "17 lanes");
    for rounds in ["0", "1", "3", "16383", "4294967296"] {
        assert!(!scrypt(rounds, "8", "5"), "{rounds}");
    }
    assert!(!scrypt("16384", "0", "5") && !scrypt("16384", "8", "0") && !scrypt("2", "4294967295", "16"));
}

#[test]
fn plain_bcrypt_sees_72_bytes_as_in_django_and_bcrypt_of_sha256_sees_all() {
    let long = "x".repeat(72);
    let hash = format!("bcrypt${}", bcrypt::hash(&long, 4).unwrap());
    assert!(matches(&long, &hash));
    assert!(matches(&format!("{long}more"), &hash));
    assert!(!matches(&long[..71], &hash));

    let digest = lower_case_hex(&Sha256::digest(&long));
    let hash = format!("bcrypt_sha256${}", bcrypt::hash(digest, 4).unwrap());
    assert!(matches(&long, &hash));
    assert!(!matches(&format!("{long}more"), &hash));
}

#[test]
fn a_password_with_nul_never_matches_plain_bcrypt() {
    let hash = format!("bcrypt${}", bcrypt::hash("a", 4).unwrap());
    assert!(matches("a", &hash));
    assert!(!matches("a\0a", &hash));
}
