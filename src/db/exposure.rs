//! How far the database is open to others than this program: files, network, rights of the role.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::replica::Replica;
use super::{Db, Pools, Result, Sql};

/// What the role of PostgreSQL may do that serving does not need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Rights beyond this database, in words.
    pub beyond: Vec<&'static str>,
    /// Whether it may change the schema, which only migrations need.
    pub changes_schema: bool,
}

impl Db {
    /// The files of SQLite that others than their owner may read or write, with their modes.
    #[must_use]
    pub fn open_files(&self) -> Vec<(PathBuf, u32)> {
        let Pools::Sqlite { write, .. } = &self.pools else { return Vec::new() };
        let options = write.connect_options();
        let file = |suffix| {
            let mut name = options.get_filename().as_os_str().to_owned();
            name.push(suffix);
            let path = PathBuf::from(name);
            let mode = std::fs::metadata(&path).ok()?.permissions().mode() & 0o777;
            (mode & 0o077 != 0).then_some((path, mode))
        };
        ["", "-wal", "-shm"].into_iter().filter_map(file).collect()
    }

    /// The host that PostgreSQL is connected to over a network without verified TLS.
    #[must_use]
    pub fn unverified_host(&self) -> Option<String> {
        let Pools::Postgres(servers) = &self.pools else { return None };
        let of_replica = self.replica.get().into_iter().flat_map(Replica::hosts);
        servers.hosts().iter().chain(of_replica).find_map(unverified_host)
    }

    /// What the role of PostgreSQL may do; of SQLite `None`.
    pub async fn role(&self) -> Result<Option<Role>> {
        if self.dialect() == super::Dialect::Sqlite {
            return Ok(None);
        }
        let sql = Sql::new(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, \
             has_schema_privilege(current_schema(), 'CREATE') OR EXISTS (SELECT 1 FROM pg_class \
             WHERE pg_class.oid = to_regclass('users') AND pg_has_role(relowner, 'USAGE')) \
             FROM pg_roles WHERE rolname = current_user",
        );
        let row: Option<(bool, bool, bool, bool, bool, bool)> = self.optional(sql).await?;
        Ok(row.map(|(superuser, roles, databases, replication, row_security, changes_schema)| Role {
            beyond: [
                (superuser, "is a superuser"),
                (roles, "may make roles"),
                (databases, "may make databases"),
                (replication, "may replicate the server"),
                (row_security, "bypasses row security"),
            ]
            .into_iter()
            .filter_map(|(may, words)| may.then_some(words))
            .collect(),
            changes_schema,
        }))
    }
}

fn unverified_host(options: &PgConnectOptions) -> Option<String> {
    let host = options.get_host();
    let is_here = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback());
    let is_verified = matches!(options.get_ssl_mode(), PgSslMode::VerifyFull);
    (!is_here && !is_verified).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cf_5_only_verified_tls_protects_a_connection_over_the_network() {
        let host = |url: &str| unverified_host(&url.parse().unwrap());
        for url in [
            "postgres://usher@db.example.org/usher",
            "postgres://usher@db.example.org/usher?sslmode=require",
            "postgres://usher@db.example.org/usher?sslmode=verify-ca",
            "postgres://usher@db.example.org/usher?sslmode=disable",
        ] {
            assert_eq!(host(url).as_deref(), Some("db.example.org"), "{url}");
        }
        assert_eq!(host("postgres://usher@10.0.0.7/usher").as_deref(), Some("10.0.0.7"));
        for url in [
            "postgres://usher@db.example.org/usher?sslmode=verify-full",
            "postgres://usher@localhost/usher",
            "postgres://usher@127.0.0.1:22999/usher",
            "postgres://usher@[::1]/usher",
            "postgres:///usher?host=/var/run/postgresql",
        ] {
            assert_eq!(host(url), None, "{url}");
        }
    }
}
