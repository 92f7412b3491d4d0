//! Permissions, and the proof that an actor has one.
//!
//! Operations take a `&Can<P>`, which only this module makes: an operation cannot be called for
//! an actor whose permission was not checked. To add a permission: a type and its [`Permission`].

use std::marker::PhantomData;
use std::time::Duration;

use crate::model::audit::Author;
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::origin::Origin;
use crate::model::rules::Denial;
use crate::model::session::{Credential, Session};
use crate::model::user::{User, UserId};

/// Who makes a request, by which session.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The user, as stored at the beginning of the request.
    pub user: User,
    /// The session that was presented.
    pub session: Session,
    /// Where the request comes from.
    pub origin: Origin,
    /// The user whom the request only reads, by primary key; `None` as its second half if there is none.
    pub subject: Option<(UserId, Option<User>)>,
}

/// How long a password that was given stands behind what asks for it (ASVS 7.5.3).
const CONFIRMED_FOR: Duration = Duration::from_mins(5);

/// The clocks of two instances may differ by this much.
const CLOCKS_DIFFER: Duration = Duration::from_secs(30);

/// Something that an actor may or may not do at all, whatever the target.
pub trait Permission: Send + Sync + 'static {
    /// `Ok` if the user has it.
    ///
    /// # Errors
    /// The right that is missing.
    fn check(user: &User) -> std::result::Result<(), Denial>;
}

/// To have a session, even one that is good for nothing but choosing another password.
#[derive(Debug, Clone, Copy)]
pub struct HasSession;

impl Permission for HasSession {
    fn check(_: &User) -> std::result::Result<(), Denial> {
        Ok(())
    }
}

/// To be signed in.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn;

impl Permission for SignedIn {
    fn check(user: &User) -> std::result::Result<(), Denial> {
        if user.must_change_password { Err(Denial::PasswordChangeRequired) } else { Ok(()) }
    }
}

/// To manage users: staff and superusers.
#[derive(Debug, Clone, Copy)]
pub struct ManageUsers;

impl Permission for ManageUsers {
    fn check(user: &User) -> std::result::Result<(), Denial> {
        SignedIn::check(user)?;
        if user.is_admin() { Ok(()) } else { Err(Denial::AdminRequired) }
    }
}

/// To do what only superusers do.
#[derive(Debug, Clone, Copy)]
pub struct IsSuperuser;

impl Permission for IsSuperuser {
    fn check(user: &User) -> std::result::Result<(), Denial> {
        ManageUsers::check(user)?;
        if user.is_superuser { Ok(()) } else { Err(Denial::SuperuserRequired) }
    }
}

/// The proof that an actor has a permission.
#[derive(Debug, Clone)]
pub struct Can<P> {
    actor: Actor,
    permission: PhantomData<P>,
}

impl<P: Permission> Can<P> {
    /// Checks the permission.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without it.
    pub fn check(actor: &Actor) -> Result<Self> {
        P::check(&actor.user).map_err(Error::Forbidden)?;
        Ok(Self { actor: actor.clone(), permission: PhantomData })
    }

    /// An actor with any permission is signed in.
    #[must_use]
    pub fn weaken(&self) -> Can<SignedIn> {
        Can { actor: self.actor.clone(), permission: PhantomData }
    }

    /// Who has it.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.actor.user
    }

    /// The user with that primary key, or that there is none, if that was found out with the session.
    #[must_use]
    pub fn subject(&self, id: UserId) -> Option<Option<&User>> {
        let (_, user) = self.actor.subject.as_ref().filter(|(subject, _)| *subject == id)?;
        Some(user.as_ref())
    }

    /// The actor, as audit entries name them.
    #[must_use]
    pub fn author(&self) -> Author {
        Author::user(&self.actor.user, &self.actor.origin)
    }

    /// From where.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.actor.origin
    }

    /// Whether the password was given in this session within the last five minutes. A time in the future does not
    /// count: the clock was set back, and the real time is unknown.
    #[must_use]
    pub fn is_confirmed(&self, now: Timestamp) -> bool {
        let at = self.actor.session.confirmed_at;
        at <= now.plus(CLOCKS_DIFFER) && now.since(at) < CONFIRMED_FOR
    }

    /// For what asks for the password again.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if it was not given within the last five minutes.
    pub fn require_confirmed(&self, now: Timestamp) -> Result<()> {
        if self.is_confirmed(now) { Ok(()) } else { Err(Error::Forbidden(Denial::ConfirmationRequired)) }
    }

    /// The same, by a session whose user has just given their password.
    #[must_use]
    pub(crate) fn confirmed_at(&self, now: Timestamp) -> Self {
        let session = Session { confirmed_at: now, ..self.actor.session.clone() };
        Self { actor: Actor { session, ..self.actor.clone() }, permission: PhantomData }
    }

    /// For what no API token may do: no person is present.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if the session is carried by one.
    pub fn require_sign_in(&self) -> Result<()> {
        match self.actor.session.credential {
            Credential::ApiToken => Err(Error::Forbidden(Denial::SignInRequired)),
            Credential::Cookie | Credential::Jwt => Ok(()),
        }
    }

    /// For what decides who can sign in as the actor: another password or e-mail address of their own. A
    /// cookie or an API token that was stolen must not become more than it is. The tokens of a client are
    /// excepted: clients in the field send their whole record back, a password included.
    ///
    /// # Errors
    /// [`Error::Forbidden`] by an API token, and by a cookie if the password was not given within the last
    /// five minutes.
    pub fn require_presence(&self, now: Timestamp) -> Result<()> {
        self.require_sign_in()?;
        match self.actor.session.credential {
            Credential::Cookie => self.require_confirmed(now),
            Credential::Jwt | Credential::ApiToken => Ok(()),
        }
    }

    /// By which session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.actor.session
    }
}
