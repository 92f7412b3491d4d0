//! Where what is listed is stored.

use serde::de::DeserializeOwned;

use crate::db::Row;
use crate::model::filter::{Field, FieldValue, Folding, Resource, Test};

/// What a list reads of each row of a table.
pub trait Listed: Sized + Send + Sync {
    /// The table.
    type Table: Table;
    /// A row.
    type Row: Row + DeserializeOwned + Into<Self>;

    /// The columns of a row.
    const COLUMNS: &'static str;
    /// The same as one JSON array, for SQLite.
    const JSON: &'static str;

    /// The value of a field by which the list can be sorted: where the list goes on after this row.
    fn value(&self, field: Field<Self::Table>) -> FieldValue;
}

/// Where a resource's records are stored.
pub trait Table: Resource {
    /// `FROM` what.
    const TABLE: &'static str;

    /// The column of a text field, or of its case folded form.
    fn text_column(field: Self::Text, folding: Folding) -> &'static str;
    /// The column of an integer field.
    fn integer_column(field: Self::Integer) -> &'static str;
    /// The column of a flag.
    fn flag_column(field: Self::Flag) -> &'static str;

    /// How many rows a walk along the order looks at for each one that is wanted, before all that fits is
    /// found and sorted instead; 0 if there are so few rows that the database may decide by itself.
    const WALK: i64 = 0;
    /// The statement for the number of rows, where that is kept.
    const KEPT_COUNT: Option<&'static str> = None;

    /// The index that has the rows in the order of a field: `INDEXED BY` it.
    #[must_use]
    fn order_index(_: Field<Self>) -> Option<&'static str> {
        None
    }

    /// A flag that few records have, and the index of these in the order of a field: `INDEXED BY` it.
    #[must_use]
    fn few(_: Field<Self>) -> Option<(Self::Flag, &'static str)> {
        None
    }

    /// Whether SQLite's index of what is searched has the column that the test looks at.
    #[must_use]
    fn is_searched(_: &Test<Self>) -> bool {
        false
    }

    /// A text that is in what the index of the search looks at, in every row that the test accepts.
    #[must_use]
    fn search_key(_: &Test<Self>) -> Option<String> {
        None
    }
}
