//! The page for a new user.

use rocket::{get, post};

use super::form::UserForm;
use super::lookup::address_question;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::link::LinkPurpose;
use crate::model::permission::ManageUsers;
use crate::model::rules::Denial;
use crate::model::user::User;
use crate::operations::{password_links, users};
use crate::web::form::{FormState, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::password_choice::Choice;
use crate::web::reauthentication;
use crate::web::view::{Answer, NewUserPage};

/// What the viewer's own password is needed for.
const FOR_STAFF: &str = "Needed to add an administrator.";

/// The page, with this form on it.
fn page(
    console: &ConsoleSession<'_, ManageUsers>,
    form: FormState,
    choice: Choice,
    errors: &FieldErrors,
) -> NewUserPage {
    let settings = &console.app().settings;
    let form = form.and(reauthentication::field_if_missing(console, FOR_STAFF, errors));
    let (form, field) = form.with_password_apart(settings.password_min_length, errors);
    NewUserPage {
        layout: console.layout("users"),
        form,
        choice: choice.shown(field, LinkPurpose::Setup, true),
        may_grant_staff: settings.staff_grants_staff || console.can.user().is_superuser,
    }
}

/// The form, empty but for a name that was searched for in vain.
#[get("/users/new?<username>")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(in crate::web) fn form(
    username: Option<&str>,
    console: ConsoleSession<'_, ManageUsers>,
) -> Answer<NewUserPage> {
    let (form, errors) = (UserForm::named(username.unwrap_or_default()), FieldErrors::default());
    Answer::page(page(&console, form.shown(&errors), Choice::OFFERED, &errors))
}

/// Makes the user, and goes on to them or to the next one.
#[post("/users/new", data = "<form>")]
pub(in crate::web) async fn create(
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<UserForm>,
) -> Result<Answer<NewUserPage>> {
    let mut form = form.0;
    if let Some(errors) = address_question(&console, None, "", &mut form).await? {
        return Ok(Answer::refused(page(&console, form.shown(&errors), form.choice(), &errors)));
    }
    match make(&mut console, &form).await {
        Ok(user) => {
            let name = user.display_name();
            let by_link = form.choice().by_link;
            let another = form.another.0;
            let text = if another && by_link { "Their link is on their page, to be shown once." } else { "" };
            console.flash(format!("Added {name}. {text}").trim_end(), None);
            Ok(Answer::Redirect(if another { "/users/new".into() } else { format!("/users/{}", user.id) }))
        }
        Err(Error::Forbidden(Denial::CrossSite)) => {
            let errors = FieldErrors::default();
            Ok(Answer::refused(page(&console, form.shown(&errors).stale(), form.choice(), &errors)))
        }
        Err(error) => {
            let errors = field_errors(error)?;
            Ok(Answer::refused(page(&console, form.shown(&errors), form.choice(), &errors)))
        }
    }
}

/// Makes the user, with the viewer's password where that is demanded.
async fn make(console: &mut ConsoleSession<'_, ManageUsers>, form: &UserForm) -> Result<User> {
    console.check(&form.token)?;
    let input = &form.new_user();
    if form.choice().by_link {
        let invite = |can| async move { password_links::invite(&can, input, can.cookie()).await };
        return Ok(reauthentication::with(console, &form.current_password, invite).await?.user);
    }
    let create = |can| async move { users::create(&can, input).await };
    reauthentication::with(console, &form.current_password, create).await
}
