//! Sessions: sign in, sign out, authenticate, refresh.
//!
//! A session is one row, whoever carries its secret: a browser's cookie, or the tokens of an API
//! client. Only a hash of the secret is stored. Deleting the row ends every credential made from it,
//! on every instance, at the next request.

use std::collections::HashSet;
use std::time::Duration;

use crate::Usher;
use crate::attempt::Attempt;
use crate::audit::{self, Action, Author, Entry};
use crate::clock::Timestamp;
use crate::db::sessions::Presented;
use crate::db::users::Credentials;
use crate::db::{self, Tx};
use crate::error::{AuthenticationFailure, Error, Result};
use crate::known::Browser;
use crate::origin::Origin;
use crate::passwords::{Password, PasswordHash, Verdict};
use crate::permission::{Can, ManageUsers, Permission};
use crate::session::{Carrier, NewSession, Secret, Session};
use crate::throttle::HARD_LIMIT;
use crate::tokens::{Kind, Named};
use crate::user::{User, UserId};

/// A session is noted as used at most this often, so that reading costs no write.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);
/// What a named API token begins with, so that people and scanners for secrets know it when they see it.
pub const NAMED_PREFIX: &str = "usher_";
/// Sessions of one user at once, named tokens apart; the next one ends the oldest (ASVS 7.1.2).
const MOST_SESSIONS: i64 = 10;
/// The failures of an address are forgotten after this time without a new one.
const FORGET_ADDRESSES: Duration = Duration::from_hours(24);
/// The same of an account: long, or whoever waits a day now and then would never come to the hundredth failure.
const FORGET_ACCOUNTS: Duration = Duration::from_hours(366 * 24);
/// What became of a message is known for so long.
const FORGET_MAILS: Duration = Duration::from_hours(30 * 24);

/// Credentials as they came with a request.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'r> {
    /// The value after `Bearer`.
    Bearer(&'r str),
    /// The session cookie's value.
    Cookie(&'r str),
}

/// A new session and its secret, which exists only here and with whoever carries it.
#[derive(Debug)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// To be carried.
    pub secret: Secret,
    /// When the session ends, whatever happens.
    pub expires_at: Timestamp,
}

/// Signs a user in by name and password; `browser` is the one that tries, if it signed in before.
///
/// Unknown names, wrong passwords, inactive and blocked accounts cost one hash operation each, are
/// answered no sooner than the setting `sign_in_failure_milliseconds` says, and look alike. Only the
/// trail tells them apart.
///
/// # Errors
/// [`Error::NotAuthenticated`] for all of these; [`Error::Throttled`] for an address with too many
/// failures; [`Error::Unavailable`] when too many passwords wait to be checked.
pub async fn sign_in(
    app: &Usher,
    username: &str,
    password: &Password,
    carrier: Carrier,
    browser: Option<&Browser>,
    origin: &Origin,
) -> Result<SignedIn> {
    let floor = Duration::from_millis(app.settings.sign_in_failure_milliseconds);
    let started = rocket::tokio::time::Instant::now();
    let attempt = match browser {
        Some(browser) => Attempt::from_known(app, username, browser, origin),
        None => Attempt::new(app, username, origin),
    };
    let result = attempt.sign_in(password, carrier).await;
    if let Err(Error::NotAuthenticated(_)) = result {
        rocket::tokio::time::sleep_until(started + floor).await;
    }
    result
}

const REFUSED: Error = Error::NotAuthenticated(AuthenticationFailure::NoActiveAccount);

impl Attempt<'_> {
    async fn sign_in(&self, password: &Password, carrier: Carrier) -> Result<SignedIn> {
        let checked = self.check(password).await?;
        let (found, verdict) = match checked {
            Ok(checked) => checked,
            Err((found, why)) => {
                self.count_failure(Action::SignInFailed, found.as_ref(), why).await?;
                return Err(REFUSED);
            }
        };
        if !found.user.is_usable(self.app.clock.now()) {
            let why = if found.user.is_active { "outside_dates" } else { "inactive" };
            self.count_failure(Action::SignInFailed, Some(&found.user), why).await?;
            return Err(REFUSED);
        }
        let rehashed = match verdict {
            Verdict::RightButOutdated => Some(self.app.hasher.hash(password).await?),
            Verdict::Right | Verdict::Wrong => None,
        };
        db::retrying(|| self.open_session(&found, rehashed.as_ref(), carrier)).await
    }

    /// Writes a successful sign-in: the session, the time, a better hash, that the account's failures
    /// are over, and the entry of the trail.
    async fn open_session(
        &self,
        verified: &Credentials,
        rehashed: Option<&PasswordHash>,
        carrier: Carrier,
    ) -> Result<SignedIn> {
        let (app, id) = (self.app, verified.user.id);
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let mut user = self.still_right(&mut tx, verified, now).await?.ok_or(REFUSED)?;
        if let Some(hash) = rehashed {
            db::users::set_hash(&mut tx, id, hash).await?;
        }
        db::users::set_last_login(&mut tx, id, now).await?;
        user.last_login = Some(now);
        let secret = Secret::random();
        let expires_at = now.plus(app.settings.session_lifetime(carrier));
        let new =
            NewSession { carrier, expires_at, confirmed_at: now, name: String::new(), read_only: false };
        let ended = db::sessions::delete_oldest(&mut tx, id, MOST_SESSIONS - 1).await?;
        let session = db::sessions::insert(&mut tx, id, &new, &secret.hash(), self.origin, now).await?;
        let mut entry = Entry::new(Action::SignIn, Author::user(&user, self.origin))
            .on(&user)
            .detail("by", carrier.as_str())
            .detail("session", session.0)
            .detail("device", self.origin.device.as_str());
        if ended > 0 {
            entry = entry.detail("oldest_sessions_ended", ended);
        }
        audit::record(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(SignedIn { user, secret, expires_at })
    }
}

