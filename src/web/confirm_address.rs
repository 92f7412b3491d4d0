//! The page on which a user shows that an address is theirs, by the link that was sent to it.
//!
//! The link has its secret in the fragment of its address, which no server is told and no log has; a script puts it into
//! the form, and without scripts it is typed.

use rocket::form::FromForm;
use rocket::{get, post};

use super::form::STALE;
use super::pre_session;
use super::view::{Answer, ConfirmAddressPage};
use crate::http::cookies::Cookies;
use crate::http::guards::NotCrossSite;
use crate::model::error::{Error, Result};
use crate::model::origin::Origin;
use crate::operations::{App, addresses};
use crate::web::form_body::FormBody;

/// What the form sends.
#[derive(Debug, FromForm)]
pub(super) struct ConfirmAddressForm {
    #[field(default = "")]
    token: String,
    /// The secret of the link.
    #[field(default = "")]
    code: String,
}

fn page(app: &App, jar: Cookies<'_>, problem: Option<String>) -> ConfirmAddressPage {
    ConfirmAddressPage { token: pre_session::token(app, jar), problem, is_done: false }
}

fn require_mail(app: &App) -> Result<()> {
    if app.mailer.is_some() { Ok(()) } else { Err(Error::NoSuchPath) }
}

/// The form.
#[get("/confirm-address")]
pub(super) fn form(app: &App, jar: Cookies<'_>) -> Result<Answer<ConfirmAddressPage>> {
    require_mail(app)?;
    Ok(Answer::page(page(app, jar, None)))
}

/// Confirms the address that the code was sent to.
#[post("/confirm-address", data = "<form>")]
pub(super) async fn submit(
    form: FormBody<ConfirmAddressForm>,
    app: &App,
    origin: &Origin,
    _site: NotCrossSite,
    jar: Cookies<'_>,
) -> Result<Answer<ConfirmAddressPage>> {
    require_mail(app)?;
    let refused = |problem: String| Ok(Answer::refused(page(app, jar, Some(problem))));
    if let Some(problem) = pre_session::refusal(app, jar, &form.token, STALE) {
        return refused(problem);
    }
    if addresses::confirm(app, &form.code, origin).await? {
        return Ok(Answer::page(ConfirmAddressPage { is_done: true, ..page(app, jar, None) }));
    }
    refused(
        "The code does not work. It was used already, is older than 24 hours, or was replaced by another."
            .to_owned(),
    )
}
