//! What of an entry is personal, and how a seal covers it without holding it.
//!
//! A seal covers the shape of an entry, and of its personal values salted hashes: commitments. Erasing drops values and
//! salt and keeps the commitment, so that the seal stays right, and the values cannot be found by trying.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::StoredEntry;

/// Length of a salt, in bytes.
pub const SALT: usize = 16;
/// Length of a commitment, in bytes: that of SHA-256.
const HASH: usize = 32;

/// The personal values of an entry that are erased together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The name of who did it.
    Actor = 0,
    /// From where and with what: network address and device.
    Origin = 1,
    /// The name of the user it was done to, old and new values, and texts that say something about them.
    Target = 2,
}

impl Group {
    /// All of them, in the order of an entry's commitments.
    pub const ALL: [Self; 3] = [Self::Actor, Self::Origin, Self::Target];
}

/// Changes whose values are of the account and not of the person.
const PLAIN_CHANGES: [&str; 7] = [
    "is_active",
    "is_staff",
    "is_superuser",
    "must_change_password",
    "password",
    "valid_from",
    "valid_until",
];

/// Details of the origin.
const ORIGIN_DETAILS: [&str; 2] = ["address", "device"];

/// Details that say nothing about the person. What is in neither list does, so that nothing is forgotten.
const PLAIN_DETAILS: [&str; 39] = [
    "before",
    "begins_at",
    "blocks_username",
    "by",
    "by_mail",
    "code",
    "conflicts",
    "created",
    "deprovisioned",
    "due_at",
    "entries",
    "expires_at",
    "failures",
    "format",
    "head",
    "incomplete",
    "initial",
    "invited",
    "kept",
    "kind",
    "layered",
    "least_recent_sessions_ended",
    "left",
    "left_out",
    "link",
    "of",
    "only_for",
    "overlap_ends_at",
    "pks",
    "purpose",
    "read_only",
    "reason",
    "refused",
    "removed",
    "restored",
    "seconds",
    "session",
    "sessions_ended",
    "unchanged",
];

/// What the stored form begins with. Another division of values into groups needs another number: seals of before are
/// checked as they were made.
const VERSION: u8 = 1;

/// An entry taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The entry without its personal values; that there were some can be seen.
    pub shape: StoredEntry,
    personal: [Value; 3],
}

impl Parts {
    /// `None` if the changes or details are not in the form in which they are written.
    #[must_use]
    pub fn of(entry: &StoredEntry) -> Option<Self> {
        let (changes, details) = (parsed(&entry.changes)?, parsed(&entry.details)?);
        let (plain_changes, personal_changes) = split(changes, |name| !PLAIN_CHANGES.contains(&name));
        let (details, origin) = split(details, |name| ORIGIN_DETAILS.contains(&name));
        let (plain_details, personal_details) = split(details, is_personal_detail);
        let shape = StoredEntry {
            actor_name: String::new(),
            target_name: String::new(),
            address: String::new(),
            changes: Value::from(plain_changes).to_string(),
            details: Value::from(plain_details).to_string(),
            ..entry.clone()
        };
        let personal = [
            json!(entry.actor_name),
            json!([entry.address, origin]),
            json!([entry.target_name, personal_changes, personal_details]),
        ];
        Some(Self { shape, personal })
    }

    /// Whether no value of a group is there.
    #[must_use]
    pub fn is_blank(&self, group: Group) -> bool {
        fn is_blank(value: &Value) -> bool {
            match value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(values) => values.iter().all(is_blank),
                Value::Object(members) => members.values().all(Value::is_null),
                Value::Bool(_) | Value::Number(_) => false,
            }
        }
        is_blank(&self.personal[group as usize])
    }

    fn commitment(&self, group: Group, salt: &[u8; SALT]) -> [u8; HASH] {
        Sha256::new()
            .chain_update(salt)
            .chain_update([group as u8])
            // JSON keeps the values apart, whatever is in them.
            .chain_update(self.personal[group as usize].to_string())
            .finalize()
            .into()
    }
}

/// Details of the origin were taken out before, and stand there as null.
fn is_personal_detail(name: &str) -> bool {
    !PLAIN_DETAILS.contains(&name) && !ORIGIN_DETAILS.contains(&name)
}

/// A JSON object, if its text is as this program writes it.
fn parsed(text: &str) -> Option<Map<String, Value>> {
    let value: Value = serde_json::from_str(text).ok()?;
    let written = value.to_string();
    match value {
        Value::Object(members) if written == text => Some(members),
        _ => None,
    }
}

/// The members with null instead of the personal values, and the personal ones.
fn split(
    members: Map<String, Value>,
    is_personal: impl Fn(&str) -> bool,
) -> (Map<String, Value>, Map<String, Value>) {
    let (mut plain, mut personal) = (Map::new(), Map::new());
    for (name, value) in members {
        if is_personal(&name) {
            plain.insert(name.clone(), Value::Null);
            personal.insert(name, value);
        } else {
            plain.insert(name, value);
        }
    }
    (plain, personal)
}

