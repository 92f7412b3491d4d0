//! The contexts of the templates about many users.

use serde::Serialize;

use super::{Time, View};
#[cfg(test)]
use crate::model::clock::Timestamp;
use crate::web::form::FormState;
use crate::web::layout::Layout;

/// The boxes of the users list, and what is done to those that are ticked.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Selection {
    /// Whether all boxes come ticked.
    pub(in crate::web) checked: bool,
    /// The page with all boxes ticked.
    pub(in crate::web) select_path: String,
    /// What narrows and sorts the list: name and value.
    pub(in crate::web) list: Vec<(&'static str, String)>,
    /// The box for all that match; empty if all are on this page.
    pub(in crate::web) all: String,
    /// The page to export from.
    pub(in crate::web) export_path: String,
}

impl Selection {
    #[cfg(test)]
    pub(super) fn sample(text: &str) -> Self {
        Self {
            checked: true,
            select_path: text.to_owned(),
            list: vec![("q", text.to_owned())],
            all: text.to_owned(),
            export_path: text.to_owned(),
        }
    }
}

/// One of the users that an action is about to be done to.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Candidate {
    pub(in crate::web) name: String,
    pub(in crate::web) username: String,
    pub(in crate::web) email: String,
    pub(in crate::web) last_login: Option<Time>,
}

/// The question what to do with the users that were chosen.
#[derive(Debug, Serialize)]
pub(in crate::web) struct BulkChoicePage {
    pub(in crate::web) layout: Layout,
    /// How many were chosen, as a sentence.
    pub(in crate::web) chosen: String,
    /// Those that were chosen, as the list sent them: name and value.
    pub(in crate::web) hidden: Vec<(&'static str, String)>,
    /// What can be done: value and words.
    pub(in crate::web) actions: Vec<(&'static str, &'static str)>,
    /// The list that the users were chosen from.
    pub(in crate::web) back: String,
}

impl View for BulkChoicePage {
    const NAME: &'static str = "bulk-choice.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        vec![Self {
            layout: Layout::sample(text),
            chosen: text.to_owned(),
            hidden: vec![("q", text.to_owned())],
            actions: vec![("deactivate", "Deactivate")],
            back: text.to_owned(),
        }]
    }
}

/// The question before an action on many users.
#[derive(Debug, Serialize)]
pub(in crate::web) struct BulkPage {
    pub(in crate::web) layout: Layout,
    /// What is about to be done, such as `Deactivate 3 users`.
    pub(in crate::web) title: String,
    /// What follows from it.
    pub(in crate::web) consequence: &'static str,
    pub(in crate::web) action: &'static str,
    /// The first of them.
    pub(in crate::web) rows: Vec<Candidate>,
    /// How many there are besides.
    pub(in crate::web) more: usize,
    /// How many are left out, in words, and why.
    pub(in crate::web) left_out: Vec<(String, &'static str)>,
    /// The primary keys of all to be done, separated by spaces.
    pub(in crate::web) ids: String,
    pub(in crate::web) number: usize,
    /// Whether the number has to be typed.
    pub(in crate::web) asks_number: bool,
    /// What was typed as the number.
    pub(in crate::web) typed: String,
    /// The password, where it has to be given again, and what is wrong.
    pub(in crate::web) form: FormState,
    /// The list that the users were chosen from.
    pub(in crate::web) back: String,
}

impl View for BulkPage {
    const NAME: &'static str = "bulk.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |number, form| Self {
            layout: Layout::sample(text),
            title: text.to_owned(),
            consequence: "",
            action: "deactivate",
            rows: vec![Candidate {
                name: text.to_owned(),
                username: text.to_owned(),
                email: text.to_owned(),
                last_login: None,
            }],
            more: number,
            left_out: vec![(text.to_owned(), "")],
            ids: text.to_owned(),
            number,
            asks_number: true,
            typed: text.to_owned(),
            form,
            back: text.to_owned(),
        };
        let problems = vec![("number", text.to_owned())];
        let number = FormState { problems, ..FormState::empty() };
        vec![sample(0, FormState::empty()), sample(1, FormState::sample(text)), sample(7, number)]
    }
}

