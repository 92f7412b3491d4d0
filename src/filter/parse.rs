//! From JSON to a [`ListRequest`]. Every refusal is one line that names the member.

use serde_json::{Map, Value};

use super::{
    Body, Expression, Field, Filter, FlagField, Folding, IntegerField, ListRequest, MAX_EXPRESSIONS,
    MAX_LIMIT, MAX_ORDERS, Operator, Order, Test,
};
use crate::clock::Timestamp;
use crate::text;

/// Why a list request was refused: one line that begins with the member's path.
type Refusal = String;
type Result<T> = std::result::Result<T, Refusal>;

impl ListRequest {
    /// Reads the body of a list request.
    ///
    /// # Errors
    /// One line that names the member which is unknown, missing, of the wrong type or out of range.
    pub fn parse(body: Map<String, Value>) -> Result<Self> {
        let mut members = Members::new("", body);
        let mut budget = MAX_EXPRESSIONS;
        let expressions = members
            .list("expressions")?
            .into_iter()
            .map(|(path, value)| expression(&path, value, Depth::Top, &mut budget))
            .collect::<Result<_>>()?;
        let request = Self {
            filter: Filter {
                expressions,
                order_by: orders(members.list("order_by")?)?,
                include_inactive: members.flag("include_inactive")?,
            },
            limit: limit(&mut members)?,
            after: members.text("after")?,
            count: members.flag("count")?,
        };
        members.finish()?;
        Ok(request)
    }
}

fn limit(members: &mut Members) -> Result<Option<i64>> {
    members
        .take("limit")
        .map(|value| {
            value
                .as_i64()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                .ok_or_else(|| format!("limit: must be a whole number from 1 to {MAX_LIMIT}"))
        })
        .transpose()
}

/// Where in the nesting an expression stands; each place allows less than the one around it.
#[derive(Clone, Copy, PartialEq)]
enum Depth {
    Top,
    InOr,
    InAnd,
}

fn expression(path: &str, value: Value, depth: Depth, budget: &mut usize) -> Result<Expression> {
    *budget = budget
        .checked_sub(1)
        .ok_or_else(|| format!("expressions: more than {MAX_EXPRESSIONS} expressions in one filter"))?;
    let mut members = Members::of(path, value)?;
    let invert = members.flag("invert")?;
    let kind = members.required_text("type")?;
    let body = match kind.as_str() {
        "exact" => Body::Test(exact(&mut members)?),
        "contains" => Body::Test(contains(&mut members)?),
        "isnull" | "is_null" => Body::Test(is_null(&mut members)?),
        "compare" => Body::Test(compare(&mut members)?),
        "and" if depth != Depth::InAnd => Body::All(group(&mut members, Depth::InAnd, budget)?),
        "or" if depth == Depth::Top => Body::Any(group(&mut members, Depth::InOr, budget)?),
        "and" | "or" => return Err(format!("{path}.type: \"{kind}\" cannot stand inside this group")),
        _ => return Err(format!("{path}.type: unknown expression {kind:?}")),
    };
    members.finish()?;
    Ok(Expression { invert, body })
}

fn group(members: &mut Members, depth: Depth, budget: &mut usize) -> Result<Vec<Expression>> {
    let path = members.path("sub_expressions");
    let parts = members.list("sub_expressions")?;
    if parts.len() < 2 {
        return Err(format!("{path}: needs at least two expressions"));
    }
    parts.into_iter().map(|(path, value)| expression(&path, value, depth, budget)).collect()
}

fn exact(members: &mut Members) -> Result<Test> {
    let field = members.field()?;
    let folding = members.folding()?;
    let path = members.path("value");
    let value = members.required("value")?;
    if let (Field::Text(field), Value::String(value), Folding::Folded) = (field, &value, folding) {
        return Ok(if value.contains('\0') {
            Test::Constant(false)
        } else {
            Test::Text(field, Operator::Equal, text::fold(value), folding)
        });
    }
    test(&path, field, Operator::Equal, value)
}

