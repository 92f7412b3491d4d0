//! Taking back one change.

use rocket::form::{Form, FromForm};
use rocket::post;

use super::confirming::{self, MISSING, WRONG};
use crate::accounts::Changed;
use crate::audit::EntryId;
use crate::error::{Error, Result};
use crate::permission::ManageUsers;
use crate::rules::Denial;
use crate::undo;
use crate::user::UserId;
use crate::web::frame::Visitor;
use crate::web::view::{Answer, ConfirmationPage};

/// The path that takes back what was just done, if anything was.
pub(super) fn path(done: &Changed) -> Option<String> {
    done.entry.map(|entry| format!("/users/{}/undo/{}", done.user.id, entry.0))
}

/// What the button sends.
#[derive(Debug, FromForm)]
pub(in crate::web) struct UndoForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    password: String,
}

/// Takes back what an entry about the user tells of; this can be undone, too.
#[post("/users/<id>/undo/<entry>", data = "<form>", rank = 1)]
pub(in crate::web) async fn take_back(
    id: i64,
    entry: i64,
    visitor: Visitor<'_, ManageUsers>,
    form: Form<UndoForm>,
) -> Result<Answer<ConfirmationPage>> {
    visitor.check(&form.token)?;
    // Of one's own only the address asks for it: nobody changes their own rights.
    let (title, text, button) = if visitor.can.user().id == UserId(id) {
        (
            "Take back the change of your own email address?",
            "Links with which you choose a password go to the address before it then.",
            "Take it back",
        )
    } else {
        (
            "Give back superuser rights?",
            "They can do everything then, including changing other superusers.",
            "Give back superuser rights",
        )
    };
    let ask = |problem: &str| {
        Ok(Answer::refused(ConfirmationPage {
            frame: visitor.frame("users"),
            title: title.into(),
            text,
            action: format!("/users/{id}/undo/{entry}"),
            hidden: Vec::new(),
            button: button.into(),
            asks_password: true,
            problem: problem.into(),
            back: format!("/users/{id}"),
            stays: false,
        }))
    };
    let Some(can) = confirming::with_password(&visitor, &form.password).await? else { return ask(WRONG) };
    match undo::undo_of(visitor.app, &can, UserId(id), EntryId(entry)).await {
        Ok(done) => {
            visitor.tell("Undone.", path(&done));
            Ok(Answer::GoOn(format!("/users/{id}")))
        }
        Err(Error::Forbidden(Denial::ConfirmationRequired)) => ask(MISSING),
        Err(error) => Err(error),
    }
}
