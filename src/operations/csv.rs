//! Users as lines of a CSV file (RFC 4180), as spreadsheets read it.

use std::fmt::Write;
use std::io;

use crate::model::clock::Timestamp;
use crate::model::user::User;

/// The columns of [`cells`]: the members of the API's record.
pub(crate) const COLUMNS: [&str; 10] = [
    "username",
    "pk",
    "last_login",
    "is_superuser",
    "first_name",
    "last_name",
    "email",
    "is_staff",
    "is_active",
    "date_joined",
];

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

/// A user, in the order of [`COLUMNS`].
///
/// # Errors
/// For a date that the calendar does not have.
pub(crate) fn cells(user: &User) -> io::Result<[String; COLUMNS.len()]> {
    Ok([
        user.username.as_str().to_owned(),
        user.id.to_string(),
        user.last_login.map_or(Ok(String::new()), time)?,
        user.is_superuser.to_string(),
        user.first_name.clone(),
        user.last_name.clone(),
        user.email.clone(),
        user.is_staff.to_string(),
        user.is_active.to_string(),
        time(user.date_joined)?,
    ])
}

/// `to_string` would panic instead.
fn time(time: Timestamp) -> io::Result<String> {
    let mut text = String::new();
    write!(text, "{time}").map_err(io::Error::other)?;
    Ok(text)
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
