//! `serve`: the server, from launch to the last answer.

use std::sync::Arc;
use std::time::Duration;

use rocket::Config;
use rocket::figment::Figment;
use rocket::local::asynchronous::Client;
use rocket::tokio::net::TcpListener;
use rocket::tokio::runtime::{Builder, Runtime};
use rocket::tokio::signal::unix::{SignalKind, signal};
use rocket::tokio::time::timeout;

use super::{Failure, complain, say};
use crate::db::{self, ServerLock};
use crate::model::clock::Clock;
use crate::operations::App;
use crate::server::gate::{self, Gate};
use crate::server::metrics;

/// The runtime for all subcommands, with a thread for each core.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().thread_name("rocket-worker").max_blocking_threads(64).enable_all().build()
}

pub(super) async fn run(figment: Figment) -> Result<(), Failure> {
    // Before the migrations: a newer release leaves the file alone while an older one serves it.
    let _lock = ServerLock::take(&figment.focus("databases.main"))?;
    let app = App::open(&figment, Clock::System).await?;
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
    let config = Config::try_from(&figment)?;
    let told = told_to_stop()?;
    let listener = TcpListener::bind((config.address, config.port))
        .await
        .map_err(|error| format!("cannot listen on {}:{}: {error}", config.address, config.port))?;
    let address = listener.local_addr()?;
    let metrics = match app.settings.metrics_address.as_str() {
        "" => None,
        address => Some(
            TcpListener::bind(address)
                .await
                .map_err(|error| format!("cannot listen on {address}: {error}"))?,
        ),
    };
    let (db, settings) = (app.db.clone(), Arc::clone(&app.settings));
    let database = figment.extract_inner("databases.main.max_connections")?;
    let connections = gate::connections(settings.connections, database);
    // Rocket's error shouts when it is dropped without a look.
    let client = Client::untracked(crate::server::rocket(figment, app))
        .await
        .map_err(|error| error.kind().to_string())?;
    // For as long as the process lives: requests outlive their connections, answers their requests.
    let gate: &'static Gate = Box::leak(Box::new(Gate::new(client, &settings, connections)));
    if let Some(listener) = metrics {
        say(&format_args!("Metrics are at http://{}/metrics", listener.local_addr()?));
        rocket::tokio::spawn(metrics::serve(listener, || gate.metrics()));
    }
    say(&format_args!("Usher listens on http://{address}"));
    log::info!("listening on {address}");
    let drain = Duration::from_secs(settings.drain_seconds);
    let grace = Duration::from_secs(config.shutdown.grace.into());
    gate.serve(listener, told, drain, grace).await;
    // After the last answer: it needs the database.
    drop(timeout(Duration::from_secs(config.shutdown.mercy.into()), db.close()).await);
    log::info!("stopped");
    Ok(())
}

/// Ends when somebody tells the process to stop.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        rocket::tokio::select! {
            _ = terminate.recv() => log::info!("told to stop by SIGTERM"),
            _ = interrupt.recv() => log::info!("told to stop by SIGINT"),
        }
    })
}
