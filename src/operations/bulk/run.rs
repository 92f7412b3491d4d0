//! A run: the action on each user, the results, and taking the run back.

use std::collections::HashMap;

use super::{freeze, links, preview};
use crate::db;
use crate::db::batches::{Batch, Counted};
use crate::model::audit::{Action, BatchId, Entry, EntryId};
use crate::model::bulk::{
    BatchVerdict, BulkAction, Chosen, NOT_FOUND, PENDING, UNAVAILABLE, UNCHANGED, known,
};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::permission::{ManageUsers, Permission};
use crate::model::precondition::Precondition;
use crate::model::presence::{self, Presence};
use crate::model::rules::Conflict;
use crate::model::undo::{Obstacle, UNDO_FOR, check};
use crate::model::user::{User, UserId};
use crate::operations::import_runs::IMPORTS;
use crate::operations::users::{self, Change};
use crate::operations::{App, Can, audit, sessions, undo};

/// Does an action to users, one after the other.
///
/// # Errors
/// [`Error::Malformed`] for more than [`MOST`]; [`Error::Forbidden`] if the password has to be given
/// again first; [`Error::CutShort`], and then the run's outcome shows how far it came, and [`resume`] goes on.
pub async fn run(can: &Can<ManageUsers>, action: BulkAction, ids: Vec<UserId>) -> Result<BatchId> {
    let ids = freeze(can, Chosen::Ids(ids)).await?;
    let asked_at = can.app().clock.now();
    let asked = super::presence(can, action, &preview(can, action, &ids).await?);
    can.require(asked, asked_at)?;
    let batch = begin(can, action.as_str(), None, &ids).await?;
    let work = Work { batch, is_own: true, asked_at };
    go_on(can, work, action, ids).await.map_err(|error| cut_short(error, batch))?;
    Ok(batch)
}

/// What is done to the users of a run now.
#[derive(Debug, Clone, Copy)]
struct Work {
    batch: BatchId,
    /// Whether the caller began the run. Others leave pending what they may not do.
    is_own: bool,
    asked_at: Timestamp,
}

/// Goes on with a run that was cut short, by the rights of the caller. What another caller than that of the run may not do
/// stays pending.
///
/// # Errors
/// [`Error::NoSuchPath`] without such a run; [`Error::CannotUndo`] for one that was taken back; else as [`run`], and as
/// [`undo`] for a run that takes another one back.
pub async fn resume(can: &Can<ManageUsers>, id: BatchId) -> Result<BatchId> {
    let asked_at = can.app().clock.now();
    let outcome = outcome(can, id).await?;
    if outcome.undone_by.is_some() {
        return Err(Obstacle::AlreadyUndone.into());
    }
    let work = Work { batch: id, is_own: outcome.batch.actor_id == can.user().id.0, asked_at };
    let pending = |user: &Settled| user.verdict == BatchVerdict::Pending;
    let ids: Vec<UserId> = outcome.users.iter().filter(|user| pending(user)).map(|user| user.id).collect();
    let worked = match (BulkAction::named(&outcome.batch.action), outcome.batch.undoes) {
        (Some(action), _) => {
            can.require(super::presence(can, action, &preview(can, action, &ids).await?), asked_at)?;
            go_on(can, work, action, ids).await
        }
        (None, Some(undone)) => {
            let mut undone = self::outcome(can, BatchId(undone)).await?;
            undone.users.retain(|user| ids.contains(&user.id));
            can.require(presence_of_undo(can, &undone).await?, asked_at)?;
            go_on_undoing(can, work, &undone).await
        }
        (None, None) => return Err(Error::NoSuchPath),
    };
    worked.map_err(|error| cut_short(error, id))?;
    Ok(id)
}

/// Does the action to these users of a run, and notes its end.
async fn go_on(can: &Can<ManageUsers>, work: Work, action: BulkAction, ids: Vec<UserId>) -> Result<()> {
    let Work { batch, asked_at, .. } = work;
    // Many changes, each of which may take as long as one.
    let can = &can.detached();
    let app = can.app();
    for id in ids {
        if !is_entitled(can).await? {
            break;
        }
        let result = match action {
            BulkAction::EndSessions => db::retrying(|| end_sessions(can, batch, id)).await,
            BulkAction::SendLinks => links::send_link(can, batch, id, asked_at).await,
            _ => {
                let apply = |before: &User| Ok(action.apply(before));
                let change = Change::new(id, &Precondition::Any, asked_at, apply);
                let change = Change { batch_id: Some(batch), ..change };
                db::retrying(|| users::write(can, &change))
                    .await
                    .map(|changed| changed.entry.ok_or(UNCHANGED))
            }
        };
        settle(can, work, id, result).await?;
    }
    finish(app, batch).await
}

/// What a run that has begun fails with: its number is what goes on.
fn cut_short(error: Error, batch: BatchId) -> Error {
    match error {
        Error::Unavailable | Error::Contended => Error::CutShort(batch.0),
        error => error,
    }
}