/// The result for one user.
#[derive(Debug, Serialize)]
pub(in crate::web) struct OutcomeRow {
    pub(in crate::web) id: i64,
    /// Empty if there is no such user.
    pub(in crate::web) username: String,
    pub(in crate::web) done: bool,
    pub(in crate::web) reason: &'static str,
}

/// The outcome of an action on many users.
#[derive(Debug, Serialize)]
pub(in crate::web) struct OutcomePage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) id: i64,
    /// Such as `176 users deactivated, 2 not`.
    pub(in crate::web) title: String,
    pub(in crate::web) who: String,
    pub(in crate::web) at: Time,
    /// How many were never come to.
    pub(in crate::web) pending: usize,
    /// Those that were not done, then the first of those that were.
    pub(in crate::web) rows: Vec<OutcomeRow>,
    /// How many were done besides.
    pub(in crate::web) more: usize,
    pub(in crate::web) can_undo: bool,
    /// The run that this one takes back.
    pub(in crate::web) undoes: Option<i64>,
    /// The run that takes this one back.
    pub(in crate::web) undone_by: Option<i64>,
}

impl View for OutcomePage {
    const NAME: &'static str = "bulk-outcome.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let row =
            |username: &str, done| OutcomeRow { id: 7, username: username.to_owned(), done, reason: "" };
        let sample = |can_undo, number| Self {
            layout: Layout::sample(text),
            id: 7,
            title: text.to_owned(),
            who: text.to_owned(),
            at: Timestamp::from_micros(0).into(),
            pending: number,
            rows: vec![row(text, true), row(text, false), row("", false)],
            more: number,
            can_undo,
            undoes: Some(5),
            undone_by: Some(9),
        };
        vec![sample(true, 1), sample(false, 0)]
    }
}

/// A run in the list of runs.
#[derive(Debug, Serialize)]
pub(in crate::web) struct RunRow {
    pub(in crate::web) id: i64,
    /// Such as `176 users deactivated, 2 not`.
    pub(in crate::web) title: String,
    pub(in crate::web) who: String,
    pub(in crate::web) at: Time,
    /// How many were never come to.
    pub(in crate::web) pending: i64,
}

/// The runs, the newest first.
#[derive(Debug, Serialize)]
pub(in crate::web) struct RunsPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) rows: Vec<RunRow>,
    /// The page with earlier ones, if there is one.
    pub(in crate::web) earlier: Option<String>,
}

impl View for RunsPage {
    const NAME: &'static str = "bulk-runs.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let at = Timestamp::from_micros(0).into();
        let row = RunRow { id: 7, title: text.to_owned(), who: text.to_owned(), at, pending: 2 };
        let empty = Self { layout: Layout::sample(text), rows: Vec::new(), earlier: None };
        vec![Self { layout: Layout::sample(text), rows: vec![row], earlier: Some(text.to_owned()) }, empty]
    }
}

/// A question that is answered by a button, and the password where it has to be given again.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ConfirmationPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) title: String,
    pub(in crate::web) text: &'static str,
    /// Where the form goes.
    pub(in crate::web) action: String,
    /// What it sends besides: name and value.
    pub(in crate::web) hidden: Vec<(&'static str, String)>,
    pub(in crate::web) button: String,
    /// The password, where it has to be given again, and what is wrong.
    pub(in crate::web) form: FormState,
    pub(in crate::web) back: String,
    /// Whether the page stays after the form is sent, as before a download.
    pub(in crate::web) stays: bool,
}

impl View for ConfirmationPage {
    const NAME: &'static str = "confirmation.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |form, stays| Self {
            layout: Layout::sample(text),
            title: text.to_owned(),
            text: "",
            action: text.to_owned(),
            hidden: vec![("q", text.to_owned())],
            button: text.to_owned(),
            form,
            back: text.to_owned(),
            stays,
        };
        vec![sample(FormState::empty(), false), sample(FormState::sample(text), true)]
    }
}
