//! Statements, put together from literals and bound values.

use std::borrow::Cow;

use sqlx::{Encode, Type};

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

/// A statement with its values. Its text can only be put together from literals of this program:
/// what comes from outside can only be bound.
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

    /// The text, for tests.
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
