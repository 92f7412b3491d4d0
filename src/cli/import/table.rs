//! CSV files (RFC 4180) with a header line.

use csv::{ByteRecord, ReaderBuilder};

use super::row::{FIELDS, Parsed, Row, field};
use crate::model::raw::Raw;
use crate::operations::csv::unguard;

/// One row a line.
///
/// # Errors
/// What is wrong with the header: the whole file would be misread.
pub(super) fn rows(content: &[u8]) -> Result<Parsed, String> {
    // A line with too few or too many cells is refused by itself, not with the file.
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(content);
    let columns = columns(reader.byte_headers().map_err(|error| error.to_string())?)?;
    let mut parsed = Parsed::default();
    for (record, number) in reader.byte_records().zip(1..) {
        parsed.rows.push(match record {
            Ok(record) => row(number, &columns, &record),
            Err(error) => Row::broken(number, error.to_string()),
        });
    }
    Ok(parsed)
}

fn columns(header: &ByteRecord) -> Result<Vec<&'static str>, String> {
    let mut columns: Vec<&'static str> = Vec::new();
    let mut problems = Vec::new();
    for name in header {
        let name = String::from_utf8_lossy(name);
        match field(name.trim()) {
            None => problems.push(format!("{name:?} is not a column of a user")),
            Some(field) if columns.contains(&field) => problems.push(format!("{field} is there twice")),
            Some(field) => columns.push(field),
        }
    }
    if problems.is_empty() && !columns.contains(&"username") {
        problems.push("username is missing".into());
    }
    if problems.is_empty() {
        return Ok(columns);
    }
    Err(format!("the header is refused: {}. The columns are: {}", problems.join("; "), FIELDS.join(", ")))
}

fn row(number: usize, columns: &[&'static str], record: &ByteRecord) -> Row {
    if record.len() != columns.len() {
        return Row::broken(number, format!("has {} cells instead of {}.", record.len(), columns.len()));
    }
    let mut row = Row::new(number);
    for (field, cell) in columns.iter().zip(record) {
        match std::str::from_utf8(cell) {
            Ok(cell) => row.add(field, value(field, unguard(cell))),
            Err(_) => row.problems.push(format!("{field}: is not in UTF-8.")),
        }
    }
    row
}

/// CSV knows only text: what is empty means "none" where the field can have none.
fn value(field: &str, cell: &str) -> Raw {
    match (field, cell) {
        ("pk" | "password", "") => Raw::Missing,
        ("last_login", "") => Raw::Null,
        _ => Raw::Text(cell.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.into())
    }

    #[test]
    fn columns_come_in_any_order_and_cells_may_be_quoted() {
        let parsed = rows(b"email, username ,id\r\n\"a@b.co\",\"a\"\"\nb\",7\r\n,c,\r\n".as_slice()).unwrap();
        assert_eq!(parsed.rows[0].get("username"), text("a\"\nb"));
        assert_eq!(parsed.rows[0].get("pk"), text("7"));
        assert_eq!(parsed.rows[1].get("email"), text(""));
        assert_eq!(parsed.rows[1].get("pk"), Raw::Missing);
        assert_eq!(parsed.rows[1].get("is_staff"), Raw::Missing);
    }

    #[test]
    fn empty_cells_mean_none_where_there_can_be_none() {
        let parsed = rows(b"username,pk,last_login,password,date_joined,is_staff\na,,,,,\n").unwrap();
        let values = ["pk", "last_login", "password", "date_joined", "is_staff"];
        assert_eq!(
            values.map(|name| parsed.rows[0].get(name)),
            [Raw::Missing, Raw::Null, Raw::Missing, text(""), text("")]
        );
    }

    #[test]
    fn a_header_that_would_lose_data_is_refused_by_name() {
        for (header, reason) in [
            ("username,is_staf", "\"is_staf\" is not a column of a user"),
            ("username;email", "\"username;email\" is not a column"),
            ("username,\u{1b}[2J", "\"\\u{1b}[2J\" is not"),
            ("username,pk,id", "pk is there twice"),
            ("email,pk", "username is missing"),
        ] {
            let refusal = rows(header.as_bytes()).unwrap_err();
            assert!(refusal.contains(reason), "{refusal}");
        }
    }

    #[test]
    fn a_bad_line_does_not_stop_the_others() {
        let parsed = rows(b"username,email\na\nb,b@c.de,x\n\xff,\nd,d@e.fg\n").unwrap();
        assert_eq!(parsed.rows[0].broken.as_deref(), Some("has 1 cells instead of 2."));
        assert_eq!(parsed.rows[1].broken.as_deref(), Some("has 3 cells instead of 2."));
        assert_eq!(parsed.rows[2].problems, ["username: is not in UTF-8."]);
        assert_eq!(parsed.rows[3].get("username"), text("d"));
        assert_eq!(parsed.rows[3].number, 4);
    }
}
