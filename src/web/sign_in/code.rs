//! The second step of a sign-in: the code of a second factor, on a page of its own.
//!
//! The page carries a sealed note that the password was right. There is no session before the code is accepted.

use rocket::form::FromForm;
use rocket::post;

use super::{GoOn, Tried, again, go_on, too_many_tries};
use crate::http::cookies::Cookies;
use crate::http::guards::NotCrossSite;
use crate::model::error::{AuthenticationFailure, Error, Result};
use crate::model::origin::Origin;
use crate::operations::App;
use crate::operations::passkeys;
use crate::operations::sign_in::{self, PasswordShown};
use crate::web::form_body::FormBody;
use crate::web::view::{Answer, PasskeyAsked, SecondStep, SignInPage};
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

/// What is said of a passkey that is not accepted, whatever is wrong with it.
pub(super) const WRONG_PASSKEY: &str =
    "This passkey was not accepted. Try again, or use another way to sign in.";

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
    let page = SignInPage { resume, kept, ..page };
    Ok(Answer::page(step(app, jar, shown, state, page).await?))
}

/// A page that asks for the second factor.
async fn step(
    app: &App,
    jar: Cookies<'_>,
    shown: &PasswordShown,
    state: String,
    page: SignInPage,
) -> Result<SignInPage> {
    let asked = passkeys::for_second_step(app, pre_session::cookie(jar), shown.username()).await?;
    let second_step = Some(SecondStep { state, passkey: asked.map(PasskeyAsked::from) });
    Ok(SignInPage { second_step, passkey: None, ..page })
}

/// Signs in by the code, under a new session.
#[post("/sign-in/code", data = "<form>")]
pub(in crate::web) async fn submit(
    form: FormBody<CodeForm>,
    app: &App,
    origin: &Origin,
    _site: NotCrossSite,
    jar: Cookies<'_>,
) -> Result<Answer<SignInPage>> {
    let CodeForm { next, resume, kept, .. } = &*form;
    let tried = |problem: &str| Tried { username: "", next, resume, kept, problem: problem.to_owned() };
    let expired = "Signing in took too long. Enter your username and your password again.";
    if let Some(problem) = pre_session::refusal(app, jar, &form.token, expired) {
        return Ok(Answer::refused(again(app, jar, tried(&problem)).await?));
    }
    let Some(before) = PasswordShown::open(app, pre_session::cookie(jar), &form.state) else {
        return Ok(Answer::refused(again(app, jar, tried(expired)).await?));
    };
    let step = |page| step(app, jar, &before, form.state.clone(), page);
    let browser = device_cookie::find(app, jar, before.username()).await?;
    let shown = (form.code.as_str(), pre_session::cookie(jar));
    match sign_in::second_step(app, &before, shown, browser.as_ref(), origin).await {
        Ok(signed_in) => go_on(app, jar, origin, &signed_in, &GoOn { next, resume, kept }).await,
        Err(Error::NotAuthenticated(AuthenticationFailure::SecondFactorWrong)) => {
            let problem = if form.code.starts_with("passkey.") { WRONG_PASSKEY } else { WRONG };
            Ok(Answer::refused(step(again(app, jar, tried(problem)).await?).await?))
        }
        Err(Error::NotAuthenticated(_)) => {
            let problem = "Your account was changed meanwhile. Enter your username and your password again.";
            Ok(Answer::refused(again(app, jar, tried(problem)).await?))
        }
        Err(Error::Throttled(seconds)) => {
            let page = step(again(app, jar, tried(&too_many_tries(seconds))).await?).await?;
            Ok(Answer::RetryLater(seconds, Box::new(page)))
        }
        Err(error) => Err(error),
    }
}
