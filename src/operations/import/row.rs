//! One user of a file: its members as they were written.

use std::sync::Arc;

use crate::model::raw::Raw;
use crate::model::record::NAMES;

/// What an export has of a user beyond the record.
const BEYOND: [&str; 10] = [
    "valid_from",
    "valid_until",
    "must_change_password",
    "password_changed_at",
    "preferences",
    "password",
    "is_deprovisioned",
    "modified_at",
    "external_ids",
    "second_factors",
];

/// How many of the members stand first in each file of ours, of whatever release.
pub(super) const FIRST_FIELDS: usize = NAMES.len() + 6;

/// Fields whose values are objects, which a table has as texts.
pub(super) const OBJECTS: [&str; 3] = ["preferences", "external_ids", "second_factors"];

/// The members of a user in a file of ours, in their order.
pub(crate) const FIELDS: [&str; NAMES.len() + BEYOND.len()] = {
    let mut fields = [""; NAMES.len() + BEYOND.len()];
    let (record, beyond) = fields.split_at_mut(NAMES.len());
    record.copy_from_slice(&NAMES);
    beyond.copy_from_slice(&BEYOND);
    fields
};

/// What other programs write instead: a whole name, a flag that is the opposite of `is_active`, when the account was closed
/// and until when it is, a password itself that users are to sign in with first, and the salt and the rounds of a hash.
pub(super) const FOREIGN: [&str; 7] =
    ["full_name", "is_blocked", "blocked_at", "blocked_until", "initial_password", "password_salt", ROUNDS];

/// The rounds of a hash, where they stand beside it.
pub(super) const ROUNDS: &str = "password_rounds";

/// Fields that say whether an account may be used, each of which may be told by several columns.
pub(super) const STATES: [&str; 6] =
    ["is_active", "is_blocked", "blocked_at", IS_ACTIVE_IF_1, IS_ACTIVE_UNLESS_NOLOGIN, USER_ACCOUNT_CONTROL];

/// Fields that hold times.
const TIMES: [&str; 8] = [
    "date_joined",
    "last_login",
    "valid_from",
    "valid_until",
    "password_changed_at",
    "modified_at",
    "blocked_at",
    "blocked_until",
];

/// What is the last name, or the whole one, beside a first name.
pub(super) const SURNAME: &str = "surname";

/// The fields that a column can be said to hold: those of a user, and what other programs write instead.
pub const MAPPED: &[&str] = &{
    let mut fields = [""; FIELDS.len() + FOREIGN.len()];
    let (own, foreign) = fields.split_at_mut(FIELDS.len());
    own.copy_from_slice(&FIELDS);
    foreign.copy_from_slice(&FOREIGN);
    fields
};

/// What only tables of known programs have: a state of which any number but 1 keeps from use, one of which a word does, a key
/// that only people have which is not below 0, and the name of one who is no guest.
pub(super) const IS_ACTIVE_IF_1: &str = "is_active_if_1";
pub(super) const IS_ACTIVE_UNLESS_NOLOGIN: &str = "is_active_unless_nologin";
/// The states of an account of Active Directory, as bits of a number.
pub(super) const USER_ACCOUNT_CONTROL: &str = "user_account_control";
const PERSONS_PK: &str = "persons_pk";
const PERSONS_USERNAME: &str = "persons_username";

/// The salts of known programs, and the formulas of their hashes; Gitea's are named in a column.
pub(super) const SALTS: [(&str, &str); 5] = [
    ("salt_of_redmine", "sha1(salt+sha1(password))"),
    ("salt_of_discourse", "pbkdf2-sha256(password,salt,64000)"),
    ("salt_of_vbulletin", "md5(md5(password)+salt)"),
    ("salt_of_mybb", "md5(md5(salt)+md5(password))"),
    (SALT_OF_GITEA, ""),
];
pub(super) const SALT_OF_GITEA: &str = "salt_of_gitea";
/// The column that names the kinds of Gitea's hashes.
pub(super) const ALGORITHM: &str = "password_algorithm";

