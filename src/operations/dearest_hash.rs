//! What the dearest stored password hash costs: a failed sign-in is answered no sooner, whomever it is for.
//!
//! Imported hashes may cost more than ours, and a failure that takes longer would tell that the account exists.
//! The hashes of users are looked at when the server starts, beside its first answers, and of those who were added when the highest primary key
//! has changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rocket::tokio::sync::{Mutex, OnceCell};

use crate::db;
use crate::model::error::Result;
use crate::model::user::UserId;
use crate::operations::App;
use crate::security::passwords;

/// How often a server looks at users who were added.
pub const LOOK_INTERVAL: Duration = Duration::from_mins(1);

/// Hashes that are looked at together.
const BATCH: i64 = 5_000;

/// What is known of the stored hashes.
#[derive(Debug, Default)]
pub struct DearestHash {
    /// The longest that one takes, in microseconds.
    longest: AtomicU64,
    looked: Mutex<Looked>,
    first: OnceCell<()>,
}

#[derive(Debug, Default)]
struct Looked {
    /// The last user who was looked at.
    last: i64,
    /// The dearest of each kind.
    dearest: HashMap<&'static str, u64>,
}

impl DearestHash {
    /// The least time of a failed sign-in: what the dearest hash takes, and a quarter more on a busy machine.
    #[must_use]
    pub fn floor(&self) -> Duration {
        Duration::from_micros(self.longest.load(Ordering::Relaxed)) * 5 / 4
    }
}

/// The least time of a failed sign-in, once the users who are there have been looked at: the first failures wait for that.
pub async fn floor(app: &App) -> Duration {
    look_first(app).await;
    app.dearest_hash.floor()
}

/// Looks at all users, unless that was done. Without it the server is of use all the same.
pub async fn look_first(app: &App) {
    if let Err(error) = app.dearest_hash.first.get_or_try_init(|| look(app)).await {
        log::warn!("could not look for the dearest password hash: {error}");
    }
}

/// Looks at the users who were added since the last time, and measures what is dearer than all of its kind before.
pub async fn look(app: &App) -> Result<()> {
    let mut looked = app.dearest_hash.looked.lock().await;
    let newest = db::users::highest_id(&app.db).await?.map_or(0, |id| id.0);
    if newest == looked.last {
        return Ok(());
    }
    let prefix = app.hasher.own_prefix();
    let mut dearer = HashMap::new();
    let mut above = UserId(looked.last);
    loop {
        let batch = db::users::hashes_unlike(&app.db, &prefix, above, BATCH).await?;
        let Some((last, _)) = batch.last() else { break };
        above = *last;
        for (_, hash) in batch {
            let Some((kind, effort)) = passwords::effort(&hash) else { continue };
            if looked.dearest.get(kind).is_none_or(|known| effort > *known) {
                looked.dearest.insert(kind, effort);
                dearer.insert(kind, hash);
            }
        }
    }
    for hash in dearer.values() {
        let taken = u64::try_from(app.hasher.measure(hash).await?.as_micros()).unwrap_or(u64::MAX);
        app.dearest_hash.longest.fetch_max(taken, Ordering::Relaxed);
    }
    looked.last = newest;
    Ok(())
}
