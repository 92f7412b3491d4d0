//! Taking back one change.

use rocket::post;

use crate::model::audit::EntryId;
use crate::model::error::Result;
use crate::model::permission::ManageUsers;
use crate::model::update::Update;
use crate::model::user::UserId;
use crate::operations::undo;
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, Undo};
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::view::{Answer, ConfirmationPage};

/// What takes back what was just done, if anything was.
pub(super) fn offer(done: &Update) -> Option<Undo> {
    done.entry.map(|entry| Undo::Change { user: done.user.id.0, entry: entry.0 })
}

/// Takes back what an entry about the user records; this can be undone, too.
#[post("/users/<id>/undo/<entry>", data = "<form>", rank = 1)]
pub(in crate::web) async fn take_back(
    id: i64,
    entry: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let (id, entry) = (UserId(id), EntryId(entry));
    let undo = |can| async move { undo::undo_of(&can, id, entry).await };
    match reauthentication::with(&mut console, &form.current_password, undo).await {
        Ok(done) => {
            let again = done.entry.map(|entry| Undo::Again { user: done.user.id.0, entry: entry.0 });
            console.flash(format!("The change of {} was undone.", done.user.display_name()), again);
            Ok(Answer::Redirect(format!("/users/{id}")))
        }
        Err(error) => question(&console, id, entry).after(error, &console, "users"),
    }
}

/// Asks for the password.
fn question(console: &ConsoleSession<'_, ManageUsers>, id: UserId, entry: EntryId) -> Question {
    let (title, text) = if console.can.user().id == id {
        (
            "Take back the change of your own account?",
            "You sign in with the name before it then, and links for a password go to the address before it.",
        )
    } else {
        (
            "Take back the change of an administrator's account?",
            "It gives them back rights, their access, or the address that links for a password go to.",
        )
    };
    Question {
        title,
        text,
        button: "Take it back",
        action: format!("/users/{id}/undo/{}", entry.0),
        back: format!("/users/{id}"),
    }
}
