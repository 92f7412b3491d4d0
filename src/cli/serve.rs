//! `serve`: the server, from launch to the last answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rocket::error::ErrorKind;
use rocket::fairing::AdHoc;
use rocket::figment::Figment;
use rocket::tokio::net::TcpListener;
use rocket::tokio::runtime::{Builder, Runtime};
use rocket::tokio::time::{Instant, timeout, timeout_at};
use rocket::{Config, Ignite, Rocket};

use super::{Failure, complain, say};
use crate::db::{self, ServerLock};
use crate::http::descriptors;
use crate::http::metrics::{self, Metrics};
use crate::http::traffic::Traffic;
use crate::model::clock::Clock;
use crate::operations::App;
use crate::server;
use crate::server::signals::{Answering, StopSignals};

/// The runtime for all subcommands.
pub(super) fn runtime(config: &Config) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name("rocket-worker")
        .worker_threads(config.workers)
        .max_blocking_threads(config.max_blocking)
        .enable_all()
        .build()
}

pub(super) async fn run(figment: Figment) -> Result<(), Failure> {
    descriptors::raise_limit();
    // Before the migrations: a newer release leaves the file alone while an older one serves it.
    let _lock = ServerLock::take(&figment.focus("databases.main"))?;
    let app = App::open(&figment, Clock::System).await?;
    remark(&app).await?;
    let signals = StopSignals::install()?;
    let rocket = server::rocket(figment, app.clone())
        .attach(Answering)
        .attach(AdHoc::on_liftoff("listening", |rocket| Box::pin(async move { say_where(rocket.config()) })));
    // Rocket's error panics when it is dropped without being inspected.
    let rocket = rocket.ignite().await.map_err(|error| error.kind().to_string())?;
    serve_metrics(&rocket, &app).await?;
    let (config, drain) = (rocket.config().clone(), Duration::from_secs(app.settings.drain_seconds));
    let traffic = rocket.state::<Arc<Traffic>>().cloned().unwrap_or_default();
    let stop = rocket::tokio::spawn(signals.shut_down(traffic, drain, rocket.shutdown()));
    if let Err(error) = rocket.launch().await {
        match error.kind() {
            ErrorKind::Bind(error) => {
                return Err(format!("cannot listen on {}:{}: {error}", config.address, config.port).into());
            }
            // What was cut off has been said.
            ErrorKind::Shutdown(_, None) => {}
            other => return Err(other.to_string().into()),
        }
    }
    finish(&app, &config, stop.await?).await;
    Ok(())
}

/// Says what the operator should know before the server listens.
async fn remark(app: &App) -> Result<(), Failure> {
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
    Ok(())
}

/// Says where the server listens: with the port that it was given, if it asked for any.
fn say_where(config: &Config) {
    let address = SocketAddr::new(config.address, config.port);
    say(&format_args!("Usher listens on http://{address}"));
    log::info!("listening on {address}");
}

/// Serves the metrics on an address of their own, if there is one.
async fn serve_metrics(rocket: &Rocket<Ignite>, app: &App) -> Result<(), Failure> {
    let address = app.settings.metrics_address.as_str();
    let (traffic, numbers) = (rocket.state::<Arc<Traffic>>(), rocket.state::<Arc<Metrics>>());
    let (false, Some(traffic), Some(numbers)) = (address.is_empty(), traffic, numbers) else { return Ok(()) };
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    say(&format_args!("Metrics are at http://{}/metrics", listener.local_addr()?));
    let (app, traffic, numbers) = (app.clone(), Arc::clone(traffic), Arc::clone(numbers));
    let page = move || metrics::page(&app, &traffic, &numbers).unwrap_or_default();
    rocket::tokio::spawn(server::metrics::serve(listener, page));
    Ok(())
}

/// Waits for what was to be done after the answers, until `shutdown.grace` after the shutdown began, and closes the
/// database.
async fn finish(app: &App, config: &Config, began: Instant) {
    let grace = Duration::from_secs(config.shutdown.grace.into());
    if timeout_at(began + grace, app.background.done()).await.is_err() {
        log::warn!("{} messages were cut off", app.background.count());
    }
    drop(timeout(Duration::from_secs(config.shutdown.mercy.into()), app.db.close()).await);
    log::info!("stopped");
}
