//! What a filter, an order and a place come to in SQL.

use super::parts::{Begin, Part, Term};
use crate::db::{Dialect, Sql, Value};
use crate::filter::{
    Body, Expression, Field, FieldValue, FlagField, Folding, IntegerField, Operator, Test, TextField,
};

/// Whether an index may be used for columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// As they are.
    Indexed,
    /// As the result of an operation that changes nothing, which no index has.
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
pub(super) fn push_order(sql: &mut Sql, part: &Part<'_>, columns: Columns) {
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

/// The index that has the users in the order of a part. SQLite would rather sort all of them than some that
/// are equal in the first term.
pub(super) fn push_order_index(sql: &mut Sql, dialect: Dialect, part: &Part<'_>) {
    let index = match part.terms.first().map(|term| term.order.field) {
        Some(Field::Text(TextField::Username)) => " INDEXED BY users_username",
        Some(Field::Text(TextField::FirstName)) => " INDEXED BY users_first_name",
        Some(Field::Text(TextField::LastName)) => " INDEXED BY users_last_name",
        Some(Field::Text(TextField::Email)) => " INDEXED BY users_email",
        Some(Field::Text(TextField::Name)) => " INDEXED BY users_name_folded",
        Some(Field::Integer(IntegerField::DateJoined)) => " INDEXED BY users_date_joined",
        Some(Field::Integer(IntegerField::LastLogin)) => " INDEXED BY users_last_login",
        // The table itself is in the order of its primary key; nobody sorts by what is searched.
        Some(Field::Integer(IntegerField::Id) | Field::Text(TextField::Searchable) | Field::Flag(_))
        | None => return,
    };
    // Users that are equal in something are found by that.
    if dialect == Dialect::Sqlite && part.equal.is_empty() {
        sql.push(index);
    }
}

/// The columns of an order that are no part of a user.
pub(super) fn push_hidden_order_columns(sql: &mut Sql, part: &Part<'_>) {
    for term in &part.terms {
        if let Field::Text(field @ (TextField::Name | TextField::Searchable)) = term.order.field {
            sql.push(", users.").push(text_column(field, Folding::Exact));
        }
    }
}

/// What every user of a part fits.
pub(super) fn push_filter(sql: &mut Sql, dialect: Dialect, part: &Part<'_>) {
    sql.push(if part.filter.include_inactive { "TRUE" } else { "is_active = TRUE" });
    for expression in part.filter.expressions.iter().chain(&part.tests) {
        sql.push(" AND ");
        push_expression(sql, dialect, expression);
    }
}

fn push_list<T>(sql: &mut Sql, separator: &'static str, items: &[T], each: impl Fn(&mut Sql, &T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            sql.push(separator);
        }
        each(sql, item);
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
            // Not bound, so that the database can see whether an index of these few is of use.
            sql.push(flag_column(*field)).push(sign(*operator)).push(if *value { "TRUE" } else { "FALSE" });
        }
    }
}

/// Where a part is in the list. `before` stands before it if it says anything.
pub(super) fn push_position(sql: &mut Sql, part: &Part<'_>, before: &'static str, columns: Columns) {
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
    if part.begin != Begin::Everybody {
        sql.push(before).push(columns.sign()).push(column(first.field));
    }
    match part.begin {
        Begin::Everybody => {}
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
