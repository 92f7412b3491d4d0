//! The contexts of the templates about the user's own account.

use serde::Serialize;

use super::{Time, View};
#[cfg(test)]
use crate::model::clock::Timestamp;
#[cfg(test)]
use crate::model::field_errors::FieldErrors;
use crate::web::form::{Field, FormState};
use crate::web::layout::Layout;

/// The user's own account.
#[derive(Debug, Serialize)]
pub(in crate::web) struct AccountPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) form: FormState,
    pub(in crate::web) version: i64,
    pub(in crate::web) username: String,
    pub(in crate::web) role: &'static str,
    pub(in crate::web) date_joined: Time,
    pub(in crate::web) last_login: Option<Time>,
    pub(in crate::web) password_changed_at: Option<Time>,
    /// Whether the address is still to be confirmed, and where links go until then.
    pub(in crate::web) unconfirmed: Option<String>,
}

impl View for AccountPage {
    const NAME: &'static str = "account.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        vec![Self {
            layout: Layout::sample(text),
            form: FormState::sample(text),
            version: 3,
            username: text.to_owned(),
            role: "Staff",
            date_joined: Timestamp::from_micros(0).into(),
            last_login: None,
            password_changed_at: Some(Timestamp::from_micros(0).into()),
            unconfirmed: Some(text.to_owned()),
        }]
    }
}

/// The form for changing the user's own password.
#[derive(Debug, Serialize)]
pub(in crate::web) struct OwnPasswordPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) form: FormState,
    pub(in crate::web) username: String,
    /// Where to go on to.
    pub(in crate::web) next: String,
    /// Whether nothing else may be done before.
    pub(in crate::web) forced: bool,
    /// Whether there is one to change.
    pub(in crate::web) has_password: bool,
}

impl View for OwnPasswordPage {
    const NAME: &'static str = "account-password.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |forced| Self {
            layout: Layout::sample(text),
            form: FormState::sample(text),
            username: text.to_owned(),
            next: text.to_owned(),
            forced,
            has_password: forced,
        };
        vec![sample(true), sample(false)]
    }
}

/// A live session.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SessionRow {
    pub(in crate::web) id: i64,
    /// What it is used with, in words.
    pub(in crate::web) what: String,
    pub(in crate::web) address: String,
    pub(in crate::web) created_at: Time,
    pub(in crate::web) last_seen_at: Option<Time>,
    pub(in crate::web) current: bool,
}

/// A sign-in, good or bad.
#[derive(Debug, Serialize)]
pub(in crate::web) struct OwnSignInRow {
    pub(in crate::web) at: Time,
    pub(in crate::web) good: bool,
    pub(in crate::web) address: String,
    pub(in crate::web) device: String,
}

/// The user's own sessions and last sign-ins.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SessionsPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) sessions: Vec<SessionRow>,
    pub(in crate::web) sign_ins: Vec<OwnSignInRow>,
}

impl View for SessionsPage {
    const NAME: &'static str = "account-sessions.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let at = || Time::from(Timestamp::from_micros(0));
        let session = |current, last_seen_at| SessionRow {
            id: 7,
            what: text.to_owned(),
            address: text.to_owned(),
            created_at: at(),
            last_seen_at,
            current,
        };
        let sign_in =
            |good| OwnSignInRow { at: at(), good, address: text.to_owned(), device: text.to_owned() };
        let sample = |sessions, sign_ins| Self { layout: Layout::sample(text), sessions, sign_ins };
        vec![
            sample(
                vec![session(true, Some(at())), session(false, None)],
                vec![sign_in(true), sign_in(false)],
            ),
            sample(vec![session(true, Some(at()))], vec![]),
        ]
    }
}

/// One preference: its name, its label, and what can be chosen.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Preference {
    pub(in crate::web) name: &'static str,
    pub(in crate::web) label: &'static str,
    /// Value and words.
    pub(in crate::web) options: Vec<(String, String)>,
    pub(in crate::web) value: String,
    pub(in crate::web) errors: Vec<String>,
}

/// The user's preferences for the console.
#[derive(Debug, Serialize)]
pub(in crate::web) struct PreferencesPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) preferences: Vec<Preference>,
    pub(in crate::web) time_zone: Field,
    pub(in crate::web) shortcuts: bool,
    /// The columns of the users list: name, label, and whether it is left out.
    pub(in crate::web) columns: Vec<(&'static str, &'static str, bool)>,
    /// As [`FormState`] has them.
    pub(in crate::web) form: Problems,
}

/// What is wrong with a form: the field it is about, and what it says.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Problems {
    pub(in crate::web) problems: Vec<(&'static str, String)>,
}

impl View for PreferencesPage {
    const NAME: &'static str = "preferences.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let preference = Preference {
            name: "theme",
            label: "Theme",
            options: vec![(text.to_owned(), text.to_owned()), ("dark".into(), "Dark".into())],
            value: "dark".into(),
            errors: vec![text.to_owned()],
        };
        vec![Self {
            layout: Layout::sample(text),
            preferences: vec![preference],
            time_zone: Field::new("time_zone", "Time zone", "text", text.to_owned(), &FieldErrors::default()),
            columns: vec![("role", "Role", true)],
            shortcuts: true,
            form: Problems { problems: vec![("theme", text.to_owned())] },
        }]
    }
}

/// The keys that do something.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ShortcutsPage {
    pub(in crate::web) layout: Layout,
}

impl View for ShortcutsPage {
    const NAME: &'static str = "shortcuts.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        vec![Self { layout: Layout::sample(text) }]
    }
}
