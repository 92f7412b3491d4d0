//! Tables: a header line, then a line a user.

use super::columns;
use super::delimited::{Cell, Dialect, Record, Records, is_preamble, separator};
use super::row::{FIELDS, Item, Place, Row, SURNAME};
use super::source::Source;
use crate::model::raw::Raw;
use crate::operations::csv::unguard;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Field(&'static str),
    /// Nothing of ours.
    Other,
    /// It has no name, and should have no content.
    Unnamed,
}

/// A table and what its header says.
pub(super) struct Table {
    /// The names of the columns, and the field that each holds.
    pub(super) header: Vec<(String, Option<&'static str>)>,
    records: Records,
    columns: Vec<Column>,
    delimiter: u8,
}

impl Table {
    /// Reads the header. `mapping` names the fields of columns: `(name in the file, field)`.
    ///
    /// # Errors
    /// What is wrong with the header: the whole file would be misread. Nothing of it is repeated.
    pub(super) fn open(source: &Source, mapping: &columns::Mapping) -> Result<Self, String> {
        let dialect = Dialect::of(&source.head().map_err(|error| error.to_string())?);
        let mut records = Records::new(source.stream().map_err(|error| error.to_string())?, dialect);
        let header = loop {
            let Some(record) = records.next() else { return Err("the file has no header line".into()) };
            let Record { line, cells } = record;
            let cells = cells.map_err(|reason| format!("the header in line {line} {reason}"))?;
            let first = match cells.first() {
                Some(Cell::Text(first)) => first.as_slice(),
                _ => &[],
            };
            // A line `sep=;` is itself parted by what it names.
            let is_separator = line == 1 && (separator(first).is_some() || first == b"sep=");
            if !is_separator && !is_preamble(first) {
                break cells;
            }
        };
        let names: Vec<String> = header
            .iter()
            .map(|cell| match cell {
                Cell::Text(text) => String::from_utf8_lossy(text).trim().to_owned(),
                Cell::Null => String::new(),
            })
            .collect();
        let columns = assign(&names, mapping)?;
        // One word that is known may stand in a line that is no header: what else is there may be a password then.
        let is_sure = columns.iter().filter(|column| matches!(column, Column::Field(_))).count() > 1;
        let told = |((name, number), column): ((String, usize), &Column)| match column {
            Column::Field(field) => Some((name, Some(*field))),
            Column::Other if is_sure || is_plain(&name) => Some((name, None)),
            Column::Other => Some((format!("column {number}"), None)),
            Column::Unnamed => None,
        };
        let header = names.into_iter().zip(1..).zip(&columns).filter_map(told).collect();
        records.expected = Some(columns.len());
        Ok(Self { header, records, columns, delimiter: dialect.delimiter })
    }

    /// One row a record. Those whose cells are all empty are left out.
    pub(super) fn rows(self) -> impl Iterator<Item = Item> + Send {
        let Self { records, columns, delimiter, .. } = self;
        records
            .filter(|record| !record.cells.as_ref().is_ok_and(|cells| cells.iter().all(is_blank)))
            .zip(1..)
            .map(move |(record, number)| Item::Row(row(number, &columns, delimiter, record)))
    }
}

/// Whether a cell is made of words as headers are: no digits and no signs but those between words.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_alphabetic() || " _-./()[]:".contains(c))
}

fn is_blank(cell: &Cell) -> bool {
    matches!(cell, Cell::Text(text) if text.trim_ascii().is_empty())
}

/// Which field each column holds.
fn assign(names: &[String], mapping: &columns::Mapping) -> Result<Vec<Column>, String> {
    columns::check(mapping, |name| names.iter().any(|known| known.eq_ignore_ascii_case(name)))?;
    let texts: Vec<&str> = names.iter().map(String::as_str).collect();
    let assigned = columns::assign(&texts, mapping)
        .map_err(|field| format!("the header is refused: {field} is there twice"))?;
    let column = |(name, field): (&String, Option<&'static str>)| match field {
        Some(field) => Column::Field(field),
        None if name.is_empty() => Column::Unnamed,
        None => Column::Other,
    };
    let columns: Vec<Column> = names.iter().zip(assigned).map(column).collect();
    let has = |field| columns.contains(&Column::Field(field));
    let looks_like_a_user = names.iter().any(|name| {
        name.contains('@')
            || name.starts_with('$')
            || name.len() > 100
            || name.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty()
    });
    if (has("username") || has("email")) && !looks_like_a_user {
        return Ok(columns);
    }
    let known: Vec<&str> = columns
        .iter()
        .filter_map(|column| if let Column::Field(field) = column { Some(*field) } else { None })
        .collect();
    let found = match (known.as_slice(), looks_like_a_user) {
        ([], _) | (_, true) => "no column of users is named there".to_owned(),
        (known, false) => format!("it names {}, but neither username nor email", known.join(", ")),
    };
    Err(format!(
        "the first line of its {} columns is no header that is known here: {found}. The columns are: {}; \
         --column 'NAME=username' says what another one is",
        names.len(),
        FIELDS.join(", ")
    ))
}

