//! The elements of a JSON file, one after the other, without the file being held: the bytes of each, to be taken
//! apart on their own, so that what is wrong with one is not the problem of the others.
//!
//! The elements are those of the outermost array; those of an array that a known member of the outermost object
//! holds, such as the `users` of a realm; those of several realms, or tables, in the outermost array; or the objects of
//! JSON Lines.

use std::collections::HashMap;
use std::sync::Arc;

use super::bytes::Bytes;
use super::source::Stream;

/// The longest element that is taken apart, in bytes.
const LONGEST: usize = 1024 * 1024;

/// Members of the outermost object whose arrays hold the users.
const LISTS: [&str; 5] = ["users", "Resources", "value", "results", "items"];
/// Of a table of phpMyAdmin's export, which is itself an element.
const ROWS_OF_TABLE: &str = "data";
/// Of a realm of Keycloak's, which may be an element itself.
const USERS_OF_REALM: &str = "users";
/// The longest comment that is looked at, and name of a realm or a table that is kept, in bytes.
const LONGEST_NAME: usize = 1000;
/// The most realms that are looked for.
const MOST_REALMS: usize = 1000;

/// One element as it stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// The byte of that line at which it begins, from 1.
    pub(super) column: u64,
    /// The name of the realm or the table that it is of, if the file says it.
    pub(super) part: Option<Arc<str>>,
    /// Its bytes, or why there is none.
    pub(super) content: Result<Vec<u8>, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Array,
    /// Behind the array of a member.
    Object,
}

/// What is open, from the outside in.
#[expect(clippy::struct_excessive_bools, reason = "each is asked at another place of the file")]
pub(super) struct Elements {
    bytes: Bytes,
    frames: Vec<Frame>,
    part: Option<Arc<str>>,
    /// Outermost objects, or elements of the outermost array, so far.
    objects: u64,
    /// The realms, by the number of their objects: one may say its name behind its users.
    realms: Realms,
    /// Whether the realms are yet to be found, and no list is opened.
    looks_for_realms: bool,
    found_any: bool,
    /// The column at which the element before began, if it had a line for itself.
    column_of_lines: Option<u64>,
    /// Whether the outermost objects hold lists, as several answers of an API do in one file.
    are_lists: bool,
    ended: bool,
}

/// The names of the realms of a file, by the number of the objects that they are.
pub(super) type Realms = HashMap<u64, Arc<str>>;

/// Finds the realms of a file that have users.
pub(super) fn realms(input: Stream) -> Realms {
    let mut elements = Elements { looks_for_realms: true, ..Elements::new(input) };
    elements.by_ref().for_each(drop);
    elements.realms
}

/// The bytes of an element, up to the limit.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Kept {
    fn push(&mut self, byte: u8) {
        if self.bytes.len() < LONGEST {
            self.bytes.push(byte);
        } else {
            self.is_too_long = true;
        }
    }

    fn extend(&mut self, other: &Self) {
        other.bytes.iter().for_each(|byte| self.push(*byte));
        self.is_too_long |= other.is_too_long;
    }
}

/// What an object has said of itself before its list begins.
#[derive(Default)]
struct Told {
    is_table: bool,
    name: Option<Arc<str>>,
    realm: Option<Arc<str>>,
    has_users: bool,
}

impl Told {
    fn hear(&mut self, key: &[u8], value: &Kept) {
        let text = || {
            let text: Option<String> = serde_json::from_slice(&value.bytes).ok();
            text.filter(|text| text.len() <= LONGEST_NAME).map(Arc::from)
        };
        match key {
            b"\"type\"" => self.is_table |= value.bytes == b"\"table\"",
            b"\"name\"" => self.name = text(),
            b"\"realm\"" => self.realm = text(),
            _ => {}
        }
    }
}

impl Elements {
    pub(super) fn new(input: Stream) -> Self {
        Self {
            bytes: Bytes::new(input),
            frames: Vec::new(),
            part: None,
            objects: 0,
            realms: Realms::new(),
            looks_for_realms: false,
            found_any: false,
            column_of_lines: None,
            are_lists: false,
            ended: false,
        }
    }

    /// With the realms that were found before.
    pub(super) fn of_realms(input: Stream, realms: Realms) -> Self {
        Self { realms, ..Self::new(input) }
    }

    fn peek(&mut self) -> Option<u8> {
        self.bytes.peek()
    }

    fn skip(&mut self) -> Option<u8> {
        self.bytes.skip()
    }

    /// Keeps the next byte.
    fn take(&mut self, kept: &mut Kept) -> Option<u8> {
        let byte = self.skip()?;
        kept.push(byte);
        Some(byte)
    }

