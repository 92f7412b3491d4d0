//! `serve`: the server, from launch to the last answer.

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rocket::error::ErrorKind;
use rocket::fairing::AdHoc;
use rocket::figment::Figment;
use rocket::tokio::net::TcpListener;
use rocket::tokio::runtime::{Builder, Runtime};
use rocket::tokio::time::{Instant, timeout, timeout_at};
use rocket::{Config, Ignite, Orbit, Rocket};

use super::{Failure, complain, say};
use crate::config::Settings;
use crate::db::{self, Db, ServerLock};
use crate::http::descriptors;
use crate::http::metrics::{self, Metrics};
use crate::http::traffic::Traffic;
use crate::model::clock::Clock;
use crate::model::site::Purpose;
use crate::operations::{App, OpenError, first_superuser, session_use};
use crate::server::signals::{Answering, StopSignals};
use crate::server::{self, Problem, maintenance};

/// The runtime for all subcommands.
pub(super) fn runtime(config: &Config) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name("rocket-worker")
        .worker_threads(config.workers)
        .max_blocking_threads(config.max_blocking)
        .enable_all()
        .build()
}

/// How to serve.
#[derive(Debug, Default, Args)]
pub(super) struct Serve {
    /// Wait for the database as long as this if it cannot be reached yet, such as 60s or 5m
    #[arg(long, value_name = "TIME", value_parser = span)]
    wait: Option<Duration>,
}

impl Serve {
    /// How long to wait for the database.
    pub(super) fn wait(&self) -> Duration {
        self.wait.unwrap_or_default()
    }
}

/// A time in seconds, or with its unit.
fn span(text: &str) -> Result<Duration, &'static str> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        _ => return Err("it is a number of seconds, or like 60s or 5m"),
    };
    let number: u32 = number.parse().map_err(|_| "it is a number of seconds, or like 60s or 5m")?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

pub(super) async fn run(figment: Figment, purpose: Purpose, wait: Duration) -> Result<(), Failure> {
    descriptors::raise_limit();
    // The lock stands beside the file: on the disk that is mounted by then.
    wait_for_database(&figment, wait).await?;
    // Before the migrations: a newer release leaves the file alone while an older one serves it.
    let lock = ServerLock::take(&figment.focus("databases.main")).await?;
    let problem = Problem::default();
    let rocket = server::rocket_for(purpose, figment, Clock::System, &problem)
        .attach(Answering)
        .attach(AdHoc::on_liftoff("listening", |rocket| Box::pin(say_where(rocket))));
    let rocket = server::ignite(rocket, &problem).await?;
    lock.confirm()?;
    let app = rocket.state::<App>().cloned().ok_or("there is no installation")?;
    if let Some(files) = app.db.served_files() {
        lock.note(&files)?;
    }
    remark(&app, rocket.config()).await?;
    let signals = StopSignals::install()?;
    serve_metrics(&rocket, &app).await?;
    let (config, drain) = (rocket.config().clone(), Duration::from_secs(app.settings.drain_seconds));
    let traffic = rocket.state::<Arc<Traffic>>().cloned().unwrap_or_default();
    let stop = rocket::tokio::spawn(signals.shut_down(traffic, drain, rocket.shutdown()));
    if let Err(error) = rocket.launch().await {
        match error.kind() {
            ErrorKind::Bind(error) => {
                return Err(taken(SocketAddr::new(config.address, config.port), error).into());
            }
            // What was cut off has been said.
            ErrorKind::Shutdown(_, None) => {}
            other => return Err(other.to_string().into()),
        }
    }
    finish(&app, &config, stop.await?).await;
    Ok(())
}

/// Waits for the database, and makes sure that it is there if none is to be made.
async fn wait_for_database(figment: &Figment, wait: Duration) -> Result<(), OpenError> {
    let opening = Settings::read(figment)?.opening();
    let db = Db::unconnected(&figment.focus("databases.main")).await?;
    if !wait.is_zero() {
        db.wait_for(opening, wait).await;
    }
    db.demand(opening)?;
    db.close().await;
    Ok(())
}

