//! What the columns of other programs' files mean.

mod aliases;

use std::borrow::Cow;

use self::aliases::ALIASES;
use super::row::{FIELDS, MAPPED, STATES, SURNAME, known_of_tables};

/// A column, and the field that it holds.
type Meaning = (&'static str, &'static str);

/// Tables whose columns mean something else than elsewhere: columns that they have, and what some hold; nothing for one
/// that is left out.
const TABLES: [(&[&str], &[Meaning]); 9] = [
    // Drupal's.
    (
        &["uid", "name", "pass", "mail"],
        &[
            ("uid", "pk"),
            ("name", "username"),
            ("pass", "password"),
            ("mail", "email"),
            ("login", "last_login"),
            ("status", "is_active"),
        ],
    ),
    // Gitea's and Forgejo's, where the login is the name at another server, and 1 the type of an organization.
    (
        &["lower_name", "name", "passwd"],
        &[
            ("name", "username"),
            ("login_name", ""),
            ("type", "no_user_1"),
            ("salt", "salt_of_gitea"),
            ("passwd_hash_algo", "password_algorithm"),
        ],
    ),
    // phpBB's, where 2 is the type of bots and guests.
    (
        &["username_clean", "user_type", "user_inactive_time"],
        &[("user_id", "pk"), ("user_type", "no_user_2"), ("user_inactive_time", "blocked_at")],
    ),
    // Discourse's, which has when the last suspension began also once that is over, and programs below 0.
    (
        &["username_lower", "suspended_at", "suspended_till"],
        &[("id", "persons_pk"), ("suspended_at", ""), ("salt", "salt_of_discourse")],
    ),
    // Redmine's, where groups are of other types, and 1 is the state of an account that may be used.
    (
        &["login", "hashed_password", "auth_source_id"],
        &[("type", "no_user_but_user"), ("status", "is_active_if_1"), ("salt", "salt_of_redmine")],
    ),
    // Moodle's, where strangers look around as a user, and who has not confirmed the address may not sign in.
    (
        &["mnethostid", "username", "email"],
        &[("username", "persons_username"), ("confirmed", "is_active"), ("auth", "is_active_unless_nologin")],
    ),
    // vBulletin's.
    (&["userid", "usergroupid", "passworddate"], &[("userid", "pk"), ("salt", "salt_of_vbulletin")]),
    // Active Directory's, which has groups and computers among its users.
    (&["objectclass", "samaccountname"], &[("objectclass", "no_user_but_class")]),
    // MyBB's.
    (&["uid", "usergroup", "loginkey"], &[("uid", "pk"), ("salt", "salt_of_mybb")]),
];

/// A header's cell as it is compared: without case, accents, what separates words, and what templates put
/// behind a name, such as `[Required]`.
fn key(name: &str) -> String {
    let name = name.split(['[', '(']).next().unwrap_or_default();
    let name = crate::model::text::searchable(name);
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    match name.strip_suffix("required") {
        Some(shorter) if !shorter.is_empty() => shorter.to_owned(),
        _ => name,
    }
}

/// The field that a column of this name holds, if any is known by it.
pub(super) fn field(name: &str) -> Option<&'static str> {
    super::row::field(name.trim()).or_else(|| bracketed(name)).or_else(|| known(&key(name)))
}

fn known(key: &str) -> Option<&'static str> {
    let own = MAPPED.iter().copied().find(|field| field.replace('_', "") == key);
    let alias = || {
        ALIASES.iter().find(|(_, names)| names.split(' ').any(|name| name == key)).map(|(field, _)| *field)
    };
    own.or_else(alias)
}

/// The field that Microsoft Entra names in brackets, behind a name in the language of the administrator.
fn bracketed(name: &str) -> Option<&'static str> {
    let (_, inside) = name.split_once('[')?;
    match key(inside.split_once(']')?.0).as_str() {
        // Its column asks whether the sign-in is blocked.
        "accountenabled" => Some("is_blocked"),
        "passwordprofile" => Some("initial_password"),
        inside => known(inside),
    }
}

