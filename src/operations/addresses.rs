//! Where mail for a user goes.
//!
//! With a mail server, an address that users give themselves counts only after a link that was sent to it was opened:
//! until then links and messages go to the one before. Else a user could have the mail of another one's forgotten
//! password sent for two accounts, and a stolen session could lead every message astray. Staff answer for the addresses
//! that they give others.

use std::time::Duration;

use crate::db::{self, Tx};
use crate::model::address::{self, Unconfirmed};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::origin::Origin;
use crate::model::permission::{Permission, SignedIn};
use crate::model::presence::Presence;
use crate::model::session::Secret;
use crate::model::user::User;
use crate::operations::notices::{self, Event, Owner};
use crate::operations::{App, Can, audit, mail, request_limits, sessions};

/// How long a link to an address works.
const LIFE: Duration = Duration::from_hours(24);

/// Where mail for the user goes; empty for nowhere.
pub(crate) async fn of(app: &App, tx: &mut Tx, user: &User) -> Result<String> {
    if app.mailer.is_none() {
        return Ok(user.email.clone());
    }
    let unconfirmed = db::unconfirmed_addresses::get(tx, user.id).await?;
    Ok(unconfirmed.filter(|new| new.is_of(user)).map_or_else(|| user.email.clone(), |new| new.mail_to))
}

/// The same, outside of a transaction.
pub(crate) async fn now_of(app: &App, user: &User) -> Result<String> {
    let unconfirmed = db::unconfirmed_addresses::of_user(&app.db, user.id).await?;
    Ok(unconfirmed.filter(|new| new.is_of(user)).map_or_else(|| user.email.clone(), |new| new.mail_to))
}

/// A link that is to be sent to an address when its transaction is committed.
pub(crate) struct ToConfirm {
    address: String,
    secret: Secret,
}

/// Notes that a user has another address, within the transaction that gives it to them. `mail_to` is where their mail went
/// before.
///
/// # Errors
/// [`Error::Throttled`] for too many addresses that users give themselves.
pub(crate) async fn changed<P: Permission>(
    can: &Can<P>,
    tx: &mut Tx,
    (before, after): (&User, &User),
    mail_to: &str,
    now: Timestamp,
) -> Result<Option<ToConfirm>> {
    let app = can.app();
    if address::are_same(&before.email, &after.email) {
        return Ok(None);
    }
    let counts = can.user().id != before.id || app.mailer.is_none();
    if counts || after.email.is_empty() || address::are_same(&after.email, mail_to) {
        db::unconfirmed_addresses::delete_with_next(tx, after.id);
        return Ok(None);
    }
    Ok(Some(ask(app, tx, after, mail_to.to_owned(), now).await?))
}

/// Stores what a link to the user's address will confirm.
async fn ask(app: &App, tx: &mut Tx, user: &User, mail_to: String, now: Timestamp) -> Result<ToConfirm> {
    request_limits::count_link_to(app, tx, user.id, now).await?;
    let secret = Secret::random();
    let new = Unconfirmed {
        user: user.id,
        address: user.email.clone(),
        mail_to,
        secret_hash: secret.hash(),
        expires_at: now.plus(LIFE),
    };
    db::unconfirmed_addresses::set(tx, &new).await?;
    Ok(ToConfirm { address: new.address, secret })
}

/// Sends another link to the caller's address, which it returns, in the place of the one before: that may have expired, or
/// have ended with another password. `None` where there is nothing to confirm.
///
/// # Errors
/// [`Error::Forbidden`] without a confirmed password; [`Error::Throttled`] for too many messages.
pub async fn send_again(can: &Can<SignedIn>) -> Result<Option<String>> {
    let app = can.app();
    if app.mailer.is_none() {
        return Ok(None);
    }
    let asked = db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let user = db::users::lock(&mut tx, can.user().id).await?.ok_or(Error::NotFound)?.user;
        sessions::require_open(&mut tx, can).await?;
        let before = db::unconfirmed_addresses::get(&mut tx, user.id).await?;
        let Some(before) = before.filter(|before| before.is_of(&user)) else { return Ok(None) };
        can.require(Presence::Always, now)?;
        let to_confirm = ask(app, &mut tx, &user, before.mail_to, now).await?;
        tx.commit().await?;
        Ok(Some((user, to_confirm)))
    })
    .await?;
    let Some((user, to_confirm)) = asked else { return Ok(None) };
    let address = to_confirm.address.clone();
    send(app, &user, Some(to_confirm));
    Ok(Some(address))
}

/// Sends the link, after its transaction. No request waits for it; a stop of the server does.
pub(crate) fn send(app: &App, user: &User, to_confirm: Option<ToConfirm>) {
    let Some(ToConfirm { address, secret }) = to_confirm else { return };
    let (name, base, code) = (user.username.as_str(), &app.base, secret.to_text());
    let text = format!(
        "This address was given for the account {name}. To confirm that it is yours, open this link within 24 hours:\r\n\
         \r\n{base}/confirm-address#{code}\r\n\r\nOr open {base}/confirm-address and enter this code there:\r\n\r\n\
         {code}\r\n\r\nUntil then links for the account go to the address from before. If you do not know the account, \
         do nothing.\r\n"
    );
    let (background, app) = (&app.background, app.detached());
    background.spawn(async move { mail::notify(&app, &address, "Confirm your email address", text).await });
}

/// The caller's address that still has to be confirmed.
pub async fn unconfirmed(can: &Can<SignedIn>) -> Result<Option<Unconfirmed>> {
    let app = can.app();
    if app.mailer.is_none() {
        return Ok(None);
    }
    let unconfirmed = db::unconfirmed_addresses::of_user(&app.db, can.user().id).await?;
    Ok(unconfirmed.filter(|new| new.is_of(can.user())))
}

/// Confirms the address that the code was sent to; false, without the reason, for any other code.
pub async fn confirm(app: &App, code: &str, origin: &Origin) -> Result<bool> {
    let Some(secret) = Secret::from_text(code.trim()) else { return Ok(false) };
    let hash = secret.hash();
    let Some(found) = db::unconfirmed_addresses::by_secret(&app.db, &hash).await? else { return Ok(false) };
    db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        // The user first, as everywhere: two transactions never wait for each other crosswise.
        let Some(user) = db::users::lock(&mut tx, found.user).await?.map(|found| found.user) else {
            return Ok(false);
        };
        let new = db::unconfirmed_addresses::get(&mut tx, user.id).await?;
        let fits = |new: &Unconfirmed| new.secret_hash == hash && new.is_of(&user) && now < new.expires_at;
        if !new.as_ref().is_some_and(fits) || !user.is_usable(now) {
            return Ok(false);
        }
        db::unconfirmed_addresses::delete(&mut tx, user.id).await?;
        let author = Author::anonymous(origin);
        let entry = Entry::new(Action::AddressConfirmed, author.clone()).on(&user);
        audit::record(&mut tx, &entry.detail("email", user.email.as_str()), now).await?;
        tx.commit().await?;
        let mail_to = new.map(|new| new.mail_to).unwrap_or_default();
        let owner = Owner { user: &user, mail_to: &mail_to };
        notices::tell(app, owner, Event::AddressConfirmed, &author, now);
        Ok(true)
    })
    .await
}
