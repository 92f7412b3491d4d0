//! The contexts of the templates about imports.

use serde::Serialize;

use super::{Time, View};
#[cfg(test)]
use crate::model::clock::Timestamp;
use crate::web::form::FormState;
use crate::web::layout::Layout;

/// The form for files.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ImportPage {
    pub(in crate::web) layout: Layout,
    /// What was wrong with the files before.
    pub(in crate::web) form: FormState,
    /// The most that may be sent, such as `64 MiB`.
    pub(in crate::web) limit: String,
    /// The most rows.
    pub(in crate::web) most: String,
    /// The last import of the viewer.
    pub(in crate::web) last: Option<i64>,
}

impl View for ImportPage {
    const NAME: &'static str = "import.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |form, last| Self {
            layout: Layout::sample(text),
            form,
            limit: text.to_owned(),
            most: text.to_owned(),
            last,
        };
        vec![sample(FormState::empty(), None), sample(FormState::sample(text), Some(7))]
    }
}

/// A file with users.
#[derive(Debug, Serialize)]
pub(in crate::web) struct FileRow {
    pub(in crate::web) name: String,
    /// Such as `a table, 1,204 rows, in windows-1252`.
    pub(in crate::web) what: String,
    /// Columns that are left out, and objects that are no users; empty for none.
    pub(in crate::web) not_read: String,
}

/// A column of a table, or a member of objects.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ColumnRow {
    /// As the file has it; empty where it has only fields of ours.
    pub(in crate::web) name: String,
    /// The field; empty for none.
    pub(in crate::web) field: &'static str,
    pub(in crate::web) label: &'static str,
    /// Whether the field cannot be chosen, as the columns beside it tell it.
    pub(in crate::web) is_told_by_others: bool,
    /// What the first rows have there, if it may be shown.
    pub(in crate::web) examples: Vec<String>,
}

/// A row of a file, and its verdict.
#[derive(Debug, Serialize)]
pub(in crate::web) struct VerdictRow {
    pub(in crate::web) word: &'static str,
    pub(in crate::web) line: u64,
    pub(in crate::web) username: String,
    pub(in crate::web) remarks: String,
}

/// How files are read, as the form shows it.
#[derive(Debug, Default, Serialize)]
pub(in crate::web) struct ChoicesState {
    /// Columns and their fields, one a line; where they are not chosen from lists.
    pub(in crate::web) columns: String,
    pub(in crate::web) encoding: String,
    pub(in crate::web) hash: String,
    pub(in crate::web) dates: &'static str,
    pub(in crate::web) part: String,
    pub(in crate::web) staff_role: String,
    pub(in crate::web) new_keys: bool,
    pub(in crate::web) no_weak_hashes: bool,
    pub(in crate::web) no_broken_hashes: bool,
}

/// What an import would do.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ImportReviewPage {
    pub(in crate::web) layout: Layout,
    /// What names the upload in the forms.
    pub(in crate::web) number: String,
    /// Why the files cannot be read; empty if they can.
    pub(in crate::web) unreadable: String,
    pub(in crate::web) files: Vec<FileRow>,
    /// Files that belong to them.
    pub(in crate::web) others: String,
    /// How many rows have which verdict.
    pub(in crate::web) counts: Vec<(&'static str, String)>,
    pub(in crate::web) columns: Vec<ColumnRow>,
    /// Whether the columns can be chosen.
    pub(in crate::web) is_table: bool,
    /// The fields that a column may hold: name and label.
    pub(in crate::web) fields: Vec<(&'static str, &'static str)>,
    pub(in crate::web) choices: ChoicesState,
    /// The first rows that are refused or lose their hash, then the first of the others.
    pub(in crate::web) rows: Vec<VerdictRow>,
    /// How many rows there are besides.
    pub(in crate::web) more: String,
    /// Such as `Import 1,203 users`; empty if there is none.
    pub(in crate::web) button: String,
    /// The password, and what is wrong.
    pub(in crate::web) form: FormState,
}

impl View for ImportReviewPage {
    const NAME: &'static str = "import-review.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |is_table: bool, form| Self {
            layout: Layout::sample(text),
            number: text.to_owned(),
            unreadable: if is_table { String::new() } else { text.to_owned() },
            files: vec![FileRow { name: text.to_owned(), what: text.to_owned(), not_read: text.to_owned() }],
            others: text.to_owned(),
            counts: vec![("", text.to_owned())],
            columns: vec![ColumnRow {
                name: text.to_owned(),
                field: "username",
                label: "",
                is_told_by_others: is_table,
                examples: vec![text.to_owned()],
            }],
            is_table,
            fields: vec![("username", "")],
            choices: ChoicesState {
                columns: text.to_owned(),
                encoding: text.to_owned(),
                hash: text.to_owned(),
                dates: "dmy",
                part: text.to_owned(),
                staff_role: text.to_owned(),
                new_keys: true,
                no_weak_hashes: true,
                no_broken_hashes: true,
            },
            rows: vec![VerdictRow {
                word: "created",
                line: 2,
                username: text.to_owned(),
                remarks: text.to_owned(),
            }],
            more: text.to_owned(),
            button: if is_table { text.to_owned() } else { String::new() },
            form,
        };
        vec![sample(true, FormState::sample(text)), sample(false, FormState::empty())]
    }
}

/// A user whom an undo left.
#[derive(Debug, Serialize)]
pub(in crate::web) struct LeftRow {
    pub(in crate::web) id: i64,
    pub(in crate::web) username: String,
    pub(in crate::web) reason: &'static str,
}

/// An import, or the undo of one.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ImportOutcomePage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) id: i64,
    /// Such as `1,203 users imported`.
    pub(in crate::web) title: String,
    pub(in crate::web) who: String,
    pub(in crate::web) at: Time,
    /// How many rows have which verdict.
    pub(in crate::web) counts: Vec<(&'static str, String)>,
    /// How far it has come while it goes on; empty once it does not.
    pub(in crate::web) progress: String,
    /// Whether no end of it is recorded.
    pub(in crate::web) is_open: bool,
    pub(in crate::web) left: Vec<LeftRow>,
    /// How many were left besides.
    pub(in crate::web) more: usize,
    pub(in crate::web) has_report: bool,
    pub(in crate::web) can_undo: bool,
    /// The import that this run takes back.
    pub(in crate::web) undoes: Option<i64>,
    /// The run that takes this import back.
    pub(in crate::web) undone_by: Option<i64>,
}

impl View for ImportOutcomePage {
    const NAME: &'static str = "import-outcome.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |goes_on: bool| Self {
            layout: Layout::sample(text),
            id: 7,
            title: text.to_owned(),
            who: text.to_owned(),
            at: Timestamp::from_micros(0).into(),
            counts: vec![("", text.to_owned())],
            progress: if goes_on { text.to_owned() } else { String::new() },
            is_open: goes_on,
            left: vec![LeftRow { id: 5, username: text.to_owned(), reason: "" }],
            more: usize::from(goes_on),
            has_report: !goes_on,
            can_undo: !goes_on,
            undoes: goes_on.then_some(5),
            undone_by: goes_on.then_some(9),
        };
        vec![sample(true), sample(false)]
    }
}
