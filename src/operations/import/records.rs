//! Objects that are rows of other programs' tables of users, by the names that their columns have.

use super::columns;
use super::json::Element;
use super::row::{Item, Place, Row};
use crate::model::raw::Raw;

/// Whether an element names a user by a name of another program.
pub(super) fn is_user(element: &Element) -> bool {
    let Element::Object(members) = element else { return false };
    members.iter().any(|(name, _)| matches!(columns::field(name), Some("username" | "email")))
}

/// A user: the members that are known by some name. The first of two for the same field counts.
pub(super) fn record(place: Place, element: Element) -> Item {
    if !is_user(&element) {
        return Item::Skipped("other objects".into());
    }
    let mut row = Row::new(place);
    let Element::Object(members) = element else { return Item::Row(Row::broken(place, "is not an object.")) };
    for (name, value) in members {
        if let (Some(field), Element::Scalar(value)) = (columns::field(&name), value)
            && value != Raw::Null
        {
            row.add_if_missing(field, value);
        }
    }
    Item::Row(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_known_by_many_names_and_others_left_out() {
        let user = r#"{"ID":1,"user_login":"ada","display_name":"Ada L","user_email":"a@b.co","roles":["x"],
                       "user_pass":"$P$x","last_login":null,"user_registered":"2020-09-30 16:47:30"}"#;
        let Item::Row(row) = record(Place::default(), serde_json::from_str(user).unwrap()) else {
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
        let other = serde_json::from_str(r#"{"type":"database","name":"shop"}"#).unwrap();
        assert_eq!(record(Place::default(), other), Item::Skipped("other objects".into()));
    }
}
