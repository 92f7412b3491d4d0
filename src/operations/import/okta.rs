//! Users as Okta's API shows them.

use super::json::Element;
use super::row::{Item, Place, Row};
use crate::model::raw::Raw;

/// Whether an element is a user of Okta's.
pub(super) fn is_user(element: &Element) -> bool {
    element.get("status").is_some()
        && element.get("profile").is_some_and(|profile| profile.get("login").is_some())
}

/// A user. An account that is not suspended nor deprovisioned may be used.
pub(super) fn record(place: Place, element: &Element) -> Item {
    let Some(profile) = element.get("profile") else {
        return Item::Row(Row::broken(place, "has no \"profile\"."));
    };
    let mut row = Row::new(place);
    for (member, field) in [
        ("login", "username"),
        ("email", "email"),
        ("firstName", "first_name"),
        ("lastName", "last_name"),
        ("displayName", "full_name"),
    ] {
        row.add_known(field, profile.raw(member));
    }
    let status = element.text("status").unwrap_or_default();
    row.add("is_active", Raw::Bool(!["SUSPENDED", "DEPROVISIONED"].contains(&status)));
    row.add("must_change_password", Raw::Bool(status == "PASSWORD_EXPIRED"));
    row.add_known("date_joined", element.raw("created"));
    row.add_known("last_login", element.raw("lastLogin"));
    Item::Row(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_says_whether_the_account_may_be_used() {
        for (status, active, change) in
            [("ACTIVE", true, false), ("PASSWORD_EXPIRED", true, true), ("SUSPENDED", false, false)]
        {
            let user = format!(r#"{{"status":"{status}","profile":{{"login":"ada","mobilePhone":null}}}}"#);
            let element: Element = serde_json::from_str(&user).unwrap();
            assert!(is_user(&element));
            let Item::Row(row) = record(Place::default(), &element) else { panic!("{status}") };
            assert_eq!(row.get("is_active"), Raw::Bool(active), "{status}");
            assert_eq!(row.get("must_change_password"), Raw::Bool(change), "{status}");
        }
    }
}
