//! One try at a user's password, counted and recorded in one way on every channel.
//!
//! Signing in, giving the password again and changing it all come through here, so that no place that asks
//! for a password lacks the rate limit. To add such a place: an [`Attempt`], its [`check`](Attempt::check),
//! [`count_failure`](Attempt::count_failure) for every failure, and [`succeed`](Attempt::succeed) for what a
//! right password is for.
//!
//! A try is stored as undecided before its password is looked at, in the row in which all instances count:
//! see [`Failures`].

use std::future::Future;
use std::iter;
use std::time::Duration;

use rocket::tokio::time::{Instant, sleep};

use crate::db::users::Credentials;
use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::failure_reason::FailureReason;
use crate::model::origin::Origin;
use crate::model::password::Password;
use crate::model::permission::Permission;
use crate::model::text;
use crate::model::throttle::{Admission, DeviceId, Failures, HARD_LIMIT, Key};
use crate::model::user::User;
use crate::operations::block_notice::Blocked;
use crate::operations::notices::{self, Event, Owner};
use crate::operations::passkeys::ChallengePurpose;
use crate::operations::second_factor::Refused;
use crate::operations::{App, Can, addresses, audit, block_notice};
use crate::security::passwords::{Claimant, Hasher, QueuePlace, Verification};

/// One try.
pub(crate) struct Attempt<'a> {
    pub(crate) app: &'a App,
    pub(crate) origin: &'a Origin,
    /// Who tries, if they are signed in.
    author: Author,
    /// The canonical form of the name that was given.
    name: String,
    /// What failures are counted under: the account, unless only a browser's or a session's tries count; and the
    /// address, if it is known.
    keys: Vec<Key>,
    /// Whose tries these are then, for the audit log.
    only_for: Option<&'static str>,
    /// What a passkey is asked for in place of a code; `None` where none is.
    passkey_for: Option<ChallengePurpose>,
    /// Takes turns at hashing for the account, at this address.
    pub(crate) hasher: Hasher,
}

/// What a check finds, or the user at whom it failed, if there is one, and why: for the audit log only.
pub(crate) type Checked<T> = std::result::Result<T, (Option<User>, FailureReason)>;

/// How long a try waits for others that are being checked.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long it waits before it looks again, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(80)];

/// What is known of the failures of an account and of an address, or is to be stored of them.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    account: Option<Failures>,
    address: Option<Failures>,
}

/// A try that was let through.
struct Admitted {
    /// Whether its account is not blocked.
    is_open: bool,
    /// Whose account it is, if there is one.
    found: Option<Credentials>,
}

/// The account's, or what stands for it, and the address's, in the order in which they are locked.
fn keys(account: Key, origin: &Origin) -> Vec<Key> {
    iter::once(account).chain(origin.address.map(Key::address)).collect()
}

impl Counted {
    /// What was found for the [`keys`].
    fn of(found: Vec<Option<Failures>>) -> Self {
        let mut found = found.into_iter();
        Self { account: found.next().flatten(), address: found.next().flatten() }
    }
}

/// The user whose row is locked, if the password that was checked is still theirs and the account may be used.
pub(crate) fn unchanged(verified: &Credentials, locked: Credentials, now: Timestamp) -> Option<User> {
    let Credentials { user, password } = locked;
    (user.is_usable(now) && password == verified.password).then_some(user)
}

impl<'a> Attempt<'a> {
    /// At the account of this name, whether or not there is one.
    pub(crate) fn new(app: &'a App, username: &str, origin: &'a Origin) -> Self {
        Self {
            app,
            origin,
            author: Author::anonymous(origin),
            name: text::canonical(username),
            keys: keys(Key::account(username), origin),
            only_for: None,
            passkey_for: None,
            hasher: app.hasher.on_behalf_of(Claimant::named(username, origin)),
        }
    }

    /// At the account of this name, by a browser that signed in to it before: what others try does not block it,
    /// nor does it block others.
    pub(crate) fn from_known(app: &'a App, username: &str, browser: &DeviceId, origin: &'a Origin) -> Self {
        let keys = keys(Key::known_browser(username, browser), origin);
        Self { keys, only_for: Some("known_browser"), ..Self::of_known(app, username, origin) }
    }

