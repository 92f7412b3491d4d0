//! The tokens of API clients: signed statements that name a session.
//!
//! A token is a JWT, signed with HMAC-SHA-256 by a key of the installation. It gives no right by
//! itself: it names a user and the secret of a session row, which is looked up at every request, so
//! a token ends with its session. Since only this program makes and reads them, the header is fixed
//! to the letter: there is no algorithm to choose and none to confuse.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::model::clock::Timestamp;
use crate::model::mac::mac;
use crate::model::session::Secret;
use crate::model::user::UserId;

/// `{"alg":"HS256","typ":"JWT"}`, the only header.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// The issuer and audience of the tokens.
const ISSUER: &str = "usher";
/// How far the clocks of two instances may differ, in seconds: a token may come from the future by
/// so much. Its end is never stretched.
const LEEWAY: i64 = 30;
/// Longer than any token of ours.
const MAX_LENGTH: usize = 2048;

/// What a token is good for. One kind is never accepted for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// For requests, for minutes.
    Access,
    /// For new access tokens, as long as the session lives.
    Refresh,
}

/// What a token says. Every member is required, times are whole numbers of seconds, and nothing else
/// may stand beside them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    typ: Kind,
}

/// Signs and reads tokens.
#[derive(Clone)]
pub struct TokenKey(Hmac<Sha256>);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

/// The session that a good token names.
#[derive(Debug)]
pub struct SessionClaim {
    /// The token's user.
    pub user: UserId,
    /// The session's secret.
    pub secret: Secret,
}

