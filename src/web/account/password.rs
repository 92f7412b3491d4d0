//! Changing the user's own password, voluntarily or because it is demanded.

use rocket::form::FromForm;
use rocket::{get, post};

use super::security::PATH;
use crate::http::guards;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::password::Password;
use crate::model::permission::MayChangePassword;
use crate::model::session::{Credential, SessionId};
use crate::operations::own_account;
use crate::operations::password_removal;
use crate::operations::reauthentication::Proof;
use crate::web::device_cookie;
use crate::web::form::{CURRENT_CODE, CURRENT_PASSWORD, Field, FormState, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::sign_in::{local_path, too_many_tries};
use crate::web::view::{Answer, ConfirmationPage, OwnPasswordPage};

/// What the form sends. The password is typed a second time only where no script can show it.
#[derive(Debug, FromForm)]
pub(super) struct PasswordForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    next: String,
    #[field(default = "")]
    current_password: String,
    #[field(default = "")]
    new_password: String,
    repeat_password: Option<String>,
}

/// Where to go on to: the user's account, unless another page redirected here.
fn next(given: &str) -> &str {
    if given.is_empty() { "/account" } else { local_path(given) }
}

fn page(
    console: &ConsoleSession<'_, MayChangePassword>,
    given: &str,
    errors: &FieldErrors,
) -> OwnPasswordPage {
    let user = console.can.user();
    let new = Field::password("new_password", "New password", errors);
    let min_length = console.app().settings.password_min_length;
    let hint = format!("At least {min_length} characters. A few unrelated words work well.");
    let current = if console.can.session().has_password {
        Field {
            code: user.has_factor.then(|| errors.console(CURRENT_CODE, "Code")),
            ..Field::password(CURRENT_PASSWORD, "Current password", errors)
        }
    } else {
        Field::passkey("Stands for the password that you do not have yet.", errors)
    };
    let fields = vec![
        current,
        Field { hint, ..new },
        Field::password("repeat_password", "Repeat new password", errors),
    ];
    OwnPasswordPage {
        layout: console.layout("account"),
        form: FormState::of(fields, errors),
        username: user.username.as_str().to_owned(),
        next: next(given).to_owned(),
        forced: user.must_change_password,
        has_password: console.can.session().has_password,
    }
}

/// The form.
#[get("/account/password?<next>")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn form(
    next: Option<&str>,
    console: ConsoleSession<'_, MayChangePassword>,
) -> Answer<OwnPasswordPage> {
    Answer::page(page(&console, next.unwrap_or_default(), &FieldErrors::default()))
}

/// Changes the password. This browser stays signed in, under a new session.
#[post("/account/password", data = "<form>")]
pub(super) async fn change(
    console: ConsoleSession<'_, MayChangePassword>,
    form: FormBody<PasswordForm>,
) -> Result<Answer<OwnPasswordPage>> {
    if console.is_stale(&form.token) {
        let mut page = page(&console, &form.next, &FieldErrors::default());
        page.form = page.form.stale();
        return Ok(Answer::refused(page));
    }
    match submit(&console, &form).await {
        Ok(session) => {
            let text = "Password changed. Other devices and API tokens were signed out.";
            console.flash_in(session, text, None);
            Ok(Answer::Redirect(next(&form.next).to_owned()))
        }
        Err(Error::Throttled(seconds)) => {
            let mut errors = FieldErrors::default();
            errors.add("new_password", too_many_tries(seconds));
            Ok(Answer::RetryLater(seconds, Box::new(page(&console, &form.next, &errors))))
        }
        Err(error) => Ok(Answer::refused(page(&console, &form.next, &field_errors(error)?))),
    }
}

/// Changes it; the session that the browser is in then.
async fn submit(console: &ConsoleSession<'_, MayChangePassword>, form: &PasswordForm) -> Result<SessionId> {
    let mut errors = FieldErrors::default();
    if form.current_password.is_empty() && console.can.session().has_password {
        errors.add(CURRENT_PASSWORD, "Enter your current password.");
    }
    if form.new_password.is_empty() {
        errors.add("new_password", "Enter a new password.");
    }
    if form.repeat_password.as_ref().is_some_and(|repeated| *repeated != form.new_password) {
        errors.add("repeat_password", "The two new passwords differ. Enter the same one twice.");
    }
    errors.into_result().map_err(Error::Invalid)?;
    let (current, new) =
        (Password::new(form.current_password.clone()), Password::new(form.new_password.clone()));
    let code = console.typed_code.get();
    let proof = Proof { password: (CURRENT_PASSWORD, current), code: (CURRENT_CODE, code.as_deref()) };
    let stays = console.can.session().credential == Credential::Cookie;
    let opened = own_account::change_password(&console.can, &proof, &new, stays).await?;
    let Some((session, secret)) = opened else { return Ok(console.can.session().id) };
    guards::carry(console.jar, &secret);
    device_cookie::remember(console.app(), console.jar, console.can.user()).await?;
    Ok(session)
}

/// Removes the password of a user whose passkey signs in without one.
#[post("/account/password/remove", data = "<form>")]
pub(super) async fn remove(
    mut console: ConsoleSession<'_>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let remove = |can| async move { password_removal::remove(&can).await };
    match reauthentication::with(&mut console, &form.current_password, remove).await {
        Ok(()) => {
            let text = "Removed your password. Other devices and API tokens were signed out.";
            console.flash(text, None);
            Ok(Answer::Redirect(PATH.to_owned()))
        }
        Err(error) => {
            let question = Question {
                title: "Remove your password?",
                text: "Only a passkey signs you in then. Programs that sign in with your password no longer can.",
                button: "Remove",
                action: "/account/password/remove".into(),
                back: PATH.into(),
            };
            question.after(error, &console, "account")
        }
    }
}
