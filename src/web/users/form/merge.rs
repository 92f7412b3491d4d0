//! Three versions of one user: the one that was edited, the one that is stored by now, and the one that was typed.
//!
//! A field that only one side has changed needs no question. To add a field: a line in [`FIELDS`].

use serde::{Deserialize, Serialize};

use super::{Ticked, UserForm};
use crate::model::user::User;
use crate::web::view::FieldConflict;

/// What a form showed when it was opened; the form sends it back.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::web::users) struct Base {
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    is_staff: bool,
    is_superuser: bool,
}

impl Base {
    /// As a form carries it.
    pub(in crate::web::users) fn text(user: &User, zone: &str) -> String {
        let UserForm {
            username,
            email,
            first_name,
            last_name,
            valid_from,
            valid_until,
            is_staff,
            is_superuser,
            ..
        } = UserForm::of(user, zone);
        let (is_staff, is_superuser) = (is_staff.0, is_superuser.0);
        let base =
            Self { username, email, first_name, last_name, valid_from, valid_until, is_staff, is_superuser };
        serde_json::to_string(&base).unwrap_or_default()
    }

    /// `None` for what no form of ours carries.
    fn read(text: &str) -> Option<UserForm> {
        let Self { username, email, first_name, last_name, valid_from, valid_until, is_staff, is_superuser } =
            serde_json::from_str(text).ok()?;
        let (is_staff, is_superuser) = (Ticked(is_staff), Ticked(is_superuser));
        Some(UserForm {
            username,
            email,
            first_name,
            last_name,
            is_staff,
            is_superuser,
            valid_from,
            valid_until,
            ..UserForm::default()
        })
    }
}

/// A field of the form.
struct Field {
    name: &'static str,
    /// As in the audit log.
    label: &'static str,
    /// Whether the form that was sent has it.
    is_sent: fn(&UserForm) -> bool,
    /// Its value in words.
    value: fn(&UserForm) -> &str,
    /// Takes it over from another form.
    copy: fn(&UserForm, &mut UserForm),
}

/// A text that every form has.
macro_rules! text {
    ($name:ident, $label:literal) => {
        Field {
            name: stringify!($name),
            label: $label,
            is_sent: |_| true,
            value: |form| &form.$name,
            copy: |from, to| to.$name.clone_from(&from.$name),
        }
    };
}

/// A date, which some forms have.
macro_rules! date {
    ($name:ident, $label:literal) => {
        Field {
            name: stringify!($name),
            label: $label,
            is_sent: |form| form.$name.is_some(),
            value: |form| form.$name.as_deref().unwrap_or_default(),
            copy: |from, to| to.$name.clone_from(&from.$name),
        }
    };
}

const FIELDS: [Field; 8] = [
    text!(username, "Username"),
    text!(email, "Email"),
    text!(first_name, "First name"),
    text!(last_name, "Last name"),
    date!(valid_from, "Valid from"),
    date!(valid_until, "Valid until"),
    Field {
        name: "is_staff",
        label: "Staff",
        is_sent: |form| form.access.0,
        value: |form| if form.is_staff.0 { "Yes" } else { "No" },
        copy: |from, to| to.is_staff = from.is_staff,
    },
    Field {
        name: "is_superuser",
        label: "Superuser",
        is_sent: |form| form.rights.0,
        value: |form| if form.is_superuser.0 { "Yes" } else { "No" },
        copy: |from, to| to.is_superuser = from.is_superuser,
    },
];

/// A form that goes on from what is stored now.
#[derive(Debug)]
pub(in crate::web::users) struct Merged {
    pub(in crate::web::users) form: UserForm,
    /// The fields that both sides have changed, each to something else.
    pub(in crate::web::users) conflicts: Vec<FieldConflict>,
    /// The labels of those that only others have changed.
    pub(in crate::web::users) theirs: Vec<&'static str>,
}

/// Merges what was typed with what is stored by now.
pub(in crate::web::users) fn merge(typed: &UserForm, now: &User) -> Merged {
    let (base, stored) = (Base::read(&typed.was), UserForm::of(now, &typed.zone));
    let was = Base::text(now, &typed.zone);
    let form = UserForm { version: now.version, was, ..typed.clone() };
    let mut merged = Merged { form, conflicts: Vec::new(), theirs: Vec::new() };
    for field in FIELDS.iter().filter(|field| (field.is_sent)(typed)) {
        let (yours, theirs) = ((field.value)(typed), (field.value)(&stored));
        if yours == theirs {
            continue;
        }
        match base.as_ref().map(field.value) {
            Some(base) if base == yours => {
                (field.copy)(&stored, &mut merged.form);
                merged.theirs.push(field.label);
            }
            Some(base) if base == theirs => {}
            _ => merged.conflicts.push(conflict(field, yours, theirs)),
        }
    }
    merged
}

/// The fields about which the form was asked and gave no answer.
pub(in crate::web::users) fn unanswered(typed: &UserForm, now: &User) -> Vec<FieldConflict> {
    let stored = UserForm::of(now, &typed.zone);
    FIELDS
        .iter()
        .filter(|field| typed.is_asked(field.name))
        .map(|field| conflict(field, (field.value)(typed), (field.value)(&stored)))
        .collect()
}

fn conflict(field: &Field, yours: &str, theirs: &str) -> FieldConflict {
    let (yours, theirs) = (yours.to_owned(), theirs.to_owned());
    FieldConflict { name: field.name, label: field.label, yours, theirs, changed: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;

    fn user(email: &str, last_name: &str) -> User {
        User {
            email: email.into(),
            last_name: last_name.into(),
            version: 4,
            ..User::blank(Timestamp::from_micros(0))
        }
    }

    /// What a form sends that was opened on the first user and changed to the second.
    fn typed(before: &User, after: &User) -> UserForm {
        UserForm { was: Base::text(before, "UTC"), access: Ticked(true), ..UserForm::of(after, "UTC") }
    }

    fn labels(conflicts: &[FieldConflict]) -> Vec<&str> {
        conflicts.iter().map(|conflict| conflict.label).collect()
    }

    #[test]
    fn what_one_side_alone_has_changed_is_merged() {
        let before = user("a@example.org", "Old");
        let mut now = user("b@example.org", "Old");
        now.is_staff = true;
        let merged = merge(&typed(&before, &user("a@example.org", "New")), &now);
        assert_eq!(labels(&merged.conflicts), [""; 0]);
        assert_eq!(merged.theirs, ["Email", "Staff"]);
        let form = &merged.form;
        assert_eq!([&form.email, &form.last_name], ["b@example.org", "New"]);
        assert!(form.is_staff.0 && form.version == 4);
    }

    #[test]
    fn what_both_have_changed_is_asked_about_unless_they_agree() {
        let before = user("a@example.org", "Old");
        let now = user("b@example.org", "Same");
        let merged = merge(&typed(&before, &user("c@example.org", "Same")), &now);
        assert_eq!(labels(&merged.conflicts), ["Email"]);
        assert_eq!(merged.conflicts[0].theirs, "b@example.org");
        assert_eq!(merged.form.email, "c@example.org", "what was typed is not lost");
    }

    #[test]
    fn a_form_without_what_it_showed_is_asked_about_every_difference() {
        let now = user("b@example.org", "Old");
        for was in ["", "{}", "null", "[1]"] {
            let form = UserForm { was: was.to_owned(), ..UserForm::of(&user("a@example.org", "New"), "UTC") };
            assert_eq!(labels(&merge(&form, &now).conflicts), ["Email", "Last name"], "{was}");
        }
    }
}
