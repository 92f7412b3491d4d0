//! The run of an import, its outcome, and its undo.

use rocket::form::FromForm;
use rocket::{get, post};

use super::review::{counts, number};
use super::{Page, gone, held, review};
use crate::model::audit::BatchId;
use crate::model::bulk::sentence;
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::permission::IsSuperuser;
use crate::operations::import_runs::{self, Outcome};
use crate::web::form::field_errors;
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::view::{Answer, ConfirmationPage, ImportOutcomePage, LeftRow};

/// Users that are shown of those whom an undo left.
const SHOWN: usize = 100;

/// What the form sends.
#[derive(Debug, FromForm)]
pub(super) struct RunForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    number: String,
    #[field(default = "")]
    current_password: String,
}

fn path(batch: BatchId) -> String {
    format!("/users/imports/{}", batch.0)
}

/// Imports what was uploaded, if it is still what the form names.
#[post("/users/import/run", data = "<form>")]
pub(super) async fn run(
    mut console: ConsoleSession<'_, IsSuperuser>,
    form: FormBody<RunForm>,
) -> Result<Page> {
    let app = console.app().clone();
    let begun = app.uploads.run_of(console.can.user().id, app.clock.now());
    // Sent twice.
    if let Some(run) = begun.filter(|run| run.number == form.number) {
        return Ok(Page::Form(Answer::Redirect(path(run.batch))));
    }
    let Some(upload) = held(&console).filter(|upload| upload.number == form.number) else {
        let is_stale = console.is_stale(&form.token);
        return Ok(if is_stale { super::refused(&console) } else { Page::Form(gone(&console)) });
    };
    if console.is_stale(&form.token) {
        return Ok(super::refused(&console));
    }
    let number = form.number.as_str();
    let start = |can| async move { import_runs::start(&can, number).await };
    match reauthentication::with(&mut console, &form.current_password, start).await {
        Ok(batch) => Ok(Page::Form(Answer::Redirect(path(batch)))),
        Err(Error::PreconditionFailed) => Ok(Page::Form(gone(&console))),
        Err(error) => {
            let form = reauthentication::form(&console, true, &field_errors(error)?);
            Ok(Page::Review(Answer::refused(review::page(&console, &upload, form))))
        }
    }
}

/// How far an import, or the undo of one, has come.
#[get("/users/imports/<batch>", rank = 1)]
pub(super) async fn outcome(
    batch: i64,
    console: ConsoleSession<'_, IsSuperuser>,
) -> Result<Answer<ImportOutcomePage>> {
    let app = console.app();
    let now = app.clock.now();
    let outcome = import_runs::outcome(&console.can, BatchId(batch)).await?;
    let run = app.uploads.run_of(console.can.user().id, now);
    let left = outcome.left.iter().take(SHOWN).map(|item| LeftRow {
        id: item.user_id,
        username: item.username.clone().unwrap_or_default(),
        reason: reason(&item.reason),
    });
    Ok(Answer::page(ImportOutcomePage {
        layout: console.layout("users"),
        id: batch,
        title: title(&outcome),
        who: outcome.batch.actor_name.clone(),
        at: Timestamp::from_micros(outcome.batch.created_at).into(),
        counts: figures(&outcome),
        progress: progress(&outcome),
        is_open: outcome.batch.finished_at.is_none(),
        left: left.collect(),
        more: outcome.left.len().saturating_sub(SHOWN),
        has_report: run.is_some_and(|run| run.batch.0 == batch && !run.is_running())
            && held(&console).is_none(),
        can_undo: outcome.check_undo(now).is_ok(),
        undoes: outcome.batch.undoes,
        undone_by: outcome.undone_by.map(|(batch, _)| batch.0),
    }))
}

fn users(count: i64) -> String {
    crate::web::users::bulk::users(usize::try_from(count).unwrap_or_default())
}

/// Such as `1,203 users imported`.
fn title(outcome: &Outcome) -> String {
    let word = if outcome.is_undo() { "removed" } else { "imported" };
    if outcome.done == 0 && outcome.changed > 0 {
        return format!("External ids {word}");
    }
    format!("{} {word}", users(outcome.done))
}

fn figures(outcome: &Outcome) -> Vec<(&'static str, String)> {
    if outcome.is_undo() {
        let external_ids = (outcome.changed > 0)
            .then(|| ("External ids removed of users", number(outcome.changed.unsigned_abs())));
        return [
            ("Removed", number(outcome.done.unsigned_abs())),
            ("Left", number(outcome.left.len() as u64)),
        ]
        .into_iter()
        .chain(external_ids)
        .collect();
    }
    outcome.counts.map(|counted| counts(&counted, "Created")).unwrap_or_default()
}

/// How far it has come, while it goes on at this instance.
fn progress(outcome: &Outcome) -> String {
    match (outcome.rows, outcome.counts) {
        (Some(users), _) if outcome.is_undo() => {
            let done = outcome.done.unsigned_abs() + outcome.left.len() as u64;
            format!("{} of {} users are done.", number(done), number(users))
        }
        (Some(rows), Some(counts)) => format!("{} of {} rows are done.", number(counts.rows()), number(rows)),
        _ => String::new(),
    }
}

/// A code of a reason in words; a newer release may have written what this one does not know.
fn reason(code: &str) -> &'static str {
    match code {
        "changed_since" => "The user was changed since.",
        code => sentence(code),
    }
}

/// Takes an import back.
#[post("/users/imports/<batch>/undo", data = "<form>", rank = 2)]
pub(super) async fn undo(
    batch: i64,
    mut console: ConsoleSession<'_, IsSuperuser>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let undo = |can| async move { import_runs::undo(&can, BatchId(batch)).await };
    match reauthentication::with(&mut console, &form.current_password, undo).await {
        Ok(batch) => Ok(Answer::Redirect(path(batch))),
        Err(error) => {
            let question = Question {
                title: "Take the import back?",
                text: "The users whom it added are removed, but for those who have signed in or were changed since; and the external ids that it added to others, unless their clients have changed them.",
                button: "Take it back",
                action: format!("{}/undo", path(BatchId(batch))),
                back: path(BatchId(batch)),
            };
            question.after(error, &console, "users")
        }
    }
}
