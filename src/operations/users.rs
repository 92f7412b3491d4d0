//! The operations on users, for both channels.
//!
//! An operation takes the proof of a permission, runs the rules on the record before and after the
//! change, and writes in one transaction. It knows neither the web server nor SQL. To add one: a
//! function here that takes a `&Can<P>`.

use std::time::Duration;

use rocket::tokio::time::timeout;

use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, BatchId, Entry, EntryId};
use crate::model::clock::Timestamp;
use crate::model::cursor::Cursor;
use crate::model::error::{Error, Result};
use crate::model::field_errors::Message;
use crate::model::filter::{Filter, ListRequest};
use crate::model::origin::Origin;
use crate::model::password::PasswordHash;
use crate::model::permission::{Can, ManageUsers, SignedIn};
use crate::model::precondition::Precondition;
use crate::model::throttle::Key;
use crate::model::update::Update;
use crate::model::user::{User, UserId, UserInput};
use crate::model::{rules, text};
use crate::operations::lists::{self, List, Page};
use crate::operations::{App, audit, sessions};

/// Most users with the same e-mail address that are shown as exact matches.
const EXACT_MATCHES: i64 = 10;

/// Longest time for counting all that match, on request.
const COUNTING_LIMIT: Duration = Duration::from_secs(2);

/// One user, by primary key.
///
/// # Errors
/// [`Error::Forbidden`] for the record of another user without the right to see it, whether or not
/// it exists; [`Error::NotFound`].
pub async fn get(app: &App, can: &Can<SignedIn>, id: UserId) -> Result<User> {
    rules::may_view(can.user(), |actor| actor.id == id)?;
    let user = match can.subject(id) {
        Some(user) => user.cloned(),
        None => db::users::by_id(&app.db, id).await?,
    };
    user.ok_or(Error::NotFound)
}

/// One user, by name in any letter case.
///
/// # Errors
/// As [`get`].
pub async fn get_by_name(app: &App, can: &Can<SignedIn>, name: &str) -> Result<User> {
    let key = text::canonical(name);
    rules::may_view(can.user(), |actor| actor.username.key() == key)?;
    db::users::by_username_key(&app.db, &key).await?.ok_or(Error::NotFound)
}

/// The beginning of a list: the page that was asked for, or the first batch of all.
///
/// # Errors
/// [`Error::Malformed`] for a cursor of another list.
pub async fn list(app: &App, _can: &Can<ManageUsers>, request: &ListRequest) -> Result<List<User>> {
    lists::begin(app, request).await
}

/// The users of a whole list that follow after `place`, and where they end.
///
/// # Errors
/// As the database says.
pub async fn next_batch(app: &App, filter: &Filter, place: &Cursor) -> Result<(Vec<User>, Option<Cursor>)> {
    lists::next_batch(app, filter, place).await
}

/// At most `limit` users after a place, or from the beginning.
///
/// # Errors
/// As the database says.
pub async fn page_after(
    app: &App,
    _can: &Can<ManageUsers>,
    filter: &Filter,
    place: Option<&Cursor>,
    limit: i64,
) -> Result<Page<User>> {
    lists::page_after(app, filter, place, limit).await
}

/// The first page of users, and how many a filter matches, counted no further than `most`.
///
/// # Errors
/// As the database says.
pub async fn first_page_and_count(
    app: &App,
    _can: &Can<ManageUsers>,
    filter: &Filter,
    limit: i64,
    most: i64,
) -> Result<(Page<User>, i64)> {
    lists::first_page_and_count(app, filter, limit, most).await
}

/// At most `limit` users before a place, or up to the end.
///
/// # Errors
/// As the database says.
pub async fn page_before(
    app: &App,
    _can: &Can<ManageUsers>,
    filter: &Filter,
    place: Option<&Cursor>,
    limit: i64,
) -> Result<Page<User>> {
    lists::page_before(app, filter, place, limit).await
}

