//! The boxes of the users list.

use super::found::Count;
use super::list::thousands;
use super::query::{ListQuery, ListState, encode};
use crate::web::view::Selection;

/// What the list needs, so that users can be chosen: `rows` of the `count` that match are on the page.
pub(super) fn of(state: &ListState, query: &ListQuery, count: Count, rows: usize) -> Selection {
    let all = match count {
        Count::Of(count) if i64::try_from(rows).is_ok_and(|rows| rows >= count) => String::new(),
        Count::Of(count) => format!("All {} that match", thousands(count)),
        Count::OverLimit => "All that match".into(),
    };
    Selection {
        checked: query.select.as_deref() == Some("page"),
        select_path: select_path(state, query),
        list: state.parameters(),
        all,
        export_path: path("/users/export", &state.parameters()),
    }
}

/// This page with all boxes ticked: for browsers without scripts.
fn select_path(state: &ListState, query: &ListQuery) -> String {
    let mut path = state.path_with("select", "page");
    for (name, cursor) in [("&after=", &query.after), ("&before=", &query.before)] {
        if let Some(cursor) = cursor {
            path.push_str(name);
            path.push_str(&encode(cursor));
        }
    }
    path
}

/// A path with parameters.
pub(super) fn path(path: &str, parameters: &[(&str, String)]) -> String {
    let query: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selecting_a_page_stays_on_it() {
        let query = ListQuery {
            q: Some("a b".into()),
            after: Some("cursor".into()),
            select: Some("page".into()),
            ..ListQuery::default()
        };
        let selection = of(&ListState::read(&query), &query, Count::Of(178), 50);
        assert!(selection.checked);
        assert_eq!(selection.select_path, "/users?q=a%20b&select=page&after=cursor");
        assert_eq!(selection.export_path, "/users/export?q=a%20b");
        assert_eq!(selection.all, "All 178 that match");
        assert_eq!(of(&ListState::read(&query), &query, Count::Of(50), 50).all, "");
        assert_eq!(of(&ListState::read(&query), &query, Count::OverLimit, 50).all, "All that match");
    }
}
