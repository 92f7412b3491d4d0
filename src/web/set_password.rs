//! The page behind a one-time link, on which its holder chooses a password.
//!
//! Looking at the page uses nothing up. Its address holds the link's secret: the form sends it in its
//! body, and the page has no link that would take the address along to another site.

use rocket::form::FromForm;
use rocket::http::Status;
use rocket::{get, post};

use super::form::{FormState, STALE, field_errors};
use super::layout::{self, Flash};
use super::pre_session;
use super::view::{Answer, SetPasswordPage};
use crate::http::cookies::Cookies;
use crate::http::guards::Site;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::origin::Origin;
use crate::model::rules::Denial;
use crate::model::user::User;
use crate::operations::{App, password_links};
use crate::web::form_body::FormBody;

/// What the form sends; `link` is the secret.
#[derive(Debug, FromForm)]
pub(super) struct SetPasswordForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    link: String,
    #[field(default = "")]
    password: String,
}

fn page(app: &App, jar: Cookies<'_>, user: &User, link: &str, errors: &FieldErrors) -> SetPasswordPage {
    SetPasswordPage {
        username: user.username.as_str().to_owned(),
        link: link.to_owned(),
        token: pre_session::token(app, jar),
        form: Some(FormState::password(app.settings.password_min_length, errors)),
    }
}

/// A link that was used, has expired, was replaced, or never existed: the page does not say which.
fn gone() -> Answer<SetPasswordPage> {
    let page =
        SetPasswordPage { username: String::new(), link: String::new(), token: String::new(), form: None };
    Answer::Page(Status::Gone, Box::new(page))
}

/// The form.
#[get("/set-password?<token>")]
pub(super) async fn form(
    token: Option<&str>,
    app: &App,
    jar: Cookies<'_>,
) -> Result<Answer<SetPasswordPage>> {
    let link = token.unwrap_or_default();
    Ok(match password_links::holder(app, link).await? {
        Some(user) => Answer::page(page(app, jar, &user, link, &FieldErrors::default())),
        None => gone(),
    })
}

/// Sets the password, and goes on to where it is needed.
#[post("/set-password", data = "<form>")]
pub(super) async fn submit(
    form: FormBody<SetPasswordForm>,
    app: &App,
    origin: &Origin,
    site: Site,
    jar: Cookies<'_>,
) -> Result<Answer<SetPasswordPage>> {
    if site == Site::Other {
        return Err(Error::Forbidden(Denial::CrossSite));
    }
    let Some(user) = password_links::holder(app, &form.link).await? else { return Ok(gone()) };
    let again = |errors: &FieldErrors| page(app, jar, &user, &form.link, errors);
    if let Some(problem) = pre_session::refusal(app, jar, &form.token, STALE) {
        let mut page = again(&FieldErrors::default());
        page.form = page.form.map(|form| form.with_problem(problem));
        return Ok(Answer::refused(page));
    }
    match password_links::redeem(app, &form.link, &form.password, origin).await {
        Ok(Some(_)) => {
            let text = "Your password is set. Sign in with it.".to_owned();
            layout::flash(jar, &Flash { text, undo: None });
            Ok(Answer::Redirect("/sign-in".to_owned()))
        }
        Ok(None) => Ok(gone()),
        Err(error) => Ok(Answer::refused(again(&field_errors(error)?))),
    }
}
