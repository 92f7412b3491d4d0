//! What users do with their own account: names, e-mail address, password, preferences.

use crate::db;
use crate::db::audit::SignInEntry;
use crate::db::users::Credentials;
use crate::model::address;
use crate::model::audit::{Action, Entry};
use crate::model::error::{Error, Result};
use crate::model::field_errors::{FieldErrors, Message};
use crate::model::password::{Password, PasswordHash};
use crate::model::password_policy::OwnNames;
use crate::model::permission::{MayChangePassword, SignedIn};
use crate::model::precondition::Precondition;
use crate::model::preferences::Preferences;
use crate::model::presence::Presence;
use crate::model::rules;
use crate::model::session::{Credential, NewSession, Secret, SessionId};
use crate::model::user::{User, UserInput, check_new_email};
use crate::operations::notices::{self, Owner};
use crate::operations::password_attempt::Attempt;
use crate::operations::reauthentication::{self, Proof};
use crate::operations::second_factor::{Presented, Refused};
use crate::operations::{App, Can, addresses, audit, request_limits, sessions, users};

/// Sign-ins that are shown.
const SIGN_INS: i64 = 50;

/// Changes the caller's names and e-mail address. Links are sent to the address, so its change asks for the
/// password, and with a mail server it counts only [when it is confirmed](addresses).
///
/// # Errors
/// [`Error::Invalid`] with the messages of all fields, [`Error::PreconditionFailed`],
/// [`Error::Forbidden`] for another address by an API token, or without a confirmed password;
/// [`Error::Throttled`] for too many addresses or changes.
pub async fn update(can: &Can<SignedIn>, input: &UserInput, expected: &Precondition) -> Result<User> {
    let app = can.app();
    let changes = &input.changes;
    let mut errors = input.errors.clone();
    if let Some(email) = &changes.email
        && *email != can.user().email
        && let Err(message) = check_new_email(email)
    {
        errors.add("email", message);
    }
    errors.into_result()?;
    db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let before = db::users::lock(&mut tx, can.user().id).await?.ok_or(Error::NotFound)?.user;
        sessions::require_open(&mut tx, can).await?;
        let mut after = before.clone();
        for (field, change) in [
            (&mut after.first_name, &changes.first_name),
            (&mut after.last_name, &changes.last_name),
            (&mut after.email, &changes.email),
        ] {
            if let Some(change) = change {
                field.clone_from(change);
            }
        }
        expected.check(&before)?;
        if after == before {
            tx.leave().await?;
            return Ok(before);
        }
        if !address::are_same(&after.email, &before.email) {
            can.require(Presence::Always, now)?;
        }
        request_limits::count_own_change(&mut tx, before.id, now).await?;
        after.count_edit(now);
        let mail_to = addresses::of(app, &mut tx, &before).await?;
        db::users::edit_with_next(&mut tx, &before, &after);
        let to_confirm = addresses::changed(can, &mut tx, (&before, &after), &mail_to, now).await?;
        if rules::ends_links(&before, &after, false) {
            db::links::delete_of_user_with_next(&mut tx, after.id);
        }
        let entry = Entry::new(Action::UserChanged, can.author()).on(&before).changing(&before, &after);
        audit::record(&mut tx, &entry, now).await?;
        tx.commit().await?;
        let owner = Owner { user: &before, mail_to: &mail_to };
        notices::after_change(app, owner, &after, false, &can.author(), now);
        addresses::send(app, &after, to_confirm);
        Ok(after)
    })
    .await
}

/// Changes the caller's password; of an account with a second factor with a code, too: the session that stays is as good
/// as one that was just confirmed. All sessions and tokens end, this one included; if the caller is a
/// browser that is to stay signed in, it gets a new session, whose key and secret are returned.
///
/// # Errors
/// [`Error::Invalid`] under the fields of the proof and `new_password`; [`Error::Forbidden`] by an API token;
/// [`Error::Throttled`] after too many changes.
pub async fn change_password(
    can: &Can<MayChangePassword>,
    proof: &Proof<'_>,
    new: &Password,
    stays: bool,
) -> Result<Option<(SessionId, Secret)>> {
    let app = can.app();
    can.require_sign_in()?;
    let attempt = Attempt::by(can);
    let mut errors = FieldErrors::default();
    for message in refusals(app, can.user(), &proof.password.1, new) {
        errors.add("new_password", message);
    }
    if let Some((field, message)) = proof.missing(can) {
        errors.add(field, message);
    }
    let Some(verified) = proof.verify(&attempt, can).await? else {
        let (field, message) = proof.wrong(can);
        errors.add(field, message);
        return Err(Error::Invalid(errors));
    };
    let hash = match errors.into_result() {
        Ok(()) => attempt.hasher.hash(new).await.map_err(Error::from),
        Err(errors) => Err(Error::Invalid(errors)),
    };
    let hash = attempt.unless_given_up(hash).await?;
    let code = attempt.read_code(&verified.user, proof.code()).await?;
    let write = || write_password(&attempt, can, &verified, code.as_ref(), &hash, stays);
    let written = attempt.succeed(Action::PasswordConfirmationFailed, &verified, write).await?;
    proof.outcome(&attempt, can, &verified, written).await
}

