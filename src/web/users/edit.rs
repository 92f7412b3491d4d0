//! One user: edit, deactivate, reactivate, reset the password.

use rocket::form::{Form, FromForm};
use rocket::http::Status;
use rocket::{get, post};

use crate::accounts::{self, Expected};
use crate::error::{Error, Result};
use crate::field_errors::FieldErrors;
use crate::permission::{Can, ManageUsers, SignedIn};
use crate::rules::Refusal;
use crate::user::{Draft, Purpose, Raw, User, UserId};
use crate::web::form::{FormState, Typed, field_errors};
use crate::web::frame::Visitor;
use crate::web::view::{Answer, FieldConflict, PasswordPage, UserPage, role};

/// What the form sends. `access` says that it had the box for staff, which is not sent unless ticked;
/// `keep_*` is the answer to a conflict: `theirs` or `yours`.
#[derive(Debug, FromForm)]
pub(in crate::web) struct EditForm {
    #[field(default = "")]
    token: String,
    #[field(default = 0)]
    version: i64,
    #[field(default = "")]
    username: String,
    #[field(default = "")]
    email: String,
    #[field(default = "")]
    first_name: String,
    #[field(default = "")]
    last_name: String,
    is_staff: Option<String>,
    access: Option<String>,
    keep_username: Option<String>,
    keep_email: Option<String>,
    keep_first_name: Option<String>,
    keep_last_name: Option<String>,
    keep_is_staff: Option<String>,
}

impl EditForm {
    fn typed(&self) -> Typed {
        Typed {
            username: self.username.clone(),
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            is_staff: self.is_staff.is_some(),
        }
    }

    fn draft(&self) -> Draft {
        let kept = |keep: &Option<String>| keep.as_deref() == Some("theirs");
        let text = |keep, value: &str| if kept(keep) { Raw::Missing } else { Raw::Text(value.to_owned()) };
        Draft::read(Purpose::Part, |name| match name {
            "username" => text(&self.keep_username, &self.username),
            "email" => text(&self.keep_email, &self.email),
            "first_name" => text(&self.keep_first_name, &self.first_name),
            "last_name" => text(&self.keep_last_name, &self.last_name),
            "is_staff" if self.access.is_some() && !kept(&self.keep_is_staff) => {
                Raw::Bool(self.is_staff.is_some())
            }
            _ => Raw::Missing,
        })
    }
}

/// What a button that only needs the token sends.
#[derive(Debug, FromForm)]
pub(in crate::web) struct TokenForm {
    #[field(default = "")]
    token: String,
}

/// The user that a page is about, as an administrator sees them.
async fn find(visitor: &Visitor<'_, ManageUsers>, id: i64) -> Result<User> {
    let can: Can<SignedIn> = visitor.can.weaken();
    accounts::get(visitor.app, &can, UserId(id)).await
}

fn page_of(visitor: &Visitor<'_, ManageUsers>, user: &User, form: FormState) -> UserPage {
    let (settings, actor) = (&visitor.app.settings, visitor.can.user());
    let locked_reason = match settings.rules().may_touch(actor, user) {
        Err(Refusal::Denied(denial)) => denial.sentence(),
        Err(Refusal::Conflicts(conflict)) => conflict.sentence(),
        Ok(()) => "",
    };
    let is_self = actor.id == user.id;
    UserPage {
        frame: visitor.frame("users"),
        id: user.id.0,
        name: user.display_name(),
        version: user.version,
        is_active: user.is_active,
        is_self,
        role: role(user),
        date_joined: user.date_joined.into(),
        last_login: user.last_login.map(Into::into),
        form,
        may_grant_staff: !is_self && (settings.staff_grants_staff || actor.is_superuser),
        conflicts: Vec::new(),
        locked_reason,
    }
}

