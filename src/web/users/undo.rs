//! Taking back one change.

use rocket::form::FromForm;
use rocket::post;

use super::confirming::{self, MISSING, WRONG};
use crate::model::audit::EntryId;
use crate::model::error::{Error, Result};
use crate::model::permission::ManageUsers;
use crate::model::rules::Denial;
use crate::model::update::Update;
use crate::model::user::UserId;
use crate::operations::undo;
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::view::{Answer, ConfirmationPage};

/// The path that takes back what was just done, if anything was.
pub(super) fn path(done: &Update) -> Option<String> {
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

/// Takes back what an entry about the user records; this can be undone, too.
#[post("/users/<id>/undo/<entry>", data = "<form>", rank = 1)]
pub(in crate::web) async fn take_back(
    id: i64,
    entry: i64,
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<UndoForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    // Of the own account only the address asks for it: users cannot change their own rights.
    let (title, text, button) = if console.can.user().id == UserId(id) {
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
            layout: console.layout("users"),
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
    let Some(can) = confirming::with_password(&console, &form.password).await? else { return ask(WRONG) };
    match undo::undo_of(&can, UserId(id), EntryId(entry)).await {
        Ok(done) => {
            console.flash("Undone.", path(&done));
            Ok(Answer::Redirect(format!("/users/{id}")))
        }
        Err(Error::Forbidden(Denial::ConfirmationRequired)) => ask(MISSING),
        Err(error) => Err(error),
    }
}
