//! What a provisioning client calls a user, written with the change of that user.

use crate::db::{self, Tx};
use crate::model::error::Result;
use crate::model::field_errors::Message;
use crate::model::permission::ManageUsers;
use crate::model::text;
use crate::model::user::UserId;
use crate::operations::Can;

/// Longest external id, in characters.
const LENGTH: usize = 255;

/// What the caller calls a user: `None` for nothing. Compared exactly, and never shown to other clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalId(Option<String>);

impl ExternalId {
    /// None.
    pub const NONE: Self = Self(None);

    /// Reads one; an empty text is none.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(given: &str) -> std::result::Result<Self, Message> {
        let length = given.chars().count();
        match text::refusal(given) {
            Some(refusal) => Err(Message::Character(refusal)),
            None if length > LENGTH => Err(Message::TooLong { most: LENGTH, given: length }),
            None => Ok(Self((!given.is_empty()).then(|| given.to_owned()))),
        }
    }

    /// As given.
    #[must_use]
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// Stores what the caller calls a user from now on; whether it is another name. The names are in no entry: they are for
/// this client alone, and entries are for all staff.
pub(in crate::operations) async fn change(
    tx: &mut Tx,
    can: &Can<ManageUsers>,
    user: UserId,
    external_id: Option<&ExternalId>,
) -> Result<bool> {
    let Some(ExternalId(new)) = external_id else { return Ok(false) };
    let old = db::external_ids::get(tx, can.user().id, user).await?;
    if old == *new {
        return Ok(false);
    }
    db::external_ids::set(tx, can.user().id, user, new.as_deref()).await?;
    Ok(true)
}
