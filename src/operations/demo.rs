//! A demo: a fresh database filled with invented people, and with what has happened to them in the last 30 days.
//!
//! The same at each start but for the password, with all times as seen from the start.

mod history;
pub mod people;

use self::history::Event;
use self::people::{People, Random};
use crate::db;
use crate::db::users::{self, Ids};
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::link::{Link, LinkId, LinkPurpose};
use crate::model::mail::MailState;
use crate::model::password::{Password, PasswordHash};
use crate::model::session::Secret;
use crate::model::throttle::{Failures, HARD_LIMIT, Key};
use crate::model::user::{User, Username};
use crate::operations::App;

/// The superuser's name.
pub const SUPERUSER: &str = "demo";

/// How many people are invented, the superuser apart.
pub const PEOPLE: usize = 300;

/// Which people these are.
const SEED: u64 = 7;

/// Seconds.
const DAY: u64 = 24 * 60 * 60;

/// What is special about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Usual,
    Invited,
    Locked,
    Ended,
    Ending,
    Early,
}

/// Fills a database that has no users. The password of all people who have one, the superuser's included.
pub async fn fill(app: &App) -> Result<String> {
    let password = password();
    let hash = app.hasher.hash(&Password::new(password.clone())).await?;
    let now = app.clock.now();
    let mut people = invent(now);
    let rows: Vec<(User, PasswordHash)> = people
        .iter()
        .map(|(user, kind)| {
            let hash = if *kind == Kind::Invited { PasswordHash::unusable() } else { hash.clone() };
            (user.clone(), hash)
        })
        .collect();
    let mut tx = app.db.begin().await?;
    let ids = users::insert_all(&mut tx, Ids::Next, &rows).await?;
    for (user, _) in &mut people {
        user.id = ids.get(user.username.key()).copied().unwrap_or(user.id);
    }
    let is = |kind: Kind| people.iter().filter(move |(_, own)| *own == kind).map(|(user, _)| user);
    for Event { at, entry } in history::of(&people, now) {
        db::audit::insert(&mut tx, &entry, at).await?;
    }
    for user in is(Kind::Locked) {
        let before = Failures { consecutive: HARD_LIMIT - 1, ..Failures::none(now) };
        let after = Failures::account(Some(before), now, app.settings.thresholds());
        db::throttles::set(&mut tx, &Key::account(user.username.as_str()), &after).await?;
    }
    // Two links are still out, one of them not for long.
    for (user, hours) in is(Kind::Invited).zip([2, 20]) {
        let expires_at = later(now, hours * 60 * 60);
        db::links::insert(&mut tx, &link(user, now, expires_at)).await?;
    }
    // The link in a message that was refused has run out meanwhile.
    if let Some(user) = is(Kind::Invited).nth(2) {
        let (to, at) = (user.email.as_str(), earlier(now, DAY));
        let gone = (LinkId(0), LinkPurpose::Setup);
        let mail = db::mails::insert(&mut tx, user.id, gone, to, at, at).await?;
        let said = "550 5.1.1 No such mailbox";
        db::mails::set_state(&mut tx, mail, (MailState::Refused, said), at, None).await?;
    }
    tx.commit().await?;
    Ok(password)
}

fn later(at: Timestamp, seconds: u64) -> Timestamp {
    at.plus(std::time::Duration::from_secs(seconds))
}

fn earlier(at: Timestamp, seconds: u64) -> Timestamp {
    at.minus(std::time::Duration::from_secs(seconds))
}

fn link(user: &User, created_at: Timestamp, expires_at: Timestamp) -> Link {
    Link {
        id: LinkId(0),
        user: user.id,
        purpose: LinkPurpose::Setup,
        made_by: None,
        secret_hash: Secret::random().hash(),
        created_at,
        expires_at,
        sealed: None,
    }
}

/// Twelve letters, none of which looks like another one.
fn password() -> String {
    const LETTERS: &[u8; 23] = b"abcdefghjkmnpqrstuvwxyz";
    let secret = Secret::random();
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    let letters: Vec<char> = secret.as_bytes().iter().take(12).map(letter).collect();
    letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-")
}

