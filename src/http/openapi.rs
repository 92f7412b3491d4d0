//! The description of the API for programs: OpenAPI 3.1.
//!
//! The document is written by hand; a test compares it with the mounted routes and runs every example in it.

/// The document.
pub const DOCUMENT: &str = include_str!("openapi.json");
