//! Judges rows one after the other: against the users here, and against the rows before.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::record::Record;
use crate::model::clock::Timestamp;
use crate::model::field_errors::Message;
use crate::model::user::{User, UserId, Username};

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A new user.
    Created,
    /// The same user is here already.
    Unchanged,
    /// Nothing of it is written, for these reasons.
    Refused(Vec<String>),
}

impl Verdict {
    /// Refused for one reason.
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(vec![reason.into()])
    }
}

/// The most rows of a rehearsal that are compared with those after them: what is kept of each takes memory.
const MOST_EARLIER: usize = 1_800_000;

/// The users that a row may meet: those here, as far as the present rows may meet them, and those of the rows before.
#[derive(Debug, Default)]
pub(super) struct Known {
    users: Vec<Met>,
    by_id: HashMap<UserId, usize>,
    by_key: HashMap<String, usize>,
    /// Whether a primary key that is taken is replaced.
    new_keys: bool,
    /// The rows before, which a rehearsal has not written.
    earlier: Option<Earlier>,
}

/// A user whom a row may meet, and the line of the file that says so, unless they are here.
#[derive(Debug)]
struct Met {
    user: User,
    line: Option<u64>,
}

/// What a rehearsal keeps of the rows that it would have written.
#[derive(Debug, Default)]
struct Earlier {
    state: RandomState,
    /// Digests of name and record, and the line: half a number for each of both, as there are many rows.
    names: HashMap<u64, (u32, u32)>,
    /// Whose digest of the name each primary key has.
    ids: HashMap<UserId, u64>,
}

impl Earlier {
    fn digest(&self, user: &User) -> (u64, u32) {
        let texts = (user.username.as_str(), &user.first_name, &user.last_name, &user.email);
        let flags =
            (user.is_active, user.is_staff, user.is_superuser, user.is_deprovisioned, user.has_factor);
        let times = [Some(user.date_joined), user.valid_from, user.valid_until];
        let record = self.state.hash_one((texts, flags, times)) >> 32;
        (self.state.hash_one(user.username.key()), u32::try_from(record).unwrap_or_default())
    }

    fn add(&mut self, user: &User, line: u64) {
        if self.names.len() < MOST_EARLIER {
            let (name, record) = self.digest(user);
            self.names.insert(name, (record, u32::try_from(line).unwrap_or(u32::MAX)));
            if user.id.0 != 0 {
                self.ids.insert(user.id, name);
            }
        }
    }

    fn judge(&self, user: &User, new_keys: bool) -> Option<Verdict> {
        let (name, record) = self.digest(user);
        let owner = self.ids.get(&user.id);
        match self.names.get(&name) {
            Some((other, _)) if *other == record && (new_keys || user.id.0 == 0 || owner == Some(&name)) => {
                Some(Verdict::Unchanged)
            }
            Some((_, line)) => Some(Verdict::refused(format!("differs from the user of line {line}."))),
            None if new_keys => None,
            None => {
                let (_, line) = self.names.get(owner?)?;
                Some(Verdict::refused(format!("pk {} belongs to the user of line {line}.", user.id)))
            }
        }
    }

    fn has_id(&self, id: UserId) -> bool {
        self.ids.contains_key(&id)
    }
}

impl Known {
    /// No users yet.
    pub(super) fn new(new_keys: bool, is_rehearsal: bool) -> Self {
        Self { new_keys, earlier: is_rehearsal.then(Earlier::default), ..Self::default() }
    }

    /// Forgets the users that the rows before could meet.
    pub(super) fn replace(&mut self, users: Vec<User>) {
        self.users.clear();
        self.by_id.clear();
        self.by_key.clear();
        for user in users {
            self.add(Met { user, line: None });
        }
    }

    /// Adds a user. One that has no primary key yet is known by its name only.
    fn add(&mut self, met: Met) {
        let user = &met.user;
        if user.id.0 != 0 {
            self.by_id.insert(user.id, self.users.len());
        }
        self.by_key.insert(user.username.key().to_owned(), self.users.len());
        self.users.push(met);
    }

    /// The primary key of the user of this name whom the present rows may meet; 0 while it is not known.
    pub(super) fn id_of(&self, name: &Username) -> Option<UserId> {
        self.users.get(*self.by_key.get(name.key())?).map(|met| met.user.id)
    }