/// Whether a column may only number its users: where another one has their names, that one counts.
pub(super) fn is_weak(name: &str) -> bool {
    ["userid", "uid", "user"].contains(&key(name).as_str())
}

/// Fields that were given to columns: the name in the file, and the field, which is empty for a column that is left out.
pub(super) type Mapping = [(String, String)];

/// The fields by their own names, which `--column` may give a column.
pub(super) fn target(name: &str) -> Option<&'static str> {
    MAPPED.iter().copied().find(|field| *field == name)
}

/// Checks what was given to columns against all names that a file has.
///
/// # Errors
/// The first column that is not there, or field that is none.
pub(super) fn check(mapping: &Mapping, has: impl Fn(&str) -> bool) -> Result<(), String> {
    for (name, field) in mapping {
        if !has(name) {
            return Err(format!("the file has no column {name:?}"));
        }
        if !field.is_empty() && target(field).is_none() {
            return Err(format!("{field:?} is no field of a user; the fields are: {}", FIELDS.join(", ")));
        }
    }
    Ok(())
}

/// Looks for the columns that were given fields, in files whose names are not all known at once.
pub(super) struct Sought {
    /// Those that were given fields.
    pub(super) mapping: Vec<(String, String)>,
    found: Vec<bool>,
}

impl Sought {
    pub(super) fn new(mapping: &Mapping) -> Self {
        Self { mapping: mapping.to_vec(), found: vec![false; mapping.len()] }
    }

    /// Takes note of a name that the file has.
    pub(super) fn see(&mut self, name: &str) {
        for ((sought, _), found) in self.mapping.iter().zip(&mut self.found) {
            *found |= sought.eq_ignore_ascii_case(name);
        }
    }

    /// Whether all are there.
    pub(super) fn are_found(&self) -> bool {
        self.found.iter().all(|found| *found)
    }

    /// As [`check`].
    ///
    /// # Errors
    /// The first column that is not there, or field that is none.
    pub(super) fn check(&self) -> Result<(), String> {
        let found = || self.mapping.iter().zip(&self.found);
        check(&self.mapping, |name| found().any(|((sought, _), found)| *found && sought == name))
    }
}

/// What was given to columns, and what is known of those of a whole table.
fn completed<'a>(names: &[&str], mapping: &'a Mapping) -> Cow<'a, Mapping> {
    let has = |column: &&str| names.iter().any(|name| name.eq_ignore_ascii_case(column));
    let Some((_, known)) = TABLES.iter().find(|(columns, _)| columns.iter().all(has)) else {
        return Cow::Borrowed(mapping);
    };
    let is_free = |(column, field): &&(&str, &str)| {
        let is_given = |(name, given): &(String, String)| {
            name.eq_ignore_ascii_case(column) || !field.is_empty() && given == field
        };
        has(column) && !mapping.iter().any(is_given)
    };
    let known =
        known.iter().filter(is_free).map(|(column, field)| ((*column).to_owned(), (*field).to_owned()));
    mapping.iter().cloned().chain(known).collect()
}

