//! What `manage.py dumpdata` writes: objects with `model`, `pk` and `fields`, of any user model.

use super::columns::{self, Mapping};
use super::json::Element;
use super::row::{Item, Place, Row, STATES, field};
use crate::model::raw::Raw;

/// Django's own model of users, in which exports are written.
pub(crate) const MODEL: &str = "auth.user";

/// What Django puts before an argon2 hash.
const PREFIX: &str = "argon2";
/// What every argon2id hash begins with.
const PHC: &str = "$argon2id$";
/// Characters of base64 that the 16 bytes of a salt of ours make. Django's salts are 22 letters and
/// digits (12 before Django 3.2), which make 30 (or 16).
const OUR_SALT: usize = 22;

/// Whether an element is an object of a dump, whatever its model.
pub(super) fn is_dumped(element: &Element) -> bool {
    element.get("model").is_some() && element.get("fields").is_some()
}

/// Whether an object of a dump is a user: only a user model has both of these fields.
pub(super) fn is_user(element: &Element) -> bool {
    let is_named = matches!(element.raw("model"), Raw::Text(model) if model.eq_ignore_ascii_case(MODEL));
    let has = |name: &str| element.get("fields").is_some_and(|fields| fields.get(name).is_some());
    is_named || has("password") && has("last_login")
}

/// A user of a dump. Fields that are not kept here, such as `groups`, are left out.
pub(super) fn record(place: Place, element: Element, mapping: &Mapping) -> Item {
    let Raw::Text(model) = element.raw("model") else {
        return Item::Row(Row::broken(place, "has no \"model\"."));
    };
    if !is_user(&element) {
        return Item::Skipped(model);
    }
    let mut row = Row::new(place);
    let mut fields = None;
    let Element::Object(members) = element else { return Item::Row(Row::broken(place, "is not an object.")) };
    for (name, value) in members {
        match name.as_str() {
            "fields" => fields = Some(value),
            "pk" => row.add("pk", value.into_raw()),
            _ => {}
        }
    }
    let Some(Element::Object(fields)) = fields else {
        return Item::Row(Row::broken(place, "has no \"fields\"."));
    };
    let mut others = Vec::new();
    let given = |name: &str| mapping.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let taken = |field: &&str| mapping.iter().any(|(_, taken)| taken == field);
    for (name, value) in fields {
        if let Some((_, field)) = given(&name) {
            if let Some(field) = columns::target(field) {
                let value = value.into_raw();
                row.add_column(field, if field == "password" { stored(value) } else { value });
            }
            continue;
        }
        match field(&name).filter(|field| *field != "pk" && !taken(field)) {
            Some("password") => row.add("password", stored(value.into_raw())),
            Some(field) => row.add_column(field, value.into_raw()),
            None => others.push((name, value)),
        }
    }
    complete(&mut row, others);
    Item::Row(row)
}

/// What models of their own call differently: a whole name, or the state of the account.
fn complete(row: &mut Row, others: Vec<(String, Element)>) {
    let mut not_read = Vec::new();
    for (name, value) in others {
        match name.as_str() {
            "pk" | "id" => {}
            "name" | "full_name" | "fullname" => row.add_if_missing("full_name", value.into_raw()),
            "created_at" | "created" | "joined_at" => row.add_if_missing("date_joined", value.into_raw()),
            _ => match columns::field(&name)
                .filter(|field| STATES.contains(field) || *field == "blocked_until")
            {
                Some(_) if value == Element::Scalar(Raw::Null) => {}
                Some(state) => row.add_column(state, value.into_raw()),
                None => not_read.push(name),
            },
        }
    }
    row.not_read = not_read.into();
}

fn stored(hash: Raw) -> Raw {
    match hash {
        Raw::Text(hash) => Raw::Text(from_django(hash)),
        other => other,
    }
}

/// A hash as Django knows it: it takes ours once its own name for argon2 stands before it.
pub(crate) fn to_django(hash: &str) -> String {
    if hash.starts_with(PHC) { format!("{PREFIX}{hash}") } else { hash.to_owned() }
}

