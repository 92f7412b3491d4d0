//! The audit log: everything, filtered by what the query says.

use rocket::form::FromForm;
use rocket::get;

use super::audit_entries;
use super::layout::ConsoleSession;
use super::text::encode;
use super::view::{Answer, AuditPage, Beside};
use crate::model::audit::{Action, Entries, EntryInteger, EntryText, ListedEntry};
use crate::model::clock::Timestamp;
use crate::model::cursor::Cursor;
use crate::model::error::{Error, Result};
use crate::model::filter::{Expression, Field, Filter, Folding, Operator, Order, Test};
use crate::model::permission::ManageUsers;
use crate::model::text;
use crate::model::time_zone::Zone;
use crate::operations::lists::{self, Page};
use crate::operations::users;

/// Rows on a page.
const ROWS: i64 = 50;
/// Before the end: the last page. No cursor looks like it.
const END: &str = "end";
/// Longest name that is looked for, in characters.
const LONGEST_NAME: usize = 150;

/// The query as it arrived. What cannot be read is ignored, with a note.
#[derive(Debug, Default, FromForm)]
pub(super) struct AuditQuery {
    pub(super) actor: Option<String>,
    pub(super) user: Option<String>,
    pub(super) action: Option<String>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
}

/// What a query asks for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct AuditState {
    /// A user name, or empty.
    actor: String,
    /// A user name, or empty.
    user: String,
    /// An action's name, or empty.
    action: &'static str,
    /// A day, or empty.
    from: String,
    /// A day, or empty.
    to: String,
    /// What was not understood, a sentence each.
    notes: Vec<String>,
}

impl AuditState {
    pub(super) fn read(query: &AuditQuery) -> Self {
        let mut notes = Vec::new();
        let name = |given: &Option<String>| -> String {
            given.as_deref().unwrap_or_default().trim().chars().take(LONGEST_NAME).collect()
        };
        let mut unknown = |name: &str, given: &str| {
            let shown: String = given.chars().take(40).collect();
            notes.push(format!("The link had a filter we do not know: {name}={shown}"));
        };
        let mut day = |name: &str, given: &Option<String>| match given.as_deref().unwrap_or_default() {
            "" => String::new(),
            day if is_day(day) => day.to_owned(),
            other => {
                unknown(name, other);
                String::new()
            }
        };
        let (from, to) = (day("from", &query.from), day("to", &query.to));
        let action = match query.action.as_deref().unwrap_or_default() {
            "" => "",
            given => Action::named(given).map_or_else(
                || {
                    unknown("action", given);
                    ""
                },
                Action::as_str,
            ),
        };
        Self { actor: name(&query.actor), user: name(&query.user), action, from, to, notes }
    }

    fn is_narrowed(&self) -> bool {
        [&self.actor, &self.user, &self.from, &self.to].iter().any(|given| !given.is_empty())
            || !self.action.is_empty()
    }

    /// The path of this list, at a cursor.
    pub(super) fn path(&self, side: &'static str, cursor: &str) -> String {
        self.path_under("/audit", side, cursor)
    }

    /// The same of a page that takes the same filter, with one parameter more.
    fn path_under(&self, path: &str, name: &'static str, value: &str) -> String {
        let mut pairs = self.parameters();
        if !value.is_empty() {
            pairs.push((name, value.to_owned()));
        }
        let parts: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        if parts.is_empty() { path.to_owned() } else { format!("{path}?{}", parts.join("&")) }
    }

    /// Name and value of each parameter that narrows the list.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let pairs = [
            ("actor", self.actor.as_str()),
            ("user", &self.user),
            ("action", self.action),
            ("from", &self.from),
            ("to", &self.to),
        ];
        pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name, value.to_owned()))
            .collect()
    }

    /// The filter behind it. By day it is sorted by time: an index is entered at the day.
    pub(super) async fn filter(&self, console: &ConsoleSession<'_, ManageUsers>) -> Result<Filter<Entries>> {
        let mut tests = Vec::new();
        let people = [
            (&self.actor, EntryInteger::ActorId, EntryText::Actor),
            (&self.user, EntryInteger::TargetId, EntryText::Target),
        ];
        for (name, id, frozen) in people {
            if !name.is_empty() {
                tests.push(named(console, name, id, frozen).await?);
            }
        }
        if !self.action.is_empty() {
            let action = self.action.to_owned();
            tests.push(Test::Text(EntryText::Action, Operator::Equal, action, Folding::Exact));
        }
        let at = |operator, at: Timestamp| Test::Integer(EntryInteger::At, operator, at.micros());
        let zone = console.zone();
        tests.extend(zone.day(&self.from).map(|(begin, _)| at(Operator::GreaterOrEqual, begin)));
        tests.extend(zone.day(&self.to).map(|(_, end)| at(Operator::Less, end)));
        let by_time = !self.from.is_empty() || !self.to.is_empty();
        let order = Order { field: Field::Integer(EntryInteger::At), ascending: false, nulls_first: false };
        Ok(Filter {
            expressions: tests.into_iter().map(Expression::of).collect(),
            order_by: if by_time { vec![order] } else { Vec::new() },
            include_inactive: true,
        })
    }
}

