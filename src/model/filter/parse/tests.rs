//! What the filter language accepts and refuses.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::filter::{FlagField, IntegerField};

fn parse(value: Value) -> Result<ListRequest> {
    match value {
        Value::Object(body) => ListRequest::parse(body),
        other => panic!("{other} is not an object"),
    }
}

fn one(expression: &Value) -> Result<Expression> {
    parse(json!({ "expressions": [expression] })).map(|mut request| request.filter.expressions.remove(0))
}

fn leaf(expression: &Value) -> Test {
    match one(expression).unwrap().body {
        Body::Test(test) => test,
        other => panic!("{other:?} is not a leaf"),
    }
}

#[test]
fn an_empty_object_lists_active_users_by_primary_key() {
    let request = parse(json!({})).unwrap();
    assert_eq!(request, ListRequest::default());
    assert_eq!(request.filter.full_order(), [Order::ID]);
}

#[test]
fn numbers_against_pk_keep_their_order_meaning() {
    let pk = |operator: &str, value: Value| {
        leaf(&json!({"type": "compare", "field": "pk", "operator": operator, "value": value}))
    };
    let id = IntegerField::Id;
    assert_eq!(pk(">", json!(93.5)), Test::Integer(id, Operator::Greater, 93));
    assert_eq!(pk("<=", json!(93.5)), Test::Integer(id, Operator::LessOrEqual, 93));
    assert_eq!(pk("<", json!(-0.5)), Test::Integer(id, Operator::LessOrEqual, -1));
    assert_eq!(pk("<", json!("12")), Test::Integer(id, Operator::Less, 12));
    assert_eq!(pk("<", json!(1e300)), Test::Constant(true));
    assert_eq!(pk(">=", json!(9_223_372_036_854_775_808_u64)), Test::Constant(false));
    assert_eq!(pk(">", json!("-99999999999999999999")), Test::Constant(true));
    let exact = |value: Value| leaf(&json!({"type": "exact", "field": "id", "value": value}));
    assert_eq!(exact(json!(5.0)), Test::Integer(id, Operator::Equal, 5));
    assert_eq!(exact(json!(5.5)), Test::Constant(false));
}

#[test]
fn booleans_also_match_numbers_and_django_words() {
    for value in [json!(true), json!(1), json!("True"), json!(1.0)] {
        assert_eq!(
            leaf(&json!({"type": "exact", "field": "is_staff", "value": value})),
            Test::Flag(FlagField::IsStaff, Operator::Equal, true)
        );
    }
}

#[test]
fn pw_6_unknown_fields_and_the_hash_are_refused_by_name() {
    for field in ["password", "username_key", "version", "Username", "password__startswith", ""] {
        let refusal = one(&json!({"type": "exact", "field": field, "value": "x"})).unwrap_err();
        assert_eq!(refusal, format!("expressions[0].field: unknown field {field:?}"));
    }
}

#[test]
fn every_refusal_names_its_member() {
    let leaf = json!({"type": "isnull", "field": "last_login"});
    for (body, refusal) in [
        (json!({"expression": []}), "expression: unknown member"),
        (json!({"expressions": {}}), "expressions: must be an array"),
        (json!({"expressions": [1]}), "expressions[0]: must be an object"),
        (json!({"expressions": [{"field": "pk"}]}), "expressions[0].type: is required"),
        (
            json!({"expressions": [{"type": "like", "field": "pk"}]}),
            "expressions[0].type: unknown expression \"like\"",
        ),
        (
            json!({"expressions": [{"type": "isnull", "field": "pk", "invert": 1}]}),
            "expressions[0].invert: must be true or false",
        ),
        (
            json!({"expressions": [{"type": "isnull", "field": "pk", "x": 1}]}),
            "expressions[0].x: unknown member",
        ),
        (
            json!({"expressions": [{"type": "exact", "field": "pk", "value": null}]}),
            "expressions[0].value: may not be null",
        ),
        (
            json!({"expressions": [{"type": "exact", "field": "pk", "value": [1]}]}),
            "expressions[0].value: may not be an array",
        ),
        (
            json!({"expressions": [{"type": "exact", "field": "pk", "value": "x1"}]}),
            "expressions[0].value: must be a whole number for this field",
        ),
        (
            json!({"expressions": [{"type": "exact", "field": "email", "value": 1}]}),
            "expressions[0].value: must be a string for this field",
        ),
        (
            json!({"expressions": [{"type": "exact", "field": "is_active", "value": "yes"}]}),
            "expressions[0].value: must be a boolean for this field",
        ),
        (
            json!({"expressions": [{"type": "compare", "field": "pk", "operator": "=", "value": 1}]}),
            "expressions[0].operator: \"=\" is not one of <, >, <=, >=",
        ),
        (
            json!({"expressions": [{"type": "compare", "field": "is_staff", "operator": "<", "value": true}]}),
            "expressions[0].value: must be a string or a number",
        ),
        (
            json!({"expressions": [{"type": "contains", "field": "pk", "sub_string": "1"}]}),
            "expressions[0].field: \"contains\" needs a text field",
        ),
        (
            json!({"expressions": [{"type": "contains", "field": "email", "sub_string": ""}]}),
            "expressions[0].sub_string: needs at least one character",
        ),
        (
            json!({"expressions": [{"type": "and", "sub_expressions": [leaf]}]}),
            "expressions[0].sub_expressions: needs at least two expressions",
        ),
        (
            json!({"expressions": [{"type": "or", "sub_expressions":
            [leaf, {"type": "or", "sub_expressions": [leaf, leaf]}]}]}),
            "expressions[0].sub_expressions[1].type: \"or\" cannot stand inside this group",
        ),
        (
            json!({"expressions": [{"type": "and", "sub_expressions":
            [leaf, {"type": "and", "sub_expressions": [leaf, leaf]}]}]}),
            "expressions[0].sub_expressions[1].type: \"and\" cannot stand inside this group",
        ),
        (json!({"order_by": [{"ascending": true}]}), "order_by[0].field: is required"),
        (
            json!({"order_by": [{"field": "pk", "nulls_first": 1}]}),
            "order_by[0].nulls_first: must be true or false",
        ),
        (json!({"include_inactive": "yes"}), "include_inactive: must be true or false"),
        (json!({"limit": 0}), "limit: must be a whole number from 1 to 1000"),
        (json!({"limit": 2.5}), "limit: must be a whole number from 1 to 1000"),
        (json!({"after": 7}), "after: must be a string"),
    ] {
        assert_eq!(parse(body.clone()).unwrap_err(), refusal, "{body}");
    }
}

