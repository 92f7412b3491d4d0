//! The grammar of filters and of the paths of PATCH (RFC 7644, 3.4.2.2 and 3.5.2): text in, a tree out. What a tree
//! means is for `search`, which asks the database, and for `patch`, which looks at values that were sent.

use std::fmt;

use serde_json::{Number, Value};

/// Most comparisons in one filter.
const MOST: usize = 500;
/// Most comparisons in the path of an operation.
const MOST_IN_PATH: usize = 10;
/// Longest path of an operation, in bytes.
const LONGEST_PATH: usize = 1000;
/// Deepest nesting of parentheses.
const DEEPEST: usize = 40;

/// An attribute, as it was written: `urn:...:User:name.givenName`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    /// The schema that it is of, if that was said.
    pub(super) schema: Option<String>,
    pub(super) name: String,
    pub(super) sub: Option<String>,
}

impl Attribute {
    /// Whether it is called so, whatever its letter case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}:")?;
        }
        f.write_str(&self.name)?;
        self.sub.as_ref().map_or(Ok(()), |sub| write!(f, ".{sub}"))
    }
}

/// How an attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Operator {
    const NAMES: [(&'static str, Self); 9] = [
        ("eq", Self::Equal),
        ("ne", Self::NotEqual),
        ("co", Self::Contains),
        ("sw", Self::StartsWith),
        ("ew", Self::EndsWith),
        ("gt", Self::Greater),
        ("ge", Self::GreaterOrEqual),
        ("lt", Self::Less),
        ("le", Self::LessOrEqual),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, operator)| *operator)
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// What an attribute is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Flag(bool),
    Number(Number),
    Text(String),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => Value::from(value.as_str()).fmt(f),
        }
    }
}

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    /// The attribute has a value.
    Present(Attribute),
    /// The attribute compares so with a value.
    Compare(Attribute, Operator, Literal),
    /// One value of the attribute passes the filter: `emails[type eq "work"]`.
    Any(Attribute, Box<Filter>),
    Not(Box<Filter>),
    And(Vec<Filter>),
    Or(Vec<Filter>),
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                match part {
                    Self::And(_) | Self::Or(_) => write!(f, "({part})")?,
                    _ => part.fmt(f)?,
                }
            }
            Ok(())
        };
        match self {
            Self::Present(attribute) => write!(f, "{attribute} pr"),
            Self::Compare(attribute, operator, value) => {
                write!(f, "{attribute} {} {value}", operator.name())
            }
            Self::Any(attribute, inner) => write!(f, "{attribute}[{inner}]"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::And(parts) => joined(f, parts, "and"),
            Self::Or(parts) => joined(f, parts, "or"),
        }
    }
}

/// What an operation of PATCH is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    pub(super) attribute: Attribute,
    /// Which values of the attribute.
    pub(super) filter: Option<Filter>,
}

/// Why a text is no filter, in words, with the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

type Result<T> = std::result::Result<T, Fault>;

/// Reads a filter.
///
/// # Errors
/// What is wrong, and at which character.
pub(super) fn parse(text: &str) -> Result<Filter> {
    let mut parser = Parser::new(text, MOST);
    let filter = parser.alternatives(0)?;
    parser.end()?;
    Ok(filter)
}

/// Reads the path of an operation.
///
/// # Errors
/// What is wrong, and at which character.
pub(super) fn parse_path(text: &str) -> Result<Path> {
    if text.len() > LONGEST_PATH {
        return Err(Fault(format!("there are more than {LONGEST_PATH} bytes")));
    }
    let mut parser = Parser::new(text, MOST_IN_PATH);
    let mut attribute = parser.attribute()?;
    let mut filter = None;
    if parser.take("[") {
        filter = Some(parser.alternatives(0)?);
        parser.expect("]")?;
        if parser.take(".") {
            attribute.sub = Some(parser.attribute()?.name);
        }
    }
    parser.end()?;
    Ok(Path { attribute, filter })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    comparisons: usize,
    /// Most comparisons.
    most: usize,
}

impl<'t> Parser<'t> {
    const fn new(text: &'t str, most: usize) -> Self {
        Self { text, at: 0, comparisons: 0, most }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn fault<T>(&self, reason: &str) -> Result<T> {
        let place = self.text[..self.at].chars().count() + 1;
        Err(Fault(format!("{reason} at character {place}")))
    }

    fn skip_spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches(' ').len();
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip_spaces();
        let is_there = self.rest().starts_with(sign);
        if is_there {
            self.at += sign.len();
        }
        is_there
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.take(sign) { Ok(()) } else { self.fault(&format!("there is no {sign:?}")) }
    }

