//! The words, texts and signs of a dump in SQL, one after the other. Of a long one only so much is kept as there is room
//! for.

use super::bytes::Bytes;
use super::delimited::unescape;
use super::source::Stream;

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A key word, a number, or a name without quotation marks.
    Word(String),
    /// A name in quotation marks of one kind or another.
    Name(String),
    /// A text.
    Text(Vec<u8>),
    /// Any other sign.
    Sign(u8),
    /// There are no more.
    End,
}

impl Token {
    /// Whether it is this key word, in whatever letters.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(text) if text.eq_ignore_ascii_case(word))
    }
}

/// Takes a dump apart.
#[expect(clippy::struct_excessive_bools, reason = "one says how to read, the others what was seen")]
pub(super) struct Words {
    pub(super) bytes: Bytes,
    /// Whether a backslash escapes in every text, as in MySQL.
    backslash: bool,
    /// The most bytes that are kept of what follows.
    pub(super) room: usize,
    /// Whether there was no room for something.
    pub(super) is_cut: bool,
    /// Whether the last token was the first on its line.
    pub(super) begins_line: bool,
    /// Whether some statement had a sign at its end.
    pub(super) has_ends: bool,
    /// Read, but not used.
    ahead: Option<Token>,
}

impl Words {
    pub(super) fn new(input: Stream, backslash: bool) -> Self {
        let (bytes, room, ahead) = (Bytes::new(input), 0, None);
        Self { bytes, backslash, room, is_cut: false, begins_line: true, has_ends: false, ahead }
    }

