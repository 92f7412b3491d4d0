//! Named API tokens: sessions for scripts and service accounts.
//!
//! A token is shown once, when it is made, and ends with its row like every session: when it expires,
//! is revoked, or all sessions of its user end. It may do what its user may, unless it is for
//! reading only; but it never replaces a password, and makes no other tokens. It has shown a second factor if its user's
//! own session made it and had; for an account that has one, no other session makes any.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::db::{self, Tx};
use crate::model::audit::{Action, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::label;
use crate::model::permission::{IsSuperuser, Permission, SignedIn};
use crate::model::presence::Presence;
use crate::model::raw::Raw;
use crate::model::second_factor::Access;
use crate::model::session::{Credential, LiveSession, NewSession, Secret, SessionId};
use crate::model::user::{User, UserId};
use crate::operations::authentication::API_TOKEN_PREFIX;
use crate::operations::{App, Can, audit, request_limits, sessions, users};

/// Tokens of one user at once.
const MOST_TOKENS: usize = 50;
/// Days until a token expires when nothing else is said.
const DAYS: u64 = 90;

/// A token as lists show it. Its serialized form is the API's.
#[derive(Debug, Clone, Serialize)]
pub struct ApiToken {
    /// Primary key of its session.
    pub id: SessionId,
    /// Its user's word for it.
    pub name: String,
    /// Whether it is good for reading only.
    pub read_only: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute; `None` for never.
    pub last_used_at: Option<Timestamp>,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl From<LiveSession> for ApiToken {
    fn from(session: LiveSession) -> Self {
        Self {
            id: session.id,
            name: session.name,
            read_only: session.read_only,
            created_at: session.created_at,
            last_used_at: session.last_seen_at,
            expires_at: session.expires_at,
        }
    }
}

/// A new token, with the text that is never to be had again.
#[derive(Debug, Serialize)]
pub struct MadeToken {
    /// What lists show of it.
    #[serde(flatten)]
    pub listed: ApiToken,
    /// To be sent as `Authorization: Bearer`.
    pub token: String,
}

/// What was sent about a new token, field by field.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TokenRequest {
    /// Its user's word for it.
    pub name: Raw,
    /// Days until it expires.
    pub expires_in_days: Raw,
    /// Whether it is for reading only, which it is unless it is said.
    pub read_only: Raw,
}

/// What was asked for, parsed where it could be, with a message where not.
#[derive(Debug, Clone)]
pub struct TokenInput {
    name: String,
    days: u64,
    /// Whether the token is to be good for reading only.
    pub read_only: bool,
    errors: FieldErrors,
}

/// Days until a token expires when nothing else is said.
#[must_use]
pub fn default_days(settings: &Settings) -> u64 {
    DAYS.min(settings.api_token_days)
}

impl TokenRequest {
    /// Parses every field, and collects the messages of all that do not fit.
    #[must_use]
    pub fn into_input(self, settings: &Settings) -> TokenInput {
        let mut errors = FieldErrors::default();
        let parse = |given: &str| label::parse(given, label::LONGEST);
        let name = self.name.required_text("name", &mut errors, parse).unwrap_or_default();
        let days = match self.expires_in_days {
            Raw::Missing | Raw::Null => Some(default_days(settings)),
            Raw::Integer(days) => u64::try_from(days).ok(),
            Raw::Text(text) => text.trim().parse().ok(),
            Raw::Bool(_) | Raw::Other => None,
        };
        let days = days.filter(|days| (1..=settings.api_token_days).contains(days));
        if days.is_none() {
            let most = settings.api_token_days;
            errors.add("expires_in_days", format!("Enter a number of days from 1 to {most}."));
        }
        let read_only = self.read_only.unless_null().flag("read_only", &mut errors).unwrap_or(true);
        TokenInput { name, days: days.unwrap_or_default(), read_only, errors }
    }
}

impl TokenInput {
    /// Whether everything fits.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the messages of all fields.
    pub fn check(&self) -> Result<()> {
        Ok(self.errors.clone().into_result()?)
    }
}

/// The caller's tokens, the latest first.
pub async fn own(can: &Can<SignedIn>) -> Result<Vec<ApiToken>> {
    list(can.app(), can.user().id).await
}

/// The tokens of a user, the latest first.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn of_user(can: &Can<IsSuperuser>, id: UserId) -> Result<Vec<ApiToken>> {
    let app = can.app();
    users::of_key(app, id).await?;
    list(app, id).await
}

async fn list(app: &App, id: UserId) -> Result<Vec<ApiToken>> {
    let now = app.clock.now();
    let mut live = db::sessions::live_of_user(&app.db, id, now, now).await?;
    app.session_uses.update(&mut live);
    Ok(live
        .into_iter()
        .filter(|session| session.credential == Credential::ApiToken)
        .map(ApiToken::from)
        .collect())
}

/// Makes a token for the caller.
///
/// # Errors
/// [`Error::Forbidden`] by an API token, and without a confirmed password; [`Error::Invalid`] with the messages
/// of all fields; [`Error::Throttled`] after too many changes.
pub async fn make_own(can: &Can<SignedIn>, input: &TokenInput) -> Result<MadeToken> {
    make(can, can.user().id, input).await
}

