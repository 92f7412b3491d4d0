//! The contexts of the templates about second factors.

use serde::Serialize;

use super::{Time, View};
#[cfg(test)]
use crate::model::clock::Timestamp;
use crate::model::second_factor::Factor;
use crate::operations::passkeys::Question;
use crate::web::form::FormState;
use crate::web::layout::Layout;
use crate::web::qr::Qr;

/// A question for the script of passkeys.
#[derive(Debug, Serialize)]
pub(in crate::web) struct PasskeyAsked {
    /// The challenge, sealed.
    pub(in crate::web) state: String,
    /// JSON.
    pub(in crate::web) options: String,
}

impl From<Question> for PasskeyAsked {
    fn from(question: Question) -> Self {
        Self { state: question.state, options: question.options.to_string() }
    }
}

impl PasskeyAsked {
    #[cfg(test)]
    pub(in crate::web) fn sample(text: &str) -> Self {
        Self { state: text.to_owned(), options: text.to_owned() }
    }
}

/// The second step of a sign-in.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SecondStep {
    /// The note that the password was right, sealed.
    pub(in crate::web) state: String,
    /// `None` if the user has no passkey.
    pub(in crate::web) passkey: Option<PasskeyAsked>,
}

impl SecondStep {
    #[cfg(test)]
    pub(in crate::web) fn sample(text: &str, has_passkey: bool) -> Self {
        Self { state: text.to_owned(), passkey: has_passkey.then(|| PasskeyAsked::sample(text)) }
    }
}

/// A second factor.
#[derive(Debug, Serialize)]
pub(in crate::web) struct FactorRow {
    pub(in crate::web) id: i64,
    /// What it is, in words.
    pub(in crate::web) kind: &'static str,
    pub(in crate::web) name: String,
    pub(in crate::web) created_at: Time,
    pub(in crate::web) last_used_at: Option<Time>,
}

impl From<Factor> for FactorRow {
    fn from(factor: Factor) -> Self {
        Self {
            id: factor.id.0,
            kind: factor.kind.words(),
            name: factor.name,
            created_at: factor.created_at.into(),
            last_used_at: factor.last_used_at.map(Into::into),
        }
    }
}

/// The factors of a user.
#[derive(Debug, Serialize)]
pub(in crate::web) struct UserFactorsPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) id: i64,
    pub(in crate::web) name: String,
    pub(in crate::web) factors: Vec<FactorRow>,
    /// Recovery codes that were not used yet.
    pub(in crate::web) codes_left: i64,
    /// Removes them; `None` if there are none, or the viewer may not.
    pub(in crate::web) form: Option<FormState>,
}

impl View for UserFactorsPage {
    const NAME: &'static str = "user-factors.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let at = || Time::from(Timestamp::from_micros(0));
        let factor = || FactorRow {
            id: 7,
            kind: "Passkey",
            name: text.to_owned(),
            created_at: at(),
            last_used_at: None,
        };
        let sample = |factors, form| Self {
            layout: Layout::sample(text),
            id: 7,
            name: text.to_owned(),
            factors,
            codes_left: 3,
            form,
        };
        vec![sample(Vec::new(), None), sample(vec![factor()], Some(FormState::sample(text)))]
    }
}

/// The viewer's factors.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SecurityPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) factors: Vec<FactorRow>,
    /// Recovery codes that were not used yet.
    pub(in crate::web) codes_left: i64,
    /// Whether browsers have passkeys at this address.
    pub(in crate::web) offers_passkeys: bool,
    /// When the browsers that the account knows last signed in.
    pub(in crate::web) known_browsers: Vec<Time>,
    pub(in crate::web) has_password: bool,
    /// Whether a passkey signs in without the password.
    pub(in crate::web) signs_in_alone: bool,
}