    fn space(&mut self, kept: &mut Kept) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.take(kept);
        }
    }

    /// A string, with its quotation marks. A line break ends one that is not closed.
    fn string(&mut self, kept: &mut Kept) {
        self.take(kept);
        while let Some(byte) = self.peek().filter(|byte| *byte != b'\n') {
            self.take(kept);
            match byte {
                b'"' => return,
                b'\\' if self.peek() != Some(b'\n') => drop(self.take(kept)),
                _ => {}
            }
        }
    }

    /// Whether the next element of those that have a line each begins here, so that the one before has no end.
    fn is_next_line(&mut self) -> bool {
        let is_aligned = self.bytes.is_first && self.column_of_lines == Some(self.bytes.column);
        is_aligned && !self.looks_for_realms && self.peek() == Some(b'{')
    }

    /// A value of any kind, at least one byte.
    fn value(&mut self, kept: &mut Kept) {
        let mut depth = 0_u64;
        loop {
            match self.peek() {
                None => return,
                Some(_) if depth > 0 && self.is_next_line() => return,
                Some(b'"') => self.string(kept),
                Some(byte) => {
                    self.take(kept);
                    match byte {
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth = depth.saturating_sub(1),
                        _ => {
                            let ends = |byte: u8| b",]}\" \t\r\n".contains(&byte);
                            while depth == 0 && self.peek().is_some_and(|byte| !ends(byte)) {
                                self.take(kept);
                            }
                        }
                    }
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads an object; `None` if it holds the list of users, whose elements follow.
    fn object(&mut self) -> Option<Found> {
        let (line, column) = (self.bytes.line, self.bytes.column);
        let mut kept = Kept::default();
        let mut told = Told::default();
        let is_outer = self.frames.len() < 2;
        self.objects += u64::from(is_outer);
        if is_outer && !self.looks_for_realms {
            told.realm = self.realms.get(&self.objects).cloned();
        }
        self.take(&mut kept);
        loop {
            self.space(&mut kept);
            match self.peek() {
                None => {
                    self.ended = true;
                    let reason = self.bytes.reason_of_end("the file ends in the middle of it.");
                    return Some(Found { line, column, part: self.part.clone(), content: Err(reason) });
                }
                Some(b'}') => {
                    self.take(&mut kept);
                    let has_room = self.looks_for_realms && self.realms.len() < MOST_REALMS;
                    if let Some(realm) = told.realm.filter(|_| is_outer && told.has_users && has_room) {
                        self.realms.insert(self.objects, realm);
                    }
                    return Some(self.found(line, column, kept));
                }
                Some(b'"') => {
                    // By itself, as it counts also where there is no more room for the object.
                    let mut key = Kept::default();
                    self.string(&mut key);
                    kept.extend(&key);
                    self.space(&mut kept);
                    if self.peek() == Some(b':') {
                        self.take(&mut kept);
                        self.space(&mut kept);
                        if self.is_next_line() {
                            return Some(self.found(line, column, kept));
                        }
                        let is_array = self.peek() == Some(b'[');
                        told.has_users |= is_array && is(&key.bytes, USERS_OF_REALM);
                        if is_array && self.is_list(&key.bytes, &told) {
                            self.skip();
                            self.are_lists |= self.frames.is_empty();
                            self.frames.extend([Frame::Object, Frame::Array]);
                            self.part = if told.is_table { told.name } else { told.realm };
                            return None;
                        }
                        if self.peek() == Some(b'"') {
                            let mut value = Kept::default();
                            self.value(&mut value);
                            told.hear(&key.bytes, &value);
                            kept.extend(&value);
                        } else {
                            self.value(&mut kept);
                        }
                    }
                }
                // Where a name is expected the next one begins: this one has no end.
                Some(b'{') => return Some(self.found(line, column, kept)),
                Some(b',' | b':') => drop(self.take(&mut kept)),
                Some(_) => self.value(&mut kept),
            }
        }
    }

    /// Whether a member of the object that begins here holds the users.
    fn is_list(&self, key: &[u8], told: &Told) -> bool {
        let is_of_realm = told.realm.is_some() && is(key, USERS_OF_REALM);
        let are_lists = !self.found_any || self.are_lists;
        match self.frames[..] {
            _ if self.looks_for_realms => false,
            [] => is_of_realm || are_lists && LISTS.into_iter().any(|name| is(key, name)),
            [Frame::Array] => is_of_realm || told.is_table && is(key, ROWS_OF_TABLE),
            _ => false,
        }
    }

    /// A comment, of which phpMyAdmin once put one with the names of database and table before the rows of a table.
    fn comment(&mut self) -> Option<Found> {
        let mut kept = Vec::new();
        self.skip();
        let is_long = self.peek() == Some(b'*');
        if !is_long && self.peek() != Some(b'/') {
            return Some(self.stray_line());
        }
        self.skip();
        while let Some(byte) = self.peek().filter(|byte| is_long || *byte != b'\n') {
            self.skip();
            if is_long && byte == b'/' && kept.last() == Some(&b'*') {
                return None;
            }
            if kept.len() == LONGEST_NAME {
                kept.clear();
            }
            kept.push(byte);
        }
        let text = String::from_utf8_lossy(&kept);
        if let Some((_, table)) = text.trim().split_once('.')
            && !is_long
            && !table.contains(char::is_whitespace)
        {
            self.part = Some(Arc::from(table));
        }
        None
    }

    fn found(&self, line: u64, column: u64, kept: Kept) -> Found {
        let too_long = format!("is longer than {LONGEST} bytes.");
        let content = if kept.is_too_long { Err(too_long) } else { Ok(kept.bytes) };
        Found { line, column, part: self.part.clone(), content }
    }

    /// What stands between the outermost values, up to the end of the line.
    fn stray_line(&mut self) -> Found {
        let (line, column) = (self.bytes.line, self.bytes.column);
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.skip();
        }
        let reason = "an array or an object is expected here.".into();
        Found { line, column, part: self.part.clone(), content: Err(reason) }
    }

    /// What is wrong with the file here, after which nothing is read.
    fn problem(&mut self, reason: String) -> Found {
        self.ended = true;
        let (line, column) = (self.bytes.line, self.bytes.column);
        Found { line, column, part: self.part.clone(), content: Err(reason) }
    }

    /// A member of the outermost object behind the list.
    fn member(&mut self) -> Option<Found> {
        let mut dropped = Kept { bytes: Vec::new(), is_too_long: false };
        self.string(&mut dropped);
        let key = std::mem::take(&mut dropped.bytes);
        self.space(&mut dropped);
        if self.peek() != Some(b':') {
            return Some(self.problem("a colon is expected here.".into()));
        }
        self.skip();
        self.space(&mut dropped);
        if self.peek() == Some(b'[') && self.frames.len() == 1 && LISTS.into_iter().any(|name| is(&key, name))
        {
            self.skip();
            self.frames.push(Frame::Array);
        } else {
            // Of no use, however long.
            dropped.bytes = vec![0; LONGEST];
            self.value(&mut dropped);
        }
        None
    }
}

/// Whether a key as it stands in the file is this name.
fn is(key: &[u8], name: &str) -> bool {
    key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\"")) == Some(name.as_bytes())
}

