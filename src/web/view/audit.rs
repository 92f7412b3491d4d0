//! The contexts of the pages of the audit log.

use serde::Serialize;

use super::{SignInChart, Time, View};
#[cfg(test)]
use crate::model::clock::Timestamp;
use crate::web::form::FormState;
use crate::web::layout::Layout;

/// A field with its old and new value.
#[derive(Debug, Clone, Serialize)]
pub(in crate::web) struct Change {
    pub(in crate::web) label: String,
    /// Whether the values are recorded; else the page only says that it changed.
    pub(in crate::web) is_told: bool,
    /// Empty for none.
    pub(in crate::web) old: String,
    /// Empty for none.
    pub(in crate::web) new: String,
}

/// An entry of the audit log.
#[derive(Debug, Clone, Serialize)]
pub(in crate::web) struct EntryRow {
    pub(in crate::web) when: Time,
    pub(in crate::web) actor: String,
    /// Everything that they did; empty for an unknown actor.
    pub(in crate::web) actor_path: String,
    pub(in crate::web) what: String,
    /// Path and name.
    pub(in crate::web) target: Option<(String, String)>,
    pub(in crate::web) changes: Vec<Change>,
    pub(in crate::web) notes: Vec<String>,
    pub(in crate::web) place: String,
    /// The run on many users that it is a part of.
    pub(in crate::web) batch: Option<i64>,
    pub(in crate::web) batch_path: String,
    /// What a form posts to in order to take it back; empty if that cannot be done.
    pub(in crate::web) undo: String,
    /// Whether it takes something back.
    pub(in crate::web) undoes: bool,
    /// Whether it was taken back.
    pub(in crate::web) undone: bool,
}

/// A sign-in, or what else has to do with coming and going.
#[derive(Debug, Clone, Serialize)]
pub(in crate::web) struct SignInRow {
    pub(in crate::web) when: Time,
    pub(in crate::web) is_good: bool,
    pub(in crate::web) is_bad: bool,
    pub(in crate::web) result: String,
    pub(in crate::web) notes: Vec<String>,
    pub(in crate::web) address: String,
    pub(in crate::web) device: String,
    /// Its session, while it lives.
    pub(in crate::web) session: Option<i64>,
}

/// The last of what concerns a user.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::web) struct Recent {
    pub(in crate::web) sign_ins: Vec<SignInRow>,
    pub(in crate::web) changes: Vec<EntryRow>,
    pub(in crate::web) notes: Vec<EntryRow>,
}

/// The notes on a user.
#[derive(Debug, Serialize)]
pub(in crate::web) struct NotesPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) id: i64,
    pub(in crate::web) name: String,
    pub(in crate::web) form: FormState,
    pub(in crate::web) rows: Vec<EntryRow>,
    pub(in crate::web) pages: Vec<Beside>,
}

impl View for NotesPage {
    const NAME: &'static str = "notes.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |rows| Self {
            layout: Layout::sample(text),
            id: 7,
            name: text.to_owned(),
            form: FormState::sample(text),
            rows,
            pages: vec![(text.to_owned(), "Older", "next")],
        };
        vec![sample(EntryRow::samples(text)), sample(Vec::new())]
    }
}

#[cfg(test)]
impl EntryRow {
    pub(super) fn samples(text: &str) -> Vec<Self> {
        let change = |is_told, old: &str, new: &str| Change {
            label: text.to_owned(),
            is_told,
            old: old.to_owned(),
            new: new.to_owned(),
        };
        let row = |batch: Option<i64>| Self {
            when: Timestamp::from_micros(0).into(),
            actor: text.to_owned(),
            actor_path: if batch.is_some() { text.to_owned() } else { String::new() },
            what: text.to_owned(),
            target: batch.map(|_| (text.to_owned(), text.to_owned())),
            changes: vec![
                change(true, text, text),
                change(true, "", text),
                change(true, text, ""),
                change(false, "", ""),
            ],
            notes: vec![text.to_owned()],
            place: text.to_owned(),
            batch,
            batch_path: text.to_owned(),
            undo: if batch.is_some() { text.to_owned() } else { String::new() },
            undoes: batch.is_some(),
            undone: batch.is_none(),
        };
        vec![row(Some(7)), row(None)]
    }
}

