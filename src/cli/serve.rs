//! `serve`: the server, from launch to the last answer.

use std::time::Duration;

use rocket::Orbit;
use rocket::figment::Figment;
use rocket::tokio::runtime::{Builder, Runtime};

use super::{Failure, complain, say};
use crate::Usher;
use crate::db;
use crate::sessions;

/// How often expired sessions and forgotten failures are removed.
const CLEAN_UP_INTERVAL: Duration = Duration::from_mins(10);

/// The runtime for all subcommands, with a thread for each core.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().thread_name("rocket-worker").max_blocking_threads(64).enable_all().build()
}

pub(super) async fn run(figment: Figment, app: Usher) -> Result<(), Failure> {
    if app.settings.insecure_cookie {
        complain(
            &"usher: WARNING: insecure_cookie is set: sessions can be stolen on the way. For trusted networks only.",
        );
    }
    if !db::users::superuser_exists(&app.db).await? {
        say(
            &"There is no superuser yet. Make the first one with:\n\n    usher createsuperuser --username admin\n",
        );
    }
    if !db::select::search_is_indexed(&app.db).await? {
        log::warn!("{}", super::NO_SEARCH_INDEX);
    }
    let db = app.db.clone();
    let rocket =
        crate::rocket(figment, app).attach(rocket::fairing::AdHoc::on_liftoff("address", |rocket| {
            Box::pin(async move {
                let config = rocket.config();
                say(&format_args!("Usher listens on http://{}:{}", config.address, config.port));
            })
        }));
    let result = rocket.launch().await;
    // After the last answer: closing with the fairings would cut those still being worked on.
    db.close().await;
    match result {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = error.kind().to_string();
            // Rocket's error shouts when it is dropped without a look.
            Err(reason.into())
        }
    }
}

/// Removes what nothing can use any more, now and then, until shutdown.
pub(crate) fn clean_up_now_and_then(rocket: &rocket::Rocket<Orbit>) {
    let Some(app) = rocket.state::<Usher>().cloned() else { return };
    let shutdown = rocket.shutdown();
    rocket::tokio::spawn(async move {
        let work = async {
            loop {
                if let Err(error) = sessions::clean_up(&app).await {
                    log::warn!("could not clean up: {error}");
                }
                rocket::tokio::time::sleep(CLEAN_UP_INTERVAL).await;
            }
        };
        rocket::tokio::select! {
            () = work => {}
            () = shutdown => {}
        }
    });
}
