//! Who makes a request: an [`Actor`] comes into being here only, when a credential is found in the database.
//!
//! To add a kind of credential: a variant of [`Authorization`], and a function here that finds its session.

use std::sync::Arc;

use crate::db;
use crate::db::sessions::Presented;
use crate::model::clock::Timestamp;
use crate::model::error::{AuthenticationFailure, Error, Result};
use crate::model::origin::Origin;
use crate::model::permission::Standing;
use crate::model::second_factor::Access;
use crate::model::session::{Credential, Secret, Session};
use crate::model::user::{User, UserId};
use crate::operations::{App, session_use};
use crate::security::jwt::Kind;

/// What a named API token begins with, so that people and scanners for secrets know it when they see it.
pub const API_TOKEN_PREFIX: &str = "usher_";

/// Credentials as they came with a request.
#[derive(Debug, Clone, Copy)]
pub enum Authorization<'r> {
    /// The value after `Bearer`.
    Bearer(&'r str),
    /// The session cookie's value.
    Cookie(&'r str),
}

/// An authenticated user, the session that was presented, and the installation that found them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Actor(Arc<Authenticated>);

#[derive(Debug, Clone)]
struct Authenticated {
    app: App,
    user: User,
    session: Session,
    /// The secret of a browser's session, which its cookie carries; `None` with any other credential.
    cookie: Option<Secret>,
    origin: Origin,
    /// The user whom the request only reads, by primary key; `None` as its second half if there is none.
    subject: Option<(UserId, Option<User>)>,
}

impl Actor {
    /// The installation.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.0.app
    }

    /// The user, as stored at the beginning of the request.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// The session that was presented.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// Where the request comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The user with that primary key, if they were looked for together with the session.
    pub(super) fn subject(&self, id: UserId) -> Option<Result<&User>> {
        let (_, user) = self.0.subject.as_ref().filter(|(subject, _)| *subject == id)?;
        Some(user.as_ref().ok_or(Error::NotFound))
    }

    /// Who asks, and what their session is good for at this moment.
    pub(super) fn standing(&self) -> Standing<'_> {
        let (user, shown) = (self.user(), self.session().second_factor);
        Standing { user, only_enrols: self.app().access(user, shown) != Access::Granted }
    }

    /// The secret of a browser's session, which its cookie carries; `None` with any other credential.
    #[must_use]
    pub fn cookie(&self) -> Option<&Secret> {
        self.0.cookie.as_ref()
    }

    /// The same actor, for work that no request waits for.
    pub(super) fn detached(&self) -> Self {
        Self(Arc::new(Authenticated { app: self.app().detached(), ..(*self.0).clone() }))
    }

    /// The same actor, who has just given their password; a browser's session has this secret from now on.
    pub(super) fn confirmed(&self, now: Timestamp, cookie: Option<Secret>) -> Self {
        let session = Session { confirmed_at: now, ..self.0.session.clone() };
        Self(Arc::new(Authenticated { session, cookie, ..(*self.0).clone() }))
    }
}

/// Who is behind a credential, at this moment: the session and the user are read together, so a right
/// that was taken away is gone at the next request.
///
/// # Errors
/// [`Error::NotAuthenticated`] with the reason that clients know; [`Error::Unavailable`] when the
/// database is away, which is never taken for a sign-out.
pub async fn authenticate(app: &App, credential: Authorization<'_>, origin: &Origin) -> Result<Actor> {
    authenticate_and_read(app, credential, origin, None).await
}

