//! What rows become, and what is told of those that become nothing.

use proptest::prelude::*;

use super::super::row::{FIELDS, Place};
use super::*;

mod passwords;

fn row(members: &[(&'static str, Raw)]) -> Row {
    let mut row = Row::new(Place { line: 2, row: 1 });
    for (field, value) in members {
        row.add(field, value.clone());
    }
    row
}

fn text(text: &str) -> Raw {
    Raw::Text(text.into())
}

fn ada(field: &'static str, value: Raw) -> Result<Record, Vec<String>> {
    read(&row(&[("username", text("ada")), (field, value)]), &Options::default())
}

/// What is stored of the password.
fn stored(record: &Record) -> &str {
    match &record.password {
        Secret::Hash(hash) => hash.as_str(),
        Secret::Weak(_) => "weak",
        Secret::Initial(password) => password.as_str(),
        Secret::Unchecked => "unchecked",
    }
}

const NOW: Timestamp = Timestamp::from_micros(7);

#[test]
fn a_name_alone_makes_a_user_like_a_new_one_who_cannot_sign_in() {
    let record = read(&row(&[("username", text(" ada "))]), &Options::default()).unwrap();
    let user = record.new_user(NOW);
    assert_eq!(user.username.as_str(), "ada");
    assert_eq!(user, User { username: user.username.clone(), ..User::blank(NOW) });
    assert_eq!(stored(&record), "!");
}

#[test]
fn everything_is_kept_to_the_microsecond() {
    let record = row(&[
        ("username", text("Ada")),
        ("pk", Raw::Integer(7)),
        ("last_login", text("2026-11-01T00:00:00.000001Z")),
        ("is_superuser", Raw::Bool(true)),
        ("first_name", text("Ada")),
        ("last_name", text("Lovelace")),
        ("email", text("ada@example.org")),
        ("is_staff", text("yes")),
        ("is_active", Raw::Integer(0)),
        ("date_joined", text("2019-08-16 03:58:50.762+02:00")),
        ("password", text("!x")),
        ("must_change_password", text("WAHR")),
        ("password_changed_at", text("2026-10-01T00:00:00.000001Z")),
        ("preferences", text("{\"theme\":\"dark\"}")),
    ]);
    let record = read(&record, &Options::default());
    let record = record.unwrap();
    let user = record.new_user(NOW);
    assert_eq!(user.last_login.unwrap().to_string(), "2026-11-01T00:00:00.000001Z");
    assert_eq!(user.date_joined.to_string(), "2019-08-16T01:58:50.762000Z");
    assert_eq!((user.id, user.is_superuser, user.is_staff, user.is_active), (UserId(7), true, true, false));
    assert_eq!(
        (user.first_name.as_str(), user.last_name.as_str(), user.email.as_str(), user.version),
        ("Ada", "Lovelace", "ada@example.org", 1)
    );
    assert_eq!(stored(&record), "!x");
    assert_eq!(user.password_changed_at.unwrap().to_string(), "2026-10-01T00:00:00.000001Z");
    assert!(user.must_change_password && record.preferences.contains("dark"));
}

#[test]
fn all_reasons_of_a_row_are_given_at_once() {
    let mut row = row(&[
        ("pk", Raw::Integer(0)),
        ("email", text("x\0")),
        ("is_superuser", text("perhaps")),
        ("date_joined", Raw::Null),
        ("last_login", text("yesterday")),
        ("password", Raw::Integer(7)),
        ("preferences", text("{\"rows\":1000000}")),
    ]);
    row.problems.push("\"is_staf\" is not a field of a user.".into());
    let reasons = read(&row, &Options::default()).unwrap_err();
    let fields: Vec<_> = reasons.iter().map(|reason| reason.split(':').next().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "\"is_staf\" is not a field of a user.",
            "date_joined",
            "email",
            "is_superuser",
            "last_login",
            "password",
            "pk",
            "preferences",
            "username"
        ]
    );
}

#[test]
fn primary_keys_leave_room_for_all_that_follow() {
    for (given, id) in
        [(Raw::Integer(1), 1), (text("7"), 7), (text("007"), 7), (Raw::Integer(HIGHEST_ID), HIGHEST_ID)]
    {
        assert_eq!(ada("pk", given).unwrap().id, Some(UserId(id)));
    }
    assert_eq!(ada("pk", Raw::Null).unwrap().id, None);
    for given in [
        Raw::Integer(0),
        Raw::Integer(-1),
        Raw::Integer(HIGHEST_ID + 1),
        Raw::Integer(i64::MAX),
        Raw::Other,
        Raw::Bool(true),
        text("+7"),
        text("7.5"),
        text(""),
        text("99999999999999999999"),
    ] {
        assert!(
            ada("pk", given.clone()).unwrap_err()[0].starts_with("pk: Must be a whole number"),
            "{given:?}"
        );
        let renumbered = Options { new_keys: true, ..Options::default() };
        let record = read(&row(&[("username", text("ada")), ("pk", given)]), &renumbered).unwrap();
        assert_eq!((record.id, record.notes), (None, vec!["pk: gets a new one.".to_owned()]));
    }
}

#[test]
fn dates_that_could_not_be_shown_are_refused() {
    for given in [
        text(""),
        text("9999-12-31T23:59:59-00:01"),
        text("0000-01-01T00:00:00+00:01"),
        text("2024-02-30"),
        Raw::Integer(7),
        Raw::Other,
    ] {
        assert!(ada("date_joined", given.clone()).is_err(), "{given:?}");
        assert!(ada("last_login", given.clone()).is_err(), "{given:?}");
    }
    assert!(ada("date_joined", text("9999-12-31T23:59:59.999999Z")).is_ok());
    assert!(ada("last_login", Raw::Null).is_ok());
}

#[test]
fn names_of_several_lines_are_joined_and_that_is_noted() {
    let record = ada("first_name", text("Ada\r\nAugusta")).unwrap();
    assert_eq!(record.new_user(NOW).first_name, "Ada Augusta");
    assert_eq!(record.notes, ["first_name: its lines are joined."]);
    let reasons = read(&row(&[("username", text("ada\nb"))]), &Options::default()).unwrap_err();
    assert_eq!(reasons, ["username: Control characters are not allowed."]);
}

#[test]
fn words_for_no_end_and_no_beginning_are_known_where_they_open_no_account() {
    for (field, word) in [
        ("valid_until", "infinity"),
        ("valid_until", "Never"),
        ("valid_from", "-infinity"),
        ("last_login", "never"),
        ("last_login", "-infinity"),
    ] {
        let user = ada(field, text(word)).unwrap().new_user(NOW);
        assert_eq!((user.valid_from, user.valid_until, user.last_login), (None, None, None), "{field}");
    }
    for (field, word) in [
        ("valid_until", "-infinity"),
        ("valid_from", "infinity"),
        ("valid_from", "never"),
        ("date_joined", "infinity"),
    ] {
        assert!(ada(field, text(word)).is_err(), "{field} {word}");
    }
}

#[test]
fn whole_numbers_among_gaps_are_primary_keys() {
    for given in ["7.0", " 7 ", "7"] {
        assert_eq!(ada("pk", text(given)).unwrap().id, Some(UserId(7)), "{given}");
    }
    for given in ["7.5", "7.00", "+7", "7e0", ".0", "9007199254740993.0"] {
        assert!(ada("pk", text(given)).is_err(), "{given}");
    }
}

#[test]
fn accounts_of_superusers_have_no_dates_and_others_end_after_they_begin() {
    let dated = |superuser: &str, from: &str, until: &str| {
        let row = row(&[
            ("username", text("ada")),
            ("is_superuser", text(superuser)),
            ("valid_from", text(from)),
            ("valid_until", if until.is_empty() { Raw::Null } else { text(until) }),
        ]);
        read(&row, &Options::default()).map(|record| record.new_user(NOW).valid_from.is_some())
    };
    assert_eq!(dated("no", "2024-01-01", "2025-01-01"), Ok(true));
    assert!(dated("yes", "2024-01-01", "").unwrap_err()[0].starts_with("is_superuser: A superuser's"));
    assert!(dated("no", "2025-01-01", "2024-01-01").unwrap_err()[0].starts_with("valid_until: The account"));
}

#[test]
fn without_a_name_the_address_is_one_and_a_uuid_is_no_key() {
    let row = row(&[("email", text("a@b.co")), ("pk", text("0a93ced4-b6ea-4f2c-a9e3-0a6a08b0d400"))]);
    let record = read(&row, &Options::default()).unwrap();
    assert_eq!((record.username.as_str(), record.id), ("a@b.co", None));
}

#[test]
fn a_key_that_a_program_made_is_no_name_where_there_is_an_address() {
    for key in ["auth0|64b1f0c2a1b2c3d4e5f60718", "google-oauth2|103", "0a93ced4-b6ea-4f2c-a9e3-0a6a08b0d400"]
    {
        let with = |email: &str| {
            let row = row(&[("username", text(key)), ("email", text(email))]);
            read(&row, &Options::default()).unwrap().username.as_str().to_owned()
        };
        assert_eq!((with("ada@example.org"), with("")), ("ada@example.org".to_owned(), key.to_owned()));
    }
}

#[test]
fn whole_names_and_opposite_flags_are_understood() {
    let row = row(&[
        ("username", text("ada")),
        ("full_name", text(" Augusta Ada  King ")),
        ("is_blocked", text("Yes")),
    ]);
    let user = read(&row, &Options::default()).unwrap().new_user(NOW);
    assert_eq!((user.first_name.as_str(), user.last_name.as_str()), ("Augusta Ada", "King"));
    assert!(!user.is_active);
    for (first, last, whole, expected) in [
        ("", "Byron", "Ada Byron", ("Ada", "Byron")),
        ("Ada", "", "Ada  King", ("Ada", "King")),
        ("", "King", "Ada Byron", ("", "King")),
        ("A", "B", "Ada Byron", ("A", "B")),
        ("", "", "Ada", ("Ada", "")),
        ("", "", "King Byron, Augusta Ada", ("Augusta Ada", "King Byron")),
        ("", "", "Ada Byron, Ph.D.", ("Ada", "Byron, Ph.D.")),
        ("Ada", "", "King Byron, Ada", ("Ada", "King Byron")),
        ("", "King Byron", "King Byron, Ada", ("Ada", "King Byron")),
        ("Jo", "", "John Smith", ("Jo", "")),
        ("", "son", "John Johnson", ("", "son")),
    ] {
        let row = super::tests::row(&[
            ("username", text("ada")),
            ("first_name", text(first)),
            ("last_name", text(last)),
            ("full_name", text(whole)),
        ]);
        let user = read(&row, &Options::default()).unwrap().new_user(NOW);
        assert_eq!((user.first_name.as_str(), user.last_name.as_str()), expected, "{whole}");
    }
}

#[test]
fn states_of_accounts_are_understood_in_the_words_of_other_programs() {
    for (state, active, changes) in [
        ("ACTIVE", true, false),
        ("STAGED", false, false),
        ("PROVISIONED", true, false),
        ("RECOVERY", true, false),
        ("PASSWORD_EXPIRED", true, true),
        ("Password expired", true, true),
        ("LOCKED_OUT", true, false),
        ("Suspended", false, false),
        ("Deactivated", false, false),
        ("sí", true, false),
        ("Não", false, false),
        ("Inactief", false, false),
        ("fałsz", false, false),
    ] {
        let user = ada("is_active", text(state)).unwrap().new_user(NOW);
        assert_eq!((user.is_active, user.must_change_password), (active, changes), "{state}");
    }
    assert!(ada("is_active", text("retired")).is_err());
}

#[test]
fn dates_may_be_numbers() {
    let joined = |given| ada("date_joined", given).map(|record| record.new_user(NOW).date_joined.to_string());
    assert_eq!(joined(Raw::Integer(1_704_067_200)).unwrap(), "2024-01-01T00:00:00.000000Z");
    assert_eq!(joined(Raw::Integer(1_704_067_200_123)).unwrap(), "2024-01-01T00:00:00.123000Z");
    assert!(ada("last_login", Raw::Integer(0)).unwrap().new_user(NOW).last_login.is_none());
    for text_of in ["03/04/2024", "03-04-2024"] {
        assert!(joined(text(text_of)).unwrap_err()[0].contains("--dates"), "{text_of}");
    }
    assert!(joined(text("yesterday")).unwrap_err()[0].contains("Must be a date and time"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(given in "\\PC{0,30}|[0-9T:. +-]{0,30}", field in 0..FIELDS.len()) {
        drop(read(&row(&[(FIELDS[field], Raw::Text(given))]), &Options::default()));
    }
}
