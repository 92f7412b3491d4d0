//! Tasks that run beside the requests until shutdown.

use std::time::Duration;

use rocket::{Orbit, Rocket, tokio};

use crate::operations::{App, audit, dearest_hash, erasures, keys, maintenance, session_use};

/// How often expired sessions and forgotten failures are removed.
const CLEAN_UP_INTERVAL: Duration = Duration::from_mins(10);

/// How long a task waits that could not write.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How often it is looked whether changes can be stored.
const WRITE_TRIAL_INTERVAL: Duration = Duration::from_secs(5);

/// Removes expired sessions, links and the like at intervals. First it erases again who was erased after the backup that is
/// now the database.
pub(super) fn clean_up(rocket: &Rocket<Orbit>) {
    let Some(app) = rocket.state::<App>().cloned() else { return };
    let mut shutdown = rocket.shutdown();
    tokio::spawn(async move {
        if let Err(error) = erasures::reapply(&app).await {
            log::error!("could not erase again who is in the list of erased users: {error}");
        }
        loop {
            tokio::select! {
                cleaned = maintenance::clean_up(&app) => {
                    if let Err(error) = cleaned {
                        log::warn!("could not clean up: {error}");
                    }
                }
                () = &mut shutdown => return,
            }
            tokio::select! {
                () = tokio::time::sleep(CLEAN_UP_INTERVAL) => {}
                () = &mut shutdown => return,
            }
        }
    });
}

/// Stores when sessions were used.
pub(super) fn note_session_use(rocket: &Rocket<Orbit>) {
    let Some(app) = rocket.state::<App>().cloned() else { return };
    let mut shutdown = rocket.shutdown();
    tokio::spawn(async move {
        let mut pause = session_use::WRITE_INTERVAL;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut shutdown => return,
            }
            pause = match session_use::write(&app).await {
                Ok(()) => session_use::WRITE_INTERVAL,
                Err(error) => {
                    log::warn!("could not note that sessions were used: {error}");
                    PAUSE_AFTER_FAILURE
                }
            };
        }
    });
}

/// Finds out whether changes can be stored, before a user does.
pub(super) fn try_to_write(rocket: &Rocket<Orbit>) {
    let Some(app) = rocket.state::<App>().cloned() else { return };
    let mut shutdown = rocket.shutdown();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(WRITE_TRIAL_INTERVAL) => {}
                () = &mut shutdown => return,
            }
            app.db.try_to_write().await;
        }
    });
}

/// How often the whole audit log is examined.
const EXAMINE_INTERVAL: Duration = Duration::from_hours(24);

/// Examines the audit log, at the start and each day.
pub(super) fn examine(rocket: &Rocket<Orbit>) {
    let Some(app) = rocket.state::<App>().cloned() else { return };
    let mut shutdown = rocket.shutdown();
    tokio::spawn(async move {
        // What else begins with the server goes first, on the same few connections.
        tokio::select! {
            () = tokio::time::sleep(audit::SEALING_INTERVAL) => {}
            () = &mut shutdown => return,
        }
        loop {
            tokio::select! {
                examined = audit::examine(&app) => {
                    if let Err(error) = examined {
                        log::warn!("could not examine the audit log: {error}");
                    }
                }
                () = &mut shutdown => return,
            }
            tokio::select! {
                () = tokio::time::sleep(EXAMINE_INTERVAL) => {}
                () = &mut shutdown => return,
            }
        }
    });
}

/// Keeps the head of the audit log where the settings say, at intervals.
pub(super) fn keep_head(rocket: &Rocket<Orbit>) {
    let Some(app) = rocket.state::<App>().cloned() else { return };
    let interval = Duration::from_secs(app.settings.audit_head_seconds);
    let mut shutdown = rocket.shutdown();
    tokio::spawn(async move {
        loop {
            if let Err(error) = audit::keep_head(&app).await {
                log::warn!("could not keep the head of the audit log: {error}");
            }
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = &mut shutdown => return,
            }
        }
    });
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

/// Seals the entries of the audit log soon after they are written.
pub(super) fn seal(rocket: &Rocket<Orbit>) {
    let Some(app) = rocket.state::<App>().cloned() else { return };
    let mut shutdown = rocket.shutdown();
    tokio::spawn(async move {
        loop {
            let sealed = tokio::select! {
                sealed = audit::seal(&app) => sealed,
                () = &mut shutdown => return,
            };
            match sealed {
                // A full batch: more entries wait. Otherwise the next ones are worth a pause, as each sealing is a
                // transaction.
                Ok(sealed) if i64::try_from(sealed) == Ok(audit::SEALING_BATCH) => continue,
                Ok(_) => {}
                Err(error) => log::warn!("could not seal the audit log: {error}"),
            }
            tokio::select! {
                () = tokio::time::sleep(audit::SEALING_INTERVAL) => {}
                () = &mut shutdown => return,
            }
        }
    });
}

/// Looks at the password hashes of users who were added, by an import beside this server.
pub(super) fn look_for_dear_hashes(rocket: &Rocket<Orbit>) {
    let Some(app) = rocket.state::<App>().cloned() else { return };
    let mut shutdown = rocket.shutdown();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(dearest_hash::LOOK_INTERVAL) => {}
                () = &mut shutdown => return,
            }
            if let Err(error) = dearest_hash::look(&app).await {
                log::warn!("could not look for the dearest password hash: {error}");
            }
        }
    });
}

/// Looks for a successor to the secret key, so that this server knows it before it begins to sign.
pub(super) fn look_for_key(rocket: &Rocket<Orbit>) {
    let Some(app) = rocket.state::<App>().cloned() else { return };
    let mut shutdown = rocket.shutdown();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(keys::LOOK_INTERVAL) => {}
                () = &mut shutdown => return,
            }
            if let Err(error) = keys::look_for_successor(&app).await {
                log::warn!("could not look for another secret key: {error}");
            }
        }
    });
}