fn contains(members: &mut Members) -> Result<Test> {
    let path = members.path("field");
    let Field::Text(field) = members.field()? else {
        return Err(format!("{path}: \"contains\" needs a text field"));
    };
    let folding = members.folding()?;
    let part = members.required_text("sub_string")?;
    match folding {
        _ if part.is_empty() => Err(format!("{}: needs at least one character", members.path("sub_string"))),
        // No stored text has it, and PostgreSQL would refuse it.
        _ if part.contains('\0') => Ok(Test::Constant(false)),
        Folding::Exact => Ok(Test::Contains(field, part, folding)),
        Folding::Folded => Ok(Test::Contains(field, text::fold(&part), folding)),
    }
}

fn is_null(members: &mut Members) -> Result<Test> {
    Ok(match members.field()? {
        Field::Integer(field @ IntegerField::LastLogin) => Test::IsNull(field),
        _ => Test::Constant(false),
    })
}

fn compare(members: &mut Members) -> Result<Test> {
    let field = members.field()?;
    let operator = match members.required_text("operator")?.as_str() {
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        other => {
            let path = members.path("operator");
            return Err(format!("{path}: {other:?} is not one of <, >, <=, >="));
        }
    };
    let path = members.path("value");
    let value = members.required("value")?;
    if value.is_boolean() {
        return Err(format!("{path}: must be a string or a number"));
    }
    test(&path, field, operator, value)
}

/// A comparison whose value is read as the field demands.
fn test(path: &str, field: Field, operator: Operator, value: Value) -> Result<Test> {
    match field {
        Field::Text(field) => match value {
            Value::String(value) if value.contains('\0') => Ok(compare_with_nul(operator, field, &value)),
            Value::String(value) => Ok(Test::Text(field, operator, value, Folding::Exact)),
            _ => Err(format!("{path}: must be a string for this field")),
        },
        Field::Flag(field) => flag(path, field, operator, &value),
        Field::Integer(field @ IntegerField::Id) => id(path, field, operator, &value),
        Field::Integer(field) => match value.as_str().and_then(Timestamp::parse) {
            Some(timestamp) => Ok(Test::Integer(field, operator, timestamp.micros())),
            None => Err(format!(
                "{path}: must be a timestamp such as \"2024-02-29T12:00:00.000000Z\" for this field"
            )),
        },
    }
}

/// No stored text has a NUL and PostgreSQL takes none, so a bound with one is moved to where the NUL
/// stands: nothing lies between `ab` and `ab\0...` but `ab` itself.
fn compare_with_nul(operator: Operator, field: super::TextField, value: &str) -> Test {
    let before = value.split('\0').next().unwrap_or_default().to_owned();
    match operator {
        Operator::Equal => Test::Constant(false),
        Operator::Less | Operator::LessOrEqual => {
            Test::Text(field, Operator::LessOrEqual, before, Folding::Exact)
        }
        Operator::Greater | Operator::GreaterOrEqual => {
            Test::Text(field, Operator::Greater, before, Folding::Exact)
        }
    }
}

fn flag(path: &str, field: FlagField, operator: Operator, value: &Value) -> Result<Test> {
    let verdict = match value {
        Value::Bool(value) => Some(*value),
        Value::Number(number) if number.as_f64() == Some(1.0) => Some(true),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some(false),
        Value::String(value) => match value.as_str() {
            "True" | "true" | "1" => Some(true),
            "False" | "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    verdict
        .map(|value| Test::Flag(field, operator, value))
        .ok_or_else(|| format!("{path}: must be a boolean for this field"))
}

fn id(path: &str, field: IntegerField, operator: Operator, value: &Value) -> Result<Test> {
    let refusal = || format!("{path}: must be a whole number for this field");
    match value {
        Value::String(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(refusal());
            }
            // Digits that do not fit lie beyond every primary key, on the side of their sign.
            Ok(text.parse().map_or_else(
                |_| beyond(operator, !text.starts_with('-')),
                |value| Test::Integer(field, operator, value),
            ))
        }
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Ok(Test::Integer(field, operator, value)),
            (None, Some(value)) => Ok(fraction(field, operator, value)),
            (None, None) => Err(refusal()),
        },
        _ => Err(refusal()),
    }
}

/// A bound that lies above (or below) every value of the field.
fn beyond(operator: Operator, above: bool) -> Test {
    Test::Constant(match operator {
        Operator::Equal => false,
        Operator::Less | Operator::LessOrEqual => above,
        Operator::Greater | Operator::GreaterOrEqual => !above,
    })
}