/// Which field each column holds, of all columns of a table or members of an object; of two for the same field the first
/// counts, and of two names the one that is ours. All columns that tell the state of an account are read.
///
/// # Errors
/// A field that has two columns by our names for it, or was given to two.
pub(super) fn assign(names: &[&str], mapping: &Mapping) -> Result<Vec<Option<&'static str>>, &'static str> {
    let mapping = completed(names, mapping);
    let mapped = |name: &str| mapping.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let is_here = |name: &str| names.iter().any(|here| here.eq_ignore_ascii_case(name));
    let here = mapping.iter().filter(|(name, _)| is_here(name));
    let taken: Vec<&str> = here.map(|(_, field)| field.as_str()).collect();
    let exact: Vec<&str> = names.iter().filter_map(|name| super::row::field(name)).collect();
    let known: Vec<Option<&str>> = names.iter().map(|name| field(name)).collect();
    let is_named = names.iter().zip(&known).any(|(name, field)| *field == Some("username") && !is_weak(name));
    let mut assigned: Vec<Option<&'static str>> = Vec::with_capacity(names.len());
    for (name, known) in names.iter().zip(known) {
        let is_exact = super::row::field(name).is_some();
        let field = match mapped(name) {
            Some((_, field)) => target(field).or_else(|| known_of_tables(field)),
            None => known.filter(|field| {
                let gives_way = exact.contains(field) || *field == "username" && is_named && is_weak(name);
                STATES.contains(field) || !taken.contains(field) && (is_exact || !gives_way)
            }),
        };
        let is_second = match field {
            Some(state) if STATES.contains(&state) => {
                is_exact && names[..assigned.len()].iter().any(|before| before == name)
            }
            field => field.is_some() && assigned.contains(&field),
        };
        match field {
            Some(field) if is_second && (is_exact || mapped(name).is_some()) => return Err(field),
            _ => assigned.push(field.filter(|_| !is_second)),
        }
    }
    divide_names(names, &mut assigned, |name| mapped(name).is_some());
    Ok(assigned)
}

/// In some languages one word stands for a whole name, or for a part of one where the other part has a column, too.
fn divide_names(names: &[&str], assigned: &mut [Option<&'static str>], is_given: impl Fn(&str) -> bool) {
    let has = |field, assigned: &[Option<&str>]| assigned.contains(&Some(field));
    let place = |words: &[&str], field, assigned: &[Option<&str>]| {
        let is = |place: &usize| {
            assigned[*place] == Some(field)
                && words.contains(&key(names[*place]).as_str())
                && !is_given(names[*place])
        };
        (0..names.len()).find(is)
    };
    // "Name;Vorname" are the last and the first name.
    if has("first_name", assigned)
        && !has("last_name", assigned)
        && let Some(last) = place(&["name", "naam"], "full_name", assigned)
    {
        assigned[last] = Some(SURNAME);
    }
    // "Nome" without "Cognome" is all of it.
    if !["last_name", "full_name", SURNAME].into_iter().any(|field| has(field, assigned))
        && let Some(whole) = place(&["nome", "nombre"], "first_name", assigned)
    {
        assigned[whole] = Some("full_name");
    }
}

/// Whether a table of a database has users: they are named, and they sign in by a password or the table is called so.
pub(super) fn has_users(table: &str, names: &[&str], mapping: &Mapping) -> bool {
    const CALLED: [&str; 8] =
        ["user", "users", "account", "accounts", "member", "members", "person", "people"];
    let Ok(assigned) = assign(names, mapping) else { return false };
    let has = |field| assigned.contains(&Some(field));
    let given = |name: &str| {
        mapping.iter().any(|(known, field)| known.eq_ignore_ascii_case(name) && !field.is_empty())
    };
    if !has("username") && !has("email") {
        return false;
    }
    let columns = || names.iter().zip(&assigned);
    let is_called = CALLED.iter().any(|called| table.to_lowercase().ends_with(called));
    let is_numbered =
        !has("email") && columns().any(|(name, field)| *field == Some("username") && is_weak(name));
    // A column that is only called "hash" may be one of files: there a user has a name and an address.
    let is_of_files = columns().any(|(name, field)| *field == Some("password") && key(name) == "hash");
    let is_fully_named = has("email") && has("username");
    let has_password = has("password") && (!is_of_files || is_called || is_fully_named);
    match is_numbered {
        _ if names.iter().any(|name| given(name)) => true,
        true => is_called && has_password && !is_of_files,
        false => is_called || has_password,
    }
}

#[cfg(test)]
mod tests;
