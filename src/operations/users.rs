//! The operations on users, for all channels.
//!
//! An operation takes the proof of a permission, runs the rules on the record before and after the
//! change, and writes in one transaction. It knows neither the web server nor SQL. To add one: a
//! function here that takes a `&Can<P>`.

use std::time::Duration;

use rocket::tokio::time::timeout;

use crate::db::{self, Tx};
use crate::model::audit::{Action, BatchId, Entry, EntryId};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::field_errors::Message;
use crate::model::filter::Filter;
use crate::model::password::PasswordHash;
use crate::model::permission::{ManageUsers, SignedIn};
use crate::model::precondition::Precondition;
use crate::model::rules::Conflict;
use crate::model::throttle::Key;
use crate::model::update::Update;
use crate::model::user::{User, UserId, UserInput};
use crate::model::{presence, rules, text};
use crate::operations::factors::{Removal, Which};
use crate::operations::notices::{self, Event, Owner};
use crate::operations::provisioning::external_ids::{self, ExternalId};
use crate::operations::{App, Can, addresses, audit, erasures, sessions};
use crate::security::passwords::Hasher;

/// Most users with the same e-mail address that are shown as exact matches.
const EXACT_MATCHES: i64 = 10;

/// Longest time for counting all that match, on request.
const COUNTING_LIMIT: Duration = Duration::from_secs(2);

/// One user, by primary key.
///
/// # Errors
/// [`Error::Forbidden`] for the record of another user without the right to see it, whether or not
/// it exists; [`Error::NotFound`]; [`Error::Conflict`] for a user who was erased.
pub async fn get(can: &Can<SignedIn>, id: UserId) -> Result<User> {
    rules::may_view(can.user(), |actor| actor.id == id)?;
    match can.subject(id) {
        Some(Err(Error::NotFound)) => Err(erasures::missing(can.app(), id).await?),
        Some(user) => user.cloned(),
        None => of_key(can.app(), id).await,
    }
}

/// One user, by primary key; for those who were erased, what is left of them.
///
/// # Errors
/// As [`get`].
pub async fn record(can: &Can<SignedIn>, id: UserId) -> Result<User> {
    match get(can, id).await {
        Err(Error::Conflict(Conflict::Erased)) => {
            let erased = db::erasures::get(&can.app().db, id).await?;
            erased.map(|erased| erased.record()).ok_or(Error::NotFound)
        }
        result => result,
    }
}

/// The user with that primary key.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] for one who was erased.
pub(super) async fn of_key(app: &App, id: UserId) -> Result<User> {
    match db::users::by_id(&app.db, id).await? {
        Some(user) => Ok(user),
        None => Err(erasures::missing(app, id).await?),
    }
}

/// One user, by name in any letter case.
///
/// # Errors
/// As [`get`].
pub async fn get_by_name(can: &Can<SignedIn>, name: &str) -> Result<User> {
    let key = text::canonical(name);
    rules::may_view(can.user(), |actor| actor.username.key() == key)?;
    db::users::by_username_key(&can.app().db, &key).await?.ok_or(Error::NotFound)
}

/// Those of these users that there are, in no order.
pub async fn by_ids(can: &Can<ManageUsers>, ids: &[UserId]) -> Result<Vec<User>> {
    Ok(db::users::by_ids(&can.app().db, ids).await?)
}

/// The users that a text names exactly: by user name or e-mail address in any letter case, or by primary
/// key. In no order.
pub async fn exact_matches(can: &Can<ManageUsers>, text: &str) -> Result<Vec<User>> {
    let app = can.app();
    let mut users: Vec<User> =
        db::users::by_username_key(&app.db, &text::canonical(text)).await?.into_iter().collect();
    let mut more = Vec::new();
    if let Ok(id) = text.parse() {
        more.extend(db::users::by_id(&app.db, UserId(id)).await?);
    }
    if text.contains('@') && !text.contains('\0') {
        more.extend(db::users::by_email(&app.db, text, EXACT_MATCHES).await?);
    }
    for user in more {
        if users.iter().all(|other| other.id != user.id) {
            users.push(user);
        }
    }
    Ok(users)
}

/// How many users a filter matches; `None` if counting them takes longer than two seconds.
pub async fn count_exactly(can: &Can<ManageUsers>, filter: &Filter) -> Result<Option<i64>> {
    match timeout(COUNTING_LIMIT, db::select::count(&can.app().db, filter)).await {
        Ok(count) => Ok(Some(count?)),
        Err(_) => Ok(None),
    }
}