    /// Judges the record of a line. If it is to be created then the users known contain it from now on, and it has lost a
    /// primary key that is to be replaced.
    pub(super) fn judge(&mut self, record: &mut Record, line: u64, now: Timestamp) -> Verdict {
        let find = |place: Option<&usize>| place.and_then(|place| self.users.get(*place));
        let by_id = find(record.id.and_then(|id| self.by_id.get(&id)));
        let by_key = find(self.by_key.get(record.username.key()));
        let same_name = |met: &&Met| met.user.username.key() == record.username.key();
        let judged = match (record.id, by_id, by_key) {
            (_, Some(here), _) if same_name(&here) => Some(compare(record, here)),
            (_, _, Some(here)) if self.new_keys => Some(compare(record, here)),
            (Some(_), Some(_), None) if self.new_keys => None,
            (Some(id), Some(owner), other) => Some(Verdict::Refused(
                [taken_id(id, owner)].into_iter().chain(other.map(taken_name)).collect(),
            )),
            (Some(_), None, Some(other)) => Some(Verdict::refused(taken_name(other))),
            (None, _, Some(here)) => Some(compare(record, here)),
            (_, None, None) | (None, Some(_), None) => None,
        };
        let earlier = |earlier: &Earlier| earlier.judge(&record.new_user(now), self.new_keys);
        if let Some(verdict) = judged.or_else(|| self.earlier.as_ref().and_then(earlier)) {
            return verdict;
        }
        if let Some(id) = record.id
            && (by_id.is_some() || self.earlier.as_ref().is_some_and(|earlier| earlier.has_id(id)))
        {
            record.notes.push(format!("pk: {id} belongs to another user; this one gets a new one."));
            record.id = None;
        }
        let user = record.new_user(now);
        if let Some(earlier) = &mut self.earlier {
            earlier.add(&user, line);
        }
        self.add(Met { user, line: Some(line) });
        Verdict::Created
    }
}

/// A primary key that another user has.
fn taken_id(id: UserId, owner: &Met) -> String {
    let of_line = owner.line.map(|line| format!(" of line {line}")).unwrap_or_default();
    format!("pk {id} belongs to another user: {:?}{of_line}.", owner.user.username.as_str())
}

/// A name that another user has.
fn taken_name(owner: &Met) -> String {
    let taken = format!("username: {}", Message::UsernameTaken(String::new()));
    match owner.line {
        Some(line) => format!("{taken} It is that of line {line}."),
        None => format!("{taken} It has the pk {}.", owner.user.id),
    }
}

