//! Values that a browser keeps and cannot make: each with a message authentication code over it and over what it is
//! bound to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;

use crate::model::mac::mac;

/// Length of a code, in bytes.
const CODE: usize = 32;

/// Signs such values.
#[derive(Clone)]
pub struct SignatureKey([u8; 32]);

impl std::fmt::Debug for SignatureKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignatureKey(..)")
    }
}

impl SignatureKey {
    /// From 32 bytes that nothing else uses.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The value for a cookie: URL-safe base64.
    #[must_use]
    pub fn sign(&self, bound_to: i64, content: &[u8]) -> String {
        let code: [u8; CODE] = mac(&self.0)
            .chain_update(bound_to.to_be_bytes())
            .chain_update(content)
            .finalize()
            .into_bytes()
            .into();
        URL_SAFE_NO_PAD.encode([&code[..], content].concat())
    }

    /// The content of a value that was signed with this key and bound to the same; takes the same time whatever differs.
    #[must_use]
    pub fn open(&self, bound_to: i64, value: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (code, content) = bytes.split_first_chunk::<CODE>()?;
        let proof = mac(&self.0).chain_update(bound_to.to_be_bytes()).chain_update(content);
        proof.verify_slice(code).is_ok().then(|| content.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cs_5_a_value_is_opened_only_as_it_was_signed_and_where_it_was_bound_to() {
        let key = SignatureKey::new([7; 32]);
        let value = key.sign(5, b"text");
        assert_eq!(key.open(5, &value), Some(b"text".to_vec()));
        assert_eq!(key.open(6, &value), None, "bound to another session");
        assert_eq!(SignatureKey::new([8; 32]).open(5, &value), None, "by another key");
        let altered = format!("{}{}", &value[..value.len() - 2], "AA");
        for bad in ["", "x", &altered, &value[..20], &URL_SAFE_NO_PAD.encode(b"text"), &format!("{value}A")] {
            assert_eq!(key.open(5, bad), None, "{bad}");
        }
    }
}