/// A run may take a while: it stops if the caller loses their rights or their session meanwhile.
pub(crate) async fn is_entitled<P: Permission>(can: &Can<P>) -> Result<bool> {
    let app = can.app();
    let actor = db::sessions::holder(&app.db, can.session().id).await?;
    Ok(actor.is_some_and(|actor| {
        actor.is_usable(app.clock.now()) && actor.is_admin() && actor.is_superuser == can.user().is_superuser
    }))
}

/// Stores a run of these users.
pub(crate) async fn begin<P: Permission>(
    can: &Can<P>,
    action: &str,
    undoes: Option<BatchId>,
    ids: &[UserId],
) -> Result<BatchId> {
    let app = can.app();
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        sessions::require_open(&mut tx, can).await?;
        let now = app.clock.now();
        let batch = db::batches::insert(&mut tx, action, can.user(), undoes, ids, now).await?;
        tx.commit().await?;
        Ok(batch)
    })
    .await
}

/// Notes that a run has come to its end.
pub(crate) async fn finish(app: &App, batch: BatchId) -> Result<()> {
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        db::batches::finish(&mut tx, batch, app.clock.now()).await?;
        Ok(tx.commit().await?)
    })
    .await
}

/// The entry of what was done to one user, or the code of the reason why nothing was.
pub(super) type Done = std::result::Result<EntryId, &'static str>;

/// Signs one user out everywhere, as a part of a run.
async fn end_sessions(can: &Can<ManageUsers>, batch: BatchId, id: UserId) -> Result<Done> {
    let app = can.app();
    let mut tx = app.db.begin().await?;
    let user = sessions::lock_target(&mut tx, can, id).await?.user;
    app.settings.rules().may_touch(can.user(), &user)?;
    if user.id == can.user().id {
        return Err(Error::Conflict(Conflict::SignsOutSelf));
    }
    let ended = sessions::end_all(&mut tx, id).await?;
    if ended == 0 {
        return Ok(Err(UNCHANGED));
    }
    let mut entry = Entry::new(Action::SessionsEnded, can.author()).on(&user).detail("sessions_ended", ended);
    entry.batch_id = Some(batch);
    let entry = audit::record(&mut tx, &entry, app.clock.now()).await?;
    db::batches::set_done(&mut tx, batch, id, entry).await?;
    tx.commit().await?;
    Ok(Ok(entry))
}

/// Stores why nothing was done to a user; what was done has its verdict already. A missing right is
/// recorded in the audit log, as it is outside a run.
async fn settle(can: &Can<ManageUsers>, work: Work, id: UserId, result: Result<Done>) -> Result<()> {
    let (app, batch) = (can.app(), work.batch);
    if !work.is_own && matches!(result, Err(Error::Forbidden(_))) {
        return Ok(());
    }
    let (verdict, code) = match &result {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(UNCHANGED)) => (BatchVerdict::Unchanged, UNCHANGED),
        Ok(Err(code)) => (BatchVerdict::Refused, *code),
        Err(Error::Forbidden(denial)) => (BatchVerdict::Refused, denial.code()),
        Err(Error::Conflict(conflict)) => (BatchVerdict::Refused, conflict.code()),
        Err(Error::CannotUndo(obstacle)) => (BatchVerdict::Refused, obstacle.code()),
        Err(Error::NotFound | Error::NoSuchPath) => (BatchVerdict::Refused, NOT_FOUND),
        Err(Error::Contended) => (BatchVerdict::Refused, UNAVAILABLE),
        Err(error) => return Err(error.clone()),
    };
    let refused = match &result {
        Err(Error::Forbidden(_)) => db::users::by_id(&app.db, id).await?,
        _ => None,
    };
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        db::batches::set_not_done(&mut tx, batch, id, verdict, code).await?;
        if let Some(user) = &refused {
            let mut entry = Entry::new(Action::Refused, can.author()).on(user).detail("code", code);
            entry.batch_id = Some(batch);
            audit::record(&mut tx, &entry, app.clock.now()).await?;
        }
        Ok(tx.commit().await?)
    })
    .await
}

/// A run, and the result for each of its users.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The run.
    pub batch: Batch,
    /// Its users, by primary key.
    pub users: Vec<Settled>,
    /// The run that takes it back, if one does.
    pub undone_by: Option<BatchId>,
}

/// The result for one user.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The primary key that was given.
    pub id: UserId,
    /// Their user name of now, if there is such a user.
    pub username: Option<String>,
    /// The verdict on the user.
    pub verdict: BatchVerdict,
    /// The code of the reason where nothing was done; else empty.
    pub code: &'static str,
    /// The audit entry, where something was done.
    pub entry: Option<EntryId>,
}

impl Outcome {
    /// How many users were done.
    #[must_use]
    pub fn done(&self) -> usize {
        self.users.iter().filter(|user| user.verdict == BatchVerdict::Done).count()
    }

