use proptest::prelude::*;
use serde_json::json;

use super::*;

fn ada() -> Map<String, Value> {
    let resource = json!({
        "schemas": [USER],
        "id": "7",
        "userName": "ada",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": "ada@example.org", "type": "work", "primary": true}],
        "active": true,
        "meta": {"version": "W/\"1\""},
    });
    let Value::Object(resource) = resource else { unreachable!() };
    resource
}

fn patched(operations: &Value) -> Result<Map<String, Value>> {
    let mut resource = ada();
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    apply(&mut resource, body.as_object().unwrap())?;
    Ok(resource)
}

#[test]
fn an_operation_has_its_spellings() {
    for operation in [
        json!({"op": "replace", "path": "active", "value": false}),
        json!({"op": "Replace", "path": "ACTIVE", "value": false}),
        json!({"op": "add", "path": format!("{USER}:active"), "value": false}),
        json!({"op": "Add", "value": {"active": false}}),
        json!({"OP": "replace", "Value": {"id": "7", "Active": false, "nonsense": 1}}),
        json!({"op": "replace", "value": {format!("{USER}:active"): false}}),
        json!({"op": "add", "value": {USER: {"active": false, ENTERPRISE: {"department": "Engines"}}}}),
    ] {
        assert_eq!(patched(&json!([operation])).unwrap()["active"], json!(false), "{operation}");
    }
}

#[test]
fn values_of_several_are_chosen_by_a_filter_or_made_of_it() {
    for (operation, emails) in [
        (
            json!({"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "b@x.org"}),
            json!([{"value": "b@x.org", "type": "work", "primary": true}]),
        ),
        (
            json!({"op": "Add", "path": "emails[type eq \"home\"].value", "value": "b@x.org"}),
            json!([
                {"value": "ada@example.org", "type": "work", "primary": true},
                {"value": "b@x.org", "type": "home"},
            ]),
        ),
        (
            json!({"op": "replace", "path": "emails[primary eq true]", "value": {"value": "b@x.org"}}),
            json!([{"value": "b@x.org", "type": "work", "primary": true}]),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"WORK\" and not (value co \"zoe\")]", "value": "b@x.org"}),
            json!([{"value": "b@x.org", "type": "work", "primary": true}]),
        ),
        (
            json!({"op": "replace", "path": "emails", "value": [{"value": "b@x.org"}]}),
            json!([{"value": "b@x.org"}]),
        ),
        (
            json!({"op": "replace", "path": "emails.value", "value": "b@x.org"}),
            json!([{"value": "b@x.org", "type": "work", "primary": true}]),
        ),
        (
            json!({"op": "add", "path": "emails", "value": {"value": "b@x.org", "primary": true}}),
            json!([
                {"value": "ada@example.org", "type": "work", "primary": false},
                {"value": "b@x.org", "primary": true},
            ]),
        ),
        (json!({"op": "add", "path": "emails", "value": ada()["emails"]}), ada()["emails"].clone()),
        (json!({"op": "remove", "path": "emails[type eq \"work\"]"}), json!([])),
        (json!({"op": "remove", "path": "emails[type eq \"home\"]"}), ada()["emails"].clone()),
        (json!({"op": "remove", "path": "emails"}), json!([])),
        (
            json!({"op": "remove", "path": "emails[type ew \"ork\"].value"}),
            json!([{"type": "work", "primary": true}]),
        ),
    ] {
        assert_eq!(patched(&json!([operation])).unwrap()["emails"], emails, "{operation}");
    }
}

#[test]
fn the_parts_of_a_name_are_changed_alone_or_together() {
    for (operation, name) in [
        (
            json!({"op": "replace", "path": "name.givenName", "value": "A."}),
            json!({"givenName": "A.", "familyName": "Lovelace"}),
        ),
        (
            json!({"op": "replace", "value": {"name.givenname": "A."}}),
            json!({"givenName": "A.", "familyName": "Lovelace"}),
        ),
        (
            json!({"op": "replace", "path": "name", "value": {"givenName": "A."}}),
            json!({"givenName": "A.", "familyName": "Lovelace"}),
        ),
        (json!({"op": "remove", "path": "name.familyName"}), json!({"givenName": "Ada"})),
    ] {
        assert_eq!(patched(&json!([operation])).unwrap()["name"], name, "{operation}");
    }
    assert!(!patched(&json!([{"op": "remove", "path": "name"}])).unwrap().contains_key("name"));
}