/// A comparison of whole numbers with any other number, said with whole numbers.
fn fraction(field: IntegerField, operator: Operator, value: f64) -> Test {
    // 2^63, the first float above every i64.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if !(-LIMIT..LIMIT).contains(&value) {
        return beyond(operator, value > 0.0);
    }
    let floor = value.floor();
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range of i64")]
    let below = floor as i64;
    if floor >= value {
        return Test::Integer(field, operator, below);
    }
    match operator {
        Operator::Equal => Test::Constant(false),
        Operator::Less | Operator::LessOrEqual => Test::Integer(field, Operator::LessOrEqual, below),
        Operator::Greater | Operator::GreaterOrEqual => Test::Integer(field, Operator::Greater, below),
    }
}

fn orders(list: Vec<(String, Value)>) -> Result<Vec<Order>> {
    if list.len() > MAX_ORDERS {
        return Err(format!("order_by: more than {MAX_ORDERS} fields"));
    }
    let mut orders: Vec<Order> = Vec::new();
    for (path, value) in list {
        let mut members = Members::of(&path, value)?;
        let field = members.field()?;
        let ascending = members.optional_flag("ascending")?.unwrap_or(true);
        let nulls_first = members.optional_flag("nulls_first")?.unwrap_or(!ascending);
        members.finish()?;
        if orders.iter().all(|order| order.field != field) {
            orders.push(Order { field, ascending, nulls_first });
        }
    }
    Ok(orders)
}

/// The members of one object that have not been read yet, and where the object stands.
struct Members {
    path: String,
    members: Map<String, Value>,
}

impl Members {
    fn new(path: &str, members: Map<String, Value>) -> Self {
        Self { path: path.to_owned(), members }
    }

    fn of(path: &str, value: Value) -> Result<Self> {
        match value {
            Value::Object(members) => Ok(Self::new(path, members)),
            _ => Err(format!("{path}: must be an object")),
        }
    }

    fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    fn required(&mut self, name: &str) -> Result<Value> {
        match self.take(name) {
            None => Err(format!("{}: is required", self.path(name))),
            Some(Value::Null) => Err(format!("{}: may not be null", self.path(name))),
            Some(value @ (Value::Array(_) | Value::Object(_))) => {
                let kind = if value.is_array() { "an array" } else { "an object" };
                Err(format!("{}: may not be {kind}", self.path(name)))
            }
            Some(value) => Ok(value),
        }
    }

    fn required_text(&mut self, name: &str) -> Result<String> {
        match self.required(name)? {
            Value::String(text) => Ok(text),
            _ => Err(format!("{}: must be a string", self.path(name))),
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>> {
        if self.members.contains_key(name) { self.required_text(name).map(Some) } else { Ok(None) }
    }

    fn optional_flag(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(format!("{}: must be true or false", self.path(name))),
        }
    }

    fn flag(&mut self, name: &str) -> Result<bool> {
        Ok(self.optional_flag(name)?.unwrap_or(false))
    }

    fn folding(&mut self) -> Result<Folding> {
        Ok(if self.flag("case_insensitive")? { Folding::Folded } else { Folding::Exact })
    }

    fn list(&mut self, name: &str) -> Result<Vec<(String, Value)>> {
        let path = self.path(name);
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values
                .into_iter()
                .enumerate()
                .map(|(index, value)| (format!("{path}[{index}]"), value))
                .collect()),
            Some(_) => Err(format!("{path}: must be an array")),
        }
    }

    fn field(&mut self) -> Result<Field> {
        let name = self.required_text("field")?;
        Field::named(&name).ok_or_else(|| format!("{}: unknown field {name:?}", self.path("field")))
    }

    fn finish(self) -> Result<()> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("{}: unknown member", self.path(name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

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
                json!({"order_by": [{"field": "pk", "nulls_first": null}]}),
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
    fn three_hundred_leaves_work_and_there_is_a_stated_limit() {
        let leaves =
            |count| parse(json!({"expressions": vec![json!({"type": "isnull", "field": "pk"}); count]}));
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
                let _ = ListRequest::parse(body);
            }
        }
    }
}
