//! The description of the API for programs: OpenAPI 3.1.
//!
//! The document is written by hand; a test compares it with the mounted routes and runs every example in it.

/// The document.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// What stands in the document for the name of the session cookie, which ends with the installation's tag.
pub const COOKIE: &str = "__Host-sid-TAG";
