//! The configuration: typed, documented here, read once.
//!
//! Sources, each over the one before: the defaults in this file, one file (`Rocket.toml`), `ROCKET_*`,
//! `USHER_*`, `DATABASE_URL`. To add a setting: a member of [`Settings`] with its unit, its value in
//! `Default`, its bounds in `checks`, and a line in `docs/configuration.md` (a test compares the two). What operations
//! make of a setting stands in `operations/settings.rs`.

mod checks;
mod error;
mod rocket_settings;
mod sources;

use rocket::figment::Figment;
use serde::{Deserialize, Serialize};

pub use self::error::{ConfigError, variable};
pub use self::rocket_settings::rocket_config;
pub use self::sources::{DEFAULT_DATABASE_URL, VARIABLE, defaults, figment, replica_url, with_database};
use crate::model::base_path::BasePath;
use crate::model::head_target::HeadTarget;
use crate::model::network::Network;
use crate::model::pooling::Pooler;
use crate::model::second_factor::DemandedOf;
use crate::model::site::{Accent, Contact, SiteName};

/// What `GET /v1/users/{name}` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GetByName {
    /// The record; 404 when there is none.
    Object,
    /// An array of no or one record.
    Array,
}

/// What a provisioning client gets that creates a user who is there already, but deactivated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepeatedCreate {
    /// 409.
    Conflict,
    /// The user, active again, with what was sent.
    Reactivate,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevelName {
    /// Nothing.
    Off,
    /// What needs a person.
    Error,
    /// What may need one.
    Warn,
    /// One line a request.
    Info,
    /// More.
    Debug,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// Begun in the open and turned into TLS before anything is said; refused if the server cannot.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: for a relay on this machine or a trusted network.
    None,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For programs: one object a line.
    Json,
}