/// The users that a text names exactly: by user name or e-mail address in any letter case, or by primary
/// key. In no order.
///
/// # Errors
/// As the database says.
pub async fn exact_matches(app: &App, _can: &Can<ManageUsers>, text: &str) -> Result<Vec<User>> {
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
///
/// # Errors
/// As the database says.
pub async fn count_exactly(app: &App, _can: &Can<ManageUsers>, filter: &Filter) -> Result<Option<i64>> {
    match timeout(COUNTING_LIMIT, db::select::count(&app.db, filter)).await {
        Ok(count) => Ok(Some(count?)),
        Err(_) => Ok(None),
    }
}

/// How many users a filter matches, counted no further than `most`.
///
/// # Errors
/// As the database says.
pub async fn count_up_to(app: &App, _can: &Can<ManageUsers>, filter: &Filter, most: i64) -> Result<i64> {
    Ok(db::select::count_up_to(&app.db, filter, most).await?)
}

/// Another user with the e-mail address of this user. Addresses need not be unique, but one that is
/// there twice is often a mistake.
///
/// # Errors
/// As the database says.
pub async fn namesake(app: &App, _can: &Can<ManageUsers>, user: &User) -> Result<Option<User>> {
    let found = db::users::by_email(&app.db, &user.email, 2).await?;
    Ok(found.into_iter().find(|other| other.id != user.id))
}

/// Makes a user.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`] with the messages of all fields.
pub async fn create(app: &App, can: &Can<ManageUsers>, draft: UserInput) -> Result<User> {
    let blank = User::blank(app.clock.now());
    app.settings.rules().may_create(can.user(), &draft.changes.apply(&blank))?;
    let (user, password) = prepare(app, &blank, draft).await?;
    let password = password.ok_or_else(|| Error::invalid("password", Message::Required))?;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        sessions::require_open(&mut tx, can).await?;
        insert(app, tx, can.author(), user.clone(), &password).await
    })
    .await
}

async fn insert(
    app: &App,
    mut tx: Tx,
    author: Author,
    mut user: User,
    password: &PasswordHash,
) -> Result<User> {
    let now = app.clock.now();
    user.password_changed_at = Some(now);
    user.id = db::users::insert(&mut tx, &user, password).await?;
    let entry = Entry::new(Action::UserCreated, author).on(&user).changing(&User::blank(now), &user);
    audit::record(&mut tx, &entry, now).await?;
    tx.commit().await?;
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
}

/// Changes a user.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], [`Error::PreconditionFailed`], [`Error::Invalid`] with
/// the messages of all fields, [`Error::Conflict`].
pub async fn update(
    app: &App,
    can: &Can<ManageUsers>,
    id: UserId,
    draft: UserInput,
    expected: &Precondition,
) -> Result<Update> {
    // Checked before anything is hashed, and again on the row that is changed.
    let before = db::users::by_id(&app.db, id).await?.ok_or(Error::NotFound)?;
    let again = draft.clone();
    let after = draft.changes.apply(&before);
    app.settings.rules().may_change(can.user(), &before, &after)?;
    expected.check(&before)?;
    check_own(can, &before, &after, draft.changes.password.is_some(), app.clock.now())?;
    let (_, password) = prepare(app, &before, draft).await?;
    let apply = |before: &User| again.clone().fitting(app.settings.policy(), before);
    let change = Change { id, expected, password, apply, batch_id: None, undoes: None };
    db::retrying(|| write(app, can, &change)).await
}

/// Marks a user as inactive. Nothing is deleted but their sessions.
///
/// # Errors
/// As [`update`].
pub async fn deactivate(
    app: &App,
    can: &Can<ManageUsers>,
    id: UserId,
    expected: &Precondition,
) -> Result<Update> {
    let apply = |before: &User| Ok(User { is_active: false, ..before.clone() });
    let change = Change { id, expected, password: None, apply, batch_id: None, undoes: None };
    db::retrying(|| write(app, can, &change)).await
}

