//! What the channels share of HTTP: request guards, error responses, headers, the request ID, logs and counters.
//!
//! To add something that applies to every request: a fairing in a file here, attached in `server`.

pub(crate) mod arrival;
pub(crate) mod base_path;
pub(crate) mod body;
pub(crate) mod compression;
pub(crate) mod conditions;
pub(crate) mod cookies;
pub(crate) mod denials;
pub(crate) mod descriptors;
pub mod error;
pub mod guards;
pub(crate) mod headers;
pub(crate) mod json;
pub(crate) mod logging;
mod loopback;
pub(crate) mod metrics;
pub mod openapi;
pub mod path;
pub(crate) mod personal_data;
pub mod request_id;
pub(crate) mod traffic;
pub(crate) mod upload;
