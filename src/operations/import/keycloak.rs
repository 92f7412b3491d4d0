//! Users of a Keycloak realm: of an export, or of its admin API, which has no credentials.

use std::collections::BTreeSet;

use serde_json::Value;

use super::elements::Realms;
use super::json::Element;
use super::row::{Item, Place, Row};
use super::times::of_milliseconds;
use crate::model::raw::Raw;

/// Whether an element is a user of Keycloak's.
pub(super) fn is_user(element: &Element) -> bool {
    let has = |name: &str| element.get(name).is_some();
    has("username")
        && (has("createdTimestamp") || has("requiredActions") || has("disableableCredentialTypes"))
}

/// Checks which realms a file has, if it is an array of them: users of several are not imported at once.
///
/// # Errors
/// The names of the realms, unless the one that is to be read is among them.
pub(super) fn check_realms(realms: &Realms, chosen: Option<&str>) -> Result<(), String> {
    const MOST: usize = 20;
    let realms: BTreeSet<&str> = realms.values().map(AsRef::as_ref).collect();
    let names = realms.iter().take(MOST).map(|realm| format!("{realm:?}")).collect::<Vec<_>>().join(", ");
    match chosen {
        None if realms.len() > 1 => {
            Err(format!("it has several realms: say with --realm which one of {names}"))
        }
        Some(chosen) if !realms.is_empty() && !realms.contains(chosen) => {
            Err(format!("it has no realm {chosen:?}, but {names}"))
        }
        _ => Ok(()),
    }
}

/// A user. Those of programs are left out. Holders of the realm role `staff_role` become staff.
pub(super) fn record(place: Place, element: &Element, staff_role: Option<&str>) -> Item {
    if element.get("serviceAccountClientId").is_some_and(|client| *client != Element::Scalar(Raw::Null)) {
        return Item::Skipped("service accounts".into());
    }
    if element.get("realm").is_some() && element.get("username").is_none() {
        return Item::Skipped("realms without users".into());
    }
    let mut row = Row::new(place);
    for (member, field) in [
        ("username", "username"),
        ("email", "email"),
        ("firstName", "first_name"),
        ("lastName", "last_name"),
        ("enabled", "is_active"),
    ] {
        row.add_known(field, element.raw(member));
    }
    row.add_known("date_joined", of_milliseconds(&element.raw("createdTimestamp")));
    let demands = |name: &str| element.array("requiredActions").iter().any(|action| action.is_text(name));
    row.add("must_change_password", Raw::Bool(demands("UPDATE_PASSWORD")));
    if let Some(role) = staff_role {
        let has_role = element.array("realmRoles").iter().any(|name| name.is_text(role));
        row.add("is_staff", Raw::Bool(has_role));
    }
    let credentials = element.array("credentials");
    if let Some(credential) =
        credentials.iter().find(|credential| credential.text("type") == Some("password"))
    {
        row.add("password", hash(credential).unwrap_or_else(|| "unknown".to_owned()).as_str().into());
    }
    Item::Row(row)
}

/// A credential in our spelling. Both of its parts are JSON in strings; before Keycloak 7 they were members.
fn hash(credential: &Element) -> Option<String> {
    let parsed = |name: &str| serde_json::from_str::<Value>(credential.text(name)?).ok();
    let (Some(secret), Some(data)) = (parsed("secretData"), parsed("credentialData")) else {
        return old_hash(credential);
    };
    let (value, salt) = (secret["value"].as_str()?, secret["salt"].as_str()?);
    let (value, salt) = (value.trim_end_matches('='), salt.trim_end_matches('='));
    let iterations = data["hashIterations"].as_u64()?;
    let algorithm = data["algorithm"].as_str()?;
    if algorithm != "argon2" {
        return pbkdf2(algorithm, iterations, salt, value);
    }
    // Each is an array of one string.
    let parameter = |name: &str| data["additionalParameters"][name][0].as_str();
    let version = match parameter("version") {
        Some("1.0") => 16,
        _ => 19,
    };
    let (memory, lanes) = (parameter("memory")?, parameter("parallelism")?);
    let kind = parameter("type")?;
    Some(format!("$argon2{kind}$v={version}$m={memory},t={iterations},p={lanes}${salt}${value}"))
}

fn old_hash(credential: &Element) -> Option<String> {
    let Raw::Integer(iterations) = credential.raw("hashIterations") else { return None };
    let (salt, value) = (credential.text("salt")?, credential.text("hashedSaltedValue")?);
    pbkdf2(credential.text("algorithm")?, u64::try_from(iterations).ok()?, salt, value)
}

