//! Statements, put together from literals and bound values.

use std::borrow::Cow;
use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Encode, Type};

use super::Dialect;

/// A value to bind.
#[derive(Debug, Clone)]
pub enum Value {
    /// A number, a primary key, or microseconds since the epoch.
    Integer(i64),
    /// The same, or no value.
    OptionalInteger(Option<i64>),
    /// A truth value.
    Flag(bool),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A text, or no value.
    OptionalText(Option<String>),
    /// Bytes, or no value.
    OptionalBytes(Option<Vec<u8>>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}
impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::OptionalInteger(value)
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

/// A statement with its values. Its text can only be put together from literals, whole numbers and hexadecimal
/// digits: other text can only be bound.
#[derive(Debug, Clone)]
pub struct Sql {
    pub(super) text: Cow<'static, str>,
    pub(super) values: Vec<Value>,
    /// Whether PostgreSQL may keep a plan of it that is good enough for any values.
    pub(super) keeps_plan: bool,
}

impl Sql {
    /// A statement, or the beginning of one.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { text: Cow::Borrowed(text), values: Vec::new(), keeps_plan: true }
    }

    /// Makes PostgreSQL plan it anew each time, for the values that are bound: a rare word needs another plan than
    /// a common one.
    pub const fn plan_for_values(&mut self) -> &mut Self {
        self.keeps_plan = false;
        self
    }