/// Makes a token for a user.
///
/// # Errors
/// As [`make_own`]; [`Error::NotFound`].
pub async fn make_for(can: &Can<IsSuperuser>, id: UserId, input: &TokenInput) -> Result<MadeToken> {
    make(can, id, input).await
}

async fn make<P: Permission>(can: &Can<P>, id: UserId, input: &TokenInput) -> Result<MadeToken> {
    let app = can.app();
    can.require_sign_in()?;
    input.check()?;
    can.require(Presence::Always, app.clock.now())?;
    db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let user = sessions::lock_target(&mut tx, can, id).await?.user;
        if id == can.user().id {
            request_limits::count_own_change(&mut tx, id, now).await?;
        }
        let made = insert(&mut tx, can, &user, input, now).await?;
        tx.commit().await?;
        Ok(made)
    })
    .await
}

async fn insert<P: Permission>(
    tx: &mut Tx,
    can: &Can<P>,
    user: &User,
    input: &TokenInput,
    now: Timestamp,
) -> Result<MadeToken> {
    if !user.is_active {
        return Err(Error::invalid("non_field_errors", "The account is deactivated."));
    }
    let names = db::sessions::token_names(tx, user.id, now).await?;
    if names.contains(&input.name) {
        return Err(Error::invalid("name", "There is a token of that name already. Choose another."));
    }
    if names.len() >= MOST_TOKENS {
        return Err(Error::invalid(
            "name",
            format!("There are {MOST_TOKENS} tokens already. Revoke one first."),
        ));
    }
    let secret = Secret::random();
    let expires_at = now.plus(Duration::from_hours(24 * input.days));
    let new = NewSession {
        credential: Credential::ApiToken,
        expires_at,
        // A token cannot confirm a password.
        confirmed_at: Timestamp::from_micros(0),
        name: input.name.clone(),
        read_only: input.read_only,
        second_factor: user.id == can.user().id && can.session().second_factor,
    };
    if can.app().access(user, new.second_factor) == Access::AfterFactor {
        return Err(Error::invalid(
            "non_field_errors",
            "The account has a second factor: only its owner, who shows it, makes tokens for it.",
        ));
    }
    let id = db::sessions::insert(tx, user.id, &new, &secret.hash(), can.origin(), now).await?;
    let entry = Entry::new(Action::TokenMade, can.author())
        .on(user)
        .detail("name", input.name.as_str())
        .detail("read_only", input.read_only)
        .detail("expires_at", expires_at.to_string())
        .detail("session", id.0);
    audit::record(tx, &entry, now).await?;
    let (name, read_only) = (input.name.clone(), input.read_only);
    let listed = ApiToken { id, name, read_only, created_at: now, last_used_at: None, expires_at };
    Ok(MadeToken { listed, token: format!("{API_TOKEN_PREFIX}{}", secret.to_text()) })
}

/// Revokes one of the caller's tokens.
///
/// # Errors
/// [`Error::NoSuchPath`] if the caller has none of that key; [`Error::Forbidden`] where [`presence::of_ending`]
/// asks for the caller.
pub async fn revoke_own(can: &Can<SignedIn>, token: SessionId) -> Result<ApiToken> {
    revoke(can, can.user().id, token).await
}

/// Revokes a token of a user.
///
/// # Errors
/// As [`revoke_own`]; [`Error::NotFound`].
pub async fn revoke_of(can: &Can<IsSuperuser>, id: UserId, token: SessionId) -> Result<ApiToken> {
    revoke(can, id, token).await
}

async fn revoke<P: Permission>(can: &Can<P>, id: UserId, token: SessionId) -> Result<ApiToken> {
    let app = can.app();
    sessions::require_for(can, id, Some(token))?;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let user = sessions::lock_target(&mut tx, can, id).await?.user;
        let session = sessions::end_one(&mut tx, can.author(), &user, token, app.clock.now()).await?;
        if session.credential != Credential::ApiToken {
            // Sessions are ended elsewhere, by those who may; nothing of this is committed.
            return Err(Error::NoSuchPath);
        }
        tx.commit().await?;
        Ok(session.into())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: Raw, expires_in_days: Raw, read_only: Raw) -> TokenInput {
        let settings = Settings { api_token_days: 30, ..Settings::default() };
        TokenRequest { name, expires_in_days, read_only }.into_input(&settings)
    }

    #[test]
    fn what_is_not_said_has_the_careful_default() {
        for unsaid in [Raw::Missing, Raw::Null] {
            let input = input(" deploy ".into(), unsaid.clone(), unsaid);
            assert!(input.errors.is_empty() && input.read_only);
            assert_eq!((input.name.as_str(), input.days), ("deploy", 30));
        }
    }

    #[test]
    fn all_that_does_not_fit_is_told_at_once() {
        for days in [Raw::Integer(0), Raw::Integer(31), Raw::Integer(-1), Raw::Other, "x".into()] {
            let input = input(Raw::Text("x".repeat(101)), days, "maybe".into());
            let fields: Vec<_> = input.errors.iter().map(|(field, _)| field).collect();
            assert_eq!(fields, ["expires_in_days", "name", "read_only"]);
        }
        for name in [Raw::Missing, Raw::Null, " ".into(), "a\0".into(), Raw::Other] {
            assert_eq!(input(name, Raw::Integer(30), Raw::Bool(false)).errors.of("name").len(), 1);
        }
    }
}