/// Who is behind a credential, at this moment: the session and the user are read together, so a right
/// that was taken away is gone at the next request.
///
/// # Errors
/// [`Error::NotAuthenticated`] with the reason that clients know; [`Error::Unavailable`] when the
/// database is away, which is never taken for a sign-out.
pub async fn authenticate(app: &Usher, credential: Credential<'_>) -> Result<(User, Session)> {
    authenticate_and_read(app, credential, None).await.map(|found| (found.user, found.session))
}

/// Whoever is behind a credential, by which session, and whom the request was to read.
#[derive(Debug)]
pub struct Authenticated {
    /// Who.
    pub user: User,
    /// By which session.
    pub session: Session,
    /// The user who was to be read along, if there is one.
    pub along: Option<User>,
}

/// As [`authenticate`]; the user with the primary key `along` is read at the same time.
///
/// # Errors
/// As [`authenticate`].
pub async fn authenticate_and_read(
    app: &Usher,
    credential: Credential<'_>,
    along: Option<UserId>,
) -> Result<Authenticated> {
    let found = match credential {
        Credential::Bearer(token) => match token.strip_prefix(NAMED_PREFIX) {
            Some(secret) => by_named_token(app, secret, along).await?,
            None => by_token(app, Kind::Access, token, along).await?.0,
        },
        Credential::Cookie(secret) => by_cookie(app, secret, along).await?,
    };
    note_use(app, &found.session).await;
    Ok(found)
}

async fn by_named_token(app: &Usher, secret: &str, along: Option<UserId>) -> Result<Authenticated> {
    let refuse = |reason| Err(Error::NotAuthenticated(reason));
    let Some(secret) = Secret::from_text(secret) else {
        return refuse(AuthenticationFailure::TokenNotValid);
    };
    let now = app.clock.now();
    let presented = db::sessions::by_secret(&app.db, secret.hash(), Carrier::Named, along).await?;
    let Some(Presented { user, session: Some(session), along }) = presented else {
        return refuse(AuthenticationFailure::TokenNotValid);
    };
    if !user.is_usable(now) {
        return refuse(AuthenticationFailure::UserInactive);
    }
    if now >= session.expires_at {
        return refuse(AuthenticationFailure::TokenNotValid);
    }
    Ok(Authenticated { user, session, along })
}

async fn by_token(
    app: &Usher,
    kind: Kind,
    token: &str,
    along: Option<UserId>,
) -> Result<(Authenticated, Secret)> {
    let refuse = |reason| Err(Error::NotAuthenticated(reason));
    let now = app.clock.now();
    let Some((_, named)) = app.keys.tokens.read(Some(kind), token, now) else {
        return refuse(AuthenticationFailure::TokenNotValid);
    };
    let presented = db::sessions::by_token(&app.db, named.user, named.secret.hash(), along).await?;
    let Some(Presented { user, session, along }) = presented else {
        return refuse(AuthenticationFailure::UserNotFound);
    };
    match session {
        _ if !user.is_usable(now) => refuse(AuthenticationFailure::UserInactive),
        Some(session) if now < session.expires_at => {
            Ok((Authenticated { user, session, along }, named.secret))
        }
        _ => refuse(AuthenticationFailure::TokenNotValid),
    }
}

async fn by_cookie(app: &Usher, secret: &str, along: Option<UserId>) -> Result<Authenticated> {
    let refused = Error::NotAuthenticated(AuthenticationFailure::NoCredentials);
    let Some(secret) = Secret::from_text(secret) else { return Err(refused) };
    let now = app.clock.now();
    let presented = db::sessions::by_secret(&app.db, secret.hash(), Carrier::Cookie, along).await?;
    let Some(Presented { user, session: Some(session), along }) = presented else {
        return Err(refused);
    };
    let is_idle = session.unused(now) >= app.settings.session_idle();
    if !user.is_usable(now) || now >= session.expires_at || is_idle {
        return Err(refused);
    }
    Ok(Authenticated { user, session, along })
}

/// Notes that a session is used, unless that was noted a moment ago. Whoever may read goes on reading
/// when nothing can be written, as on a full disk.
async fn note_use(app: &Usher, session: &Session) {
    let now = app.clock.now();
    if session.unused(now) >= TOUCH_INTERVAL
        && let Err(error) = touch(app, session, now).await
    {
        log::warn!("could not note that a session was used: {error}");
    }
}

