//! Users as Okta's API shows them.

use super::json::Element;
use super::row::{Item, Place, Row};
use crate::model::raw::Raw;

/// Whether an element is a user of Okta's.
pub(super) fn is_user(element: &Element) -> bool {
    element.get("status").is_some()
        && element.get("profile").is_some_and(|profile| profile.get("login").is_some())
}

/// States of accounts that may be used: users who have to act first, or whom failed sign-ins keep out for a while, too.
const USABLE: [&str; 5] = ["ACTIVE", "PROVISIONED", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED"];
/// The others. Who is staged was not let in yet.
const UNUSABLE: [&str; 3] = ["STAGED", "SUSPENDED", "DEPROVISIONED"];

/// A user.
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
    if USABLE.contains(&status) || UNUSABLE.contains(&status) {
        row.add("is_active", Raw::Bool(USABLE.contains(&status)));
    } else {
        row.problems.push("status: is none of Okta's.".into());
    }
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
        for (status, active, change) in [
            ("STAGED", false, false),
            ("PROVISIONED", true, false),
            ("ACTIVE", true, false),
            ("RECOVERY", true, false),
            ("LOCKED_OUT", true, false),
            ("PASSWORD_EXPIRED", true, true),
            ("SUSPENDED", false, false),
            ("DEPROVISIONED", false, false),
        ] {
            let user = format!(r#"{{"status":"{status}","profile":{{"login":"ada","mobilePhone":null}}}}"#);
            let element: Element = serde_json::from_str(&user).unwrap();
            assert!(is_user(&element));
            let Item::Row(row) = record(Place::default(), &element) else { panic!("{status}") };
            assert_eq!(row.get("is_active"), Raw::Bool(active), "{status}");
            assert_eq!(row.get("must_change_password"), Raw::Bool(change), "{status}");
        }
    }

    #[test]
    fn a_state_that_is_not_known_lets_no_user_in() {
        let user: Element = serde_json::from_str(r#"{"status":"FIRED","profile":{"login":"ada"}}"#).unwrap();
        let Item::Row(row) = record(Place::default(), &user) else { panic!() };
        assert_eq!((row.get("is_active"), row.problems.len()), (Raw::Missing, 1));
    }
}
