//! Taking a change back: whether an audit entry can be undone, and doing it.
//!
//! An undo is a change like any other, by the caller: the rules apply, the version grows,
//! and an entry records it, which can be undone in its turn.

use serde_json::{Map, Value};

use crate::db;
use crate::model::audit::{BatchId, EntryId, StoredEntry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::permission::ManageUsers;
use crate::model::precondition::Precondition;
use crate::model::rules::Conflict;
use crate::model::undo::{Obstacle, Since, check};
use crate::model::update::Update;
use crate::model::user::{User, UserId, UserInput};
use crate::operations::users::{self, Change};
use crate::operations::{App, Can, audit, erasures};

/// How far back it is looked for who has changed a field since.
const ENTRIES_SEARCHED: i64 = 100;

/// Takes back what an entry records.
///
/// # Errors
/// [`Error::NoSuchPath`] without such an entry; [`Error::CannotUndo`]; else as for any change of a user.
pub async fn undo(can: &Can<ManageUsers>, id: EntryId) -> Result<Update> {
    take_back(can, id, None, can.app().clock.now()).await
}

/// The same, for an entry about this user.
///
/// # Errors
/// As [`undo`]; [`Error::NoSuchPath`] for an entry about another user.
pub async fn undo_of(can: &Can<ManageUsers>, user: UserId, id: EntryId) -> Result<Update> {
    if find(can.app(), id).await?.target_id != Some(user.0) {
        return Err(Error::NoSuchPath);
    }
    undo(can, id).await
}

/// The same, alone or as a part of a run on many users.
pub(crate) async fn take_back(
    can: &Can<ManageUsers>,
    id: EntryId,
    batch_id: Option<BatchId>,
    asked_at: Timestamp,
) -> Result<Update> {
    let app = can.app();
    let entry = find(app, id).await?;
    let target = UserId(entry.target_id.ok_or(Obstacle::NotUndoable)?);
    let Some(user) = db::users::by_id(&app.db, target).await? else {
        let error = erasures::missing(app, target).await?;
        let is_erased = matches!(error, Error::Conflict(Conflict::Erased));
        return Err(if is_erased { Obstacle::Erased.into() } else { error });
    };
    // A missing right is reported before any other obstacle.
    app.settings.rules().may_touch(can.user(), &user)?;
    let is_undone = db::audit::undone_by(&app.db, id).await?.is_some();
    let apply = |user: &User| {
        let changes = check(&entry, user, is_undone, app.clock.now())?;
        UserInput::from(changes).fitting(app.settings.policy(), user)
    };
    let change = Change::new(target, &Precondition::Any, asked_at, apply);
    let change = Change { batch_id, undoes: Some(id), ..change };
    match db::retrying(|| users::write(can, &change)).await {
        Err(Error::CannotUndo(Obstacle::ChangedSince(fields))) => {
            let fields = with_authors(app, target, id, fields).await?;
            Err(Obstacle::ChangedSince(fields).into())
        }
        Err(Error::Invalid(errors)) => {
            let message = errors.iter().next().map(|(_, message)| message.to_string()).unwrap_or_default();
            Err(Obstacle::DoesNotFit(message).into())
        }
        result => result,
    }
}

async fn find(app: &App, id: EntryId) -> Result<StoredEntry> {
    match db::audit::find(&app.db, id).await? {
        Some(entry) => Ok(entry),
        None if audit::is_no_longer_kept(app, id.0).await? => Err(Obstacle::NoLongerKept.into()),
        None => Err(Error::NoSuchPath),
    }
}

/// Finds out who has changed each of the fields last.
async fn with_authors(
    app: &App,
    target: UserId,
    than: EntryId,
    mut fields: Vec<Since>,
) -> Result<Vec<Since>> {
    for entry in db::audit::later(&app.db, target, than, ENTRIES_SEARCHED).await? {
        let Ok(told) = serde_json::from_str::<Map<String, Value>>(&entry.changes) else { continue };
        let who = if entry.actor_name.is_empty() { "the operator" } else { &entry.actor_name };
        for field in fields.iter_mut().filter(|field| field.by.is_none()) {
            if told.contains_key(&field.field) {
                field.by = Some((who.to_owned(), Timestamp::from_micros(entry.happened_at)));
            }
        }
    }
    Ok(fields)
}
