//! Tasks that run beside the requests until shutdown. To add one: a line in [`start`].

use std::fmt::Display;
use std::time::Duration;

use rocket::fairing::AdHoc;
use rocket::{Orbit, Rocket, tokio};

use crate::model::error::Result;
use crate::operations::mail::retries;
use crate::operations::{App, audit, dearest_hash, erasures, keys, maintenance, session_use};

/// How often expired sessions and forgotten failures are removed.
const CLEAN_UP_INTERVAL: Duration = Duration::from_mins(10);

/// How often it is looked whether changes can be stored.
const WRITE_TRIAL_INTERVAL: Duration = Duration::from_secs(5);

/// How often it is looked whether the replica could be read from, and how soon first: a new one follows at once, but not
/// sooner.
const REPLICA_INTERVAL: Duration = Duration::from_secs(10);
const REPLICA_PAUSE: Duration = Duration::from_secs(1);

/// How often the whole audit log is examined.
const EXAMINE_INTERVAL: Duration = Duration::from_hours(24);

/// The least that a task waits after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Starts the tasks with the server.
pub(super) fn tasks() -> AdHoc {
    AdHoc::on_liftoff("tasks", |rocket| Box::pin(async move { start(rocket) }))
}

fn start(rocket: &Rocket<Orbit>) {
    let Some(app) = rocket.state::<App>() else { return };
    let head_interval = Duration::from_secs(app.settings.audit_head_seconds);
    let every = |what, first, interval| Task { rocket, app, what, first, interval };
    let soon = Duration::ZERO;

    every("clean up", soon, CLEAN_UP_INTERVAL).run(|app| async move { maintenance::clean_up(&app).await });
    // Who was erased after the backup that is now the database.
    every("erase again who is in the list of erased users", soon, CLEAN_UP_INTERVAL)
        .run(|app| async move { erasures::reapply(&app).await });
    every("note that sessions were used", session_use::WRITE_INTERVAL, session_use::WRITE_INTERVAL)
        .run(|app| async move { session_use::write(&app).await });
    // Before a user finds out that changes cannot be stored.
    every("try to write", WRITE_TRIAL_INTERVAL, WRITE_TRIAL_INTERVAL).run(|app| async move {
        app.db.try_to_write().await;
        Result::Ok(())
    });
    // Before it is needed.
    every("look at the replica", REPLICA_PAUSE, REPLICA_INTERVAL).run(|app| async move {
        app.db.watch_replica().await;
        Result::Ok(())
    });
    every("seal the audit log", soon, audit::SEALING_INTERVAL).run(|app| async move { seal(&app).await });
    every("keep the head of the audit log", soon, head_interval)
        .run(|app| async move { audit::keep_head(&app).await });
    every("send messages again", retries::INTERVAL, retries::INTERVAL)
        .run(|app| async move { retries::send_due(&app).await });
    // What else begins with the server goes first, on the same few connections.
    every("examine the audit log", audit::SEALING_INTERVAL, EXAMINE_INTERVAL)
        .run(|app| async move { audit::examine(&app).await });
    // An import beside this server may have added users.
    every("look for the dearest password hash", dearest_hash::LOOK_INTERVAL, dearest_hash::LOOK_INTERVAL)
        .run(|app| async move { dearest_hash::look(&app).await });
    // So that this server knows it before it begins to sign.
    every("look for another secret key", keys::LOOK_INTERVAL, keys::LOOK_INTERVAL)
        .run(|app| async move { keys::look_for_successor(&app).await });
}

/// Work that is done at intervals.
struct Task<'a> {
    rocket: &'a Rocket<Orbit>,
    app: &'a App,
    /// What it does, as its warning says it: "could not ...".
    what: &'static str,
    /// The pause before the first time.
    first: Duration,
    /// The pause after each time.
    interval: Duration,
}

impl Task<'_> {
    /// Runs it until shutdown, which breaks it off: its transaction is then rolled back.
    fn run<F, E>(self, work: impl Fn(App) -> F + Send + 'static)
    where
        F: Future<Output = std::result::Result<(), E>> + Send,
        E: Display + Send,
    {
        let Self { rocket, app, what, first, interval } = self;
        let (app, mut shutdown) = (app.clone(), rocket.shutdown());
        let repeated = async move {
            let mut pause = first;
            loop {
                tokio::time::sleep(pause).await;
                pause = match work(app.clone()).await {
                    Ok(()) => interval,
                    Err(error) => {
                        log::warn!("could not {what}: {error}");
                        interval.max(PAUSE_AFTER_FAILURE)
                    }
                };
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = repeated => {}
                () = &mut shutdown => {}
            }
        });
    }
}

/// Seals the entries of the audit log that wait for it. Fewer than a batch are left to the next time, as each sealing is
/// a transaction.
async fn seal(app: &App) -> Result<()> {
    while i64::try_from(audit::seal(app).await?) == Ok(audit::SEALING_BATCH) {}
    Ok(())
}

/// Seals what is left when the server stops.
pub(crate) async fn seal_the_rest(app: &App) {
    loop {
        match audit::seal(app).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return log::warn!("could not seal the audit log: {error}"),
        }
    }
    if let Err(error) = audit::keep_head(app).await {
        log::warn!("could not keep the head of the audit log: {error}");
    }
}
