//! What users may be called, and how they are read from what was sent.

use super::*;
use crate::model::password_policy::Policy;
use crate::model::raw::Raw;

#[test]
fn a_username_has_letters_of_any_script_and_five_signs() {
    for name in ["a", "Zoë", "олег", "名前", "a@b.c+d-e_f", "x٣", "सुनीता.शर्मिष्ठी", "พิมพ์ดาว"]
    {
        assert_eq!(Username::parse(name).unwrap().as_str(), name);
    }
    for name in ["a b", "a'b", "a/b", "a\u{ad}b", "🙂", "a,b"] {
        assert!(matches!(Username::parse(name), Err(Message::UsernameCharacters(_))), "{name}");
    }
}

#[test]
fn a_username_is_stored_trimmed_and_in_normal_form_c() {
    assert_eq!(Username::parse("\u{a0}e\u{301}va\u{3000}").unwrap().as_str(), "\u{e9}va");
}

#[test]
fn lengths_count_code_points() {
    assert!(Username::parse(&"é".repeat(150)).is_ok());
    assert_eq!(Username::parse(&"é".repeat(151)), Err(Message::TooLong { most: 150, given: 151 }));
}

#[test]
fn names_that_could_never_be_fetched_are_reserved() {
    for name in ["list", "Create", "007", ".", "..", "４２"] {
        assert!(Username::parse(name).unwrap().is_reserved(), "{name}");
    }
    for name in ["lists", "7a", "...", "a.b"] {
        assert!(!Username::parse(name).unwrap().is_reserved(), "{name}");
    }
}

/// An address as a user may be given it.
fn parse_email(given: &str) -> Result<String, Message> {
    let email = parse_existing_email(given)?;
    check_new_email(&email)?;
    Ok(email)
}

#[test]
fn email_addresses_follow_djangos_rule() {
    for email in [
        "",
        "a@b.co",
        "a.b+c@d-e.example",
        "a@localhost",
        "\"a(b\"@example.com",
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "o'brien@example.ie",
        "a@xn--bcher-kva.example",
        "A@B.CO",
    ] {
        assert_eq!(parse_email(email).as_deref(), Ok(email));
    }
    assert_eq!(parse_email("A@BÜCHER.example").as_deref(), Ok("A@xn--bcher-kva.example"));
    // Short enough in Unicode, and too long in ASCII.
    let label: String = ('а'..='я').collect();
    let long = format!("a@{}.example", vec![label; 6].join("."));
    assert!(long.chars().count() < EMAIL_LENGTH && parse_email(&long).is_err(), "{long}");
    for email in [
        "a",
        "a@b",
        "@b.co",
        "a@",
        "a b@c.de",
        "a@b..de",
        "a@-b.de",
        "a@b.c",
        ".a@b.co",
        "a@b.123",
        "a@b.co\n.x",
        "a@@b.co",
        "a@[300.1.1.1]",
        "a@b_c.de",
        "a@b\u{ff20}c.de",
        "a@b\u{2100}c.de",
        "ü@b.de",
        &format!("a@{}.de", "ü".repeat(64)),
    ] {
        assert!(parse_email(email).is_err(), "{email}");
    }
}

/// What was imported as it was elsewhere.
fn existing() -> User {
    User {
        username: Username::parse_existing(" DOMAIN\\O'Sullivan ").unwrap(),
        email: "bob@server".into(),
        ..User::blank(Timestamp::from_micros(0))
    }
}

#[test]
fn a_name_and_an_address_that_exist_elsewhere_are_kept_and_replaced_only_by_valid_ones() {
    let before = existing();
    let told = |username: &str, email: &str| {
        let patch = UserPatch { username: username.into(), email: email.into(), ..UserPatch::default() };
        let errors = patch.into_input(InputMode::Part).check(Policy::default(), &before);
        errors.iter().map(|(field, _)| field).collect::<Vec<_>>()
    };
    assert_eq!(before.username.as_str(), "DOMAIN\\O'Sullivan");
    assert!(told("DOMAIN\\O'Sullivan", "bob@server").is_empty(), "nothing of it was changed");
    assert!(told("osullivan", "bob@example.org").is_empty());
    assert_eq!(told("O'Sullivan", "bob@host"), ["email", "username"]);
    assert_eq!(told(&"x".repeat(151), ""), ["username"]);
    for nothing in ["", " ", "a\0b", "a\u{202e}b", &"x".repeat(255)] {
        assert!(Username::parse_existing(nothing).is_err(), "{nothing:?}");
    }
}

#[test]
fn all_bad_fields_are_reported_at_once() {
    let patch = UserPatch {
        username: "  ".into(),
        first_name: Raw::Integer(1),
        email: Raw::Null,
        is_staff: "perhaps".into(),
        ..UserPatch::default()
    };
    let input = patch.into_input(InputMode::Whole);
    let messages: Vec<_> = input.errors.iter().map(|(field, message)| (field, message.to_string())).collect();
    let messages: Vec<_> = messages.iter().map(|(field, message)| (*field, message.as_str())).collect();
    assert_eq!(
        messages,
        [
            ("email", "This field may not be null."),
            ("first_name", "Not a valid string."),
            ("is_staff", "Must be a valid boolean."),
            ("last_name", "This field is required."),
            ("password", "This field is required."),
            ("username", "This field may not be blank."),
        ]
    );
}

#[test]
fn the_password_is_read_as_received() {
    let patch = UserPatch { password: " e\u{301} ".into(), ..UserPatch::default() };
    assert_eq!(patch.into_input(InputMode::Part).changes.password.unwrap().as_str(), " e\u{301} ");
}

#[test]
fn a_part_leaves_the_rest_as_it_is() {
    let mut before = User::blank(Timestamp::from_micros(0));
    before.is_staff = true;
    before.email = "a@b.co".into();
    let patch: UserPatch = serde_json::from_str(r#"{"first_name": "Ada", "age": 7}"#).unwrap();
    let after = patch.into_input(InputMode::Part).changes.apply(&before);
    assert_eq!(after, User { first_name: "Ada".into(), ..before });
}
