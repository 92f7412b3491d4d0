//! Django's dumps in XML: the same objects as in JSON.

use std::borrow::Cow;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::bytes::Bytes;
use super::columns::{Mapping, Sought};
use super::django;
use super::json::Element;
use super::row::{Item, Place, Row};
use super::source::Stream;
use crate::model::raw::Raw;

/// The longest object that is taken apart, in bytes.
const LONGEST: usize = 1024 * 1024;
/// The longest tag that is looked at.
const LONGEST_TAG: usize = 4096;
const BEGIN: &[u8] = b"<object ";
const END: &[u8] = b"</object>";

/// Whether a file is a dump.
pub(super) fn is_dump(head: &[u8]) -> bool {
    head.trim_ascii_start().starts_with(b"<") && head.windows(15).any(|part| part == b"<django-objects")
}

/// Checks that the fields which were given to columns are there.
///
/// # Errors
/// The first that is not there, or field that is none.
pub(super) fn check(input: Stream, mapping: &Mapping) -> Result<(), String> {
    let mut sought = Sought::new(mapping);
    let mut objects = Objects::new(input, Vec::new());
    while !sought.are_found()
        && let Ok(Some((_, text))) = objects.object()
    {
        let text = std::str::from_utf8(&text).ok().filter(|text| text.len() <= LONGEST);
        if let Some(Ok(element)) = text.map(parse)
            && let Some(fields) = element.get("fields")
        {
            fields.names().into_iter().for_each(|name| sought.see(name));
        }
    }
    sought.check()
}

/// Reads the objects of a dump, one after the other.
pub(super) struct Objects {
    bytes: Bytes,
    row: u64,
    ended: bool,
    /// Whether the last tag was that of the end.
    is_closed: bool,
    mapping: Vec<(String, String)>,
}

impl Objects {
    /// With the fields that were given to columns.
    pub(super) fn new(input: Stream, mapping: Vec<(String, String)>) -> Self {
        Self { bytes: Bytes::new(input), row: 0, ended: false, is_closed: false, mapping }
    }

    fn byte(&mut self) -> Result<Option<u8>, String> {
        match self.bytes.skip() {
            None => self.bytes.failure.take().map_or(Ok(None), Err),
            byte => Ok(byte),
        }
    }

    /// The next object with its tags and with those within it, and the line on which it begins; `None` at the end of
    /// the file.
    fn object(&mut self) -> Result<Option<(u64, Vec<u8>)>, String> {
        let (mut text, mut tag) = (Vec::new(), Vec::new());
        let (mut line, mut depth) = (self.bytes.line, 0_u64);
        loop {
            let Some(byte) = self.byte()? else {
                return match (depth, self.is_closed) {
                    (0, true) => Ok(None),
                    (0, false) => Err("the file ends before </django-objects>.".into()),
                    _ => Err("the file ends in the middle of it.".into()),
                };
            };
            if byte == b'<' {
                tag.clear();
                line = if depth == 0 { self.bytes.line } else { line };
            }
            if tag.len() < LONGEST_TAG {
                tag.push(byte);
            }
            if depth > 0 && text.len() <= LONGEST {
                text.push(byte);
            }
            if byte != b'>' {
                continue;
            }
            if tag.starts_with(BEGIN) && !tag.ends_with(b"/>") {
                if depth == 0 {
                    text.clone_from(&tag);
                }
                depth += 1;
            } else if tag == END && depth > 0 {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some((line, text)));
                }
            }
            self.is_closed |= depth == 0 && tag.starts_with(b"</django-objects");
            tag.clear();
        }
    }
}

impl Iterator for Objects {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if self.ended {
            return None;
        }
        let begun = self.bytes.line;
        let found = self.object();
        self.row += 1;
        let (line, text) = match found {
            Ok(found) => found?,
            Err(reason) => {
                self.ended = true;
                return Some(Item::Row(Row::broken(Place { line: begun, row: self.row }, reason)));
            }
        };
        let place = Place { line, row: self.row };
        let parsed = match std::str::from_utf8(&text) {
            Ok(_) if text.len() > LONGEST => Err(format!("is longer than {LONGEST} bytes.")),
            Ok(text) => parse(text),
            Err(_) => Err("is not in UTF-8.".into()),
        };
        Some(match parsed {
            Ok(element) => django::record(place, element, &self.mapping),
            Err(reason) => Item::Row(Row::broken(place, reason)),
        })
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let found = tag.try_get_attribute(name).map_err(|error| format!("is not XML: {error}."))?;
    let value = found.map(|found| found.normalized_value(XmlVersion::Implicit1_0).map(Cow::into_owned));
    value.transpose().map_err(|error| format!("is not XML: {error}."))
}

