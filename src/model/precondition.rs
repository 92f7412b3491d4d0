//! The version of a record that a change was made for: optimistic locking.

use super::error::{Error, Result};
use super::user::User;

/// The version of the record that a change was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The last write wins.
    Any,
    /// One of these versions; without one no record is changed.
    OneOf(Vec<i64>),
    /// None of these versions.
    NoneOf(Vec<i64>),
}

impl Precondition {
    /// Whether the record is of that version.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`] if it has been changed since.
    pub(crate) fn check(&self, user: &User) -> Result<()> {
        match self {
            Self::OneOf(versions) if !versions.contains(&user.version) => Err(Error::PreconditionFailed),
            Self::NoneOf(versions) if versions.contains(&user.version) => Err(Error::PreconditionFailed),
            Self::Any | Self::OneOf(_) | Self::NoneOf(_) => Ok(()),
        }
    }
}
