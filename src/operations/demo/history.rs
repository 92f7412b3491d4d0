//! What has happened to the people of the demo, as the audit log tells it.

use std::net::{IpAddr, Ipv4Addr};

use super::people::Random;
use super::{DAY, Kind, SEED, earlier, later};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::failure_reason::FailureReason;
use crate::model::origin::{Channel, Origin};
use crate::model::throttle::HARD_LIMIT;
use crate::model::user::User;

/// How far back it is told, in days.
const DAYS: u64 = 30;

/// An entry of the audit log, and when it was written.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) entry: Entry,
}

/// All of it, in its order.
pub(super) fn of(people: &[(User, Kind)], now: Timestamp) -> Vec<Event> {
    let staff = people.iter().map(|(user, _)| user).filter(|user| user.is_staff && user.is_active).collect();
    let mut history = History { random: Random::new(SEED), now, staff, events: Vec::new() };
    for (user, kind) in people {
        history.live(user, *kind);
    }
    history.events.sort_by_key(|event| event.at);
    history.events
}

struct History<'a> {
    random: Random,
    now: Timestamp,
    /// Those who make changes.
    staff: Vec<&'a User>,
    events: Vec<Event>,
}

impl History<'_> {
    fn add(&mut self, at: Timestamp, entry: Entry) {
        if at <= self.now && at >= earlier(self.now, DAYS * DAY) {
            self.events.push(Event { at, entry });
        }
    }

    /// An instant of the last days.
    fn lately(&mut self, days: u64) -> Timestamp {
        earlier(self.now, 60 * 60 + self.random.below(days * DAY))
    }

    /// A browser of one of the networks that are kept for examples.
    fn origin(&mut self) -> Origin {
        let network = self.random.one_of(&[[192, 0, 2], [198, 51, 100], [203, 0, 113]]);
        let host = u8::try_from(1 + self.random.below(250)).unwrap_or(1);
        let device = self.random.one_of(&[
            "Firefox on Linux",
            "Chrome on Windows",
            "Edge on Windows",
            "Safari on macOS",
            "Safari on iOS",
            "Chrome on Android",
        ]);
        Origin {
            channel: Channel::Console,
            address: Some(IpAddr::V4(Ipv4Addr::new(network[0], network[1], network[2], host))),
            device: device.to_owned(),
            request_id: String::new(),
        }
    }

    /// A member of staff at work.
    fn author(&mut self) -> Author {
        let staff = self.random.below(self.staff.len().max(1) as u64);
        let origin = self.origin();
        match usize::try_from(staff).ok().and_then(|n| self.staff.get(n)) {
            Some(user) => Author::user(user, &origin),
            None => Author::anonymous(&origin),
        }
    }

    fn live(&mut self, user: &User, kind: Kind) {
        if user.is_superuser {
            return;
        }
        let made = Entry::new(Action::UserCreated, self.author()).on(user);
        self.add(user.date_joined, made.changing(&User::blank(user.date_joined), user));
        if kind == Kind::Invited {
            let until = later(user.date_joined, DAY).to_string();
            let link = Entry::new(Action::LinkMade, self.author()).on(user).detail("purpose", "setup");
            self.add(user.date_joined, link.detail("expires_at", until));
        }
        self.sign_in(user);
        if kind == Kind::Locked {
            self.block(user);
        }
        if !user.is_active && self.random.happens(2, 3) {
            let (at, author) = (self.lately(DAYS), self.author());
            let before = User { is_active: true, ..user.clone() };
            let entry = Entry::new(Action::UserDeactivated, author).on(user).changing(&before, user);
            self.add(at, entry.detail("sessions_ended", 1));
        } else if self.random.happens(1, 12) {
            self.change(user);
        }
    }

    /// Sign-ins that lead to the last one, fewer of them on days without work, and some that failed before.
    fn sign_in(&mut self, user: &User) {
        let Some(last) = user.last_login else { return };
        let mut at = last;
        for number in 0..14_u64 {
            let weekday = (at.seconds() / 86_400 + 4).rem_euclid(7);
            if number == 0 || (1..=5).contains(&weekday) || self.random.happens(1, 5) {
                let origin = self.origin();
                if self.random.happens(1, 9) {
                    let entry = Entry::new(Action::SignInFailed, Author::anonymous(&origin)).on(user);
                    let entry = entry.detail("reason", FailureReason::WrongPassword.as_str());
                    self.add(earlier(at, 20), entry.detail("device", origin.device.as_str()));
                }
                let entry = Entry::new(Action::SignIn, Author::user(user, &origin)).on(user);
                self.add(at, entry.detail("by", "cookie").detail("device", origin.device.as_str()));
            }
            at = earlier(at, DAY / 3 + self.random.below(4 * DAY));
        }
    }

    /// Guesses of a stranger, until the account is blocked.
    fn block(&mut self, user: &User) {
        let author = Author::anonymous(&self.origin());
        for minute in (1..=12).rev() {
            let entry = Entry::new(Action::SignInFailed, author.clone()).on(user);
            self.add(
                earlier(self.now, minute * 60),
                entry.detail("reason", FailureReason::WrongPassword.as_str()),
            );
        }
        let entry = Entry::new(Action::AccountBlocked, author).on(user).detail("seconds", DAY);
        self.add(earlier(self.now, 30), entry.detail("failures", HARD_LIMIT));
    }

    /// What staff do on a usual day.
    fn change(&mut self, user: &User) {
        let (at, author) = (self.lately(DAYS), self.author());
        let mut before = user.clone();
        let entry = match self.random.below(4) {
            0 => Entry::new(Action::SessionsEnded, author).on(user).detail("sessions_ended", 2),
            1 => {
                "Smith".clone_into(&mut before.last_name);
                Entry::new(Action::UserChanged, author).on(user).changing(&before, user)
            }
            _ => {
                before.email = format!("{}@post.example.de", user.username.as_str());
                Entry::new(Action::UserChanged, author).on(user).changing(&before, user)
            }
        };
        if entry.action != Action::UserChanged || !entry.changes.is_empty() {
            self.add(at, entry);
        }
    }
}
