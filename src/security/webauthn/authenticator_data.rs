//! What an authenticator says, and signs (section 6.1).

use sha2::{Digest, Sha256};

use super::cbor::Map;
use super::{Expected, Fault};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// Length of the identifier of a kind of authenticator, in bytes.
const AAGUID: usize = 16;

/// The authenticator data, taken apart.
pub(super) struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8; 32],
    flags: u8,
    pub(super) sign_count: u32,
    /// Of a registration.
    pub(super) credential: Option<NewCredential<'a>>,
}

/// The credential that was made.
pub(super) struct NewCredential<'a> {
    pub(super) id: &'a [u8],
    /// A COSE key.
    pub(super) public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Takes the bytes apart, all of them.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or(Fault::Malformed)?;
        let (&flags, rest) = rest.split_first().ok_or(Fault::Malformed)?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(Fault::Malformed)?;
        let mut credential = None;
        if flags & HAS_CREDENTIAL != 0 {
            let after = rest.get(AAGUID..).ok_or(Fault::Malformed)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or(Fault::Malformed)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (id, key) = after.split_at_checked(length).ok_or(Fault::Malformed)?;
            rest = key;
            Map::take(&mut rest)?;
            let public_key = &key[..key.len() - rest.len()];
            credential = Some(NewCredential { id, public_key });
        }
        if flags & HAS_EXTENSIONS != 0 {
            Map::take(&mut rest)?;
        }
        if !rest.is_empty() {
            return Err(Fault::Malformed);
        }
        Ok(Self { rp_id_hash, flags, sign_count: u32::from_be_bytes(*count), credential })
    }

    /// Steps 13 to 16 of registration, 14 to 17 of an assertion.
    pub(super) fn check(&self, expected: &Expected<'_>) -> Result<(), Fault> {
        let rp_id_hash: [u8; 32] = Sha256::digest(expected.relying_party.id.as_bytes()).into();
        if *self.rp_id_hash != rp_id_hash {
            return Err(Fault::RelyingParty);
        }
        if !self.has(USER_PRESENT) {
            return Err(Fault::UserPresence);
        }
        if expected.user_verification && !self.user_verified() {
            return Err(Fault::UserVerification);
        }
        if !self.backup_eligible() && self.backed_up() {
            return Err(Fault::Backup);
        }
        Ok(())
    }

    pub(super) const fn user_verified(&self) -> bool {
        self.has(USER_VERIFIED)
    }

    pub(super) const fn backup_eligible(&self) -> bool {
        self.has(BACKUP_ELIGIBLE)
    }

    pub(super) const fn backed_up(&self) -> bool {
        self.has(BACKED_UP)
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}
