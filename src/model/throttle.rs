//! The rate limit on password guessing: how many sign-ins may fail before the next one is refused unchecked.
//!
//! Only failures count. By account the block begins after a few free failures, doubles, and lifts by itself; from
//! a hard limit on it lasts a day each time. Browsers that signed in before and signed-in users have
//! counters of their own, so that guesses of others do not block them. By address it is a leaky bucket. All
//! counters are in the database, so that all instances count together, under hashed keys, so that names which do
//! not exist are counted like those that do.

mod failures;

use std::net::IpAddr;

use sha2::{Digest, Sha256};

pub use self::failures::{AccountFailures, Admission, Failures, HARD_LIMIT};
use crate::model::session::SessionId;
use crate::model::text;
use crate::model::user::UserId;

/// What the thresholds are; see the settings `throttle_account_free` and `throttle_address_burst`.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// Failures of one account that have no consequence.
    pub account_free: u32,
    /// Failures of one address at once before it has to wait.
    pub address_burst: u32,
}

/// So many bytes at the beginning of an account's keys are the same.
const SHARED: usize = 16;

/// Length of a [`DeviceId`], in bytes.
pub(crate) const DEVICE_ID_LENGTH: usize = 16;

/// The key under which failures are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(pub(crate) [u8; 32]);

impl Key {
    /// An account, by the canonical form of the name as it was given.
    #[must_use]
    pub fn account(username: &str) -> Self {
        Self::of("account", text::canonical(username).as_bytes())
    }

    /// An account, for the tries of a browser that signed in to it before.
    #[must_use]
    pub fn known_browser(username: &str, browser: &DeviceId) -> Self {
        Self::within(username, "browser", &browser.0)
    }

    /// An account, for the tries of its user in a session.
    #[must_use]
    pub fn session(username: &str, session: SessionId) -> Self {
        Self::within(username, "session", &session.0.to_be_bytes())
    }

    /// An account, for what its user asks for in all browsers and sessions that it knows together.
    #[must_use]
    pub fn known(username: &str) -> Self {
        Self::within(username, "known", &[])
    }

    /// A key of an account's: it begins as the account's own, so that all are found together.
    fn within(username: &str, kind: &str, what: &[u8]) -> Self {
        let mut key = Self::account(username);
        key.0[SHARED..].copy_from_slice(&Self::of(kind, what).0[SHARED..]);
        key
    }

    /// The least and the greatest key that an account's can be, this one's.
    pub(crate) fn all_of_account(&self) -> [Self; 2] {
        [0x00, 0xff].map(|filling| {
            let mut key = self.clone();
            key.0[SHARED..].fill(filling);
            key
        })
    }

    /// An address: IPv4 whole, IPv6 by its /64, which one subscriber has for themselves.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of("address", &address.octets()),
            IpAddr::V6(address) => Self::of("address", &address.octets()[..8]),
        }
    }

    /// An address, by the links that were asked for from it.
    #[must_use]
    pub fn link_requests_from(address: IpAddr) -> Self {
        Self::of("link requests from", &Self::address(address).0)
    }

    /// A user, by the links that were asked for on the sign-in page.
    #[must_use]
    pub fn link_requests_for(user: UserId) -> Self {
        Self::of("link requests for", &user.0.to_be_bytes())
    }

    /// A user, by the codes of a second factor, wherever they are typed. Apart from the account's, which another
    /// password forgets.
    #[must_use]
    pub fn codes_of(user: UserId) -> Self {
        Self::of("codes of", &user.0.to_be_bytes())
    }

    /// A user, by the changes to what is their own.
    #[must_use]
    pub fn own_changes_of(user: UserId) -> Self {
        Self::of("own changes of", &user.0.to_be_bytes())
    }

    /// A user, by the changes of their own password: by themselves, so that a thief of a session of theirs cannot
    /// keep them from ending it.
    #[must_use]
    pub fn own_passwords_of(user: UserId) -> Self {
        Self::of("own passwords of", &user.0.to_be_bytes())
    }

    fn of(kind: &str, what: &[u8]) -> Self {
        Self(Sha256::new().chain_update(kind).chain_update([0]).chain_update(what).finalize().into())
    }

    /// As stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A number for an advisory lock.
    pub(crate) fn as_integer(&self) -> i64 {
        self.0.first_chunk().copied().map_or(0, i64::from_be_bytes)
    }
}

/// A browser, as one account knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceId(pub(crate) [u8; DEVICE_ID_LENGTH]);

impl DeviceId {
    /// One that was never seen before.
    #[must_use]
    pub fn random() -> Self {
        let mut number = [0; DEVICE_ID_LENGTH];
        // Without randomness it still is one that signed in, only not another one than others.
        let _ = getrandom::fill(&mut number);
        Self(number)
    }

    /// As stored.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pw_13_the_counters_of_an_account_differ_and_are_found_together() {
        let browser = DeviceId::random();
        let ada = Key::account("ada");
        let own = [
            ada.clone(),
            Key::known_browser("Ada", &browser),
            Key::known_browser("ada", &DeviceId::random()),
            Key::session("ada", SessionId(1)),
            Key::session("ada", SessionId(2)),
        ];
        let [first, last] = ada.all_of_account();
        for (n, key) in own.iter().enumerate() {
            assert!(own[..n].iter().all(|other| other != key));
            assert!(first.0 <= key.0 && key.0 <= last.0);
        }
        for other in
            [Key::account("bob"), Key::known_browser("bob", &browser), Key::session("bob", SessionId(1))]
        {
            assert!(other.0 < first.0 || other.0 > last.0);
        }
    }

    #[test]
    fn pw_5_variants_of_a_name_and_addresses_of_one_subscriber_share_a_key() {
        assert_eq!(Key::account("Alice"), Key::account(" ａLICE "));
        assert_ne!(Key::account("alice"), Key::account("bob"));
        let address = |text: &str| Key::address(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }
}
