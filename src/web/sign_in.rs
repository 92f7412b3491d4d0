//! Signing in and out in a browser.

pub(super) mod code;
pub(super) mod passkey;

use rocket::form::FromForm;
use rocket::http::Header;
use rocket::http::uri;
use rocket::request::Request;
use rocket::response::{self, Redirect, Responder, Response};
use rocket::{get, post, uri};

use super::device_cookie;
use super::ended_session;
use super::layout;
use super::pre_session::{self, UNCLEAR};
use super::view::{Answer, PasskeyAsked, SignInPage};
use crate::db;
use crate::http::cookies::{CookieName, Cookies, Sent};
use crate::http::guards::{self, NotCrossSite};
use crate::model::error::{AuthenticationFailure, Error, Result};
use crate::model::origin::Origin;
use crate::model::password::Password;
use crate::model::permission::HasSession;
use crate::model::session::Credential;
use crate::operations::authentication::{Authorization, authenticate};
use crate::operations::first_superuser;
use crate::operations::passkeys;
use crate::operations::sign_in::{self, OpenedSession, Outcome, SignInInput};
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
    /// Where a form was sent after its session had ended, and what was typed in it.
    #[field(default = "")]
    resume: String,
    #[field(default = "")]
    kept: String,
}

/// What the button to sign out sends.
#[derive(Debug, FromForm)]
pub(super) struct SignOutForm {
    #[field(default = "")]
    token: String,
}

/// The page to sign in on, which leads back to `next`.
pub(super) fn path_for(next: &str) -> uri::Origin<'static> {
    let next = Some(next).filter(|next| *next != "/");
    uri!(form(next, None::<bool>, None::<bool>))
}

/// A path on this server to go on to; anything that a browser could take for another one leads home.
pub(super) fn local_path(next: &str) -> &str {
    let mut characters = next.chars();
    let local = characters.next() == Some('/')
        && !matches!(characters.next(), Some('/' | '\\'))
        && !next.contains('\\')
        && !next.chars().any(char::is_control)
        && !has_dot_segment(next)
        && uri::Origin::parse(next).is_ok();
    if local { next } else { "/" }
}

/// Whether a browser would make another path of it (RFC 3986, 5.2.4), which may not be below the base path.
fn has_dot_segment(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default().to_lowercase().replace("%2e", ".");
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// What the form says about the try before.
struct Tried<'a> {
    username: &'a str,
    next: &'a str,
    resume: &'a str,
    kept: &'a str,
    problem: String,
}

/// The page after a try.
async fn again(app: &App, jar: Cookies<'_>, tried: Tried<'_>) -> Result<SignInPage> {
    let page = page(app, jar, tried.next, None).await?;
    let (resume, kept) = (tried.resume.to_owned(), tried.kept.to_owned());
    Ok(SignInPage { username: tried.username.to_owned(), problem: Some(tried.problem), resume, kept, ..page })
}

/// The page, with a token for a browser that has none yet.
async fn page(app: &App, jar: Cookies<'_>, next: &str, note: Option<String>) -> Result<SignInPage> {
    let has_superuser = db::users::superuser_exists(&app.db).await?;
    let contact = &app.settings.contact;
    let cookie = pre_session::given(jar);
    let passkey = passkeys::to_sign_in(app, &cookie).await?.map(PasskeyAsked::from);
    Ok(SignInPage {
        username: String::new(),
        next: local_path(next).to_owned(),
        token: pre_session::token_for(app, &cookie),
        problem: None,
        note,
        first_superuser: match (has_superuser, first_superuser::is_open(app).await?) {
            (true, _) => "",
            (false, true) => "link",
            (false, false) => "command",
        },
        has_users: has_superuser || db::users::any_exists(&app.db).await?,
        sends_mail: app.mailer.is_some(),
        contact: (contact.as_str().to_owned(), contact.href()),
        resume: String::new(),
        kept: String::new(),
        fields: Vec::new(),
        second_step: None,
        passkey,
    })
}

