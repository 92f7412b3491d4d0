//! Verifying an authentication assertion (section 7.2).

use serde::Deserialize;

use super::authenticator_data::AuthenticatorData;
use super::cose::PublicKey;
use super::{Bytes, Expected, Fault, client_data};
use crate::model::passkey::Credential;

/// What a browser answers when it is asked to show a credential: `AuthenticationResponseJSON`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assertion {
    raw_id: Bytes,
    #[serde(rename = "type")]
    kind: String,
    response: Response,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: Bytes,
    authenticator_data: Bytes,
    signature: Bytes,
    #[serde(default)]
    user_handle: Option<Bytes>,
}

/// What an assertion changes about its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asserted {
    /// The counter of the authenticator.
    pub sign_count: u32,
    /// Whether the credential is copied now.
    pub backed_up: bool,
    /// Whether the authenticator verified its user.
    pub user_verified: bool,
}

impl Assertion {
    /// Reads the answer of a browser: step 3.
    ///
    /// # Errors
    /// [`Fault::Malformed`]
    pub fn parse(json: &str) -> Result<Self, Fault> {
        serde_json::from_str(json).map_err(|_| Fault::Malformed)
    }

    /// The identifier of the credential that is shown.
    #[must_use]
    pub fn credential_id(&self) -> &[u8] {
        &self.raw_id.0
    }

    /// Whether the authenticator named the user, as it does where it was not told whom to sign in.
    #[must_use]
    pub const fn names_user(&self) -> bool {
        self.response.user_handle.is_some()
    }

    /// Checks the answer against the credential of a user. What it changes about the credential is for the caller to
    /// store (step 23), in one transaction with the use of the challenge.
    ///
    /// # Errors
    /// [`Fault`]; [`Fault::Counter`] only for what is right otherwise.
    pub fn verify(
        &self,
        credential: &Credential,
        user_handle: &[u8],
        expected: &Expected<'_>,
    ) -> Result<Asserted, Fault> {
        if self.kind != "public-key" {
            return Err(Fault::Type);
        }
        // 4 and 5: the credential is one of the user's, and the authenticator names no other user.
        let names_other = |named: &Bytes| named.0 != user_handle;
        if self.raw_id.0 != credential.id || self.response.user_handle.as_ref().is_some_and(names_other) {
            return Err(Fault::Credential);
        }
        // 6: what is looked at below. 7 to 13, and 19: the client data and its hash.
        let hash = client_data::check(&self.response.client_data.0, "webauthn.get", expected)?;
        let signed = &self.response.authenticator_data.0;
        let data = AuthenticatorData::parse(signed)?;
        // 14 to 17: the relying party, the user, the backup.
        data.check(expected)?;
        // 18: a credential never changes whether it can be copied.
        if data.backup_eligible() != credential.backup_eligible {
            return Err(Fault::Backup);
        }
        // 20: the signature.
        let message = [signed.as_slice(), &hash].concat();
        PublicKey::parse(&credential.public_key)?.verify(&message, &self.response.signature.0)?;
        // 21: the counter. Authenticators that do not count say 0.
        let counts = data.sign_count != 0 || credential.sign_count != 0;
        if counts && data.sign_count <= credential.sign_count {
            return Err(Fault::Counter);
        }
        // 22: no extension was asked for, and what comes of one is ignored.
        Ok(Asserted {
            sign_count: data.sign_count,
            backed_up: data.backed_up(),
            user_verified: data.user_verified(),
        })
    }
}
