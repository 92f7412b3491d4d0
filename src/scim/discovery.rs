//! What this server has of the standard, and what it has not.

use rocket::http::Status;
use rocket::request::Request;
use rocket::response::{self, Responder};
use rocket::{FromForm, get, post};
use serde_json::{Value, json};

use super::answer;
use super::error::{Failure, Kind, Refusal, Result};
use super::request::AcceptsScim;
use super::resource::{EMAIL_TYPE, ENTERPRISE, USER};
use super::users::{LIST, base};
use crate::model::error::Error;
use crate::model::filter::MAX_LIMIT;
use crate::model::permission::ManageUsers;
use crate::operations::Can;

const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// A document.
pub(super) struct Document(Value);

impl<'r> Responder<'r, 'static> for Document {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Ok(answer(Status::Ok, &self.0))
    }
}

/// Documents cannot be filtered (RFC 7644, 4).
#[derive(Debug, Clone, Copy, FromForm)]
pub(super) struct Unfiltered<'r> {
    filter: Option<&'r str>,
}

fn all(documents: &[Value], unfiltered: Unfiltered<'_>) -> Result<Document> {
    if unfiltered.filter.is_some() {
        return Err(Refusal::new(Kind::InvalidFilter, "These documents cannot be filtered.").into());
    }
    Ok(Document(json!({
        "schemas": [LIST],
        "totalResults": documents.len(),
        "itemsPerPage": documents.len(),
        "startIndex": 1,
        "Resources": documents,
    })))
}

fn one(documents: Vec<Value>, id: &str) -> Result<Document> {
    let found = documents.into_iter().find(|document| document["id"].as_str() == Some(id));
    found.map(Document).ok_or(Failure::Error(Error::NoSuchPath))
}

/// What is supported.
#[get("/ServiceProviderConfig")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn service_provider_config(_accepts: AcceptsScim, can: Can<ManageUsers>) -> Document {
    let supported = |is_supported: bool| json!({ "supported": is_supported });
    let longest = can.app().settings.json_limit;
    Document(json!({
        "schemas": [CONFIG],
        "patch": supported(true),
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": longest },
        "filter": { "supported": true, "maxResults": MAX_LIMIT },
        "changePassword": supported(true),
        "sort": supported(true),
        "etag": supported(true),
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": 100,
            "maxPageSize": MAX_LIMIT,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "An API token of a member of staff, or an access token, in the header Authorization.",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{}/ServiceProviderConfig", base(&can)),
        },
    }))
}

fn types(base: &str) -> Vec<Value> {
    vec![json!({
        "schemas": [RESOURCE_TYPE],
        "id": "User",
        "name": "User",
        "description": "A user's account",
        "endpoint": "/Users",
        "schema": USER,
        "schemaExtensions": [],
        "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/User") },
    })]
}

/// The types of resources.
#[get("/ResourceTypes?<unfiltered..>")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn resource_types(
    _accepts: AcceptsScim,
    can: Can<ManageUsers>,
    unfiltered: Unfiltered<'_>,
) -> Result<Document> {
    all(&types(&base(&can)), unfiltered)
}

/// One of them.
#[get("/ResourceTypes/<name>")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn resource_type(name: &str, _accepts: AcceptsScim, can: Can<ManageUsers>) -> Result<Document> {
    one(types(&base(&can)), name)
}

/// An attribute with one text, as most are: to be changed by how much the second word says.
fn text(name: &str, mutability: &str, description: &str) -> Value {
    json!({
        "name": name,
        "type": "string",
        "multiValued": false,
        "description": description,
        "required": false,
        "caseExact": false,
        "mutability": mutability,
        "returned": "default",
        "uniqueness": "none",
    })
}

/// The same with other characteristics.
fn with(mut attribute: Value, others: Value) -> Value {
    if let (Value::Object(attribute), Value::Object(others)) = (&mut attribute, others) {
        attribute.extend(others);
    }
    attribute
}

/// An attribute with parts.
fn complex(name: &str, mutability: &str, description: &str, parts: &[Value]) -> Value {
    let complex = json!({ "type": "complex", "subAttributes": parts });
    let mut attribute = with(text(name, mutability, description), complex);
    if let Value::Object(attribute) = &mut attribute {
        attribute.remove("caseExact");
    }
    attribute
}

