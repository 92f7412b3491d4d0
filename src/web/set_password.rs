//! The page behind a one-time link, on which its holder chooses a password.
//!
//! A link has its secret after a `#`, which browsers send to no server. A script of ours sends it in the form's body;
//! without scripts the person pastes the link. Looking at the page uses nothing up, and it has no link that would
//! take an address along to another site.

use rocket::form::FromForm;
use rocket::http::Status;
use rocket::{get, post};

use super::form::{Field, FormState, STALE, field_errors};
use super::pre_session;
use super::view::{Answer, SetPasswordPage};
use crate::http::cookies::Cookies;
use crate::http::guards::NotCrossSite;
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::link::secret_in;
use crate::model::origin::Origin;
use crate::model::user::User;
use crate::operations::{App, password_links};
use crate::web::form_body::FormBody;

/// What the form sends.
#[derive(Debug, FromForm)]
pub(super) struct SetPasswordForm {
    #[field(default = "")]
    token: String,
    /// The link, or its secret.
    #[field(default = "")]
    link: String,
    /// `None` from the form that asks for the link.
    password: Option<String>,
}

fn page(app: &App, jar: Cookies<'_>, user: &User, link: &str, errors: &FieldErrors) -> SetPasswordPage {
    SetPasswordPage {
        username: user.username.as_str().to_owned(),
        link: link.to_owned(),
        token: pre_session::token(app, jar),
        form: Some(FormState::password(app.settings.password_min_length, errors)),
    }
}

/// The form that asks for the link, with what was typed.
fn question(app: &App, jar: Cookies<'_>, typed: &str) -> SetPasswordPage {
    let nothing = FieldErrors::default();
    let hint = "Paste the link that you were sent.";
    let link = Field { hint: hint.into(), ..Field::new("link", "Link", "text", typed.to_owned(), &nothing) };
    let form = Some(FormState::of(vec![link], &nothing));
    SetPasswordPage {
        username: String::new(),
        link: String::new(),
        token: pre_session::token(app, jar),
        form,
    }
}

/// A link that was used, has expired, was replaced, or never existed: the page does not say which.
fn gone() -> Answer<SetPasswordPage> {
    let page =
        SetPasswordPage { username: String::new(), link: String::new(), token: String::new(), form: None };
    Answer::Page(Status::Gone, Box::new(page))
}

/// The form for the password behind a link.
async fn opened(app: &App, jar: Cookies<'_>, link: &str) -> Result<Answer<SetPasswordPage>> {
    Ok(match password_links::holder(app, link).await? {
        Some(user) => Answer::page(page(app, jar, &user, link, &FieldErrors::default())),
        None => gone(),
    })
}

/// The form that asks for the link. Links of earlier releases have the secret in the query: they work until they expire.
#[get("/set-password?<token>")]
pub(super) async fn form(
    token: Option<&str>,
    app: &App,
    jar: Cookies<'_>,
) -> Result<Answer<SetPasswordPage>> {
    match token {
        None => Ok(Answer::page(question(app, jar, ""))),
        Some(link) => opened(app, jar, link).await,
    }
}

/// Opens a link; with a password, sets it and goes on to where it is needed.
#[post("/set-password", data = "<form>")]
pub(super) async fn submit(
    form: FormBody<SetPasswordForm>,
    app: &App,
    origin: &Origin,
    _site: NotCrossSite,
    jar: Cookies<'_>,
) -> Result<Answer<SetPasswordPage>> {
    let link = secret_in(&form.link);
    let refusal = pre_session::refusal(app, jar, &form.token, STALE);
    let refused = |mut page: SetPasswordPage, problem| {
        page.form = page.form.map(|form| form.with_problem(problem));
        Ok(Answer::refused(page))
    };
    let Some(password) = &form.password else {
        return match refusal {
            Some(problem) => refused(question(app, jar, &form.link), problem),
            None => opened(app, jar, link).await,
        };
    };
    let Some(user) = password_links::holder(app, link).await? else { return Ok(gone()) };
    let again = |errors: &FieldErrors| page(app, jar, &user, link, errors);
    if let Some(problem) = refusal {
        return refused(again(&FieldErrors::default()), problem);
    }
    match password_links::redeem(app, link, password, origin).await {
        // There is no session that a message could be bound to.
        Ok(Some(_)) => Ok(Answer::Redirect("/sign-in?password_set=true".to_owned())),
        Ok(None) => Ok(gone()),
        Err(error) => Ok(Answer::refused(again(&field_errors(error)?))),
    }
}
