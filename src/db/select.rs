//! Lists: a filter, an order and a cursor as statements.
//!
//! [`Filter::matches`] and [`Filter::compare`] say what the statements must mean. Two things keep them
//! quick however many users there are. A list is read in `parts`, each of which an index has in its
//! order. And a filter is answered in one of two ways: by walking along the order and picking what fits,
//! which is quick when many do, or by finding all that fits and sorting it, which is quick when few do.
//! Which it is nobody knows before, so the walk comes first and goes no further than [`WALK`] says.

mod conditions;
mod parts;
mod search;

use self::conditions::{
    Columns, push_filter, push_hidden_order_columns, push_order, push_order_index, push_position,
};
use self::parts::{Part, parts};
use super::users::{UserRow, columns};
use super::{Db, Dialect, Error, Result, Sql};
use crate::filter::Filter;
use crate::page::Place;
use crate::user::User;

/// How many users a walk looks at for each one that is wanted. Where it does not find them, less than one
/// in a hundred fits, and sorting these is quick.
const WALK: i64 = 100;

/// At most `limit` users of the list, from the one after `place` on.
///
/// # Errors
/// As the database says.
pub async fn users(db: &Db, filter: &Filter, place: Option<&Place>, limit: i64) -> Result<Vec<User>> {
    let mut users = Vec::new();
    for part in parts(filter, place) {
        let wanted = limit.saturating_sub(i64::try_from(users.len()).unwrap_or(limit));
        if wanted <= 0 {
            break;
        }
        users.extend(part_of_list(db, &part, wanted).await?);
    }
    Ok(users)
}

async fn part_of_list(db: &Db, part: &Part<'_>, limit: i64) -> Result<Vec<User>> {
    if part.filter.expressions.is_empty() && part.tests.is_empty() {
        return fetch(db, |sql| push_walk(sql, db.dialect(), part, None, limit)).await;
    }
    let walk = Some(limit.saturating_mul(WALK));
    let found = fetch(db, |sql| push_walk(sql, db.dialect(), part, walk, limit)).await?;
    if i64::try_from(found.len()) == Ok(limit) {
        return Ok(found);
    }
    fetch(db, |sql| push_found(sql, db.dialect(), part, limit)).await
}

/// At most `limit` users that the filter matches; quick when they are few.
///
/// # Errors
/// As the database says.
pub async fn few(db: &Db, filter: &Filter, limit: i64) -> Result<Vec<User>> {
    let part = Part::whole(filter);
    fetch(db, |sql| push_found(sql, db.dialect(), &part, limit)).await
}

/// How many users the filter matches.
///
/// # Errors
/// As the database says.
pub async fn count(db: &Db, filter: &Filter) -> Result<i64> {
    if filter.is_everybody() {
        return super::users::count(db).await;
    }
    let mut sql = Sql::new("SELECT count(*)");
    push_source(&mut sql, db.dialect(), filter);
    Ok(db.optional::<(i64,)>(sql).await?.map_or(0, |(count,)| count))
}

/// How many users the filter matches, counted no further than `most`.
///
/// # Errors
/// As the database says.
pub async fn count_up_to(db: &Db, filter: &Filter, most: i64) -> Result<i64> {
    if filter.is_everybody() {
        return super::users::count(db).await;
    }
    let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1");
    push_source(&mut sql, db.dialect(), filter);
    sql.push(" LIMIT ").push_value(most).push(") AS found");
    Ok(db.optional::<(i64,)>(sql).await?.map_or(0, |(count,)| count))
}

/// Whether searches have their index. PostgreSQL may lack the extension for it.
///
/// # Errors
/// As the database says.
pub async fn search_is_indexed(db: &Db) -> Result<bool> {
    match db.dialect() {
        Dialect::Sqlite => Ok(true),
        Dialect::Postgres => {
            let sql = Sql::new("SELECT to_regclass('users_search') IS NOT NULL");
            Ok(db.optional::<(bool,)>(sql).await?.is_some_and(|(exists,)| exists))
        }
    }
}

