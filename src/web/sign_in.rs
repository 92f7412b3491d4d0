//! Signing in and out in a browser.

use rocket::form::FromForm;
use rocket::http::Header;
use rocket::http::uri;
use rocket::request::Request;
use rocket::response::{self, Redirect, Responder, Response};
use rocket::{get, post, uri};

use super::device_cookie;
use super::layout;
use super::pre_session::{self, UNCLEAR};
use super::view::{Answer, SignInPage};
use crate::db;
use crate::http::cookies::{CookieName, Cookies, Sent};
use crate::http::guards::Site;
use crate::model::error::{AuthenticationFailure, Error, Result};
use crate::model::origin::Origin;
use crate::model::password::Password;
use crate::model::permission::HasSession;
use crate::model::rules::Denial;
use crate::model::session::Credential;
use crate::operations::authentication::{Authorization, authenticate};
use crate::operations::sign_in;
use crate::operations::{App, Can};
use crate::web::form_body::FormBody;

/// What the form sends.
#[derive(Debug, FromForm)]
pub(super) struct SignInForm {
    #[field(default = "")]
    username: String,
    #[field(default = "")]
    password: String,
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    next: String,
}

/// What the button to sign out sends.
#[derive(Debug, FromForm)]
pub(super) struct SignOutForm {
    #[field(default = "")]
    token: String,
}

/// The page to sign in on, which leads back to `next`.
pub(super) fn path_for(next: &str) -> uri::Origin<'static> {
    if next == "/" { uri!(form(None::<&str>, None::<bool>)) } else { uri!(form(Some(next), None::<bool>)) }
}

/// A path on this server to go on to; anything that a browser could take for another one leads home.
pub(super) fn local_path(next: &str) -> &str {
    let mut characters = next.chars();
    let local = characters.next() == Some('/')
        && !matches!(characters.next(), Some('/' | '\\'))
        && !next.contains('\\')
        && !next.chars().any(char::is_control)
        && uri::Origin::parse(next).is_ok();
    if local { next } else { "/" }
}

/// What the form says about the try before.
struct Tried<'a> {
    username: &'a str,
    next: &'a str,
    problem: String,
}

/// The page after a try.
async fn again(app: &App, jar: Cookies<'_>, tried: Tried<'_>) -> Result<SignInPage> {
    let page = page(app, jar, tried.next, None).await?;
    Ok(SignInPage { username: tried.username.to_owned(), problem: Some(tried.problem), ..page })
}

/// The page, with a token for a browser that has none yet.
async fn page(app: &App, jar: Cookies<'_>, next: &str, note: Option<String>) -> Result<SignInPage> {
    let has_superuser = db::users::superuser_exists(&app.db).await?;
    Ok(SignInPage {
        username: String::new(),
        next: local_path(next).to_owned(),
        token: pre_session::token(app, jar),
        problem: None,
        note,
        needs_superuser: !has_superuser,
        has_users: has_superuser || db::users::any_exists(&app.db).await?,
        sends_mail: app.mailer.is_some(),
    })
}

/// Whether the browser brings a session that is over.
async fn has_ended(app: &App, jar: Cookies<'_>, origin: &Origin) -> bool {
    let Some(secret) = jar.value(CookieName::Session) else { return false };
    let session = authenticate(app, Authorization::Cookie(secret), origin).await;
    matches!(session, Err(Error::NotAuthenticated(_)))
}

/// Whether the browser sends a cookie that signing in needs twice: neither of the two counts.
fn are_unclear(jar: Cookies<'_>) -> bool {
    [CookieName::Session, CookieName::BeforeSession].into_iter().any(|name| jar.sent(name) == Sent::Several)
}

/// The message for a user who has to wait.
pub(super) fn too_many_tries(seconds: u64) -> String {
    let wait = match seconds.div_ceil(60) {
        0 | 1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    };
    format!("Too many tries. Wait {wait}, then try again.")
}

