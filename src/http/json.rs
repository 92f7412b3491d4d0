//! JSON bodies: an object, no member twice, bounded in depth.
//!
//! `serde_json` keeps the last of two equal members; a proxy or log before us may have kept the other,
//! so both are refused. A number without a fraction is an integer, however it is written: to JSON `148.0` is `148`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads an object. Nesting deeper than 128 levels is refused by `serde_json` itself.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(bytes) {
        Ok(Strict(Value::Object(members))) => Ok(members),
        Ok(Strict(_)) => Err("expected an object".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads a value of any kind, as strictly.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn parse_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map(|Strict(value)| value).map_err(|error| error.to_string())
}

/// A value in which no object has a member twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // A float is read to within a step or two, which below 2^49 are smaller than the way to another integer.
        const EXACT: f64 = 562_949_953_421_312.0;
        if value.fract() == 0.0 && value.abs() < EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range of i64")]
            return Ok((value as i64).into());
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member {name:?} is there twice")));
            }
            let Strict(value) = entries.next_value()?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn in_2_what_is_not_one_plain_object_is_refused() {
        for (body, reason) in [
            ("[]", "expected an object"),
            ("null", "expected an object"),
            ("{", "EOF"),
            ("{} {}", "trailing characters"),
            (r#"{"a":1,"a":2}"#, r#"the member "a" is there twice"#),
            (r#"{"a":[{"b":1,"b":1}]}"#, r#"the member "b" is there twice"#),
            (r#"{"a":1e400}"#, "number out of range"),
            (r#"{"a":"\ud800"}"#, "hex escape"),
            (r#"{"a":NaN}"#, "expected value"),
        ] {
            let refusal = parse_object(body.as_bytes()).unwrap_err();
            assert!(refusal.contains(reason), "{body}: {refusal}");
        }
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_err());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parse_object(deep.as_bytes()).unwrap_err().contains("recursion limit"));
    }

    #[test]
    fn a_number_without_a_fraction_is_an_integer_however_it_is_written() {
        for (text, number) in [
            ("148.0", Some(148)),
            ("1.48e2", Some(148)),
            ("-3.0", Some(-3)),
            ("-0.0", Some(0)),
            ("562949953421311.0", Some(562_949_953_421_311)),
            ("562949953421313.0", None),
            ("9007199254740993.0", None),
            ("148.5", None),
            ("1e300", None),
        ] {
            let members = parse_object(format!("{{\"a\":[{text}]}}").as_bytes()).unwrap();
            assert_eq!(members["a"][0].as_i64(), number, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_read_back(text in "\\PC{0,20}", number in any::<i64>(), quarters in any::<i32>()) {
            let fraction = f64::from(quarters) + 0.25;
            let value = serde_json::json!({"text": text, "list": [number, fraction, null, true], "object": {"a": {}}});
            prop_assert_eq!(Value::Object(parse_object(value.to_string().as_bytes()).unwrap()), value);
        }
    }
}
