//! The context of the overview.

use serde::Serialize;

use super::{EntryRow, View};
use crate::web::layout::Layout;

/// How many users a list has.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Tile {
    pub(in crate::web) label: &'static str,
    pub(in crate::web) count: String,
    /// The list.
    pub(in crate::web) path: String,
}

/// What needs attention, and where to see to it.
#[derive(Debug, Serialize)]
pub(in crate::web) struct AttentionItem {
    pub(in crate::web) text: String,
    pub(in crate::web) path: String,
    /// The link's text.
    pub(in crate::web) label: &'static str,
}

/// A picture of bars, as paths of an SVG that is [`HEIGHT`](Self::HEIGHT) high.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Bars {
    pub(in crate::web) good: String,
    pub(in crate::web) bad: String,
    pub(in crate::web) width: i64,
}

impl Bars {
    pub(in crate::web) const HEIGHT: i64 = 60;
}

/// The sign-ins of a time: a day or a week.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SignInTime {
    /// The day on which it begins, in UTC, such as `1 Mar 2026`.
    pub(in crate::web) begin: String,
    pub(in crate::web) good: String,
    pub(in crate::web) bad: String,
}

/// The picture of sign-ins.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SignInChart {
    /// All of them together, in words.
    pub(in crate::web) summary: String,
    pub(in crate::web) bars: Bars,
    /// The times in which there were any.
    pub(in crate::web) rows: Vec<SignInTime>,
}

#[cfg(test)]
impl SignInChart {
    pub(super) fn sample(text: &str) -> Self {
        Self {
            summary: text.to_owned(),
            bars: Bars { good: text.to_owned(), bad: text.to_owned(), width: 300 },
            rows: vec![SignInTime { begin: text.to_owned(), good: text.to_owned(), bad: text.to_owned() }],
        }
    }
}

/// What staff see at a glance.
#[derive(Debug, Serialize)]
pub(in crate::web) struct OverviewPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) tiles: Vec<Tile>,
    pub(in crate::web) attention: Vec<AttentionItem>,
    pub(in crate::web) chart: SignInChart,
    pub(in crate::web) changes: Vec<EntryRow>,
    pub(in crate::web) recent: Vec<RecentUser>,
}

/// A user whose page was opened lately.
#[derive(Debug, Serialize)]
pub(in crate::web) struct RecentUser {
    pub(in crate::web) id: i64,
    pub(in crate::web) name: String,
}

impl View for OverviewPage {
    const NAME: &'static str = "overview.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |attention, changes| Self {
            layout: Layout::sample(text),
            tiles: vec![Tile { label: "Active", count: text.to_owned(), path: text.to_owned() }],
            attention,
            chart: SignInChart::sample(text),
            changes,
            recent: vec![RecentUser { id: 7, name: text.to_owned() }],
        };
        let item = AttentionItem { text: text.to_owned(), path: text.to_owned(), label: "Show" };
        vec![sample(vec![item], EntryRow::samples(text)), sample(Vec::new(), Vec::new())]
    }
}
