//! Hashes of other programs, each made by another implementation: Python's hashlib and passlib, libxcrypt, and the
//! published examples of Firebase, ASP.NET, Spring and passlib.

use super::super::argon2::{Memory, OwnHashes};
use super::super::stored::Stored;
use super::super::{Cost, Recognized, recognize};

const TINY: Cost = Cost { memory_kib: 64, iterations: 1, parallelism: 1 };

/// Of [`PASSWORD`], quick to compute.
const WEAK: [&str; 40] = [
    "md5$salz$4871de3e27b38b5bb020a657793486b7",
    "sha1$salz$2715e0b9d053b47727266234ade921224d23d35c",
    "sha1$$3612172aa98cf0a02f4bef87c4178e86359e14e7",
    "097c4675864a973ff8b3c076b54b5866",
    "3612172AA98CF0A02F4BEF87C4178E86359E14E7",
    "{SHA}NhIXKqmM8KAvS++HxBeOhjWeFOc=",
    "{SSHA}bAvANAt18f8jMrBtHnMNmoTORFZzYWx0c2FsdA==",
    "{SHA256}YRhydTxdHjwaepde1GyHsePE1tClsE7KDtqusneP9PU=",
    "{SSHA256}hBviEjeE12CM0//cYfCM9Qgo7R0QKsGJ9PnB7acr+RBzYWx0c2FsdA==",
    "{SHA512}HuiiKjRCS3kkiDmx5SYqRrLcTcNJypTBCyEVvUSmhjV6ocuHVqUlEJhSZeAxBp8RJTXECtOpHqon1noxTrh6sg==",
    "{SSHA512}ReKwtxcnCNIgMXTNcVqWqcMEwGe5OskEJmspEoPEbZr/NNDeLvUgVs66wEWC5nPSBFD9ca0vpcl/PcuX4zCwF3NhbHRzYWx0",
    "{MD5}CXxGdYZKlz/4s8B2tUtYZg==",
    "{SMD5}Fm6LZgMEJexziP/Vm+L3dnNhbHRzYWx0",
    "$1$saltsalt$0J3Izah4jos5a5vqxXQq00",
    "$apr1$saltsalt$7saiO6dJogKvOV5oDha5A0",
    "$5$saltsalt$9YTXOFouyKAbqFYoI5bdVlCRs8NFslti2GAXtBvwWy4",
    "$5$rounds=1234$saltsaltsaltsalt$1M4m7IjEHLvcGsY7k3VaOXl8Z8nNyAUOpnpDsRbit4/",
    "$6$saltsalt$s2l1DeP9AkruNRQvPi9rC.iJWMF7lkGTs8qRs1QBz2tBX9MaZCLucWIo..9jcXMk.XwXdyyOGcdtAg1QROyov/",
    "$6$rounds=1234$saltsaltsaltsalt$uq6yuZSUBKIm.dncd3cm2ySvBerrkqBsaKOnxZbUYZUnRKfqRm7LZ0TScSh09cmKBU7u/19D2zvoiNxg6Xq9A.",
    "{CRYPT}$6$rounds=1000$xyz$LXyUStNan9jVRs2SX6CypUUDVaSdtJ3KB6jEVBdaYM2BN.huMvcxLPn.j1oKcNrW.glyEs/8Nim.n6ObVTYye/",
    "{CRYPT}sa0FsoY0eOEhY",
    "crypt$$sa0FsoY0eOEhY",
    "crypt$sa$sa0FsoY0eOEhY",
    "{SHA384}2wtGTp818tMB5IREO8FELX++67i9ibnd3msuizVoSDN6aHPqiqbXpq6reNMMDa56",
    "{SSHA384}2Fx7DEdHa9dcd8OJNckBGNVM4584bdEKDYM+KHsvR7/0nx+atrssVh9dJ7gRkKvdc2FsdHNhbHQ=",
    "{PREFIX-MD5}9eZMjgRx/QoDHtA0vyR0+XNhbHRzYWx0",
    "{PREFIX-SHA1}z2boW4Xgtagz4FVB0FCa2AN2b/FzYWx0c2FsdA==",
    "{PREFIX-SHA256}lgY489HBNNWduIzoI4CCG9R5kKzzSAsGEA6txRGaSNZzYWx0c2FsdA==",
    "{PREFIX-SHA512}/XHHVKvVdxt+Q9qB2N1NQOccyVsGD2gul1NYQ02KpMZtf/nQIKln6lHbj67J3n9mYZbZd07iXs3wfgLxrpAE3HNhbHRzYWx0",
    "$S$5saltsaltNEtlvhC/m2n6sq5AWYikb/GV22L/k6tPdM3PiYPcl4Z",
    "$P$6saltsalth.CZ5DIeoCf3Pn.8MJPSF1",
    "$H$6saltsalth.CZ5DIeoCf3Pn.8MJPSF1",
    "{sha256}0001020304050607403b11e28c639e09a273aa155e78e7cc600de415291c4b011ffad3b7e954db65",
    "{MD5}{thisissalt}770f6525bd252f090911e64935709d15",
    "{SHA-1}{thisissalt}766bfb0324439f3c89a3623019c63abd7efb0ed6",
    "{SHA-256}{a:b}90ac2d95486f55a34644f46ea2fde65739dda45fdcf1ab81977c608f33adde62",
    "{MD5}097c4675864a973ff8b3c076b54b5866",
    "{SHA-1}{}82ac07ebc066baf7b124a130868f45c6ee5c8b1d",
    "{SHA-256}611872753c5d1e3c1a7a975ed46c87b1e3c4d6d0a5b04eca0edaaeb2778ff4f5",
    "{ldap}{SSHA}bAvANAt18f8jMrBtHnMNmoTORFZzYWx0c2FsdA==",
];
/// Of [`PASSWORD`], as slow as they should be but for their costs.
const STRONG: [&str; 30] = [
    "$2b$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K",
    "$2a$04$96eAxVrpIjEueIZm0tBKJuTFjJpNcwyKKjXxjHCrPai919uPOTMum",
    "$2y$04$dTK.olHON4NMcwy7rx7nz.pN//ET4Z1jDrdjf6e7nbguqeEvoR9w2",
    "{CRYPT}$2y$04$e9iouN/mleAyTF.YuCfwEOfh5U1mU20HgriKCLECJH1BoKfptIbsq",
    "$wp$2y$04$aALZH8NAFf4MtJKso2vHkubWIgqRGMrLIgK0JMDLvO9Ti29oUKkoS",
    "$pbkdf2-sha1$i=1000$AAECAwQFBgcICQoLDA0ODw==$+8nCgtJy3F7g2XwjBg2ZsuxpUKw=",
    "pbkdf2:sha1:1000$salz$2951249af69c122ab910c5e1cf706aeb14f2ba9a",
    "$pbkdf2-sha256$i=1000$AAECAwQFBgcICQoLDA0ODw==$+oDoS6gahe/z8QjeoD1QMEQoqxNnBExGRmEyCv+iYAo=",
    "pbkdf2:sha256:1000$salz$def9d41bb99d1a0d41db35e0b93168c4168bb1673da6977d00f94b61e46014d8",
    "$pbkdf2-sha512$i=1000$AAECAwQFBgcICQoLDA0ODw==$8Dc3YNyp6AIhuVrJ0iq+lwPcZFLe3mv6OQOpZow2zOG7/OmYOw05YJVFV3QTy15dmZR+0U6bJ93TSPAJXdk4dw==",
    "pbkdf2:sha512:1000$salz$e15ee0396835d190426d522a2803ffa74428017fbb1682c85619f6741898c6493eb12800c41c6596e44d6a05042a067611068434531095fd24f1e94dbaefcda3",
    "$pbkdf2-sha256$i=1000$AAECAwQFBgcICQoLDA0ODw==$+oDoS6gahe/z8QjeoD1QMEQoqxNnBExGRmEyCv+iYAp9zbqbGw5FGjigyGw86g688wGxAUgoLhuc0FfwMxuBdw==",
    "$pbkdf2-sha256$1000$t3YuxbhX6r3XGmOMEWKMcQ$ckFylTen4VjvrEHIuXFtMUraNPPlc0RPZ733bnksvuE",
    "{PBKDF2-SHA512}1000$l9Jai1Gqtdaas1aqVQpByA$UJmufIZ0Am3x7WEKlp1CvUs0rB8nIIlKkNlyuG2bNbXaFNI9GodRL/uMasTq9UDD9m1fgfDNKfElZcVVEOQYdQ",
    "scrypt:1024:8:1$salz$4a3d91860366f54e31afb6f698818be619efebba093458244f0b3c962a3d0fec9e5fa21c71ecaff61f68d1f1a9f550d9bc7949123816391266fc03638f34ebc4",
    "{PBKDF2}1000$AAECAwQFBgcICQoLDA0ODw$.8nCgtJy3F7g2XwjBg2ZsuxpUKw",
    "{PBKDF2-SHA1}1000$AAECAwQFBgcICQoLDA0ODw$.8nCgtJy3F7g2XwjBg2ZsuxpUKw",
    "{PBKDF2-SHA256}1000$AAECAwQFBgcICQoLDA0ODw$.oDoS6gahe/z8QjeoD1QMEQoqxNnBExGRmEyCv.iYAo",
    "$pbkdf2$1000$AAECAwQFBgcICQoLDA0ODw$.8nCgtJy3F7g2XwjBg2ZsuxpUKw",
    "$pbkdf2-sha512$i=1000,l=64$AAECAwQFBgcICQoLDA0ODw$8Dc3YNyp6AIhuVrJ0iq+lwPcZFLe3mv6OQOpZow2zOG7/OmYOw05YJVFV3QTy15dmZR+0U6bJ93TSPAJXdk4dw",
    ":pbkdf2:sha512:1000:64:AAECAwQFBgcICQoLDA0ODw==:8Dc3YNyp6AIhuVrJ0iq+lwPcZFLe3mv6OQOpZow2zOG7/OmYOw05YJVFV3QTy15dmZR+0U6bJ93TSPAJXdk4dw==",
    "{PBKDF2_SHA256}AAAD6AABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9HIREp3anY5lMey3ZcMT21WEQITKhYowX7JkQTTlqIOZV8EGUv7klXk94bZpqbIO2/2Yz7yvfOneoAcfpNAA+qxagzzC0axve5H6u4btEWa+iujKs70JFKu7MRpqkZlLLrpHQLEJa0jbbIHEeFkSFfOFIuV1ihlab/Y6RPpi56YMZadiY09srYVBVF6yDjnph5HCBLCRpXFvLJWR7f8pbyumivMHnJPOg4t75dvExuwpnCGdEuLQANfG/Zp3QzGfbzCEGqfvqyOreHnH8nWB8Pt8Rb1fhY5H5sIyRifH/YxL0m7fqM5dfhh79wlUUeXVWWWAVEibQ58f8igvYScuDG",
    "AQAAAAIAAAPoAAAAEAABAgMEBQYHCAkKCwwNDg/wNzdg3KnoAiG5WsnSKr6XA9xkUt7ea/o5A6lmjDbM4Q==",
    "AAABAgMEBQYHCAkKCwwNDg/7ycKC0nLcXuDZfCMGDZmy7GlQrFMymf5r0cYzyfXWgg==",
    "$y$j9T$saltsaltsalt$sGbXHrb./nONRJ5tkpvim8mFa1FQaHZ.ZDTCfoou9q.",
    "{pbkdf2}0001020304050607f7179f25d241960a7266c21db45852ed745ebb1c3f43988dffc9d4a89e6f7d7a",
    "{pbkdf2}AAECAwQFBgf3F58l0kGWCnJmwh20WFLtdF67HD9DmI3/ydSonm99eg==",
    "{pbkdf2@SpringSecurity_v5_8}000102030405060708090a0b0c0d0e0f317ef944a1386b1a8d3b2b451d861c2368f586b3d7ab6af442fd89d4189dd1bd",
    "{scrypt}$e0801$AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8AAQIDBAUGBwgJCgsMDQ4PAAECAwQFBgcICQoLDA0ODw==$8BZnvSLrnvDw6d1LFY9aw86KysHxoFACoJP9Aa1+bMg=",
    "{scrypt@SpringSecurity_v5_8}$100801$AAECAwQFBgcICQoLDA0ODw==$U92v+fY1SQ7EGvdvOFoFq53nahhs1lQUee0YmOCXOSk=",
];
const PASSWORD: &str = "kestrel-żółw";

