//! Lists: a filter, an order and a cursor as statements.
//!
//! [`Filter::matches`] and [`Filter::compare`] say what the statements must mean. Two things keep them
//! quick however many users there are. A list is read in `parts`, each of which an index has in its
//! order. And a filter is answered in one of two ways: by walking along the order and picking what fits,
//! which is quick when many do, or by finding all that fits and sorting it, which is quick when few do.
//! `estimate` says which, and how far to walk.

mod conditions;
mod estimate;
mod offset;
mod parts;
mod search;
mod statements;
mod table;

use rocket::tokio::try_join;

use self::conditions::{Columns, push_filter, push_order, push_order_columns, push_position};
use self::parts::{Part, parts};
use self::statements::{few, push_found, push_found_in_postgres, push_source, push_walk, push_wanted};
use super::{Db, Dialect, Error, Result, Sql, from_row};
use crate::model::cursor::Cursor;
use crate::model::filter::{Body, Expression, Field, Filter, Folding, Operator, Test};
use crate::model::user::User;

pub use self::offset::page_at;
pub(crate) use self::search::LOOKED_UP;
pub use self::table::{Listed, Table};

/// At most `limit` records of the list, from the one after `place` on.
pub async fn page<L: Listed>(
    db: &Db,
    filter: &Filter<L::Table>,
    place: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<L>> {
    estimate::refuse_endless(db, filter).await?;
    let walk = if L::Table::WALK > 0 { estimate::walk(db, filter, limit).await? } else { None };
    of_parts(db, parts(filter, place), walk, limit).await
}

/// At most `limit` records of parts, one after the other.
async fn of_parts<L: Listed>(
    db: &Db,
    parts: Vec<Part<'_, L::Table>>,
    walk: Option<i64>,
    limit: i64,
) -> Result<Vec<L>> {
    let mut records = Vec::new();
    for part in parts {
        let wanted = limit.saturating_sub(i64::try_from(records.len()).unwrap_or(limit));
        if wanted <= 0 {
            break;
        }
        records.extend(part_of_list(db, &part, walk, wanted).await?);
    }
    Ok(records)
}

async fn part_of_list<L: Listed>(
    db: &Db,
    part: &Part<'_, L::Table>,
    walk: Option<i64>,
    limit: i64,
) -> Result<Vec<L>> {
    let is_narrowed = !part.filter.expressions.is_empty() || !part.tests.is_empty();
    if !is_narrowed || L::Table::WALK == 0 {
        let reach = if is_narrowed { Reach::All } else { Reach::Few };
        return fetch(db, reach, |sql| push_walk::<L>(sql, db.dialect(), part, None, limit)).await;
    }
    if walk.is_some() {
        let found = fetch(db, Reach::Few, |sql| push_walk::<L>(sql, db.dialect(), part, walk, limit)).await?;
        if i64::try_from(found.len()) == Ok(limit) {
            return Ok(found);
        }
    }
    fetch(db, Reach::All, |sql| push_found::<L>(sql, db.dialect(), part, limit)).await
}

/// How many rows a statement may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Hardly more than are wanted, or as many as the longest walk.
    Few,
    /// Every one.
    All,
}

/// The beginning of a list, and how many users the filter matches, counted no further than `most`.
pub async fn beginning(db: &Db, filter: &Filter, limit: i64, most: i64) -> Result<(Vec<User>, i64)> {
    estimate::refuse_endless(db, filter).await?;
    let parts = parts(filter, None);
    let walk = estimate::walk(db, filter, limit).await?;
    if let [part] = &parts[..]
        && !filter.expressions.is_empty()
        && walk.is_none()
    {
        // All that match are found for the page; to count them apart would find them once more.
        let (users, count) = counted(db, part, limit).await?;
        return Ok((users, count.min(most)));
    }
    try_join!(of_parts(db, parts, walk, limit), count_up_to(db, filter, most))
}

