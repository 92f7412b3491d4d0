//! Rocket's own settings: those that count here, and why the others are refused instead of ignored.

use rocket::Config;
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
    let given: Dict = figment.extract()?;
    let known: Dict = defaults().select(figment.profile().clone()).extract()?;
    refuse_ineffective("", &given, &known)?;
    let config = Config::try_from(figment)?;
    for (name, number) in [("workers", config.workers), ("max_blocking", config.max_blocking)] {
        if number == 0 {
            return Err(refused(name, "must be at least 1"));
        }
    }
    if config.ip_header.is_some() && Settings::read(figment)?.trusted_proxies.is_empty() {
        let reason = "any client could send that header: say in usher.trusted_proxies whose is believed";
        return Err(refused("ip_header", reason));
    }
    Ok(config)
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
            ("[default]\nworkers = 0", "workers: must be at least 1"),
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
