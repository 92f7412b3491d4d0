//! One row of the users table, wherever its columns stand among others.

use serde::Deserialize;
use sqlx::{ColumnIndex, Decode, FromRow, Type};

use crate::model::clock::Timestamp;
use crate::model::user::{User, UserId, Username};

/// The columns of a [`User`], in the order of [`UserRow`]. The password is not among them.
macro_rules! columns {
    () => {
        columns!("users")
    };
    ($table:literal) => {
        concat!(
            $table,
            ".id, ",
            $table,
            ".username, ",
            $table,
            ".username_key, ",
            $table,
            ".first_name, ",
            $table,
            ".last_name, ",
            $table,
            ".email, ",
            $table,
            ".is_active, ",
            $table,
            ".is_staff, ",
            $table,
            ".is_superuser, ",
            $table,
            ".valid_from, ",
            $table,
            ".valid_until, ",
            $table,
            ".must_change_password, ",
            $table,
            ".password_changed_at, ",
            $table,
            ".date_joined, ",
            $table,
            ".last_login, ",
            $table,
            ".version, ",
            $table,
            ".is_invited, ",
            $table,
            ".has_factor, ",
            $table,
            ".is_deprovisioned, ",
            $table,
            ".modified_at"
        )
    };
}
pub(in crate::db) use columns;

/// One row of the users table.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "a column each")]
pub struct UserRow {
    id: i64,
    username: String,
    username_key: String,
    first_name: String,
    last_name: String,
    email: String,
    #[serde(deserialize_with = "number_as_flag")]
    is_active: bool,
    #[serde(deserialize_with = "number_as_flag")]
    is_staff: bool,
    #[serde(deserialize_with = "number_as_flag")]
    is_superuser: bool,
    valid_from: Option<i64>,
    valid_until: Option<i64>,
    #[serde(deserialize_with = "number_as_flag")]
    must_change_password: bool,
    password_changed_at: Option<i64>,
    date_joined: i64,
    last_login: Option<i64>,
    version: i64,
    #[serde(deserialize_with = "number_as_flag")]
    is_invited: bool,
    #[serde(deserialize_with = "number_as_flag")]
    has_factor: bool,
    #[serde(deserialize_with = "number_as_flag")]
    is_deprovisioned: bool,
    modified_at: Option<i64>,
}

impl UserRow {
    /// How many columns it has.
    pub(in crate::db) const COLUMNS: usize = 20;

    /// The same as [`UserRow::read`] of a row that may have no user there.
    pub(in crate::db) fn read_if_any<'r, R>(
        row: &'r R,
        first: usize,
    ) -> std::result::Result<Option<Self>, sqlx::Error>
    where
        R: sqlx::Row,
        usize: ColumnIndex<R>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
        bool: Decode<'r, R::Database> + Type<R::Database>,
        String: Decode<'r, R::Database> + Type<R::Database>,
    {
        let id: Option<i64> = row.try_get(first)?;
        id.map(|_| Self::read(row, first)).transpose()
    }

    /// Reads it from the columns of a row from `first` on: looking for each by its name takes longer than reading.
    fn read<'r, R>(row: &'r R, first: usize) -> std::result::Result<Self, sqlx::Error>
    where
        R: sqlx::Row,
        usize: ColumnIndex<R>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
        bool: Decode<'r, R::Database> + Type<R::Database>,
        String: Decode<'r, R::Database> + Type<R::Database>,
    {
        Ok(Self {
            id: row.try_get(first)?,
            username: row.try_get(first + 1)?,
            username_key: row.try_get(first + 2)?,
            first_name: row.try_get(first + 3)?,
            last_name: row.try_get(first + 4)?,
            email: row.try_get(first + 5)?,
            is_active: row.try_get(first + 6)?,
            is_staff: row.try_get(first + 7)?,
            is_superuser: row.try_get(first + 8)?,
            valid_from: row.try_get(first + 9)?,
            valid_until: row.try_get(first + 10)?,
            must_change_password: row.try_get(first + 11)?,
            password_changed_at: row.try_get(first + 12)?,
            date_joined: row.try_get(first + 13)?,
            last_login: row.try_get(first + 14)?,
            version: row.try_get(first + 15)?,
            is_invited: row.try_get(first + 16)?,
            has_factor: row.try_get(first + 17)?,
            is_deprovisioned: row.try_get(first + 18)?,
            modified_at: row.try_get(first + 19)?,
        })
    }
}

impl<'r, R> FromRow<'r, R> for UserRow
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> std::result::Result<Self, sqlx::Error> {
        Self::read(row, 0)
    }
}

/// SQLite's JSON has its truth values as it stores them: 0 and 1.
fn number_as_flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<bool, D::Error> {
    u8::deserialize(deserializer).map(|number| number != 0)
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: UserId(row.id),
            username: Username::from_row(row.username, row.username_key),
            first_name: row.first_name,
            last_name: row.last_name,
            email: row.email,
            is_active: row.is_active,
            is_staff: row.is_staff,
            is_superuser: row.is_superuser,
            valid_from: row.valid_from.map(Timestamp::from_micros),
            valid_until: row.valid_until.map(Timestamp::from_micros),
            must_change_password: row.must_change_password,
            password_changed_at: row.password_changed_at.map(Timestamp::from_micros),
            date_joined: Timestamp::from_micros(row.date_joined),
            last_login: row.last_login.map(Timestamp::from_micros),
            version: row.version,
            is_invited: row.is_invited,
            has_factor: row.has_factor,
            is_deprovisioned: row.is_deprovisioned,
            modified_at: row.modified_at.map(Timestamp::from_micros),
        }
    }
}