fn compare(record: &Record, Met { user: here, line }: &Met) -> Verdict {
    let given = record.applied_to(here);
    if given == *here {
        return Verdict::Unchanged;
    }
    let differing: Vec<&str> = [
        ("username", given.username != here.username),
        ("is_superuser", given.is_superuser != here.is_superuser),
        ("first_name", given.first_name != here.first_name),
        ("last_name", given.last_name != here.last_name),
        ("email", given.email != here.email),
        ("is_staff", given.is_staff != here.is_staff),
        ("is_active", given.is_active != here.is_active),
        ("date_joined", given.date_joined != here.date_joined),
        ("valid_from", given.valid_from != here.valid_from),
        ("valid_until", given.valid_until != here.valid_until),
        ("is_deprovisioned", given.is_deprovisioned != here.is_deprovisioned),
        ("second_factors", given.has_factor != here.has_factor),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect();
    let whom = line.map_or_else(|| "already here".to_owned(), |line| format!("of line {line}"));
    Verdict::refused(format!("differs from the user {whom}: {}.", differing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::row::Item;
    use super::super::source::tests::source;
    use super::super::{Options, formats, record};
    use super::*;

    /// The verdicts on the lines of a CSV file, as text.
    fn told(mut known: Known, here: &[&str], lines: &[&str], new_keys: bool) -> Vec<String> {
        let header = "pk,username,email,is_staff,last_login,password\n";
        let content = format!("{header}{}\n{}\n", here.join("\n"), lines.join("\n"));
        let options = Options { new_keys, ..Options::default() };
        let items = formats::open(&source(content.as_bytes()), &options).unwrap().items;
        let judge = |(n, item)| {
            let Item::Row(row) = item else { panic!("{item:?}") };
            if n == here.len() {
                let users = known.users.drain(..).map(|met| met.user).collect();
                known.replace(if known.earlier.is_some() { Vec::new() } else { users });
            }
            let mut record = record::read(&row, &options).unwrap();
            match known.judge(&mut record, row.place.line, Timestamp::from_micros(7)) {
                Verdict::Created => "created".to_owned(),
                Verdict::Unchanged => "unchanged".to_owned(),
                Verdict::Refused(reasons) => reasons.join(" "),
            }
        };
        items.enumerate().map(judge).skip(here.len()).collect()
    }

    fn verdicts(here: &[&str], lines: &[&str]) -> Vec<String> {
        told(Known::new(false, false), here, lines, false)
    }

    const HERE: [&str; 2] = ["7,ada,a@b.co,no,,!", "8,bob,b@b.co,no,,!"];
    const NAME_TAKEN: &str = "username: A user with that username already exists.";

    #[test]
    fn the_same_user_is_unchanged_whatever_the_password_and_last_sign_in() {
        assert_eq!(
            verdicts(&HERE, &["7,ada,a@b.co,no,2024-01-01,!other", ",ada,a@b.co,no,,"]),
            ["unchanged", "unchanged"]
        );
    }

    #[test]
    fn a_user_that_differs_is_refused_with_the_fields() {
        assert_eq!(
            verdicts(&HERE, &["7,ada,x@b.co,yes,,", ",ADA,a@b.co,no,,"]),
            [
                "differs from the user already here: email, is_staff.",
                "differs from the user already here: username."
            ]
        );
    }

    #[test]
    fn keys_and_names_of_others_are_refused() {
        assert_eq!(
            verdicts(&HERE, &["7,carl,,no,,", "7,bob,b@b.co,no,,", "9,BOB,b@b.co,no,,"]),
            [
                "pk 7 belongs to another user: \"ada\".".to_owned(),
                format!("pk 7 belongs to another user: \"ada\". {NAME_TAKEN} It has the pk 8."),
                format!("{NAME_TAKEN} It has the pk 8."),
            ]
        );
    }

    #[test]
    fn keys_of_others_are_replaced_on_request_and_users_are_then_told_by_their_names() {
        let lines = ["7,carl,,no,,", "7,bob,b@b.co,no,,", "9,bob,x@b.co,no,,", "7,carl,,no,,"];
        let expected = ["created", "unchanged", "differs from the user already here: email.", "unchanged"];
        assert_eq!(told(Known::new(true, false), &HERE, &lines, true), expected);
    }

    #[test]
    fn a_rehearsal_remembers_the_rows_before() {
        let lines =
            ["7,ada,a@b.co,no,,", ",bob,b@b.co,no,,", "7,carl,,no,,", "9,ada,a@b.co,no,,", "8,bob,,no,,"];
        let differs = ["differs from the user of line 2.", "differs from the user of line 3."];
        let taken = "pk 7 belongs to the user of line 2.";
        let expected = ["unchanged", "unchanged", taken, differs[0], differs[1]];
        assert_eq!(told(Known::new(false, true), &HERE, &lines, false), expected);
        let expected = ["unchanged", "unchanged", "created", "unchanged", differs[1]];
        assert_eq!(told(Known::new(true, true), &HERE, &lines, true), expected);
    }

    #[test]
    fn of_duplicates_in_a_file_the_first_wins() {
        assert_eq!(
            verdicts(
                &[],
                &[
                    "1,ada,,no,,",
                    "1,ada,,no,,",
                    "1,ada,,yes,,",
                    "2,Ada,,no,,",
                    "1,bob,,no,,",
                    ",carl,,no,,",
                    ",carl,,no,,",
                    "3,carl,,no,,"
                ]
            ),
            [
                "created",
                "unchanged",
                "differs from the user of line 3: is_staff.",
                "username: A user with that username already exists. It is that of line 3.",
                "pk 1 belongs to another user: \"ada\" of line 3.",
                "created",
                "unchanged",
                "username: A user with that username already exists. It is that of line 8.",
            ]
        );
    }

    #[test]
    fn names_that_are_reserved_for_new_users_are_kept() {
        let verdicts = verdicts(&[], &["5,007,,no,,", ",20240017,,no,,", ",list,,no,,"]);
        assert_eq!(verdicts, ["created", "created", "created"]);
    }
}