/// The field of that name that only tables of known programs have.
pub(super) fn known_of_tables(name: &str) -> Option<&'static str> {
    let kinds = NO_USER.iter().map(|(field, _)| *field);
    let salts = SALTS.iter().map(|(field, _)| *field);
    let others = [IS_ACTIVE_IF_1, IS_ACTIVE_UNLESS_NOLOGIN, USER_ACCOUNT_CONTROL, ALGORITHM];
    kinds.chain(salts).chain(others).find(|field| *field == name)
}

/// Whether a field is told of a column by those beside it, and cannot be given to one.
#[must_use]
pub fn is_told_by_others(field: &str) -> bool {
    field == SURNAME || known_of_tables(field).is_some()
}

/// The field that a row has in the place of one which only people have.
#[must_use]
pub fn settled(field: &'static str) -> &'static str {
    match field {
        PERSONS_PK => "pk",
        PERSONS_USERNAME => "username",
        field => field,
    }
}

/// Fields whose values are never shown.
const SECRET: [&str; 4] = ["password", "initial_password", "password_salt", ALGORITHM];

/// The longest part of a value that is shown, in characters.
const LONGEST_SHOWN: usize = 100;

/// The field of that name. The filter language, too, takes `id` for `pk`.
pub(super) fn field(name: &str) -> Option<&'static str> {
    let name = if name == "id" { "pk" } else { name };
    FIELDS.into_iter().find(|field| *field == name)
}

/// Whether the value of a column says something.
type Test = fn(&str) -> bool;

/// Kinds of rows that are no users, though they stand among them: the values of a column that say so.
const NO_USER: [(&str, Test); 6] = [
    ("no_user_1", |value| value == "1"),
    ("no_user_2", |value| value == "2"),
    ("no_user_but_user", |value| value != "User"),
    ("no_user_but_class", |value| !["user", "inetOrgPerson", "person"].contains(&value)),
    (PERSONS_PK, |value| value.starts_with('-')),
    (PERSONS_USERNAME, |value| value == "guest"),
];

/// What a reader finds, one after the other.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    /// A user, good or bad.
    Row(Row),
    /// Something that is no user, by its kind.
    Skipped(String),
}

/// What a reader finds in a file.
pub(super) type Items = Box<dyn Iterator<Item = Item> + Send>;

/// Where something stands in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1: of all lines, whatever is on them.
    pub line: u64,
    /// The row, from 1: objects that are no users count, a header does not.
    pub row: u64,
}

/// One user as written.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Row {
    /// Where it stands.
    pub(super) place: Place,
    /// What is wrong with the row as a whole; then there are no members to judge.
    pub(super) broken: Option<String>,
    /// What is wrong with its members, other than their values.
    pub(super) problems: Vec<String>,
    /// Names of columns, or members, that are nothing of ours.
    pub(super) not_read: Arc<[String]>,
    members: Vec<(&'static str, Raw)>,
}

impl Row {
    /// A row without members yet.
    pub(super) fn new(place: Place) -> Self {
        Self { place, ..Self::default() }
    }

    /// A row that cannot be taken apart.
    pub(super) fn broken(place: Place, reason: impl Into<String>) -> Self {
        Self { place, broken: Some(reason.into()), ..Self::default() }
    }

    /// Adds a member. A second value for the same member is a problem: it is unknown which one was meant.
    pub(super) fn add(&mut self, field: &'static str, value: Raw) {
        if self.members.iter().any(|(present, _)| *present == field) {
            self.problems.push(format!("{field}: is there twice."));
        } else {
            self.members.push((field, value));
        }
    }

    /// Adds what a column holds. Several may tell the state of the account.
    pub(super) fn add_column(&mut self, field: &'static str, value: Raw) {
        if STATES.contains(&field) {
            self.members.push((field, value));
        } else {
            self.add(field, value);
        }
    }

    /// Adds a member unless the source says nothing of it.
    pub(super) fn add_known(&mut self, field: &'static str, value: Raw) {
        if !matches!(value, Raw::Missing | Raw::Null) {
            self.add(field, value);
        }
    }