/// The superuser first, then the people.
fn invent(now: Timestamp) -> Vec<(User, Kind)> {
    let superuser = User {
        username: named(SUPERUSER),
        first_name: "Demo".to_owned(),
        email: "demo@example.org".to_owned(),
        is_staff: true,
        is_superuser: true,
        password_changed_at: Some(earlier(now, 31 * DAY)),
        ..User::blank(earlier(now, 31 * DAY))
    };
    let mut people = People::new(SEED, 1, now);
    let mut random = Random::new(SEED);
    let mut invented = vec![(superuser, Kind::Usual)];
    for number in 0..PEOPLE {
        let mut user = people.next_user();
        shorten(&mut user, &invented);
        user.password_changed_at = Some(user.date_joined);
        let kind = if user.is_staff || !user.is_active { Kind::Usual } else { kind(number) };
        let days = |random: &mut Random, most: u64| DAY / 2 + random.below(most * DAY);
        match kind {
            Kind::Usual | Kind::Locked => {}
            Kind::Invited => {
                user.date_joined = earlier(now, days(&mut random, 20));
                (user.last_login, user.password_changed_at) = (None, None);
            }
            Kind::Ended => user.valid_until = Some(earlier(now, days(&mut random, 60))),
            Kind::Ending => user.valid_until = Some(later(now, days(&mut random, 6))),
            Kind::Early => {
                user.valid_from = Some(later(now, days(&mut random, 20)));
                user.last_login = None;
            }
        }
        invented.push((user, kind));
    }
    invented
}

/// What is special about the person with that number.
const fn kind(number: usize) -> Kind {
    match number {
        n if n % 23 == 5 => Kind::Invited,
        n if n % 90 == 40 => Kind::Locked,
        n if n % 71 == 7 => Kind::Ended,
        n if n % 61 == 11 => Kind::Ending,
        n if n % 97 == 13 => Kind::Early,
        _ => Kind::Usual,
    }
}

fn named(name: &str) -> Username {
    Username::from_row(name.to_owned(), name.to_owned())
}

/// Takes the number off a name, unless another person has that name.
fn shorten(user: &mut User, others: &[(User, Kind)]) {
    let name = user.username.as_str().trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    if others.iter().any(|(other, _)| other.username.as_str() == name) {
        return;
    }
    if let Some((_, domain)) = user.email.split_once('@') {
        user.email = format!("{name}@{domain}");
    }
    user.username = named(&name);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    #[test]
    fn the_same_people_are_invented_each_time_with_some_of_every_kind() {
        let people = invent(NOW);
        assert_eq!(people.len(), PEOPLE + 1);
        assert_eq!(people, invent(NOW));
        let count = |which: fn(&(User, Kind)) -> bool| people.iter().filter(|person| which(person)).count();
        assert_eq!(count(|(user, _)| user.is_superuser), 1);
        for (name, found) in [
            ("staff", count(|(user, _)| user.is_staff && !user.is_superuser)),
            ("deactivated", count(|(user, _)| !user.is_active)),
            ("invited", count(|(_, kind)| *kind == Kind::Invited)),
            ("locked", count(|(_, kind)| *kind == Kind::Locked)),
            ("ended", count(|(_, kind)| *kind == Kind::Ended)),
            ("ending", count(|(_, kind)| *kind == Kind::Ending)),
            ("not yet valid", count(|(_, kind)| *kind == Kind::Early)),
        ] {
            assert!((2..40).contains(&found), "{found} {name}");
        }
        let mut names: Vec<&str> = people.iter().map(|(user, _)| user.username.key()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), people.len(), "each name once");
    }

    #[test]
    fn what_has_happened_lies_within_the_last_days_in_its_order() {
        let people = invent(NOW);
        let events = history::of(&people, NOW);
        assert!(events.iter().all(|event| event.at <= NOW && event.at >= earlier(NOW, 32 * DAY)));
        assert!(events.is_sorted_by_key(|event| event.at));
        let count = |name: &str| events.iter().filter(|event| event.entry.action.as_str() == name).count();
        for (action, least) in [
            ("sign_in", 150),
            ("sign_in_failed", 30),
            ("user_created", 10),
            ("user_changed", 10),
            ("user_deactivated", 3),
            ("link_made", 10),
            ("account_blocked", 2),
        ] {
            assert!(count(action) >= least, "{action}: {}", count(action));
        }
    }

    #[test]
    fn the_password_is_another_one_each_time_and_as_good_as_any() {
        let (one, other) = (password(), password());
        assert_ne!(one, other);
        assert!(one.len() == 14 && one.chars().all(|c| c == '-' || c.is_ascii_lowercase()), "{one}");
    }
}
