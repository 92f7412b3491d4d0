//! Another password of one's own, at one's own wish or because it is demanded.

use rocket::form::{Form, FromForm};
use rocket::{get, post};

use crate::error::{Error, Result};
use crate::field_errors::FieldErrors;
use crate::guard;
use crate::own_account::{self, NewPassword};
use crate::passwords::Password;
use crate::permission::HasSession;
use crate::session::Carrier;
use crate::web::confirmation;
use crate::web::form::{Field, FormState, field_errors};
use crate::web::frame::{Visitor, cookie};
use crate::web::sign_in::local_path;
use crate::web::view::{Answer, OwnPasswordPage};

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

/// Where to go on to: one's account, unless the way led here from another page.
fn next(given: &str) -> &str {
    if given.is_empty() { "/account" } else { local_path(given) }
}

fn page(visitor: &Visitor<'_, HasSession>, given: &str, errors: &FieldErrors) -> OwnPasswordPage {
    let user = visitor.can.user();
    let new = Field::password("new_password", "New password", errors);
    let min_length = visitor.app.settings.password_min_length;
    let hint = format!("At least {min_length} characters. A few unrelated words work well.");
    let fields = vec![
        Field::password(confirmation::FIELD, "Current password", errors),
        Field { hint, ..new },
        Field::password("repeat_password", "Repeat new password", errors),
    ];
    OwnPasswordPage {
        frame: visitor.frame("account"),
        form: FormState::of(fields, errors),
        username: user.username.as_str().to_owned(),
        next: next(given).to_owned(),
        forced: user.must_change_password,
    }
}

/// The form.
#[get("/account/password?<next>")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn form(next: Option<&str>, visitor: Visitor<'_, HasSession>) -> Answer<OwnPasswordPage> {
    Answer::page(page(&visitor, next.unwrap_or_default(), &FieldErrors::default()))
}

/// Changes the password. This browser stays signed in, under a new session.
#[post("/account/password", data = "<form>")]
pub(super) async fn change(
    visitor: Visitor<'_, HasSession>,
    form: Form<PasswordForm>,
) -> Result<Answer<OwnPasswordPage>> {
    if visitor.is_stale(&form.token) {
        let mut page = page(&visitor, &form.next, &FieldErrors::default());
        page.form = page.form.stale();
        return Ok(Answer::refused(page));
    }
    match submit(&visitor, &form).await {
        Ok(()) => {
            visitor.tell("Password changed. Other devices and API tokens were signed out.", None);
            Ok(Answer::GoOn(next(&form.next).to_owned()))
        }
        Err(error) => Ok(Answer::refused(page(&visitor, &form.next, &field_errors(error)?))),
    }
}

async fn submit(visitor: &Visitor<'_, HasSession>, form: &PasswordForm) -> Result<()> {
    let mut errors = FieldErrors::default();
    if form.current_password.is_empty() {
        errors.add(confirmation::FIELD, "Enter your current password.");
    }
    if form.new_password.is_empty() {
        errors.add("new_password", "Enter a new password.");
    }
    if form.repeat_password.as_ref().is_some_and(|repeated| *repeated != form.new_password) {
        errors.add("repeat_password", "The two new passwords differ. Enter the same one twice.");
    }
    errors.into_result().map_err(Error::Invalid)?;
    let typed = NewPassword {
        current: Password::new(form.current_password.clone()),
        new: Password::new(form.new_password.clone()),
    };
    let stays = visitor.can.session().carrier == Carrier::Cookie;
    let secret = own_account::change_password(visitor.app, &visitor.can, &typed, stays).await?;
    if let Some(secret) = secret {
        let settings = &visitor.app.settings;
        visitor.jar.add(cookie(settings, guard::cookie_name(settings), secret.to_text()));
    }
    Ok(())
}
