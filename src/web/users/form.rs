//! The form about a user, for a new one and for one who is there: what it sends, and how it is shown.

use rocket::form::{self, FromForm, FromFormField, ValueField};

use crate::model::clock::Timestamp;
use crate::model::field_errors::FieldErrors;
use crate::model::raw::Raw;
use crate::model::user::{InputMode, User, UserInput, UserPatch};
use crate::web::form::{Field, FormState};
use crate::web::password_choice::Choice;
use crate::web::view::FieldConflict;

/// A box of a form, which is sent only if it is ticked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::web) struct Ticked(pub(in crate::web) bool);

impl<'v> FromFormField<'v> for Ticked {
    fn from_value(_: ValueField<'v>) -> form::Result<'v, Self> {
        Ok(Self(true))
    }

    fn default() -> Option<Self> {
        Some(Self(false))
    }
}

/// The answer to a conflict about a field: whether what is stored is kept.
#[derive(Debug, Clone, Copy, Default)]
struct Kept(bool);

impl<'v> FromFormField<'v> for Kept {
    fn from_value(field: ValueField<'v>) -> form::Result<'v, Self> {
        Ok(Self(field.value == "theirs"))
    }

    fn default() -> Option<Self> {
        Some(Self(false))
    }
}

/// What the form sends, or what of it stands in a user's record.
#[derive(Debug, Clone, Default, FromForm)]
pub(in crate::web) struct UserForm {
    #[field(default = "")]
    pub(super) token: String,
    /// Of the record that was edited.
    #[field(default = 0)]
    pub(super) version: i64,
    #[field(default = "")]
    pub(super) username: String,
    #[field(default = "")]
    email: String,
    #[field(default = "")]
    first_name: String,
    #[field(default = "")]
    last_name: String,
    is_staff: Ticked,
    /// Whether the form has the box for staff.
    access: Ticked,
    is_superuser: Ticked,
    /// Whether the form has the box for superusers.
    rights: Ticked,
    /// `None` where there is no such field.
    valid_from: Option<String>,
    /// `None` where there is no such field.
    valid_until: Option<String>,
    /// The viewer's own, where it is asked for.
    #[field(default = "")]
    pub(super) current_password: String,
    keep_username: Kept,
    keep_email: Kept,
    keep_first_name: Kept,
    keep_last_name: Kept,
    keep_is_staff: Kept,
    keep_is_superuser: Kept,
    keep_valid_from: Kept,
    keep_valid_until: Kept,
    /// Of a new user only, as are the fields after it.
    #[field(default = "")]
    password: String,
    /// `link` or `password`.
    mode: Option<String>,
    must_change: Ticked,
    pub(super) another: Ticked,
}

impl From<&User> for UserForm {
    fn from(user: &User) -> Self {
        // A superuser's account has no dates.
        let date = |date| (!user.is_superuser).then(|| date_text(date));
        Self {
            version: user.version,
            username: user.username.as_str().to_owned(),
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            is_staff: Ticked(user.is_staff),
            is_superuser: Ticked(user.is_superuser),
            valid_from: date(user.valid_from),
            valid_until: date(user.valid_until),
            ..Default::default()
        }
    }
}

impl UserForm {
    /// The form for a new user, empty but for the name.
    pub(super) fn named(username: &str) -> Self {
        Self { username: username.to_owned(), ..Default::default() }
    }

    /// How a new user gets a password.
    pub(super) fn choice(&self) -> Choice {
        Choice::read(self.mode.as_deref(), &self.password, self.must_change.0)
    }

    /// What is asked for about a new user.
    pub(super) fn new_user(&self) -> UserInput {
        let choice = self.choice();
        let patch = UserPatch {
            password: self.password.as_str().into(),
            is_staff: Raw::Bool(self.is_staff.0),
            must_change_password: Raw::Bool(choice.must_change && !choice.by_link),
            ..self.texts_patch()
        };
        patch.into_input(if choice.by_link { InputMode::Invitation } else { InputMode::Whole })
    }

    /// What is asked for about a user who is there.
    pub(super) fn edit(&self, before: &User) -> UserInput {
        let form = self.settled(before);
        // A browser's field is not as exact as what is stored, which a date that was not touched keeps.
        let date = |typed: &Option<String>, stored| match typed {
            Some(typed) if *typed != date_text(stored) => typed.as_str().into(),
            _ => Raw::Missing,
        };
        let patch = UserPatch {
            is_staff: if form.access.0 { Raw::Bool(form.is_staff.0) } else { Raw::Missing },
            valid_from: date(&form.valid_from, before.valid_from),
            valid_until: date(&form.valid_until, before.valid_until),
            ..form.texts_patch()
        };
        let mut input = patch.into_input(InputMode::Part);
        input.changes.is_superuser = form.rights.0.then_some(form.is_superuser.0);
        input
    }

    fn texts_patch(&self) -> UserPatch {
        UserPatch {
            username: self.username.as_str().into(),
            email: self.email.as_str().into(),
            first_name: self.first_name.as_str().into(),
            last_name: self.last_name.as_str().into(),
            ..UserPatch::default()
        }
    }

