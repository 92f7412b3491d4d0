//! The end of a block after failed sign-ins.

use rocket::post;

use crate::model::error::Result;
use crate::model::permission::IsSuperuser;
use crate::model::user::UserId;
use crate::operations::unlock;
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, Said};
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::view::{Answer, ConfirmationPage};

/// Ends it at once; for an administrator with the password.
#[post("/users/<id>/unlock", data = "<form>")]
pub(in crate::web) async fn end_block(
    id: i64,
    mut console: ConsoleSession<'_, IsSuperuser>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let unlock = |can| async move { unlock::account(&can, UserId(id)).await };
    let unlocked = match reauthentication::with(&mut console, &form.current_password, unlock).await {
        Ok(unlocked) => unlocked,
        Err(error) => {
            let question = Question {
                title: "Unlock the account of an administrator?",
                text: "What was guessed in vain is forgotten, and passwords for the account are checked again.",
                button: "Unlock",
                action: format!("/users/{id}/unlock"),
                back: format!("/users/{id}"),
            };
            return question.after(error, &console, "users");
        }
    };
    let name = unlocked.user.display_name();
    console.flash(
        match unlocked.failures {
            0 => Said::neutral(format!("The account of {name} was not locked.")),
            1 => format!("The account of {name} was unlocked. 1 failure was forgotten.").into(),
            failures => {
                format!("The account of {name} was unlocked. {failures} failures were forgotten.").into()
            }
        },
        None,
    );
    Ok(Answer::Redirect(format!("/users/{id}")))
}
