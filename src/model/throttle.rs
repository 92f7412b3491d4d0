//! The rate limit on password guessing: how many sign-ins may fail before the next one is refused unchecked.
//!
//! Only failures count. By account the block is soft: it begins after a few free failures, doubles,
//! and lifts by itself, up to a hard limit. Browsers that signed in before and signed-in users have
//! counters of their own, so that guesses of others do not block them. By address it is a leaky bucket. All
//! counters are in the database, so that all instances count together, under hashed keys, so that names which do
//! not exist are counted like those that do.

use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::model::clock::Timestamp;
use crate::model::session::SessionId;
use crate::model::text;
use crate::model::user::UserId;

/// Failures older than this no longer count towards the soft block.
const WINDOW: Duration = Duration::from_mins(15);
/// The first block after the free failures; each further failure doubles it.
const FIRST_BLOCK: Duration = Duration::from_secs(1);
/// The longest soft block.
const LONGEST_BLOCK: Duration = Duration::from_mins(15);
/// After so many failures in a row the account stays blocked until its password is set anew
/// (NIST SP 800-63B: no more than 100 consecutive failures).
pub const HARD_LIMIT: i64 = 100;
/// The time in which an address gets one failure back.
const REFILL: Duration = Duration::from_secs(6);

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
#[derive(Debug, Clone, PartialEq, Eq)]
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

    fn of(kind: &str, what: &[u8]) -> Self {
        Self(Sha256::new().chain_update(kind).chain_update([0]).chain_update(what).finalize().into())
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

/// What is known of a key's failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// Those that count towards the soft block.
    pub recent: i64,
    /// Those since the last success.
    pub consecutive: i64,
    /// When the last one was.
    pub last_at: Timestamp,
    /// Until when the next try is refused unseen.
    pub blocked_until: Timestamp,
}

impl Failures {
    /// An account after one more failure.
    #[must_use]
    pub fn account(before: Option<Self>, now: Timestamp, thresholds: Thresholds) -> Self {
        let (recent, consecutive) = before.map_or((0, 0), |before| {
            let recent = if now.since(before.last_at) > WINDOW { 0 } else { before.recent };
            (recent, before.consecutive)
        });
        let (recent, consecutive) = (recent + 1, consecutive + 1);
        let beyond = u32::try_from(recent - i64::from(thresholds.account_free)).ok();
        let block = match beyond {
            None | Some(0) => Duration::ZERO,
            Some(beyond) => FIRST_BLOCK
                .saturating_mul(1_u32.checked_shl(beyond - 1).unwrap_or(u32::MAX))
                .min(LONGEST_BLOCK),
        };
        Self { recent, consecutive, last_at: now, blocked_until: now.plus(block) }
    }

    /// An address after one more failure: a bucket that leaks one failure every six seconds, and
    /// blocks while one more would overflow it.
    #[must_use]
    pub fn address(before: Option<Self>, now: Timestamp, thresholds: Thresholds) -> Self {
        let room = REFILL * thresholds.address_burst.saturating_sub(1);
        let full_until = before.as_ref().map_or(now, |before| before.blocked_until.plus(room)).max(now);
        let blocked_until = full_until.plus(REFILL).minus(room);
        let recent = before.map_or(0, |before| before.recent) + 1;
        Self { recent, consecutive: 0, last_at: now, blocked_until }
    }

    /// How long the next try has to wait; `None` if it need not.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        let wait = self.blocked_until.since(now);
        if self.consecutive >= HARD_LIMIT {
            return Some(wait.max(LONGEST_BLOCK));
        }
        (!wait.is_zero()).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { account_free: 5, address_burst: 30 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn pw_4_five_failures_are_free_then_the_block_doubles_to_fifteen_minutes() {
        let mut failures = None;
        let mut blocks = Vec::new();
        let mut now = at(0);
        for _ in 0..20 {
            let after = Failures::account(failures, now, THRESHOLDS);
            let block = after.wait(now).unwrap_or_default();
            blocks.push(block.as_secs());
            now = now.plus(block);
            failures = Some(after);
        }
        assert_eq!(&blocks[..10], [0, 0, 0, 0, 0, 1, 2, 4, 8, 16]);
        assert_eq!(blocks[19], 900);
    }

    #[test]
    fn pw_4_the_soft_block_lifts_by_itself() {
        let mut failures = None;
        for _ in 0..8 {
            failures = Some(Failures::account(failures, at(0), THRESHOLDS));
        }
        let failures = failures.unwrap();
        assert!(failures.wait(at(3)).is_some());
        assert_eq!(failures.wait(at(4)), None);
        let later = Failures::account(Some(failures), at(4 + 901), THRESHOLDS);
        assert_eq!(later.recent, 1, "old failures no longer count");
    }

    #[test]
    fn pw_4_a_hundred_failures_in_a_row_block_until_a_new_password() {
        let mut failures = None;
        for day in 0..HARD_LIMIT {
            failures = Some(Failures::account(failures, at(day * 86_400), THRESHOLDS));
        }
        assert!(failures.unwrap().wait(at(1_000_000_000)).is_some());
    }

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
    fn an_address_may_fail_in_a_burst_and_then_once_every_six_seconds() {
        let mut failures = None;
        for _ in 0..30 {
            assert_eq!(failures.as_ref().and_then(|f: &Failures| f.wait(at(0))), None);
            failures = Some(Failures::address(failures, at(0), THRESHOLDS));
        }
        let full = failures.unwrap();
        assert_eq!(full.wait(at(0)), Some(Duration::from_secs(6)));
        assert_eq!(full.wait(at(6)), None);
        let again = Failures::address(Some(full), at(6), THRESHOLDS);
        assert_eq!(again.wait(at(6)), Some(Duration::from_secs(6)));
        assert_eq!(Failures::address(Some(again), at(1000), THRESHOLDS).wait(at(1000)), None);
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
