//! From JSON to a [`ListRequest`]. Every refusal is one line that names the member.

use serde_json::{Map, Value};

use super::{
    Body, Expression, Field, Filter, Folding, ListRequest, MAX_EXPRESSIONS, MAX_LIMIT, MAX_ORDERS, Operator,
    Order, Resource, Test,
};
use crate::model::clock::Timestamp;
use crate::model::text;

/// Why a list request was refused: one line that begins with the member's path.
type Refusal = String;
type Result<T> = std::result::Result<T, Refusal>;

impl<R: Resource> ListRequest<R> {
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
                include_inactive: R::ACTIVE.is_some() && members.flag("include_inactive")?,
            },
            limit: limit(&mut members)?,
            after: members.text("after")?,
            count: members.flag("count")?,
        };
        members.finish(&["include_inactive"])?;
        Ok(request)
    }
}

fn limit(members: &mut Members) -> Result<Option<i64>> {
    members
        .optional("limit")
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

fn expression<R: Resource>(
    path: &str,
    value: Value,
    depth: Depth,
    budget: &mut usize,
) -> Result<Expression<R>> {
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
    members.finish(&OF_EXPRESSIONS)?;
    Ok(Expression { invert, body })
}

/// The members of which each kind of expression has some.
const OF_EXPRESSIONS: [&str; 6] =
    ["field", "value", "sub_string", "operator", "case_insensitive", "sub_expressions"];

fn group<R: Resource>(members: &mut Members, depth: Depth, budget: &mut usize) -> Result<Vec<Expression<R>>> {
    let path = members.path("sub_expressions");
    let parts = members.list("sub_expressions")?;
    if parts.len() < 2 {
        return Err(format!("{path}: needs at least two expressions"));
    }
    parts.into_iter().map(|(path, value)| expression(&path, value, depth, budget)).collect()
}

fn exact<R: Resource>(members: &mut Members) -> Result<Test<R>> {
    let field = members.field::<R>()?;
    let folding = members.folding()?;
    let path = members.path("value");
    let value = members.required("value")?;
    if let (Field::Text(field), Value::String(value), Folding::Folded) = (field, &value, folding) {
        return Ok(if value.contains('\0') {
            Test::Constant(false)
        } else {
            Test::Text(field, Operator::Equal, text::fold(&R::sought(field, value.clone())), folding)
        });
    }
    test(&path, field, Operator::Equal, value)
}

fn contains<R: Resource>(members: &mut Members) -> Result<Test<R>> {
    let path = members.path("field");
    let Field::Text(field) = members.field::<R>()? else {
        return Err(format!("{path}: \"contains\" needs a text field"));
    };
    let folding = members.folding()?;
    let part = R::sought(field, members.required_text("sub_string")?);
    match folding {
        _ if part.is_empty() => Err(format!("{}: needs at least one character", members.path("sub_string"))),
        // No stored text has it, and PostgreSQL would refuse it.
        _ if part.contains('\0') => Ok(Test::Constant(false)),
        Folding::Exact => Ok(Test::Contains(field, part, folding)),
        Folding::Folded => Ok(Test::Contains(field, text::fold(&part), folding)),
    }
}

fn is_null<R: Resource>(members: &mut Members) -> Result<Test<R>> {
    Ok(match members.field::<R>()? {
        Field::Integer(field) if R::is_nullable(field) => Test::IsNull(field),
        _ => Test::Constant(false),
    })
}

fn compare<R: Resource>(members: &mut Members) -> Result<Test<R>> {
    let field = members.field::<R>()?;
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
fn test<R: Resource>(path: &str, field: Field<R>, operator: Operator, value: Value) -> Result<Test<R>> {
    match field {
        Field::Text(field) => match value {
            Value::String(value) if value.contains('\0') => Ok(compare_with_nul(operator, field, &value)),
            Value::String(value) => Ok(Test::Text(field, operator, R::sought(field, value), Folding::Exact)),
            _ => Err(format!("{path}: must be a string for this field")),
        },
        Field::Flag(field) => flag(path, field, operator, &value),
        Field::Integer(field) if !R::is_instant(field) => id(path, field, operator, &value),
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
fn compare_with_nul<R: Resource>(operator: Operator, field: R::Text, value: &str) -> Test<R> {
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

fn flag<R: Resource>(path: &str, field: R::Flag, operator: Operator, value: &Value) -> Result<Test<R>> {
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

fn id<R: Resource>(path: &str, field: R::Integer, operator: Operator, value: &Value) -> Result<Test<R>> {
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
fn beyond<R: Resource>(operator: Operator, above: bool) -> Test<R> {
    Test::Constant(match operator {
        Operator::Equal => false,
        Operator::Less | Operator::LessOrEqual => above,
        Operator::Greater | Operator::GreaterOrEqual => !above,
    })
}

/// A comparison of whole numbers with any other number, said with whole numbers.
fn fraction<R: Resource>(field: R::Integer, operator: Operator, value: f64) -> Test<R> {
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

fn orders<R: Resource>(list: Vec<(String, Value)>) -> Result<Vec<Order<R>>> {
    if list.len() > MAX_ORDERS {
        return Err(format!("order_by: more than {MAX_ORDERS} fields"));
    }
    let mut orders: Vec<Order<R>> = Vec::new();
    for (path, value) in list {
        let mut members = Members::of(&path, value)?;
        let field = members.field::<R>()?;
        let ascending = members.optional_flag("ascending")?.unwrap_or(true);
        let nulls_first = members.optional_flag("nulls_first")?.unwrap_or(!ascending);
        members.finish(&[])?;
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

    /// A member that may be left out; null leaves it out, too.
    fn optional(&mut self, name: &str) -> Option<Value> {
        self.take(name).filter(|value| !value.is_null())
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
        match self.optional(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{}: must be a string", self.path(name))),
        }
    }

    fn optional_flag(&mut self, name: &str) -> Result<Option<bool>> {
        match self.optional(name) {
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
        match self.optional(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values
                .into_iter()
                .enumerate()
                .map(|(index, value)| (format!("{path}[{index}]"), value))
                .collect()),
            Some(_) => Err(format!("{path}: must be an array")),
        }
    }

    fn field<R: Resource>(&mut self) -> Result<Field<R>> {
        let name = self.required_text("field")?;
        Field::named(&name).ok_or_else(|| format!("{}: unknown field {name:?}", self.path("field")))
    }

    /// That nothing is left, but for members in `idle` that say nothing: generated clients send those of every kind.
    fn finish(self, idle: &[&str]) -> Result<()> {
        let says_something = |(name, value): &(&String, &Value)| {
            let is_empty = match value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(values) => values.is_empty(),
                _ => false,
            };
            !(is_empty && idle.contains(&name.as_str()))
        };
        match self.members.iter().find(says_something) {
            None => Ok(()),
            Some((name, _)) => Err(format!("{}: unknown member", self.path(name))),
        }
    }
}

#[cfg(test)]
mod tests;
