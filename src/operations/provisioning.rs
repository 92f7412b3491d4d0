//! Users as a provisioning client (SCIM) keeps them: created, changed and deleted by the operations of all channels,
//! with what the client calls them. The client is the user whose token it has.
//!
//! What such a client deletes is deactivated, and hidden from SCIM until it is active again.

pub mod external_ids;

use std::collections::HashMap;

use self::external_ids::ExternalId;
use crate::config::RepeatedCreate;
use crate::db;
use crate::model::audit::{Action, Entry};
use crate::model::cursor::Cursor;
use crate::model::error::{Error, Result};
use crate::model::field_errors::Message;
use crate::model::filter::{Expression, Filter, FlagField, ListRequest, MAX_LIMIT, Operator, Test};
use crate::model::password::PasswordHash;
use crate::model::permission::ManageUsers;
use crate::model::precondition::Precondition;
use crate::model::user::{User, UserId, UserInput};
use crate::operations::users::{self, Change};
use crate::operations::{Can, lists, sessions};

/// A user, and what the caller calls them.
#[derive(Debug, Clone)]
pub struct Provisioned {
    /// The user.
    pub user: User,
    /// The caller's name for the user.
    pub external_id: Option<String>,
}

/// One user.
///
/// # Errors
/// [`Error::NotFound`], also for what a provisioning client deleted.
pub async fn get(can: &Can<ManageUsers>, id: UserId) -> Result<Provisioned> {
    let user = db::users::by_id(&can.app().db, id).await?.ok_or(Error::NotFound)?;
    require_shown(&user)?;
    with_external_id(can, user).await
}

async fn with_external_id(can: &Can<ManageUsers>, user: User) -> Result<Provisioned> {
    let mut external_ids = db::external_ids::of(&can.app().db, can.user().id, &[user.id]).await?;
    Ok(Provisioned { external_id: external_ids.remove(&user.id), user })
}

fn require_shown(user: &User) -> Result<()> {
    if user.is_deprovisioned { Err(Error::NotFound) } else { Ok(()) }
}

/// The users that the caller calls so.
pub async fn users_called(can: &Can<ManageUsers>, names: &[&str]) -> Result<HashMap<String, UserId>> {
    Ok(db::external_ids::users_called(&can.app().db, can.user().id, names).await?)
}

/// Why the second factors of a user are removed whom a client deleted, and then created once more.
const CREATED_AGAIN: &str = "deleted and created again by SCIM";

/// Makes a user; without a password, one who is yet to choose it. A deactivated user of that name becomes active with
/// what was sent, if the setting says so. One whom a client deleted has no password and no second factor of before: the
/// new owner of the name may be another person.
///
/// # Errors
/// As [`users::create`].
pub async fn create(
    can: &Can<ManageUsers>,
    input: &UserInput,
    external_id: &ExternalId,
) -> Result<Provisioned> {
    if let Some(found) = to_reactivate(can, input).await? {
        // As it was found: otherwise another request was first, and the name is taken by now.
        let may_be = |before: &User| {
            if before.is_active || before.is_deprovisioned != found.is_deprovisioned {
                let taken = Message::UsernameTaken(before.username.as_str().to_owned());
                return Err(Error::invalid("username", taken));
            }
            Ok(())
        };
        let wish = Wish {
            input,
            external_id: Some(external_id.clone()),
            expected: &Precondition::Any,
            renews: found.is_deprovisioned,
        };
        return change(can, found.id, wish, may_be).await;
    }
    let app = can.app();
    let (new, password) = users::prepare_new(can, input).await?;
    let password = password.unwrap_or_else(PasswordHash::unusable);
    let user = db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        sessions::require_open(&mut tx, can).await?;
        let mut entry = Entry::new(Action::UserCreated, can.author());
        if external_id.as_deref().is_some() {
            entry = entry.detail("external_id", "changed");
        }
        let user = users::insert(app, &mut tx, entry, &new, &password).await?;
        external_ids::change(&mut tx, can, user.id, Some(external_id)).await?;
        tx.commit().await?;
        Ok(user)
    })
    .await?;
    Ok(Provisioned { user, external_id: external_id.as_deref().map(str::to_owned) })
}

/// The deactivated user whom a new one would repeat, where such a user is to become active instead.
async fn to_reactivate(can: &Can<ManageUsers>, input: &UserInput) -> Result<Option<User>> {
    let app = can.app();
    if app.settings.scim_repeated_create == RepeatedCreate::Conflict
        || input.changes.is_active != Some(true)
        || !input.errors.is_empty()
    {
        return Ok(None);
    }
    let Some(username) = &input.changes.username else { return Ok(None) };
    let found = db::users::by_username_key(&app.db, username.key()).await?;
    Ok(found.filter(|user| !user.is_active))
}

/// Changes a user, and what the caller calls them if that is said.
///
/// # Errors
/// As [`users::update`].
pub async fn update(
    can: &Can<ManageUsers>,
    id: UserId,
    input: &UserInput,
    external_id: Option<ExternalId>,
    expected: &Precondition,
) -> Result<Provisioned> {
    change(can, id, Wish { input, external_id, expected, renews: false }, require_shown).await
}

