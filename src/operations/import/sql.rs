//! Tables of users in dumps of databases: of PostgreSQL (`pg_dump`, with `COPY` or `INSERT`), MySQL and `MariaDB`
//! (`mysqldump`, phpMyAdmin), SQLite (`.dump`) and SQL Server.

mod statements;

use std::collections::{BTreeMap, HashMap};

use super::Options;
use super::columns::{self, Sought};
use super::row::{Item, Place, Row};
use super::source::Stream;
use super::sql_values::{Table, Tuple, item, of_line, values};
use super::sql_words::{Token, Words};

/// The longest row that is taken apart, in bytes.
const LONGEST: usize = 1024 * 1024;
/// The longest name that is kept, in bytes, and the most columns of all tables together.
const LONGEST_NAME: usize = 128;
const MOST_COLUMNS: usize = 50_000;
/// The most tables that a message names.
const MOST_TABLES: usize = 20;

/// Whether a file is one: it begins with a comment or a statement, and has some that dumps have.
pub(super) fn is_dump(head: &[u8]) -> bool {
    const STATEMENTS: [&[u8]; 16] = [
        b"insert into ",
        b"insert  into ",
        b"insert ignore ",
        b"insert [",
        b"replace into ",
        b"copy ",
        b"create table ",
        b"create database",
        b"drop table",
        b"pragma ",
        b"begin transaction",
        b"start transaction",
        b"select pg_catalog.",
        b"lock tables",
        b"use [",
        b"/*!",
    ];
    // Whatever the setting: each program that dumps begins with others.
    let is_whole = |line: &[u8]| {
        line == b"begin;"
            || line.starts_with(b"set names ")
            || line.starts_with(b"set identity_insert ")
            || line.starts_with(b"set ") && line.ends_with(b";") && line.contains(&b'=')
    };
    let is_statement = |line: &[u8]| {
        let line = line[..line.len().min(200)].to_ascii_lowercase();
        is_whole(&line)
            || STATEMENTS.iter().any(|statement| line.starts_with(statement))
                && (!line.starts_with(b"copy ") || line.windows(11).any(|part| part == b" from stdin"))
    };
    let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut lines = lines.filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return false };
    is_statement(first) || (first.starts_with(b"--") || first.starts_with(b"/*")) && lines.any(is_statement)
}

/// Whether texts have escapes with a backslash, as MySQL writes them.
fn is_mysql(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    // Backticks are no sign: programs that make tables of SQLite write them, too, and names of people have them.
    let others = [
        "PostgreSQL database dump",
        "standard_conforming_strings",
        "PRAGMA foreign_keys",
        "BEGIN TRANSACTION;",
    ];
    let signs = ["MySQL dump", "MariaDB dump", "phpMyAdmin SQL Dump", "mariadb-dump", "/*!40101", "ENGINE="];
    let has = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    !has(&others) && has(&signs)
}

/// The table that is read, if it is the only one with passwords. Checks that users of one table only are read, and that the
/// columns which were given fields are there.
///
/// # Errors
/// The tables to choose from, or the first column that is not there.
pub(super) fn check(stream: Stream, head: &[u8], options: &Options) -> Result<Option<String>, String> {
    let mut rows = Rows::new(stream, head, options);
    rows.by_ref().for_each(drop);
    let mut with_passwords = rows.found.iter().filter(|(_, has_passwords)| **has_passwords);
    if let (None, Some((name, _)), None) = (&options.part, with_passwords.next(), with_passwords.next())
        && rows.found.len() < MOST_TABLES
    {
        rows.sought.check()?;
        return Ok(Some(name.clone()));
    }
    if rows.found.len() > 1 {
        let names = rows.found.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        return Err(format!("it has several tables of users: say with --table which one of {names}"));
    }
    rows.sought.check()?;
    Ok(None)
}

enum State {
    /// Between statements.
    Outside,
    /// Within the rows of an `INSERT`.
    Tuples(Table),
    /// Within those of a `COPY`.
    Lines(Table),
    /// A statement is one row, or has something to be said.
    One(Item),
    /// The file breaks off.
    Broken(String),
    Ended,
}

/// Reads the rows of all tables, one after the other.
pub(super) struct Rows {
    words: Words,
    /// Which of the columns that were given fields are in the tables that are read.
    sought: Sought,
    chosen: Option<String>,
    /// The whole name of the only table that is read, if that is known.
    only: Option<String>,
    /// The columns of tables by their whole names, for rows that do not name them.
    created: HashMap<String, Vec<String>>,
    columns: usize,
    /// The tables that are read, by their whole names, and whether they have passwords.
    found: BTreeMap<String, bool>,
    state: State,
    row: u64,
}

impl Rows {
    /// `head` is the beginning of the same file.
    pub(super) fn new(stream: Stream, head: &[u8], options: &Options) -> Self {
        Self {
            words: Words::new(stream, is_mysql(head)),
            sought: Sought::new(&options.columns),
            chosen: options.part.clone(),
            only: None,
            created: HashMap::new(),
            columns: 0,
            found: BTreeMap::new(),
            state: State::Outside,
            row: 0,
        }
    }

    /// Of the table that was found to be the only one.
    pub(super) fn of(self, only: Option<String>) -> Self {
        Self { only, ..self }
    }

