//! The statements of a list: along its order, or of all that fits.

use super::conditions::{
    Columns, push_filter, push_order, push_order_columns, push_order_index, push_position,
};
use super::demands;
use super::parts::Part;
use super::search;
use super::table::{Listed, Table};
use crate::db::{Dialect, Sql};
use crate::model::filter::{Operator, Test};

/// The flag that all of a part have and few others do, and the index of these in the order of the part.
pub(super) fn few<T: Table>(part: &Part<'_, T>) -> Option<(T::Flag, &'static str)> {
    let (flag, index) = T::few(part.terms.first()?.order.field)?;
    let has_flag =
        |test: &Test<T>| matches!(test, Test::Flag(field, Operator::Equal, true) if *field == flag);
    let expressions = || part.filter.expressions.iter().chain(&part.tests);
    (part.equal.is_empty() && expressions().any(|it| demands(it, &has_flag))).then_some((flag, index))
}

/// Along the order; with `walk`, no further than so many users.
pub(super) fn push_walk<L: Listed>(
    sql: &mut Sql,
    dialect: Dialect,
    part: &Part<'_, L::Table>,
    walk: Option<i64>,
    limit: i64,
) {
    sql.push("SELECT ").push(L::COLUMNS).push(" FROM ");
    if let Some(walk) = walk {
        sql.plan_for_values();
        sql.push("(SELECT * FROM ").push(L::Table::TABLE);
        if let Some((flag, index)) = few(part) {
            if dialect == Dialect::Sqlite {
                sql.push(index);
            }
            sql.push(" WHERE ").push(L::Table::flag_column(flag)).push(" = TRUE");
            push_position(sql, part, " AND ", Columns::Indexed);
        } else {
            push_order_index(sql, dialect, part);
            push_position(sql, part, " WHERE ", Columns::Indexed);
        }
        push_order(sql, part, Columns::Indexed);
        sql.push(" LIMIT ").push_value(walk).push(") AS ").push(L::Table::TABLE).push(" WHERE ");
        push_filter(sql, dialect, part);
    } else {
        sql.push(L::Table::TABLE);
        push_order_index(sql, dialect, part);
        sql.push(" WHERE ");
        push_filter(sql, dialect, part);
        push_position(sql, part, " AND ", Columns::Indexed);
    }
    // SQLite keeps the rows of the inner SELECT in their order. Told to sort them, it would first read
    // all of them; PostgreSQL sees that they are sorted.
    if walk.is_none() || dialect == Dialect::Postgres {
        push_order(sql, part, Columns::Indexed);
    }
    sql.push(" LIMIT ").push_value(limit);
}

/// All that fit, then sorted.
pub(super) fn push_found<L: Listed>(sql: &mut Sql, dialect: Dialect, part: &Part<'_, L::Table>, limit: i64) {
    match dialect {
        Dialect::Sqlite => {
            sql.push("SELECT ")
                .push(L::COLUMNS)
                .push(" FROM (SELECT ")
                .push(L::Table::TABLE)
                .push(".id AS wanted");
            search::push_sqlite_source(sql, part.filter);
            push_filter(sql, dialect, part);
            push_position(sql, part, " AND ", Columns::Computed);
            push_order(sql, part, Columns::Computed);
            sql.push(" LIMIT ").push_value(limit).push(") ");
            push_wanted::<L::Table>(sql);
        }
        Dialect::Postgres => push_found_in_postgres::<L>(sql, part, "", limit),
    }
}

/// Only those that are wanted are read whole. They stay in the order of the inner SELECT.
pub(super) fn push_wanted<T: Table>(sql: &mut Sql) {
    sql.push("CROSS JOIN ").push(T::TABLE).push(" ON ").push(T::TABLE).push(".id = wanted");
}

pub(super) fn push_found_in_postgres<L: Listed>(
    sql: &mut Sql,
    part: &Part<'_, L::Table>,
    more: &'static str,
    limit: i64,
) {
    sql.plan_for_values();
    sql.push("WITH found AS MATERIALIZED (SELECT ").push(L::Table::TABLE).push(".id");
    push_order_columns(sql, part);
    search::push_postgres_source(sql, part.filter);
    push_filter(sql, Dialect::Postgres, part);
    push_position(sql, part, " AND ", Columns::Indexed);
    // Only those that are wanted are read whole, and put in order once more.
    sql.push(") SELECT ").push(L::COLUMNS).push(more).push(" FROM (SELECT id AS wanted FROM found");
    push_order(sql, part, Columns::Indexed);
    sql.push(" LIMIT ").push_value(limit).push(") AS first JOIN ").push(L::Table::TABLE);
    sql.push(" ON ").push(L::Table::TABLE).push(".id = wanted");
    push_order(sql, part, Columns::Indexed);
}

/// `FROM` and `WHERE` of all rows of a part.
pub(super) fn push_source<T: Table>(sql: &mut Sql, dialect: Dialect, part: &Part<'_, T>) {
    sql.plan_for_values();
    match dialect {
        Dialect::Sqlite => search::push_sqlite_source(sql, part.filter),
        Dialect::Postgres => search::push_postgres_source(sql, part.filter),
    }
    push_filter(sql, dialect, part);
}
