//! Where what is listed is stored.

use serde::de::DeserializeOwned;

use super::search;
use crate::db::Row;
use crate::db::users::{UserRow, columns};
use crate::model::filter::{Field, FlagField, Folding, IntegerField, Resource, Test, TextField, Users};

/// Where a resource's records are stored.
pub trait Table: Resource {
    /// A row, and the record that it is.
    type Row: Row + DeserializeOwned + Into<Self::Record>;

    /// `FROM` what.
    const TABLE: &'static str;
    /// The columns of a row.
    const COLUMNS: &'static str;
    /// The same as one JSON array, for SQLite.
    const JSON: &'static str;

    /// The column of a text field, or of its case folded form.
    fn text_column(field: Self::Text, folding: Folding) -> &'static str;
    /// The column of an integer field.
    fn integer_column(field: Self::Integer) -> &'static str;
    /// The column of a flag.
    fn flag_column(field: Self::Flag) -> &'static str;

    /// How many rows a walk along the order looks at for each one that is wanted, before all that fits is
    /// found and sorted instead; 0 if there are so few rows that the database may decide by itself.
    const WALK: i64 = 0;
    /// The statement that tells how many rows there are, where that is kept.
    const KEPT_COUNT: Option<&'static str> = None;

    /// The index that has the rows in the order of a field: `INDEXED BY` it.
    #[must_use]
    fn order_index(_: Field<Self>) -> Option<&'static str> {
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

impl Table for Users {
    type Row = UserRow;

    const TABLE: &'static str = "users";
    const COLUMNS: &'static str = columns!();
    const JSON: &'static str = "json_array(id, username, username_key, first_name, last_name, email, \
                                is_active, is_staff, is_superuser, valid_from, valid_until, \
                                must_change_password, password_changed_at, date_joined, last_login, version)";

    fn text_column(field: TextField, folding: Folding) -> &'static str {
        match (field, folding) {
            (TextField::Username, Folding::Exact) => "username",
            (TextField::Username, Folding::Folded) => "username_folded",
            (TextField::FirstName, Folding::Exact) => "first_name",
            (TextField::FirstName, Folding::Folded) => "first_name_folded",
            (TextField::LastName, Folding::Exact) => "last_name",
            (TextField::LastName, Folding::Folded) => "last_name_folded",
            (TextField::Email, Folding::Exact) => "email",
            (TextField::Email, Folding::Folded) => "email_folded",
            // Folded when they are written.
            (TextField::Name, _) => "name_folded",
            (TextField::Searchable, _) => "searchable",
        }
    }

    fn integer_column(field: IntegerField) -> &'static str {
        match field {
            IntegerField::Id => "id",
            IntegerField::DateJoined => "date_joined",
            IntegerField::LastLogin => "last_login",
        }
    }

    fn flag_column(field: FlagField) -> &'static str {
        match field {
            FlagField::IsActive => "is_active",
            FlagField::IsStaff => "is_staff",
            FlagField::IsSuperuser => "is_superuser",
        }
    }

    /// Where a walk does not find them, less than one in a hundred fits, and sorting these is quick.
    const WALK: i64 = 100;
    const KEPT_COUNT: Option<&'static str> = Some("SELECT CAST(SUM(users) AS BIGINT) FROM user_counts");

    /// SQLite would rather sort all users than some that are equal in the first term.
    fn order_index(field: Field) -> Option<&'static str> {
        Some(match field {
            Field::Text(TextField::Username) => " INDEXED BY users_username",
            Field::Text(TextField::FirstName) => " INDEXED BY users_first_name",
            Field::Text(TextField::LastName) => " INDEXED BY users_last_name",
            Field::Text(TextField::Email) => " INDEXED BY users_email",
            Field::Text(TextField::Name) => " INDEXED BY users_name_folded",
            Field::Integer(IntegerField::DateJoined) => " INDEXED BY users_date_joined",
            Field::Integer(IntegerField::LastLogin) => " INDEXED BY users_last_login",
            // The table itself is in the order of its primary key; nobody sorts by what is searched.
            Field::Integer(IntegerField::Id) | Field::Text(TextField::Searchable) | Field::Flag(_) => {
                return None;
            }
        })
    }

    fn is_searched(test: &Test) -> bool {
        search::has_column(test)
    }

    fn search_key(test: &Test) -> Option<String> {
        search::key(test)
    }
}
