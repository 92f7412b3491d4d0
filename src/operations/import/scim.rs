//! Users in SCIM 2.0 (RFC 7643): a list, or an object a line.

use super::json::Element;
use super::row::{Item, Place, Row};
use crate::model::raw::Raw;

/// Whether an element is a user of SCIM's.
pub(super) fn is_user(element: &Element) -> bool {
    element.get("userName").is_some()
}

/// A user; what else a list holds is left out.
pub(super) fn record(place: Place, element: &Element) -> Item {
    if !is_user(element) {
        return Item::Skipped("other resources".into());
    }
    let mut row = Row::new(place);
    row.add_known("username", element.raw("userName"));
    if let Some(name) = element.get("name") {
        row.add_known("first_name", name.raw("givenName"));
        row.add_known("last_name", name.raw("familyName"));
        row.add_known("full_name", name.raw("formatted"));
    }
    if row.get("full_name") == Raw::Missing {
        row.add_known("full_name", element.raw("displayName"));
    }
    let emails = element.array("emails");
    let primary = emails.iter().find(|email| email.raw("primary") == Raw::Bool(true));
    if let Some(email) = primary.or(emails.first()) {
        row.add_known("email", email.raw("value"));
    }
    row.add_known("is_active", element.raw("active"));
    if let Some(meta) = element.get("meta") {
        row.add_known("date_joined", meta.raw("created"));
    }
    Item::Row(row)
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::super::source::tests::source;
    use super::*;

    #[test]
    fn a_user_has_the_primary_address_and_groups_are_none() {
        let content = r#"{"totalResults":2,"Resources":[
            {"userName":"ada","name":{"givenName":"Ada","familyName":"L","formatted":"Ada L"},"active":"False",
             "emails":[{"value":"x@b.co"},{"value":"a@b.co","primary":true}],"meta":{"created":"2019-01-16T14:13:26.58Z"}},
            {"displayName":"Group"}]}"#;
        let stream = source(content.as_bytes()).stream().unwrap();
        let items: Vec<Item> = json::rows(stream, |place, element| record(place, &element)).collect();
        let [Item::Row(row), Item::Skipped(_)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(
            ["username", "email", "first_name", "is_active"].map(|field| row.get(field)),
            ["ada".into(), "a@b.co".into(), "Ada".into(), "False".into()]
        );
    }
}