/// The page after a form was sent without a session: it keeps what was typed. If nothing was, it leads back to the page
/// that the form is on.
pub(super) async fn after_end(
    app: &App,
    jar: Cookies<'_>,
    (path, form): (&str, &str),
    typed: &[(String, String)],
) -> Result<SignInPage> {
    let is_empty = typed.is_empty();
    let note = match (are_unclear(jar), is_empty) {
        (true, _) => UNCLEAR,
        (_, true) => "Your session has ended. Nothing was done yet. Sign in to go on.",
        (_, false) => "Your session has ended. Sign in to go on.",
    };
    if is_empty {
        return page(app, jar, form, Some(note.to_owned())).await;
    }
    let page = page(app, jar, "/", Some(note.to_owned())).await?;
    Ok(SignInPage { resume: local_path(path).to_owned(), kept: ended_session::write(typed), ..page })
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

/// The form. The query says what happened before: messages in cookies are for pages of a session.
#[get("/sign-in?<next>&<signed_out>&<password_set>")]
pub(super) async fn form(
    next: Option<&str>,
    signed_out: Option<bool>,
    password_set: Option<bool>,
    app: &App,
    origin: &Origin,
    jar: Cookies<'_>,
) -> Result<Answer<SignInPage>> {
    let note = if are_unclear(jar) {
        Some(UNCLEAR)
    } else if signed_out == Some(true) {
        Some("Signed out.")
    } else if password_set == Some(true) {
        Some("Your password is set. Sign in with it.")
    } else if has_ended(app, jar, origin).await {
        Some("Your session has ended. Sign in to go on.")
    } else {
        None
    };
    Ok(Answer::page(page(app, jar, next.unwrap_or("/"), note.map(str::to_owned)).await?))
}

/// Signs in, under a new session; the one that the browser had before is over.
#[post("/sign-in", data = "<form>")]
pub(super) async fn submit(
    form: FormBody<SignInForm>,
    app: &App,
    origin: &Origin,
    _site: NotCrossSite,
    jar: Cookies<'_>,
) -> Result<Answer<SignInPage>> {
    let tried = |problem: String| {
        let SignInForm { username, next, resume, kept, .. } = &*form;
        Tried { username, next, resume, kept, problem }
    };
    let expired = if are_unclear(jar) { UNCLEAR } else { "The form had expired. Enter your password again." };
    if let Some(problem) = pre_session::refusal(app, jar, &form.token, expired) {
        return Ok(Answer::refused(again(app, jar, tried(problem)).await?));
    }
    let password = Password::new(form.password.clone());
    let browser = device_cookie::find(app, jar, &form.username).await?;
    let shown = SignInInput { username: &form.username, password: &password, code: None };
    match sign_in::sign_in(app, shown, Credential::Cookie, browser.as_ref(), origin).await {
        Ok(Outcome::Opened(signed_in)) => {
            let SignInForm { next, resume, kept, .. } = &*form;
            go_on(app, jar, origin, &signed_in, &GoOn { next, resume, kept }).await
        }
        Ok(Outcome::NeedsCode(shown)) => {
            let SignInForm { next, resume, kept, .. } = &*form;
            code::ask(app, jar, &GoOn { next, resume, kept }, &shown).await
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

/// Where a user goes on who has signed in.
struct GoOn<'a> {
    next: &'a str,
    /// Where a form was sent after its session had ended, and what was typed in it.
    resume: &'a str,
    kept: &'a str,
}

/// Enters a new session, and leads to where the user was going.
async fn go_on(
    app: &App,
    jar: Cookies<'_>,
    origin: &Origin,
    signed_in: &OpenedSession,
    to: &GoOn<'_>,
) -> Result<Answer<SignInPage>> {
    enter(app, jar, origin, signed_in).await?;
    let fields = ended_session::read(to.kept);
    if fields.is_empty() {
        return Ok(Answer::Redirect(local_path(to.next).to_owned()));
    }
    let resume = local_path(to.resume).to_owned();
    Ok(Answer::page(SignInPage { resume, fields, ..page(app, jar, "/", None).await? }))
}

/// Gives a browser its new session. The one that it had before is over.
pub(super) async fn enter(
    app: &App,
    jar: Cookies<'_>,
    origin: &Origin,
    signed_in: &OpenedSession,
) -> Result<()> {
    device_cookie::remember(app, jar, &signed_in.user).await?;
    if let Some(old) = jar.value(CookieName::Session)
        && let Ok(actor) = authenticate(app, Authorization::Cookie(old), origin).await
    {
        sign_in::sign_out(&actor).await?;
    }
    guards::carry(jar, &signed_in.secret);
    Ok(())
}

/// Redirects to the page to sign in on, and removes the cookies.
pub(super) struct SignedOut;

impl<'r> Responder<'r, 'r> for SignedOut {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let mut response: Response<'r> =
            Redirect::to(uri!(form(None::<&str>, Some(true), None::<bool>))).respond_to(request)?;
        // Without "cookies": the browser is still one that signed in before. The others are removed by name. Below a
        // path the storage is that of other programs, too.
        let is_alone = guards::app(request).is_ok_and(|app| app.settings.base_path.is_empty());
        let what = if is_alone { "\"cache\", \"storage\"" } else { "\"cache\"" };
        response.set_header(Header::new("Clear-Site-Data", what));
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
    for name in [
        CookieName::Session,
        CookieName::BeforeSession,
        CookieName::Flash,
        CookieName::List,
        CookieName::Recent,
    ] {
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
