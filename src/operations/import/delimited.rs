//! Files of cells between delimiters, as spreadsheets and databases write them.

use std::collections::VecDeque;

use super::lines::{Line, Lines};
use super::row::{FIELDS, FIRST_FIELDS};
use super::source::Stream;

/// The most lines, and bytes, that a record with line breaks in its cells may have: more is a quotation mark that
/// is never closed.
const MOST_LINES: usize = 200;
const MOST_BYTES: usize = 64 * 1024;
/// The most cells of a record.
const MOST_CELLS: usize = 1000;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// What stands between two cells.
    pub(super) delimiter: u8,
    /// Whether a backslash escapes, as MySQL writes files.
    pub(super) backslash: bool,
    /// What ends a line.
    end: u8,
}

impl Dialect {
    const DELIMITERS: [u8; 4] = *b",;\t|";

    /// Told from the beginning of a file.
    pub(super) fn of(head: &[u8]) -> Self {
        let end = if head.contains(&b'\r') && !head.contains(&b'\n') { b'\r' } else { b'\n' };
        let mut lines =
            head.split(|byte| *byte == end).map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        let first = lines.find(|line| separator(line).is_none() && !is_preamble(line)).unwrap_or_default();
        let told = head.split(|byte| *byte == end).next().and_then(separator);
        let count = |delimiter: &u8| {
            let mut quoted = false;
            let counted = |byte: &&u8| {
                quoted ^= **byte == b'"';
                !quoted && *byte == delimiter
            };
            first.iter().filter(counted).count()
        };
        // Of equals the first, so that a single column is one of commas.
        let most = Self::DELIMITERS.into_iter().rev().max_by_key(count).unwrap_or(b',');
        // A name of ours may be "\\N".
        let is_ours = first.starts_with(FIELDS[..FIRST_FIELDS].join(",").as_bytes());
        let begins_cell = |byte: u8| byte == b'\n' || Self::DELIMITERS.contains(&byte);
        let backslash =
            !is_ours && head.windows(3).any(|three| begins_cell(three[0]) && three[1..] == *b"\\N");
        Self { delimiter: told.unwrap_or(most), backslash, end }
    }
}

/// The delimiter that a first line such as `sep=;` names, for Excel.
pub(super) fn separator(line: &[u8]) -> Option<u8> {
    match line.trim_ascii().strip_prefix(b"sep=")? {
        [delimiter] => Some(*delimiter),
        _ => None,
    }
}

/// Whether a line before the header says what wrote the file: Microsoft Entra's, or PowerShell's.
pub(super) fn is_preamble(line: &[u8]) -> bool {
    line.starts_with(b"version:v") || line.starts_with(b"#TYPE ")
}

/// A cell, without its quotation marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// What it holds.
    Text(Vec<u8>),
    /// MySQL's `\N`.
    Null,
}

/// What stands on one line, or on several.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The first line.
    pub(super) line: u64,
    /// The cells, or what is wrong.
    pub(super) cells: Result<Vec<Cell>, String>,
}

/// Reads records. A line whose quotation marks do not fit is a record by itself, and what follows it is read as
/// if it were not there.
pub(super) struct Records {
    lines: Lines,
    dialect: Dialect,
    /// Read, but not used.
    ahead: VecDeque<Line>,
    /// How many cells each record should have.
    pub(super) expected: Option<usize>,
}

enum Split {
    Whole(Vec<Cell>),
    /// A cell goes on in the next line.
    Open,
    Malformed,
    TooMany,
}

impl Records {
    pub(super) fn new(input: Stream, dialect: Dialect) -> Self {
        Self { lines: Lines::new(input, dialect.end), dialect, ahead: VecDeque::new(), expected: None }
    }

    fn line(&mut self) -> Option<Line> {
        self.ahead.pop_front().or_else(|| self.lines.next())
    }

