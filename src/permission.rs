//! Permissions, and the proof that somebody has one.
//!
//! Operations take a `&Can<P>`, which only this module makes: an operation cannot be called by
//! somebody whose permission was not checked. To add a permission: a type and its [`Permission`].

use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::rules::Denial;
use crate::session::Session;
use crate::user::User;

/// Who makes a request, by which session.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The user, as stored at the beginning of the request.
    pub user: User,
    /// The session that was presented.
    pub session: Session,
}

/// Something that one may or may not do at all, whoever the target is.
pub trait Permission: Send + Sync + 'static {
    /// `Ok` if the user has it.
    ///
    /// # Errors
    /// The right that is missing.
    fn check(user: &User) -> std::result::Result<(), Denial>;
}

/// To be signed in.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn;

impl Permission for SignedIn {
    fn check(_: &User) -> std::result::Result<(), Denial> {
        Ok(())
    }
}

/// To manage users: staff and superusers.
#[derive(Debug, Clone, Copy)]
pub struct ManageUsers;

impl Permission for ManageUsers {
    fn check(user: &User) -> std::result::Result<(), Denial> {
        if user.is_admin() { Ok(()) } else { Err(Denial::AdminRequired) }
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

    /// Whoever may do something is signed in.
    #[must_use]
    pub fn weaken(&self) -> Can<SignedIn> {
        Can { actor: self.actor.clone(), permission: PhantomData }
    }

    /// Who has it.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.actor.user
    }

    /// By which session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.actor.session
    }
}
