//! One action on many users: preview, run, outcome, resumption and undo of a run.
//!
//! Each user is changed in a transaction of its own, with the same rules as alone, together with the audit entry
//! and the verdict. All users of a run are stored before the first is changed, so that the record of a run that was
//! cut short is still true.

mod links;
mod run;

use std::collections::{HashMap, HashSet};

use crate::db;
use crate::model::bulk::{BulkAction, Chosen, HAS_PASSWORD, MOST, NO_MAIL, NOT_FOUND, Previewed, TOO_MANY};
use crate::model::error::{Error, Result};
use crate::model::permission::ManageUsers;
use crate::model::presence::Presence;
use crate::model::user::{User, UserId};
use crate::operations::Can;

pub use self::run::{Outcome, RECENT, Settled, UNDO, outcome, recent, resume, run, undo};
pub(crate) use self::run::{begin, finish, is_entitled};

/// The users of a run, from now on fixed.
///
/// # Errors
/// [`Error::Malformed`] for more than [`MOST`].
pub async fn freeze(can: &Can<ManageUsers>, chosen: Chosen) -> Result<Vec<UserId>> {
    let ids: Vec<UserId> = match chosen {
        Chosen::Ids(ids) => {
            let mut seen = HashSet::new();
            ids.into_iter().filter(|id| seen.insert(*id)).collect()
        }
        Chosen::Filter(filter) => {
            let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
            let users = db::select::users(&can.app().db, &filter, None, limit).await?;
            users.into_iter().map(|user| user.id).collect()
        }
    };
    if ids.len() > MOST { Err(Error::Malformed(TOO_MANY.into())) } else { Ok(ids) }
}

/// What a run would do. Nothing is changed or stored.
pub async fn preview(can: &Can<ManageUsers>, action: BulkAction, ids: &[UserId]) -> Result<Vec<Previewed>> {
    let app = can.app();
    let rules = app.settings.rules();
    let mut users: HashMap<UserId, User> =
        db::users::by_ids(&app.db, ids).await?.into_iter().map(|user| (user.id, user)).collect();
    let sends = action == BulkAction::SendLinks;
    let with_password = if sends { db::users::with_password(&app.db, ids).await? } else { HashSet::new() };
    let judge = |id: &UserId| {
        let user = users.remove(id);
        let left_out = match &user {
            None => Some(NOT_FOUND),
            Some(_) if sends && app.mailer.is_none() => Some(NO_MAIL),
            Some(_) if with_password.contains(id) => Some(HAS_PASSWORD),
            Some(user) => action.obstacle(rules, can.user(), user),
        };
        Previewed { id: *id, user, left_out }
    };
    Ok(ids.iter().map(judge).collect())
}

/// What a run asks of the caller's session: the most that it asks for any of its users.
#[must_use]
pub fn presence(can: &Can<ManageUsers>, action: BulkAction, preview: &[Previewed]) -> Presence {
    let ready: Vec<&User> =
        preview.iter().filter(|user| user.left_out.is_none()).filter_map(|user| user.user.as_ref()).collect();
    action.presence(can.user().id, &ready)
}