/// What a client asks for about a user.
struct Wish<'a> {
    input: &'a UserInput,
    external_id: Option<ExternalId>,
    expected: &'a Precondition,
    /// Whether no password and no second factor of before stays.
    renews: bool,
}

async fn change(
    can: &Can<ManageUsers>,
    id: UserId,
    wish: Wish<'_>,
    may_be: impl Fn(&User) -> Result<()> + Sync,
) -> Result<Provisioned> {
    let Wish { input, external_id, expected, renews } = wish;
    let (app, asked_at) = (can.app(), can.app().clock.now());
    let before = db::users::by_id(&app.db, id).await?.ok_or(Error::NotFound)?;
    may_be(&before)?;
    let new_password = input.changes.password.is_some() || renews;
    let password = users::prepare_change(can, &before, input, expected, (new_password, asked_at)).await?;
    let password = password.or_else(|| renews.then(PasswordHash::unusable));
    let apply = |before: &User| {
        may_be(before)?;
        input.fitting(app.settings.policy(), before)
    };
    let renews = renews.then_some(CREATED_AGAIN);
    let change = Change { password, external_id, renews, ..Change::new(id, expected, asked_at, apply) };
    let update = db::retrying(|| users::write(can, &change)).await?;
    with_external_id(can, update.user).await
}

/// Deactivates a user, hides them from provisioning clients, and has none call them anything.
///
/// # Errors
/// As [`users::deactivate`].
pub async fn delete(can: &Can<ManageUsers>, id: UserId, expected: &Precondition) -> Result<()> {
    let apply = |before: &User| {
        require_shown(before)?;
        Ok(User { is_active: false, is_deprovisioned: true, ..before.clone() })
    };
    let change = Change::new(id, expected, can.app().clock.now(), apply);
    let change = Change { external_id: Some(ExternalId::NONE), ..change };
    db::retrying(|| users::write(can, &change)).await.map(drop)
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pagination {
    /// After so many users.
    Index(i64),
    /// Where this cursor says; `None` is the beginning.
    Cursor(Option<String>),
}

/// A part of a list.
#[derive(Debug)]
pub struct Listed {
    /// The users.
    pub users: Vec<Provisioned>,
    /// Where they end, if more follow.
    pub next: Option<String>,
    /// How many the filter matches.
    pub total: i64,
}

/// At most `limit` users of a list, active or not; `None` for a cursor of another list. Those whom a provisioning client
/// deleted are in none.
///
/// # Errors
/// [`Error::Malformed`] for a filter that asks too much of each user.
pub async fn list(
    can: &Can<ManageUsers>,
    filter: Filter,
    pagination: &Pagination,
    limit: i64,
) -> Result<Option<Listed>> {
    let mut filter = Filter { include_inactive: true, ..filter };
    let is_all = filter.expressions.is_empty();
    filter.expressions.push(Expression::of(deprovisioned(false)));
    if let Pagination::Cursor(Some(cursor)) = pagination
        && Cursor::decode(&filter, cursor).is_none()
    {
        return Ok(None);
    }
    let limit = limit.clamp(0, MAX_LIMIT);
    let (records, next) = match pagination {
        _ if limit == 0 => (Vec::new(), None),
        Pagination::Index(skipped) if *skipped > 0 => {
            (lists::page_at(can, &filter, *skipped, limit).await?, None)
        }
        Pagination::Index(_) => begin(can, &filter, None, limit).await?,
        Pagination::Cursor(cursor) => begin(can, &filter, cursor.clone(), limit).await?,
    };
    let is_whole =
        next.is_none() && limit > 0 && matches!(pagination, Pagination::Index(0) | Pagination::Cursor(None));
    let total = if is_whole {
        records.len().try_into().unwrap_or(i64::MAX)
    } else {
        count(can, &filter, is_all).await?
    };
    let ids: Vec<UserId> = records.iter().map(|user| user.id).collect();
    let mut external_ids = db::external_ids::of(&can.app().db, can.user().id, &ids).await?;
    let users = records
        .into_iter()
        .map(|user| Provisioned { external_id: external_ids.remove(&user.id), user })
        .collect();
    Ok(Some(Listed { users, next: next.map(|next| next.encode(&filter)), total }))
}

async fn begin(
    can: &Can<ManageUsers>,
    filter: &Filter,
    after: Option<String>,
    limit: i64,
) -> Result<(Vec<User>, Option<Cursor>)> {
    let request = ListRequest { filter: filter.clone(), limit: Some(limit), after, count: false };
    let list = lists::begin(can, &request).await?;
    Ok((list.records, list.next))
}

/// The number of all is kept, and an index has the few that are deleted.
async fn count(can: &Can<ManageUsers>, filter: &Filter, is_all: bool) -> Result<i64> {
    let db = &can.app().db;
    if !is_all {
        return Ok(db::select::count(db, filter).await?);
    }
    let all = Filter { include_inactive: true, ..Filter::default() };
    let deleted = Filter { expressions: vec![Expression::of(deprovisioned(true))], ..all.clone() };
    Ok(db::select::count(db, &all).await? - db::select::count(db, &deleted).await?)
}

const fn deprovisioned(value: bool) -> Test {
    Test::Flag(FlagField::IsDeprovisioned, Operator::Equal, value)
}
