//! Users as Microsoft Graph shows those of Entra.

use super::json::Element;
use super::row::{Item, Place, Row};

/// Whether an element is a user of Entra's.
pub(super) fn is_user(element: &Element) -> bool {
    element.get("userPrincipalName").is_some()
}

/// A user; the primary key there is none here.
pub(super) fn record(place: Place, element: &Element) -> Item {
    let mut row = Row::new(place);
    for (member, field) in [
        ("userPrincipalName", "username"),
        ("mail", "email"),
        ("givenName", "first_name"),
        ("surname", "last_name"),
        ("displayName", "full_name"),
        ("accountEnabled", "is_active"),
        ("createdDateTime", "date_joined"),
    ] {
        row.add_known(field, element.raw(member));
    }
    Item::Row(row)
}
