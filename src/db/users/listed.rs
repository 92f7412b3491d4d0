//! A user as lists of the API read it: a third less for SQLite to hand over than all that is kept of them.

use std::array;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use sqlx::{ColumnIndex, Decode, FromRow, Type};

use crate::db::select::Listed;
use crate::model::filter::{Field, FieldValue, Users};
use crate::model::record::{LISTED, ListedRecord};

impl Listed for ListedRecord {
    type Table = Users;
    type Row = ListedRow;

    const COLUMNS: &'static str = "users.username, users.id, users.last_login, users.is_superuser, \
                                   users.first_name, users.last_name, users.email, users.is_staff, \
                                   users.is_active, users.date_joined, users.has_factor";
    const JSON: &'static str = "json_array(username, id, last_login, is_superuser, first_name, last_name, email, \
                                is_staff, is_active, date_joined, has_factor)";

    fn value(&self, field: Field) -> FieldValue {
        self.value(field)
    }
}

/// The columns of a [`ListedRecord`].
#[derive(Debug)]
pub struct ListedRow(ListedRecord);

impl From<ListedRow> for ListedRecord {
    fn from(row: ListedRow) -> Self {
        row.0
    }
}

/// The value of each field, in their order, until one cannot be had.
fn of_each<E>(mut value: impl FnMut(usize, Field) -> Result<FieldValue, E>) -> Result<ListedRow, E> {
    let mut values = array::from_fn(|_| FieldValue::Null);
    for (place, into) in values.iter_mut().enumerate() {
        *into = value(place, LISTED[place])?;
    }
    Ok(ListedRow(ListedRecord(values)))
}

impl<'r, R> FromRow<'r, R> for ListedRow
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        of_each(|place, field| {
            Ok(match field {
                Field::Text(_) => FieldValue::Text(row.try_get(place)?),
                Field::Integer(_) => integer(row.try_get(place)?),
                Field::Flag(_) => FieldValue::Flag(row.try_get(place)?),
            })
        })
    }
}

fn integer(number: Option<i64>) -> FieldValue {
    number.map_or(FieldValue::Null, FieldValue::Integer)
}

impl<'de> Deserialize<'de> for ListedRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Columns)
    }
}

struct Columns;

impl<'de> Visitor<'de> for Columns {
    type Value = ListedRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", LISTED.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut columns: A) -> Result<ListedRow, A::Error> {
        of_each(|place, field| {
            let value = match field {
                Field::Text(_) => columns.next_element()?.map(FieldValue::Text),
                Field::Integer(_) => columns.next_element()?.map(integer),
                // SQLite's JSON has its truth values as it stores them: 0 and 1.
                Field::Flag(_) => columns.next_element()?.map(|number: u8| FieldValue::Flag(number != 0)),
            };
            value.ok_or_else(|| A::Error::invalid_length(place, &self))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::select::Table;
    use crate::model::filter::{Folding, Resource};

    #[test]
    fn the_columns_are_those_of_the_fields_in_their_order() {
        let columns: Vec<&str> = LISTED
            .iter()
            .map(|field| match *field {
                Field::Text(field) => Users::text_column(field, Folding::Exact),
                Field::Integer(field) => Users::integer_column(field),
                Field::Flag(field) => Users::flag_column(field),
            })
            .collect();
        assert_eq!(ListedRecord::COLUMNS, format!("users.{}", columns.join(", users.")));
        assert_eq!(ListedRecord::JSON, format!("json_array({})", columns.join(", ")));
        for (name, field) in Users::FIELDS {
            assert!(LISTED.contains(field), "lists can be sorted by {name}");
        }
    }

    #[test]
    fn a_row_that_is_too_short_is_refused() {
        let error = serde_json::from_str::<ListedRow>(r#"["ada", 1, null]"#).unwrap_err();
        assert!(error.to_string().contains("invalid length 3, expected 11 values"), "{error}");
    }
}
