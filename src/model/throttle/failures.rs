//! What is known of the failures of one key, and what it says to one more try.
//!
//! A try that is let through is noted as undecided before its password is looked at, and is decided
//! afterwards: it failed, it succeeded, or it was given up. What undecided tries could still use up is not
//! given to others, so that tries at the same instant get no more guesses than one after another. A try that
//! only undecided ones keep out waits for them, so that right passwords never block each other.

use std::time::Duration;

use super::Thresholds;
use crate::model::clock::Timestamp;

/// Failures older than this no longer count towards the soft block.
const WINDOW: Duration = Duration::from_mins(15);
/// The first block after the free failures; each further failure doubles it.
const FIRST_BLOCK: Duration = Duration::from_secs(1);
/// The longest soft block.
const LONGEST_SOFT_BLOCK: Duration = Duration::from_mins(15);
/// After so many failures in a row each further try waits for [`LONG_BLOCK`] (NIST SP 800-63B: no more than 100
/// consecutive failures).
pub const HARD_LIMIT: i64 = 100;
/// The block from the hundredth failure in a row on: one try a day is no way to guess a password, and the
/// owner is not locked out for good.
const LONG_BLOCK: Duration = Duration::from_hours(24);
/// The time in which an address gets one failure back.
const REFILL: Duration = Duration::from_secs(6);
/// The clocks of two instances may differ by this much.
const CLOCKS_DIFFER: Duration = Duration::from_secs(30);
/// A try that is undecided for longer was lost with the process that made it.
const LONGEST_TRY: Duration = Duration::from_secs(30);

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
    /// Tries that were let through and have not been decided.
    pub undecided: i64,
    /// Until when these count.
    pub undecided_until: Timestamp,
}

/// What is known of an account's failures.
#[derive(Debug, Clone, Default)]
pub struct AccountFailures {
    /// Under the account's own key: tries by strangers.
    pub account: Option<Failures>,
    /// Of that browser or session of its user's that is blocked longest.
    pub known: Option<Failures>,
}

impl AccountFailures {
    /// Whether one of them is blocked.
    #[must_use]
    pub fn is_blocked(&self, now: Timestamp) -> bool {
        [&self.account, &self.known].into_iter().flatten().any(|failures| failures.wait(now).is_some())
    }
}

/// What a key says to one more try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Let through, and undecided in what is to be stored.
    Admitted(Failures),
    /// How others end, which are undecided, says whether this one is let through.
    Undecided,
    /// Refused unseen for so long.
    Blocked(Duration),
}

impl Failures {
    /// Nothing.
    #[must_use]
    pub const fn none(now: Timestamp) -> Self {
        let long_ago = Timestamp::from_micros(i64::MIN);
        Self {
            recent: 0,
            consecutive: 0,
            last_at: now,
            blocked_until: long_ago,
            undecided: 0,
            undecided_until: long_ago,
        }
    }

    /// What an account says to one more try.
    #[must_use]
    pub fn admit_to_account(before: Option<Self>, now: Timestamp, thresholds: Thresholds) -> Admission {
        let before = before.unwrap_or_else(|| Self::none(now));
        let before_soft = i64::from(thresholds.account_free) + 1 - before.recent_at(now);
        let before_hard = HARD_LIMIT - before.consecutive;
        before.admit(before_soft.min(before_hard), now)
    }

    /// What an address says to one more try.
    #[must_use]
    pub fn admit_to_address(before: Option<Self>, now: Timestamp, thresholds: Thresholds) -> Admission {
        let before = before.unwrap_or_else(|| Self::none(now));
        let room = Self::room(thresholds);
        let left = room.saturating_sub(before.full_until(now, room).since(now));
        let left = i64::try_from(left.as_micros() / REFILL.as_micros()).unwrap_or(i64::MAX);
        before.admit(left.saturating_add(1), now)
    }

    /// Lets one more try through while `left` more failures are without a block. After a block it is one at a time.
    fn admit(self, left: i64, now: Timestamp) -> Admission {
        if let Some(wait) = self.wait(now) {
            return Admission::Blocked(wait);
        }
        let undecided = self.undecided_at(now);
        if undecided >= left.max(1) {
            return Admission::Undecided;
        }
        let undecided_until = now.plus(LONGEST_TRY);
        Admission::Admitted(Self { undecided: undecided + 1, undecided_until, ..self })
    }

