//! Registering a new credential (section 7.1).

use serde::Deserialize;

use super::authenticator_data::AuthenticatorData;
use super::cbor::Map;
use super::cose::PublicKey;
use super::{Bytes, Expected, Fault, client_data};
use crate::model::passkey::{Credential, Transport};

/// Longest identifier of a credential, in bytes.
const LONGEST_ID: usize = 1023;

/// What a browser answers when it is asked to make a credential: `RegistrationResponseJSON`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    raw_id: Bytes,
    #[serde(rename = "type")]
    kind: String,
    response: Attestation,
}

#[derive(Debug, Deserialize)]
struct Attestation {
    #[serde(rename = "clientDataJSON")]
    client_data: Bytes,
    #[serde(rename = "attestationObject")]
    object: Bytes,
    #[serde(default)]
    transports: Vec<String>,
}

impl Registration {
    /// Reads the answer of a browser: step 3.
    ///
    /// # Errors
    /// [`Fault::Malformed`]
    pub fn parse(json: &str) -> Result<Self, Fault> {
        serde_json::from_str(json).map_err(|_| Fault::Malformed)
    }

    /// The credential, if the answer is one to what was asked. Whether it is registered already, the caller says
    /// (steps 25 and 28).
    ///
    /// # Errors
    /// [`Fault`]
    pub fn verify(&self, expected: &Expected<'_>) -> Result<Credential, Fault> {
        if self.kind != "public-key" {
            return Err(Fault::Type);
        }
        // Steps 4 to 11. Without an attestation nothing is signed, and the hash is not needed.
        client_data::check(&self.response.client_data.0, "webauthn.create", expected)?;
        // 12: the attestation object.
        let mut bytes = self.response.object.0.as_slice();
        let object = Map::take(&mut bytes)?;
        if !bytes.is_empty() {
            return Err(Fault::Malformed);
        }
        let data = AuthenticatorData::parse(object.bytes("authData").ok_or(Fault::Malformed)?)?;
        // 13 to 16: the relying party, the user, the backup. 17 and 18: no policy depends on the backup.
        data.check(expected)?;
        let made = data.credential.as_ref().ok_or(Fault::Malformed)?;
        // 19: the algorithm is one of those that were offered.
        PublicKey::parse(made.public_key)?;
        // 20 to 23: none is the one format that is supported, and it has nothing to verify.
        let format = object.get("fmt").and_then(|format| format.as_text()).ok_or(Fault::Malformed)?;
        let statement = object.get("attStmt").and_then(|statement| statement.as_map());
        if format != "none" || statement.is_none_or(|statement| !statement.is_empty()) {
            return Err(Fault::Attestation);
        }
        // 24: the identifier, which is the one that the browser names.
        if made.id.is_empty() || made.id.len() > LONGEST_ID || made.id != self.raw_id.0 {
            return Err(Fault::Credential);
        }
        // 26: the record. 27: no extension was asked for, and what comes of one is ignored.
        Ok(Credential {
            id: made.id.to_vec(),
            public_key: made.public_key.to_vec(),
            sign_count: data.sign_count,
            transports: Transport::known(&self.response.transports),
            backup_eligible: data.backup_eligible(),
            backed_up: data.backed_up(),
            user_verified: data.user_verified(),
        })
    }
}
