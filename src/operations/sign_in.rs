//! Sessions: sign in, sign out, refresh.
//!
//! A right password opens none where the account has a second factor: its code is sent along, or shown in a second
//! step, in a browser. Between the two there is nothing but a [sealed note](PasswordShown) in the page.
//!
//! A passkey alone opens one, too, if its device has verified its user: [`by_passkey`].
//!
//! A session is one row, whichever credential carries its secret: a browser's cookie, or the tokens of an API
//! client. Only a hash of the secret is stored. Deleting the row ends every credential made from it,
//! on every instance, at the next request.

use std::time::Duration;

use crate::db;
use crate::db::users::{Credentials, NotedSignIn};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{AuthenticationFailure, Error, Result};
use crate::model::failure_reason::FailureReason;
use crate::model::origin::Origin;
use crate::model::password::{Password, PasswordHash};
use crate::model::second_factor::Access;
use crate::model::session::{Credential, NewSession, Secret};
use crate::model::throttle::DeviceId;
use crate::model::user::User;
use crate::operations::authentication::{self, API_TOKEN_PREFIX, Actor};
use crate::operations::notices::Event;
use crate::operations::passkeys::ChallengePurpose;
use crate::operations::password_attempt::{Attempt, unchanged};
use crate::operations::second_factor::{self as second_factor_code, AcceptedFactor, Presented, Refused};
pub use crate::operations::sign_in_steps::PasswordShown;
use crate::operations::{App, audit, dearest_hash, session_use};
use crate::security::jwt::{Kind, SessionClaim};
use crate::security::passwords::Verification;

/// A new session and its secret, which exists only here and in the client.
#[derive(Debug)]
pub struct OpenedSession {
    /// Who.
    pub user: User,
    /// To be carried.
    pub secret: Secret,
    /// When the session ends, whatever happens.
    pub expires_at: Timestamp,
}

/// What a client shows to sign in.
#[derive(Debug)]
pub struct SignInInput<'a> {
    /// As it was typed.
    pub username: &'a str,
    /// As it was typed.
    pub password: &'a Password,
    /// The code of a second factor, if one was sent along.
    pub code: Option<&'a str>,
}

/// What the right password leads to.
#[derive(Debug)]
pub enum Outcome {
    /// A session.
    Opened(Box<OpenedSession>),
    /// The account has a second factor, which is to be shown by [`second_step`].
    NeedsCode(PasswordShown),
}

/// Signs a user in by name and password, and by the code of a second factor where the account has one; `browser` is
/// the one that tries, if it signed in before.
///
/// Unknown names, wrong passwords, inactive and blocked accounts cost one hash operation each, are
/// answered no sooner than the setting `sign_in_failure_milliseconds` and the dearest stored hash say, and look alike. Only the
/// audit log distinguishes them.
///
/// # Errors
/// [`Error::NotAuthenticated`] for all of these, and for a wrong code; [`Error::Throttled`] for an address with too many
/// failures; [`Error::Unavailable`] when too many passwords wait to be checked.
pub async fn sign_in(
    app: &App,
    shown: SignInInput<'_>,
    credential: Credential,
    browser: Option<&DeviceId>,
    origin: &Origin,
) -> Result<Outcome> {
    let floor = Duration::from_millis(app.settings.sign_in_failure_milliseconds);
    let started = rocket::tokio::time::Instant::now();
    let attempt = Attempt::at(app, shown.username, browser, origin);
    let result = attempt.sign_in(shown.password, shown.code, credential).await;
    if let Err(Error::NotAuthenticated(AuthenticationFailure::NoActiveAccount)) = result {
        let floor = floor.max(dearest_hash::floor(app).await);
        rocket::tokio::time::sleep_until(started + floor).await;
    }
    result
}

/// Signs in a user whose password was right, by the code of their second factor, or by a passkey that the browser with
/// this cookie was asked for.
///
/// # Errors
/// As [`sign_in`]; [`AuthenticationFailure::NoActiveAccount`] if the account has changed meanwhile.
pub async fn second_step(
    app: &App,
    before: &PasswordShown,
    (code, cookie): (&str, &str),
    browser: Option<&DeviceId>,
    origin: &Origin,
) -> Result<OpenedSession> {
    let attempt = Attempt::at(app, before.username(), browser, origin)
        .asking_for(ChallengePurpose::SecondStep(cookie.to_owned()));
    match attempt.check_again(|found| before.is_of(&found.password)).await? {
        Ok(found) => attempt.open(&found, None, Some(code), Credential::Cookie).await,
        Err((found, why)) => {
            attempt.count_failure(Action::SignInFailed, found.as_ref(), why).await?;
            // A block is not told, as at the first step.
            Err(if why == FailureReason::ChangedMeanwhile { REFUSED } else { WRONG_CODE })
        }
    }
}