/// The user.
#[get("/users/<id>")]
pub(in crate::web) async fn page(id: i64, visitor: Visitor<'_, ManageUsers>) -> Result<Answer<UserPage>> {
    let user = find(&visitor, id).await?;
    let form = FormState::about(Typed::from(&user), None, &FieldErrors::default());
    Ok(Answer::page(page_of(&visitor, &user, form)))
}

/// Saves what was typed, unless somebody else has changed the user meanwhile.
#[post("/users/<id>", data = "<form>")]
pub(in crate::web) async fn save(
    id: i64,
    visitor: Visitor<'_, ManageUsers>,
    form: Form<EditForm>,
) -> Result<Answer<UserPage>> {
    let before = find(&visitor, id).await?;
    if visitor.is_stale(&form.token) {
        let state = FormState::about(form.typed(), None, &FieldErrors::default()).stale();
        // Shown for the version that was edited: what others have saved since is still noticed.
        let page = UserPage { version: form.version, ..page_of(&visitor, &before, state) };
        return Ok(Answer::refused(page));
    }
    let expected = Expected::OneOf(vec![form.version]);
    match accounts::update(visitor.app, &visitor.can, UserId(id), form.draft(), &expected).await {
        Ok(done) => {
            visitor.tell(changed(&before, &done.user), None);
            Ok(Answer::GoOn(format!("/users/{id}")))
        }
        Err(Error::PreconditionFailed) => {
            let now = find(&visitor, id).await?;
            let typed = form.typed();
            let conflicts = conflicts(&now, &typed, form.access.is_some());
            let mut page = page_of(&visitor, &now, FormState::about(typed, None, &FieldErrors::default()));
            page.conflicts = conflicts;
            Ok(Answer::Page(Status::PreconditionFailed, Box::new(page)))
        }
        Err(error) => {
            let errors = field_errors(error)?;
            let form = FormState::about(form.typed(), None, &errors);
            Ok(Answer::refused(page_of(&visitor, &before, form)))
        }
    }
}

/// The fields in which what was typed differs from what is stored now.
fn conflicts(now: &User, typed: &Typed, access: bool) -> Vec<FieldConflict> {
    let staff = |is_staff: bool| if is_staff { "Staff" } else { "No admin access" }.to_owned();
    let stored = Typed::from(now);
    let mut fields = vec![
        ("username", "Username", stored.username, typed.username.clone()),
        ("email", "Email", stored.email, typed.email.clone()),
        ("first_name", "First name", stored.first_name, typed.first_name.clone()),
        ("last_name", "Last name", stored.last_name, typed.last_name.clone()),
    ];
    if access {
        fields.push(("is_staff", "Access", staff(stored.is_staff), staff(typed.is_staff)));
    }
    fields
        .into_iter()
        .filter(|(_, _, theirs, yours)| theirs != yours)
        .map(|(name, label, theirs, yours)| FieldConflict { name, label, theirs, yours })
        .collect()
}

/// What a save has changed, in words.
fn changed(before: &User, after: &User) -> String {
    let fields: Vec<&str> = [
        ("Username", before.username != after.username),
        ("Email", before.email != after.email),
        ("First name", before.first_name != after.first_name),
        ("Last name", before.last_name != after.last_name),
        ("Staff", before.is_staff != after.is_staff),
    ]
    .into_iter()
    .filter_map(|(label, differs)| differs.then_some(label))
    .collect();
    match fields.split_last() {
        None => "Nothing changed.".into(),
        Some((only, [])) => format!("Saved. Changed {only}."),
        Some((last, others)) => format!("Saved. Changed {} and {last}.", others.join(", ")),
    }
}

/// Deactivates at once; the message has a button to undo it.
#[post("/users/<id>/deactivate", data = "<form>")]
pub(in crate::web) async fn deactivate(
    id: i64,
    visitor: Visitor<'_, ManageUsers>,
    form: Form<TokenForm>,
) -> Result<Answer<UserPage>> {
    visitor.check(&form.token)?;
    let user = accounts::deactivate(visitor.app, &visitor.can, UserId(id), &Expected::Any).await?.user;
    let text = format!("Deactivated. {} was signed out everywhere.", user.display_name());
    visitor.tell(text, Some(format!("/users/{id}/reactivate")));
    Ok(Answer::GoOn(format!("/users/{id}")))
}

