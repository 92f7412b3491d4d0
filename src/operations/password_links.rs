//! One-time links: the holder of one may choose the password of an account, once.
//!
//! Staff make them instead of knowing a password. Only a hash of the secret is stored, and the secret
//! sealed with that of the session that may still be shown the link: no reader of the database can make
//! a link of it. A link is used up by the transaction that sets the password, and ends with a newer link,
//! with another password and with whatever else [`crate::model::rules::ends_links`] names. Only the link for a first
//! password does not end with one that was requested as forgotten: a stranger may have requested that.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rocket::figment::Figment;

use crate::config::Settings;
use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Entry, EntryId};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::link::{Link, LinkId, LinkPurpose};
use crate::model::origin::Origin;
use crate::model::password::PasswordHash;
use crate::model::permission::ManageUsers;
use crate::model::precondition::Precondition;
use crate::model::presence;
use crate::model::session::Secret;
use crate::model::user::{InputMode, User, UserId, UserInput, UserPatch};
use crate::operations::mail::{self, Queued};
use crate::operations::notices::{self, Owner};
use crate::operations::{App, Can, addresses, audit, sessions, users};
use crate::security::passwords::Claimant;

/// A link that was just made: the only moment at which its address is known.
#[derive(Debug)]
pub struct Made {
    /// The user as they are now.
    pub user: User,
    /// The address to open.
    pub url: String,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// Whether it was also sent by mail.
    pub mailed: bool,
}

/// The origin of this installation in links, from its configuration only: what a request says about the
/// host is never believed.
#[must_use]
pub fn origin(settings: &Settings, figment: &Figment) -> String {
    if !settings.public_origin.is_empty() {
        return settings.public_origin.clone();
    }
    let address = figment.extract_inner("address").unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = figment.extract_inner("port").unwrap_or(8000);
    format!("http://{}", SocketAddr::new(address, port))
}

pub(super) fn url(app: &App, secret: &Secret) -> String {
    // Browsers send no fragment: no log of a server or proxy has it.
    format!("{}/set-password#{}", app.base, secret.to_text())
}

/// A link to be made, in the transaction that it belongs to.
pub(crate) struct NewLink<'a> {
    pub(crate) purpose: LinkPurpose,
    /// The member of staff who makes it: it ends with their right to.
    pub(crate) made_by: Option<UserId>,
    /// The secret of the session that may be shown it, once.
    pub(crate) reveal_to: Option<&'a Secret>,
    /// Its audit entry, without the link.
    pub(crate) entry: Entry,
}

/// A link that is stored, and the message that goes with it.
pub(crate) struct Stored {
    secret: Secret,
    expires_at: Timestamp,
    mail: Option<Queued>,
    /// Its audit entry.
    pub(crate) entry: EntryId,
}

impl Stored {
    /// Whether it is to be sent by mail.
    pub(crate) fn is_mailed(&self) -> bool {
        self.mail.is_some()
    }
}

/// Stores a link with its entry, and that it is to be sent by mail, if it can be. Which older ones end by it
/// is for the caller to say.
pub(crate) async fn insert(
    app: &App,
    tx: &mut Tx,
    user: &User,
    new: &NewLink<'_>,
    now: Timestamp,
) -> Result<Stored> {
    let secret = Secret::random();
    let (secret_hash, expires_at) = (secret.hash(), now.plus(new.purpose.life()));
    let sealed = new.reveal_to.map(|session| secret.sealed_with(session, &secret_hash));
    let (id, purpose, made_by) = (LinkId(0), new.purpose, new.made_by);
    let link = Link { id, user: user.id, purpose, made_by, secret_hash, created_at: now, expires_at, sealed };
    let id = db::links::insert(tx, &link).await?;
    let mail = mail::queue(app, tx, user, (id, purpose), now).await?;
    let entry = new.entry.clone().on(user).detail("link", id.0).detail("purpose", purpose.as_str());
    let entry = entry.detail("expires_at", expires_at.to_string()).detail("by_mail", mail.is_some());
    let entry = audit::record(tx, &entry, now).await?;
    Ok(Stored { secret, expires_at, mail, entry })
}

/// Sends a link that is committed by mail, if it is to be, and hands it over.
pub(crate) fn finish(app: &App, user: User, stored: Stored) -> Made {
    let url = url(app, &stored.secret);
    let mailed = stored.mail.is_some();
    if let Some(queued) = stored.mail {
        mail::send(app, queued, &user, &url);
    }
    Made { user, url, expires_at: stored.expires_at, mailed }
}

