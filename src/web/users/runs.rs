//! Actions on many users that were done: the runs, the results of each, going on with one that was cut short, the undo.

use rocket::{get, post};

use super::bulk::users;
use crate::db::batches::Counted;
use crate::model::audit::BatchId;
use crate::model::bulk::{BatchVerdict, BulkAction, sentence};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::permission::ManageUsers;
use crate::operations::bulk::{self, Outcome};
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, Undo};
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::text::thousands;
use crate::web::view::{Answer, ConfirmationPage, OutcomePage, OutcomeRow, RunRow, RunsPage};

/// Users that are shown besides those that were not done.
const DONE_SHOWN: usize = 100;

/// What was done, in words.
fn done_words(action: &str) -> &'static str {
    match BulkAction::named(action) {
        Some(BulkAction::Deactivate) => "deactivated",
        Some(BulkAction::Reactivate) => "reactivated",
        Some(BulkAction::GiveStaff) => "given staff access",
        Some(BulkAction::RemoveStaff) => "without staff access now",
        Some(BulkAction::EndSessions) => "signed out everywhere",
        Some(BulkAction::SendLinks) => "sent a link",
        None => "put back as before",
    }
}

/// The runs, the newest first.
#[get("/users/bulk/runs?<before>")]
pub(in crate::web) async fn page(
    before: Option<i64>,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<RunsPage>> {
    let found = bulk::recent(&console.can, before.map(BatchId)).await?;
    let is_full = i64::try_from(found.len()) == Ok(bulk::RECENT);
    let row = |Counted { batch, done, pending, total }: &Counted| RunRow {
        id: batch.id,
        title: title(&batch.action, *done, total - done).trim_end_matches('.').to_owned(),
        who: batch.actor_name.clone(),
        at: Timestamp::from_micros(batch.created_at).into(),
        pending: *pending,
    };
    Ok(Answer::page(RunsPage {
        layout: console.layout("users"),
        rows: found.iter().map(row).collect(),
        earlier: found
            .last()
            .filter(|_| is_full)
            .map(|last| format!("/users/bulk/runs?before={}", last.batch.id)),
    }))
}

/// Goes on with a run that was cut short.
#[post("/users/bulk/<batch>/resume", data = "<form>", rank = 2)]
pub(in crate::web) async fn resume(
    batch: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let resume = |can| async move { bulk::resume(&can, BatchId(batch)).await };
    match reauthentication::with(&mut console, &form.current_password, resume).await {
        Ok(batch) => {
            flash_outcome(&console, batch).await?;
            Ok(Answer::Redirect(format!("/users/bulk/{}", batch.0)))
        }
        Err(error) => {
            let question = Question {
                title: "Go on with the action?",
                text: "It is done to the users that were not reached.",
                button: "Go on",
                action: format!("/users/bulk/{batch}/resume"),
                back: format!("/users/bulk/{batch}"),
            };
            question.after(error, &console, "users")
        }
    }
}

/// Sets the flash message with the outcome of a run.
pub(super) async fn flash_outcome(console: &ConsoleSession<'_, ManageUsers>, batch: BatchId) -> Result<()> {
    let outcome = bulk::outcome(&console.can, batch).await?;
    let can_undo = outcome.check_undo(console.app().clock.now()).is_ok();
    let again = if outcome.batch.undoes.is_some() { Undo::RunAgain } else { Undo::Run };
    console.flash(summary(&outcome), can_undo.then(|| again(batch.0)));
    Ok(())
}

fn summary(outcome: &Outcome) -> String {
    let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let done = outcome.done();
    title(&outcome.batch.action, count(done), count(outcome.users.len() - done))
}

/// Such as `176 users deactivated, 2 not.`
fn title(action: &str, done: i64, not: i64) -> String {
    let words = format!("{} {}", users(usize::try_from(done).unwrap_or_default()), done_words(action));
    match not {
        0 => format!("{words}."),
        not => format!("{words}, {} not.", thousands(not)),
    }
}

/// The result for each user of a run.
#[get("/users/bulk/<batch>", rank = 1)]
pub(in crate::web) async fn outcome(
    batch: i64,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<OutcomePage>> {
    let outcome = bulk::outcome(&console.can, BatchId(batch)).await?;
    let (done, not): (Vec<_>, Vec<_>) =
        outcome.users.iter().partition(|user| user.verdict == BatchVerdict::Done);
    let row = |user: &&bulk::Settled| OutcomeRow {
        id: user.id.0,
        username: user.username.clone().unwrap_or_default(),
        done: user.verdict == BatchVerdict::Done,
        reason: sentence(user.code),
    };
    Ok(Answer::page(OutcomePage {
        layout: console.layout("users"),
        id: batch,
        title: summary(&outcome).trim_end_matches('.').to_owned(),
        who: outcome.batch.actor_name.clone(),
        at: Timestamp::from_micros(outcome.batch.created_at).into(),
        pending: not.iter().filter(|user| user.verdict == BatchVerdict::Pending).count(),
        rows: not.iter().map(row).chain(done.iter().take(DONE_SHOWN).map(row)).collect(),
        more: done.len().saturating_sub(DONE_SHOWN),
        can_undo: outcome.check_undo(console.app().clock.now()).is_ok(),
        undoes: outcome.batch.undoes,
        undone_by: outcome.undone_by.map(|batch| batch.0),
    }))
}

/// Takes a run back.
#[post("/users/bulk/<batch>/undo", data = "<form>", rank = 2)]
pub(in crate::web) async fn undo(
    batch: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let undo = |can| async move { bulk::undo(&can, BatchId(batch)).await };
    match reauthentication::with(&mut console, &form.current_password, undo).await {
        Ok(batch) => {
            flash_outcome(&console, batch).await?;
            Ok(Answer::Redirect(format!("/users/bulk/{}", batch.0)))
        }
        Err(error) => {
            let question = Question {
                title: "Take back what was done to administrators?",
                text: "It gives them back their rights or their access.",
                button: "Take it back",
                action: format!("/users/bulk/{batch}/undo"),
                back: format!("/users/bulk/{batch}"),
            };
            question.after(error, &console, "users")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_words() {
        for action in BulkAction::ALL {
            assert_ne!(done_words(action.as_str()), done_words(bulk::UNDO));
        }
    }
}
