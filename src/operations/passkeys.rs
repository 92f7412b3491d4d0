//! Passkeys: what browsers are asked, and how their answers are read.
//!
//! A question has a random challenge. It stands sealed in the page that asks, bound to what it is for and to the
//! browser or the session, and is good for a few minutes; its answer spends it in the database, so that no instance
//! takes another one.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};

use crate::db::passkeys::Passkey;
use crate::db::{self, Tx};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::passkey::{Credential, HANDLE, Transport};
use crate::model::permission::Permission;
use crate::model::second_factor::Code;
use crate::model::session::{Session, SessionId};
use crate::model::user::{User, UserId};
use crate::operations::{App, Can};
use crate::security::webauthn::{ALGORITHMS, Assertion, Expected, Fault, Registration, RelyingParty};

/// How long a page may wait for an answer.
const GOOD_FOR: Duration = Duration::from_mins(10);
/// How long a browser is to wait for the authenticator, in milliseconds.
const TIMEOUT: u64 = 300_000;
/// Length of a challenge, in bytes.
const CHALLENGE: usize = 32;

/// What an answer is good for. No answer to a question for one purpose is one for another.
#[derive(Debug, Clone)]
pub(crate) enum ChallengePurpose {
    /// Another passkey for the user of this session.
    Register(SessionId),
    /// Re-authentication in this session, beside the password.
    Confirm(SessionId),
    /// The same for a user who has no password.
    ConfirmAlone(SessionId),
    /// The second step of a sign-in, in the browser with this cookie.
    SecondStep(String),
    /// Signing in without a password, in the browser with this cookie.
    SignIn(String),
}

impl ChallengePurpose {
    /// For the seal.
    fn text(&self) -> String {
        match self {
            Self::Register(session) => format!("a new passkey in session {}", session.0),
            Self::Confirm(session) => format!("a passkey again in session {}", session.0),
            Self::ConfirmAlone(session) => format!("a passkey alone again in session {}", session.0),
            Self::SecondStep(cookie) => format!("a passkey in the second step {cookie}"),
            Self::SignIn(cookie) => format!("a passkey alone {cookie}"),
        }
    }

    /// Whether the passkey is all that is shown, so that its device has to know its user.
    pub(crate) const fn demands_verification(&self) -> bool {
        matches!(self, Self::SignIn(_) | Self::ConfirmAlone(_))
    }

    /// What is shown in this session where the password is asked for again.
    pub(crate) const fn again(session: &Session) -> Self {
        if session.has_password { Self::Confirm(session.id) } else { Self::ConfirmAlone(session.id) }
    }
}

/// The installation as authenticators know it; `None` if browsers offer no passkeys at its address.
#[must_use]
pub fn relying_party(app: &App) -> Option<RelyingParty> {
    RelyingParty::of(&app.origin)
}

/// A random number that is good once.
pub(crate) struct Challenge {
    random: [u8; CHALLENGE],
    runs_out_at: Timestamp,
}

impl Challenge {
    fn new(app: &App) -> Result<Self> {
        Ok(Self { random: random()?, runs_out_at: app.clock.now().plus(GOOD_FOR) })
    }

    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.random)
    }

    /// As a page carries it, with what else belongs to the question.
    fn seal(&self, app: &App, purpose: &ChallengePurpose, more: &[u8]) -> Result<String> {
        let content = [&self.runs_out_at.micros().to_be_bytes()[..], &self.random, more].concat();
        Ok(URL_SAFE_NO_PAD.encode(app.keys().seals.seal(&purpose.text(), &content)?))
    }

    /// From a page, with what else belongs to the question; `None` if it is none of ours, or too old.
    fn open(app: &App, purpose: &ChallengePurpose, sealed: &str) -> Option<(Self, Vec<u8>)> {
        Self::of_any_age(app, purpose, sealed)
            .filter(|(challenge, _)| app.clock.now() < challenge.runs_out_at)
    }

    fn of_any_age(app: &App, purpose: &ChallengePurpose, sealed: &str) -> Option<(Self, Vec<u8>)> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let content = app.keys().open_seal(&purpose.text(), &sealed)?;
        let (runs_out_at, rest) = content.split_first_chunk::<8>()?;
        let (random, more) = rest.split_first_chunk::<CHALLENGE>()?;
        let runs_out_at = Timestamp::from_micros(i64::from_be_bytes(*runs_out_at));
        Some((Self { random: *random, runs_out_at }, more.to_vec()))
    }

    /// Uses it up; `false` if it was used before.
    pub(crate) async fn spend(&self, tx: &mut Tx) -> Result<bool> {
        Ok(db::passkeys::spend_challenge(tx, &self.random, self.runs_out_at).await?)
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(error.to_string()))?;
    Ok(bytes)
}