    fn end(&mut self) -> Result<()> {
        self.skip_spaces();
        if self.rest().is_empty() { Ok(()) } else { self.fault("the text goes on after its end") }
    }

    /// The next word of letters, digits and the signs of attributes.
    fn word(&mut self) -> &'t str {
        self.skip_spaces();
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '$');
        let word = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    /// The next word, if it is this one.
    fn keyword(&mut self, keyword: &str) -> bool {
        let before = self.at;
        let is_it = self.word().eq_ignore_ascii_case(keyword);
        if !is_it {
            self.at = before;
        }
        is_it
    }

    fn alternatives(&mut self, depth: usize) -> Result<Filter> {
        let mut parts = vec![self.conditions(depth)?];
        while self.keyword("or") {
            parts.push(self.conditions(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn conditions(&mut self, depth: usize) -> Result<Filter> {
        let mut parts = vec![self.condition(depth)?];
        while self.keyword("and") {
            parts.push(self.condition(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn condition(&mut self, depth: usize) -> Result<Filter> {
        if depth > DEEPEST {
            return self.fault("the filter is nested too deeply");
        }
        if self.take("(") {
            return self.group(depth);
        }
        let before = self.at;
        if self.keyword("not") {
            if self.take("(") {
                return Ok(Filter::Not(Box::new(self.group(depth)?)));
            }
            self.at = before;
        }
        let attribute = self.attribute()?;
        if self.take("[") {
            let inner = self.alternatives(depth + 1)?;
            self.expect("]")?;
            return Ok(Filter::Any(attribute, Box::new(inner)));
        }
        self.comparison(attribute)
    }

    fn group(&mut self, depth: usize) -> Result<Filter> {
        let inner = self.alternatives(depth + 1)?;
        self.expect(")")?;
        Ok(inner)
    }

    fn comparison(&mut self, attribute: Attribute) -> Result<Filter> {
        self.comparisons += 1;
        if self.comparisons > self.most {
            return self.fault(&format!("there are more than {} comparisons", self.most));
        }
        let before = self.at;
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(attribute));
        }
        let Some(operator) = Operator::named(word) else {
            self.at = before;
            return self.fault("there is no operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr)");
        };
        Ok(Filter::Compare(attribute, operator, self.literal()?))
    }

    /// `[URN:]name[.sub]`: a name begins with a letter or `$`, and has letters, digits, `-` and `_`.
    fn attribute(&mut self) -> Result<Attribute> {
        let before = self.at;
        let word = self.word();
        let (schema, rest) = match word.rsplit_once(':') {
            Some((schema, rest)) => (Some(schema), rest),
            None => (None, word),
        };
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
                && !name[1..].contains(['.', ':', '$'])
        };
        if !is_name(name) || !sub.is_none_or(is_name) || !schema.is_none_or(is_urn) {
            self.at = before;
            return self.fault("there is no attribute");
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Attribute { schema: owned(schema), name: name.to_owned(), sub: owned(sub) })
    }

    fn literal(&mut self) -> Result<Literal> {
        self.skip_spaces();
        let rest = self.rest();
        let length = match rest.strip_prefix('"') {
            Some(text) => end_of_text(text).map_or(rest.len(), |end| end + 2),
            None => rest.find([' ', ')', ']']).unwrap_or(rest.len()),
        };
        let literal = match serde_json::from_str(&rest[..length]) {
            Ok(Value::Null) => Literal::Null,
            Ok(Value::Bool(value)) => Literal::Flag(value),
            Ok(Value::Number(value)) => Literal::Number(value),
            Ok(Value::String(value)) => Literal::Text(value),
            // In other letter cases, as some clients write them.
            _ if rest[..length].eq_ignore_ascii_case("true") => Literal::Flag(true),
            _ if rest[..length].eq_ignore_ascii_case("false") => Literal::Flag(false),
            _ => return self.fault("there is no value, such as \"text\" in quotes, true, 7 or null"),
        };
        self.at += length;
        Ok(literal)
    }
}

/// Whether a text looks like the URN of a schema.
fn is_urn(text: &str) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) && !text.contains('$')
}

/// Where the quote stands that ends a text.
fn end_of_text(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

#[cfg(test)]
mod tests;
