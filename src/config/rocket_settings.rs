//! Rocket's own settings: those that count here, and why the others are refused instead of ignored.

use std::ops::RangeInclusive;

use rocket::Config;
use rocket::data::ByteUnit;
use rocket::figment::Figment;
use rocket::figment::value::{Dict, Value};

use super::{ConfigError, Settings, defaults};

/// What may be set. `usher` and `databases` are ours.
const EFFECTIVE: [&str; 12] = [
    "address",
    "port",
    "workers",
    "max_blocking",
    "ident",
    "ip_header",
    "keep_alive",
    "limits.form",
    "shutdown.grace",
    "shutdown.mercy",
    "databases",
    "usher",
];

/// What may be set of a database, with the bounds of numbers; `rocket_db_pools` has more, which count for nothing here.
type OfDatabase = (&'static str, Option<(u64, u64)>);

/// The databases that are used.
const DATABASES: [(&str, &[OfDatabase]); 2] = [
    ("main", &[("url", None), ("max_connections", Some((1, 10_000))), ("connect_timeout", Some((1, 600)))]),
    ("replica", &[("url", None)]),
];

/// Sections that are easily written without their profile.
pub(super) const MISPLACED: [&str; 4] = ["usher", "databases", "limits", "shutdown"];

/// The server's own numbers, with what they may be: so many threads can be made, so much fits into memory.
const NUMBERS: [(&str, RangeInclusive<u64>); 5] = [
    ("workers", 1..=1_024),
    ("max_blocking", 1..=10_000),
    ("limits.form", 1..=67_108_864),
    ("shutdown.grace", 0..=3_600),
    ("shutdown.mercy", 0..=3_600),
];

/// What would count for nothing, and what to do instead.
const INSTEAD: [(&str, &str); 11] = [
    ("tls", "this build speaks plain HTTP only; the proxy in front speaks TLS, as docs/proxy.md says"),
    ("http2", "this build speaks HTTP/1.1 only; the proxy in front speaks HTTP/2, as docs/proxy.md says"),
    ("secret_key", "the key of this installation is the setting usher.secret_key"),
    ("template_dir", "the templates are in the program"),
    ("log_level", "how much is logged is the setting usher.log_level"),
    ("limits.json", "the longest JSON body is the setting usher.json_limit"),
    ("limits", "of the limits only `form` counts, and usher.json_limit"),
    ("shutdown.ctrlc", "SIGINT always stops the server"),
    ("shutdown.signals", "SIGTERM and SIGINT stop the server, and no others"),
    ("shutdown.force", "the process always ends when the server has stopped"),
    ("temp_dir", "the environment variable TMPDIR says where temporary files are"),
];

/// Rocket's configuration.
///
/// # Errors
/// A setting that this build does not have, or that counts for nothing in it, by its name.
pub fn rocket_config(figment: &Figment) -> Result<Config, ConfigError> {
    checked(figment).map_err(|error| error.named_as_in(figment))
}

fn checked(figment: &Figment) -> Result<Config, ConfigError> {
    let given: Dict = figment.extract()?;
    let known: Dict = defaults().select(figment.profile().clone()).extract()?;
    refuse_ineffective("", &given, &known)?;
    refuse_misplaced(figment)?;
    check_databases(&given)?;
    let config = Config::try_from(figment)?;
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let form = config.limits.get("form").map_or(0, ByteUnit::as_u64);
    let (workers, max_blocking) = (count(config.workers), count(config.max_blocking));
    let numbers = [workers, max_blocking, form, config.shutdown.grace.into(), config.shutdown.mercy.into()];
    for ((name, range), number) in NUMBERS.iter().zip(numbers) {
        if !range.contains(&number) {
            return Err(refused(name, &format!("must be from {} to {}", range.start(), range.end())));
        }
    }
    if config.ip_header.is_some() && Settings::read(figment)?.trusted_proxies.is_empty() {
        let reason = "any client could send that header: say in usher.trusted_proxies whose is believed";
        return Err(refused("ip_header", reason));
    }
    Ok(config)
}

/// Refuses sections whose profile was left out: they would be profiles of these names, which are not in use.
fn refuse_misplaced(figment: &Figment) -> Result<(), ConfigError> {
    for section in MISPLACED {
        let is_left_out = figment.profiles().any(|profile| profile == section);
        if is_left_out && figment.profile() != section {
            return Err(refused(section, &format!("it belongs into a profile: [default.{section}]")));
        }
    }
    Ok(())
}

/// Refuses what would count for nothing of the databases: with a name that is misspelt another database would be made.
fn check_databases(given: &Dict) -> Result<(), ConfigError> {
    let databases = match given.get("databases") {
        None => return Ok(()),
        Some(Value::Dict(_, databases)) => databases,
        Some(_) => return Err(refused("databases", "it is a section: [default.databases.main]")),
    };
    for (database, settings) in databases {
        let name = format!("databases.{database}");
        let known = DATABASES.iter().find(|(known, _)| known == database);
        let (Some((_, known)), Value::Dict(_, settings)) = (known, settings) else {
            return Err(refused(&name, instead("")));
        };
        for (setting, value) in settings {
            let name = format!("{name}.{setting}");
            let known = known.iter().find(|(known, _)| known == setting);
            let (_, bounds) = known.ok_or_else(|| refused(&name, instead("")))?;
            if bounds.is_none() && value.as_str().is_none() {
                return Err(refused(&name, "must be a text"));
            }
            let signed = || value.to_i128().and_then(|number| u128::try_from(number).ok());
            let number = value.to_u128().or_else(signed);
            let is_within = |(least, most): &(u64, u64)| {
                number.is_some_and(|number| (u128::from(*least)..=u128::from(*most)).contains(&number))
            };
            if let Some((least, most)) = bounds.as_ref().filter(|bounds| !is_within(bounds)) {
                return Err(refused(&name, &format!("must be from {least} to {most}")));
            }
        }
        if !settings.contains_key("url") {
            return Err(refused(&name, "its url is missing"));
        }
    }
    Ok(())
}

/// Refuses what differs from the defaults without having an effect.
fn refuse_ineffective(section: &str, given: &Dict, known: &Dict) -> Result<(), ConfigError> {
    for (key, value) in given {
        let name = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        if EFFECTIVE.contains(&name.as_str()) || known.get(key) == Some(value) {
            continue;
        }
        match (value, known.get(key)) {
            (Value::Dict(_, given), Some(Value::Dict(_, known))) => refuse_ineffective(&name, given, known)?,
            _ => return Err(refused(&name, instead(&name))),
        }
    }
    Ok(())
}

fn instead(name: &str) -> &'static str {
    let section = name.split('.').next().unwrap_or_default();
    let find = |name| INSTEAD.iter().find(|(known, _)| *known == name).map(|(_, instead)| *instead);
    find(name)
        .or_else(|| find(section))
        .unwrap_or("there is no such setting; docs/configuration.md lists them all")
}

