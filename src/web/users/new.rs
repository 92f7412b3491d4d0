//! The page for a new user.

use rocket::form::{Form, FromForm};
use rocket::{get, post};

use super::edit::shared_address;
use crate::accounts;
use crate::error::Result;
use crate::field_errors::FieldErrors;
use crate::permission::ManageUsers;
use crate::user::{Draft, Purpose, Raw};
use crate::web::form::{FormState, Typed, field_errors};
use crate::web::frame::Visitor;
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
}

impl NewUserForm {
    fn typed(&self) -> Typed {
        Typed {
            username: self.username.clone(),
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            is_staff: self.is_staff.is_some(),
        }
    }
}

fn page(visitor: &Visitor<'_, ManageUsers>, typed: Typed, errors: &FieldErrors) -> NewUserPage {
    let settings = &visitor.app.settings;
    NewUserPage {
        frame: visitor.frame("users"),
        form: FormState::about(typed, Some(settings.password_min_length), errors),
        may_grant_staff: settings.staff_grants_staff || visitor.can.user().is_superuser,
    }
}

/// The empty form.
#[get("/users/new")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(in crate::web) fn form(visitor: Visitor<'_, ManageUsers>) -> Answer<NewUserPage> {
    Answer::page(page(&visitor, Typed::default(), &FieldErrors::default()))
}

/// Makes the user, and goes on to them or to the next one.
#[post("/users/new", data = "<form>")]
pub(in crate::web) async fn create(
    visitor: Visitor<'_, ManageUsers>,
    form: Form<NewUserForm>,
) -> Result<Answer<NewUserPage>> {
    if visitor.is_stale(&form.token) {
        let mut page = page(&visitor, form.typed(), &FieldErrors::default());
        page.form = page.form.stale();
        return Ok(Answer::refused(page));
    }
    let draft = Draft::read(Purpose::Whole, |name| {
        Raw::Text(match name {
            "username" => form.username.clone(),
            "email" => form.email.clone(),
            "first_name" => form.first_name.clone(),
            "last_name" => form.last_name.clone(),
            "password" => form.password.clone(),
            "is_staff" => return Raw::Bool(form.is_staff.is_some()),
            _ => return Raw::Missing,
        })
    });
    match accounts::create(visitor.app, &visitor.can, draft).await {
        Ok(user) => {
            let shared = shared_address(&visitor, &user).await?;
            visitor.tell(format!("Added {}.{shared}", user.display_name()), None);
            let another = form.another.is_some();
            Ok(Answer::GoOn(if another { "/users/new".into() } else { format!("/users/{}", user.id) }))
        }
        Err(error) => {
            let errors = field_errors(error)?;
            Ok(Answer::refused(page(&visitor, form.typed(), &errors)))
        }
    }
}
