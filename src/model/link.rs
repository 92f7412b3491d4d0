//! A one-time link with which the owner of an account chooses its password.

use std::time::Duration;

use super::clock::Timestamp;
use super::session::{Secret, SecretHash};
use super::user::UserId;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// The first password of an account.
    Setup,
    /// Another password.
    Reset,
}

impl LinkPurpose {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Reset => "reset",
        }
    }

    /// The purpose of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Setup, Self::Reset].into_iter().find(|purpose| purpose.as_str() == name)
    }

    /// How long a link lives (ASVS 6.4.1 and OWASP's advice on forgotten passwords).
    #[must_use]
    pub const fn life(self) -> Duration {
        match self {
            Self::Setup => Duration::from_hours(24),
            Self::Reset => Duration::from_mins(30),
        }
    }

    /// The same in words.
    #[must_use]
    pub const fn life_in_words(self) -> &'static str {
        match self {
            Self::Setup => "24 hours",
            Self::Reset => "30 minutes",
        }
    }
}

/// The secret in what a person pastes: the whole link, or only what stands after its `#`. Links of earlier releases
/// have `?token=` before it.
#[must_use]
pub fn secret_in(pasted: &str) -> &str {
    let pasted = pasted.trim();
    ["#", "?token="].into_iter().find_map(|mark| pasted.split_once(mark)).map_or(pasted, |(_, secret)| secret)
}

/// A link's primary key: never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkId(pub i64);

/// A link as stored.
#[derive(Debug, Clone)]
pub struct Link {
    /// Primary key; 0 for one that is not stored yet.
    pub id: LinkId,
    /// The user whose password it sets.
    pub user: UserId,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// The member of staff who made it; `None` for one that was requested as forgotten.
    pub made_by: Option<UserId>,
    /// The hash of its secret.
    pub secret_hash: SecretHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working, that instant included.
    pub expires_at: Timestamp,
    /// The secret, sealed; see [`Secret::sealed_with`].
    pub sealed: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_what_is_pasted() {
        for pasted in [
            "abc",
            " abc\r\n",
            "#abc",
            "https://users.example.org/set-password#abc",
            " https://users.example.org/set-password#abc ",
            "https://users.example.org/set-password?token=abc",
        ] {
            assert_eq!(secret_in(pasted), "abc", "{pasted:?}");
        }
        assert_eq!(secret_in(" "), "");
    }
}
