//! The values in a row of a dump in SQL, and what they make of it.

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

/// The values up to the bracket that closes them; `None` if they are not as they should be.
pub(super) fn values(words: &mut Words) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    loop {
        let mut value = value(words)?;
        // A type may follow.
        let end = loop {
            match words.token() {
                Token::End => return None,
                Token::Sign(end @ (b',' | b')')) => break end,
                Token::Sign(b':') | Token::Word(_) => {}
                _ => value = Value::Unknown,
            }
        };
        if values.len() == MOST_CELLS {
            return None;
        }
        values.push(value);
        if end == b')' {
            return Some(values);
        }
    }
}

fn value(words: &mut Words) -> Option<Value> {
    Some(match words.token() {
        Token::Text(text) => Value::Text(text),
        // In MySQL these may be quotation marks of a text.
        Token::Name(text) => Value::Text(text.into_bytes()),
        Token::Word(word) => begun_by(words, &word),
        Token::Sign(_) | Token::End => return None,
    })
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
        ("b", Some(b'\'')) => Value::Text(words.text(false)),
        ("n", Some(b'\'')) => value(words).unwrap_or(Value::Unknown),
        (set, Some(b'\'')) if set.starts_with('_') => value(words).unwrap_or(Value::Unknown),
        (name, Some(b'(')) => function(words, name),
        (number, _) if number.starts_with("0x") => {
            hexadecimal(&number.as_bytes()[2..]).map_or(Value::Unknown, Value::Bytes)
        }
        ("true" | "false", _) => Value::Text(lower.into_bytes()),
        (number, _) if number.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            Value::Text(lower.into_bytes())
        }
        _ => Value::Unknown,
    }
}

/// The text that is cast to another type; what other functions give is not known.
fn function(words: &mut Words, name: &str) -> Value {
    let (mut depth, mut text) = (0_u32, None);
    loop {
        match words.token() {
            Token::End => return Value::Unknown,
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
    for (field, value) in fields.iter().zip(values) {
        let Some(field) = field else { continue };
        let bytes = match value {
            Value::Null => {
                row.add(field, table::nothing(field));
                continue;
            }
            Value::Unknown => {
                row.add(field, Raw::Other);
                continue;
            }
            // A key that is no number is replaced.
            Value::Bytes(bytes) if *field == "pk" && !bytes.is_ascii() => continue,
            Value::Text(bytes) | Value::Bytes(bytes) => bytes,
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => row.add(field, table::value(field, text, b',')),
            Err(_) => row.problems.push(format!("{field}: is not in UTF-8.")),
        }
    }
    Item::Row(row)
}

fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(pair).collect()
}