/// Why the user cannot have this password.
fn refusals(app: &App, user: &User, current: &Password, new: &Password) -> Vec<Message> {
    let own = OwnNames {
        username: user.username.as_str(),
        first_name: &user.first_name,
        last_name: &user.last_name,
        email: &user.email,
    };
    let mut messages = app.settings.policy().check(new, &own);
    if new == current {
        messages.push(Message::Other("Choose a password other than the current one.".into()));
    }
    messages
}

async fn write_password(
    attempt: &Attempt<'_>,
    can: &Can<MayChangePassword>,
    verified: &Credentials,
    code: Option<&Presented>,
    hash: &PasswordHash,
    stays: bool,
) -> Result<Option<std::result::Result<Option<(SessionId, Secret)>, Refused>>> {
    let app = attempt.app;
    let now = app.clock.now();
    let Some((mut tx, before, counted)) = attempt.begin_unchanged(verified, now).await? else {
        return Ok(None);
    };
    sessions::require_open(&mut tx, can).await?;
    request_limits::count_own_password(&mut tx, before.id, now).await?;
    let shown = match reauthentication::show_code(&mut tx, can, &before, code, now).await? {
        Ok(shown) => shown,
        Err(why) => {
            tx.commit().await?;
            return Ok(Some(Err(why)));
        }
    };
    attempt.forget_failures(&mut tx, counted, now);
    let mut after = User { must_change_password: false, ..before.clone() };
    after.count_edit(now);
    db::users::edit(&mut tx, &before, &after).await?;
    users::set_password(&mut tx, &before, hash, now).await?;
    let ended = sessions::end_all(&mut tx, before.id).await?;
    let mut entry = Entry::new(Action::PasswordChanged, can.author())
        .on(&before)
        .changing(&before, &after)
        .with_new_password()
        .detail("sessions_ended", ended);
    if let Some(shown) = shown {
        entry = entry.detail("second_factor", shown.describe());
    }
    let mut opened = None;
    if stays {
        let fresh = Secret::random();
        let expires_at = now.plus(app.settings.session_lifetime(Credential::Cookie));
        let new = NewSession {
            credential: Credential::Cookie,
            expires_at,
            confirmed_at: now,
            name: String::new(),
            read_only: false,
            second_factor: can.session().second_factor,
        };
        let id = db::sessions::insert(&mut tx, before.id, &new, &fresh.hash(), can.origin(), now).await?;
        entry = entry.detail("session", id.0);
        opened = Some((id, fresh));
    }
    audit::record(&mut tx, &entry, now).await?;
    let mail_to = addresses::of(app, &mut tx, &before).await?;
    tx.commit().await?;
    let owner = Owner { user: &before, mail_to: &mail_to };
    notices::after_change(app, owner, &after, true, &can.author(), now);
    Ok(Some(Ok(opened)))
}

/// Changes the caller's preferences for the console; whether anything is different.
///
/// # Errors
/// [`Error::Throttled`] after too many changes.
pub async fn set_preferences(can: &Can<SignedIn>, preferences: &Preferences) -> Result<bool> {
    let app = can.app();
    let id = can.user().id;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        db::users::lock(&mut tx, id).await?.ok_or(Error::NotFound)?;
        sessions::require_open(&mut tx, can).await?;
        let before = Preferences::from_json(&db::users::preferences(&mut tx, id).await?);
        let differences = preferences.differences(&before);
        if differences.is_empty() {
            tx.leave().await?;
            return Ok(false);
        }
        request_limits::count_own_change(&mut tx, id, app.clock.now()).await?;
        db::users::set_preferences(&mut tx, id, &preferences.to_json()).await?;
        let mut entry = Entry::new(Action::PreferencesChanged, can.author()).on(can.user());
        entry.changes = differences;
        audit::record(&mut tx, &entry, app.clock.now()).await?;
        tx.commit().await?;
        Ok(true)
    })
    .await
}

/// The caller's last sign-ins, successful and failed, the latest first.
pub async fn sign_ins(can: &Can<SignedIn>, limit: Option<i64>) -> Result<Vec<SignInEntry>> {
    Ok(db::audit::sign_ins(&can.app().db, can.user().id, limit.unwrap_or(SIGN_INS)).await?)
}
