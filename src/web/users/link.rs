//! Links for a user, shown once, and why a user cannot sign in.

use rocket::form::Form;
use rocket::{get, post};

use crate::accounts::{self, Expected};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::guard;
use crate::links;
use crate::mail::{self, State};
use crate::permission::{Can, ManageUsers, SignedIn};
use crate::session::Secret;
use crate::sign_in_check;
use crate::user::{User, UserId};
use crate::web::frame::{TokenForm, Visitor};
use crate::web::view::{Answer, LinkNote, MailNote, SignInCheckPage, UserPage};

/// The secret of the visitor's own session, with which a link is sealed for them; a visitor without a
/// cookie has none.
pub(super) fn session_secret(visitor: &Visitor<'_, ManageUsers>) -> Option<Secret> {
    let cookie = visitor.jar.get(guard::cookie_name(&visitor.app.settings))?;
    Secret::from_text(cookie.value())
}

/// Makes another link, which the user's page will show once.
#[post("/users/<id>/link", data = "<form>")]
pub(in crate::web) async fn make(
    id: i64,
    visitor: Visitor<'_, ManageUsers>,
    form: Form<TokenForm>,
) -> Result<Answer<UserPage>> {
    if visitor.is_stale(&form.token) {
        return Ok(Answer::again(&visitor, format!("/users/{id}")));
    }
    let session = session_secret(&visitor);
    links::make(visitor.app, &visitor.can, UserId(id), &Expected::Any, session.as_ref()).await?;
    visitor.tell("Made a new link. Older ones no longer work.", None);
    Ok(Answer::GoOn(format!("/users/{id}")))
}

/// The link that is out for a user as their page shows it: with its address if it was made in this
/// session and has not been shown yet.
pub(super) async fn note(visitor: &Visitor<'_, ManageUsers>, user: &User) -> Result<Option<LinkNote>> {
    let Some(link) = links::outstanding(visitor.app, &visitor.can, user.id).await? else { return Ok(None) };
    let url = match session_secret(visitor) {
        Some(session) => links::reveal(visitor.app, &link, &session).await?,
        None => None,
    };
    Ok(Some(LinkNote { url, expires_at: link.expires_at.into(), life: link.purpose.life_in_words() }))
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
