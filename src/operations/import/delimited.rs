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
    /// Whether a backslash escapes, as MySQL and PostgreSQL write files.
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
        let has_null = || head.windows(3).any(|three| begins_cell(three[0]) && three[1..] == *b"\\N");
        let delimiter = told.unwrap_or(most);
        let backslash = !is_ours && (has_null() || delimiter == b'\t' && is_escaped(head));
        Self { delimiter, backslash, end }
    }
}

/// Whether every backslash begins an escape of databases, and some are escaped themselves: else they are signs of names
/// such as `CORP\nils`.
fn is_escaped(head: &[u8]) -> bool {
    let mut rest = head;
    let mut has_escaped = false;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        match rest.get(at + 1) {
            Some(b'\\') => has_escaped = true,
            Some(escape) if b"0bnrtvZN\t\n\"'".contains(escape) => {}
            // The head may end within an escape.
            None => break,
            Some(_) => return false,
        }
        rest = &rest[at + 2..];
    }
    has_escaped
}

/// What stands for the bytes of a cell or a text in which a backslash escapes: a letter for a control character, digits
/// for the number of a byte if there are numbers, and anything else for itself.
pub(super) fn unescape(escaped: &[u8], has_numbers: bool) -> Vec<u8> {
    let mut plain = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let [byte, after @ ..] = rest {
        rest = after;
        let [escape, after @ ..] = after else {
            plain.push(*byte);
            continue;
        };
        if *byte != b'\\' {
            plain.push(*byte);
            continue;
        }
        rest = after;
        plain.push(match escape {
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' if has_numbers => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'Z' => 26,
            b'0' if !has_numbers => 0,
            b'0'..=b'7' if has_numbers => number(*escape, &mut rest, 8, 2),
            b'x' if has_numbers && after.first().is_some_and(u8::is_ascii_hexdigit) => {
                number(b'0', &mut rest, 16, 2)
            }
            other => *other,
        });
    }
    plain
}

/// A byte by its number, of which the first digit is there and at most so many follow.
fn number(first: u8, rest: &mut &[u8], base: u32, most: usize) -> u8 {
    let digit = |byte: u8| char::from(byte).to_digit(base);
    let mut value = digit(first).unwrap_or(0);
    for _ in 0..most {
        let Some(next) = rest.first().copied().and_then(digit) else { break };
        value = value * base + next;
        *rest = &rest[1..];
    }
    u8::try_from(value & 0xff).unwrap_or_default()
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
                Ok(line.bytes.split(|byte| *byte == b'\t').map(|cell| plain(cell, self.dialect)).collect())
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
            match end_of_plain(rest, dialect) {
                Some(end) => (plain(&rest[..end], dialect), &rest[end..]),
                None => return Split::Open,
            }
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

/// Where a cell without quotation marks ends; `None` if its line ends with a break that is escaped.
fn end_of_plain(rest: &[u8], dialect: Dialect) -> Option<usize> {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\\' if dialect.backslash && at + 1 == rest.len() => return None,
            b'\\' if dialect.backslash => at += 2,
            byte if byte == dialect.delimiter || byte == b'\n' => return Some(at),
            _ => at += 1,
        }
    }
    Some(rest.len())
}

/// A cell without quotation marks.
fn plain(cell: &[u8], dialect: Dialect) -> Cell {
    match cell {
        b"\\N" if dialect.backslash => Cell::Null,
        cell if dialect.backslash => Cell::Text(unescape(cell, true)),
        cell => Cell::Text(cell.to_vec()),
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
            [b'"', after @ ..] if dialect.backslash => return Ok((unescape(&cell, true), after)),
            [b'"', after @ ..] => return Ok((cell, after)),
            [b'\\', escaped, after @ ..] if dialect.backslash => {
                cell.extend([b'\\', *escaped]);
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
mod tests;
