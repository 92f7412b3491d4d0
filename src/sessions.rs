//! Sessions: sign in, sign out, authenticate, refresh.
//!
//! A session is one row, whoever carries its secret: a browser's cookie, or the tokens of an API
//! client. Only a hash of the secret is stored. Deleting the row ends every credential made from it,
//! on every instance, at the next request.

use std::net::IpAddr;
use std::time::Duration;

use crate::Usher;
use crate::clock::Timestamp;
use crate::db::{self, Tx};
use crate::error::{AuthenticationFailure, Error, Result};
use crate::passwords::{Password, PasswordHash, Verdict};
use crate::session::{Carrier, Secret, Session};
use crate::text;
use crate::throttle::{Failures, HARD_LIMIT, Key};
use crate::tokens::{Kind, Named};
use crate::user::{User, UserId};

/// A session is noted as used at most this often, so that reading costs no write.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);
/// Counted failures are forgotten after this time without a new one.
const FORGET_FAILURES: Duration = Duration::from_hours(24);

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

/// Signs a user in by name and password.
///
/// Unknown names, wrong passwords, inactive and blocked accounts cost one hash operation each, are
/// answered no sooner than the setting `sign_in_failure_milliseconds` says, and look alike.
///
/// # Errors
/// [`Error::NotAuthenticated`] for all of these; [`Error::Throttled`] for an address with too many
/// failures; [`Error::Unavailable`] when too many passwords wait to be checked.
pub async fn sign_in(
    app: &Usher,
    username: &str,
    password: &Password,
    carrier: Carrier,
    address: Option<IpAddr>,
) -> Result<SignedIn> {
    let floor = Duration::from_millis(app.settings.sign_in_failure_milliseconds);
    let started = rocket::tokio::time::Instant::now();
    let result = try_sign_in(app, username, password, carrier, address).await;
    if let Err(Error::NotAuthenticated(_)) = result {
        rocket::tokio::time::sleep_until(started + floor).await;
    }
    result
}

async fn try_sign_in(
    app: &Usher,
    username: &str,
    password: &Password,
    carrier: Carrier,
    address: Option<IpAddr>,
) -> Result<SignedIn> {
    let keys = ThrottleKeys { account: Key::account(username), address: address.map(Key::address) };
    if let Some(wait) = keys.address_wait(app).await? {
        return Err(Error::Throttled(wait.as_secs().max(1)));
    }
    let blocked = match db::throttles::get(&app.db, &keys.account).await? {
        Some(failures) => failures.wait(app.clock.now()).is_some(),
        None => false,
    };
    let found = db::users::credentials(&app.db, &text::canonical(username)).await?;
    // A blocked account's password is not looked at: the dummy takes its place.
    let stored = found.as_ref().map(|found| &found.password).filter(|_| !blocked);
    let verdict = app.hasher.verify(password, stored).await?;
    let found = found.filter(|found| verdict != Verdict::Wrong && found.user.is_active && !blocked);
    let Some(found) = found else {
        keys.count_failure(app, blocked).await?;
        return Err(Error::NotAuthenticated(AuthenticationFailure::NoActiveAccount));
    };
    let rehashed = match verdict {
        Verdict::RightButOutdated => Some(app.hasher.hash(password).await?),
        Verdict::Right | Verdict::Wrong => None,
    };
    db::retrying(|| open_session(app, &keys, found.user.id, &found.password, rehashed.as_ref(), carrier))
        .await
}

/// Writes a successful sign-in: the session, the time, a better hash, and that the account's failures
/// are over.
async fn open_session(
    app: &Usher,
    keys: &ThrottleKeys,
    id: UserId,
    verified: &PasswordHash,
    rehashed: Option<&PasswordHash>,
    carrier: Carrier,
) -> Result<SignedIn> {
    let now = app.clock.now();
    let refused = || Error::NotAuthenticated(AuthenticationFailure::NoActiveAccount);
    let mut tx = app.db.begin().await?;
    let failures = db::throttles::lock(&mut tx, &keys.account).await?;
    // Others may have been guessing while this password was checked: what they used up counts.
    if failures.as_ref().is_some_and(|failures| failures.wait(now).is_some()) {
        return Err(refused());
    }
    let found = db::users::lock(&mut tx, id).await?;
    let mut user = found
        .filter(|found| found.user.is_active && found.password == *verified)
        .map(|found| found.user)
        .ok_or_else(refused)?;
    if failures.is_some() {
        db::throttles::delete(&mut tx, &keys.account).await?;
    }
    if let Some(hash) = rehashed {
        db::users::set_password(&mut tx, id, hash).await?;
    }
    db::users::set_last_login(&mut tx, id, now).await?;
    user.last_login = Some(now);
    let secret = Secret::random();
    let expires_at = now.plus(app.settings.session_lifetime(carrier));
    db::sessions::insert(&mut tx, id, carrier, &secret.hash(), now, expires_at).await?;
    tx.commit().await?;
    Ok(SignedIn { user, secret, expires_at })
}