fn refused(name: &str, reason: &str) -> ConfigError {
    ConfigError::Rocket { name: name.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::configured;

    #[test]
    fn settings_of_rocket_count() {
        let file = "[default]\nport = 8080\nkeep_alive = 0\nworkers = 3\n[default.limits]\nform = \"1KiB\"\n\
                    [default.shutdown]\ngrace = 20";
        let config = rocket_config(&configured(file, &[])).unwrap();
        assert_eq!((config.port, config.keep_alive, config.workers), (8080, 0, 3));
        assert_eq!((config.shutdown.grace, config.shutdown.mercy), (20, 1));
        assert_eq!(config.limits.get("form").unwrap().as_u64(), 1024);
        assert!(!config.shutdown.ctrlc && config.shutdown.signals.is_empty(), "ours stop the server");
    }

    #[test]
    fn settings_that_this_build_does_not_have_are_refused_by_name() {
        for (file, complaint) in [
            ("[default.tls]\ncerts = \"a.pem\"\nkey = \"b.pem\"", "tls: this build speaks plain HTTP only"),
            (
                "[default.databases.mian]\nurl = \"postgres://h/x\"",
                "databases.mian: there is no such setting",
            ),
            ("[default.databases]\nurl = \"postgres://h/x\"", "databases.url: there is no such setting"),
            (
                "[default.databases.main]\nmax_conections = 5",
                "databases.main.max_conections: there is no such",
            ),
            ("[default.databases.main]\nidle_timeout = 5", "databases.main.idle_timeout: there is no such"),
            (
                "[default.databases.main]\nmax_connections = 0",
                "databases.main.max_connections: must be from 1 to",
            ),
            (
                "[default.databases.main]\nconnect_timeout = 9223372036854775807",
                "databases.main.connect_timeout: must be from 1 to 600",
            ),
            (
                "[default.databases.replica]\nmax_connections = 3",
                "databases.replica.max_connections: there is no",
            ),
            ("[default.databases.replica]", "databases.replica: its url is missing"),
            (
                "[databases.main]\nurl = \"postgres://h/x\"",
                "databases: it belongs into a profile: [default.databases]",
            ),
            ("[usher]\nsite_name = \"x\"", "usher: it belongs into a profile: [default.usher]"),
            ("[default]\nhttp2 = true", "http2: this build speaks HTTP/1.1 only"),
            ("[default]\nsecret_key = \"x\"", "secret_key: "),
            ("[default]\nadress = \"0.0.0.0\"", "adress: there is no such setting"),
            (
                "[default]\nlog_level = \"debug\"",
                "log_level: how much is logged is the setting usher.log_level",
            ),
            (
                "[default.limits]\njson = \"5MiB\"",
                "limits.json: the longest JSON body is the setting usher.json_limit",
            ),
            ("[default.limits]\nfile = \"5MiB\"", "limits.file: of the limits only `form` counts"),
            ("[default.limits]\nnothing = \"5MiB\"", "limits.nothing: of the limits only `form` counts"),
            ("[default.shutdown]\nsignals = [\"hup\"]", "shutdown.signals: "),
            ("[default.shutdown]\ngraec = 5", "shutdown.graec: there is no such setting"),
            ("[default]\nworkers = 0", "workers: must be from 1 to 1024"),
            ("[default]\nworkers = 100000", "workers: must be from 1 to 1024"),
            ("[default]\nmax_blocking = 99999999999", "max_blocking: must be from 1 to 10000"),
            ("[default.limits]\nform = 0", "limits.form: must be from 1 to 67108864"),
            ("[default.limits]\nform = \"9GiB\"", "limits.form: must be from 1 to 67108864"),
            ("[default.shutdown]\ngrace = 4294967295", "shutdown.grace: must be from 0 to 3600"),
            ("[default]\ndatabases = 5", "databases: it is a section"),
            ("[default]\nip_header = \"X-Real-IP\"", "ip_header: any client could send that header"),
        ] {
            let message = rocket_config(&configured(file, &[])).unwrap_err().to_string();
            assert!(message.starts_with(complaint), "{file}: {message}");
        }
    }

    #[test]
    fn ip_1_the_header_of_a_proxy_counts_where_the_proxy_is_trusted() {
        let file = "[default]\nip_header = \"X-Real-IP\"\n[default.usher]\ntrusted_proxies = [\"127.0.0.1\"]";
        assert!(rocket_config(&configured(file, &[])).unwrap().ip_header.is_some());
    }
}
