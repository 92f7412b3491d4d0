//! What the browser says about the page that asked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Expected, Fault};

/// The client data of either ceremony. Members that are not known are ignored, as the specification wants it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: Option<bool>,
    #[serde(default)]
    top_origin: Option<String>,
}

/// Steps 4 to 11 of registration, 7 to 13 and 19 of an assertion: checks the client data; its hash.
pub(super) fn check(bytes: &[u8], kind: &str, expected: &Expected<'_>) -> Result<[u8; 32], Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::Malformed)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let data: ClientData = serde_json::from_str(text).map_err(|_| Fault::Malformed)?;
    if data.kind != kind {
        return Err(Fault::Type);
    }
    if data.challenge != URL_SAFE_NO_PAD.encode(expected.challenge) {
        return Err(Fault::Challenge);
    }
    if data.origin != expected.relying_party.origin {
        return Err(Fault::Origin);
    }
    // No page of ours stands in a frame.
    if data.cross_origin == Some(true) || data.top_origin.is_some() {
        return Err(Fault::Origin);
    }
    Ok(Sha256::digest(bytes).into())
}
