//! What asks for the actor in person: a recently confirmed password, and no API token.
//!
//! Whatever gives or restores the means to act as a privileged account (staff or superuser) asks for it: otherwise one
//! administrator's stolen session or API token would become another administrator's account. Taking such rights away
//! asks, too: what is then done to the plain account would last when they come back. Every operation that does
//! such a thing asks one of these functions, and `Can::require` compares the answer with the session.

use super::user::{User, UserId};
use super::{address, rules};

/// What a session has to show. In rising order, so that the demand of several changes is their greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// Nothing.
    NotAsked,
    /// The password, recently; no API token. The tokens of a client pass: clients in the field send whole records back.
    ExceptClients,
    /// The password, recently, in every kind of session; no API token.
    Always,
}

/// For turning `before` into `after`, with another password or without.
#[must_use]
pub fn of_change(actor: UserId, before: &User, after: &User, new_password: bool) -> Presence {
    if after.is_superuser && !before.is_superuser {
        return Presence::Always;
    }
    let grants = after.is_staff && !before.is_staff;
    let restores = new_password || !address::are_same(&after.email, &before.email) || reopens(before, after);
    let renames = after.username != before.username && (actor == before.id || before.is_privileged());
    if grants || rules::demotes(before, after) || after.is_privileged() && restores || renames {
        Presence::ExceptClients
    } else {
        Presence::NotAsked
    }
}

/// For making a user, who is given a password or a link.
#[must_use]
pub const fn of_new(user: &User) -> Presence {
    if user.is_privileged() { Presence::ExceptClients } else { Presence::NotAsked }
}

/// For a password or a link for a user who is there.
#[must_use]
pub fn of_credential(actor: UserId, user: &User) -> Presence {
    if actor == user.id { Presence::Always } else { of_new(user) }
}

/// For ending a session of the actor's own: their others are what an intruder would shut them out by.
#[must_use]
pub const fn of_ending(is_current: bool) -> Presence {
    if is_current { Presence::NotAsked } else { Presence::ExceptClients }
}

/// Whether the account can be used at a time when it could not be used before.
fn reopens(before: &User, after: &User) -> bool {
    let earlier = before.valid_from.is_some_and(|before| after.valid_from.is_none_or(|after| after < before));
    let later = before.valid_until.is_some_and(|before| after.valid_until.is_none_or(|after| after > before));
    !before.is_active && after.is_active || earlier || later
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;
    use crate::model::user::Username;

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
    fn se_8_the_means_to_act_as_a_privileged_account_ask_for_the_actor() {
        use Presence::{Always, ExceptClients, NotAsked};
        for (before, after, by_record, with_password) in [
            ("plain", "plain", NotAsked, NotAsked),
            ("plain", "inactive", NotAsked, NotAsked),
            ("inactive", "plain", NotAsked, NotAsked),
            ("plain", "staff", ExceptClients, ExceptClients),
            ("plain", "inactive staff", ExceptClients, ExceptClients),
            ("staff", "plain", ExceptClients, ExceptClients),
            ("staff", "staff", NotAsked, ExceptClients),
            ("staff", "inactive staff", NotAsked, ExceptClients),
            ("inactive staff", "staff", ExceptClients, ExceptClients),
            ("inactive staff", "plain", ExceptClients, ExceptClients),
            ("superuser", "superuser", NotAsked, ExceptClients),
            ("inactive superuser", "superuser", ExceptClients, ExceptClients),
            ("superuser", "plain", ExceptClients, ExceptClients),
            ("staff", "staff superuser", Always, Always),
            ("plain", "superuser", Always, Always),
        ] {
            let (before, after) = (user(2, before), user(2, after));
            assert_eq!(of_change(UserId(1), &before, &after, false), by_record, "{before:?} {after:?}");
            assert_eq!(of_change(UserId(1), &before, &after, true), with_password, "{before:?} {after:?}");
        }
    }

    #[test]
    fn se_8_an_address_a_longer_life_and_a_username_are_such_means_and_a_name_is_not() {
        let at = |seconds| Some(Timestamp::from_micros(seconds));
        let staff = User { valid_from: at(5), valid_until: at(9), ..user(2, "staff") };
        let asks = |after: User| of_change(UserId(1), &staff, &after, false) != Presence::NotAsked;
        assert!(asks(User { email: "a@b.co".into(), ..staff.clone() }));
        for (from, until) in [(4, 9), (5, 10)] {
            assert!(asks(User { valid_from: at(from), valid_until: at(until), ..staff.clone() }));
        }
        assert!(asks(User { valid_from: None, ..staff.clone() }));
        assert!(asks(User { valid_until: None, ..staff.clone() }));
        assert!(!asks(User { valid_from: at(6), valid_until: at(8), ..staff.clone() }));
        assert!(!asks(User { first_name: "Ada".into(), ..staff.clone() }));
        let username = Username::parse("other").unwrap();
        assert!(asks(User { username: username.clone(), ..staff.clone() }));
        let plain = user(3, "plain");
        let renamed = User { username, ..plain.clone() };
        assert_eq!(of_change(UserId(1), &plain, &renamed, false), Presence::NotAsked);
        assert_eq!(of_change(UserId(3), &plain, &renamed, false), Presence::ExceptClients, "but the own one");
        let moved = User { email: "a@b.co".into(), ..plain.clone() };
        assert_eq!(of_change(UserId(1), &plain, &moved, false), Presence::NotAsked);
    }

    #[test]
    fn se_8_so_are_a_new_account_and_a_link() {
        for (kind, presence) in [
            ("plain", Presence::NotAsked),
            ("staff", Presence::ExceptClients),
            ("inactive staff", Presence::ExceptClients),
            ("superuser", Presence::ExceptClients),
        ] {
            assert_eq!(of_new(&user(0, kind)), presence, "{kind}");
            assert_eq!(of_credential(UserId(1), &user(2, kind)), presence, "{kind}");
        }
        assert_eq!(of_credential(UserId(1), &user(1, "staff")), Presence::Always, "for the actor");
    }
}
