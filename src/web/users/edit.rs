//! One user: edit, deactivate, reactivate.

use rocket::form::FromForm;
use rocket::http::Status;
use rocket::{get, post};

use super::history;
use super::link;
use super::lookup::{find, shared_address};
use super::undo;
use crate::http::guards::MayRevealOnce;
use crate::model::audit::Action;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::permission::ManageUsers;
use crate::model::precondition::Precondition;
use crate::model::rules::Refusal;
use crate::model::update::Update;
use crate::model::user::{InputMode, Raw, User, UserId, UserInput};
use crate::operations::{audit, sign_in_diagnosis, users};
use crate::web::form::{FormState, Typed, date_text, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, TokenForm};
use crate::web::reauthentication;
use crate::web::view::{Answer, FieldConflict, UserPage, role, status};

/// What the form sends. `access` says that it had the box for staff, `rights` the one for superusers: a
/// box is not sent unless it is ticked;
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
    is_superuser: Option<String>,
    rights: Option<String>,
    #[field(default = "")]
    current_password: String,
    keep_username: Option<String>,
    keep_email: Option<String>,
    keep_first_name: Option<String>,
    keep_last_name: Option<String>,
    keep_is_staff: Option<String>,
    valid_from: Option<String>,
    valid_until: Option<String>,
    keep_valid_from: Option<String>,
    keep_valid_until: Option<String>,
    keep_is_superuser: Option<String>,
}

impl EditForm {
    fn typed(&self) -> Typed {
        Typed {
            username: self.username.clone(),
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            is_staff: self.is_staff.is_some(),
            valid_from: self.valid_from.clone(),
            valid_until: self.valid_until.clone(),
            is_superuser: self.is_superuser.is_some(),
        }
    }

    /// What was typed, but for the fields in which a conflict was answered for what is stored.
    fn resolved(&self, stored: &User) -> Typed {
        fn settle<T>(keep: Option<&str>, typed: &mut T, stored: T) {
            if keep == Some(THEIRS) {
                *typed = stored;
            }
        }
        let (mut typed, stored) = (self.typed(), Typed::from(stored));
        settle(self.keep_username.as_deref(), &mut typed.username, stored.username);
        settle(self.keep_email.as_deref(), &mut typed.email, stored.email);
        settle(self.keep_first_name.as_deref(), &mut typed.first_name, stored.first_name);
        settle(self.keep_last_name.as_deref(), &mut typed.last_name, stored.last_name);
        settle(self.keep_is_staff.as_deref(), &mut typed.is_staff, stored.is_staff);
        settle(self.keep_valid_from.as_deref(), &mut typed.valid_from, stored.valid_from);
        settle(self.keep_valid_until.as_deref(), &mut typed.valid_until, stored.valid_until);
        settle(self.keep_is_superuser.as_deref(), &mut typed.is_superuser, stored.is_superuser);
        typed
    }

    fn draft(&self, before: &User) -> UserInput {
        let kept = |keep: &Option<String>| keep.as_deref() == Some(THEIRS);
        let text = |keep, value: &str| if kept(keep) { Raw::Missing } else { Raw::Text(value.to_owned()) };
        // A browser's field is less exact than what is stored, which an untouched date keeps.
        let date = |keep, typed: &Option<String>, stored| match typed {
            Some(typed) if *typed != date_text(stored) => text(keep, typed),
            _ => Raw::Missing,
        };
        let mut draft = UserInput::read(InputMode::Part, |name| match name {
            "username" => text(&self.keep_username, &self.username),
            "email" => text(&self.keep_email, &self.email),
            "first_name" => text(&self.keep_first_name, &self.first_name),
            "last_name" => text(&self.keep_last_name, &self.last_name),
            "valid_from" => date(&self.keep_valid_from, &self.valid_from, before.valid_from),
            "valid_until" => date(&self.keep_valid_until, &self.valid_until, before.valid_until),
            "is_staff" if self.access.is_some() && !kept(&self.keep_is_staff) => {
                Raw::Bool(self.is_staff.is_some())
            }
            _ => Raw::Missing,
        });
        if self.rights.is_some() && !kept(&self.keep_is_superuser) {
            draft.changes.is_superuser = Some(self.is_superuser.is_some());
        }
        draft
    }
}

/// The answer to a conflict that leaves what is stored.
const THEIRS: &str = "theirs";