/// Signs in the user of this name by a passkey alone, which the browser with this cookie was asked for and whose device
/// has verified its user; `None` for a passkey that no user has.
///
/// # Errors
/// As [`sign_in`].
pub async fn by_passkey(
    app: &App,
    username: Option<&str>,
    (passkey, cookie): (&str, &str),
    browser: Option<&DeviceId>,
    origin: &Origin,
) -> Result<OpenedSession> {
    let attempt = Attempt::at(app, username.unwrap_or_default(), browser, origin)
        .asking_for(ChallengePurpose::SignIn(cookie.to_owned()));
    let (found, why) = match attempt.check_again(|_| username.is_some()).await? {
        Ok(found) => match unusable(&found.user, app.clock.now()) {
            None => return attempt.open(&found, None, Some(passkey), Credential::Cookie).await,
            Some(why) => (Some(found.user), why),
        },
        Err((None, FailureReason::ChangedMeanwhile)) => (None, FailureReason::UnknownPasskey),
        Err(failure) => failure,
    };
    attempt.count_failure(Action::SignInFailed, found.as_ref(), why).await?;
    Err(REFUSED)
}

/// Why an account may not be used now, for the audit log.
fn unusable(user: &User, now: Timestamp) -> Option<FailureReason> {
    let why = if user.is_active { FailureReason::OutsideDates } else { FailureReason::Inactive };
    (!user.is_usable(now)).then_some(why)
}

const REFUSED: Error = Error::NotAuthenticated(AuthenticationFailure::NoActiveAccount);
const WRONG_CODE: Error = Error::NotAuthenticated(AuthenticationFailure::SecondFactorWrong);

impl<'a> Attempt<'a> {
    fn at(app: &'a App, username: &str, browser: Option<&DeviceId>, origin: &'a Origin) -> Self {
        match browser {
            Some(browser) => Attempt::from_known(app, username, browser, origin),
            None => Attempt::new(app, username, origin),
        }
    }

    async fn sign_in(
        &self,
        password: &Password,
        code: Option<&str>,
        credential: Credential,
    ) -> Result<Outcome> {
        let checked = self.check(password).await?;
        let (found, verdict) = match checked {
            Ok(checked) => checked,
            Err((found, why)) => {
                self.count_failure(Action::SignInFailed, found.as_ref(), why).await?;
                return Err(REFUSED);
            }
        };
        if let Some(why) = unusable(&found.user, self.app.clock.now()) {
            self.count_failure(Action::SignInFailed, Some(&found.user), why).await?;
            return Err(REFUSED);
        }
        let rehashed = match verdict {
            Verification::RightButOutdated => {
                let hash = self.hasher.hash(password).await.map_err(Error::from);
                Some(self.unless_given_up(hash).await?)
            }
            Verification::Right | Verification::Wrong => None,
        };
        let access = self.app.access(&found.user, false);
        if access == Access::OnlyToEnrol && credential != Credential::Cookie {
            self.unless_given_up(self.note_asked(&found.user, credential, true).await).await?;
            self.leave_open().await;
            return Err(Error::NotAuthenticated(AuthenticationFailure::SecondFactorMissing));
        }
        if code.is_none() && access == Access::AfterFactor {
            let shown = self.unless_given_up(self.keep(&found, rehashed).await).await?;
            self.unless_given_up(self.note_asked(&found.user, credential, false).await).await?;
            self.leave_open().await;
            return Ok(Outcome::NeedsCode(shown));
        }
        let opened = self.open(&found, rehashed.as_ref(), code, credential).await?;
        Ok(Outcome::Opened(Box::new(opened)))
    }