#[cfg(test)]
impl SignInRow {
    fn samples(text: &str) -> Vec<Self> {
        let row = |session: Option<i64>| Self {
            when: Timestamp::from_micros(0).into(),
            is_good: session.is_some(),
            is_bad: session.is_none(),
            result: text.to_owned(),
            notes: vec![text.to_owned()],
            address: text.to_owned(),
            device: text.to_owned(),
            session,
        };
        vec![row(Some(7)), row(None)]
    }
}

#[cfg(test)]
impl Recent {
    pub(in crate::web) fn sample(text: &str) -> Self {
        Self {
            sign_ins: SignInRow::samples(text),
            changes: EntryRow::samples(text),
            notes: EntryRow::samples(text),
        }
    }
}

/// Path, label and relation of a page beside this one.
pub(in crate::web) type Beside = (String, &'static str, &'static str);

/// What happened to a user.
#[derive(Debug, Serialize)]
pub(in crate::web) struct HistoryPage {
    pub(in crate::web) layout: Layout,
    /// Up to when entries are no longer kept.
    pub(in crate::web) gone_until: Option<Time>,
    pub(in crate::web) id: i64,
    pub(in crate::web) name: String,
    pub(in crate::web) rows: Vec<EntryRow>,
    pub(in crate::web) pages: Vec<Beside>,
}

impl View for HistoryPage {
    const NAME: &'static str = "history.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        [EntryRow::samples(text), Vec::new()]
            .into_iter()
            .map(|rows| Self {
                layout: Layout::sample(text),
                gone_until: Some(Timestamp::from_micros(0).into()),
                id: 7,
                name: text.to_owned(),
                rows,
                pages: vec![(text.to_owned(), "Older", "next")],
            })
            .collect()
    }
}

/// A user's coming and going.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SignInsPage {
    pub(in crate::web) layout: Layout,
    /// Up to when entries are no longer kept.
    pub(in crate::web) gone_until: Option<Time>,
    pub(in crate::web) id: i64,
    pub(in crate::web) name: String,
    /// The last year, a bar a week.
    pub(in crate::web) chart: SignInChart,
    pub(in crate::web) rows: Vec<SignInRow>,
    /// Sessions that can still be used.
    pub(in crate::web) live: usize,
    /// Whether the viewer may end them.
    pub(in crate::web) may_end: bool,
    pub(in crate::web) pages: Vec<Beside>,
}

impl View for SignInsPage {
    const NAME: &'static str = "sign-ins.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |rows, live, may_end| Self {
            layout: Layout::sample(text),
            gone_until: Some(Timestamp::from_micros(0).into()),
            id: 7,
            name: text.to_owned(),
            chart: SignInChart::sample(text),
            rows,
            live,
            may_end,
            pages: vec![(text.to_owned(), "Older", "next")],
        };
        vec![
            sample(SignInRow::samples(text), 2, true),
            sample(SignInRow::samples(text), 1, false),
            sample(Vec::new(), 0, true),
        ]
    }
}

/// The whole audit log.
#[derive(Debug, Serialize)]
pub(in crate::web) struct AuditPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) actor: String,
    pub(in crate::web) user: String,
    pub(in crate::web) action: &'static str,
    /// Names and words.
    pub(in crate::web) actions: Vec<(&'static str, &'static str)>,
    pub(in crate::web) from: String,
    pub(in crate::web) to: String,
    pub(in crate::web) notes: Vec<String>,
    pub(in crate::web) narrowed: bool,
    /// Where the export as CSV and as JSON begins.
    pub(in crate::web) exports: [String; 2],
    pub(in crate::web) rows: Vec<EntryRow>,
    pub(in crate::web) pages: Vec<Beside>,
}

impl View for AuditPage {
    const NAME: &'static str = "audit.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        [(EntryRow::samples(text), true), (Vec::new(), false)]
            .into_iter()
            .map(|(rows, narrowed)| Self {
                layout: Layout::sample(text),
                actor: text.to_owned(),
                user: text.to_owned(),
                action: "sign_in",
                actions: vec![("sign_in", "Signed in")],
                from: text.to_owned(),
                to: text.to_owned(),
                notes: vec![text.to_owned()],
                narrowed,
                exports: [text.to_owned(), text.to_owned()],
                rows,
                pages: vec![(text.to_owned(), "Next", "next")],
            })
            .collect()
    }
}
