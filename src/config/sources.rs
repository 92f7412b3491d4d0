//! Where the configuration comes from: the defaults, one file, the environment.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rocket::Config;
use rocket::config::{Ident, LogLevel, Shutdown};
use rocket::figment::providers::{Env, Format, Serialized, Toml};
use rocket::figment::value::{Dict, Map, Value};
use rocket::figment::{Figment, Metadata, Profile, Provider};

use super::rocket_settings::MISPLACED;
use super::{ConfigError, Settings};

/// Where the database is when nothing says otherwise.
pub const DEFAULT_DATABASE_URL: &str = "sqlite://usher.db";

/// The key of the replica's URL.
const REPLICA: &str = "databases.replica.url";

/// The file that is read from the working directory or the next folder above it that has one.
const LOCAL_FILE: &str = "Rocket.toml";

/// The file of an installed package, where there is neither a file of that name nor `ROCKET_CONFIG`.
const SYSTEM_FILE: &str = "/etc/usher/usher.toml";

/// The end of a variable that names a file with the value instead of the value, as container engines hand over secrets.
const IN_FILE: &str = "_FILE";

/// What the origin of a value is called that a variable of ours sets, before the name of the variable.
pub const VARIABLE: &str = "the variable ";

/// The value that a variable sets.
struct Variable<'a> {
    name: &'a str,
    key: String,
    value: Value,
}

impl Provider for Variable<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("{VARIABLE}{}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, rocket::figment::Error> {
        Serialized::global(&self.key, &self.value).data()
    }
}

/// The configuration of this process from all its sources.
///
/// # Errors
/// [`ConfigError::File`] for a file that is named and cannot be read.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn figment() -> Result<Figment, ConfigError> {
    let variables = variables(std::env::vars_os())?;
    let folders = std::env::current_dir().unwrap_or_default();
    let named = variables.get("ROCKET_CONFIG").map(String::as_str);
    match file(named, &folders, Path::new(SYSTEM_FILE))? {
        Some(path) => sources(Toml::file(path).nested(), &variables),
        None => sources(Toml::string("").nested(), &variables),
    }
}