/// Undoes [`to_django`]. The salt distinguishes a hash that we made from one that Django made, which
/// keeps its prefix and is replaced at the next sign-in.
pub(super) fn from_django(hash: String) -> String {
    let ours = hash.strip_prefix(PREFIX).filter(|phc| {
        phc.starts_with(PHC) && phc.split('$').nth(4).is_some_and(|salt| salt.len() == OUR_SALT)
    });
    ours.map(str::to_owned).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::super::source::tests::source;
    use super::*;

    const OURS: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const DJANGOS: &str = "argon2$argon2id$v=19$m=102400,t=2,p=8$dThCYnN4NWJqMXJ3RllyU3J0MXlTbw$RRfd6ACa+gzzeaLYCc/szushoKsu7UogSr4G2iy83mA";

    fn read(content: &str) -> Vec<Item> {
        let read = |place, element| record(place, element, &[]);
        json::rows(source(content.as_bytes()).stream().unwrap(), read).collect()
    }

    fn row(content: &str) -> Row {
        let Some(Item::Row(row)) = read(content).pop() else { panic!("{content}") };
        row
    }

    #[test]
    fn a_user_of_a_dump_is_its_pk_and_its_fields() {
        let found = row(
            r#"[{"model":"auth.user","pk":7,"fields":{"username":"ada","pk":9,"id":9,"groups":[1],"phone":"1"}}]"#,
        );
        let mut expected = Row::new(Place { line: 1, row: 1 });
        expected.add("pk", Raw::Integer(7));
        expected.add("username", Raw::Text("ada".into()));
        expected.not_read = ["groups".to_owned(), "phone".to_owned()].into();
        assert_eq!(found, expected);
    }

    #[test]
    fn users_of_any_model_are_told_by_what_only_users_have() {
        let items = read(
            r#"[{"model":"auth.group","pk":1,"fields":{}},{"model":"sessions.session","fields":{}},
                {"model":"accounts.profile","pk":1,"fields":{"username":"x"}},
                {"model":"Auth.User","pk":1,"fields":{}},
                {"model":"accounts.user","pk":7,"fields":{"password":"!","last_login":null,"username":"ada"}}]"#,
        );
        let kinds: Vec<_> = items
            .iter()
            .map(|item| match item {
                Item::Row(row) => row.place.row.to_string(),
                Item::Skipped(model) => model.clone(),
            })
            .collect();
        assert_eq!(kinds, ["auth.group", "sessions.session", "accounts.profile", "4", "5"]);
    }

    #[test]
    fn models_of_their_own_have_other_names_for_some_fields() {
        let row = row(r#"[{"model":"a.b","pk":"0a93ced4-b6ea-4f2c-a9e3-0a6a08b0d400",
                 "fields":{"password":"","last_login":null,"email":"a@b.co","name":"Ada Lovelace"}}]"#);
        assert_eq!(row.get("full_name"), "Ada Lovelace".into());
    }

    #[test]
    fn models_of_their_own_tell_the_state_of_an_account_in_several_fields() {
        for state in
            [r#""is_blocked":true"#, r#""status":"Suspended""#, r#""deleted_at":"2024-01-01T00:00:00Z""#]
        {
            let row = row(&format!(
                r#"[{{"model":"a.b","pk":1,"fields":{{"password":"","last_login":null,"username":"ada","is_active":true,{state}}}}}]"#
            ));
            assert_eq!(super::super::states::is_active(&row, None), Raw::Bool(false), "{state}");
        }
    }

    #[test]
    fn a_field_of_a_model_can_be_said_to_be_one_of_ours() {
        let user = r#"{"model":"a.b","pk":1,"fields":{"password":"!","last_login":null,"handle":"ada","username":"x","is_staff":true}}"#;
        let mapping = [("Handle".to_owned(), "username".to_owned()), ("is_staff".to_owned(), String::new())];
        let Item::Row(row) = record(Place::default(), serde_json::from_str(user).unwrap(), &mapping) else {
            panic!("{user}")
        };
        assert_eq!((row.get("username"), row.get("is_staff")), ("ada".into(), Raw::Missing));
    }

    #[test]
    fn what_is_no_object_of_a_dump_is_a_broken_row() {
        let items = read(r#"[7, {"pk":1}, {"model":"auth.user","pk":1,"fields":[]}, {"model":7}]"#);
        let reason = |item: &Item| match item {
            Item::Row(row) => row.broken.clone().unwrap_or_default(),
            Item::Skipped(model) => model.clone(),
        };
        assert_eq!(
            items.iter().map(reason).collect::<Vec<_>>(),
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
