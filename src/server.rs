//! The server: builds the Rocket from its fairings, routes, catchers and managed state. To add a task that runs
//! beside the requests: a function in `maintenance`.

mod durability;
pub(crate) mod maintenance;
pub(crate) mod metrics;
pub(crate) mod signals;

use std::sync::{Arc, Mutex, PoisonError};

use rocket::fairing::AdHoc;
use rocket::figment::Figment;
use rocket::tokio::spawn;
use rocket::{Build, Ignite, Rocket};
use rocket_db_pools::Database;

use crate::config::Settings;
use crate::db::Db;
use crate::http::{arrival, base_path, compression, denials, headers, logging, metrics as counters, traffic};
use crate::model::clock::Clock;
use crate::model::site::Purpose;
use crate::operations::{App, OpenError, dearest_hash};
use crate::web::Assets;
use crate::{api, scim, web};

/// Why a server has no installation: Rocket's own error says only that a fairing failed.
#[derive(Debug, Clone, Default)]
pub struct Problem(Arc<Mutex<Option<OpenError>>>);

impl Problem {
    fn keep(&self, error: OpenError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Option<OpenError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The server of an installation before it is opened; why that fails is then in `problem`.
#[must_use]
pub fn rocket(figment: Figment, clock: Clock, problem: &Problem) -> Rocket<Build> {
    rocket_for(Purpose::Production, figment, clock, problem)
}

/// The same for a purpose.
pub(crate) fn rocket_for(
    purpose: Purpose,
    figment: Figment,
    clock: Clock,
    problem: &Problem,
) -> Rocket<Build> {
    // What is wrong with the settings is said when the installation is opened.
    let Settings { site_name, accent, scim: speaks_scim, base_path, .. } =
        Settings::read(&figment).unwrap_or_default();
    let assets = Assets::new(accent);
    let rocket = rocket::custom(figment.merge(web::template_folder()));
    let rocket = base_path::attach(rocket, base_path.clone())
        .attach(web::templates(&site_name, purpose, &assets, &base_path))
        .manage(assets)
        .attach(Db::init())
        .attach(installation(clock, problem.clone()))
        .manage(Arc::<traffic::Traffic>::default())
        .attach(arrival::Arrival)
        .attach(durability::Durability)
        .attach(headers::Headers)
        .attach(compression::Pages)
        .attach(denials::Denials::default())
        .attach(logging::Requests)
        .attach(counters::Requests)
        .attach(maintenance::tasks())
        .mount("/", api::health_routes())
        .mount(api::BASE, api::routes())
        .mount("/", web::routes())
        .mount(scim::BASE, if speaks_scim { scim::routes() } else { Vec::new() })
        .register("/", web::catchers())
        .register(api::BASE, api::catchers())
        .register(scim::ROOT, scim::catchers());
    if base_path.is_empty() {
        return rocket;
    }
    // The base path is still on a request that Rocket cannot read.
    rocket
        .register(base_path.link_to(api::BASE), api::catchers())
        .register(base_path.link_to(scim::ROOT), scim::catchers())
}

/// Opens the installation on the pool that Rocket's fairing made, and has Rocket manage it.
fn installation(clock: Clock, problem: Problem) -> AdHoc {
    AdHoc::try_on_ignite("installation", |rocket| async move {
        let Some(db) = rocket.state::<Db>().cloned() else { return Err(rocket) };
        match App::on(db, rocket.figment(), clock).await {
            Ok(app) => {
                let looking = app.clone();
                spawn(async move { dearest_hash::look_first(&looking).await });
                Ok(rocket.manage(app))
            }
            Err(error) => {
                problem.keep(error);
                Err(rocket)
            }
        }
    })
}

/// Opens the installation of a server, which is then ready to launch; its state has the [`App`]. [`Db::close`] is to
/// be called after the last answer.
///
/// # Errors
/// What is wrong, in words for the operator.
pub async fn ignite(rocket: Rocket<Build>, problem: &Problem) -> Result<Rocket<Ignite>, OpenError> {
    // Rocket's fairing for the pool would only log what is wrong with its configuration.
    Db::unconnected(&rocket.figment().focus("databases.main")).await?;
    rocket.ignite().await.map_err(|error| {
        // Rocket's error shouts when it is dropped without a look.
        let kind = error.kind().to_string();
        problem.take().unwrap_or(OpenError::Server(kind))
    })
}

/// The server of an installation, ready to launch.
///
/// # Errors
/// As [`ignite`].
pub async fn open(figment: Figment, clock: Clock) -> Result<Rocket<Ignite>, OpenError> {
    let problem = Problem::default();
    ignite(rocket(figment, clock, &problem), &problem).await
}
