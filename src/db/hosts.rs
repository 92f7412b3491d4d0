//! The URL of PostgreSQL, in which several hosts may stand: `postgres://user@one:5432,two:5432/database`.

use std::str::FromStr;

use rocket::http::RawStr;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

/// The servers that a URL names.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    /// How each is connected to, in the order of the URL.
    pub(super) each: Vec<PgConnectOptions>,
    /// Whether one that only reads is of no use.
    pub(super) must_write: bool,
    /// Whether one that only reads is as good as any.
    pub(super) may_read_only: bool,
}

impl Hosts {
    /// The same as servers of which one is only read from.
    pub(super) fn of_replica(self) -> Self {
        Self { must_write: false, may_read_only: true, ..self }
    }
}

fn refuse(reason: &str) -> sqlx::Error {
    sqlx::Error::Configuration(format!("the URL of PostgreSQL is refused: {reason}").into())
}

impl FromStr for Hosts {
    type Err = sqlx::Error;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| refuse("it is like postgres://user@host/database"))?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let several = hosts.contains(',');
        let (parameters, must_write) = parameters(query, several)?;
        let each = hosts.split(',').map(|host| {
            let options = PgConnectOptions::from_str(&format!("{scheme}://{user}{host}{path}?{parameters}"))?;
            Ok(fit(options))
        });
        Ok(Self { each: each.collect::<Result<_, sqlx::Error>>()?, must_write, may_read_only: false })
    }
}

/// Parameters that name the file with the certificates of authorities.
const CERTIFICATES: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];

/// All others that the driver knows.
const KNOWN: [&str; 15] = [
    "sslmode",
    "ssl-mode",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Those of libpq that only tune a connection, and that URLs of providers have: Usher has times of its own.
const WITHOUT_EFFECT: [&str; 10] = [
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "fallback_application_name",
    "load_balance_hosts",
    "gssencmode",
    "channel_binding",
];

/// Makes sure that there are certificates: at each connection the driver would say only that there is no file, or that it
/// does not know who has signed.
fn demand_certificates(name: &str, value: &str) -> Result<(), sqlx::Error> {
    const BEGIN: &str = "-----BEGIN";
    let path = RawStr::new(value).url_decode_lossy().into_owned();
    let text = if path.starts_with(BEGIN) {
        path
    } else {
        std::fs::read_to_string(&path).map_err(|error| refuse(&format!("{name}: {path}: {error}")))?
    };
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(());
    }
    Err(refuse(&format!("{name}: there is no certificate in it")))
}

/// The parameters that the driver knows, and whether a server that only reads is of no use.
fn parameters(query: &str, several: bool) -> Result<(String, bool), sqlx::Error> {
    let (mut kept, mut must_write) = (Vec::new(), several);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "target_session_attrs" => {
                must_write = match value {
                    "read-write" | "primary" => true,
                    "any" if !several => false,
                    _ => {
                        return Err(refuse(
                            "target_session_attrs must be read-write, as changes are stored there",
                        ));
                    }
                }
            }
            "service" | "servicefile" => {
                return Err(refuse(
                    "service files are not read; host, port, database and user belong into the URL",
                ));
            }
            "host" | "hostaddr" | "port" if value.contains(',') || value.contains("%2C") => {
                return Err(refuse(
                    "several hosts belong before the path, as in postgres://user@one,two:5433/database",
                ));
            }
            // The driver has Mozilla's list of authorities; as in libpq it must then be used.
            "sslrootcert" if value == "system" => kept.push("sslmode=verify-full"),
            "sslmode" if query.contains("sslrootcert=system") && value != "verify-full" => {
                return Err(refuse("sslrootcert=system needs sslmode=verify-full"));
            }
            _ if CERTIFICATES.contains(&name) => {
                demand_certificates(name, value)?;
                kept.push(parameter);
            }
            "channel_binding" | "gssencmode" if value == "require" => {
                return Err(refuse(&format!(
                    "{name}=require is more than the driver can do: leave it out, and have the server's certificate \
                     checked with sslmode=verify-full"
                )));
            }
            _ if WITHOUT_EFFECT.contains(&name) => {}
            _ if KNOWN.contains(&name) || name.starts_with("options[") => kept.push(parameter),
            // The driver would leave it out: with sslmode misspelt, the connection would be open to others.
            _ => {
                let name: String = name.chars().take(40).collect();
                return Err(refuse(&format!("there is no parameter {name:?}")));
            }
        }
    }
    Ok((kept.join("&"), must_write))
}

