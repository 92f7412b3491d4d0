//! Which accounts are locked after failed sign-ins.
//!
//! Failures are counted under hashed names, so the locked accounts are looked for among those that the audit log
//! says were blocked lately.

use std::collections::HashSet;

use crate::db;
use crate::model::audit::Action;
use crate::model::error::Result;
use crate::model::permission::ManageUsers;
use crate::model::throttle::Key;
use crate::model::user::{User, UserId};
use crate::operations::Can;

/// So many of the newest blocks are looked at: more accounts than staff can deal with one by one.
const LATEST: i64 = 1000;

/// Those of these users whose accounts are locked at this moment.
pub async fn among(can: &Can<ManageUsers>, users: &[User]) -> Result<HashSet<UserId>> {
    let app = can.app();
    let keys: Vec<Key> = users.iter().map(|user| Key::account(user.username.as_str())).collect();
    let (now, failures) = (app.clock.now(), db::throttles::among_many(&app.db, &keys).await?);
    let locked = users
        .iter()
        .zip(failures)
        .filter(|(_, failures)| failures.as_ref().is_some_and(|failures| failures.wait(now).is_some()));
    Ok(locked.map(|(user, _)| user.id).collect())
}

/// The users whose accounts are locked at this moment, of the latest that were.
pub async fn all(can: &Can<ManageUsers>) -> Result<Vec<UserId>> {
    let db = &can.app().db;
    let blocked = db::audit::latest_targets(db, Action::AccountBlocked, LATEST).await?;
    let users = db::users::by_ids(db, &blocked).await?;
    let mut locked: Vec<UserId> = among(can, &users).await?.into_iter().collect();
    locked.sort_unstable();
    Ok(locked)
}
