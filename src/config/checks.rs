//! What settings must be, beyond their types.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use super::{ConfigError, Settings};
use crate::model::clock::Timestamp;
use crate::model::{password_policy, web_origin};

impl Settings {
    /// The first setting that is out of range.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |name: &str, reason: &str| {
            Err(ConfigError::Value { name: name.to_owned(), reason: reason.to_owned() })
        };
        if !(1..=128).contains(&self.password_min_length) {
            return refuse("password_min_length", "must be from 1 to 128");
        }
        if !self.password_words.iter().all(|word| password_policy::is_word(word)) {
            return refuse("password_words", "needs words of four characters, three of them letters");
        }
        if !self.second_factor_from.is_empty() && Timestamp::parse(&self.second_factor_from).is_none() {
            return refuse(
                "second_factor_from",
                "must be a date such as 2026-12-01, or a date and time in UTC",
            );
        }
        // OWASP's smallest equivalents: 7 MiB with five passes, 19 MiB with two, 46 MiB with one.
        let strong = match self.password_iterations {
            0 => false,
            1 => self.password_memory_kib >= 47_104,
            2 => self.password_memory_kib >= 19_456,
            3 => self.password_memory_kib >= 12_288,
            4 => self.password_memory_kib >= 9_216,
            _ => self.password_memory_kib >= 7_168,
        };
        if !strong {
            return refuse("password_memory_kib", "is too little for so few password_iterations");
        }
        if self.json_limit == 0 || self.json_limit > 64 * 1024 * 1024 {
            return refuse("json_limit", "must be from 1 to 67108864");
        }
        if self.import_limit == 0 || self.import_limit > 1024 * 1024 * 1024 {
            return refuse("import_limit", "must be from 1 to 1073741824");
        }
        if !self.metrics_address.is_empty() && self.metrics_address.parse::<SocketAddr>().is_err() {
            return refuse("metrics_address", "must be an address and a port, such as 127.0.0.1:9464");
        }
        if !self.erasures_to.is_empty() && !self.erasures_to.starts_with('/') {
            return refuse("erasures_to", "must be the path of a file from / on");
        }
        for (name, value, range) in self.numbers() {
            if !range.contains(&value) {
                return refuse(name, &format!("must be from {} to {}", range.start(), range.end()));
            }
        }
        Ok(())
    }

    /// Each number with what it may be: wide, but so that no sum of times overflows, and none stops all.
    fn numbers(&self) -> [(&'static str, u64, RangeInclusive<u64>); 21] {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        [
            ("password_memory_kib", self.password_memory_kib.into(), 7_168..=4_194_304),
            ("password_iterations", self.password_iterations.into(), 1..=1_000),
            ("password_threads", count(self.password_threads), 0..=256),
            ("password_queue", count(self.password_queue), 1..=100_000),
            ("access_token_seconds", self.access_token_seconds, 1..=YEAR),
            ("refresh_token_seconds", self.refresh_token_seconds, 1..=10 * YEAR),
            ("session_seconds", self.session_seconds, 1..=10 * YEAR),
            ("session_idle_seconds", self.session_idle_seconds, 1..=10 * YEAR),
            ("browser_sessions", self.browser_sessions.into(), 1..=10_000),
            ("client_sessions", self.client_sessions.into(), 1..=100_000),
            ("api_token_days", self.api_token_days, 1..=3_660),
            ("throttle_account_free", self.throttle_account_free.into(), 0..=1_000),
            ("throttle_address_burst", self.throttle_address_burst.into(), 1..=1_000_000),
            ("sign_in_failure_milliseconds", self.sign_in_failure_milliseconds, 0..=60_000),
            ("drain_seconds", self.drain_seconds, 0..=3_600),
            ("audit_address_days", self.audit_address_days, 0..=36_600),
            ("audit_unknown_user_days", self.audit_unknown_user_days, 0..=36_600),
            ("audit_entry_days", self.audit_entry_days, 0..=36_600),
            ("audit_head_seconds", self.audit_head_seconds, 1..=YEAR),
            ("erasure_days", self.erasure_days, 0..=3_660),
            ("smtp_port", self.smtp_port.into(), 1..=65_535),
        ]
    }

    /// Puts origins and names of headers into the form in which browsers send them.
    pub(super) fn normalize(&mut self) -> Result<(), ConfigError> {
        let refuse = |name: &str| ConfigError::Value {
            name: name.to_owned(),
            reason: match name {
                "public_origin" => {
                    "must be like https://users.example.org, without a path, which base_path has"
                }
                _ => "must be like https://users.example.org, without a path",
            }
            .to_owned(),
        };
        if !self.public_origin.is_empty() {
            self.public_origin =
                web_origin::normalized(&self.public_origin).ok_or_else(|| refuse("public_origin"))?;
        }
        for origin in &mut self.cors_origins {
            *origin = web_origin::normalized(origin).ok_or_else(|| refuse("cors_origins"))?;
        }
        for name in &mut self.cors_headers {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            // A star would allow every header.
            if name.is_empty() || name == "*" || !name.bytes().all(is_part) {
                let reason = "must be names of headers, such as Node-Id".to_owned();
                return Err(ConfigError::Value { name: "cors_headers".to_owned(), reason });
            }
            name.make_ascii_lowercase();
        }
        Ok(())
    }
}

/// In seconds.
const YEAR: u64 = 366 * 24 * 60 * 60;