async fn page_of(
    console: &ConsoleSession<'_, ManageUsers>,
    user: &User,
    mut form: FormState,
) -> Result<UserPage> {
    let (settings, actor) = (&console.app().settings, console.can.user());
    let locked_reason = match settings.rules().may_touch(actor, user) {
        Err(Refusal::Denied(denial)) => denial.sentence(),
        Err(Refusal::Conflicts(conflict)) => conflict.sentence(),
        Ok(()) => "",
    };
    let is_self = actor.id == user.id;
    let mut own_dates = Vec::new();
    if is_self {
        form.fields.retain(|field| !["valid_from", "valid_until"].contains(&field.name));
        let dates = [("Valid from", user.valid_from), ("Valid until", user.valid_until)];
        own_dates.extend(dates.into_iter().filter_map(|(label, date)| Some((label, date?.into()))));
    }
    Ok(UserPage {
        layout: console.layout("users"),
        id: user.id.0,
        name: user.display_name(),
        version: user.version,
        status: status(user, console.app().clock.now()),
        is_active: user.is_active,
        is_self,
        role: role(user),
        date_joined: user.date_joined.into(),
        last_login: user.last_login.map(Into::into),
        form,
        may_grant_staff: !is_self && (settings.staff_grants_staff || actor.is_superuser),
        may_grant_superuser: !is_self && actor.is_superuser,
        conflicts: Vec::new(),
        deactivated: None,
        own_dates,
        locked_reason,
        recent: history::recent(console, user).await?,
        link: None,
        mail: None,
        sign_in: String::new(),
        has_no_password: false,
        is_kept_out: false,
        password_changed_at: user.password_changed_at.map(Into::into),
    })
}

/// The user.
#[get("/users/<id>")]
pub(in crate::web) async fn page(
    id: i64,
    console: ConsoleSession<'_, ManageUsers>,
    is_seen: MayRevealOnce,
) -> Result<Answer<UserPage>> {
    let user = find(&console, id).await?;
    let form = FormState::about(Typed::from(&user), None, &FieldErrors::default());
    let mut page = page_of(&console, &user, form).await?;
    if !user.is_active {
        let deactivated = audit::last(&console.can, user.id, Action::UserDeactivated).await?;
        page.deactivated = deactivated.map(|(who, at)| (who, at.into()));
    }
    let conditions = sign_in_diagnosis::conditions_of(&console.can, &user).await?;
    page.sign_in = sign_in_diagnosis::summary(&conditions);
    if page.locked_reason.is_empty() {
        page.link = link::note(&console, &user, is_seen).await?;
        page.mail = link::mail_note(&console, &user).await?;
    }
    page.has_no_password =
        conditions.iter().any(|condition| condition.condition == "password_set" && !condition.passed);
    page.is_kept_out = user.is_active && page.link.is_none() && !sign_in_diagnosis::can_sign_in(&conditions);
    Ok(Answer::page(page))
}

/// Saves what was typed, unless someone else has changed the user meanwhile.
#[post("/users/<id>", data = "<form>")]
pub(in crate::web) async fn save(
    id: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<EditForm>,
) -> Result<Answer<UserPage>> {
    let before = find(&console, id).await?;
    if console.is_stale(&form.token) {
        let state = FormState::about(form.typed(), None, &FieldErrors::default()).stale();
        // Shown for the version that was edited: what others have saved since is still noticed.
        let page = UserPage { version: form.version, ..page_of(&console, &before, state).await? };
        return Ok(Answer::refused(page));
    }
    match submit(&mut console, &before, &form).await {
        Ok(done) => {
            let mut told = changed(&before, &done.user);
            if before.email != done.user.email {
                told += &shared_address(&console, &done.user).await?;
            }
            console.flash(told, undo::path(&done));
            Ok(Answer::Redirect(format!("/users/{id}")))
        }
        Err(Error::PreconditionFailed) => {
            let now = find(&console, id).await?;
            let typed = form.typed();
            let conflicts = conflicts(&now, &typed, form.access.is_some(), form.rights.is_some());
            let form = FormState::about(typed, None, &FieldErrors::default());
            let mut page = page_of(&console, &now, form).await?;
            page.conflicts = conflicts;
            Ok(Answer::Page(Status::PreconditionFailed, Box::new(page)))
        }
        Err(error) => {
            let errors = field_errors(error)?;
            // Asked for only once it is needed: browsers fill in what looks like a sign-in.
            let is_self = console.can.user().id == before.id;
            let hint = if is_self { OWN_ADDRESS } else { "Needed to make a user a superuser." };
            let password =
                reauthentication::field(&console, hint, &errors).filter(|field| !field.errors.is_empty());
            let form = FormState::about(form.resolved(&before), None, &errors).and(password);
            Ok(Answer::refused(page_of(&console, &before, form).await?))
        }
    }
}

