//! One try at a user's password, counted and recorded in one way on every channel.
//!
//! Signing in, giving the password again and changing it all come through here, so that no place that asks
//! for a password lacks the rate limit. To add such a place: an [`Attempt`], its [`check`](Attempt::check), and
//! [`count_failure`](Attempt::count_failure) for every failure.

use std::time::Duration;

use crate::db::users::Credentials;
use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::origin::Origin;
use crate::model::password::Password;
use crate::model::permission::Permission;
use crate::model::text;
use crate::model::throttle::{DeviceId, Failures, HARD_LIMIT, Key};
use crate::model::user::User;
use crate::operations::{App, Can, audit};
use crate::security::passwords::Verification;

/// One try.
pub(crate) struct Attempt<'a> {
    pub(crate) app: &'a App,
    pub(crate) origin: &'a Origin,
    /// Who tries, if they are signed in.
    author: Author,
    /// The canonical form of the name that was given.
    name: String,
    /// What failures are counted under: the account, unless only a browser's or a session's tries count.
    counter: Key,
    /// Whose tries these are then, for the audit log.
    only_for: Option<&'static str>,
    address: Option<Key>,
}

/// The user whose password was wrong, if there is one, and why it was refused, for the audit log only.
type Failure = (Option<User>, &'static str);

impl<'a> Attempt<'a> {
    /// At the account of this name, whether or not there is one.
    pub(crate) fn new(app: &'a App, username: &str, origin: &'a Origin) -> Self {
        Self {
            app,
            origin,
            author: Author::anonymous(origin),
            name: text::canonical(username),
            counter: Key::account(username),
            only_for: None,
            address: origin.address.map(Key::address),
        }
    }

    /// At the account of this name, by a browser that signed in to it before: what others try does not block it,
    /// nor does it block others.
    pub(crate) fn from_known(app: &'a App, username: &str, browser: &DeviceId, origin: &'a Origin) -> Self {
        let counter = Key::known_browser(username, browser);
        Self { counter, only_for: Some("known_browser"), ..Self::new(app, username, origin) }
    }

    /// At the caller's own account; the tries of a session are counted by themselves, too.
    pub(crate) fn by<P: Permission>(can: &'a Can<P>) -> Self {
        let username = can.user().username.as_str();
        let counter = Key::session(username, can.session().id);
        let only_for = Some("session");
        Self { author: can.author(), counter, only_for, ..Self::new(can.app(), username, can.origin()) }
    }

    /// Whether the browser or the session was known before.
    pub(crate) fn is_known(&self) -> bool {
        self.only_for.is_some()
    }

    /// Checks a password, by one hash operation whatever is found. A blocked account's password is not
    /// looked at: a dummy takes its place. The failure is yet to be counted.
    ///
    /// # Errors
    /// [`Error::Throttled`] for an address with too many failures; [`Error::Unavailable`] when too many
    /// passwords wait to be checked.
    pub(crate) async fn check(
        &self,
        password: &Password,
    ) -> Result<std::result::Result<(Credentials, Verification), Failure>> {
        let app = self.app;
        if let Some(wait) = self.address_wait().await? {
            return Err(Error::Throttled(wait.as_secs().max(1)));
        }
        let failures = db::throttles::get(&app.db, &self.counter).await?;
        let blocked = failures.is_some_and(|failures| failures.wait(app.clock.now()).is_some());
        let found = db::users::credentials(&app.db, &self.name).await?;
        let stored = found.as_ref().map(|found| &found.password).filter(|_| !blocked);
        let verdict = app.hasher.verify(password, stored).await?;
        Ok(match found {
            None => Err((None, "unknown_user")),
            Some(found) if blocked => Err((Some(found.user), BLOCKED)),
            Some(found) if verdict == Verification::Wrong => Err((Some(found.user), "wrong_password")),
            Some(found) => Ok((found, verdict)),
        })
    }

    async fn address_wait(&self) -> Result<Option<Duration>> {
        let Some(address) = &self.address else { return Ok(None) };
        let failures = db::throttles::get(&self.app.db, address).await?;
        Ok(failures.and_then(|failures| failures.wait(self.app.clock.now())))
    }

    /// The user, locked, if the password that was checked is still theirs and the account may be used;
    /// forgets the failures that were counted with this try.
    pub(crate) async fn still_right(
        &self,
        tx: &mut Tx,
        verified: &Credentials,
        now: Timestamp,
    ) -> Result<Option<User>> {
        let failures = db::throttles::lock(tx, &self.counter).await?;
        // Others may have been guessing while this password was checked: what they used up counts.
        if failures.as_ref().is_some_and(|failures| failures.wait(now).is_some()) {
            return Ok(None);
        }
        let found = db::users::lock(tx, verified.user.id).await?;
        let user = found
            .filter(|found| found.user.is_usable(now) && found.password == verified.password)
            .map(|found| found.user);
        if user.is_some() && failures.is_some() {
            db::throttles::delete(tx, &self.counter).await?;
        }
        Ok(user)
    }

    /// Counts a failure against account and address, and records it, with the blocks that begin by it.
    /// A try on a blocked account is not counted against the account, or the block would never lift. The
    /// hundredth in a row is also in the log, for monitoring.
    pub(crate) async fn count_failure(
        &self,
        action: Action,
        target: Option<&User>,
        why: &'static str,
    ) -> Result<()> {
        let mut failed = self.entry(action, target).detail("reason", why);
        if !self.origin.device.is_empty() {
            failed = failed.detail("device", self.origin.device.as_str());
        }
        let consecutive = db::retrying(|| async {
            let mut consecutive = 0;
            let now = self.app.clock.now();
            let thresholds = self.app.settings.thresholds();
            let mut tx = self.app.db.begin().await?;
            audit::record(&mut tx, &failed, now).await?;
            if why != BLOCKED {
                let before = db::throttles::lock(&mut tx, &self.counter).await?;
                let after = Failures::account(before, now, thresholds);
                consecutive = after.consecutive;
                db::throttles::set(&mut tx, &self.counter, &after).await?;
                if let Some(entry) = self.account_blocked(&after, target, now) {
                    audit::record(&mut tx, &entry, now).await?;
                }
            }
            if let Some(address) = &self.address {
                let before = db::throttles::lock(&mut tx, address).await?;
                let was_blocked = before.as_ref().is_some_and(|before| before.wait(now).is_some());
                let after = Failures::address(before, now, thresholds);
                db::throttles::set(&mut tx, address, &after).await?;
                if !was_blocked && after.wait(now).is_some() {
                    audit::record(&mut tx, &self.entry(Action::AddressBlocked, None), now).await?;
                }
            }
            tx.commit().await?;
            Ok(consecutive)
        })
        .await?;
        if let (Some(user), HARD_LIMIT) = (target, consecutive) {
            log::warn!(
                "user {} is blocked until the password is set anew, after {HARD_LIMIT} wrong ones in a row",
                user.id
            );
        }
        Ok(())
    }

    fn entry(&self, action: Action, target: Option<&User>) -> Entry {
        let entry = Entry::new(action, self.author.clone());
        match target {
            Some(user) => entry.on(user),
            None => entry,
        }
    }

    fn account_blocked(&self, failures: &Failures, target: Option<&User>, now: Timestamp) -> Option<Entry> {
        let wait = failures.wait(now)?;
        let entry = self
            .entry(Action::AccountBlocked, target)
            .detail("seconds", wait.as_secs())
            .detail("failures", failures.consecutive);
        let entry = match self.only_for {
            Some(whom) => entry.detail("only_for", whom),
            None => entry,
        };
        // What only the operator, or a new password, ends.
        Some(if failures.consecutive >= HARD_LIMIT { entry.detail("until_reset", true) } else { entry })
    }
}

/// The account is blocked, so the password was not looked at.
const BLOCKED: &str = "blocked";
