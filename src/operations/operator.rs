//! What the operator does on the command line, who needs no permission: the program and the database are theirs.
//!
//! Nothing that answers requests may call these functions. To add one: a function here, whose author is
//! [`author`].

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::db;
use crate::model::audit::{Action, Author, Entry};
use crate::model::error::{Error, Result};
use crate::model::field_errors::Message;
use crate::model::second_factor::Factor;
use crate::model::text;
use crate::model::throttle::Key;
use crate::model::user::{User, UserId, UserInput};
use crate::operations::factors::{self, Removal, Which};
use crate::operations::notices::{self, Owner};
use crate::operations::password_links::{self, Made};
use crate::operations::unlock::{self, Unlocked};
use crate::operations::{App, addresses, audit, sessions, users};

/// Makes an active superuser.
///
/// # Errors
/// [`Error::Invalid`] with the messages of all fields.
pub async fn create_superuser(app: &App, input: &UserInput) -> Result<User> {
    let (user, password) = users::prepare_superuser(app, &app.hasher, input).await?;
    db::retrying(|| async {
        let entry = Entry::new(Action::UserCreated, Author::operator());
        let mut tx = app.db.begin().await?;
        let user = users::insert(app, &mut tx, entry, &user, &password).await?;
        tx.commit().await?;
        Ok(user)
    })
    .await
}

/// Sets a user's password and ends their sessions.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`] with the messages for the password.
pub async fn change_password(app: &App, username: &str, input: &UserInput) -> Result<User> {
    let key = text::canonical(username);
    let before = db::users::by_username_key(&app.db, &key).await?.ok_or(Error::NotFound)?;
    let (user, password) = users::prepare(app, &app.hasher, &before, input).await?;
    let password = password.ok_or_else(|| Error::invalid("password", Message::Required))?;
    let entry = Entry::new(Action::PasswordReset, Author::operator()).on(&before).with_new_password();
    db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        users::set_password(&mut tx, &before, &password, now).await?;
        let ended = sessions::end_all(&mut tx, before.id).await?;
        audit::record(&mut tx, &entry.clone().detail("sessions_ended", ended), now).await?;
        let mail_to = addresses::of(app, &mut tx, &before).await?;
        tx.commit().await?;
        let owner = Owner { user: &before, mail_to: &mail_to };
        notices::after_change(app, owner, &user, true, &Author::operator(), now);
        Ok(())
    })
    .await?;
    Ok(user)
}

/// Unlocks an account.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn unlock(app: &App, username: &str) -> Result<Unlocked> {
    let user = db::users::by_username_key(&app.db, &text::canonical(username)).await?;
    let user = user.ok_or(Error::NotFound)?;
    let failures = db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let failures = unlock::forget(&mut tx, &user, Author::operator(), app.clock.now()).await?;
        tx.commit().await?;
        Ok(failures)
    })
    .await?;
    Ok(Unlocked { user, failures })
}

/// Removes all second factors of a user who has lost them, and ends the user's sessions; the factors that there were.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Invalid`] without a reason.
pub async fn remove_factors(app: &App, username: &str, reason: &str) -> Result<Vec<Factor>> {
    let reason = factors::reason(reason)?;
    let user = db::users::by_username_key(&app.db, &text::canonical(username)).await?;
    let id = user.ok_or(Error::NotFound)?.id;
    let removed = db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let user = db::users::lock(&mut tx, id).await?.ok_or(Error::NotFound)?.user;
        let removal = Removal { author: Author::operator(), which: Which::All, reason: Some(&reason) };
        removal.run(app, tx, &user).await
    });
    match removed.await {
        Err(Error::NoSuchPath) => Ok(Vec::new()),
        removed => removed,
    }
}

/// Unlocks an address, of IPv6 its /64; whether anything stood against it.
pub async fn unlock_address(app: &App, address: IpAddr) -> Result<bool> {
    let entry =
        Entry::new(Action::AddressUnblocked, Author::operator()).detail("address", address.to_string());
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let mut is_known = false;
        for key in [Key::address(address), Key::link_requests_from(address)] {
            is_known |= db::throttles::delete(&mut tx, &key).await?;
        }
        if is_known {
            audit::record(&mut tx, &entry, app.clock.now()).await?;
        }
        tx.commit().await?;
        Ok(is_known)
    })
    .await
}

/// Makes links for the next active users after `id` who have never had a password, at most `limit`: the links, and
/// the last user that was looked at. With `by_mail` they are also sent, but to superusers: their addresses may have
/// come from elsewhere. Returns when the mail server has answered.
pub async fn invite(app: &App, id: UserId, limit: i64, by_mail: bool) -> Result<(Vec<Made>, Option<UserId>)> {
    let silent = App { mailer: None, ..app.clone() };
    let users = db::users::without_password_after(&app.db, id, limit).await?;
    let mut links = Vec::with_capacity(users.len());
    for user in &users {
        let app = if by_mail && !user.is_superuser { app } else { &silent };
        links.extend(password_links::make_first(app, user.id, &Author::operator()).await?);
    }
    app.background.close();
    app.background.wait().await;
    app.background.reopen();
    Ok((links, users.last().map(|user| user.id)))
}

/// Records something that is no change of a user.
pub async fn record(app: &App, action: Action, details: Map<String, Value>) -> Result<()> {
    let mut entry = Entry::new(action, Author::operator());
    entry.details = details;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        audit::record(&mut tx, &entry, app.clock.now()).await?;
        Ok(tx.commit().await?)
    })
    .await
}
