//! What a connection to PostgreSQL finds of the server that it leads to.

use sqlx::{PgConnection, Row as _, raw_sql};

/// What a session may take, and how it is isolated whatever the server's default is: the rule of the last superuser
/// must see what was committed while it waited for its lock. Compiling short queries costs more than running them.
pub(super) const LIMITS: [(&str, &str); 5] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("default_transaction_isolation", "read committed"),
    ("jit", "off"),
];

/// A setting with a value that only the connection itself has asked for: the limits alone may be the role's defaults,
/// also where a pooler keeps nothing.
pub(super) const DIRECT: &str = "usher.direct";

/// What [`Looked`] has.
const LOOK: &str = "SELECT current_setting('statement_timeout') = '5s' AND current_setting('lock_timeout') = '2s' \
                    AND current_setting('jit') = 'off', current_setting('server_encoding'), \
                    current_setting('transaction_read_only') = 'on', \
                    coalesce(current_setting('usher.direct', TRUE), '')";

/// Whether it follows another server, and of which installation it is; no row where that is not known.
const COPY: &str =
    "SELECT pg_is_in_recovery(), encode(value, 'hex') FROM installation WHERE name = 'cookie_tag'";

/// What a connection finds.
pub(super) struct Looked {
    /// Whether the limits are in force.
    is_limited: bool,
    /// How text is stored.
    pub(super) encoding: String,
    /// Whether changes are refused.
    pub(super) only_reads: bool,
    /// The value of [`DIRECT`].
    direct: String,
}

impl Looked {
    /// Looks; where it is to be a replica of an installation, also whether it is.
    pub(super) async fn at(
        connection: &mut PgConnection,
        replica_of: Option<&String>,
    ) -> Result<Self, sqlx::Error> {
        let row = raw_sql(LOOK).fetch_one(&mut *connection).await?;
        if let Some(installation) = replica_of {
            demand_replica(connection, installation).await?;
        }
        Ok(Self {
            is_limited: row.try_get(0)?,
            encoding: row.try_get(1)?,
            only_reads: row.try_get(2)?,
            direct: row.try_get(3)?,
        })
    }

    /// Whether no pooler stands in between that keeps nothing of what a connection asks for.
    pub(super) fn is_direct(&self, mark: &str) -> bool {
        self.is_limited && self.direct == mark
    }
}

/// Refuses a server that is no replica of an installation: users of another one must not be shown.
async fn demand_replica(connection: &mut PgConnection, installation: &str) -> Result<(), sqlx::Error> {
    let refuse = |reason: &str| Err(sqlx::Error::Configuration(reason.into()));
    let row = match raw_sql(COPY).fetch_optional(connection).await {
        // undefined_table
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == "42P01") => None,
        row => row?,
    };
    let Some(row) = row else { return refuse("there are no users of Usher in its database") };
    if row.try_get::<&str, _>(1)? != installation {
        return refuse("its database is that of another installation");
    }
    if !row.try_get::<bool, _>(0)? {
        return refuse("it follows no other server, but takes changes itself");
    }
    Ok(())
}
