//! Why a configuration is refused, with the name of the setting and the file that it stands in.

use rocket::figment::Source;
use rocket::figment::error::Kind;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that is named, or the file of the package, cannot be read.
    #[error("{name}: {reason}")]
    File {
        /// The variable that names it, or its path.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A source cannot be read.
    #[error("{0}")]
    Figment(Box<rocket::figment::Error>),
    /// A setting of Rocket's does not exist, or counts for nothing here.
    #[error("{name}: {reason}")]
    Rocket {
        /// The setting.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting does not exist, or its value is of the wrong type or out of range.
    #[error("usher.{name}: {reason}")]
    Value {
        /// The setting.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What were settings of ours once.
const LIMITED_BY_PROXY: [&str; 2] = ["connections", "connections_per_address"];

impl From<rocket::figment::Error> for ConfigError {
    fn from(error: rocket::figment::Error) -> Self {
        let place = match error.metadata.as_ref().and_then(|metadata| metadata.source.as_ref()) {
            Some(Source::File(path)) => format!(" (in {})", path.display()),
            _ => String::new(),
        };
        match (&error.kind, error.path.iter().find(|part| *part != "usher")) {
            (Kind::UnknownField(name, _), _) if LIMITED_BY_PROXY.contains(&name.as_str()) => Self::Value {
                name: name.clone(),
                reason: format!(
                    "there is no such setting any more: the proxy in front limits connections, as docs/proxy.md \
                     says{place}"
                ),
            },
            (Kind::UnknownField(name, _), _) => Self::Value {
                name: name.clone(),
                reason: format!("there is no such setting; docs/configuration.md lists them all{place}"),
            },
            (kind, Some(name)) => Self::Value { name: name.clone(), reason: format!("{kind}{place}") },
            (_, None) => Self::Figment(Box::new(error)),
        }
    }
}
