//! Second factors: what a user shows beside the password, and the one rule that says what is given without.
//!
//! To add a kind of factor: a variant of [`FactorKind`], and what accepts it in `operations::second_factor`.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::base32;
use super::clock::Timestamp;
use super::user::User;

/// Of whom a second factor is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DemandedOf {
    /// Of no account: each is offered one.
    Off,
    /// Of staff and superusers.
    Staff,
    /// Of each user.
    All,
}

/// What the installation demands.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Of whom.
    pub of: DemandedOf,
    /// From when on.
    pub from: Timestamp,
}

impl Demand {
    /// Whether the user has to have a factor, now or once the time of grace is over.
    #[must_use]
    pub const fn concerns(self, user: &User) -> bool {
        match self.of {
            DemandedOf::Off => false,
            DemandedOf::Staff => user.is_privileged(),
            DemandedOf::All => true,
        }
    }
}

/// What an account gets from the right password, or from a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A session with all the rights of its user.
    Granted,
    /// A session that is good for adding a second factor, and for nothing else.
    OnlyToEnrol,
    /// Nothing until the second factor is shown.
    AfterFactor,
}

/// The gate: every way in asks it, and every request of a session does. `shown` says whether a second factor was
/// shown, at this sign-in or for this session.
#[must_use]
pub fn access(user: &User, shown: bool, demand: Demand, now: Timestamp) -> Access {
    let is_demanded = demand.concerns(user) && now >= demand.from;
    match (user.has_factor, shown) {
        (true, false) => Access::AfterFactor,
        (false, _) if is_demanded => Access::OnlyToEnrol,
        (true, true) | (false, _) => Access::Granted,
    }
}

/// A factor's primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FactorId(pub i64);

/// What a factor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    /// An authenticator app that shows a code every 30 seconds (RFC 6238).
    Totp,
    /// A passkey: a credential on a device of the user's (Web Authentication).
    Passkey,
}

impl FactorKind {
    /// As stored and shown to programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
        }
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Totp => "Authenticator app",
            Self::Passkey => "Passkey",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Totp, Self::Passkey].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A factor as its owner and staff see it. Its serialized form is the API's.
#[derive(Debug, Clone, Serialize)]
pub struct Factor {
    /// Its primary key.
    pub id: FactorId,
    /// What it is.
    pub kind: FactorKind,
    /// Its owner's word for it.
    pub name: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last shown; `None` for never since.
    pub last_used_at: Option<Timestamp>,
}

/// The factors of a user. Its serialized form is the API's.
#[derive(Debug, Clone, Serialize)]
pub struct Factors {
    /// The first one first.
    pub factors: Vec<Factor>,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: i64,
}

/// A code as it was typed, of an authenticator app or for recovery; or what a page's script sends in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// Six digits.
    Totp(String),
    /// A recovery code.
    Recovery(RecoveryCode),
    /// What was asked of a passkey, and its answer, as the script has put them together.
    Passkey(String),
}

/// What the answer of a passkey begins with where a code is asked for.
const PASSKEY: &str = "passkey.";

impl Code {
    /// Reads what a person typed, however it is grouped; `None` for what can be neither.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        if let Some(answer) = typed.trim().strip_prefix(PASSKEY) {
            return Some(Self::Passkey(answer.to_owned()));
        }
        let typed: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if typed.len() == TOTP_DIGITS && typed.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Totp(typed));
        }
        RecoveryCode::parse(&typed).map(Self::Recovery)
    }
}

/// Length of the code of an authenticator app.
pub const TOTP_DIGITS: usize = 6;

/// How many recovery codes a user is given at once.
pub const RECOVERY_CODES: usize = 10;
/// Random bytes of one: more than the 112 bits from which on a plain hash of it may be stored (ASVS 6.5.2).
const BYTES: usize = 15;
/// The letters of one, and of a group of them.
const LETTERS: usize = BYTES * 8 / 5;
const GROUP: usize = 6;

/// A code for a user who has lost their factor, good once.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

impl RecoveryCode {
    /// From random bytes.
    #[must_use]
    pub fn new(random: [u8; BYTES]) -> Self {
        Self(base32::encode(&random))
    }

    fn parse(typed: &str) -> Option<Self> {
        // The alphabet has no 0, 1 and 8: these letters were meant.
        let letter = |c: char| match c.to_ascii_uppercase() {
            '0' => 'O',
            '1' => 'I',
            '8' => 'B',
            other => other,
        };
        let code: String = typed.chars().map(letter).collect();
        (code.len() == LETTERS && code.chars().all(base32::is_letter)).then_some(Self(code))
    }

    /// For people: in small letters and groups.
    #[must_use]
    pub fn to_text(&self) -> String {
        let letters: Vec<char> = self.0.to_ascii_lowercase().chars().collect();
        letters.chunks(GROUP).map(|group| group.iter().collect()).collect::<Vec<String>>().join("-")
    }

    /// As stored.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mf_1_mf_9_the_table_of_the_gate() {
        use Access::{AfterFactor, Granted, OnlyToEnrol};
        use DemandedOf::{All, Off, Staff};
        let at = Timestamp::from_micros;
        let plain = User::blank(at(0));
        let staff = User { is_staff: true, ..plain.clone() };
        let superuser = User { is_superuser: true, ..plain.clone() };
        // whom it is demanded of; without a factor: an ordinary user, staff, a superuser
        for (of, expected) in [
            (Off, [Granted, Granted, Granted]),
            (Staff, [Granted, OnlyToEnrol, OnlyToEnrol]),
            (All, [OnlyToEnrol, OnlyToEnrol, OnlyToEnrol]),
        ] {
            let demand = Demand { of, from: at(100) };
            for (user, expected) in [&plain, &staff, &superuser].into_iter().zip(expected) {
                assert_eq!(access(user, false, demand, at(99)), Granted, "{of:?}: in the time of grace");
                assert_eq!(access(user, false, demand, at(100)), expected, "{of:?}");
                assert_eq!(access(user, true, demand, at(100)), expected, "{of:?}: one that is gone");
                let with = User { has_factor: true, ..user.clone() };
                for now in [at(99), at(100)] {
                    assert_eq!(access(&with, false, demand, now), AfterFactor, "{of:?}");
                    assert_eq!(access(&with, true, demand, now), Granted, "{of:?}");
                }
            }
        }
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for typed in ["123456", " 123 456 ", "123-456"] {
            assert_eq!(Code::parse(typed), Some(Code::Totp("123456".to_owned())), "{typed}");
        }
        let code = RecoveryCode::new(*b"fifteen letters");
        let text = code.to_text();
        assert_eq!((text.len(), text.matches('-').count()), (27, 3), "{text}");
        for typed in [text.clone(), text.to_uppercase(), text.replace('-', " "), text.replace('o', "0")] {
            assert_eq!(Code::parse(&typed), Some(Code::Recovery(code.clone())), "{typed}");
        }
        for typed in ["", "12345", "1234567", "١٢٣٤٥٦", "zzzzzz-zzzzzz-zzzzzz-zzzzz", "ß"] {
            assert_eq!(Code::parse(typed), None, "{typed}");
        }
    }

    #[test]
    fn mf_3_another_code_has_another_hash_and_no_code_shows_itself() {
        let [one, other] = [[1; BYTES], [2; BYTES]].map(RecoveryCode::new);
        assert_ne!(one.hash(), other.hash());
        assert_eq!(format!("{one:?}"), "RecoveryCode(..)");
    }
}
