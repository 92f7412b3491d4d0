//! Objects of JSON files: as the API shows users, with what an export adds.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

use super::elements::{Elements, Found};
use super::row::{Item, OBJECTS, Place, Row, field};
#[cfg(test)]
use super::source::Stream;
use crate::model::raw::Raw;

/// A value as far as a file of users needs it: members in their order, also those that are there
/// twice, so that this is the problem of one row and not of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Element {
    /// An object.
    Object(Vec<(String, Element)>),
    /// An array.
    Array(Vec<Element>),
    /// Anything else.
    Scalar(Raw),
}

impl Element {
    /// The value as a field's; an object or an array fits none.
    pub(super) fn into_raw(self) -> Raw {
        match self {
            Self::Scalar(raw) => raw,
            Self::Object(_) | Self::Array(_) => Raw::Other,
        }
    }

    /// The names of its members.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Object(members) => members.iter().map(|(name, _)| name.as_str()).collect(),
            Self::Array(_) | Self::Scalar(_) => Vec::new(),
        }
    }

    /// The member of that name.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// The member of that name as a field's value.
    pub(super) fn raw(&self, name: &str) -> Raw {
        self.get(name).map_or(Raw::Missing, |value| value.clone().into_raw())
    }

    /// The text of the member of that name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Self::Scalar(Raw::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The elements of the array that is the member of that name; none if it is none.
    pub(super) fn array(&self, name: &str) -> &[Self] {
        match self.get(name) {
            Some(Self::Array(elements)) => elements,
            _ => &[],
        }
    }

    /// Whether it is this text.
    pub(super) fn is_text(&self, expected: &str) -> bool {
        matches!(self, Self::Scalar(Raw::Text(text)) if text == expected)
    }

    /// The value as the text that it was, in the order of its members.
    fn to_value(&self) -> Value {
        match self {
            Self::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), value.to_value())).collect()
            }
            Self::Array(elements) => elements.iter().map(Self::to_value).collect(),
            Self::Scalar(Raw::Text(text)) => text.as_str().into(),
            Self::Scalar(Raw::Bool(flag)) => (*flag).into(),
            Self::Scalar(Raw::Integer(number)) => (*number).into(),
            Self::Scalar(Raw::Missing | Raw::Null | Raw::Other) => Value::Null,
        }
    }
}

/// The rows of a file, whatever they are of.
#[cfg(test)]
pub(super) fn rows(
    stream: Stream,
    mut read: impl FnMut(Place, Element) -> Item + Send + 'static,
) -> impl Iterator<Item = Item> + Send {
    rows_of_parts(Elements::new(stream), move |place, _, element| read(place, element))
}

/// The rows of a file, one an element. `read` is told the realm or the table that an element is of.
pub(super) fn rows_of_parts(
    elements: Elements,
    mut read: impl FnMut(Place, Option<&str>, Element) -> Item + Send + 'static,
) -> impl Iterator<Item = Item> + Send {
    elements.zip(1..).map(move |(found, row)| {
        let place = Place { line: found.line, row };
        let part = found.part.clone();
        match parse(found) {
            Ok(element @ Element::Object(_)) => read(place, part.as_deref(), element),
            Ok(_) => Item::Row(Row::broken(place, "is not an object.")),
            Err(reason) => Item::Row(Row::broken(place, reason)),
        }
    })
}

/// Takes an element apart.
///
/// # Errors
/// What is wrong with it, and where in the file.
pub(super) fn parse(found: Found) -> Result<Element, String> {
    let Found { line, column, content, .. } = found;
    serde_json::from_slice(&content?).map_err(|error| {
        let message = error.to_string();
        let reason = message.split(" at line ").next().unwrap_or_default();
        let below = u64::try_from(error.line()).unwrap_or(1).saturating_sub(1);
        let within = u64::try_from(error.column()).unwrap_or(0);
        let column = if below == 0 { (column + within).saturating_sub(1).max(1) } else { within };
        format!("is not JSON: {reason} at line {} column {column}.", line + below)
    })
}

/// Whether an element is a record of ours: it has no members but those of one.
pub(super) fn is_record(element: &Element) -> bool {
    let Element::Object(members) = element else { return false };
    members.iter().all(|(name, _)| field(name).is_some())
}