/// Whether all that fit have a value that an index finds: few enough to go there at once.
fn names_a_value<T: Table>(expression: &Expression<T>) -> bool {
    demands(expression, &|test| {
        names_a_key(test)
            || matches!(test, Test::Text(_, Operator::Equal, _, Folding::Folded) if T::search_key(test).is_some())
    })
}

/// Whether all that fit have the value of a column that an index has in its order.
fn names_a_key<T: Table>(test: &Test<T>) -> bool {
    match test {
        Test::Integer(_, Operator::Equal, _) => true,
        Test::Text(field, Operator::Equal, _, Folding::Exact) => {
            T::order_index(Field::Text(*field)).is_some()
        }
        _ => false,
    }
}

/// Whether nothing fits but what passes a test of this kind.
fn demands<T: Table>(expression: &Expression<T>, is_of_kind: &impl Fn(&Test<T>) -> bool) -> bool {
    match expression {
        Expression { invert: true, .. } | Expression { body: Body::Any(_), .. } => false,
        Expression { body: Body::All(parts), .. } => parts.iter().any(|part| demands(part, is_of_kind)),
        Expression { body: Body::Test(test), .. } => is_of_kind(test),
    }
}

/// At most `limit` users of the list, from the one after `place` on.
pub async fn users(db: &Db, filter: &Filter, place: Option<&Cursor>, limit: i64) -> Result<Vec<User>> {
    page(db, filter, place, limit).await
}

/// How many records the filter matches.
pub async fn count<T: Table>(db: &Db, filter: &Filter<T>) -> Result<i64> {
    if let Some(kept) = T::KEPT_COUNT.filter(|_| filter.is_everything()) {
        return kept_number(db, kept).await;
    }
    estimate::refuse_endless(db, filter).await?;
    let mut sql = Sql::new("SELECT count(*)");
    push_source(&mut sql, db.dialect(), &Part::whole(filter));
    one_number(db, sql).await
}

/// How many users the filter matches, counted no further than `most`.
pub async fn count_up_to<T: Table>(db: &Db, filter: &Filter<T>, most: i64) -> Result<i64> {
    if let Some(kept) = T::KEPT_COUNT.filter(|_| filter.is_everything()) {
        return kept_number(db, kept).await;
    }
    let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1");
    push_source(&mut sql, db.dialect(), &Part::whole(filter));
    sql.push(" LIMIT ").push_value(most).push(") AS found");
    one_number(db, sql).await
}

/// How many records of the list come after a place, counted no further than `most`.
pub async fn count_after<T: Table>(db: &Db, filter: &Filter<T>, place: &Cursor, most: i64) -> Result<i64> {
    let mut found = 0;
    for part in parts(filter, Some(place)) {
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1");
        push_source(&mut sql, db.dialect(), &part);
        // Of few that match, the place is looked for among them, not by its own index.
        let is_among_few = !filter.expressions.is_empty() && db.dialect() == Dialect::Sqlite;
        let columns = if is_among_few { Columns::Computed } else { Columns::Indexed };
        push_position(&mut sql, &part, " AND ", columns);
        sql.push(" LIMIT ").push_value(most - found).push(") AS found");
        found += one_number(db, sql).await?;
    }
    Ok(found)
}

async fn kept_number(db: &Db, sql: &'static str) -> Result<i64> {
    Ok(db.optional::<(i64,)>(Sql::new(sql)).await?.map_or(0, |(number,)| number))
}

async fn one_number(db: &Db, sql: Sql) -> Result<i64> {
    Ok(db.scanning().optional::<(i64,)>(sql).await?.map_or(0, |(number,)| number))
}

/// Whether searches have their index. PostgreSQL may lack the extension for it.
pub async fn search_is_indexed(db: &Db) -> Result<bool> {
    match db.dialect() {
        Dialect::Sqlite => Ok(true),
        Dialect::Postgres => {
            let sql = Sql::new("SELECT to_regclass('users_search') IS NOT NULL");
            Ok(db.optional::<(bool,)>(sql).await?.is_some_and(|(exists,)| exists))
        }
    }
}

