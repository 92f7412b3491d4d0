//! The audit log: everything, filtered by what the query says.

use rocket::form::FromForm;
use rocket::get;

use super::audit_entries;
use super::layout::ConsoleSession;
use super::text::encode;
use super::users::words;
use super::view::{Answer, AuditPage, Beside, Time};
use crate::model::audit::{Action, Entries, EntryInteger, EntryText, ListedEntry};
use crate::model::clock::Timestamp;
use crate::model::cursor::Cursor;
use crate::model::error::{Error, Result};
use crate::model::filter::{Body, Expression, Field, Filter, Folding, Operator, Order, Test};
use crate::model::permission::ManageUsers;
use crate::model::text;
use crate::model::time_zone::Zone;
use crate::model::user::User;
use crate::operations::lists::{self, Page};
use crate::operations::{audit, users};

/// Rows on a page.
const ROWS: i64 = 50;
/// Before the end: the last page. No cursor looks like it.
const END: &str = "end";
/// Longest name that is looked for, in characters.
const LONGEST_NAME: usize = 150;
/// Users that a part of a name may stand for.
const MOST_NAMED: i64 = 100;

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
    /// A user name or parts of a name, or empty.
    actor: String,
    /// A user name or parts of a name, or empty.
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
    pub(super) async fn filter(
        &mut self,
        console: &ConsoleSession<'_, ManageUsers>,
    ) -> Result<Filter<Entries>> {
        let mut expressions = Vec::new();
        let people = [
            (&self.actor, EntryInteger::ActorId, EntryText::Actor),
            (&self.user, EntryInteger::TargetId, EntryText::Target),
        ];
        for (name, id, frozen) in people {
            if !name.is_empty() {
                let named = named(console, name, id, frozen).await?;
                expressions.push(named.expression);
                if named.is_cut {
                    self.notes.push(format!(
                        "More than {MOST_NAMED} users match \u{201c}{name}\u{201d}. These are the entries of the first \
                         {MOST_NAMED}: type more of the name."
                    ));
                }
            }
        }
        if !self.action.is_empty() {
            let action = self.action.to_owned();
            let test = Test::Text(EntryText::Action, Operator::Equal, action, Folding::Exact);
            expressions.push(Expression::of(test));
        }
        let at =
            |operator, at: Timestamp| Expression::of(Test::Integer(EntryInteger::At, operator, at.micros()));
        let zone = console.zone();
        expressions.extend(zone.day(&self.from).map(|(begin, _)| at(Operator::GreaterOrEqual, begin)));
        expressions.extend(zone.day(&self.to).map(|(_, end)| at(Operator::Less, end)));
        let by_time = !self.from.is_empty() || !self.to.is_empty();
        let order = Order { field: Field::Integer(EntryInteger::At), ascending: false, nulls_first: false };
        Ok(Filter {
            expressions,
            order_by: if by_time { vec![order] } else { Vec::new() },
            include_inactive: true,
        })
    }
}

/// `2026-03-01`, and nothing after it.
fn is_day(text: &str) -> bool {
    Zone::UTC.day(text).is_some()
}

/// Who is meant by a name, and the entries that are about them.
struct Named {
    expression: Expression<Entries>,
    /// Whether more users than are looked for have it in their names.
    is_cut: bool,
}

/// The user who has the user name now, whatever it was then; else those who had it then, and those in whose names the
/// words stand, as the search of the users' list finds them.
async fn named(
    console: &ConsoleSession<'_, ManageUsers>,
    name: &str,
    id: EntryInteger,
    frozen: EntryText,
) -> Result<Named> {
    let is = |user: &User| Expression::of(Test::Integer(id, Operator::Equal, user.id.0));
    match users::get_by_name(&console.can.weaken(), name).await {
        Ok(user) => return Ok(Named { expression: is(&user), is_cut: false }),
        Err(Error::NotFound) => {}
        Err(error) => return Err(error),
    }
    // No name has a NUL, and PostgreSQL refuses to be asked.
    if name.contains('\0') {
        return Ok(Named { expression: Expression::of(Test::Constant(false)), is_cut: false });
    }
    let had = Test::Text(frozen, Operator::Equal, text::fold(name), Folding::Folded);
    let mut ways = vec![Expression::of(had)];
    let mut is_cut = false;
    if let Some(search) = words::search(name) {
        let filter = Filter { expressions: vec![search], order_by: Vec::new(), include_inactive: true };
        let found = lists::page_after(&console.can, &filter, None, MOST_NAMED).await?;
        ways.extend(found.records.iter().map(is));
        is_cut = found.has_next;
    }
    Ok(Named { expression: Expression { invert: false, body: Body::Any(ways) }, is_cut })
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
    if let Some(until) = audit::gone_until(console.app()).await? {
        let until = Time::from(until).text_in(&zone);
        state.notes.push(format!("Entries up to {until} are no longer kept."));
    }
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