/// What the password is needed for in the form about the user themselves.
const OWN_ADDRESS: &str = "Needed to change your own email address.";

/// Saves. To make a user a superuser, and to change the own address, the password is given again.
async fn submit(
    console: &mut ConsoleSession<'_, ManageUsers>,
    before: &User,
    form: &EditForm,
) -> Result<Update> {
    let draft = form.draft(before);
    let grants = draft.changes.is_superuser == Some(true) && !before.is_superuser;
    let is_self = console.can.user().id == before.id;
    // On a form that is overtaken the answer is the conflict, which may leave the address as it is.
    let moves = is_self
        && form.version == before.version
        && draft.changes.email.as_ref().is_some_and(|email| *email != before.email);
    if grants && console.can.user().is_superuser || moves {
        draft.errors.clone().into_result()?;
        reauthentication::require(console, &form.current_password).await?;
    }
    let expected = Precondition::OneOf(vec![form.version]);
    users::update(&console.can, before.id, draft, &expected).await
}

/// The fields in which what was typed differs from what is stored now.
fn conflicts(now: &User, typed: &Typed, access: bool, rights: bool) -> Vec<FieldConflict> {
    let staff = |is_staff: bool| if is_staff { "Staff" } else { "No admin access" }.to_owned();
    let superuser = |is_superuser: bool| if is_superuser { "Superuser" } else { "No superuser" }.to_owned();
    let stored = Typed::from(now);
    let mut fields = vec![
        ("username", "Username", stored.username, typed.username.clone()),
        ("email", "Email", stored.email, typed.email.clone()),
        ("first_name", "First name", stored.first_name, typed.first_name.clone()),
        ("last_name", "Last name", stored.last_name, typed.last_name.clone()),
    ];
    for (name, label, stored, typed) in [
        ("valid_from", "Valid from", stored.valid_from, &typed.valid_from),
        ("valid_until", "Valid until", stored.valid_until, &typed.valid_until),
    ] {
        if let (Some(stored), Some(typed)) = (stored, typed) {
            fields.push((name, label, stored, typed.clone()));
        }
    }
    if access {
        fields.push(("is_staff", "Access", staff(stored.is_staff), staff(typed.is_staff)));
    }
    if rights {
        let (theirs, yours) = (superuser(stored.is_superuser), superuser(typed.is_superuser));
        fields.push(("is_superuser", "Superuser", theirs, yours));
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
        ("Superuser", before.is_superuser != after.is_superuser),
        ("Valid from", before.valid_from != after.valid_from),
        ("Valid until", before.valid_until != after.valid_until),
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
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<TokenForm>,
) -> Result<Answer<UserPage>> {
    console.check(&form.token)?;
    let done = users::deactivate(&console.can, UserId(id), &Precondition::Any).await?;
    let text = match done.sessions_ended {
        0 => "Deactivated.".to_owned(),
        1 => "Deactivated. Signed out of 1 device.".to_owned(),
        count => format!("Deactivated. Signed out of {count} devices."),
    };
    console.flash(text, undo::path(&done));
    Ok(Answer::Redirect(format!("/users/{id}")))
}

/// Reactivates at once.
#[post("/users/<id>/reactivate", data = "<form>")]
pub(in crate::web) async fn reactivate(
    id: i64,
    console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<TokenForm>,
) -> Result<Answer<UserPage>> {
    console.check(&form.token)?;
    let draft = UserInput::read(InputMode::Part, |name| match name {
        "is_active" => Raw::Bool(true),
        _ => Raw::Missing,
    });
    let done = users::update(&console.can, UserId(id), draft, &Precondition::Any).await?;
    console.flash("Reactivated.", undo::path(&done));
    Ok(Answer::Redirect(format!("/users/{id}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;

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