/// Runs a SELECT of a table's columns.
async fn fetch<L: Listed>(db: &Db, reach: Reach, push_select: impl Fn(&mut Sql)) -> Result<Vec<L>> {
    let rows: Vec<L::Row> = match db.dialect() {
        // sqlx hands over SQLite's rows one by one between threads; as one JSON value a page costs
        // a fraction of that.
        Dialect::Sqlite => {
            let mut sql = Sql::new("SELECT json_group_array(");
            sql.push(L::JSON).push(") FROM (");
            push_select(&mut sql);
            sql.push(")");
            let json: Option<(String,)> = match reach {
                Reach::Few => db.listing().optional(sql).await?,
                Reach::All => db.scanning().optional(sql).await?,
            };
            let (json,) = json.unwrap_or_else(|| ("[]".into(),));
            read_rows::<L>(&json)?
        }
        Dialect::Postgres => {
            let mut sql = Sql::new("");
            push_select(&mut sql);
            match reach {
                Reach::Few => db.listing().all(sql).await?,
                Reach::All => db.scanning().all(sql).await?,
            }
        }
    };
    Ok(rows.into_iter().map(Into::into).collect())
}

fn read_rows<L: Listed>(json: &str) -> Result<Vec<L::Row>> {
    serde_json::from_str(json).map_err(|error| Error::Corrupt(error.to_string()))
}

/// Records of a part whose records are all found, and how many these are.
async fn counted<L: Listed>(db: &Db, part: &Part<'_, L::Table>, limit: i64) -> Result<(Vec<L>, i64)> {
    let (rows, count): (Vec<L::Row>, i64) = match db.dialect() {
        Dialect::Sqlite => {
            let mut sql = Sql::new("WITH found AS MATERIALIZED (SELECT ");
            sql.push(L::Table::TABLE).push(".id");
            push_order_columns(&mut sql, part);
            search::push_sqlite_source(&mut sql, part.filter);
            push_filter(&mut sql, Dialect::Sqlite, part);
            sql.push(") SELECT json_group_array(")
                .push(L::JSON)
                .push("), (SELECT count(*) FROM found) FROM (SELECT ");
            sql.push(L::COLUMNS).push(" FROM (SELECT id AS wanted FROM found");
            push_order(&mut sql, part, Columns::Indexed);
            sql.push(" LIMIT ").push_value(limit).push(") ");
            push_wanted::<L::Table>(&mut sql);
            sql.push(")");
            let (json, count): (String, i64) =
                db.scanning().optional(sql).await?.unwrap_or_else(|| ("[]".into(), 0));
            (read_rows::<L>(&json)?, count)
        }
        Dialect::Postgres => {
            let mut sql = Sql::new("");
            push_found_in_postgres::<L>(&mut sql, part, ", (SELECT count(*) FROM found) AS count", limit);
            let rows: Vec<Counted<L::Row>> = db.scanning().all(sql).await?;
            let count = rows.first().map_or(0, |row| row.count);
            (rows.into_iter().map(|row| row.row).collect(), count)
        }
    };
    Ok((rows.into_iter().map(Into::into).collect(), count))
}

