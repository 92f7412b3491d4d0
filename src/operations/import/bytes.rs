//! The bytes of a file, one after the other, with their places.

use std::io::{BufRead, ErrorKind};

use super::source::Stream;

/// Reads them.
pub(super) struct Bytes {
    input: Stream,
    /// The line of what follows, from 1.
    pub(super) line: u64,
    /// The byte of that line, from 1.
    pub(super) column: u64,
    /// Whether nothing but white space stands before it on that line.
    pub(super) is_first: bool,
    /// Why the file cannot be read on.
    pub(super) failure: Option<String>,
}

impl Bytes {
    pub(super) fn new(input: Stream) -> Self {
        Self { input, line: 1, column: 1, is_first: true, failure: None }
    }

    /// The next byte; `None` at the end of the file, or where it cannot be read on.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.input.fill_buf() {
                Ok(buffer) => return buffer.first().copied(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(format!("the file cannot be read on: {error}."));
                    return None;
                }
            }
        }
    }

    /// Takes the next byte.
    pub(super) fn skip(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.input.consume(1);
        if byte == b'\n' {
            self.line += 1;
            self.column = 1;
            self.is_first = true;
        } else {
            self.column += 1;
            self.is_first &= byte.is_ascii_whitespace();
        }
        Some(byte)
    }

    /// Why there are no more bytes, though there should be.
    pub(super) fn reason_of_end(&mut self, otherwise: &str) -> String {
        self.failure.take().unwrap_or_else(|| otherwise.to_owned())
    }
}
