//! The few expressions in which SQLite and PostgreSQL differ, and their errors.

use super::Error;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite
    Sqlite,
    /// PostgreSQL
    Postgres,
}

impl Dialect {
    /// How many rows one statement stores. Of PostgreSQL each statement is a round trip; in SQLite the index of the
    /// search is written once for each.
    pub(super) const ROWS_AT_ONCE: usize = 200;

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// The beginning of "the position of a part in a text"; column and part follow, separated by a
    /// comma, then [`Dialect::CONTAINS_END`]. No character of the part means anything but itself.
    #[must_use]
    pub const fn contains(self) -> &'static str {
        match self {
            Self::Sqlite => "instr(",
            Self::Postgres => "strpos(",
        }
    }

    /// The end of what [`Dialect::contains`] begins.
    pub const CONTAINS_END: &'static str = ") > 0";

    /// The beginning of "the last characters of a text"; a column follows, then [`Dialect::of_length`], then
    /// another text, which is as long, and two parentheses.
    #[must_use]
    pub const fn last_characters(self) -> &'static str {
        match self {
            Self::Sqlite => "substr(",
            Self::Postgres => "right(",
        }
    }

    /// See [`Dialect::last_characters`].
    #[must_use]
    pub const fn of_length(self) -> &'static str {
        match self {
            Self::Sqlite => ", -length(",
            Self::Postgres => ", length(",
        }
    }
}

/// Sorts a driver's error by what can be done about it.
pub(super) fn classify(error: sqlx::Error) -> Error {
    use sqlx::Error as Driver;
    match &error {
        Driver::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            // SQLite has no constraint names, only a message with the index's columns.
            let constraint = database.constraint().unwrap_or_else(|| database.message()).to_owned();
            classify_code(&code, &constraint, error)
        }
        Driver::Io(_)
        | Driver::Tls(_)
        | Driver::Protocol(_)
        | Driver::PoolTimedOut
        | Driver::PoolClosed
        | Driver::WorkerCrashed
        | Driver::BeginFailed => Error::Unavailable(error),
        _ => Error::Other(error),
    }
}

fn classify_code(code: &str, constraint: &str, error: sqlx::Error) -> Error {
    // SQLite's primary result code is the low byte of the extended one.
    let primary = code.parse::<u32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff);
    match (code, primary) {
        _ if constraint.contains("users_last_superuser") => Error::LastSuperuser,
        _ if constraint.contains("users_username_key") || constraint.contains("users.username_key") => {
            Error::UsernameTaken
        }
        _ if constraint.contains("external_ids_external_id")
            || constraint.contains("external_ids.external_id") =>
        {
            Error::ExternalIdTaken
        }
        _ if ["audit_entries_undoes", "audit_entries.undoes", "batches_undoes", "batches.undoes"]
            .iter()
            .any(|index| constraint.contains(index)) =>
        {
            Error::AlreadyUndone
        }
        _ if constraint.contains("users_pkey") || constraint.contains("users.id") => Error::IdTaken,
        // duplicate_prepared_statement, invalid_sql_statement_name
        ("42P05" | "26000", _) => Error::Pooled(error),
        // As PgBouncer says it.
        ("08P01", _) if constraint.contains("startup parameter") => Error::Pooled(error),
        // serialization_failure, deadlock_detected
        ("40001" | "40P01", _) => Error::Retry(error),
        // Connection exceptions (08), insufficient resources (53), operator intervention (57),
        // lock_not_available, object_not_in_prerequisite_state (the database accepts no connections),
        // read_only_sql_transaction.
        (code, _)
            if code.len() == 5
                && (["08", "53", "57"].iter().any(|class| code.starts_with(class))
                    || ["55P03", "55000", "25006"].contains(&code)) =>
        {
            Error::Unavailable(error)
        }
        // SQLITE_BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN
        (_, Some(5 | 6 | 7 | 8 | 9 | 10 | 13 | 14)) => Error::Unavailable(error),
        _ => Error::Other(error),
    }
}