/// Makes a user who chooses the password by a link.
///
/// # Errors
/// As [`users::create`].
pub async fn invite(can: &Can<ManageUsers>, input: &UserInput, reveal_to: Option<&Secret>) -> Result<Made> {
    let app = can.app();
    let (invited, _) = users::prepare_new(can, input).await?;
    let entry = Entry::new(Action::LinkMade, can.author());
    let made_by = Some(can.user().id);
    let new = NewLink { purpose: LinkPurpose::Setup, made_by, reveal_to, entry };
    let (user, stored) = db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        sessions::require_open(&mut tx, can).await?;
        let entry = Entry::new(Action::UserCreated, can.author());
        let user = users::insert(app, &mut tx, entry, &invited, &PasswordHash::unusable()).await?;
        let stored = insert(app, &mut tx, &user, &new, now).await?;
        tx.commit().await?;
        Ok((user, stored))
    })
    .await?;
    Ok(finish(app, user, stored))
}

/// Makes a link for a user. The password that they had stops working and their sessions end; the caller's own
/// go on until the link is used.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], also where [`presence::of_credential`] asks for the actor;
/// [`Error::PreconditionFailed`].
pub async fn make(
    can: &Can<ManageUsers>,
    id: UserId,
    expected: &Precondition,
    reveal_to: Option<&Secret>,
) -> Result<Made> {
    let app = can.app();
    let (user, stored) = db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let found = sessions::lock_target(&mut tx, can, id).await?;
        app.settings.rules().may_touch(can.user(), &found.user)?;
        expected.check(&found.user)?;
        can.require(presence::of_credential(can.user().id, &found.user), now)?;
        let had_one = found.password.is_usable();
        let first = !had_one && found.user.password_changed_at.is_none();
        let purpose = if first { LinkPurpose::Setup } else { LinkPurpose::Reset };
        let mut entry = Entry::new(Action::LinkMade, can.author());
        let mut user = found.user;
        if had_one && can.user().id != id {
            let ended = revoke(&mut tx, &mut user, now).await?;
            entry = entry.with_new_password().detail("sessions_ended", ended);
        }
        db::links::delete_of_user(&mut tx, id).await?;
        let new = NewLink { purpose, made_by: Some(can.user().id), reveal_to, entry };
        let stored = insert(app, &mut tx, &user, &new, now).await?;
        tx.commit().await?;
        Ok((user, stored))
    })
    .await?;
    Ok(finish(app, user, stored))
}

/// Makes the link for the first password of a user who has none, for the operator. `None` if they have one by now.
pub(crate) async fn make_first(app: &App, id: UserId, author: &Author) -> Result<Option<Made>> {
    let made = db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let Some(found) = db::users::lock(&mut tx, id).await? else { return Ok(None) };
        if found.password.is_usable() || found.user.password_changed_at.is_some() || !found.user.is_active {
            return Ok(None);
        }
        db::links::delete_of_user(&mut tx, id).await?;
        let entry = Entry::new(Action::LinkMade, author.clone());
        let new = NewLink { purpose: LinkPurpose::Setup, made_by: None, reveal_to: None, entry };
        let stored = insert(app, &mut tx, &found.user, &new, now).await?;
        tx.commit().await?;
        Ok(Some((found.user, stored)))
    })
    .await?;
    Ok(made.map(|(user, stored)| finish(app, user, stored)))
}

/// Takes a user's password away, and their sessions; how many there were.
async fn revoke(tx: &mut Tx, user: &mut User, now: Timestamp) -> Result<u64> {
    user.count_edit(now);
    user.password_changed_at = Some(now);
    db::users::update(tx, user).await?;
    db::users::set_password(tx, user.id, &PasswordHash::unusable(), now).await?;
    sessions::end_all(tx, user.id).await
}

/// The link that is out for a user, if one still works.
pub async fn outstanding(can: &Can<ManageUsers>, user: &User) -> Result<Option<Link>> {
    let app = can.app();
    let link = db::links::of_user(&app.db, user.id).await?;
    let Some(link) = link.filter(|link| app.clock.now() < link.expires_at) else { return Ok(None) };
    Ok(is_backed(app, &link, user).await?.then_some(link))
}

/// Whether the maker of a link, if it has one, could still make it: also the end of an account's dates ends it.
async fn is_backed(app: &App, link: &Link, user: &User) -> Result<bool> {
    let Some(maker) = link.made_by.filter(|maker| *maker != user.id) else { return Ok(true) };
    let maker = db::users::by_id(&app.db, maker).await?;
    Ok(maker.is_some_and(|maker| {
        maker.is_usable(app.clock.now()) && app.settings.rules().may_touch(&maker, user).is_ok()
    }))
}

/// The address of a link, for the session that it was made in: once. `None` for any other, and again.
pub async fn reveal(can: &Can<ManageUsers>, link: &Link, session: &Secret) -> Result<Option<String>> {
    let app = can.app();
    let Some(secret) = opened(link, session) else { return Ok(None) };
    let mut tx = app.db.begin().await?;
    let first = db::links::forget_sealed(&mut tx, link).await?;
    tx.commit().await?;
    Ok(first.then(|| url(app, &secret)))
}

