use proptest::prelude::*;

use super::*;
use crate::model::address;
use crate::model::filter::Filter as Users;
use crate::model::user::{User, Username};
use crate::scim::filter::parse;

fn user(id: i64, username: &str, first_name: &str, email: &str, is_active: bool) -> User {
    User {
        id: UserId(id),
        username: Username::parse(username).unwrap(),
        first_name: first_name.into(),
        email: address::canonical(email).into_owned(),
        is_active,
        ..User::blank(Timestamp::parse("2026-03-01T09:00:00Z").unwrap())
    }
}

fn users() -> Vec<User> {
    vec![
        user(1, "Ada", "Ada", "ada@Example.org", true),
        user(2, "adam", "", "", false),
        User {
            modified_at: Timestamp::parse("2026-03-02"),
            ..user(3, "zoë", "ZOË", "zoe@straße.example", true)
        },
    ]
}

fn found(filter: &str) -> Result<Vec<i64>> {
    let called = Called::from([("A-1".to_owned(), UserId(1))]);
    let asked = parse(filter).unwrap_or_else(|fault| panic!("{filter}: {fault:?}"));
    let filter =
        Users { expressions: vec![expression(&asked, &called)?], include_inactive: true, ..Users::default() };
    Ok(users().iter().filter(|user| filter.matches(user)).map(|user| user.id.0).collect())
}

#[test]
fn a_filter_finds_what_the_standard_says() {
    for (filter, ids) in [
        ("userName eq \"ADA\"", vec![1]),
        ("userName ne \"ADA\"", vec![2, 3]),
        ("userName eq \"ａｄａ\"", vec![1]),
        ("username SW \"ad\"", vec![1, 2]),
        ("userName ew \"Ë\"", vec![3]),
        ("userName co \"DA\"", vec![1, 2]),
        ("userName co \"\"", vec![1, 2, 3]),
        ("userName gt \"ada\"", vec![2, 3]),
        ("userName pr", vec![1, 2, 3]),
        ("name.givenName eq \"zoë\"", vec![3]),
        ("name.givenName pr", vec![1, 3]),
        ("not (name.givenName pr)", vec![2]),
        ("name.givenName eq null", vec![2]),
        ("name.givenName ne null", vec![1, 3]),
        ("displayName eq \"ADA\"", vec![1]),
        ("emails pr", vec![1, 3]),
        ("emails co \"EXAMPLE\"", vec![1, 3]),
        ("emails.value eq \"ada@example.org\"", vec![1]),
        ("emails lt \"b\"", vec![1]),
        ("emails le \"\"", vec![]),
        ("emails ge \"\"", vec![1, 3]),
        ("not (emails lt \"b\")", vec![2, 3]),
        ("emails co \"\"", vec![1, 3]),
        ("name.givenName sw \"\"", vec![1, 3]),
        ("name.givenName lt \"b\"", vec![1]),
        ("name.familyName ew \"\"", vec![]),
        ("emails eq null", vec![2]),
        ("emails.type eq null", vec![2]),
        ("emails.primary eq null", vec![2]),
        ("emails.type ne null", vec![1, 3]),
        ("emails[type eq null]", vec![]),
        ("emails.value ew \"@straße.example\"", vec![3]),
        ("emails.type eq \"work\"", vec![1, 3]),
        ("emails.type ne \"work\"", vec![2]),
        ("emails[type eq \"Work\" and value sw \"a\"]", vec![1]),
        ("emails[type eq \"home\"]", vec![]),
        ("emails[not (type eq \"home\")]", vec![1, 3]),
        ("emails[primary eq true]", vec![1, 3]),
        ("active eq false", vec![2]),
        ("active eq \"False\"", vec![2]),
        ("active ne true", vec![2]),
        ("id eq \"2\" or externalId eq \"A-1\"", vec![1, 2]),
        ("externalId eq \"a-1\"", vec![]),
        ("externalId ne \"A-1\"", vec![2, 3]),
        ("id eq \"02\"", vec![]),
        ("meta.created ge \"2026-03-01T10:00:00+01:00\"", vec![1, 2, 3]),
        ("meta.created lt \"2026-03-01T09:00:00Z\"", vec![]),
        ("meta.lastModified eq \"2026-03-01T09:00:00Z\"", vec![1, 2]),
        ("meta.lastModified gt \"2026-03-01T09:00:00Z\"", vec![3]),
        ("meta.resourceType eq \"User\" and userName eq \"ada\"", vec![1]),
        (
            "urn:ietf:params:scim:schemas:core:2.0:user:USERNAME eq \"ada\" and (active eq true or id eq \"9\")",
            vec![1],
        ),
    ] {
        assert_eq!(found(filter), Ok(ids), "{filter}");
    }
}

#[test]
fn in_2_an_attribute_that_cannot_be_filtered_by_is_refused_and_never_finds_nothing() {
    for filter in [
        "title pr",
        "password eq \"secret\"",
        "password pr",
        "is_superuser eq true",
        "groups eq \"x\"",
        "addresses[type eq \"work\"]",
        "name eq \"Ada\"",
        "name.honorificPrefix pr",
        "meta.lastModified co \"2026\"",
        "meta.created gt \"yesterday\"",
        "meta.created co \"2026\"",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"x\"",
        "urn:other:userName eq \"x\"",
        "emails[emails.value eq \"x\"]",
        "emails[emails[value eq \"x\"]]",
        "userName[value eq \"x\"]",
        "active gt true",
        "active eq \"perhaps\"",
        "active eq 1",
        "externalId pr",
        "externalId co \"A\"",
        "id gt \"1\"",
        "userName eq 7",
        "userName gt null",
        "userName eq \"a\\u0000\"",
        "displayName co \"Ada\"",
        "userName eq \"ada\" or title pr",
    ] {
        assert_eq!(found(filter).unwrap_err().kind, Kind::InvalidFilter, "{filter}");
    }
}

#[test]
fn an_order_is_by_what_has_a_value_in_every_user() {
    let first = |sort_by, sort_order| order(Some(sort_by), sort_order).map(|orders| orders[0]);
    let by = |field, ascending| Ok(Order { field, ascending, nulls_first: false });
    assert_eq!(first("userName", None), by(Field::Text(TextField::UsernameKey), true));
    assert_eq!(first("NAME.familyname", Some("Descending")), by(Field::Text(TextField::LastName), false));
    assert_eq!(first("emails", Some("ascending")), by(Field::Text(TextField::Email), true));
    assert_eq!(order(None, Some("descending")), Ok(Vec::new()));
    for (sort_by, sort_order) in
        [("title", None), ("active", None), ("emails[x pr]", None), ("id", Some("up")), ("", None)]
    {
        assert!(first(sort_by, sort_order).is_err(), "{sort_by}");
    }
}

proptest! {
    /// `sw` is asked for by an interval.
    #[test]
    fn a_text_begins_with_another_if_it_lies_between_that_and_the_next(
        text in "[ab\u{d7ff}\u{e000}\u{10ffff}]{0,5}", start in "[ab\u{d7ff}\u{e000}\u{10ffff}]{1,3}",
    ) {
        let lies = text >= start && after_all(&start).is_none_or(|after| text < after);
        prop_assert_eq!(lies, text.starts_with(&start));
    }
}