impl Iterator for Elements {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while !self.ended {
            while self.peek().is_some_and(|byte| byte.is_ascii_whitespace() || byte == b',') {
                self.skip();
            }
            let Some(byte) = self.peek() else {
                self.ended = true;
                if self.frames.is_empty() && self.bytes.failure.is_none() {
                    return None;
                }
                let reason = self.bytes.reason_of_end("the file ends before its last bracket.");
                return Some(self.problem(reason));
            };
            let (line, column) = (self.bytes.line, self.bytes.column);
            let (is_first, depth) = (self.bytes.is_first, self.frames.len());
            let found = match (self.frames.last(), byte) {
                (None | Some(Frame::Array), b'{') => self.object(),
                (None, b'[') => {
                    self.skip();
                    self.frames.push(Frame::Array);
                    None
                }
                (None, b'/') => self.comment(),
                (None, _) => Some(self.stray_line()),
                (Some(Frame::Array), b']') | (Some(Frame::Object), b'}') => {
                    self.skip();
                    if self.frames.pop() == Some(Frame::Object) {
                        self.part = None;
                    }
                    None
                }
                (Some(Frame::Array), _) => {
                    let (line, column) = (self.bytes.line, self.bytes.column);
                    let mut kept = Kept::default();
                    self.value(&mut kept);
                    Some(self.found(line, column, kept))
                }
                (Some(Frame::Object), b'"') => self.member(),
                (Some(Frame::Object), _) => Some(self.problem("a member is expected here.".into())),
            };
            if self.frames.len() != depth {
                self.column_of_lines = None;
            }
            if found.is_some() {
                self.found_any = true;
                if !self.is_next_line() {
                    self.column_of_lines = (is_first && self.bytes.line == line).then_some(column);
                }
                return found;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
