//! The form about a user, for a new one and for one who is there: what it sends, and how it is shown.

pub(super) mod merge;

use rocket::form::{self, FromForm, FromFormField, ValueField};

use crate::model::clock::Timestamp;
use crate::model::field_errors::FieldErrors;
use crate::model::raw::Raw;
use crate::model::time_zone::Zone;
use crate::model::user::{InputMode, User, UserInput, UserPatch};
use crate::web::form::{Field, FormState};
use crate::web::password_choice::Choice;

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

/// The answer to a conflict about a field: whether what is stored is kept. `None` without an answer.
#[derive(Debug, Clone, Copy, Default)]
struct Kept(Option<bool>);

impl<'v> FromFormField<'v> for Kept {
    fn from_value(field: ValueField<'v>) -> form::Result<'v, Self> {
        Ok(Self(Some(field.value == "theirs")))
    }

    fn default() -> Option<Self> {
        Some(Self(None))
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
    /// The values that it had: see [`Base`](merge::Base).
    #[field(default = "")]
    pub(super) was: String,
    /// The fields about which a conflict asks.
    ask: Vec<String>,
    /// The time zone of its dates; UTC, if it names none.
    #[field(default = "")]
    zone: String,
    /// The address that the person keeps although another user has it.
    #[field(default = "")]
    pub(super) shared: String,
    #[field(default = "")]
    pub(super) username: String,
    #[field(default = "")]
    pub(super) email: String,
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

impl UserForm {
    /// The form with what is stored of a user, its dates in a time zone.
    pub(super) fn of(user: &User, zone: &str) -> Self {
        // A superuser's account has no dates.
        let date = |date| (!user.is_superuser).then(|| date_text(date, &zone_named(zone)));
        Self {
            zone: zone.to_owned(),
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

    /// The form for a new user, empty but for the name.
    pub(super) fn named(username: &str) -> Self {
        Self { username: username.to_owned(), ..Default::default() }
    }

    /// The name of the time zone of its dates.
    pub(super) fn zone(&self) -> &str {
        &self.zone
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
        let (form, zone) = (self.settled(before), zone_named(&self.zone));
        // A browser's field is not as exact as what is stored, which a date that was not touched keeps. What has an
        // offset, or is no date, is judged as it was typed.
        let date = |typed: &Option<String>, stored| match typed {
            Some(typed) if *typed != date_text(stored, &zone) => match zone.instant(typed.trim()) {
                Some(at) => at.to_string().as_str().into(),
                None => typed.as_str().into(),
            },
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
            if kept.0 == Some(true) {
                *typed = stored;
            }
        }
        let (mut form, stored) = (self.clone(), Self::of(stored, &self.zone));
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
        let zone = zone_named(&self.zone);
        let hints = ["The account works from then on.", "The account stops working then."];
        for (date, hint) in self.dates().into_iter().zip(hints) {
            if let Some(date) = date {
                let field = field(date, "datetime-local");
                fields.push(Field { hint: format!("In {}. {hint}", zone.name()), ..field });
            }
        }
        FormState {
            is_staff: self.is_staff.0,
            is_superuser: self.is_superuser.0,
            shared: self.shared.clone(),
            ..FormState::of(fields, &FieldErrors::default())
        }
    }

    /// Whether a conflict about that field was shown and not answered.
    pub(super) fn is_asked(&self, name: &str) -> bool {
        let kept = match name {
            "username" => self.keep_username,
            "email" => self.keep_email,
            "first_name" => self.keep_first_name,
            "last_name" => self.keep_last_name,
            "is_staff" => self.keep_is_staff,
            "is_superuser" => self.keep_is_superuser,
            "valid_from" => self.keep_valid_from,
            _ => self.keep_valid_until,
        };
        kept.0.is_none() && self.ask.iter().any(|asked| asked == name)
    }
}

fn zone_named(name: &str) -> Zone {
    Zone::named(name).unwrap_or(Zone::UTC)
}

fn date_text(date: Option<Timestamp>, zone: &Zone) -> String {
    date.map(|date| zone.field_text(date)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_the_zone_of_the_form_and_stays_as_exact_as_it_is_if_it_is_not_touched() {
        let stored = Timestamp::parse("2026-03-31T18:00:00.123456Z");
        let before = User { valid_until: stored, ..User::blank(Timestamp::from_micros(0)) };
        let form = UserForm::of(&before, "Europe/Berlin");
        assert_eq!(form.valid_until.as_deref(), Some("2026-03-31T20:00:00.123"));
        assert_eq!(form.edit(&before).changes.valid_until, None);
        for (typed, expected) in
            [("2026-06-01T12:00", "2026-06-01T10:00:00Z"), ("2026-06-01T12:00Z", "2026-06-01T12:00:00Z")]
        {
            let form = UserForm { valid_until: Some(typed.to_owned()), ..form.clone() };
            assert_eq!(
                form.edit(&before).changes.valid_until.map(|until| until.0),
                Some(Timestamp::parse(expected)),
                "{typed}"
            );
        }
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