/// `2026-03-01`, and nothing after it.
fn is_day(text: &str) -> bool {
    Zone::UTC.day(text).is_some()
}

/// The user who has the name now, whatever their name was then; else the user who had it then.
async fn named(
    console: &ConsoleSession<'_, ManageUsers>,
    name: &str,
    id: EntryInteger,
    frozen: EntryText,
) -> Result<Test<Entries>> {
    match users::get_by_name(&console.can.weaken(), name).await {
        Ok(user) => Ok(Test::Integer(id, Operator::Equal, user.id.0)),
        // No name has a NUL, and PostgreSQL refuses to be asked.
        Err(Error::NotFound) if name.contains('\0') => Ok(Test::Constant(false)),
        Err(Error::NotFound) => Ok(Test::Text(frozen, Operator::Equal, text::fold(name), Folding::Folded)),
        Err(error) => Err(error),
    }
}

/// Everything, or what the query says.
#[get("/audit?<query..>")]
pub(super) async fn page(
    query: AuditQuery,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<AuditPage>> {
    let mut state = AuditState::read(&query);
    let (filter, zone) = (state.filter(&console).await?, console.zone());
    let last = query.before.as_deref() == Some(END);
    let at = |cursor: &Option<String>| cursor.as_deref().map(|cursor| Cursor::decode(&filter, cursor));
    let (after, before) = (at(&query.after), if last { None } else { at(&query.before) });
    if matches!(after, Some(None)) || matches!(before, Some(None)) {
        state.notes.push("The link's page could not be found in this order. This is the first page.".into());
    }
    let page = match (after.flatten(), before.flatten()) {
        (None, Some(place)) => lists::page_before(&console.can, &filter, Some(&place), ROWS).await?,
        (None, None) if last => lists::page_before(&console.can, &filter, None, ROWS).await?,
        (place, _) => lists::page_after(&console.can, &filter, place.as_ref(), ROWS).await?,
    };
    Ok(Answer::page(AuditPage {
        layout: console.layout("audit"),
        actions: Action::NAMES.iter().map(|(_, name, words)| (*name, *words)).collect(),
        narrowed: state.is_narrowed(),
        exports: ["csv", "json"].map(|format| state.path_under("/audit/export", "format", format)),
        rows: page.records.iter().map(|told| audit_entries::row(told, &zone)).collect(),
        pages: beside(&state, &filter, &page),
        notes: std::mem::take(&mut state.notes),
        actor: state.actor,
        user: state.user,
        action: state.action,
        from: state.from,
        to: state.to,
    }))
}

/// The pages around one.
fn beside(state: &AuditState, filter: &Filter<Entries>, page: &Page<ListedEntry>) -> Vec<Beside> {
    let cursor = |told: &ListedEntry| Cursor::after(filter, told).encode(filter);
    let mut pages = Vec::new();
    if let (true, Some(first)) = (page.has_previous, page.records.first()) {
        pages.push((state.path("", ""), "First", ""));
        pages.push((state.path("before", &cursor(first)), "Previous", "prev"));
    }
    if let (true, Some(last)) = (page.has_next, page.records.last()) {
        pages.push((state.path("after", &cursor(last)), "Next", "next"));
        pages.push((state.path("before", END), "Last", ""));
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_query_says_that_is_not_understood_is_noted() {
        let query = AuditQuery {
            actor: Some("  ada ".into()),
            action: Some("explode".into()),
            from: Some("2026-13-01".into()),
            to: Some("2026-03-01T10:00".into()),
            ..Default::default()
        };
        let state = AuditState::read(&query);
        assert_eq!(state.notes.len(), 3, "{:?}", state.notes);
        assert_eq!(state.path("after", "x"), "/audit?actor=ada&after=x");
        assert_eq!(AuditState::default().path("", ""), "/audit");
    }
}
