//! Filters, orders and cursors as SQL.

use super::parts::{Begin, Part, Term};
use super::table::Table;
use crate::db::{Dialect, Sql, Value};
use crate::model::filter::{Body, Expression, Field, FieldValue, Folding, Operator, Test};

/// Whether an index may be used for columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// As they are.
    Indexed,
    /// As the result of an operation that changes nothing, which no index has. For SQLite only.
    Computed,
}

impl Columns {
    const fn sign(self) -> &'static str {
        match self {
            Self::Indexed => "",
            Self::Computed => "+",
        }
    }
}

/// The order of a part.
pub(super) fn push_order<T: Table>(sql: &mut Sql, part: &Part<'_, T>, columns: Columns) {
    sql.push(" ORDER BY ");
    push_list(sql, ", ", &part.terms, |sql, Term { order, has_nulls }| {
        sql.push(columns.sign()).push(column(order.field)).push(if order.ascending {
            " ASC"
        } else {
            " DESC"
        });
        if *has_nulls {
            sql.push(if order.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
    });
}

/// The index that has the rows in the order of a part; rows that are equal in something are found by that.
/// PostgreSQL finds it by itself.
pub(super) fn push_order_index<T: Table>(sql: &mut Sql, dialect: Dialect, part: &Part<'_, T>) {
    if dialect == Dialect::Sqlite
        && part.equal.is_empty()
        && let Some(index) = part.terms.first().and_then(|term| T::order_index(term.order.field))
    {
        sql.push(index);
    }
}

/// The columns of an order but for the primary key, after other columns.
pub(super) fn push_order_columns<T: Table>(sql: &mut Sql, part: &Part<'_, T>) {
    for column in part.terms.iter().map(|term| column(term.order.field)).filter(|column| *column != "id") {
        sql.push(", ").push(column);
    }
}

/// What every user of a part fits.
pub(super) fn push_filter<T: Table>(sql: &mut Sql, dialect: Dialect, part: &Part<'_, T>) {
    match T::ACTIVE {
        Some(active) if !part.filter.include_inactive => sql.push(T::flag_column(active)).push(" = TRUE"),
        _ => sql.push("TRUE"),
    };
    for expression in part.filter.expressions.iter().chain(&part.tests) {
        sql.push(" AND ");
        push_expression(sql, dialect, expression);
    }
}

fn push_list<I>(sql: &mut Sql, separator: &'static str, items: &[I], each: impl Fn(&mut Sql, &I)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            sql.push(separator);
        }
        each(sql, item);
    }
}

fn push_expression<T: Table>(sql: &mut Sql, dialect: Dialect, expression: &Expression<T>) {
    sql.push(if expression.invert { "NOT (" } else { "(" });
    let each = |sql: &mut Sql, part: &Expression<T>| push_expression(sql, dialect, part);
    match &expression.body {
        Body::Test(test) => push_test(sql, dialect, test),
        Body::All(parts) => push_list(sql, " AND ", parts, each),
        Body::Any(parts) => push_list(sql, " OR ", parts, each),
    }
    sql.push(")");
}

fn push_test<T: Table>(sql: &mut Sql, dialect: Dialect, test: &Test<T>) {
    match test {
        Test::Constant(verdict) => {
            sql.push(if *verdict { "TRUE" } else { "FALSE" });
        }
        Test::IsNull(field) => {
            sql.push(T::integer_column(*field)).push(" IS NULL");
        }
        Test::Text(field, operator, value, folding) => {
            sql.push(T::text_column(*field, *folding)).push(sign(*operator)).push_value(value.as_str());
        }
        Test::Contains(field, part, folding) => {
            sql.push(dialect.contains())
                .push(T::text_column(*field, *folding))
                .push(", ")
                .push_value(part.as_str())
                .push(Dialect::CONTAINS_END);
        }
        Test::EndsWith(_, end, _) if end.is_empty() => {
            sql.push("TRUE");
        }
        Test::EndsWith(field, end, folding) => {
            sql.push(dialect.last_characters())
                .push(T::text_column(*field, *folding))
                .push(dialect.of_length())
                .push_value(end.as_str())
                .push(")) = ")
                .push_value(end.as_str());
        }
        Test::Integer(field, operator, value) => {
            // Two-valued: a null would make the comparison, and its inversion, unknown.
            if T::is_nullable(*field) {
                sql.push(T::integer_column(*field)).push(" IS NOT NULL AND ");
            }
            sql.push(T::integer_column(*field)).push(sign(*operator)).push_value(*value);
        }
        Test::Flag(field, operator, value) => {
            // Not bound, so that the database can see whether an index of these few is of use.
            sql.push(T::flag_column(*field)).push(sign(*operator)).push(if *value {
                "TRUE"
            } else {
                "FALSE"
            });
        }
    }
}

