//! The sessions of a user, ended by staff.

use rocket::{get, post};

use super::lookup::find;

use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::permission::ManageUsers;
use crate::model::session::SessionId;
use crate::model::user::UserId;
use crate::operations::sessions;
use crate::web::form::FormState;
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, Said};
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::view::{Answer, ConfirmationPage};

/// Ends one of them.
#[post("/users/<id>/sessions/<session>/end", data = "<form>")]
pub(in crate::web) async fn end(
    id: i64,
    session: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let end = |can| async move { sessions::end_of_user(&can, UserId(id), SessionId(session)).await };
    let action = format!("/users/{id}/sessions/{session}/end");
    match reauthentication::with(&mut console, &form.current_password, end).await {
        Ok(_) => {
            console.flash("The session was ended.", None);
            Ok(Answer::Redirect(format!("/users/{id}/sign-ins")))
        }
        Err(error) => {
            let question = Question {
                title: "End another session of yours?",
                text: "It is signed out straight away.",
                button: "End the session",
                action,
                back: format!("/users/{id}/sign-ins"),
            };
            question.after(error, &console, "users")
        }
    }
}

/// The question before all sessions of the viewer's own are ended.
fn own_everywhere(id: i64) -> Question {
    Question {
        title: "Sign yourself out everywhere?",
        text: "All your sessions end at once, this one included, and your API tokens no longer work.",
        button: "Sign out everywhere",
        action: format!("/users/{id}/sessions/end"),
        back: format!("/users/{id}"),
    }
}

/// Asks before they are signed out everywhere.
#[get("/users/<id>/sessions/end")]
pub(in crate::web) async fn ask(
    id: i64,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<ConfirmationPage>> {
    let user = find(&console, id).await?;
    console.app().settings.rules().may_touch(console.can.user(), &user)?;
    if console.can.user().id == user.id {
        return Ok(Answer::page(own_everywhere(id).page(&console, "users", &FieldErrors::default())));
    }
    Ok(Answer::page(ConfirmationPage {
        layout: console.layout("users"),
        title: format!("Sign out {} everywhere?", user.display_name()),
        text: "All their sessions end at once, in browsers and of programs, and their API tokens no longer work.",
        action: format!("/users/{id}/sessions/end"),
        hidden: Vec::new(),
        button: "Sign out everywhere".into(),
        form: FormState::empty(),
        back: format!("/users/{id}"),
        stays: false,
    }))
}

/// Signs the user out everywhere.
#[post("/users/<id>/sessions/end", data = "<form>")]
pub(in crate::web) async fn end_all(
    id: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let end = |can| async move { sessions::end_all_of_user(&can, UserId(id)).await };
    let done = match reauthentication::with(&mut console, &form.current_password, end).await {
        Ok(done) => done,
        Err(error) => {
            return own_everywhere(id).after(error, &console, "users");
        }
    };
    let name = done.user.display_name();
    console.flash(
        match done.sessions_ended {
            0 => Said::neutral(format!("{name} was not signed in anywhere.")),
            1 => format!("{name} was signed out. 1 session was ended.").into(),
            ended => format!("{name} was signed out everywhere. {ended} sessions were ended.").into(),
        },
        None,
    );
    Ok(Answer::Redirect(format!("/users/{id}")))
}
