//! Opening a database: what may be made or changed by that, and what is refused.

use rocket_db_pools::figment::Figment;

use super::migrations::{self, Schema};
use super::{Db, OpenError, Pool, PoolError, Pools, connect, users};

/// What opening a database may do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Pending migrations are applied; else there may be none.
    pub migrate: bool,
    /// Where there is no database, one is made.
    pub create: bool,
}

impl Db {
    /// Opens the database that the configuration names and applies pending migrations.
    ///
    /// # Errors
    /// An unknown scheme, a file or server that cannot be opened, a migration that fails.
    pub async fn open(figment: &Figment) -> Result<Self, OpenError> {
        let db = Self::unconnected(figment).await?;
        db.prepare(Opening { migrate: true, create: true }).await?;
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
        if !(opening.create && opening.migrate || self.exists()) {
            return Err(self.refusal(opening));
        }
        connect::connect(&self.pools).await.map_err(PoolError::Init)?;
        self.note_file();
        let schema = migrations::schema(&self.pools).await?;
        schema.check()?;
        if schema.is_new && !opening.create {
            return Err(self.refusal(opening));
        }
        if opening.migrate {
            if !schema.is_current() {
                migrations::migrate(&self.pools).await?;
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
    pub(crate) async fn inspect(&self) -> Result<Schema, OpenError> {
        if !self.exists() {
            return Ok(Schema::none(&self.pools));
        }
        connect::connect(&self.pools).await.map_err(PoolError::Init)?;
        Ok(migrations::schema(&self.pools).await?)
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
        OpenError::Missing(match &self.pools {
            Pools::Sqlite { write, .. } => write.connect_options().get_filename().display().to_string(),
            Pools::Postgres(_) => "the PostgreSQL database".to_owned(),
        })
    }
}