    /// Records that the password was right and is not enough: without the sign-in that follows, a stranger may have it.
    async fn note_asked(&self, user: &User, credential: Credential, has_none: bool) -> Result<()> {
        let mut entry = self
            .entry(Action::SecondFactorAsked, Some(user))
            .detail("by", credential.as_str())
            .detail("device", self.origin.device.as_str());
        if has_none {
            entry = entry.detail("reason", "no_second_factor");
        }
        db::retrying(|| async {
            let mut tx = self.app.db.begin().await?;
            audit::record(&mut tx, &entry, self.app.clock.now()).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// What is known after the first step. A better hash is stored with it: the password is not there later.
    async fn keep(&self, verified: &Credentials, rehashed: Option<PasswordHash>) -> Result<PasswordShown> {
        let (app, user) = (self.app, &verified.user);
        let Some(hash) = rehashed else {
            return Ok(PasswordShown::new(user, &verified.password, app.clock.now()));
        };
        db::retrying(|| async {
            let now = app.clock.now();
            let mut tx = app.db.begin().await?;
            let found = db::users::lock(&mut tx, user.id).await?;
            if found.is_none_or(|found| found.password != verified.password) {
                // The next step will find another password.
                return Ok(PasswordShown::new(user, &verified.password, now));
            }
            db::users::set_hash(&mut tx, user.id, &hash).await?;
            tx.commit().await?;
            Ok(PasswordShown::new(user, &hash, now))
        })
        .await
    }

    /// Opens a session for a user whose password was right, if the gate lets them through with what they show.
    async fn open(
        &self,
        found: &Credentials,
        rehashed: Option<&PasswordHash>,
        code: Option<&str>,
        credential: Credential,
    ) -> Result<OpenedSession> {
        let presented = self.read_code(&found.user, code).await?;
        let open = || self.open_session(found, rehashed, presented.as_ref(), credential);
        let opened = self.succeed(Action::SignInFailed, found, open).await?.ok_or(REFUSED)?;
        let (opened, shown) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                self.count_failure(Action::SignInFailed, Some(&found.user), why).await?;
                return Err(WRONG_CODE);
            }
        };
        // A program signs in again and again, and the first sign-in of all is expected.
        if credential == Credential::Cookie && !self.is_known() && found.user.last_login.is_some() {
            self.tell_owner(&found.user, Event::NewBrowser).await;
        }
        if shown == Some(AcceptedFactor::RecoveryCode) {
            self.tell_owner(&found.user, Event::RecoveryCodeUsed).await;
        }
        Ok(opened)
    }

    /// Writes a successful sign-in: the session, the time, a better hash, that the account's failures
    /// are over, and the audit entry. `None` if it is none any more; within, why the code is refused.
    async fn open_session(
        &self,
        verified: &Credentials,
        rehashed: Option<&PasswordHash>,
        code: Option<&Presented>,
        credential: Credential,
    ) -> Result<Option<Opening>> {
        let (app, id) = (self.app, verified.user.id);
        let now = app.clock.now();
        let mut shown = None;
        let (mut tx, counted) = match code {
            None => self.begin().await?,
            // What a wrong code stores is committed: nothing else may be written before it is looked at.
            Some(code) => {
                let Some((mut tx, user, counted)) = self.begin_unchanged(verified, now).await? else {
                    return Ok(None);
                };
                if user.has_factor {
                    match second_factor_code::show(app, &mut tx, &user, code, now).await? {
                        Ok(accepted) => shown = Some(accepted),
                        Err(why) => {
                            tx.commit().await?;
                            return Ok(Some(Err(why)));
                        }
                    }
                }
                (tx, counted)
            }
        };
        let noted = db::users::note_sign_in(&mut tx, id, credential, now).await?;
        let Some(NotedSignIn { found, sessions, session }) = noted else { return Ok(None) };
        let Some(user) = unchanged(verified, found, now) else { return Ok(None) };
        let is_alone = self.is_by_passkey_alone();
        if app.access(&user, shown.is_some()) == Access::AfterFactor || is_alone && shown.is_none() {
            return Ok(None);
        }
        if let Some(hash) = rehashed {
            db::users::set_hash(&mut tx, id, hash).await?;
        }
        let secret = Secret::random();
        let expires_at = now.plus(app.settings.session_lifetime(credential));
        let new = NewSession {
            credential,
            expires_at,
            confirmed_at: now,
            name: String::new(),
            read_only: false,
            second_factor: shown.is_some(),
        };
        // A bound of parallel sessions (ASVS 7.1.2). One kind does not crowd out the other.
        let ended = match app.settings.most_sessions(credential) {
            Some(most) if sessions >= u64::from(most) => {
                db::sessions::delete_least_recent(&mut tx, id, credential, most.saturating_sub(1)).await?
            }
            Some(_) | None => 0,
        };
        self.forget_failures(&mut tx, counted, now);
        db::sessions::insert_with_next(&mut tx, session, id, &new, &secret.hash(), self.origin, now);
        let mut entry = Entry::new(Action::SignIn, Author::user(&user, self.origin))
            .on(&user)
            .detail("by", credential.as_str())
            .detail("session", session.0)
            .detail("device", self.origin.device.as_str());
        if let Some(shown) = &shown {
            entry =
                entry.detail(if is_alone { "without_password" } else { "second_factor" }, shown.describe());
        }
        if ended > 0 {
            entry = entry.detail("least_recent_sessions_ended", ended);
        }
        audit::record(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(Some(Ok((OpenedSession { user, secret, expires_at }, shown))))
    }
}

/// A session and the factor that was shown for it, or why its code is refused.
type Opening = std::result::Result<(OpenedSession, Option<AcceptedFactor>), Refused>;

/// The two tokens of a client that has signed in.
#[derive(Debug, serde::Serialize)]
pub struct TokenPair {
    /// For new access tokens, again and again.
    pub refresh: String,
    /// For requests.
    pub access: String,
}

/// The tokens of a new session.
#[must_use]
pub fn tokens(app: &App, signed_in: &OpenedSession) -> TokenPair {
    let now = app.clock.now();
    let named = SessionClaim { user: signed_in.user.id, secret: signed_in.secret.clone() };
    let keys = app.keys();
    let sign = |kind, expires_at| keys.tokens.sign(kind, &named, now, expires_at);
    TokenPair {
        refresh: sign(Kind::Refresh, signed_in.expires_at),
        access: sign(Kind::Access, access_end(app, now, signed_in.expires_at)),
    }
}

fn access_end(app: &App, now: Timestamp, session_end: Timestamp) -> Timestamp {
    now.plus(app.settings.access_token_lifetime()).min(session_end)
}

/// A new access token for the holder of a refresh token.
///
/// # Errors
/// [`Error::NotAuthenticated`], the same for everything that is wrong with the token.
pub async fn refresh(app: &App, token: &str) -> Result<String> {
    let (found, secret) =
        authentication::by_jwt(app, Kind::Refresh, token, None).await.map_err(one_reason)?;
    session_use::note(app, &found.session);
    let now = app.clock.now();
    let named = SessionClaim { user: found.user.id, secret };
    Ok(app.keys().tokens.sign(Kind::Access, &named, now, access_end(app, now, found.session.expires_at)))
}

/// Whether a token of any kind would be accepted now: access, refresh, or a named API token.
///
/// # Errors
/// [`Error::NotAuthenticated`], the same for everything that is wrong with the token.
pub async fn verify(app: &App, token: &str) -> Result<()> {
    if let Some(secret) = token.strip_prefix(API_TOKEN_PREFIX) {
        return authentication::by_api_token(app, secret, None).await.map(drop).map_err(one_reason);
    }
    let invalid = || Error::NotAuthenticated(AuthenticationFailure::TokenInvalid);
    let (kind, _) = app.keys().read_token(None, token, app.clock.now()).ok_or_else(invalid)?;
    authentication::by_jwt(app, kind, token, None).await.map(drop).map_err(one_reason)
}

fn one_reason(error: Error) -> Error {
    match error {
        Error::NotAuthenticated(_) => Error::NotAuthenticated(AuthenticationFailure::TokenInvalid),
        other => other,
    }
}

/// Ends the actor's session.
pub async fn sign_out(actor: &Actor) -> Result<()> {
    let (app, user, session) = (actor.app(), actor.user(), actor.session());
    let entry = Entry::new(Action::SignOut, Author::user(user, actor.origin()))
        .on(user)
        .detail("session", session.id.0);
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        if db::sessions::delete(&mut tx, session.id).await? {
            audit::record(&mut tx, &entry, app.clock.now()).await?;
        }
        Ok(tx.commit().await?)
    })
    .await
}