/// As [`authenticate`]; the user with the primary key `subject` is read at the same time.
///
/// # Errors
/// As [`authenticate`].
pub async fn authenticate_and_read(
    app: &App,
    credential: Authorization<'_>,
    origin: &Origin,
    subject: Option<UserId>,
) -> Result<Actor> {
    let found = match credential {
        Authorization::Bearer(token) => match token.strip_prefix(API_TOKEN_PREFIX) {
            Some(secret) => by_api_token(app, secret, subject).await?,
            None => by_jwt(app, Kind::Access, token, subject).await?.0,
        },
        Authorization::Cookie(secret) => by_cookie(app, secret, subject).await?,
    };
    session_use::note(app, &found.session);
    app.db.set_user(found.user.id);
    let Found { user, session, along } = found;
    let subject = subject.map(|id| (id, along));
    let cookie = match credential {
        Authorization::Cookie(secret) => Secret::from_text(secret),
        Authorization::Bearer(_) => None,
    };
    let (app, origin) = (app.clone(), origin.clone());
    Ok(Actor(Arc::new(Authenticated { app, user, session, cookie, origin, subject })))
}

/// A session that is alive, its user, and the user who was to be read along.
pub(super) struct Found {
    pub(super) user: User,
    pub(super) session: Session,
    along: Option<User>,
}

/// The session of a named API token, without its prefix.
pub(super) async fn by_api_token(app: &App, secret: &str, along: Option<UserId>) -> Result<Found> {
    let refuse = |reason| Err(Error::NotAuthenticated(reason));
    let Some(secret) = Secret::from_text(secret) else {
        return refuse(AuthenticationFailure::TokenNotValid);
    };
    let now = app.clock.now();
    let presented = db::sessions::by_secret(&app.db, secret.hash(), Credential::ApiToken, along).await?;
    let Some(Presented { user, session: Some(session), along }) = presented else {
        return refuse(AuthenticationFailure::TokenNotValid);
    };
    if !user.is_usable(now) {
        return refuse(AuthenticationFailure::UserInactive);
    }
    if now >= session.expires_at || !passes_gate(app, &user, &session) {
        return refuse(AuthenticationFailure::TokenNotValid);
    }
    Ok(Found { user, session, along })
}

/// Whether what was shown for a session is enough for its user: one that was opened before they had a factor is over.
fn passes_gate(app: &App, user: &User, session: &Session) -> bool {
    app.access(user, session.second_factor) != Access::AfterFactor
}

/// The session of a signed token of that kind, and the secret in it.
pub(super) async fn by_jwt(
    app: &App,
    kind: Kind,
    token: &str,
    along: Option<UserId>,
) -> Result<(Found, Secret)> {
    let refuse = |reason| Err(Error::NotAuthenticated(reason));
    let now = app.clock.now();
    let Some((_, named)) = app.keys().read_token(Some(kind), token, now) else {
        return refuse(AuthenticationFailure::TokenNotValid);
    };
    let presented = db::sessions::by_token(&app.db, named.user, named.secret.hash(), along).await?;
    let Some(Presented { user, session, along }) = presented else {
        return refuse(AuthenticationFailure::UserNotFound);
    };
    match session {
        _ if !user.is_usable(now) => refuse(AuthenticationFailure::UserInactive),
        Some(session) if now < session.expires_at && passes_gate(app, &user, &session) => {
            Ok((Found { user, session, along }, named.secret))
        }
        _ => refuse(AuthenticationFailure::TokenNotValid),
    }
}

async fn by_cookie(app: &App, secret: &str, along: Option<UserId>) -> Result<Found> {
    let refused = Error::NotAuthenticated(AuthenticationFailure::NoCredentials);
    let Some(secret) = Secret::from_text(secret) else { return Err(refused) };
    let now = app.clock.now();
    let presented = db::sessions::by_secret(&app.db, secret.hash(), Credential::Cookie, along).await?;
    let Some(Presented { user, session: Some(mut session), along }) = presented else {
        return Err(refused);
    };
    session.last_seen_at = app.session_uses.latest(session.id, session.last_seen_at);
    let is_idle = session.unused(now) >= app.settings.session_idle();
    let is_over = now >= session.expires_at || is_idle;
    if !user.is_usable(now) || is_over || !passes_gate(app, &user, &session) {
        return Err(refused);
    }
    Ok(Found { user, session, along })
}