impl TokenKey {
    /// From 32 bytes that nothing else uses.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(mac(key))
    }

    /// A token of that kind, from now to `expires_at`.
    #[must_use]
    pub fn sign(&self, kind: Kind, named: &SessionClaim, now: Timestamp, expires_at: Timestamp) -> String {
        let claims = Claims {
            iss: ISSUER.into(),
            aud: ISSUER.into(),
            sub: named.user.to_string(),
            sid: named.secret.to_text(),
            jti: Secret::random().to_text(),
            iat: now.seconds(),
            nbf: now.seconds(),
            exp: expires_at.seconds(),
            typ: kind,
        };
        let json = serde_json::to_vec(&claims).unwrap_or_default();
        let mut token = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(json));
        let signature = self.0.clone().chain_update(&token).finalize().into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// Reads a token of that kind which is good now; of any kind if none is demanded.
    ///
    /// # Errors
    /// `None` for anything else, without saying which check failed.
    #[must_use]
    pub fn read(&self, kind: Option<Kind>, token: &str, now: Timestamp) -> Option<(Kind, SessionClaim)> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let payload = signed.strip_prefix(HEADER)?.strip_prefix('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.0.clone().chain_update(signed).verify_slice(&signature).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let now = now.seconds();
        let good = claims.iss == ISSUER
            && claims.aud == ISSUER
            && kind.is_none_or(|kind| claims.typ == kind)
            && claims.iat <= now.saturating_add(LEEWAY)
            && claims.nbf <= now.saturating_add(LEEWAY)
            && now < claims.exp;
        let user = UserId(claims.sub.parse().ok()?);
        let secret = Secret::from_text(&claims.sid)?;
        good.then_some((claims.typ, SessionClaim { user, secret }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn key() -> TokenKey {
        TokenKey::new(&[7; 32])
    }

    fn named() -> SessionClaim {
        SessionClaim { user: UserId(42), secret: Secret::random() }
    }

    fn later(seconds: u64) -> Timestamp {
        NOW.plus(std::time::Duration::from_secs(seconds))
    }

    /// A token with any header and payload, correctly signed.
    fn forge(header: &Value, payload: &Value, key: &TokenKey) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(payload));
        let signature = key.0.clone().chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn header() -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(HEADER).unwrap()).unwrap()
    }

    fn payload() -> Value {
        let now = NOW.seconds();
        json!({"iss": "usher", "aud": "usher", "sub": "42", "sid": Secret::random().to_text(), "jti": "x",
               "iat": now, "nbf": now, "exp": now + 300, "typ": "access"})
    }

    #[test]
    fn a_token_is_read_until_its_last_second() {
        let token = key().sign(Kind::Access, &named(), NOW, later(300));
        assert_eq!(key().read(Some(Kind::Access), &token, later(299)).unwrap().1.user, UserId(42));
        assert!(key().read(Some(Kind::Access), &token, later(300)).is_none());
    }

    #[test]
    fn tk_2_one_kind_is_not_accepted_for_the_other() {
        let token = key().sign(Kind::Refresh, &named(), NOW, later(300));
        assert!(key().read(Some(Kind::Access), &token, NOW).is_none());
        assert!(key().read(None, &token, NOW).is_some());
    }

    #[test]
    fn tk_1_the_forged_payload_is_accepted_as_it_stands() {
        // The control of the tests below: without their change, the token is good.
        assert_eq!(header().to_string(), r#"{"alg":"HS256","typ":"JWT"}"#);
        let token = forge(&header(), &payload(), &key());
        assert!(key().read(Some(Kind::Access), &token, NOW).is_some());
    }

    #[test]
    fn tk_1_other_algorithms_headers_and_keys_are_refused() {
        for changed in [
            json!({"alg": "none", "typ": "JWT"}),
            json!({"alg": "HS512", "typ": "JWT"}),
            json!({"alg": "RS256", "typ": "JWT"}),
            json!({"alg": "HS256", "typ": "JWT", "kid": "../../dev/null"}),
            json!({"alg": "HS256", "typ": "JWT", "jku": "https://example.org/keys"}),
        ] {
            let token = forge(&changed, &payload(), &key());
            assert!(key().read(None, &token, NOW).is_none(), "{changed}");
        }
        let other = forge(&header(), &payload(), &TokenKey::new(&[8; 32]));
        assert!(key().read(None, &other, NOW).is_none());
        let unsigned = format!("{HEADER}.{}.", URL_SAFE_NO_PAD.encode(payload().to_string()));
        assert!(key().read(None, &unsigned, NOW).is_none());
    }

    #[test]
    fn tk_1_missing_mistyped_and_wrong_claims_are_refused() {
        let now = NOW.seconds();
        for claim in ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "typ"] {
            for wrong in [Value::Null, json!([now]), json!(now.to_string() + "x"), json!(0.5), json!({})] {
                let mut changed = payload();
                changed[claim] = wrong.clone();
                if claim == "jti" && wrong.is_string() {
                    continue;
                }
                let token = forge(&header(), &changed, &key());
                assert!(key().read(None, &token, NOW).is_none(), "{claim}: {wrong}");
            }
            let mut missing = payload();
            missing.as_object_mut().unwrap().remove(claim);
            assert!(key().read(None, &forge(&header(), &missing, &key()), NOW).is_none(), "no {claim}");
        }
        for (claim, wrong) in [
            ("exp", json!(now)),
            ("exp", json!(f64::from(i32::MAX) + 0.5)),
            ("exp", json!("9999999999")),
            ("nbf", json!(now + LEEWAY + 1)),
            ("iat", json!(now + LEEWAY + 1)),
            ("iss", json!("other")),
            ("aud", json!("other")),
            ("typ", json!("session")),
            ("admin", json!(true)),
        ] {
            let mut changed = payload();
            changed[claim] = wrong.clone();
            assert!(key().read(None, &forge(&header(), &changed, &key()), NOW).is_none(), "{claim}: {wrong}");
        }
    }

    #[test]
    fn tk_1_a_changed_byte_anywhere_is_refused() {
        let token = key().sign(Kind::Access, &named(), NOW, later(300));
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(key().read(None, &changed, NOW).is_none(), "byte {index}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}|[A-Za-z0-9_.-]{0,80}") {
            prop_assert!(key().read(None, &text, NOW).is_none());
        }
    }
}
