//! Objects that are rows of other programs' tables of users, by the names that their columns have.

use std::sync::Arc;

use super::columns::{self, Mapping};
use super::json::Element;
use super::row::{Item, Place, Row, STATES};
use crate::model::raw::Raw;

/// Whether an element names a user by a name of another program.
pub(super) fn is_user(element: &Element) -> bool {
    is_named(&element.names(), &[])
}

fn is_named(names: &[&str], mapping: &Mapping) -> bool {
    let is_name = |field| matches!(field, Some("username" | "email"));
    columns::assign(names, mapping).is_ok_and(|assigned| assigned.into_iter().any(is_name))
}

/// Reads objects as rows, each by the names of its members. Those of the object before are remembered, as most have the
/// same.
pub(super) struct Reader {
    mapping: Vec<(String, String)>,
    table: Option<String>,
    names: Vec<String>,
    /// The fields of the names; `None` where the object is no user.
    fields: Option<Fields>,
}

/// A field for each name, if there is any.
struct Fields {
    first: Vec<Option<&'static str>>,
    /// Of names that only count where the value of the first one is none.
    second: Vec<Option<&'static str>>,
    not_read: Arc<[String]>,
}

impl Fields {
    fn of(names: &[&str], mapping: &Mapping) -> Option<Self> {
        let first = columns::assign(names, mapping).ok()?;
        let is_given = |name: &str| mapping.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let second = |(name, field): (&&str, Option<&str>)| match field {
            None if !is_given(name) && !columns::is_weak(name) => columns::field(name),
            _ => None,
        };
        let second: Vec<Option<&str>> = names.iter().zip(first.iter().copied()).map(second).collect();
        let fields = first.iter().zip(&second);
        let is_read = fields.map(|(first, second)| first.is_some() || second.is_some());
        let not_read = names.iter().zip(is_read).filter(|(_, is_read)| !is_read);
        let not_read = not_read.map(|(name, _)| (*name).to_owned()).collect();
        Some(Self { first, second, not_read })
    }
}

impl Reader {
    /// With the fields that were given to columns.
    pub(super) fn new(mapping: &Mapping) -> Self {
        Self { mapping: mapping.to_vec(), table: None, names: Vec::new(), fields: None }
    }

    fn look(&mut self, table: Option<&str>, names: &[&str], is_chosen: bool) {
        if self.names == names && self.table.as_deref() == table && !names.is_empty() {
            return;
        }
        self.names = names.iter().map(|name| (*name).to_owned()).collect();
        self.table = table.map(str::to_owned);
        let has_users = match table {
            Some(table) if !is_chosen => columns::has_users(table, names, &self.mapping),
            _ => is_named(names, &self.mapping),
        };
        self.fields = if has_users { Fields::of(names, &self.mapping) } else { None };
    }

    /// The same with the parts of a name among the other members, as Google's API has them within one.
    fn flat(element: Element) -> Element {
        let Element::Object(members) = element else { return element };
        let parts = |(name, value)| match value {
            Element::Object(parts) if name == "name" => {
                parts.into_iter().map(|(part, value)| (format!("name.{part}"), value)).collect()
            }
            value => vec![(name, value)],
        };
        Element::Object(members.into_iter().flat_map(parts).collect())
    }

