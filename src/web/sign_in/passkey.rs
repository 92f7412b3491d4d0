//! Signing in by a passkey alone: its device has verified its user, which is two factors.

use rocket::form::FromForm;
use rocket::post;

use super::code::WRONG_PASSKEY;
use super::{GoOn, Tried, again, go_on, too_many_tries};
use crate::http::cookies::Cookies;
use crate::http::guards::NotCrossSite;
use crate::model::error::{Error, Result};
use crate::model::origin::Origin;
use crate::operations::App;
use crate::operations::passkeys;
use crate::operations::sign_in;
use crate::web::form_body::FormBody;
use crate::web::view::{Answer, SignInPage};
use crate::web::{device_cookie, pre_session};

/// What the script sends.
#[derive(Debug, FromForm)]
pub(in crate::web) struct PasskeyForm {
    #[field(default = "")]
    token: String,
    /// What was asked, and the answer of the device.
    #[field(default = "")]
    passkey: String,
    #[field(default = "")]
    next: String,
    #[field(default = "")]
    resume: String,
    #[field(default = "")]
    kept: String,
}

/// Signs in by a passkey, under a new session.
#[post("/sign-in/passkey", data = "<form>")]
pub(in crate::web) async fn submit(
    form: FormBody<PasskeyForm>,
    app: &App,
    origin: &Origin,
    _site: NotCrossSite,
    jar: Cookies<'_>,
) -> Result<Answer<SignInPage>> {
    let PasskeyForm { next, resume, kept, .. } = &*form;
    let tried = |problem: &str| Tried { username: "", next, resume, kept, problem: problem.to_owned() };
    let expired = "The page was open for too long. Use your passkey again.";
    if let Some(problem) = pre_session::refusal(app, jar, &form.token, expired) {
        return Ok(Answer::refused(again(app, jar, tried(&problem)).await?));
    }
    let cookie = pre_session::cookie(jar);
    if passkeys::is_too_late(app, cookie, &form.passkey) {
        return Ok(Answer::refused(again(app, jar, tried(expired)).await?));
    }
    let owner = passkeys::owner(app, cookie, &form.passkey).await?;
    let browser = match &owner {
        Some(username) => device_cookie::find(app, jar, username).await?,
        None => None,
    };
    let shown = (form.passkey.as_str(), cookie);
    match sign_in::by_passkey(app, owner.as_deref(), shown, browser.as_ref(), origin).await {
        Ok(signed_in) => go_on(app, jar, origin, &signed_in, &GoOn { next, resume, kept }).await,
        Err(Error::NotAuthenticated(_)) => Ok(Answer::refused(again(app, jar, tried(WRONG_PASSKEY)).await?)),
        Err(Error::Throttled(seconds)) => {
            let page = again(app, jar, tried(&too_many_tries(seconds))).await?;
            Ok(Answer::RetryLater(seconds, Box::new(page)))
        }
        Err(error) => Err(error),
    }
}