/// A question for a browser.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// The challenge, sealed: it comes back with the answer.
    pub state: String,
    /// `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON`.
    pub options: Value,
}

fn descriptors<'a>(credentials: impl Iterator<Item = &'a Credential>) -> Vec<Value> {
    let transports = |credential: &Credential| -> Vec<_> {
        credential.transports.iter().map(|transport: &Transport| transport.as_str()).collect()
    };
    credentials
        .map(|credential| {
            let id = URL_SAFE_NO_PAD.encode(&credential.id);
            json!({"type": "public-key", "id": id, "transports": transports(credential)})
        })
        .collect()
}

/// The question for one of these passkeys, or for any if there are none.
fn request(
    app: &App,
    rp: &RelyingParty,
    purpose: &ChallengePurpose,
    passkeys: &[Passkey],
) -> Result<Question> {
    let challenge = Challenge::new(app)?;
    let verification = if purpose.demands_verification() { "required" } else { "preferred" };
    let options = json!({
        "challenge": challenge.text(),
        "timeout": TIMEOUT,
        "rpId": rp.id,
        "allowCredentials": descriptors(passkeys.iter().map(|passkey| &passkey.credential)),
        "userVerification": verification,
    });
    Ok(Question { state: challenge.seal(app, purpose, &[])?, options })
}

async fn question_for(app: &App, user: UserId, purpose: &ChallengePurpose) -> Result<Option<Question>> {
    let Some(rp) = relying_party(app) else { return Ok(None) };
    let passkeys = db::passkeys::of_user(&app.db, user).await?;
    if passkeys.is_empty() {
        return Ok(None);
    }
    request(app, &rp, purpose, &passkeys).map(Some)
}

/// Asks for a passkey of the caller, where the password is asked for again; `None` if there is none to ask for.
pub async fn to_confirm<P: Permission>(can: &Can<P>) -> Result<Option<Question>> {
    question_for(can.app(), can.user().id, &ChallengePurpose::again(can.session())).await
}

/// Whether a passkey of the caller's is enough to sign in: its device has verified its user.
pub async fn sign_in_alone<P: Permission>(can: &Can<P>) -> Result<bool> {
    let passkeys = db::passkeys::of_user(&can.app().db, can.user().id).await?;
    Ok(passkeys.iter().any(|passkey| passkey.credential.user_verified))
}

/// Asks a browser with this cookie for a passkey of the user of this canonical name, after the right password; `None`
/// if there is none to ask for.
pub async fn for_second_step(app: &App, cookie: &str, username: &str) -> Result<Option<Question>> {
    let Some(found) = db::users::credentials(&app.db, username).await? else { return Ok(None) };
    question_for(app, found.user.id, &ChallengePurpose::SecondStep(cookie.to_owned())).await
}

/// Asks a browser with this cookie for any passkey whose device has verified its user; `None` if no user has one, or
/// there are none at this address.
pub async fn to_sign_in(app: &App, cookie: &str) -> Result<Option<Question>> {
    let Some(rp) = relying_party(app) else { return Ok(None) };
    if !db::passkeys::any_exists(&app.db).await? {
        return Ok(None);
    }
    request(app, &rp, &ChallengePurpose::SignIn(cookie.to_owned()), &[]).map(Some)
}

