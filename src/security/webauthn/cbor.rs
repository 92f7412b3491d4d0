//! CBOR (RFC 8949), as much of it as authenticators send.

use ciborium::Value;

use super::Fault;

/// Arrays and maps within each other.
const DEEPEST: usize = 8;

/// Takes one item off the front of the bytes.
pub(super) fn take(bytes: &mut &[u8]) -> Result<Value, Fault> {
    ciborium::de::from_reader_with_recursion_limit(bytes, DEEPEST).map_err(|_| Fault::Malformed)
}

/// A map, whose keys differ.
pub(super) struct Map(Vec<(Value, Value)>);

impl Map {
    /// Takes one off the front of the bytes.
    pub(super) fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        let Value::Map(entries) = take(bytes)? else { return Err(Fault::Malformed) };
        let is_repeated = |(place, (key, _)): (usize, &(Value, Value))| {
            entries[..place].iter().any(|(earlier, _)| earlier == key)
        };
        if entries.iter().enumerate().any(is_repeated) {
            return Err(Fault::Malformed);
        }
        Ok(Self(entries))
    }

    /// What stands under a key.
    pub(super) fn get(&self, key: impl Into<Value>) -> Option<&Value> {
        let key = key.into();
        self.0.iter().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    /// The number under a key.
    pub(super) fn number(&self, key: i64) -> Option<i128> {
        self.get(key)?.as_integer().map(i128::from)
    }

    /// The bytes under a key.
    pub(super) fn bytes(&self, key: impl Into<Value>) -> Option<&[u8]> {
        self.get(key)?.as_bytes().map(Vec::as_slice)
    }
}
