//! `config`: the settings that are in force, and where each comes from.

use std::process::ExitCode;

use rocket::figment::{Figment, Source};
use serde_json::Value;

use super::{Failure, say};
use crate::config::{self, DEFAULT_DATABASE_URL, Settings};

/// Settings whose values are secrets.
const SECRETS: [&str; 3] = ["secret_key", "secret_key_before", "smtp_password"];

pub(super) fn run(figment: &Figment) -> Result<ExitCode, Failure> {
    let rocket = config::rocket_config(figment)?;
    let settings = serde_json::to_value(Settings::read(figment)?)?;
    let url: String =
        figment.extract_inner("databases.main.url").unwrap_or_else(|_| DEFAULT_DATABASE_URL.to_owned());
    let form = rocket.limits.get("form").map(|limit| format!("\"{limit}\""));
    let text = |text: &dyn std::fmt::Display| format!("\"{text}\"");
    let of_rocket = [
        ("address", text(&rocket.address)),
        ("port", rocket.port.to_string()),
        ("workers", rocket.workers.to_string()),
        ("max_blocking", rocket.max_blocking.to_string()),
        ("keep_alive", rocket.keep_alive.to_string()),
        ("limits.form", form.unwrap_or_default()),
        ("ip_header", rocket.ip_header.as_ref().map_or_else(|| "false".to_owned(), |name| text(name))),
        ("ident", rocket.ident.as_str().map_or_else(|| "false".to_owned(), |name| text(&name))),
        ("shutdown.grace", rocket.shutdown.grace.to_string()),
        ("shutdown.mercy", rocket.shutdown.mercy.to_string()),
        ("databases.main.url", without_password(&url)),
        (
            "databases.main.max_connections",
            figment.extract_inner::<u64>("databases.main.max_connections")?.to_string(),
        ),
        (
            "databases.main.connect_timeout",
            figment.extract_inner::<u64>("databases.main.connect_timeout")?.to_string(),
        ),
    ];
    let mut lines: Vec<_> =
        of_rocket.into_iter().map(|(key, value)| (key.to_owned(), value, key.to_owned())).collect();
    if let Some(url) = config::replica_url(figment)? {
        let key = "databases.replica.url".to_owned();
        lines.push((key.clone(), without_password(&url), key));
    }
    for (name, value) in settings.as_object().into_iter().flatten() {
        lines.push((name.clone(), shown(name, value), format!("usher.{name}")));
    }
    for (name, value, key) in lines {
        say(&format_args!("{name} = {value}    # {}", place(figment, &key)));
    }
    Ok(ExitCode::SUCCESS)
}

/// A value as the file would have it; of a secret only whether there is one.
fn shown(name: &str, value: &Value) -> String {
    match value.as_str() {
        Some(text) if SECRETS.contains(&name) && !text.is_empty() => "\"(secret)\"".to_owned(),
        _ => value.to_string(),
    }
}

/// A database's address without its password, which may stand between the user and the host, or among the parameters.
fn without_password(url: &str) -> String {
    let hidden = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, host) = rest.rsplit_once('@')?;
        let (user, _) = user.split_once(':')?;
        Some(format!("{scheme}://{user}:(secret)@{host}"))
    });
    let address = hidden.unwrap_or_else(|| url.to_owned());
    let shown = address.split_inclusive(['?', '&']).map(|part| {
        let (parameter, end) = part.split_at(part.trim_end_matches(['?', '&']).len());
        match parameter.split_once('=') {
            // Letters of a name may be escaped.
            Some((name, _)) if name.contains('%') || name.to_lowercase().contains("password") => {
                format!("{name}=(secret){end}")
            }
            _ => part.to_owned(),
        }
    });
    format!("{:?}", shown.collect::<String>())
}

/// Where a value comes from.
fn place(figment: &Figment, key: &str) -> String {
    let metadata = figment.find_metadata(key);
    match (metadata.and_then(|metadata| metadata.source.as_ref()), config::variable(metadata, key)) {
        (Some(Source::File(path)), _) => path.display().to_string(),
        (_, Some(variable)) => format!("the variable {variable}"),
        _ => "default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        assert_eq!(shown("smtp_password", &"hidden".into()), "\"(secret)\"");
        assert_eq!(shown("smtp_password", &"".into()), "\"\"");
        assert_eq!(shown("site_name", &"Usher".into()), "\"Usher\"");
        for (url, expected) in [
            ("postgres://ada:p@ss:w@host/usher", "\"postgres://ada:(secret)@host/usher\""),
            ("postgres://ada@host/usher", "\"postgres://ada@host/usher\""),
            ("sqlite://usher.db", "\"sqlite://usher.db\""),
            (
                "postgres://ada@host/usher?password=hidden&sslmode=require",
                "\"postgres://ada@host/usher?password=(secret)&sslmode=require\"",
            ),
            ("postgres://a:b?c@host/usher?pass%77ord=hidden&x=a@b", "\"postgres://a:(secret)@b\""),
            (
                "postgres://host/usher?user=a@b&password=hidden",
                "\"postgres://host/usher?user=a@b&password=(secret)\"",
            ),
        ] {
            assert_eq!(without_password(url), expected);
        }
    }
}
