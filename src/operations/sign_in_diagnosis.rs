//! "Why can't they sign in?": the conditions of a sign-in in their order, and the first that fails.
//!
//! To add a condition: its line in [`conditions`], in the place where signing in checks it.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::db;
use crate::model::audit::Action;
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::password::PasswordHash;
use crate::model::permission::ManageUsers;
use crate::model::second_factor::Access;
use crate::model::throttle::{AccountFailures, Failures, Key};
use crate::model::user::{User, UserId};
use crate::operations::{App, Can, users};
use crate::security::passwords;

/// Something that a sign-in has to pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `exists`, `active`, `dates`, `not_locked`, `password_set`, `hash_known`, `second_factor` or
    /// `no_forced_change`.
    #[serde(rename = "gate")]
    pub condition: &'static str,
    /// Whether it lets the user through.
    pub passed: bool,
    /// One sentence.
    pub detail: String,
}

/// How a session was last ended by a person, or by a change of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastSessionEnd {
    /// When.
    pub at: Timestamp,
    /// The actor's name at that moment; `None` for a one-time link and for the operator.
    pub by: Option<String>,
    /// The name of the action that ended it.
    pub action: String,
    /// The same in words.
    pub reason: &'static str,
}

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// Whether name and password would be accepted now. The last condition, a forced change, does not prevent
    /// signing in, only everything but choosing a password.
    pub can_sign_in: bool,
    /// The first condition that does not let the user through.
    pub first_failing: Option<&'static str>,
    /// All conditions, in their order.
    #[serde(rename = "gates")]
    pub conditions: Vec<Condition>,
    /// How a session of theirs was last ended.
    pub last_session_end: Option<LastSessionEnd>,
    /// From when the account may be used.
    pub valid_from: Option<Timestamp>,
    /// Until when the account may be used.
    pub valid_until: Option<Timestamp>,
    /// Whether another password has to be chosen.
    pub must_change_password: bool,
    /// When the password was last set.
    pub password_changed_at: Option<Timestamp>,
}

/// The condition that does not prevent signing in.
const FORCED_CHANGE: &str = "no_forced_change";
/// Nor does this one, if a factor is only to be added.
const SECOND_FACTOR: &str = "second_factor";

const NOT_LOCKED: &str = "not_locked";
const UNLOCKED: &str = "The account is not locked.";

/// Walks the conditions of an account whose failures to sign in are `failures`. `say` puts an instant in words.
#[must_use]
pub fn conditions(
    user: &User,
    password: &PasswordHash,
    failures: &AccountFailures,
    now: Timestamp,
    say: &dyn Fn(Timestamp) -> String,
) -> Vec<Condition> {
    let condition = |condition, passed, good: &str, bad: String| Condition {
        condition,
        passed,
        detail: if passed { good.to_owned() } else { bad },
    };
    let is_set = password.is_usable();
    let is_known = is_set && passwords::known_algorithm(password.as_str());
    vec![
        condition("exists", true, "There is such an account.", String::new()),
        condition("active", user.is_active, "The account is active.", "The account is deactivated.".into()),
        dates(user, now, say),
        locked(failures, now, say),
        condition(
            "password_set",
            is_set,
            "A password is set.",
            "No password is set. Make a link with which they choose one.".into(),
        ),
        condition(
            "hash_known",
            is_known || !is_set,
            "The stored password can be checked.",
            "The stored password is of a kind that cannot be checked. Reset it.".into(),
        ),
        condition(
            FORCED_CHANGE,
            !user.must_change_password,
            "No other password is demanded.",
            "They can do nothing until they have chosen another password.".into(),
        ),
    ]
}

fn dates(user: &User, now: Timestamp, say: &dyn Fn(Timestamp) -> String) -> Condition {
    let (passed, detail) = match (user.valid_from, user.valid_until) {
        (Some(from), _) if now < from => (false, format!("The account begins on {}.", say(from))),
        (_, Some(until)) if now >= until => (false, format!("The account ended on {}.", say(until))),
        (_, Some(until)) => (true, format!("The account ends on {}.", say(until))),
        _ => (true, "The account has no end.".to_owned()),
    };
    Condition { condition: "dates", passed, detail }
}

fn locked(failures: &AccountFailures, now: Timestamp, say: &dyn Fn(Timestamp) -> String) -> Condition {
    let condition = |passed, detail| Condition { condition: NOT_LOCKED, passed, detail };
    let told = |failures: Option<&Failures>| {
        let (failures, wait) = failures.and_then(|failures| Some((failures, failures.wait(now)?)))?;
        // To the minute, and never before it is over.
        let until = say(now.plus(wait).plus(Duration::from_micros(59_999_999)));
        Some(format!("after {} failures in a row, until {until}.", failures.consecutive))
    };
    match (told(failures.account.as_ref()), told(failures.known.as_ref())) {
        (Some(account), _) => condition(false, format!("Locked {account}")),
        (None, Some(known)) => condition(
            true,
            format!("The account is not locked, but a browser or a session that is known to it is: {known}"),
        ),
        (None, None) => condition(true, UNLOCKED.to_owned()),
    }
}

