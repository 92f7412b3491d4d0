//! One action on many users: what can be done, to which users, and the verdict on each. To add an action: a
//! variant of [`BulkAction`].

use super::filter::Filter;
use super::presence::{self, Presence};
use super::rules::{Conflict, Denial, Refusal, Rules};
use super::undo::Obstacle;
use super::user::{User, UserId};

/// Most users in one run.
pub const MOST: usize = 1000;

/// The message when there are more.
pub const TOO_MANY: &str = "Narrow the filter: at most 1,000 users at once.";

/// What can be done to many users at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkAction {
    /// Marks them as inactive and ends their sessions.
    Deactivate,
    /// Marks them as active.
    Reactivate,
    /// Gives the right to manage users.
    GiveStaff,
    /// Takes it away, and ends their sessions.
    RemoveStaff,
    /// Signs them out everywhere.
    EndSessions,
    /// Sends those who have no password a link with which they choose one.
    SendLinks,
}

impl BulkAction {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Deactivate,
        Self::Reactivate,
        Self::GiveStaff,
        Self::RemoveStaff,
        Self::EndSessions,
        Self::SendLinks,
    ];

    /// As stored, and as clients name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deactivate => "deactivate",
            Self::Reactivate => "reactivate",
            Self::GiveStaff => "give_staff",
            Self::RemoveStaff => "remove_staff",
            Self::EndSessions => "end_sessions",
            Self::SendLinks => "send_links",
        }
    }

    /// Whether it changes users, and so can be taken back.
    #[must_use]
    pub const fn is_change(self) -> bool {
        !matches!(self, Self::EndSessions | Self::SendLinks)
    }

    /// The action of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }

    /// The user after it.
    pub(crate) fn apply(self, before: &User) -> User {
        let mut after = before.clone();
        match self {
            Self::Deactivate => after.is_active = false,
            Self::Reactivate => after.is_active = true,
            Self::GiveStaff => after.is_staff = true,
            Self::RemoveStaff => after.is_staff = false,
            Self::EndSessions | Self::SendLinks => {}
        }
        after
    }

    /// What it asks of the actor's session before it is done to these users.
    pub(crate) fn presence(self, actor: UserId, targets: &[&User]) -> Presence {
        let of_one = |target: &&User| match self {
            Self::EndSessions => Presence::NotAsked,
            Self::SendLinks => presence::of_credential(actor, target),
            _ => presence::of_change(actor, target, &self.apply(target), false),
        };
        if !self.is_change() && targets.len() > 1 {
            return Presence::Always;
        }
        targets.iter().map(of_one).max().unwrap_or(Presence::NotAsked)
    }

    /// Why it cannot be done to a user, as far as can be seen beforehand.
    pub(crate) fn obstacle(self, rules: Rules, actor: &User, target: &User) -> Option<&'static str> {
        let after = self.apply(target);
        match rules.may_change(actor, target, &after) {
            Err(Refusal::Denied(denial)) => Some(denial.code()),
            Err(Refusal::Conflicts(conflict)) => Some(conflict.code()),
            Ok(()) if self == Self::EndSessions => {
                (actor.id == target.id).then(|| Conflict::SignsOutSelf.code())
            }
            Ok(()) if self == Self::SendLinks => {
                if !target.is_active {
                    Some(INACTIVE)
                } else if target.email.is_empty() {
                    Some(NO_ADDRESS)
                } else {
                    None
                }
            }
            Ok(()) => (after == *target).then_some(UNCHANGED),
        }
    }
}

/// The result for one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchVerdict {
    /// Not done: the run has not reached them yet, or never will.
    Pending,
    /// Done.
    Done,
    /// Nothing was different.
    Unchanged,
    /// Not done, for a reason.
    Refused,
}

impl BatchVerdict {
    pub(crate) const ALL: [Self; 4] = [Self::Pending, Self::Done, Self::Unchanged, Self::Refused];

    /// As stored, and as clients see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

pub(crate) const UNCHANGED: &str = "unchanged";
pub(crate) const NOT_FOUND: &str = "not_found";
pub(crate) const PENDING: &str = "pending";
pub(crate) const UNAVAILABLE: &str = "unavailable";
pub(crate) const SIGNED_IN_SINCE: &str = "signed_in_since";
pub(crate) const INACTIVE: &str = "inactive";
pub(crate) const NO_ADDRESS: &str = "no_address";
pub(crate) const NO_MAIL: &str = "no_mail";
pub(crate) const HAS_PASSWORD: &str = "has_password";
pub(crate) const CHANGED_SINCE: &str = "changed_since";

/// The reasons that only runs have: code and sentence.
const REASONS: [(&str, &str); 9] = [
    (UNCHANGED, "There is nothing to change."),
    (NOT_FOUND, "There is no such user."),
    (PENDING, "The run has not come to this user."),
    (UNAVAILABLE, "The database was too busy. Try again."),
    (SIGNED_IN_SINCE, "The user has signed in since."),
    (INACTIVE, "The account is deactivated."),
    (NO_ADDRESS, "No message can be sent: there is no email address."),
    (NO_MAIL, "No message can be sent: there is no mail server."),
    (HAS_PASSWORD, "The user has a password."),
];

/// The sentence for the code of a reason; empty for none.
#[must_use]
pub fn sentence(code: &str) -> &'static str {
    let denials = Denial::ALL.map(|denial| (denial.code(), denial.sentence()));
    let conflicts = Conflict::ALL.map(|conflict| (conflict.code(), conflict.sentence()));
    let found = [REASONS.as_slice(), &denials, &conflicts, &Obstacle::CODES]
        .into_iter()
        .flatten()
        .find(|(known, _)| *known == code);
    found.map_or("", |(_, sentence)| sentence)
}