fn pbkdf2(algorithm: &str, iterations: u64, salt: &str, value: &str) -> Option<String> {
    let kind = match algorithm {
        "pbkdf2" => "pbkdf2-sha1",
        "pbkdf2-sha256" | "pbkdf2-sha512" => algorithm,
        _ => return None,
    };
    Some(format!("${kind}$i={iterations}${salt}${value}"))
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::super::{elements, json};
    use super::*;

    fn read(content: &str) -> Vec<Item> {
        let stream = source(content.as_bytes()).stream().unwrap();
        json::rows(stream, |place, element| record(place, &element, Some("admin"))).collect()
    }

    #[test]
    fn a_user_has_the_password_among_other_credentials_and_the_demands_and_roles() {
        let items = read(
            r#"{"realm":"x","users":[{"username":"ada","email":"a@b.co","firstName":"Ada","lastName":"L","enabled":false,
                "createdTimestamp":1446050775347,"requiredActions":["UPDATE_PASSWORD"],"realmRoles":["admin"],
                "credentials":[{"type":"otp","secretData":"{}"},{"type":"password",
                  "secretData":"{\"value\":\"QUJD\",\"salt\":\"c2FsdA==\"}",
                  "credentialData":"{\"hashIterations\":27500,\"algorithm\":\"pbkdf2\"}"}]},
               {"username":"robot","serviceAccountClientId":"x","requiredActions":[]}]}"#,
        );
        let [Item::Row(row), Item::Skipped(kind)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(kind, "service accounts");
        assert_eq!(row.get("password"), "$pbkdf2-sha1$i=27500$c2FsdA$QUJD".into());
        assert_eq!(row.get("date_joined"), "2015-10-28T16:46:15.347000Z".into());
        assert_eq!(
            [row.get("must_change_password"), row.get("is_staff"), row.get("is_active")],
            [Raw::Bool(true), Raw::Bool(true), Raw::Bool(false)]
        );
    }

    #[test]
    fn argon2_and_old_credentials_are_spelled_as_we_spell_them() {
        for (credential, spelled) in [
            (
                r#"{"secretData":"{\"value\":\"QUJD\",\"salt\":\"c2FsdA==\"}","credentialData":"{\"hashIterations\":5,\"algorithm\":\"argon2\",\"additionalParameters\":{\"hashLength\":[\"32\"],\"memory\":[\"7168\"],\"type\":[\"id\"],\"version\":[\"1.3\"],\"parallelism\":[\"1\"]}}"}"#,
                Some("$argon2id$v=19$m=7168,t=5,p=1$c2FsdA$QUJD"),
            ),
            (
                r#"{"hashedSaltedValue":"QUJD","salt":"c2FsdA==","hashIterations":1000,"algorithm":"pbkdf2-sha256"}"#,
                Some("$pbkdf2-sha256$i=1000$c2FsdA==$QUJD"),
            ),
            (r#"{"hashedSaltedValue":"QUJD","salt":"x","hashIterations":1,"algorithm":"bcrypt"}"#, None),
            (r#"{"secretData":"{","credentialData":"{}"}"#, None),
        ] {
            let element: Element = serde_json::from_str(credential).unwrap();
            assert_eq!(hash(&element).as_deref(), spelled, "{credential}");
        }
    }

    #[test]
    fn of_several_realms_one_has_to_be_said() {
        let check = |content: &str, chosen| {
            let realms = elements::realms(source(content.as_bytes()).stream().unwrap());
            check_realms(&realms, chosen).err().unwrap_or_default()
        };
        let two = r#"[{"realm":"master","users":[{}]},{"realm":"acme","users":[{},{}]},{"realm":"empty"}]"#;
        assert_eq!(
            check(two, None),
            "it has several realms: say with --realm which one of \"acme\", \"master\""
        );
        assert_eq!(check(two, Some("acme")), "");
        assert_eq!(check(two, Some("other")), "it has no realm \"other\", but \"acme\", \"master\"");
        let one = r#"{"realm":"acme","users":[{}]}"#;
        assert_eq!((check(one, None), check(one, Some("acme"))), (String::new(), String::new()));
        assert!(!check(one, Some("other")).is_empty());
        let [Item::Skipped(kind)] = &read(r#"[{"realm":"empty","enabled":true}]"#)[..] else { panic!() };
        assert_eq!(kind, "realms without users");
    }
}
