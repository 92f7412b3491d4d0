//! User names of erased users that no user is given again. Only keyed hashes of them are stored.

use std::collections::HashSet;

use crate::db::{self, Tx};
use crate::model::error::{Error, Result};
use crate::model::field_errors::Message;
use crate::model::user::Username;
use crate::operations::{App, audit};
use crate::security::audit_key::Purpose;

async fn hash(app: &App, username: &Username) -> Result<[u8; 32]> {
    audit::code(app, Purpose::Username, username.key().as_bytes()).await
}

/// Blocks a user name.
pub(super) async fn block(app: &App, tx: &mut Tx, username: &Username) -> Result<()> {
    Ok(db::erasures::block(tx, &hash(app, username).await?).await?)
}

/// Whether no user can be given a user name.
pub(in crate::operations) async fn is_blocked(app: &App, username: &Username) -> Result<bool> {
    Ok(!blocked(app, &[username]).await?.is_empty())
}

/// The same in the transaction that gave it: it may have been blocked since it was asked for.
///
/// # Errors
/// [`Error::Invalid`] if it is blocked.
pub(in crate::operations) async fn refuse_blocked_in(
    app: &App,
    tx: &mut Tx,
    username: &Username,
) -> Result<()> {
    let is_blocked = any_blocked_in(app, tx, &[username]).await?;
    if is_blocked { Err(Error::invalid("username", Message::UsernameBlocked)) } else { Ok(()) }
}

/// Whether any of these user names is blocked, in the transaction that gave them: two queries at most.
pub(in crate::operations) async fn any_blocked_in(
    app: &App,
    tx: &mut Tx,
    usernames: &[&Username],
) -> Result<bool> {
    // Where a name is blocked there is a key to hash with; it must not be made while this transaction is open.
    if !db::erasures::any_blocked_in(tx).await? {
        return Ok(false);
    }
    Ok(db::erasures::has_blocked(tx, &hashes(app, usernames).await?).await?)
}

async fn hashes(app: &App, usernames: &[&Username]) -> Result<Vec<[u8; 32]>> {
    let mut hashes = Vec::with_capacity(usernames.len());
    for username in usernames {
        hashes.push(hash(app, username).await?);
    }
    Ok(hashes)
}

/// The canonical forms of those of these user names that are blocked.
pub(in crate::operations) async fn blocked(app: &App, usernames: &[&Username]) -> Result<HashSet<String>> {
    if !db::erasures::any_blocked(&app.db).await? {
        return Ok(HashSet::new());
    }
    let hashes = hashes(app, usernames).await?;
    let stored = db::erasures::blocked_among(&app.db, &hashes).await?;
    let is_blocked = |hash: &[u8; 32]| stored.iter().any(|stored| stored == hash);
    let found = usernames.iter().zip(&hashes).filter(|(_, hash)| is_blocked(hash));
    Ok(found.map(|(username, _)| username.key().to_owned()).collect())
}
