use super::*;
use crate::model::clock::Timestamp;
use crate::model::user::{User, UserId, Username};

fn ada() -> Provisioned {
    let user = User {
        id: UserId(7),
        username: Username::parse("ada").unwrap(),
        first_name: "Ada".into(),
        last_name: "Lovelace".into(),
        email: "ada@example.org".into(),
        ..User::blank(Timestamp::from_micros(0))
    };
    Provisioned { user, external_id: Some("A-7".into()) }
}

fn asked(resource: Value) -> Asked {
    let Value::Object(resource) = resource else { unreachable!() };
    Asked::read(&resource).unwrap()
}

#[test]
fn a_resource_that_is_sent_back_asks_for_nothing() {
    let resource = write(&ada(), "http://x/scim/v2");
    let before = Asked::read(&resource).unwrap();
    let (input, external_id) = before.clone().since(&before).into_input(false);
    assert!(input.errors.is_empty() && external_id.is_none());
    assert_eq!(input.changes.apply(&ada().user), ada().user);
}

#[test]
fn attributes_are_known_in_any_letter_case_and_truth_in_any_spelling() {
    for active in [json!(false), json!("False"), json!("false"), json!(0)] {
        let (input, _) = asked(json!({"USERNAME": "x", "Active": active})).into_input(true);
        assert!(input.errors.is_empty());
        assert_eq!(input.changes.is_active, Some(false));
    }
    let twice = json!({"userName": "a", "username": "b"});
    assert_eq!(Asked::read(twice.as_object().unwrap()).unwrap_err().kind, Kind::InvalidSyntax);
}

#[test]
fn of_several_addresses_the_primary_one_is_stored_else_that_of_work_else_the_first() {
    for (emails, stored) in [
        (
            json!([{"value": "a", "type": "home"}, {"value": "b", "primary": true}, {"value": "c", "type": "work"}]),
            "b",
        ),
        (json!([{"value": "a", "type": "home"}, {"value": "c", "type": "WORK"}]), "c"),
        (json!([{"value": "a"}, {"value": "b", "primary": "False"}]), "a"),
        (json!([{"primary": true}, {"value": "b"}]), "b"),
        (json!({"value": "a"}), "a"),
        (json!([]), ""),
        (json!(null), ""),
    ] {
        assert_eq!(asked(json!({ "emails": emails })).email, Raw::from(stored));
    }
    for emails in [json!("a"), json!(["a"]), json!(7), json!(vec![json!({"value": "a"}); MOST_EMAILS + 1])] {
        let resource = json!({ "emails": emails });
        assert_eq!(Asked::read(resource.as_object().unwrap()).unwrap_err().kind, Kind::InvalidValue);
    }
}

#[test]
fn an_answer_has_the_attributes_that_were_asked_for_and_always_its_id() {
    let names = |attributes: Option<&str>, excluded: Option<&str>| {
        let selected = Selection::parse(attributes, excluded).unwrap().of(write(&ada(), ""));
        let mut paths = Vec::new();
        for (name, value) in &selected {
            match value {
                Value::Object(parts) => paths.extend(parts.keys().map(|part| format!("{name}.{part}"))),
                _ => paths.push(name.clone()),
            }
        }
        paths.sort();
        paths.join(" ")
    };
    assert_eq!(names(Some("username"), None), "id schemas userName");
    assert_eq!(names(Some("name.familyName, nothing"), None), "id name.familyName schemas");
    assert_eq!(names(Some("name"), None), "id name.familyName name.givenName schemas");
    assert_eq!(names(Some(&format!("{USER}:active")), Some("active")), "active id schemas");
    let without = "meta,id,emails,name.givenName,displayName,externalId,schemas";
    assert_eq!(names(None, Some(without)), "active id name.familyName schemas userName");
    let emails = Selection::parse(Some("emails.value"), None).unwrap().of(write(&ada(), ""));
    assert_eq!(emails["emails"], json!([{"value": "ada@example.org"}]));
}

#[test]
fn in_4_an_answer_is_asked_for_by_at_most_a_hundred_names_and_each_is_looked_at_once() {
    let list = |names: usize| vec!["userName"; names].join(",");
    for refused in [(Some(list(101)), None), (None, Some(list(101)))] {
        let refusal = Selection::parse(refused.0.as_deref(), refused.1.as_deref()).unwrap_err();
        assert_eq!(refusal.kind, Kind::InvalidValue);
    }
    let selection = Selection::parse(Some(&format!("{USER}:USERNAME,{}", list(99))), None).unwrap();
    assert_eq!(selection.attributes, ["username"]);
}
