//! What becomes of the passwords and hashes of rows.

use super::*;
use crate::operations::import::LeftOut;
use crate::security::passwords::Formula;

#[test]
fn a_hash_that_cannot_be_checked_is_left_out_and_never_repeated() {
    for given in [Raw::Missing, Raw::Null, text("")] {
        let record = ada("password", given).unwrap();
        assert_eq!((stored(&record), record.notes.len()), ("!", 0));
    }
    for hash in ["md6$salt$5f4dcc3b5aa765d61d8327deb882cf99", "hunter2", "!a\0", &"!".repeat(600)] {
        let record = ada("password", text(hash)).unwrap();
        assert_eq!(stored(&record), "unchecked");
        assert!(record.notes[0].starts_with("password: is not a hash"), "{:?}", record.notes);
        assert!(!record.notes.concat().contains("hunter2") && !record.notes.concat().contains("5f4d"));
    }
}

#[test]
fn a_password_that_spring_stores_in_clear_is_one_only_where_passwords_are_expected() {
    let record = ada("password", text("{noop}walnut heron 41")).unwrap();
    let notes = record.notes.concat();
    assert!(stored(&record) == "unchecked" && notes.contains("is the password itself"), "{notes}");
    assert!(!notes.contains("walnut"), "{notes}");
    for given in ["walnut heron 41", "{noop}walnut heron 41"] {
        assert_eq!(stored(&ada("initial_password", text(given)).unwrap()), "walnut heron 41");
    }
    let encoded = "{sha256}97cde38028ad898ebc02e690819fa220e88c62e0699403e94fff291cfffaf8410849f27605abcbc0";
    assert!(ada("initial_password", text(encoded)).unwrap_err()[0].contains("This is a hash"));
}

#[test]
fn a_broken_hash_is_refused_or_left_out_as_was_asked_for() {
    for hash in [
        "$2y$10$mFQ75T7cwus7NO/rsH4II",
        "pbkdf2_sha256$1000$salt$XpXOQQ8f",
        "{SSHA}W6ph5Mm5",
        " $apr1$x$y\n",
        "$6$sal\0t$x",
    ] {
        let row = row(&[("username", text("ada")), ("password", text(hash))]);
        let reasons = read(&row, &Options::default()).unwrap_err();
        assert!(reasons[0].starts_with("password: Its hash is cut off or altered."), "{hash}: {reasons:?}");
        assert!(!reasons.concat().contains("mFQ75") && !reasons.concat().contains("salt"), "{reasons:?}");
        let left_out = read(
            &row,
            &Options { left_out: LeftOut { broken: true, ..LeftOut::default() }, ..Options::default() },
        )
        .unwrap();
        assert!(stored(&left_out) == "unchecked" && left_out.notes[0].contains("the user is invited"));
        assert!(ada("initial_password", text(hash)).unwrap_err()[0].contains("This is a hash"), "{hash}");
    }
    let digits = "deadbeef20240101cafebabe";
    let reasons = ada("password", text(digits)).unwrap_err();
    assert!(reasons[0].contains("or no hash: MD5 has 32 hexadecimal digits"), "{reasons:?}");
    assert!(reasons[0].contains("--no-broken-hashes") && !reasons[0].contains(digits), "{reasons:?}");
    let bcrypt = "$2y$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K";
    let spaced = format!(" {{bcrypt}}{bcrypt} ");
    assert_eq!(stored(&ada("password", text(&spaced)).unwrap()), bcrypt);
}

#[test]
fn rounds_may_stand_in_a_column_of_their_own() {
    let read_with = |rounds: Raw| {
        let hash = text(&"ab".repeat(32));
        let members = [
            ("username", text("ada")),
            ("password", hash),
            ("password_salt", text("s")),
            ("password_rounds", rounds),
        ];
        let hash = Formula::parse("pbkdf2-sha256(password, salt, rounds)");
        read(&row(&members), &Options { hash, ..Options::default() })
    };
    for rounds in [Raw::Integer(7000), text(" 7000 ")] {
        assert!(stored(&read_with(rounds).unwrap()).starts_with("$pbkdf2-sha256$i=7000$"));
    }
    for rounds in [Raw::Missing, text("many")] {
        assert!(read_with(rounds).unwrap_err()[0].contains("Its rounds are missing"));
    }
}

