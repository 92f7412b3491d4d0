//! How rows become structs, whichever database they are from.

use sqlx::FromRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

/// Implements sqlx's `FromRow` for a struct: each field is read from the column of its name, and after `..` one
/// that is itself read from the row. sqlx's derive does the same, but brings a second build of both drivers into
/// the compiler, which would take a fifth of a clean build.
macro_rules! from_row {
    ($type:ident $(<$generic:ident>)? { $(..$part:ident,)? $($column:ident),+ $(,)? }) => {
        impl<'r, R $(, $generic)?> sqlx::FromRow<'r, R> for $type $(<$generic>)?
        where
            R: sqlx::Row,
            usize: sqlx::ColumnIndex<R>,
            &'static str: sqlx::ColumnIndex<R>,
            bool: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            Vec<u8>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            $($generic: sqlx::FromRow<'r, R>,)?
        {
            fn from_row(row: &'r R) -> std::result::Result<Self, sqlx::Error> {
                Ok(Self {
                    $($part: sqlx::FromRow::from_row(row)?,)?
                    $($column: row.try_get(stringify!($column))?,)+
                })
            }
        }
    };
}
pub(super) use from_row;

/// A row that both databases can be read into.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin + 'static {}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin + 'static
{}