    /// The table of this whole name, with these columns or those that it was made with.
    fn table(&mut self, whole: &str, columns: Vec<String>) -> Table {
        let columns =
            if columns.is_empty() { self.created.get(whole).cloned().unwrap_or_default() } else { columns };
        let name = whole.rsplit('.').next().unwrap_or(whole).to_owned();
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let is_read = match (&self.only, &self.chosen) {
            (Some(only), _) => whole == only,
            (None, Some(chosen)) => [&name[..], whole].iter().any(|name| chosen.eq_ignore_ascii_case(name)),
            (None, None) => columns::has_users(&name, &names, &self.sought.mapping),
        };
        let fields = if is_read { columns::assign(&names, &self.sought.mapping).ok() } else { None };
        let fields =
            fields.filter(|fields| fields.iter().any(|field| matches!(field, Some("username" | "email"))));
        if let Some(fields) = &fields {
            let has_passwords =
                fields.iter().any(|field| matches!(field, Some("password" | "initial_password")));
            if self.found.len() < MOST_TABLES {
                *self.found.entry(whole.to_owned()).or_default() |= has_passwords;
            }
            for name in &names {
                self.sought.see(name);
            }
        }
        let left = columns.iter().zip(fields.iter().flatten()).filter(|(_, field)| field.is_none());
        let not_read = left.map(|(name, _)| name.clone()).collect();
        Table { name, fields, not_read }
    }

    fn end(&mut self) -> State {
        self.words.bytes.failure.take().map_or(State::Ended, State::Broken)
    }

    /// The file ends within rows.
    fn broken(&mut self) -> State {
        State::Broken(self.words.bytes.reason_of_end("the file ends in the middle of the rows."))
    }

    fn next_token(&mut self) -> Token {
        self.words.room = LONGEST_NAME;
        self.words.token()
    }

    fn place(&mut self, line: u64) -> Place {
        self.row += 1;
        Place { line, row: self.row }
    }

    /// Reads a row of an `INSERT`; `None` at the end of the file.
    fn tuple(&mut self, table: Table) -> Option<Item> {
        let mut begins = self.next_token();
        if begins.is("row") {
            begins = self.next_token();
        }
        let line = self.words.line();
        if begins == Token::End {
            self.state = self.broken();
            return None;
        }
        if begins != Token::Sign(b'(') {
            self.words.put_back(begins);
            self.words.skip_statement();
            return Some(item(self.place(line), &table, Err("is no row that can be read.".into())));
        }
        self.words.room = LONGEST;
        self.words.is_cut = false;
        let values = values(&mut self.words);
        let place = self.place(line);
        let values = match values {
            Tuple::Cut => {
                let reason = self.words.bytes.reason_of_end("the file ends in the middle of it.");
                return Some(Item::Row(Row::broken(place, reason)));
            }
            Tuple::Open => return Some(item(place, &table, Err("has no bracket at its end.".into()))),
            _ if self.words.is_cut => Err(too_long()),
            Tuple::Bad => Err("has values that cannot be read.".into()),
            Tuple::Values(values) => Ok(values),
        };
        let item = item(place, &table, values);
        match self.next_token() {
            Token::Sign(b',') => self.state = State::Tuples(table),
            // Only SQL Server's statements have no sign at their end.
            Token::End if self.words.has_ends || self.words.bytes.failure.is_some() => {
                self.state = self.broken();
            }
            Token::Sign(b';') | Token::End => {}
            token => {
                // Another statement, or what else belongs to this one.
                self.words.put_back(token);
                if !self.words.begins_line {
                    self.words.skip_statement();
                }
            }
        }
        Some(item)
    }

    /// Reads a row of a `COPY`; `None` at its end.
    fn line(&mut self, table: Table) -> Option<Item> {
        let line = self.words.line();
        self.words.room = LONGEST;
        self.words.is_cut = false;
        let Some((text, has_end)) = self.words.whole_line() else {
            self.state = self.broken();
            return None;
        };
        if text == b"\\." {
            return None;
        }
        let place = self.place(line);
        if !has_end {
            let reason = self.words.bytes.reason_of_end("the file ends in the middle of it.");
            return Some(Item::Row(Row::broken(place, reason)));
        }
        let values = if self.words.is_cut {
            Err(too_long())
        } else if table.fields.is_some() {
            Ok(of_line(&text))
        } else {
            Ok(Vec::new())
        };
        let item = item(place, &table, values);
        self.state = State::Lines(table);
        Some(item)
    }
}

fn too_long() -> String {
    format!("is longer than {LONGEST} bytes.")
}

impl Iterator for Rows {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let item = match std::mem::replace(&mut self.state, State::Outside) {
                State::Outside => {
                    self.state = self.statement();
                    None
                }
                State::Tuples(table) => self.tuple(table),
                State::Lines(table) => self.line(table),
                State::One(item) => Some(item),
                State::Broken(reason) => {
                    self.state = State::Ended;
                    let place = self.place(self.words.line());
                    Some(Item::Row(Row::broken(place, reason)))
                }
                State::Ended => {
                    self.state = State::Ended;
                    return None;
                }
            };
            if item.is_some() {
                return item;
            }
        }
    }
}

#[cfg(test)]
mod tests;
