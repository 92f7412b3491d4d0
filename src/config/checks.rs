//! What settings must be, beyond their types.

use std::net::SocketAddr;

use super::{ConfigError, Settings};
use crate::model::clock::Timestamp;
use crate::model::password_policy;

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
        if !self.public_origin.is_empty() {
            let scheme = ["http://", "https://"].iter().find_map(|s| self.public_origin.strip_prefix(s));
            if scheme.is_none_or(|host| host.is_empty() || host.contains('/')) {
                return refuse("public_origin", "must be like https://users.example.org, without a path");
            }
        }
        Ok(())
    }
}
