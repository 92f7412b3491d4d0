//! Users that Auth0 exports, and their passwords, which are a file of their own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::Element;
use super::row::{Item, Place, Row};
use crate::model::raw::Raw;

/// Whether an element is a user of Auth0's: of an export, or of a file that was made for its import.
pub(super) fn is_user(element: &Element) -> bool {
    let has = |name: &str| element.get(name).is_some();
    has("user_id") && (has("identities") || has("created_at"))
        || has("custom_password_hash")
        || has("password_hash") && has("email_verified")
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
    } else if let Some(custom) = element.get("custom_password_hash") {
        row.add("password", spelled(custom).unwrap_or_else(|| "unknown".to_owned()).as_str().into());
    } else {
        row.add_known("password", element.raw("password_hash"));
    }
    Item::Row(row)
}

/// A hash of another program as files for Auth0 describe it, in a spelling that is known here.
fn spelled(custom: &Element) -> Option<String> {
    if custom
        .get("password")
        .and_then(|password| password.text("encoding"))
        .is_some_and(|name| name != "utf8")
    {
        return None;
    }
    let (algorithm, hash) = (custom.text("algorithm")?, custom.get("hash")?);
    let salt = custom.get("salt");
    match algorithm {
        "argon2" | "bcrypt" | "ldap" | "pbkdf2" => hash.text("value").map(str::to_owned),
        "md5" | "sha1" | "sha256" | "sha512" => {
            let digest = bytes(hash, "hex")?;
            let salted = salt.map_or(Some(Vec::new()), |salt| bytes(salt, "utf8"))?;
            let is_last = salt.and_then(|salt| salt.text("position")) == Some("suffix");
            let name = algorithm.to_uppercase();
            let scheme = match (salted.is_empty(), is_last, algorithm) {
                (true, _, "sha1") => "SHA".to_owned(),
                (true, ..) => name,
                (false, true, "sha1") => "SSHA".to_owned(),
                (false, true, _) => format!("S{name}"),
                (false, false, _) => format!("PREFIX-{name}"),
            };
            Some(format!("{{{scheme}}}{}", STANDARD.encode([digest, salted].concat())))
        }
        "scrypt" => {
            let number = |name: &str| match custom.raw(name) {
                Raw::Integer(number) => Some(number),
                _ => None,
            };
            let (salt, output) =
                (STANDARD.encode(bytes(salt?, "utf8")?), STANDARD.encode(bytes(hash, "hex")?));
            let log_cost = u32::try_from(number("cost")?).ok().filter(|cost| cost.is_power_of_two())?.ilog2();
            let (block, lanes) = (number("blockSize")?, number("parallelization")?);
            Some(format!("$scrypt$ln={log_cost},r={block},p={lanes}${salt}${output}"))
        }
        _ => None,
    }
}

/// What a member's `value` stands for in its `encoding`.
fn bytes(member: &Element, usual: &str) -> Option<Vec<u8>> {
    let value = member.text("value")?;
    match member.text("encoding").unwrap_or(usual) {
        "utf8" => Some(value.as_bytes().to_vec()),
        "base64" => STANDARD.decode(value).ok(),
        "hex" if value.is_ascii() => {
            let pairs = value.as_bytes().chunks(2).map(std::str::from_utf8);
            pairs.map(|pair| u8::from_str_radix(pair.ok()?, 16).ok()).collect()
        }
        _ => None,
    }
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

    #[test]
    fn a_file_for_its_import_has_the_hashes_of_other_programs() {
        for (custom, spelled) in [
            (r#"{"algorithm":"bcrypt","hash":{"value":"$2b$10$x"}}"#, "$2b$10$x"),
            (
                r#"{"algorithm":"pbkdf2","hash":{"value":"$pbkdf2-sha512$i=100000,l=64$c2FsdA$QUJD","encoding":"utf8"}}"#,
                "$pbkdf2-sha512$i=100000,l=64$c2FsdA$QUJD",
            ),
            (r#"{"algorithm":"ldap","hash":{"value":"{SSHA}x"}}"#, "{SSHA}x"),
            (r#"{"algorithm":"md5","hash":{"value":"414243","encoding":"hex"}}"#, "{MD5}QUJD"),
            (
                r#"{"algorithm":"sha256","hash":{"value":"QUJD","encoding":"base64"},"salt":{"value":"x","position":"prefix"}}"#,
                "{PREFIX-SHA256}QUJDeA==",
            ),
            (
                r#"{"algorithm":"sha1","hash":{"value":"414243"},"salt":{"value":"78","encoding":"hex","position":"suffix"}}"#,
                "{SSHA}QUJDeA==",
            ),
            (
                r#"{"algorithm":"scrypt","hash":{"value":"QUJD","encoding":"base64"},"salt":{"value":"salz"},
                    "keylen":3,"cost":1024,"blockSize":8,"parallelization":1}"#,
                "$scrypt$ln=10,r=8,p=1$c2Fseg==$QUJD",
            ),
            (
                r#"{"algorithm":"scrypt","hash":{"value":"414243"},"salt":{"value":"//8=","encoding":"base64"},
                    "cost":16384,"blockSize":8,"parallelization":2}"#,
                "$scrypt$ln=14,r=8,p=2$//8=$QUJD",
            ),
            (
                r#"{"algorithm":"hmac","hash":{"value":"414243","encoding":"hex","key":{"value":"x"}}}"#,
                "unknown",
            ),
            (r#"{"algorithm":"md5","hash":{"value":"zz"}}"#, "unknown"),
            (r#"{"algorithm":"md5","hash":{"value":"41"},"password":{"encoding":"ucs2"}}"#, "unknown"),
        ] {
            let user = format!(
                r#"{{"email":"a@b.co","email_verified":true,"blocked":false,"custom_password_hash":{custom}}}"#
            );
            let user: Element = serde_json::from_str(&user).unwrap();
            assert!(is_user(&user), "{custom}");
            let Item::Row(row) = record(Place::default(), &user, |_| None) else { panic!("{custom}") };
            assert_eq!(row.get("password"), spelled.into(), "{custom}");
            assert_eq!((row.get("email"), row.get("is_blocked")), ("a@b.co".into(), Raw::Bool(false)));
        }
    }
}