    /// At the account of this name by what it knows: tries of strangers do not take its places in the queue.
    fn of_known(app: &'a App, username: &str, origin: &'a Origin) -> Self {
        let hasher = app.hasher.on_behalf_of(Claimant::known(username, origin));
        Self { hasher, ..Self::new(app, username, origin) }
    }

    /// At the caller's own account; the tries of a session are counted by themselves, too.
    pub(crate) fn by<P: Permission>(can: &'a Can<P>) -> Self {
        let username = can.user().username.as_str();
        let keys = keys(Key::session(username, can.session().id), can.origin());
        let only_for = Some("session");
        let passkey_for = Some(ChallengePurpose::again(can.session()));
        Self {
            author: can.author(),
            keys,
            only_for,
            passkey_for,
            ..Self::of_known(can.app(), username, can.origin())
        }
    }

    /// Whether the browser or the session was known before.
    pub(crate) fn is_known(&self) -> bool {
        self.only_for.is_some()
    }

    /// Checks a password, by one hash operation whatever is found. A blocked account's password is not
    /// looked at: a dummy takes its place. How the try ends is yet to be stored.
    ///
    /// # Errors
    /// [`Error::Throttled`] for an address with too many failures; [`Error::Unavailable`] when too many
    /// passwords wait to be checked.
    pub(crate) async fn check(&self, password: &Password) -> Result<Checked<(Credentials, Verification)>> {
        let Admitted { is_open, found } = self.admit().await?;
        let stored = found.as_ref().map(|found| &found.password).filter(|_| is_open);
        let verdict = match self.hasher.verify(password, stored).await {
            Ok(verdict) => verdict,
            Err(error) => {
                self.give_up(is_open).await;
                return Err(error.into());
            }
        };
        Ok(match found {
            _ if !is_open => Err((found.map(|found| found.user), FailureReason::Blocked)),
            None => Err((None, FailureReason::UnknownUser)),
            Some(found) if verdict == Verification::Wrong => {
                Err((Some(found.user), FailureReason::WrongPassword))
            }
            Some(found) => Ok((found, verdict)),
        })
    }