/// How many users a filter matches, counted no further than `most`.
pub async fn count_up_to(can: &Can<ManageUsers>, filter: &Filter, most: i64) -> Result<i64> {
    Ok(db::select::count_up_to(&can.app().db, filter, most).await?)
}

/// A user with an e-mail address, but for the one of that primary key. Addresses need not be unique, but one that is
/// there twice is often a mistake.
pub async fn namesake(can: &Can<ManageUsers>, email: &str, but: Option<UserId>) -> Result<Option<User>> {
    let found = db::users::by_email(&can.app().db, email, 2).await?;
    Ok(found.into_iter().find(|other| Some(other.id) != but))
}

/// Makes a user.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`] with the messages of all fields.
pub async fn create(can: &Can<ManageUsers>, input: &UserInput) -> Result<User> {
    let app = can.app();
    let (new, password) = prepare_new(can, input).await?;
    let password = password.ok_or_else(|| Error::invalid("password", Message::Required))?;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        sessions::require_open(&mut tx, can).await?;
        let entry = Entry::new(Action::UserCreated, can.author());
        let user = insert(app, &mut tx, entry, &new, &password).await?;
        tx.commit().await?;
        Ok(user)
    })
    .await
}

/// The user whom the caller wants to make, not stored yet, and the hash of the password, if one was given.
///
/// # Errors
/// As [`create`].
pub(super) async fn prepare_new(
    can: &Can<ManageUsers>,
    input: &UserInput,
) -> Result<(User, Option<PasswordHash>)> {
    let app = can.app();
    let blank = User::blank(app.clock.now());
    let asked = input.changes.apply(&blank);
    app.settings.rules().may_create(can.user(), &asked)?;
    can.require(presence::of_new(&asked), app.clock.now())?;
    prepare(app, &can.hasher(), &blank, input).await
}

/// What a superuser is made of, who needs no other user's right to be made.
pub(super) async fn prepare_superuser(
    app: &App,
    hasher: &Hasher,
    input: &UserInput,
) -> Result<(User, PasswordHash)> {
    let blank = User { is_staff: true, is_superuser: true, ..User::blank(app.clock.now()) };
    let (user, password) = prepare(app, hasher, &blank, input).await?;
    Ok((user, password.ok_or_else(|| Error::invalid("password", Message::Required))?))
}

/// Stores a new user in a transaction, with the entry that says who makes them and how; the user with their primary key.
pub(super) async fn insert(
    app: &App,
    tx: &mut Tx,
    entry: Entry,
    new: &User,
    password: &PasswordHash,
) -> Result<User> {
    let now = app.clock.now();
    let mut user = User { password_changed_at: password.is_usable().then_some(now), ..new.clone() };
    user.id = db::users::insert(tx, &user, password).await?;
    erasures::refuse_blocked_in(app, tx, &user.username).await?;
    let entry = entry.on(&user).changing(&User::blank(now), &user);
    audit::record(tx, &entry, now).await?;
    Ok(user)
}

/// A change that is to be written if the rules allow it.
pub(crate) struct Change<'a, F> {
    pub(crate) id: UserId,
    pub(crate) expected: &'a Precondition,
    /// The hash of a new password.
    pub(crate) password: Option<PasswordHash>,
    /// The user after it, unless it does not fit the user as stored.
    pub(crate) apply: F,
    /// The run on many users that it is a part of.
    pub(crate) batch_id: Option<BatchId>,
    /// The entry that it takes back.
    pub(crate) undoes: Option<EntryId>,
    /// What the caller calls the user from now on, if it changes.
    pub(crate) external_id: Option<ExternalId>,
    /// Why second factors, and the address of before that an unconfirmed one waits for, go, if they do.
    pub(crate) renews: Option<&'a str>,
    /// When it was asked for: the password has to be confirmed by then, however long the rest takes.
    pub(crate) asked_at: Timestamp,
}

impl<'a, F: Fn(&User) -> Result<User> + Sync> Change<'a, F> {
    /// A change of the record alone, which is no part of anything else.
    pub(crate) fn new(id: UserId, expected: &'a Precondition, asked_at: Timestamp, apply: F) -> Self {
        Self {
            id,
            expected,
            password: None,
            apply,
            batch_id: None,
            undoes: None,
            external_id: None,
            renews: None,
            asked_at,
        }
    }

