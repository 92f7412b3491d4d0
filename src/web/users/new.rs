//! The page for a new user.

use rocket::form::FromForm;
use rocket::{get, post};

use super::link;
use super::lookup::shared_address;
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::link::LinkPurpose;
use crate::model::permission::ManageUsers;
use crate::model::user::{InputMode, Raw, User, UserInput};
use crate::operations::{password_links, users};
use crate::web::form::{FormState, Typed, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::password_choice::Choice;
use crate::web::view::{Answer, NewUserPage};

/// What the form sends. A box that is not ticked is not sent.
#[derive(Debug, FromForm)]
pub(in crate::web) struct NewUserForm {
    #[field(default = "")]
    token: String,
    #[field(default = "")]
    username: String,
    #[field(default = "")]
    email: String,
    #[field(default = "")]
    first_name: String,
    #[field(default = "")]
    last_name: String,
    #[field(default = "")]
    password: String,
    is_staff: Option<String>,
    another: Option<String>,
    /// `link` or `password`.
    mode: Option<String>,
    must_change: Option<String>,
}

impl NewUserForm {
    fn typed(&self) -> Typed {
        Typed {
            username: self.username.clone(),
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            is_staff: self.is_staff.is_some(),
            ..Typed::default()
        }
    }

    fn choice(&self) -> Choice {
        Choice::read(self.mode.as_deref(), &self.password, self.must_change.is_some())
    }

    fn draft(&self) -> UserInput {
        let choice = self.choice();
        let purpose = if choice.by_link { InputMode::Invitation } else { InputMode::Whole };
        UserInput::read(purpose, |name| {
            Raw::Text(match name {
                "username" => self.username.clone(),
                "email" => self.email.clone(),
                "first_name" => self.first_name.clone(),
                "last_name" => self.last_name.clone(),
                "password" => self.password.clone(),
                "is_staff" => return Raw::Bool(self.is_staff.is_some()),
                "must_change_password" => return Raw::Bool(choice.must_change && !choice.by_link),
                _ => return Raw::Missing,
            })
        })
    }
}

fn page(
    console: &ConsoleSession<'_, ManageUsers>,
    typed: Typed,
    choice: Choice,
    errors: &FieldErrors,
) -> NewUserPage {
    let settings = &console.app().settings;
    let form = FormState::about(typed, None, errors);
    let (form, field) = form.with_password_apart(settings.password_min_length, errors);
    NewUserPage {
        layout: console.layout("users"),
        form,
        choice: choice.shown(field, LinkPurpose::Setup, true),
        may_grant_staff: settings.staff_grants_staff || console.can.user().is_superuser,
    }
}

/// The form, empty but for a name that was searched for in vain.
#[get("/users/new?<username>")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(in crate::web) fn form(
    username: Option<&str>,
    console: ConsoleSession<'_, ManageUsers>,
) -> Answer<NewUserPage> {
    let typed = Typed { username: username.unwrap_or_default().to_owned(), ..Typed::default() };
    Answer::page(page(&console, typed, Choice::OFFERED, &FieldErrors::default()))
}

/// Makes the user, and goes on to them or to the next one.
#[post("/users/new", data = "<form>")]
pub(in crate::web) async fn create(
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<NewUserForm>,
) -> Result<Answer<NewUserPage>> {
    let shown = |errors: &FieldErrors| page(&console, form.typed(), form.choice(), errors);
    if console.is_stale(&form.token) {
        let mut page = shown(&FieldErrors::default());
        page.form = page.form.stale();
        return Ok(Answer::refused(page));
    }
    match make(&console, &form).await {
        Ok(user) => {
            let shared = shared_address(&console, &user).await?;
            let name = user.display_name();
            let by_link = form.choice().by_link;
            let another = form.another.is_some();
            let text = if another && by_link { "Their link is on their page, to be shown once." } else { "" };
            console.flash(format!("Added {name}.{shared} {text}").trim_end(), None);
            Ok(Answer::Redirect(if another { "/users/new".into() } else { format!("/users/{}", user.id) }))
        }
        Err(error) => Ok(Answer::refused(shown(&field_errors(error)?))),
    }
}

async fn make(console: &ConsoleSession<'_, ManageUsers>, form: &NewUserForm) -> Result<User> {
    if form.choice().by_link {
        let session = link::session_secret(console);
        let made = password_links::invite(&console.can, form.draft(), session.as_ref()).await?;
        return Ok(made.user);
    }
    users::create(&console.can, form.draft()).await
}
