//! Sending messages again that the mail server did not take for a passing reason, for an hour.
//!
//! What is sent again has another secret of the same link, since none is stored; the first one works as well, as staff may
//! have been shown it. Messages of which nothing is stored are kept by the process that made them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocket::futures::future::join_all;

use super::{Delivery, LEASE, Letter, Mailer, letter};
use crate::db::{self, mails::Due};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::mail::{MailId, MailState, next_try};
use crate::model::session::Secret;
use crate::operations::password_links::url;
use crate::operations::{App, addresses};

/// How often it is looked what is due.
pub const INTERVAL: Duration = Duration::from_secs(15);
/// Messages of each kind that are taken at a time.
const BATCH: i64 = 64;
/// Messages without a stored state that wait; further ones are given up.
const MOST_WAITING: usize = 1_000;

/// Sends again what is due. Several servers may do so at once. What has begun when the server stops, the stop waits for.
pub async fn send_due(app: &App) -> Result<()> {
    let Some(mailer) = &app.mailer else { return Ok(()) };
    let now = app.clock.now();
    let waiting = mailer.waiting.take_due(now).into_iter().map(|unsent| {
        let (app, mailer) = (app.detached(), Arc::clone(mailer));
        async move { mailer.waiting.deliver(&app, &mailer, unsent.letter, unsent.created_at).await }
    });
    let waiting: Vec<_> = waiting.map(|sending| app.background.spawn(sending)).collect();
    let stored = db::mails::due(&app.db, now, BATCH).await?.into_iter().map(|due| {
        let (app, mailer) = (app.detached(), Arc::clone(mailer));
        async move {
            if let Err(error) = send_again(&app, &mailer, &due).await {
                log::error!("what became of message {} could not be noted: {error}", due.id.0);
            }
        }
    });
    let stored: Vec<_> = stored.map(|sending| app.background.spawn(sending)).collect();
    // None of them panics.
    join_all(waiting.into_iter().chain(stored)).await;
    Ok(())
}

/// Takes a message for a try; whether no other server has.
pub(super) async fn claim(app: &App, id: MailId, retry_at: Timestamp) -> Result<bool> {
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let is_ours = db::mails::claim(&mut tx, id, retry_at, app.clock.now().plus(LEASE)).await?;
        tx.commit().await?;
        Ok(is_ours)
    })
    .await
}

/// Sends a message that was claimed, and notes what became of it.
pub(super) async fn deliver(
    app: &App,
    mailer: &Mailer,
    (id, created_at): (MailId, Timestamp),
    letter: &Letter,
) -> Result<()> {
    let (delivery, response) = mailer.deliver(letter).await;
    let now = app.clock.now();
    let retry_at = next_try(created_at, now).filter(|_| delivery == Delivery::Failed);
    let state = match (delivery, retry_at) {
        (Delivery::Accepted, _) => MailState::Accepted,
        (_, Some(_)) => MailState::Queued,
        (_, None) => MailState::Refused,
    };
    if state == MailState::Refused {
        log::warn!("the mail server did not take message {}: {response}", id.0);
    }
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        db::mails::set_state(&mut tx, id, (state, &response), app.clock.now(), retry_at).await?;
        Ok(tx.commit().await?)
    })
    .await
}

async fn send_again(app: &App, mailer: &Mailer, due: &Due) -> Result<()> {
    // It is never closed.
    let _place = mailer.places.acquire().await;
    match db::retrying(|| renew(app, due)).await? {
        Some(letter) => deliver(app, mailer, (due.id, due.created_at), &letter).await,
        None => Ok(()),
    }
}

/// Claims a message and writes it anew. `None` if another server has it, or if its link is not to be sent any more: it has
/// ended, or the user has another address.
async fn renew(app: &App, due: &Due) -> Result<Option<Letter>> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    // The user first, as everywhere.
    let Some(found) = db::users::lock(&mut tx, due.user).await? else { return Ok(None) };
    if !db::mails::claim(&mut tx, due.id, due.retry_at, now.plus(LEASE)).await? {
        return Ok(None);
    }
    let secret = Secret::random();
    let recipient = addresses::of(app, &mut tx, &found.user).await?;
    let is_same = recipient == due.recipient && found.user.is_usable(now);
    let expires_at = if is_same {
        db::links::set_resent(&mut tx, due.link, due.user, &secret.hash(), now).await?
    } else {
        None
    };
    if expires_at.is_none() {
        let response = "The link is not valid any more.";
        db::mails::set_state(&mut tx, due.id, (MailState::Refused, response), now, None).await?;
    }
    tx.commit().await?;
    let site = app.settings.site_name.as_str();
    Ok(expires_at.map(|expires_at| {
        let life = (due.purpose, expires_at.since(now));
        letter(recipient, life, &found.user, &url(app, &secret), site)
    }))
}

/// Messages of which nothing is stored, to be sent again by this process.
#[derive(Default)]
pub(super) struct Waiting(Mutex<VecDeque<Unsent>>);

struct Unsent {
    letter: Letter,
    created_at: Timestamp,
    retry_at: Timestamp,
}

impl Waiting {
    /// Sends a message that was made at that moment; keeps it if it can be sent later.
    pub(super) async fn deliver(&self, app: &App, mailer: &Mailer, letter: Letter, created_at: Timestamp) {
        // It is never closed.
        let place = mailer.places.acquire().await;
        let (delivery, response) = mailer.deliver(&letter).await;
        drop(place);
        match (delivery, next_try(created_at, app.clock.now())) {
            (Delivery::Accepted, _) => {}
            (Delivery::Failed, Some(retry_at)) if self.keep(Unsent { letter, created_at, retry_at }) => {
                log::info!("a message about an account is sent again at {retry_at}: {response}");
            }
            _ => log::warn!("the mail server did not take a message about an account: {response}"),
        }
    }

    fn keep(&self, unsent: Unsent) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = waiting.len() < MOST_WAITING;
        if has_room {
            waiting.push_back(unsent);
        }
        has_room
    }

    /// The first that are due, which wait no longer.
    fn take_due(&self, now: Timestamp) -> Vec<Unsent> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut due, mut later): (VecDeque<_>, VecDeque<_>) =
            waiting.drain(..).partition(|unsent| unsent.retry_at <= now);
        let most = usize::try_from(BATCH).unwrap_or(usize::MAX).min(due.len());
        later.extend(due.drain(most..));
        *waiting = later;
        Vec::from(due)
    }
}
