//! What happened to one user, and their sign-ins.

use std::collections::HashSet;

use rocket::form::FromForm;
use rocket::get;

use super::lookup::find;
use crate::db::audit::reading::{About, Start};
use crate::model::audit::{EntryId, ListedEntry};
use crate::model::error::Result;
use crate::model::permission::ManageUsers;
use crate::model::undo;
use crate::model::user::User;
use crate::operations::lists::Page;
use crate::operations::{audit, overview, sessions};
use crate::web::audit_entries;
use crate::web::chart;
use crate::web::layout::ConsoleSession;
use crate::web::view::{Answer, Beside, EntryRow, HistoryPage, Recent, SignInsPage};

/// Rows on a page.
const ROWS: i64 = 25;
/// Rows on the user's own page.
const RECENT: i64 = 5;
/// Notes there.
const NOTES: i64 = 3;

/// Where the page begins: before or after an entry. What is no number begins at the newest.
#[derive(Debug, FromForm)]
pub(in crate::web) struct Position {
    before: Option<String>,
    after: Option<String>,
}

impl Position {
    pub(super) fn start(&self) -> Start {
        let id = |given: &Option<String>| given.as_deref().and_then(|id| id.parse().ok()).map(EntryId);
        match (id(&self.before), id(&self.after)) {
            (Some(id), _) => Start::Before(id),
            (None, Some(id)) => Start::After(id),
            (None, None) => Start::Newest,
        }
    }
}

/// The pages around one.
pub(super) fn beside(path: &str, page: &Page<ListedEntry>) -> Vec<Beside> {
    let mut pages = Vec::new();
    if let (true, Some(first)) = (page.has_previous, page.records.first()) {
        pages.push((path.to_owned(), "Newest", ""));
        pages.push((format!("{path}?after={}", first.entry.id), "Newer", "prev"));
    }
    if let (true, Some(last)) = (page.has_next, page.records.last()) {
        pages.push((format!("{path}?before={}", last.entry.id), "Older", "next"));
    }
    pages
}

/// Entries about the user, those that the viewer can take back with a way to do so.
fn changes(console: &ConsoleSession<'_, ManageUsers>, user: &User, records: &[ListedEntry]) -> Vec<EntryRow> {
    let now = console.app().clock.now();
    let rules = console.app().settings.rules();
    let zone = console.zone();
    let row = |told: &ListedEntry| {
        let can_be = undo::check(&told.entry, user, told.undone_by.is_some(), now)
            .is_ok_and(|before| rules.may_change(console.can.user(), user, &before.apply(user)).is_ok());
        let path = if can_be { format!("/users/{}/undo/{}", user.id, told.entry.id) } else { String::new() };
        EntryRow { undo: path, ..audit_entries::row(told, &zone) }
    };
    records.iter().map(row).collect()
}

/// All that happened to the user.
#[get("/users/<id>/history?<position..>")]
pub(in crate::web) async fn history(
    id: i64,
    position: Position,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<HistoryPage>> {
    let user = find(&console, id).await?;
    let can = &console.can;
    let page = audit::about(can, user.id, About::Changes, position.start(), ROWS).await?;
    Ok(Answer::page(HistoryPage {
        layout: console.layout("users"),
        gone_until: audit::gone_until(can.app()).await?.map(Into::into),
        id,
        name: user.display_name(),
        pages: beside(&format!("/users/{id}/history"), &page),
        rows: changes(&console, &user, &page.records),
    }))
}

/// All their sign-ins, good and bad.
#[get("/users/<id>/sign-ins?<position..>")]
pub(in crate::web) async fn sign_ins(
    id: i64,
    position: Position,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<SignInsPage>> {
    let user = find(&console, id).await?;
    let can = &console.can;
    let page = audit::about(can, user.id, About::Access, position.start(), ROWS).await?;
    let (live, zone) = (sessions::live_of(can, user.id).await?, console.zone());
    Ok(Answer::page(SignInsPage {
        layout: console.layout("users"),
        gone_until: audit::gone_until(can.app()).await?.map(Into::into),
        id,
        name: user.display_name(),
        pages: beside(&format!("/users/{id}/sign-ins"), &page),
        chart: chart::year(&overview::year_of(can, user.id).await?),
        rows: page.records.iter().map(|told| audit_entries::sign_in(told, &live, &zone)).collect(),
        live: live.len(),
        may_end: can.app().settings.rules().may_touch(can.user(), &user).is_ok(),
    }))
}

/// The last of both, for the user's page.
pub(super) async fn recent(console: &ConsoleSession<'_, ManageUsers>, user: &User) -> Result<Recent> {
    let of = |about| audit::about(&console.can, user.id, about, Start::Newest, RECENT);
    let (sign_ins, changes) = (of(About::SignIns).await?, of(About::Changes).await?);
    let notes = audit::about(&console.can, user.id, About::Notes, Start::Newest, NOTES).await?;
    let (nothing, zone) = (HashSet::new(), console.zone());
    Ok(Recent {
        sign_ins: sign_ins.records.iter().map(|told| audit_entries::sign_in(told, &nothing, &zone)).collect(),
        changes: self::changes(console, user, &changes.records),
        notes: notes.records.iter().map(|told| audit_entries::row(told, &zone)).collect(),
    })
}
