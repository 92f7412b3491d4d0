//! What `manage.py dumpdata auth.user` writes: an array of objects with `model`, `pk` and `fields`.

use super::json::Element;
use super::row::{Parsed, Row, field};
use crate::model::raw::Raw;

/// The model of users in a dump.
pub(in crate::cli) const MODEL: &str = "auth.user";

/// What Django puts before an argon2 hash.
const PREFIX: &str = "argon2";
/// What every argon2id hash begins with.
const PHC: &str = "$argon2id$";
/// Characters of base64 that the 16 bytes of a salt of ours make. Django's salts are 22 letters and
/// digits (12 before Django 3.2), which make 30 (or 16).
const OUR_SALT: usize = 22;

/// Whether an element is an object of a dump, whatever its model.
pub(super) fn is_dumped(element: &Element) -> bool {
    let Element::Object(members) = element else { return false };
    ["model", "fields"].iter().all(|name| members.iter().any(|(member, _)| member == name))
}

/// One row a user; objects of other models are counted.
pub(super) fn rows(elements: Vec<Element>) -> Parsed {
    let mut parsed = Parsed::default();
    for (element, number) in elements.into_iter().zip(1..) {
        match row(number, element) {
            Some(row) => parsed.rows.push(row),
            None => parsed.skipped += 1,
        }
    }
    parsed
}

/// `None` for an object of another model. Fields that we do not keep, such as `groups`, are left out.
fn row(number: usize, element: Element) -> Option<Row> {
    let Element::Object(members) = element else {
        return Some(Row::broken(number, "is not an object."));
    };
    let mut row = Row::new(number);
    let (mut model, mut fields) = (None, None);
    for (name, value) in members {
        match name.as_str() {
            "model" => model = Some(value.into_raw()),
            "fields" => fields = Some(value),
            "pk" => row.add("pk", value.into_raw()),
            _ => {}
        }
    }
    match model {
        Some(Raw::Text(name)) if name.eq_ignore_ascii_case(MODEL) => {}
        Some(Raw::Text(_)) => return None,
        _ => return Some(Row::broken(number, "has no \"model\".")),
    }
    let Some(Element::Object(fields)) = fields else {
        return Some(Row::broken(number, "has no \"fields\"."));
    };
    for (name, value) in fields {
        if let Some(field) = field(&name).filter(|field| *field != "pk") {
            row.add(field, if field == "password" { stored(value.into_raw()) } else { value.into_raw() });
        }
    }
    Some(row)
}

fn stored(hash: Raw) -> Raw {
    match hash {
        Raw::Text(hash) => Raw::Text(from_django(hash)),
        other => other,
    }
}

/// A hash as Django knows it: it takes ours once its own name for argon2 stands before it.
pub(in crate::cli) fn to_django(hash: &str) -> String {
    if hash.starts_with(PHC) { format!("{PREFIX}{hash}") } else { hash.to_owned() }
}

/// Undoes [`to_django`]. The salt distinguishes a hash that we made from one that Django made, which
/// keeps its prefix and is replaced at the next sign-in.
fn from_django(hash: String) -> String {
    let ours = hash.strip_prefix(PREFIX).filter(|phc| {
        phc.starts_with(PHC) && phc.split('$').nth(4).is_some_and(|salt| salt.len() == OUR_SALT)
    });
    ours.map(str::to_owned).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::import::json;

    const OURS: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const DJANGOS: &str = "argon2$argon2id$v=19$m=102400,t=2,p=8$dThCYnN4NWJqMXJ3RllyU3J0MXlTbw$RRfd6ACa+gzzeaLYCc/szushoKsu7UogSr4G2iy83mA";

    fn read(content: &str) -> Parsed {
        rows(json::elements(content.as_bytes()).unwrap())
    }

    #[test]
    fn a_user_of_a_dump_is_its_pk_and_its_fields() {
        let parsed = read(
            r#"[{"model":"auth.user","pk":7,"fields":{"username":"ada","pk":9,"id":9,"groups":[1],"phone":"1"}}]"#,
        );
        let mut expected = Row::new(1);
        expected.add("pk", Raw::Integer(7));
        expected.add("username", Raw::Text("ada".into()));
        assert_eq!(parsed.rows, [expected]);
    }

    #[test]
    fn other_models_are_skipped_and_counted() {
        let parsed = read(
            r#"[{"model":"auth.group","pk":1,"fields":{}},{"model":"sessions.session"},
                {"model":"Auth.User","pk":1,"fields":{}}]"#,
        );
        assert_eq!((parsed.rows.len(), parsed.skipped, parsed.rows[0].number), (1, 2, 3));
    }

    #[test]
    fn what_is_no_object_of_a_dump_is_a_broken_row() {
        let parsed = read(r#"[7, {"pk":1}, {"model":"auth.user","pk":1,"fields":[]}, {"model":7}]"#);
        let reasons: Vec<_> = parsed.rows.iter().map(|row| row.broken.as_deref().unwrap_or("")).collect();
        assert_eq!(
            reasons,
            ["is not an object.", "has no \"model\".", "has no \"fields\".", "has no \"model\"."]
        );
    }

    #[test]
    fn our_hashes_go_to_django_and_back_and_djangos_own_stay_as_they_are() {
        assert_eq!(to_django(OURS), format!("argon2{OURS}"));
        for hash in [OURS, DJANGOS, "!abc", "pbkdf2_sha256$1$a$b", "", "argon2", "argon2$argon2id$"] {
            assert_eq!(from_django(to_django(hash)), hash);
        }
        assert_eq!(to_django(DJANGOS), DJANGOS);
    }
}
