//! The settings as the operations use them.

use std::time::Duration;

use crate::config::Settings;
use crate::db::Opening;
use crate::model::clock::Timestamp;
use crate::model::password_policy::Policy;
use crate::model::rules::Rules;
use crate::model::second_factor::Demand;
use crate::model::session::Credential;
use crate::model::throttle::Thresholds;
use crate::security::passwords::{Cost, Limits};

impl Settings {
    /// The cost of our own password hashes.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost { memory_kib: self.password_memory_kib, iterations: self.password_iterations, ..Cost::default() }
    }

    /// How much is hashed at once.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let limits = Limits { queue: self.password_queue, ..Limits::default() };
        match self.password_threads {
            0 => limits,
            threads => Limits { threads, ..limits },
        }
    }

    /// What opening the database may do to it.
    #[must_use]
    pub fn opening(&self) -> Opening {
        Opening {
            migrate: self.migrate_at_start,
            create: !self.database_must_exist,
            pooler: self.database_pooler,
        }
    }

    /// The password policy.
    #[must_use]
    pub fn policy(&self) -> Policy<'_> {
        Policy { min_length: self.password_min_length, words: &self.password_words }
    }

    /// What the rules depend on.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules { staff_grants_staff: self.staff_grants_staff }
    }

    /// Of whom a second factor is demanded, and from when on.
    #[must_use]
    pub fn demand(&self) -> Demand {
        let always = Timestamp::from_micros(i64::MIN);
        Demand { of: self.second_factor, from: Timestamp::parse(&self.second_factor_from).unwrap_or(always) }
    }

    /// How many failed sign-ins are too many.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds { account_free: self.throttle_account_free, address_burst: self.throttle_address_burst }
    }

    /// How long a session lives; of a named API token: at most.
    #[must_use]
    pub fn session_lifetime(&self, credential: Credential) -> Duration {
        Duration::from_secs(match credential {
            Credential::Cookie => self.session_seconds,
            Credential::Jwt => self.refresh_token_seconds,
            Credential::ApiToken => self.api_token_days.saturating_mul(24 * 60 * 60),
        })
    }

    /// How many sessions of a kind a user has at once; `None` for API tokens, which have a bound of their own.
    #[must_use]
    pub fn most_sessions(&self, credential: Credential) -> Option<u32> {
        match credential {
            Credential::Cookie => Some(self.browser_sessions),
            Credential::Jwt => Some(self.client_sessions),
            Credential::ApiToken => None,
        }
    }

    /// After how long without use a browser session ends.
    #[must_use]
    pub fn session_idle(&self) -> Duration {
        Duration::from_secs(self.session_idle_seconds)
    }

    /// How long an access token lives.
    #[must_use]
    pub fn access_token_lifetime(&self) -> Duration {
        Duration::from_secs(self.access_token_seconds)
    }
}