/// Under which keys the failures of one sign-in are counted.
struct ThrottleKeys {
    account: Key,
    address: Option<Key>,
}

impl ThrottleKeys {
    async fn address_wait(&self, app: &Usher) -> Result<Option<Duration>> {
        let Some(address) = &self.address else { return Ok(None) };
        let failures = db::throttles::get(&app.db, address).await?;
        Ok(failures.and_then(|failures| failures.wait(app.clock.now())))
    }

    /// A try on a blocked account is not counted against the account, or the block would never lift.
    async fn count_failure(&self, app: &Usher, blocked: bool) -> Result<()> {
        db::retrying(|| async move {
            let now = app.clock.now();
            let thresholds = app.settings.thresholds();
            let mut tx = app.db.begin().await?;
            if !blocked {
                let before = db::throttles::lock(&mut tx, &self.account).await?;
                let after = Failures::account(before, now, thresholds);
                db::throttles::set(&mut tx, &self.account, &after).await?;
            }
            if let Some(address) = &self.address {
                let before = db::throttles::lock(&mut tx, address).await?;
                let after = Failures::address(before, now, thresholds);
                db::throttles::set(&mut tx, address, &after).await?;
            }
            tx.commit().await.map_err(Error::from)
        })
        .await
    }
}

/// Who is behind a credential, at this moment: the session and the user are read together, so a right
/// that was taken away is gone at the next request.
///
/// # Errors
/// [`Error::NotAuthenticated`] with the reason that clients know; [`Error::Unavailable`] when the
/// database is away, which is never taken for a sign-out.
pub async fn authenticate(app: &Usher, credential: Credential<'_>) -> Result<(User, Session)> {
    match credential {
        Credential::Bearer(token) => {
            by_token(app, Kind::Access, token).await.map(|(user, session, _)| (user, session))
        }
        Credential::Cookie(secret) => by_cookie(app, secret).await,
    }
}

async fn by_token(app: &Usher, kind: Kind, token: &str) -> Result<(User, Session, Secret)> {
    let refuse = |reason| Err(Error::NotAuthenticated(reason));
    let now = app.clock.now();
    let Some((_, named)) = app.keys.tokens.read(Some(kind), token, now) else {
        return refuse(AuthenticationFailure::TokenNotValid);
    };
    match db::sessions::by_token(&app.db, named.user, &named.secret.hash()).await? {
        None => refuse(AuthenticationFailure::UserNotFound),
        Some((user, _)) if !user.is_active => refuse(AuthenticationFailure::UserInactive),
        Some((user, Some(session))) if now < session.expires_at => Ok((user, session, named.secret)),
        Some(_) => refuse(AuthenticationFailure::TokenNotValid),
    }
}

async fn by_cookie(app: &Usher, secret: &str) -> Result<(User, Session)> {
    let refused = Error::NotAuthenticated(AuthenticationFailure::NoCredentials);
    let Some(secret) = Secret::from_text(secret) else { return Err(refused) };
    let now = app.clock.now();
    let Some((user, session)) = db::sessions::by_cookie(&app.db, &secret.hash()).await? else {
        return Err(refused);
    };
    let unused = now.since(session.last_seen_at);
    if !user.is_active || now >= session.expires_at || unused >= app.settings.session_idle() {
        return Err(refused);
    }
    if unused >= TOUCH_INTERVAL {
        // Whoever may read goes on reading when nothing can be written, as on a full disk.
        if let Err(error) = touch(app, &session, now).await {
            log::warn!("could not note that a session was used: {error}");
        }
    }
    Ok((user, session))
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
    let (user, session, secret) = by_token(app, Kind::Refresh, token).await.map_err(one_reason)?;
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
    by_token(app, kind, token).await.map(drop).map_err(one_reason)
}

fn one_reason(error: Error) -> Error {
    match error {
        Error::NotAuthenticated(_) => Error::NotAuthenticated(AuthenticationFailure::TokenInvalid),
        other => other,
    }
}

/// Ends a session.
///
/// # Errors
/// As the database says.
pub async fn sign_out(app: &Usher, session: &Session) -> Result<()> {
    let mut tx = app.db.begin().await?;
    db::sessions::delete(&mut tx, session.id).await?;
    Ok(tx.commit().await?)
}

/// Ends all sessions of a user, as part of the change that demands it.
///
/// # Errors
/// As the database says.
pub async fn end_all(tx: &mut Tx, user: UserId) -> Result<u64> {
    Ok(db::sessions::delete_of_user(tx, user).await?)
}

/// Removes what nothing can use any more: expired sessions, forgotten failures. Called now and then.
///
/// # Errors
/// As the database says.
pub async fn clean_up(app: &Usher) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    db::sessions::delete_expired(&mut tx, now).await?;
    db::throttles::delete_older(&mut tx, now.minus(FORGET_FAILURES), HARD_LIMIT).await?;
    Ok(tx.commit().await?)
}
