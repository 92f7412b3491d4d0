use proptest::prelude::*;

use super::*;

fn attribute(text: &str) -> Attribute {
    Parser::new(text, MOST).attribute().unwrap()
}

fn compare(text: &str, operator: Operator, value: &str) -> Filter {
    Filter::Compare(attribute(text), operator, Literal::Text(value.to_owned()))
}

#[test]
fn and_binds_closer_than_or_and_not_closer_than_both() {
    let [a, b, c] = ["a", "b", "c"].map(|name| compare(name, Operator::Equal, "x"));
    for (text, filter) in [
        (
            "a eq \"x\" or b eq \"x\" and c eq \"x\"",
            Filter::Or(vec![a.clone(), Filter::And(vec![b.clone(), c.clone()])]),
        ),
        (
            "(a eq \"x\" or b eq \"x\") and c eq \"x\"",
            Filter::And(vec![Filter::Or(vec![a.clone(), b.clone()]), c.clone()]),
        ),
        ("not (a eq \"x\") and b eq \"x\"", Filter::And(vec![Filter::Not(Box::new(a.clone())), b.clone()])),
        (
            "A EQ \"x\" AND NOT(b Eq \"x\")",
            Filter::And(vec![compare("A", Operator::Equal, "x"), Filter::Not(Box::new(b.clone()))]),
        ),
    ] {
        assert_eq!(parse(text), Ok(filter), "{text}");
    }
}

#[test]
fn the_examples_of_the_standard_are_read() {
    for text in [
        "userName eq \"bjensen\"",
        "name.familyName co \"O'Malley\"",
        "userName sw \"J\"",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"J\"",
        "title pr",
        "meta.lastModified gt \"2011-05-13T04:42:34Z\"",
        "title pr and userType eq \"Employee\"",
        "schemas eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"",
        "userType eq \"Employee\" and (emails co \"example.com\" or emails.value co \"example.org\")",
        "userType ne \"Employee\" and not (emails co \"example.com\" or emails.value co \"example.org\")",
        "userType eq \"Employee\" and emails[type eq \"work\" and value co \"@example.com\"]",
        "emails[type eq \"work\" and value co \"@example.com\"] or ims[type eq \"xmpp\" and value co \"@foo.com\"]",
        "active eq True",
        "not eq \"an attribute may be called so\"",
        "members.$ref eq \"a \\\"quoted\\\" ) text\"",
        "level ge -1.5e3",
    ] {
        let filter = parse(text).unwrap_or_else(|Fault(reason)| panic!("{text}: {reason}"));
        assert_eq!(parse(&filter.to_string()), Ok(filter.clone()), "{filter}");
    }
}

#[test]
fn what_is_no_filter_is_refused_with_the_place() {
    for (text, reason) in [
        ("", "there is no attribute at character 1"),
        ("userName", "there is no operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr) at character 9"),
        (
            "userName is \"x\"",
            "there is no operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr) at character 10",
        ),
        ("userName eq x", "there is no value, such as \"text\" in quotes, true, 7 or null at character 13"),
        ("userName eq \"x", "there is no value, such as \"text\" in quotes, true, 7 or null at character 13"),
        ("(userName pr", "there is no \")\" at character 13"),
        ("emails[type pr", "there is no \"]\" at character 15"),
        ("userName pr or", "there is no attribute at character 15"),
        ("é pr", "there is no attribute at character 1"),
        ("a.b.c pr", "there is no attribute at character 1"),
        ("User:userName pr", "there is no attribute at character 1"),
        ("userName eq \"ö\" x", "the text goes on after its end at character 17"),
    ] {
        assert_eq!(parse(text), Err(Fault(reason.to_owned())), "{text}");
    }
}

#[test]
fn in_2_a_filter_is_bounded_in_length_and_depth() {
    let nested = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(DEEPEST)).is_ok());
    for text in [nested(DEEPEST + 1), nested(200_000), "a[".repeat(200_000), "not (".repeat(200_000)] {
        assert!(parse(&text).unwrap_err().0.starts_with("the filter is nested too deeply"));
    }
    let long = |comparisons: usize| vec!["a pr"; comparisons].join(" or ");
    assert!(parse(&long(MOST)).is_ok() && parse(&long(MOST + 1)).is_err());
    let path = |comparisons: usize| format!("emails[{}]", long(comparisons));
    assert!(parse_path(&path(MOST_IN_PATH)).is_ok());
    assert!(
        parse_path(&path(MOST_IN_PATH + 1)).unwrap_err().0.starts_with("there are more than 10 comparisons")
    );
    let value = |length: usize| format!("emails[value eq \"{}\"]", "x".repeat(length));
    assert!(parse_path(&value(LONGEST_PATH - 19)).is_ok() && parse_path(&value(LONGEST_PATH)).is_err());
}

#[test]
fn a_path_may_name_some_values_and_a_part_of_them() {
    let path = parse_path("emails[type eq \"work\"].value").unwrap();
    assert_eq!(path.attribute, attribute("emails.value"));
    assert_eq!(path.filter, Some(compare("type", Operator::Equal, "work")));
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let path = parse_path(&format!("{urn}:manager.value")).unwrap();
    assert_eq!(path.attribute.schema.as_deref(), Some(urn));
    assert_eq!((path.attribute.name.as_str(), path.attribute.sub.as_deref()), ("manager", Some("value")));
    for text in ["", "emails[", "emails[type eq \"work\"]value", "name.", "a b", "[type pr]"] {
        assert!(parse_path(text).is_err(), "{text}");
    }
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let attribute = (
        "(urn:[a-z]{1,3}:2\\.0:User:)?",
        "[a-zA-Z][a-zA-Z0-9_-]{0,3}",
        prop::option::of("[a-z][a-z0-9]{0,3}"),
    );
    let attribute = attribute.prop_map(|(schema, name, sub)| Attribute {
        schema: schema.strip_suffix(':').map(str::to_owned),
        name,
        sub,
    });
    let literal = prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Flag),
        any::<i64>().prop_map(|number| Literal::Number(number.into())),
        "\\PC{0,6}|[\"\\\\)\\] \u{0}]{0,6}".prop_map(Literal::Text),
    ];
    let operator = prop::sample::select(Operator::NAMES.map(|(_, operator)| operator).to_vec());
    let leaf = prop_oneof![
        attribute.clone().prop_map(Filter::Present),
        (attribute.clone(), operator, literal)
            .prop_map(|(attribute, operator, value)| { Filter::Compare(attribute, operator, value) }),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            (attribute.clone(), inner.clone())
                .prop_map(|(attribute, inner)| Filter::Any(attribute, Box::new(inner))),
            inner.clone().prop_map(|inner| Filter::Not(Box::new(inner))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner, 2..4).prop_map(Filter::Or),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(filter in any_filter()) {
        let text = filter.to_string();
        prop_assert_eq!(parse(&text), Ok(filter), "{}", text);
    }

    #[test]
    fn in_2_no_text_makes_the_parser_panic(text in "(\\PC|[a-c.:$\\[\\]()\" \\\\]|eq|and|or|not|pr){0,40}") {
        let _ = (parse(&text), parse_path(&text));
    }
}
