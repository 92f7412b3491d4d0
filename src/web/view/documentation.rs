//! The page that describes the API.

use serde::Serialize;

use super::View;

/// One method of one path.
#[derive(Debug, Clone, Serialize)]
pub(in crate::web) struct Operation {
    /// For links to it.
    pub(in crate::web) id: String,
    pub(in crate::web) method: String,
    pub(in crate::web) path: String,
    pub(in crate::web) summary: String,
    pub(in crate::web) description: String,
    /// A body, or empty.
    pub(in crate::web) example: String,
    /// Statuses of its own, and what they mean.
    pub(in crate::web) responses: Vec<(String, String)>,
    /// Statuses that it shares with others, in a row.
    pub(in crate::web) others: String,
}

/// Operations that belong together.
#[derive(Debug, Clone, Serialize)]
pub(in crate::web) struct OperationGroup {
    pub(in crate::web) name: String,
    pub(in crate::web) operations: Vec<Operation>,
}

/// `docs.html`
#[derive(Debug, Clone, Serialize)]
pub(in crate::web) struct DocumentationPage {
    pub(in crate::web) groups: Vec<OperationGroup>,
    /// Statuses that several operations share, and what they mean.
    pub(in crate::web) statuses: Vec<(String, String)>,
}

impl View for DocumentationPage {
    const NAME: &'static str = "docs.html";

    #[cfg(test)]
    fn samples(text: &str) -> Vec<Self> {
        let operation = Operation {
            id: text.to_owned(),
            method: text.to_owned(),
            path: text.to_owned(),
            summary: text.to_owned(),
            description: text.to_owned(),
            example: text.to_owned(),
            responses: vec![(text.to_owned(), text.to_owned())],
            others: text.to_owned(),
        };
        let statuses = operation.responses.clone();
        let groups = vec![OperationGroup { name: text.to_owned(), operations: vec![operation] }];
        vec![Self { groups, statuses }]
    }
}
