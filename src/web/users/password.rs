//! The form with which staff reset a user's password, by a link or by hand.

use rocket::form::FromForm;
use rocket::{get, post};

use super::lookup::find;
use crate::model::error::Result;
use crate::model::field_errors::FieldErrors;
use crate::model::link::LinkPurpose;
use crate::model::permission::ManageUsers;
use crate::model::precondition::Precondition;
use crate::model::presence::{self, Presence};
use crate::model::raw::Raw;
use crate::model::user::{InputMode, User, UserId, UserPatch};
use crate::operations::{password_links, users};
use crate::web::form::{FormState, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::ConsoleSession;
use crate::web::password_choice::Choice;
use crate::web::reauthentication;
use crate::web::view::{Answer, PasswordPage};

/// What the form for a new password sends.
#[derive(Debug, FromForm)]
pub(in crate::web) struct PasswordForm {
    #[field(default = "")]
    token: String,
    #[field(default = 0)]
    version: i64,
    #[field(default = "")]
    password: String,
    /// `link` or `password`.
    mode: Option<String>,
    must_change: Option<String>,
    /// The viewer's own, where it is asked for.
    #[field(default = "")]
    current_password: String,
}

impl PasswordForm {
    fn choice(&self) -> Choice {
        Choice::read(self.mode.as_deref(), &self.password, self.must_change.is_some())
    }
}

fn page(
    console: &ConsoleSession<'_, ManageUsers>,
    user: &User,
    choice: Choice,
    errors: &FieldErrors,
) -> Result<PasswordPage> {
    let settings = &console.app().settings;
    settings.rules().may_touch(console.can.user(), user)?;
    let is_self = console.can.user().id == user.id;
    let (asked, hint) =
        (presence::of_credential(console.can.user().id, user), if is_self { OWN } else { ADMINISTRATOR });
    let password = (asked != Presence::NotAsked).then(|| reauthentication::field(console, hint, errors));
    let form = FormState::empty().and(password.flatten());
    let (form, field) = form.with_password_apart(settings.password_min_length, errors);
    Ok(PasswordPage {
        layout: console.layout("users"),
        id: user.id.0,
        username: user.username.as_str().to_owned(),
        name: user.display_name(),
        version: user.version,
        consequence: if is_self { FOR_ONESELF } else { FOR_OTHERS },
        form,
        choice: choice.shown(field, LinkPurpose::Reset, !is_self),
    })
}

/// What the viewer's password is needed for.
const OWN: &str = "Needed because this account is your own.";
/// The same, for the account of another user.
const ADMINISTRATOR: &str = "Needed because this account is an administrator's.";
/// What a reset does to another user.
const FOR_OTHERS: &str = "Their current password stops working and they are signed out everywhere.";
/// What it does to the caller's own account.
const FOR_ONESELF: &str = "This account is your own. If you set a password, you are signed out everywhere; with a \
                           link, your password works until the link is used.";

/// The form for a new password.
#[get("/users/<id>/password")]
pub(in crate::web) async fn form(
    id: i64,
    console: ConsoleSession<'_, ManageUsers>,
) -> Result<Answer<PasswordPage>> {
    let user = find(&console, id).await?;
    Ok(Answer::page(page(&console, &user, Choice::OFFERED, &FieldErrors::default())?))
}

/// Sets the password or makes a link, and signs the user out everywhere.
#[post("/users/<id>/password", data = "<form>")]
pub(in crate::web) async fn set(
    id: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<PasswordForm>,
) -> Result<Answer<PasswordPage>> {
    if console.is_stale(&form.token) {
        let user = find(&console, id).await?;
        let mut page = page(&console, &user, form.choice(), &FieldErrors::default())?;
        page.form = page.form.stale();
        return Ok(Answer::refused(page));
    }
    match reset(&mut console, UserId(id), &form).await {
        Ok(text) => {
            console.flash(text, None);
            Ok(Answer::Redirect(format!("/users/{id}")))
        }
        Err(error) => {
            let errors = field_errors(error)?;
            let user = find(&console, id).await?;
            Ok(Answer::refused(page(&console, &user, form.choice(), &errors)?))
        }
    }
}

/// Resets it; the message afterwards. For the viewer's own account and those of administrators the viewer's password
/// is given again.
async fn reset(
    console: &mut ConsoleSession<'_, ManageUsers>,
    id: UserId,
    form: &PasswordForm,
) -> Result<String> {
    let expected = &Precondition::OneOf(vec![form.version]);
    let (choice, is_self) = (form.choice(), console.can.user().id == id);
    if choice.by_link {
        let link = |can| async move { password_links::make(&can, id, expected, can.cookie()).await };
        let made = reauthentication::with(console, &form.current_password, link).await?;
        let name = made.user.display_name();
        let own = "Made a link. Your password works until the link is used.";
        return Ok(if is_self {
            own.into()
        } else {
            format!("Password reset. {name} was signed out everywhere.")
        });
    }
    let patch = UserPatch {
        password: form.password.as_str().into(),
        must_change_password: if choice.must_change && !is_self { Raw::Bool(true) } else { Raw::Missing },
        ..UserPatch::default()
    };
    let input = &patch.into_input(InputMode::Part);
    let update = |can| async move { users::update(&can, id, input, expected).await };
    let done = reauthentication::with(console, &form.current_password, update).await?;
    Ok(format!("Password reset. {} was signed out everywhere.", done.user.display_name()))
}
