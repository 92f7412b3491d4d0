//! The index of a search: which users have three given characters in a row in what is searched.
//!
//! It only narrows: the users that it gives are checked once more. So a condition may ask it for less than
//! it demands itself, and for nothing at all if it knows no three characters that must be there.

use std::collections::BTreeSet;

use super::table::Table;
use super::{demands, names_a_key};
use crate::db::Sql;
use crate::model::filter::{Body, Expression, Filter};

/// Characters of a text that are looked up. More would not narrow further, only take time.
pub(crate) const LOOKED_UP: usize = 32;

/// `FROM` the table `WHERE`, with the index if it narrows the filter.
pub(super) fn push_sqlite_source<T: Table>(sql: &mut Sql, filter: &Filter<T>) {
    let Some(query) = sqlite_query(filter) else {
        sql.push(" FROM ").push(T::TABLE).push(" WHERE ");
        return;
    };
    // CROSS JOIN: the index first, then the users.
    sql.push(" FROM (SELECT rowid AS found FROM users_search WHERE users_search MATCH ")
        .push_value(query)
        .push(") CROSS JOIN users ");
    if filter.expressions.iter().all(is_searched) {
        sql.push("INDEXED BY users_searched ");
    }
    sql.push("ON users.id = found WHERE ");
}

/// Counts the users that SQLite's index gives, `most` at most. `None` if it gives nothing.
pub(super) fn push_candidates<T: Table>(sql: &mut Sql, filter: &Filter<T>, most: i64) -> Option<()> {
    sql.push("SELECT count(*) FROM (SELECT 1 FROM users_search WHERE users_search MATCH ")
        .push_value(sqlite_query(filter)?)
        .push(" LIMIT ")
        .push_value(most)
        .push(")");
    Some(())
}

/// Whether the index gives anything.
pub(super) fn is_of_use<T: Table>(filter: &Filter<T>) -> bool {
    // The index of a column gives one user at once, where this one would look up each group of characters.
    !keys(filter).is_empty() && !filter.expressions.iter().any(|it| demands(it, &names_a_key))
}

/// Whether the index `users_searched` has all that an expression looks at.
fn is_searched<T: Table>(expression: &Expression<T>) -> bool {
    match &expression.body {
        Body::Any(parts) | Body::All(parts) => parts.iter().all(is_searched),
        Body::Test(test) => T::is_searched(test),
    }
}

/// `FROM` the table `WHERE`, with what the index can answer.
pub(super) fn push_postgres_source<T: Table>(sql: &mut Sql, filter: &Filter<T>) {
    sql.push(" FROM ").push(T::TABLE).push(" WHERE ");
    for key in keys(filter) {
        sql.push("users.searchable LIKE ").push_value(like_pattern(&key)).push(" AND ");
    }
}

/// What SQLite's index is asked for, if anything.
fn sqlite_query<T: Table>(filter: &Filter<T>) -> Option<String> {
    is_of_use(filter).then(|| groups_of(&keys(filter)))
}

/// Groups of three characters, each of which must be there: side by side, and the last three. Those between
/// would hardly narrow further, and each costs time.
fn groups_of(keys: &[String]) -> String {
    let mut groups = BTreeSet::new();
    for key in keys {
        let characters: Vec<char> = key.chars().collect();
        let side_by_side = characters.chunks_exact(3);
        groups.extend(side_by_side.chain(characters.windows(3).next_back()).map(String::from_iter));
    }
    let quoted = |group: String| format!("\"{}\"", group.replace('"', "\"\""));
    groups.into_iter().map(quoted).collect::<Vec<_>>().join(" AND ")
}

/// The text anywhere.
fn like_pattern(key: &str) -> String {
    let mut pattern = String::from("%");
    for character in key.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Texts that are in the column `searchable` of every user that the filter matches.
fn keys<T: Table>(filter: &Filter<T>) -> Vec<String> {
    let mut keys = Vec::new();
    for expression in &filter.expressions {
        add_keys(expression, &mut keys);
    }
    keys
}

fn add_keys<T: Table>(expression: &Expression<T>, keys: &mut Vec<String>) {
    match expression {
        Expression { invert: false, body: Body::Test(test) } => keys.extend(T::search_key(test)),
        Expression { invert: false, body: Body::All(parts) } => {
            for part in parts {
                add_keys(part, keys);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::text;

    #[test]
    fn nothing_that_is_searched_for_is_syntax() {
        assert_eq!(groups_of(&["a\"*b".into()]), "\"\"\"*b\" AND \"a\"\"*\"");
        assert_eq!(groups_of(&["quill".into(), "ada".into()]), "\"ada\" AND \"ill\" AND \"qui\"");
        assert_eq!(like_pattern("50%_\\"), "%50\\%\\_\\\\%");
    }

    #[test]
    fn every_character_is_searched_for_alike_whatever_its_case() {
        for character in '\0'..=char::MAX {
            let (text, folded) = (character.to_string(), text::fold(&character.to_string()));
            if folded != text {
                assert_eq!(text::searchable(&folded), text::searchable(&text), "{character:?}");
            }
        }
    }

    proptest! {
        // The index is asked for parts of conditions as they are searched for.
        #[test]
        fn what_is_part_of_a_text_is_part_of_it_as_it_is_searched(
            before in "\\PC{0,4}", part in "\\PC{0,4}", after in "\\PC{0,4}",
        ) {
            let whole = text::tidy(&format!("{before}{part}{after}"));
            for (whole, part) in [(whole.clone(), part.clone()), (text::fold(&whole), text::fold(&part))] {
                if whole.contains(&part) {
                    prop_assert!(text::searchable(&whole).contains(&text::searchable(&part)));
                }
            }
        }
    }
}