    /// Whether the run can be taken back.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check_undo(&self, now: Timestamp) -> std::result::Result<(), Obstacle> {
        if BulkAction::named(&self.batch.action).is_some_and(|action| !action.is_change()) || self.done() == 0
        {
            Err(Obstacle::NotUndoable)
        } else if self.undone_by.is_some() {
            Err(Obstacle::AlreadyUndone)
        } else if now.since(Timestamp::from_micros(self.batch.created_at)) >= UNDO_FOR {
            Err(Obstacle::TooLate)
        } else {
            Ok(())
        }
    }
}

/// Runs that staff have made, the newest first, but those of imports: at most [`RECENT`], made before that one.
pub async fn recent(can: &Can<ManageUsers>, before: Option<BatchId>) -> Result<Vec<Counted>> {
    Ok(db::batches::recent(&can.app().db, &IMPORTS, before, RECENT).await?)
}

/// Runs on a page.
pub const RECENT: i64 = 50;

/// The outcome of a run.
///
/// # Errors
/// [`Error::NoSuchPath`] without such a run.
pub async fn outcome(can: &Can<ManageUsers>, id: BatchId) -> Result<Outcome> {
    let app = can.app();
    let batch = db::batches::by_id(&app.db, id).await?.ok_or(Error::NoSuchPath)?;
    if IMPORTS.contains(&batch.action.as_str()) {
        return Err(Error::NoSuchPath);
    }
    let undone_by = db::batches::undone_by(&app.db, id).await?;
    let users = db::batches::items(&app.db, id)
        .await?
        .into_iter()
        .map(|item| {
            let verdict = BatchVerdict::ALL.into_iter().find(|verdict| verdict.as_str() == item.verdict);
            let verdict = verdict.ok_or_else(|| db::Error::Corrupt(item.verdict.clone()))?;
            Ok(Settled {
                id: UserId(item.user_id),
                username: item.username,
                verdict,
                code: if verdict == BatchVerdict::Pending { PENDING } else { known(&item.reason) },
                entry: item.entry_id.map(EntryId),
            })
        })
        .collect::<Result<_>>()?;
    Ok(Outcome { batch, users, undone_by })
}

/// Takes a whole run back, user by user, as a run of its own.
///
/// # Errors
/// [`Error::NoSuchPath`] without such a run; [`Error::CannotUndo`]; else as [`run`].
pub async fn undo(can: &Can<ManageUsers>, id: BatchId) -> Result<BatchId> {
    let asked_at = can.app().clock.now();
    let outcome = outcome(can, id).await?;
    outcome.check_undo(asked_at)?;
    can.require(presence_of_undo(can, &outcome).await?, asked_at)?;
    let done = outcome.users.iter().filter(|user| user.entry.is_some());
    let ids: Vec<UserId> = done.map(|user| user.id).collect();
    let batch = begin(can, UNDO, Some(id), &ids).await?;
    let work = Work { batch, is_own: true, asked_at };
    go_on_undoing(can, work, &outcome).await.map_err(|error| cut_short(error, batch))?;
    Ok(batch)
}

/// Takes back what another run has done to its users, as a part of a run, and notes its end.
async fn go_on_undoing(can: &Can<ManageUsers>, work: Work, undone: &Outcome) -> Result<()> {
    let Work { batch, asked_at, .. } = work;
    let can = &can.detached();
    for (id, entry) in undone.users.iter().filter_map(|user| Some((user.id, user.entry?))) {
        if !is_entitled(can).await? {
            break;
        }
        let result = undo::take_back(can, entry, Some(batch), asked_at).await;
        let result = result.map(|changed| changed.entry.ok_or(UNCHANGED));
        settle(can, work, id, result).await?;
    }
    finish(can.app(), batch).await
}

/// What taking a run back asks of the caller's session: the most that it asks for any of its users.
async fn presence_of_undo(can: &Can<ManageUsers>, outcome: &Outcome) -> Result<Presence> {
    let app = can.app();
    let ids: Vec<UserId> =
        outcome.users.iter().filter(|user| user.entry.is_some()).map(|user| user.id).collect();
    let users = db::users::by_ids(&app.db, &ids).await?;
    let users: HashMap<i64, &User> = users.iter().map(|user| (user.id.0, user)).collect();
    let mut asked = Presence::NotAsked;
    for entry in db::audit::of_batch(&app.db, BatchId(outcome.batch.id)).await? {
        let Some(user) = entry.target_id.and_then(|id| users.get(&id)) else { continue };
        let Ok(changes) = check(&entry, user, false, app.clock.now()) else { continue };
        let after = changes.apply(user);
        if app.settings.rules().may_change(can.user(), user, &after).is_ok() {
            asked = asked.max(presence::of_change(can.user().id, user, &after, false));
        }
    }
    Ok(asked)
}

/// What a run is called that takes another one back.
pub const UNDO: &str = "undo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_has_begun_fails_with_its_number() {
        for error in [Error::Unavailable, Error::Contended] {
            let error = cut_short(error, BatchId(7));
            assert!(error.to_string().contains("Run 7 was cut short"), "{error}");
            assert_eq!((error.status().code, error.retry_after()), (503, Some(2)));
        }
        assert!(matches!(cut_short(Error::NotFound, BatchId(7)), Error::NotFound));
    }
}
