//! The migrations of both databases, in the binary. To add one: a file in each folder that needs
//! it, under one number and name, and a line in its list.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr, SqlitePool};

use super::{Pools, Result};

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
);

fn migrator(migrations: Migrations) -> Migrator {
    let migrations = migrations.iter().map(|(number, name, sql)| {
        let version = number.parse().unwrap_or_default();
        let description = name.replace('_', " ").into();
        Migration::new(version, description, MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // An older release may run beside a newer one that has already added to the schema.
    migrator.set_ignore_missing(true);
    migrator
}

/// Applies pending migrations.
pub(super) async fn migrate(pools: &Pools) -> Result<()> {
    match pools {
        Pools::Sqlite { write, .. } => migrate_sqlite(write).await,
        Pools::Postgres(pool) => migrate_postgres(pool).await,
    }
}

/// The number of the first migration that was not applied.
pub(super) async fn first_pending(pools: &Pools) -> Result<Option<i64>> {
    const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";
    let (migrations, applied) = match pools {
        Pools::Sqlite { read, .. } => (SQLITE, sqlx::query_scalar(APPLIED).fetch_all(read).await),
        Pools::Postgres(pool) => (POSTGRES, sqlx::query_scalar(APPLIED).fetch_all(pool).await),
    };
    let applied: Vec<i64> = match applied {
        // In a fresh database there is no such table.
        Err(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| ["1", "42P01"].contains(&&*code)) =>
        {
            Vec::new()
        }
        applied => applied?,
    };
    let migrator = migrator(migrations);
    Ok(migrator.iter().map(|migration| migration.version).find(|version| !applied.contains(version)))
}

async fn migrate_sqlite(pool: &SqlitePool) -> Result<()> {
    // Of PostgreSQL sqlx takes a lock; here this transaction is the lock, so that instances which
    // start at once do not both make the tables.
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    // Not `run`: the compiler cannot see that its future is `Send`, as Rocket asks.
    migrator(SQLITE).run_direct(None, &mut *tx, false).await?;
    Ok(tx.commit().await?)
}

async fn migrate_postgres(pool: &PgPool) -> Result<()> {
    Ok(migrator(POSTGRES).run_direct(None, &mut *pool.acquire().await?, false).await?)
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
        }
    }
}
