//! The context of the template about API tokens.

use serde::Serialize;

use super::{Time, View};
#[cfg(test)]
use crate::model::clock::Timestamp;
use crate::web::form::FormState;
use crate::web::layout::Layout;

/// An API token.
#[derive(Debug, Serialize)]
pub(in crate::web) struct TokenRow {
    pub(in crate::web) id: i64,
    pub(in crate::web) name: String,
    pub(in crate::web) read_only: bool,
    pub(in crate::web) created_at: Time,
    pub(in crate::web) last_used_at: Option<Time>,
    pub(in crate::web) expires_at: Time,
}

/// A token that was just made: shown in this answer and never again.
#[derive(Debug, Serialize)]
pub(in crate::web) struct NewToken {
    pub(in crate::web) name: String,
    pub(in crate::web) token: String,
    pub(in crate::web) expires_at: Time,
}

/// API tokens, of the viewer or of a user, and the form for another one.
#[derive(Debug, Serialize)]
pub(in crate::web) struct TokensPage {
    pub(in crate::web) layout: Layout,
    /// The path of this page.
    pub(in crate::web) path: String,
    /// Path and name of the page that this one belongs to.
    pub(in crate::web) back: (String, String),
    /// The name of the tokens' owner; empty for the viewer's own.
    pub(in crate::web) owner: String,
    pub(in crate::web) tokens: Vec<TokenRow>,
    pub(in crate::web) made: Option<NewToken>,
    pub(in crate::web) form: FormState,
    /// Whether the token is to be good for more than reading.
    pub(in crate::web) full: bool,
}

impl View for TokensPage {
    const NAME: &'static str = "tokens.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let at = || Time::from(Timestamp::from_micros(0));
        let token = |read_only, last_used_at| TokenRow {
            id: 7,
            name: text.to_owned(),
            read_only,
            created_at: at(),
            last_used_at,
            expires_at: at(),
        };
        let sample = |owner: &str, tokens, made| Self {
            layout: Layout::sample(text),
            path: text.to_owned(),
            back: (text.to_owned(), text.to_owned()),
            owner: owner.to_owned(),
            tokens,
            made,
            form: FormState::sample(text),
            full: true,
        };
        let made = NewToken { name: text.to_owned(), token: text.to_owned(), expires_at: at() };
        vec![
            sample("", vec![token(true, None), token(false, Some(at()))], None),
            sample(text, vec![], Some(made)),
        ]
    }
}
