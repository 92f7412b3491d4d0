//! Links for a user, shown once, and why a user cannot sign in.

use rocket::{get, post};

use super::lookup::find;
use crate::http::guards::MayRevealOnce;
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::mail::MailState;
use crate::model::permission::ManageUsers;
use crate::model::precondition::Precondition;
use crate::model::user::{User, UserId};
use crate::operations::{mail, password_links, sign_in_diagnosis};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::view::{Answer, ConfirmationPage, LinkNote, MailNote, SignInCheckPage, Time};

/// Makes another link, which the user's page will show once. One for the viewer's own account, or for an
/// administrator, asks for the password.
#[post("/users/<id>/link", data = "<form>")]
pub(in crate::web) async fn make(
    id: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let id = UserId(id);
    let title = if console.can.user().id == id {
        "Make a link for your own account?"
    } else {
        "Make a link for an administrator?"
    };
    let make = |can| async move { password_links::make(&can, id, &Precondition::Any, can.cookie()).await };
    match reauthentication::with(&mut console, &form.current_password, make).await {
        Ok(_) => {
            console.flash("Made a new link. Older ones no longer work.", None);
            Ok(Answer::Redirect(format!("/users/{id}")))
        }
        Err(error) => {
            let question = Question {
                title,
                text: "Anyone who has the link can choose another password for the account.",
                button: "Make a link",
                action: format!("/users/{id}/link"),
                back: format!("/users/{id}"),
            };
            question.after(error, &console, "users")
        }
    }
}

/// The link that is out for a user as their page shows it: with its address if it was made in this
/// session and has not been shown yet. Where no person would see it, it is kept for the next time.
pub(super) async fn note(
    console: &ConsoleSession<'_, ManageUsers>,
    user: &User,
    MayRevealOnce(is_seen): MayRevealOnce,
) -> Result<Option<LinkNote>> {
    let Some(link) = password_links::outstanding(&console.can, user).await? else {
        return Ok(None);
    };
    let session = console.can.cookie();
    let is_kept = !is_seen && session.is_some_and(|session| password_links::is_kept_for(&link, session));
    let url = match session {
        Some(session) if is_seen => password_links::reveal(&console.can, &link, session).await?,
        _ => None,
    };
    let (expires_at, life) = (link.expires_at.into(), link.purpose.life_in_words());
    Ok(Some(LinkNote { url, is_kept, expires_at, life }))
}

/// The newest message to a user, in words.
pub(super) async fn mail_note(
    console: &ConsoleSession<'_, ManageUsers>,
    user: &User,
) -> Result<Option<MailNote>> {
    let now: Timestamp = console.app().clock.now();
    Ok(mail::latest(&console.can, user.id).await?.map(|mail| MailNote {
        text: match mail.state_at(now) {
            MailState::Queued if mail.response.is_empty() => "is being sent",
            MailState::Queued => "could not be sent yet and is tried again",
            MailState::Accepted => "was accepted by the mail server",
            MailState::Refused => "was refused by the mail server",
            MailState::Unknown => "was lost, or not: it is not known. Make a new link",
        },
        recipient: mail.recipient,
        response: mail.response,
        changed_at: mail.changed_at.into(),
    }))
}

/// Why a user can or cannot sign in, condition by condition.
#[get("/users/<id>/sign-in-check")]
pub(in crate::web) async fn check(
    id: i64,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<SignInCheckPage>> {
    let user = find(&console, id).await?;
    let zone = console.zone();
    let check = sign_in_diagnosis::check(&console.can, user.id, &|at| Time::from(at).text_in(&zone)).await?;
    Ok(Answer::page(SignInCheckPage {
        layout: console.layout("users"),
        id,
        name: user.display_name(),
        summary: sign_in_diagnosis::summary(&check.conditions),
        last_session_end: check
            .last_session_end
            .as_ref()
            .map(|end| (end.reason, end.by.clone().unwrap_or_default(), end.at.into())),
        conditions: check.conditions,
    }))
}
