//! A filter, an order and a cursor as one SELECT.
//!
//! [`Filter::matches`] and [`Filter::compare`] say what the statement must mean.

use super::users::{UserRow, columns};
use super::{Db, Dialect, Error, Pool, Result, Sql, Value};
use crate::filter::{
    Body, Expression, Field, FieldValue, Filter, FlagField, Folding, IntegerField, Operator, Order, Test,
    TextField,
};
use crate::page::Place;
use crate::user::User;

/// At most `limit` users of the list, from the one after `place` on.
///
/// # Errors
/// As the database says.
pub async fn users(db: &Db, filter: &Filter, place: Option<&Place>, limit: i64) -> Result<Vec<User>> {
    match &db.0 {
        // sqlx hands over SQLite's rows one by one between threads; as one JSON value a page costs
        // a fraction of that.
        Pool::Sqlite { .. } => {
            let mut sql = Sql::new(
                "SELECT json_group_array(json_array(id, username, username_key, first_name, last_name, \
                 email, is_active, is_staff, is_superuser, valid_from, valid_until, \
                 must_change_password, password_changed_at, date_joined, last_login, version)) FROM (",
            );
            push_select(&mut sql, Dialect::Sqlite, filter, place, limit);
            sql.push(")");
            let (json,): (String,) = db.optional(sql).await?.unwrap_or_else(|| ("[]".into(),));
            let rows: Vec<UserRow> =
                serde_json::from_str(&json).map_err(|error| Error::Corrupt(error.to_string()))?;
            Ok(rows.into_iter().map(User::from).collect())
        }
        Pool::Postgres(_) => {
            let mut sql = Sql::new("");
            push_select(&mut sql, Dialect::Postgres, filter, place, limit);
            let rows = db.all::<UserRow>(sql).await?;
            Ok(rows.into_iter().map(User::from).collect())
        }
    }
}

/// How many users the filter matches.
///
/// # Errors
/// As the database says.
pub async fn count(db: &Db, filter: &Filter) -> Result<i64> {
    let mut sql = Sql::new("SELECT count(*) FROM users WHERE ");
    push_filter(&mut sql, db.dialect(), filter);
    Ok(db.optional::<(i64,)>(sql).await?.map_or(0, |(count,)| count))
}

/// How many users the filter matches, counted no further than `most`.
///
/// # Errors
/// As the database says.
pub async fn count_up_to(db: &Db, filter: &Filter, most: i64) -> Result<i64> {
    let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM users WHERE ");
    push_filter(&mut sql, db.dialect(), filter);
    sql.push(" LIMIT ").push_value(most).push(") AS found");
    Ok(db.optional::<(i64,)>(sql).await?.map_or(0, |(count,)| count))
}

fn push_select(sql: &mut Sql, dialect: Dialect, filter: &Filter, place: Option<&Place>, limit: i64) {
    sql.push(concat!("SELECT ", columns!(), " FROM users WHERE "));
    push_filter(sql, dialect, filter);
    let orders = filter.full_order();
    if let Some(place) = place {
        sql.push(" AND ");
        push_after(sql, &orders, place);
    }
    sql.push(" ORDER BY ");
    push_list(sql, ", ", &orders, |sql, order| {
        sql.push(column(order.field)).push(if order.ascending { " ASC" } else { " DESC" });
        if order.field.is_nullable() {
            sql.push(if order.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
    });
    sql.push(" LIMIT ").push_value(limit);
}

fn push_list<T>(sql: &mut Sql, separator: &'static str, items: &[T], each: impl Fn(&mut Sql, &T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            sql.push(separator);
        }
        each(sql, item);
    }
}

fn push_filter(sql: &mut Sql, dialect: Dialect, filter: &Filter) {
    sql.push(if filter.include_inactive { "TRUE" } else { "is_active = TRUE" });
    for expression in &filter.expressions {
        sql.push(" AND ");
        push_expression(sql, dialect, expression);
    }
}

fn push_expression(sql: &mut Sql, dialect: Dialect, expression: &Expression) {
    sql.push(if expression.invert { "NOT (" } else { "(" });
    let each = |sql: &mut Sql, part: &Expression| push_expression(sql, dialect, part);
    match &expression.body {
        Body::Test(test) => push_test(sql, dialect, test),
        Body::All(parts) => push_list(sql, " AND ", parts, each),
        Body::Any(parts) => push_list(sql, " OR ", parts, each),
    }
    sql.push(")");
}

fn push_test(sql: &mut Sql, dialect: Dialect, test: &Test) {
    match test {
        Test::Constant(verdict) => {
            sql.push(if *verdict { "TRUE" } else { "FALSE" });
        }
        Test::IsNull(field) => {
            sql.push(integer_column(*field)).push(" IS NULL");
        }
        Test::Text(field, operator, value, folding) => {
            sql.push(text_column(*field, *folding)).push(sign(*operator)).push_value(value.as_str());
        }
        Test::Contains(field, part, folding) => {
            sql.push(dialect.contains())
                .push(text_column(*field, *folding))
                .push(", ")
                .push_value(part.as_str())
                .push(Dialect::CONTAINS_END);
        }
        Test::Integer(field, operator, value) => {
            // Two-valued: a null would make the comparison, and its inversion, unknown.
            if Field::Integer(*field).is_nullable() {
                sql.push(integer_column(*field)).push(" IS NOT NULL AND ");
            }
            sql.push(integer_column(*field)).push(sign(*operator)).push_value(*value);
        }
        Test::Flag(field, operator, value) => {
            sql.push(flag_column(*field)).push(sign(*operator)).push_value(*value);
        }
    }
}

