//! The context of the page of saved views.

use serde::Serialize;

use super::View;
use crate::web::form::FormState;
use crate::web::layout::Layout;

/// The views of the list that the viewer has saved.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ViewsPage {
    pub(in crate::web) layout: Layout,
    /// The form for one more; without fields where there is nothing to save.
    pub(in crate::web) form: FormState,
    /// The path of the list that would be saved, and its parameters.
    pub(in crate::web) list: String,
    pub(in crate::web) parameters: Vec<(&'static str, String)>,
    /// Path and name of each.
    pub(in crate::web) views: Vec<(String, String)>,
}

impl View for ViewsPage {
    const NAME: &'static str = "views.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let sample = |views| Self {
            layout: Layout::sample(text),
            form: FormState::sample(text),
            list: text.to_owned(),
            parameters: vec![("q", text.to_owned())],
            views,
        };
        vec![sample(vec![(text.to_owned(), text.to_owned())]), sample(Vec::new())]
    }
}
