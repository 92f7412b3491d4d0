//! JSON files: an array of objects as the API shows users, with `password` for the hash.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::row::{Parsed, Row, field};
use crate::model::raw::Raw;

/// A value as far as a file of users needs it: members in their order, also those that are there
/// twice, so that this is the problem of one row and not of the file.
#[derive(Debug)]
pub(super) enum Element {
    /// An object.
    Object(Vec<(String, Element)>),
    /// Anything else.
    Scalar(Raw),
}

impl Element {
    /// The value as a field's; an object fits none.
    pub(super) fn into_raw(self) -> Raw {
        match self {
            Self::Scalar(raw) => raw,
            Self::Object(_) => Raw::Other,
        }
    }
}

/// The elements of an array.
///
/// # Errors
/// What is wrong with the JSON, with line and column.
pub(super) fn elements(content: &[u8]) -> Result<Vec<Element>, String> {
    if content.trim_ascii_start().first() != Some(&b'[') {
        return Err("the JSON is refused: expected an array of users".into());
    }
    serde_json::from_slice(content).map_err(|error| format!("the JSON is refused: {error}"))
}

/// One row an element.
pub(super) fn rows(elements: Vec<Element>) -> Parsed {
    let rows = elements.into_iter().zip(1..).map(|(element, number)| row(number, element)).collect();
    Parsed { rows, skipped: 0 }
}

fn row(number: usize, element: Element) -> Row {
    let Element::Object(members) = element else {
        return Row::broken(number, "is not an object.");
    };
    let mut row = Row::new(number);
    for (name, value) in members {
        match field(&name) {
            Some(field) => row.add(field, value.into_raw()),
            // Ignored, a mistyped name would lose data without a word.
            None => row.problems.push(format!("{name:?} is not a field of a user.")),
        }
    }
    row
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Element, E> {
        Ok(Element::Scalar(Raw::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Element, E> {
        Ok(Element::Scalar(Raw::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Element, E> {
        Ok(Element::Scalar(Raw::Integer(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Element, E> {
        Ok(Element::Scalar(i64::try_from(value).map_or(Raw::Other, Raw::Integer)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Element, E> {
        Ok(Element::Scalar(Raw::Other))
    }

    fn visit_str<E>(self, value: &str) -> Result<Element, E> {
        Ok(Element::Scalar(Raw::Text(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Element, E> {
        Ok(Element::Scalar(Raw::Text(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Element, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Element::Scalar(Raw::Other))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Element, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(Element::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Vec<Row> {
        rows(elements(content.as_bytes()).unwrap()).rows
    }

    #[test]
    fn every_kind_of_value_arrives_as_it_is() {
        let rows = read(
            r#"[{"username":"a\u00e9","pk":7,"last_login":null,"is_staff":true,"is_active":1.5,
                 "email":[[1],{}],"first_name":{"a":[]},"last_name":18446744073709551615}]"#,
        );
        let values = ["username", "pk", "last_login", "is_staff", "is_active", "email", "first_name"];
        assert_eq!(
            values.map(|name| rows[0].get(name)),
            [
                Raw::Text("aé".into()),
                Raw::Integer(7),
                Raw::Null,
                Raw::Bool(true),
                Raw::Other,
                Raw::Other,
                Raw::Other
            ]
        );
        assert_eq!((rows[0].get("last_name"), rows[0].get("password")), (Raw::Other, Raw::Missing));
        assert!(rows[0].problems.is_empty());
    }

    #[test]
    fn id_is_another_name_of_pk() {
        assert_eq!(read(r#"[{"id":7}]"#)[0].get("pk"), Raw::Integer(7));
        assert_eq!(read(r#"[{"id":7,"pk":7}]"#)[0].problems, ["pk: is there twice."]);
    }

    #[test]
    fn what_would_be_lost_is_a_problem_of_its_row() {
        let rows = read(r#"[{"username":"a","username":"b","is_staf":true}, 7, {"username":"c"}]"#);
        assert_eq!(rows[0].problems, ["username: is there twice.", "\"is_staf\" is not a field of a user."]);
        assert_eq!(rows[1].broken.as_deref(), Some("is not an object."));
        assert!(rows[2].problems.is_empty());
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let deep = format!("{}1{}", "[{\"a\":".repeat(100_000), "}]".repeat(100_000));
        assert!(elements(deep.as_bytes()).is_ok(), "an array inside is only skipped");
        let deep = format!("[{}1{}]", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert!(elements(deep.as_bytes()).unwrap_err().contains("recursion limit"));
    }
}