/// The rows that come after a place: those that differ from it first in some order term, and there
/// stand later. An index on the first term can be entered at the place, because the first term is
/// also bounded by itself.
fn push_after(sql: &mut Sql, orders: &[Order], place: &Place) {
    let terms: Vec<(Order, &FieldValue)> = orders.iter().copied().zip(&place.0).collect();
    if let Some((first, value)) = terms.first()
        && !first.field.is_nullable()
        && terms.len() > 1
    {
        sql.push(column(first.field))
            .push(if first.ascending { " >= " } else { " <= " })
            .push_value(bound(value))
            .push(" AND ");
    }
    sql.push("(");
    for index in 0..terms.len() {
        if index > 0 {
            sql.push(" OR ");
        }
        sql.push("(");
        for (order, value) in &terms[..index] {
            push_same(sql, *order, value);
            sql.push(" AND ");
        }
        let (order, value) = terms[index];
        push_later(sql, order, value);
        sql.push(")");
    }
    sql.push(")");
}

fn push_same(sql: &mut Sql, order: Order, value: &FieldValue) {
    sql.push(column(order.field));
    match value {
        FieldValue::Null => sql.push(" IS NULL"),
        value => sql.push(" = ").push_value(bound(value)),
    };
}

fn push_later(sql: &mut Sql, order: Order, value: &FieldValue) {
    let name = column(order.field);
    match value {
        FieldValue::Null if order.nulls_first => sql.push(name).push(" IS NOT NULL"),
        FieldValue::Null => sql.push("FALSE"),
        value => {
            let nulls_follow = order.field.is_nullable() && !order.nulls_first;
            sql.push(if nulls_follow { "(" } else { "" })
                .push(name)
                .push(if order.ascending { " > " } else { " < " })
                .push_value(bound(value));
            if nulls_follow {
                sql.push(" OR ").push(name).push(" IS NULL)");
            }
            sql
        }
    };
}

fn bound(value: &FieldValue) -> Value {
    match value {
        FieldValue::Null => Value::OptionalInteger(None),
        FieldValue::Flag(value) => Value::Flag(*value),
        FieldValue::Integer(value) => Value::Integer(*value),
        FieldValue::Text(value) => Value::Text(value.clone()),
    }
}

const fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => " = ",
        Operator::Less => " < ",
        Operator::LessOrEqual => " <= ",
        Operator::Greater => " > ",
        Operator::GreaterOrEqual => " >= ",
    }
}

const fn column(field: Field) -> &'static str {
    match field {
        Field::Text(field) => text_column(field, Folding::Exact),
        Field::Integer(field) => integer_column(field),
        Field::Flag(field) => flag_column(field),
    }
}

const fn text_column(field: TextField, folding: Folding) -> &'static str {
    match (field, folding) {
        (TextField::Username, Folding::Exact) => "username",
        (TextField::Username, Folding::Folded) => "username_folded",
        (TextField::FirstName, Folding::Exact) => "first_name",
        (TextField::FirstName, Folding::Folded) => "first_name_folded",
        (TextField::LastName, Folding::Exact) => "last_name",
        (TextField::LastName, Folding::Folded) => "last_name_folded",
        (TextField::Email, Folding::Exact) => "email",
        (TextField::Email, Folding::Folded) => "email_folded",
        // Folded when they are written.
        (TextField::Name, _) => "name_folded",
        (TextField::Searchable, _) => "searchable",
    }
}

const fn integer_column(field: IntegerField) -> &'static str {
    match field {
        IntegerField::Id => "id",
        IntegerField::DateJoined => "date_joined",
        IntegerField::LastLogin => "last_login",
    }
}

const fn flag_column(field: FlagField) -> &'static str {
    match field {
        FlagField::IsActive => "is_active",
        FlagField::IsStaff => "is_staff",
        FlagField::IsSuperuser => "is_superuser",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::ListRequest;

    #[test]
    fn in_1_values_are_bound_and_never_part_of_the_text() {
        let body = serde_json::json!({
            "expressions": [{"type": "or", "sub_expressions": [
                {"type": "contains", "field": "username", "sub_string": "x'; DROP TABLE users --", "case_insensitive": true},
                {"type": "compare", "field": "last_login", "operator": "<", "value": "2024-01-01", "invert": true},
            ]}],
            "order_by": [{"field": "last_login", "ascending": false}],
        });
        let serde_json::Value::Object(body) = body else { unreachable!() };
        let filter = ListRequest::parse(body).unwrap().filter;
        let place = Place(vec![FieldValue::Integer(5), FieldValue::Integer(7)]);
        let mut sql = Sql::new("");
        push_select(&mut sql, Dialect::Sqlite, &filter, Some(&place), 10);
        let tail = sql.text().split(" FROM users WHERE ").nth(1).unwrap();
        assert_eq!(
            tail,
            "is_active = TRUE AND ((instr(username_folded, $1) > 0) \
             OR NOT (last_login IS NOT NULL AND last_login < $2)) \
             AND ((last_login < $3) OR (last_login = $4 AND id > $5)) \
             ORDER BY last_login DESC NULLS FIRST, id ASC LIMIT $6"
        );
    }
}
