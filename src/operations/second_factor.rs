//! The one place that accepts the code of a second factor.
//!
//! Whatever asks for one calls [`show`] on the locked user, in the transaction of what the code is for: a code that
//! is accepted is used up with it or not at all. Wrong codes are counted by user, whatever browser or session they
//! come from, besides what the [attempt](super::password_attempt) counts. Passkeys stand where a code does; they cannot
//! be guessed, so that they are neither counted nor kept out by wrong codes.

use crate::db::{self, Tx};
use crate::model::audit::{Action, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::failure_reason::FailureReason;
use crate::model::second_factor::{Code, RecoveryCode};
use crate::model::throttle::{Failures, Key};
use crate::model::user::User;
use crate::operations::passkeys::{self, PasskeyVerdict};
use crate::operations::password_attempt::Attempt;
use crate::operations::{App, audit, kept_key};
use crate::security::seal::SealKey;
use crate::security::totp::TotpSecret;

/// What the secret of a TOTP is sealed for.
pub(super) const TOTP: &str = "totp";

/// A code as it was typed, and what it takes to check it.
pub(crate) struct Presented {
    code: Option<Code>,
    key: Option<SealKey>,
    passkey: Option<passkeys::PasskeyAnswer>,
    /// What is recorded of a passkey that counts backwards, as the attempt does it.
    refused: Entry,
}

impl Presented {
    /// Reads a code of the user of an attempt. To be called before the transaction in which it is shown.
    async fn read(attempt: &Attempt<'_>, user: &User, typed: &str) -> Result<Self> {
        // No code stands for the password.
        let is_passkey = |code: &Code| matches!(code, Code::Passkey(_));
        let code = Code::parse(typed)
            .filter(|code| user.has_factor && (is_passkey(code) || !attempt.is_by_passkey_alone()));
        let key = match &code {
            Some(Code::Totp(_)) => kept_key::FACTORS.find(attempt.app).await?.map(SealKey::new),
            Some(Code::Recovery(_) | Code::Passkey(_)) | None => None,
        };
        let passkey = match (&code, attempt.passkey_for()) {
            (Some(Code::Passkey(answer)), Some(purpose)) => {
                passkeys::PasskeyAnswer::read(attempt.app, purpose, answer)
            }
            _ => None,
        };
        Ok(Self { code, key, passkey, refused: attempt.entry(Action::PasskeyRefused, Some(user)) })
    }
}

impl Attempt<'_> {
    /// Reads the code that came with the right password, if one did.
    pub(crate) async fn read_code(&self, user: &User, code: Option<&str>) -> Result<Option<Presented>> {
        match code {
            Some(code) => self.unless_given_up(Presented::read(self, user, code).await).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Why a code is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    /// For the audit log.
    pub(crate) why: FailureReason,
    /// Wrong codes in a row, with this one.
    pub(crate) wrong_codes: i64,
}

impl From<FailureReason> for Refused {
    /// What counts no wrong code.
    fn from(why: FailureReason) -> Self {
        Self { why, wrong_codes: 0 }
    }
}

/// A factor that was shown, as the audit log names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AcceptedFactor {
    /// The name of an authenticator app.
    Totp(String),
    /// The name of a passkey.
    Passkey(String),
    /// A recovery code, which is used up.
    RecoveryCode,
}

impl AcceptedFactor {
    /// For the audit log.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Totp(name) => format!("totp {name}"),
            Self::Passkey(name) => format!("passkey {name}"),
            Self::RecoveryCode => "recovery_code".to_owned(),
        }
    }
}

