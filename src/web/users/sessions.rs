//! The sessions of a user, ended by staff.

use rocket::form::Form;
use rocket::post;

use crate::error::Result;
use crate::live_sessions;
use crate::permission::ManageUsers;
use crate::session::SessionId;
use crate::user::UserId;
use crate::web::frame::{TokenForm, Visitor};
use crate::web::view::{Answer, UserPage};

/// Ends one of them.
#[post("/users/<id>/sessions/<session>/end", data = "<form>")]
pub(in crate::web) async fn end(
    id: i64,
    session: i64,
    visitor: Visitor<'_, ManageUsers>,
    form: Form<TokenForm>,
) -> Result<Answer<UserPage>> {
    if visitor.is_stale(&form.token) {
        return Ok(Answer::again(&visitor, format!("/users/{id}/sign-ins")));
    }
    live_sessions::end_of_user(visitor.app, &visitor.can, UserId(id), SessionId(session)).await?;
    visitor.tell("The session was ended.", None);
    Ok(Answer::GoOn(format!("/users/{id}/sign-ins")))
}

/// Signs the user out everywhere.
#[post("/users/<id>/sessions/end", data = "<form>")]
pub(in crate::web) async fn end_all(
    id: i64,
    visitor: Visitor<'_, ManageUsers>,
    form: Form<TokenForm>,
) -> Result<Answer<UserPage>> {
    if visitor.is_stale(&form.token) {
        return Ok(Answer::again(&visitor, format!("/users/{id}")));
    }
    let done = live_sessions::end_all_of_user(visitor.app, &visitor.can, UserId(id)).await?;
    let name = done.user.display_name();
    visitor.tell(
        match done.sessions_ended {
            0 => format!("{name} was not signed in anywhere."),
            1 => format!("{name} was signed out. 1 session was ended."),
            ended => format!("{name} was signed out everywhere. {ended} sessions were ended."),
        },
        None,
    );
    Ok(Answer::GoOn(format!("/users/{id}")))
}
