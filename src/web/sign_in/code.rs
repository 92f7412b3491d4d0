//! The second step of a sign-in: the code of a second factor, on a page of its own.
//!
//! The page carries a sealed note that the password was right. There is no session before the code is accepted.

use rocket::form::FromForm;
use rocket::post;

use super::{GoOn, Tried, again, go_on, too_many_tries};
use crate::http::cookies::Cookies;
use crate::http::guards::Site;
use crate::model::error::{AuthenticationFailure, Error, Result};
use crate::model::origin::Origin;
use crate::model::rules::Denial;
use crate::operations::App;
use crate::operations::sign_in::{self, PasswordShown};
use crate::web::form_body::FormBody;
use crate::web::view::{Answer, SignInPage};
use crate::web::{device_cookie, pre_session};

/// What the form sends.
#[derive(Debug, FromForm)]
pub(in crate::web) struct CodeForm {
    #[field(default = "")]
    token: String,
    /// That the password was right.
    #[field(default = "")]
    state: String,
    #[field(default = "")]
    code: String,
    #[field(default = "")]
    next: String,
    #[field(default = "")]
    resume: String,
    #[field(default = "")]
    kept: String,
}

const WRONG: &str =
    "This code is wrong or was used before. Enter the one that your app shows now, or a recovery code.";

/// The page that asks for the code, after a right password.
pub(super) async fn ask(
    app: &App,
    jar: Cookies<'_>,
    to: &GoOn<'_>,
    shown: &PasswordShown,
) -> Result<Answer<SignInPage>> {
    let state = shown.seal(app, pre_session::cookie(jar))?;
    let page = super::page(app, jar, to.next, None).await?;
    let (resume, kept) = (to.resume.to_owned(), to.kept.to_owned());
    Ok(Answer::page(SignInPage { second_step: Some(state), resume, kept, ..page }))
}

/// Signs in by the code, under a new session.
#[post("/sign-in/code", data = "<form>")]
pub(in crate::web) async fn submit(
    form: FormBody<CodeForm>,
    app: &App,
    origin: &Origin,
    site: Site,
    jar: Cookies<'_>,
) -> Result<Answer<SignInPage>> {
    if site == Site::Other {
        return Err(Error::Forbidden(Denial::CrossSite));
    }
    let CodeForm { next, resume, kept, .. } = &*form;
    let tried = |problem: &str| Tried { username: "", next, resume, kept, problem: problem.to_owned() };
    let expired = "Signing in took too long. Enter your username and your password again.";
    if let Some(problem) = pre_session::refusal(app, jar, &form.token, expired) {
        return Ok(Answer::refused(again(app, jar, tried(&problem)).await?));
    }
    let Some(before) = PasswordShown::open(app, pre_session::cookie(jar), &form.state) else {
        return Ok(Answer::refused(again(app, jar, tried(expired)).await?));
    };
    let step = |page| SignInPage { second_step: Some(form.state.clone()), ..page };
    let browser = device_cookie::find(app, jar, before.username()).await?;
    match sign_in::second_step(app, &before, &form.code, browser.as_ref(), origin).await {
        Ok(signed_in) => go_on(app, jar, origin, &signed_in, &GoOn { next, resume, kept }).await,
        Err(Error::NotAuthenticated(AuthenticationFailure::SecondFactorWrong)) => {
            Ok(Answer::refused(step(again(app, jar, tried(WRONG)).await?)))
        }
        Err(Error::NotAuthenticated(_)) => {
            let problem = "Your account was changed meanwhile. Enter your username and your password again.";
            Ok(Answer::refused(again(app, jar, tried(problem)).await?))
        }
        Err(Error::Throttled(seconds)) => {
            let page = step(again(app, jar, tried(&too_many_tries(seconds))).await?);
            Ok(Answer::RetryLater(seconds, Box::new(page)))
        }
        Err(error) => Err(error),
    }
}