    /// A user: the members that are known by some name. What else a file holds is left out. A table that was chosen has
    /// users, whatever it is called.
    pub(super) fn record(
        &mut self,
        place: Place,
        table: Option<&str>,
        element: Element,
        is_chosen: bool,
    ) -> Item {
        let element = Self::flat(element);
        self.look(table, &element.names(), is_chosen);
        let Some(fields) = &self.fields else {
            return Item::Skipped(
                table.map_or_else(|| "other objects".into(), |table| format!("rows of {table}")),
            );
        };
        let mut row = Row::new(place);
        row.not_read = Arc::clone(&fields.not_read);
        let Element::Object(members) = element else {
            return Item::Row(Row::broken(place, "is not an object."));
        };
        for fields in [&fields.first, &fields.second] {
            for ((_, value), field) in members.iter().zip(fields) {
                match (field, value) {
                    (None, _) | (_, Element::Scalar(Raw::Null)) => {}
                    (Some(field), value) if STATES.contains(field) => {
                        row.add_column(field, value.clone().into_raw());
                    }
                    (Some(field), Element::Scalar(value)) => row.add_if_missing(field, value.clone()),
                    _ => {}
                }
            }
        }
        Item::Row(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_known_by_many_names_and_others_left_out() {
        let user = r#"{"ID":1,"user_login":"ada","display_name":"Ada L","user_email":"a@b.co","roles":["x"],
                       "user_pass":"$P$x","last_login":null,"user_registered":"2020-09-30 16:47:30"}"#;
        let mut reader = Reader::new(&[]);
        let place = Place::default();
        let Item::Row(row) = reader.record(place, None, serde_json::from_str(user).unwrap(), false) else {
            panic!("{user}")
        };
        let fields = ["pk", "username", "full_name", "email", "password", "last_login", "is_staff"];
        assert_eq!(
            fields.map(|field| row.get(field)),
            [
                Raw::Integer(1),
                "ada".into(),
                "Ada L".into(),
                "a@b.co".into(),
                "$P$x".into(),
                Raw::Missing,
                Raw::Missing
            ]
        );
        assert_eq!(row.not_read[..], ["roles".to_owned()]);
        let other = serde_json::from_str(r#"{"type":"database","name":"shop"}"#).unwrap();
        assert_eq!(reader.record(place, None, other, false), Item::Skipped("other objects".into()));
    }

    #[test]
    fn all_members_of_states_are_read() {
        for user in [
            r#"{"username":"ada","is_active":true,"enabled":false}"#,
            r#"{"username":"ada","is_active":true,"status":"suspended"}"#,
            r#"{"username":"ada","is_active":true,"deleted_at":"2024-01-01"}"#,
            r#"{"username":"ada","is_active":true,"deletedAt":{"$date":1}}"#,
        ] {
            let element = serde_json::from_str(user).unwrap();
            let Item::Row(row) = Reader::new(&[]).record(Place::default(), None, element, false) else {
                panic!()
            };
            assert_eq!(super::super::states::is_active(&row, None), Raw::Bool(false), "{user}");
        }
    }

    #[test]
    fn our_name_for_a_field_counts_and_a_second_one_where_the_first_has_none() {
        let user =
            r#"{"login":"x","username":"ada","current_sign_in_at":null,"last_sign_in_at":"2024-01-01"}"#;
        let user = serde_json::from_str(user).unwrap();
        let Item::Row(row) = Reader::new(&[]).record(Place::default(), None, user, false) else { panic!() };
        assert_eq!([row.get("username"), row.get("last_login")], ["ada".into(), "2024-01-01".into()]);
    }

    #[test]
    fn parts_of_a_name_and_dates_may_be_objects() {
        let user = r#"{"primaryEmail":"a@b.co","name":{"givenName":"Ada","familyName":"L"},
                       "createdAt":{"$date":"2024-01-01T00:00:00Z"},"lastLogin":{"$date":{"$numberLong":"1704067200000"}}}"#;
        let user = serde_json::from_str(user).unwrap();
        let Item::Row(row) = Reader::new(&[]).record(Place::default(), None, user, false) else { panic!() };
        assert_eq!(
            ["first_name", "last_name", "date_joined", "last_login"].map(|field| row.get(field)),
            ["Ada", "L", "2024-01-01T00:00:00Z", "1704067200000"].map(Raw::from)
        );
    }

    #[test]
    fn of_named_tables_those_of_users_are_read_and_the_one_that_was_chosen() {
        let mapping = [("kennung".to_owned(), "username".to_owned())];
        let mut reader = Reader::new(&mapping);
        let mut read = |table, object: &str, is_chosen| {
            let object = serde_json::from_str(object).unwrap();
            match reader.record(Place::default(), Some(table), object, is_chosen) {
                Item::Row(row) => row.get("username"),
                Item::Skipped(kind) => kind.as_str().into(),
            }
        };
        assert_eq!(
            read("wp_usermeta", r#"{"user_id":"1","meta_key":"x"}"#, false),
            "rows of wp_usermeta".into()
        );
        assert_eq!(read("orders", r#"{"id":"1","email":"a@b.co"}"#, false), "rows of orders".into());
        assert_eq!(read("wp_users", r#"{"ID":"1","user_login":"ada","user_pass":"x"}"#, false), "ada".into());
        assert_eq!(read("kunden", r#"{"Kennung":"bob","email":"x"}"#, false), "bob".into());
        assert_eq!(read("orders", r#"{"login":"carl"}"#, true), "carl".into());
    }
}
