//! The API's description as a page, made of its OpenAPI document.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rocket::get;
use serde_json::Value;

use super::view::{Answer, DocumentationPage, Operation, OperationGroup};
use crate::config::GetByName;
use crate::http::openapi;
use crate::model::base_path::BasePath;
use crate::operations::App;

/// Methods in the order in which they are shown.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page, for every client: of an installation it reveals no more than the document.
#[get("/docs")]
pub(super) fn page(app: &App) -> Answer<DocumentationPage> {
    static OBJECT: LazyLock<DocumentationPage> = LazyLock::new(|| described(GetByName::Object));
    static ARRAY: LazyLock<DocumentationPage> = LazyLock::new(|| described(GetByName::Array));
    let page = match app.settings.get_by_name {
        GetByName::Object => &OBJECT,
        GetByName::Array => &ARRAY,
    };
    let mut page = DocumentationPage::clone(page);
    let base = &app.settings.base_path;
    if !base.is_empty() {
        for operation in page.groups.iter_mut().flat_map(|group| &mut group.operations) {
            operation.path = base.link_to(&operation.path);
        }
    }
    Answer::page(page)
}

fn described(get_by_name: GetByName) -> DocumentationPage {
    // A test reads the same document: it is JSON.
    let document = openapi::document(get_by_name, "", &BasePath::default());
    let document = serde_json::from_str(&document).unwrap_or_default();
    let mut shared = BTreeMap::new();
    let groups = groups(&document, &mut shared);
    DocumentationPage { groups, statuses: shared.into_iter().collect() }
}

/// Statuses, and what they mean.
type Statuses = BTreeMap<String, String>;

/// The operations by their first tag, in the order of the document. Adds the statuses that they share.
fn groups(document: &Value, shared: &mut Statuses) -> Vec<OperationGroup> {
    let mut groups: Vec<OperationGroup> = Vec::new();
    let Some(paths) = document["paths"].as_object() else { return groups };
    for (path, methods) in paths {
        for method in METHODS {
            let Some(described) = methods.get(method) else { continue };
            let name = text(&described["tags"][0]);
            let operation = operation(document, method, path, described, shared);
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.operations.push(operation),
                None => groups.push(OperationGroup { name, operations: vec![operation] }),
            }
        }
    }
    groups
}

fn operation(
    document: &Value,
    method: &str,
    path: &str,
    described: &Value,
    shared: &mut Statuses,
) -> Operation {
    let example = &described["requestBody"]["content"]["application/json"]["example"];
    let (mut responses, mut others) = (Vec::new(), Vec::new());
    for (status, response) in described["responses"].as_object().into_iter().flatten() {
        let reference = response["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
        match reference.and_then(|reference| document.pointer(reference)) {
            Some(response) => {
                others.push(status.as_str());
                shared.insert(status.clone(), text(&response["description"]));
            }
            None => responses.push((status.clone(), text(&response["description"]))),
        }
    }
    Operation {
        id: text(&described["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&described["summary"]),
        description: text(&described["description"]),
        example: if example.is_null() {
            String::new()
        } else {
            serde_json::to_string_pretty(example).unwrap_or_default()
        },
        responses,
        others: others.join(", "),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