/// An object as it would be in JSON: everything is text, but for what is none.
fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut object = Vec::new();
    let mut fields: Vec<(String, Element)> = Vec::new();
    let mut open: Option<(String, Raw)> = None;
    loop {
        let event = reader.read_event().map_err(|error| format!("is not XML: {error}."))?;
        match event {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == "object" && object.is_empty() => {
                for name in ["model", "pk"] {
                    if let Some(value) = attribute(&tag, name)? {
                        object.push((name.to_owned(), Element::Scalar(Raw::Text(value))));
                    }
                }
            }
            Event::Start(tag) if tag.name().as_ref() == "field" => {
                let name = attribute(&tag, "name")?.unwrap_or_default();
                // Of other models; their primary keys are elements of their own.
                let is_relation = attribute(&tag, "rel")?.is_some();
                open = Some((name, if is_relation { Raw::Other } else { Raw::Text(String::new()) }));
            }
            Event::Empty(tag) if tag.name().as_ref() == "field" => {
                let name = attribute(&tag, "name")?.unwrap_or_default();
                fields.push((name, Element::Scalar(Raw::Text(String::new()))));
            }
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == "None" => {
                if let Some((_, value)) = &mut open {
                    *value = Raw::Null;
                }
            }
            Event::End(tag) if tag.name().as_ref() == "field" => {
                fields.extend(open.take().map(|(name, value)| (name, Element::Scalar(value))));
            }
            Event::Text(part) => add(&mut open, &part),
            Event::CData(part) => add(&mut open, &part),
            Event::GeneralRef(entity) => {
                let character = entity.resolve_char_ref().map_err(|error| format!("is not XML: {error}."))?;
                let named = resolve_predefined_entity(&entity).map(str::to_owned);
                let text = character.map(String::from).or(named);
                add(&mut open, &text.ok_or_else(|| "has an entity that is not known.".to_owned())?);
            }
            _ => {}
        }
    }
    object.push(("fields".to_owned(), Element::Object(fields)));
    Ok(Element::Object(object))
}

fn add(open: &mut Option<(String, Raw)>, part: &str) {
    if let Some((_, Raw::Text(text))) = open {
        text.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    fn read(objects: &str) -> Vec<Item> {
        let content =
            format!("<?xml version=\"1.0\"?>\n<django-objects version=\"1.0\">{objects}</django-objects>");
        assert!(is_dump(content.as_bytes()));
        Objects::new(source(content.as_bytes()).stream().unwrap(), Vec::new()).collect()
    }

    #[test]
    fn an_object_is_read_as_in_json() {
        let items = read(
            "<object model=\"auth.group\" pk=\"1\"><field name=\"name\">x</field></object>\n\
             <object pk=\"7\" model=\"a.user\"><field name=\"password\">!</field><field name=\"last_login\"><None></None></field>\
             <field name=\"username\">d&apos;Arcy &amp; &#xe9;</field><field name=\"email\"></field>\
             <field name=\"is_staff\">True</field>\
             <field name=\"groups\" rel=\"ManyToManyRel\" to=\"auth.group\"><object pk=\"1\"/><object pk=\"2\"></object></field></object>",
        );
        let [Item::Skipped(group), Item::Row(row)] = &items[..] else { panic!("{items:?}") };
        assert_eq!((group.as_str(), row.place), ("auth.group", Place { line: 3, row: 2 }));
        let fields = ["pk", "username", "last_login", "email", "is_staff"];
        let expected = ["7".into(), "d'Arcy & é".into(), Raw::Null, "".into(), "True".into()];
        assert_eq!(fields.map(|field| row.get(field)), expected);
    }

    #[test]
    fn a_field_that_is_not_there_is_an_error() {
        let content = "<django-objects><object model=\"auth.group\" pk=\"1\"><field name=\"name\">x</field></object>\
                       <object model=\"a.user\" pk=\"1\"><field name=\"handle\">ada</field></object></django-objects>";
        let checked = |name: &str| {
            let mapping = [(name.to_owned(), "username".to_owned())];
            check(source(content.as_bytes()).stream().unwrap(), &mapping)
        };
        assert_eq!(checked("Handle"), Ok(()));
        assert_eq!(checked("handel"), Err("the file has no column \"handel\"".into()));
    }

    #[test]
    fn what_is_wrong_with_an_object_does_not_reach_the_next() {
        let good = "<object model=\"a.user\" pk=\"1\"><field name=\"password\">!</field><field name=\"last_login\"><None/></field></object>";
        let long = format!("<object model=\"x\">{}</object>", "x".repeat(LONGEST));
        for bad in
            ["<object model=\"x\"><field></object>", "<object model=\"x\">&huge;</object>", long.as_str()]
        {
            let items = read(&format!("{good}{bad}{good}"));
            let broken: Vec<bool> =
                items.iter().map(|item| matches!(item, Item::Row(row) if row.broken.is_some())).collect();
            assert_eq!(broken, [false, true, false], "{}", &bad[..40.min(bad.len())]);
        }
        assert!(matches!(&read("<object model=\"x\"><field")[..], [Item::Row(row)] if row.broken.is_some()));
    }
}
