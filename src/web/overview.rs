//! The start page: an overview for staff; other users go to their own account.

use rocket::futures::future::try_join_all;
use rocket::get;
use rocket::tokio::try_join;

use super::audit_entries;
use super::chart;
use super::chart::up_to;
use super::layout::ConsoleSession;
use super::users::{COUNTED, ListQuery, ListState, recent};
use super::view::{Answer, AttentionItem, OverviewPage, Tile, Time};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::permission::{ManageUsers, SignedIn};
use crate::model::second_factor::DemandedOf;
use crate::operations::overview::{self, Attention};
use crate::operations::{Can, locks, users};

/// Changes on the page.
const CHANGES: i64 = 8;

/// What is counted: its label, and the status, role, last sign-in and end of the list that shows it.
const TILES: [(&str, [&str; 4]); 7] = [
    ("Active", ["active", "", "", ""]),
    ("Staff", ["", "staff", "", ""]),
    ("Invited", ["invited", "", "", ""]),
    ("Locked", ["locked", "", "", ""]),
    ("Dormant for 90 days", ["active", "", "-90d", ""]),
    ("Deactivated", ["deactivated", "", "", ""]),
    ("Ending this week", ["", "", "", "7d"]),
];

/// The overview, or the way to the user's own account.
#[get("/")]
pub(super) async fn home(console: ConsoleSession<'_, SignedIn>) -> Result<Answer<OverviewPage>> {
    let Some(can) = console.can.also::<ManageUsers>() else {
        return Ok(Answer::Redirect("/account".to_owned()));
    };
    let now = can.app().clock.now();
    let locked = locks::all(&can).await?;
    let lists = TILES.map(|(label, [status, role, seen, ends])| {
        let some = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        let (status, role, seen, ends) = (some(status), some(role), some(seen), some(ends));
        let query = ListQuery { status, role, seen, ends, ..Default::default() };
        (label, ListState { locked: locked.clone(), ..ListState::read(&query, 0) })
    });
    let tiles = lists.iter().map(|(label, list)| tile(&can, label, list, now));
    let without = ["staff", "superuser"].map(|role| without_factor(&can, role, now));
    let (tiles, without, days, changes, attention, recent) = try_join!(
        try_join_all(tiles),
        try_join_all(without),
        overview::sign_ins(&can),
        overview::last_changes(&can, CHANGES),
        overview::attention(&can),
        recent::users(&console, &can),
    )?;
    Ok(Answer::page(OverviewPage {
        layout: console.layout("overview"),
        tiles,
        attention: items(locked.len(), &attention).into_iter().chain(without.into_iter().flatten()).collect(),
        chart: chart::sign_ins(&days),
        changes: changes.iter().map(|told| audit_entries::row(told, &console.zone())).collect(),
        recent,
    }))
}

async fn tile(can: &Can<ManageUsers>, label: &'static str, list: &ListState, now: Timestamp) -> Result<Tile> {
    let count = users::count_up_to(can, &list.filter(now), COUNTED + 1).await?;
    Ok(Tile { label, count: up_to(count, COUNTED), path: list.path_with("", "") })
}

/// How many active users of a role have no second factor, if one is demanded of them and any has none.
async fn without_factor(
    can: &Can<ManageUsers>,
    role: &'static str,
    now: Timestamp,
) -> Result<Option<AttentionItem>> {
    if can.app().settings.second_factor == DemandedOf::Off {
        return Ok(None);
    }
    let some = |value: &str| Some(value.to_owned());
    let query =
        ListQuery { status: some("active"), role: some(role), factor: some("none"), ..Default::default() };
    let list = ListState::read(&query, 0);
    let count = users::count_up_to(can, &list.filter(now), COUNTED + 1).await?;
    let (one, many, label) = match role {
        "staff" => ("member of staff has", "members of staff have", "Show staff"),
        _ => ("superuser has", "superusers have", "Show superusers"),
    };
    let text = match count {
        0 => return Ok(None),
        1 => format!("1 {one} no second factor."),
        count => format!("{} {many} no second factor.", up_to(count, COUNTED)),
    };
    Ok(Some(AttentionItem { text, path: list.path_with("", ""), label }))
}

/// The sentences about what needs attention, the most urgent first.
fn items(locked: usize, attention: &Attention) -> Vec<AttentionItem> {
    let mut items = Vec::new();
    let mut add =
        |text: String, path: String, label: &'static str| items.push(AttentionItem { text, path, label });
    let is = |count: i64, one: &str, many: &str| {
        if count == 1 { format!("1 {one}") } else { format!("{} {many}", up_to(count, overview::MOST - 1)) }
    };
    if let Some(fault) = &attention.broken_audit_log {
        add(format!("The audit log is broken: {fault}."), "/audit".to_owned(), "Audit log");
    }
    if let Some(since) = attention.unsealed_since {
        let since = Time::from(since);
        add(
            format!("The audit log is not sealed since {since}. The server's log says why."),
            "/audit".to_owned(),
            "Audit log",
        );
    }
    if locked > 0 {
        let count = i64::try_from(locked).unwrap_or(i64::MAX);
        add(
            is(
                count,
                "account is locked after failed sign-ins.",
                "accounts are locked after failed sign-ins.",
            ),
            "/users?status=locked".to_owned(),
            "Show locked",
        );
    }
    if attention.expiring_links > 0 {
        add(
            is(
                attention.expiring_links,
                "link for a first password expires within four hours.",
                "links for a first password expire within four hours.",
            ),
            "/users?status=invited".to_owned(),
            "Show invited",
        );
    }
    for (user, recipient) in &attention.refused_mail {
        add(format!("Mail to {recipient} was refused."), format!("/users/{user}"), "Show user");
    }
    if attention.is_last_superuser {
        add(
            "There is one superuser only. A second one can help if the first cannot sign in.".to_owned(),
            "/users?role=superuser".to_owned(),
            "Show superusers",
        );
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_attention_is_said_with_its_number() {
        let attention = |links, superuser| Attention {
            expiring_links: links,
            unsealed_since: None,
            broken_audit_log: None,
            refused_mail: Vec::new(),
            is_last_superuser: superuser,
        };
        assert!(items(0, &attention(0, false)).is_empty());
        let told: Vec<String> = items(1, &attention(2, true)).into_iter().map(|item| item.text).collect();
        assert_eq!(told[0], "1 account is locked after failed sign-ins.");
        assert_eq!(told[1], "2 links for a first password expire within four hours.");
        assert!(told[2].starts_with("There is one superuser only."));
    }
}