/// Reads the row, applies the change, asks the rules, and writes it with its entry and its verdict in
/// the run that it is a part of: all in one transaction.
///
/// # Errors
/// As [`update`], and what the change says itself.
pub(crate) async fn write(
    app: &App,
    can: &Can<ManageUsers>,
    change: &Change<'_, impl Fn(&User) -> Result<User> + Sync>,
) -> Result<Update> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let before = db::users::lock(&mut tx, change.id).await?.ok_or(Error::NotFound)?.user;
    sessions::require_open(&mut tx, can).await?;
    app.settings.rules().may_touch(can.user(), &before)?;
    let mut after = (change.apply)(&before)?;
    app.settings.rules().may_change(can.user(), &before, &after)?;
    if after.is_superuser && !before.is_superuser {
        can.require_confirmed(now)?;
    }
    change.expected.check(&before)?;
    let new_password = change.password.is_some();
    check_own(can, &before, &after, new_password, now)?;
    if new_password && can.user().id == before.id && before.must_change_password {
        after.must_change_password = false;
    }
    if after == before && !new_password {
        return Ok(Update { user: before, entry: None, sessions_ended: 0 });
    }
    after.version += 1;
    db::users::update(&mut tx, &after).await?;
    if let Some(password) = &change.password {
        set_password(&mut tx, &before, password, now).await?;
        after.password_changed_at = Some(now);
    }
    let ends_sessions = rules::ends_sessions(&before, &after, new_password);
    let sessions_ended = if ends_sessions { sessions::end_all(&mut tx, change.id).await? } else { 0 };
    if rules::ends_links(&before, &after, new_password) {
        db::links::delete_of_user(&mut tx, change.id).await?;
    }
    let mut entry =
        Entry::new(action(&before, &after, new_password), can.author()).on(&before).changing(&before, &after);
    if new_password {
        entry = entry.with_new_password();
    }
    if ends_sessions {
        entry = entry.detail("sessions_ended", sessions_ended);
    }
    entry.batch_id = change.batch_id;
    entry.undoes = change.undoes;
    let entry = audit::record(&mut tx, &entry, now).await?;
    if let Some(batch) = change.batch_id {
        db::batches::set_done(&mut tx, batch, change.id, entry).await?;
    }
    tx.commit().await?;
    Ok(Update { user: after, entry: Some(entry), sessions_ended })
}

/// Whether the actor may change what they themselves sign in with, or get links at.
fn check_own(
    can: &Can<ManageUsers>,
    before: &User,
    after: &User,
    new_password: bool,
    now: Timestamp,
) -> Result<()> {
    let is_own = can.user().id == before.id && (new_password || after.email != before.email);
    if is_own { can.require_presence(now) } else { Ok(()) }
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

/// Everything about a draft that can be wrong, at once; then the user after it, and the hash of a new
/// password.
pub(crate) async fn prepare(
    app: &App,
    before: &User,
    mut draft: UserInput,
) -> Result<(User, Option<PasswordHash>)> {
    draft.check(&app.settings.policy(), before);
    if let Some(username) = &draft.changes.username {
        let other = db::users::by_username_key(&app.db, username.key()).await?;
        if other.is_some_and(|other| other.id != before.id) {
            let taken = Message::UsernameTaken(username.as_str().to_owned());
            draft.errors.add("username", taken);
        }
    }
    draft.errors.into_result()?;
    let password = match &draft.changes.password {
        Some(password) => Some(app.hasher.hash(password).await?),
        None => None,
    };
    Ok((draft.changes.apply(before), password))
}

/// Makes an active superuser. For the operator on the command line, who needs no permission.
///
/// # Errors
/// [`Error::Invalid`] with the messages of all fields.
pub async fn create_superuser(app: &App, draft: UserInput) -> Result<User> {
    let blank = User { is_staff: true, is_superuser: true, ..User::blank(app.clock.now()) };
    let (user, password) = prepare(app, &blank, draft).await?;
    let password = password.ok_or_else(|| Error::invalid("password", Message::Required))?;
    let author = Author::anonymous(&Origin::command_line());
    db::retrying(|| async {
        insert(app, app.db.begin().await?, author.clone(), user.clone(), &password).await
    })
    .await
}

/// Sets a user's password and ends their sessions. For the operator on the command line.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`] with the messages for the password.
pub async fn change_password(app: &App, username: &str, draft: UserInput) -> Result<User> {
    let key = text::canonical(username);
    let before = db::users::by_username_key(&app.db, &key).await?.ok_or(Error::NotFound)?;
    let (user, password) = prepare(app, &before, draft).await?;
    let password = password.ok_or_else(|| Error::invalid("password", Message::Required))?;
    let entry = Entry::new(Action::PasswordReset, Author::anonymous(&Origin::command_line()))
        .on(&before)
        .with_new_password();
    db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        set_password(&mut tx, &before, &password, now).await?;
        let ended = sessions::end_all(&mut tx, before.id).await?;
        audit::record(&mut tx, &entry.clone().detail("sessions_ended", ended), now).await?;
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(user)
}

#[cfg(test)]
mod tests;
