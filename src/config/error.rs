//! Why a configuration is refused, with the name of the setting and the file that it stands in.

use rocket::figment::error::Kind;
use rocket::figment::{Figment, Metadata, Source};

use super::VARIABLE;

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

impl ConfigError {
    /// The same, with the setting named as it is written: by the variable that sets it, or with the file.
    pub(super) fn named_as_in(self, figment: &Figment) -> Self {
        let Self::Rocket { name, reason } = self else { return self };
        let metadata = figment.find_metadata(&name);
        let path: Vec<&str> = name.split('.').collect();
        Self::Rocket { name: written(metadata, &path), reason: reason + &place(metadata) }
    }
}

impl From<rocket::figment::Error> for ConfigError {
    fn from(error: rocket::figment::Error) -> Self {
        let metadata = error.metadata.as_ref();
        let place = place(metadata);
        if !error.path.is_empty() && !error.path.iter().any(|section| section == "usher") {
            let path: Vec<&str> = error.path.iter().map(String::as_str).collect();
            return Self::Rocket { name: written(metadata, &path), reason: format!("{}{place}", error.kind) };
        }
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

/// The file that a setting stands in, after what is wrong with it.
fn place(metadata: Option<&Metadata>) -> String {
    match metadata.and_then(|metadata| metadata.source.as_ref()) {
        Some(Source::File(path)) => format!(" (in {})", path.display()),
        _ => String::new(),
    }
}

/// A setting as it is written.
fn written(metadata: Option<&Metadata>, path: &[&str]) -> String {
    let path = path.join(".");
    variable(metadata, &path).unwrap_or(path)
}

/// The variable that a setting comes from, if it comes from one. One of Rocket's may set several, which stand in braces.
#[must_use]
pub fn variable(metadata: Option<&Metadata>, key: &str) -> Option<String> {
    let origin = &metadata?.name;
    if let Some(variable) = origin.strip_prefix(VARIABLE) {
        return Some(variable.to_owned());
    }
    let (section, within) = key.split_once('.').unwrap_or((key, ""));
    let variable = format!("ROCKET_{}", section.to_uppercase());
    let variable = if within.is_empty() { variable } else { format!("{variable}, {within}") };
    origin.contains("environment").then_some(variable)
}