    /// The lines after the first one that are needed to close its cells; they go back if they do not help.
    fn join(&mut self, first: &Line) -> Result<Vec<Cell>, String> {
        let mut text = first.bytes.clone();
        let mut taken = Vec::new();
        let stray = "has a quotation mark that is not closed as it should be.".to_owned();
        let result = loop {
            let split = split(&text, self.dialect);
            match split {
                Split::Whole(cells) if taken.is_empty() || self.fits(&cells) => break Ok(cells),
                Split::TooMany => break Err(format!("has more than {MOST_CELLS} cells.")),
                Split::Open if taken.len() < MOST_LINES && text.len() < MOST_BYTES => {}
                Split::Whole(_) | Split::Malformed | Split::Open => break Err(stray),
            }
            match self.line() {
                Some(line) if line.problem.is_none() => {
                    text.push(b'\n');
                    text.extend_from_slice(&line.bytes);
                    taken.push(line);
                }
                Some(line) => {
                    taken.push(line);
                    break Err(stray);
                }
                None => break Err(stray),
            }
        };
        if result.is_err() {
            for line in taken.into_iter().rev() {
                self.ahead.push_front(line);
            }
        }
        result
    }

    fn fits(&self, cells: &[Cell]) -> bool {
        self.expected.is_none_or(|expected| cells.len() == expected)
    }
}

impl Iterator for Records {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let line = loop {
            let line = self.line()?;
            if line.problem.is_some() || !line.bytes.is_empty() {
                break line;
            }
        };
        let cells = match &line.problem {
            Some(problem) => Err(problem.clone()),
            None => self.join(&line),
        };
        // Databases write names in quotation marks between tabs as they are.
        let cells = match cells {
            Err(_) if self.dialect.delimiter == b'\t' && line.problem.is_none() => {
                Ok(line.bytes.split(|byte| *byte == b'\t').map(|cell| Cell::Text(cell.to_vec())).collect())
            }
            cells => cells,
        };
        Some(Record { line: line.number, cells })
    }
}

/// Splits a line into its cells, or several lines of which all but the last end within a cell.
fn split(text: &[u8], dialect: Dialect) -> Split {
    let mut cells = Vec::new();
    let mut rest = text;
    loop {
        if cells.len() == MOST_CELLS {
            return Split::TooMany;
        }
        let (cell, after) = if let Some(quoted) = rest.strip_prefix(b"\"") {
            match close(quoted, dialect) {
                Ok((cell, after)) => (Cell::Text(cell), after),
                Err(split) => return split,
            }
        } else {
            let end = rest.iter().position(|byte| *byte == dialect.delimiter || *byte == b'\n');
            let (cell, after) = rest.split_at(end.unwrap_or(rest.len()));
            let null = dialect.backslash && cell == b"\\N";
            (if null { Cell::Null } else { Cell::Text(cell.to_vec()) }, after)
        };
        cells.push(cell);
        match after {
            [] => return Split::Whole(cells),
            [byte, after @ ..] if *byte == dialect.delimiter => rest = after,
            // A line that was taken to close a cell, and does not end where that one does.
            _ => return Split::Malformed,
        }
    }
}