/// Where a part is in the list. `before` stands before it if it says anything.
pub(super) fn push_position<T: Table>(
    sql: &mut Sql,
    part: &Part<'_, T>,
    before: &'static str,
    columns: Columns,
) {
    let mut before = before;
    for (field, value) in &part.equal {
        sql.push(before).push(columns.sign()).push(column(*field));
        match value {
            FieldValue::Null => sql.push(" IS NULL"),
            value => sql.push(" = ").push_value(bound(value)),
        };
        before = " AND ";
    }
    let Some(first) = part.terms.first().map(|term| term.order) else { return };
    if part.begin != Begin::Start {
        sql.push(before).push(columns.sign()).push(column(first.field));
    }
    match part.begin {
        Begin::Start => {}
        Begin::WithValue => {
            sql.push(" IS NOT NULL");
        }
        Begin::After(value) => {
            sql.push(if first.ascending { " > " } else { " < " }).push_value(bound(value));
        }
    }
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

fn column<T: Table>(field: Field<T>) -> &'static str {
    match field {
        Field::Text(field) => T::text_column(field, Folding::Exact),
        Field::Integer(field) => T::integer_column(field),
        Field::Flag(field) => T::flag_column(field),
    }
}

#[cfg(test)]
mod tests {
    use crate::db::select::{Part, parts, push_source, push_walk};
    use crate::db::{Db, Dialect, Sql, testing};
    use crate::model::filter::{
        Body, Expression, Filter, FlagField, IntegerField, ListRequest, Operator, Test,
    };
    use crate::model::user::User;

    #[rocket::async_test]
    async fn a_list_of_staff_walks_along_an_index_of_staff() {
        let (figment, _directory) = testing::sqlite().await;
        let db = Db::open(&figment.focus("databases.main")).await.unwrap();
        for (field, index) in [
            ("last_name", "users_staff_last_name"),
            ("username", "users_staff_username"),
            ("last_login", "users_staff_last_login"),
            ("pk", "users_staff"),
        ] {
            let body = serde_json::json!({
                "expressions": [
                    {"type": "exact", "field": "is_staff", "value": true},
                    {"type": "contains", "field": "first_name", "sub_string": "an"},
                ],
                "order_by": [{"field": field, "ascending": false}],
            });
            let serde_json::Value::Object(body) = body else { unreachable!() };
            let filter: Filter = ListRequest::parse(body).unwrap().filter;
            let mut sql = Sql::new("EXPLAIN QUERY PLAN ");
            // Of last sign-ins those who never had one are a part of their own, before the others.
            let parts = parts(&filter, None);
            push_walk::<User>(&mut sql, Dialect::Sqlite, &parts[parts.len() - 1], Some(100), 50);
            let steps: Vec<(i64, i64, i64, String)> = db.all(sql).await.unwrap();
            let plan = steps.into_iter().map(|(.., step)| step).collect::<Vec<_>>().join("; ");
            assert!(plan.contains(&format!("INDEX {index}")), "{field}: {plan}");
            // Those of one name are put into order, and no more.
            assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{field}: {plan}");
        }
    }

    /// The counts of the overview. SQLite does not call an index with a computed column covering, but reads no row.
    #[rocket::async_test]
    async fn users_of_a_status_are_counted_along_an_index() {
        let (figment, _directory) = testing::sqlite().await;
        let db = Db::open(&figment.focus("databases.main")).await.unwrap();
        let not = |test| Expression { invert: true, body: Body::Test(test) };
        let flag = |field, value| Test::Flag(field, Operator::Equal, value);
        let usable = [
            not(flag(FlagField::IsInvited, true)),
            not(Test::Integer(IntegerField::ValidFrom, Operator::Greater, 5)),
            not(Test::Integer(IntegerField::ValidUntil, Operator::LessOrEqual, 5)),
        ];
        let long_ago = Test::Integer(IntegerField::LastLogin, Operator::Less, 5);
        let ending = Test::Integer(IntegerField::ValidUntil, Operator::Greater, 5);
        for (tests, is_usable, index) in [
            (vec![flag(FlagField::IsActive, false)], true, "users_inactive"),
            (vec![long_ago, flag(FlagField::IsActive, true)], true, "users_last_login"),
            (vec![ending], false, "users_valid_until"),
            (vec![flag(FlagField::IsStaff, true)], false, "users_staff"),
        ] {
            let mut expressions: Vec<_> = tests.into_iter().map(Expression::of).collect();
            expressions.extend(usable.iter().filter(|_| is_usable).cloned());
            let filter: Filter = Filter { expressions, order_by: Vec::new(), include_inactive: true };
            let mut sql = Sql::new("EXPLAIN QUERY PLAN SELECT count(*) FROM (SELECT 1");
            push_source(&mut sql, Dialect::Sqlite, &Part::whole(&filter));
            sql.push(" LIMIT 10001)");
            let steps: Vec<(i64, i64, i64, String)> = db.all(sql).await.unwrap();
            let plan = steps.into_iter().map(|(.., step)| step).collect::<Vec<_>>().join("; ");
            assert!(plan.contains(&format!("INDEX {index}")), "{index}: {plan}");
        }
    }
}
