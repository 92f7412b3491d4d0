//! What is done when an erasure is due: the user in one transaction, then the audit log in small ones. After a kill it
//! goes on where it was.

use std::time::Duration;

use super::names;
use crate::db;
use crate::model::audit::{Action, Author, Entry, EntryId};
use crate::model::clock::Timestamp;
use crate::model::erasure::NameAfter;
use crate::model::error::Result;
use crate::model::throttle::Key;
use crate::model::user::UserId;
use crate::operations::App;
use crate::operations::audit::{self, Erased};

/// Erasures that one clean-up begins with.
const AT_ONCE: i64 = 100;
/// Transactions on the audit log that a request waits for; the rest is done by the next clean-up.
const STEPS: usize = 20;
/// How often entries are sealed, if they wait for it, before the next clean-up goes on.
const SEALINGS: usize = 20;
/// What was on its way when the user was erased is written by then: the audit log is looked through once more.
const ARRIVED_AFTER: Duration = Duration::from_mins(5);

/// Carries out what is due. Other instances may do so at the same time: each transaction locks the erasure.
pub async fn carry_out_due(app: &App) -> Result<()> {
    for user in db::erasures::due(&app.db, app.clock.now(), AT_ONCE).await? {
        while erase_user(app, user).await? && step_through(app, user, STEPS).await? == Progress::Some {}
    }
    Ok(())
}

/// Carries out the erasure of one user, as far as a request may wait for it.
pub async fn carry_out(app: &App, user: UserId) -> Result<()> {
    if erase_user(app, user).await? {
        step_through(app, user, STEPS).await?;
        if let Err(error) = super::keep_list(app).await {
            log::warn!("could not add to the list of erased users: {error}");
        }
    }
    Ok(())
}

/// Makes the user a primary key without values, if that is not done; whether the erasure is under way.
async fn erase_user(app: &App, id: UserId) -> Result<bool> {
    audit::load_key(app).await?;
    db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        // In the order in which requests lock them.
        let user = db::users::lock(&mut tx, id).await?.map(|found| found.user);
        let Some(erasure) = db::erasures::lock(&mut tx, id).await? else { return Ok(false) };
        if erasure.erased_at.is_some() {
            return Ok(true);
        }
        if erasure.due_at > now {
            return Ok(false);
        }
        db::erasures::overwrite(&mut tx, true).await?;
        let mut names = db::erasures::former_names(&mut tx, id).await?;
        names.extend(user.as_ref().map(|user| user.username.as_str().to_owned()));
        for name in &names {
            db::throttles::delete_of_account(&mut tx, &Key::account(name)).await?;
        }
        for key in [
            Key::link_requests_for(id),
            Key::codes_of(id),
            Key::own_changes_of(id),
            Key::own_passwords_of(id),
        ] {
            db::throttles::delete(&mut tx, &key).await?;
        }
        if let (NameAfter::Block, Some(user)) = (erasure.username_after, &user) {
            names::block(app, &mut tx, &user.username).await?;
        }
        db::erasures::forget_in_batches(&mut tx, id).await?;
        db::users::removal::delete_all(&mut tx, &[id]).await?;
        db::erasures::merge_search(&mut tx).await?;
        let version = user.map_or(erasure.version, |user| user.version) + 1;
        db::erasures::set_erased(&mut tx, id, version, now).await?;
        let mut entry = Entry::new(Action::UserErased, Author::operator())
            .detail("blocks_username", erasure.username_after == NameAfter::Block);
        if erasure.requested_by.is_none() {
            entry = entry.detail("restored", true);
        }
        entry.target = Some((id, String::new()));
        audit::record(&mut tx, &entry, now).await?;
        db::erasures::overwrite(&mut tx, false).await?;
        tx.commit().await?;
        Ok(true)
    })
    .await
}

/// How far the audit log was looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// There is more.
    Some,
    /// All that is there now, or all that can be done now.
    All,
}

async fn step_through(app: &App, user: UserId, steps: usize) -> Result<Progress> {
    let mut sealings = 0;
    for _ in 0..steps {
        match db::retrying(|| step(app, user)).await? {
            Erased::UpTo(_) => {}
            Erased::WaitsForSeal if sealings < SEALINGS => {
                sealings += 1;
                audit::seal(app).await?;
            }
            Erased::All | Erased::WaitsForSeal => return Ok(Progress::All),
        }
    }
    Ok(Progress::Some)
}

/// One transaction on the audit log.
async fn step(app: &App, user: UserId) -> Result<Erased> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let Some(erasure) = db::erasures::lock(&mut tx, user).await? else { return Ok(Erased::All) };
    let Some(erased_at) = erasure.erased_at.filter(|_| erasure.finished_at.is_none()) else {
        return Ok(Erased::All);
    };
    db::erasures::overwrite(&mut tx, true).await?;
    let erased = audit::erase_person(app, &mut tx, user, erasure.last_entry).await?;
    match erased {
        Erased::UpTo(last) => db::erasures::set_progress(&mut tx, user, last, None).await?,
        Erased::WaitsForSeal => {}
        Erased::All => finish(&mut tx, user, erased_at, erasure.last_entry, now).await?,
    }
    db::erasures::overwrite(&mut tx, false).await?;
    tx.commit().await?;
    Ok(erased)
}

/// After the last entry: done, or once more from the first one on, for what was written meanwhile.
async fn finish(
    tx: &mut db::Tx,
    user: UserId,
    erased_at: Timestamp,
    last: EntryId,
    now: Timestamp,
) -> db::Result<()> {
    if now < erased_at.plus(ARRIVED_AFTER) {
        return db::erasures::set_progress(tx, user, EntryId(0), None).await;
    }
    db::erasures::set_progress(tx, user, last, Some(now)).await
}