/// How a seal covers the values of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Commitment {
    /// The values are there; this salt leads from them to the commitment.
    Salt([u8; SALT]),
    /// The values were erased; this is left.
    Erased([u8; HASH]),
}

/// How a seal covers the personal values of an entry: one commitment for each [`Group`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitments([Commitment; 3]);

impl Commitments {
    /// For values that are there, each group with its own salt.
    #[must_use]
    pub const fn new([actor, origin, target]: [[u8; SALT]; 3]) -> Self {
        Self([Commitment::Salt(actor), Commitment::Salt(origin), Commitment::Salt(target)])
    }

    /// What the seal covers; `None` if a group was erased and values are there all the same.
    #[must_use]
    pub fn of(&self, parts: &Parts) -> Option<[[u8; HASH]; 3]> {
        let of = |group: Group| match &self.0[group as usize] {
            Commitment::Salt(salt) => Some(parts.commitment(group, salt)),
            Commitment::Erased(commitment) => parts.is_blank(group).then_some(*commitment),
        };
        Some([of(Group::Actor)?, of(Group::Origin)?, of(Group::Target)?])
    }

    /// How many groups were erased.
    #[must_use]
    pub fn erased(&self) -> i64 {
        Group::ALL.into_iter().map(|group| i64::from(self.is_erased(group))).sum()
    }

    /// Whether the values of a group were erased.
    #[must_use]
    pub fn is_erased(&self, group: Group) -> bool {
        matches!(self.0[group as usize], Commitment::Erased(_))
    }

    /// Erases a group of an entry: its values and their salt go. What was erased before stays as it is. `None` if the
    /// entry is not in the form in which it is written, so that nothing could be proved afterwards.
    #[must_use]
    pub fn erase(&mut self, entry: &StoredEntry, group: Group) -> Option<StoredEntry> {
        let parts = Parts::of(entry)?;
        if let Commitment::Salt(salt) = &self.0[group as usize] {
            self.0[group as usize] = Commitment::Erased(parts.commitment(group, salt));
        }
        Some(blanked(entry, group))
    }

    /// For the database: a version, and for each group the length of what follows, and a salt or a commitment.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + 3 * (1 + SALT));
        bytes.push(VERSION);
        for commitment in &self.0 {
            let content: &[u8] = match commitment {
                Commitment::Salt(salt) => salt,
                Commitment::Erased(commitment) => commitment,
            };
            bytes.push(u8::try_from(content.len()).unwrap_or_default());
            bytes.extend_from_slice(content);
        }
        bytes
    }

    /// As [`Commitments::to_bytes`] wrote them.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (VERSION, mut bytes) = bytes.split_first().map(|(version, bytes)| (*version, bytes))? else {
            return None;
        };
        let mut next = || {
            let (&length, rest) = bytes.split_first()?;
            let (content, rest) = rest.split_at_checked(length.into())?;
            bytes = rest;
            match content.len() {
                SALT => content.try_into().ok().map(Commitment::Salt),
                HASH => content.try_into().ok().map(Commitment::Erased),
                _ => None,
            }
        };
        let commitments = Self([next()?, next()?, next()?]);
        bytes.is_empty().then_some(commitments)
    }
}

/// The entry without the values of some groups, whatever form it has: for one that is not in the form in which entries are
/// written, of which nothing can be proved any more.
#[must_use]
pub fn stripped(entry: &StoredEntry, groups: &[Group]) -> StoredEntry {
    let is_written = Parts::of(entry).is_some();
    let mut left = groups.iter().fold(entry.clone(), |left, group| blanked(&left, *group));
    if !is_written {
        "{}".clone_into(&mut left.changes);
        "{}".clone_into(&mut left.details);
    }
    left
}

