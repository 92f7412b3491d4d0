//! Tables of users in dumps of databases: of PostgreSQL (`pg_dump`, with `COPY` or `INSERT`), MySQL and `MariaDB`
//! (`mysqldump`, phpMyAdmin), SQLite (`.dump`) and SQL Server.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Options;
use super::columns;
use super::row::{Item, Place, Row};
use super::source::Stream;
use super::sql_values::{MOST_CELLS, Table, item, of_line, values};
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
        b"insert [",
        b"replace into ",
        b"copy ",
        b"create table ",
        b"create database",
        b"drop table",
        b"pragma ",
        b"begin transaction",
        b"start transaction",
        b"set names",
        b"set sql_mode",
        b"set statement_timeout",
        b"lock tables",
        b"use [",
        b"/*!",
    ];
    let is_statement = |line: &[u8]| {
        let line = line[..line.len().min(200)].to_ascii_lowercase();
        STATEMENTS.iter().any(|statement| line.starts_with(statement))
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

/// Checks that users of one table only are read, and that the columns which were given fields are there.
///
/// # Errors
/// The tables to choose from, or the first column that is not there.
pub(super) fn check(stream: Stream, head: &[u8], options: &Options) -> Result<(), String> {
    let mut rows = Rows::new(stream, head, options);
    rows.by_ref().for_each(drop);
    if rows.found.len() > 1 {
        let names = rows.found.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        return Err(format!("it has several tables of users: say with --table which one of {names}"));
    }
    columns::check(&options.columns, |name| rows.seen.contains(&name.to_ascii_lowercase()))
}

enum State {
    /// Between statements.
    Outside,
    /// Within the rows of an `INSERT`.
    Tuples(Table),
    /// Within those of a `COPY`.
    Lines(Table),
    /// The file breaks off.
    Broken(String),
    Ended,
}

/// Reads the rows of all tables, one after the other.
pub(super) struct Rows {
    words: Words,
    mapping: Vec<(String, String)>,
    chosen: Option<String>,
    /// The columns of tables by their whole names, for rows that do not name them.
    created: HashMap<String, Vec<String>>,
    columns: usize,
    /// The tables that are read, by their whole names.
    found: BTreeSet<String>,
    /// Columns of the tables that are read, in small letters.
    seen: HashSet<String>,
    state: State,
    row: u64,
}

impl Rows {
    /// `head` is the beginning of the same file.
    pub(super) fn new(stream: Stream, head: &[u8], options: &Options) -> Self {
        Self {
            words: Words::new(stream, is_mysql(head)),
            mapping: options.columns.clone(),
            chosen: options.part.clone(),
            created: HashMap::new(),
            columns: 0,
            found: BTreeSet::new(),
            seen: HashSet::new(),
            state: State::Outside,
            row: 0,
        }
    }

    /// The table of this whole name, with these columns or those that it was made with.
    fn table(&mut self, whole: &str, columns: Vec<String>) -> Table {
        let columns =
            if columns.is_empty() { self.created.get(whole).cloned().unwrap_or_default() } else { columns };
        let name = whole.rsplit('.').next().unwrap_or(whole).to_owned();
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let is_read = match &self.chosen {
            Some(chosen) => [&name[..], whole].iter().any(|name| chosen.eq_ignore_ascii_case(name)),
            None => columns::has_users(&name, &names, &self.mapping),
        };
        let fields = if is_read { columns::assign(&names, &self.mapping).ok() } else { None };
        let fields =
            fields.filter(|fields| fields.iter().any(|field| matches!(field, Some("username" | "email"))));
        if fields.is_some() {
            if self.found.len() < MOST_TABLES {
                self.found.insert(whole.to_owned());
            }
            self.seen.extend(columns.iter().map(|name| name.to_ascii_lowercase()));
        }
        Table { name, fields }
    }

    /// Reads the beginning of a statement, or all of one that has no rows.
    fn statement(&mut self) -> State {
        self.words.room = LONGEST_NAME;
        let state = match self.words.token() {
            Token::End => return self.end(),
            Token::Sign(b';') => Some(State::Outside),
            // A command to the program that reads the dump.
            Token::Sign(b'\\') => {
                self.words.skip_line();
                Some(State::Outside)
            }
            token if token.is("go") => Some(State::Outside),
            token if token.is("insert") || token.is("replace") => self.insert(),
            token if token.is("copy") => self.copy(),
            token if token.is("create") => self.create(),
            _ => None,
        };
        state.unwrap_or_else(|| {
            self.words.skip_statement();
            State::Outside
        })
    }

    fn end(&mut self) -> State {
        match self.words.failure.take() {
            Some(failure) => State::Broken(format!("the file cannot be read on: {failure}.")),
            None => State::Ended,
        }
    }

    /// Why there are no more rows, though there should be.
    fn reason_of_end(&mut self, otherwise: &str) -> String {
        match self.end() {
            State::Broken(reason) => reason,
            _ => otherwise.to_owned(),
        }
    }

    fn next_token(&mut self) -> Token {
        self.words.room = LONGEST_NAME;
        self.words.token()
    }

    /// A name with what it is in, such as a schema, and what follows it.
    fn path(&mut self, mut token: Token) -> Option<(String, Token)> {
        let mut whole = String::new();
        loop {
            let (Token::Word(name) | Token::Name(name)) = token else { return None };
            whole.push_str(&name);
            token = self.next_token();
            if token != Token::Sign(b'.') {
                return Some((whole, token));
            }
            whole.push('.');
            token = self.next_token();
        }
    }

    /// Skips a trigger, whose statements put no rows into the dump.
    fn trigger(&mut self) -> Option<State> {
        let mut is_in_body = false;
        loop {
            match self.next_token() {
                Token::End => return None,
                Token::Sign(b';') if !is_in_body => return Some(State::Outside),
                token if token.is("begin") => is_in_body = true,
                token if token.is("end") && is_in_body => match self.next_token() {
                    Token::Sign(b';') => return Some(State::Outside),
                    token => self.words.put_back(token),
                },
                _ => {}
            }
        }
    }

    /// The names of columns up to the bracket that closes them.
    fn names(&mut self) -> Option<Vec<String>> {
        let mut names = Vec::new();
        loop {
            match self.next_token() {
                Token::Word(name) | Token::Name(name) if names.len() < MOST_CELLS => names.push(name),
                Token::Sign(b',') => {}
                Token::Sign(b')') => return Some(names),
                _ => return None,
            }
        }
    }

    fn insert(&mut self) -> Option<State> {
        const BEFORE: [&str; 7] =
            ["into", "ignore", "or", "replace", "low_priority", "delayed", "high_priority"];
        let mut token = self.next_token();
        while BEFORE.iter().any(|word| token.is(word)) {
            token = self.next_token();
        }
        let (name, mut token) = self.path(token)?;
        let mut columns = Vec::new();
        if token == Token::Sign(b'(') {
            columns = self.names()?;
            token = self.next_token();
        }
        while ["overriding", "system", "user", "value"].iter().any(|word| token.is(word)) {
            token = self.next_token();
        }
        token.is("values").then(|| State::Tuples(self.table(&name, columns)))
    }

    fn copy(&mut self) -> Option<State> {
        let token = self.next_token();
        let (name, token) = self.path(token)?;
        let columns = if token == Token::Sign(b'(') { self.names()? } else { Vec::new() };
        loop {
            match self.next_token() {
                Token::End => return None,
                Token::Sign(b';') => break,
                _ => {}
            }
        }
        self.words.skip_line();
        Some(State::Lines(self.table(&name, columns)))
    }

    /// Remembers the columns of a table.
    fn create(&mut self) -> Option<State> {
        const KINDS: [&str; 6] = ["temp", "temporary", "unlogged", "global", "local", "foreign"];
        const NO_COLUMNS: [&str; 10] = [
            "primary",
            "key",
            "unique",
            "constraint",
            "foreign",
            "index",
            "check",
            "fulltext",
            "spatial",
            "exclude",
        ];
        let mut token = self.next_token();
        while KINDS.iter().any(|kind| token.is(kind)) {
            token = self.next_token();
        }
        if token.is("trigger") {
            return self.trigger();
        }
        if !token.is("table") {
            return None;
        }
        token = self.next_token();
        while ["if", "not", "exists"].iter().any(|word| token.is(word)) {
            token = self.next_token();
        }
        let (name, token) = self.path(token)?;
        if token != Token::Sign(b'(') {
            return None;
        }
        let (mut columns, mut depth, mut is_first) = (Vec::new(), 1_u32, true);
        while depth > 0 {
            match self.next_token() {
                Token::End => return None,
                Token::Sign(b'(') => depth += 1,
                Token::Sign(b')') => depth -= 1,
                Token::Sign(b',') if depth == 1 => {
                    is_first = true;
                    continue;
                }
                token @ Token::Word(_) if is_first && NO_COLUMNS.iter().any(|word| token.is(word)) => {}
                Token::Word(column) | Token::Name(column)
                    if is_first && columns.len() < MOST_CELLS && self.columns < MOST_COLUMNS =>
                {
                    self.columns += 1;
                    columns.push(column);
                }
                _ => {}
            }
            is_first = false;
        }
        if !columns.is_empty() {
            self.created.insert(name, columns);
        }
        None
    }

    fn place(&mut self, line: u64) -> Place {
        self.row += 1;
        Place { line, row: self.row }
    }

    /// Reads a row of an `INSERT`; `None` if there is none.
    fn tuple(&mut self, table: Table) -> Option<Item> {
        let begins = self.next_token();
        let line = self.words.line;
        if begins == Token::End {
            self.state = State::Broken(self.reason_of_end("the file ends in the middle of the rows."));
            return None;
        }
        if begins != Token::Sign(b'(') {
            self.words.put_back(begins);
            self.words.skip_statement();
            return None;
        }
        self.words.room = LONGEST;
        self.words.is_cut = false;
        let values = values(&mut self.words);
        let (is_cut, place) = (self.words.is_cut, self.place(line));
        let Some(values) = values else {
            if self.words.peek().is_none() {
                let reason = self.reason_of_end("the file ends in the middle of it.");
                return Some(Item::Row(Row::broken(place, reason)));
            }
            self.words.skip_statement();
            return Some(item(
                place,
                &table,
                Err("has values that cannot be read. What follows it in the same statement is not read."
                    .into()),
            ));
        };
        let values = if is_cut { Err(format!("is longer than {LONGEST} bytes.")) } else { Ok(values) };
        let item = item(place, &table, values);
        match self.next_token() {
            Token::Sign(b',') => self.state = State::Tuples(table),
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
        let line = self.words.line;
        self.words.room = LONGEST;
        self.words.is_cut = false;
        let Some(text) = self.words.whole_line() else {
            self.state = State::Broken(self.reason_of_end("the file ends in the middle of the rows."));
            return None;
        };
        if text == b"\\." {
            return None;
        }
        let place = self.place(line);
        let values = if self.words.is_cut {
            Err(format!("is longer than {LONGEST} bytes."))
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
                State::Broken(reason) => {
                    self.state = State::Ended;
                    let place = self.place(self.words.line);
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
