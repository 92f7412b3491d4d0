//! Records in the audit log what signed-in users tried and may not do, up to a limit for each of them; beyond it,
//! the number of refusals that were left out.
//!
//! Entries are kept for ever and each is written to the disk at once, so a client that is refused again and again
//! must not get one for each refusal. What is left out still has its line in the log, as all requests.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::request::Request;
use rocket::response::Response;
use rocket::tokio::time::timeout;

use crate::db;
use crate::http::guards;
use crate::http::path::RequestPath;
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::rules::Denial;
use crate::model::user::{User, UserId};
use crate::operations::authentication::Actor;
use crate::operations::{App, audit};

/// So much of a path is recorded, in characters: no route of ours needs more, and entries are kept for ever.
const LONGEST_PATH: usize = 200;

/// So many refusals of a user are recorded within [`WINDOW`].
const MOST: u32 = 20;
/// In which refusals are counted.
const WINDOW: Duration = Duration::from_mins(1);
/// How long an answer waits until its entry is stored.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// So many users are remembered at once.
const MOST_USERS: usize = 10_000;

/// Writes an entry for a request that was refused for want of a right.
#[derive(Default)]
pub(crate) struct Denials {
    recent: Mutex<Recent>,
}

/// The refusals of users within the last minute: sessions cost a user nothing. Each instance counts its own.
#[derive(Default)]
struct Recent(HashMap<UserId, Window>);

/// A minute of one user.
struct Window {
    begun: Timestamp,
    recorded: u32,
    left_out: u64,
}

impl Recent {
    /// Counts one more refusal. `Some` if it is to be recorded, with the number of those that were left out before.
    fn count(&mut self, user: UserId, now: Timestamp) -> Option<u64> {
        if self.0.len() >= MOST_USERS && !self.0.contains_key(&user) {
            self.make_room(now);
        }
        let fresh = Window { begun: now, recorded: 0, left_out: 0 };
        let window = self.0.entry(user).or_insert(fresh);
        if now.since(window.begun) >= WINDOW {
            (window.begun, window.recorded) = (now, 0);
        }
        if window.recorded >= MOST {
            window.left_out += 1;
            return None;
        }
        window.recorded += 1;
        Some(std::mem::take(&mut window.left_out))
    }

    /// Forgets users whose minute is over; if that frees nothing, all of them.
    fn make_room(&mut self, now: Timestamp) {
        self.0.retain(|_, window| now.since(window.begun) < WINDOW);
        if self.0.len() >= MOST_USERS {
            self.0.clear();
        }
    }
}

#[rocket::async_trait]
impl Fairing for Denials {
    fn info(&self) -> Info {
        Info { name: "refusals in the audit log", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, _: &mut Response<'r>) {
        let Some(Error::Forbidden(denial)) = Error::stashed(request) else { return };
        // Not a right that is missing, and asked for with every page.
        if matches!(denial, Denial::PasswordChangeRequired | Denial::SecondFactorRequired) {
            return;
        }
        if let Err(error) = self.record(request, *denial).await {
            log::error!("could not record a refusal: {error}");
        }
    }
}

impl Denials {
    async fn record(&self, request: &Request<'_>, denial: Denial) -> Result<()> {
        let Ok(actor) = guards::authenticated(request).await else { return Ok(()) };
        let counted = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.count(actor.user().id, actor.app().clock.now())
        };
        match counted {
            Some(left_out) => write(request, denial, actor, left_out).await,
            None => Ok(()),
        }
    }
}

async fn write(request: &Request<'_>, denial: Denial, actor: &Actor, left_out: u64) -> Result<()> {
    let app = actor.app();
    let author = Author::user(actor.user(), actor.origin());
    let path: String = request.uri().path().as_str().chars().take(LONGEST_PATH).collect();
    let what = format!("{} {path}", request.method());
    let mut entry = Entry::new(Action::Refused, author).detail("code", denial.code()).detail("request", what);
    if left_out > 0 {
        entry = entry.detail("left_out", left_out);
    }
    if let Some(target) = target(app, request).await? {
        entry = entry.on(&target);
    }
    let (app, now) = (app.detached(), app.clock.now());
    let stored = actor.app().background.spawn(async move {
        if let Err(error) = store(&app, &entry, now).await {
            log::error!("could not record a refusal: {error}");
        }
    });
    // The answer says nothing of the entry, so it does not wait for a database that takes no changes.
    let _ = timeout(LONGEST_WAIT, stored).await;
    Ok(())
}

async fn store(app: &App, entry: &Entry, now: Timestamp) -> Result<()> {
    let mut tx = app.db.begin().await?;
    audit::record(&mut tx, entry, now).await?;
    Ok(tx.commit().await?)
}

/// The user that the path is about, if it names one by primary key.
async fn target(app: &App, request: &Request<'_>) -> Result<Option<User>> {
    match RequestPath::of(request).user() {
        Some(id) => Ok(db::users::by_id(&app.db, id).await?),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn lg_4_of_a_user_twenty_refusals_a_minute_are_recorded_and_the_others_counted() {
        let mut recent = Recent::default();
        let (one, other) = (UserId(1), UserId(2));
        for _ in 0..MOST {
            assert_eq!(recent.count(one, at(0)), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(recent.count(one, at(59)), None);
        }
        assert_eq!(recent.count(other, at(59)), Some(0), "others are not concerned");
        assert_eq!(recent.count(one, at(60)), Some(7));
        assert_eq!(recent.count(one, at(60)), Some(0), "they are told of once");
    }

    #[test]
    fn lg_4_no_number_of_users_is_remembered() {
        let mut recent = Recent::default();
        for id in 0..25_000 {
            let now = if id < 15_000 { at(0) } else { at(100) };
            assert_eq!(recent.count(UserId(id), now), Some(0));
            assert!(recent.0.len() <= MOST_USERS);
        }
    }
}