    /// An account after one more failure.
    #[must_use]
    pub fn account(before: Option<Self>, now: Timestamp, thresholds: Thresholds) -> Self {
        let before = before.unwrap_or_else(|| Self::none(now));
        let (recent, consecutive) = (before.recent_at(now) + 1, before.consecutive + 1);
        let beyond = u32::try_from(recent - i64::from(thresholds.account_free)).ok();
        let block = match beyond {
            _ if consecutive >= HARD_LIMIT => LONG_BLOCK,
            None | Some(0) => Duration::ZERO,
            Some(beyond) => FIRST_BLOCK
                .saturating_mul(1_u32.checked_shl(beyond - 1).unwrap_or(u32::MAX))
                .min(LONGEST_SOFT_BLOCK),
        };
        let blocked_until = now.plus(block);
        Self { recent, consecutive, last_at: now, blocked_until, ..before.decided(now) }
    }

    /// An address after one more failure: a bucket that leaks one failure every six seconds, and
    /// blocks while one more would overflow it.
    #[must_use]
    pub fn address(before: Option<Self>, now: Timestamp, thresholds: Thresholds) -> Self {
        let before = before.unwrap_or_else(|| Self::none(now));
        let room = Self::room(thresholds);
        let blocked_until = before.full_until(now, room).plus(REFILL).minus(room);
        let recent = before.recent + 1;
        Self { recent, consecutive: 0, last_at: now, blocked_until, ..before.decided(now) }
    }

    /// After a try that is neither a failure nor a success.
    #[must_use]
    pub fn decided(self, now: Timestamp) -> Self {
        Self { undecided: (self.undecided_at(now) - 1).max(0), ..self }
    }

    /// An account after a success: its failures are over.
    #[must_use]
    pub fn succeeded(self, now: Timestamp) -> Self {
        Self { recent: 0, consecutive: 0, blocked_until: now, ..self.decided(now) }
    }

