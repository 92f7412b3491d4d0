//! The server: builds the Rocket from its fairings, routes, catchers and managed state. To add a task that runs
//! beside the requests: a function in `maintenance`.

pub(crate) mod maintenance;
pub(crate) mod metrics;
pub(crate) mod signals;

use std::sync::Arc;

use rocket::fairing::AdHoc;
use rocket::figment::Figment;
use rocket::{Build, Rocket};

use crate::http::{arrival, compression, denials, headers, logging, metrics as counters, traffic};
use crate::operations::App;
use crate::{api, web};

/// The server of an installation, ready to launch.
#[must_use]
pub fn rocket(figment: Figment, app: App) -> Rocket<Build> {
    rocket::custom(figment)
        .manage(web::pages())
        .manage(Arc::new(counters::Metrics::new(app.clock.now())))
        .manage(app)
        .manage(Arc::<traffic::Traffic>::default())
        .attach(arrival::Arrival)
        .attach(headers::Headers)
        .attach(compression::Pages)
        .attach(denials::Denials::default())
        .attach(logging::Requests)
        .attach(counters::Requests)
        .attach(AdHoc::on_liftoff("clean up", |rocket| {
            Box::pin(async move { maintenance::clean_up(rocket) })
        }))
        .attach(AdHoc::on_liftoff("seal the audit log", |rocket| {
            Box::pin(async move { maintenance::seal(rocket) })
        }))
        .mount("/", api::health_routes())
        .mount(api::BASE, api::routes())
        .mount("/", web::routes())
        .register("/", web::catchers())
        .register(api::BASE, api::catchers())
}
