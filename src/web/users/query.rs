//! The state of the users list: all of it in the URL's query, and nowhere else.

use std::time::Duration;

use rocket::form::FromForm;

use super::words;
use crate::model::clock::Timestamp;
use crate::model::filter::{
    Body, Expression, Field, Filter, FlagField, IntegerField, Operator, Order, Test, TextField,
};
use crate::model::preferences::Preferences;
use crate::model::user::UserId;
use crate::web::text::encode;
use crate::web::with_query::WithQuery;

/// Longest search text, in characters.
const LONGEST_SEARCH: usize = 128;
/// The order of a list whose query says none.
const DEFAULT_SORT: (&str, &str) = ("sort", "name");

/// The query as it arrived. What is unknown is ignored, with a note.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromForm)]
pub(in crate::web) struct ListQuery {
    pub(in crate::web) q: Option<String>,
    pub(in crate::web) status: Option<String>,
    pub(in crate::web) role: Option<String>,
    pub(in crate::web) seen: Option<String>,
    pub(in crate::web) ends: Option<String>,
    pub(in crate::web) factor: Option<String>,
    pub(in crate::web) sort: Option<String>,
    pub(in crate::web) per: Option<String>,
    pub(in crate::web) after: Option<String>,
    pub(in crate::web) before: Option<String>,
    pub(in crate::web) count: Option<String>,
    pub(in crate::web) select: Option<String>,
}

impl<T> WithQuery<T, ListQuery> {
    /// The list; how many rows a page of it has does not matter here.
    pub(super) fn list(&self) -> ListState {
        ListState::read(&self.query, Preferences::default().rows)
    }
}

/// The list that a query asks for.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::web) struct ListState {
    /// Search text, trimmed.
    pub(in crate::web) q: String,
    /// `locked`, `ended`, `not-yet-valid`, `invited`, `deactivated`, `active` or empty.
    pub(in crate::web) status: &'static str,
    /// `staff`, `superuser`, `none` or empty.
    pub(in crate::web) role: &'static str,
    /// `7d`, `30d`, `-90d`, `never` or empty.
    pub(in crate::web) seen: &'static str,
    /// `7d` for accounts that end within so many days, or empty.
    pub(in crate::web) ends: &'static str,
    /// `some` or `none` for users with or without a second factor, or empty.
    pub(in crate::web) factor: &'static str,
    /// `name`, `email`, `seen` or `created`, with `-` before it for descending.
    pub(in crate::web) sort: &'static str,
    /// Rows on a page.
    pub(in crate::web) per: i64,
    /// Rows on a page when the query does not say, as the viewer likes it.
    pub(in crate::web) rows: i64,
    /// What was not understood, a sentence each.
    pub(in crate::web) notes: Vec<String>,
    /// The accounts that are locked now; read where a status is asked for.
    pub(in crate::web) locked: Vec<UserId>,
}

const STATUSES: [&str; 6] = ["locked", "ended", "not-yet-valid", "invited", "deactivated", "active"];
const ROLES: [&str; 3] = ["staff", "superuser", "none"];
const SEEN: [&str; 4] = ["7d", "30d", "-90d", "never"];
const ENDS: [&str; 1] = ["7d"];
const FACTORS: [&str; 2] = ["some", "none"];
const SORTS: [&str; 8] = ["name", "-name", "email", "-email", "seen", "-seen", "created", "-created"];