    /// What it says, but for passwords and hashes, and what people cannot read.
    pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
        let text = |raw: &Raw| match raw {
            Raw::Text(text) => text.chars().take(LONGEST_SHOWN).collect(),
            Raw::Integer(number) => number.to_string(),
            Raw::Bool(yes) => yes.to_string(),
            Raw::Missing | Raw::Null | Raw::Other => String::new(),
        };
        let is_secret = |field: &str| SECRET.contains(&field) || SALTS.iter().any(|(salt, _)| *salt == field);
        let may_be_shown = |field: &str| !is_secret(field) && !OBJECTS.contains(&field);
        self.members
            .iter()
            .filter(|(field, _)| may_be_shown(field))
            .map(|(field, raw)| (*field, text(raw)))
            .collect()
    }

    /// Puts another value in the place of a member's.
    pub(super) fn replace(&mut self, field: &'static str, value: Raw) {
        self.members.retain(|(name, _)| *name != field);
        self.members.push((field, value));
    }

    /// Adds a member unless the row has it already.
    pub(super) fn add_if_missing(&mut self, field: &'static str, value: Raw) {
        if self.get(field) == Raw::Missing {
            self.add(field, value);
        }
    }

    /// The user name; where there is none, or only a key that is made by a program, the address is one.
    pub(super) fn username(&self) -> Raw {
        let name = self.get("username");
        let is_name = match &name {
            Raw::Missing => false,
            Raw::Text(name) => !is_uuid(name) && !is_key_of_auth0(name),
            _ => true,
        };
        match self.get("email") {
            Raw::Text(email) if !is_name && !email.trim().is_empty() => Raw::Text(email),
            _ => name,
        }
    }

    /// All values of a member.
    pub(super) fn all(&self, field: &str) -> impl Iterator<Item = &Raw> {
        self.members.iter().filter(move |(name, _)| *name == field).map(|(_, raw)| raw)
    }

    /// A name in it that is not in ASCII.
    pub(super) fn name_beyond_ascii(&self) -> Option<String> {
        const NAMES: [&str; 5] = ["first_name", "last_name", "full_name", SURNAME, "username"];
        let name = |field| match self.all(field).next() {
            Some(Raw::Text(name)) if !name.is_ascii() => Some(name.chars().take(LONGEST_SHOWN).collect()),
            _ => None,
        };
        NAMES.into_iter().find_map(name)
    }

    /// Its times that are texts.
    pub(super) fn times(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter_map(|(field, raw)| match raw {
            Raw::Text(text) if TIMES.contains(field) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether it is no user: a group or a program, or what a table keeps for guests, without a key and a name.
    pub(super) fn is_no_user(&self) -> bool {
        let text = |field: &str| match self.all(field).next() {
            Some(Raw::Text(text)) => Some(text.trim().to_owned()),
            Some(Raw::Integer(number)) => Some(number.to_string()),
            _ => None,
        };
        let is = |field: &str, value: &str| text(field).is_some_and(|text| text == value);
        NO_USER.into_iter().any(|(field, says)| text(field).is_some_and(|text| says(&text)))
            || is("pk", "0") && is("username", "") && self.get("email") == Raw::Text(String::new())
    }

    /// Puts the key and the name of a person in their places, once it is known that the row is one's.
    pub(super) fn settle(&mut self) {
        for (field, _) in &mut self.members {
            *field = settled(field);
        }
    }

    /// The value of a member.
    pub(super) fn get(&self, field: &str) -> Raw {
        self.members.iter().find(|(name, _)| *name == field).map_or(Raw::Missing, |(_, raw)| raw.clone())
    }
}

/// Whether this is a key that programs make, which is no number and no name.
pub(super) fn is_uuid(text: &str) -> bool {
    let shape = |c: char| if c.is_ascii_hexdigit() { 'x' } else { c };
    text.chars().map(shape).collect::<String>() == "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
}

/// Whether this is a key such as `auth0|64b1f0c2a1b2c3d4e5f60718`.
fn is_key_of_auth0(text: &str) -> bool {
    let is_provider =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    text.split_once('|').is_some_and(|(provider, key)| is_provider(provider) && !key.is_empty())
}