    /// Whether there is nothing to know.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.recent == 0 && self.consecutive == 0 && self.undecided == 0
    }

    /// How long the next try has to wait; `None` if it need not.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        if self.is_ahead(now) {
            return None;
        }
        let wait = self.blocked_until.since(now).min(self.blocked_until.since(self.last_at));
        (!wait.is_zero()).then_some(wait)
    }

    /// Whether the last failure lies in the future: the clock was ahead then, or is behind now, and a block
    /// counted from there could last for any time. The number of failures still counts.
    fn is_ahead(&self, now: Timestamp) -> bool {
        self.last_at.since(now) > CLOCKS_DIFFER
    }

    fn recent_at(&self, now: Timestamp) -> i64 {
        if now.since(self.last_at) > WINDOW { 0 } else { self.recent }
    }

    fn undecided_at(&self, now: Timestamp) -> i64 {
        let left = self.undecided_until.since(now);
        if left.is_zero() || left > LONGEST_TRY + CLOCKS_DIFFER { 0 } else { self.undecided }
    }

    /// The failures that a bucket holds before one more would overflow it, as the time in which they leak.
    fn room(thresholds: Thresholds) -> Duration {
        REFILL * thresholds.address_burst.saturating_sub(1)
    }

    /// When the bucket of an address will be empty.
    fn full_until(&self, now: Timestamp, room: Duration) -> Timestamp {
        // It cannot have been more than full.
        if self.is_ahead(now) { now.plus(room) } else { self.blocked_until.plus(room).max(now) }
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
    fn pw_4_from_the_hundredth_failure_in_a_row_on_there_is_one_try_a_day() {
        const DAY: i64 = 86_400;
        let mut failures = None;
        for day in 0..HARD_LIMIT {
            let now = at(day * DAY);
            assert_eq!(failures.as_ref().and_then(|failures: &Failures| failures.wait(now)), None, "{day}");
            failures = Some(Failures::account(failures, now, THRESHOLDS));
        }
        let last = at((HARD_LIMIT - 1) * DAY);
        let hundredth = failures.unwrap();
        assert_eq!(hundredth.wait(last), Some(LONG_BLOCK));
        assert_eq!(hundredth.wait(last.plus(LONG_BLOCK)), None, "it ends by itself");
        let next = Failures::account(Some(hundredth), last.plus(LONG_BLOCK), THRESHOLDS);
        assert_eq!(next.wait(last.plus(LONG_BLOCK)), Some(LONG_BLOCK));
        assert_eq!(next.succeeded(last.plus(LONG_BLOCK)).wait(last.plus(LONG_BLOCK)), None);
    }

    #[test]
    fn pw_13_a_clock_that_was_ahead_leaves_no_wait_that_cannot_exist() {
        for ahead in [31, 3600, 40 * 86_400] {
            let (mut account, mut address) = (None, None);
            for _ in 0..40 {
                account = Some(Failures::account(account, at(ahead), THRESHOLDS));
                address = Some(Failures::address(address, at(ahead), THRESHOLDS));
            }
            let (account, address) = (account.unwrap(), address.unwrap());
            assert_eq!((account.wait(at(0)), address.wait(at(0))), (None, None), "{ahead}");
            let account = Failures::account(Some(account), at(0), THRESHOLDS);
            let address = Failures::address(Some(address), at(0), THRESHOLDS);
            assert_eq!(account.wait(at(0)), Some(LONGEST_SOFT_BLOCK), "the failures are not forgotten");
            assert_eq!(address.wait(at(0)), Some(REFILL));
            assert_eq!((account.wait(at(900)), address.wait(at(6))), (None, None), "{ahead}");
        }
    }

    #[test]
    fn pw_13_between_instances_whose_clocks_differ_a_block_keeps_its_length() {
        let mut account = None;
        for _ in 0..6 {
            account = Some(Failures::account(account, at(20), THRESHOLDS));
        }
        let account = account.unwrap();
        for (now, left) in [(0, Some(1)), (20, Some(1)), (21, None), (-10, Some(1))] {
            assert_eq!(account.wait(at(now)), left.map(Duration::from_secs), "{now}");
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

    type Admit = fn(Option<Failures>, Timestamp, Thresholds) -> Admission;
    type Fail = fn(Option<Failures>, Timestamp, Thresholds) -> Failures;

    /// The tries that are let through at one instant, and what is known then.
    fn burst(before: Option<Failures>, now: Timestamp, admit: Admit) -> (usize, Failures) {
        let (mut count, mut state) = (0, before);
        while let Admission::Admitted(after) = admit(state.clone(), now, THRESHOLDS) {
            (count, state) = (count + 1, Some(after));
        }
        (count, state.unwrap())
    }

    #[test]
    fn pw_4_a_burst_gets_no_more_tries_than_one_after_another() {
        let kinds: [(usize, Admit, Fail); 2] = [
            (6, Failures::admit_to_account, Failures::account),
            (30, Failures::admit_to_address, Failures::address),
        ];
        for (most, admit, fail) in kinds {
            let (count, mut state) = burst(None, at(0), admit);
            assert_eq!(count, most, "the last of them blocks");
            for left in (0..count).rev() {
                assert_eq!(admit(Some(state.clone()), at(0), THRESHOLDS), Admission::Undecided, "{left}");
                state = fail(Some(state), at(0), THRESHOLDS);
            }
            assert!(matches!(admit(Some(state.clone()), at(0), THRESHOLDS), Admission::Blocked(_)));
            let (count, state) = burst(Some(state), at(7), admit);
            assert_eq!((count, state.undecided), (1, 1), "after a block one at a time");
        }
    }

    #[test]
    fn pw_4_a_burst_cannot_pass_the_hundredth_failure() {
        let near = Failures { consecutive: HARD_LIMIT - 2, ..Failures::none(at(0)) };
        assert_eq!(burst(Some(near), at(0), Failures::admit_to_account).0, 2);
    }

    #[test]
    fn pw_13_right_passwords_at_the_same_instant_never_block_each_other() {
        let (_, mut state) = burst(None, at(0), Failures::admit_to_account);
        for _ in 0..100 {
            state = state.succeeded(at(0));
            let Admission::Admitted(after) = Failures::admit_to_account(Some(state), at(0), THRESHOLDS)
            else {
                panic!("the next one is let through");
            };
            state = after;
        }
        while state.undecided > 0 {
            state = state.decided(at(0));
        }
        assert!(state.is_none());
    }

    #[test]
    fn pw_13_tries_that_were_lost_with_their_process_are_forgotten() {
        let (_, lost) = burst(None, at(0), Failures::admit_to_account);
        assert_eq!(Failures::admit_to_account(Some(lost.clone()), at(29), THRESHOLDS), Admission::Undecided);
        for now in [30, -31] {
            let (count, state) = burst(Some(lost.clone()), at(now), Failures::admit_to_account);
            assert_eq!((count, state.undecided), (6, 6), "{now}");
        }
    }
}
