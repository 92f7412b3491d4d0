//! Permissions: what an actor may do at all, whatever the target.
//!
//! To add one: a type with its [`Permission`], and the permissions that it [implies](Implies).

use crate::model::rules::Denial;
use crate::model::user::User;

/// Something that a user may or may not do at all, whatever the target.
pub trait Permission: Send + Sync + 'static {
    /// `Ok` if the user has it.
    ///
    /// # Errors
    /// The right that is missing.
    fn check(standing: Standing<'_>) -> std::result::Result<(), Denial>;
}

/// Who asks, and what their session is good for.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Who.
    pub user: &'a User,
    /// Whether the session is good for adding a second factor only.
    pub only_enrols: bool,
}

/// To have a session, even one that is good for nothing but choosing another password or adding a second factor.
#[derive(Debug, Clone, Copy)]
pub struct HasSession;

impl Permission for HasSession {
    fn check(_: Standing<'_>) -> std::result::Result<(), Denial> {
        Ok(())
    }
}

/// To choose another password. A session that is good for adding a second factor only may not, unless the password has
/// to be changed before that.
#[derive(Debug, Clone, Copy)]
pub struct MayChangePassword;

impl Permission for MayChangePassword {
    fn check(standing: Standing<'_>) -> std::result::Result<(), Denial> {
        let is_open = !standing.only_enrols || standing.user.must_change_password;
        if is_open { Ok(()) } else { Err(Denial::SecondFactorRequired) }
    }
}

/// To add a second factor, which a user may who has to have one first.
#[derive(Debug, Clone, Copy)]
pub struct MayEnrol;

impl Permission for MayEnrol {
    fn check(standing: Standing<'_>) -> std::result::Result<(), Denial> {
        if standing.user.must_change_password { Err(Denial::PasswordChangeRequired) } else { Ok(()) }
    }
}

/// To be signed in.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn;

impl Permission for SignedIn {
    fn check(standing: Standing<'_>) -> std::result::Result<(), Denial> {
        MayEnrol::check(standing)?;
        if standing.only_enrols { Err(Denial::SecondFactorRequired) } else { Ok(()) }
    }
}

/// To manage users: staff and superusers.
#[derive(Debug, Clone, Copy)]
pub struct ManageUsers;

impl Permission for ManageUsers {
    fn check(standing: Standing<'_>) -> std::result::Result<(), Denial> {
        SignedIn::check(standing)?;
        if standing.user.is_admin() { Ok(()) } else { Err(Denial::AdminRequired) }
    }
}

/// To do what only superusers do.
#[derive(Debug, Clone, Copy)]
pub struct IsSuperuser;

impl Permission for IsSuperuser {
    fn check(standing: Standing<'_>) -> std::result::Result<(), Denial> {
        ManageUsers::check(standing)?;
        if standing.user.is_superuser { Ok(()) } else { Err(Denial::SuperuserRequired) }
    }
}

/// Every user who has this permission has the other one, too.
pub trait Implies<Q: Permission>: Permission {}

impl Implies<SignedIn> for ManageUsers {}
impl Implies<SignedIn> for IsSuperuser {}