async fn touch(app: &Usher, session: &Session, now: Timestamp) -> db::Result<()> {
    let mut tx = app.db.begin().await?;
    db::sessions::touch(&mut tx, session.id, now).await?;
    tx.commit().await
}

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
pub fn tokens(app: &Usher, signed_in: &SignedIn) -> TokenPair {
    let now = app.clock.now();
    let named = Named { user: signed_in.user.id, secret: signed_in.secret.clone() };
    let sign = |kind, expires_at| app.keys.tokens.sign(kind, &named, now, expires_at);
    TokenPair {
        refresh: sign(Kind::Refresh, signed_in.expires_at),
        access: sign(Kind::Access, access_end(app, now, signed_in.expires_at)),
    }
}

fn access_end(app: &Usher, now: Timestamp, session_end: Timestamp) -> Timestamp {
    now.plus(app.settings.access_token_lifetime()).min(session_end)
}

/// A new access token for the holder of a refresh token.
///
/// # Errors
/// [`Error::NotAuthenticated`], the same for everything that is wrong with the token.
pub async fn refresh(app: &Usher, token: &str) -> Result<String> {
    let (found, secret) = by_token(app, Kind::Refresh, token, None).await.map_err(one_reason)?;
    let Authenticated { user, session, .. } = found;
    note_use(app, &session).await;
    let now = app.clock.now();
    let named = Named { user: user.id, secret };
    Ok(app.keys.tokens.sign(Kind::Access, &named, now, access_end(app, now, session.expires_at)))
}

/// Whether a token of either kind would be accepted now.
///
/// # Errors
/// [`Error::NotAuthenticated`], the same for everything that is wrong with the token.
pub async fn verify(app: &Usher, token: &str) -> Result<()> {
    let invalid = || Error::NotAuthenticated(AuthenticationFailure::TokenInvalid);
    let (kind, _) = app.keys.tokens.read(None, token, app.clock.now()).ok_or_else(invalid)?;
    by_token(app, kind, token, None).await.map(drop).map_err(one_reason)
}

fn one_reason(error: Error) -> Error {
    match error {
        Error::NotAuthenticated(_) => Error::NotAuthenticated(AuthenticationFailure::TokenInvalid),
        other => other,
    }
}

/// Ends a session of a user, at their own wish.
///
/// # Errors
/// As the database says.
pub async fn sign_out(app: &Usher, user: &User, session: &Session, origin: &Origin) -> Result<()> {
    let entry =
        Entry::new(Action::SignOut, Author::user(user, origin)).on(user).detail("session", session.id.0);
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        if db::sessions::delete(&mut tx, session.id).await? {
            audit::record(&mut tx, &entry, app.clock.now()).await?;
        }
        Ok(tx.commit().await?)
    })
    .await
}

/// The primary keys of a user's sessions that can still be used.
///
/// # Errors
/// As the database says.
pub async fn live_of(app: &Usher, _can: &Can<ManageUsers>, user: UserId) -> Result<HashSet<i64>> {
    let now = app.clock.now();
    let used_after = now.minus(app.settings.session_idle());
    Ok(db::sessions::live_of(&app.db, user, now, used_after).await?.into_iter().collect())
}

/// Makes sure, in the transaction of a change, that its author's session has not been ended since the request
/// was let in: it may have waited for long, as for a turn at hashing. To be asked after the row that is changed
/// is locked.
///
/// # Errors
/// [`Error::NotAuthenticated`], as the next request will be told.
pub(crate) async fn require_open<P: Permission>(tx: &mut Tx, can: &Can<P>) -> Result<()> {
    if db::sessions::exists(tx, can.session().id).await? {
        return Ok(());
    }
    Err(Error::NotAuthenticated(match can.session().carrier {
        Carrier::Cookie => AuthenticationFailure::NoCredentials,
        Carrier::Token | Carrier::Named => AuthenticationFailure::TokenNotValid,
    }))
}

/// Ends all sessions of a user, as part of the change that demands it.
///
/// # Errors
/// As the database says.
pub async fn end_all(tx: &mut Tx, user: UserId) -> Result<u64> {
    Ok(db::sessions::delete_of_user(tx, user).await?)
}

/// Removes what nothing can use any more: expired sessions and links, forgotten failures and messages.
/// Called now and then.
///
/// # Errors
/// As the database says.
pub async fn clean_up(app: &Usher) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    db::sessions::delete_expired(&mut tx, now).await?;
    db::links::delete_expired(&mut tx, now).await?;
    db::mails::delete_older(&mut tx, now.minus(FORGET_MAILS)).await?;
    let (addresses, accounts) = (now.minus(FORGET_ADDRESSES), now.minus(FORGET_ACCOUNTS));
    db::throttles::delete_older(&mut tx, addresses, accounts, HARD_LIMIT).await?;
    Ok(tx.commit().await?)
}
