//! One user: edit, deactivate, reactivate.

use rocket::http::Status;
use rocket::{get, post};

use super::erase;
use super::form::UserForm;
use super::form::merge::{self, Base};
use super::history;
use super::link;
use super::lookup::{address_question, find, status_of};
use super::recent;
use super::undo;
use crate::http::guards::MayRevealOnce;
use crate::model::audit::Action;
use crate::model::error::{Error, Result};
use crate::model::field_errors::FieldErrors;
use crate::model::permission::ManageUsers;
use crate::model::precondition::Precondition;
use crate::model::rules::{Denial, Refusal};
use crate::model::update::Update;
use crate::model::user::{User, UserChanges, UserId, UserInput};
use crate::operations::{audit, sign_in_diagnosis, users};
use crate::web::form::{FormState, field_errors};
use crate::web::form_body::FormBody;
use crate::web::layout::{ConsoleSession, Said, TokenForm};
use crate::web::reauthentication::{self, ConfirmedForm, Question};
use crate::web::view::{Answer, ConfirmationPage, EntryRow, FieldConflict, Time, UserPage, initials, role};

/// The page, with this form on it.
async fn page_of(
    console: &ConsoleSession<'_, ManageUsers>,
    user: &User,
    mut form: FormState,
    zone: &str,
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
        initials: initials(user),
        version: user.version,
        was: Base::text(user, zone),
        zone: zone.to_owned(),
        status: status_of(console, user).await?,
        is_active: user.is_active,
        is_self,
        erasure: erase::note(console, user.id).await?,
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
        may_unlock: false,
        has_factor: user.has_factor,
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
    recent::remember(&console, user.id);
    let zone = console.zone();
    let form = UserForm::of(&user, zone.name()).shown(&FieldErrors::default());
    let mut page = page_of(&console, &user, form, zone.name()).await?;
    if !user.is_active {
        let deactivated = audit::last(&console.can, user.id, Action::UserDeactivated).await?;
        page.deactivated = deactivated.map(|(who, at)| (who, at.into()));
    }
    let standing =
        sign_in_diagnosis::standing(&console.can, &user, &|at| Time::from(at).text_in(&zone)).await?;
    let conditions = standing.conditions;
    page.sign_in = sign_in_diagnosis::summary(&conditions);
    if page.locked_reason.is_empty() {
        page.link = link::note(&console, &user, is_seen).await?;
        page.mail = link::mail_note(&console, &user).await?;
    }
    page.has_no_password = conditions.iter().any(|found| found.condition == "password_set" && !found.passed);
    page.may_unlock = console.can.user().is_superuser && standing.is_blocked;
    page.is_kept_out = user.is_active && page.link.is_none() && !sign_in_diagnosis::can_sign_in(&conditions);
    Ok(Answer::page(page))
}

/// How often a form is merged with what others save at the same time, before the person is asked to look.
const MERGES: usize = 3;

/// Saves what was typed. What others have changed meanwhile stays, unless it is in the same fields.
#[post("/users/<id>", data = "<form>")]
pub(in crate::web) async fn save(
    id: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<UserForm>,
) -> Result<Answer<UserPage>> {
    let mut before = find(&console, id).await?;
    let (mut form, mut theirs) = (form.0, Vec::new());
    let unanswered = merge::unanswered(&form, &before);
    if !unanswered.is_empty() {
        return asked(&console, &before, &form, unanswered, Status::UnprocessableEntity).await;
    }
    if let Some(errors) = address_question(&console, Some(before.id), &before.email, &mut form).await? {
        return again(&console, id, &form, Error::Invalid(errors)).await;
    }
    for _ in 0..MERGES {
        match submit(&mut console, &before, &form).await {
            Ok(done) => {
                let mut told = changed(&before, &done.user);
                if let Some(kept) = listed(&theirs) {
                    told += &[" Kept what others changed meanwhile: ", &kept, "."].concat();
                }
                let said = if done.entry.is_some() { told.into() } else { Said::neutral(told) };
                console.flash(said, undo::offer(&done));
                return Ok(Answer::Redirect(format!("/users/{id}")));
            }
            Err(Error::PreconditionFailed) => {
                before = find(&console, id).await?;
                let merged = merge::merge(&form.settled(&before), &before);
                form = merged.form;
                if !merged.conflicts.is_empty() {
                    return asked(&console, &before, &form, merged.conflicts, Status::PreconditionFailed)
                        .await;
                }
                theirs.extend(merged.theirs);
            }
            Err(error) => return again(&console, id, &form, error).await,
        }
    }
    Err(Error::PreconditionFailed)
}

