//! The contexts of what pages say about the erasure of a user.

use serde::Serialize;

use super::{Time, View};
#[cfg(test)]
use crate::model::clock::Timestamp;
use crate::web::form::FormState;
use crate::web::layout::Layout;

/// An erasure that waits, on the page of the user.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ErasureNote {
    /// Who asked for it; empty if they are not there any more.
    pub(in crate::web) by: String,
    pub(in crate::web) at: Time,
    pub(in crate::web) due_at: Time,
    pub(in crate::web) may_cancel: bool,
}

#[cfg(test)]
impl ErasureNote {
    pub(in crate::web) fn sample(text: &str) -> Self {
        let at = || Timestamp::from_micros(0).into();
        Self { by: text.to_owned(), at: at(), due_at: at(), may_cancel: true }
    }
}

/// The question whether a user is to be erased.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ErasePage {
    pub(in crate::web) layout: Layout,
    pub(in crate::web) id: i64,
    pub(in crate::web) name: String,
    pub(in crate::web) username: String,
    /// How long it waits; 0: it is done at once.
    pub(in crate::web) days: u64,
    /// What is removed, a line each.
    pub(in crate::web) goes: Vec<String>,
    /// What stays, a line each.
    pub(in crate::web) stays: Vec<String>,
    pub(in crate::web) form: FormState,
    /// Whether the user name is to be blocked, as was chosen before.
    pub(in crate::web) blocks: bool,
}

impl View for ErasePage {
    const NAME: &'static str = "erase.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |days, blocks| Self {
            layout: Layout::sample(text),
            id: 7,
            name: text.to_owned(),
            username: text.to_owned(),
            days,
            goes: vec![text.to_owned()],
            stays: vec![text.to_owned()],
            form: FormState::sample(text),
            blocks,
        };
        vec![sample(7, false), sample(1, true), sample(0, false)]
    }
}
