//! The choice of staff who give a user a password: a link, or one that they type.

use super::form::Field;
use super::view::PasswordChoice;
use crate::model::link::LinkPurpose;

/// What was chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    /// A link with which the user chooses one.
    pub(super) by_link: bool,
    /// The user has to choose another one than was typed.
    pub(super) must_change: bool,
}

impl Choice {
    /// What the form offers first.
    pub(super) const OFFERED: Self = Self { by_link: true, must_change: true };

    /// From a form. One that does not know the choice has typed a password or not.
    pub(super) fn read(mode: Option<&str>, password: &str, must_change: bool) -> Self {
        let by_link = mode.map_or(password.is_empty(), |mode| mode != "password");
        Self { by_link, must_change }
    }

    /// As the form shows it.
    pub(super) fn shown(self, field: Field, purpose: LinkPurpose, may_demand: bool) -> PasswordChoice {
        PasswordChoice {
            by_link: self.by_link,
            life: purpose.life_in_words(),
            may_demand,
            must_change: self.must_change,
            field,
        }
    }
}