/// The form. The query says that the user has signed out: signing out removes the flash cookie, too.
#[get("/sign-in?<next>&<signed_out>")]
pub(super) async fn form(
    next: Option<&str>,
    signed_out: Option<bool>,
    app: &App,
    origin: &Origin,
    jar: Cookies<'_>,
) -> Result<Answer<SignInPage>> {
    let note = match layout::take_flash(jar) {
        Some(flash) => Some(flash.text),
        None if are_unclear(jar) => Some(UNCLEAR.to_owned()),
        None if signed_out == Some(true) => Some("Signed out.".to_owned()),
        None if has_ended(app, jar, origin).await => {
            Some("Your session has ended. Sign in to go on.".to_owned())
        }
        None => None,
    };
    Ok(Answer::page(page(app, jar, next.unwrap_or("/"), note).await?))
}

/// Signs in, under a new session; the one that the browser had before is over.
#[post("/sign-in", data = "<form>")]
pub(super) async fn submit(
    form: FormBody<SignInForm>,
    app: &App,
    origin: &Origin,
    site: Site,
    jar: Cookies<'_>,
) -> Result<Answer<SignInPage>> {
    if site == Site::Other {
        return Err(Error::Forbidden(Denial::CrossSite));
    }
    let tried = |problem: String| Tried { username: &form.username, next: &form.next, problem };
    let expired = if are_unclear(jar) { UNCLEAR } else { "The form had expired. Enter your password again." };
    if let Some(problem) = pre_session::refusal(app, jar, &form.token, expired) {
        return Ok(Answer::refused(again(app, jar, tried(problem)).await?));
    }
    let password = Password::new(form.password.clone());
    let browser = device_cookie::find(app, jar, &form.username);
    match sign_in::sign_in(app, &form.username, &password, Credential::Cookie, browser.as_ref(), origin).await
    {
        Ok(signed_in) => {
            device_cookie::remember(app, jar, &form.username);
            if let Some(old) = jar.value(CookieName::Session)
                && let Ok(actor) = authenticate(app, Authorization::Cookie(old), origin).await
            {
                sign_in::sign_out(&actor).await?;
            }
            jar.set(CookieName::Session, signed_in.secret.to_text());
            Ok(Answer::Redirect(local_path(&form.next).to_owned()))
        }
        Err(Error::NotAuthenticated(AuthenticationFailure::NoActiveAccount)) => {
            let problem = "Username or password is wrong. Check both and try again.";
            Ok(Answer::refused(again(app, jar, tried(problem.to_owned())).await?))
        }
        Err(Error::Throttled(seconds)) => {
            let page = again(app, jar, tried(too_many_tries(seconds))).await?;
            Ok(Answer::RetryLater(seconds, Box::new(page)))
        }
        Err(error) => Err(error),
    }
}

/// Redirects to the page to sign in on, and removes the cookies.
pub(super) struct SignedOut;

impl<'r> Responder<'r, 'r> for SignedOut {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let mut response: Response<'r> =
            Redirect::to(uri!(form(None::<&str>, Some(true)))).respond_to(request)?;
        // Without "cookies": the browser is still one that signed in before. The others are removed by name.
        response.set_header(Header::new("Clear-Site-Data", "\"cache\", \"storage\""));
        Ok(response)
    }
}

/// Ends the session.
#[post("/sign-out", data = "<form>")]
pub(super) async fn sign_out(
    form: FormBody<SignOutForm>,
    can: Can<HasSession>,
    jar: Cookies<'_>,
) -> Result<SignedOut> {
    layout::check_token(&can, &form.token)?;
    sign_in::sign_out(can.actor()).await?;
    for name in [CookieName::Session, CookieName::BeforeSession, CookieName::Flash, CookieName::List] {
        jar.remove(name);
    }
    Ok(SignedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_minutes() {
        assert_eq!(too_many_tries(6), "Too many tries. Wait a minute, then try again.");
        assert_eq!(too_many_tries(241), "Too many tries. Wait 5 minutes, then try again.");
    }

    #[test]
    fn in_3_only_local_paths_are_gone_on_to() {
        for path in ["/", "/users?q=a", "/users/7", "/a/b"] {
            assert_eq!(local_path(path), path);
        }
        for path in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\\b", "/a\nb"]
        {
            assert_eq!(local_path(path), "/", "{path}");
        }
    }
}