impl View for SecurityPage {
    const NAME: &'static str = "account-security.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let at = || Time::from(Timestamp::from_micros(0));
        let factor = |last_used_at| FactorRow {
            id: 7,
            kind: "Authenticator app",
            name: text.to_owned(),
            created_at: at(),
            last_used_at,
        };
        let sample = |factors, codes_left, offers_passkeys| Self {
            layout: Layout::sample(text),
            factors,
            codes_left,
            offers_passkeys,
            known_browsers: if codes_left > 0 { vec![at()] } else { Vec::new() },
            has_password: codes_left > 0,
            signs_in_alone: codes_left != 10,
        };
        vec![
            sample(Vec::new(), 0, true),
            sample(vec![factor(None), factor(Some(at()))], 10, false),
            sample(vec![factor(None)], 1, true),
        ]
    }
}

/// The secret of a new factor and the form that shows a code of it; afterwards the recovery codes.
#[derive(Debug, Serialize)]
pub(in crate::web) struct AddFactorPage {
    pub(in crate::web) layout: Layout,
    /// For people who type it.
    pub(in crate::web) secret: String,
    pub(in crate::web) uri: String,
    /// `None` if the name of the site and of the user are too long for one.
    pub(in crate::web) qr: Option<Qr>,
    /// The secret, sealed.
    pub(in crate::web) state: String,
    /// Whether all other sessions will end.
    pub(in crate::web) is_first: bool,
    /// Whether nothing else may be done before.
    pub(in crate::web) is_demanded: bool,
    pub(in crate::web) form: FormState,
    /// Once it is added, if it is the first: shown in this answer and never again.
    pub(in crate::web) codes: Vec<String>,
}

impl View for AddFactorPage {
    const NAME: &'static str = "account-factor.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |is_first, codes| Self {
            layout: Layout::sample(text),
            secret: text.to_owned(),
            uri: text.to_owned(),
            qr: Qr::of(text),
            state: text.to_owned(),
            is_first,
            is_demanded: is_first,
            form: FormState::sample(text),
            codes,
        };
        vec![sample(true, Vec::new()), sample(false, Vec::new()), sample(true, vec![text.to_owned()])]
    }
}

/// The form for a new passkey, which a script fills in; afterwards the recovery codes.
#[derive(Debug, Serialize)]
pub(in crate::web) struct AddPasskeyPage {
    pub(in crate::web) layout: Layout,
    /// `None` where browsers have none.
    pub(in crate::web) asked: Option<PasskeyAsked>,
    /// Why there is nothing to add one with.
    pub(in crate::web) why_not: &'static str,
    /// What the device has answered, while something else in the form is wrong.
    pub(in crate::web) answer: String,
    /// Whether all other sessions will end.
    pub(in crate::web) is_first: bool,
    /// Whether nothing else may be done before.
    pub(in crate::web) is_demanded: bool,
    pub(in crate::web) form: FormState,
    /// Once it is added, if it is the first factor: shown in this answer and never again.
    pub(in crate::web) codes: Vec<String>,
}

impl View for AddPasskeyPage {
    const NAME: &'static str = "account-passkey.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |is_offered: bool, answer: &str, codes| Self {
            layout: Layout::sample(text),
            asked: is_offered.then(|| PasskeyAsked::sample(text)),
            why_not: "because",
            answer: answer.to_owned(),
            is_first: is_offered,
            is_demanded: is_offered,
            form: FormState::sample(text),
            codes,
        };
        vec![
            sample(true, "", Vec::new()),
            sample(true, text, Vec::new()),
            sample(false, "", Vec::new()),
            sample(true, "", vec![text.to_owned()]),
        ]
    }
}

/// The question whether new recovery codes are to be made; then the codes, never to be seen again.
#[derive(Debug, Serialize)]
pub(in crate::web) struct RecoveryCodesPage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) codes: Vec<String>,
    pub(in crate::web) form: FormState,
}

impl View for RecoveryCodesPage {
    const NAME: &'static str = "recovery-codes.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |codes| Self { layout: Layout::sample(text), codes, form: FormState::sample(text) };
        vec![sample(Vec::new()), sample(vec![text.to_owned()])]
    }
}