/// Runs a SELECT of [`columns!`].
async fn fetch(db: &Db, push_select: impl Fn(&mut Sql)) -> Result<Vec<User>> {
    let rows = match db.dialect() {
        // sqlx hands over SQLite's rows one by one between threads; as one JSON value a page costs
        // a fraction of that.
        Dialect::Sqlite => {
            let mut sql = Sql::new(
                "SELECT json_group_array(json_array(id, username, username_key, first_name, last_name, \
                 email, is_active, is_staff, is_superuser, valid_from, valid_until, \
                 must_change_password, password_changed_at, date_joined, last_login, version)) FROM (",
            );
            push_select(&mut sql);
            sql.push(")");
            let (json,): (String,) = db.optional(sql).await?.unwrap_or_else(|| ("[]".into(),));
            serde_json::from_str(&json).map_err(|error| Error::Corrupt(error.to_string()))?
        }
        Dialect::Postgres => {
            let mut sql = Sql::new("");
            push_select(&mut sql);
            db.all::<UserRow>(sql).await?
        }
    };
    Ok(rows.into_iter().map(User::from).collect())
}

/// Along the order; with `walk`, no further than so many users.
fn push_walk(sql: &mut Sql, dialect: Dialect, part: &Part<'_>, walk: Option<i64>, limit: i64) {
    sql.push(concat!("SELECT ", columns!(), " FROM "));
    if let Some(walk) = walk {
        sql.push("(SELECT * FROM users");
        push_order_index(sql, dialect, part);
        push_position(sql, part, " WHERE ", Columns::Indexed);
        push_order(sql, part, Columns::Indexed);
        sql.push(" LIMIT ").push_value(walk).push(") AS users WHERE ");
        push_filter(sql, dialect, part);
    } else {
        sql.push("users");
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
fn push_found(sql: &mut Sql, dialect: Dialect, part: &Part<'_>, limit: i64) {
    match dialect {
        Dialect::Sqlite => {
            sql.push(concat!("SELECT ", columns!()));
            search::push_sqlite_source(sql, part.filter);
            push_filter(sql, dialect, part);
            push_position(sql, part, " AND ", Columns::Computed);
            push_order(sql, part, Columns::Computed);
        }
        Dialect::Postgres => {
            sql.push(concat!("WITH found AS MATERIALIZED (SELECT ", columns!()));
            push_hidden_order_columns(sql, part);
            search::push_postgres_source(sql, part.filter);
            push_filter(sql, dialect, part);
            push_position(sql, part, " AND ", Columns::Indexed);
            sql.push(concat!(") SELECT ", columns!(), " FROM found AS users"));
            push_order(sql, part, Columns::Indexed);
        }
    }
    sql.push(" LIMIT ").push_value(limit);
}

/// `FROM` and `WHERE` of all users that the filter matches.
fn push_source(sql: &mut Sql, dialect: Dialect, filter: &Filter) {
    match dialect {
        Dialect::Sqlite => search::push_sqlite_source(sql, filter),
        Dialect::Postgres => search::push_postgres_source(sql, filter),
    }
    push_filter(sql, dialect, &Part::whole(filter));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{FieldValue, ListRequest};

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
        let place = Place(vec![FieldValue::Text("'; --".into()), FieldValue::Integer(7)]);
        let tails: Vec<String> = parts(&filter, Some(&place))
            .iter()
            .map(|part| {
                let mut sql = Sql::new("");
                push_found(&mut sql, Dialect::Sqlite, part, 10);
                sql.text().split(" FROM users WHERE ").nth(1).unwrap().to_owned()
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
            push_source(&mut sql, dialect, &filter);
            assert!(!sql.text().contains(['\'', '"']), "{}", sql.text());
            assert!(sql.text().contains("$1") && sql.text().contains("$2"), "{}", sql.text());
        }
    }

    #[test]
    fn a_list_is_cut_where_no_index_goes_on_and_begins_in_the_part_of_its_place() {
        let filter = filter(serde_json::json!({"order_by": [
            {"field": "is_staff", "ascending": false}, {"field": "last_login", "nulls_first": false},
        ]}));
        let order = |place: Option<&Place>| {
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
        let never = Place(vec![FieldValue::Flag(true), FieldValue::Null, FieldValue::Integer(7)]);
        assert_eq!(
            order(Some(&never)),
            format!("{staff} IS NULL AND id > $1; {others} IS NOT NULL; {others} IS NULL; ")
        );
        let once = Place(vec![FieldValue::Flag(false), FieldValue::Integer(5), FieldValue::Integer(7)]);
        assert_eq!(
            order(Some(&once)),
            format!("{others} = $1 AND id > $2; {others} > $3; {others} IS NULL; ")
        );
    }
}