impl ListState {
    /// Reads the query; what is not understood becomes a note.
    pub(in crate::web) fn read(query: &ListQuery, rows: i64) -> Self {
        let mut notes = Vec::new();
        let mut choose = |name: &str, given: &Option<String>, known: &[&'static str]| -> &'static str {
            let given = given.as_deref().unwrap_or_default();
            let found = known.iter().find(|value| **value == given).copied();
            if found.is_none() && !given.is_empty() {
                let shown: String = given.chars().take(40).collect();
                notes.push(format!("The link had a filter we do not know: {name}={shown}"));
            }
            found.unwrap_or_default()
        };
        let status = choose("status", &query.status, &STATUSES);
        let role = choose("role", &query.role, &ROLES);
        let seen = choose("seen", &query.seen, &SEEN);
        let ends = choose("ends", &query.ends, &ENDS);
        let factor = choose("factor", &query.factor, &FACTORS);
        let sort = choose("sort", &query.sort, &SORTS);
        let per = match choose("per", &query.per, &["25", "50", "100"]) {
            "25" => 25,
            "50" => 50,
            "100" => 100,
            _ => rows,
        };
        let q = query.q.as_deref().unwrap_or_default().trim().chars().take(LONGEST_SEARCH).collect();
        let sort = if sort.is_empty() { DEFAULT_SORT.1 } else { sort };
        Self { q, status, role, seen, ends, factor, sort, per, rows, notes, locked: Vec::new() }
    }

    /// Whether anything narrows the list.
    pub(in crate::web) fn is_narrowed(&self) -> bool {
        self.narrowing().iter().any(|(_, value)| !value.is_empty())
    }

    /// Name and value of each parameter that narrows the list, if it is not empty.
    fn narrowing(&self) -> [(&'static str, &str); 6] {
        [
            ("q", self.q.as_str()),
            ("status", self.status),
            ("role", self.role),
            ("seen", self.seen),
            ("ends", self.ends),
            ("factor", self.factor),
        ]
    }

    /// What narrows and sorts the list: name and value of each parameter that is not the default.
    pub(in crate::web) fn parameters(&self) -> Vec<(&'static str, String)> {
        let parameters = self.narrowing().into_iter().chain([("sort", self.sort)]);
        let said = parameters.filter(|pair| !pair.1.is_empty() && *pair != DEFAULT_SORT);
        said.map(|(name, value)| (name, value.to_owned())).collect()
    }

    /// The query of this list, with one parameter set to another value; defaults and empty ones are
    /// left out. A change of anything drops the cursor.
    pub(in crate::web) fn query_with(&self, name: &str, value: &str) -> String {
        let (per, rows) = (self.per.to_string(), self.rows.to_string());
        let own = self.narrowing().into_iter().chain([("sort", self.sort), ("per", per.as_str())]);
        let mut pairs: Vec<(&str, &str)> =
            own.map(|(own, given)| (own, if own == name { value } else { given })).collect();
        if pairs.iter().all(|(own, _)| *own != name) {
            pairs.push((name, value));
        }
        let parts: Vec<String> = pairs
            .into_iter()
            .filter(|pair| !pair.1.is_empty() && *pair != DEFAULT_SORT && *pair != ("per", rows.as_str()))
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        parts.join("&")
    }

    /// The path of this list, with one parameter changed.
    pub(in crate::web) fn path_with(&self, name: &str, value: &str) -> String {
        let query = self.query_with(name, value);
        if query.is_empty() { "/users".into() } else { format!("/users?{query}") }
    }

    /// The filter and order behind it.
    pub(in crate::web) fn filter(&self, now: Timestamp) -> Filter {
        let mut expressions = Vec::new();
        let mut all = |test: Test| expressions.push(Expression { invert: false, body: Body::Test(test) });
        let flag = |field, value| Test::Flag(field, Operator::Equal, value);
        match self.role {
            "staff" => all(flag(FlagField::IsStaff, true)),
            "superuser" => all(flag(FlagField::IsSuperuser, true)),
            "none" => {
                all(flag(FlagField::IsStaff, false));
                all(flag(FlagField::IsSuperuser, false));
            }
            _ => {}
        }
        match self.factor {
            "some" => all(flag(FlagField::HasFactor, true)),
            "none" => all(flag(FlagField::HasFactor, false)),
            _ => {}
        }
        let days = |count: u64| now.minus(Duration::from_hours(24 * count)).micros();
        let seen = |operator, micros| Test::Integer(IntegerField::LastLogin, operator, micros);
        match self.seen {
            "7d" => all(seen(Operator::GreaterOrEqual, days(7))),
            "30d" => all(seen(Operator::GreaterOrEqual, days(30))),
            "-90d" => all(seen(Operator::Less, days(90))),
            "never" => all(Test::IsNull(IntegerField::LastLogin)),
            _ => {}
        }
        if self.ends == "7d" {
            let until = |operator, at: Timestamp| {
                Expression::of(Test::Integer(IntegerField::ValidUntil, operator, at.micros()))
            };
            let week = now.plus(Duration::from_hours(7 * 24));
            expressions.extend([until(Operator::Greater, now), until(Operator::LessOrEqual, week)]);
        }
        expressions.extend(self.status_tests(now));
        expressions.extend(self.search());
        let field = match self.sort.trim_start_matches('-') {
            "email" => Field::Text(TextField::Email),
            "seen" => Field::Integer(IntegerField::LastLogin),
            "created" => Field::Integer(IntegerField::DateJoined),
            _ => Field::Text(TextField::Name),
        };
        let ascending = !self.sort.starts_with('-');
        // "Never" stands last in both directions; users that are equal otherwise turn round with the rest.
        let order = Order { field, ascending, nulls_first: false };
        Filter {
            expressions,
            order_by: vec![order, Order { ascending, ..Order::ID }],
            include_inactive: true,
        }
    }

    /// What a user of the status passes. Of several that fit, the worst is a user's status, as
    /// [`status`](crate::web::view::status) says it.
    fn status_tests(&self, now: Timestamp) -> Vec<Expression> {
        let is = |test| Expression { invert: false, body: Body::Test(test) };
        let not = |Expression { body, .. }| Expression { invert: true, body };
        let date = |field, operator| is(Test::Integer(field, operator, now.micros()));
        let flag = |field, value| is(Test::Flag(field, Operator::Equal, value));
        let ids = self.locked.iter().map(|id| is(Test::Integer(IntegerField::Id, Operator::Equal, id.0)));
        let locked = Expression { invert: false, body: Body::Any(ids.collect()) };
        let ended = date(IntegerField::ValidUntil, Operator::LessOrEqual);
        let early = date(IntegerField::ValidFrom, Operator::Greater);
        let (invited, active) = (flag(FlagField::IsInvited, true), flag(FlagField::IsActive, true));
        let worse_first = match self.status {
            "locked" => return vec![if self.locked.is_empty() { is(Test::Constant(false)) } else { locked }],
            "ended" => vec![ended],
            "not-yet-valid" => vec![early, not(ended)],
            "invited" => vec![invited, not(early), not(ended)],
            // As a test of its own an index of the few has it.
            "deactivated" => vec![flag(FlagField::IsActive, false), not(invited), not(early), not(ended)],
            "active" => vec![active, not(invited), not(early), not(ended)],
            _ => return Vec::new(),
        };
        worse_first.into_iter().chain((!self.locked.is_empty()).then(|| not(locked))).collect()
    }

    /// Every word is somewhere in the user name, names or e-mail address.
    pub(super) fn search(&self) -> Option<Expression> {
        words::search(&self.q)
    }

    /// The same list without its search.
    pub(in crate::web) fn without_search(&self) -> Self {
        Self { q: String::new(), ..self.clone() }
    }

    /// The words of the search, as they are compared, each once: a second one finds nothing more.
    pub(in crate::web) fn words(&self) -> Vec<String> {
        words::of(&self.q)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rocket::form::Form;

    use super::*;
    use crate::model::preferences::ROWS;
    use crate::model::user::{User, Username};
    use crate::web::view::status;

    fn state(q: &str) -> ListState {
        ListState::read(&ListQuery { q: Some(q.to_owned()), ..Default::default() }, ROWS)
    }

    fn finds(q: &str, user: &User) -> bool {
        state(q).filter(Timestamp::from_micros(0)).matches(user)
    }

    #[test]
    fn search_finds_parts_in_any_order_without_case_and_accents() {
        let mut user = User::blank(Timestamp::from_micros(0));
        user.username = Username::parse("zoe.k").unwrap();
        user.first_name = "Zoë".into();
        user.last_name = "Кузнецова".into();
        user.email = "z.k@example.org".into();
        user.id = crate::model::user::UserId(4711);
        for q in ["zoe", "ZOË", "oe.", "кузн zoë", "EXAMPLE.org z", "  "] {
            assert!(finds(q, &user), "{q}");
        }
        for q in ["zoe anna", "4711", "%", "_"] {
            assert!(!finds(q, &user), "{q}");
        }
    }

    #[test]
    fn names_are_found_however_their_apostrophes_hyphens_and_spaces_are_typed() {
        let named = |first: &str, last: &str| {
            let mut user = User::blank(Timestamp::from_micros(0));
            user.username = Username::parse("someone").unwrap();
            (user.first_name, user.last_name) = (first.into(), last.into());
            user
        };
        for (q, first, last) in [
            ("o'neill", "Zoë", "O’Neill"),
            ("O’Neill", "Zoë", "O'Neill"),
            ("o'neill", "Zoë", "O Neill"),
            ("smith-jones", "Ada", "Smith Jones"),
            ("anne-marie", "Annemarie", "Weiß"),
            ("山田太郎", "太郎", "山田"),
            ("김민준", "민준", "김"),
        ] {
            assert!(finds(q, &named(first, last)), "{q}");
        }
        for (q, first, last) in
            [("o'neill", "Olga", "Neill"), ("山田太郎", "花子", "山田"), ("x-y", "Yx", "Zy")]
        {
            assert!(!finds(q, &named(first, last)), "{q}");
        }
    }

    #[test]
    fn each_user_is_in_the_list_of_their_status_and_of_no_other() {
        let now = Timestamp::from_micros(1_000);
        let (before, after) = (Some(Timestamp::from_micros(999)), Some(Timestamp::from_micros(1_001)));
        let names = ["Locked", "Ended", "Not yet valid", "Invited", "Deactivated", "Active"];
        for mask in 0..32_u8 {
            let has = |bit: u8| mask & (1 << bit) != 0;
            let user = User {
                id: UserId(i64::from(mask) + 1),
                valid_until: if has(0) { before } else { after },
                valid_from: if has(1) { after } else { None },
                is_invited: has(2),
                is_active: !has(3),
                ..User::blank(now)
            };
            let locked = if has(4) { vec![user.id] } else { Vec::new() };
            let shown = status(&user, has(4), now);
            for (value, name) in STATUSES.into_iter().zip(names) {
                let state = ListState { status: value, locked: locked.clone(), ..state("") };
                assert_eq!(state.filter(now).matches(&user), shown == name, "{value}: {user:?}");
            }
        }
    }

    #[derive(FromForm)]
    struct Named {
        name: String,
        q: Option<String>,
    }

    #[test]
    fn a_form_carries_every_parameter_of_its_list() {
        let list = "q=a&status=invited&role=staff&seen=7d&ends=7d&factor=none&sort=-seen";
        let sent = format!("name=mine&{list}");
        let form: WithQuery<Named, ListQuery> = Form::parse(&sent).unwrap();
        assert_eq!((form.name.as_str(), form.q.as_deref()), ("mine", Some("a")), "its own, too");
        assert_eq!(form.list().query_with("per", "50"), list);
    }

    #[test]
    fn a_word_that_is_said_twice_is_looked_for_once() {
        assert_eq!(state("Zoë b zoe B ZOE").words(), ["zoe", "b"]);
        assert_eq!(state(&"a ".repeat(64)).words(), ["a"]);
    }

    #[test]
    fn defaults_are_left_out_and_unknown_values_are_noted() {
        let query = ListQuery { role: Some("boss".into()), per: Some("50".into()), ..Default::default() };
        let state = ListState::read(&query, ROWS);
        assert_eq!(state.notes, ["The link had a filter we do not know: role=boss"]);
        assert_eq!(state.path_with("sort", "name"), "/users");
        assert_eq!(state.path_with("sort", "-seen"), "/users?sort=-seen");
        assert_eq!(self::state("a b&c").path_with("per", "25"), "/users?q=a%20b%26c&per=25");
        let few = ListState::read(&<ListQuery as Default>::default(), 25);
        assert_eq!(few.path_with("per", "50"), "/users?per=50");
        assert_eq!(few.path_with("per", "25"), "/users", "the default is the viewer's");
    }

    proptest! {
        #[test]
        fn no_query_makes_the_reader_panic(q in "\\PC{0,40}", other in "\\PC{0,10}") {
            let query = ListQuery { q: Some(q), sort: Some(other.clone()), seen: Some(other), ..Default::default() };
            let state = ListState::read(&query, ROWS);
            let _ = (state.filter(Timestamp::from_micros(0)), state.path_with("q", ""));
        }
    }
}
