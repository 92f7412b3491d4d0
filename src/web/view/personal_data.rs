//! The context of the page of what is stored about a person.

use serde::Serialize;

use super::{EntryRow, View};
use crate::web::layout::Layout;

/// A part of what is stored: facts, or a table.
#[derive(Debug, Serialize)]
pub(in crate::web) struct DataSection {
    pub(in crate::web) title: &'static str,
    /// Label and value; an empty value is none.
    pub(in crate::web) facts: Vec<(&'static str, String)>,
    pub(in crate::web) columns: Vec<&'static str>,
    pub(in crate::web) rows: Vec<Vec<String>>,
}

impl DataSection {
    pub(in crate::web) fn facts(title: &'static str, facts: Vec<(&'static str, String)>) -> Self {
        Self { title, facts, columns: Vec::new(), rows: Vec::new() }
    }

    pub(in crate::web) fn table(
        title: &'static str,
        columns: &[&'static str],
        rows: impl Iterator<Item = Vec<String>>,
    ) -> Self {
        Self { title, facts: Vec::new(), columns: columns.to_vec(), rows: rows.collect() }
    }
}

/// What is stored about a person.
#[derive(Debug, Serialize)]
pub(in crate::web) struct PersonalDataPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) title: String,
    /// Whose, if it is staff who look; `None` on the account's own page.
    pub(in crate::web) id: Option<i64>,
    pub(in crate::web) name: String,
    pub(in crate::web) sections: Vec<DataSection>,
    pub(in crate::web) rows: Vec<EntryRow>,
    /// Whether there are more entries, which only the file has.
    pub(in crate::web) has_more: bool,
}

impl View for PersonalDataPage {
    const NAME: &'static str = "personal-data.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |id, rows: Vec<EntryRow>| Self {
            layout: Layout::sample(text),
            title: text.to_owned(),
            id,
            name: text.to_owned(),
            sections: vec![
                DataSection::facts("Profile", vec![("Username", text.to_owned()), ("Email", String::new())]),
                DataSection::table("Sessions", &["With"], [vec![text.to_owned()]].into_iter()),
                DataSection::table("Messages", &["To"], std::iter::empty()),
            ],
            has_more: !rows.is_empty(),
            rows,
        };
        vec![sample(Some(7), EntryRow::samples(text)), sample(None, Vec::new())]
    }
}