fn fit(options: PgConnectOptions) -> PgConnectOptions {
    // In a URL an IPv6 address stands in brackets, with which it cannot be resolved.
    let host = options.get_host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(ToOwned::to_owned);
    let options = match bare {
        Some(host) => options.host(&host),
        None => options,
    };
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("usher"),
    };
    // Numbers with a fraction are not used, and poolers refuse this parameter.
    options.extra_float_digits(None).disable_statement_logging()
}

/// What an operator calls a server.
pub(super) fn name(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None if options.get_host().contains(':') => {
            format!("[{}]:{}", options.get_host(), options.get_port())
        }
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(url: &str) -> Vec<String> {
        url.parse::<Hosts>().unwrap().each.iter().map(name).collect()
    }

    #[test]
    fn each_host_of_a_url_is_connected_to_as_if_it_stood_alone() {
        for (url, expected) in [
            ("postgres://usher@db/usher", vec!["db:5432"]),
            ("postgres://usher@one,two:5433,[::1]:5434/usher", vec!["one:5432", "two:5433", "[::1]:5434"]),
            ("postgresql://a:b%40c@one:1,two:2?sslmode=disable", vec!["one:1", "two:2"]),
            ("postgres://usher@[fd00::7]/usher", vec!["[fd00::7]:5432"]),
            ("postgres:///usher?host=/var/run/postgresql", vec!["/var/run/postgresql"]),
            ("postgres://usher@%2Fvar%2Frun%2Fpostgresql/usher", vec!["/var/run/postgresql"]),
        ] {
            assert_eq!(names(url), expected, "{url}");
        }
        let hosts: Hosts = "postgres://a:b%40c@one,two/usher?sslmode=require".parse().unwrap();
        for options in &hosts.each {
            assert_eq!((options.get_username(), options.get_database()), ("a", Some("usher")));
        }
    }

    #[test]
    fn of_several_hosts_one_must_write() {
        let must_write = |url: &str| url.parse::<Hosts>().unwrap().must_write;
        for (url, expected) in [
            ("postgres://db/usher", false),
            ("postgres://db/usher?target_session_attrs=any", false),
            ("postgres://db/usher?target_session_attrs=read-write", true),
            ("postgres://db/usher?sslmode=disable&target_session_attrs=primary", true),
            ("postgres://one,two/usher", true),
        ] {
            assert_eq!(must_write(url), expected, "{url}");
        }
    }

    #[test]
    fn parameters_that_only_tune_have_no_effect_and_the_known_authorities_are_used() {
        for (query, kept) in [
            ("connect_timeout=10&keepalives=1&sslmode=require&channel_binding=prefer", "sslmode=require"),
            ("sslrootcert=system", "sslmode=verify-full"),
            (
                "application_name=usher-1&options[search_path]=users",
                "application_name=usher-1&options[search_path]=users",
            ),
        ] {
            assert_eq!(parameters(query, false).unwrap(), (kept.to_owned(), false), "{query}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_refused_by_name_and_repeats_no_password() {
        for (url, reason) in [
            (
                "postgres://u:hunter2@one,two/usher?target_session_attrs=any",
                "target_session_attrs must be read-write",
            ),
            ("postgres://u:hunter2@db/usher?sslmod=verify-full", "there is no parameter \"sslmod\""),
            (
                "postgres://u:hunter2@db/usher?sslmode=require&channel_binding=require",
                "checked with sslmode=verify-full",
            ),
            (
                "postgres://u:hunter2@db/usher?sslmode=require&sslrootcert=system",
                "sslrootcert=system needs sslmode=verify-full",
            ),
            (
                "postgres://u:hunter2@db/usher?sslrootcert=/no/such%20ca.pem",
                "sslrootcert: /no/such ca.pem: No such file",
            ),
            (
                "postgres://u:hunter2@db/usher?sslrootcert=/etc/passwd",
                "sslrootcert: there is no certificate in it",
            ),
            (
                "postgres://u:hunter2@db/usher?target_session_attrs=standby",
                "target_session_attrs must be read-write",
            ),
            ("postgres://u:hunter2@/usher?service=usher", "service files are not read"),
            ("postgres://u:hunter2@/usher?host=one,two", "several hosts belong before the path"),
            ("postgres:usher", "it is like postgres://"),
        ] {
            let refusal = url.parse::<Hosts>().unwrap_err().to_string();
            assert!(refusal.contains(reason) && !refusal.contains("hunter2"), "{url}: {refusal}");
        }
    }
}
