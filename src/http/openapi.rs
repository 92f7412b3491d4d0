//! The description of the API for programs: OpenAPI 3.1.
//!
//! The document is written by hand; a test compares it with the mounted routes and runs every example in it. What
//! differs between installations stands in it as a word in capitals.

use crate::config::GetByName;
use crate::model::base_path::BasePath;

/// As the default of the setting `get_by_name` has it: the path has one GET, by primary key and by name.
const TEMPLATE: &str = include_str!("openapi.json");

/// What there is by name alone with the other one, whose answer is of another type. OpenAPI tells paths apart by their
/// text only, not by the names of their parameters, so this one ends in the slash that every path may end in.
const BY_NAME: &str = include_str!("openapi_by_name.json");

const KEY_OR_NAME: &str = r#"{
            "name": "pk",
            "in": "path",
            "required": true,
            "description": "A user's primary key, or a user name in any letter case.",
            "schema": {"type": "string", "minLength": 1},
            "example": "ada"
          }"#;

const KEY: &str = r#"{
            "name": "pk",
            "in": "path",
            "required": true,
            "description": "A user's primary key.",
            "schema": {"type": "integer", "minimum": 1, "format": "int64"},
            "example": 2
          }"#;

/// The document of an installation with this setting, whose session cookie is called so.
#[must_use]
pub fn document(get_by_name: GetByName, cookie: &str, base: &BasePath) -> String {
    let server = if base.is_empty() { "/" } else { base.as_str() };
    let by_name = format!("\"/v1/users/{{name}}/\": {},\n    ", BY_NAME.trim_end());
    let (key, said, by_name) = match get_by_name {
        GetByName::Object => (KEY_OR_NAME, "Digits alone are a primary key, anything else is a name.", ""),
        GetByName::Array => (KEY, "By name the answer is an array: that is described by itself.", &*by_name),
    };
    TEMPLATE
        .replace("\"/v1/users/{name}/\": \"USERS_BY_NAME\",\n    ", by_name)
        .replace("\"USER_KEY\"", key)
        .replace("USER_SAID", said)
        .replace("SESSION_COOKIE", cookie)
        .replace("SERVER_URL", server)
}
