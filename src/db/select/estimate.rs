//! How many a filter may match, asked before they are looked for.

use super::conditions::push_filter;
use super::parts::Part;
use super::table::Table;
use super::{names_a_value, search};
use crate::db::{Db, Dialect, Error, Result, Sql};
use crate::model::filter::Filter;

/// The most rows that a walk looks at, however many are wanted: some ten milliseconds, of a filter of a few tests.
const LONGEST_WALK: i64 = 20_000;
/// So many tests of a row are few: a filter of more walks less far.
const FEW_TESTS: i64 = 8;
/// A filter that no index narrows may make so many tests of all rows together, some ten seconds: beyond that it would
/// always be broken off.
const MOST_TESTS: i64 = 200_000_000;

/// How many rows a walk for so many should look at. `None` if all that fit should be found instead.
///
/// A walk looks at all / likely rows for each one that is wanted, but only if those that fit stand anywhere in
/// the order. Users called Zoe all stand at the end of the names: so a walk has to promise a good deal.
pub(super) async fn walk<T: Table>(db: &Db, filter: &Filter<T>, wanted: i64) -> Result<Option<i64>> {
    const PROMISE: i64 = 8;
    if filter.expressions.iter().any(names_a_value) {
        return Ok(None);
    }
    let tests = i64::try_from(filter.tests()).unwrap_or(i64::MAX);
    let numbers = match numbers(db.dialect(), filter) {
        Some(sql) if tests > FEW_TESTS => db.scanning().optional::<(i64, i64)>(sql).await?,
        Some(sql) => db.listing().optional::<(i64, i64)>(sql).await?,
        None => None,
    };
    if let Some((all, likely)) = numbers
        && likely < LONGEST_WALK
        && likely.saturating_mul(likely) / PROMISE < wanted.saturating_mul(all)
    {
        return Ok(None);
    }
    // Of few, more than a hundred for each that is wanted are looked at no sooner than all of them.
    let is_indexed = search::is_of_use(filter) || super::few(&Part::whole(filter)).is_some();
    // Without an index, finding all means to look at every row.
    let longest = longest_of(tests).max(wanted);
    Ok(Some(if is_indexed { wanted.saturating_mul(T::WALK).min(longest) } else { longest }))
}

/// How many rows a walk may look at with so many tests of each.
fn longest_of(tests: i64) -> i64 {
    LONGEST_WALK * FEW_TESTS / tests.max(FEW_TESTS)
}

/// Refuses a filter that could not be answered in time whenever it is asked for.
///
/// # Errors
/// [`Error::TooManyTests`] then.
pub(super) async fn refuse_endless<T: Table>(db: &Db, filter: &Filter<T>) -> Result<()> {
    let tests = i64::try_from(filter.tests()).unwrap_or(i64::MAX);
    let Some(kept) = T::KEPT_COUNT.filter(|_| tests > FEW_TESTS) else { return Ok(()) };
    if search::is_of_use(filter) || filter.expressions.iter().any(names_a_value) {
        return Ok(());
    }
    let rows = super::kept_number(db, kept).await?;
    if rows.saturating_mul(tests) > MOST_TESTS { Err(Error::TooManyTests) } else { Ok(()) }
}

/// Asks how many rows there are where a walk goes, which is all or those of an index of few, and how many are likely to
/// fit. `None` where only the index of few is of use: to find all that fit means to look at each of them, so a walk, which
/// looks at a part of them, is tried first.
fn numbers<T: Table>(dialect: Dialect, filter: &Filter<T>) -> Option<Sql> {
    let kept = T::KEPT_COUNT?;
    let whole = Part::whole(filter);
    let few = super::few(&whole);
    if few.is_some() && !search::is_of_use(filter) {
        return None;
    }
    let mut sql = Sql::new("SELECT (");
    match dialect {
        Dialect::Sqlite => {
            sql.push(kept).push("), (");
            search::push_candidates(&mut sql, filter, LONGEST_WALK)?;
            sql.push(")");
        }
        // Its index gives all at once, so some pages of the table are looked at: about five hundred rows.
        Dialect::Postgres => {
            sql.plan_for_values();
            sql.push(kept).push(")");
            if let Some((flag, _)) = few {
                sql.push(" * greatest(count(*) FILTER (WHERE ").push(T::flag_column(flag));
                sql.push("), 1) / greatest(count(*), 1)");
            }
            sql.push(", count(*) FILTER (WHERE ");
            push_filter(&mut sql, dialect, &whole);
            sql.push(") * (").push(kept).push(") / greatest(count(*), 1) FROM ").push(T::TABLE);
            sql.push(" TABLESAMPLE SYSTEM (least(100, 50000.0 / greatest((").push(kept).push("), 1)))");
        }
    }
    Some(sql)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::ListRequest;

    #[test]
    fn a_walk_of_any_number_of_tests_makes_no_more_of_them_than_one_of_a_few() {
        for (tests, rows) in [(1, 20_000), (8, 20_000), (9, 17_777), (15, 10_666), (498, 321)] {
            assert_eq!(longest_of(tests), rows, "{tests}");
        }
    }

    #[test]
    fn along_the_staff_a_list_walks_without_asking_unless_a_search_says_more() {
        let staff = serde_json::json!({"type": "exact", "field": "is_staff", "value": true});
        let name = serde_json::json!({"type": "contains", "field": "first_name", "sub_string": "kestrel"});
        let old = serde_json::json!({"type": "compare", "field": "last_login", "operator": "<", "value": "2026-01-01"});
        let either = serde_json::json!({"type": "or", "sub_expressions": [name, old]});
        for (expressions, dialect, asks) in [
            (vec![&staff, &either], Dialect::Postgres, false),
            (vec![&staff, &either], Dialect::Sqlite, false),
            (vec![&staff, &name], Dialect::Postgres, true),
            (vec![&staff, &name], Dialect::Sqlite, true),
            (vec![&either], Dialect::Postgres, true),
        ] {
            let body = serde_json::json!({"expressions": expressions, "order_by": [{"field": "last_name"}]});
            let serde_json::Value::Object(body) = body else { unreachable!() };
            let filter: Filter = ListRequest::parse(body).unwrap().filter;
            assert_eq!(numbers(dialect, &filter).is_some(), asks, "{dialect:?} {expressions:?}");
        }
    }
}
