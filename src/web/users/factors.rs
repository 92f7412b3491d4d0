//! The second factors of a user, which a superuser removes when they are lost.

use rocket::form::FromForm;
use rocket::{get, post};

use super::lookup::find;
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::permission::{IsSuperuser, ManageUsers, Permission};
use crate::model::user::{User, UserId};
use crate::operations::factors::{self, Which};
use crate::web::form::{Field, FormState, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::reauthentication;
use crate::web::view::{Answer, FactorRow, UserFactorsPage};

/// What the form sends.
#[derive(Debug, Default, FromForm)]
pub(in crate::web) struct RemoveForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    reason: String,
    #[field(default = "")]
    current_password: String,
}

/// The form with which they are removed, for a superuser.
fn form<P: Permission>(
    console: &ConsoleSession<'_, P>,
    typed: &RemoveForm,
    errors: &FieldErrors,
) -> FormState {
    let reason = Field::new("reason", "Reason", "text", typed.reason.clone(), errors);
    let mut fields =
        vec![Field { hint: "For the audit log, such as “lost the phone”.".into(), ..reason }];
    let hint = "Needed because their password alone will sign in.";
    fields.extend(reauthentication::field(console, hint, errors));
    FormState::of(fields, errors)
}

async fn page_of<P: Permission>(
    console: &ConsoleSession<'_, P>,
    user: &User,
    form: Option<FormState>,
) -> Result<UserFactorsPage> {
    let found = match console.can.also::<ManageUsers>() {
        Some(can) => factors::of_user(&can, user.id).await?,
        None => return Err(crate::model::error::Error::NotFound),
    };
    let is_removable = !found.factors.is_empty();
    Ok(UserFactorsPage {
        layout: console.layout("users"),
        id: user.id.0,
        name: user.display_name(),
        factors: found.factors.into_iter().map(FactorRow::from).collect(),
        codes_left: found.recovery_codes_left,
        form: form.filter(|_| is_removable),
    })
}

/// The factors of a user.
#[get("/users/<id>/factors")]
pub(in crate::web) async fn page(
    id: i64,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<UserFactorsPage>> {
    let user = find(&console, id).await?;
    let may_remove = console.can.user().is_superuser && console.can.user().id != user.id;
    let form =
        may_remove.then(|| form(&console, &<RemoveForm as Default>::default(), &FieldErrors::default()));
    Ok(Answer::page(page_of(&console, &user, form).await?))
}

/// Removes all of them.
#[post("/users/<id>/factors/remove", data = "<form>")]
pub(in crate::web) async fn remove(
    id: i64,
    mut console: ConsoleSession<'_, IsSuperuser>,
    form: FormBody<RemoveForm>,
) -> Result<Answer<UserFactorsPage>> {
    let user = crate::operations::users::get(&console.can.weaken(), UserId(id)).await?;
    if console.is_stale(&form.token) {
        let state = self::form(&console, &form, &FieldErrors::default()).stale();
        return Ok(Answer::refused(page_of(&console, &user, Some(state)).await?));
    }
    let reason = form.reason.as_str();
    let remove = |can| async move { factors::remove_of(&can, UserId(id), Which::All, reason).await };
    match reauthentication::with(&mut console, &form.current_password, remove).await {
        Ok(_) => {
            let name = user.display_name();
            console
                .flash(format!("{name} has no second factor any more, and was signed out everywhere."), None);
            Ok(Answer::Redirect(format!("/users/{id}")))
        }
        Err(error) => {
            let state = self::form(&console, &form, &field_errors(error)?);
            Ok(Answer::refused(page_of(&console, &user, Some(state)).await?))
        }
    }
}