/// A record of ours.
pub(super) fn record(place: Place, element: Element) -> Item {
    let mut row = Row::new(place);
    let Element::Object(members) = element else { return Item::Row(Row::broken(place, "is not an object.")) };
    for (name, value) in members {
        match field(&name) {
            Some(field) if OBJECTS.contains(&field) && value != Element::Scalar(Raw::Null) => {
                row.add(field, as_text(value));
            }
            Some(field) => row.add(field, value.into_raw()),
            // Ignored, a mistyped name would lose data without a word.
            None => row.problems.push(format!("{name:?} is not a field of a user.")),
        }
    }
    Item::Row(row)
}

/// An object as its text, as the other formats have it.
fn as_text(value: Element) -> Raw {
    match value {
        Element::Object(_) => Raw::Text(value.to_value().to_string()),
        other => other.into_raw(),
    }
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

    /// Python writes whole numbers so that stand among gaps.
    fn visit_f64<E>(self, value: f64) -> Result<Element, E> {
        Ok(Element::Scalar(value.to_string().parse().map_or(Raw::Other, Raw::Integer)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Element, E> {
        Ok(Element::Scalar(Raw::Text(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Element, E> {
        Ok(Element::Scalar(Raw::Text(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Element, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = entries.next_element()? {
            elements.push(element);
        }
        Ok(Element::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Element, A::Error> {
        let mut members: Vec<(String, Element)> = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        // Dates and numbers as MongoDB's export has them.
        Ok(match &mut members[..] {
            [(name, value)] if ["$date", "$numberLong", "$numberInt"].contains(&name.as_str()) => {
                std::mem::replace(value, Element::Scalar(Raw::Null))
            }
            _ => Element::Object(members),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    fn read(content: &str) -> Vec<Row> {
        let stream = source(content.as_bytes()).stream().unwrap();
        let row = |item| match item {
            Item::Row(row) => row,
            Item::Skipped(kind) => panic!("{kind}"),
        };
        rows(stream, record).map(row).collect()
    }

    #[test]
    fn every_kind_of_value_arrives_as_it_is() {
        let rows = read(
            r#"[{"username":"a\u00e9","pk":7,"last_login":null,"is_staff":true,"is_active":1.5,
                 "email":[[1],{}],"first_name":{"a":[]},"last_name":18446744073709551615,
                 "preferences":{"theme":"dark","rows":25}}]"#,
        );
        let fields =
            ["username", "pk", "last_login", "is_staff", "is_active", "email", "first_name", "preferences"];
        assert_eq!(
            fields.map(|name| rows[0].get(name)),
            [
                Raw::Text("aé".into()),
                Raw::Integer(7),
                Raw::Null,
                Raw::Bool(true),
                Raw::Other,
                Raw::Other,
                Raw::Other,
                Raw::Text(r#"{"rows":25,"theme":"dark"}"#.into()),
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
        assert_eq!(rows.iter().map(|row| row.place.row).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_bad_value_is_the_problem_of_one_row_and_has_its_place() {
        for (bad, place) in [
            ("{\"pk\":1e400}", "number out of range at line 2 column 11."),
            ("{\"username\":\"\\ud800\"}", "at line 2 column "),
            ("{\"username\":\n\"ada\",}", "trailing comma at line 3 column 7."),
            ("{\"a\":\"\u{1}\"}", "at line 2 column "),
        ] {
            let rows = read(&format!("[{{\"pk\":1}},\n{bad},\n{{\"pk\":2}},]"));
            assert_eq!((rows[0].get("pk"), rows[2].get("pk")), (Raw::Integer(1), Raw::Integer(2)));
            let reason = rows[1].broken.as_deref().unwrap();
            assert!(reason.starts_with("is not JSON: ") && reason.contains(place), "{reason}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_the_problem_of_one_row() {
        let stream = source(b"[{\"email\":\"\xc3\xa9\"},{\"email\":\"\xff\"}]").stream().unwrap();
        let items: Vec<Item> = rows(stream, record).collect();
        let [Item::Row(good), Item::Row(bad)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(good.get("email"), Raw::Text("é".into()));
        assert!(bad.broken.as_deref().unwrap().contains("line 1 column"), "{bad:?}");
    }

    #[test]
    fn deep_nesting_is_the_problem_of_one_row() {
        let deep = format!("[{{\"a\":{}1{}}},{{}}]", "[".repeat(100_000), "]".repeat(100_000));
        let rows = read(&deep);
        assert!(rows[0].broken.as_deref().unwrap().contains("recursion limit"));
        assert_eq!(rows.len(), 2);
    }
}