/// Why the server cannot listen; where another program has the port, with the next one that is free.
fn taken(address: SocketAddr, error: &std::io::Error) -> String {
    let problem = format!("cannot listen on {address}: {error}");
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return problem;
    }
    let is_free = |port: &u16| std::net::TcpListener::bind((address.ip(), *port)).is_ok();
    match (address.port().saturating_add(1)..=u16::MAX).take(100).find(is_free) {
        Some(port) => format!("{problem}. Port {port} is free: ROCKET_PORT={port} usher"),
        None => problem,
    }
}

/// Says what the operator should know before the server listens.
async fn remark(app: &App, config: &Config) -> Result<(), Failure> {
    if !config.address.is_loopback() && app.settings.public_origin.is_empty() {
        complain(&format_args!(
            "usher: WARNING: public_origin is not set: links begin with {}, which others may not reach.",
            app.base
        ));
    }
    if app.settings.insecure_cookie {
        complain(
            &"usher: WARNING: insecure_cookie is set: sessions can be stolen on the way. For trusted networks only.",
        );
    }
    // A link is for a terminal only: what is written elsewhere is kept, and read by others.
    if !std::io::stdout().is_terminal() && !db::users::superuser_exists(&app.db).await? {
        say(&format_args!("There is no superuser yet. Make the first one with:\n\n    {FIRST_SUPERUSER}\n"));
        log::info!("there is no superuser yet; this makes the first one: {FIRST_SUPERUSER}");
    }
    if !db::select::search_is_indexed(&app.db).await? {
        log::warn!("{}", super::NO_SEARCH_INDEX);
    }
    Ok(())
}

/// How the first superuser is made without a browser.
const FIRST_SUPERUSER: &str = "usher createsuperuser --username admin";

/// Says where the server listens: with the port that it was given, if it asked for any. On a terminal also the link
/// with which the first superuser is made, if there is none.
async fn say_where(rocket: &Rocket<Orbit>) {
    let address = SocketAddr::new(rocket.config().address, rocket.config().port);
    say(&format_args!("Usher listens on http://{address}"));
    log::info!("listening on {address}");
    let Some(app) = rocket.state::<App>().filter(|_| std::io::stdout().is_terminal()) else { return };
    match first_superuser::offer(app).await {
        Ok(Some(path)) => say(&format_args!(
            "\nThere is no superuser yet. Make the first one in a browser, within an hour:\n\n    {}{}\n\n\
             or here: {FIRST_SUPERUSER}\n",
            origin(app, address),
            app.settings.base_path.link_to(&path)
        )),
        Ok(None) => {}
        Err(error) => log::warn!("could not look for a superuser: {error}"),
    }
}

/// The origin of the server for a browser on this machine, unless the configuration says it.
fn origin(app: &App, address: SocketAddr) -> String {
    let loopback = match address.ip() {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    let ip = if address.ip().is_unspecified() { loopback } else { address.ip() };
    match app.settings.public_origin.as_str() {
        "" => format!("http://{}", SocketAddr::new(ip, address.port())),
        public => public.to_owned(),
    }
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
    // Closed, it still takes tasks, but is done once it has none.
    app.background.close();
    if timeout_at(began + grace, app.background.wait()).await.is_err() {
        log::warn!("{} tasks, such as messages, were cut off", app.background.len());
    }
    if let Err(error) = session_use::write(app).await {
        log::warn!("could not note that sessions were used: {error}");
    }
    // Entries were written until now; none is left without a seal.
    let mercy = Duration::from_secs(config.shutdown.mercy.into());
    if timeout(mercy, maintenance::seal_the_rest(app)).await.is_err() {
        log::warn!("the audit log was not sealed to its end; the next start goes on");
    }
    drop(timeout(mercy, app.db.close()).await);
    log::info!("stopped");
}
