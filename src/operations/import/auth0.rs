//! Users that Auth0 exports, and their passwords, which are a file of their own.

use super::json::Element;
use super::row::{Item, Place, Row};
use crate::model::raw::Raw;

/// Whether an element is a user of Auth0's.
pub(super) fn is_user(element: &Element) -> bool {
    element.get("user_id").is_some()
        && (element.get("identities").is_some() || element.get("created_at").is_some())
}

/// Whether an element is a line of the export of passwords.
pub(super) fn is_password(element: &Element) -> bool {
    element.get("passwordHash").is_some() && element.get("_id").is_some()
}

/// A user's key and hash, of the export of passwords.
pub(super) fn password(element: &Element) -> Option<(String, String)> {
    let id = element.text("alt_id").or_else(|| element.get("_id")?.text("$oid"))?;
    Some((id.to_owned(), element.text("passwordHash")?.to_owned()))
}

/// A user, with the password that `find` has for their key.
pub(super) fn record(place: Place, element: &Element, find: impl Fn(&str) -> Option<String>) -> Item {
    let mut row = Row::new(place);
    let identifier =
        element.array("identifiers").iter().find(|identifier| identifier.text("type") == Some("email"));
    let email = match (element.raw("email"), identifier) {
        (Raw::Missing | Raw::Null, Some(identifier)) => identifier.raw("value"),
        (email, _) => email,
    };
    row.add_known("username", element.raw("username"));
    for (member, field) in [
        ("given_name", "first_name"),
        ("family_name", "last_name"),
        ("blocked", "is_blocked"),
        ("created_at", "date_joined"),
        ("last_login", "last_login"),
    ] {
        row.add_known(field, element.raw(member));
    }
    // Without a name of their own, users are called by their addresses.
    if element.raw("name") != email {
        row.add_known("full_name", element.raw("name"));
    }
    row.add_known("email", email);
    let id = element.text("user_id").unwrap_or_default();
    if let Some(hash) = find(id.split_once('|').map_or(id, |(_, id)| id)) {
        row.add("password", hash.as_str().into());
    }
    Item::Row(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_their_password_are_joined_by_the_key() {
        let user = r#"{"user_id":"auth0|7f","identities":[],"identifiers":[{"type":"email","value":"a@b.co"}],
                       "name":"a@b.co","blocked":true}"#;
        let line = r#"{"_id":{"$oid":"7f"},"passwordHash":"$2b$10$x"}"#;
        let (user, line): (Element, Element) =
            (serde_json::from_str(user).unwrap(), serde_json::from_str(line).unwrap());
        assert!(is_user(&user) && is_password(&line) && !is_password(&user));
        let (id, hash) = password(&line).unwrap();
        let Item::Row(row) = record(Place::default(), &user, |key| (key == id).then(|| hash.clone())) else {
            panic!("no row")
        };
        assert_eq!(
            ["email", "password", "full_name", "is_blocked"].map(|field| row.get(field)),
            ["a@b.co".into(), "$2b$10$x".into(), Raw::Missing, Raw::Bool(true)]
        );
    }
}