/// Our own settings: section `[default.usher]` of `Rocket.toml`, or `USHER_<NAME>` in the environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings {
    /// The name that pages, titles and messages show, 1 to 40 characters. Default `Usher`.
    pub site_name: SiteName,
    /// The colour of links and main buttons, as `#rrggbb`. Default `#0a58ca`.
    pub accent: Accent,
    /// Whom the sign-in page tells users to ask: an email address, an `https` address or other text. Default none.
    pub contact: Contact,
    /// `object` or `array`. Clients in the field expect an array. Default `object`.
    pub get_by_name: GetByName,
    /// Whether identity providers may provision users by SCIM 2.0, at `/scim/v2`. Default false.
    pub scim: bool,
    /// What creating a deactivated user once more by SCIM does: `conflict` or `reactivate`. Default `conflict`.
    pub scim_repeated_create: RepeatedCreate,
    /// Whether staff may give and remove staff access; otherwise only superusers may. Default true.
    pub staff_grants_staff: bool,
    /// Shortest password, in characters, 1 to 128. Default 8; 15 is advised for staff.
    pub password_min_length: usize,
    /// Words that are as good as common passwords here, such as the names of the site and of products, each of
    /// at least four characters, three of them letters. Default none.
    pub password_words: Vec<String>,
    /// Of whom a second factor is demanded: `off`, `staff` or `all`. Default `off`: it is offered.
    pub second_factor: DemandedOf,
    /// From when on it is demanded, such as `2026-12-01`; until then it is only asked for. Default empty: at once.
    pub second_factor_from: String,
    /// Memory of one password hash, in KiB, at least 7168. Default 19456 (OWASP).
    pub password_memory_kib: u32,
    /// Passes of one password hash. Default 2 (OWASP, with the default memory).
    pub password_iterations: u32,
    /// Passwords hashed at the same time; 0 means one less than the cores, from 1 to 4. Default 0.
    pub password_threads: usize,
    /// Passwords that may wait to be hashed; more are answered 503. Default 64.
    pub password_queue: usize,
    /// Life of an access token, in seconds. Default 300.
    pub access_token_seconds: u64,
    /// Life of a refresh token and its session, in seconds. Default 28800 (8 hours).
    pub refresh_token_seconds: u64,
    /// Life of a browser session, in seconds. Default 28800 (8 hours).
    pub session_seconds: u64,
    /// A browser session ends after so many seconds without use. Default 1800 (30 minutes).
    pub session_idle_seconds: u64,
    /// Browser sessions of one user at once; the next one ends that which was used the longest ago. Default 20.
    pub browser_sessions: u32,
    /// The same of the sessions of API clients, named API tokens apart. Default 200.
    pub client_sessions: u32,
    /// Longest life of a named API token, in days. Default 366.
    pub api_token_days: u64,
    /// Failed sign-ins of one account that have no consequence; then each further one doubles a
    /// waiting time, from a second to 15 minutes; from 100 in a row on it is a day. Default 5.
    pub throttle_account_free: u32,
    /// Failed sign-ins of one address at once; then one every six seconds. Default 30.
    pub throttle_address_burst: u32,
    /// Least time of a failed sign-in, in milliseconds, so that it does not tell who exists. Default 400.
    pub sign_in_failure_milliseconds: u64,
    /// Longest JSON body, in bytes. Default 1048576.
    pub json_limit: u64,
    /// The largest upload of users to import in the console, in bytes, all its files together. Default 67108864.
    pub import_limit: u64,
    /// The origin that browsers use, such as `https://users.example.org`. Without it a request's own
    /// `Host` is taken. Default empty.
    pub public_origin: String,
    /// The path below which everything stands where other programs share the origin, such as `/usher`. Default empty.
    pub base_path: BasePath,
    /// Addresses and networks of proxies whose `X-Forwarded-For` is believed. Default none.
    pub trusted_proxies: Vec<Network>,
    /// Other origins whose pages may call the API with a bearer token, exactly as sent. Default none.
    pub cors_origins: Vec<String>,
    /// Request headers that such pages may send beside those of the API, such as `node-id`. Default none.
    pub cors_headers: Vec<String>,
    /// After SIGTERM `/readyz` answers 503 for so many seconds before the listener closes. Default 0.
    pub drain_seconds: u64,
    /// How many days the audit log keeps addresses and devices; 0 for ever. Default 90.
    pub audit_address_days: u64,
    /// The same of failed sign-ins and requests for links with names that no user has. Default 30.
    pub audit_unknown_user_days: u64,
    /// How many days entries of the audit log are kept; 0 for ever. Default 0.
    pub audit_entry_days: u64,
    /// Where the head of the audit log is kept besides the database: a file, `syslog`, or an address. Default nowhere.
    pub audit_head_to: HeadTarget,
    /// How often it is sent there, in seconds. Default 3600.
    pub audit_head_seconds: u64,
    /// How many days an erasure waits and can be cancelled; 0: it is carried out at once. Default 7.
    pub erasure_days: u64,
    /// The file with the list of who was erased, from which they are erased again after a backup is restored: a path
    /// from / on. Default empty: there is none.
    pub erasures_to: String,
    /// Address and port of `/metrics`, such as `127.0.0.1:9464`; without it there are none. Default empty.
    pub metrics_address: String,
    /// Sends the session cookie over plain http to hosts other than this machine. For a trusted
    /// network without TLS only. Default false.
    pub insecure_cookie: bool,
    /// `off`, `error`, `warn`, `info` (one line a request) or `debug`. Default `info`.
    pub log_level: LogLevelName,
    /// `text`, `json` (one object a line), or `auto`: text on a terminal, else JSON. Default `auto`.
    pub log_format: LogFormat,
    /// Whether PostgreSQL is used by way of a pooler: `auto` (found out), `none` or `transaction`. Default `auto`.
    pub database_pooler: Pooler,
    /// Whether there is a database already, so that none is ever made where it is not found. Default false.
    pub database_must_exist: bool,
    /// Whether every start applies pending migrations; if not, only `usher migrate` does. Default true.
    pub migrate_at_start: bool,
    /// Refuses PostgreSQL over the network without verified TLS (`sslmode=verify-full`). Default false.
    pub require_database_tls: bool,
    /// The secret of the installation, at least 32 bytes as base64. Empty: one is made and kept in
    /// the database. Default empty.
    pub secret_key: String,
    /// The secret before that one, whose signatures are still accepted. Default empty.
    pub secret_key_before: String,
    /// The mail server that one-time links are sent through. Empty: no mail is sent. Default empty.
    pub smtp_host: String,
    /// Its port. Default 587.
    pub smtp_port: u16,
    /// How the connection to it is protected. Default `starttls`.
    pub smtp_tls: SmtpTls,
    /// A PEM file with the authorities that sign its certificate, instead of the public ones, or the text of one.
    /// Default empty: the public ones.
    pub smtp_ca: String,
    /// The name to sign in to it with; empty: without. Default empty.
    pub smtp_username: String,
    /// The password for that name. Default empty.
    pub smtp_password: String,
    /// Whom messages are from, such as `Usher <usher@example.org>`. Default empty.
    pub mail_from: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            site_name: SiteName::default(),
            accent: Accent::default(),
            contact: Contact::default(),
            get_by_name: GetByName::Object,
            scim: false,
            scim_repeated_create: RepeatedCreate::Conflict,
            staff_grants_staff: true,
            password_min_length: 8,
            password_words: Vec::new(),
            second_factor: DemandedOf::Off,
            second_factor_from: String::new(),
            password_memory_kib: 19_456,
            password_iterations: 2,
            password_threads: 0,
            password_queue: 64,
            access_token_seconds: 300,
            refresh_token_seconds: 8 * 60 * 60,
            session_seconds: 8 * 60 * 60,
            session_idle_seconds: 30 * 60,
            browser_sessions: 20,
            client_sessions: 200,
            api_token_days: 366,
            throttle_account_free: 5,
            throttle_address_burst: 30,
            sign_in_failure_milliseconds: 400,
            json_limit: 1024 * 1024,
            import_limit: 64 * 1024 * 1024,
            public_origin: String::new(),
            base_path: BasePath::default(),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            cors_headers: Vec::new(),
            drain_seconds: 0,
            audit_address_days: 90,
            audit_unknown_user_days: 30,
            audit_entry_days: 0,
            audit_head_to: HeadTarget::Nowhere,
            audit_head_seconds: 3_600,
            erasure_days: 7,
            erasures_to: String::new(),
            metrics_address: String::new(),
            insecure_cookie: false,
            log_level: LogLevelName::Info,
            log_format: LogFormat::Auto,
            database_pooler: Pooler::Auto,
            database_must_exist: false,
            migrate_at_start: true,
            require_database_tls: false,
            secret_key: String::new(),
            secret_key_before: String::new(),
            smtp_host: String::new(),
            smtp_port: 587,
            smtp_tls: SmtpTls::Starttls,
            smtp_ca: String::new(),
            smtp_username: String::new(),
            smtp_password: String::new(),
            mail_from: String::new(),
        }
    }
}

