//! Links for a user, shown once, and why a user cannot sign in.

use rocket::form::{Form, FromForm};
use rocket::{get, post};

use super::confirming::{self, MISSING, WRONG};
use crate::accounts::{self, Expected};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::guard::{self, IsSeen};
use crate::links;
use crate::mail::{self, State};
use crate::permission::{Can, ManageUsers, SignedIn};
use crate::rules::Denial;
use crate::session::Secret;
use crate::sign_in_check;
use crate::user::{User, UserId};
use crate::web::frame::Visitor;
use crate::web::view::{Answer, ConfirmationPage, LinkNote, MailNote, SignInCheckPage};

/// The secret of the visitor's own session, with which a link is sealed for them; a visitor without a
/// cookie has none.
pub(super) fn session_secret(visitor: &Visitor<'_, ManageUsers>) -> Option<Secret> {
    let cookie = visitor.jar.get(guard::cookie_name(&visitor.app.settings))?;
    Secret::from_text(cookie.value())
}

/// What the button sends, and the page that asks for the password.
#[derive(Debug, FromForm)]
pub(in crate::web) struct LinkForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    password: String,
}

/// Makes another link, which the user's page will show once. One for oneself asks for the password.
#[post("/users/<id>/link", data = "<form>")]
pub(in crate::web) async fn make(
    id: i64,
    visitor: Visitor<'_, ManageUsers>,
    form: Form<LinkForm>,
) -> Result<Answer<ConfirmationPage>> {
    visitor.check(&form.token)?;
    let ask = |problem: &str| {
        Ok(Answer::refused(ConfirmationPage {
            frame: visitor.frame("users"),
            title: "Make a link for your own account?".into(),
            text: "Whoever has the link can choose another password for you.",
            action: format!("/users/{id}/link"),
            hidden: Vec::new(),
            button: "Make a link".into(),
            asks_password: true,
            problem: problem.into(),
            back: format!("/users/{id}"),
            stays: false,
        }))
    };
    let Some(can) = confirming::with_password(&visitor, &form.password).await? else { return ask(WRONG) };
    let session = session_secret(&visitor);
    match links::make(visitor.app, &can, UserId(id), &Expected::Any, session.as_ref()).await {
        Ok(_) => {
            visitor.tell("Made a new link. Older ones no longer work.", None);
            Ok(Answer::GoOn(format!("/users/{id}")))
        }
        Err(Error::Forbidden(Denial::ConfirmationRequired)) => ask(MISSING),
        Err(error) => Err(error),
    }
}

/// The link that is out for a user as their page shows it: with its address if it was made in this
/// session and has not been shown yet. Where nobody would see it, it is kept for the next time.
pub(super) async fn note(
    visitor: &Visitor<'_, ManageUsers>,
    user: &User,
    IsSeen(is_seen): IsSeen,
) -> Result<Option<LinkNote>> {
    let Some(link) = links::outstanding(visitor.app, &visitor.can, user.id).await? else { return Ok(None) };
    let session = session_secret(visitor);
    let is_kept = !is_seen && session.as_ref().is_some_and(|session| links::is_kept_for(&link, session));
    let url = match session {
        Some(session) if is_seen => links::reveal(visitor.app, &link, &session).await?,
        _ => None,
    };
    let (expires_at, life) = (link.expires_at.into(), link.purpose.life_in_words());
    Ok(Some(LinkNote { url, is_kept, expires_at, life }))
}

/// The newest message to a user, in words.
pub(super) async fn mail_note(visitor: &Visitor<'_, ManageUsers>, user: &User) -> Result<Option<MailNote>> {
    let now: Timestamp = visitor.app.clock.now();
    Ok(mail::latest(visitor.app, user.id).await?.map(|mail| MailNote {
        text: match mail.state_at(now) {
            State::Queued => "is being sent",
            State::Accepted => "was accepted by the mail server",
            State::Refused => "was refused by the mail server",
            State::Unknown => "was lost, or not: it is not known. Make a new link",
        },
        recipient: mail.recipient,
        response: mail.response,
        changed_at: mail.changed_at.into(),
    }))
}

/// Why a user can or cannot sign in, gate by gate.
#[get("/users/<id>/sign-in-check")]
pub(in crate::web) async fn check(
    id: i64,
    visitor: Visitor<'_, ManageUsers>,
) -> Result<Answer<SignInCheckPage>> {
    let can: Can<SignedIn> = visitor.can.weaken();
    let user = accounts::get(visitor.app, &can, UserId(id)).await?;
    let check = sign_in_check::check(visitor.app, &visitor.can, user.id).await?;
    Ok(Answer::page(SignInCheckPage {
        frame: visitor.frame("users"),
        id,
        name: user.display_name(),
        summary: sign_in_check::summary(&check.gates),
        last_session_end: check
            .last_session_end
            .as_ref()
            .map(|end| (end.reason, end.by.clone().unwrap_or_default(), end.at.into())),
        gates: check.gates,
    }))
}