/// Reactivates at once.
#[post("/users/<id>/reactivate", data = "<form>")]
pub(in crate::web) async fn reactivate(
    id: i64,
    visitor: Visitor<'_, ManageUsers>,
    form: Form<TokenForm>,
) -> Result<Answer<UserPage>> {
    visitor.check(&form.token)?;
    let draft = Draft::read(Purpose::Part, |name| match name {
        "is_active" => Raw::Bool(true),
        _ => Raw::Missing,
    });
    accounts::update(visitor.app, &visitor.can, UserId(id), draft, &Expected::Any).await?;
    visitor.tell("Reactivated.", Some(format!("/users/{id}/deactivate")));
    Ok(Answer::GoOn(format!("/users/{id}")))
}

/// What the form for a new password sends.
#[derive(Debug, FromForm)]
pub(in crate::web) struct PasswordForm {
    #[field(default = "")]
    token: String,
    #[field(default = 0)]
    version: i64,
    #[field(default = "")]
    password: String,
}

fn password_page(
    visitor: &Visitor<'_, ManageUsers>,
    user: &User,
    errors: &FieldErrors,
) -> Result<PasswordPage> {
    let settings = &visitor.app.settings;
    settings.rules().may_touch(visitor.can.user(), user)?;
    Ok(PasswordPage {
        frame: visitor.frame("users"),
        id: user.id.0,
        username: user.username.as_str().to_owned(),
        name: user.display_name(),
        version: user.version,
        form: FormState::password(settings.password_min_length, errors),
    })
}

/// The form for a new password.
#[get("/users/<id>/password")]
pub(in crate::web) async fn password_form(
    id: i64,
    visitor: Visitor<'_, ManageUsers>,
) -> Result<Answer<PasswordPage>> {
    let user = find(&visitor, id).await?;
    Ok(Answer::page(password_page(&visitor, &user, &FieldErrors::default())?))
}

/// Sets the password and signs the user out everywhere.
#[post("/users/<id>/password", data = "<form>")]
pub(in crate::web) async fn set_password(
    id: i64,
    visitor: Visitor<'_, ManageUsers>,
    form: Form<PasswordForm>,
) -> Result<Answer<PasswordPage>> {
    if visitor.is_stale(&form.token) {
        let user = find(&visitor, id).await?;
        let mut page = password_page(&visitor, &user, &FieldErrors::default())?;
        page.form = page.form.stale();
        return Ok(Answer::refused(page));
    }
    let draft = Draft::read(Purpose::Part, |name| match name {
        "password" => Raw::Text(form.password.clone()),
        _ => Raw::Missing,
    });
    let expected = Expected::OneOf(vec![form.version]);
    match accounts::update(visitor.app, &visitor.can, UserId(id), draft, &expected).await {
        Ok(done) => {
            let name = done.user.display_name();
            visitor.tell(format!("Password reset. {name} was signed out everywhere."), None);
            Ok(Answer::GoOn(format!("/users/{id}")))
        }
        Err(error) => {
            let errors = field_errors(error)?;
            let user = find(&visitor, id).await?;
            Ok(Answer::refused(password_page(&visitor, &user, &errors)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_save_says_what_it_changed() {
        let before = User::blank(Timestamp::from_micros(0));
        let mut after = before.clone();
        assert_eq!(changed(&before, &after), "Nothing changed.");
        after.email = "a@b.co".into();
        assert_eq!(changed(&before, &after), "Saved. Changed Email.");
        after.is_staff = true;
        after.last_name = "B".into();
        assert_eq!(changed(&before, &after), "Saved. Changed Email, Last name and Staff.");
    }
}