impl Settings {
    /// Reads and checks our section.
    ///
    /// # Errors
    /// [`ConfigError`] with the name of the key.
    pub fn read(figment: &Figment) -> Result<Self, ConfigError> {
        let mut settings: Self = match figment.find_value("usher") {
            Ok(_) => figment.extract_inner("usher")?,
            Err(_) => Self::default(),
        };
        settings.check()?;
        settings.normalize()?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use rocket::figment::providers::{Format, Toml};

    use super::*;

    /// The configuration of a file and some variables.
    pub(super) fn configured(file: &str, variables: &[(&str, &str)]) -> Figment {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        sources::sources(Toml::string(file).nested(), &variables.collect()).unwrap()
    }

    fn url(figment: &Figment) -> String {
        figment.extract_inner("databases.main.url").unwrap()
    }

    #[test]
    fn without_any_source_the_defaults_hold() {
        let figment = configured("", &[]);
        assert_eq!(Settings::read(&figment).unwrap(), Settings::default());
        assert_eq!(url(&figment), DEFAULT_DATABASE_URL);
    }

    #[test]
    fn the_environment_stands_over_the_file() {
        let file = "[default.usher]\nget_by_name = \"array\"\npassword_min_length = 9\n\
                    [default.databases.main]\nurl = \"sqlite://file.db\"";
        let figment = configured(file, &[("USHER_PASSWORD_MIN_LENGTH", "6")]);
        let settings = Settings::read(&figment).unwrap();
        assert_eq!(settings.get_by_name, GetByName::Array);
        assert_eq!(settings.password_min_length, 6);
        assert_eq!(url(&figment), "sqlite://file.db");
        let figment = configured(file, &[("DATABASE_URL", "postgres://localhost/usher")]);
        assert_eq!(url(&figment), "postgres://localhost/usher");
    }

    #[test]
    fn lists_can_be_written_in_the_environment() {
        let figment = configured("", &[("USHER_TRUSTED_PROXIES", r#"["10.0.0.1","fd00::/8"]"#)]);
        assert_eq!(Settings::read(&figment).unwrap().trusted_proxies.len(), 2);
        let figment = configured("", &[("USHER_TRUSTED_PROXIES", r#"["10.0.0.1","proxy"]"#)]);
        let message = Settings::read(&figment).unwrap_err().to_string();
        assert!(message.starts_with("usher.trusted_proxies: \"proxy\" is neither an address"), "{message}");
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        let refusal = |figment: &Figment| Settings::read(figment).unwrap_err().to_string();
        let message = refusal(&configured("[default.usher]\nget_by_nmae = \"array\"", &[]));
        assert!(message.contains("get_by_nmae"), "{message}");
        let message = refusal(&configured("", &[("USHER_PASSWORD_LENGTH", "6")]));
        assert_eq!(
            message,
            "usher.password_length: there is no such setting; docs/configuration.md lists them all"
        );
        let message = refusal(&configured("", &[("USHER_PASSWORD_MIN_LENGTH", "many")]));
        assert!(message.starts_with("usher.password_min_length: "), "{message}");
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for (name, value) in [
            ("USHER_PASSWORD_MIN_LENGTH", "0"),
            ("USHER_PASSWORD_MEMORY_KIB", "1024"),
            ("USHER_PUBLIC_ORIGIN", "users.example.org"),
            ("USHER_CORS_ORIGINS", "[\"*\"]"),
            ("USHER_SESSION_SECONDS", "9223372036854775808"),
            ("USHER_SESSION_IDLE_SECONDS", "0"),
            ("USHER_API_TOKEN_DAYS", "100000"),
            ("USHER_DRAIN_SECONDS", "86400"),
            ("USHER_BROWSER_SESSIONS", "0"),
            ("USHER_GET_BY_NAME", "list"),
            ("USHER_CORS_HEADERS", "[\"*\"]"),
            ("USHER_CORS_HEADERS", "[\"node id\"]"),
            ("USHER_JSON_LIMIT", "0"),
            ("USHER_SITE_NAME", ""),
            ("USHER_ACCENT", "blue"),
            ("USHER_SECOND_FACTOR", "on"),
            ("USHER_SECOND_FACTOR_FROM", "tomorrow"),
            ("USHER_PASSWORD_WORDS", "[\"usher\", \"abc\"]"),
        ] {
            let message = Settings::read(&configured("", &[(name, value)])).unwrap_err().to_string();
            let key = name.trim_start_matches("USHER_").to_lowercase();
            assert!(message.contains(&key), "{message} does not name {key}");
        }
    }

    #[test]
    fn every_setting_is_documented() {
        let documentation = include_str!("../docs/configuration.md");
        let settings = serde_json::to_value(Settings::default()).unwrap();
        for (name, default) in settings.as_object().unwrap() {
            let row = format!("| `{name}` | ");
            let line = documentation.lines().find(|line| line.starts_with(&row));
            let line = line.unwrap_or_else(|| panic!("docs/configuration.md does not explain {name}"));
            let shown = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            let shown = if shown.is_empty() { "none".to_owned() } else { format!("`{shown}`") };
            assert!(line.contains(&shown), "{name}: the default is {shown}: {line}");
        }
    }
}