#[test]
fn what_is_not_stored_is_let_go() {
    for operation in [
        json!({"op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "Engines"}),
        json!({"op": "add", "path": ENTERPRISE, "value": {"department": "Engines"}}),
        json!({"op": "add", "value": {ENTERPRISE: {"department": "Engines"}}}),
        json!({"op": "replace", "path": "addresses[type eq \"work\"].country", "value": "GB"}),
    ] {
        assert_eq!(patched(&json!([operation])).unwrap(), ada(), "{operation}");
    }
}

#[test]
fn what_cannot_be_carried_out_is_refused_by_its_kind() {
    for (operations, kind) in [
        (json!(null), Kind::InvalidSyntax),
        (json!([]), Kind::InvalidSyntax),
        (json!(["replace"]), Kind::InvalidSyntax),
        (json!(vec![json!({"op": "add", "value": {}}); MOST + 1]), Kind::InvalidSyntax),
        (json!([{"op": "move", "path": "active"}]), Kind::InvalidSyntax),
        (json!([{"path": "active", "value": true}]), Kind::InvalidSyntax),
        (json!([{"op": "remove"}]), Kind::NoTarget),
        (
            json!([{"op": "replace", "path": "emails[value co \"zoe\"].type", "value": "work"}]),
            Kind::NoTarget,
        ),
        (json!([{"op": "replace", "path": "active"}]), Kind::InvalidValue),
        (json!([{"op": "replace", "value": "Ada"}]), Kind::InvalidValue),
        (json!([{"op": "replace", "path": "nothing", "value": "x"}]), Kind::InvalidPath),
        (json!([{"op": "replace", "path": "urn:other:User:active", "value": true}]), Kind::InvalidPath),
        (json!([{"op": "replace", "path": "emails[", "value": "x"}]), Kind::InvalidPath),
        (json!([{"op": "replace", "path": "name[givenName eq \"x\"]", "value": "x"}]), Kind::InvalidPath),
        (json!([{"op": "replace", "path": "emails[value gt \"x\"]", "value": "x"}]), Kind::InvalidPath),
        (json!([{"op": "replace", "path": "emails[a[b pr]]", "value": "x"}]), Kind::InvalidPath),
        (json!([{"op": "replace", "path": 7, "value": "x"}]), Kind::InvalidPath),
        (json!([{"op": "replace", "path": "id", "value": "8"}]), Kind::Mutability),
        (json!([{"op": "remove", "path": "userName"}]), Kind::Mutability),
        (json!([{"op": "remove", "path": "active"}]), Kind::Mutability),
        (json!([{"op": "remove", "path": "password"}]), Kind::Mutability),
        (json!([{"op": "replace", "path": "active", "value": null}]), Kind::InvalidValue),
        (json!([{"op": "add", "value": {"userName": null}}]), Kind::InvalidValue),
        (json!([{"op": "add", "value": {"active": true, "Active": false}}]), Kind::InvalidSyntax),
        (
            json!([{"op": "add", "path": "name", "value": {"givenName": "A", "givenname": "B"}}]),
            Kind::InvalidSyntax,
        ),
        (json!([{"op": "add", "path": "active", "value": true, "VALUE": false}]), Kind::InvalidSyntax),
    ] {
        assert_eq!(patched(&operations).unwrap_err().kind, kind, "{operations}");
    }
}

#[test]
fn in_2_what_would_be_looked_at_again_and_again_is_small() {
    let parts = |count: usize| -> Map<String, Value> {
        (0..count).map(|n| (format!("part{n}"), json!(""))).collect()
    };
    let long = "x".repeat(EMAIL_LENGTH + 1);
    let one_by_one: Vec<Value> =
        (0..MOST).map(|n| json!({"op": "add", "path": format!("name.part{n}"), "value": ""})).collect();
    for operations in [
        json!([{"op": "add", "path": "name", "value": parts(MOST_MEMBERS + 1)}]),
        json!([{"op": "add", "value": parts(MOST_MEMBERS + 1)}]),
        json!(one_by_one),
        json!([{"op": "add", "path": "emails", "value": {"value": long}}]),
        json!([{"op": "add", "path": "emails.value", "value": long}]),
        json!([{"op": "add", "path": "emails[type eq \"work\"]", "value": long}]),
        json!([{"op": "add", "path": "emails", "value": [{"value": {"value": "a@b.co"}}]}]),
        json!([{"op": "add", "path": "emails", "value": {long: "a@b.co"}}]),
        json!([{"op": "add", "path": "emails", "value": vec![json!({"value": "a@b.co"}); MOST_EMAILS + 1]}]),
    ] {
        assert_eq!(patched(&operations).unwrap_err().kind, Kind::InvalidValue, "{operations:.200}");
    }
    let comparisons = ["value eq \"x\""; 11].join(" or ");
    let operation = json!([{"op": "add", "path": format!("emails[{comparisons}].value"), "value": "a@b.co"}]);
    assert_eq!(patched(&operation).unwrap_err().kind, Kind::InvalidPath);
    assert!(patched(&json!([{"op": "add", "value": parts(MOST_MEMBERS)}])).is_ok());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z@.]{0,6}".prop_map(Value::from),
    ];
    let names = "emails|name|active|value|type|primary|givenName|[a-z]{1,3}";
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..3)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn in_2_no_operation_makes_the_server_panic_and_what_is_read_only_stays(
        op in "add|replace|remove",
        path in prop::option::of("(emails|name|active|userName|title|id)(\\[(type|value) (eq|co) \"[a-z]{0,2}\"\\])?(\\.(value|givenName))?"),
        value in any_value(),
    ) {
        let mut operation = json!({"op": op, "value": value});
        if let Some(path) = path {
            operation["path"] = path.into();
        }
        if let Ok(resource) = patched(&json!([operation])) {
            for name in ["id", "schemas", "meta"] {
                prop_assert_eq!(&resource[name], &ada()[name]);
            }
        }
    }
}
