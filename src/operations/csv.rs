//! Users as lines of a CSV file (RFC 4180), as spreadsheets read it.

use std::fmt::Write;
use std::io;

use crate::model::record::{Record, Value};
use crate::model::user::User;

/// First characters that make a spreadsheet take a cell for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Whether a cell, less the quotes before it, would be taken for a formula.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(FORMULA)
}

/// A cell that a spreadsheet shows as it is. One that already has such quotes gets one more, so that
/// [`unguard`] can undo it whatever the cell was.
fn guard(cell: &str) -> String {
    if is_formula(cell) { format!("'{cell}") } else { cell.to_owned() }
}

/// Undoes [`guard`], and nothing else.
pub(crate) fn unguard(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}

/// The values of a user's record, in its order.
///
/// # Errors
/// For a date that the calendar does not have.
pub(crate) fn cells(user: &User) -> io::Result<Vec<String>> {
    let cell = |value: Value<'_>| {
        let mut text = String::new();
        // `to_string` would panic instead.
        write!(text, "{value}").map_err(io::Error::other)?;
        Ok(text)
    };
    Record::from(user).values().map(cell).collect()
}

/// Lines of cells, guarded against being taken for formulas. Into memory: through the CSV writer an error
/// of the output would lose its kind.
///
/// # Errors
/// As the CSV writer says, which fails only with its output.
pub(crate) fn lines<L: IntoIterator<Item = String>>(
    lines: impl IntoIterator<Item = L>,
) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for line in lines {
        writer.write_record(line.into_iter().map(|cell| guard(&cell)))?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ou_2_formulas_are_guarded_and_only_they() {
        for (cell, guarded) in [
            ("=1+1", "'=1+1"),
            ("-", "'-"),
            ("@ada", "'@ada"),
            ("+49", "'+49"),
            ("\tx", "'\tx"),
            ("'=1", "''=1"),
            ("O'Brien", "O'Brien"),
            ("'tHooft", "'tHooft"),
            ("", ""),
        ] {
            assert_eq!(guard(cell), guarded);
            assert_eq!(unguard(guarded), cell);
        }
    }

    #[test]
    fn ou_2_cells_are_quoted_where_they_must_be() {
        let line = ["a,b", "say \"hi\"", "two\nlines", "=1", "plain"].map(str::to_owned);
        let written = String::from_utf8(lines([line]).unwrap()).unwrap();
        assert_eq!(written, "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",'=1,plain\r\n");
    }

    proptest! {
        #[test]
        fn guarding_is_undone_exactly(cell in "['=+@a-]{0,6}") {
            let guarded = guard(&cell);
            prop_assert_eq!(unguard(&guarded), cell.as_str());
            prop_assert!(!guarded.starts_with(FORMULA));
        }
    }
}