    /// Binds the next placeholder that the text already has.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds text.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds a placeholder and binds it.
    pub fn push_value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let placeholder = format!("${}", self.values.len());
        self.text.to_mut().push_str(&placeholder);
        self
    }

    /// Adds rows of values, each in parentheses, and binds them; nothing else may be bound.
    pub(super) fn push_rows<R: IntoIterator<Item = Value>>(
        &mut self,
        dialect: Dialect,
        rows: impl IntoIterator<Item = R>,
    ) -> &mut Self {
        for (n, row) in rows.into_iter().enumerate() {
            for (m, value) in row.into_iter().enumerate() {
                self.push(match (n, m) {
                    (0, 0) => "(",
                    (_, 0) => "), (",
                    _ => ", ",
                });
                match dialect {
                    // SQLite takes numbered placeholders for names, and searches all of them for each one.
                    Dialect::Sqlite => {
                        self.values.push(value);
                        self.push("?")
                    }
                    Dialect::Postgres => self.push_value(value),
                };
            }
        }
        self.push(")")
    }

    /// Adds a whole number as it is, for a statement to which nothing can be bound.
    pub(super) fn push_number(&mut self, number: i64) -> &mut Self {
        self.text.to_mut().push_str(&number.to_string());
        self
    }

    /// Adds bytes as they are, in hexadecimal digits, for a statement of PostgreSQL to which nothing can be bound.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let text = self.text.to_mut();
        text.push_str("decode('");
        for byte in bytes {
            // Writing to memory cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push_str("', 'hex')");
        self
    }

    /// The statement that does what all these do, and gives the rows of the last; for what they may be, see
    /// [`Tx::execute_with_next`](super::Tx::execute_with_next). `$` and `?` are nothing but placeholders in them.
    pub(super) fn together(dialect: Dialect, first: Vec<Self>, last: Self) -> Self {
        if first.is_empty() {
            return last;
        }
        let mut all = Self::new("");
        for (n, sql) in (0..).zip(first) {
            match dialect {
                Dialect::Sqlite => all.push_numbered(sql).push(";"),
                Dialect::Postgres => {
                    all.push(if n == 0 { "WITH first_" } else { ", first_" }).push_number(n);
                    all.push(" AS (").push_numbered(sql).push(")")
                }
            };
        }
        all.push(" ").push_numbered(last);
        all
    }

    /// Adds another statement and its values, with the numbers that its placeholders have here.
    pub(super) fn push_numbered(&mut self, sql: Self) -> &mut Self {
        let Self { text, values, keeps_plan } = sql;
        let before = self.values.len();
        self.values.extend(values);
        self.keeps_plan &= keeps_plan;
        let mut unnumbered = before;
        let all = self.text.to_mut();
        let mut rest = &*text;
        while let Some(at) = rest.find(['$', '?']) {
            all.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let number = if let Ok(number) = after[..digits].parse::<usize>() {
                before + number
            } else {
                unnumbered += 1;
                unnumbered
            };
            all.push('$');
            all.push_str(&number.to_string());
            rest = &after[digits..];
        }
        all.push_str(rest);
        self
    }

    /// Its text, its values, and whether a plan may be kept of it.
    pub(super) fn for_driver(self) -> (AssertSqlSafe<Cow<'static, str>>, Vec<Value>, bool) {
        let Self { text, values, keeps_plan } = self;
        (AssertSqlSafe(text), values, keeps_plan)
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The driver's form of the values.
pub(super) fn arguments<DB>(values: Vec<Value>) -> std::result::Result<DB::Arguments, sqlx::Error>
where
    DB: sqlx::Database,
    DB::Arguments: Default,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
    Option<i64>: for<'q> Encode<'q, DB> + Type<DB>,
    bool: for<'q> Encode<'q, DB> + Type<DB>,
    String: for<'q> Encode<'q, DB> + Type<DB>,
    Vec<u8>: for<'q> Encode<'q, DB> + Type<DB>,
    Option<String>: for<'q> Encode<'q, DB> + Type<DB>,
    Option<Vec<u8>>: for<'q> Encode<'q, DB> + Type<DB>,
{
    use sqlx::Arguments as _;
    let mut arguments = DB::Arguments::default();
    for value in values {
        match value {
            Value::Integer(value) => arguments.add(value),
            Value::OptionalInteger(value) => arguments.add(value),
            Value::Flag(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            Value::OptionalText(value) => arguments.add(value),
            Value::OptionalBytes(value) => arguments.add(value),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_1_bytes_are_nothing_but_hexadecimal_digits_in_a_text() {
        let mut sql = Sql::new("SELECT ");
        sql.push_bytes(b"'); --\\\0\xff");
        assert_eq!(sql.text(), "SELECT decode('27293b202d2d5c00ff', 'hex')");
        assert!(sql.values.is_empty());
    }

    #[test]
    fn statements_become_one_whose_placeholders_keep_their_values() {
        let mut upsert = Sql::new("INSERT INTO a (x, y) VALUES ");
        upsert.push_rows(Dialect::Sqlite, [[Value::from(3), Value::from(4)]]);
        let mut last = Sql::new("UPDATE b SET x = $2 WHERE id = $1 RETURNING x").bind(5).bind("six");
        let first = vec![Sql::new("DELETE FROM c WHERE id IN ($1, $2) AND y > $1").bind(1).bind(2), upsert];
        let together = |dialect| Sql::together(dialect, first.clone(), last.clone());
        assert_eq!(
            together(Dialect::Sqlite).text(),
            "DELETE FROM c WHERE id IN ($1, $2) AND y > $1;INSERT INTO a (x, y) VALUES ($3, $4); \
             UPDATE b SET x = $6 WHERE id = $5 RETURNING x"
        );
        let postgres = together(Dialect::Postgres);
        assert_eq!(
            postgres.text(),
            "WITH first_0 AS (DELETE FROM c WHERE id IN ($1, $2) AND y > $1), first_1 AS (INSERT INTO a (x, y) \
             VALUES ($3, $4)) UPDATE b SET x = $6 WHERE id = $5 RETURNING x"
        );
        assert!(matches!(&postgres.values[..], [.., Value::Integer(4), Value::Integer(5), Value::Text(_)]));
        assert_eq!(Sql::together(Dialect::Postgres, Vec::new(), last.clone()).text(), last.text());
        assert!(
            !Sql::together(Dialect::Sqlite, vec![last.clone()], last.plan_for_values().clone()).keeps_plan
        );
    }
}
