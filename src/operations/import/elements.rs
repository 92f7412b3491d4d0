//! The elements of a JSON file, one after the other, without the file being held: the bytes of each, to be taken
//! apart on their own, so that what is wrong with one is not the problem of the others.
//!
//! The elements are those of the outermost array; those of an array that a known member of the outermost object
//! holds, such as the `users` of a realm; or the objects of JSON Lines.

use std::io::{BufRead, ErrorKind};

use super::source::Stream;

/// The longest element that is taken apart, in bytes.
const LONGEST: usize = 1024 * 1024;

/// Members of the outermost object whose arrays hold the users.
const LISTS: [&str; 5] = ["users", "Resources", "value", "results", "items"];
/// Of a table of phpMyAdmin's export, which is itself an element.
const ROWS_OF_TABLE: &str = "data";

/// One element as it stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// The byte of that line at which it begins, from 1.
    pub(super) column: u64,
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
pub(super) struct Elements {
    input: Stream,
    line: u64,
    column: u64,
    frames: Vec<Frame>,
    found_any: bool,
    ended: bool,
    failure: Option<String>,
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
}

impl Elements {
    pub(super) fn new(input: Stream) -> Self {
        let frames = Vec::new();
        Self { input, line: 1, column: 1, frames, found_any: false, ended: false, failure: None }
    }

    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.input.fill_buf() {
                Ok(buffer) => return buffer.first().copied(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error.to_string());
                    return None;
                }
            }
        }
    }

    fn skip(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.input.consume(1);
        if byte == b'\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(byte)
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

    /// A value of any kind, at least one byte.
    fn value(&mut self, kept: &mut Kept) {
        let mut depth = 0_u64;
        loop {
            match self.peek() {
                None => return,
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
        let (line, column) = (self.line, self.column);
        let mut kept = Kept::default();
        let mut is_table = false;
        self.take(&mut kept);
        loop {
            self.space(&mut kept);
            match self.peek() {
                None => {
                    self.ended = true;
                    return Some(Found { line, column, content: Err(self.reason_of_end()) });
                }
                Some(b'}') => {
                    self.take(&mut kept);
                    return Some(Self::found(line, column, kept));
                }
                Some(b'"') => {
                    let start = kept.bytes.len();
                    self.string(&mut kept);
                    let key = kept.bytes.get(start..).unwrap_or_default().to_vec();
                    self.space(&mut kept);
                    if self.peek() == Some(b':') {
                        self.take(&mut kept);
                        self.space(&mut kept);
                        if self.peek() == Some(b'[') && self.is_list(&key, is_table) {
                            self.skip();
                            self.frames.extend([Frame::Object, Frame::Array]);
                            return None;
                        }
                        let start = kept.bytes.len();
                        self.value(&mut kept);
                        let value = kept.bytes.get(start..).unwrap_or_default();
                        is_table |= key == b"\"type\"" && value == b"\"table\"";
                    }
                }
                Some(b',' | b':') => drop(self.take(&mut kept)),
                Some(_) => self.value(&mut kept),
            }
        }
    }

    /// Whether a member of the object that begins here holds the users.
    fn is_list(&self, key: &[u8], is_table: bool) -> bool {
        let is = |name: &str| key.len() == name.len() + 2 && &key[1..=name.len()] == name.as_bytes();
        match self.frames[..] {
            [] => !self.found_any && LISTS.into_iter().any(is),
            [Frame::Array] => is_table && is(ROWS_OF_TABLE),
            _ => false,
        }
    }

    fn found(line: u64, column: u64, kept: Kept) -> Found {
        let too_long = format!("is longer than {LONGEST} bytes.");
        let content = if kept.is_too_long { Err(too_long) } else { Ok(kept.bytes) };
        Found { line, column, content }
    }

    fn reason_of_end(&mut self) -> String {
        match self.failure.take() {
            Some(failure) => format!("the file cannot be read on: {failure}."),
            None => "the file ends in the middle of it.".into(),
        }
    }

    /// What is wrong with the file here, after which nothing is read.
    fn problem(&mut self, reason: String) -> Found {
        self.ended = true;
        Found { line: self.line, column: self.column, content: Err(reason) }
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
        if self.peek() == Some(b'[')
            && self.frames.len() == 1
            && LISTS.iter().any(|name| key == format!("\"{name}\"").as_bytes())
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

impl Iterator for Elements {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while !self.ended {
            while self.peek().is_some_and(|byte| byte.is_ascii_whitespace() || byte == b',') {
                self.skip();
            }
            let Some(byte) = self.peek() else {
                self.ended = true;
                if self.frames.is_empty() && self.failure.is_none() {
                    return None;
                }
                let reason = match self.failure.take() {
                    Some(failure) => format!("the file cannot be read on: {failure}."),
                    None => "the file ends before its last bracket.".into(),
                };
                return Some(self.problem(reason));
            };
            let found = match (self.frames.last(), byte) {
                (None | Some(Frame::Array), b'{') => self.object(),
                (None, b'[') => {
                    self.skip();
                    self.frames.push(Frame::Array);
                    None
                }
                (None, _) => Some(self.problem("an array or an object is expected here.".into())),
                (Some(Frame::Array), b']') | (Some(Frame::Object), b'}') => {
                    self.skip();
                    self.frames.pop();
                    None
                }
                (Some(Frame::Array), _) => {
                    let (line, column) = (self.line, self.column);
                    let mut kept = Kept::default();
                    self.value(&mut kept);
                    Some(Self::found(line, column, kept))
                }
                (Some(Frame::Object), b'"') => self.member(),
                (Some(Frame::Object), _) => Some(self.problem("a member is expected here.".into())),
            };
            if found.is_some() {
                self.found_any = true;
                return found;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    fn read(content: &str) -> Vec<(u64, u64, Result<String, String>)> {
        let stream = source(content.as_bytes()).stream().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Elements::new(stream).map(|found| (found.line, found.column, found.content.map(text))).collect()
    }

    fn texts(content: &str) -> Vec<String> {
        read(content).into_iter().map(|(_, _, content)| content.unwrap_or_else(|reason| reason)).collect()
    }

    #[test]
    fn elements_are_those_of_the_array_of_the_list_in_an_object_or_of_lines() {
        for content in [
            r#"[{"a":[1,{}]}, 7 ,"x]"]"#,
            r#"{"realm":"x","n":[{"users":1}],"users":[{"a":[1,{}]},7,"x]"],"roles":[{}],"z":{"users":[]}}"#,
            r#"{"totalResults":3,"Resources":[{"a":[1,{}]},7,"x]"]}"#,
            r#"[{"type":"header","v":"1"},{"type":"table","name":"users","data":[{"a":[1,{}]},7,"x]"]}]"#,
        ] {
            let texts = texts(content);
            assert_eq!(texts[texts.len() - 3..], [r#"{"a":[1,{}]}"#, "7", "\"x]\""], "{content}");
        }
        assert_eq!(texts("{\"a\":1}\n{\"users\":[2]}\n"), [r#"{"a":1}"#, r#"{"users":[2]}"#]);
        assert!(texts("[]").is_empty() && texts(" ").is_empty());
    }

    #[test]
    fn every_element_has_its_line_and_column() {
        let found = read("[\n  {\"a\":\n\"\\\"\"},{}\n,\n{}]\n");
        let places: Vec<_> = found.iter().map(|(line, column, _)| (*line, *column)).collect();
        assert_eq!(places, [(2, 3), (3, 7), (5, 1)]);
    }

    #[test]
    fn what_is_wrong_with_one_element_does_not_reach_the_next() {
        for bad in ["{\"a\":\"x}", "{\"a\":1e400,}", "{\"a\" 7}", "nul", "{\"a\":\"\\ud800\"}", "{:}"] {
            let texts = texts(&format!("[{{\"n\":1}},\n{bad}\n,\n{{\"n\":2}},]"));
            assert_eq!(texts.first().unwrap(), "{\"n\":1}");
            assert!(
                bad.starts_with("{\"a\":\"x") || texts.last().unwrap() == "{\"n\":2}",
                "{bad}: {texts:?}"
            );
        }
    }

    #[test]
    fn a_file_that_ends_too_early_says_where() {
        assert_eq!(read("[{}").pop().unwrap().2.unwrap_err(), "the file ends before its last bracket.");
        let (line, column, reason) = read("[{},\n {\"a\":").pop().unwrap();
        assert_eq!((line, column), (2, 2));
        assert_eq!(reason.unwrap_err(), "the file ends in the middle of it.");
        assert_eq!(texts("{} nonsense"), ["{}", "an array or an object is expected here."]);
    }

    #[test]
    fn an_element_without_end_is_named_and_not_kept() {
        let long = format!("[{{\"a\":\"{}\"}},{{}}]", "x".repeat(LONGEST));
        assert_eq!(texts(&long), ["is longer than 1048576 bytes.", "{}"]);
        let deep = "[".repeat(3_000_000);
        assert_eq!(texts(&deep).len(), 2);
    }
}
