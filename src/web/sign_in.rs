//! Signing in and out in a browser.

use rocket::form::{Form, FromForm};
use rocket::http::uri;
use rocket::http::{Cookie, CookieJar, Header};
use rocket::request::Request;
use rocket::response::{self, Redirect, Responder, Response};
use rocket::{get, post, uri};

use super::frame::{self, cookie};
use super::view::{Answer, SignInPage};
use crate::Usher;
use crate::config::Settings;
use crate::csrf;
use crate::db;
use crate::error::{AuthenticationFailure, Error, Result};
use crate::guard::{self, Site};
use crate::origin::Origin;
use crate::passwords::Password;
use crate::permission::{Can, HasSession};
use crate::rules::Denial;
use crate::session::{Carrier, Secret};
use crate::sessions::{self, Credential};

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
    if next == "/" { uri!(form(None::<&str>)) } else { uri!(form(Some(next))) }
}

/// A path on this server to go on to; anything that a browser could take for another one leads home.
fn local_path(next: &str) -> &str {
    let mut characters = next.chars();
    let local = characters.next() == Some('/')
        && !matches!(characters.next(), Some('/' | '\\'))
        && !next.contains('\\')
        && !next.chars().any(char::is_control)
        && uri::Origin::parse(next).is_ok();
    if local { next } else { "/" }
}

/// What the form's token is bound to before there is a session.
const fn pre_session_name(settings: &Settings) -> &'static str {
    if settings.insecure_cookie { "pre" } else { "__Host-pre" }
}

/// The page, with a token for a browser that has none yet.
async fn page(
    app: &Usher,
    jar: &CookieJar<'_>,
    username: &str,
    next: &str,
    problem: Option<&str>,
) -> Result<SignInPage> {
    let name = pre_session_name(&app.settings);
    let pre_session = if let Some(cookie) = jar.get(name) {
        cookie.value().to_owned()
    } else {
        let fresh = Secret::random().to_text();
        jar.add(cookie(&app.settings, name, fresh.clone()));
        fresh
    };
    Ok(SignInPage {
        username: username.to_owned(),
        next: local_path(next).to_owned(),
        token: csrf::issue(&app.keys.forms, &pre_session),
        problem: problem.map(str::to_owned),
        needs_superuser: !db::users::superuser_exists(&app.db).await?,
    })
}

/// The form.
#[get("/sign-in?<next>")]
pub(super) async fn form(next: Option<&str>, app: &Usher, jar: &CookieJar<'_>) -> Result<Answer<SignInPage>> {
    Ok(Answer::page(page(app, jar, "", next.unwrap_or("/"), None).await?))
}

/// Signs in, under a new session; the one that the browser had before is over.
#[post("/sign-in", data = "<form>")]
pub(super) async fn submit(
    form: Form<SignInForm>,
    app: &Usher,
    origin: &Origin,
    site: Site,
    jar: &CookieJar<'_>,
) -> Result<Answer<SignInPage>> {
    if site == Site::Other {
        return Err(Error::Forbidden(Denial::CrossSite));
    }
    let pre_session = jar.get(pre_session_name(&app.settings)).map(Cookie::value).unwrap_or_default();
    if pre_session.is_empty() || !csrf::is_valid(&app.keys.forms, pre_session, &form.token) {
        let problem = "The form had expired. Enter your password again.";
        let page = page(app, jar, &form.username, &form.next, Some(problem)).await?;
        return Ok(Answer::refused(page));
    }
    let password = Password::new(form.password.clone());
    match sessions::sign_in(app, &form.username, &password, Carrier::Cookie, origin).await {
        Ok(signed_in) => {
            let name = guard::cookie_name(&app.settings);
            if let Some(old) = jar.get(name)
                && let Ok((user, session)) =
                    sessions::authenticate(app, Credential::Cookie(old.value())).await
            {
                sessions::sign_out(app, &user, &session, origin).await?;
            }
            jar.add(cookie(&app.settings, name, signed_in.secret.to_text()));
            Ok(Answer::GoOn(local_path(&form.next).to_owned()))
        }
        Err(Error::NotAuthenticated(AuthenticationFailure::NoActiveAccount)) => {
            let problem = "Username or password is wrong. Check both and try again.";
            let page = page(app, jar, &form.username, &form.next, Some(problem)).await?;
            Ok(Answer::refused(page))
        }
        Err(error) => Err(error),
    }
}

/// Leads to the page to sign in on, and has the browser forget what it kept.
pub(super) struct SignedOut;

impl<'r> Responder<'r, 'r> for SignedOut {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let mut response: Response<'r> = Redirect::to(path_for("/")).respond_to(request)?;
        response.set_header(Header::new("Clear-Site-Data", "\"cache\", \"cookies\", \"storage\""));
        Ok(response)
    }
}

/// Ends the session.
#[post("/sign-out", data = "<form>")]
pub(super) async fn sign_out(
    form: Form<SignOutForm>,
    can: Can<HasSession>,
    app: &Usher,
    jar: &CookieJar<'_>,
) -> Result<SignedOut> {
    frame::check_token(app, &can, &form.token)?;
    sessions::sign_out(app, can.user(), can.session(), can.origin()).await?;
    jar.remove(cookie(&app.settings, guard::cookie_name(&app.settings), String::new()));
    Ok(SignedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

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