    /// The user after it, if the caller may make it of the user as stored.
    fn allowed(&self, can: &Can<ManageUsers>, before: &User) -> Result<User> {
        let rules = can.app().settings.rules();
        rules.may_touch(can.user(), before)?;
        let after = (self.apply)(before)?;
        rules.may_change(can.user(), before, &after)?;
        self.expected.check(before)?;
        Ok(after)
    }

    /// The entry that records it, without what else ends by it.
    fn entry(&self, can: &Can<ManageUsers>, before: &User, after: &User) -> Entry {
        let new_password = self.password.is_some();
        let action = action(before, after, new_password);
        let entry = Entry::new(action, can.author()).on(before).changing(before, after);
        let entry = if new_password { entry.with_new_password() } else { entry };
        Entry { batch_id: self.batch_id, undoes: self.undoes, ..entry }
    }
}

/// Changes a user.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], [`Error::PreconditionFailed`], [`Error::Invalid`] with
/// the messages of all fields, [`Error::Conflict`].
pub async fn update(
    can: &Can<ManageUsers>,
    id: UserId,
    input: &UserInput,
    expected: &Precondition,
) -> Result<Update> {
    let (app, asked_at) = (can.app(), can.app().clock.now());
    let before = of_key(app, id).await?;
    let new_password = input.changes.password.is_some();
    let password = prepare_change(can, &before, input, expected, (new_password, asked_at)).await?;
    let apply = |before: &User| input.fitting(app.settings.policy(), before);
    let change = Change { password, ..Change::new(id, expected, asked_at, apply) };
    db::retrying(|| write(can, &change)).await
}

/// The hash of the password that a change brings, if it brings one. The rules are asked before anything is hashed;
/// [`write`] asks them again, on the row that is changed.
///
/// # Errors
/// As [`update`].
pub(super) async fn prepare_change(
    can: &Can<ManageUsers>,
    before: &User,
    input: &UserInput,
    expected: &Precondition,
    (new_password, asked_at): (bool, Timestamp),
) -> Result<Option<PasswordHash>> {
    let app = can.app();
    let after = input.changes.apply(before);
    app.settings.rules().may_change(can.user(), before, &after)?;
    expected.check(before)?;
    can.require(presence::of_change(can.user().id, before, &after, new_password), asked_at)?;
    let (_, password) = prepare(app, &can.hasher(), before, input).await?;
    Ok(password)
}

/// Marks a user as inactive. Nothing is deleted but their sessions.
///
/// # Errors
/// As [`update`].
pub async fn deactivate(can: &Can<ManageUsers>, id: UserId, expected: &Precondition) -> Result<Update> {
    let apply = |before: &User| Ok(User { is_active: false, ..before.clone() });
    let change = Change::new(id, expected, can.app().clock.now(), apply);
    db::retrying(|| write(can, &change)).await
}