fn row(number: u64, columns: &[Column], delimiter: u8, record: Record) -> Row {
    let place = Place { line: record.line, row: number };
    let cells = match record.cells {
        Ok(cells) => cells,
        Err(reason) => return Row::broken(place, reason),
    };
    let needed = columns.iter().rposition(|column| *column != Column::Unnamed).map_or(0, |last| last + 1);
    let surplus = cells.iter().skip(needed).position(|cell| !is_blank(cell));
    match surplus.map(|place| place + needed + 1) {
        Some(surplus) if surplus <= columns.len() => {
            return Row::broken(place, format!("has a cell in column {surplus}, which has no name."));
        }
        None if cells.len() >= needed => {}
        _ => return Row::broken(place, format!("has {} cells instead of {}.", cells.len(), columns.len())),
    }
    let mut row = Row::new(place);
    for (column, cell) in columns.iter().zip(cells) {
        let Column::Field(field) = column else { continue };
        match cell {
            Cell::Null => row.add_column(field, nothing(field)),
            Cell::Text(text) => match std::str::from_utf8(&text) {
                Ok(text) => row.add_column(field, value(field, unguard(text), delimiter)),
                Err(_) => row.problems.push(format!("{field}: is not in UTF-8.")),
            },
        }
    }
    row
}

/// What a field has that is not said.
pub(super) fn nothing(field: &str) -> Raw {
    match field {
        "first_name" | "last_name" | "email" | SURNAME => Raw::Text(String::new()),
        "last_login" | "valid_from" | "valid_until" | "password_changed_at" | "modified_at" => Raw::Null,
        _ => Raw::Missing,
    }
}