/// A row, and how many there are of them.
struct Counted<Columns> {
    row: Columns,
    count: i64,
}
from_row!(Counted<Columns> { ..row, count });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::{FieldValue, ListRequest};

    fn filter(body: serde_json::Value) -> Filter {
        let serde_json::Value::Object(body) = body else { unreachable!() };
        ListRequest::parse(body).unwrap().filter
    }

    #[test]
    fn in_1_values_are_bound_and_never_part_of_the_text() {
        let filter = filter(serde_json::json!({
            "expressions": [{"type": "or", "sub_expressions": [
                {"type": "contains", "field": "username", "sub_string": "x'; DROP TABLE users --", "case_insensitive": true},
                {"type": "compare", "field": "last_login", "operator": "<", "value": "2024-01-01", "invert": true},
            ]}],
            "order_by": [{"field": "last_name", "ascending": false}],
        }));
        let place = Cursor(vec![FieldValue::Text("'; --".into()), FieldValue::Integer(7)]);
        let tails: Vec<String> = parts(&filter, Some(&place))
            .iter()
            .map(|part| {
                let mut sql = Sql::new("");
                push_found::<User>(&mut sql, Dialect::Sqlite, part, 10);
                let (_, tail) = sql.text().split_once(" FROM users WHERE ").unwrap();
                tail.split_once(") CROSS JOIN users ").unwrap().0.to_owned()
            })
            .collect();
        let found = "is_active = TRUE AND ((instr(username_folded, $1) > 0) \
                     OR NOT (last_login IS NOT NULL AND last_login < $2))";
        assert_eq!(
            tails,
            [
                format!("{found} AND +last_name = $3 AND +id > $4 ORDER BY +id ASC LIMIT $5"),
                format!("{found} AND +last_name < $3 ORDER BY +last_name DESC, +id ASC LIMIT $4"),
            ]
        );
    }

    #[test]
    fn in_1_what_is_looked_up_in_the_index_is_bound_too() {
        let filter = filter(serde_json::json!({"expressions": [
            {"type": "contains", "field": "email", "sub_string": "Ö' OR \""},
        ]}));
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let mut sql = Sql::new("");
            push_source(&mut sql, dialect, &Part::whole(&filter));
            assert!(!sql.text().contains(['\'', '"']), "{}", sql.text());
            assert!(sql.text().contains("$1") && sql.text().contains("$2"), "{}", sql.text());
        }
    }

    #[test]
    fn where_a_column_has_the_value_nothing_is_searched() {
        for (test, is_searched) in [
            (serde_json::json!({"type": "exact", "field": "username", "value": "ada.lovelace"}), false),
            (serde_json::json!({"type": "contains", "field": "username", "sub_string": "ada"}), true),
        ] {
            let mut sql = Sql::new("");
            let filter = filter(serde_json::json!({"expressions": [test]}));
            push_source(&mut sql, Dialect::Sqlite, &Part::whole(&filter));
            assert_eq!(sql.text().contains("MATCH"), is_searched, "{}", sql.text());
        }
    }

    #[test]
    fn a_list_is_cut_where_no_index_goes_on_and_begins_in_the_part_of_its_place() {
        let filter = filter(serde_json::json!({"order_by": [
            {"field": "is_staff", "ascending": false}, {"field": "last_login", "nulls_first": false},
        ]}));
        let order = |place: Option<&Cursor>| {
            let mut sql = Sql::new("");
            for part in parts(&filter, place) {
                push_filter(&mut sql, Dialect::Sqlite, &part);
                push_position(&mut sql, &part, " AND ", Columns::Indexed);
                sql.push("; ");
            }
            sql.text().replace("is_active = TRUE AND ", "")
        };
        let (staff, others) = ("(is_staff = TRUE) AND last_login", "(is_staff = FALSE) AND last_login");
        assert_eq!(
            order(None),
            format!("{staff} IS NOT NULL; {staff} IS NULL; {others} IS NOT NULL; {others} IS NULL; ")
        );
        let never = Cursor(vec![FieldValue::Flag(true), FieldValue::Null, FieldValue::Integer(7)]);
        assert_eq!(
            order(Some(&never)),
            format!("{staff} IS NULL AND id > $1; {others} IS NOT NULL; {others} IS NULL; ")
        );
        let once = Cursor(vec![FieldValue::Flag(false), FieldValue::Integer(5), FieldValue::Integer(7)]);
        assert_eq!(
            order(Some(&once)),
            format!("{others} = $1 AND id > $2; {others} > $3; {others} IS NULL; ")
        );
    }
}
