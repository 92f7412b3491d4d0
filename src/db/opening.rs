//! Opening a database: what may be made or changed by that, and what is refused.

use std::time::Duration;

use rocket::tokio::time::{Instant, sleep};
use rocket_db_pools::figment::Figment;

use super::migrations::{self, Schema};
use super::{Db, OpenError, Pool, PoolError, Pools, connect, place, servers, users};
use crate::model::pooling::Pooler;

/// How often a database that is waited for is tried.
const PAUSE: Duration = Duration::from_millis(500);

/// What opening a database may do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Pending migrations are applied; else there may be none.
    pub migrate: bool,
    /// Where there is no database, one is made.
    pub create: bool,
    /// How connections to PostgreSQL are used.
    pub pooler: Pooler,
}

impl Db {
    /// Opens the database that the configuration names and applies pending migrations.
    ///
    /// # Errors
    /// An unknown scheme, a file or server that cannot be opened, a migration that fails.
    pub async fn open(figment: &Figment) -> Result<Self, OpenError> {
        let db = Self::unconnected(figment).await?;
        db.prepare(Opening { migrate: true, create: true, pooler: Pooler::Auto }).await?;
        Ok(db)
    }

    /// The database that the configuration names, without a connection yet.
    ///
    /// # Errors
    /// An unknown scheme, or a configuration that is not fit.
    pub(crate) async fn unconnected(figment: &Figment) -> Result<Self, OpenError> {
        Ok(Self(<Pool as rocket_db_pools::Pool>::init(figment).await?))
    }

    /// Connects for the first time and applies pending migrations, or makes sure that there are none. Several
    /// instances may do so at once: one migrates, and the others wait for it.
    ///
    /// # Errors
    /// A file or server that cannot be opened, a database of a newer release, a migration that fails or is pending.
    pub(crate) async fn prepare(&self, opening: Opening) -> Result<(), OpenError> {
        self.demand(opening)?;
        self.demand_own_place()?;
        connect::connect(&self.pools, opening.pooler).await.map_err(PoolError::Init)?;
        let schema = migrations::schema(&self.pools).await?;
        self.note_file()?;
        schema.check()?;
        if schema.is_new && !opening.create {
            return Err(self.refusal(opening));
        }
        if opening.migrate {
            if !schema.is_current() {
                migrations::migrate(&self.pools).await?;
                self.settle().await?;
            }
            return Ok(users::rewrite(self).await?);
        }
        match schema.pending.first() {
            Some(step) => Err(OpenError::Pending(step.version)),
            None => Ok(()),
        }
    }

    /// Connects and looks at the schema. Nothing is made or changed, not even an empty file.
    ///
    /// # Errors
    /// A file or server that cannot be opened.
    pub(crate) async fn inspect(&self, opening: Opening) -> Result<Schema, OpenError> {
        self.demand_own_place()?;
        if !self.exists() {
            return Ok(Schema::none(&self.pools));
        }
        connect::look(&self.pools, opening.pooler).await.map_err(PoolError::Init)?;
        Ok(migrations::schema(&self.pools).await?)
    }

    /// Waits until the database can be reached, or until that has taken too long; then opening it says why.
    pub(crate) async fn wait_for(&self, opening: Opening, limit: Duration) {
        let end = Instant::now() + limit;
        let mut has_said = false;
        loop {
            let problem = match &self.pools {
                Pools::Sqlite { .. } if self.exists() || opening.create && self.has_folder() => return,
                Pools::Sqlite { .. } if opening.create => "there is no folder for it".to_owned(),
                Pools::Sqlite { .. } => self.refusal(opening).to_string(),
                Pools::Postgres(servers) => match servers.connect(opening.pooler).await {
                    Err(error) if servers::is_passing(&error) => error.to_string(),
                    _ => return,
                },
            };
            if Instant::now() >= end {
                return;
            }
            if !std::mem::replace(&mut has_said, true) {
                log::warn!("waiting for the database, {} seconds at most: {problem}", limit.as_secs());
            }
            sleep(PAUSE).await;
        }
    }

    /// Makes sure that there is a database where none is to be made.
    ///
    /// # Errors
    /// That it is missing.
    pub(crate) fn demand(&self, opening: Opening) -> Result<(), OpenError> {
        if opening.create && opening.migrate || self.exists() { Ok(()) } else { Err(self.refusal(opening)) }
    }

    /// Makes sure that a file of SQLite is not in the place of another one.
    ///
    /// # Errors
    /// That it is.
    fn demand_own_place(&self) -> Result<(), OpenError> {
        match &self.pools {
            Pools::Sqlite { write, .. } => place::demand_own_place(write.connect_options().get_filename()),
            Pools::Postgres(_) => Ok(()),
        }
    }

    /// Whether a file could be made.
    fn has_folder(&self) -> bool {
        match &self.pools {
            Pools::Sqlite { write, .. } => write
                .connect_options()
                .get_filename()
                .parent()
                .is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir()),
            Pools::Postgres(_) => true,
        }
    }

    /// Whether there is a file; of PostgreSQL connecting tells.
    fn exists(&self) -> bool {
        match &self.pools {
            Pools::Sqlite { write, .. } => write.connect_options().get_filename().exists(),
            Pools::Postgres(_) => true,
        }
    }

    /// Why nothing is made where there is no database.
    fn refusal(&self, opening: Opening) -> OpenError {
        if opening.create {
            return OpenError::Pending(migrations::first(&self.pools));
        }
        match &self.pools {
            Pools::Sqlite { write, .. } => {
                OpenError::Missing(write.connect_options().get_filename().display().to_string())
            }
            Pools::Postgres(_) => OpenError::Empty,
        }
    }
}