/// A table knows only text: what is empty means "none", and so do the words of databases for it.
pub(super) fn value(field: &str, cell: &str, delimiter: u8) -> Raw {
    let is_name = matches!(field, "username" | "first_name" | "last_name" | "full_name" | SURNAME);
    match cell.trim() {
        "" if field == "username" => Raw::Text(String::new()),
        "" => nothing(field),
        // Google's report of sign-ins.
        word if field == "last_login" && word.to_lowercase().starts_with("never") => Raw::Null,
        "NULL" | "null" if !is_name || (delimiter == b'\t' && field != "username") => nothing(field),
        _ => Raw::Text(cell.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.into())
    }

    fn rows(content: &[u8]) -> Result<Vec<Row>, String> {
        let row = |item| match item {
            Item::Row(row) => row,
            Item::Skipped(kind) => panic!("{kind}"),
        };
        Ok(Table::open(&source(content), &[])?.rows().map(row).collect())
    }

    #[test]
    fn columns_come_in_any_order_and_cells_may_be_quoted() {
        let rows = rows(b"email, username ,id\r\n\"a@b.co\",\"a\"\"\nb\",7\r\n,c,\r\n").unwrap();
        assert_eq!(rows[0].get("username"), text("a\"\nb"));
        assert_eq!(rows[0].get("pk"), text("7"));
        assert_eq!(rows[1].get("email"), text(""));
        assert_eq!(rows[1].get("pk"), Raw::Missing);
        assert_eq!(rows[1].get("is_staff"), Raw::Missing);
    }

    #[test]
    fn empty_cells_and_the_nulls_of_databases_mean_none() {
        let header = "username\tpk\tlast_login\tpassword\tdate_joined\tis_staff\tfirst_name\n";
        for line in ["a\t\t\t\t\t\t\n", "a\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL\n"] {
            let row = &rows(format!("{header}{line}").as_bytes()).unwrap()[0];
            let fields = ["pk", "last_login", "password", "date_joined", "is_staff", "first_name"];
            assert_eq!(
                fields.map(|name| row.get(name)),
                [Raw::Missing, Raw::Null, Raw::Missing, Raw::Missing, Raw::Missing, text("")]
            );
        }
        let person = &rows(b"username,last_name\nNULL,Null\n").unwrap()[0];
        assert_eq!((person.get("username"), person.get("last_name")), (text("NULL"), text("Null")));
    }

    #[test]
    fn a_file_without_a_header_is_refused_and_nothing_of_it_is_repeated() {
        for content in [
            "ada,ada@example.org,Ada,Lovelace,pbkdf2_sha256$1$salt$hash\nbob,bob@example.org,,,\n",
            "login,ada@example.org,Ada,Lovelace,hunter2\n",
            "hunter2;lovelace\n",
            "12345,login,hunter2\n",
            "\u{1b}[2J\n",
        ] {
            let refusal = rows(content.as_bytes()).unwrap_err();
            assert!(refusal.contains("is no header that is known here"), "{refusal}");
            for secret in ["ada", "Ada", "hunter2", "pbkdf2", "lovelace", "12345", "\u{1b}", "bob"] {
                assert!(!refusal.to_lowercase().contains(&secret.to_lowercase()), "{refusal}");
            }
        }
        let refusal = rows(b"pk,first_name\n").unwrap_err();
        assert!(refusal.contains("it names pk, first_name, but neither username nor email"), "{refusal}");
        assert!(rows(b"username,pk,id\n").unwrap_err().contains("pk is there twice"));
    }

    #[test]
    fn columns_that_are_nothing_of_ours_are_named_and_left_out() {
        let content = b"username,Phone,Notes,Active,,\nada,1,\"x\ny\",yes,,\n,,,,,\nbob,2,,no,,x\n";
        let table = Table::open(&source(content), &[]).unwrap();
        let not_read: Vec<&str> =
            table.header.iter().filter(|(_, field)| field.is_none()).map(|(name, _)| name.as_str()).collect();
        assert_eq!((not_read, table.header.len()), (vec!["Phone", "Notes"], 4));
        let rows = rows(content).unwrap();
        assert_eq!((rows[0].get("username"), rows[0].get("is_active")), (text("ada"), text("yes")));
        assert_eq!(rows[1].broken.as_deref(), Some("has a cell in column 6, which has no name."));
        assert_eq!((rows[1].place.line, rows.len()), (5, 2));
    }

    #[test]
    fn a_number_of_the_user_gives_way_to_the_name() {
        for (header, name) in [
            ("ID,User ID,User Name,Email", "drew"),
            ("ID,User Name,User ID,Email", "900"),
            ("id,uid,login,email", "drew"),
        ] {
            let row = &rows(format!("{header}\n4,900,drew,d@example.net\n").as_bytes()).unwrap()[0];
            assert_eq!(row.get("username"), text(name), "{header}");
        }
        let row = &rows(b"uid,email\ndrew,d@example.net\n").unwrap()[0];
        assert_eq!(row.get("username"), text("drew"), "where there is no other");
    }

    #[test]
    fn what_may_be_no_header_is_not_repeated() {
        for content in ["user,Secr3tPassw0rd\nann,0therPw99\n", "Bob,Secr3tPassw0rd,email\n"] {
            let table = Table::open(&source(content.as_bytes()), &[]).unwrap();
            assert!(table.header.iter().all(|(name, _)| !name.contains("Secr3t")), "{:?}", table.header);
        }
    }

    #[test]
    fn a_column_can_be_told_to_hold_a_field() {
        let mapping = [("kennung".to_owned(), "username".to_owned())];
        let table = Table::open(&source(b"Kennung,Login\nada,x\n"), &mapping).unwrap();
        assert_eq!(table.header, [("Kennung".to_owned(), Some("username")), ("Login".to_owned(), None)]);
        let mapping = [("Status".to_owned(), String::new())];
        let table = Table::open(&source(b"username,Status\nada,retired\n"), &mapping).unwrap();
        assert_eq!(
            table.header[1],
            ("Status".to_owned(), None),
            "a column that is known by its name is left out"
        );
        for (name, field) in [("Kennung", "nonsense"), ("Nothing", "username")] {
            let mapping = [(name.to_owned(), field.to_owned())];
            assert!(Table::open(&source(b"Kennung\nada\n"), &mapping).is_err());
        }
    }

    #[test]
    fn all_columns_of_states_are_read() {
        let content = b"username,Locked,Suspended,Disabled,deleted_at\nada,no,no,no,\nbob,no,no,yes,\ncy,no,no,no,2024-01-01\n";
        let active = |row: &Row| super::super::states::is_active(row, None);
        let told: Vec<Raw> = rows(content).unwrap().iter().map(active).collect();
        assert_eq!(told, [Raw::Bool(true), Raw::Bool(false), Raw::Bool(false)]);
        assert!(rows(b"username,is_active,is_active\n").unwrap_err().contains("is_active is there twice"));
    }

    #[test]
    fn words_for_people_with_rights_give_none() {
        for word in ["Superuser", "Staff", "Mitarbeiter", "Admin", "Administrator", "is_admin", "Role"] {
            let row = &rows(format!("username,{word}\nada,1\n").as_bytes()).unwrap()[0];
            let rights = ["is_superuser", "is_staff"].map(|field| row.get(field));
            assert_eq!(rights, [Raw::Missing, Raw::Missing], "{word}");
        }
    }

    #[test]
    fn lines_that_do_not_fit_are_bad_rows_by_themselves() {
        let rows = rows(b"username,pk\na\nb,2,3\nc,4\n\xff,5\n").unwrap();
        let reasons: Vec<_> = rows.iter().map(|row| row.broken.as_deref().unwrap_or("")).collect();
        assert_eq!(reasons, ["has 1 cells instead of 2.", "has 3 cells instead of 2.", "", ""]);
        // The whole file is read as Windows-1252 then.
        assert_eq!(rows[3].get("username"), text("ÿ"));
    }
}
