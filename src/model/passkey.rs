//! Passkeys: the credentials of Web Authentication that stand for a user's authenticators.

use serde::Serialize;

/// Length of the random name by which authenticators know a user, in bytes.
pub const HANDLE: usize = 32;

/// How a browser reaches an authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// In the same device.
    Internal,
    /// Another device that is near, such as a phone.
    Hybrid,
    /// A key that is plugged in.
    Usb,
    /// A key that is held near.
    Nfc,
    /// A key by radio.
    Ble,
    /// A smart card.
    SmartCard,
}

impl Transport {
    /// As browsers name it, and as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Hybrid => "hybrid",
            Self::Usb => "usb",
            Self::Nfc => "nfc",
            Self::Ble => "ble",
            Self::SmartCard => "smart-card",
        }
    }

    /// Those that are known of these names, each once.
    #[must_use]
    pub fn known(names: &[String]) -> Vec<Self> {
        let all = [Self::Internal, Self::Hybrid, Self::Usb, Self::Nfc, Self::Ble, Self::SmartCard];
        all.into_iter().filter(|transport| names.iter().any(|name| name == transport.as_str())).collect()
    }
}

/// A credential as it is stored (its "credential record").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Chosen by the authenticator; at most 1023 bytes, and no two credentials of an installation have the same.
    pub id: Vec<u8>,
    /// A COSE key.
    pub public_key: Vec<u8>,
    /// The counter of the authenticator at its last use; 0 for one that does not count.
    pub sign_count: u32,
    /// How browsers reach it.
    pub transports: Vec<Transport>,
    /// Whether it can be copied to other devices of its user.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
    /// Whether the authenticator has ever verified its user for it.
    pub user_verified: bool,
}
