//! The values in a row of a dump in SQL, and what they make of it.

use std::sync::Arc;

use super::delimited::unescape;
use super::row::{Item, Place, Row};
use super::sql_words::{Token, Words};
use super::table;
use crate::model::raw::Raw;

/// The most values of a row.
pub(super) const MOST_CELLS: usize = 1000;

/// A table while its rows are read.
pub(super) struct Table {
    pub(super) name: String,
    /// The field of each column; `None` if it has no users.
    pub(super) fields: Option<Vec<Option<&'static str>>>,
    /// The names of columns that hold nothing of ours.
    pub(super) not_read: Arc<[String]>,
}

/// What stands for a column of a row.
pub(super) enum Value {
    Null,
    Text(Vec<u8>),
    /// Bytes, which may be no text.
    Bytes(Vec<u8>),
    /// What only the database can compute.
    Unknown,
}

/// A row, or what stands in its place.
pub(super) enum Tuple {
    /// It is as it should be.
    Values(Vec<Value>),
    /// It has its bracket, but no values.
    Bad,
    /// The statement ends in it.
    Open,
    /// The file ends in it.
    Cut,
}

/// What stands behind a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Comma,
    Bracket,
    Statement,
    File,
}

/// The values up to the bracket that closes them.
pub(super) fn values(words: &mut Words) -> Tuple {
    let (mut values, mut is_good) = (Vec::new(), true);
    loop {
        let (value, end) = cell(words);
        is_good &= value.is_some() && values.len() < MOST_CELLS;
        values.extend(value.filter(|_| is_good));
        match end {
            End::Comma => {}
            End::Bracket if is_good => return Tuple::Values(values),
            End::Bracket => return Tuple::Bad,
            End::Statement => return Tuple::Open,
            End::File => return Tuple::Cut,
        }
    }
}

/// One value, if there is one, and what stands behind it. What only the database can compute goes to its end.
pub(super) fn cell(words: &mut Words) -> (Option<Value>, End) {
    let (mut cell, mut depth, mut is_cast) = (None, 0_u64, false);
    loop {
        match words.token() {
            Token::End => return (cell, End::File),
            Token::Sign(b';') => return (cell, End::Statement),
            // A row that is not closed ends there.
            token if words.begins_line && (token.is("insert") || token.is("go")) => {
                words.put_back(token);
                return (cell, End::Statement);
            }
            Token::Sign(b'(') => {
                depth += 1;
                // A cast may be to `varchar(150)`.
                cell = cell.filter(|_| is_cast).or(Some(Value::Unknown));
            }
            Token::Sign(b')') if depth > 0 => depth -= 1,
            Token::Sign(b')') => return (cell, End::Bracket),
            _ if depth > 0 => {}
            Token::Sign(b',') => return (cell, End::Comma),
            token if cell.is_none() => cell = Some(begun(words, token)),
            token if token.is("on") => {
                words.skip_statement();
                return (cell, End::Statement);
            }
            Token::Sign(b':') => is_cast = true,
            // A type.
            Token::Word(_) => {}
            _ => cell = Some(Value::Unknown),
        }
    }
}

/// A value that begins with this.
fn begun(words: &mut Words, token: Token) -> Value {
    match token {
        Token::Text(text) => Value::Text(text),
        // In MySQL these may be quotation marks of a text.
        Token::Name(text) => Value::Text(text.into_bytes()),
        Token::Word(word) => begun_by(words, &word),
        Token::Sign(b'+') if words.peek().is_some_and(|byte| byte.is_ascii_digit() || byte == b'.') => {
            let token = words.token();
            begun(words, token)
        }
        Token::Sign(b'.') if words.peek().is_some_and(|byte| byte.is_ascii_digit()) => match words.token() {
            Token::Word(fraction) => Value::Text(format!("0.{fraction}").into_bytes()),
            _ => Value::Unknown,
        },
        Token::Sign(_) | Token::End => Value::Unknown,
    }
}

fn next_value(words: &mut Words) -> Value {
    let token = words.token();
    begun(words, token)
}