fn flag(name: &str, description: &str) -> Value {
    let mut attribute = with(text(name, "readWrite", description), json!({ "type": "boolean" }));
    if let Value::Object(attribute) = &mut attribute {
        attribute.remove("caseExact");
    }
    attribute
}

fn user_attributes() -> Vec<Value> {
    let name = [
        text("familyName", "readWrite", "The family name, up to 150 characters."),
        text("givenName", "readWrite", "The given name, up to 150 characters."),
    ];
    let emails = [
        text("value", "readWrite", "The address, up to 254 characters."),
        with(text("type", "readWrite", "Always \"work\"."), json!({ "canonicalValues": [EMAIL_TYPE] })),
        flag("primary", "Of several addresses that a client sends the primary one is stored."),
    ];
    vec![
        with(
            text(
                "userName",
                "readWrite",
                "What the user signs in with: up to 150 letters, digits and _ @ . + -; unique whatever its letter case.",
            ),
            json!({ "required": true, "uniqueness": "server" }),
        ),
        complex("name", "readWrite", "The name.", &name),
        text(
            "displayName",
            "readOnly",
            "Given and family name, else userName. What a client sends is not stored.",
        ),
        with(
            complex("emails", "readWrite", "The one address of the user.", &emails),
            json!({ "multiValued": true }),
        ),
        with(
            flag(
                "active",
                "Whether the account can be used. False ends all its sessions. True if a new user comes without.",
            ),
            json!({ "required": true }),
        ),
        with(
            text(
                "password",
                "writeOnly",
                "A new password, by the policy of this server. It ends all sessions.",
            ),
            json!({ "returned": "never", "caseExact": true }),
        ),
    ]
}

fn enterprise_attributes() -> Vec<Value> {
    let unstored = |name| text(name, "readOnly", "Accepted, and not stored.");
    let manager = [unstored("value"), unstored("$ref"), unstored("displayName")];
    let mut attributes: Vec<Value> =
        ["employeeNumber", "costCenter", "organization", "division", "department"].map(unstored).into();
    attributes.push(complex("manager", "readOnly", "Accepted, and not stored.", &manager));
    attributes
}

fn schema_documents(base: &str) -> Vec<Value> {
    let document = |id: &str, name: &str, description: &str, attributes: Vec<Value>| {
        json!({
            "schemas": [SCHEMA],
            "id": id,
            "name": name,
            "description": description,
            "attributes": attributes,
            "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{id}") },
        })
    };
    let users = "A user's account. Further attributes of the standard are accepted, and not stored.";
    vec![
        document(USER, "User", users, user_attributes()),
        document(ENTERPRISE, "EnterpriseUser", "Accepted, and not stored.", enterprise_attributes()),
    ]
}

/// The schemas.
#[get("/Schemas?<unfiltered..>")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn schemas(
    _accepts: AcceptsScim,
    can: Can<ManageUsers>,
    unfiltered: Unfiltered<'_>,
) -> Result<Document> {
    all(&schema_documents(&base(&can)), unfiltered)
}

/// One of them.
#[get("/Schemas/<name>")]
#[expect(clippy::needless_pass_by_value, reason = "a guard is handed over by value")]
pub(super) fn schema(name: &str, _accepts: AcceptsScim, can: Can<ManageUsers>) -> Result<Document> {
    one(schema_documents(&base(&can)), name)
}

/// There are no groups: clients that look for some find none.
#[get("/Groups")]
pub(super) fn groups(_accepts: AcceptsScim, _can: Can<ManageUsers>) -> Document {
    Document(json!({
        "schemas": [LIST], "totalResults": 0, "itemsPerPage": 0, "startIndex": 1, "Resources": [],
    }))
}

/// Nor can there be any.
#[post("/Groups")]
pub(super) fn create_group(_accepts: AcceptsScim, _can: Can<ManageUsers>) -> Failure {
    Failure::NotImplemented("This server has no groups. Do not provision any.")
}

/// Several operations at once.
#[post("/Bulk")]
pub(super) fn bulk(_accepts: AcceptsScim, _can: Can<ManageUsers>) -> Failure {
    Failure::NotImplemented("Bulk operations are not supported. Send them one by one.")
}

/// The client's own user.
#[get("/Me")]
pub(super) fn me(_accepts: AcceptsScim, _can: Can<ManageUsers>) -> Failure {
    Failure::NotImplemented("/Me is not supported. Look for the user under /Users.")
}