#[test]
fn a_weak_hash_is_wrapped_or_left_out_as_was_asked_for() {
    let row = row(&[("username", text("ada")), ("password", text("5f4dcc3b5aa765d61d8327deb882cf99"))]);
    let wrapped = read(&row, &Options::default()).unwrap();
    assert!(stored(&wrapped) == "weak" && wrapped.notes[0].contains("is stored as argon2id of it"));
    let left_out =
        read(&row, &Options { left_out: LeftOut { weak: true, ..LeftOut::default() }, ..Options::default() })
            .unwrap();
    assert!(stored(&left_out) == "!" && left_out.notes[0].contains("the user is invited"));
}

#[test]
fn a_bare_hash_with_a_salt_beside_it_needs_a_formula() {
    let read_by = |hash: &str, salt: &str, formula: Option<&str>| {
        let row = row(&[("username", text("ada")), ("password", text(hash)), ("password_salt", text(salt))]);
        read(&row, &Options { hash: formula.and_then(Formula::parse), ..Options::default() })
    };
    let (md5, bcrypt) =
        ("5f4dcc3b5aa765d61d8327deb882cf99", "$2y$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K");
    let behind = format!("{md5}:salt");
    for (hash, salt) in [(md5, "salt"), (&behind, "")] {
        let reasons = read_by(hash, salt, None).unwrap_err();
        assert!(
            reasons[0].starts_with("password: Its salt stands beside it") && !reasons[0].contains("5f4d")
        );
        assert_eq!(stored(&read_by(hash, salt, Some("md5(salt+password)")).unwrap()), "weak");
        let other = read_by(hash, salt, Some("sha1(salt+password)")).unwrap_err();
        assert!(other[0].contains("cut off or altered"), "too short for SHA-1: {other:?}");
    }
    for formula in [None, Some("md5(salt+password)")] {
        assert_eq!(stored(&read_by(bcrypt, "salt", formula).unwrap()), bcrypt);
        assert_eq!(stored(&read_by(md5, "", formula).unwrap()), "weak");
        assert_eq!(stored(&read_by("hunter2", "salt", formula).unwrap()), "unchecked");
    }
}

#[test]
fn an_initial_password_is_judged_as_a_new_one_and_has_to_be_changed() {
    let record = ada("initial_password", text("walnut heron 41")).unwrap();
    assert_eq!((stored(&record), record.new_user(NOW).must_change_password), ("walnut heron 41", true));
    let kept = row(&[
        ("username", text("ada")),
        ("initial_password", text("walnut heron 41")),
        ("must_change_password", text("no")),
    ]);
    assert!(!read(&kept, &Options::default()).unwrap().new_user(NOW).must_change_password);
    assert_eq!(stored(&ada("initial_password", Raw::Missing).unwrap()), "!");
    for (given, reason) in [
        ("otter", "initial_password: This password is too short."),
        ("qwertyuiop", "initial_password: This password is too common."),
        ("adaadaada", "initial_password: "),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "initial_password: This is a hash;"),
        (
            "pbkdf2_sha256$1000$salt$XpXOQQ8fv/daUi48T63mbhH/KAcKDLwnFpZsQr7xpoA=",
            "initial_password: This is a hash;",
        ),
    ] {
        let row = row(&[("username", text("adaada")), ("initial_password", text(given))]);
        let reasons = read(&row, &Options::default()).map(drop);
        match reasons {
            Ok(()) => assert_eq!(given, "adaadaada"),
            Err(reasons) => {
                assert!(reasons[0].starts_with(reason) && !reasons.concat().contains(given), "{reasons:?}");
            }
        }
    }
    let both = row(&[
        ("username", text("ada")),
        ("password", text("!x")),
        ("initial_password", text("walnut heron 41")),
    ]);
    assert!(read(&both, &Options::default()).unwrap_err()[0].contains("There is a hash of a password, too."));
}