/// Whether the browser with this cookie answers a question that has run out, as a page that was left open asks: a try that
/// guesses nothing.
#[must_use]
pub fn is_too_late(app: &App, cookie: &str, shown: &str) -> bool {
    let Some(Code::Passkey(answer)) = Code::parse(shown) else { return false };
    let Some((state, _)) = answer.split_once('.') else { return false };
    let asked = Challenge::of_any_age(app, &ChallengePurpose::SignIn(cookie.to_owned()), state);
    asked.is_some_and(|(challenge, _)| app.clock.now() >= challenge.runs_out_at)
}

/// The name of the user whose passkey the browser with this cookie shows; `None` if it is not known, or not the answer
/// to what the browser was asked. Nothing is proven by that yet.
pub async fn owner(app: &App, cookie: &str, shown: &str) -> Result<Option<String>> {
    let Some(Code::Passkey(answer)) = Code::parse(shown) else { return Ok(None) };
    let Some(shown) = PasskeyAnswer::read(app, &ChallengePurpose::SignIn(cookie.to_owned()), &answer) else {
        return Ok(None);
    };
    // Step 5 of 7.2: a device that is not told whom to sign in has to name the user.
    if !shown.answer.names_user() {
        return Ok(None);
    }
    let Some(id) = db::passkeys::owner(&app.db, shown.answer.credential_id()).await? else { return Ok(None) };
    Ok(db::users::by_id(&app.db, id).await?.map(|user| user.username.as_str().to_owned()))
}

/// What a browser's answer is held against, and what it spends.
pub(crate) struct PasskeyAnswer {
    challenge: Challenge,
    relying_party: RelyingParty,
    answer: Assertion,
    user_verification: bool,
}

/// What a passkey that was shown leads to.
pub(crate) enum PasskeyVerdict {
    /// It is right. Its name.
    Right(String),
    /// It is none of the user's, or the answer is not right.
    Wrong,
    /// The challenge was answered before.
    Spent,
    /// The counter of the device is not above the last one. The name of the passkey.
    CountsBack(String),
}

impl PasskeyAnswer {
    /// Reads what the script of a page has put together: the state and the answer, both in base64. `None` if it is not
    /// the answer to a question for this purpose.
    pub(crate) fn read(app: &App, purpose: &ChallengePurpose, text: &str) -> Option<Self> {
        let (state, answer) = text.split_once('.')?;
        let (challenge, _) = Challenge::open(app, purpose, state)?;
        let answer = String::from_utf8(URL_SAFE_NO_PAD.decode(answer).ok()?).ok()?;
        let answer = Assertion::parse(&answer).ok()?;
        let user_verification = purpose.demands_verification();
        Some(Self { challenge, relying_party: relying_party(app)?, answer, user_verification })
    }

    /// Accepts a passkey of a user, whose row is locked, once.
    pub(crate) async fn check(&self, tx: &mut Tx, user: &User, now: Timestamp) -> Result<PasskeyVerdict> {
        let passkeys = db::passkeys::among(tx, user.id).await?;
        let is_shown = |passkey: &Passkey| passkey.credential.id == self.answer.credential_id();
        let Some(found) = passkeys.into_iter().find(is_shown) else { return Ok(PasskeyVerdict::Wrong) };
        let Some(handle) = db::passkeys::handle_of(tx, user.id).await? else {
            return Ok(PasskeyVerdict::Wrong);
        };
        // A device that never verified its user while the password was shown, too, is not believed that it does.
        if self.user_verification && !found.credential.user_verified {
            return Ok(PasskeyVerdict::Wrong);
        }
        let expected = Expected {
            relying_party: &self.relying_party,
            challenge: &self.challenge.random,
            user_verification: self.user_verification,
        };
        let asserted = match self.answer.verify(&found.credential, &handle, &expected) {
            Ok(asserted) => asserted,
            // The same answer once more is none of a copy.
            Err(Fault::Counter) if !self.challenge.spend(tx).await? => return Ok(PasskeyVerdict::Spent),
            Err(Fault::Counter) => return Ok(PasskeyVerdict::CountsBack(found.name)),
            Err(fault) => {
                log::info!("a passkey of user {} was refused: {fault}", user.id);
                return Ok(PasskeyVerdict::Wrong);
            }
        };
        if !self.challenge.spend(tx).await? {
            return Ok(PasskeyVerdict::Spent);
        }
        let after = Credential {
            sign_count: asserted.sign_count,
            backed_up: asserted.backed_up,
            user_verified: found.credential.user_verified || asserted.user_verified,
            ..found.credential
        };
        db::passkeys::note_use(tx, found.id, &after, now).await?;
        Ok(PasskeyVerdict::Right(found.name))
    }
}

