//! The list of who was erased, kept outside the database: after a backup from before is restored, they are erased again.
//!
//! A line has the keyed hash of a primary key with the instant at which the account was made, or of a user name that is
//! blocked. Without the database and its key it tells nothing, and another user of the same key is not taken for the one.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rocket::tokio::task::spawn_blocking;

use super::carrying_out::carry_out_due;
use crate::db;
use crate::model::audit::EntryId;
use crate::model::clock::Timestamp;
use crate::model::erasure::{Erasure, NameAfter};
use crate::model::error::{Error, Result};
use crate::model::user::UserId;
use crate::operations::App;
use crate::operations::audit::{self, hexadecimal};
use crate::security::audit_key::Purpose;

/// Users that are compared with the list at once.
const BATCH: i64 = 1_000;

/// The line of a user.
async fn line(app: &App, user: UserId, date_joined: Timestamp) -> Result<String> {
    let content = format!("{user}:{}", date_joined.micros());
    Ok(format!("erased {}", hexadecimal(&audit::code(app, Purpose::Erasure, content.as_bytes()).await?)))
}

/// The line of a user name that is blocked.
fn blocked_line(hash: &[u8]) -> String {
    format!("blocked {}", hexadecimal(hash))
}

/// Where the list is, if the settings say so.
fn place(app: &App) -> Option<PathBuf> {
    Some(PathBuf::from(&app.settings.erasures_to)).filter(|path| !path.as_os_str().is_empty())
}

/// Adds to the list what the database knows and the list does not.
pub async fn keep_list(app: &App) -> Result<()> {
    let Some(path) = place(app) else { return Ok(()) };
    let mut known = Vec::new();
    for erasure in db::erasures::carried_out(&app.db).await? {
        known.push(line(app, erasure.user, erasure.date_joined).await?);
    }
    known.extend(db::erasures::all_blocked(&app.db).await?.iter().map(|hash| blocked_line(hash)));
    let added = spawn_blocking(move || add(&path, &known)).await.map_err(Error::internal)?;
    added.map_err(Error::internal)
}

fn add(path: &Path, known: &[String]) -> io::Result<()> {
    if known.is_empty() {
        return Ok(());
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    // Another task or instance may be about to add the same; the lock ends with the file.
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let kept: HashSet<&str> = text.lines().map(str::trim).collect();
    let new: Vec<&str> = known.iter().map(String::as_str).filter(|line| !kept.contains(line)).collect();
    if new.is_empty() {
        return Ok(());
    }
    file.write_all(format!("{}\n", new.join("\n")).as_bytes())?;
    file.sync_data()
}

fn read(path: &Path) -> io::Result<HashSet<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(|line| line.trim().to_owned()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashSet::new()),
        Err(error) => Err(error),
    }
}

/// Erases again who is in the list and in the database, which is then a backup from before; and blocks again the user
/// names that were. Called when the server starts.
pub async fn reapply(app: &App) -> Result<()> {
    let Some(path) = place(app) else { return Ok(()) };
    let read = spawn_blocking(move || read(&path)).await.map_err(Error::internal)?;
    let mut list = read.map_err(Error::internal)?;
    for hash in db::erasures::all_blocked(&app.db).await? {
        list.remove(&blocked_line(&hash));
    }
    for erasure in db::erasures::carried_out(&app.db).await? {
        list.remove(&line(app, erasure.user, erasure.date_joined).await?);
    }
    let blocked: Vec<Vec<u8>> =
        list.iter().filter_map(|line| bytes(line.strip_prefix("blocked ")?)).collect();
    if !blocked.is_empty() {
        block_again(app, &blocked).await?;
    }
    if list.iter().any(|line| line.starts_with("erased ")) && erase_again(app, &list).await? {
        carry_out_due(app).await?;
    }
    Ok(())
}

fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let digits = hexadecimal.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() == 32)
}

async fn block_again(app: &App, hashes: &[Vec<u8>]) -> Result<()> {
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        for hash in hashes {
            db::erasures::block(&mut tx, hash).await?;
        }
        Ok(tx.commit().await?)
    })
    .await
}

/// Notes that users of the list are due; whether there are any.
async fn erase_again(app: &App, list: &HashSet<String>) -> Result<bool> {
    let (mut reached, mut found) = (UserId(0), false);
    loop {
        let users = db::erasures::users_after(&app.db, reached, BATCH).await?;
        let Some((highest, _)) = users.last() else { return Ok(found) };
        reached = *highest;
        for (user, date_joined) in users {
            if list.contains(&line(app, user, date_joined).await?) {
                db::retrying(|| note_due(app, user)).await?;
                found = true;
            }
        }
    }
}

async fn note_due(app: &App, id: UserId) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let Some(user) = db::users::lock(&mut tx, id).await?.map(|found| found.user) else { return Ok(()) };
    // One that the backup still waits for.
    db::erasures::delete(&mut tx, id).await?;
    let erasure = Erasure {
        user: id,
        requested_at: now,
        requested_by: None,
        due_at: now,
        username_after: NameAfter::Free,
        was_active: user.is_active,
        date_joined: user.date_joined,
        version: user.version,
        erased_at: None,
        last_entry: EntryId(0),
        finished_at: None,
    };
    db::erasures::insert(&mut tx, &erasure).await?;
    Ok(tx.commit().await?)
}
