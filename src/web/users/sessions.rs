//! The sessions of a user, ended by staff.

use rocket::post;

use crate::model::error::Result;
use crate::model::permission::ManageUsers;
use crate::model::session::SessionId;
use crate::model::user::UserId;
use crate::operations::sessions;
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, TokenForm};
use crate::web::view::{Answer, UserPage};

/// Ends one of them.
#[post("/users/<id>/sessions/<session>/end", data = "<form>")]
pub(in crate::web) async fn end(
    id: i64,
    session: i64,
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<TokenForm>,
) -> Result<Answer<UserPage>> {
    console.check(&form.token)?;
    sessions::end_of_user(&console.can, UserId(id), SessionId(session)).await?;
    console.flash("The session was ended.", None);
    Ok(Answer::Redirect(format!("/users/{id}/sign-ins")))
}

/// Signs the user out everywhere.
#[post("/users/<id>/sessions/end", data = "<form>")]
pub(in crate::web) async fn end_all(
    id: i64,
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<TokenForm>,
) -> Result<Answer<UserPage>> {
    console.check(&form.token)?;
    let done = sessions::end_all_of_user(&console.can, UserId(id)).await?;
    let name = done.user.display_name();
    console.flash(
        match done.sessions_ended {
            0 => format!("{name} was not signed in anywhere."),
            1 => format!("{name} was signed out. 1 session was ended."),
            ended => format!("{name} was signed out everywhere. {ended} sessions were ended."),
        },
        None,
    );
    Ok(Answer::Redirect(format!("/users/{id}")))
}
