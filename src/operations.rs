//! What can be done: each operation takes the proof of a permission, applies the rules on the locked row before and
//! after the change, and writes in one transaction together with its audit entry.
//!
//! An operation knows neither requests nor SQL. To add one: a function in the file of its noun.

pub mod addresses;
pub mod api_tokens;
pub mod audit;
pub mod authentication;
mod block_notice;
pub mod bulk;
mod can;
pub mod carried_factors;
pub(crate) mod csv;
pub mod dearest_hash;
pub mod demo;
pub mod erasures;
pub mod export;
pub mod factors;
pub mod first_superuser;
pub mod forgotten_password;
pub mod import;
pub mod import_runs;
mod kept_key;
pub mod keys;
pub mod known_browsers;
pub mod lists;
pub mod locks;
pub mod mail;
pub mod maintenance;
pub mod notes;
mod notices;
pub mod operator;
pub mod overview;
pub mod own_account;
pub mod passkeys;
mod password_attempt;
pub mod password_links;
pub mod password_removal;
pub mod personal_data;
pub mod provisioning;
pub mod reauthentication;
pub mod request_limits;
mod second_factor;
pub mod session_use;
pub mod sessions;
mod settings;
pub mod sign_in;
pub mod sign_in_diagnosis;
mod sign_in_steps;
pub mod undo;
pub mod unlock;
pub mod uploads;
pub mod users;

use std::sync::Arc;
use std::time::Duration;

use rocket::figment::Figment;
use tokio_util::task::TaskTracker;

pub use self::can::Can;
use self::dearest_hash::DearestHash;
use self::first_superuser::FirstStart;
use self::keys::{KeyRing, Keys};
use self::mail::Mailer;
use self::overview::PastDays;
use self::session_use::SessionUses;
use self::uploads::Uploads;
use crate::config::{self, ConfigError, Settings};
use crate::db::{self, Db, Schema};
use crate::model;
use crate::model::clock::Clock;
use crate::model::second_factor::Access;
use crate::model::user::User;
use crate::security::passwords::{self, Hasher};

/// The installation: what operations work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// Where users and sessions are.
    pub db: Db,
    /// What time it is.
    pub clock: Clock,
    /// Hashes and checks passwords.
    pub hasher: Hasher,
    /// What the dearest stored hash costs; a server looks for it.
    pub dearest_hash: Arc<DearestHash>,
    /// How it is configured.
    pub settings: Arc<Settings>,
    /// What signs tokens and forms, in the course of time; see [`App::keys`].
    pub ring: KeyRing,
    /// Sends mail, if there is a server for it.
    pub mailer: Option<Arc<Mailer>>,
    /// What was uploaded for imports that are still to be decided on.
    pub uploads: Uploads,
    /// Imports, messages, links and entries of refusals that are still to be made after their answers: a stop waits for them.
    pub background: TaskTracker,
    /// What the names of cookies end with, so that installations on one host do not share any.
    pub cookie_tag: Arc<str>,
    /// The origin of the pages, such as `https://example.org`.
    pub origin: Arc<str>,
    /// What links begin with: the origin and the base path, such as `https://example.org/usher`.
    pub base: Arc<str>,
    /// The link with which the first superuser is made, if this process has printed one.
    pub first_start: Arc<FirstStart>,
    /// When sessions were used, as far as that is still to be stored.
    pub session_uses: Arc<SessionUses>,
    /// The sign-ins of days that are over, once they were counted.
    pub past_days: Arc<PastDays>,
    /// What this process knows of the seals of the audit log.
    pub audit_watch: Arc<audit::Watch>,
}