    /// The form with what is stored in the fields in which a conflict was answered for that.
    pub(super) fn settled(&self, stored: &User) -> Self {
        fn settle<T>(kept: Kept, typed: &mut T, stored: T) {
            if kept.0 {
                *typed = stored;
            }
        }
        let (mut form, stored) = (self.clone(), Self::from(stored));
        settle(self.keep_username, &mut form.username, stored.username);
        settle(self.keep_email, &mut form.email, stored.email);
        settle(self.keep_first_name, &mut form.first_name, stored.first_name);
        settle(self.keep_last_name, &mut form.last_name, stored.last_name);
        settle(self.keep_is_staff, &mut form.is_staff, stored.is_staff);
        settle(self.keep_is_superuser, &mut form.is_superuser, stored.is_superuser);
        settle(self.keep_valid_from, &mut form.valid_from, stored.valid_from);
        settle(self.keep_valid_until, &mut form.valid_until, stored.valid_until);
        form
    }

    /// The texts of the form: name, label and value.
    fn texts(&self) -> [(&'static str, &'static str, &str); 4] {
        [
            ("username", "Username", &self.username),
            ("email", "Email", &self.email),
            ("first_name", "First name", &self.first_name),
            ("last_name", "Last name", &self.last_name),
        ]
    }

    /// The dates of the form, where it has any: name, label and value.
    fn dates(&self) -> [Option<(&'static str, &'static str, &str)>; 2] {
        [
            self.valid_from.as_deref().map(|typed| ("valid_from", "Valid from", typed)),
            self.valid_until.as_deref().map(|typed| ("valid_until", "Valid until", typed)),
        ]
    }

    /// The fields as a page shows them, with what is wrong with each.
    pub(super) fn shown(&self, errors: &FieldErrors) -> FormState {
        let field = |(name, label, value): (_, _, &str), kind| Field {
            optional: name != "username",
            ..Field::new(name, label, kind, value.to_owned(), errors)
        };
        let [username, email, first_name, last_name] = self.texts();
        let mut fields = vec![
            Field { hint: "Up to 150 letters, digits and . _ - + @".into(), ..field(username, "text") },
            field(email, "email"),
            field(first_name, "text"),
            field(last_name, "text"),
        ];
        let hints = ["In UTC. The account works from then on.", "In UTC. The account stops working then."];
        for (date, hint) in self.dates().into_iter().zip(hints) {
            if let Some(date) = date {
                let field = field(date, "datetime-local");
                fields.push(Field { hint: hint.into(), ..field });
            }
        }
        FormState {
            is_staff: self.is_staff.0,
            is_superuser: self.is_superuser.0,
            ..FormState::of(fields, &FieldErrors::default())
        }
    }

    /// The fields in which the form differs from what is stored now.
    pub(super) fn conflicts(&self, now: &User) -> Vec<FieldConflict> {
        let staff = |ticked: Ticked| if ticked.0 { "Staff" } else { "No admin access" };
        let superuser = |ticked: Ticked| if ticked.0 { "Superuser" } else { "No superuser" };
        let stored = Self::from(now);
        let mut pairs: Vec<_> = stored.texts().into_iter().zip(self.texts()).collect();
        pairs.extend(
            stored.dates().into_iter().zip(self.dates()).filter_map(|(theirs, yours)| theirs.zip(yours)),
        );
        if self.access.0 {
            let row = |ticked| ("is_staff", "Access", staff(ticked));
            pairs.push((row(stored.is_staff), row(self.is_staff)));
        }
        if self.rights.0 {
            let row = |ticked| ("is_superuser", "Superuser", superuser(ticked));
            pairs.push((row(stored.is_superuser), row(self.is_superuser)));
        }
        pairs
            .into_iter()
            .filter(|((.., theirs), (.., yours))| theirs != yours)
            .map(|((name, label, theirs), (.., yours))| FieldConflict {
                name,
                label,
                theirs: theirs.to_owned(),
                yours: yours.to_owned(),
            })
            .collect()
    }
}

/// A date as the field for one takes it: without an offset, as exact as a browser can be.
fn date_text(date: Option<Timestamp>) -> String {
    let text = date.map(|date| date.to_string()).unwrap_or_default();
    let end = if text.ends_with(":00.000000Z") {
        16
    } else if text.ends_with(".000000Z") {
        19
    } else {
        23
    };
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_shown_as_exactly_as_the_field_can_take_it() {
        for (stored, shown) in [
            ("2026-03-31T18:00:00Z", "2026-03-31T18:00"),
            ("2026-03-31T18:00:05Z", "2026-03-31T18:00:05"),
            ("2026-03-31T18:00:00.123456Z", "2026-03-31T18:00:00.123"),
        ] {
            assert_eq!(date_text(Timestamp::parse(stored)), shown);
        }
        assert_eq!(date_text(None), "");
    }

    #[test]
    fn a_box_that_the_form_does_not_have_changes_nothing() {
        let before = User { is_staff: true, ..User::blank(Timestamp::from_micros(0)) };
        let form = |access| UserForm { access: Ticked(access), ..UserForm::named("ada") };
        assert_eq!(form(false).edit(&before).changes.is_staff, None);
        assert_eq!(form(true).edit(&before).changes.is_staff, Some(false));
        assert_eq!(form(true).edit(&before).changes.is_superuser, None);
    }
}
