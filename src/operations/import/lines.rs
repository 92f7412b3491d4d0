//! The lines of a text file, counted, and none held that is too long.

use std::io::{BufRead, ErrorKind};

use super::source::Stream;

/// The longest line that is kept, in bytes.
pub(super) const LONGEST: usize = 1024 * 1024;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Which one, from 1.
    pub(super) number: u64,
    /// Without its end; the beginning of one that is too long.
    pub(super) bytes: Vec<u8>,
    /// Why it cannot be used.
    pub(super) problem: Option<String>,
    /// Whether the file ends with it, without the end of a line.
    pub(super) is_open: bool,
}

/// Reads lines. An error of the file is the problem of a last line.
pub(super) struct Lines {
    input: Stream,
    end: u8,
    number: u64,
    ended: bool,
}

impl Lines {
    /// Lines that end with this byte.
    pub(super) fn new(input: Stream, end: u8) -> Self {
        Self { input, end, number: 0, ended: false }
    }
}

impl Iterator for Lines {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.ended {
            return None;
        }
        let mut line = Line { number: self.number + 1, bytes: Vec::new(), problem: None, is_open: false };
        let mut is_empty = true;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok([]) => {
                    self.ended = true;
                    if is_empty {
                        return None;
                    }
                    line.is_open = true;
                    break;
                }
                Ok(buffer) => buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.ended = true;
                    line.problem = Some(format!("the file cannot be read on: {error}."));
                    break;
                }
            };
            is_empty = false;
            let end = buffer.iter().position(|byte| *byte == self.end);
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = LONGEST - line.bytes.len();
            line.bytes.extend_from_slice(&part[..part.len().min(room)]);
            if part.len() > room {
                line.problem = Some(format!("is longer than {LONGEST} bytes."));
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if line.bytes.last() == Some(&b'\r') {
            line.bytes.pop();
        }
        self.number += 1;
        Some(line)
    }
}