    /// The account at which a password was checked before, for a try that shows what else is asked for: the same user
    /// with the same password. How the try ends is yet to be stored.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) async fn check_again(
        &self,
        is_same: impl FnOnce(&Credentials) -> bool,
    ) -> Result<Checked<Credentials>> {
        let Admitted { is_open, found } = self.admit().await?;
        Ok(match found {
            _ if !is_open => Err((found.map(|found| found.user), FailureReason::Blocked)),
            Some(found) if is_same(&found) => Ok(found),
            found => Err((found.map(|found| found.user), FailureReason::ChangedMeanwhile)),
        })
    }

    /// Ends the try of a right password that is not enough by itself.
    pub(crate) async fn leave_open(&self) {
        self.give_up(true).await;
    }

    /// Waits until the try is let through.
    async fn admit(&self) -> Result<Admitted> {
        let end = Instant::now() + LONGEST_WAIT;
        let [mut pause, longest] = PAUSES;
        let mut place = None;
        loop {
            if let Some(admitted) = self.try_to_admit().await? {
                return Ok(admitted);
            }
            // Who waits here has one of the places of those who wait for their turn at hashing.
            if place.is_none() {
                place = Some(self.hasher.queue_up()?);
            }
            if place.as_ref().is_some_and(QueuePlace::is_lost) || Instant::now() + pause > end {
                return Err(Error::Unavailable);
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Lets the try through, if that can be said now.
    async fn try_to_admit(&self) -> Result<Option<Admitted>> {
        let known = Counted::of(db::throttles::among(&self.app.db, &self.keys).await?);
        // What has to wait, or is refused, writes nothing.
        if self.admission(known)?.is_none() {
            return Ok(None);
        }
        self.hasher.refuse_if_full()?;
        db::retrying(|| async {
            let (mut tx, known) = self.begin().await?;
            let Some(admitted) = self.admission(known)? else { return Ok(None) };
            self.store(&mut tx, &admitted);
            let found = db::users::credentials_within(&mut tx, &self.name).await?;
            // The answer waits for how the try ends, which is durable.
            tx.commit_asynchronously().await?;
            Ok(Some(Admitted { is_open: admitted.account.is_some(), found }))
        })
        .await
    }

    /// What is to be stored of the try, nothing for an account that is blocked; or `None` while others have to be
    /// decided first.
    fn admission(&self, known: Counted) -> Result<Option<Counted>> {
        let (now, thresholds) = (self.app.clock.now(), self.app.settings.thresholds());
        let address = match self.address() {
            None => None,
            Some(_) => match Failures::admit_to_address(known.address, now, thresholds) {
                Admission::Admitted(after) => Some(after),
                Admission::Undecided => return Ok(None),
                Admission::Blocked(wait) => return Err(Error::Throttled(wait.as_secs().max(1))),
            },
        };
        Ok(match Failures::admit_to_account(known.account, now, thresholds) {
            Admission::Admitted(after) => Some(Counted { account: Some(after), address }),
            Admission::Undecided => None,
            Admission::Blocked(_) => Some(Counted { account: None, address }),
        })
    }

    fn address(&self) -> Option<&Key> {
        self.keys.get(1)
    }

    /// Begins a transaction, with what is known of account and address: no other one is able to change that.
    pub(crate) async fn begin(&self) -> Result<(Tx, Counted)> {
        let (tx, found) = db::throttles::begin_holding(&self.app.db, &self.keys).await?;
        Ok((tx, Counted::of(found)))
    }

    fn store(&self, tx: &mut Tx, counted: &Counted) {
        let all = self.keys.iter().zip([&counted.account, &counted.address]);
        let all: Vec<_> = all.filter_map(|(key, failures)| Some((key, failures.as_ref()?))).collect();
        db::throttles::set_all(tx, &all);
    }

    /// The result of work after a right password; if that is an error, the try is neither a failure nor a success.
    pub(crate) async fn unless_given_up<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.give_up(true).await;
        }
        result
    }

    /// Ends the try as neither a failure nor a success, for its address and, unless that was blocked, its account.
    async fn give_up(&self, is_open: bool) {
        let ended = db::retrying(|| async {
            let now = self.app.clock.now();
            let (mut tx, Counted { account, address }) = self.begin().await?;
            let [account, address] =
                [account.filter(|_| is_open), address].map(|before| before.map(|before| before.decided(now)));
            self.store(&mut tx, &Counted { account, address });
            Ok(tx.commit().await?)
        });
        if let Err(error) = ended.await {
            log::warn!("a try at a password stays undecided for a while: {error}");
        }
    }

    /// Does what the right password is for, in a transaction in which the user is [`unchanged`]; `None`, counted as a
    /// failure, if they are not.
    pub(crate) async fn succeed<T, F: Future<Output = Result<Option<T>>>>(
        &self,
        action: Action,
        verified: &Credentials,
        work: impl FnMut() -> F,
    ) -> Result<Option<T>> {
        let done = self.unless_given_up(db::retrying(work).await).await?;
        if done.is_none() {
            self.count_failure(action, Some(&verified.user), FailureReason::ChangedMeanwhile).await?;
        }
        Ok(done)
    }

    /// Begins a transaction with the user locked, if the password that was checked is still theirs and the account may be
    /// used; and what is known of the failures that were counted with this try, for
    /// [`forget_failures`](Self::forget_failures).
    pub(crate) async fn begin_unchanged(
        &self,
        verified: &Credentials,
        now: Timestamp,
    ) -> Result<Option<(Tx, User, Counted)>> {
        let (mut tx, counted) = self.begin().await?;
        let locked = db::users::lock(&mut tx, verified.user.id).await?;
        let user = locked.and_then(|locked| unchanged(verified, locked, now));
        Ok(user.map(|user| (tx, user, counted)))
    }

    /// Forgets the failures of the account, and decides this try for its address, with the next statement.
    pub(crate) fn forget_failures(&self, tx: &mut Tx, counted: Counted, now: Timestamp) {
        let account = counted.account.map(|before| before.succeeded(now));
        let address = counted.address.map(|before| before.decided(now));
        self.store(tx, &Counted { account, address });
    }

    /// Counts a failure against account and address, and records it, with the blocks that begin by it.
    /// A try on a blocked account is not counted against the account, or the block would never lift. Of the
    /// hundredth in a row the owner and the superusers are told.
    pub(crate) async fn count_failure(
        &self,
        action: Action,
        target: Option<&User>,
        why: impl Into<Refused>,
    ) -> Result<()> {
        let Refused { why, wrong_codes } = why.into();
        let mut failed = self.entry(action, target).detail("reason", why.as_str());
        if !self.origin.device.is_empty() {
            failed = failed.detail("device", self.origin.device.as_str());
        }
        let counted = db::retrying(|| async {
            let mut consecutive = 0;
            let now = self.app.clock.now();
            let thresholds = self.app.settings.thresholds();
            let (mut tx, before) = self.begin().await?;
            audit::record(&mut tx, &failed, now).await?;
            let mut after = Counted::default();
            if why != FailureReason::Blocked {
                let account = Failures::account(before.account, now, thresholds);
                consecutive = account.consecutive;
                if let Some(entry) = self.account_blocked(&account, target, now) {
                    audit::record(&mut tx, &entry, now).await?;
                }
                after.account = Some(account);
            }
            if self.address().is_some() {
                let was_blocked = before.address.as_ref().is_some_and(|before| before.wait(now).is_some());
                let address = Failures::address(before.address, now, thresholds);
                if !was_blocked && address.wait(now).is_some() {
                    audit::record(&mut tx, &self.entry(Action::AddressBlocked, None), now).await?;
                }
                after.address = Some(address);
            }
            self.store(&mut tx, &after);
            tx.commit().await?;
            Ok(consecutive)
        })
        .await;
        if counted.is_err() {
            self.give_up(why != FailureReason::Blocked).await;
        }
        let consecutive = counted?;
        if let (Some(user), FailureReason::PasskeyCountsBack) = (target, why) {
            self.tell_owner(user, Event::PasskeyRefused).await;
        }
        let blocked = match (consecutive, wrong_codes) {
            (_, HARD_LIMIT) => Some(Blocked::Codes),
            (HARD_LIMIT, _) if self.is_known() => Some(Blocked::Known),
            (HARD_LIMIT, _) => Some(Blocked::Others),
            _ => None,
        };
        if let (Some(user), Some(blocked)) = (target, blocked) {
            block_notice::send(self.app, user, self.origin, blocked);
        }
        Ok(())
    }

    /// The same try where a passkey may be shown in place of a code, for this purpose.
    pub(crate) fn asking_for(self, purpose: ChallengePurpose) -> Self {
        Self { passkey_for: Some(purpose), ..self }
    }

    /// What a passkey is asked for, if one is.
    pub(crate) const fn passkey_for(&self) -> Option<&ChallengePurpose> {
        self.passkey_for.as_ref()
    }

    /// Whether a passkey is all that is shown: there was no password.
    pub(crate) fn is_by_passkey_alone(&self) -> bool {
        self.passkey_for.as_ref().is_some_and(ChallengePurpose::demands_verification)
    }

    /// Tells the owner of the account. What has been done stays done if that cannot be.
    pub(crate) async fn tell_owner(&self, user: &User, event: Event) {
        if self.app.mailer.is_none() {
            return;
        }
        match addresses::now_of(self.app, user).await {
            Ok(mail_to) => {
                let (owner, by) = (Owner { user, mail_to: &mail_to }, Author::user(user, self.origin));
                notices::tell(self.app, owner, event, &by, self.app.clock.now());
            }
            Err(error) => log::warn!("user {} could not be told of a sign-in: {error}", user.id),
        }
    }

    pub(crate) fn entry(&self, action: Action, target: Option<&User>) -> Entry {
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
        Some(match self.only_for {
            Some(whom) => entry.detail("only_for", whom),
            None => entry,
        })
    }
}
