//! The end of a block after failed sign-ins.

use rocket::post;

use crate::model::error::Result;
use crate::model::permission::IsSuperuser;
use crate::model::user::UserId;
use crate::operations::unlock;
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, TokenForm};
use crate::web::view::{Answer, UserPage};

/// Ends it at once.
#[post("/users/<id>/unlock", data = "<form>")]
pub(in crate::web) async fn end_block(
    id: i64,
    console: ConsoleSession<'_, IsSuperuser>,
    form: FormBody<TokenForm>,
) -> Result<Answer<UserPage>> {
    console.check(&form.token)?;
    let unlocked = unlock::account(&console.can, UserId(id)).await?;
    console.flash(
        match unlocked.failures {
            0 => "The account was not locked.".to_owned(),
            1 => "Unlocked. 1 failure was forgotten.".to_owned(),
            failures => format!("Unlocked. {failures} failures were forgotten."),
        },
        None,
    );
    Ok(Answer::Redirect(format!("/users/{id}")))
}
