//! The migrations of both databases, in the binary. To add one: a file in each folder that needs
//! it, under one number and name, and a line in its list; and [`OLDEST`], if earlier releases cannot work with it.

use std::time::Duration;

use rocket::tokio::time::{Instant, sleep};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgConnection, PgPool, Row as _, SqlSafeStr, SqliteConnection, SqlitePool, raw_sql};

use super::{Newer, Pools, Result};

/// Number, name and text of each migration of a folder. sqlx's `migrate!` does the same, but see [`super::row`].
macro_rules! migrations {
    ($folder:literal: $($number:literal $name:literal),+ $(,)?) => {
        &[$((
            $number,
            $name,
            include_str!(concat!("../../migrations/", $folder, "/", $number, "_", $name, ".sql")),
        )),+]
    };
}

type Migrations = &'static [(&'static str, &'static str, &'static str)];

const SQLITE: Migrations = migrations!("sqlite":
    "0001" "users_and_sessions",
    "0002" "account_life",
    "0003" "search_and_counts",
    "0004" "searched",
    "0005" "sessions",
    "0006" "guessing",
    "0007" "unconfirmed_addresses",
    "0009" "invited",
    "0010" "overview",
    "0011" "factors",
    "0012" "staff_lists",
    "0013" "passkeys",
    "0014" "external_ids",
    "0016" "audit_commitments",
    "0017" "erasure",
    "0021" "mail_retries",
);
const POSTGRES: Migrations = migrations!("postgres":
    "0001" "users_and_sessions",
    "0002" "account_life",
    "0003" "search_and_counts",
    "0005" "sessions",
    "0006" "guessing",
    "0007" "unconfirmed_addresses",
    "0009" "invited",
    "0010" "overview",
    "0011" "factors",
    "0012" "staff_lists",
    "0013" "passkeys",
    "0014" "external_ids",
    "0016" "audit_commitments",
    "0017" "erasure",
    "0021" "mail_retries",
    "0022" "audit_vacuum",
);

/// The migration that a release must know of to work with this schema: with each one that renames, removes or demands
/// what an earlier release uses, or lets it break a promise, this becomes its number.
const OLDEST: i64 = 16;

/// Where the schema keeps that number.
const OLDEST_NAME: &str = "oldest_schema";

/// Lets one instance migrate PostgreSQL at a time, until its transaction ends.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(7308324466019627841)";

/// Within a transaction of PostgreSQL that migrates: its statements take as long as they take, but queue for the lock of
/// a table only for an instant, as all others queue behind them; theirs ends after two seconds.
const LIMITS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
                      SET LOCAL lock_timeout = '200ms'";

/// As sqlx makes it, whose migrator the first releases used.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                     installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
                     execution_time BIGINT NOT NULL)";

/// A migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// What it is about.
    pub name: &'static str,
}

/// What was found of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Whether no migration was ever applied.
    pub is_new: bool,
    /// What is to be applied.
    pub pending: Vec<Step>,
    /// The migration that a release must know of.
    needs: i64,
    /// The last one that this release knows.
    knows: i64,
}

impl Schema {
    fn of(migrations: Migrations, applied: &[i64], needs: Option<&str>) -> Self {
        let pending = steps(migrations).filter(|step| !applied.contains(&step.version)).collect();
        let needs = needs.and_then(|text| text.parse().ok()).unwrap_or_default();
        let knows = steps(migrations).last().map_or(0, |step| step.version);
        Self { is_new: applied.is_empty(), pending, needs, knows }
    }

    /// That of a database which is not there.
    pub(super) fn none(pools: &Pools) -> Self {
        Self::of(of(pools), &[], None)
    }

    /// Makes sure that this release can work with it.
    ///
    /// # Errors
    /// [`Newer`]
    pub fn check(&self) -> std::result::Result<(), Newer> {
        let Self { needs, knows, .. } = *self;
        if needs > knows { Err(Newer { needs, knows }) } else { Ok(()) }
    }

    /// Whether nothing is left to do.
    pub(super) fn is_current(&self) -> bool {
        self.pending.is_empty() && self.needs >= OLDEST
    }
}

fn of(pools: &Pools) -> Migrations {
    match pools {
        Pools::Sqlite { .. } => SQLITE,
        Pools::Postgres(_) => POSTGRES,
    }
}

