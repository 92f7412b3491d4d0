//! Why a try at a password or a second factor fails. The audit log has it; the client is not told.

/// Why a try at a password or a second factor fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReason {
    /// No user has the name.
    UnknownUser,
    /// The password is not the user's.
    WrongPassword,
    /// The account is blocked after failures, so that the password was not looked at.
    Blocked,
    /// The account is deactivated.
    Inactive,
    /// The account is not valid yet, or no longer.
    OutsideDates,
    /// Password or account changed between the check and what the check was for.
    ChangedMeanwhile,
    /// No factor of the user has the code now.
    WrongCode,
    /// Codes of the user are blocked after failures, so that the code was not looked at.
    CodesBlocked,
    /// No secret key that is set opens the secrets of authenticator apps.
    FactorKeyMissing,
    /// No user has the passkey.
    UnknownPasskey,
    /// The passkey's answer does not verify.
    WrongPasskey,
    /// The passkey's answer was accepted before.
    PasskeyUsedBefore,
    /// The passkey's device counts backwards: there may be two of it.
    PasskeyCountsBack,
}

impl FailureReason {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::UnknownUser,
        Self::WrongPassword,
        Self::Blocked,
        Self::Inactive,
        Self::OutsideDates,
        Self::ChangedMeanwhile,
        Self::WrongCode,
        Self::CodesBlocked,
        Self::FactorKeyMissing,
        Self::UnknownPasskey,
        Self::WrongPasskey,
        Self::PasskeyUsedBefore,
        Self::PasskeyCountsBack,
    ];

    /// The code that the audit log records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::Blocked => "blocked",
            Self::Inactive => "inactive",
            Self::OutsideDates => "outside_dates",
            Self::ChangedMeanwhile => "changed_meanwhile",
            Self::WrongCode => "wrong_code",
            Self::CodesBlocked => "codes_blocked",
            Self::FactorKeyMissing => "factor_key_missing",
            Self::UnknownPasskey => "unknown_passkey",
            Self::WrongPasskey => "wrong_passkey",
            Self::PasskeyUsedBefore => "passkey_used_before",
            Self::PasskeyCountsBack => "passkey_counts_back",
        }
    }

    /// The reason with that code.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == code)
    }
}
