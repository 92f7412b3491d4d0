//! The contexts of the templates about one-time links and signing in.

use serde::Serialize;

use super::Time;
use super::View;
#[cfg(test)]
use crate::model::clock::Timestamp;
use crate::operations::sign_in_diagnosis::Condition;
use crate::web::form::{Field, FormState};
use crate::web::layout::Layout;

/// The page behind a one-time link.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SetPasswordPage {
    /// Empty on the page that asks for the link.
    pub(in crate::web) username: String,
    /// The link's secret.
    pub(in crate::web) link: String,
    pub(in crate::web) token: String,
    /// `None` for a link that does not work.
    pub(in crate::web) form: Option<FormState>,
}

impl View for SetPasswordPage {
    const NAME: &'static str = "set-password.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |username: &str, form| Self {
            username: username.to_owned(),
            link: text.to_owned(),
            token: text.to_owned(),
            form,
        };
        let form = || Some(FormState::sample(text));
        vec![sample(text, form()), sample("", form())]
    }
}

/// The page on which the first superuser is made.
#[derive(Debug, Serialize)]
pub(in crate::web) struct FirstSuperuserPage {
    /// The link's secret; empty on the page that asks for the link.
    pub(in crate::web) link: String,
    pub(in crate::web) token: String,
    /// `None` where there is nothing to be made any more.
    pub(in crate::web) form: Option<FormState>,
}

impl View for FirstSuperuserPage {
    const NAME: &'static str = "first-superuser.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |link: &str| Self {
            link: link.to_owned(),
            token: text.to_owned(),
            form: Some(FormState::sample(text)),
        };
        vec![sample(text), sample("")]
    }
}

/// The page for a forgotten password.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ForgottenPage {
    pub(in crate::web) name: String,
    pub(in crate::web) token: String,
    pub(in crate::web) problem: Option<String>,
    /// Whether the form was sent.
    pub(in crate::web) is_sent: bool,
}

impl View for ForgottenPage {
    const NAME: &'static str = "forgotten-password.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let (name, token, problem) = (text.to_owned(), text.to_owned(), Some(text.to_owned()));
        vec![Self { name, token, problem, is_sent: false }]
    }
}

/// The page that confirms an address.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ConfirmAddressPage {
    pub(in crate::web) token: String,
    pub(in crate::web) problem: Option<String>,
    /// Whether it is confirmed.
    pub(in crate::web) is_done: bool,
}

impl View for ConfirmAddressPage {
    const NAME: &'static str = "confirm-address.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        vec![Self { token: text.to_owned(), problem: Some(text.to_owned()), is_done: false }]
    }
}

/// How a new password comes about: by a link, or typed by staff.
#[derive(Debug, Serialize)]
pub(in crate::web) struct PasswordChoice {
    /// Whether by a link.
    pub(in crate::web) by_link: bool,
    /// How long the link would live.
    pub(in crate::web) life: &'static str,
    /// Whether there is a box for demanding another password.
    pub(in crate::web) may_demand: bool,
    /// Whether it is ticked.
    pub(in crate::web) must_change: bool,
    /// For a password that is typed.
    pub(in crate::web) field: Field,
}

#[cfg(test)]
impl PasswordChoice {
    pub(super) fn sample(text: &str) -> Self {
        let mut fields = FormState::sample(text).fields;
        let field = fields.pop().unwrap();
        Self { by_link: false, life: "24 hours", may_demand: true, must_change: true, field }
    }
}

/// A link that is out for a user.
#[derive(Debug, Serialize)]
pub(in crate::web) struct LinkNote {
    /// Its address, the one time that it is shown.
    pub(in crate::web) url: Option<String>,
    /// Whether it could still be shown, but not in this answer.
    pub(in crate::web) is_kept: bool,
    pub(in crate::web) expires_at: Time,
    /// How long a link lives.
    pub(in crate::web) life: &'static str,
}

/// A message to a user.
#[derive(Debug, Serialize)]
pub(in crate::web) struct MailNote {
    pub(in crate::web) recipient: String,
    /// Its delivery state, after "The message".
    pub(in crate::web) text: &'static str,
    /// What the mail server said.
    pub(in crate::web) response: String,
    pub(in crate::web) changed_at: Time,
}

#[cfg(test)]
impl LinkNote {
    pub(super) fn sample(text: &str) -> Self {
        let expires_at = Timestamp::from_micros(0).into();
        Self { url: Some(text.to_owned()), is_kept: false, expires_at, life: "24 hours" }
    }
}

#[cfg(test)]
impl MailNote {
    pub(super) fn sample(text: &str) -> Self {
        let changed_at = Timestamp::from_micros(0).into();
        let (recipient, response) = (text.to_owned(), text.to_owned());
        Self { recipient, text: "was refused by the mail server", response, changed_at }
    }
}

/// Why a user can or cannot sign in.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SignInCheckPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) id: i64,
    pub(in crate::web) name: String,
    pub(in crate::web) summary: String,
    pub(in crate::web) conditions: Vec<Condition>,
    /// Why, by whom (or empty), and when.
    pub(in crate::web) last_session_end: Option<(&'static str, String, Time)>,
}

impl View for SignInCheckPage {
    const NAME: &'static str = "sign-in-check.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let condition = |passed| Condition { condition: "active", passed, detail: text.to_owned() };
        vec![Self {
            layout: Layout::sample(text),
            id: 7,
            name: text.to_owned(),
            summary: text.to_owned(),
            conditions: vec![condition(true), condition(false)],
            last_session_end: Some(("Signed out", text.to_owned(), Timestamp::from_micros(0).into())),
        }]
    }
}
