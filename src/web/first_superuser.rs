//! The page behind the link that a server prints while there is no superuser: its holder makes the first one.
//!
//! The secret comes as that of a one-time link does: from the fragment by a script, or pasted into a form.

use rocket::form::FromForm;
use rocket::http::Status;
use rocket::{get, post};

use super::form::{Field, FormState, STALE, field_errors, password_field};
use super::pre_session;
use super::sign_in::{enter, too_many_tries};
use super::view::{Answer, FirstSuperuserPage};
use crate::http::cookies::Cookies;
use crate::http::guards::NotCrossSite;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::link::secret_in;
use crate::model::origin::Origin;
use crate::model::password::Password;
use crate::model::session::Credential;
use crate::model::user::{InputMode, UserPatch};
use crate::operations::sign_in::{self, Outcome, SignInInput};
use crate::operations::{App, first_superuser};
use crate::web::form_body::FormBody;

/// What the form sends.
#[derive(Debug, FromForm)]
pub(super) struct FirstSuperuserForm {
    #[field(default = "")]
    token: String,
    /// The link, or its secret.
    #[field(default = "")]
    link: String,
    #[field(default = "")]
    username: String,
    #[field(default = "")]
    email: String,
    /// `None` from the form that asks for the link.
    password: Option<String>,
}

/// What is said of another secret than this process's.
const WRONG: &str = "This is not the link that the server printed. Copy all of it.";

/// The form that asks for the link, with what was typed.
fn question(app: &App, jar: Cookies<'_>, typed: &str) -> FirstSuperuserPage {
    let nothing = FieldErrors::default();
    let hint = "Paste the link that the server printed on its terminal.";
    let link = Field { hint: hint.into(), ..Field::new("link", "Link", "text", typed.to_owned(), &nothing) };
    let form = Some(FormState::of(vec![link], &nothing));
    FirstSuperuserPage { link: String::new(), token: pre_session::token(app, jar), form }
}

/// The form for the superuser.
fn page(app: &App, jar: Cookies<'_>, form: &FirstSuperuserForm, errors: &FieldErrors) -> FirstSuperuserPage {
    let username = Field::new("username", "Username", "text", form.username.clone(), errors);
    let email = Field { optional: true, ..Field::new("email", "Email", "email", form.email.clone(), errors) };
    let password = password_field(app.settings.password_min_length, errors);
    FirstSuperuserPage {
        link: secret_in(&form.link).to_owned(),
        token: pre_session::token(app, jar),
        form: Some(FormState::of(vec![username, email, password], errors)),
    }
}

/// There is a superuser, or this process has no link that still works.
fn gone() -> Answer<FirstSuperuserPage> {
    let page = FirstSuperuserPage { link: String::new(), token: String::new(), form: None };
    Answer::Page(Status::Gone, Box::new(page))
}

/// The form that asks for the link.
#[get("/first-superuser")]
pub(super) async fn form(app: &App, jar: Cookies<'_>) -> Result<Answer<FirstSuperuserPage>> {
    Ok(if first_superuser::is_open(app).await? { Answer::page(question(app, jar, "")) } else { gone() })
}

/// Opens the link; with a password, makes the superuser and signs them in.
#[post("/first-superuser", data = "<form>")]
pub(super) async fn submit(
    form: FormBody<FirstSuperuserForm>,
    app: &App,
    origin: &Origin,
    _site: NotCrossSite,
    jar: Cookies<'_>,
) -> Result<Answer<FirstSuperuserPage>> {
    if !first_superuser::is_open(app).await? {
        return Ok(gone());
    }
    let with_problem = |mut page: FirstSuperuserPage, problem: String| {
        page.form = page.form.map(|form| form.with_problem(problem));
        page
    };
    if let Some(problem) = pre_session::refusal(app, jar, &form.token, STALE) {
        let sent = match form.password {
            Some(_) => page(app, jar, &form, &FieldErrors::default()),
            None => question(app, jar, &form.link),
        };
        return Ok(Answer::refused(with_problem(sent, problem)));
    }
    let again = |problem| with_problem(question(app, jar, &form.link), problem);
    let opened = match first_superuser::open(app, secret_in(&form.link), origin).await {
        Ok(Some(opened)) => opened,
        Ok(None) => return Ok(Answer::refused(again(WRONG.to_owned()))),
        Err(Error::Throttled(seconds)) => {
            return Ok(Answer::RetryLater(seconds, Box::new(again(too_many_tries(seconds)))));
        }
        Err(error) => return Err(error),
    };
    let Some(password) = &form.password else {
        return Ok(Answer::page(page(app, jar, &form, &FieldErrors::default())));
    };
    let patch = UserPatch {
        username: form.username.as_str().into(),
        email: form.email.as_str().into(),
        password: password.as_str().into(),
        ..UserPatch::default()
    };
    let user = match opened.make(&patch.into_input(InputMode::Part)).await {
        Ok(Some(user)) => user,
        Ok(None) => return Ok(gone()),
        Err(error) => return Ok(Answer::refused(page(app, jar, &form, &field_errors(error)?))),
    };
    let (name, password) = (user.username.as_str(), Password::new(password.clone()));
    let shown = SignInInput { username: name, password: &password, code: None };
    match sign_in::sign_in(app, shown, Credential::Cookie, None, origin).await {
        Ok(Outcome::Opened(signed_in)) => {
            enter(app, jar, origin, &signed_in).await?;
            Ok(Answer::Redirect("/".to_owned()))
        }
        // The superuser is made; signing in has a page of its own, which says what is in the way.
        Ok(Outcome::NeedsCode(_)) | Err(_) => Ok(Answer::Redirect("/sign-in".to_owned())),
    }
}