/// The environment. What is not UTF-8 is refused where it would be a setting, and none of ours elsewhere.
fn variables(
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut variables = BTreeMap::new();
    for (name, value) in environment {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => drop(variables.insert(name, value)),
            Err(_)
                if ["USHER_", "ROCKET_", "DATABASE_URL", "DATABASE_REPLICA_URL"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix)) =>
            {
                return Err(ConfigError::File { name, reason: "its value is not UTF-8".to_owned() });
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

/// The file to read, if there is any.
fn file(named: Option<&str>, folder: &Path, system: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let exists = |path: &Path| {
        path.try_exists().map_err(|error| ConfigError::File {
            name: path.display().to_string(),
            reason: error.to_string(),
        })
    };
    if let Some(named) = named.filter(|name| !name.is_empty()) {
        let path = folder.join(named);
        return if exists(&path)? { read_as_file("ROCKET_CONFIG", path) } else { Err(missing(&path)) };
    }
    let mut candidates = folder.ancestors().map(|folder| folder.join(LOCAL_FILE));
    if let Some(path) = candidates.find(|path| path.is_file()) {
        return Ok(Some(path));
    }
    if exists(system)? { read_as_file("the configuration", system.to_owned()) } else { Ok(None) }
}

/// A folder, as container engines make one in the place of a file that is missing, would count for nothing.
fn read_as_file(name: &str, path: PathBuf) -> Result<Option<PathBuf>, ConfigError> {
    if path.is_dir() {
        let reason = format!("{} is a folder, not a file", path.display());
        return Err(ConfigError::File { name: name.to_owned(), reason });
    }
    Ok(Some(path))
}

fn missing(path: &Path) -> ConfigError {
    let reason = format!("there is no file {}", path.display());
    ConfigError::File { name: "ROCKET_CONFIG".to_owned(), reason }
}

/// The sources, each over the one before.
pub(super) fn sources(
    file: impl Provider,
    variables: &BTreeMap<String, String>,
) -> Result<Figment, ConfigError> {
    let mut figment =
        defaults().merge(file).merge(Env::prefixed("ROCKET_").ignore(&["PROFILE", "CONFIG"]).global());
    let defaults = Value::serialize(Settings::default())?;
    let default = |name: &str| defaults.find_ref(name);
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix("USHER_").map(str::to_lowercase) else { continue };
        if is_of_kubernetes(variable) {
            continue;
        }
        let base = name.strip_suffix("_file").filter(|_| default(&name).is_none());
        let (name, value) = match base {
            Some(base) if matches!(default(base), Some(Value::String(..))) => {
                let text = content(variable, value, variables)?;
                // Without the secret another one would be made, and all that this one signs be void.
                if text.is_empty() && base.starts_with("secret_key") {
                    return Err(empty(variable, value));
                }
                (base.to_owned(), Value::from(text))
            }
            _ if value.is_empty() && name == "secret_key" => return Err(unset(variable)),
            _ if matches!(default(&name), Some(Value::String(..))) => (name, Value::from(value.as_str())),
            // Written like a value in the file; what is not one is a text.
            _ => (name, value.parse().unwrap_or_else(|never| match never {})),
        };
        figment = figment.merge(Variable { name: variable, key: format!("usher.{name}"), value });
    }
    for (direct, in_file, key) in [
        ("DATABASE_URL", "DATABASE_URL_FILE", "databases.main.url"),
        ("DATABASE_REPLICA_URL", "DATABASE_REPLICA_URL_FILE", REPLICA),
    ] {
        let url = if let Some(path) = variables.get(in_file) {
            let url = content(in_file, path, variables)?;
            if url.is_empty() {
                return Err(empty(in_file, path));
            }
            Some((in_file, url))
        } else {
            // Without a replica is a choice; without a database another, empty one would be made.
            let url = variables.get(direct).filter(|url| !url.is_empty() || key != REPLICA);
            url.map(|url| (direct, url.clone()))
        };
        if let Some((name, url)) = url {
            if url.is_empty() {
                return Err(unset(name));
            }
            figment = figment.merge(Variable { name, key: key.to_owned(), value: url.into() });
        }
    }
    let chosen = variables.get("ROCKET_PROFILE").filter(|name| !name.is_empty());
    let profile = chosen.map_or(Config::DEFAULT_PROFILE, |name| Profile::new(name));
    check_profiles(&figment, &profile, chosen.is_some())?;
    Ok(figment.select(profile))
}

/// Refuses a profile that nothing is set for, and, where none is chosen, sections of profiles that are never in use: what
/// stands there would count for nothing.
fn check_profiles(figment: &Figment, profile: &Profile, is_chosen: bool) -> Result<(), ConfigError> {
    let is_usual =
        |profile: &Profile| ["default", "global", "debug", "release"].iter().any(|usual| profile == usual);
    if is_chosen && !is_usual(profile) && !figment.profiles().any(|there| there == profile) {
        let reason = format!("there is no section [{profile}]");
        return Err(ConfigError::File { name: "ROCKET_PROFILE".to_owned(), reason });
    }
    let is_misplaced = |there: &&Profile| MISPLACED.iter().any(|section| *there == section);
    match figment.profiles().find(|there| !is_chosen && !is_usual(there) && !is_misplaced(there)) {
        Some(unused) => Err(ConfigError::Rocket {
            name: unused.to_string(),
            reason: "no such section is in use: settings belong into [default], or ROCKET_PROFILE chooses it"
                .to_owned(),
        }),
        None => Ok(()),
    }
}

/// Kubernetes describes a service called `usher` to each of its pods in variables of these names.
fn is_of_kubernetes(variable: &str) -> bool {
    ["USHER_SERVICE_HOST", "USHER_SERVICE_PORT", "USHER_PORT"].contains(&variable)
        || variable.starts_with("USHER_SERVICE_PORT_")
        || variable.starts_with("USHER_PORT_")
}

fn unset(variable: &str) -> ConfigError {
    let reason = "it is empty: set it, or leave it out".to_owned();
    ConfigError::File { name: variable.to_owned(), reason }
}

fn empty(variable: &str, path: &str) -> ConfigError {
    ConfigError::File { name: variable.to_owned(), reason: format!("{path} is empty") }
}

/// The text of the file that a variable names, without its last line's end.
fn content(variable: &str, path: &str, variables: &BTreeMap<String, String>) -> Result<String, ConfigError> {
    let refuse = |reason: String| ConfigError::File { name: variable.to_owned(), reason };
    let direct = variable.trim_end_matches(IN_FILE);
    if variables.contains_key(direct) {
        return Err(refuse(format!("{direct} is set, too; set one of them")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| refuse(format!("{path}: {error}")))?;
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |text| text.trim_end_matches('\r')).to_owned())
}

/// A configuration that connects to `url`.
#[must_use]
pub fn with_database(figment: Figment, url: &str) -> Figment {
    figment.merge(Serialized::global("databases.main.url", url))
}

/// The URL of the replica, if there is one.
///
/// # Errors
/// A value that is no text.
pub fn replica_url(figment: &Figment) -> Result<Option<String>, ConfigError> {
    match figment.find_value(REPLICA) {
        Ok(_) => Ok(Some(figment.extract_inner(REPLICA)?)),
        Err(_) => Ok(None),
    }
}

/// The defaults, for Rocket and for the database.
#[must_use]
pub fn defaults() -> Figment {
    let rocket = Config {
        // Answers do not name the software.
        ident: Ident::none(),
        // Any client could forge it; see `trusted_proxies`.
        ip_header: None,
        log_level: LogLevel::Off,
        // What was accepted is answered, and all is over within the ten seconds that service managers
        // and container engines give by default.
        shutdown: Shutdown {
            grace: 8,
            mercy: 1,
            // Ours stop the server, after they have had balancers notice: see `signals`.
            ctrlc: false,
            signals: HashSet::new(),
            ..Shutdown::default()
        },
        // What blocks is a hash, of which few run at once, or short.
        max_blocking: 64,
        ..Config::default()
    };
    Figment::from(rocket)
        .merge(Serialized::default("databases.main.url", DEFAULT_DATABASE_URL))
        .merge(Serialized::default("databases.main.max_connections", 10))
        .merge(Serialized::default("databases.main.connect_timeout", 3))
}

#[cfg(test)]
mod tests {
    use super::super::tests::configured;
    use super::*;

    fn refusal(variables: &[(&str, &str)]) -> String {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        sources(Toml::string(""), &variables.collect()).unwrap_err().to_string()
    }

    fn settings(variables: &[(&str, &str)]) -> Settings {
        Settings::read(&configured("", variables)).unwrap()
    }

    #[test]
    fn a_text_is_taken_as_it_stands() {
        for text in ["12345", "true", "\"quoted\"", " spaces ", "[1]", "{a=1}", "1e5", ""] {
            assert_eq!(settings(&[("USHER_SMTP_PASSWORD", text)]).smtp_password, text);
        }
    }

    #[test]
    fn what_kubernetes_says_of_a_service_of_that_name_is_no_setting() {
        let variables = [
            ("USHER_SERVICE_HOST", "10.0.0.7"),
            ("USHER_SERVICE_PORT", "8000"),
            ("USHER_SERVICE_PORT_HTTP", "8000"),
            ("USHER_PORT", "tcp://10.0.0.7:8000"),
            ("USHER_PORT_8000_TCP_ADDR", "10.0.0.7"),
        ];
        assert_eq!(settings(&variables), Settings::default());
    }

    #[test]
    fn a_text_may_stand_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (content, expected) in
            [("a b\n", "a b"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a ", "a "), ("", "")]
        {
            std::fs::write(&path, content).unwrap();
            let path = path.to_str().unwrap();
            assert_eq!(settings(&[("USHER_SMTP_PASSWORD_FILE", path)]).smtp_password, expected);
        }
        for variable in ["USHER_SECRET_KEY_FILE", "DATABASE_URL_FILE", "DATABASE_REPLICA_URL_FILE"] {
            let message = refusal(&[(variable, path.to_str().unwrap())]);
            assert!(
                message.starts_with(&format!("{variable}: ")) && message.ends_with("secret is empty"),
                "{message}"
            );
        }
        std::fs::write(&path, "postgres://host/usher\n").unwrap();
        let figment = configured("", &[("DATABASE_URL_FILE", path.to_str().unwrap())]);
        assert_eq!(figment.extract_inner::<String>("databases.main.url").unwrap(), "postgres://host/usher");
    }

    #[test]
    fn a_file_for_a_text_is_refused_by_the_name_of_its_variable() {
        let message = refusal(&[("USHER_SMTP_PASSWORD_FILE", "/no/such/file")]);
        assert!(message.starts_with("USHER_SMTP_PASSWORD_FILE: /no/such/file: "), "{message}");
        let both = [("USHER_SMTP_PASSWORD", "a"), ("USHER_SMTP_PASSWORD_FILE", "/no/such/file")];
        assert_eq!(
            refusal(&both),
            "USHER_SMTP_PASSWORD_FILE: USHER_SMTP_PASSWORD is set, too; set one of them"
        );
        let number = Settings::read(&configured("", &[("USHER_SMTP_PORT_FILE", "/no/such/file")]));
        assert!(
            number.unwrap_err().to_string().starts_with("usher.smtp_port_file: there is no such setting")
        );
    }

    #[test]
    fn what_is_empty_and_would_count_for_another_one_is_refused() {
        for variable in ["DATABASE_URL", "USHER_SECRET_KEY"] {
            assert_eq!(
                refusal(&[(variable, "")]),
                format!("{variable}: it is empty: set it, or leave it out")
            );
        }
        let figment = configured("", &[("DATABASE_REPLICA_URL", "")]);
        assert_eq!(replica_url(&figment).unwrap(), None);
    }

    #[test]
    fn a_setting_that_is_not_utf_8_is_refused_and_other_variables_are_not() {
        use std::os::unix::ffi::OsStringExt;
        let given =
            |name: &str| variables([(name.into(), OsString::from_vec(b"M\xfcller".to_vec()))].into_iter());
        for name in ["USHER_SITE_NAME", "DATABASE_URL", "ROCKET_CONFIG"] {
            assert_eq!(given(name).unwrap_err().to_string(), format!("{name}: its value is not UTF-8"));
        }
        assert!(given("LS_COLORS").unwrap().is_empty());
    }

    #[test]
    fn a_section_that_is_never_in_use_is_refused() {
        let file = |text: &str, profile: &str| {
            let variables = [("ROCKET_PROFILE".to_owned(), profile.to_owned())];
            sources(Toml::string(text).nested(), &variables.into_iter().collect())
        };
        let message = |text: &str, profile: &str| file(text, profile).unwrap_err().to_string();
        let staging = "[default]\nport = 1\n[staging]\nport = 2\n[production.usher]\nsite_name = \"X\"";
        assert!(message(staging, "").ends_with("or ROCKET_PROFILE chooses it"));
        let port =
            |text: &str, profile: &str| file(text, profile).unwrap().extract_inner::<u16>("port").unwrap();
        assert_eq!((port(staging, "staging"), port(staging, "production")), (2, 1));
        assert_eq!(message(staging, "prodution"), "ROCKET_PROFILE: there is no section [prodution]");
        let message = message("[defualt.usher]\nsite_name = \"X\"", "");
        assert!(message.starts_with("defualt: no such section is in use: "), "{message}");
        for profile in ["default", "release", "debug"] {
            assert_eq!(port("[global]\nport = 3", profile), 3);
        }
    }

    #[test]
    fn the_file_is_the_named_one_or_the_nearest_or_the_package_s() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        let (system, local) = (folder.path().join("usher.toml"), folder.path().join("a/Rocket.toml"));
        assert_eq!(file(None, &inner, &system).unwrap(), None);
        std::fs::write(&system, "").unwrap();
        assert_eq!(file(None, &inner, &system).unwrap(), Some(system.clone()));
        std::fs::write(&local, "").unwrap();
        assert_eq!(file(None, &inner, &system).unwrap(), Some(local.clone()));
        assert_eq!(
            file(Some("../Rocket.toml"), &inner, &system).unwrap(),
            Some(inner.join("../Rocket.toml"))
        );
        let message = file(Some("."), &inner, &system).unwrap_err().to_string();
        assert!(
            message.starts_with("ROCKET_CONFIG: ") && message.ends_with(" is a folder, not a file"),
            "{message}"
        );
        let message = file(Some("other.toml"), &inner, &system).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("ROCKET_CONFIG: there is no file {}", inner.join("other.toml").display())
        );
    }
}
