//! One field as it arrived, from JSON, a form or a file, before it is known to fit.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::model::clock::Timestamp;
use crate::model::field_errors::{FieldErrors, Message};

/// One field as it arrived. In a struct with `#[serde(default)]`, a field that was not sent is [`Raw::Missing`].
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Raw {
    /// Not sent.
    #[default]
    Missing,
    /// JSON `null`.
    Null,
    /// A text.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Anything else: a fraction, an array, an object.
    Other,
}

impl Raw {
    /// A text field, parsed by `parse`; `None` without a message when it was not sent.
    pub fn text<T>(
        self,
        field: &'static str,
        errors: &mut FieldErrors,
        parse: impl FnOnce(&str) -> Result<T, Message>,
    ) -> Option<T> {
        let result = match self {
            Self::Missing => return None,
            Self::Null => Err(Message::Null),
            Self::Text(text) => parse(&text),
            Self::Bool(_) | Self::Integer(_) | Self::Other => Err(Message::NotAString),
        };
        result.map_err(|message| errors.add(field, message)).ok()
    }

    /// The same, with null as if the field was not sent.
    #[must_use]
    pub fn unless_null(self) -> Self {
        if self == Self::Null { Self::Missing } else { self }
    }

    /// Adds a message if the field was not sent.
    pub fn require(&self, field: &'static str, errors: &mut FieldErrors) {
        if *self == Self::Missing {
            errors.add(field, Message::Required);
        }
    }

    /// A text field that must be there, parsed by `parse`.
    pub fn required_text<T>(
        self,
        field: &'static str,
        errors: &mut FieldErrors,
        parse: impl FnOnce(&str) -> Result<T, Message>,
    ) -> Option<T> {
        self.require(field, errors);
        self.text(field, errors, parse)
    }

    /// An optional instant: `None` when it was not sent or does not fit, `Some(None)` for null and the empty text,
    /// which clear it.
    pub fn instant(self, field: &'static str, errors: &mut FieldErrors) -> Option<Option<Timestamp>> {
        match self {
            Self::Missing => return None,
            Self::Null => return Some(None),
            Self::Text(text) if text.trim().is_empty() => return Some(None),
            Self::Text(text) => {
                if let Some(at) = Timestamp::parse(text.trim()) {
                    return Some(Some(at));
                }
            }
            Self::Bool(_) | Self::Integer(_) | Self::Other => {}
        }
        errors.add(field, Message::NotAnInstant);
        None
    }

    /// An optional truth value, in all the spellings that old clients send.
    pub fn flag(self, field: &'static str, errors: &mut FieldErrors) -> Option<bool> {
        let value = match self {
            Self::Missing => return None,
            Self::Null => {
                errors.add(field, Message::Null);
                return None;
            }
            Self::Bool(value) => Some(value),
            Self::Integer(1) => Some(true),
            Self::Integer(0) => Some(false),
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
                "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
                _ => None,
            },
            Self::Integer(_) | Self::Other => None,
        };
        if value.is_none() {
            errors.add(field, Message::NotABoolean);
        }
        value
    }
}

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

/// Takes every value: what does not fit is for the field to say.
struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(i64::try_from(value).map_or(Raw::Other, Raw::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Raw, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Raw::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Raw, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Raw::Other)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_value_is_told_from_the_others() {
        for (value, raw) in [
            (json!(null), Raw::Null),
            (json!("a"), Raw::Text("a".into())),
            (json!(true), Raw::Bool(true)),
            (json!(-7), Raw::Integer(-7)),
            (json!(i64::MAX), Raw::Integer(i64::MAX)),
            (json!(u64::MAX), Raw::Other),
            (json!(1.0), Raw::Other),
            (json!([1, [2]]), Raw::Other),
            (json!({"a": {"b": 1}}), Raw::Other),
        ] {
            assert_eq!(serde_json::from_value::<Raw>(value.clone()).unwrap(), raw, "{value}");
            assert_eq!(serde_json::from_str::<Raw>(&value.to_string()).unwrap(), raw, "{value}");
        }
    }

    #[test]
    fn booleans_have_the_spellings_of_old_clients() {
        for (given, value) in [
            (Raw::Bool(true), true),
            (Raw::Integer(0), false),
            ("TRUE".into(), true),
            ("n".into(), false),
            ("On".into(), true),
            ("0".into(), false),
        ] {
            let mut errors = FieldErrors::default();
            assert_eq!(given.flag("is_active", &mut errors), Some(value));
            assert!(errors.is_empty());
        }
    }
}