#[test]
fn timestamps_that_cannot_be_read_are_refused() {
    for value in [json!("yesterday"), json!(1_700_000_000), json!("2024-02-30")] {
        let refusal = one(&json!({"type": "exact", "field": "date_joined", "value": value})).unwrap_err();
        assert!(refusal.starts_with("expressions[0].value: must be a timestamp"), "{refusal}");
    }
}

#[test]
fn an_or_may_hold_ands_and_leaves() {
    let leaf = json!({"type": "is_null", "field": "last_login"});
    let or = json!({"type": "or", "invert": true, "sub_expressions":
        [leaf, {"type": "and", "sub_expressions": [leaf, leaf]}]});
    assert!(one(&or).unwrap().invert);
}

#[test]
fn members_that_do_not_apply_may_be_null_or_empty() {
    let flat = |mut expression: Value| {
        let members = expression.as_object_mut().unwrap();
        for (name, nothing) in [
            ("field", json!(null)),
            ("value", json!(null)),
            ("sub_string", json!("")),
            ("operator", json!(null)),
            ("case_insensitive", json!(null)),
            ("invert", json!(null)),
            ("sub_expressions", json!([])),
        ] {
            members.entry(name).or_insert(nothing);
        }
        expression
    };
    let [exact, contains, is_null, compare] = [
        json!({"type": "exact", "field": "pk", "value": 7}),
        json!({"type": "contains", "field": "email", "sub_string": "x", "case_insensitive": true}),
        json!({"type": "isnull", "field": "last_login", "invert": true}),
        json!({"type": "compare", "field": "pk", "operator": "<", "value": 7}),
    ];
    let group = json!({"type": "or", "sub_expressions": [exact, compare]});
    for expression in [exact.clone(), contains, is_null, compare.clone(), group] {
        assert_eq!(one(&flat(expression.clone())), one(&expression), "{expression}");
    }
    let flat_group = json!({"type": "or", "sub_expressions": [flat(exact), flat(compare)]});
    assert!(one(&flat(flat_group)).is_ok());
    let nothing = json!({"expressions": null, "order_by": null, "include_inactive": null, "limit": null,
        "after": null, "count": null});
    assert_eq!(parse(nothing).unwrap(), ListRequest::default());
    let order = json!({"order_by": [{"field": "pk", "ascending": null, "nulls_first": null}]});
    assert_eq!(parse(order), parse(json!({"order_by": [{"field": "pk"}]})));
    for (expression, refusal) in [
        (
            json!({"type": "exact", "field": "pk", "value": 7, "sub_string": "x"}),
            "sub_string: unknown member",
        ),
        (json!({"type": "exact", "field": "pk", "value": 7, "x": null}), "x: unknown member"),
        (json!({"type": "exact", "field": null, "value": 7}), "field: may not be null"),
        (json!({"type": "or", "sub_expressions": null}), "sub_expressions: needs at least two expressions"),
    ] {
        assert_eq!(one(&expression).unwrap_err(), format!("expressions[0].{refusal}"));
    }
}

#[test]
fn three_hundred_leaves_work_and_there_is_a_stated_limit() {
    let leaves = |count| parse(json!({"expressions": vec![json!({"type": "isnull", "field": "pk"}); count]}));
    assert!(leaves(MAX_EXPRESSIONS).is_ok());
    assert_eq!(
        leaves(MAX_EXPRESSIONS + 1).unwrap_err(),
        "expressions: more than 500 expressions in one filter"
    );
}

#[test]
fn a_field_named_twice_sorts_once_and_a_null_is_the_greatest_value() {
    let request = parse(json!({"order_by": [
        {"field": "last_login", "ascending": false},
        {"field": "last_login"},
        {"field": "id", "ascending": false},
        {"field": "email"},
    ]}))
    .unwrap();
    let orders = request.filter.full_order();
    assert_eq!(orders.len(), 2, "a unique field ends the order");
    assert!(orders[0].nulls_first && !orders[0].ascending);
    assert!(!orders[1].ascending);
}

proptest! {
    #[test]
    fn no_json_makes_the_parser_panic(text in "[\\[\\]{}\":,a-z_0-9. -]{0,80}") {
        if let Ok(Value::Object(body)) = serde_json::from_str(&text) {
            let _ = <ListRequest>::parse(body);
        }
    }
}