/// Seals links that are yet to be shown in a session with the other secret that it gets.
pub(crate) async fn reseal(tx: &mut Tx, maker: UserId, before: &Secret, after: &Secret) -> Result<()> {
    for link in db::links::sealed(tx, maker).await? {
        if let Some(secret) = opened(&link, before) {
            db::links::set_sealed(tx, &link, &secret.sealed_with(after, &link.secret_hash)).await?;
        }
    }
    Ok(())
}

/// Whether the session could still be shown a link's address.
#[must_use]
pub fn is_kept_for(link: &Link, session: &Secret) -> bool {
    opened(link, session).is_some()
}

/// The secret of a link, if it is sealed with that of the session.
fn opened(link: &Link, session: &Secret) -> Option<Secret> {
    let secret = link.sealed.as_ref()?.sealed_with(session, &link.secret_hash);
    (secret.hash() == link.secret_hash).then_some(secret)
}

/// The user whose password a link would set; `None`, without the reason, if it is unknown, used, expired, its maker
/// has lost the right to make it, or the account may not be used.
pub async fn holder(app: &App, token: &str) -> Result<Option<User>> {
    let Some(secret) = Secret::from_text(token) else { return Ok(None) };
    let now = app.clock.now();
    let link = db::links::by_secret(&app.db, &secret.hash()).await?;
    let Some(link) = link.filter(|link| now < link.expires_at) else { return Ok(None) };
    let user = db::users::by_id(&app.db, link.user).await?;
    let Some(user) = user.filter(|user| user.is_usable(now)) else { return Ok(None) };
    Ok(is_backed(app, &link, &user).await?.then_some(user))
}

/// Sets the password that the holder of a link has chosen, and uses the link up. Ends the user's sessions,
/// the account's failures, and the demand for another password. `None` as for [`holder`].
///
/// # Errors
/// [`Error::Invalid`] with the messages for the password; then the link still works.
pub async fn redeem(app: &App, token: &str, password: &str, origin: &Origin) -> Result<Option<User>> {
    let (Some(user), Some(secret)) = (holder(app, token).await?, Secret::from_text(token)) else {
        return Ok(None);
    };
    let patch = UserPatch { password: password.into(), ..UserPatch::default() };
    let hasher = app.hasher.on_behalf_of(Claimant::known(user.username.as_str(), origin));
    let (_, hash) = users::prepare(app, &hasher, &user, &patch.into_input(InputMode::Part)).await?;
    let hash = hash.ok_or_else(|| Error::internal("a link's password was not hashed"))?;
    db::retrying(|| use_up(app, user.id, &secret, &hash, origin)).await
}

async fn use_up(
    app: &App,
    id: UserId,
    secret: &Secret,
    hash: &PasswordHash,
    origin: &Origin,
) -> Result<Option<User>> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    // The user first, as everywhere: two transactions never wait for each other crosswise.
    let found = db::users::lock(&mut tx, id).await?.map(|found| found.user);
    let Some(before) = found.filter(|user| user.is_usable(now)) else { return Ok(None) };
    let Some(link) = db::links::take(&mut tx, &secret.hash(), now).await? else { return Ok(None) };
    let mut after = User { must_change_password: false, password_changed_at: Some(now), ..before.clone() };
    after.count_edit(now);
    db::users::edit(&mut tx, &before, &after).await?;
    users::set_password(&mut tx, &before, hash, now).await?;
    let ended = sessions::end_all(&mut tx, id).await?;
    let entry = Entry::new(Action::PasswordReset, Author::anonymous(origin))
        .on(&before)
        .changing(&before, &after)
        .with_new_password()
        .detail("by", "link")
        .detail("link", link.id.0)
        .detail("purpose", link.purpose.as_str())
        .detail("sessions_ended", ended);
    audit::record(&mut tx, &entry, now).await?;
    let mail_to = addresses::of(app, &mut tx, &before).await?;
    tx.commit().await?;
    // With the first password there is nothing that the owner could miss.
    if link.purpose == LinkPurpose::Reset {
        let owner = Owner { user: &before, mail_to: &mail_to };
        notices::after_change(app, owner, &after, true, &Author::anonymous(origin), now);
    }
    Ok(Some(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn pw_11_the_host_in_links_comes_from_the_configuration() {
        let figment = config::defaults().merge(("port", 8123));
        let mut settings = Settings::default();
        assert_eq!(origin(&settings, &figment), "http://127.0.0.1:8123");
        let figment = figment.merge(("address", "::1"));
        assert_eq!(origin(&settings, &figment), "http://[::1]:8123");
        settings.public_origin = "https://users.example.org".into();
        assert_eq!(origin(&settings, &figment), "https://users.example.org");
    }
}
