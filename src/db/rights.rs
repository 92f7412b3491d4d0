//! What credentials were found to be worth, for as long as no right was taken away.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rocket::tokio::time::Instant;

use super::replica::Replica;
use super::{Result, Sql, Value};

/// How long a credential counts after it was found.
const STANDS_FOR: Duration = Duration::from_secs(30);

/// The most credentials that are kept, and users who lost rights.
const MOST: usize = 1000;

/// Whose credentials a statement may change the worth of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// Those of the user with this primary key.
    User(i64),
    /// That of the session with this primary key.
    Session(i64),
    /// Any.
    All,
}

/// A credential as it was found on the server that takes changes.
#[derive(Debug)]
pub(super) struct Found<V> {
    /// When it began to be looked for.
    pub(super) at: Instant,
    pub(super) user: i64,
    pub(super) session: i64,
    pub(super) value: V,
}

/// Credentials, and of whom rights were taken away lately.
#[derive(Debug)]
pub(super) struct Credentials<V> {
    found: HashMap<Vec<u8>, Found<V>>,
    ended: HashMap<Whose, Instant>,
}

impl<V> Default for Credentials<V> {
    fn default() -> Self {
        Self { found: HashMap::new(), ended: HashMap::new() }
    }
}

impl<V: Clone> Credentials<V> {
    /// Keeps what was found, unless a right may have been taken away since it began to be looked for.
    pub(super) fn keep(&mut self, key: Vec<u8>, found: Option<Found<V>>) {
        let is_good = |found: &Found<V>| {
            [Whose::All, Whose::User(found.user), Whose::Session(found.session)]
                .iter()
                .all(|whose| self.ended.get(whose).is_none_or(|at| *at < found.at))
        };
        let Some(found) = found.filter(is_good) else { return drop(self.found.remove(&key)) };
        if self.found.len() >= MOST {
            self.found.retain(|_, kept| found.at.duration_since(kept.at) < STANDS_FOR);
        }
        if self.found.len() < MOST || self.found.contains_key(&key) {
            self.found.insert(key, found);
        }
    }

    /// What was found a short while ago.
    pub(super) fn of(&self, key: &[u8], now: Instant) -> Option<V> {
        let found = self.found.get(key)?;
        (now.duration_since(found.at) < STANDS_FOR).then(|| found.value.clone())
    }

    /// A right may have been taken away.
    pub(super) fn forget(&mut self, whose: Whose, now: Instant) {
        match whose {
            Whose::User(user) => self.found.retain(|_, found| found.user != user),
            Whose::Session(session) => self.found.retain(|_, found| found.session != session),
            Whose::All => self.found.clear(),
        }
        if self.ended.len() >= MOST {
            // What began so long ago has come to its end.
            self.ended.retain(|_, at| now.duration_since(*at) < STANDS_FOR);
        }
        if self.ended.len() >= MOST {
            self.ended.clear();
            self.found.clear();
            self.ended.insert(Whose::All, now);
        }
        self.ended.insert(whose, now);
    }
}

/// Whose rights a statement may take away: each that writes users or sessions, but for those that note a use only.
pub(super) fn may_end_rights(sql: &Sql) -> Option<Whose> {
    const USERS: [&str; 2] = ["UPDATE users ", "DELETE FROM users "];
    const SESSIONS: [&str; 2] = ["UPDATE sessions ", "DELETE FROM sessions "];
    const KEEPS: [&str; 2] = ["UPDATE users SET last_login ", "UPDATE users SET preferences "];
    let begins = |with: &[&str]| with.iter().any(|begin| sql.text.starts_with(begin));
    let is_of_users = begins(&USERS);
    if !is_of_users && !begins(&SESSIONS) || begins(&KEEPS) {
        return None;
    }
    let of_user = if is_of_users { " WHERE id = $" } else { " WHERE user_id = $" };
    let whose = match (number_after(sql, of_user), number_after(sql, " WHERE id = $")) {
        (Some(user), _) => Whose::User(user),
        (None, Some(session)) => Whose::Session(session),
        (None, None) => Whose::All,
    };
    Some(whose)
}

