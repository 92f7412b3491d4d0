//! Erasing a user: what goes and what stays, the question, and cancelling it while it waits.

use rocket::form::FromForm;
use rocket::{get, post};

use crate::model::erasure::{Erasure, NameAfter};
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::permission::{IsSuperuser, ManageUsers};
use crate::model::user::{User, UserId};
use crate::operations::erasures::{self, NAME_AFTER, Preview, TYPED};
use crate::operations::users;
use crate::web::form::{Field, FormState, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::view::{Answer, ConfirmationPage, ErasePage, ErasureNote};

/// What the form sends.
#[derive(Debug, Default, FromForm)]
pub(in crate::web) struct EraseForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    confirm_username: String,
    #[field(default = "")]
    username_after: String,
    #[field(default = "")]
    current_password: String,
}

/// What the page of a user says of an erasure that waits.
pub(super) async fn note(
    console: &ConsoleSession<'_, ManageUsers>,
    id: UserId,
) -> Result<Option<ErasureNote>> {
    let found = erasures::find(&console.can, id).await?;
    let Some(erasure) = found else { return Ok(None) };
    let by = match erasure.requested_by {
        Some(by) => users::by_ids(&console.can, &[by]).await?.pop().map(|user| user.display_name()),
        None => None,
    };
    Ok(Some(ErasureNote {
        by: by.unwrap_or_default(),
        at: erasure.requested_at.into(),
        due_at: erasure.due_at.into(),
        may_cancel: console.can.user().is_superuser,
    }))
}

fn form(console: &ConsoleSession<'_, IsSuperuser>, typed: &EraseForm, errors: &FieldErrors) -> FormState {
    let field = Field::new(TYPED, "Username", "text", typed.confirm_username.clone(), errors);
    let hint = "Type the username of the user above, so that it is not the wrong one.";
    let mut fields = vec![Field { hint: hint.into(), ..field }];
    fields.extend(reauthentication::field(console, "Needed because this cannot be undone.", errors));
    FormState::of(fields, errors)
}

async fn page_of(
    console: &ConsoleSession<'_, IsSuperuser>,
    user: &User,
    form: FormState,
    blocks: bool,
) -> Result<ErasePage> {
    let counts = erasures::preview(&console.can, user.id).await?;
    Ok(ErasePage {
        layout: console.layout("users"),
        id: user.id.0,
        name: user.display_name(),
        username: user.username.as_str().to_owned(),
        days: console.app().settings.erasure_days,
        goes: goes(&counts),
        stays: stays(&counts),
        form,
        blocks,
    })
}

/// What is removed, a line each.
fn goes(counts: &Preview) -> Vec<String> {
    let counted = [
        (counts.sessions, "session or API token", "sessions and API tokens"),
        (counts.factors, "second factor", "second factors"),
        (counts.links, "one-time link", "one-time links"),
        (counts.mails, "note of a message that was sent", "notes of messages that were sent"),
        (counts.browsers, "known browser", "known browsers"),
        (counts.external_ids, "name that a provisioning client gave", "names that provisioning clients gave"),
        (counts.notes, "note of staff", "notes of staff"),
    ];
    let first =
        "Username, names, email address, password, preferences and saved views, and every right".to_owned();
    let lines = counted.into_iter().filter(|(count, ..)| *count > 0);
    let lines = lines.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }));
    std::iter::once(first).chain(lines).collect()
}

/// What stays without the person, a line each.
fn stays(counts: &Preview) -> Vec<String> {
    vec![
        format!(
            "{} of the audit log about the user and {} of what the user did: what happened and when, without names, \
             addresses, devices and values",
            entries(counts.entries_about),
            entries(counts.entries_by)
        ),
        "The user ID and when the account was made; no other user is ever given the ID".to_owned(),
        "What the user wrote about others, such as notes".to_owned(),
    ]
}

fn entries(count: i64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// The question.
#[get("/users/<id>/erase")]
pub(in crate::web) async fn page(
    id: i64,
    console: ConsoleSession<'_, IsSuperuser>,
) -> Result<Answer<ErasePage>> {
    let user = users::get(&console.can.weaken(), UserId(id)).await?;
    let form = form(&console, &<EraseForm as Default>::default(), &FieldErrors::default());
    Ok(Answer::page(page_of(&console, &user, form, false).await?))
}

/// Has the user erased.
#[post("/users/<id>/erase", data = "<form>")]
pub(in crate::web) async fn request(
    id: i64,
    mut console: ConsoleSession<'_, IsSuperuser>,
    form: FormBody<EraseForm>,
) -> Result<Answer<ErasePage>> {
    let user = users::get(&console.can.weaken(), UserId(id)).await?;
    let after = NameAfter::named(&form.username_after);
    let blocks = after == Some(NameAfter::Block);
    if console.is_stale(&form.token) {
        let state = self::form(&console, &form, &FieldErrors::default()).stale();
        return Ok(Answer::refused(page_of(&console, &user, state, blocks).await?));
    }
    let Some(after) = after else {
        let mut errors = FieldErrors::default();
        errors.add(NAME_AFTER, "Choose what becomes of the username.");
        let state = self::form(&console, &form, &errors);
        return Ok(Answer::refused(page_of(&console, &user, state, blocks).await?));
    };
    let typed = form.confirm_username.trim();
    let request = |can| async move { erasures::request(&can, UserId(id), typed, after).await };
    match reauthentication::with(&mut console, &form.current_password, request).await {
        Ok(erasure) => Ok(Answer::Redirect(done(&console, &user, &erasure))),
        Err(error) => {
            let state = self::form(&console, &form, &field_errors(error)?);
            Ok(Answer::refused(page_of(&console, &user, state, blocks).await?))
        }
    }
}

/// Tells what was done; where to go on.
fn done(console: &ConsoleSession<'_, IsSuperuser>, user: &User, erasure: &Erasure) -> String {
    if erasure.erased_at.is_some() {
        console.flash(format!("User {} was erased.", user.id), None);
        return "/users".to_owned();
    }
    let name = user.display_name();
    console.flash(format!("{name} was deactivated and will be erased. You can cancel it until then."), None);
    format!("/users/{}", user.id)
}

/// Cancels an erasure that waits; of an administrator only with the password.
#[post("/users/<id>/erase/cancel", data = "<form>")]
pub(in crate::web) async fn cancel(
    id: i64,
    mut console: ConsoleSession<'_, IsSuperuser>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let cancel = |can| async move { erasures::cancel(&can, UserId(id)).await };
    match reauthentication::with(&mut console, &form.current_password, cancel).await {
        Ok(user) => {
            let name = user.display_name();
            let text = if user.is_active {
                format!("{name} will not be erased, and is active again.")
            } else {
                format!("{name} will not be erased.")
            };
            console.flash(text, None);
            Ok(Answer::Redirect(format!("/users/{id}")))
        }
        Err(error) => {
            let question = Question {
                title: "Cancel the erasure of an administrator?",
                text: "They can sign in again with the password that they had, and manage users.",
                button: "Cancel the erasure",
                action: format!("/users/{id}/erase/cancel"),
                back: format!("/users/{id}"),
            };
            question.after(error, &console, "users")
        }
    }
}
