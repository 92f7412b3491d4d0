//! What is in a file, read once before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::formats::{self, Format};
use super::row::Item;
use super::source::Source;
use super::times::{DateOrder, Evidence};
use super::{Options, record};
use crate::model::user::UserId;

/// What is in a file.
#[derive(Debug)]
pub struct Survey {
    /// What it is.
    pub format: Format,
    /// The name of its encoding.
    pub encoding: &'static str,
    /// Whether that is a guess by its letters.
    pub is_guessed: bool,
    /// The first name that is not in ASCII.
    pub example: Option<String>,
    /// Of a table: the names of its columns, and the field that each holds, if any.
    pub header: Vec<(String, Option<&'static str>)>,
    /// What the first rows say, field by field, without passwords and hashes.
    pub first: Vec<Vec<(&'static str, String)>>,
    /// Users, good and bad.
    pub rows: u64,
    /// The order of day and month that its dates show.
    pub dates: Option<DateOrder>,
    /// Names of members and of columns of a dump that are left out.
    others: BTreeSet<String>,
    /// Objects that are no users, by their kind.
    pub skipped: BTreeMap<String, u64>,
    /// The greatest primary key of its users.
    pub(super) highest: Option<UserId>,
}

/// Rows that are shown before an import.
const FIRST: usize = 3;

impl Survey {
    /// Names of columns that are left out.
    pub fn not_read(&self) -> impl Iterator<Item = &str> {
        let of_table = self.header.iter().filter(|(_, field)| field.is_none()).map(|(name, _)| name.as_str());
        of_table.chain(self.others.iter().map(String::as_str))
    }

    /// What is to be said of the encoding: nothing of UTF-8.
    #[must_use]
    pub fn encoding(&self) -> Option<String> {
        let example = self.example.as_deref().unwrap_or_default();
        match (self.encoding, self.is_guessed) {
            ("UTF-8", _) => None,
            (encoding, false) => Some(encoding.to_owned()),
            (encoding, true) => Some(format!(
                "{encoding} (a guess: if names such as {example:?} look wrong, say the encoding)"
            )),
        }
    }

    fn add_others(&mut self, names: &[String]) {
        for name in names {
            if self.others.len() < MOST_OTHERS && !self.others.contains(name) {
                self.others.insert(name.chars().take(LONGEST_OTHER).collect());
            }
        }
    }
}

/// Names of members that are left out which are told, and the longest part of one, in characters.
const MOST_OTHERS: usize = 200;
const LONGEST_OTHER: usize = 100;
/// Kinds of objects that are counted each by itself.
const MOST_KINDS: usize = 100;

/// Reads a file once, and writes nothing.
///
/// # Errors
/// What makes the file as a whole unreadable, without any value of a file whose columns are not known.
pub fn survey(source: &Source, options: &Options) -> Result<Survey, String> {
    let opened = formats::open(source, options)?;
    let mut survey = Survey {
        format: opened.format,
        encoding: source.encoding(),
        is_guessed: source.is_guessed(),
        example: None,
        header: opened.header,
        first: Vec::new(),
        rows: 0,
        dates: None,
        others: BTreeSet::new(),
        skipped: BTreeMap::new(),
        highest: None,
    };
    let (mut dates, mut not_read) = (Evidence::default(), Arc::default());
    for item in opened.items {
        match item {
            Item::Row(row) => {
                survey.rows += 1;
                if let Some(most) = options.most_rows.filter(|most| survey.rows > *most) {
                    return Err(format!("it has more than {most} rows: divide it, or use the command line"));
                }
                if survey.first.len() < FIRST && row.broken.is_none() {
                    survey.first.push(row.shown());
                }
                survey.example = survey.example.or_else(|| row.name_beyond_ascii());
                row.times().for_each(|time| dates.see(time));
                // Most rows have the same.
                if row.not_read != not_read {
                    survey.add_others(&row.not_read);
                    not_read = Arc::clone(&row.not_read);
                }
                let id = record::read(&row, options).ok().and_then(|record| record.id);
                survey.highest = survey.highest.max(id);
            }
            Item::Skipped(kind) => {
                let is_known = survey.skipped.contains_key(&kind) || survey.skipped.len() < MOST_KINDS;
                *survey.skipped.entry(if is_known { kind } else { "others".into() }).or_default() += 1;
            }
        }
    }
    survey.dates = options.dates.or(dates.order());
    if source.is_too_large() {
        return Err("it is too large once it is unpacked: divide it, or use the command line".into());
    }
    Ok(survey)
}
