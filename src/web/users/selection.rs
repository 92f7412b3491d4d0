//! The boxes of the users list, and what "all that match" means.

use super::query::{ListQuery, ListState};
use super::search_results::Count;
use crate::model::clock::Timestamp;
use crate::model::filter::{Body, Expression, Filter, IntegerField, Operator, Test};
use crate::web::text::{encode, thousands};
use crate::web::view::Selection;

/// What the list needs, so that users can be chosen. `more` says that not all that match are on the page.
pub(super) fn of(state: &ListState, query: &ListQuery, count: Count, more: bool) -> Selection {
    let all = match (more, count) {
        (false, _) => String::new(),
        (true, Count::OverLimit) => "All that match".into(),
        (true, Count::Of(count)) => format!("All {} that match", thousands(count)),
    };
    Selection {
        checked: query.select.as_deref() == Some("page"),
        select_path: select_path(state, query),
        list: state.parameters(),
        all,
        export_path: path("/users/export", &state.parameters()),
    }
}

/// All users of the list. A number that is searched for is also a primary key: the list shows that user
/// besides those that its filter finds.
pub(super) fn filter(state: &ListState, now: Timestamp) -> Filter {
    let (Ok(id), Some(search)) = (state.q.parse(), state.search()) else { return state.filter(now) };
    let named = Body::Test(Test::Integer(IntegerField::Id, Operator::Equal, id));
    let either = Body::Any(vec![search, Expression { invert: false, body: named }]);
    let mut filter = state.without_search().filter(now);
    filter.expressions.push(Expression { invert: false, body: either });
    filter
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
    use crate::model::user::{User, UserId};

    #[test]
    fn selecting_a_page_stays_on_it() {
        let query = ListQuery {
            q: Some("a b".into()),
            after: Some("cursor".into()),
            select: Some("page".into()),
            ..Default::default()
        };
        let state = ListState::read(&query, 50);
        let selection = of(&state, &query, Count::Of(1780), true);
        assert!(selection.checked);
        assert_eq!(selection.select_path, "/users?q=a%20b&select=page&after=cursor");
        assert_eq!(selection.export_path, "/users/export?q=a%20b");
        assert_eq!(selection.all, "All 1,780 that match");
        assert_eq!(of(&state, &query, Count::Of(50), false).all, "");
        assert_eq!(of(&state, &query, Count::OverLimit, true).all, "All that match");
    }

    #[test]
    fn all_that_match_a_number_are_also_the_user_of_that_primary_key() {
        let now = Timestamp::from_micros(0);
        let query = ListQuery { q: Some("7".into()), status: Some("active".into()), ..Default::default() };
        let filter = filter(&ListState::read(&query, 50), now);
        let user = |id, email: &str| User { id: UserId(id), email: email.into(), ..User::blank(now) };
        assert!(filter.matches(&user(7, "")) && filter.matches(&user(1, "a7@example.org")));
        assert!(!filter.matches(&user(1, "")));
        assert!(!filter.matches(&User { is_active: false, ..user(7, "") }));
    }
}