/// The value of the placeholder whose number follows.
fn number_after(sql: &Sql, text: &str) -> Option<i64> {
    let (_, rest) = sql.text.split_once(text)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    match sql.values.get(digits.parse::<usize>().ok()?.checked_sub(1)?)? {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

/// Has credentials be looked for again once a transaction is over, however it ends, that took rights away.
#[derive(Debug)]
pub(super) struct Rights {
    replica: Arc<OnceLock<Replica>>,
    have_ended: Vec<Whose>,
}

impl Rights {
    /// For a transaction.
    pub(super) fn new(replica: &Arc<OnceLock<Replica>>) -> Self {
        Self { replica: Arc::clone(replica), have_ended: Vec::new() }
    }

    /// Notes how many rows a statement has changed that may take rights away.
    pub(super) fn note(&mut self, whose: Whose, changed: &Result<u64>) {
        if !matches!(changed, Ok(0)) && self.replica.get().is_some() {
            self.have_ended.push(whose);
        }
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        let Some(replica) = self.replica.get().filter(|_| !self.have_ended.is_empty()) else { return };
        let mut credentials = replica.credentials();
        for whose in &self.have_ended {
            credentials.forget(*whose, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(Instant) -> Option<Found<u8>> = |at| Some(Found { at, user: 1, session: 2, value: 7 });

    #[test]
    fn a_credential_counts_for_a_while_unless_a_right_was_taken_away_since() {
        let mut kept = Credentials::<u8>::default();
        let mut now = Instant::now();
        let key = |n: usize| n.to_be_bytes().to_vec();
        kept.keep(key(1), AT(now));
        assert!(kept.of(&key(1), now + STANDS_FOR / 2).is_some() && kept.of(&key(2), now).is_none());
        assert!(kept.of(&key(1), now + STANDS_FOR).is_none());
        // Its session is over.
        kept.keep(key(1), None);
        assert!(kept.of(&key(1), now).is_none());
        for whose in [Whose::User(1), Whose::Session(2), Whose::All] {
            kept.keep(key(1), AT(now));
            assert!(kept.of(&key(1), now).is_some());
            now += Duration::from_millis(1);
            kept.forget(whose, now);
            assert!(kept.of(&key(1), now).is_none());
            // It was read before the right was taken away.
            kept.keep(key(1), AT(now));
            assert!(kept.of(&key(1), now).is_none());
            now += Duration::from_millis(1);
        }
        kept.keep(key(1), AT(now));
        // Rights of others.
        kept.forget(Whose::User(3), now);
        kept.forget(Whose::Session(3), now);
        kept.keep(key(1), AT(now));
        assert!(kept.of(&key(1), now).is_some());
    }

    #[test]
    fn what_is_kept_of_credentials_is_bounded() {
        let mut kept = Credentials::<u8>::default();
        let now = Instant::now();
        let key = |n: usize| n.to_be_bytes().to_vec();
        for n in 0..2 * MOST {
            kept.keep(key(n), AT(now));
        }
        assert_eq!(kept.found.len(), MOST);
        let later = now + STANDS_FOR;
        kept.keep(key(2 * MOST), AT(later));
        assert_eq!(kept.found.len(), 1);
        for n in 0..2 * MOST {
            kept.forget(Whose::User(i64::try_from(n).unwrap() + 9), later);
        }
        assert!(kept.ended.len() <= MOST);
        // Too many have lost rights to tell them apart.
        kept.keep(key(1), AT(later));
        assert!(kept.of(&key(1), later).is_none() && kept.of(&key(2 * MOST), later).is_none());
    }

    #[test]
    fn statements_that_may_take_a_right_away_are_known_and_whose_it_is() {
        let bound = |sql: &'static str| (11..15).fold(Sql::new(sql), |sql, n: i64| sql.bind(n));
        for (sql, whose) in [
            ("UPDATE users SET version = $1, modified_at = $2 WHERE id = $3", Whose::User(13)),
            ("UPDATE users SET version = $1", Whose::All),
            (
                "UPDATE users SET has_factor = EXISTS (SELECT 1 FROM factors WHERE user_id = $1) WHERE id = $1",
                Whose::User(11),
            ),
            ("UPDATE users SET password = $1, password_changed_at = $2 WHERE id = $3", Whose::User(13)),
            ("DELETE FROM users WHERE id IN ($1, $2)", Whose::All),
            ("DELETE FROM sessions WHERE user_id = $1 AND id <> $2", Whose::User(11)),
            ("DELETE FROM sessions WHERE id = $1", Whose::Session(11)),
            ("DELETE FROM sessions WHERE expires_at <= $1", Whose::All),
            (
                "UPDATE sessions SET confirmed_at = $1, secret_hash = $2 WHERE id = $3 AND secret_hash = $4",
                Whose::Session(13),
            ),
        ] {
            assert_eq!(may_end_rights(&bound(sql)), Some(whose), "{sql}");
        }
        for sql in ["UPDATE users SET last_login = $1 WHERE id = $2", "INSERT INTO sessions (id)", "SELECT 1"]
        {
            assert_eq!(may_end_rights(&bound(sql)), None, "{sql}");
        }
        // A value that is no number is the key of no row.
        assert_eq!(
            may_end_rights(&Sql::new("DELETE FROM sessions WHERE id = $1").bind("x")),
            Some(Whose::All)
        );
    }
}