/// An instant for programs and their readers: `2026-03-01 09:00 UTC`
#[must_use]
pub fn in_utc(at: Timestamp) -> String {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {} UTC", time.get(..5).unwrap_or_default())
}

/// The actions that end sessions.
const ENDINGS: [Action; 3] = [Action::SignOut, Action::SessionEnded, Action::SessionsEnded];

/// Checks an account.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn check(
    can: &Can<ManageUsers>,
    id: UserId,
    say: &(dyn Fn(Timestamp) -> String + Sync),
) -> Result<Diagnosis> {
    let app = can.app();
    let user = users::of_key(app, id).await?;
    let Standing { conditions, .. } = standing(can, &user, say).await?;
    Ok(Diagnosis {
        can_sign_in: can_sign_in(&conditions),
        first_failing: conditions
            .iter()
            .find(|condition| !condition.passed)
            .map(|condition| condition.condition),
        conditions,
        last_session_end: last_session_end(app, id).await?,
        valid_from: user.valid_from,
        valid_until: user.valid_until,
        must_change_password: user.must_change_password,
        password_changed_at: user.password_changed_at,
    })
}

/// How an account stands now.
#[derive(Debug)]
pub struct Standing {
    /// All conditions, in their order.
    pub conditions: Vec<Condition>,
    /// Whether failures block the account, or a browser or a session of its user's: what unlocking ends.
    pub is_blocked: bool,
}

/// The conditions of an account as they are now.
pub async fn standing(
    can: &Can<ManageUsers>,
    user: &User,
    say: &(dyn Fn(Timestamp) -> String + Sync),
) -> Result<Standing> {
    let app = can.app();
    let found = db::users::credentials(&app.db, user.username.key()).await?;
    let password = found.filter(|found| found.user.id == user.id).map(|found| found.password);
    let password = password.ok_or(Error::NotFound)?;
    let failures = db::throttles::of_account(&app.db, &Key::account(user.username.key())).await?;
    let now = app.clock.now();
    let mut conditions = conditions(user, &password, &failures, now, say);
    let codes = db::throttles::get(&app.db, &Key::codes_of(user.id)).await?;
    let access = app.access(user, false);
    let has_passkey = !db::passkeys::of_user(&app.db, user.id).await?.is_empty();
    let factor = second_factor(access, has_passkey, codes.as_ref(), now, say);
    conditions.insert(conditions.len() - 1, factor);
    let is_blocked = failures.is_blocked(now) || codes.is_some_and(|codes| codes.wait(now).is_some());
    Ok(Standing { conditions, is_blocked })
}

/// What the gate says to a right password.
fn second_factor(
    access: Access,
    has_passkey: bool,
    codes: Option<&Failures>,
    now: Timestamp,
    say: &dyn Fn(Timestamp) -> String,
) -> Condition {
    let condition = |passed, detail| Condition { condition: SECOND_FACTOR, passed, detail };
    match (access, codes.and_then(|codes| codes.wait(now))) {
        (Access::Granted, _) => condition(true, "No second factor is asked for.".to_owned()),
        (Access::OnlyToEnrol, _) => condition(false, ADDS_FACTOR.to_owned()),
        (Access::AfterFactor, None) => {
            let detail = if has_passkey {
                "They are asked for their second factor: a passkey or a code."
            } else {
                "They are asked for a code of their second factor."
            };
            condition(true, detail.to_owned())
        }
        (Access::AfterFactor, Some(wait)) => {
            let until = say(now.plus(wait).plus(Duration::from_micros(59_999_999)));
            // Wrong codes do not keep a passkey out.
            let but = if has_passkey { " Their passkey is." } else { "" };
            condition(
                has_passkey,
                format!("No code of their second factor is accepted until {until}, after wrong ones.{but}"),
            )
        }
    }
}

const ADDS_FACTOR: &str = "They can do nothing until they have added a second factor.";

/// Whether a condition that does not let the user through keeps them from signing in.
fn prevents(condition: &Condition) -> bool {
    condition.condition != FORCED_CHANGE && condition.detail != ADDS_FACTOR
}

/// The newest entry that records an end of a session: by itself, or among the details of a change.
async fn last_session_end(app: &App, id: UserId) -> Result<Option<LastSessionEnd>> {
    let entry = db::audit::last_session_end(&app.db, id, &ENDINGS.map(Action::as_str)).await?;
    Ok(entry.map(|entry| {
        let action = Action::named(&entry.action);
        let link = serde_json::from_str::<Value>(&entry.details).is_ok_and(|details| details["by"] == "link");
        LastSessionEnd {
            at: Timestamp::from_micros(entry.happened_at),
            by: Some(entry.actor_name).filter(|name| !name.is_empty()),
            reason: if link { "Password set by a link" } else { action.map_or("", Action::words) },
            action: entry.action,
        }
    }))
}

/// Whether none of the conditions keeps the user out.
#[must_use]
pub fn can_sign_in(conditions: &[Condition]) -> bool {
    conditions.iter().all(|condition| condition.passed || !prevents(condition))
}

