//! The statements of a dump: which ones have rows, and of which columns.

use super::super::row::{Item, Row};
use super::super::sql_values::{End, MOST_CELLS, cell, item};
use super::super::sql_words::{Token, Words};
use super::{LONGEST, LONGEST_NAME, MOST_COLUMNS, Rows, State, too_long};

impl Rows {
    /// Reads the beginning of a statement, or all of one that has no rows.
    pub(super) fn statement(&mut self) -> State {
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
            token if token.is("delimiter") => self.routines(),
            _ => None,
        };
        state.unwrap_or_else(|| {
            self.words.skip_statement();
            State::Outside
        })
    }

    /// A name with what it is in, such as a schema, and what follows it.
    fn path(&mut self, mut token: Token) -> Option<(String, Token)> {
        let mut whole = String::new();
        loop {
            let (Token::Word(name) | Token::Name(name)) = token else { return None };
            if whole.len() > 8 * LONGEST_NAME {
                return None;
            }
            whole.push_str(&name);
            token = self.next_token();
            if token != Token::Sign(b'.') {
                return Some((whole, token));
            }
            whole.push('.');
            token = self.next_token();
        }
    }

    /// Skips what MySQL's dumps have between another delimiter and the usual one: statements of routines, which put no
    /// rows into the dump.
    fn routines(&mut self) -> Option<State> {
        let is_usual = |words: &mut Words, word: &str| {
            words.room = LONGEST_NAME;
            let (line, _) = words.whole_line()?;
            let line = String::from_utf8_lossy(&line).trim().to_ascii_lowercase();
            Some(line.strip_prefix(word).is_some_and(|delimiter| delimiter.trim() == ";"))
        };
        let mut is_over = is_usual(&mut self.words, "")?;
        while !is_over {
            is_over = is_usual(&mut self.words, "delimiter")?;
        }
        Some(State::Outside)
    }

    /// Skips a trigger or a routine, whose statements put no rows into the dump.
    fn trigger(&mut self) -> Option<State> {
        let (mut is_in_body, mut depth) = (false, 0_u64);
        loop {
            match self.next_token() {
                Token::End => return None,
                Token::Sign(b'(') => depth += 1,
                Token::Sign(b')') => depth = depth.saturating_sub(1),
                Token::Sign(b';') if !is_in_body && depth == 0 => return Some(State::Outside),
                token if self.words.begins_line && token.is("go") => return Some(State::Outside),
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
        let line = self.words.line();
        let (name, mut token) = self.path(token)?;
        let mut columns = Vec::new();
        if token == Token::Sign(b'(') {
            columns = match self.names() {
                Some(columns) => columns,
                None => return Some(self.unread(&name, Vec::new(), line)),
            };
            token = self.next_token();
        }
        if token.is("overriding") {
            // "system value", or "user value".
            self.next_token();
            self.next_token();
            token = self.next_token();
        }
        Some(match token {
            token if token.is("values") || token.is("value") => State::Tuples(self.table(&name, columns)),
            token if token.is("set") && columns.is_empty() => self.assignments(&name, line),
            token => {
                self.words.put_back(token);
                self.unread(&name, columns, line)
            }
        })
    }

    /// Skips the rest of a statement that has no rows in it, such as `INSERT … SELECT`.
    fn unread(&mut self, name: &str, columns: Vec<String>, line: u64) -> State {
        self.words.skip_statement();
        let table = self.table(name, columns);
        let reason = "is a statement without rows, such as INSERT … SELECT: what it adds is not in the file.";
        State::One(match table.fields {
            Some(_) => item(self.place(line), &table, Err(reason.into())),
            None => Item::Skipped(format!("statements without rows for {}", table.name)),
        })
    }

    /// Reads MySQL's `SET column = value, …`, which is one row.
    fn assignments(&mut self, name: &str, line: u64) -> State {
        let (mut columns, mut values, mut room) = (Vec::new(), Vec::new(), LONGEST);
        let place = self.place(line);
        self.words.is_cut = false;
        loop {
            let token = self.next_token();
            let Some((column, Token::Sign(b'='))) = self.path(token) else {
                self.words.skip_statement();
                let reason = "has values that cannot be read.".to_owned();
                return State::One(item(place, &self.table(name, columns), Err(reason)));
            };
            columns.push(column.rsplit('.').next().unwrap_or_default().to_owned());
            self.words.room = room;
            let (value, end) = cell(&mut self.words);
            room = self.words.room;
            values.extend(value);
            match end {
                End::Comma if columns.len() < MOST_CELLS => {}
                End::Statement => break,
                End::File => {
                    let reason = self.words.bytes.reason_of_end("the file ends in the middle of it.");
                    return State::One(Item::Row(Row::broken(place, reason)));
                }
                End::Comma | End::Bracket => {
                    self.words.skip_statement();
                    values.clear();
                    break;
                }
            }
        }
        let values = if self.words.is_cut { Err(too_long()) } else { Ok(values) };
        State::One(item(place, &self.table(name, columns), values))
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
        const KINDS: [&str; 8] =
            ["or", "replace", "temp", "temporary", "unlogged", "global", "local", "foreign"];
        const ROUTINES: [&str; 5] = ["trigger", "function", "procedure", "rule", "event"];
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
        if ROUTINES.iter().any(|kind| token.is(kind)) {
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
}