/// Why an installation could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is not fit.
    #[error("the configuration is refused: {0}")]
    Config(#[from] ConfigError),
    /// The database cannot be opened.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] db::OpenError),
    /// The password settings do not work.
    #[error("the password settings are refused: {0}")]
    Passwords(#[from] passwords::SetupError),
    /// The keys cannot be had.
    #[error("the secret key cannot be used: {0}")]
    Keys(#[from] keys::KeyError),
    /// Rocket refuses to start.
    #[error("the server cannot be set up: {0}")]
    Server(String),
}

/// How long a connection to the replica may take.
const REPLICA_WAIT: Duration = Duration::from_secs(2);

impl App {
    /// Reads the configuration, opens the database, applies pending migrations if it is to, loads the keys: for what
    /// needs no server.
    ///
    /// # Errors
    /// What is wrong, in words for the operator.
    pub async fn open(figment: &Figment, clock: Clock) -> Result<Self, OpenError> {
        Self::on(Db::unconnected(&figment.focus("databases.main")).await?, figment, clock).await
    }

    /// The same on a database that is not connected to yet.
    ///
    /// # Errors
    /// What is wrong, in words for the operator.
    pub async fn on(db: Db, figment: &Figment, clock: Clock) -> Result<Self, OpenError> {
        let settings = Settings::read(figment)?;
        let hasher = Hasher::new(settings.cost(), settings.limits())?;
        set_up(&db, &settings, figment)?;
        db.prepare(settings.opening()).await?;
        let ring = KeyRing::load(&settings, &db).await?;
        kept_key::look(&settings, &db).await?;
        let cookie_tag: Arc<str> = keys::cookie_tag(&db).await?.into();
        db.demand_replica_of(&cookie_tag);
        let mailer = Mailer::new(&settings)?.map(Arc::new);
        let origin: Arc<str> = password_links::origin(&settings, figment).into();
        let base = origin.to_string() + settings.base_path.as_str();
        let (settings, background) = (Arc::new(settings), TaskTracker::new());
        Ok(Self {
            db,
            clock,
            hasher,
            dearest_hash: Arc::default(),
            settings,
            ring,
            mailer,
            uploads: Uploads::default(),
            background,
            cookie_tag,
            origin,
            base: base.into(),
            first_start: Arc::default(),
            session_uses: Arc::default(),
            past_days: Arc::default(),
            audit_watch: Arc::default(),
        })
    }

    /// Connects to the database that the configuration names and looks at its schema; nothing is made or changed.
    ///
    /// # Errors
    /// What is wrong, in words for the operator.
    pub(crate) async fn inspect(figment: &Figment) -> Result<(Db, Schema), OpenError> {
        let settings = Settings::read(figment)?;
        let db = Db::unconnected(&figment.focus("databases.main")).await?;
        set_up(&db, &settings, figment)?;
        let schema = db.inspect(settings.opening()).await?;
        if schema.is_new && settings.database_must_exist {
            // Says what is missing.
            db.prepare(settings.opening()).await?;
        }
        Ok((db, schema))
    }

    /// What an account gets at this moment from the right password or from a session: the [gate](model::second_factor::access).
    #[must_use]
    pub fn access(&self, user: &User, shown: bool) -> Access {
        model::second_factor::access(user, shown, self.settings.demand(), self.clock.now())
    }

    /// The same installation, for a request that is to be answered soon whatever it waits for.
    #[must_use]
    pub fn for_request(&self) -> Self {
        Self { db: self.db.for_request(), ..self.clone() }
    }

    /// The same installation, for work that no request waits for.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { db: self.db.detached(), ..self.clone() }
    }

    /// The keys of this moment.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        self.ring.at(self.clock.now())
    }
}

/// Names the replica, if there is one. Refuses a database that is reached over a network without verified TLS, where the
/// settings demand that.
fn set_up(db: &Db, settings: &Settings, figment: &Figment) -> Result<(), OpenError> {
    if let Some(url) = config::replica_url(figment)? {
        db.use_replica(&url, settings.database_pooler, REPLICA_WAIT)?;
    }
    if settings.require_database_tls
        && let Some(host) = db.unverified_host()
    {
        let reason = format!("{host} is reached without verified TLS; add sslmode=verify-full to its URL");
        return Err(ConfigError::Value { name: "require_database_tls".to_owned(), reason }.into());
    }
    Ok(())
}