/// A passkey that is to be added.
pub struct NewPasskey {
    challenge: Challenge,
    handle: [u8; HANDLE],
    relying_party: RelyingParty,
}

/// Why there is nothing to add one with.
pub const NOT_OFFERED: &str = "Browsers have passkeys only where the address begins with https:// and a name, or with \
                               http://localhost. The operator sets it as public_origin.";

impl NewPasskey {
    /// Asks the browser of the caller's session to make one; `None` if there are none at this address.
    pub async fn begin<P: Permission>(can: &Can<P>) -> Result<Option<Question>> {
        let (app, user) = (can.app(), can.user());
        let Some(rp) = relying_party(app) else { return Ok(None) };
        let challenge = Challenge::new(app)?;
        let handle = match db::passkeys::handle(&app.db, user.id).await? {
            Some(handle) => handle,
            None => random::<HANDLE>()?.to_vec(),
        };
        let others = db::passkeys::of_user(&app.db, user.id).await?;
        let algorithms = ALGORITHMS.map(|algorithm| json!({"type": "public-key", "alg": algorithm}));
        let name = user.username.as_str();
        let full_name = format!("{} {}", user.first_name, user.last_name);
        let shown_name = if full_name.trim().is_empty() { name } else { full_name.trim() };
        let options = json!({
            "rp": {"id": rp.id, "name": app.settings.site_name.as_str()},
            "user": {"id": URL_SAFE_NO_PAD.encode(&handle), "name": name, "displayName": shown_name},
            "challenge": challenge.text(),
            "pubKeyCredParams": algorithms,
            "timeout": TIMEOUT,
            "excludeCredentials": descriptors(others.iter().map(|passkey| &passkey.credential)),
            "authenticatorSelection": {
                "residentKey": "preferred",
                "requireResidentKey": false,
                "userVerification": "preferred",
            },
            "attestation": "none",
        });
        let state = challenge.seal(app, &ChallengePurpose::Register(can.session().id), &handle)?;
        Ok(Some(Question { state, options }))
    }

    /// What such a page asked; `None` if it is too old.
    #[must_use]
    pub fn resume<P: Permission>(can: &Can<P>, state: &str) -> Option<Self> {
        let (challenge, handle) =
            Challenge::open(can.app(), &ChallengePurpose::Register(can.session().id), state)?;
        let handle = handle.try_into().ok()?;
        Some(Self { challenge, handle, relying_party: relying_party(can.app())? })
    }

    /// The credential in a browser's answer.
    ///
    /// # Errors
    /// [`Fault`]
    pub(crate) fn credential(&self, answer: &str) -> std::result::Result<Credential, Fault> {
        Registration::parse(answer)?.verify(&Expected {
            relying_party: &self.relying_party,
            challenge: &self.challenge.random,
            user_verification: false,
        })
    }

    /// Stores it, once.
    ///
    /// # Errors
    /// [`Error::Invalid`] under `passkey` if it is registered already, or the page was sent before.
    pub(crate) async fn store(
        &self,
        tx: &mut Tx,
        user: &User,
        name: &str,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<()> {
        let is_ours = self.challenge.spend(tx).await?
            && db::passkeys::set_handle(tx, user.id, &self.handle).await?
            && db::passkeys::insert(tx, user.id, name, credential, now).await?.is_some();
        if is_ours { Ok(()) } else { Err(Error::invalid("passkey", ADDED_ALREADY)) }
    }
}

const ADDED_ALREADY: &str = "This passkey is registered already. Open the page again for another one.";
