//! What staff see at a glance: how many signed in day by day, what was changed last, and what needs attention.
//!
//! Whatever the size of the installation, each answer comes along an index, and is counted no further than a bound.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::db;
use crate::model::audit::{Action, ListedEntry};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::link::LinkPurpose;
use crate::model::permission::ManageUsers;
use crate::model::user::UserId;
use crate::operations::Can;
use crate::operations::audit::Fault;

/// So many days are told.
pub const DAYS: u64 = 30;
/// Sign-ins of a day are counted no further, the good and the bad ones apart.
pub const MOST: i64 = 10_000;

const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(7 * 24);
/// A year and a day, in weeks.
const WEEKS: u32 = 53;
/// A day that ended so long ago gets no more entries: no transaction takes that long.
const SETTLED: Duration = Duration::from_hours(1);
/// A link for a first password that expires within this time needs attention.
const SOON: Duration = Duration::from_hours(4);
/// Entries of the audit log are sealed within seconds; after this time something is in the way.
const SEALED_WITHIN: Duration = Duration::from_mins(10);
/// Refused messages are told for so long.
const REFUSED_WITHIN: Duration = Duration::from_hours(7 * 24);
/// So many of them are told.
const REFUSALS: i64 = 3;

/// What counts as a change here: what was done to users, to what they sign in with, or to the installation.
const CHANGES: [Action; 17] = [
    Action::UserCreated,
    Action::UserChanged,
    Action::UserDeactivated,
    Action::UserReactivated,
    Action::AccountUnblocked,
    Action::PasswordChanged,
    Action::PasswordReset,
    Action::LinkMade,
    Action::SessionsEnded,
    Action::TokenMade,
    Action::TokenRevoked,
    Action::FactorAdded,
    Action::FactorRemoved,
    Action::Imported,
    Action::Exported,
    Action::DataExported,
    Action::KeyRotated,
];

/// The sign-ins of a day or a week, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// When it begins.
    pub begin: Timestamp,
    /// How many succeeded, counted no further than [`MOST`].
    pub good: i64,
    /// How many failed, counted no further than [`MOST`].
    pub bad: i64,
}

/// The days that this process has counted and that nothing is added to any more, by when they began.
#[derive(Debug, Default)]
pub struct PastDays(Mutex<BTreeMap<Timestamp, Period>>);

impl PastDays {
    fn known(&self) -> BTreeMap<Timestamp, Period> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps those of these days that are over, and no older ones.
    fn keep(&self, days: &[Period], now: Timestamp) {
        let settled = |day: &&Period| day.begin.plus(DAY + SETTLED) <= now;
        let kept = days.iter().filter(settled).map(|day| (day.begin, *day)).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }
}

/// The sign-ins of the last days, the earliest day first, today's at the end.
pub async fn sign_ins(can: &Can<ManageUsers>) -> Result<Vec<Period>> {
    let app = can.app();
    let now = app.clock.now();
    let length = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
    let today = Timestamp::from_micros(now.micros().div_euclid(length) * length);
    let begins: Vec<Timestamp> = (0..DAYS)
        .rev()
        .map(|back| today.minus(DAY.saturating_mul(u32::try_from(back).unwrap_or(0))))
        .collect();
    let known = app.past_days.known();
    let wanted: Vec<(Timestamp, Timestamp)> = begins
        .iter()
        .filter(|begin| !known.contains_key(begin))
        .map(|begin| (*begin, begin.plus(DAY)))
        .collect();
    let counts = db::audit::reading::sign_ins_within(&app.db, &wanted, MOST).await?;
    let mut counted =
        wanted.iter().zip(counts).map(|((begin, _), [good, bad])| Period { begin: *begin, good, bad });
    let days: Vec<Period> =
        begins.iter().filter_map(|begin| known.get(begin).copied().or_else(|| counted.next())).collect();
    app.past_days.keep(&days, now);
    Ok(days)
}

/// A user's last year.
#[derive(Debug)]
pub struct Year {
    /// Week by week, the earliest first.
    pub weeks: Vec<Period>,
    /// Whether there were more than [`MOST`] sign-ins, of which these are the latest.
    pub is_cut: bool,
}

/// The sign-ins of a user in the last year.
pub async fn year_of(can: &Can<ManageUsers>, user: UserId) -> Result<Year> {
    let app = can.app();
    // What happens at this moment belongs to the last week.
    let now = app.clock.now().plus(Duration::from_micros(1));
    let begins: Vec<Timestamp> = (1..=WEEKS).rev().map(|back| now.minus(WEEK.saturating_mul(back))).collect();
    let first = begins.first().copied().unwrap_or(now);
    let counts = db::audit::reading::sign_ins_of(&app.db, user, first, WEEK, MOST).await?;
    let week = |(begin, number): (&Timestamp, i64)| {
        let [good, bad] = counts.get(&number).copied().unwrap_or_default();
        Period { begin: *begin, good, bad }
    };
    let is_cut = counts.values().flatten().sum::<i64>() >= MOST;
    Ok(Year { weeks: begins.iter().zip(0..).map(week).collect(), is_cut })
}

/// The last changes of anything, at most `limit`, the newest first.
pub async fn last_changes(can: &Can<ManageUsers>, limit: i64) -> Result<Vec<ListedEntry>> {
    Ok(db::audit::reading::latest(&can.app().db, &CHANGES, limit).await?)
}

/// What staff should see to; locked accounts apart, which [`super::locks`] knows.
#[derive(Debug)]
pub struct Attention {
    /// How many links for a first password expire soon, counted no further than [`MOST`].
    pub expiring_links: i64,
    /// Since when entries of the audit log wait for their seal, if that is long ago.
    pub unsealed_since: Option<Timestamp>,
    /// Where the chain of seals is broken, as far as this process knows.
    pub broken_audit_log: Option<Fault>,
    /// Users whose newest message the mail server refused lately, and where it was sent.
    pub refused_mail: Vec<(UserId, String)>,
    /// Whether there is one active superuser only.
    pub is_last_superuser: bool,
}

/// What staff should see to.
pub async fn attention(can: &Can<ManageUsers>) -> Result<Attention> {
    let (db, now) = (&can.app().db, can.app().clock.now());
    let unsealed = db::audit::oldest_unsealed(db).await?;
    Ok(Attention {
        expiring_links: db::links::count_expiring(db, LinkPurpose::Setup, now, now.plus(SOON), MOST).await?,
        broken_audit_log: can.app().audit_watch.fault(),
        unsealed_since: unsealed.filter(|at| now.since(*at) > SEALED_WITHIN),
        refused_mail: db::mails::refused_since(db, now.minus(REFUSED_WITHIN), REFUSALS).await?,
        is_last_superuser: db::users::superusers(db, 2).await?.len() < 2,
    })
}