/// A cell in quotation marks, the first of which is gone already, and what follows the last of them.
fn close(quoted: &[u8], dialect: Dialect) -> Result<(Vec<u8>, &[u8]), Split> {
    let mut cell = Vec::new();
    let mut rest = quoted;
    loop {
        match rest {
            [] => return Err(Split::Open),
            [b'"', b'"', after @ ..] => {
                cell.push(b'"');
                rest = after;
            }
            [b'"', after @ ..] => return Ok((cell, after)),
            [b'\\', escaped, after @ ..] if dialect.backslash => {
                cell.push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    other => *other,
                });
                rest = after;
            }
            [byte, after @ ..] => {
                cell.push(*byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    fn read(content: &[u8]) -> Vec<(u64, Result<Vec<String>, String>)> {
        let text = |cell: Cell| match cell {
            Cell::Text(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Cell::Null => "NULL".into(),
        };
        let mut records = Records::new(source(content).stream().unwrap(), Dialect::of(content));
        let first = records.next().map(|record| (record.line, record.cells));
        records.expected = first.as_ref().and_then(|(_, cells)| Some(cells.as_ref().ok()?.len()));
        let rest = records.map(|record| (record.line, record.cells));
        let all = first.into_iter().chain(rest);
        all.map(|(line, cells)| (line, cells.map(|cells| cells.into_iter().map(text).collect()))).collect()
    }

    fn ok(content: &str) -> Vec<Vec<String>> {
        read(content.as_bytes()).into_iter().map(|(_, cells)| cells.unwrap()).collect()
    }

    #[test]
    fn the_delimiter_is_that_of_the_first_line() {
        for (content, delimiter) in [
            ("a,b;c,d\n", b','),
            ("a;b;\"c,d,e\"\n1,2,3,4", b';'),
            ("a\tb\n", b'\t'),
            ("sep=|\na;b;c|d\n", b'|'),
            ("version:v1.0\na;b\n", b';'),
            ("a\n", b','),
        ] {
            assert_eq!(Dialect::of(content.as_bytes()).delimiter, delimiter, "{content:?}");
        }
        assert!(Dialect::of(b"\"1\",\\N\n").backslash);
        assert!(!Dialect::of(b"CORP\\Nils,x\n").backslash);
    }

    #[test]
    fn cells_are_read_as_they_were_written() {
        assert_eq!(ok("a,b\r\n\"x\"\"\ny\",\r\n\n,z\r\n"), [["a", "b"], ["x\"\ny", ""], ["", "z"]]);
        assert_eq!(ok("a,b\r1,2\r"), [["a", "b"], ["1", "2"]]);
        assert_eq!(
            ok("\"a\",\"b\"\n\\N,\"say \\\"hi\\\" \\\\ there\"\n")[1],
            ["NULL", "say \"hi\" \\ there"]
        );
        assert_eq!(
            ok("a\tb\n\"Nick\" Cave\t\"x\n1\t2\n"),
            [["a", "b"], ["\"Nick\" Cave", "\"x"], ["1", "2"]]
        );
    }

    #[test]
    fn lines_are_counted_whatever_is_on_them() {
        let lines: Vec<u64> =
            read(b"a,b\n\n1,\"x\ny\nz\"\r\n\n2,3\n").into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 3, 7]);
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_costs_its_own_line_only() {
        for stray in ["3,\"x,c", "3,\"x\"y,c", "\"3,x,c"] {
            let good: Vec<String> = (4..1000).map(|n| format!("{n},\"{n}\"\"\",{n}\n")).collect();
            let content = format!("a,b,c\n1,2,3\n{stray}\n{}", good.concat());
            let records = read(content.as_bytes());
            let bad: Vec<u64> =
                records.iter().filter(|(_, cells)| cells.is_err()).map(|(line, _)| *line).collect();
            assert_eq!((records.len(), bad), (999, vec![3]), "{stray}");
        }
        let records = read(b"a,b\n1,\"x\n2,y\n");
        assert_eq!(records[1].1, Err("has a quotation mark that is not closed as it should be.".into()));
        assert_eq!(records[2].1, Ok(vec!["2".into(), "y".into()]));
    }

    #[test]
    fn lines_without_end_and_cells_without_number_are_named_and_not_kept() {
        let long = [b"a,b\n\"".to_vec(), vec![b'x'; 3 * 1024 * 1024], b"\n1,2\n".to_vec()].concat();
        let records = read(&long);
        assert_eq!(records[1].1, Err("is longer than 1048576 bytes.".into()));
        assert_eq!(records[2].0, 3);
        let wide = format!("{}\n1,2\n", "a,".repeat(200_000));
        assert_eq!(read(wide.as_bytes())[0].1, Err("has more than 1000 cells.".into()));
    }
}