/// The published examples, with their passwords.
const PUBLISHED: [(&str, &str); 6] = [
    (
        "user1password",
        "$firebase$ln=14,r=8$42xEC+ixf3L2lw==$Bw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    ),
    ("my password", "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw"),
    ("password", "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc"),
    (
        "password",
        "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
    ),
    ("password", "{sha256}97cde38028ad898ebc02e690819fa220e88c62e0699403e94fff291cfffaf8410849f27605abcbc0"),
    ("password", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"),
];

fn matches(password: &str, hash: &str) -> bool {
    let own = OwnHashes::new(TINY).unwrap();
    let stored = Stored::parse(hash).expect(hash);
    stored.matches(password, &mut Memory::for_hashes_of(&own)).unwrap()
}

/// What is stored of a hash of another program.
fn kept(hash: &str) -> String {
    match recognize(hash) {
        Recognized::Usable(hash) => hash.as_str().to_owned(),
        Recognized::Weak(weak) => {
            let own = OwnHashes::new(TINY).unwrap();
            weak.layered(&own, &mut Memory::for_hashes_of(&own)).unwrap()
        }
        other => panic!("{hash}: {other:?}"),
    }
}

#[test]
fn pw_1_the_right_password_matches_each_kind_of_hash_of_other_programs_and_each_is_outdated() {
    let all = WEAK.iter().chain(&STRONG).map(|hash| (PASSWORD, *hash)).chain(PUBLISHED);
    for (password, hash) in all {
        let stored = kept(hash);
        assert!(matches(password, &stored), "{hash}");
        assert!(!matches("kosterl-zolw", &stored) && !matches("", &stored), "{hash}");
        assert!(Stored::parse(&stored).unwrap().is_outdated(TINY), "{hash}");
        assert!(matches!(recognize(&stored), Recognized::Usable(_)), "an export can be imported: {stored}");
    }
}

#[test]
fn pw_1_a_weak_hash_is_never_stored_and_is_of_no_use_as_it_is() {
    for hash in WEAK {
        assert!(Stored::parse(hash).is_none(), "{hash}");
        let Recognized::Weak(weak) = recognize(hash) else { panic!("{hash}") };
        assert_eq!(format!("{weak:?}"), "WeakHash(..)");
        let stored = kept(hash);
        assert!(
            stored.starts_with("layered$") && stored.contains("$argon2id$v=19$m=64,t=1,p=1$"),
            "{stored}"
        );
        let output = hash.rsplit(['$', '}']).next().unwrap();
        assert!(
            !stored.contains(output) && !stored.to_lowercase().contains(&output.to_lowercase()),
            "{stored}"
        );
    }
}

#[test]
fn pw_3_the_work_of_a_check_is_bounded_whatever_the_hash_says() {
    let sha512 = "A".repeat(86);
    let output = "A".repeat(43);
    for hash in [
        format!("$6$rounds=500001$salt${sha512}"),
        format!("$6$rounds=999999999$salt${sha512}"),
        "$P$JsaltsaltAAAAAAAAAAAAAAAAAAAAAA".into(),
        format!("$S$Jsaltsalt{output}"),
        format!("{{PBKDF2_SHA256}}/////{}", "A".repeat(427)),
        format!(":pbkdf2:sha512:10000001:64:c2FsdA==:{sha512}"),
        "$pbkdf2-sha512$i=10000001$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAA".into(),
        format!("$pbkdf2-sha1$i=10000000$c2FsdA${}", "A".repeat(54)),
        format!("pbkdf2:sha256:4294967295$salt${}", "0".repeat(64)),
        format!("scrypt:1048576:8:1$salt${}", "0".repeat(128)),
        format!("scrypt:262144:8:5$salt${}", "0".repeat(128)),
        format!("$scrypt$ln=20,r=8,p=1$c2FsdA${output}"),
        format!("$scrypt$ln=18,r=8,p=5$c2FsdA${output}"),
        format!("$scrypt$ln=32,r=8,p=1$c2FsdA${output}"),
        format!("{{scrypt}}$ffffffff$c2FsdA==${output}="),
        format!("layered$sha256-rounds$1000001$c2FsdA$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ${output}"),
        format!("$firebase$ln=31,r=8$c2FsdA$Bw${output}${output}"),
        format!("$firebase$ln=99,r=8$c2FsdA$Bw${output}${output}"),
        "$2b$17$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K".into(),
        format!("$y$jKT$saltsaltsalt${output}"),
        format!("$y$j9T1$saltsaltsalt${output}"),
        format!("layered$sha512-crypt$500001$c2FsdA$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ${output}"),
        format!("layered$md5$0$c2FsdA$argon2id$v=19$m=999999999,t=1,p=1$c2FsdHNhbHQ${output}"),
        "AQAAAAL/////AAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw".into(),
    ] {
        assert!(Stored::parse(&hash).is_none(), "{hash}");
        assert!(matches!(recognize(&hash), Recognized::Unknown), "{hash}");
    }
}

#[test]
fn what_is_no_hash_that_can_be_checked_is_not_recognized() {
    for text in [
        "",
        "secret",
        "password123",
        "$1$",
        "$5$salt",
        "$6$salt$short",
        "{SSHA}",
        "{SSHA}NhIXKqmM8KAvS++HxBeOhjWeFOc=",
        "{SHA}secret",
        "{NONE}x",
        "{CRYPT}",
        "{CRYPT}ab1234567890",
        "$P$6salt",
        "$P$",
        "$y$",
        "$wp$",
        "$wp$2y$10$x",
        "AQAAAA",
        "pbkdf2:sha256",
        "scrypt:1:2:3",
        "layered$",
        "layered$md5$0$$",
        "layered$md6$0$$argon2id$",
        "NULL",
        "*",
        "x",
        "5f4dcc3b5aa765d61d8327deb882cf9",
        "zf4dcc3b5aa765d61d8327deb882cf99",
        "md5$salt$zz",
        "md5$a$b$c",
    ] {
        assert!(matches!(recognize(text), Recognized::Unknown | Recognized::Broken), "{text}");
    }
    assert!(matches!(recognize("!"), Recognized::Unusable));
    let bcrypt = "$2b$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K";
    assert_eq!(kept(&format!("1|{bcrypt}")), bcrypt, "Nextcloud's");
}

#[test]
fn damaged_hashes_of_other_programs_never_panic() {
    for hash in WEAK.iter().chain(&STRONG).chain(PUBLISHED.iter().map(|(_, hash)| hash)) {
        let characters = hash.chars().count();
        for position in 0..characters {
            for replacement in ["", "$", "$$", "é", "-1", "9999999999", "\0", "=", " "] {
                let mut damaged: String = hash.chars().take(position).collect();
                damaged.push_str(replacement);
                damaged.extend(hash.chars().skip(position + 1));
                drop(recognize(&damaged));
            }
            drop(recognize(&hash.chars().take(position).collect::<String>()));
        }
    }
}

#[test]
fn bcrypt_without_a_name_before_it_sees_72_bytes_and_no_nul() {
    let long = "x".repeat(72);
    let hash = bcrypt::hash(&long, 4).unwrap();
    assert!(matches(&long, &hash) && matches(&format!("{long}more"), &hash) && !matches(&long[..71], &hash));
    assert!(!matches("a\0a", &bcrypt::hash("a", 4).unwrap()));
}
