//! The page for a forgotten password. It only exists while there is a mail server.

use rocket::form::{FromForm, Strict};
use rocket::{get, post};

use super::form::STALE;
use super::pre_session;
use super::sign_in;
use super::view::{Answer, ForgottenPage};
use crate::http::cookies::Cookies;
use crate::http::guards::NotCrossSite;
use crate::model::error::{Error, Result};
use crate::model::origin::Origin;
use crate::operations::{App, forgotten_password};
use crate::web::form_body::FormBody;

/// What the form sends: each field once, and no other.
#[derive(Debug, FromForm)]
pub(super) struct ForgottenForm {
    token: String,
    /// A user name or e-mail address.
    name: String,
}

fn page(app: &App, jar: Cookies<'_>, name: &str, problem: Option<String>) -> ForgottenPage {
    let token = pre_session::token(app, jar);
    ForgottenPage { name: name.to_owned(), token, problem, is_sent: false }
}

fn require_mail(app: &App) -> Result<()> {
    if app.mailer.is_some() { Ok(()) } else { Err(Error::NoSuchPath) }
}

/// The form.
#[get("/forgotten-password")]
pub(super) fn form(app: &App, jar: Cookies<'_>) -> Result<Answer<ForgottenPage>> {
    require_mail(app)?;
    Ok(Answer::page(page(app, jar, "", None)))
}

/// Sends a link if a user has that name or address; the answer is the same if not.
#[post("/forgotten-password", data = "<form>")]
pub(super) async fn submit(
    form: FormBody<Strict<ForgottenForm>>,
    app: &App,
    origin: &Origin,
    _site: NotCrossSite,
    jar: Cookies<'_>,
) -> Result<Answer<ForgottenPage>> {
    require_mail(app)?;
    let refused = |problem: &str| Answer::refused(page(app, jar, &form.name, Some(problem.to_owned())));
    if let Some(problem) = pre_session::refusal(app, jar, &form.token, STALE) {
        return Ok(refused(&problem));
    }
    if form.name.trim().is_empty() {
        return Ok(refused("Enter your username or email address."));
    }
    match forgotten_password::request(app, &form.name, origin).await {
        Ok(()) => {
            let page = ForgottenPage { is_sent: true, ..page(app, jar, "", None) };
            Ok(Answer::page(page))
        }
        Err(Error::Throttled(seconds)) => {
            let page = page(app, jar, &form.name, Some(sign_in::too_many_tries(seconds)));
            Ok(Answer::RetryLater(seconds, Box::new(page)))
        }
        Err(error) => Err(error),
    }
}