fn steps(migrations: Migrations) -> impl Iterator<Item = Step> {
    migrations.iter().map(|(number, name, _)| Step { version: number.parse().unwrap_or_default(), name })
}

/// The number of the first migration.
pub(super) fn first(pools: &Pools) -> i64 {
    steps(of(pools)).next().map_or(0, |step| step.version)
}

/// sqlx's migrations, with their checksums.
fn migrator(migrations: Migrations) -> Migrator {
    let migrations = steps(migrations).zip(migrations).map(|(step, (_, name, sql))| {
        let description = name.replace('_', " ").into();
        Migration::new(step.version, description, MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // An older release may run beside a newer one that has already added to the schema.
    migrator.set_ignore_missing(true);
    migrator
}

/// Reads the numbers of the migrations that were applied, and what a release must know of. In an empty database there
/// are no such tables. A statement without values gives bytes as the server is set to show them, so `$text` is their text.
macro_rules! read_schema {
    ($migrations:expr, $connection:expr, $text:literal) => {{
        let applied = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";
        let applied = match raw_sql(applied).fetch_all(&mut *$connection).await {
            Err(error) if is_missing_table(&error) => Vec::new(),
            rows => rows?.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>()?,
        };
        let needs: Option<String> = if applied.is_empty() {
            None
        } else {
            raw_sql(concat!("SELECT ", $text, " FROM installation WHERE name = 'oldest_schema'"))
                .fetch_optional(&mut *$connection)
                .await?
                .map(|row| row.try_get(0))
                .transpose()?
        };
        Schema::of($migrations, &applied, needs.as_deref())
    }};
}

fn is_missing_table(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table")
}

/// What there is of the schema.
pub(super) async fn schema(pools: &Pools) -> Result<Schema> {
    match pools {
        Pools::Sqlite { read, .. } => schema_of_file(&mut *read.pool().acquire().await?).await,
        Pools::Postgres(servers) => {
            let mut connection = servers.pool().acquire().await?;
            Ok(read_schema!(POSTGRES, connection, "encode(value, 'escape')"))
        }
    }
}

/// That of a file.
pub(super) async fn schema_of_file(connection: &mut SqliteConnection) -> Result<Schema> {
    Ok(read_schema!(SQLITE, connection, "CAST(value AS TEXT)"))
}

/// Applies pending migrations, all of them or none. While another process does, or holds a lock that is needed, this
/// waits and says so.
pub(super) async fn migrate(pools: &Pools) -> Result<()> {
    let mut waiting = Waiting { said: None, for_lock: PAUSE };
    loop {
        let reason = match pools {
            Pools::Sqlite { write, .. } => migrate_sqlite(write).await?,
            Pools::Postgres(servers) => migrate_postgres(servers.pool()).await?,
        };
        let Some(reason) = reason else { return Ok(()) };
        waiting.pause(reason).await;
    }
}

/// How soon to try again; and the longest pause after a table's lock was not to be had, which grows up to that.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What was said last and when, while another process is waited for; and the next pause before a table's lock is asked
/// for again.
struct Waiting {
    said: Option<(&'static str, Instant)>,
    for_lock: Duration,
}

impl Waiting {
    async fn pause(&mut self, reason: &'static str) {
        let is_known = |(said, at): (&str, Instant)| said == reason && at.elapsed() < Duration::from_secs(30);
        if !self.said.is_some_and(is_known) {
            log::warn!("the migrations have to wait: {reason}");
            self.said = Some((reason, Instant::now()));
        }
        if reason == LOCKED {
            sleep(self.for_lock).await;
            self.for_lock = LONGEST_PAUSE.min(self.for_lock * 2);
        } else {
            sleep(PAUSE).await;
        }
    }
}

const ANOTHER: &str = "another process is migrating the database";
const LOCKED: &str = "another session holds a lock on a table";

/// Why it has to wait, if it has.
async fn migrate_sqlite(pool: &SqlitePool) -> Result<Option<&'static str>> {
    let mut tx = match pool.begin_with("BEGIN IMMEDIATE").await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("5") => {
            return Ok(Some(ANOTHER));
        }
        begun => begun?,
    };
    // Not `run`: the compiler cannot see that its future is `Send`, as Rocket asks.
    migrator(SQLITE).run_direct(None, &mut *tx, false).await?;
    sqlx::query(NOTE).bind(OLDEST_NAME).bind(mark()).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(None)
}

/// A release that waited meanwhile may be an older one.
const NOTE: &str = "INSERT INTO installation (name, value) VALUES ($1, $2) \
                    ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE installation.value < excluded.value";

/// [`OLDEST`] as it is stored: of four digits, so that texts compare as numbers do.
fn mark() -> Vec<u8> {
    format!("{OLDEST:04}").into_bytes()
}

/// Why it has to wait, if it has. sqlx's own migrator holds its lock beyond transactions and names its statements,
/// neither of which a pooler in front carries.
async fn migrate_postgres(pool: &PgPool) -> Result<Option<&'static str>> {
    let mut tx = pool.begin().await?;
    let applied = apply(&mut tx).await;
    match applied {
        Ok(true) => {
            tx.commit().await?;
            Ok(None)
        }
        Ok(false) => Ok(Some(ANOTHER)),
        Err(
            MigrateError::Execute(sqlx::Error::Database(error))
            | MigrateError::ExecuteMigration(sqlx::Error::Database(error), _),
        ) if error.code().as_deref() == Some("55P03") => Ok(Some(LOCKED)),
        Err(error) => Err(error.into()),
    }
}

/// Applies what is pending; `false` while another instance does.
async fn apply(connection: &mut PgConnection) -> std::result::Result<bool, MigrateError> {
    if !raw_sql(LOCK).fetch_one(&mut *connection).await?.try_get(0)? {
        return Ok(false);
    }
    raw_sql(LIMITS).execute(&mut *connection).await?;
    raw_sql(TABLE).execute(&mut *connection).await?;
    let applied = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations").persistent(false);
    let applied: Vec<(i64, Vec<u8>)> = applied.fetch_all(&mut *connection).await?;
    for migration in migrator(POSTGRES).iter() {
        let version = migration.version;
        match applied.iter().find(|(known, _)| *known == version) {
            Some((_, checksum)) if *checksum == *migration.checksum => continue,
            Some(_) => return Err(MigrateError::VersionMismatch(version)),
            None => {}
        }
        let done = raw_sql(migration.sql.clone()).execute(&mut *connection).await;
        done.map_err(|error| MigrateError::ExecuteMigration(error, version))?;
        let note = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                    VALUES ($1, $2, TRUE, $3, -1)";
        let note = sqlx::query(note).bind(version).bind(&*migration.description).bind(&*migration.checksum);
        note.persistent(false).execute(&mut *connection).await?;
    }
    sqlx::query(NOTE).bind(OLDEST_NAME).bind(mark()).persistent(false).execute(&mut *connection).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_folders_is_in_the_list_and_has_its_own_number() {
        for (folder, migrations) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let listed: Vec<String> =
                migrations.iter().map(|(number, name, _)| format!("{number}_{name}.sql")).collect();
            assert_eq!(files, listed);
            let versions: Vec<i64> = migrator(migrations).iter().map(|migration| migration.version).collect();
            assert!(versions.is_sorted_by(|one, next| one < next), "{versions:?}");
            assert!(versions.contains(&OLDEST), "a release must know a migration that there is");
        }
    }

    #[test]
    fn a_release_refuses_a_schema_that_needs_a_migration_which_it_does_not_know() {
        let knows = steps(SQLITE).last().unwrap().version;
        let applied: Vec<i64> = steps(SQLITE).map(|step| step.version).collect();
        let schema = |needs: Option<i64>| {
            let needs = needs.map(|needs| format!("{needs:04}"));
            Schema::of(SQLITE, &applied, needs.as_deref())
        };
        for (needs, fits, is_current) in [
            (None, true, false),
            (Some(OLDEST - 1), true, false),
            (Some(OLDEST), true, true),
            (Some(knows), true, true),
            (Some(knows + 1), false, true),
        ] {
            let schema = schema(needs);
            assert_eq!((schema.check().is_ok(), schema.is_current()), (fits, is_current), "{needs:?}");
        }
        let refusal = schema(Some(9_999)).check().unwrap_err().to_string();
        assert!(refusal.contains("needs to know migration 9999"), "{refusal}");
        assert!(!Schema::of(SQLITE, &applied[1..], None).is_current());
    }
}
