//! The channel of identity providers: SCIM 2.0 (RFC 7643, RFC 7644, RFC 9865) at `/scim/v2`, if the setting `scim` says
//! so. The same operations, rules and limits as in every channel; a client is a user with a token.
//!
//! Thin handlers in `users` and `discovery`, one catcher here. `filter` and `patch` are the grammar and the operations
//! of PATCH, `resource` is the form of a user, `search` what a filter means to the database; all without I/O. To add
//! a route: a handler that begins with `_: AcceptsScim` and a `Can<P>`, its name in [`routes`], and its row in the
//! permission matrix of the tests.

mod discovery;
mod error;
mod filter;
mod patch;
mod request;
mod resource;
mod search;
mod users;

use rocket::http::{ContentType, Status};
use rocket::request::Request;
use rocket::response::Response;
use rocket::{Catcher, Route, catch, catchers, routes};
use serde_json::Value;

use crate::http::error::{ProgramErrors, Rendered, json_answer};
use crate::http::path::{SCIM_BASE, SCIM_ROOT};
use crate::model::error::Error;

/// Where the resources are.
pub const BASE: &str = SCIM_BASE;
/// Below which errors are told in SCIM's form.
pub const ROOT: &str = SCIM_ROOT;

/// The routes below [`BASE`].
#[must_use]
pub fn routes() -> Vec<Route> {
    routes![
        discovery::service_provider_config,
        discovery::resource_types,
        discovery::resource_type,
        discovery::schemas,
        discovery::schema,
        discovery::groups,
        discovery::create_group,
        discovery::bulk,
        discovery::me,
        users::list,
        users::search,
        users::search_all,
        users::create,
        users::retrieve,
        users::replace,
        users::change,
        users::delete,
    ]
}

/// An error as provisioning clients know it.
pub(crate) fn render(error: &Error) -> Response<'static> {
    error::render(error)
}

/// The catcher below [`ROOT`].
#[must_use]
pub fn catchers() -> Vec<Catcher> {
    catchers![failed]
}

/// Renders whatever went wrong below [`ROOT`].
#[catch(default)]
fn failed(status: Status, request: &Request<'_>) -> Rendered<'static> {
    let by_status = |status: Status| error::told(status, None, status.reason_lossy());
    ProgramErrors { error: render, status: by_status }.caught(status, request)
}

/// The type of every body.
fn content_type() -> ContentType {
    ContentType::new("application", "scim+json")
}

/// An answer with such a body.
fn answer(status: Status, body: &Value) -> Response<'static> {
    json_answer(status, content_type(), body)
}