/// Reads the row, applies the change, asks the rules, and writes it with its entry and its verdict in
/// the run that it is a part of: all in one transaction.
///
/// # Errors
/// As [`update`], and what the change says itself.
pub(crate) async fn write(
    can: &Can<ManageUsers>,
    change: &Change<'_, impl Fn(&User) -> Result<User> + Sync>,
) -> Result<Update> {
    let app = can.app();
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let before = sessions::lock_target(&mut tx, can, change.id).await?.user;
    let mut after = change.allowed(can, &before)?;
    if after.is_active && !before.is_active {
        erasures::refuse_pending(&mut tx, change.id).await?;
    }
    let new_password = change.password.is_some();
    can.require(presence::of_change(can.user().id, &before, &after, new_password), change.asked_at)?;
    if new_password && can.user().id == before.id && before.must_change_password {
        after.must_change_password = false;
    }
    after.is_deprovisioned &= !after.is_active;
    let is_renamed = external_ids::change(&mut tx, can, change.id, change.external_id.as_ref()).await?;
    if after == before && !new_password && change.renews.is_none() && !is_renamed {
        tx.leave().await?;
        return Ok(Update { user: before, entry: None, sessions_ended: 0 });
    }
    after.count_edit(now);
    let mail_to = addresses::of(app, &mut tx, &before).await?;
    if after.username.key() == before.username.key() {
        db::users::edit_with_next(&mut tx, &before, &after);
    } else {
        // The name is taken first, so that an erasure at the same time either waits or is seen.
        db::users::edit(&mut tx, &before, &after).await?;
        erasures::refuse_blocked_in(app, &mut tx, &after.username).await?;
    }
    let to_confirm = addresses::changed(can, &mut tx, (&before, &after), &mail_to, now).await?;
    if let Some(password) = &change.password {
        set_password(&mut tx, &before, password, now).await?;
        after.password_changed_at = Some(now);
    }
    let removed = match change.renews {
        Some(reason) => {
            let removal = Removal { author: can.author(), which: Which::All, reason: Some(reason) };
            db::unconfirmed_addresses::delete(&mut tx, change.id).await?;
            removal.within(&mut tx, &before, now).await?
        }
        None => Vec::new(),
    };
    let sessions_ended = end_credentials(&mut tx, &before, &after, new_password).await?;
    let mut entry = change.entry(can, &before, &after);
    if let Some(ended) = sessions_ended {
        entry = entry.detail("sessions_ended", ended);
    }
    if is_renamed {
        entry = entry.detail("external_id", "changed");
    }
    if after.is_deprovisioned && !before.is_deprovisioned {
        let others = db::external_ids::delete_of_user(&mut tx, change.id).await?;
        entry = entry.detail("deprovisioned", true);
        if others > 0 {
            entry = entry.detail("external_ids_of_others_dropped", others);
        }
    }
    let entry = audit::record(&mut tx, &entry, now).await?;
    if let Some(batch) = change.batch_id {
        db::batches::set_done(&mut tx, batch, change.id, entry).await?;
    }
    tx.commit().await?;
    let owner = Owner { user: &before, mail_to: &mail_to };
    notices::after_change(app, owner, &after, new_password, &can.author(), now);
    if !removed.is_empty() {
        notices::tell(app, owner, Event::FactorRemoved, &can.author(), now);
    }
    addresses::send(app, &after, to_confirm);
    Ok(Update { user: after, entry: Some(entry), sessions_ended: sessions_ended.unwrap_or(0) })
}

/// Ends the sessions and links of a user that do not outlast a change; how many sessions, if the change ends any.
async fn end_credentials(
    tx: &mut Tx,
    before: &User,
    after: &User,
    new_password: bool,
) -> Result<Option<u64>> {
    let sessions_ended = if rules::ends_sessions(before, after, new_password) {
        Some(sessions::end_all(tx, before.id).await?)
    } else {
        None
    };
    if rules::ends_links(before, after, new_password) {
        db::links::delete_of_user_with_next(tx, before.id);
    }
    if rules::ends_made_links(before, after) {
        db::links::delete_made_by(tx, before.id).await?;
    }
    Ok(sessions_ended)
}

/// The action under which a change is recorded: that of its most important part.
fn action(before: &User, after: &User, new_password: bool) -> Action {
    match (before.is_active, after.is_active) {
        (true, false) => Action::UserDeactivated,
        (false, true) => Action::UserReactivated,
        _ if new_password => Action::PasswordReset,
        _ => Action::UserChanged,
    }
}

/// A new password also ends the account's failures: its author was authenticated.
pub(crate) async fn set_password(
    tx: &mut Tx,
    user: &User,
    password: &PasswordHash,
    now: Timestamp,
) -> Result<()> {
    db::users::set_password(tx, user.id, password, now).await?;
    db::throttles::delete_of_account(tx, &Key::account(user.username.key())).await?;
    Ok(())
}

/// Everything about what was asked for that can be wrong, at once; then the user after it, and the hash of a new
/// password.
pub(crate) async fn prepare(
    app: &App,
    hasher: &Hasher,
    before: &User,
    input: &UserInput,
) -> Result<(User, Option<PasswordHash>)> {
    let mut errors = input.check(app.settings.policy(), before);
    if let Some(username) = &input.changes.username {
        let other = db::users::by_username_key(&app.db, username.key()).await?;
        if other.is_some_and(|other| other.id != before.id) {
            errors.add("username", Message::UsernameTaken(username.as_str().to_owned()));
        } else if username.key() != before.username.key() && erasures::is_blocked(app, username).await? {
            errors.add("username", Message::UsernameBlocked);
        }
    }
    errors.into_result()?;
    let password = match &input.changes.password {
        Some(password) => Some(hasher.hash(password).await?),
        None => None,
    };
    Ok((input.changes.apply(before), password))
}

#[cfg(test)]
mod tests;
