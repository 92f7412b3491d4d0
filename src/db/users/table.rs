//! Where the users that a list shows are stored.

use super::{UserRow, columns};
use crate::db::select::{LOOKED_UP, Listed, Table};
use crate::model::filter::{
    Field, FieldValue, FlagField, Folding, IntegerField, Operator, Test, TextField, Users,
};
use crate::model::text;
use crate::model::user::User;

impl Listed for User {
    type Table = Users;
    type Row = UserRow;

    const COLUMNS: &'static str = columns!();
    const JSON: &'static str = "json_array(id, username, username_key, first_name, last_name, email, \
                                is_active, is_staff, is_superuser, valid_from, valid_until, \
                                must_change_password, password_changed_at, date_joined, last_login, version, is_invited, \
                                has_factor, is_deprovisioned, modified_at)";

    fn value(&self, field: Field) -> FieldValue {
        field.of(self)
    }
}

impl Table for Users {
    const TABLE: &'static str = "users";

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
            (TextField::UsernameKey, _) => "username_key",
        }
    }

    fn integer_column(field: IntegerField) -> &'static str {
        match field {
            IntegerField::Id => "id",
            IntegerField::DateJoined => "date_joined",
            IntegerField::LastLogin => "last_login",
            IntegerField::ValidFrom => "valid_from",
            IntegerField::ValidUntil => "valid_until",
            IntegerField::ModifiedAt => "modified_at",
        }
    }

    fn flag_column(field: FlagField) -> &'static str {
        match field {
            FlagField::IsActive => "is_active",
            FlagField::IsStaff => "is_staff",
            FlagField::IsSuperuser => "is_superuser",
            FlagField::IsInvited => "is_invited",
            FlagField::HasFactor => "has_factor",
            FlagField::IsDeprovisioned => "is_deprovisioned",
        }
    }

    /// Where a walk does not find them, less than one in a hundred fits, and sorting these is quick.
    const WALK: i64 = 100;
    const KEPT_COUNT: Option<&'static str> = Some("SELECT CAST(SUM(users) AS BIGINT) FROM user_counts");

    /// SQLite would rather sort all users than some that are equal in the first term.
    fn order_index(field: Field) -> Option<&'static str> {
        Some(match field {
            Field::Text(TextField::Username) => " INDEXED BY users_username",
            Field::Text(TextField::UsernameKey) => " INDEXED BY users_username_key",
            Field::Text(TextField::FirstName) => " INDEXED BY users_first_name",
            Field::Text(TextField::LastName) => " INDEXED BY users_last_name",
            Field::Text(TextField::Email) => " INDEXED BY users_email",
            Field::Text(TextField::Name) => " INDEXED BY users_name_folded",
            Field::Integer(IntegerField::DateJoined) => " INDEXED BY users_date_joined",
            Field::Integer(IntegerField::LastLogin) => " INDEXED BY users_last_login",
            // The table itself is in the order of its primary key; no list sorts by the others.
            Field::Integer(
                IntegerField::Id
                | IntegerField::ValidFrom
                | IntegerField::ValidUntil
                | IntegerField::ModifiedAt,
            )
            | Field::Text(TextField::Searchable)
            | Field::Flag(_) => return None,
        })
    }

    fn few(field: Field) -> Option<(FlagField, &'static str)> {
        let index = match field {
            Field::Text(TextField::Username) => " INDEXED BY users_staff_username",
            Field::Text(TextField::FirstName) => " INDEXED BY users_staff_first_name",
            Field::Text(TextField::LastName) => " INDEXED BY users_staff_last_name",
            Field::Text(TextField::Email) => " INDEXED BY users_staff_email",
            Field::Text(TextField::Name) => " INDEXED BY users_staff_name_folded",
            Field::Integer(IntegerField::DateJoined) => " INDEXED BY users_staff_date_joined",
            Field::Integer(IntegerField::LastLogin) => " INDEXED BY users_staff_last_login",
            Field::Integer(IntegerField::Id) => " INDEXED BY users_staff",
            Field::Integer(IntegerField::ValidFrom | IntegerField::ValidUntil | IntegerField::ModifiedAt)
            | Field::Text(TextField::Searchable | TextField::UsernameKey)
            | Field::Flag(_) => return None,
        };
        Some((FlagField::IsStaff, index))
    }

    fn is_searched(test: &Test) -> bool {
        has_column(test)
    }

    fn search_key(test: &Test) -> Option<String> {
        search_key(test)
    }
}

/// Whether the index `users_searched` has the column that a test of users looks at.
const fn has_column(test: &Test) -> bool {
    match test {
        Test::Text(field, ..) | Test::Contains(field, ..) | Test::EndsWith(field, ..) => {
            matches!(field, TextField::Name | TextField::Searchable)
        }
        Test::Integer(field, ..) | Test::IsNull(field) => matches!(field, IntegerField::Id),
        Test::Flag(field, ..) => !matches!(field, FlagField::HasFactor | FlagField::IsDeprovisioned),
        Test::Constant(_) => true,
    }
}

/// What a test of users demands of what is searched.
fn search_key(test: &Test) -> Option<String> {
    let (Test::Contains(field, part, _)
    | Test::EndsWith(field, part, _)
    | Test::Text(field, Operator::Equal, part, _)) = test
    else {
        return None;
    };
    let key: String = match field {
        // First and last name are a line each in what is searched.
        TextField::Name => return None,
        TextField::Searchable => part.chars().take(LOOKED_UP).collect(),
        TextField::Username
        | TextField::UsernameKey
        | TextField::FirstName
        | TextField::LastName
        | TextField::Email => text::searchable(part).chars().take(LOOKED_UP).collect(),
    };
    (key.chars().count() >= 3).then_some(key)
}
