//! The API's description as a page, made of its OpenAPI document.

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
    static OBJECT: LazyLock<Vec<OperationGroup>> = LazyLock::new(|| described(GetByName::Object));
    static ARRAY: LazyLock<Vec<OperationGroup>> = LazyLock::new(|| described(GetByName::Array));
    let groups = match app.settings.get_by_name {
        GetByName::Object => &OBJECT,
        GetByName::Array => &ARRAY,
    };
    let mut groups = groups.to_vec();
    let base = &app.settings.base_path;
    if !base.is_empty() {
        for operation in groups.iter_mut().flat_map(|group| &mut group.operations) {
            operation.path = base.link_to(&operation.path);
        }
    }
    Answer::page(DocumentationPage { groups })
}

fn described(get_by_name: GetByName) -> Vec<OperationGroup> {
    // A test reads the same document: it is JSON.
    groups(
        &serde_json::from_str(&openapi::document(get_by_name, "", &BasePath::default())).unwrap_or_default(),
    )
}

/// The operations by their first tag, in the order of the document.
fn groups(document: &Value) -> Vec<OperationGroup> {
    let mut groups: Vec<OperationGroup> = Vec::new();
    let Some(paths) = document["paths"].as_object() else { return groups };
    for (path, methods) in paths {
        for method in METHODS {
            let Some(described) = methods.get(method) else { continue };
            let name = text(&described["tags"][0]);
            let operation = operation(document, method, path, described);
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.operations.push(operation),
                None => groups.push(OperationGroup { name, operations: vec![operation] }),
            }
        }
    }
    groups
}

fn operation(document: &Value, method: &str, path: &str, described: &Value) -> Operation {
    let example = &described["requestBody"]["content"]["application/json"]["example"];
    let responses = described["responses"].as_object().into_iter().flatten().map(|(status, response)| {
        let response = match response["$ref"].as_str() {
            Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap_or(response),
            None => response,
        };
        (status.clone(), text(&response["description"]))
    });
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
        responses: responses.collect(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