/// The entry without the values of a group.
fn blanked(entry: &StoredEntry, group: Group) -> StoredEntry {
    let without = |text: &str, is_personal: &dyn Fn(&str) -> bool| {
        let members = parsed(text).unwrap_or_default();
        Value::from(split(members, is_personal).0).to_string()
    };
    let mut blank = entry.clone();
    match group {
        Group::Actor => blank.actor_name = String::new(),
        Group::Origin => {
            blank.address = String::new();
            blank.details = without(&entry.details, &|name| ORIGIN_DETAILS.contains(&name));
        }
        Group::Target => {
            blank.target_name = String::new();
            blank.changes = without(&entry.changes, &|name| !PLAIN_CHANGES.contains(&name));
            blank.details = without(&entry.details, &is_personal_detail);
        }
    }
    blank
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> StoredEntry {
        StoredEntry {
            id: 7,
            happened_at: 5,
            action: "user_changed".to_owned(),
            actor_id: Some(1),
            actor_name: "grace".to_owned(),
            target_id: Some(2),
            target_name: "ada".to_owned(),
            changes:
                json!({"email": {"old": "a@b.co", "new": "c@d.co"}, "is_staff": {"old": false, "new": true}})
                    .to_string(),
            details: json!({"device": "Firefox", "note": "called", "sessions_ended": 2}).to_string(),
            door: "console".to_owned(),
            address: "192.0.2.1".to_owned(),
            request_id: "r".to_owned(),
            batch_id: None,
            undoes: None,
        }
    }

    const SALTS: [[u8; SALT]; 3] = [[1; SALT], [2; SALT], [3; SALT]];

    #[test]
    fn lg_6_the_shape_holds_no_personal_value_and_says_what_happened() {
        let shape = Parts::of(&entry()).unwrap().shape;
        let told = serde_json::to_string(&shape).unwrap();
        for personal in ["grace", "ada", "a@b.co", "c@d.co", "Firefox", "called", "192.0.2.1"] {
            assert!(!told.contains(personal), "{personal}: {told}");
        }
        assert_eq!(shape.changes, r#"{"email":null,"is_staff":{"new":true,"old":false}}"#);
        assert_eq!(shape.details, r#"{"device":null,"note":null,"sessions_ended":2}"#);
    }

    #[test]
    fn lg_6_what_is_erased_is_gone_and_the_seal_covers_the_same() {
        let (entry, mut commitments) = (entry(), Commitments::new(SALTS));
        let covered = commitments.of(&Parts::of(&entry).unwrap()).unwrap();
        let mut left = entry;
        for (group, gone, salt) in [
            (Group::Target, &["ada", "a@b.co", "c@d.co", "called"][..], [3; SALT]),
            (Group::Origin, &["192.0.2.1", "Firefox"][..], [2; SALT]),
            (Group::Actor, &["grace"][..], [1; SALT]),
        ] {
            left = commitments.erase(&left, group).unwrap();
            assert!(commitments.is_erased(group));
            let told = serde_json::to_string(&left).unwrap();
            assert!(gone.iter().all(|value| !told.contains(value)), "{group:?}: {told}");
            assert!(!commitments.to_bytes().windows(SALT).any(|bytes| bytes == salt), "{group:?}");
            let parts = Parts::of(&left).unwrap();
            assert!(parts.is_blank(group));
            assert_eq!(commitments.of(&parts), Some(covered), "{group:?}");
            assert_eq!(Commitments::from_bytes(&commitments.to_bytes()), Some(commitments.clone()));
            assert_eq!(commitments.clone().erase(&left, group), Some(left.clone()), "erasing twice is once");
        }
        assert_eq!(Parts::of(&left).unwrap().shape, left);
    }

    #[test]
    fn lg_6_a_value_put_where_one_was_erased_is_found() {
        let mut commitments = Commitments::new(SALTS);
        let left = commitments.erase(&entry(), Group::Target).unwrap();
        for planted in [
            StoredEntry { target_name: "eve".to_owned(), ..left.clone() },
            StoredEntry { changes: r#"{"email":"e@v.il"}"#.to_owned(), ..left.clone() },
            StoredEntry { details: r#"{"note":"was here"}"#.to_owned(), ..left.clone() },
        ] {
            assert_eq!(commitments.of(&Parts::of(&planted).unwrap()), None, "{planted:?}");
        }
    }

    #[test]
    fn lg_6_every_value_is_covered_and_salts_hide_equal_ones() {
        let covered =
            |entry: &StoredEntry, salts| Commitments::new(salts).of(&Parts::of(entry).unwrap()).unwrap();
        let before = covered(&entry(), SALTS);
        for altered in [
            StoredEntry { actor_name: "eve".to_owned(), ..entry() },
            StoredEntry { target_name: "eve".to_owned(), ..entry() },
            StoredEntry { address: "192.0.2.2".to_owned(), ..entry() },
            StoredEntry { changes: entry().changes.replace("a@b", "e@b"), ..entry() },
            StoredEntry { details: entry().details.replace("called", "came"), ..entry() },
            StoredEntry { details: entry().details.replace("Firefox", "Chrome"), ..entry() },
        ] {
            assert_ne!(covered(&altered, SALTS), before, "{altered:?}");
        }
        assert_ne!(covered(&entry(), [[9; SALT]; 3]), before);
        let spaced = StoredEntry { details: entry().details.replace(':', ": "), ..entry() };
        assert_eq!(Parts::of(&spaced), None, "another writing of the same is an alteration");
    }

    #[test]
    fn bytes_that_are_no_commitments_are_refused() {
        let bytes = Commitments::new(SALTS).to_bytes();
        for wrong in [
            &bytes[..bytes.len() - 1],
            &[bytes.as_slice(), &[0]].concat(),
            &[],
            &[1, 16, 16, 16],
            &[255; 60],
            &[&[2], &bytes[1..]].concat(),
        ] {
            assert_eq!(Commitments::from_bytes(wrong), None, "{wrong:?}");
        }
    }
}