/// Accepts a code of a user, whose row is locked, once; or says why not, for the audit log only. The transaction is then
/// to be committed: the failure is counted in it.
pub(crate) async fn show(
    app: &App,
    tx: &mut Tx,
    user: &User,
    presented: &Presented,
    now: Timestamp,
) -> Result<std::result::Result<AcceptedFactor, Refused>> {
    if let Some(Code::Passkey(_)) = presented.code {
        return Ok(passkey(tx, user, presented, now).await?.map_err(Refused::from));
    }
    let counter = Key::codes_of(user.id);
    let before = db::throttles::lock(tx, &counter).await?;
    if before.as_ref().is_some_and(|before| before.wait(now).is_some()) {
        return Ok(Err(FailureReason::CodesBlocked.into()));
    }
    if matches!(presented.code, Some(Code::Totp(_))) && presented.key.is_none() {
        // Nothing was guessed: the log says what the operator has to do, and recovery codes go on working.
        return Ok(Err(FailureReason::FactorKeyMissing.into()));
    }
    let shown = match (&presented.code, &presented.key) {
        (Some(Code::Totp(digits)), Some(key)) => totp(tx, user, digits, key, now).await?,
        (Some(Code::Recovery(code)), _) => recovery_code(tx, user, code).await?,
        _ => None,
    };
    let after = match &shown {
        Some(_) => before.map(|before| before.succeeded(now)),
        None => Some(Failures::account(before, now, app.settings.thresholds())),
    };
    let wrong_codes = after.as_ref().map_or(0, |after| after.consecutive);
    if let Some(after) = after {
        db::throttles::set(tx, &counter, &after).await?;
    }
    Ok(shown.ok_or(Refused { why: FailureReason::WrongCode, wrong_codes }))
}

/// What is said to a user whose code or passkey is refused.
pub(crate) fn refusal(why: FailureReason) -> &'static str {
    use FailureReason::{PasskeyCountsBack, PasskeyUsedBefore, UnknownPasskey, WrongPasskey};
    match why {
        UnknownPasskey | WrongPasskey | PasskeyUsedBefore | PasskeyCountsBack => {
            "This passkey was not accepted. Try again, or enter a code."
        }
        _ => "This code is wrong or was used before.",
    }
}

async fn passkey(
    tx: &mut Tx,
    user: &User,
    presented: &Presented,
    now: Timestamp,
) -> Result<std::result::Result<AcceptedFactor, FailureReason>> {
    let verdict = match &presented.passkey {
        Some(shown) => shown.check(tx, user, now).await?,
        None => PasskeyVerdict::Wrong,
    };
    Ok(match verdict {
        PasskeyVerdict::Right(name) => Ok(AcceptedFactor::Passkey(name)),
        PasskeyVerdict::Wrong => Err(FailureReason::WrongPasskey),
        PasskeyVerdict::Spent => Err(FailureReason::PasskeyUsedBefore),
        PasskeyVerdict::CountsBack(name) => {
            let why = FailureReason::PasskeyCountsBack;
            let entry = presented.refused.clone().detail("name", name).detail("reason", why.as_str());
            audit::record(tx, &entry, now).await?;
            Err(why)
        }
    })
}

async fn totp(
    tx: &mut Tx,
    user: &User,
    digits: &str,
    key: &SealKey,
    now: Timestamp,
) -> Result<Option<AcceptedFactor>> {
    for stored in db::factors::totps(tx, user.id).await? {
        let secret = key.open(TOTP, &stored.sealed).and_then(|bytes| TotpSecret::from_bytes(&bytes));
        let newest = TotpSecret::newest_step(now);
        // Steps beyond the newest are of a clock that was ahead: they keep no code of the right time out.
        let after = if stored.last_step > newest { i64::MIN } else { stored.last_step };
        if let Some(step) = secret.and_then(|secret| secret.step_of(digits, now, after))
            && db::factors::take_step(tx, &stored, step, newest, now).await?
        {
            return Ok(Some(AcceptedFactor::Totp(stored.name)));
        }
    }
    Ok(None)
}

async fn recovery_code(tx: &mut Tx, user: &User, code: &RecoveryCode) -> Result<Option<AcceptedFactor>> {
    Ok(db::factors::take_code(tx, user.id, &code.hash()).await?.then_some(AcceptedFactor::RecoveryCode))
}