/// A value that begins with a word.
fn begun_by(words: &mut Words, word: &str) -> Value {
    if word.starts_with('_') {
        // The character set of the text that follows.
        while words.peek() == Some(b' ') {
            words.skip_space();
        }
    }
    let lower = word.to_ascii_lowercase();
    match (lower.as_str(), words.peek()) {
        ("null" | "default", _) => Value::Null,
        ("e", Some(b'\'')) => Value::Text(words.text(true)),
        ("x", Some(b'\'')) => hexadecimal(&words.text(false)).map_or(Value::Unknown, Value::Bytes),
        ("b", Some(b'\'')) => Value::Text(bits(&words.text(false))),
        ("n", Some(b'\'')) => next_value(words),
        (set, Some(b'\'' | b'0' | b'x' | b'X' | b'b' | b'B')) if set.starts_with('_') => next_value(words),
        (name, Some(b'(')) => function(words, name),
        (number, _) if number.starts_with("0x") => {
            hexadecimal(&number.as_bytes()[2..]).map_or(Value::Unknown, Value::Bytes)
        }
        ("true" | "false", _) => Value::Text(lower.into_bytes()),
        (number, _)
            if number.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit() || c == '.') =>
        {
            Value::Text(lower.into_bytes())
        }
        _ => Value::Unknown,
    }
}

/// Bits as a number, where they are few.
fn bits(digits: &[u8]) -> Vec<u8> {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = &digits[zeros..];
    if digits.is_empty() { b"0".to_vec() } else { digits.to_vec() }
}

/// The text that is cast to another type; what other functions give is not known.
fn function(words: &mut Words, name: &str) -> Value {
    let (mut depth, mut text) = (0_u32, None);
    loop {
        match words.token() {
            Token::End => return Value::Unknown,
            token @ Token::Sign(b';') => {
                words.put_back(token);
                return Value::Unknown;
            }
            Token::Sign(b'(') => depth += 1,
            Token::Sign(b')') => depth -= 1,
            Token::Text(found) if text.is_none() => text = Some(found),
            _ => {}
        }
        if depth == 0 {
            return text.filter(|_| name == "cast").map_or(Value::Unknown, Value::Text);
        }
    }
}

/// The values of a line of PostgreSQL's `COPY`.
pub(super) fn of_line(line: &[u8]) -> Vec<Value> {
    let value = |cell: &[u8]| match cell {
        b"\\N" => Value::Null,
        cell => Value::Text(unescape(cell, true)),
    };
    line.split(|byte| *byte == b'\t').take(MOST_CELLS + 1).map(value).collect()
}

/// A row of a table, if that has users.
pub(super) fn item(place: Place, table: &Table, values: Result<Vec<Value>, String>) -> Item {
    let Some(fields) = &table.fields else { return Item::Skipped(format!("rows of {}", table.name)) };
    let values = match values {
        Ok(values) if values.len() == fields.len() => values,
        Ok(values) => {
            let reason = format!("has {} values instead of {}.", values.len(), fields.len());
            return Item::Row(Row::broken(place, reason));
        }
        Err(reason) => return Item::Row(Row::broken(place, reason)),
    };
    let mut row = Row::new(place);
    row.not_read = Arc::clone(&table.not_read);
    for (field, value) in fields.iter().zip(values) {
        let Some(field) = field else { continue };
        let bytes = match value {
            Value::Null => {
                row.add_column(field, table::nothing(field));
                continue;
            }
            Value::Unknown => {
                row.add_column(field, Raw::Other);
                continue;
            }
            // A key that is no number is replaced.
            Value::Bytes(bytes) if *field == "pk" && !bytes.is_ascii() => continue,
            Value::Text(bytes) | Value::Bytes(bytes) => bytes,
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => row.add_column(field, table::value(field, text, b',')),
            Err(_) => row.problems.push(format!("{field}: is not in UTF-8.")),
        }
    }
    Item::Row(row)
}

fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(pair).collect()
}
