//! The report of an import: a line of CSV for each row of its file.

use std::io::{self, Write};

use super::judged::Judged;
use crate::operations::csv;

/// Writes verdicts.
#[derive(Debug)]
pub struct Report<W>(W);

impl<W: Write> Report<W> {
    const HEADER: [&str; 7] = ["verdict", "line", "row", "pk", "new_pk", "username", "remarks"];

    /// Begins with the names of the columns.
    pub fn begin(out: W) -> io::Result<Self> {
        let mut report = Self(out);
        report.line(Self::HEADER.map(str::to_owned))?;
        Ok(report)
    }

    fn line(&mut self, cells: [String; 7]) -> io::Result<()> {
        self.0.write_all(&csv::lines([cells])?)
    }

    /// Adds a row.
    pub fn add(&mut self, judged: &Judged) -> io::Result<()> {
        let place = judged.label.place;
        let pk = judged.label.pk();
        let new_pk = judged.id.map(|id| id.to_string()).filter(|id| *id != pk).unwrap_or_default();
        self.line([
            judged.word().to_owned(),
            place.line.to_string(),
            place.row.to_string(),
            pk,
            new_pk,
            judged.label.username().to_owned(),
            judged.remarks(),
        ])
    }

    /// Writes what is held back.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
