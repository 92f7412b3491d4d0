//! The forgotten password: a link by mail for a user name or e-mail address.
//!
//! The user is looked up after the answer, so that neither its content nor its time reveals who has an account.
//! A message goes to the stored and confirmed address only, never to what was typed, which may merely look like it. A
//! superuser is sent none: staff may have set that address before they became one.

use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::failure_reason::FailureReason;
use crate::model::link::LinkPurpose;
use crate::model::origin::Origin;
use crate::model::text;
use crate::model::throttle::Key;
use crate::model::user::{User, UserId};
use crate::operations::password_links::{self, NewLink};
use crate::operations::{App, addresses, audit, request_limits};

/// Accounts with one address that are sent a link at once.
const MOST_ACCOUNTS: i64 = 10;

/// Sends a link to the users that `name` means, if there are any, some time after this returns.
///
/// # Errors
/// [`Error::Throttled`] for an address that has asked too often, whatever the name.
pub async fn request(app: &App, name: &str, origin: &Origin) -> Result<()> {
    db::retrying(|| count_address(app, origin)).await?;
    let (background, app) = (&app.background, app.detached());
    let (name, origin) = (name.to_owned(), origin.clone());
    background.spawn(async move {
        if let Err(error) = answer(&app, &name, &origin).await {
            log::error!("a link that was asked for could not be made: {error}");
        }
    });
    Ok(())
}

async fn count_address(app: &App, origin: &Origin) -> Result<()> {
    let Some(key) = origin.address.map(Key::link_requests_from) else { return Ok(()) };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    request_limits::count_link_from(app, &mut tx, &key, now).await?;
    Ok(tx.commit().await?)
}

/// Makes and sends a link for the user of that name, and for all users with that address.
async fn answer(app: &App, name: &str, origin: &Origin) -> Result<()> {
    let name = text::tidy(name);
    let mut users = at_address(app, &name).await?;
    if let Some(user) = db::users::by_username_key(&app.db, &text::canonical(&name)).await?
        && users.iter().all(|known| known.id != user.id)
    {
        users.push(user);
    }
    if users.is_empty() {
        return db::retrying(|| record_unknown(app, origin)).await;
    }
    for user in users {
        let made = db::retrying(|| link_for(app, user.id, origin)).await?;
        if let Some((user, stored)) = made {
            password_links::finish(app, user, stored);
        }
    }
    Ok(())
}

/// The users whose mail goes to an address. One that a user has not shown to be theirs does not count.
async fn at_address(app: &App, address: &str) -> Result<Vec<User>> {
    let mut users = db::users::by_confirmed_email(&app.db, address, MOST_ACCOUNTS).await?;
    for new in db::unconfirmed_addresses::by_mail_to(&app.db, address, MOST_ACCOUNTS).await? {
        users.extend(db::users::by_id(&app.db, new.user).await?.filter(|user| new.is_of(user)));
    }
    Ok(users)
}

async fn record_unknown(app: &App, origin: &Origin) -> Result<()> {
    let entry = requested(origin).detail("reason", FailureReason::UnknownUser.as_str());
    let mut tx = app.db.begin().await?;
    audit::record(&mut tx, &entry, app.clock.now()).await?;
    Ok(tx.commit().await?)
}

fn requested(origin: &Origin) -> Entry {
    Entry::new(Action::LinkRequested, Author::anonymous(origin))
}

/// Stores a link for a user, unless they cannot be sent one; then only that it was asked for.
async fn link_for(app: &App, id: UserId, origin: &Origin) -> Result<Option<(User, password_links::Stored)>> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let Some(user) = db::users::lock(&mut tx, id).await?.map(|found| found.user) else { return Ok(None) };
    let reason = if user.is_superuser {
        "superuser"
    } else if addresses::of(app, &mut tx, &user).await?.is_empty() {
        "no_address"
    } else if !user.is_usable(now) {
        "not_usable"
    } else if !count_user(app, &mut tx, id, now).await? {
        "too_often"
    } else {
        let new =
            NewLink { purpose: LinkPurpose::Reset, made_by: None, reveal_to: None, entry: requested(origin) };
        // A stranger may be asking: the link that staff made for the first password stays good beside it.
        db::links::delete_resets_of_user(&mut tx, id).await?;
        let stored = password_links::insert(app, &mut tx, &user, &new, now).await?;
        tx.commit().await?;
        return Ok(Some((user, stored)));
    };
    audit::record(&mut tx, &requested(origin).on(&user).detail("reason", reason), now).await?;
    tx.commit().await?;
    Ok(None)
}

/// Counts one more link for a user; whether it is not yet too many.
async fn count_user(app: &App, tx: &mut Tx, id: UserId, now: Timestamp) -> Result<bool> {
    match request_limits::count_link_to(app, tx, id, now).await {
        Err(Error::Throttled(_)) => Ok(false),
        counted => counted.map(|()| true),
    }
}