    /// The next byte.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.bytes.peek()
    }

    fn skip(&mut self) -> Option<u8> {
        self.bytes.skip()
    }

    /// The line of what follows, from 1.
    pub(super) fn line(&self) -> u64 {
        self.bytes.line
    }

    /// Skips a byte.
    pub(super) fn skip_space(&mut self) {
        self.skip();
    }

    fn keep(&mut self, kept: &mut Vec<u8>, byte: u8) {
        if self.room == 0 {
            self.is_cut = true;
        } else {
            self.room -= 1;
            kept.push(byte);
        }
    }

    /// Takes back the last token.
    pub(super) fn put_back(&mut self, token: Token) {
        self.ahead = Some(token);
    }

    /// The next one.
    pub(super) fn token(&mut self) -> Token {
        if let Some(token) = self.ahead.take() {
            return token;
        }
        self.begins_line = self.line() == 1;
        loop {
            let Some(byte) = self.peek() else { return Token::End };
            match byte {
                b'\n' => {
                    self.skip();
                    self.begins_line = true;
                }
                byte if byte.is_ascii_whitespace() => drop(self.skip()),
                b'\'' => return Token::Text(self.text(self.backslash)),
                b'"' | b'`' => return Token::Name(self.name(byte)),
                b'[' => return Token::Name(self.name(b']')),
                b'$' => return self.dollar(),
                b'-' => {
                    self.skip();
                    if self.peek() != Some(b'-') {
                        return self.word(b"-");
                    }
                    self.skip_line();
                    self.begins_line = true;
                }
                b'/' => {
                    self.skip();
                    if self.peek() != Some(b'*') {
                        return Token::Sign(b'/');
                    }
                    self.skip_comment();
                }
                byte if is_of_word(byte) => return self.word(b""),
                byte => {
                    self.skip();
                    self.has_ends |= byte == b';';
                    return Token::Sign(byte);
                }
            }
        }
    }

    fn word(&mut self, begun: &[u8]) -> Token {
        let mut word = begun.to_vec();
        let mut last = b' ';
        while let Some(byte) = self.peek() {
            let is_number = word.first().is_some_and(|first| b"-0123456789".contains(first));
            let goes_on = is_number && (byte == b'.' || b"+-".contains(&byte) && b"eE".contains(&last));
            if !is_of_word(byte) && !goes_on {
                break;
            }
            self.skip();
            self.keep(&mut word, byte);
            last = byte;
        }
        Token::Word(String::from_utf8_lossy(&word).into_owned())
    }

    /// A name up to this sign, which is part of it where it stands twice.
    fn name(&mut self, end: u8) -> String {
        let mut name = Vec::new();
        self.skip();
        while let Some(byte) = self.skip() {
            if byte == end {
                if self.peek() != Some(end) {
                    break;
                }
                self.skip();
            }
            self.keep(&mut name, byte);
        }
        String::from_utf8_lossy(&name).into_owned()
    }

    /// What stands between two apostrophes, of which the first comes next.
    pub(super) fn text(&mut self, backslash: bool) -> Vec<u8> {
        let mut text = Vec::new();
        self.skip();
        while let Some(byte) = self.skip() {
            match byte {
                b'\'' if self.peek() == Some(b'\'') => drop(self.skip()),
                b'\'' => break,
                b'\\' if backslash => {
                    self.keep(&mut text, byte);
                    if let Some(escaped) = self.skip() {
                        self.keep(&mut text, escaped);
                    }
                    continue;
                }
                _ => {}
            }
            self.keep(&mut text, byte);
        }
        // PostgreSQL has numbers of bytes there; MySQL's zero may be followed by a digit.
        if backslash { unescape(&text, !self.backslash) } else { text }
    }

    /// What PostgreSQL writes functions in, such as `$$…$$`; nothing of it is kept.
    fn dollar(&mut self) -> Token {
        self.skip();
        let tag = self.tag();
        if self.peek() != Some(b'$') {
            return Token::Word(format!("${}", String::from_utf8_lossy(&tag)));
        }
        self.skip();
        while let Some(byte) = self.skip() {
            if byte != b'$' {
                continue;
            }
            let found = self.tag();
            if self.peek() == Some(b'$') && found == tag {
                self.skip();
                break;
            }
        }
        Token::Text(Vec::new())
    }

    fn tag(&mut self) -> Vec<u8> {
        const LONGEST: usize = 64;
        let mut tag = Vec::new();
        while let Some(byte) = self.peek().filter(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            if tag.len() == LONGEST {
                break;
            }
            self.skip();
            tag.push(byte);
        }
        tag
    }

    fn skip_comment(&mut self) {
        self.skip();
        let mut last = b' ';
        while let Some(byte) = self.skip() {
            if last == b'*' && byte == b'/' {
                return;
            }
            last = byte;
        }
    }

    /// Skips the rest of the line.
    pub(super) fn skip_line(&mut self) {
        while self.skip().is_some_and(|byte| byte != b'\n') {}
    }

    /// The next line as it is, and whether it has an end; `None` at the end of the file.
    pub(super) fn whole_line(&mut self) -> Option<(Vec<u8>, bool)> {
        self.peek()?;
        let mut line = Vec::new();
        let has_end = loop {
            match self.skip() {
                None => break false,
                Some(b'\n') => break true,
                Some(byte) => self.keep(&mut line, byte),
            }
        };
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some((line, has_end))
    }

    /// Skips what is left of a statement. SQL Server's need no sign at their end.
    pub(super) fn skip_statement(&mut self) {
        loop {
            self.room = 16;
            match self.token() {
                Token::End | Token::Sign(b';') => return,
                token if self.begins_line && token.is("go") => return,
                token if self.begins_line && token.is("insert") => return self.put_back(token),
                _ => {}
            }
        }
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_@".contains(&byte) || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    fn tokens(content: &str, backslash: bool) -> Vec<Token> {
        let mut words = Words::new(source(content.as_bytes()).stream().unwrap(), backslash);
        words.room = 1000;
        std::iter::from_fn(|| Some(words.token()).filter(|token| *token != Token::End)).collect()
    }

    fn word(text: &str) -> Token {
        Token::Word(text.into())
    }

    fn name(text: &str) -> Token {
        Token::Name(text.into())
    }

    fn text(text: &str) -> Token {
        Token::Text(text.into())
    }

    #[test]
    fn tokens_are_told_apart_and_comments_left_out() {
        assert_eq!(
            tokens("-- x\nINSERT /* ; */ public.\"a\"\"b\" `c``d` [e]]f] -1.5e+3, 0x41;--", false),
            [
                word("INSERT"),
                word("public"),
                Token::Sign(b'.'),
                name("a\"b"),
                name("c`d"),
                name("e]f"),
                word("-1.5e+3"),
                Token::Sign(b','),
                word("0x41"),
                Token::Sign(b';'),
            ]
        );
        assert_eq!(tokens("$$a;'b$x$ $$ $tag$ $$ $tag$ $1", false), [text(""), text(""), word("$1")]);
    }

    #[test]
    fn texts_are_read_as_each_database_writes_them() {
        assert_eq!(tokens(r"'it''s' 'a\nb' ''", false), [text("it's"), text(r"a\nb"), text("")]);
        assert_eq!(
            tokens(r#"'it\'s' 'a\n\t\\\"b' '\0012\Z' 'x''y' '\%'"#, true),
            [text("it's"), text("a\n\t\\\"b"), text("\u{0}012\u{1a}"), text("x'y"), text("%")]
        );
        assert_eq!(tokens("'never closed; x", false), [text("never closed; x")]);
    }

    #[test]
    fn of_what_is_long_only_so_much_is_kept() {
        let long = format!("'{}' x", "y".repeat(100_000));
        let mut words = Words::new(source(long.as_bytes()).stream().unwrap(), false);
        words.room = 10;
        assert_eq!(words.token(), text("yyyyyyyyyy"));
        assert!(words.is_cut);
    }
}
