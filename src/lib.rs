//! Usher keeps the users of an installation. Staff manage them in a browser, programs over JSON.
//!
//! This file is the map of the house: what is mounted where, and what every request passes.
//! Dependencies point one way: `api`, `web`, `cli` → `guard` → `accounts`, `sessions` → `db` →
//! `user`, `filter`, `page`.

pub mod accounts;
pub mod api;
pub mod api_tokens;
mod attempt;
pub mod audit;
mod authentication_code;
pub mod bulk;
pub mod cli;
pub mod clock;
mod compression;
pub mod config;
pub mod csrf;
pub mod db;
pub mod error;
pub mod export;
pub mod field_errors;
pub mod filter;
pub mod forgotten;
mod gate;
pub mod guard;
mod headers;
mod json;
pub mod keys;
pub mod known;
pub mod links;
pub mod lists;
pub mod live_sessions;
mod logging;
pub mod mail;
mod metrics;
pub mod origin;
pub mod own_account;
pub mod page;
pub mod passwords;
pub mod permission;
pub mod preferences;
mod record;
mod refusals;
pub mod request_id;
pub mod rules;
pub mod session;
pub mod sessions;
mod sheet;
pub mod sign_in_check;
pub mod text;
pub mod throttle;
pub mod time_zone;
pub mod tokens;
pub mod undo;
pub mod unfinished;
pub mod user;
pub mod web;

use std::sync::Arc;

use rocket::fairing::AdHoc;
use rocket::figment::Figment;
use rocket::{Build, Rocket};

use crate::clock::Clock;
use crate::config::Settings;
use crate::db::Db;
use crate::keys::Keys;
use crate::mail::Mailer;
use crate::passwords::Hasher;
use crate::unfinished::Unfinished;

/// Answers take many small pieces of memory, on one thread and back on another: glibc's own is slower at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The installation: what operations work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Usher {
    /// Where users and sessions are.
    pub db: Db,
    /// What time it is.
    pub clock: Clock,
    /// Hashes and checks passwords.
    pub hasher: Hasher,
    /// How it is configured.
    pub settings: Arc<Settings>,
    /// Signs tokens and forms.
    pub keys: Keys,
    /// Sends mail, if there is a server for it.
    pub mailer: Option<Mailer>,
    /// Messages and links that are still to be made after their answers.
    pub unfinished: Unfinished,
    /// What links begin with, such as `https://users.example.org`.
    pub base: Arc<str>,
}

/// Why an installation could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is not fit.
    #[error("the configuration is refused: {0}")]
    Config(#[from] config::ConfigError),
    /// The database cannot be opened.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] db::OpenError),
    /// The password settings do not work.
    #[error("the password settings are refused: {0}")]
    Passwords(#[from] passwords::SetupError),
    /// The keys cannot be had.
    #[error("the secret key cannot be used: {0}")]
    Keys(#[from] keys::KeyError),
}

impl Usher {
    /// Reads the configuration, opens the database, applies pending migrations, loads the keys.
    ///
    /// # Errors
    /// What is wrong, in words for the operator.
    pub async fn open(figment: &Figment, clock: Clock) -> Result<Self, OpenError> {
        let settings = Settings::read(figment)?;
        let hasher = Hasher::new(settings.cost(), settings.limits())?;
        let db = Db::open(&figment.focus("databases.main")).await?;
        let keys = Keys::load(&settings, &db).await?;
        let mailer = Mailer::new(&settings)?;
        let base = links::base(&settings, figment).into();
        let (settings, unfinished) = (Arc::new(settings), Unfinished::default());
        Ok(Self { db, clock, hasher, settings, keys, mailer, unfinished, base })
    }
}

/// The server of an installation, ready to launch.
#[must_use]
pub fn rocket(figment: Figment, app: Usher) -> Rocket<Build> {
    rocket::custom(figment)
        .manage(web::pages())
        .manage(Arc::new(metrics::Metrics::new(app.clock.now())))
        .manage(app)
        .manage(Arc::<gate::Traffic>::default())
        .attach(headers::FormMethod)
        .attach(headers::Headers)
        .attach(compression::Pages)
        .attach(refusals::Refusals::default())
        .attach(logging::Requests)
        .attach(metrics::Requests)
        .attach(AdHoc::on_liftoff("clean up", |rocket| {
            Box::pin(async move { cli::serve::clean_up_now_and_then(rocket) })
        }))
        .attach(AdHoc::on_liftoff("seal the trail", |rocket| {
            Box::pin(async move { audit::keep_sealing(rocket) })
        }))
        .mount("/", api::health_routes())
        .mount(api::BASE, api::routes())
        .mount("/", web::routes())
        .register("/", web::catchers())
        .register(api::BASE, api::catchers())
}
