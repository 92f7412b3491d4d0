//! The handle that operations take: the installation, and the proof that the caller has a permission.
//!
//! An operation with a `&Can<P>` cannot be called without the permission `P`: a [`Can`] is made of an [`Actor`]
//! only, and an actor only of a credential that was found in the database.

use std::marker::PhantomData;
use std::time::Duration;

use crate::model::audit::Author;
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::origin::Origin;
use crate::model::permission::{Implies, Permission};
use crate::model::presence::Presence;
use crate::model::rules::Denial;
use crate::model::session::{Credential, Secret, Session};
use crate::model::user::{User, UserId};
use crate::operations::App;
use crate::operations::authentication::Actor;
use crate::security::passwords::{Claimant, Hasher};

/// How long a password that was given stands behind what asks for it (ASVS 7.5.3).
const CONFIRMED_FOR: Duration = Duration::from_mins(5);

/// The clocks of two instances may differ by this much.
const CLOCKS_DIFFER: Duration = Duration::from_secs(30);

/// An actor who has a permission. Cheap to clone.
#[derive(Debug)]
pub struct Can<P> {
    actor: Actor,
    permission: PhantomData<P>,
}

impl<P> Clone for Can<P> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone(), permission: PhantomData }
    }
}

impl<P: Permission> Can<P> {
    /// Checks the permission.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without it.
    pub fn check(actor: &Actor) -> Result<Self> {
        P::check(actor.standing()).map_err(Error::Forbidden)?;
        Ok(Self::new(actor.clone()))
    }

    const fn new(actor: Actor) -> Self {
        Self { actor, permission: PhantomData }
    }

    /// A lesser permission, which comes with this one.
    #[must_use]
    pub fn weaken<Q: Permission>(&self) -> Can<Q>
    where
        P: Implies<Q>,
    {
        Can::new(self.actor.clone())
    }

    /// Another permission of the same actor, if they have it.
    #[must_use]
    pub fn also<Q: Permission>(&self) -> Option<Can<Q>> {
        Q::check(self.actor.standing()).ok().map(|()| Can::new(self.actor.clone()))
    }

    /// The same permission, for work that takes its time: no request waits for it, or it answers piece by piece.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::new(self.actor.detached())
    }

    /// The installation.
    #[must_use]
    pub fn app(&self) -> &App {
        self.actor.app()
    }

    /// Takes turns at hashing for the caller.
    #[must_use]
    pub fn hasher(&self) -> Hasher {
        let claimant = Claimant::known(self.user().username.as_str(), self.origin());
        self.app().hasher.on_behalf_of(claimant)
    }

    /// Who has the permission, by which session.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Who has it.
    #[must_use]
    pub fn user(&self) -> &User {
        self.actor.user()
    }

    /// By which session.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.actor.session()
    }

    /// The secret of a browser's session, which its cookie carries; `None` with any other credential.
    #[must_use]
    pub fn cookie(&self) -> Option<&Secret> {
        self.actor.cookie()
    }

    /// From where.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.actor.origin()
    }

    /// Who, as the audit log names them.
    #[must_use]
    pub fn author(&self) -> Author {
        Author::user(self.user(), self.origin())
    }

    /// The user with that primary key, if they were looked for together with the session.
    pub(super) fn subject(&self, id: UserId) -> Option<Result<&User>> {
        self.actor.subject(id)
    }

    /// Whether the password was given in this session within the last five minutes. Not in those to come:
    /// after the clock was set back there is no telling when it was.
    #[must_use]
    pub fn is_confirmed(&self, now: Timestamp) -> bool {
        let at = self.session().confirmed_at;
        at <= now.plus(CLOCKS_DIFFER) && now.since(at) < CONFIRMED_FOR
    }

    /// For what asks for the password again.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if it was not given within the last five minutes.
    pub fn require_confirmed(&self, now: Timestamp) -> Result<()> {
        if self.is_confirmed(now) { Ok(()) } else { Err(Error::Forbidden(Denial::ConfirmationRequired)) }
    }

    /// The same, by a session whose user has just given their password; a browser's has this secret from now on.
    pub(super) fn confirmed(&self, now: Timestamp, cookie: Option<Secret>) -> Self {
        Self::new(self.actor.confirmed(now, cookie))
    }

    /// For what no API token does: its user need not be there.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if the session is carried by one.
    pub fn require_sign_in(&self) -> Result<()> {
        match self.session().credential {
            Credential::ApiToken => Err(Error::Forbidden(Denial::SignInRequired)),
            Credential::Cookie | Credential::Jwt => Ok(()),
        }
    }

    /// For what asks for the actor in person: a cookie or an API token that was stolen must not become more than
    /// it is. `at` is when it was asked for.
    ///
    /// # Errors
    /// [`Error::Forbidden`] by an API token, or without a confirmed password.
    pub fn require(&self, presence: Presence, at: Timestamp) -> Result<()> {
        if presence == Presence::NotAsked {
            return Ok(());
        }
        self.require_sign_in()?;
        match (presence, self.session().credential) {
            (Presence::ExceptClients, Credential::Jwt) => Ok(()),
            _ => self.require_confirmed(at),
        }
    }
}