/// Yes or no and why, on one line.
#[must_use]
pub fn summary(conditions: &[Condition]) -> String {
    match conditions.iter().find(|condition| !condition.passed) {
        None => match conditions.iter().find(|condition| condition.condition == NOT_LOCKED) {
            Some(condition) if condition.detail != UNLOCKED => format!("Yes. {}", condition.detail),
            _ => "Yes. Active, password set, not locked.".to_owned(),
        },
        Some(condition) if !prevents(condition) => format!("Yes. {}", condition.detail),
        Some(condition) => format!("No. {}", condition.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_772_355_600_000_000);
    const GOOD: &str = "pbkdf2_sha1$1$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn failures(consecutive: i64, blocked_for: u64) -> Failures {
        let blocked_until = NOW.plus(Duration::from_secs(blocked_for));
        Failures { recent: consecutive, consecutive, blocked_until, ..Failures::none(NOW) }
    }

    /// The conditions that fail.
    fn failing(user: &User, password: &str, account: Option<&Failures>) -> Vec<(&'static str, String)> {
        let failures = AccountFailures { account: account.cloned(), known: None };
        conditions(user, &PasswordHash::from(password.to_owned()), &failures, NOW, &in_utc)
            .into_iter()
            .filter(|condition| !condition.passed)
            .map(|condition| (condition.condition, condition.detail))
            .collect()
    }

    #[test]
    fn an_account_in_order_passes_every_condition() {
        let user = User::blank(NOW);
        assert_eq!(failing(&user, GOOD, None), []);
        assert_eq!(failing(&user, GOOD, Some(&failures(3, 0))), []);
        let bounded =
            User { valid_from: Some(NOW), valid_until: Some(NOW.plus(Duration::from_secs(1))), ..user };
        assert_eq!(failing(&bounded, GOOD, None), []);
    }

    #[test]
    fn each_condition_fails_by_itself_and_says_why() {
        let user = User::blank(NOW);
        let (earlier, later) = (NOW.minus(Duration::from_hours(1)), NOW.plus(Duration::from_hours(1)));
        for (changed, password, blocked, condition, detail) in [
            (User { is_active: false, ..user.clone() }, GOOD, None, "active", "The account is deactivated."),
            (
                User { valid_from: Some(later), ..user.clone() },
                GOOD,
                None,
                "dates",
                "The account begins on 2026-03-01 10:00 UTC.",
            ),
            (
                User { valid_until: Some(earlier), ..user.clone() },
                GOOD,
                None,
                "dates",
                "The account ended on 2026-03-01 08:00 UTC.",
            ),
            (
                User { valid_until: Some(NOW), ..user.clone() },
                GOOD,
                None,
                "dates",
                "The account ended on 2026-03-01 09:00 UTC.",
            ),
            (
                user.clone(),
                GOOD,
                Some(failures(7, 120)),
                "not_locked",
                "Locked after 7 failures in a row, until 2026-03-01 09:02 UTC.",
            ),
            (
                user.clone(),
                GOOD,
                Some(failures(7, 121)),
                "not_locked",
                "Locked after 7 failures in a row, until 2026-03-01 09:03 UTC.",
            ),
            (
                user.clone(),
                GOOD,
                Some(failures(100, 24 * 60 * 60)),
                "not_locked",
                "Locked after 100 failures in a row, until 2026-03-02 09:00 UTC.",
            ),
            (
                user.clone(),
                "!x",
                None,
                "password_set",
                "No password is set. Make a link with which they choose one.",
            ),
            (
                user.clone(),
                "",
                None,
                "password_set",
                "No password is set. Make a link with which they choose one.",
            ),
            (
                user.clone(),
                "md5$a$b",
                None,
                "hash_known",
                "The stored password is of a kind that cannot be checked. Reset it.",
            ),
            (
                User { must_change_password: true, ..user.clone() },
                GOOD,
                None,
                "no_forced_change",
                "They can do nothing until they have chosen another password.",
            ),
        ] {
            assert_eq!(failing(&changed, password, blocked.as_ref()), [(condition, detail.to_owned())]);
        }
    }

    #[test]
    fn a_blocked_browser_is_told_and_does_not_lock_the_account() {
        let (user, password) = (User::blank(NOW), PasswordHash::from(GOOD.to_owned()));
        let known = AccountFailures { account: None, known: Some(failures(100, 24 * 60 * 60)) };
        let found = conditions(&user, &password, &known, NOW, &in_utc);
        assert!(can_sign_in(&found) && known.is_blocked(NOW));
        assert_eq!(
            summary(&found),
            "Yes. The account is not locked, but a browser or a session that is known to it is: after 100 failures in a \
             row, until 2026-03-02 09:00 UTC."
        );
    }

    #[test]
    fn the_conditions_stand_in_the_order_of_signing_in() {
        let user = User {
            is_active: false,
            must_change_password: true,
            valid_from: Some(NOW.plus(Duration::from_secs(9))),
            ..User::blank(NOW)
        };
        let failing = failing(&user, "!", Some(&failures(7, 60)));
        let names: Vec<_> = failing.iter().map(|(condition, _)| *condition).collect();
        assert_eq!(names, ["active", "dates", "not_locked", "password_set", "no_forced_change"]);
    }
}