/// The page that asks about fields that others have changed, too.
async fn asked(
    console: &ConsoleSession<'_, ManageUsers>,
    now: &User,
    form: &UserForm,
    mut conflicts: Vec<FieldConflict>,
    status: Status,
) -> Result<Answer<UserPage>> {
    let mut shown = form.shown(&FieldErrors::default());
    if status == Status::UnprocessableEntity {
        let problem =
            |conflict: &FieldConflict| (conflict.name, format!("Choose which {} to keep.", conflict.label));
        shown.problems = conflicts.iter().map(problem).collect();
    }
    let page = page_of(console, now, shown, form.zone()).await?;
    for conflict in &mut conflicts {
        let is_about = |row: &&EntryRow| row.changes.iter().any(|change| change.label == conflict.label);
        conflict.changed = page.recent.changes.iter().find(is_about).map(|row| (row.actor.clone(), row.when));
    }
    Ok(Answer::Page(status, Box::new(UserPage { conflicts, ..page })))
}

/// The page with a form that was not saved. The version is the one that was edited: what others have saved since is
/// still noticed.
async fn again(
    console: &ConsoleSession<'_, ManageUsers>,
    id: i64,
    form: &UserForm,
    error: Error,
) -> Result<Answer<UserPage>> {
    let now = find(console, id).await?;
    let shown = if let Error::Forbidden(Denial::CrossSite) = error {
        form.settled(&now).shown(&FieldErrors::default()).stale()
    } else {
        let errors = field_errors(error)?;
        let is_self = console.can.user().id == now.id;
        let hint = if is_self { FOR_ONESELF } else { reauthentication::FOR_ADMINISTRATORS };
        let password = reauthentication::field_if_missing(console, hint, &errors);
        form.settled(&now).shown(&errors).and(password)
    };
    let page = page_of(console, &now, shown, form.zone()).await?;
    let (version, was) = (form.version, form.was.clone());
    Ok(Answer::Page(Status::UnprocessableEntity, Box::new(UserPage { version, was, ..page })))
}

/// What the password is needed for in the form about the viewer's own account.
const FOR_ONESELF: &str = "Needed to change your own username or email address.";

/// Saves, with the password where that is demanded.
async fn submit(
    console: &mut ConsoleSession<'_, ManageUsers>,
    before: &User,
    form: &UserForm,
) -> Result<Update> {
    console.check(&form.token)?;
    let (input, expected) = (&form.edit(before), &Precondition::OneOf(vec![form.version]));
    let update = |can| async move { users::update(&can, before.id, input, expected).await };
    reauthentication::with(console, &form.current_password, update).await
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
    listed(&fields).map_or_else(|| "Nothing changed.".into(), |fields| format!("Saved. Changed {fields}."))
}

/// `Email, Last name and Staff`; `None` of nothing.
fn listed(labels: &[&str]) -> Option<String> {
    match labels.split_last()? {
        (only, []) => Some((*only).to_owned()),
        (last, others) => Some(format!("{} and {last}", others.join(", "))),
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
    let name = done.user.display_name();
    let text = match done.sessions_ended {
        0 => format!("{name} was deactivated."),
        1 => format!("{name} was deactivated and signed out of 1 device."),
        count => format!("{name} was deactivated and signed out of {count} devices."),
    };
    console.flash(text, undo::offer(&done));
    Ok(Answer::Redirect(format!("/users/{id}")))
}

/// Reactivates at once; an administrator only with the password.
#[post("/users/<id>/reactivate", data = "<form>")]
pub(in crate::web) async fn reactivate(
    id: i64,
    mut console: ConsoleSession<'_, ManageUsers>,
    form: FormBody<ConfirmedForm>,
) -> Result<Answer<ConfirmationPage>> {
    console.check(&form.token)?;
    let input = &UserInput::from(UserChanges { is_active: Some(true), ..UserChanges::default() });
    let update = |can| async move { users::update(&can, UserId(id), input, &Precondition::Any).await };
    match reauthentication::with(&mut console, &form.current_password, update).await {
        Ok(done) => {
            console.flash(format!("{} was reactivated.", done.user.display_name()), undo::offer(&done));
            Ok(Answer::Redirect(format!("/users/{id}")))
        }
        Err(error) => {
            let question = Question {
                title: "Reactivate an administrator?",
                text: "They can sign in again with the password that they had, and manage users.",
                button: "Reactivate",
                action: format!("/users/{id}/reactivate"),
                back: format!("/users/{id}"),
            };
            question.after(error, &console, "users")
        }
    }
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