/// The code as this program spells it; empty for one that it does not know any more.
pub(crate) fn known(code: &str) -> &'static str {
    let denials = Denial::ALL.map(Denial::code);
    let conflicts = Conflict::ALL.map(Conflict::code);
    let reasons = REASONS.map(|(code, _)| code);
    let obstacles = Obstacle::CODES.map(|(code, _)| code);
    let all = [denials.as_slice(), &conflicts, &reasons, &obstacles];
    all.into_iter().flatten().find(|known| **known == code).copied().unwrap_or_default()
}

/// Which users a run is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Chosen {
    /// These; each is done once.
    Ids(Vec<UserId>),
    /// Those that the filter finds at this moment.
    Filter(Filter),
}

/// One user of a preview.
#[derive(Debug, Clone)]
pub struct Previewed {
    /// The primary key that was given.
    pub id: UserId,
    /// The user, if there is one.
    pub user: Option<User>,
    /// The code of the reason why it would not be done.
    pub left_out: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::clock::Timestamp;

    fn user(id: i64, kind: &str) -> User {
        User {
            id: UserId(id),
            is_active: !kind.contains("inactive"),
            is_staff: kind.contains("staff"),
            is_superuser: kind.contains("superuser"),
            ..User::blank(Timestamp::from_micros(0))
        }
    }

    #[test]
    fn az_6_each_user_is_judged_by_the_rules_for_one() {
        use BulkAction::{Deactivate, EndSessions, GiveStaff, Reactivate, RemoveStaff, SendLinks};
        let rules = Rules { staff_grants_staff: true };
        for (action, actor, target, code) in [
            (Deactivate, "staff", "plain", None),
            (Deactivate, "staff", "inactive", Some("unchanged")),
            (Deactivate, "staff", "superuser", Some("superuser_required")),
            (Deactivate, "superuser", "superuser", None),
            (Reactivate, "staff", "inactive", None),
            (Reactivate, "staff", "plain", Some("unchanged")),
            (GiveStaff, "staff", "plain", None),
            (GiveStaff, "staff", "staff", Some("unchanged")),
            (RemoveStaff, "staff", "staff", None),
            (RemoveStaff, "staff", "superuser", Some("superuser_required")),
            (EndSessions, "staff", "plain", None),
            (EndSessions, "staff", "superuser", Some("superuser_required")),
            (SendLinks, "staff", "plain", Some("no_address")),
            (SendLinks, "staff", "inactive", Some("inactive")),
            (SendLinks, "staff", "superuser", Some("superuser_required")),
        ] {
            let judged = action.obstacle(rules, &user(1, actor), &user(2, target));
            assert_eq!(judged, code, "{action:?} {actor} {target}");
        }
        let own = |action: BulkAction| action.obstacle(rules, &user(1, "staff"), &user(1, "staff"));
        assert_eq!(own(Deactivate), Some("deactivates_self"));
        assert_eq!(own(RemoveStaff), Some("demotes_self"));
        assert_eq!(own(EndSessions), Some("signs_out_self"));
        let strict = Rules { staff_grants_staff: false };
        let judged = GiveStaff.obstacle(strict, &user(1, "staff"), &user(2, "plain"));
        assert_eq!(judged, Some("superuser_grants_staff"));
    }

    #[test]
    fn every_code_of_a_reason_is_known_and_has_its_sentence() {
        let codes = Denial::ALL
            .map(Denial::code)
            .into_iter()
            .chain(Conflict::ALL.map(Conflict::code))
            .chain(REASONS.map(|(code, _)| code))
            .chain(Obstacle::CODES.map(|(code, _)| code));
        let mut seen = HashSet::new();
        for code in codes {
            assert!(seen.insert(code), "{code} is there twice");
            assert_eq!(known(code), code);
            assert!(sentence(code).ends_with('.'), "{code}");
        }
        assert_eq!((known("unknown"), sentence("")), ("", ""));
    }

    #[test]
    fn every_action_has_a_name_of_its_own() {
        for action in BulkAction::ALL {
            assert_eq!(BulkAction::named(action.as_str()), Some(action));
        }
        assert_eq!(BulkAction::named("undo"), None);
    }
}
